/* SPDX-License-Identifier: MIT */
/* The medium in pieces of at most one buffer, aligned as the store asks; and what makes it durable.
 */
#include "scsi/sbc.h"

#include <string.h>

/* The aligned bytes of the medium that the current chunk covers. */
struct window {
	uint64_t first;
	uint32_t size;
	uint32_t skip; /* bytes before the range */
	uint32_t used; /* bytes of the range */
};

static struct window window_at(const struct scsi_task *t)
{
	uint64_t align = t->lu->io_alignment;
	uint64_t at = t->work[0] + t->work[2];
	uint64_t end = t->work[0] + t->work[1];
	struct window w = {.first = at & ~(align - 1)};
	uint64_t size = ((end + align - 1) & ~(align - 1)) - w.first;

	w.size = size < t->scratch.length ? (uint32_t)size : t->scratch.length;
	w.skip = (uint32_t)(at - w.first);
	w.used = w.size - w.skip;
	if (w.used > end - at)
		w.used = (uint32_t)(end - at);
	return w;
}

static void submit_window(struct scsi_task *t, enum tgt_bs_op op, uint32_t flags,
			  const struct window *w, void (*done)(struct scsi_task *t))
{
	struct databuf view = {.iov = &t->piece, .iovcnt = 1, .length = w->size};

	t->piece = (struct iovec){t->scratch.iov[0].iov_base, w->size};
	task_submit_store(t, op, flags, w->first, w->size, &view, done);
}

static void next_chunk(struct scsi_task *t);

static void chunk_written(struct scsi_task *t)
{
	if (!sbc_store_ok(t))
		return;
	t->work[2] += window_at(t).used;
	next_chunk(t);
}

static void chunk_there(struct scsi_task *t)
{
	const struct sbc_chunk_ops *ops = t->work_ptr;
	struct window w = window_at(t);
	uint8_t *at = (uint8_t *)t->scratch.iov[0].iov_base + w.skip;

	switch (ops->chunk(t, at, t->work[2], w.used)) {
	case SBC_CHUNK_ENDED:
		return;
	case SBC_CHUNK_WRITE:
		submit_window(t, TGT_BS_WRITE, sbc_write_flags(t), &w, chunk_written);
		return;
	case SBC_CHUNK_NEXT:
		break;
	}
	t->work[2] += w.used;
	next_chunk(t);
}

static void chunk_read(struct scsi_task *t)
{
	if (sbc_store_ok(t))
		chunk_there(t);
}

static void next_chunk(struct scsi_task *t)
{
	const struct sbc_chunk_ops *ops = t->work_ptr;
	struct window w;

	if (t->work[2] == t->work[1]) {
		ops->finished(t);
		return;
	}
	w = window_at(t);
	if (ops->overwrites && w.used == w.size)
		chunk_there(t);
	else
		submit_window(t, TGT_BS_READ, 0, &w, chunk_read);
}

void sbc_each_chunk(struct scsi_task *t, const struct sbc_chunk_ops *ops)
{
	uint64_t align = t->lu->io_alignment;
	uint64_t first = t->work[0] & ~(align - 1);
	uint64_t need = ((t->work[0] + t->work[1] + align - 1) & ~(align - 1)) - first;

	t->work[2] = 0;
	t->work_ptr = ops;
	if (!t->work[1])
		ops->finished(t);
	else if (t->scratch.iov)
		next_chunk(t);
	else
		task_get_scratch(t, need < BUF_MAX_PIECE ? (uint32_t)need : BUF_MAX_PIECE,
				 next_chunk);
}

enum sbc_chunk_result sbc_drop_chunk(struct scsi_task *t, uint8_t *at, uint64_t done, uint32_t len)
{
	(void)t;
	(void)at;
	(void)done;
	(void)len;
	return SBC_CHUNK_NEXT;
}

const struct sbc_chunk_ops sbc_read_only_chunks = {.chunk = sbc_drop_chunk, .finished = task_good};

bool sbc_store_ok(struct scsi_task *t)
{
	if (t->store.bs.status == TGT_BS_OK)
		return true;
	task_store_status(t, &t->store.bs);
	return false;
}

/* SBC-4 4.15: with WCE = 0 every write is one with FUA; bit 3 of byte 1 is no FUA in these. */
static bool must_be_durable(const struct scsi_task *t)
{
	if (!t->lu->volatile_cache)
		return false;
	if (!mode_wce(t->lu))
		return true;
	switch (t->row->opcode) {
	case 0x0a: /* WRITE(6) */
	case 0x41: /* WRITE SAME(10) */
	case 0x42: /* UNMAP */
	case 0x93: /* WRITE SAME(16) */
		return false;
	case 0x2e: /* WRITE AND VERIFY: the medium is what is verified */
	case 0xae:
	case 0x8e:
		return true;
	default:
		return (t->cdb[1] & SBC_FUA) != 0;
	}
}

uint32_t sbc_write_flags(const struct scsi_task *t)
{
	if (must_be_durable(t) && store_can(t->lu->store, TGT_BS_CAN_FUA))
		return TGT_BS_REQ_FUA;
	return 0;
}

static void flushed(struct scsi_task *t)
{
	task_store_status(t, &t->store.bs);
}

void sbc_write_finished(struct scsi_task *t)
{
	if (t->store.bs.flags & TGT_BS_REQ_FUA)
		task_good(t);
	else
		sbc_zero_finished(t);
}

void sbc_zero_finished(struct scsi_task *t)
{
	if (must_be_durable(t) && store_can(t->lu->store, TGT_BS_CAN_FLUSH))
		task_submit_store(t, TGT_BS_FLUSH, 0, 0, 0, NULL, flushed);
	else
		task_good(t);
}

void sbc_flush(struct scsi_task *t, void (*next)(struct scsi_task *t))
{
	if (t->lu->volatile_cache && store_can(t->lu->store, TGT_BS_CAN_FLUSH))
		task_submit_store(t, TGT_BS_FLUSH, 0, 0, 0, NULL, next);
	else
		next(t);
}

size_t sbc_compare(const struct databuf *buf, size_t offset, const uint8_t *with, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t run, i = 0;
		const uint8_t *at = databuf_at(buf, offset + done, &run);

		if (run > len - done)
			run = len - done;
		if (memcmp(at, with + done, run) != 0) {
			while (at[i] == with[done + i])
				i++;
			return done + i;
		}
		done += run;
	}
	return len;
}
