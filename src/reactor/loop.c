/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "reactor/bufpool.h"
#include "reactor/internal.h"
#include "util/log.h"

#define EVENTS_A_TURN 64

/* Never freed: whoever just sent a last message may still look whether its reader sleeps. */
static struct reactor memory[REACTOR_MAX];
static struct reactor *reactors[REACTOR_MAX];
static unsigned nr_reactors;
/* Asked for with every request; libtgt.so is there from the start, so that needs no call. */
static __thread struct reactor *self __attribute__((tls_model("initial-exec")));

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t clock_ms(void)
{
	return clock_ns() / 1000000;
}

unsigned reactors_count(void)
{
	return nr_reactors;
}

struct reactor *reactor_get(unsigned id)
{
	return reactors[id];
}

struct reactor *reactor_self(void)
{
	return self;
}

unsigned reactor_id(const struct reactor *reactor)
{
	return reactor->id;
}

struct bufpool *reactor_bufpool(struct reactor *reactor)
{
	return reactor->pool;
}

uint64_t reactor_now_ms(const struct reactor *reactor)
{
	return reactor->now_ms;
}

uint32_t reactor_turn(const struct reactor *reactor)
{
	return reactor->turn;
}

int reactor_watch(struct reactor *reactor, struct fd_watch *watch, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	watch->reactor = reactor;
	watch->events = events;
	return epoll_ctl(reactor->epoll_fd, EPOLL_CTL_ADD, watch->fd, &ev) ? -errno : 0;
}

int reactor_modify(struct fd_watch *watch, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = watch};

	if (watch->events == events)
		return 0;
	watch->events = events;
	return epoll_ctl(watch->reactor->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) ? -errno : 0;
}

/* Events of this turn that are still to come must not reach a watch that is gone. */
static __thread struct epoll_event *turn_events;
static __thread int turn_next, turn_count;

void reactor_unwatch(struct fd_watch *watch)
{
	if (!watch->reactor)
		return;
	epoll_ctl(watch->reactor->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = turn_next; i < turn_count; i++) {
		if (turn_events[i].data.ptr == watch)
			turn_events[i].data.ptr = NULL;
	}
	watch->reactor = NULL;
	watch->events = 0;
}

void reactor_defer(struct reactor *reactor, enum deferred_stage stage, struct deferred *deferred)
{
	if (list_empty(&deferred->link))
		list_add_tail(&reactor->deferred[stage], &deferred->link);
}

static bool run_stage(struct reactor *reactor, enum deferred_stage stage)
{
	struct list batch = LIST_INIT(batch);

	if (list_empty(&reactor->deferred[stage]))
		return false;
	list_splice_tail(&batch, &reactor->deferred[stage]);
	while (!list_empty(&batch)) {
		struct deferred *d = list_pop(&batch, struct deferred, link);

		d->fn(d);
	}
	return true;
}

/* Earlier stages first, again after each later one, since that may have made new work; messages,
 * too, before anything leaves: what a reactor asks of itself takes no turn for each step.  Bounded,
 * so that tasks that keep each other busy don't keep the sockets waiting. */
static bool run_deferred(struct reactor *reactor)
{
	for (int rounds = 0; rounds < 16; rounds++) {
		if (!run_stage(reactor, DEFER_WORK) && !mailbox_run(reactor) &&
		    !run_stage(reactor, DEFER_SUBMIT) && !run_stage(reactor, DEFER_FLUSH))
			return false;
	}
	run_stage(reactor, DEFER_SUBMIT);
	run_stage(reactor, DEFER_FLUSH);
	return true;
}

static void dispatch(struct epoll_event *events, int count)
{
	turn_events = events;
	turn_count = count;
	for (turn_next = 0; turn_next < turn_count;) {
		struct epoll_event *ev = &events[turn_next++];
		struct fd_watch *watch = ev->data.ptr;

		if (watch)
			watch->fn(watch, ev->events);
	}
	turn_count = turn_next = 0;
}

/* ---- waiting ---- */

static unsigned poll_max_us;

void reactors_poll(unsigned max_us)
{
	poll_max_us = max_us;
}

/* A sleep that was so short that it costs less to look for its end all the time: the next ones are
 * polled for twice as long, else half as long, down to nothing.  Who is idle thus sleeps. */
static void adapt_poll(struct reactor *reactor, uint64_t slept_ns)
{
	if (slept_ns >= 2000ull * poll_max_us) { /* with the waking up */
		reactor->poll_us /= 2;
		return;
	}
	reactor->poll_us = reactor->poll_us ? reactor->poll_us * 2 : 1 + poll_max_us / 8;
	if (reactor->poll_us > poll_max_us)
		reactor->poll_us = poll_max_us;
}

/* Something came while it was looked for. */
static bool poll_for(struct reactor *reactor, struct epoll_event *events, int *count)
{
	uint64_t end = clock_ns() + 1000ull * reactor->poll_us;

	do {
		*count = epoll_wait(reactor->epoll_fd, events, EVENTS_A_TURN, 0);
		if (*count || !mailbox_is_empty(reactor))
			return true;
	} while (clock_ns() < end);
	return false;
}

static int wait_for_events(struct reactor *reactor, struct epoll_event *events, int timeout)
{
	uint64_t begin;
	int count;

	if (timeout && reactor->poll_us && poll_for(reactor, events, &count))
		return count;
	if (timeout && !mailbox_may_sleep(reactor))
		timeout = 0;
	if (!timeout || !poll_max_us)
		return epoll_wait(reactor->epoll_fd, events, EVENTS_A_TURN, timeout);
	begin = clock_ns();
	count = epoll_wait(reactor->epoll_fd, events, EVENTS_A_TURN, timeout);
	adapt_poll(reactor, clock_ns() - begin);
	return count;
}

static void turn(struct reactor *reactor, bool busy)
{
	struct epoll_event events[EVENTS_A_TURN];
	struct list put_off = LIST_INIT(put_off);
	int timeout = busy ? 0 : timers_timeout(reactor);
	int count = wait_for_events(reactor, events, timeout);

	reactor->turn++;
	list_splice_tail(&put_off, &reactor->deferred[DEFER_NEXT_TURN]);
	reactor->now_ms = clock_ms();
	if (count < 0 && errno != EINTR) {
		log_err("epoll_wait on reactor %u: %s", reactor->id, strerror(errno));
		abort();
	}
	dispatch(events, count < 0 ? 0 : count);
	timers_run(reactor);
	mailbox_run(reactor);
	/* who had more than was fair comes after those who have something now */
	list_splice_tail(&reactor->deferred[DEFER_WORK], &put_off);
}

void reactor_run(struct reactor *reactor)
{
	bool busy = false;

	while (!atomic_load_explicit(&reactor->quit, memory_order_acquire)) {
		turn(reactor, busy);
		busy = run_deferred(reactor) || !list_empty(&reactor->deferred[DEFER_NEXT_TURN]);
	}
	atomic_store(&reactor->quit, false); /* it may be entered again */
}

static void quit_message(struct message *message)
{
	free(message);
}

void reactor_quit(struct reactor *reactor)
{
	struct message *wake = calloc(1, sizeof(*wake));

	atomic_store(&reactor->quit, true);
	if (!wake)
		return;
	wake->fn = quit_message;
	reactor_send(reactor, wake);
}

static void reactor_free(struct reactor *reactor)
{
	if (!reactor)
		return;
	timers_free(reactor);
	mailbox_destroy(reactor);
	close(reactor->epoll_fd);
	if (reactor->pool)
		bufpool_destroy(reactor->pool);
}

static struct reactor *reactor_create(unsigned id, size_t buffer_bytes)
{
	struct reactor *r = &memory[id];

	memset(r, 0, sizeof(*r));
	r->id = id;
	r->now_ms = clock_ms();
	for (int i = 0; i < DEFER_STAGES; i++)
		list_init(&r->deferred[i]);
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0 || mailbox_init(r))
		return NULL;
	r->pool = bufpool_create(buffer_bytes);
	if (!r->pool) {
		reactor_free(r);
		return NULL;
	}
	return r;
}

static void *reactor_thread(void *arg)
{
	sigset_t all;
	char name[16];

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	self = arg;
	atomic_store(&self->tid, gettid());
	snprintf(name, sizeof(name), "reactor%u", self->id);
	pthread_setname_np(pthread_self(), name);
	reactor_run(self);
	return NULL;
}

int reactors_start(unsigned count, size_t buffer_bytes)
{
	int err;

	for (unsigned i = 0; i < count; i++) {
		reactors[i] = reactor_create(i, buffer_bytes);
		if (!reactors[i])
			return -ENOMEM;
	}
	self = reactors[0];
	nr_reactors = count;
	for (unsigned i = 1; i < count; i++) {
		err = pthread_create(&reactors[i]->thread, NULL, reactor_thread, reactors[i]);
		if (err)
			return -err;
		reactors[i]->joinable = true;
	}
	return 0;
}

/* ---- stopping ---- */

/* Where in the kernel, as far as that is told. */
static void complain(const struct reactor *reactor)
{
	char path[64], where[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", atomic_load(&reactor->tid));
	f = fopen(path, "re");
	if (f) {
		if (!fgets(where, sizeof(where), f))
			where[0] = 0;
		fclose(f);
	}
	log_warning("event loop thread %u doesn't end: it stands still%s%s", reactor->id,
		    *where && *where != '0' ? " in the kernel's " : "", *where != '0' ? where : "");
}

static bool join(struct reactor *reactor, const struct timespec *deadline)
{
	if (!reactor->joinable)
		return true;
	if (pthread_timedjoin_np(reactor->thread, NULL, deadline))
		return false;
	reactor->joinable = false;
	return true;
}

/* How many are left. */
static unsigned join_all(unsigned timeout_ms)
{
	struct timespec deadline;
	unsigned left = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (deadline.tv_nsec >= 1000000000L) {
		deadline.tv_nsec -= 1000000000L;
		deadline.tv_sec++;
	}
	for (unsigned i = 1; i < nr_reactors; i++) {
		if (join(reactors[i], &deadline))
			continue;
		complain(reactors[i]);
		left++;
	}
	return left;
}

unsigned reactors_stop(unsigned timeout_ms)
{
	unsigned left;

	for (unsigned i = 1; i < nr_reactors; i++)
		if (reactors[i]->joinable)
			reactor_quit(reactors[i]);
	left = join_all(timeout_ms);
	if (left)
		return left;
	for (unsigned i = 0; i < nr_reactors; i++) {
		mailbox_run(reactors[i]);
		reactor_free(reactors[i]);
		reactors[i] = NULL;
	}
	nr_reactors = 0;
	self = NULL;
	return 0;
}

/* ---- reactors_visit ---- */

struct visit {
	void (*fn)(void *arg, struct reactor *reactor);
	void (*done)(void *arg);
	void *arg;
	unsigned pending; /* origin only */
	struct reactor *origin;
	struct visit_part {
		struct message message;
		struct visit *visit;
		struct reactor *reactor;
	} parts[];
};

static void visit_returned(struct message *message)
{
	struct visit *v = container_of(message, struct visit_part, message)->visit;

	if (--v->pending)
		return;
	if (v->done)
		v->done(v->arg);
	free(v);
}

static void visit_arrived(struct message *message)
{
	struct visit_part *part = container_of(message, struct visit_part, message);

	if (part->visit->fn)
		part->visit->fn(part->visit->arg, part->reactor);
	message->fn = visit_returned;
	reactor_send(part->visit->origin, message);
}

void reactors_visit(void (*fn)(void *arg, struct reactor *reactor), void (*done)(void *arg),
		    void *arg)
{
	struct visit *v = calloc(1, sizeof(*v) + nr_reactors * sizeof(v->parts[0]));

	if (!v)
		abort(); /* half a change of shared state can't be taken back */
	v->fn = fn;
	v->done = done;
	v->arg = arg;
	v->pending = nr_reactors;
	v->origin = self;
	for (unsigned i = 0; i < nr_reactors; i++) {
		v->parts[i].visit = v;
		v->parts[i].reactor = reactors[i];
		v->parts[i].message.fn = visit_arrived;
		reactor_send(reactors[i], &v->parts[i].message);
	}
}
