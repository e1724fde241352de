/* SPDX-License-Identifier: MIT */
/* The disk commands that move data: READ, WRITE, VERIFY, WRITE AND VERIFY, and the cache's. */
#include "scsi/sbc.h"

#define BYTCHK(t) ((t)->cdb[1] >> 1 & 3)
#define BYTCHK_MEDIUM 0  /* the blocks can be read */
#define BYTCHK_COMPARE 1 /* they equal the Data-Out */
#define BYTCHK_SAME 3    /* each equals the one block of Data-Out */

/* ---- READ ---- */

static void read_done(struct scsi_task *t)
{
	task_store_status(t, &t->store.bs);
}

static enum sbc_chunk_result copy_out(struct scsi_task *t, uint8_t *at, uint64_t done, uint32_t len)
{
	databuf_write(&t->data, done, at, len);
	return SBC_CHUNK_NEXT;
}

static const struct sbc_chunk_ops read_chunks = {.chunk = copy_out, .finished = task_good};

/* Only what the initiator takes is read; it need not end with a block. */
static void read_into_data(struct scsi_task *t)
{
	if (sbc_is_aligned(t->lu, t->work[0], t->data.length)) {
		task_submit_store(t, TGT_BS_READ, 0, t->work[0], t->data.length, &t->data,
				  read_done);
		return;
	}
	t->work[1] = t->data.length;
	sbc_each_chunk(t, &read_chunks);
}

static void read_get_data(struct scsi_task *t)
{
	task_get_data(t, t->transfer_length, read_into_data);
}

static void read_flushed(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		read_get_data(t);
}

static void sbc_read(struct scsi_task *t)
{
	if (!t->transfer_length || !t->expected_in)
		task_good(t);
	else if (t->row->cdb_len > 6 && t->cdb[1] & SBC_FUA && t->lu->volatile_cache)
		/* SBC-4 4.15: FUA reads the medium, so what the cache holds goes there first */
		sbc_flush(t, read_flushed);
	else
		read_get_data(t);
}

/* ---- WRITE ---- */

static void write_done(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		sbc_write_finished(t);
}

static enum sbc_chunk_result copy_in(struct scsi_task *t, uint8_t *at, uint64_t done, uint32_t len)
{
	databuf_read(&t->data, done, at, len);
	return SBC_CHUNK_WRITE;
}

static const struct sbc_chunk_ops write_chunks = {
    .chunk = copy_in, .finished = sbc_write_finished, .overwrites = true};

/* An initiator may send less than the CDB says (SAM-5 5.4.3): what arrived in whole blocks is
 * written. */
static void write_from_data(struct scsi_task *t, void (*done)(struct scsi_task *t),
			    const struct sbc_chunk_ops *chunks)
{
	t->work[1] = sbc_whole_blocks(t, t->transfer_length);
	if (t->work[1] && t->work[1] == t->data.length &&
	    sbc_is_aligned(t->lu, t->work[0], t->work[1]))
		task_submit_store(t, TGT_BS_WRITE, sbc_write_flags(t), t->work[0], t->work[1],
				  &t->data, done);
	else
		sbc_each_chunk(t, chunks);
}

static void sbc_write(struct scsi_task *t)
{
	write_from_data(t, write_done, &write_chunks);
}

/* ---- VERIFY ---- */

static bool prepare_verify(struct scsi_task *t)
{
	struct sbc_cdb_range r = sbc_cdb_range(t);

	t->transfer_length = 0;
	switch (BYTCHK(t)) {
	case BYTCHK_COMPARE:
		return sbc_prepare_transfer(t);
	case BYTCHK_SAME:
		if (r.blocks)
			t->transfer_length = t->lu->block_size;
		break;
	case BYTCHK_MEDIUM:
		break;
	default:
		task_invalid_cdb(t, 1, 2);
		return false;
	}
	return sbc_set_range(t, r.lba, r.blocks);
}

static enum sbc_chunk_result compare_data(struct scsi_task *t, uint8_t *at, uint64_t done,
					  uint32_t len)
{
	if (sbc_compare(&t->data, done, at, len) == len)
		return SBC_CHUNK_NEXT;
	task_sense(t, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
	return SBC_CHUNK_ENDED;
}

static enum sbc_chunk_result compare_block(struct scsi_task *t, uint8_t *at, uint64_t done,
					   uint32_t len)
{
	uint32_t size = t->lu->block_size, seen = 0;

	while (seen < len) {
		uint32_t from = (uint32_t)((done + seen) % size), n = size - from;

		if (n > len - seen)
			n = len - seen;
		if (sbc_compare(&t->data, from, at + seen, n) != n) {
			task_sense(t, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
			return SBC_CHUNK_ENDED;
		}
		seen += n;
	}
	return SBC_CHUNK_NEXT;
}

static const struct sbc_chunk_ops compare_chunks = {.chunk = compare_data, .finished = task_good};
static const struct sbc_chunk_ops same_chunks = {.chunk = compare_block, .finished = task_good};

static void verify_medium(struct scsi_task *t)
{
	switch (BYTCHK(t)) {
	case BYTCHK_COMPARE:
		t->work[1] = sbc_whole_blocks(t, t->transfer_length);
		sbc_each_chunk(t, &compare_chunks);
		break;
	case BYTCHK_SAME:
		if (t->data.length < t->transfer_length)
			t->work[1] = 0;
		sbc_each_chunk(t, &same_chunks);
		break;
	default:
		sbc_each_chunk(t, &sbc_read_only_chunks);
		break;
	}
}

static void verify_flushed(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		verify_medium(t);
}

/* SBC-3 5.29: the medium is verified, so what the cache holds goes there first. */
static void sbc_verify(struct scsi_task *t)
{
	sbc_flush(t, verify_flushed);
}

/* ---- WRITE AND VERIFY ---- */

static bool prepare_write_and_verify(struct scsi_task *t)
{
	if (BYTCHK(t) > BYTCHK_COMPARE) {
		task_invalid_cdb(t, 1, 2);
		return false;
	}
	return sbc_prepare_write(t);
}

static void written_verify(struct scsi_task *t)
{
	if (t->store.bs.flags & TGT_BS_REQ_FUA)
		verify_medium(t);
	else
		sbc_flush(t, verify_flushed);
}

static void write_verify_done(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		written_verify(t);
}

static const struct sbc_chunk_ops write_verify_chunks = {
    .chunk = copy_in, .finished = written_verify, .overwrites = true};

static void sbc_write_and_verify(struct scsi_task *t)
{
	write_from_data(t, write_verify_done, &write_verify_chunks);
}

/* ---- SYNCHRONIZE CACHE, PRE-FETCH ---- */

static void flush_done(struct scsi_task *t)
{
	task_store_status(t, &t->store.bs);
}

/* All of the cache is flushed, whatever the range; IMMED is as well served by answering when it is.
 */
static void sbc_synchronize_cache(struct scsi_task *t)
{
	if (t->lu->volatile_cache && store_can(t->lu->store, TGT_BS_CAN_FLUSH))
		task_submit_store(t, TGT_BS_FLUSH, 0, 0, 0, NULL, flush_done);
	else
		task_good(t);
}

static void prefetched(struct scsi_task *t)
{
	task_status(t, STATUS_CONDITION_MET);
}

/* SBC-3 5.8: GOOD when not all of it fits the cache, else CONDITION MET.  More than one transfer's
 * worth is not held to fit. */
static void sbc_prefetch(struct scsi_task *t)
{
	static const struct sbc_chunk_ops chunks = {.chunk = sbc_drop_chunk,
						    .finished = prefetched};

	if (t->blocks > t->lu->max_transfer_blocks)
		task_good(t);
	else
		sbc_each_chunk(t, &chunks);
}

/* ---- rows ---- */

#define LBA4 0xff, 0xff, 0xff, 0xff
#define LBA8 LBA4, LBA4
#define LEN2 0xff, 0xff
#define LEN4 0xff, 0xff, 0xff, 0xff
#define USAGE6(op)                                                                                 \
	{                                                                                          \
		op, 0x1f, 0xff, 0xff, 0xff                                                         \
	}
#define USAGE10(op, byte1)                                                                         \
	{                                                                                          \
		op, byte1, LBA4, SBC_GROUP, LEN2                                                   \
	}
#define USAGE12(op, byte1)                                                                         \
	{                                                                                          \
		op, byte1, LBA4, LEN4, SBC_GROUP                                                   \
	}
#define USAGE16(op, byte1)                                                                         \
	{                                                                                          \
		op, byte1, LBA8, LEN4, SBC_GROUP                                                   \
	}
#define DPO_FUA (SBC_DPO | SBC_FUA)
#define BYTCHK_BITS 0x06
#define IMMED 0x02
#define SYNC_NV 0x04 /* obsolete: there is no non-volatile cache to stop at */

#define ROW(op, len, dir, pr_, flags_, prepare_, run_, name_, clause_)                             \
	.opcode = op, .service_action = NO_SERVICE_ACTION, .cdb_len = len, .direction = dir,       \
	.pr = pr_, .flags = flags_, .prepare = prepare_, .run = run_, .name = name_,               \
	.clause = clause_

#define READ_ROW(op, len, name, clause)                                                            \
	ROW(op, len, DATA_IN, PR_READ, ROW_MEDIUM | ROW_RANGE, sbc_prepare_transfer, sbc_read,     \
	    name, clause),                                                                         \
	    .counts = COUNTS_READ
#define WRITE_ROW(op, len, name, clause)                                                           \
	ROW(op, len, DATA_OUT, PR_WRITE, ROW_MEDIUM | ROW_WRITES | ROW_RANGE, sbc_prepare_write,   \
	    sbc_write, name, clause),                                                              \
	    .counts = COUNTS_WRITE
#define WRITE_VERIFY_ROW(op, len, name, clause)                                                    \
	ROW(op, len, DATA_OUT, PR_WRITE, ROW_MEDIUM | ROW_WRITES | ROW_RANGE,                      \
	    prepare_write_and_verify, sbc_write_and_verify, name, clause),                         \
	    .counts = COUNTS_WRITE
#define VERIFY_ROW(op, len, name, clause)                                                          \
	ROW(op, len, DATA_OUT, PR_READ, ROW_MEDIUM | ROW_RANGE | ROW_LONG, prepare_verify,         \
	    sbc_verify, name, clause),                                                             \
	    .counts = COUNTS_VERIFY
#define PREFETCH_ROW(op, len, name, clause)                                                        \
	ROW(op, len, DATA_NONE, PR_READ, ROW_MEDIUM | ROW_RANGE, sbc_prepare_to_end, sbc_prefetch, \
	    name, clause)
/* not ROW_WRITES: what it puts on the medium was written before, and SBC-3 table 13 has it conflict
 */
#define SYNC_ROW(op, len, name, clause)                                                            \
	ROW(op, len, DATA_NONE, PR_WRITE, ROW_MEDIUM | ROW_LONG, sbc_prepare_to_end,               \
	    sbc_synchronize_cache, name, clause)

const struct opcode_row sbc_rw_rows[] = {
    {READ_ROW(0x08, 6, "READ(6)", "SBC-2 5.5"), .usage = USAGE6(0x08)},
    {WRITE_ROW(0x0a, 6, "WRITE(6)", "SBC-2 5.24"), .usage = USAGE6(0x0a)},
    {READ_ROW(0x28, 10, "READ(10)", "SBC-3 5.11"), .usage = USAGE10(0x28, DPO_FUA)},
    {WRITE_ROW(0x2a, 10, "WRITE(10)", "SBC-3 5.33"), .usage = USAGE10(0x2a, DPO_FUA)},
    {WRITE_VERIFY_ROW(0x2e, 10, "WRITE AND VERIFY(10)", "SBC-3 5.37"),
     .usage = USAGE10(0x2e, SBC_DPO | BYTCHK_BITS)},
    {VERIFY_ROW(0x2f, 10, "VERIFY(10)", "SBC-3 5.29"),
     .usage = USAGE10(0x2f, SBC_DPO | BYTCHK_BITS)},
    {PREFETCH_ROW(0x34, 10, "PRE-FETCH(10)", "SBC-3 5.8"), .usage = USAGE10(0x34, IMMED)},
    {SYNC_ROW(0x35, 10, "SYNCHRONIZE CACHE(10)", "SBC-3 5.26"),
     .usage = USAGE10(0x35, SYNC_NV | IMMED)},
    {READ_ROW(0x88, 16, "READ(16)", "SBC-3 5.13"), .usage = USAGE16(0x88, DPO_FUA)},
    {WRITE_ROW(0x8a, 16, "WRITE(16)", "SBC-3 5.35"), .usage = USAGE16(0x8a, DPO_FUA)},
    {WRITE_VERIFY_ROW(0x8e, 16, "WRITE AND VERIFY(16)", "SBC-3 5.39"),
     .usage = USAGE16(0x8e, SBC_DPO | BYTCHK_BITS)},
    {VERIFY_ROW(0x8f, 16, "VERIFY(16)", "SBC-3 5.31"),
     .usage = USAGE16(0x8f, SBC_DPO | BYTCHK_BITS)},
    {PREFETCH_ROW(0x90, 16, "PRE-FETCH(16)", "SBC-3 5.9"), .usage = USAGE16(0x90, IMMED)},
    {SYNC_ROW(0x91, 16, "SYNCHRONIZE CACHE(16)", "SBC-3 5.27"),
     .usage = USAGE16(0x91, SYNC_NV | IMMED)},
    {READ_ROW(0xa8, 12, "READ(12)", "SBC-3 5.12"), .usage = USAGE12(0xa8, DPO_FUA)},
    {WRITE_ROW(0xaa, 12, "WRITE(12)", "SBC-3 5.34"), .usage = USAGE12(0xaa, DPO_FUA)},
    {WRITE_VERIFY_ROW(0xae, 12, "WRITE AND VERIFY(12)", "SBC-3 5.38"),
     .usage = USAGE12(0xae, SBC_DPO | BYTCHK_BITS)},
    {VERIFY_ROW(0xaf, 12, "VERIFY(12)", "SBC-3 5.30"),
     .usage = USAGE12(0xaf, SBC_DPO | BYTCHK_BITS)},
    {.run = NULL},
};
