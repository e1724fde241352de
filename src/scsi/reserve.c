/* SPDX-License-Identifier: MIT */
/*
 * RESERVE and RELEASE (SPC-2 7.16, 7.17, 7.21, 7.22) beside persistent reservations: compatible
 * reservation handling, SPC-4 5.13.3.  lu->reserved_by is the id of the nexus that holds the
 * reservation.
 */
#include "scsi/commands.h"
#include "scsi/pr.h"

/* SPC-2 table 9 and SBC-2 table 12: what runs although another nexus holds a reservation. */
static bool allowed_while_reserved(const struct scsi_task *t)
{
	switch (t->cdb[0]) {
	case 0x03: /* REQUEST SENSE */
	case 0x12: /* INQUIRY */
	case 0x17: /* RELEASE(6): GOOD, nothing is released */
	case 0x57: /* RELEASE(10) */
	case 0xa0: /* REPORT LUNS */
	case 0x25: /* READ CAPACITY(10) */
		return true;
	case 0x9e: /* READ CAPACITY(16) */
		return (t->cdb[1] & 0x1f) == 0x10;
	case 0x05: /* SSC-2: READ BLOCK LIMITS */
	case 0x44: /* REPORT DENSITY SUPPORT */
		return t->lu->commands->device_type == 0x01;
	case 0xb8: /* SMC-2: READ ELEMENT STATUS with CURDATA */
		return t->lu->commands->device_type == 0x08 && t->cdb[6] & 0x02;
	case 0x1e: /* PREVENT ALLOW MEDIUM REMOVAL, when it allows */
		return (t->cdb[4] & 0x03) == 0;
	default:
		return false;
	}
}

/* SPC-2 5.5.1: while reserved, PERSISTENT RESERVE IN and OUT conflict for every nexus. */
static bool is_persistent_reserve(const struct scsi_task *t)
{
	return t->cdb[0] == 0x5e || t->cdb[0] == 0x5f;
}

bool reserve_conflicts(const struct scsi_task *t)
{
	uint64_t holder = t->lu->reserved_by;

	if (!holder)
		return false;
	if (is_persistent_reserve(t))
		return true;
	return holder != t->nexus->id && !allowed_while_reserved(t);
}

void reserve_release_nexus(struct lu *lu, uint64_t nexus_id)
{
	/* It only lets go, so a check under way on another reactor may see it or not. */
	atomic_compare_exchange_strong(&lu->reserved_by, &nexus_id, 0);
}

void reserve_reset(struct lu *lu)
{
	lu->reserved_by = 0;
}

/* SPC-2 5.5.1: RESERVE and RELEASE conflict while anybody is registered; SPC-4 5.13.3: but those
 * whom the persistent reservation lets in get GOOD, and nothing changes.  True: it has ended t. */
static bool ended_by_registrations(struct scsi_task *t)
{
	if (!pr_has_registrations(t->lu))
		return false;
	if (pr_compatible_holder(t))
		task_good(t);
	else
		task_status(t, STATUS_RESERVATION_CONFLICT);
	return true;
}

bool reserve_is_offered(const struct lu *lu)
{
	return !lu_is_shared(lu);
}

static void run_reserve(struct scsi_task *t)
{
	if (ended_by_registrations(t))
		return;
	t->lu->reserved_by = t->nexus->id;
	task_good(t);
}

static void run_release(struct scsi_task *t)
{
	if (ended_by_registrations(t))
		return;
	reserve_release_nexus(t->lu, t->nexus->id);
	task_good(t);
}

/* Extents and third parties don't exist, nor do parameter lists: their bits are not in the masks.
 */
const struct opcode_row reserve_rows[] = {
    {
	.opcode = 0x16,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x16},
	.run = run_reserve,
	.available = reserve_is_offered,
	.name = "RESERVE(6)",
	.clause = "SPC-2 7.22",
    },
    {
	.opcode = 0x17,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x17},
	.run = run_release,
	.available = reserve_is_offered,
	.name = "RELEASE(6)",
	.clause = "SPC-2 7.17",
    },
    {
	.opcode = 0x56,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x56},
	.run = run_reserve,
	.available = reserve_is_offered,
	.name = "RESERVE(10)",
	.clause = "SPC-2 7.21",
    },
    {
	.opcode = 0x57,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x57},
	.run = run_release,
	.available = reserve_is_offered,
	.name = "RELEASE(10)",
	.clause = "SPC-2 7.16",
    },
    {.run = NULL},
};
