/* SPDX-License-Identifier: MIT */
/* The histogram of latencies of tests/bench/load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/load/histogram.h"

static struct histogram h, other;

static void test_empty(void **state)
{
	(void)state;
	histogram_reset(&h);
	assert_int_equal(histogram_percentile(&h, 0.5), 0);
	assert_int_equal(histogram_percentile(&h, 1), 0);
	assert_true(histogram_mean(&h) == 0);
}

/* Every bucket begins where the one before ends, and the last ends with the greatest number. */
static void test_buckets_are_adjacent(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	for (unsigned b = 0; b + 1 < HISTOGRAM_BUCKETS; b++) {
		assert_int_equal(histogram_bucket(histogram_upper(b)), b);
		assert_int_equal(histogram_bucket(histogram_upper(b) + 1), b + 1);
	}
	assert_true(histogram_upper(HISTOGRAM_BUCKETS - 1) == UINT64_MAX);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* No value is told as less than it is, nor as more than a 64th above. */
static void test_error(void **state)
{
	(void)state;
	for (uint64_t v = 1; v < UINT64_MAX / 3; v += v / 3 + 1) {
		uint64_t told = histogram_upper(histogram_bucket(v));

		assert_true(told >= v);
		assert_true(told - v <= v / HISTOGRAM_STEPS);
	}
}

/* 1 to 1000 in steps of 1000 ns, once each */
static void test_percentiles(void **state)
{
	static const struct {
		double share;
		uint64_t value;
	} rows[] = {{0.5, 500000}, {0.99, 990000}, {0.999, 999000}, {0.001, 1000}};

	(void)state;
	histogram_reset(&h);
	for (uint64_t i = 1000; i; i--)
		histogram_record(&h, i * 1000);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t told = histogram_percentile(&h, rows[i].share);

		assert_true(told >= rows[i].value);
		assert_true(told <= rows[i].value + rows[i].value / HISTOGRAM_STEPS);
	}
	assert_int_equal(histogram_percentile(&h, 1), 1000000);
	assert_int_equal(h.count, 1000);
	assert_int_equal(h.min, 1000);
	assert_int_equal(h.max, 1000000);
	assert_true(histogram_mean(&h) == 500500);
}

/* One slow one of a thousand is in the last thousandth, and nowhere before. */
static void test_tail(void **state)
{
	(void)state;
	histogram_reset(&h);
	for (unsigned i = 0; i < 999; i++)
		histogram_record(&h, 50);
	histogram_record(&h, 7000000);
	assert_int_equal(histogram_percentile(&h, 0.99), 50);
	assert_int_equal(histogram_percentile(&h, 0.999), 50);
	assert_int_equal(histogram_percentile(&h, 0.9991), 7000000);
	assert_int_equal(h.max, 7000000);
}

static void test_add(void **state)
{
	(void)state;
	histogram_reset(&h);
	histogram_reset(&other);
	histogram_add(&h, &other);
	assert_int_equal(histogram_percentile(&h, 0.5), 0);
	histogram_record(&h, 10);
	histogram_record(&other, 5);
	histogram_record(&other, 60);
	histogram_add(&h, &other);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.min, 5);
	assert_int_equal(h.max, 60);
	assert_int_equal(histogram_percentile(&h, 0.5), 10);
	assert_true(histogram_mean(&h) == 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty), cmocka_unit_test(test_buckets_are_adjacent),
	    cmocka_unit_test(test_error), cmocka_unit_test(test_percentiles),
	    cmocka_unit_test(test_tail),  cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
