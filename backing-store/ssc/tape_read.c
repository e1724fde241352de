/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "tape.h"

/* One object of a READ. */
struct reading {
	uint64_t number;
	uint64_t offset;
	struct object object;
	bool is_mark;
};

/* The object that comes next in the request's direction; false: the request has ended. */
static bool find(struct tape *tape, struct tgt_bs_request *r, struct reading *reading)
{
	struct partition *p = tape_partition(tape);
	bool reverse = r->flags & TGT_BS_REQ_REVERSE;
	uint64_t entry;
	int err;

	if (reverse ? !tape->position : tape->position == p->index.nr) {
		r->status = reverse ? TGT_BS_ERR_BEGINNING : TGT_BS_ERR_END_OF_DATA;
		return false;
	}
	reading->number = tape->position - reverse;
	err = index_entry(&p->index, reading->number, &entry);
	reading->is_mark = !err && entry_is_mark(entry);
	if (!err)
		err = partition_stat(p, reading->number, &reading->object, &reading->offset);
	if (err)
		tape_fail(tape, r, err);
	return !err;
}

static void pass(struct tape *tape, const struct tgt_bs_request *r)
{
	if (r->flags & TGT_BS_REQ_REVERSE)
		tape->position--;
	else
		tape->position++;
}

/* One record into the request at done; false: a filemark or another end has set the status. */
static bool read_one(struct tape *tape, struct tgt_bs_request *r, uint64_t done, uint64_t room,
		     uint32_t *length)
{
	struct slice into = {r->iov, r->iovcnt, done, room};
	struct reading reading;
	bool differs;
	int err = 0;

	if (!find(tape, r, &reading))
		return false;
	*length = reading.object.length;
	differs = !reading.is_mark && r->record_size && *length != r->record_size;
	if (differs)
		err = codec_check(&tape->codec, r->codec, tape->image.fd, reading.offset,
				  &reading.object);
	else if (!reading.is_mark)
		err = codec_read(&tape->codec, r->codec, tape->image.fd, reading.offset,
				 &reading.object, &into);
	if (err) {
		tape_fail(tape, r, err);
		return false;
	}
	pass(tape, r);
	if (reading.is_mark)
		r->status = TGT_BS_ERR_FILEMARK;
	if (differs) {
		r->status = TGT_BS_ERR_RECORD_LENGTH;
		r->info = *length;
	}
	r->stored += reading.is_mark || differs ? 0 : reading.object.stored;
	return r->status == TGT_BS_OK;
}

void tape_read(struct tape *tape, struct tgt_bs_request *r)
{
	uint64_t records = r->record_size ? r->length / r->record_size : 1;
	uint64_t room = r->record_size ? r->record_size : r->length;
	uint32_t length;

	for (uint64_t i = 0; i < records; i++) {
		r->residue = (int64_t)(records - i);
		if (!read_one(tape, r, r->actual, room, &length))
			return;
		r->actual += length;
	}
	r->residue = 0;
}

void tape_next(struct tape *tape, struct tgt_bs_request *r)
{
	struct partition *p = tape_partition(tape);
	struct tgt_bs_tape_record *record = r->record;
	struct reading reading;
	int err = 0;

	if (!record) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	memset(record, 0, sizeof(*record));
	record->struct_size = sizeof(*record);
	if (tape->position == p->index.nr) {
		record->flags = TGT_BS_RECORD_END_OF_DATA;
		return;
	}
	if (!find(tape, r, &reading))
		return;
	record->flags = reading.is_mark ? TGT_BS_RECORD_FILEMARK : 0;
	if (reading.object.flags & OBJECT_COMPRESSED)
		record->flags |= TGT_BS_RECORD_COMPRESSED;
	record->length = reading.object.length;
	record->stored = reading.object.stored;
	if (reading.object.flags & OBJECT_ENCRYPTED) {
		record->flags |= TGT_BS_RECORD_ENCRYPTED;
		err = codec_look(&tape->codec, r->codec, tape->image.fd, reading.offset,
				 &reading.object, record);
	}
	if (err)
		tape_fail(tape, r, err);
}
