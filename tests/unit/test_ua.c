/* SPDX-License-Identifier: MIT */
/* Unit attention queues (SAM-5 5.14): each condition once, resets first and alone, never too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scsi/sense.h"
#include "scsi/ua.h"

static void taken_in_the_order_they_came(void **state)
{
	struct ua_queue q = {0};

	(void)state;
	assert_false(ua_pending(&q));
	assert_int_equal(ua_take(&q), 0);
	ua_add(&q, ASC_MODE_PARAMETERS_CHANGED);
	ua_add(&q, ASC_CAPACITY_DATA_HAS_CHANGED);
	ua_add(&q, ASC_MODE_PARAMETERS_CHANGED); /* is pending already */
	assert_int_equal(q.count, 2);
	assert_int_equal(ua_take(&q), ASC_MODE_PARAMETERS_CHANGED);
	assert_int_equal(ua_take(&q), ASC_CAPACITY_DATA_HAS_CHANGED);
	assert_false(ua_pending(&q));
}

static void a_reset_clears_what_was_before(void **state)
{
	struct ua_queue q = {0};

	(void)state;
	ua_add(&q, ASC_MODE_PARAMETERS_CHANGED);
	ua_add(&q, ASC_RESERVATIONS_PREEMPTED);
	ua_add(&q, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	ua_add(&q, ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
	assert_int_equal(ua_take(&q), ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	assert_int_equal(ua_take(&q), ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
	assert_int_equal(ua_take(&q), 0);
}

static void an_overfull_queue_keeps_the_first(void **state)
{
	struct ua_queue q = {0};

	(void)state;
	for (uint16_t i = 0; i < 3 * UA_MAX; i++)
		ua_add(&q, (uint16_t)(0x2a00 + i));
	assert_int_equal(q.count, UA_MAX);
	for (uint16_t i = 0; i < UA_MAX; i++)
		assert_int_equal(ua_take(&q), 0x2a00 + i);
}

static void one_can_be_taken_back(void **state)
{
	struct ua_queue q = {0};

	(void)state;
	ua_add(&q, 0x2a01);
	ua_add(&q, 0x2a02);
	ua_add(&q, 0x2a03);
	ua_clear(&q, 0x2a02);
	ua_clear(&q, 0x2a09); /* isn't there */
	assert_int_equal(ua_take(&q), 0x2a01);
	assert_int_equal(ua_take(&q), 0x2a03);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken_in_the_order_they_came),
	    cmocka_unit_test(a_reset_clears_what_was_before),
	    cmocka_unit_test(an_overfull_queue_keeps_the_first),
	    cmocka_unit_test(one_can_be_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
