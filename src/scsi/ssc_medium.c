/* SPDX-License-Identifier: MIT */
/* The medium as a whole: LOAD UNLOAD, FORMAT MEDIUM, SET CAPACITY (SSC-5). */
#include "scsi/mam.h"
#include "scsi/sbc.h"
#include "scsi/security.h"
#include "scsi/ssc.h"
#include "scsi/ua.h"

/* ---- LOAD UNLOAD ---- */

#define LOAD_HOLD 0x08
#define LOAD_EOT 0x04
#define LOAD_RETEN 0x02 /* a tension that this tape keeps anyway */
#define LOAD_LOAD 0x01

static bool prepare_load(struct scsi_task *t)
{
	/* SSC-5: the end of the medium is no place to be loaded at */
	if (t->cdb[4] & LOAD_LOAD && t->cdb[4] & LOAD_EOT) {
		task_invalid_cdb(t, 4, 2);
		return false;
	}
	return true;
}

static void load_noted(void *arg)
{
	task_good(arg);
}

static void loaded(struct scsi_task *t)
{
	struct lu *lu = t->lu;
	bool comes;

	if (!sbc_store_ok(t))
		return;
	if (lu->medium && lu->started) {
		task_good(t);
		return;
	}
	lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, t->nexus->id);
	comes = !lu->medium;
	lu->medium = lu->started = true;
	if (comes)
		mam_load(lu, load_noted, t);
	else
		task_good(t);
}

static void unloaded(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->lu->medium = false;
	t->lu->started = true;
	security_unloaded(t->lu, t->nexus->id);
	task_good(t);
}

/* HOLD: the medium stays in the drive, but has to be loaded before it is used. */
static void held(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->lu->started = false;
	task_good(t);
}

static void hold(struct scsi_task *t)
{
	if (!t->lu->medium) {
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
		return;
	}
	ssc_request(t, TGT_BS_TAPE_REWIND);
	task_submit_prepared(t, held);
}

static void load(struct scsi_task *t)
{
	ssc_request(t, TGT_BS_TAPE_LOAD);
	task_submit_prepared(t, loaded);
}

static void take_out(void *arg)
{
	struct scsi_task *t = arg;

	ssc_request(t, TGT_BS_TAPE_UNLOAD);
	task_submit_prepared(t, unloaded);
}

static void unload(struct scsi_task *t)
{
	if (lu_removal_prevented(t->lu)) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	} else if (!t->lu->medium) {
		task_good(t);
	} else {
		mam_unload(t->lu, take_out, t);
	}
}

static void load_unload(struct scsi_task *t)
{
	if (t->cdb[4] & LOAD_HOLD)
		hold(t);
	else if (t->cdb[4] & LOAD_LOAD)
		load(t);
	else
		unload(t);
}

/* ---- what is done at the beginning of partition 0 only: FORMAT MEDIUM, SET CAPACITY ---- */

static void at_beginning(struct scsi_task *t, void (*known)(struct scsi_task *t))
{
	/* a POSITION forgets nothing of ALLOW OVERWRITE */
	ssc_request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, known);
}

/* False: it is elsewhere, and the task has ended. */
static bool check_beginning(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;

	if (!sbc_store_ok(t))
		return false;
	if (!bs->partition && bs->pos_flags & TGT_BS_POS_BOP)
		return true;
	task_sense(t, KEY_ILLEGAL_REQUEST, ASC_POSITION_PAST_BEGINNING_OF_MEDIUM);
	return false;
}

/* In append-only mode a medium is made empty only by who has allowed that (SSC-5). */
static bool check_may_empty(struct scsi_task *t)
{
	uint8_t may = atomic_load_explicit(&t->lu->tape->overwrite, memory_order_relaxed);

	if (!tape_modes(t->lu)->append_only || may == TAPE_OVERWRITE_FORMAT)
		return true;
	task_sense(t, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	return false;
}

/* Partitions and their sizes are in the Medium Partition mode page, which is another one now (SPC-5
 * 5.14: other nexuses are told of changed mode parameters). */
static void emptied(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_OK)
		lu_establish_ua(t->lu, ASC_MODE_PARAMETERS_CHANGED, t->nexus->id);
	ssc_done(t);
}

#define FORMAT_VERIFY 0x02
enum { FORMAT_DEFAULT = 0, FORMAT_PARTITION = 1, FORMAT_DEFAULT_AND_PARTITION = 2 };

static bool prepare_format(struct scsi_task *t)
{
	if (t->cdb[2] > FORMAT_DEFAULT_AND_PARTITION) {
		task_invalid_cdb(t, 2, 3);
		return false;
	}
	if (get_be16(t->cdb + 3)) { /* no format has parameters */
		task_invalid_cdb(t, 3, 7);
		return false;
	}
	return true;
}

/* The partitions of the Medium Partition mode page; when nobody has asked for any, those that are
 * there.  False: they can't be had of this medium. */
static bool plan(struct scsi_task *t, struct tape_partitions *wanted)
{
	struct tgt_bs_tape_info info;

	*wanted = (struct tape_partitions){.count = 1, .equal = true};
	if (t->cdb[2] == FORMAT_DEFAULT)
		return true;
	if (tape_wanted_partitions(t->lu, wanted))
		return wanted->count >= 1 && wanted->count <= TGT_BS_PARTITIONS_MAX;
	if (tape_partitions_asked(t->lu))
		return false;
	*wanted = (struct tape_partitions){.count = 1, .equal = true};
	if (store_tape_info(t->lu->store, &info) || info.nr_partitions < 2 ||
	    info.nr_partitions > TGT_BS_PARTITIONS_MAX)
		return true;
	wanted->count = info.nr_partitions;
	wanted->equal = false;
	memcpy(wanted->sizes, info.size, sizeof(wanted->sizes));
	return true;
}

static void format_here(struct scsi_task *t)
{
	_Static_assert(TGT_BS_PARTITIONS_MAX <= 6, "they are kept in t->work");
	struct tape_partitions wanted;
	struct tgt_bs_request *bs;

	if (!check_beginning(t) || !check_may_empty(t))
		return;
	if (!plan(t, &wanted)) {
		task_invalid_cdb(t, 2, 3);
		return;
	}
	memcpy(t->work, wanted.sizes, sizeof(wanted.sizes));
	bs = ssc_request(t, TGT_BS_TAPE_FORMAT);
	bs->count = wanted.count;
	bs->sizes = wanted.equal ? NULL : t->work;
	task_submit_prepared(t, emptied);
}

static void format_medium(struct scsi_task *t)
{
	at_beginning(t, format_here);
}

/* ---- SET CAPACITY ---- */

#define PROPORTION_MAX 65535u

static uint64_t proportion(uint64_t whole, uint16_t part)
{
	return whole / PROPORTION_MAX * part + whole % PROPORTION_MAX * part / PROPORTION_MAX;
}

static void capacity_set(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_ERR_INVALID) /* less than a medium can have */
		task_invalid_cdb(t, 3, 7);
	else
		emptied(t);
}

static void set_capacity_here(struct scsi_task *t)
{
	struct tgt_bs_tape_info info;
	struct tgt_bs_request *bs;

	if (!check_beginning(t) || !check_may_empty(t))
		return;
	if (store_tape_info(t->lu->store, &info)) {
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
		return;
	}
	bs = ssc_request(t, TGT_BS_TAPE_SET_CAPACITY);
	bs->offset = proportion(info.full_size, get_be16(t->cdb + 3));
	task_submit_prepared(t, capacity_set);
}

static void set_capacity(struct scsi_task *t)
{
	at_beginning(t, set_capacity_here);
}

static bool sets_capacity(const struct lu *lu)
{
	return store_can(lu->store, TGT_BS_CAN_SET_CAPACITY);
}

/* ---- rows ---- */

#define EMPTIES (ROW_MEDIUM | ROW_EXCLUSIVE | ROW_WRITES | ROW_LONG)
#define LOAD_BITS (LOAD_HOLD | LOAD_EOT | LOAD_RETEN | LOAD_LOAD)

const struct opcode_row ssc_medium_rows[] = {
    {SSC_ROW(0x04, 6, DATA_NONE, PR_WRITE, EMPTIES, prepare_format, format_medium, "FORMAT MEDIUM"),
     .usage = {0x04, FORMAT_VERIFY | SSC_IMMED, 0x0f, 0xff, 0xff}},
    {SSC_ROW(0x0b, 6, DATA_NONE, PR_WRITE, EMPTIES, NULL, set_capacity, "SET CAPACITY"),
     .usage = {0x0b, SSC_IMMED, 0, 0xff, 0xff}, .available = sets_capacity},
    {SSC_ROW(0x1b, 6, DATA_NONE, PR_WRITE, ROW_EXCLUSIVE | ROW_LONG, prepare_load, load_unload,
	     "LOAD UNLOAD"),
     .usage = {0x1b, SSC_IMMED, 0, 0, LOAD_BITS}},
    {SSC_ROW(0x1e, 6, DATA_NONE, PR_SPECIAL, 0, NULL, sbc_prevent_allow,
	     "PREVENT ALLOW MEDIUM REMOVAL"),
     .usage = {0x1e, 0, 0, 0, 0x01}},
    {.run = NULL},
};
