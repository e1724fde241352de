/* SPDX-License-Identifier: MIT */
/*
 * What changes in a file by turns of two places: a sequence number and a CRC tell which one holds.
 * A write that is interrupted harms the older one only.
 */
#ifndef TGT_BACKING_STORE_SSC_SLOT_H
#define TGT_BACKING_STORE_SSC_SLOT_H

#include <stdint.h>

#include "layout.h"

#define SLOT_ROOM (SECTOR - 20u) /* bytes of content */

struct slot_pair {
	uint64_t at[2];
	uint32_t magic;
	uint64_t sequence; /* of the one that holds; 0: none does */
};

/* Reads the one that holds into content (SLOT_ROOM bytes).  0; -ENOENT: neither was ever
 * written; -EBADMSG: neither can be read; another -errno. */
int slot_read(int fd, struct slot_pair *pair, uint8_t content[SLOT_ROOM]);
/* Writes the other one; durable with the next fdatasync.  0 or -errno. */
int slot_write(int fd, struct slot_pair *pair, const uint8_t content[SLOT_ROOM]);

#endif
