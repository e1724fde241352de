/* SPDX-License-Identifier: MIT */
/*
 * Where the objects of a partition are, and which of them are filemarks.  After every INDEX_ENTRIES
 * objects the file has an index block of them.  In memory there are the places of those blocks (the
 * directory), the objects behind the last one, and the blocks that were used last.
 */
#ifndef TGT_BACKING_STORE_SSC_INDEX_H
#define TGT_BACKING_STORE_SSC_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

#define INDEX_CACHE 8

/* An entry: the object's offset, which is a multiple of OBJECT_ALIGN, and what it is. */
#define ENTRY_MARK 1u
#define ENTRY_LOST 2u /* its header can't be read: a record or filemark at an unknown place */

struct index_block {
	uint64_t offset;       /* in the file */
	uint64_t marks_before; /* filemarks before its first object */
};

struct index_cached {
	uint64_t block; /* number + 1; 0: empty */
	uint64_t used;  /* when, by index->clock */
	uint64_t *entries;
};

struct index {
	uint64_t nr;       /* objects */
	uint64_t nr_marks; /* filemarks among them */
	struct index_block *blocks;
	uint64_t nr_blocks, room;
	uint64_t open[INDEX_ENTRIES]; /* entries of the objects behind the last block */
	uint64_t open_marks_before;   /* filemarks before open[0] */
	uint64_t clock;
	struct index_cached cache[INDEX_CACHE];
	/* Reads the entries of a block from the file; 0 or -errno. */
	int (*load)(void *arg, uint64_t block, uint64_t entries[INDEX_ENTRIES]);
	void *arg;
};

void index_init(struct index *index,
		int (*load)(void *arg, uint64_t block, uint64_t entries[INDEX_ENTRIES]), void *arg);
void index_free(struct index *index);
/* As after index_init(). */
void index_clear(struct index *index);

static inline uint64_t entry_offset(uint64_t entry)
{
	return entry & ~(uint64_t)(OBJECT_ALIGN - 1);
}

static inline bool entry_is_mark(uint64_t entry)
{
	return entry & ENTRY_MARK;
}

/* A block is due before the next object. */
static inline bool index_is_full(const struct index *index)
{
	return index->nr - index->nr_blocks * INDEX_ENTRIES == INDEX_ENTRIES;
}

/* Another object; there is room for it (not index_is_full()). */
void index_append(struct index *index, uint64_t entry);
/* The open entries have become a block at offset.  0 or -ENOMEM. */
int index_close_block(struct index *index, uint64_t offset);
/* A block that is in the file already, when the directory is read.  0 or -ENOMEM. */
int index_add_block(struct index *index, uint64_t offset, uint64_t marks_before);

/* 0 or -errno, as for all of these. */
int index_entry(struct index *index, uint64_t number, uint64_t *entry);
/* The same if it is in memory; false: it isn't. */
bool index_peek(struct index *index, uint64_t number, uint64_t *entry);
/* Objects from number on are gone. */
int index_cut(struct index *index, uint64_t number);
/* Filemarks before the object number. */
int index_marks_before(struct index *index, uint64_t number, uint64_t *marks);
/* The object that is filemark number mark, which there is, counted from 0. */
int index_mark(struct index *index, uint64_t mark, uint64_t *number);

#endif
