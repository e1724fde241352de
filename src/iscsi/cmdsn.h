/* SPDX-License-Identifier: MIT */
/* The command window (RFC 7143 4.2.2.1): serial number arithmetic (RFC 1982) on CmdSN. */
#ifndef TGT_ISCSI_CMDSN_H
#define TGT_ISCSI_CMDSN_H

#include <stdbool.h>
#include <stdint.h>

struct cmd_window {
	uint32_t exp;   /* ExpCmdSN */
	uint32_t max;   /* MaxCmdSN; never goes back */
	uint32_t size;  /* commands that may be on their way at once */
	uint32_t limit; /* size never grows above it */
};

/* a < b on the circle. */
static inline bool serial_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline void window_init(struct cmd_window *w, uint32_t first, uint32_t size, uint32_t limit)
{
	*w = (struct cmd_window){first, first + size - 1, size, limit};
}

enum window_place { WINDOW_OUTSIDE, WINDOW_NEXT, WINDOW_AHEAD };
/* Where a non-immediate command stands. */
static inline enum window_place window_place(const struct cmd_window *w, uint32_t cmdsn)
{
	if (cmdsn == w->exp)
		return serial_before(w->max, cmdsn) ? WINDOW_OUTSIDE : WINDOW_NEXT;
	if (serial_before(cmdsn, w->exp) || serial_before(w->max, cmdsn))
		return WINDOW_OUTSIDE;
	return WINDOW_AHEAD;
}

/* The command with CmdSN ExpCmdSN was taken. */
static inline void window_take(struct cmd_window *w)
{
	w->exp++;
}

/* A command that took a place has ended: its place is free for a new one. */
static inline void window_give_back(struct cmd_window *w)
{
	w->max++;
}

/* One place more.  The caller has made sure that its unsolicited data are covered. */
static inline void window_grow(struct cmd_window *w)
{
	w->size++;
	w->max++;
}

#endif
