/* SPDX-License-Identifier: MIT */
/* COMPARE AND WRITE and ORWRITE: they run alone on their range (ROW_EXCLUSIVE_RANGE). */
#include "scsi/sbc.h"
#include "util/bytes.h"

/* ---- COMPARE AND WRITE ---- */

bool sbc_offers_compare_and_write(const struct lu *lu)
{
	return lu_max_caw_blocks(lu);
}

bool sbc_prepare_compare_and_write(struct scsi_task *t)
{
	uint32_t blocks = t->cdb[13];

	if (blocks > lu_max_caw_blocks(t->lu)) {
		task_invalid_cdb(t, 13, 7);
		return false;
	}
	t->transfer_length = 2 * blocks << t->lu->block_shift;
	if (!sbc_set_range(t, get_be64(t->cdb + 2), blocks) || !sbc_check_data_out(t, 13))
		return false;
	sbc_widen_range(t);
	return true;
}

static enum sbc_chunk_result compare_chunk(struct scsi_task *t, uint8_t *at, uint64_t done,
					   uint32_t len)
{
	size_t same = sbc_compare(&t->data, done, at, len);

	if (same == len)
		return SBC_CHUNK_NEXT;
	task_sense_info(t, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY, done + same);
	return SBC_CHUNK_ENDED;
}

static enum sbc_chunk_result replace_chunk(struct scsi_task *t, uint8_t *at, uint64_t done,
					   uint32_t len)
{
	databuf_read(&t->data, t->work[1] + done, at, len);
	return SBC_CHUNK_WRITE;
}

static const struct sbc_chunk_ops replace_chunks = {
    .chunk = replace_chunk, .finished = sbc_write_finished, .overwrites = true};

static void compared(struct scsi_task *t)
{
	sbc_each_chunk(t, &replace_chunks);
}

static const struct sbc_chunk_ops compare_chunks = {.chunk = compare_chunk, .finished = compared};

static void store_compared(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		sbc_write_finished(t);
}

void sbc_compare_and_write(struct scsi_task *t)
{
	if (t->work[1] && lu_store_compares(t->lu, t->work[0], t->work[1]) &&
	    sbc_is_aligned(t->lu, t->work[0], t->work[1]))
		task_submit_store(t, TGT_BS_COMPARE_AND_WRITE, sbc_write_flags(t), t->work[0],
				  t->work[1], &t->data, store_compared);
	else
		sbc_each_chunk(t, &compare_chunks);
}

/* ---- ORWRITE ---- */

static enum sbc_chunk_result or_chunk(struct scsi_task *t, uint8_t *at, uint64_t done, uint32_t len)
{
	uint32_t seen = 0;

	while (seen < len) {
		size_t run;
		const uint8_t *with = databuf_at(&t->data, done + seen, &run);

		for (size_t i = 0; i < run && seen < len; i++)
			at[seen++] |= with[i];
	}
	return SBC_CHUNK_WRITE;
}

/* It reads and then writes, and no store does that in one piece. */
bool sbc_offers_orwrite(const struct lu *lu)
{
	return !lu_is_shared(lu);
}

static const struct sbc_chunk_ops or_chunks = {.chunk = or_chunk, .finished = sbc_write_finished};

bool sbc_prepare_orwrite(struct scsi_task *t)
{
	if (!sbc_prepare_transfer(t))
		return false;
	sbc_widen_range(t);
	return true;
}

void sbc_orwrite(struct scsi_task *t)
{
	t->work[1] = sbc_whole_blocks(t, t->transfer_length);
	sbc_each_chunk(t, &or_chunks);
}
