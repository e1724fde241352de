/* SPDX-License-Identifier: MIT */
#include "reactor/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

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
	gate->running = gate->drainers = 0;
	list_init(&gate->waiting);
	list_init(&gate->link);
}

struct work_gate *workers_control_gate(void)
{
	return &control_gate;
}

/* A gate is on the list exactly while it has work that may run. */
static void gate_update(struct work_gate *gate)
{
	bool runnable = !list_empty(&gate->waiting) && gate->running < gate->limit;

	if (runnable && list_empty(&gate->link))
		list_add_tail(&pool.gates, &gate->link);
	else if (!runnable)
		list_del(&gate->link);
}

/* Takes the next job, of the gate that has waited longest; lock held. */
static struct work *take(struct work_gate **gate)
{
	struct work_gate *g = list_pop(&pool.gates, struct work_gate, link);
	struct work *w = list_pop(&g->waiting, struct work, link);

	g->running++;
	gate_update(g);
	*gate = g;
	return w;
}

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

static void *worker(void *arg)
{
	sigset_t all;

	(void)arg;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct work_gate *gate;
		struct work *w;

		while (list_empty(&pool.gates) && !pool.stopping) {
			pool.idle++;
			pthread_cond_wait(&pool.more, &pool.lock);
			pool.idle--;
		}
		if (list_empty(&pool.gates))
			break;
		w = take(&gate);
		/* who was called for that job may have been this very thread */
		if (!list_empty(&pool.gates))
			call_one();
		pool.busy++;
		pthread_mutex_unlock(&pool.lock);
		w->fn(w);
		pthread_mutex_lock(&pool.lock);
		pool.busy--;
		gate->running--;
		gate_update(gate);
		if (pool.stopping || gate->drainers)
			pthread_cond_broadcast(&pool.ended);
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
	while (gate->running || !list_empty(&gate->waiting))
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

void workers_submit(struct work_gate *gate, struct work *work)
{
	pthread_mutex_lock(&pool.lock);
	list_add_tail(&gate->waiting, &work->link);
	gate_update(gate);
	call_one();
	pthread_mutex_unlock(&pool.lock);
}
