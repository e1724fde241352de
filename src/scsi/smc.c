/* SPDX-License-Identifier: MIT */
/* The media changer's other commands (SMC-3). */
#include "scsi/smc.h"

#include "scsi/sbc.h"

#define CURDATA 0x02

/* SMC-3, commands allowed in the presence of reservations: with CURDATA=1 nothing moves for it, and
 * everybody may read; with 0 it conflicts as a move does. */
static void read_element_status(struct scsi_task *t)
{
	const struct element_report report = {
	    .type = t->cdb[1] & 0x0f,
	    .start = get_be16(t->cdb + 2),
	    .number = get_be16(t->cdb + 4),
	    .tags = t->cdb[1] & 0x10,
	    .identifiers = t->cdb[6] & 0x01,
	};

	if (!(t->cdb[6] & CURDATA) && sbc_conflicts_as_write(t))
		task_status(t, STATUS_RESERVATION_CONFLICT);
	else if (report.type > ELEMENT_DRIVE)
		task_invalid_cdb(t, 1, 3);
	else
		smc_report(t, &report, get_be24(t->cdb + 7));
}

/* What is in the elements is always known: nothing has to be looked at. */
static void initialize_element_status(struct scsi_task *t)
{
	task_good(t);
}

static void initialize_with_range(struct scsi_task *t)
{
	uint16_t start = get_be16(t->cdb + 2);

	if (t->cdb[1] & 0x01 && !changer_find(t->lu->changer, start))
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
	else
		task_good(t);
}

#define ACTION_CLOSE 0x01

/* It has a door each; one that is open already or closed already is no error. */
static void open_or_close(struct scsi_task *t)
{
	struct element *e = changer_find(t->lu->changer, get_be16(t->cdb + 2));
	bool opens = !(t->cdb[4] & ACTION_CLOSE);

	if (!e || e->type != ELEMENT_MAIL) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
	} else if (opens && lu_removal_prevented(t->lu)) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	} else {
		e->open = opens;
		task_good(t);
	}
}

const struct opcode_row smc_rows[] = {
    {
	.opcode = 0x07,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.usage = {0x07, OBSOLETE_LUN},
	.run = initialize_element_status,
	.name = "INITIALIZE ELEMENT STATUS",
	.clause = "SMC-3 INITIALIZE ELEMENT STATUS",
    },
    {
	.opcode = 0x1b,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x1b, OBSOLETE_LUN, 0xff, 0xff, ACTION_CLOSE},
	.run = open_or_close,
	.name = "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
	.clause = "SMC-3 OPEN/CLOSE IMPORT/EXPORT ELEMENT",
    },
    {
	.opcode = 0x1e,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.usage = {0x1e, 0, 0, 0, 0x01},
	.run = sbc_prevent_allow,
	.name = "PREVENT ALLOW MEDIUM REMOVAL",
	.clause = "SMC-3 PREVENT ALLOW MEDIUM REMOVAL",
    },
    {
	.opcode = 0x37,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.usage = {0x37, 0x03 | OBSOLETE_LUN, 0xff, 0xff, 0, 0, 0xff, 0xff},
	.run = initialize_with_range,
	.name = "INITIALIZE ELEMENT STATUS WITH RANGE",
	.clause = "SMC-3 INITIALIZE ELEMENT STATUS WITH RANGE",
    },
    {
	.opcode = 0xb8,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_SPECIAL,
	.usage = {0xb8, 0x1f | OBSOLETE_LUN, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff},
	.run = read_element_status,
	.name = "READ ELEMENT STATUS",
	.clause = "SMC-3 READ ELEMENT STATUS",
    },
    {.run = NULL},
};
