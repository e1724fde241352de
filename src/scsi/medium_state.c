/* SPDX-License-Identifier: MIT */
/* What an operation on all of the medium means for the LU, and the mark that tells of one that the
 * end of the daemon interrupted: magic, version, kind, restricted, the medium's path. */
#include <stdio.h>
#include <string.h>

#include "scsi/medium_op.h"
#include "scsi/sense.h"
#include "util/bytes.h"
#include "util/log.h"

#define MAGIC 0x74676d6fu /* "tgmo" */
#define VERSION 1
#define HEADER 10u

/* SPC-5 4.4.2.4.5: 65536ths of the whole; not all of them before it is done. */
static uint16_t progress(const struct medium_op *op)
{
	uint64_t done = atomic_load_explicit(&op->done, memory_order_relaxed);

	return (uint16_t)(done / (op->total / 65536 + 1));
}

bool medium_sense(const struct lu *lu, struct sense *sense)
{
	const struct medium_op *op = lu->medium_op;

	if (op) {
		sense->key = KEY_NOT_READY;
		sense->asc = op->kind == MEDIUM_FORMAT ? ASC_LU_NOT_READY_FORMAT_IN_PROGRESS
						       : ASC_LU_NOT_READY_SANITIZE_IN_PROGRESS;
		sense->in_progress = true;
		sense->progress = progress(op);
	} else if (lu->medium_fault) {
		sense->key = KEY_MEDIUM_ERROR;
		sense->asc = lu->medium_fault;
	} else {
		return false;
	}
	return true;
}

void medium_mark_key(const struct lu *lu, char *out, size_t size)
{
	snprintf(out, size, "medium.%s.%u", lu->target->name, lu->lun);
}

size_t medium_mark(const struct lu *lu, enum medium_op_kind kind, bool restricted, uint8_t *at)
{
	size_t path = lu->path ? strnlen(lu->path, MEDIUM_MARK_MAX) : 0;

	if (!state_available() || path > MEDIUM_MARK_MAX - HEADER)
		return 0;
	put_be32(at, MAGIC);
	put_be16(at + 4, VERSION);
	at[6] = (uint8_t)kind;
	at[7] = restricted;
	put_be16(at + 8, (uint16_t)path);
	if (path)
		memcpy(at + HEADER, lu->path, path);
	return HEADER + path;
}

void medium_state_load(struct lu *lu)
{
	uint8_t mark[MEDIUM_MARK_MAX], wanted[MEDIUM_MARK_MAX];
	size_t len = sizeof(mark);
	char key[STATE_KEY_MAX];

	medium_mark_key(lu, key, sizeof(key));
	if (!state_available() || state_get(key, mark, &len) || len < HEADER)
		return;
	/* another medium's says nothing about this one */
	if (medium_mark(lu, mark[6], mark[7], wanted) != len || memcmp(mark, wanted, len) != 0)
		return;
	lu->medium_fault =
	    mark[6] == MEDIUM_FORMAT ? ASC_MEDIUM_FORMAT_CORRUPTED : ASC_SANITIZE_COMMAND_FAILED;
	lu->fault_restricted = mark[7];
	log_warning("%s: a %s was interrupted: the medium can't be used before one ends well",
		    lu_name(lu), mark[6] == MEDIUM_FORMAT ? "FORMAT UNIT" : "SANITIZE");
}
