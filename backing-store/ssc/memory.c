/* SPDX-License-Identifier: MIT */
/* The cartridge memory: a blob in two places that take turns, each with a head that tells its
 * length and CRC. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "image.h"

static uint64_t blob_at(uint64_t sequence)
{
	return MEMORY_AT(sequence % 2) + SLOT;
}

int image_memory_read(struct image *image, void *buf, size_t *len, uint64_t *version)
{
	uint8_t content[SLOT_ROOM];
	size_t room = *len;
	int err = slot_read(image->fd, &image->memory, content);

	if (err)
		return err;
	*version = image->memory.sequence;
	*len = get32(content);
	if (*len > MEMORY_MAX)
		return -EBADMSG;
	if (*len > room)
		return -ENOSPC;
	err = read_all(image->fd, buf, *len, blob_at(image->memory.sequence));
	if (!err && crc_of(buf, *len) != get32(content + 4))
		err = -EBADMSG;
	return err;
}

/* The head is written once what it tells of is durable. */
int image_memory_write(struct image *image, const void *buf, size_t len, uint64_t expected,
		       uint64_t *version)
{
	struct iovec piece = {(void *)(uintptr_t)buf, len};
	uint8_t content[SLOT_ROOM] = {0};
	int err;

	if (image->readonly)
		return -EROFS;
	if (len > MEMORY_MAX)
		return -ENOSPC;
	if (image->memory.sequence != expected)
		return -ESTALE;
	put32(content, (uint32_t)len);
	put32(content + 4, crc_of(buf, len));
	err = write_all(image->fd, &piece, 1, blob_at(expected + 1));
	if (!err && fdatasync(image->fd))
		err = -errno;
	if (!err)
		err = slot_write(image->fd, &image->memory, content);
	if (!err && fdatasync(image->fd))
		err = -errno;
	if (!err)
		*version = image->memory.sequence;
	return err;
}
