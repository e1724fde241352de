/* SPDX-License-Identifier: MIT */
/*
 * Reactors: event loop threads, one a core.  A reactor owns connections, tasks and buffers; what it
 * owns is touched on its own thread only.  Other threads reach it by messages.
 *
 * One turn of the loop: wait for events, run their callbacks, timers, messages; then the three
 * deferred lists until all are empty, in this order: WORK (tasks that became ready, completions;
 * then messages that have come meanwhile), SUBMIT (stores hand over what was queued, in one
 * syscall), FLUSH (connections send what is ready, in one syscall).  So whatever became ready in a
 * turn leaves together.
 *
 * Who has more to do than is fair to the others on the reactor defers the rest to NEXT_TURN: it
 * then runs in stage WORK of the next one, which begins at once.
 */
#ifndef TGT_REACTOR_REACTOR_H
#define TGT_REACTOR_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"

#define REACTOR_MAX 64

struct bufpool;
struct reactor;

/* A file descriptor in the loop.  Embedded in what it belongs to. */
struct fd_watch {
	int fd;
	uint32_t events;                                     /* as last asked for; 0: not watched */
	void (*fn)(struct fd_watch *watch, uint32_t events); /* may unwatch and free itself */
	struct reactor *reactor;
};

/* A one-shot timer, embedded.  Zeroed is idle. */
struct timer {
	uint64_t due_ms;
	size_t slot; /* place in the heap, from 1; 0: idle */
	void (*fn)(struct timer *timer);
	struct reactor *reactor;
};

/* A message to a reactor, embedded; free for reuse once fn runs. */
struct message {
	struct message *next;
	void (*fn)(struct message *message);
};

/* Something to do before this turn ends, embedded; list_init()ed when idle. */
struct deferred {
	struct list link;
	void (*fn)(struct deferred *deferred);
};

enum deferred_stage { DEFER_WORK, DEFER_SUBMIT, DEFER_FLUSH, DEFER_NEXT_TURN, DEFER_STAGES };

/* For how long at most a reactor looks for events before it sleeps, while they come that soon; 0:
 * not at all.  Before reactors_start(). */
void reactors_poll(unsigned max_us);

/* Starts count reactors; number 0 is the calling thread, which enters its loop by reactor_run().
 * The others' threads start at once.  buffer_bytes bounds each one's bufpool.  0 or -errno. */
int reactors_start(unsigned count, size_t buffer_bytes);
/* Ends the other reactors' loops, joins their threads and frees all; 0.  Or, when some haven't
 * ended after timeout_ms, as a store doesn't let go of them: how many, each with a log line;
 * nothing is freed then, and it may be called again.  On reactor 0's thread, after its loop. */
unsigned reactors_stop(unsigned timeout_ms);
unsigned reactors_count(void);
struct reactor *reactor_get(unsigned id);

/* The reactor of the calling thread; NULL on a worker or another thread. */
struct reactor *reactor_self(void);
unsigned reactor_id(const struct reactor *reactor);
struct bufpool *reactor_bufpool(struct reactor *reactor);

/* Runs the loop of the calling thread's reactor until reactor_quit(); any thread may call that. */
void reactor_run(struct reactor *reactor);
void reactor_quit(struct reactor *reactor);

/* The number of the turn; wraps around.  Own thread. */
uint32_t reactor_turn(const struct reactor *reactor);

/* Milliseconds of a monotonic clock, read once a turn.  Own thread. */
uint64_t reactor_now_ms(const struct reactor *reactor);

/* Own thread.  events are EPOLLIN, EPOLLOUT; level triggered.  0 or -errno. */
int reactor_watch(struct reactor *reactor, struct fd_watch *watch, uint32_t events);
int reactor_modify(struct fd_watch *watch, uint32_t events);
void reactor_unwatch(struct fd_watch *watch);

/* Own thread.  Arming an armed timer moves it. */
void reactor_timer_arm(struct reactor *reactor, struct timer *timer, uint32_t delay_ms);
void reactor_timer_cancel(struct timer *timer);

/* Own thread.  Deferring what is deferred already changes nothing. */
void reactor_defer(struct reactor *reactor, enum deferred_stage stage, struct deferred *deferred);

/* Any thread.  fn runs on the reactor, in the order in which one thread sent. */
void reactor_send(struct reactor *reactor, struct message *message);
/* The same for several: from the newest to the oldest by next. */
void reactor_send_all(struct reactor *reactor, struct message *newest, struct message *oldest);

/*
 * Runs fn(arg, reactor) on every reactor, then done(arg) on the calling one: when done runs, each
 * has seen everything that was published before the call, and no callback that began earlier still
 * runs. fn may be NULL.  Calling reactor only; allocates (aborts when out of memory).
 */
void reactors_visit(void (*fn)(void *arg, struct reactor *reactor), void (*done)(void *arg),
		    void *arg);

#endif
