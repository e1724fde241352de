/* SPDX-License-Identifier: MIT */
/* The disk commands that give blocks back or fill them: UNMAP, WRITE SAME; and the rows of both
 * kinds. */
#include "scsi/sbc.h"

#include <string.h>

#include "util/bytes.h"

#define UNMAP_HEADER 8
#define UNMAP_DESCRIPTOR 16
#define STEP_BYTES                                                                                 \
	(256ull << 20) /* of one request, so that an abort isn't kept waiting for long             \
			*/
#define SAME_UNMAP 0x08
#define SAME_NDOB 0x01

/* t->work beyond the chunks' [0…2] */
#define ZERO_AT 3   /* the next byte to be zeroed */
#define ZERO_END 4  /* where that ends */
#define ZERO_MODE 5 /* enum zero_mode in the low byte; above: UNMAP's next descriptor */

/* How to zero, best first; what a store turns out not to support isn't tried again by the task. */
enum zero_mode { ZERO_DISCARD, ZERO_REQUEST_UNMAP, ZERO_REQUEST, ZERO_WRITE };

static enum zero_mode zero_mode(const struct scsi_task *t)
{
	return (enum zero_mode)(t->work[ZERO_MODE] & 0xff);
}

static void set_zero_mode(struct scsi_task *t, enum zero_mode mode)
{
	const struct store *store = t->lu->store;

	if (mode == ZERO_DISCARD && !store_can(store, TGT_BS_CAN_DISCARD))
		mode = ZERO_REQUEST_UNMAP;
	if (mode != ZERO_DISCARD && !store_can(store, TGT_BS_CAN_WRITE_ZEROES))
		mode = ZERO_WRITE;
	t->work[ZERO_MODE] = (t->work[ZERO_MODE] & ~0xffull) | mode;
}

/* ---- a range becomes zeroes ---- */

static void next_descriptor(struct scsi_task *t);

static void zero_next(struct scsi_task *t);

static enum sbc_chunk_result zero_chunk(struct scsi_task *t, uint8_t *at, uint64_t done,
					uint32_t len)
{
	(void)t;
	(void)done;
	memset(at, 0, len);
	return SBC_CHUNK_WRITE;
}

static const struct sbc_chunk_ops zero_chunks = {
    .chunk = zero_chunk, .finished = zero_next, .overwrites = true};

static void zero_by_chunks(struct scsi_task *t, uint64_t length)
{
	t->work[0] = t->work[ZERO_AT];
	t->work[1] = length;
	t->work[ZERO_AT] += length;
	sbc_each_chunk(t, &zero_chunks);
}

static void zeroed(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_ERR_NOT_SUPPORTED)
		set_zero_mode(t, zero_mode(t) + 1);
	else if (!sbc_store_ok(t))
		return;
	else
		t->work[ZERO_AT] += t->store.bs.length;
	zero_next(t);
}

static void zero_by_request(struct scsi_task *t, uint64_t length)
{
	enum tgt_bs_op op = zero_mode(t) == ZERO_DISCARD ? TGT_BS_DISCARD : TGT_BS_WRITE_ZEROES;
	uint32_t flags = zero_mode(t) == ZERO_REQUEST_UNMAP ? TGT_BS_REQ_UNMAP : 0;

	if (length > STEP_BYTES)
		length = STEP_BYTES;
	task_submit_store(t, op, flags, t->work[ZERO_AT], length, NULL, zeroed);
}

/* What the store's alignment leaves over at the ends is zeroed by writing, so that all of the range
 * reads as zeroes (LBPRZ = 1). */
static void zero_next(struct scsi_task *t)
{
	uint64_t align = t->lu->io_alignment;
	uint64_t at = t->work[ZERO_AT], left = t->work[ZERO_END] - at;
	uint64_t head = -at & (align - 1);

	if (!left) {
		if (t->row->opcode == 0x42)
			next_descriptor(t);
		else
			sbc_zero_finished(t);
	} else if (head || left < align) {
		zero_by_chunks(t, head && head < left ? head : left < align ? left : align);
	} else if (zero_mode(t) == ZERO_WRITE) {
		zero_by_chunks(t, left & ~(align - 1));
	} else {
		zero_by_request(t, left & ~(align - 1));
	}
}

static void zero_range(struct scsi_task *t, uint64_t first, uint64_t length)
{
	t->work[ZERO_AT] = first;
	t->work[ZERO_END] = first + length;
	zero_next(t);
}

/* ---- UNMAP ---- */

static bool is_thin(const struct lu *lu)
{
	return lu->thin;
}

/* Its ranges come with the data: until then it may touch any block. */
static bool prepare_unmap(struct scsi_task *t)
{
	if (!is_thin(t->lu)) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
		return false;
	}
	t->transfer_length = get_be16(t->cdb + 7);
	t->exclusive_range = t->lu->io_alignment > t->lu->block_size;
	return sbc_set_range(t, 0, t->lu->blocks);
}

static bool check_descriptors(struct scsi_task *t, uint32_t count)
{
	const struct lu *lu = t->lu;
	uint64_t total = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t d[UNMAP_DESCRIPTOR];
		uint64_t lba;
		uint32_t blocks;

		databuf_read(&t->data, UNMAP_HEADER + i * UNMAP_DESCRIPTOR, d, sizeof(d));
		lba = get_be64(d);
		blocks = get_be32(d + 8);
		if (lba > lu->blocks || blocks > lu->blocks - lba) {
			task_sense(t, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
			return false;
		}
		total += blocks;
		if (total > lu_max_unmap_blocks(lu)) {
			task_invalid_parameter(t, UNMAP_HEADER + i * UNMAP_DESCRIPTOR + 8, 7);
			return false;
		}
	}
	return true;
}

static void next_descriptor(struct scsi_task *t)
{
	uint32_t count = (uint32_t)(t->work[ZERO_MODE] >> 8 & 0xffff);
	uint32_t i = (uint32_t)(t->work[ZERO_MODE] >> 32);
	uint8_t d[UNMAP_DESCRIPTOR];

	if (i == count) {
		sbc_zero_finished(t);
		return;
	}
	databuf_read(&t->data, UNMAP_HEADER + i * UNMAP_DESCRIPTOR, d, sizeof(d));
	t->work[ZERO_MODE] += 1ull << 32;
	zero_range(t, get_be64(d) << t->lu->block_shift,
		   (uint64_t)get_be32(d + 8) << t->lu->block_shift);
}

/* SBC-3 5.28.2: a last descriptor that is not whole is ignored; data that the parameter list length
 * cuts off are an error. */
static void sbc_unmap(struct scsi_task *t)
{
	uint8_t header[UNMAP_HEADER];
	uint32_t count, length;

	if (!t->transfer_length) {
		task_good(t);
		return;
	}
	if (databuf_read(&t->data, 0, header, sizeof(header)) < sizeof(header)) {
		task_parameter_list_length_error(t);
		return;
	}
	length = get_be16(header + 2);
	count = length / UNMAP_DESCRIPTOR;
	if (length > t->data.length - UNMAP_HEADER) {
		task_parameter_list_length_error(t);
	} else if (count > SBC_MAX_UNMAP_DESCRIPTORS) {
		task_invalid_parameter(t, 2, 7);
	} else if (check_descriptors(t, count)) {
		t->work[ZERO_MODE] = (uint64_t)count << 8;
		set_zero_mode(t, ZERO_DISCARD);
		next_descriptor(t);
	}
}

/* ---- WRITE SAME ---- */

static bool prepare_write_same(struct scsi_task *t)
{
	struct sbc_cdb_range r = sbc_cdb_range(t);
	uint64_t blocks = r.blocks;

	if (t->cdb[1] & SAME_UNMAP && !is_thin(t->lu)) {
		task_invalid_cdb(t, 1, 3);
		return false;
	}
	/* SBC-3 5.43: 0 means all up to the end, and the maximum holds for these, too */
	if (!r.blocks && r.lba <= t->lu->blocks)
		blocks = t->lu->blocks - r.lba;
	if (blocks > lu_max_write_same_blocks(t->lu)) {
		task_invalid_cdb(t, r.blocks_byte, 7);
		return false;
	}
	t->transfer_length = t->row->cdb_len == 16 && t->cdb[1] & SAME_NDOB ? 0 : t->lu->block_size;
	if (!sbc_set_range(t, r.lba, blocks))
		return false;
	if (t->transfer_length && !sbc_check_data_out(t, r.blocks_byte))
		return false;
	if (!sbc_is_aligned(t->lu, t->work[0], t->work[1])) {
		t->exclusive_range = true;
		sbc_widen_range(t);
	}
	return true;
}

static enum sbc_chunk_result fill_chunk(struct scsi_task *t, uint8_t *at, uint64_t done,
					uint32_t len)
{
	uint32_t size = t->lu->block_size, seen = 0;

	while (seen < len) {
		uint32_t from = (uint32_t)((done + seen) % size), n = size - from;

		if (n > len - seen)
			n = len - seen;
		databuf_read(&t->data, from, at + seen, n);
		seen += n;
	}
	return SBC_CHUNK_WRITE;
}

static const struct sbc_chunk_ops fill_chunks = {
    .chunk = fill_chunk, .finished = sbc_write_finished, .overwrites = true};

static void same_next(struct scsi_task *t);

static void same_written(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->work[0] += t->store.bs.length;
	t->work[1] -= t->store.bs.length;
	same_next(t);
}

static void same_next(struct scsi_task *t)
{
	uint64_t step = t->work[1] < STEP_BYTES ? t->work[1] : STEP_BYTES;

	if (!step)
		sbc_write_finished(t);
	else if (store_can(t->lu->store, TGT_BS_CAN_WRITE_SAME) &&
		 sbc_is_aligned(t->lu, t->work[0], step) &&
		 t->lu->io_alignment <= t->lu->block_size)
		task_submit_store(t, TGT_BS_WRITE_SAME, sbc_write_flags(t), t->work[0], step,
				  &t->data, same_written);
	else
		sbc_each_chunk(t, &fill_chunks);
}

static bool is_zero(const struct databuf *buf)
{
	const uint8_t *p = buf->iov[0].iov_base;

	return p[0] == 0 && memcmp(p, p + 1, buf->length - 1) == 0;
}

/* SBC-3 4.7.3.4.4: with LBPRZ = 1 only zeroes may be unmapped, other data have to be written. */
static void sbc_write_same(struct scsi_task *t)
{
	if (t->transfer_length && !is_zero(&t->data)) {
		same_next(t);
		return;
	}
	t->work[ZERO_MODE] = 0;
	set_zero_mode(t, t->cdb[1] & SAME_UNMAP ? ZERO_DISCARD : ZERO_REQUEST);
	zero_range(t, t->work[0], t->work[1]);
}

#define ROW_SAME (ROW_MEDIUM | ROW_WRITES | ROW_RANGE | ROW_LONG)

const struct opcode_row sbc_provisioning_rows[] = {
    {
	.opcode = 0x41,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_SAME,
	.counts = COUNTS_WRITE,
	.usage = {0x41, SAME_UNMAP, 0xff, 0xff, 0xff, 0xff, SBC_GROUP, 0xff, 0xff},
	.prepare = prepare_write_same,
	.run = sbc_write_same,
	.name = "WRITE SAME(10)",
	.clause = "SBC-3 5.43",
    },
    {
	.opcode = 0x42,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_RANGE | ROW_LONG,
	.usage = {0x42, 0, 0, 0, 0, 0, SBC_GROUP, 0xff, 0xff},
	.prepare = prepare_unmap,
	.run = sbc_unmap,
	.available = is_thin,
	.name = "UNMAP",
	.clause = "SBC-3 5.28",
    },
    {
	.opcode = 0x93,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 16,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_SAME,
	.counts = COUNTS_WRITE,
	.usage = {0x93, SAME_UNMAP | SAME_NDOB, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff, 0xff, 0xff, SBC_GROUP},
	.prepare = prepare_write_same,
	.run = sbc_write_same,
	.name = "WRITE SAME(16)",
	.clause = "SBC-3 5.44",
    },
    {
	.opcode = 0x9e,
	.service_action = 0x12,
	.cdb_len = 16,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_MEDIUM,
	.usage = {0x9e, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		  0xff, 0xff},
	.prepare = sbc_prepare_get_lba_status,
	.run = sbc_get_lba_status,
	.name = "GET LBA STATUS",
	.clause = "SBC-4 GET LBA STATUS(16)",
    },
    {.run = NULL},
};
