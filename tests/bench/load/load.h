/* SPDX-License-Identifier: MIT */
/* The load itself: what is read and written when, and what came of it. */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "histogram.h"
#include "session.h"

struct result {
	struct histogram reads, writes;
	uint64_t errors;        /* commands that failed, or came short */
	uint64_t verify_errors; /* I/Os whose data weren't as they should be */
	uint64_t unfinished;    /* due, but not done when the time was over */
	uint64_t took;          /* ns */
};

extern struct result result;

/* Finds out about the medium, and rewinds a tape; with verified writes, the range is written. */
void load_prepare(struct session *sessions);

/* Says "go" and does what the options want. */
void load_run(struct session *sessions);

#endif
