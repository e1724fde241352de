/* SPDX-License-Identifier: MIT */
/* What the passthrough_*.c files share, and what they offer the rest of the core. */
#ifndef TGT_SCSI_PASSTHROUGH_H
#define TGT_SCSI_PASSTHROUGH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "scsi/opcode.h"
#include "scsi/task.h"

struct lu;

/* ---- the table: which command goes where (passthrough_table.c) ---- */

/* Groups of device types (SPC-5 table 150) that give their operation codes the same meaning. */
enum pt_group { PT_DISK, PT_TAPE, PT_CHANGER, PT_CD, PT_OTHER, PT_GROUPS };

enum pt_where {
	PT_TO_DEVICE = 0,
	PT_TO_CORE,        /* the core answers, by the row of its own */
	PT_REFUSED,        /* INVALID COMMAND OPERATION CODE */
	PT_TO_RESERVATIONS /* the core, or with that option the device */
};

/* How long the device may take. */
enum pt_time { PT_NORMAL = 0, PT_SLOW, PT_LONG };

#define PT_SKIP_UA (1u << 0)     /* reports no unit attention */
#define PT_KEEPS (1u << 1)       /* PR_WRITE, but the medium stays as it is: also when read-only */
#define PT_AGAIN (1u << 2)       /* changes nothing, not even a position: safe to send again */
#define PT_SPLIT (1u << 3)       /* READ, WRITE: may be sent in parts of whole blocks */
#define PT_TELL (1u << 4)        /* changed mode parameters: the other nexuses hear of it */
#define PT_OFFLINE (1u << 5)     /* answered even when the device is gone */
#define PT_STANDBY (1u << 6)     /* ROW_STANDBY */
#define PT_UNAVAILABLE (1u << 7) /* ROW_UNAVAILABLE */
#define PT_ACCESS (1u << 8)      /* ROW_ANY_ACCESS */

struct pt_route {
	uint8_t opcode;
	bool has_action; /* else all service actions */
	uint16_t service_action;
	uint8_t groups;                   /* bits 1 << enum pt_group; 0: all */
	uint8_t where;                    /* enum pt_where */
	uint8_t direction;                /* enum pt_direction */
	uint8_t pr;                       /* enum pr_rule */
	uint8_t time;                     /* enum pt_time */
	uint16_t flags;                   /* PT_* above */
	void (*run)(struct scsi_task *t); /* NULL: as it comes */
	const char *name;
	const char *why; /* not to the device */
};

enum pt_direction { PT_NO_DATA = 0, PT_DATA_IN, PT_DATA_OUT, PT_DATA_ANY };

/* Builds the command sets from the table; before opcode_register(). */
void passthrough_init(void);
const struct command_set *passthrough_set(uint8_t device_type, bool device_keeps_reservations);
enum pt_group passthrough_group(uint8_t device_type);
/* The route of an operation code and service action; NULL: it is not in the table. */
const struct pt_route *passthrough_route(const struct lu *lu, uint8_t opcode, int service_action);

/* All of that operation code is executed here. */
bool passthrough_is_cores(const struct lu *lu, uint8_t opcode);
/* The same row for data that go that way (PT_DATA_ANY). */
const struct opcode_row *passthrough_variant(const struct opcode_row *row, uint8_t direction);

/* ---- the device, as the core knows it ---- */

#define PT_INQUIRY_MAX 96
struct passthrough {
	uint8_t device_type;
	bool device_keeps_reservations;
	uint8_t inquiry[PT_INQUIRY_MAX]; /* its standard INQUIRY data, for when it is gone */
	uint8_t inquiry_len;
	uint32_t timeout_ms[3];        /* by enum pt_time */
	_Atomic uint32_t block_length; /* 0: unknown */
	_Atomic uint32_t max_transfer; /* bytes in one command; 0: unknown */
	unsigned online_news;          /* reactor 0 only */
};

/* Sets lu->passthrough and lu->commands from what the device says; done(arg) on the calling
 * reactor, with why it failed or NULL.  Before the LU is published. */
void passthrough_create(struct lu *lu, void (*done)(void *arg, const char *error), void *arg);
void passthrough_free(struct lu *lu);
/* The device is back: its limits again, and away with what it says of having been switched on; then
 * done(arg). */
void passthrough_welcome(struct lu *lu, void (*done)(void *arg), void *arg);
/* Resets the device, then done(arg, whether that worked). */
void passthrough_reset(struct lu *lu, void (*done)(void *arg, bool good), void *arg);
/* Nobody prevents the removal of its medium any more. */
void passthrough_allow_removal(struct lu *lu);
/* What the device is may have changed. */
void passthrough_look_again(struct lu *lu);

/* The words of a task's work: from 0 on the CDB as it was sent, bytes moved by the parts before,
 * how often it was sent again, and the limits that it goes by. */
enum { PT_WORK_PROGRESS = 4, PT_WORK_TRIES = 5, PT_WORK_LIMITS = 6 };
_Static_assert(SCSI_MAX_CDB <= PT_WORK_PROGRESS * sizeof(uint64_t), "the CDB fits");

/* ---- passthrough.c: the way of a command ---- */

bool passthrough_prepare(struct scsi_task *t);
bool passthrough_prepare_any(struct scsi_task *t);
/* Sends the task's CDB, with the data that it asks for. */
void passthrough_run(struct scsi_task *t);
/* Sends cdb instead, without or with Data-In into *in; answered(t) follows unless the task was
 * ended by an error of the device's, which it is told as it is. */
void passthrough_send(struct scsi_task *t, const uint8_t *cdb, struct databuf *in,
		      void (*answered)(struct scsi_task *t));
extern const struct opcode_row passthrough_any_row;

/* Of sense data: key, and ASC << 8 | ASCQ; deferred errors don't count.  False: there is none. */
bool passthrough_parse_sense(const uint8_t *sense, uint32_t len, uint8_t *key, uint16_t *asc);
/* A unit attention of the device's, for which its own nexus is this machine: for all nexuses of the
 * LU but that with the id except.  False: it is none of theirs, and the command is to be sent
 * again. */
bool passthrough_attention(struct lu *lu, uint16_t asc, uint64_t except);

/* The same, without asking the device anew what it is. */
bool passthrough_tell(struct lu *lu, uint16_t asc, uint64_t except);

/* ---- passthrough_split.c: what is too long for one command ---- */

/* The limits that a task goes by from its arrival on: the device's may change while it is under
 * way, when another nexus learns that the medium is another one. */
void passthrough_take_limits(struct scsi_task *t);
/* Bytes that the CDB asks for, when that is known: READ and WRITE of blocks. */
bool passthrough_length(const struct scsi_task *t, uint64_t *bytes);
/* The byte of the CDB where the transfer length stands. */
unsigned passthrough_length_field(const struct scsi_task *t);
/* The task's data can't be sent by its CDB: too much, or less than the CDB says. */
bool passthrough_needs_parts(const struct scsi_task *t);
/* The most bytes in one command; 0: unknown. */
uint32_t passthrough_max_transfer(const struct lu *lu);
/* The part of the task at progress: its CDB, t->piece; returns its bytes. */
uint32_t passthrough_part(struct scsi_task *t, uint32_t progress, uint8_t cdb[SCSI_MAX_CDB]);
/* Of the task's data, in parts: what is there in whole blocks. */
uint32_t passthrough_whole_blocks(const struct scsi_task *t);
/* The CDB of the block of which only a part is expected; returns its bytes. */
uint32_t passthrough_tail(struct scsi_task *t, uint8_t cdb[SCSI_MAX_CDB]);
/* The most bytes of a part; 0: it can't be split. */
uint32_t passthrough_part_max(const struct scsi_task *t);

/* ---- passthrough_inquiry.c, passthrough_spc.c: what the device answers, but not quite so ---- */

void passthrough_inquiry(struct scsi_task *t);
void passthrough_request_sense(struct scsi_task *t);
void passthrough_prevent(struct scsi_task *t);
void passthrough_read_capacity(struct scsi_task *t);
void passthrough_opcodes(struct scsi_task *t);

#endif
