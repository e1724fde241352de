/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of times in ns: each power of two is divided into HISTOGRAM_STEPS buckets
 * of the same width, so that a value is known to 1/64 of itself, from a nanosecond to centuries,
 * and recording one takes no more than a shift and an addition.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS                                                                          \
	(59 * HISTOGRAM_STEPS) /* 0..63 singly, then the powers from 2^6 to 2^63 */

struct histogram {
	uint64_t count, min, max;
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *h);
void histogram_record(struct histogram *h, uint64_t value);
void histogram_add(struct histogram *to, const struct histogram *from);

/*
 * The smallest value that at least this share (0 to 1) of those recorded doesn't exceed: the upper
 * end of its bucket, so that a latency is never told as less than it was, but no more than the
 * greatest recorded. 0 if there are none.
 */
uint64_t histogram_percentile(const struct histogram *h, double share);
double histogram_mean(const struct histogram *h);

/* The bucket of a value, and the greatest value of a bucket. */
unsigned histogram_bucket(uint64_t value);
uint64_t histogram_upper(unsigned bucket);

#endif
