/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "bytes.h"
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

/* ---- on the reactor ---- */

/* What takes longer to look through is a worker's. */
#define CACHED_MAX (1u << 20)

/* A record at reading->offset that takes at most *span bytes, and nothing has to be read to know.
 */
static bool peek(struct tape *tape, struct reading *reading, uint64_t *entry, uint64_t *span)
{
	struct partition *p = tape_partition(tape);
	uint64_t next = p->end;

	reading->number = tape->position;
	if (reading->number == p->index.nr || !index_peek(&p->index, reading->number, entry) ||
	    *entry & (ENTRY_MARK | ENTRY_LOST))
		return false;
	if (reading->number + 1 < p->index.nr) {
		if (!index_peek(&p->index, reading->number + 1, &next) || next & ENTRY_LOST)
			return false;
		next = entry_offset(next);
	}
	reading->offset = entry_offset(*entry);
	*span = next - reading->offset;
	return reading->offset<next && * span> OBJECT_HEADER;
}

/* The CRC of so many bytes; what was read behind them is not for the request. */
static uint32_t crc_and_clear(const struct iovec *pieces, int count, uint64_t left)
{
	uint32_t crc = CRC_START;

	for (int i = 0; i < count; i++) {
		uint8_t *data = pieces[i].iov_base;
		size_t len = pieces[i].iov_len, part = left < len ? (size_t)left : len;

		crc = crc_add(crc, data, part);
		memset(data + part, 0, len - part);
		left -= part;
	}
	return ~crc;
}

/* Header and payload by one read. */
static bool read_cached(const struct partition *p, const struct slice *into,
			struct reading *reading)
{
	struct iovec pieces[SLICE_PIECES_MAX + 1];
	uint8_t header[OBJECT_HEADER];
	int count = slice_pieces(into, pieces + 1, SLICE_PIECES_MAX);
	struct object *object = &reading->object;
	ssize_t n;

	if (count < 0)
		return false;
	pieces[0] = (struct iovec){header, OBJECT_HEADER};
	n = preadv2(p->fd, pieces, count + 1, (off_t)reading->offset, RWF_NOWAIT);
	if (n < (ssize_t)OBJECT_HEADER || !object_decode(object, header) || object->flags ||
	    (uint64_t)n - OBJECT_HEADER < object->stored)
		return false;
	return crc_and_clear(pieces + 1, count, object->stored) == object->crc;
}

bool tape_read_cached(struct tape *tape, struct tgt_bs_request *r)
{
	struct partition *p = tape_partition(tape);
	struct slice into = {r->iov, r->iovcnt, 0, r->length};
	struct reading reading = {0};
	uint64_t entry, span;

	if (r->flags & TGT_BS_REQ_REVERSE || (r->codec && r->codec->flags & TGT_BS_CODEC_DECRYPT) ||
	    !peek(tape, &reading, &entry, &span))
		return false;
	if (into.length > span - OBJECT_HEADER)
		into.length = span - OBJECT_HEADER;
	if (into.length > CACHED_MAX || !read_cached(p, &into, &reading) ||
	    !partition_expects(p, reading.number, entry, &reading.object) ||
	    (r->record_size &&
	     (r->length != r->record_size || reading.object.length != r->record_size)))
		return false;
	tape->position++;
	r->actual = reading.object.length;
	r->stored = reading.object.stored;
	return true;
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
