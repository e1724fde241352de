/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "pdu.h"
#include "report.h"

static struct histogram all;

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static void put_latency(const struct histogram *h)
{
	printf("\"min_us\": %.1f, \"mean_us\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, "
	       "\"p999_us\": %.1f, "
	       "\"max_us\": %.1f",
	       h->count ? us(h->min) : 0, histogram_mean(h) / 1000,
	       us(histogram_percentile(h, 0.5)), us(histogram_percentile(h, 0.99)),
	       us(histogram_percentile(h, 0.999)), us(h->max));
}

static void put_kind(const char *name, const struct histogram *h)
{
	printf(", \"%s\": {\"ios\": %llu, ", name, (unsigned long long)h->count);
	put_latency(h);
	printf("}");
}

static const char *digest(bool on)
{
	return on ? "\"CRC32C\"" : "\"None\"";
}

bool report(const struct session *first)
{
	double seconds = (double)result.took / 1e9;
	uint64_t ios;

	histogram_reset(&all);
	histogram_add(&all, &result.reads);
	histogram_add(&all, &result.writes);
	ios = all.count - result.unfinished;
	printf("{\"ios\": %llu, \"seconds\": %.6f, ", (unsigned long long)ios, seconds);
	put_latency(&all);
	printf(", \"errors\": %llu, \"verify_errors\": %llu, \"digest_errors\": %llu, "
	       "\"unfinished\": %llu",
	       (unsigned long long)result.errors, (unsigned long long)result.verify_errors,
	       (unsigned long long)digest_errors, (unsigned long long)result.unfinished);
	printf(", \"mb_per_second\": %.3f, \"rate\": %u, \"sessions\": %u, \"depth\": %u, "
	       "\"size\": %u",
	       seconds > 0 ? (double)ios * opt.size / 1e6 / seconds : 0, opt.rate, opt.sessions,
	       opt.depth, opt.size);
	printf(", \"header_digest\": %s, \"data_digest\": %s, \"verified\": %s",
	       digest(first->header_digest), digest(first->data_digest),
	       opt.verify ? "true" : "false");
	put_kind("read", &result.reads);
	put_kind("write", &result.writes);
	printf("}\n");
	return !result.errors && !result.verify_errors && !digest_errors;
}
