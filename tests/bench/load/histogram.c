/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "histogram.h"

#define STEP_BITS 6

void histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_STEPS)
		return (unsigned)value;
	shift = 63 - STEP_BITS - (unsigned)__builtin_clzll(value);
	return shift * HISTOGRAM_STEPS + (unsigned)(value >> shift);
}

uint64_t histogram_upper(unsigned bucket)
{
	unsigned shift;

	if (bucket < HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / HISTOGRAM_STEPS - 1;
	/* of the last bucket the sum is 2^64, which unsigned arithmetic makes 0, and the difference
	 * right */
	return ((uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, uint64_t value)
{
	h->buckets[histogram_bucket(value)]++;
	h->count++;
	h->sum += (double)value;
	if (value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	to->sum += from->sum;
	if (from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
}

uint64_t histogram_percentile(const struct histogram *h, double share)
{
	double exact = share * (double)h->count;
	uint64_t want = (uint64_t)exact, seen = 0;

	if ((double)want < exact || !want)
		want++;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= want)
			return histogram_upper(i) < h->max ? histogram_upper(i) : h->max;
	}
	return h->max;
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / (double)h->count : 0;
}
