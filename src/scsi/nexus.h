/* SPDX-License-Identifier: MIT */
/*
 * I_T nexuses (a session, for iSCSI) and I_T_L nexuses.  Both live on one reactor.
 */
#ifndef TGT_SCSI_NEXUS_H
#define TGT_SCSI_NEXUS_H

#include <stdbool.h>
#include <stdint.h>

#include "reactor/reactor.h"
#include "scsi/task.h"
#include "scsi/ua.h"

struct target;
struct lu;

#define TRANSPORT_ID_MAX                                                                           \
	264 /* SPC-5 7.6.4: iSCSI names of up to 223 bytes, ",i,0x", ISID, padding */

struct nexus {
	uint64_t id;           /* unique for the life of the daemon, never 0 */
	struct target *target; /* holds a reference */
	struct reactor *reactor;
	uint8_t transport_id[TRANSPORT_ID_MAX]; /* the initiator port, SPC-5 7.6.4 */
	uint16_t transport_id_len;
	uint16_t relative_port; /* relative target port identifier */
	uint16_t portal_group;
	uint16_t access_gate; /* the ROW_… flag that a row needs in its port's state; 0: none */
	uint8_t access_state; /* enum access_state: its port's */
	void *session;        /* the transport's */
	struct itl **itls;    /* by LUN; NULL where not used yet */
	uint32_t nr_itls;
	struct list itl_list; /* all of them, by nexus_link */
	struct list link;     /* target->nexuses[reactor id] */
	unsigned nr_tasks;
	struct buf_share buffers; /* what its tasks hold */
	bool closing;
	void (*closed)(struct nexus *nexus);
};

/* A search for volume tags (SMC-3 SEND VOLUME TAG). */
struct tag_search {
	bool valid;
	uint8_t action, type;
	uint16_t start;
	char pattern[33];
};

/* An I_T_L nexus: the task set and what an initiator port is to an LU. */
struct itl {
	struct nexus *nexus;
	struct lu *lu;
	struct lu_slice *slice;
	struct list slice_link, nexus_link;
	struct list tasks;        /* the task set, in order of arrival, by set_link */
	unsigned nr_blocking;     /* ORDERED and HEAD OF QUEUE tasks in it */
	unsigned nr_heads;        /* HEAD OF QUEUE tasks alone */
	unsigned nr_blocked;      /* tasks in it that wait for their turn */
	bool aca;                 /* an auto contingent allegiance exists */
	bool prevents;            /* PREVENT ALLOW MEDIUM REMOVAL */
	bool security_registered; /* security.h: told of changes of data encryption parameters */
	bool security_kept;       /* … and has some of its own */
	bool rescanning;          /* blocked tasks are being let go */
	struct ua_queue ua;
	uint64_t alerts_read;     /* tape_alert.c: what had been raised when it read them last */
	struct tag_search search; /* smc_tags.c: what SEND VOLUME TAG asked for */
	uint8_t *echo;            /* buffer.c: what WRITE BUFFER left; NULL: nothing yet */
	uint16_t echo_len;
};

/* Fills a nexus (session's memory) and links it; its reactor's thread.  session, relative_port and
 * portal_group are set already; transport_id is copied. */
void nexus_open(struct nexus *nexus, struct target *target, const uint8_t *transport_id,
		size_t len);

/*
 * The I_T nexus is gone: aborts its tasks, releases RESERVE(6) reservations and PREVENTs, and calls
 * closed(nexus) once the last task has ended.  Own reactor.
 */
void nexus_close(struct nexus *nexus, void (*closed)(struct nexus *nexus));

/* PREVENT ALLOW MEDIUM REMOVAL of one nexus; its reactor. */
void itl_set_prevents(struct itl *itl, bool prevents);
/* The nexus can't allow it any more, being lost. */
void itl_lose_prevents(struct itl *itl);

/* Which tasks of an LU are to end, and on whose behalf. */
struct lu_abort {
	/* Called on every reactor; NULL: those of all nexuses. */
	bool (*match)(const struct nexus *nexus, void *arg);
	void *arg;
	const struct scsi_task *except;
	uint64_t by; /* the id of the nexus that asks, for TAS; 0: nobody's doing */
	bool gone;   /* the LU was taken away: the tasks end with LOGICAL UNIT NOT SUPPORTED */
	/* As PREEMPT AND ABORT: an ACA and a prevention of medium removal of the nexuses end, too
	 * (SPC-5), and those whose commands were aborted without a status are told of it (SAM-5,
	 * COMMANDS CLEARED BY ANOTHER INITIATOR). */
	bool preempts;
};

/*
 * Aborts tasks of the LU on all reactors; done(done_arg) runs on the calling reactor when all of
 * them have ended.  They may be parked, waiting for data, queued or running; inside an exclusive
 * operation on all of the LU none runs.  what is copied.
 */
void lu_abort_matching(struct lu *lu, const struct lu_abort *what, void (*done)(void *done_arg),
		       void *done_arg);

/* Task management functions (SAM-5 7). */
enum tmf_function {
	TMF_ABORT_TASK,
	TMF_ABORT_TASK_SET,
	TMF_CLEAR_ACA,
	TMF_CLEAR_TASK_SET,
	TMF_LOGICAL_UNIT_RESET,
	TMF_TARGET_RESET,
	TMF_QUERY_TASK,
	TMF_QUERY_TASK_SET,
	TMF_QUERY_ASYNC_EVENT,
	TMF_I_T_NEXUS_RESET,
};
enum tmf_response {
	TMF_COMPLETE,
	TMF_SUCCEEDED,
	TMF_NO_SUCH_TASK,
	TMF_NO_SUCH_LUN,
	TMF_NOT_SUPPORTED,
	TMF_REJECTED,
};

#define TMF_INFORMATION_LENGTH 3

struct tmf {
	struct nexus *nexus;
	enum tmf_function function;
	uint8_t lun[8];
	struct scsi_task
	    *task; /* ABORT TASK, QUERY TASK: found by the transport by its tag, or NULL */
	/* Set by the core: the additional response information, zeroes but for QUERY ASYNCHRONOUS
	 * EVENT that TMF_SUCCEEDED: what the next unit attention will say, and whether it is the
	 * only one. */
	uint8_t information[TMF_INFORMATION_LENGTH];
	void (*done)(struct tmf *tmf, enum tmf_response response);
};

/* Runs it; done is called on the nexus's reactor, when every task it affects has ended (or the LU
 * was fenced because its store hangs).  Never from within. */
void tmf_submit(struct tmf *tmf);

#endif
