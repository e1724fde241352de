/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tape.h"

/* A write-once medium takes what comes at the end of its data.  Filemarks that stand right before
 * that may be written over, as drives have it: programs close a file with them, and go on there. */
static bool is_at_end(struct tape *tape, bool over_marks)
{
	struct partition *p = tape_partition(tape);
	uint64_t marks;

	if (tape->position == p->index.nr)
		return true;
	return over_marks && !index_marks_before(&p->index, tape->position, &marks) &&
	       p->index.nr_marks - marks == p->index.nr - tape->position;
}

static bool may_write(struct tape *tape, struct tgt_bs_request *r)
{
	if (tape->image.readonly)
		r->status = TGT_BS_ERR_WRITE_PROTECTED;
	else if (tape->image.made.medium == TGT_BS_MEDIUM_WORM && !is_at_end(tape, true))
		r->status = TGT_BS_ERR_OVERWRITE;
	else if (r->flags & TGT_BS_REQ_APPEND && !is_at_end(tape, false))
		r->status = TGT_BS_ERR_OVERWRITE;
	return r->status == TGT_BS_OK;
}

/* What was written once stays. */
static bool may_empty(struct tape *tape, struct tgt_bs_request *r)
{
	if (tape->image.readonly)
		r->status = TGT_BS_ERR_WRITE_PROTECTED;
	else if (tape->image.made.medium == TGT_BS_MEDIUM_WORM)
		r->status = TGT_BS_ERR_OVERWRITE;
	return r->status == TGT_BS_OK;
}

/* Appends one object where the tape stands; what followed is gone. */
static int append(struct tape *tape, struct tgt_bs_request *r, const struct slice *data)
{
	struct partition *p = tape_partition(tape);
	struct object object = {.kind = data ? OBJECT_RECORD : OBJECT_MARK,
				.length = data ? (uint32_t)data->length : 0};
	struct slice payload = {0};
	struct iovec piece;
	int err = partition_cut(p, tape->position);

	object.number = tape->position;
	if (!err && data)
		err = codec_encode(&tape->codec, r->codec, &object, data, &payload, &piece);
	if (!err)
		err = partition_append(p, &object, &payload);
	if (!err)
		r->stored += object.stored;
	return err;
}

static void write_objects(struct tape *tape, struct tgt_bs_request *r, uint64_t count,
			  const struct slice *first)
{
	struct slice data = first ? *first : (struct slice){0};

	for (uint64_t i = 0; i < count; i++) {
		int err = append(tape, r, first ? &data : NULL);

		r->residue = (int64_t)(count - i);
		if (err) {
			tape_fail(tape, r, err);
			return;
		}
		tape->position++;
		data.offset += data.length;
		r->actual += data.length;
	}
	r->residue = 0;
	if (count && tape_is_early_warning(tape))
		r->status = TGT_BS_ERR_EARLY_WARNING;
	if (r->flags & TGT_BS_REQ_FUA || partition_wants_sync(tape_partition(tape)))
		tape_flush(tape, r);
}

void tape_write(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t size = r->record_size ? r->record_size : r->length;
	struct slice first = {r->iov, r->iovcnt, 0, size};

	if (!may_write(tape, r))
		return;
	if (!size || size > TAPE_RECORD_MAX || r->length % size) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	write_objects(tape, r, r->length / size, &first);
}

void tape_write_filemarks(struct tape *tape, struct tgt_bs_request *r)
{
	if (r->count < 0) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	/* none of them: what was written before shall be durable, wherever the tape stands */
	if (r->count && !may_write(tape, r))
		return;
	write_objects(tape, r, (uint64_t)r->count, NULL);
	if (!(r->flags & TGT_BS_REQ_IMMED))
		tape_flush(tape, r);
}

void tape_erase(struct tape *tape, struct tgt_bs_request *r)
{
	int err;

	if (!may_empty(tape, r) || !may_write(tape, r))
		return;
	err = partition_cut(tape_partition(tape), tape->position);
	if (err)
		tape_fail(tape, r, err);
	else if (tape_flush(tape, r))
		partition_trim(tape_partition(tape));
}

static void empty(struct tape *tape, struct tgt_bs_request *r, uint32_t count,
		  const uint64_t *sizes, uint64_t size)
{
	int err = image_format(&tape->image, count, sizes, size);

	if (err == -EINVAL) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	tape->partition = 0;
	tape->position = 0;
	if (!err)
		return;
	/* nobody knows what is on it now */
	r->status = TGT_BS_ERR_FLUSH;
	tape->host->log(tape->lu, TGT_BS_LOG_ERR, "the tape can't be formatted: error %d", -err);
}

void tape_format(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t size = 0;

	if (!may_empty(tape, r))
		return;
	for (uint32_t i = 0; i < tape->image.count; i++)
		size += tape->image.partitions[i].size;
	if (r->count < 1 || r->count > TAPE_PARTITIONS_MAX)
		r->status = TGT_BS_ERR_INVALID;
	else
		empty(tape, r, (uint32_t)r->count, r->sizes, size);
}

void tape_set_capacity(struct tape *tape, struct tgt_bs_request *r)
{
	if (!may_empty(tape, r))
		return;
	if (r->offset > tape->image.made.size)
		r->status = TGT_BS_ERR_INVALID;
	else
		empty(tape, r, 1, NULL, r->offset);
}
