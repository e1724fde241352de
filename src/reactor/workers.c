/* SPDX-License-Identifier: MIT */
#include "reactor/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "reactor/reactor.h"

#define SHORT_NS 30000u /* in the mean */
#define SENT_TOGETHER 16u

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, ended;
	struct list gates; /* with something to run and room to run it */
	unsigned max, threads, idle, busy;
	bool stopping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
	  .more = PTHREAD_COND_INITIALIZER,
	  .ended = PTHREAD_COND_INITIALIZER};
static struct work_gate control_gate;

void work_gate_init(struct work_gate *gate, unsigned limit)
{
	gate->limit = limit;
	gate->running = gate->running_short = gate->drainers = 0;
	gate->mean_ns = 0;
	list_init(&gate->waiting);
	list_init(&gate->waiting_short);
	list_init(&gate->link);
}

struct work_gate *workers_control_gate(void)
{
	return &control_gate;
}

/* One thread is enough for those that are short. */
static bool runs_short(const struct work_gate *gate)
{
	return !list_empty(&gate->waiting_short) && !gate->running_short;
}

/* A gate is on the list exactly while it has work that may run. */
static void gate_update(struct work_gate *gate)
{
	bool runnable =
	    gate->running < gate->limit && (runs_short(gate) || !list_empty(&gate->waiting));

	if (runnable && list_empty(&gate->link))
		list_add_tail(&pool.gates, &gate->link);
	else if (!runnable)
		list_del(&gate->link);
}

/* What a thread is at. */
struct running {
	struct work_gate *gate;
	struct work *work;
	bool is_short;
	bool is_timed;
};

/* Takes the next job, of the gate that has waited longest; lock held. */
static bool take(struct running *r)
{
	struct work_gate *g;

	if (list_empty(&pool.gates))
		return false;
	g = list_pop(&pool.gates, struct work_gate, link);
	r->gate = g;
	r->is_short = runs_short(g);
	r->work = list_pop(r->is_short ? &g->waiting_short : &g->waiting, struct work, link);
	r->is_timed = r->work->may_be_short;
	g->running++;
	g->running_short += r->is_short;
	gate_update(g);
	return true;
}

static void put(const struct running *r, uint32_t ns)
{
	struct work_gate *g = r->gate;

	g->running--;
	g->running_short -= r->is_short;
	if (r->is_timed)
		g->mean_ns = g->mean_ns - g->mean_ns / 8 + ns / 8;
	gate_update(g);
	if (pool.stopping || g->drainers)
		pthread_cond_broadcast(&pool.ended);
}

/* ---- what short jobs send ---- */

static __thread struct {
	bool collects;
	unsigned count;
	const struct work_gate *gate; /* whose jobs sent it; only compared */
	struct reactor *reactor;
	struct message *newest, *oldest; /* by next */
} outbox;

static void outbox_send(void)
{
	if (!outbox.count)
		return;
	reactor_send_all(outbox.reactor, outbox.newest, outbox.oldest);
	outbox.count = 0;
}

void workers_send(struct reactor *reactor, struct message *message)
{
	if (!outbox.collects) {
		reactor_send(reactor, message);
		return;
	}
	if (outbox.count && outbox.reactor != reactor)
		outbox_send();
	if (!outbox.count) {
		outbox.reactor = reactor;
		outbox.oldest = message;
	}
	message->next = outbox.newest;
	outbox.newest = message;
	outbox.count++;
}

/* ---- threads ---- */

static void *worker(void *arg);

static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (!pthread_create(&thread, &attr, worker, NULL))
		pool.threads++;
	pthread_attr_destroy(&attr);
}

/* Somebody for a job that may run; lock held. */
static void call_one(void)
{
	if (pool.idle)
		pthread_cond_signal(&pool.more);
	else if (pool.threads < pool.max)
		start_thread();
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Without the lock; how long it took, where that is asked. */
static uint32_t run(const struct running *r)
{
	uint64_t begin = r->is_timed ? now_ns() : 0, took;

	outbox.collects = r->is_short;
	outbox.gate = r->gate;
	r->work->fn(r->work);
	outbox.collects = false;
	if (!r->is_timed)
		return 0;
	took = now_ns() - begin;
	return took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
}

/* Nothing that was sent waits while this thread sleeps, or is at something long, or at what is
 * another owner's, whose file may be dead. */
static bool has_to_send(const struct running *r, bool taken)
{
	return outbox.count &&
	       (!taken || !r->is_short || r->gate != outbox.gate || outbox.count >= SENT_TOGETHER);
}

/* The next job; false: the pool stops.  Lock held. */
static bool wait_for_job(struct running *r)
{
	for (;;) {
		bool taken = take(r);

		if (has_to_send(r, taken)) {
			pthread_mutex_unlock(&pool.lock);
			outbox_send();
			pthread_mutex_lock(&pool.lock);
			if (!taken)
				continue; /* something may have come */
		}
		if (taken)
			return true;
		if (pool.stopping)
			return false;
		pool.idle++;
		pthread_cond_wait(&pool.more, &pool.lock);
		pool.idle--;
	}
}

static void *worker(void *arg)
{
	struct running r;
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&pool.lock);
	while (wait_for_job(&r)) {
		uint32_t ns;

		/* who was called for that job may have been this very thread */
		if (!list_empty(&pool.gates))
			call_one();
		pool.busy++;
		pthread_mutex_unlock(&pool.lock);
		ns = run(&r);
		pthread_mutex_lock(&pool.lock);
		pool.busy--;
		put(&r, ns);
	}
	pool.threads--;
	pthread_cond_broadcast(&pool.ended);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

void work_gate_drain(struct work_gate *gate)
{
	pthread_mutex_lock(&pool.lock);
	gate->drainers++;
	while (gate->running || !list_empty(&gate->waiting) || !list_empty(&gate->waiting_short))
		pthread_cond_wait(&pool.ended, &pool.lock);
	gate->drainers--;
	pthread_mutex_unlock(&pool.lock);
}

int workers_start(unsigned max_threads)
{
	list_init(&pool.gates);
	pool.max = max_threads ? max_threads : 1;
	pool.stopping = false;
	work_gate_init(&control_gate, pool.max > 2 ? pool.max / 2 : 1);
	pthread_mutex_lock(&pool.lock);
	start_thread();
	pthread_mutex_unlock(&pool.lock);
	return pool.threads ? 0 : -EAGAIN;
}

unsigned workers_stop(unsigned timeout_ms)
{
	struct timespec until;
	unsigned left;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&pool.lock);
	pool.stopping = true;
	pthread_cond_broadcast(&pool.more);
	while (pool.threads && !pthread_cond_timedwait(&pool.ended, &pool.lock, &until))
		;
	left = pool.threads;
	pthread_mutex_unlock(&pool.lock);
	return left;
}

/* Lock held. */
static void add(struct work_gate *gate, struct work *work)
{
	bool is_short = work->may_be_short && gate->mean_ns < SHORT_NS;
	bool was_on = !list_empty(&gate->link);

	list_add_tail(is_short ? &gate->waiting_short : &gate->waiting, &work->link);
	gate_update(gate);
	/* of short ones the first calls somebody for all */
	if (!list_empty(&gate->link) && (!is_short || !was_on))
		call_one();
}

void workers_submit(struct work_gate *gate, struct work *work)
{
	pthread_mutex_lock(&pool.lock);
	add(gate, work);
	pthread_mutex_unlock(&pool.lock);
}

void workers_submit_all(struct work_gate *gate, struct list *works)
{
	pthread_mutex_lock(&pool.lock);
	while (!list_empty(works))
		add(gate, list_pop(works, struct work, link));
	pthread_mutex_unlock(&pool.lock);
}
