/* SPDX-License-Identifier: MIT */
/*
 * A SCSI command on its way: from the transport through checks, data, task set and handler to
 * status.
 *
 * Life of a task, all on the reactor of its nexus:
 *   scsi_task_submit()  finds LU and opcode row, checks (reservations, unit attention, CDB, medium)
 *   ops->want_data()    only with Data-Out: t->data holds t->data.length bytes for the transport to
 * fill scsi_task_data_in() the transport says that they are there row->run()          when the task
 * set and the LU's exclusive operations let it task_good() & co.   the handler (or a later callback
 * of it) ends the task, exactly once ops->done()         status, sense and Data-In are final; the
 * transport sends, then scsi_task_release()
 */
#ifndef TGT_SCSI_TASK_H
#define TGT_SCSI_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "reactor/bufpool.h"
#include "reactor/reactor.h"
#include "scsi/sense.h"
#include "store/store.h"
#include "util/list.h"

struct lu;
struct lu_slice;
struct itl;
struct nexus;
struct opcode_row;
struct scsi_task;

#define SCSI_MAX_CDB 32

/* SAM-5 status codes. */
enum scsi_status {
	STATUS_GOOD = 0x00,
	STATUS_CHECK_CONDITION = 0x02,
	STATUS_CONDITION_MET = 0x04,
	STATUS_BUSY = 0x08,
	STATUS_RESERVATION_CONFLICT = 0x18,
	STATUS_TASK_SET_FULL = 0x28,
	STATUS_ACA_ACTIVE = 0x30,
	STATUS_TASK_ABORTED = 0x40,
};

/* SAM-5 8.6; the values are iSCSI's (RFC 7143 11.3.1). */
enum task_attribute {
	ATTR_UNTAGGED = 0,
	ATTR_SIMPLE = 1,
	ATTR_ORDERED = 2,
	ATTR_HEAD = 3,
	ATTR_ACA = 4
};

enum data_direction { DATA_NONE, DATA_IN, DATA_OUT };

enum task_state {
	TASK_NEW,     /* being checked, or parked before that */
	TASK_DATA,    /* waits for a buffer, or for the transport to fill it */
	TASK_QUEUED,  /* in the task set, not allowed to run yet, or held by an exclusive operation
		       */
	TASK_RUNNING, /* the handler has it */
	TASK_DONE,    /* the transport has it */
};

/* How an aborted task ends. */
enum abort_told {
	TOLD_NOTHING, /* without an answer: its nexus has asked for it, or is told otherwise */
	TOLD_ABORTED, /* TASK ABORTED: another nexus's doing, with TAS = 1 */
	TOLD_GONE,    /* LOGICAL UNIT NOT SUPPORTED: the logical unit was taken away */
};

/* What the transport does for a task, on the task's reactor. */
struct task_ops {
	/* t->data is there to be filled; may be called from within scsi_task_submit(). */
	void (*want_data)(struct scsi_task *t);
	/* The task has ended; may be called from within scsi_task_submit().  With t->aborted set
	 * nothing is to be sent for it.  The core has forgotten the task but for its buffers. */
	void (*done)(struct scsi_task *t);
};

struct scsi_task {
	/* Set by the transport before scsi_task_submit(). */
	struct nexus *nexus;
	const struct task_ops *ops;
	uint64_t tag;   /* the initiator task tag */
	uint8_t lun[8]; /* SAM-5 4.7 */
	uint8_t cdb[SCSI_MAX_CDB];
	uint8_t cdb_len;   /* bytes the transport received, at least 16 are valid (zero padded) */
	uint8_t attribute; /* enum task_attribute */
	uint32_t
	    expected_in; /* bytes the initiator expects to receive, to send; one of them is 0 */
	uint32_t expected_out;
	void *module_data; /* store_max_request_size() bytes for store.bs.module_data */

	/* Found by the core. */
	struct lu *lu; /* NULL: no such logical unit */
	struct lu_slice *slice;
	struct itl *itl;
	const struct opcode_row *row;
	uint8_t state; /* enum task_state */
	bool aborted;
	uint8_t told;                /* enum abort_told: aborted, but not without an answer */
	bool blocked;                /* waits for its turn in the task set */
	bool parked;                 /* on slice->held */
	bool in_store;               /* a store request is outstanding */
	bool hung;                   /* aborted, and counted in lu->fences */
	bool counted;                /* in slice->running */
	uint32_t checked_generation; /* lu->state_generation that the checks saw */

	/* Set by row->prepare(): what the CDB asks for. */
	uint64_t lba;
	uint64_t blocks;
	uint32_t transfer_length; /* bytes the CDB asks to move; the transport derives the residual
				     from it */
	bool exclusive_range; /* as if the row had ROW_EXCLUSIVE_RANGE: a write that reads first */

	/* Data-Out: filled by the transport, min(transfer_length, expected_out) bytes.  Data-In:
	 * filled by the handler, at most expected_in bytes are sent.  NULL iov when there is none.
	 */
	struct databuf data;

	/* The result. */
	uint8_t status;
	uint8_t sense_len;
	uint8_t sense[SENSE_MAX];

	/* For the handler: its store request, and a few words of state that live between its
	 * callbacks. */
	struct store_request store;
	struct databuf
	    scratch; /* a second buffer (compare, read-modify-write); released with the task */
	uint64_t work[7];
	const void *work_ptr;
	struct iovec piece; /* a part of a buffer, while a store request is about that */

	/* The core's. */
	struct list set_link; /* in itl->tasks, in order of arrival */
	struct list run_link; /* in slice->running or slice->held */
	struct buf_waiter waiter;
	struct deferred deferred;
	void (*resume)(struct scsi_task *t);
	void (*store_done)(struct scsi_task *t);
	struct lu_exclusive *exclusive;       /* its own, begun or granted */
	void (*abandon)(struct scsi_task *t); /* aborted while it waits for something that goes on
					       * without it: ends it; NULL: it waits for none */
	uint64_t started_ms;
};

/* ---- the transport's side ---- */

/* Takes the task.  want_data() and done() may be called before it returns. */
void scsi_task_submit(struct scsi_task *t);
/* All of t->data has arrived. */
void scsi_task_data_in(struct scsi_task *t);
/* After done(), when all is sent: gives the buffers back.  The transport then owns the memory
 * again. */
void scsi_task_release(struct scsi_task *t);
/* Ends the task as soon as can be: done() follows, with t->aborted, perhaps at once.  Harmless on a
 * TASK_DONE one. */
void scsi_task_abort(struct scsi_task *t);
/* The transport could not get the Data-Out whole (digest error, protocol error): ends a TASK_DATA
 * task with CHECK CONDITION, this sense. */
void scsi_task_data_failed(struct scsi_task *t, enum sense_key key, uint16_t asc);

/* ---- the handlers' side; each of these ends the task ---- */

void task_good(struct scsi_task *t);
void task_status(struct scsi_task *t, enum scsi_status status);
/* CHECK CONDITION with what is in t->sense (see sense.h: sense_build()); t->data is sent.  The
 * functions below send no Data-In. */
void task_check_condition(struct scsi_task *t);
/* CHECK CONDITION with the sense data that s describes. */
void task_sense_data(struct scsi_task *t, const struct sense *s);
/* CHECK CONDITION; asc is ASC << 8 | ASCQ. */
void task_sense(struct scsi_task *t, enum sense_key key, uint16_t asc);
/* ILLEGAL REQUEST, INVALID FIELD IN CDB, with field pointer: byte, and bit (7…0, or -1 for none).
 */
void task_invalid_cdb(struct scsi_task *t, unsigned byte, int bit);
/* ILLEGAL REQUEST, INVALID FIELD IN PARAMETER LIST (or another asc), with field pointer. */
void task_invalid_parameter(struct scsi_task *t, unsigned byte, int bit);
void task_parameter_list_length_error(struct scsi_task *t);
/* CHECK CONDITION with an INFORMATION field. */
void task_sense_info(struct scsi_task *t, enum sense_key key, uint16_t asc, uint64_t information);
/* By what the store said; ok ends it GOOD (status.c). */
void task_store_status(struct scsi_task *t, const struct tgt_bs_request *request);
/* Of a request that has failed: key and code of s, and the operator is told.  False: there is no
 * sense data, and the task has ended. */
bool task_store_sense(struct scsi_task *t, const struct tgt_bs_request *request, struct sense *s);

/* GOOD with Data-In: copies len bytes, cut to allocation_length (SPC-5 4.2.5.6) and expected_in;
 * BUSY when too many replies have not been sent yet. */
void task_reply(struct scsi_task *t, const void *data, size_t len, uint32_t allocation_length);

/*
 * Gives t->data room for len bytes of Data-In (at most expected_in of them: less is allocated),
 * then calls resume(t), at once or when there is room.
 */
void task_get_data(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t));
/* The same for t->scratch, all of len. */
void task_get_scratch(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t));
/* The same, up to BUF_MAX_BYTES, from what Data-In has: what is read to be looked at. */
void task_get_read_back(struct scsi_task *t, uint32_t len, void (*resume)(struct scsi_task *t));

/* Parameter data as flat memory: contiguous when len <= BUF_MAX_PIECE. */
static inline uint8_t *task_out_data(struct scsi_task *t)
{
	return t->data.iovcnt ? t->data.iov[0].iov_base : NULL;
}

/*
 * Sets up t->store for op on bytes [offset, offset + length) with iov, and submits it; done(t)
 * follows on this reactor.  When the task was aborted meanwhile the core ends it and done is not
 * called.
 */
void task_submit_store(struct scsi_task *t, enum tgt_bs_op op, uint32_t flags, uint64_t offset,
		       uint64_t length, const struct databuf *buf,
		       void (*done)(struct scsi_task *t));
/* The same with t->store.bs prepared by the caller (after store_request_init()). */
void task_submit_prepared(struct scsi_task *t, void (*done)(struct scsi_task *t));

/* Runs fn(t) later in this turn, or in the next one: long emulations yield by it.  Not called, and
 * the task ended by the core, when it was aborted meanwhile. */
void task_continue(struct scsi_task *t, void (*fn)(struct scsi_task *t));

#endif
