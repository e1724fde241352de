/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef TGT_REACTOR_INTERNAL_H
#define TGT_REACTOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "reactor/reactor.h"

struct timer_heap {
	struct timer **slots; /* from 1 */
	size_t count, room;
};

struct mailbox {
	_Atomic(struct message *) head; /* newest first */
	atomic_bool sleeping;
	struct fd_watch wake; /* eventfd */
};

struct reactor {
	unsigned id;
	uint32_t turn;
	int epoll_fd;
	uint64_t now_ms;
	struct list deferred[DEFER_STAGES];
	struct timer_heap timers;
	struct bufpool *pool;
	pthread_t thread;
	bool joinable;    /* reactor 0 only */
	atomic_int tid;   /* 0: it hasn't begun */
	unsigned poll_us; /* before it sleeps, now */
	struct mailbox mailbox;
	atomic_bool quit;
} __attribute__((aligned(64)));

int mailbox_init(struct reactor *reactor);
void mailbox_destroy(struct reactor *reactor);
static inline bool mailbox_is_empty(const struct reactor *reactor)
{
	return !atomic_load_explicit(&reactor->mailbox.head, memory_order_relaxed);
}

/* Runs what has arrived; true when there was something. */
bool mailbox_run(struct reactor *reactor);
/* Announces that the reactor will sleep; false when a message has arrived meanwhile. */
bool mailbox_may_sleep(struct reactor *reactor);

/* Milliseconds until the first timer, -1 when there is none. */
int timers_timeout(const struct reactor *reactor);
void timers_run(struct reactor *reactor);
void timers_free(struct reactor *reactor);

#endif
