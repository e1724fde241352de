/* SPDX-License-Identifier: MIT */
/* The loop: deferred stages, messages, visits, watches. */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "reactor/reactor.h"
#include "util/list.h"

static char trace[64];

static void note(char c)
{
	size_t len = strlen(trace);

	assert_true(len + 1 < sizeof(trace));
	trace[len] = c;
	trace[len + 1] = 0;
}

struct step {
	struct deferred deferred;
	char name;
	struct step *then; /* deferred into WORK when this one runs */
};

static void run_step(struct deferred *d)
{
	struct step *s = container_of(d, struct step, deferred);

	note(s->name);
	if (s->then)
		reactor_defer(reactor_self(), DEFER_WORK, &s->then->deferred);
}

static void make_step(struct step *s, char name, struct step *then)
{
	list_init(&s->deferred.link);
	s->deferred.fn = run_step;
	s->name = name;
	s->then = then;
}

static void quit(struct timer *timer)
{
	reactor_quit(timer->reactor);
}

static void run_for(uint32_t ms)
{
	struct timer timer = {.fn = quit};

	reactor_timer_arm(reactor_self(), &timer, ms);
	reactor_run(reactor_self());
}

static int start_polling(void **state)
{
	(void)state;
	trace[0] = 0;
	reactors_poll(1000);
	return reactors_start(3, 0);
}

static int start(void **state)
{
	(void)state;
	trace[0] = 0;
	return reactors_start(3, 0);
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(reactors_stop(10000), 0);
	return 0;
}

static int stop_polling(void **state)
{
	stop(state);
	reactors_poll(0);
	return 0;
}

static void stages_run_in_order(void **state)
{
	struct step work, submit, flush, late;

	(void)state;
	make_step(&late, 'l', NULL);
	make_step(&work, 'w', NULL);
	make_step(&submit, 's', &late); /* a store that completes while it submits */
	make_step(&flush, 'f', NULL);
	reactor_defer(reactor_self(), DEFER_FLUSH, &flush.deferred);
	reactor_defer(reactor_self(), DEFER_SUBMIT, &submit.deferred);
	reactor_defer(reactor_self(), DEFER_WORK, &work.deferred);
	reactor_defer(reactor_self(), DEFER_WORK, &work.deferred); /* twice is once */
	run_for(5);
	assert_string_equal(trace, "wslf");
}

/* Runs in the turn after: a watch that was ready meanwhile comes before it, and what that makes
 * ready. */
struct again {
	struct message message;
	struct deferred deferred;
	struct step late, work;
	uint32_t turn;
	struct fd_watch watch;
};

static void run_again(struct deferred *d)
{
	struct again *a = container_of(d, struct again, deferred);

	note('a');
	assert_int_equal(reactor_turn(reactor_self()), a->turn + 1);
	reactor_quit(reactor_self());
}

static void readable_once(struct fd_watch *watch, uint32_t events)
{
	(void)events;
	note('r');
	reactor_defer(reactor_self(), DEFER_WORK,
		      &container_of(watch, struct again, watch)->work.deferred);
	reactor_unwatch(watch);
}

static void begin_again(struct message *message)
{
	struct again *a = container_of(message, struct again, message);

	note('b');
	a->turn = reactor_turn(reactor_self());
	reactor_defer(reactor_self(), DEFER_NEXT_TURN, &a->deferred);
	reactor_defer(reactor_self(), DEFER_FLUSH, &a->late.deferred);
	assert_int_equal(reactor_watch(reactor_self(), &a->watch, EPOLLIN), 0);
}

static void what_waits_for_the_next_turn_lets_others_run(void **state)
{
	struct again a = {
	    .message.fn = begin_again, .deferred.fn = run_again, .watch.fn = readable_once};
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(write(pair[1], "x", 1), 1);
	a.watch.fd = pair[0];
	list_init(&a.deferred.link);
	make_step(&a.late, 'l', NULL);
	make_step(&a.work, 'w', NULL);
	reactor_send(reactor_self(), &a.message);
	reactor_run(reactor_self());
	assert_string_equal(trace, "blrwa");
	close(pair[0]);
	close(pair[1]);
}

struct numbered {
	struct message message;
	char name;
};

static void noted(struct message *message)
{
	note(container_of(message, struct numbered, message)->name);
}

static void messages_keep_their_order(void **state)
{
	struct numbered m[5];

	(void)state;
	for (int i = 0; i < 5; i++) {
		m[i] = (struct numbered){.message.fn = noted, .name = (char)('0' + i)};
		reactor_send(reactor_self(), &m[i].message);
	}
	run_for(5);
	assert_string_equal(trace, "01234");
}

struct visited {
	atomic_uint seen;
	bool done;
};

static void visit(void *arg, struct reactor *reactor)
{
	struct visited *v = arg;

	assert_ptr_equal(reactor, reactor_self());
	atomic_fetch_or(&v->seen, 1u << reactor_id(reactor));
}

static void visit_done(void *arg)
{
	struct visited *v = arg;

	assert_int_equal(reactor_id(reactor_self()), 0);
	assert_int_equal(atomic_load(&v->seen), 7);
	v->done = true;
	reactor_quit(reactor_self());
}

static void a_visit_reaches_every_reactor(void **state)
{
	struct visited v = {0};

	(void)state;
	reactors_visit(visit, visit_done, &v);
	reactor_run(reactor_self());
	assert_true(v.done);
}

struct stuck {
	struct message message;
	int pipe[2];
	atomic_bool there;
};

static void stand_still(struct message *message)
{
	struct stuck *s = container_of(message, struct stuck, message);
	char byte;

	atomic_store(&s->there, true);
	assert_int_equal(read(s->pipe[0], &byte, 1), 1);
}

/* What log lines fn() made, on stderr. */
static void said(char *lines, size_t size, void (*fn)(void))
{
	FILE *file = tmpfile();
	int kept = dup(2);

	assert_non_null(file);
	assert_true(kept >= 0);
	assert_int_equal(dup2(fileno(file), 2), 2);
	fn();
	assert_int_equal(dup2(kept, 2), 2);
	close(kept);
	rewind(file);
	lines[fread(lines, 1, size - 1, file)] = 0;
	fclose(file);
}

static void stop_with_one_left(void)
{
	assert_int_equal(reactors_stop(50), 1);
}

/* It is told which, and the others are waited for again when it goes on. */
static void who_stands_still_is_told(void **state)
{
	struct stuck s = {.message.fn = stand_still};
	char lines[512];

	(void)state;
	assert_int_equal(pipe(s.pipe), 0);
	reactor_send(reactor_get(2), &s.message);
	while (!atomic_load(&s.there))
		usleep(1000);
	said(lines, sizeof(lines), stop_with_one_left);
	assert_non_null(strstr(lines, "event loop thread 2 doesn't end: it stands still"));
	assert_null(strstr(lines, "thread 1 "));
	assert_int_equal(reactors_count(), 3);
	assert_int_equal(write(s.pipe[1], "x", 1), 1);
	assert_int_equal(reactors_stop(10000), 0);
	close(s.pipe[0]);
	close(s.pipe[1]);
}

/* Ping-pong between two reactors: no message may be lost while the other falls asleep. */
struct ping {
	struct message message;
	unsigned count;
};

static void bounce(struct message *message)
{
	struct ping *p = container_of(message, struct ping, message);

	if (++p->count == 20000)
		reactor_quit(reactor_get(0));
	else
		reactor_send(reactor_get(p->count & 1), message);
}

static void no_wakeup_is_lost(void **state)
{
	struct ping p = {.message.fn = bounce};

	(void)state;
	alarm(30);
	reactor_send(reactor_get(1), &p.message);
	reactor_run(reactor_self());
	alarm(0);
	assert_int_equal(p.count, 20000);
}

struct pipe_watch {
	struct fd_watch watch;
	struct pipe_watch *other;
	unsigned calls;
};

static void pipe_ready(struct fd_watch *watch, uint32_t events)
{
	struct pipe_watch *w = container_of(watch, struct pipe_watch, watch);

	assert_true(events & EPOLLIN);
	w->calls++;
	reactor_unwatch(&w->watch);
	reactor_unwatch(&w->other->watch);
	reactor_quit(reactor_self());
}

static void an_unwatched_fd_is_not_called_again(void **state)
{
	struct pipe_watch a = {.watch.fn = pipe_ready}, b = {.watch.fn = pipe_ready};
	int pa[2], pb[2];

	(void)state;
	assert_int_equal(pipe(pa) | pipe(pb), 0);
	a.watch.fd = pa[0];
	b.watch.fd = pb[0];
	a.other = &b;
	b.other = &a;
	assert_int_equal(reactor_watch(reactor_self(), &a.watch, EPOLLIN), 0);
	assert_int_equal(reactor_watch(reactor_self(), &b.watch, EPOLLIN), 0);
	assert_int_equal(write(pa[1], "x", 1) + write(pb[1], "x", 1), 2);
	reactor_run(reactor_self());
	/* both were ready in one turn; whoever came first took the other away */
	assert_int_equal(a.calls + b.calls, 1);
	close(pa[0]);
	close(pa[1]);
	close(pb[0]);
	close(pb[1]);
}

static uint64_t cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What comes quickly is polled for, and then that ends. */
static void who_is_idle_sleeps(void **state)
{
	uint64_t before;

	no_wakeup_is_lost(state);
	before = cpu_ms();
	run_for(300);
	assert_true(cpu_ms() - before < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(stages_run_in_order, start, stop),
	    cmocka_unit_test_setup_teardown(what_waits_for_the_next_turn_lets_others_run, start,
					    stop),
	    cmocka_unit_test_setup_teardown(messages_keep_their_order, start, stop),
	    cmocka_unit_test_setup_teardown(a_visit_reaches_every_reactor, start, stop),
	    cmocka_unit_test_setup(who_stands_still_is_told, start),
	    cmocka_unit_test_setup_teardown(no_wakeup_is_lost, start, stop),
	    cmocka_unit_test_setup_teardown(an_unwatched_fd_is_not_called_again, start, stop),
	    cmocka_unit_test_setup_teardown(no_wakeup_is_lost, start_polling, stop_polling),
	    cmocka_unit_test_setup_teardown(an_unwatched_fd_is_not_called_again, start_polling,
					    stop_polling),
	    cmocka_unit_test_setup_teardown(who_is_idle_sleeps, start_polling, stop_polling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
