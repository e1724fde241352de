/* SPDX-License-Identifier: MIT */
/* The disk commands about the logical unit itself: capacity, start and stop, removal. */
#include "scsi/sbc.h"

#include "scsi/ua.h"
#include "util/bytes.h"

#define RC16_LENGTH 32

/* ---- READ CAPACITY ---- */

static void read_capacity10(struct scsi_task *t)
{
	uint64_t last = t->lu->blocks - 1;
	uint8_t data[8];

	put_be32(data, last < UINT32_MAX ? (uint32_t)last : UINT32_MAX);
	put_be32(data + 4, t->lu->block_size);
	task_reply(t, data, sizeof(data), sizeof(data));
}

static void read_capacity16(struct scsi_task *t)
{
	const struct lu *lu = t->lu;
	uint8_t data[RC16_LENGTH] = {0};

	put_be64(data, lu->blocks - 1);
	put_be32(data + 8, lu->block_size);
	data[13] = lu->lbppbe;
	put_be16(data + 14, lu->la_lba & 0x3fff);
	if (lu->thin)
		data[14] |= 0xc0; /* LBPME, LBPRZ */
	task_reply(t, data, sizeof(data), get_be32(t->cdb + 10));
}

/* ---- READ DEFECT DATA ---- */

/* SBC-3 5.17, 5.18: there are no defects that this layer could know of: the lists asked for are
 * there, and they are empty. */
static void read_defect_data10(struct scsi_task *t)
{
	uint8_t data[4] = {0, t->cdb[2]};

	task_reply(t, data, sizeof(data), get_be16(t->cdb + 7));
}

static void read_defect_data12(struct scsi_task *t)
{
	uint8_t data[8] = {0, t->cdb[1]};

	task_reply(t, data, sizeof(data), get_be32(t->cdb + 6));
}

/* ---- START STOP UNIT ---- */

#define SSU_NO_FLUSH 0x04
#define SSU_LOEJ 0x02
#define SSU_START 0x01

/* POWER CONDITION, SBC-3 table 64 */
#define POWER_START_VALID 0x0
#define POWER_ACTIVE 0x1
#define POWER_IDLE 0x2
#define POWER_STANDBY 0x3
#define POWER_LU_CONTROL 0x7
#define POWER_FORCE_IDLE_0 0xa
#define POWER_FORCE_STANDBY_0 0xb

static void load(struct scsi_task *t)
{
	struct lu *lu = t->lu;
	bool there = !(store_geometry(lu->store).flags & TGT_BS_GEO_NO_MEDIUM);

	if (!lu->medium && !there) {
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
		return;
	}
	if (!lu->medium)
		lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, t->nexus->id);
	lu->medium = true;
	lu->started = true;
	task_good(t);
}

static void stopped(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->lu->started = false;
	if (t->cdb[4] & SSU_LOEJ)
		t->lu->medium = false;
	task_good(t);
}

static void stop(struct scsi_task *t)
{
	struct lu *lu = t->lu;

	t->store.bs.status = TGT_BS_OK;
	if (t->cdb[4] & SSU_LOEJ && lu_removal_prevented(lu))
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	else if (t->cdb[4] & SSU_NO_FLUSH || !lu->medium || lu->readonly)
		stopped(t);
	else
		sbc_flush(t, stopped);
}

/* There are no power conditions to change to that an application client could tell apart: one that
 * the standard defines has been reached at once, and START and LOEJ don't count then (SBC-3 5.25).
 */
static bool check_power_condition(struct scsi_task *t)
{
	switch (t->cdb[4] >> 4) {
	case POWER_ACTIVE:
	case POWER_IDLE:
	case POWER_STANDBY:
	case POWER_LU_CONTROL:
	case POWER_FORCE_IDLE_0:
	case POWER_FORCE_STANDBY_0:
		return true;
	default:
		task_invalid_cdb(t, 4, 7);
		return false;
	}
}

/* For what a bit of the CDB makes a command that conflicts (PR_SPECIAL). */
bool sbc_conflicts_as_write(struct scsi_task *t)
{
	static const struct opcode_row as_write = {.pr = PR_WRITE};
	const struct opcode_row *row = t->row;
	bool conflicts;

	t->row = &as_write;
	conflicts = t->lu->pr && pr_conflicts(t);
	t->row = row;
	return conflicts;
}

/* SBC-3 table 13: START = 1 without a power condition is allowed under any reservation. */
static bool start_stop_conflicts(struct scsi_task *t)
{
	if ((t->cdb[4] & 0xf0) == 0 && t->cdb[4] & SSU_START)
		return false;
	return sbc_conflicts_as_write(t);
}

static void start_stop(struct scsi_task *t)
{
	if (start_stop_conflicts(t)) {
		task_status(t, STATUS_RESERVATION_CONFLICT);
	} else if (t->cdb[4] >> 4 != POWER_START_VALID) {
		if (check_power_condition(t))
			task_good(t);
	} else if (t->cdb[4] & SSU_LOEJ && !t->lu->removable) {
		task_invalid_cdb(t, 4, 1);
	} else if (!(t->cdb[4] & SSU_START)) {
		stop(t);
	} else if (t->cdb[4] & SSU_LOEJ) {
		load(t);
	} else if (!t->lu->medium) {
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	} else {
		t->lu->started = true;
		task_good(t);
	}
}

/* ---- PREVENT ALLOW MEDIUM REMOVAL ---- */

void sbc_prevent_allow(struct scsi_task *t)
{
	bool prevent = t->cdb[4] & 1;

	/* SBC-3 table 13: allowing is allowed under any reservation */
	if (prevent && sbc_conflicts_as_write(t)) {
		task_status(t, STATUS_RESERVATION_CONFLICT);
		return;
	}
	itl_set_prevents(t->itl, prevent);
	task_good(t);
}

#define ALL4 0xff, 0xff, 0xff, 0xff

const struct opcode_row sbc_rows[] = {
    {
	.opcode = 0x1b,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_SPECIAL,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x1b, 0x01, 0, 0x0f, 0xf7},
	.run = start_stop,
	.name = "START STOP UNIT",
	.clause = "SBC-3 5.25",
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
	.clause = "SBC-3 5.10",
    },
    {
	.opcode = 0x25,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.flags = ROW_MEDIUM | ROW_MENDS,
	.usage = {0x25, 0, 0, 0, 0, 0, 0, 0, 0},
	.run = read_capacity10,
	.name = "READ CAPACITY(10)",
	.clause = "SBC-3 5.15",
    },
    {
	.opcode = 0x37,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM,
	.usage = {0x37, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff},
	.run = read_defect_data10,
	.name = "READ DEFECT DATA(10)",
	.clause = "SBC-3 5.17",
    },
    {
	.opcode = 0x89,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 16,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_EXCLUSIVE_RANGE,
	.counts = COUNTS_WRITE,
	.usage = {0x89, SBC_DPO | SBC_FUA, ALL4, ALL4, 0, 0, 0, 0xff, SBC_GROUP},
	.available = sbc_offers_compare_and_write,
	.prepare = sbc_prepare_compare_and_write,
	.run = sbc_compare_and_write,
	.name = "COMPARE AND WRITE",
	.clause = "SBC-3 5.2",
    },
    {
	.opcode = 0x8b,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 16,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_EXCLUSIVE_RANGE,
	.counts = COUNTS_WRITE,
	.usage = {0x8b, SBC_DPO | SBC_FUA, ALL4, ALL4, ALL4, SBC_GROUP},
	.available = sbc_offers_orwrite,
	.prepare = sbc_prepare_orwrite,
	.run = sbc_orwrite,
	.name = "ORWRITE(16)",
	.clause = "SBC-3 5.5",
    },
    {
	.opcode = 0x9e,
	.service_action = 0x10,
	.cdb_len = 16,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.flags = ROW_MEDIUM | ROW_MENDS,
	.usage = {0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, ALL4, 0},
	.run = read_capacity16,
	.name = "READ CAPACITY(16)",
	.clause = "SBC-3 5.16",
    },
    {
	.opcode = 0xb7,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM,
	.usage = {0xb7, 0x1f, ALL4, ALL4},
	.run = read_defect_data12,
	.name = "READ DEFECT DATA(12)",
	.clause = "SBC-3 5.18",
    },
    {.run = NULL},
};
