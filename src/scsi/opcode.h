/* SPDX-License-Identifier: MIT */
/*
 * One row drives everything about a command: dispatch, CDB validation, REPORT SUPPORTED OPERATION
 * CODES, reservation checks, write protection, and the generated conformance page.
 */
#ifndef TGT_SCSI_OPCODE_H
#define TGT_SCSI_OPCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/task.h"

#define NO_SERVICE_ACTION (-1)

/* Row flags. */
#define ROW_MEDIUM (1u << 0) /* needs a medium, and an LU that is online and started */
#define ROW_WRITES (1u << 1) /* may change the medium: refused on a write-protected LU */
#define ROW_RANGE (1u << 2)  /* accesses [lba, lba + blocks): drained and held by exclusives */
#define ROW_EXCLUSIVE_RANGE (1u << 3) /* runs alone on its range (COMPARE AND WRITE …) */
#define ROW_EXCLUSIVE (1u << 4)       /* runs alone on the LU: it changes the LU's state */
#define ROW_SKIP_UA                                                                                \
	(1u << 5)             /* runs in spite of a unit attention (INQUIRY, REPORT LUNS,          \
			       * REQUEST SENSE; SAM-5 5.14) */
#define ROW_NO_LU (1u << 6)   /* also on a LUN that has no logical unit */
#define ROW_OFFLINE (1u << 7) /* also when the LU is offline or fenced */
#define ROW_LONG (1u << 8)    /* may take long (REPORT SUPPORTED OPERATION CODES timeouts) */
/* also on a medium that a format or sanitize operation left unusable */
#define ROW_MENDS (1u << 9)
#define ROW_HEAD (1u << 10) /* starts as if it had the HEAD OF QUEUE attribute */

/* Through a port that is neither active/optimized nor active/non-optimized (SPC-5 5.15.2): also
 * when it is in standby; unavailable or offline; transitioning. */
#define ROW_STANDBY (1u << 13)
#define ROW_UNAVAILABLE (1u << 14)
#define ROW_TRANSITIONING (1u << 15)
#define ROW_ANY_ACCESS (ROW_STANDBY | ROW_UNAVAILABLE | ROW_TRANSITIONING)

/* Who may send it under a persistent reservation of another nexus (SPC-5 table 65, SBC-4 table 14).
 */
enum pr_rule {
	PR_ALLOWED = 0, /* under any reservation */
	PR_READ,        /* conflicts under exclusive access types */
	PR_WRITE,       /* conflicts under write exclusive and exclusive access types */
	PR_SPECIAL,     /* the handler decides (PERSISTENT RESERVE OUT, RESERVE, RELEASE) */
};

/* As what it counts in the log pages (log.h). */
enum row_counts { COUNTS_NOT = 0, COUNTS_READ, COUNTS_WRITE, COUNTS_VERIFY, COUNTS_KINDS };

struct opcode_row {
	uint8_t opcode;
	int16_t service_action; /* or NO_SERVICE_ACTION; in byte 1 bits 4…0, or bytes 8-9 of 7Fh */
	uint8_t cdb_len;
	uint8_t direction;           /* enum data_direction */
	uint8_t pr;                  /* enum pr_rule */
	uint8_t counts;              /* enum row_counts */
	uint16_t flags;              /* ROW_* */
	uint8_t usage[SCSI_MAX_CDB]; /* CDB usage data: bits that may be set; [0] is the opcode.
				      * Bits outside it that are set are an INVALID FIELD IN CDB */
	/*
	 * At arrival: checks fields, sets t->lba, t->blocks, t->transfer_length.  False: it has
	 * ended the task.  NULL for commands without such fields.  Data-Out commands must have one.
	 */
	bool (*prepare)(struct scsi_task *t);
	/* Runs the command; it ends the task now or in a later callback. */
	void (*run)(struct scsi_task *t);
	/* False: this LU doesn't have the command (INVALID COMMAND OPERATION CODE, and RSOC says
	 * so).  NULL: it has. */
	bool (*available)(const struct lu *lu);
	const char *name;             /* as in the standard: "READ(10)" */
	const char *clause;           /* "SBC-4 5.10" */
	const struct pt_route *route; /* passthrough.h: rows made from its table */
};

/* The commands of a device type: rows sorted by opcode, then service action. */
struct command_set {
	uint8_t device_type; /* peripheral device type, SPC-5 table 150 */
	const char *name;    /* as tgtadm prints it: "disk", "cd/dvd", "controller" … */
	const struct opcode_row *const
	    *tables; /* NULL-terminated list of tables, each ended by .run NULL */
	const struct opcode_row *fallback; /* for CDBs that have no row; or NULL */
};

extern const struct command_set disk_commands;
extern const struct command_set controller_commands;
extern const struct command_set tape_commands;
extern const struct command_set changer_commands;
/* Commands for a LUN without logical unit. */
extern const struct command_set no_lu_commands;

#define OPCODE_ROWS_MAX 192 /* of one command set */

/* Must be called once at start: builds the lookup index of each set. */
void opcode_init(void);
/* Builds the index of one set; a second call for it changes nothing.  At start only. */
void opcode_register(const struct command_set *set);

enum opcode_result { OPCODE_FOUND, OPCODE_UNKNOWN, OPCODE_BAD_SERVICE_ACTION };
/* The row for a CDB, or why not.  Constant time. */
enum opcode_result opcode_find(const struct command_set *set, const uint8_t *cdb,
			       const struct opcode_row **row);
/* False: it ended t with INVALID FIELD IN CDB at the first bit that the usage data forbid.  The
 * CONTROL byte and the service action are the core's business: a row's usage says nothing of them.
 */
bool opcode_check_cdb(struct scsi_task *t);

/* All rows of a set, or those of one operation code, ascending by operation code and service
 * action. */
const struct opcode_row *const *opcode_rows(const struct command_set *set, unsigned *count);
const struct opcode_row *const *opcode_rows_of(const struct command_set *set, uint8_t opcode,
					       unsigned *count);
/* CDB USAGE DATA of a row as REPORT SUPPORTED OPERATION CODES shows it (SPC-5 6.34.3). */
void opcode_usage(const struct opcode_row *row, uint8_t usage[SCSI_MAX_CDB]);

#endif
