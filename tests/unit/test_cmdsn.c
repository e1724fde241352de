/* SPDX-License-Identifier: MIT */
/* The command window: RFC 7143 4.2.2.1, RFC 1982. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/cmdsn.h"

static void test_serial(void **state)
{
	(void)state;
	assert_true(serial_before(1, 2));
	assert_false(serial_before(2, 2));
	assert_false(serial_before(3, 2));
	assert_true(serial_before(0xffffffff, 0));
	assert_false(serial_before(0, 0xffffffff));
	assert_true(serial_before(0xfffffff0, 0x10));
}

static void check_window(uint32_t first)
{
	struct cmd_window w;

	window_init(&w, first, 4, 8);
	assert_int_equal(w.max, (uint32_t)(first + 3));
	assert_int_equal(window_place(&w, first), WINDOW_NEXT);
	assert_int_equal(window_place(&w, first + 1), WINDOW_AHEAD);
	assert_int_equal(window_place(&w, first + 3), WINDOW_AHEAD);
	assert_int_equal(window_place(&w, first + 4), WINDOW_OUTSIDE);
	assert_int_equal(window_place(&w, first - 1), WINDOW_OUTSIDE);
	assert_int_equal(window_place(&w, first + 0x80000000u), WINDOW_OUTSIDE);
}

static void test_places(void **state)
{
	(void)state;
	check_window(1);
	check_window(0);
	check_window(0xfffffffe); /* across the wrap */
	check_window(0x7ffffffe);
}

static void test_closed_and_open_again(void **state)
{
	struct cmd_window w;

	(void)state;
	window_init(&w, 0xfffffffe, 2, 2);
	window_take(&w);
	window_take(&w);
	assert_int_equal(w.exp, 0);
	assert_int_equal(w.max,
			 0xffffffff); /* 4.2.2.1: MaxCmdSN = ExpCmdSN - 1 is a closed window */
	assert_int_equal(window_place(&w, 0), WINDOW_OUTSIDE);
	window_give_back(&w);
	assert_int_equal(w.max, 0);
	assert_int_equal(window_place(&w, 0), WINDOW_NEXT);
	assert_int_equal(window_place(&w, 1), WINDOW_OUTSIDE);
}

static void test_growth(void **state)
{
	struct cmd_window w;

	(void)state;
	window_init(&w, 10, 2, 4);
	window_grow(&w);
	assert_int_equal(w.size, 3);
	assert_int_equal(window_place(&w, 12), WINDOW_AHEAD);
	assert_int_equal(window_place(&w, 13), WINDOW_OUTSIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_serial),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_closed_and_open_again),
	    cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
