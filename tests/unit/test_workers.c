/* SPDX-License-Identifier: MIT */
/* The worker pool: a gate's cap holds, and a gate that hangs takes no thread from the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "reactor/reactor.h"
#include "reactor/workers.h"

enum { GATE = 3 };
static atomic_uint running, most, ended;
static pthread_mutex_t block = PTHREAD_MUTEX_INITIALIZER;

static void busy(struct work *work)
{
	unsigned now = atomic_fetch_add(&running, 1) + 1, seen = atomic_load(&most);

	(void)work;
	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		;
	/* until as many run as may, however busy the machine; then a little more, for one too many
	 */
	for (int i = 0; i < 2000 && atomic_load(&most) < GATE; i++)
		usleep(1000);
	usleep(2000);
	atomic_fetch_sub(&running, 1);
	atomic_fetch_add(&ended, 1);
}

static atomic_uint begun;

static void hang(struct work *work)
{
	(void)work;
	atomic_fetch_add(&begun, 1);
	pthread_mutex_lock(&block);
	pthread_mutex_unlock(&block);
	atomic_fetch_add(&ended, 1);
}

static void quick(struct work *work)
{
	(void)work;
	atomic_fetch_add(&ended, 1);
}

static void wait_for(unsigned count)
{
	for (int i = 0; i < 5000 && atomic_load(&ended) < count; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&ended), count);
}

static void a_gate_caps_its_share(void **state)
{
	struct work_gate gate;
	struct work jobs[24] = {0};

	(void)state;
	assert_int_equal(workers_start(8), 0);
	work_gate_init(&gate, GATE);
	for (unsigned i = 0; i < 24; i++) {
		jobs[i].fn = busy;
		workers_submit(&gate, &jobs[i]);
	}
	wait_for(24);
	assert_int_equal(atomic_load(&most), GATE);
	assert_int_equal(workers_stop(5000), 0);
}

static void a_hung_gate_leaves_the_others_alone(void **state)
{
	struct work_gate dead, alive;
	struct work hung[8] = {0}, job = {.fn = quick};

	(void)state;
	atomic_store(&ended, 0);
	assert_int_equal(workers_start(4), 0);
	work_gate_init(&dead, 3);
	work_gate_init(&alive, 3);
	pthread_mutex_lock(&block);
	for (unsigned i = 0; i < 8; i++) {
		hung[i].fn = hang;
		workers_submit(&dead, &hung[i]);
	}
	workers_submit(&alive, &job);
	wait_for(1);
	assert_true(workers_stop(50) > 0); /* they still hang, and stopping says so */
	pthread_mutex_unlock(&block);
	wait_for(9);
	assert_int_equal(workers_stop(5000), 0);
}

/* Two jobs for one sleeper: it takes the first, which hangs; another thread must come for the
 * second. */
static void a_sleeper_is_called_for_one_job_only(void **state)
{
	struct work_gate dead, alive;
	struct work stuck = {.fn = hang}, job = {.fn = quick};

	(void)state;
	for (int i = 0; i < 20; i++) {
		atomic_store(&ended, 0);
		assert_int_equal(workers_start(4), 0);
		work_gate_init(&dead, 1);
		work_gate_init(&alive, 1);
		usleep(2000); /* the first thread falls asleep */
		pthread_mutex_lock(&block);
		workers_submit(&dead, &stuck);
		workers_submit(&alive, &job);
		wait_for(1);
		pthread_mutex_unlock(&block);
		wait_for(2);
		assert_int_equal(workers_stop(5000), 0);
	}
}

/* All of them at once: while they are short one thread is enough, and nothing else waits for it. */
static void short_jobs_share_a_thread(void **state)
{
	struct work_gate gate;
	struct work jobs[24] = {0}, other = {.fn = quick};
	struct list all = LIST_INIT(all);

	(void)state;
	atomic_store(&ended, 0);
	atomic_store(&begun, 0);
	assert_int_equal(workers_start(8), 0);
	work_gate_init(&gate, GATE);
	pthread_mutex_lock(&block);
	for (unsigned i = 0; i < 24; i++) {
		jobs[i] = (struct work){.fn = hang, .may_be_short = true};
		list_add_tail(&all, &jobs[i].link);
	}
	workers_submit_all(&gate, &all);
	assert_true(list_empty(&all));
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		assert_true(atomic_load(&begun) <= 1);
	}
	workers_submit(&gate, &other);
	wait_for(1);
	pthread_mutex_unlock(&block);
	wait_for(25);
	assert_int_equal(workers_stop(5000), 0);
}

struct sender {
	struct work work;
	struct message message;
	struct reactor *reactor;
};

static void heard(struct message *message)
{
	reactor_quit(container_of(message, struct sender, message)->reactor);
}

static void tell(struct work *work)
{
	struct sender *s = container_of(work, struct sender, work);

	workers_send(s->reactor, &s->message);
	atomic_fetch_add(&ended, 1);
}

static void give_up(struct timer *timer)
{
	(void)timer;
	fail_msg("what a job has sent waits for another owner's job that hangs");
}

static atomic_bool all_wait;

static void until_all_wait(struct work *work)
{
	(void)work;
	while (!atomic_load(&all_wait))
		usleep(100);
	atomic_fetch_add(&ended, 1);
}

/* The one thread takes a job that sends, and then one of another owner, whose file is dead. */
static void nobody_waits_for_another_owners_job(void **state)
{
	struct work_gate alive, dead, before;
	struct work first = {.fn = until_all_wait}, stuck = {.fn = hang, .may_be_short = true};
	struct timer patience = {.fn = give_up};
	struct sender sender = {.work = {.fn = tell, .may_be_short = true}, .message.fn = heard};

	(void)state;
	atomic_store(&ended, 0);
	atomic_store(&all_wait, false);
	assert_int_equal(reactors_start(1, 0), 0);
	assert_int_equal(workers_start(1), 0);
	sender.reactor = reactor_self();
	work_gate_init(&before, GATE);
	work_gate_init(&alive, GATE);
	work_gate_init(&dead, GATE);
	pthread_mutex_lock(&block);
	workers_submit(&before, &first);
	workers_submit(&alive, &sender.work);
	workers_submit(&dead, &stuck);
	atomic_store(&all_wait, true);
	reactor_timer_arm(sender.reactor, &patience, 2000);
	reactor_run(sender.reactor);
	reactor_timer_cancel(&patience);
	pthread_mutex_unlock(&block);
	wait_for(3);
	assert_int_equal(workers_stop(5000), 0);
	assert_int_equal(reactors_stop(10000), 0);
}

static void slow(struct work *work)
{
	(void)work;
	usleep(2000);
	atomic_fetch_add(&ended, 1);
}

/* Their duration tells: those that aren't short have threads of their own, until they are again. */
static void what_is_not_short_spreads(void **state)
{
	struct work_gate gate;
	struct work jobs[24] = {0};

	(void)state;
	atomic_store(&ended, 0);
	atomic_store(&most, 0);
	assert_int_equal(workers_start(8), 0);
	work_gate_init(&gate, GATE);
	jobs[0] = (struct work){.fn = slow, .may_be_short = true};
	workers_submit(&gate, &jobs[0]);
	wait_for(1);
	for (unsigned i = 0; i < 24; i++) {
		jobs[i] = (struct work){.fn = busy, .may_be_short = true};
		workers_submit(&gate, &jobs[i]);
	}
	wait_for(25);
	assert_int_equal(atomic_load(&most), GATE);
	assert_int_equal(workers_stop(5000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_gate_caps_its_share),
	    cmocka_unit_test(a_hung_gate_leaves_the_others_alone),
	    cmocka_unit_test(a_sleeper_is_called_for_one_job_only),
	    cmocka_unit_test(short_jobs_share_a_thread),
	    cmocka_unit_test(nobody_waits_for_another_owners_job),
	    cmocka_unit_test(what_is_not_short_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
