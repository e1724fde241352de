/* SPDX-License-Identifier: MIT */
#include "slot.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"
#include "file_io.h"

/* A sector: magic, sequence number, content, a spare word, CRC of all before it. */
#define CONTENT 12
#define CRC (SECTOR - 4)

static int read_one(int fd, const struct slot_pair *pair, unsigned slot, uint8_t sector[SECTOR],
		    uint64_t *sequence)
{
	int err = read_all(fd, sector, SECTOR, pair->at[slot]);

	*sequence = 0;
	if (err == -EBADMSG) { /* beyond the end of the file */
		memset(sector, 0, SECTOR);
		return 0;
	}
	if (err)
		return err;
	if (get32(sector) == pair->magic && get32(sector + CRC) == crc_of(sector, CRC))
		*sequence = get64(sector + 4);
	return 0;
}

int slot_read(int fd, struct slot_pair *pair, uint8_t content[SLOT_ROOM])
{
	uint8_t sector[SECTOR];
	uint64_t sequence;
	bool written = false;

	pair->sequence = 0;
	for (unsigned slot = 0; slot < 2; slot++) {
		int err = read_one(fd, pair, slot, sector, &sequence);

		if (err)
			return err;
		written |= get64(sector) || get64(sector + 8);
		if (sequence <= pair->sequence || sequence % 2 != slot)
			continue;
		pair->sequence = sequence;
		memcpy(content, sector + CONTENT, SLOT_ROOM);
	}
	if (pair->sequence)
		return 0;
	return written ? -EBADMSG : -ENOENT;
}

int slot_write(int fd, struct slot_pair *pair, const uint8_t content[SLOT_ROOM])
{
	uint8_t sector[SECTOR] = {0};
	uint64_t sequence = pair->sequence + 1;
	struct iovec piece = {sector, SECTOR};
	int err;

	put32(sector, pair->magic);
	put64(sector + 4, sequence);
	memcpy(sector + CONTENT, content, SLOT_ROOM);
	put32(sector + CRC, crc_of(sector, CRC));
	err = write_all(fd, &piece, 1, pair->at[sequence % 2]);
	if (!err)
		pair->sequence = sequence;
	return err;
}
