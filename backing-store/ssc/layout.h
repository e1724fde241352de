/* SPDX-License-Identifier: MIT */
/* Where things are in a tape's file: doc/tape-image.md.  Offsets and lengths are bytes. */
#ifndef TGT_BACKING_STORE_SSC_LAYOUT_H
#define TGT_BACKING_STORE_SSC_LAYOUT_H

#include <stdint.h>

#define TAPE_VERSION 1
#define TAPE_PARTITIONS_MAX 4
#define TAPE_RECORD_MAX 0xffffffu
#define TAPE_BARCODE_MAX 33 /* with its NUL */

/* Everything that changes has two places that take turns, each of at most one sector of 512 bytes,
 * which a disk writes whole or not at all. */
#define SECTOR 512u
#define SLOT 4096u
#define HEADER_AT(slot) ((slot) * (uint64_t)SLOT)
#define CHECKPOINT_AT(partition, slot)                                                             \
	(2 * (uint64_t)SLOT * (1 + (partition)) + (slot) * (uint64_t)SLOT)
/* Blobs have their head in a sector, and a CRC. */
#define MEMORY_AT(slot) (10 * (uint64_t)SLOT + (slot) * (uint64_t)MEMORY_SLOT)
#define MEMORY_MAX 65536u
#define MEMORY_SLOT (SLOT + MEMORY_MAX)
#define DATA_AT 196608u

/* Filemarks and index blocks may still be written when a partition's bytes are used up. */
#define PARTITION_RESERVE 65536u

/* It counts how often something was written over: nobody gets there. */
#define EPOCH_MAX (1ull << 62)

#define OBJECT_HEADER 48u
#define OBJECT_ALIGN 16u

#define INDEX_ENTRIES 512u /* objects of an index block, and index blocks of a directory block */

/* What an object takes with that many bytes of payload. */
static inline uint64_t object_span(uint64_t stored)
{
	return OBJECT_HEADER + ((stored + OBJECT_ALIGN - 1) & ~(uint64_t)(OBJECT_ALIGN - 1));
}

#endif
