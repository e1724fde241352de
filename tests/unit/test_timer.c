/* SPDX-License-Identifier: MIT */
/* Timers fire in the order of their deadlines, once, and not when cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "reactor/reactor.h"
#include "util/list.h"

#define COUNT 500

struct numbered {
	struct timer timer;
	uint32_t delay;
	unsigned fired;
};

static struct numbered timers[COUNT];
static uint32_t last;
static unsigned fired;

static void fire(struct timer *timer)
{
	struct numbered *n = container_of(timer, struct numbered, timer);

	assert_true(n->delay >= last);
	last = n->delay;
	n->fired++;
	fired++;
}

static void quit(struct timer *timer)
{
	reactor_quit(timer->reactor);
}

static void in_order_of_deadlines(void **state)
{
	struct timer end = {.fn = quit};
	unsigned cancelled = 0;

	(void)state;
	srand(1);
	assert_int_equal(reactors_start(1, 0), 0);
	for (int i = 0; i < COUNT; i++) {
		timers[i].timer.fn = fire;
		timers[i].delay = (uint32_t)rand() % 60;
		/* the first arming is moved by the second */
		reactor_timer_arm(reactor_self(), &timers[i].timer, 5);
		reactor_timer_arm(reactor_self(), &timers[i].timer, timers[i].delay);
	}
	for (int i = 0; i < COUNT; i += 3, cancelled++) {
		reactor_timer_cancel(&timers[i].timer);
		reactor_timer_cancel(&timers[i].timer); /* harmless */
	}
	reactor_timer_arm(reactor_self(), &end, 80);
	reactor_run(reactor_self());
	assert_int_equal(fired, COUNT - cancelled);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(timers[i].fired, i % 3 != 0);
	assert_int_equal(reactors_stop(10000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(in_order_of_deadlines)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
