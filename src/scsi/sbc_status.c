/* SPDX-License-Identifier: MIT */
/* GET LBA STATUS: which blocks are mapped, as the store tells. */
#include "scsi/sbc.h"
#include "util/bytes.h"

#define HEADER 8
#define DESCRIPTOR 16
#define MAX_DESCRIPTORS 1024u
#define MAX_EXTENTS 512u
#define DESCRIPTORS_AT 16384u /* in the scratch buffer, behind the extents */
#define SCRATCH (DESCRIPTORS_AT + HEADER + MAX_DESCRIPTORS * DESCRIPTOR)

#define STATUS_MAPPED 0
#define STATUS_DEALLOCATED 1

/* REPORT TYPE (SBC-4): which descriptors are wanted. */
#define REPORT_ALL 0x00
#define REPORT_ADDITIONAL 0x01
#define REPORT_MAPPED 0x02
#define REPORT_DEALLOCATED 0x03
#define REPORT_ANCHORED 0x04
#define REPORT_MAY_FAIL 0x10

/* t->work: [0] the next byte to ask the store about, [1] bytes from there to the end */
#define NEXT_LBA 3 /* the first block that no descriptor covers */
#define COUNT 4    /* descriptors */

static uint8_t *descriptors(const struct scsi_task *t)
{
	return (uint8_t *)t->scratch.iov[0].iov_base + DESCRIPTORS_AT + HEADER;
}

static uint32_t allocation_length(const struct scsi_task *t)
{
	return get_be32(t->cdb + 10);
}

/* As many as fit, but one (the parameter data have one descriptor at least). */
static uint32_t wanted(const struct scsi_task *t)
{
	uint32_t length = allocation_length(t);
	uint32_t fit = length < HEADER ? 0 : (length - HEADER) / DESCRIPTOR;

	if (fit < 1)
		return 1;
	return fit < MAX_DESCRIPTORS ? fit : MAX_DESCRIPTORS;
}

static bool is_reported(const struct scsi_task *t, uint8_t status)
{
	switch (t->cdb[14]) {
	case REPORT_ALL:
		return true;
	case REPORT_MAPPED:
		return status == STATUS_MAPPED;
	case REPORT_DEALLOCATED:
		return status == STATUS_DEALLOCATED;
	default: /* nothing is anchored, and nothing is known to be bad */
		return false;
	}
}

/* Extends the last descriptor by as many blocks as it can take and returns how many. */
static uint64_t extend_last(struct scsi_task *t, uint64_t lba, uint64_t blocks, uint8_t status)
{
	uint8_t *last;
	uint32_t has;

	if (!t->work[COUNT])
		return 0;
	last = descriptors(t) + (t->work[COUNT] - 1) * DESCRIPTOR;
	has = get_be32(last + 8);
	if (last[12] != status || get_be64(last) + has != lba)
		return 0;
	if (blocks > UINT32_MAX - has)
		blocks = UINT32_MAX - has;
	put_be32(last + 8, has + (uint32_t)blocks);
	return blocks;
}

/* The blocks from NEXT_LBA up to end have this status; false: there is no room for all of them. */
static bool add_run(struct scsi_task *t, uint64_t end, uint8_t status)
{
	while (t->work[NEXT_LBA] < end) {
		uint64_t lba = t->work[NEXT_LBA], blocks = end - lba;

		if (!is_reported(t, status)) {
			t->work[NEXT_LBA] = end;
			return true;
		}
		blocks = extend_last(t, lba, blocks, status);
		if (!blocks) {
			uint8_t *d = descriptors(t) + t->work[COUNT] * DESCRIPTOR;

			if (t->work[COUNT] == wanted(t))
				return false;
			memset(d, 0, DESCRIPTOR);
			put_be64(d, lba);
			d[12] = status;
			t->work[COUNT]++;
			continue;
		}
		t->work[NEXT_LBA] = lba + blocks;
	}
	return true;
}

static void reply(struct scsi_task *t)
{
	uint8_t *header = descriptors(t) - HEADER;
	uint32_t length = HEADER + (uint32_t)t->work[COUNT] * DESCRIPTOR;

	memset(header, 0, HEADER);
	put_be32(header, length - 4);
	header[7] = t->cdb[14] ? 1 : 0; /* RTP: the report type was processed */
	task_reply(t, header, length, allocation_length(t));
}

static void ask(struct scsi_task *t);

/* A block that is mapped in part is mapped. */
static bool add_extent(struct scsi_task *t, const struct tgt_bs_extent *e)
{
	uint64_t end = e->offset + e->length;

	if (e->flags & TGT_BS_EXTENT_MAPPED)
		end += t->lu->block_size - 1;
	end >>= t->lu->block_shift;
	if (end > t->lu->blocks)
		end = t->lu->blocks;
	return add_run(t, end,
		       e->flags & TGT_BS_EXTENT_MAPPED ? STATUS_MAPPED : STATUS_DEALLOCATED);
}

static void answered(struct scsi_task *t)
{
	const struct tgt_bs_request *bs = &t->store.bs;
	uint64_t at = t->work[0];

	if (!sbc_store_ok(t))
		return;
	for (uint32_t i = 0; i < bs->nr_extents; i++) {
		uint64_t length = bs->extents[i].length;

		if (!add_extent(t, &bs->extents[i])) {
			reply(t);
			return;
		}
		t->work[1] -= length < t->work[1] ? length : t->work[1];
		t->work[0] += length;
	}
	if (!t->work[1] || t->work[0] == at)
		reply(t);
	else
		task_continue(t, ask);
}

static void ask(struct scsi_task *t)
{
	struct tgt_bs_request *bs = &t->store.bs;

	store_request_init(&t->store, TGT_BS_BLOCK_STATUS, t->module_data, NULL);
	bs->offset = t->work[0];
	bs->length = t->work[1];
	bs->extents = t->scratch.iov[0].iov_base;
	bs->max_extents = MAX_EXTENTS;
	task_submit_prepared(t, answered);
}

static void start(struct scsi_task *t)
{
	t->work[NEXT_LBA] = t->lba;
	t->work[COUNT] = 0;
	if (store_can(t->lu->store, TGT_BS_CAN_BLOCK_STATUS) && t->lu->thin) {
		ask(t);
		return;
	}
	/* fully provisioned, or unknown: "mapped or unknown" */
	add_run(t, t->lu->blocks, STATUS_MAPPED);
	reply(t);
}

bool sbc_prepare_get_lba_status(struct scsi_task *t)
{
	uint64_t lba = get_be64(t->cdb + 2);

	switch (t->cdb[14]) {
	case REPORT_ALL:
	case REPORT_ADDITIONAL:
	case REPORT_MAPPED:
	case REPORT_DEALLOCATED:
	case REPORT_ANCHORED:
	case REPORT_MAY_FAIL:
		break;
	default:
		task_invalid_cdb(t, 14, 7);
		return false;
	}
	t->transfer_length = allocation_length(t);
	if (!sbc_set_range(t, lba, 1))
		return false;
	return sbc_set_range(t, lba, t->lu->blocks - lba);
}

void sbc_get_lba_status(struct scsi_task *t)
{
	task_get_scratch(t, SCRATCH, start);
}
