/* SPDX-License-Identifier: MIT */
/*
 * An operation on all of the medium: what FORMAT UNIT and SANITIZE start.
 *
 * It is no task: it lives on the reactor where it was started, goes on when the command that
 * started it is aborted, when its nexus is lost and when the logical unit is reset, and ends by
 * itself.  (A sanitize operation shall go on, SBC-4 4.11; for a format operation the standard
 * leaves it open, and a medium that somebody waits for is better than one that is half done.) While
 * it goes on lu->medium_op is set and the LU is not ready; when it fails, or the daemon ends before
 * it, lu->medium_fault says so, and only another such operation mends that.  So that the latter
 * survives the daemon, a mark is kept in the state directory from before the first write until
 * after the last flush.
 */
#ifndef TGT_SCSI_MEDIUM_OP_H
#define TGT_SCSI_MEDIUM_OP_H

#include <stdatomic.h>

#include "reactor/workers.h"
#include "scsi/commands.h"
#include "store/state.h"

enum medium_op_kind { MEDIUM_FORMAT = 1, MEDIUM_SANITIZE = 2 };

/* What is asked for. */
struct medium_plan {
	enum medium_op_kind kind;
	bool immed;             /* GOOD as soon as the mark is kept */
	bool restricted;        /* SANITIZE without AUSE */
	uint8_t passes;         /* over the medium; 1 … 31 */
	bool invert;            /* every other pass writes the complement; the last one doesn't */
	const uint8_t *pattern; /* repeated in each logical block; NULL: zeroes, deallocated where
				 * the LU is thin */
	uint32_t pattern_len;   /* 1 … block size */
};

#define MEDIUM_MARK_MAX (10u + 4096u)

struct medium_op {
	struct lu *lu;
	enum medium_op_kind kind;
	struct scsi_task *task; /* who waits for the end; NULL: nobody, or he was aborted */
	bool immed, restricted, invert;
	uint8_t passes, pass;
	uint8_t zero_mode;   /* how to zero: medium_op.c */
	uint8_t *buffer;     /* what is written; NULL: nothing is yet */
	uint32_t buffer_len; /* whole blocks */
	uint64_t size, at;   /* bytes of the medium; where this pass is */
	/* for progress: read by all reactors, written by the operation's */
	_Atomic uint64_t done;
	uint64_t total;
	uint32_t status; /* enum tgt_bs_status, the first that was not TGT_BS_OK */
	bool interrupted;
	bool not_begun; /* the mark can't be kept */

	struct store_request store;
	void *module_data;
	struct iovec piece;
	void (*next)(struct medium_op *op);
	struct message message;
	struct timer timer;
	struct reactor *reactor;
	/* the mark in the state directory */
	struct work work;
	bool keep_mark;
	int mark_error;
	char key[STATE_KEY_MAX];
	size_t mark_len;
	uint8_t mark[MEDIUM_MARK_MAX];
};

/* Starts one for t, which runs alone on the LU (ROW_EXCLUSIVE), and ends t now or when it is done.
 * plan and its pattern are needed during the call only. */
void medium_op_start(struct scsi_task *t, const struct medium_plan *plan);

/* Ends t, which runs alone on the LU, GOOD once the medium can be used again in spite of an
 * operation that failed, also after the daemon's next start. */
void medium_fault_forget(struct scsi_task *t);

/* medium_state.c: the mark's key and contents; 0: there can be none. */
size_t medium_mark(const struct lu *lu, enum medium_op_kind kind, bool restricted, uint8_t *at);
void medium_mark_key(const struct lu *lu, char *out, size_t size);

#endif
