/* SPDX-License-Identifier: MIT */
/*
 * Threads for what may block, shared by all logical units; they start on demand.  A gate caps how
 * many of them one owner may hold, so that one dead file can't take them all.
 *
 * Jobs that take a few microseconds (a write into the page cache) cost more in wake-ups than in
 * work: while a gate's are so short, one thread does them one after the other, and what it sends to
 * a reactor goes together.
 */
#ifndef TGT_REACTOR_WORKERS_H
#define TGT_REACTOR_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/list.h"

struct message;
struct reactor;

/* An owner's share.  Guarded by the pool's lock. */
struct work_gate {
	unsigned limit, running;
	unsigned running_short;
	unsigned drainers;
	uint32_t mean_ns; /* of those that may be short */
	struct list waiting;
	struct list waiting_short;
	struct list link; /* among the gates with something to run */
};

/* A job, embedded; free for reuse once fn runs. */
struct work {
	struct list link;
	void (*fn)(struct work *work);
	bool may_be_short;
};

int workers_start(unsigned max_threads);
/* Waits for the running jobs, at most timeout_ms; threads that still hang are left to process exit.
 * Returns how many. */
unsigned workers_stop(unsigned timeout_ms);

void work_gate_init(struct work_gate *gate, unsigned limit);
/* Any thread: fn runs on a worker, in order of submission but side by side up to the gate's limit.
 */
void workers_submit(struct work_gate *gate, struct work *work);
/* The same for all jobs of a list, which is empty then. */
void workers_submit_all(struct work_gate *gate, struct list *works);

/* reactor_send(), from a job: of short ones together with the next ones'. */
void workers_send(struct reactor *reactor, struct message *message);

/* Waits until no job of the gate runs or waits; the gate's memory may then go.  Worker threads
 * only. */
void work_gate_drain(struct work_gate *gate);

/* A gate for control work (opening stores and the like). */
struct work_gate *workers_control_gate(void);

#endif
