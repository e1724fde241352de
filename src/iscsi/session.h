/* SPDX-License-Identifier: MIT */
/*
 * Sessions and their tasks.  A session (one connection, ErrorRecoveryLevel 0) lives on one reactor;
 * the fields under "control reactor" are touched there only, and messages go between the two.
 */
#ifndef TGT_ISCSI_SESSION_H
#define TGT_ISCSI_SESSION_H

#include "iscsi/cmdsn.h"
#include "iscsi/conn.h"
#include "iscsi/control.h"
#include "iscsi/params.h"
#include "scsi/nexus.h"
#include "scsi/task.h"

#define ISID_LEN 6u
#define TASK_HASH 128u
#define MAX_IMMEDIATE_COMMANDS 64u

/* An R2T that was or is to be sent, whose data haven't all come. */
struct r2t {
	uint32_t ttt;
	uint32_t offset, length, received;
	uint32_t next_datasn;
	bool sent;
};

/* A SCSI command.  From a reactor's free list; module_data follows it. */
struct iscsi_task {
	struct scsi_task scsi;
	struct session *session;
	struct iscsi_task *next; /* in its hash chain, or on the free list */
	struct tx_item response;
	struct tx_item r2ts;
	/* from here to r2t[] cleared for each command */
	uint32_t itt, cmdsn;
	uint32_t expected; /* Expected Data Transfer Length */
	uint32_t bidi_length;
	bool read, write; /* the R and W bits */
	bool immediate;
	bool in_window; /* it has a place in the command window */
	bool hashed;
	bool submitted;   /* the core has it */
	bool wanted;      /* scsi.data is there */
	bool complete;    /* the core was told that the data are there, or failed */
	bool done;        /* it ended; the response may still have to wait for data */
	bool queued;      /* the response is on its way */
	bool aborted;     /* no response */
	bool dropped;     /* aborted, and counted in session.nr_dropped */
	bool receiving;   /* a PDU of it is being received */
	bool unsolicited; /* more unsolicited data will come */
	bool final_sent;  /* Data-In: the PDU with the status was built */
	uint8_t nr_r2ts;
	uint16_t failed; /* additional sense code of what went wrong with the data, or 0 */
	/* Data-Out */
	uint32_t received; /* in order, from offset 0 */
	uint32_t unsolicited_limit, unsolicited_datasn;
	uint32_t solicited; /* asked for up to here */
	uint32_t r2tsn;
	/* Data-In */
	uint32_t sent, datasn, in_burst;
	uint64_t dropped_ms;           /* since when its data are waited for */
	struct databuf early;          /* unsolicited data that came before scsi.data */
	struct r2t r2t[MAX_R2T_LIMIT]; /* in order of offset */
	uint8_t sense_segment[2 + SENSE_MAX];
};

/* A non-immediate PDU with a CmdSN ahead of ExpCmdSN.  Neither a task nor a PDU in it: was aborted,
 * or rejected, and counts as received (RFC 7143 11.5.1). */
struct held_pdu {
	struct list link;
	uint32_t cmdsn;
	struct iscsi_task *task;
	bool is_pdu;
	uint8_t bhs[BHS_LEN];
	size_t len;
	uint8_t data[];
};

enum nexus_state { NEXUS_OPEN, NEXUS_CLOSING, NEXUS_CLOSED };

enum close_reason {
	CLOSE_MANAGEMENT,    /* the operator closes the connection */
	CLOSE_REINSTATEMENT, /* the initiator has logged in anew */
	CLOSE_TARGET,        /* the target goes away, or was reset cold */
	CLOSE_SHUTDOWN,      /* running commands end first */
};

struct session {
	/* its reactor's */
	struct conn *conn; /* NULL once it is gone */
	struct reactor *reactor;
	struct cmd_window window;
	bool initial_r2t, immediate_data;
	uint8_t max_r2ts;
	uint8_t nexus_state;
	bool draining; /* closes when its tasks have ended */
	bool resetting;
	bool logged_out;
	bool ended;
	uint32_t max_recv, max_burst, first_burst;
	uint32_t next_ttt;
	unsigned nr_tasks, nr_immediate, nr_held, nr_dropped, nr_tmfs;
	struct iscsi_task *hash[TASK_HASH];
	struct list held; /* struct held_pdu, ascending */
	struct list tmfs; /* answered by the core, waiting for dropped tasks' data */
	size_t reserve_unit, reserved;
	unsigned pins; /* what still points here and comes back */
	uint32_t protocol_level;
	uint64_t last_abort_ms;
	struct nexus nexus;
	struct timer drop_timer; /* forgets aborted tasks whose data don't come */
	struct timer logout_timer;
	struct timer nop_timer;
	uint32_t nop_interval, nop_count, nop_unanswered;
	uint32_t logout_itt;
	uint32_t time2wait, time2retain;
	bool header_digest, data_digest;
	uint32_t first_cmdsn, queue_limit;
	struct reply *login_response;
	struct message gone, ended_message;

	/* control reactor's */
	struct iscsi_session_info info;
	struct iscsi_target *target;
	uint8_t isid[ISID_LEN];
	uint16_t portal_group; /* its tag; written before the session is there */
	struct list waiters;   /* logins that wait for its end */
	struct message close, force, bounce, reset;
	uint8_t reason; /* enum close_reason; written before close is sent */
	bool close_sent, force_sent;
	bool moved; /* its connection is on its way to it, or there */
};

/* ---- registry.c: control reactor ---- */

/* The session of that initiator port with the target's portal group (RFC 7143 4.4.3: the two ends
 * of the I_T nexus); NULL: none. */
struct session *session_find(struct iscsi_target *target, const char *initiator,
			     const uint8_t *isid, uint16_t portal_group);
struct session *session_find_tsih(uint16_t tsih);

/* What a login has found out. */
struct session_config {
	struct iscsi_target *target;
	const char *initiator, *alias;
	const uint8_t *isid;
	uint16_t tsih;
	const struct negotiation *nego;
	struct reply *response; /* the final login response, to be sent by the session's reactor */
};
/* A TSIH that no session has; 0: all are taken. */
uint16_t tsih_get(void);
void tsih_put(uint16_t tsih);
/* Registers a session and, at the end of this step, moves the connection to its reactor.  False:
 * out of memory. */
bool session_start(struct conn *conn, const struct session_config *config);
/* Asks it to end. */
void session_request_close(struct session *session, enum close_reason reason);
/* Ends those that are draining without waiting for their commands. */
void sessions_force_close(void);
/* Of all targets, the ending ones too. */
unsigned sessions_total(void);
/* Calls fn(arg) once there are no sessions; NULL: no more. */
void sessions_when_none(void (*fn)(void *arg), void *arg);

/* ---- session.c: its reactor ---- */
/* The connection has arrived. */
void session_arrived(struct message *message);
void session_close_arrived(struct message *message);
void session_force_arrived(struct message *message);
void session_connection_closed(struct session *session);
void session_logout(struct session *session, uint32_t itt);
/* After a task or a pin is gone. */
void session_check_end(struct session *session);
/* Asks the control reactor to end all sessions of its target (TARGET COLD RESET). */
void session_reset_target(struct session *session);

/* registry.c: messages from the session */
void session_gone(struct message *message);
void session_ended(struct message *message);
void session_target_reset(struct message *message);

/* ---- task.c ---- */
/* NULL: out of memory. */
struct iscsi_task *task_alloc(struct session *session, uint32_t itt);
/* Out of the hash, and back to the free list. */
void task_free(struct iscsi_task *task);
struct iscsi_task *task_find(struct session *session, uint32_t itt);
/* Its place in the command window is free. */
void task_leave_window(struct iscsi_task *task);
/* Ends it now if nothing of it is to come from the initiator: queues the response, or frees it when
 * it was aborted. */
void task_try_finish(struct iscsi_task *task);
/* The initiator has aborted it after it was done. */
void task_abort_done(struct iscsi_task *task);
/* Calls fn for each task; it may free that one. */
void tasks_each(struct session *session, void (*fn)(struct iscsi_task *task, void *arg), void *arg);
extern const struct task_ops iscsi_task_ops;

/* ---- command.c ---- */
/* The header of a SCSI command is there: chooses where its data go.  False: it was rejected or is
 * ignored, and its data are to be thrown away. */
bool command_begin(struct conn *conn);
void command_end(struct conn *conn, bool digest_ok);

/* ---- held.c: commands ahead of their turn ---- */
/* A non-immediate PDU's place; for WINDOW_NEXT it is taken. */
enum window_place cmdsn_arrived(struct session *session, uint32_t cmdsn);
void held_add(struct session *session, uint32_t cmdsn, struct iscsi_task *task);
void held_add_pdu(struct session *session, const uint8_t *bhs, const uint8_t *data, size_t len);
/* Delivers those whose turn has come. */
void held_deliver(struct session *session);
void held_forget_task(struct session *session, const struct iscsi_task *task);
void held_free_all(struct session *session);
/* The CmdSN counts as received, though nothing is to be done for it. */
void cmdsn_consume(struct session *session, uint32_t cmdsn);
/* Gives the command to the core: its CmdSN is next, or it is immediate. */
void command_deliver(struct iscsi_task *task);

/* ---- data.c ---- */
bool data_out_begin(struct conn *conn);
void data_out_end(struct conn *conn, bool digest_ok);
/* Where len bytes at offset of the PDU at hand go. */
void data_choose_sink(struct conn *conn, struct iscsi_task *task, uint32_t offset, uint32_t len);
void data_wanted(struct scsi_task *scsi);
/* Some data are there: asks for more, or tells the core that it has all. */
void data_advance(struct iscsi_task *task);
/* Something is wrong with the data: the command ends with this additional sense code, ABORTED
 * COMMAND, once the initiator has sent what it was asked for (RFC 7143 7.8). */
void data_fail(struct iscsi_task *task, uint16_t asc);
/* R2Ts that weren't sent yet won't be. */
void data_withdraw_r2ts(struct iscsi_task *task);

/* ---- response.c ---- */
extern const struct tx_ops response_ops, r2t_ops;

/* ---- ffp.c ---- */
/* Any other PDU in the full feature phase, with all its data. */
void full_feature_pdu(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len);
/* The same, its CmdSN taken. */
void full_feature_run(struct conn *conn, const uint8_t *bhs, uint8_t *data, size_t len);
void async_message(struct conn *conn, enum async_event event, bool closes);

/* ---- tmf.c ---- */
void task_management(struct session *session, const uint8_t *bhs);
/* No dropped task's data are waited for any more. */
void task_management_resume(struct session *session);
void task_management_free_all(struct session *session);

#endif
