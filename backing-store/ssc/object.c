/* SPDX-License-Identifier: MIT */
#include "object.h"

#include <errno.h>

#include "bytes.h"

void object_encode(const struct object *object, uint8_t header[OBJECT_HEADER])
{
	put32(header, object->kind);
	put32(header + 4, object->flags);
	put32(header + 8, object->stored);
	put32(header + 12, object->length);
	put64(header + 16, object->number);
	put64(header + 24, object->epoch);
	put32(header + 32, object->crc);
	put32(header + 36, 0);
	put32(header + 40, object->salt);
	put32(header + 44, crc_of(header, 44));
}

/* A record's payload is at most a little larger than the record: see codec.h. */
#define STORED_MAX (TAPE_RECORD_MAX + 4096u)

static bool makes_sense(const struct object *object)
{
	switch (object->kind) {
	case OBJECT_RECORD:
		return object->stored && object->stored <= STORED_MAX && object->length &&
		       object->length <= TAPE_RECORD_MAX &&
		       !(object->flags & ~(OBJECT_COMPRESSED | OBJECT_ENCRYPTED)) &&
		       (object->flags || object->stored == object->length);
	case OBJECT_MARK:
		return !object->stored && !object->length && !object->flags;
	case OBJECT_INDEX:
	case OBJECT_DIRECTORY:
		return object->stored <= STORED_MAX && !object->length && !object->flags;
	default:
		return false;
	}
}

bool object_decode(struct object *object, const uint8_t header[OBJECT_HEADER])
{
	if (get32(header + 44) != crc_of(header, 44))
		return false;
	*object = (struct object){
	    .kind = get32(header),
	    .flags = get32(header + 4),
	    .stored = get32(header + 8),
	    .length = get32(header + 12),
	    .number = get64(header + 16),
	    .epoch = get64(header + 24),
	    .crc = get32(header + 32),
	    .salt = get32(header + 40),
	};
	return makes_sense(object);
}

int object_read(int fd, uint64_t offset, uint32_t salt, struct object *object)
{
	uint8_t header[OBJECT_HEADER];
	int err = read_all(fd, header, OBJECT_HEADER, offset);

	if (err)
		return err;
	return object_decode(object, header) && object->salt == salt ? 0 : -EBADMSG;
}

/* The CRC of what is in the file only, behind what somebody took. */
static int add_rest(int fd, uint64_t offset, uint64_t length, uint32_t *crc)
{
	uint8_t buf[16384];

	while (length) {
		size_t part = length < sizeof(buf) ? (size_t)length : sizeof(buf);
		int err = read_all(fd, buf, part, offset);

		if (err)
			return err;
		*crc = crc_add(*crc, buf, part);
		offset += part;
		length -= part;
	}
	return 0;
}

int object_read_payload(int fd, uint64_t offset, const struct object *object,
			const struct slice *into)
{
	struct iovec pieces[SLICE_PIECES_MAX];
	struct slice take = *into;
	uint64_t at = offset + OBJECT_HEADER, end = at + object->stored;
	uint32_t crc = CRC_START;
	int err, count;

	if (take.length > object->stored)
		take.length = object->stored;
	count = slice_pieces(&take, pieces, SLICE_PIECES_MAX);
	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		err = read_all(fd, pieces[i].iov_base, pieces[i].iov_len, at);
		if (err)
			return err;
		crc = crc_add(crc, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	err = add_rest(fd, at, end - at, &crc);
	if (err)
		return err;
	return ~crc == object->crc ? 0 : -EBADMSG;
}

int object_write(int fd, uint64_t offset, struct object *object, const struct slice *payload)
{
	static const uint8_t zeroes[OBJECT_ALIGN];
	struct iovec pieces[SLICE_PIECES_MAX + 2];
	uint8_t header[OBJECT_HEADER];
	uint64_t span = object_span(payload->length);
	uint32_t crc = CRC_START;
	int count = slice_pieces(payload, pieces + 1, SLICE_PIECES_MAX);

	if (count < 0)
		return count;
	for (int i = 1; i <= count; i++)
		crc = crc_add(crc, pieces[i].iov_base, pieces[i].iov_len);
	object->stored = (uint32_t)payload->length;
	object->crc = ~crc;
	object_encode(object, header);
	pieces[0] = (struct iovec){header, OBJECT_HEADER};
	pieces[count + 1] = (struct iovec){(void *)(uintptr_t)zeroes,
					   (size_t)(span - OBJECT_HEADER - payload->length)};
	return write_all(fd, pieces, count + 2, offset);
}
