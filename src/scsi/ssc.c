/* SPDX-License-Identifier: MIT */
/* What the tape commands have in common: how they begin and end. */
#include "scsi/sbc.h"
#include "scsi/ssc.h"

/* ---- ends ---- */

/* Two's complement, in as many bytes as the format has (SPC-5, Information sense data descriptor
 * and fixed format); what doesn't fit isn't valid. */
static void set_information(struct sense *s, int64_t information, bool descriptor)
{
	s->info_valid = descriptor || (information >= INT32_MIN && information <= UINT32_MAX);
	s->information = descriptor ? (uint64_t)information : (uint32_t)information;
}

void ssc_end_stream(struct scsi_task *t, const struct stream_end *end)
{
	bool descriptor = mode_d_sense(t->lu);
	struct sense s = {
	    .key = end->key,
	    .asc = end->asc,
	    .bit = -1,
	    .filemark = end->filemark,
	    .eom = end->eom,
	    .ili = end->ili,
	};

	if (!end->no_information)
		set_information(&s, end->information, descriptor);
	t->sense_len = sense_build(t->sense, &s, descriptor);
	task_check_condition(t);
}

static bool end_of_tape(const struct tgt_bs_request *bs, struct stream_end *end)
{
	switch (bs->status) {
	case TGT_BS_ERR_FILEMARK:
		end->asc = ASC_FILEMARK_DETECTED;
		end->filemark = true;
		return true;
	case TGT_BS_ERR_END_OF_DATA:
		end->key = KEY_BLANK_CHECK;
		end->asc = ASC_END_OF_DATA_DETECTED;
		end->eom = bs->pos_flags & TGT_BS_POS_EARLY_WARNING;
		return true;
	case TGT_BS_ERR_BEGINNING:
		end->asc = ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED;
		end->eom = true;
		return true;
	case TGT_BS_ERR_EARLY_WARNING: /* all of it is written */
		end->asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED;
		end->eom = true;
		return true;
	case TGT_BS_ERR_END_OF_MEDIUM:
		end->key = KEY_VOLUME_OVERFLOW;
		end->asc = ASC_END_OF_PARTITION_MEDIUM_DETECTED;
		end->eom = true;
		return true;
	default:
		return false;
	}
}

static void end_as_store(struct scsi_task *t, struct stream_end *end)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	struct sense s = {0};

	if (bs->status == TGT_BS_OK) {
		task_good(t);
		return;
	}
	if (!end_of_tape(bs, end)) {
		if (!task_store_sense(t, bs, &s))
			return;
		end->key = s.key;
		end->asc = s.asc;
	}
	ssc_end_stream(t, end);
}

void ssc_end_of_movement(struct scsi_task *t, int64_t residue)
{
	end_as_store(t, &(struct stream_end){.information = residue});
}

void ssc_moved(struct scsi_task *t)
{
	ssc_end_of_movement(t, t->store.bs.residue);
}

void ssc_done(struct scsi_task *t)
{
	end_as_store(t, &(struct stream_end){.no_information = true});
}

/* ---- programmable early warning (SSC-5) ---- */

#define EARLY_WARNING_PART 16u /* of the partition, but no more than the second */
#define EARLY_WARNING_MAX (64ull << 20)

/* How far before the end of the partition a store gives early warning. */
static uint64_t early_warning_zone(const struct lu *lu, uint32_t partition)
{
	struct tgt_bs_tape_info info;
	uint64_t zone;

	if (store_tape_info(lu->store, &info) || partition >= info.nr_partitions ||
	    partition >= TGT_BS_PARTITIONS_MAX)
		return 0;
	zone = info.size[partition] / EARLY_WARNING_PART;
	return zone < EARLY_WARNING_MAX ? zone : EARLY_WARNING_MAX;
}

static bool is_within(const struct lu *lu, uint64_t remain, uint32_t partition)
{
	uint64_t zone = early_warning_zone(lu, partition), pews = tape_modes(lu)->pews;

	return remain <= zone || remain - zone <= pews;
}

bool ssc_is_past_programmable(const struct lu *lu, const struct tgt_bs_request *bs)
{
	if (!tape_modes(lu)->pews)
		return false;
	return bs->pos_flags & TGT_BS_POS_EARLY_WARNING ||
	       is_within(lu, bs->pos_remain, bs->partition);
}

/* Told once, by the command that came into the zone. */
static bool comes_past_programmable(const struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint64_t before;

	if (bs->status != TGT_BS_OK || !ssc_is_past_programmable(t->lu, bs))
		return false;
	before = atomic_load_explicit(&t->lu->tape->pos_remain, memory_order_relaxed);
	return !is_within(t->lu, before, bs->partition);
}

void ssc_end_of_writing(struct scsi_task *t, int64_t residue)
{
	if (comes_past_programmable(t))
		ssc_end_stream(t,
			       &(struct stream_end){.asc = ASC_PROGRAMMABLE_EARLY_WARNING_DETECTED,
						    .information = residue});
	else
		ssc_end_of_movement(t, residue);
}

/* ---- beginnings ---- */

bool ssc_prepare_serial(struct scsi_task *t)
{
	t->lba = 0;
	t->blocks = 1;
	return true;
}

bool ssc_check_partition(struct scsi_task *t, unsigned byte)
{
	struct tgt_bs_tape_info info;

	if (store_tape_info(t->lu->store, &info) == 0 && t->cdb[byte] >= info.nr_partitions) {
		task_invalid_cdb(t, byte, 7);
		return false;
	}
	return true;
}

#define PLACE_PARTITION 3
#define PLACE_OBJECT 4

bool ssc_prepare_place(struct scsi_task *t)
{
	return (!ssc_is_long(t) || ssc_check_partition(t, PLACE_PARTITION)) &&
	       ssc_prepare_serial(t);
}

struct tgt_bs_request *ssc_request(struct scsi_task *t, enum tgt_bs_op op)
{
	store_request_init(&t->store, op, t->module_data, NULL);
	if (op != TGT_BS_TAPE_POSITION)
		atomic_store_explicit(&t->lu->tape->overwrite, TAPE_OVERWRITE_NOT,
				      memory_order_relaxed);
	return &t->store.bs;
}

struct tgt_bs_request *ssc_write_request(struct scsi_task *t, enum tgt_bs_op op)
{
	uint8_t may = atomic_load_explicit(&t->lu->tape->overwrite, memory_order_relaxed);
	struct tgt_bs_request *bs = ssc_request(t, op);

	if (tape_modes(t->lu)->append_only && may != TAPE_OVERWRITE_POSITION)
		bs->flags |= TGT_BS_REQ_APPEND;
	if (t->lu->tape_unbuffered && op == TGT_BS_TAPE_WRITE)
		bs->flags |= TGT_BS_REQ_FUA;
	return bs;
}

/* ---- the explicit address command set ---- */

static void run_here(struct scsi_task *t)
{
	((void (*)(struct scsi_task *))(uintptr_t)t->work[6])(t);
}

static void located(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_ERR_END_OF_DATA) /* there is no such object */
		ssc_end_stream(t, &(struct stream_end){.key = KEY_BLANK_CHECK,
						       .asc = ASC_LOCATE_OPERATION_FAILURE,
						       .no_information = true});
	else if (sbc_store_ok(t))
		run_here(t);
}

static void place_known(struct scsi_task *t)
{
	struct tgt_bs_request *bs = &t->store.bs;
	uint64_t object = get_be64(t->cdb + PLACE_OBJECT);

	if (!sbc_store_ok(t))
		return;
	if (bs->partition == t->cdb[PLACE_PARTITION] && bs->pos_object == object) {
		run_here(t);
		return;
	}
	bs = ssc_request(t, TGT_BS_TAPE_LOCATE);
	bs->offset = object;
	bs->partition = t->cdb[PLACE_PARTITION];
	task_submit_prepared(t, located);
}

void ssc_at_place(struct scsi_task *t, void (*run)(struct scsi_task *t))
{
	t->work[6] = (uintptr_t)run;
	if (!ssc_is_long(t)) {
		run(t);
		return;
	}
	ssc_request(t, TGT_BS_TAPE_POSITION);
	task_submit_prepared(t, place_known);
}
