/* SPDX-License-Identifier: MIT */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

void index_init(struct index *index,
		int (*load)(void *arg, uint64_t block, uint64_t entries[INDEX_ENTRIES]), void *arg)
{
	memset(index, 0, sizeof(*index));
	index->load = load;
	index->arg = arg;
}

void index_free(struct index *index)
{
	for (unsigned i = 0; i < INDEX_CACHE; i++)
		free(index->cache[i].entries);
	free(index->blocks);
	index->blocks = NULL;
	memset(index->cache, 0, sizeof(index->cache));
}

void index_clear(struct index *index)
{
	index->nr = index->nr_marks = index->nr_blocks = index->open_marks_before = 0;
	for (unsigned i = 0; i < INDEX_CACHE; i++)
		index->cache[i].block = 0;
}

void index_append(struct index *index, uint64_t entry)
{
	index->open[index->nr - index->nr_blocks * INDEX_ENTRIES] = entry;
	index->nr++;
	index->nr_marks += entry_is_mark(entry);
}

int index_add_block(struct index *index, uint64_t offset, uint64_t marks_before)
{
	if (index->nr_blocks == index->room) {
		uint64_t room = index->room ? index->room * 2 : FIRST_ROOM;
		struct index_block *bigger =
		    reallocarray(index->blocks, (size_t)room, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		index->blocks = bigger;
		index->room = room;
	}
	index->blocks[index->nr_blocks++] = (struct index_block){offset, marks_before};
	return 0;
}

int index_close_block(struct index *index, uint64_t offset)
{
	int err = index_add_block(index, offset, index->open_marks_before);

	if (!err)
		index->open_marks_before = index->nr_marks;
	return err;
}

/* ---- blocks in memory ---- */

static struct index_cached *victim(struct index *index)
{
	struct index_cached *oldest = &index->cache[0];

	for (unsigned i = 1; i < INDEX_CACHE; i++)
		if (index->cache[i].used < oldest->used)
			oldest = &index->cache[i];
	return oldest;
}

/* NULL: it isn't there. */
static const uint64_t *find(struct index *index, uint64_t block)
{
	for (unsigned i = 0; i < INDEX_CACHE; i++) {
		struct index_cached *c = &index->cache[i];

		if (c->block == block + 1) {
			c->used = ++index->clock;
			return c->entries;
		}
	}
	return NULL;
}

static int load(struct index *index, uint64_t block, const uint64_t **entries)
{
	struct index_cached *c;
	int err;

	*entries = find(index, block);
	if (*entries)
		return 0;
	c = victim(index);
	c->block = 0;
	if (!c->entries)
		c->entries = calloc(INDEX_ENTRIES, sizeof(*c->entries));
	if (!c->entries)
		return -ENOMEM;
	err = index->load(index->arg, block, c->entries);
	if (err)
		return err;
	c->block = block + 1;
	c->used = ++index->clock;
	*entries = c->entries;
	return 0;
}

/* The entries of the block that holds an object; also of the open one. */
static int entries_of(struct index *index, uint64_t number, const uint64_t **entries)
{
	uint64_t block = number / INDEX_ENTRIES;

	if (block < index->nr_blocks)
		return load(index, block, entries);
	*entries = index->open;
	return 0;
}

int index_entry(struct index *index, uint64_t number, uint64_t *entry)
{
	const uint64_t *entries;
	int err = entries_of(index, number, &entries);

	if (!err)
		*entry = entries[number % INDEX_ENTRIES];
	return err;
}

bool index_peek(struct index *index, uint64_t number, uint64_t *entry)
{
	uint64_t block = number / INDEX_ENTRIES;
	const uint64_t *entries = block < index->nr_blocks ? find(index, block) : index->open;

	if (entries)
		*entry = entries[number % INDEX_ENTRIES];
	return entries;
}

static uint64_t marks_at_block(const struct index *index, uint64_t block)
{
	return block < index->nr_blocks ? index->blocks[block].marks_before
					: index->open_marks_before;
}

static uint64_t count_marks(const uint64_t *entries, uint64_t count)
{
	uint64_t marks = 0;

	for (uint64_t i = 0; i < count; i++)
		marks += entry_is_mark(entries[i]);
	return marks;
}

int index_marks_before(struct index *index, uint64_t number, uint64_t *marks)
{
	uint64_t within = number % INDEX_ENTRIES;
	const uint64_t *entries;
	int err;

	if (number == index->nr) {
		*marks = index->nr_marks;
		return 0;
	}
	*marks = marks_at_block(index, number / INDEX_ENTRIES);
	if (!within)
		return 0;
	err = entries_of(index, number, &entries);
	if (!err)
		*marks += count_marks(entries, within);
	return err;
}

/* The last block (or the open entries) with at most that many filemarks before it. */
static uint64_t block_of_mark(const struct index *index, uint64_t mark)
{
	uint64_t low = 0, high = index->nr_blocks;

	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (marks_at_block(index, middle) <= mark)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

int index_mark(struct index *index, uint64_t mark, uint64_t *number)
{
	uint64_t block = block_of_mark(index, mark), left = mark - marks_at_block(index, block);
	const uint64_t *entries;
	int err = entries_of(index, block * INDEX_ENTRIES, &entries);

	if (err)
		return err;
	for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
		*number = block * INDEX_ENTRIES + i;
		if (*number < index->nr && entry_is_mark(entries[i]) && left-- == 0)
			return 0;
	}
	return -EBADMSG; /* the directory and the block say different things */
}

/* The block that the cut goes through becomes the open one. */
int index_cut(struct index *index, uint64_t number)
{
	uint64_t block = number / INDEX_ENTRIES, marks;
	const uint64_t *entries;
	int err = index_marks_before(index, number, &marks);

	if (err)
		return err;
	if (block < index->nr_blocks && number % INDEX_ENTRIES) {
		err = load(index, block, &entries);
		if (err)
			return err;
		memcpy(index->open, entries, sizeof(index->open));
	}
	if (block < index->nr_blocks) {
		index->open_marks_before = index->blocks[block].marks_before;
		index->nr_blocks = block;
		for (unsigned i = 0; i < INDEX_CACHE; i++)
			if (index->cache[i].block > block)
				index->cache[i].block = 0;
	}
	index->nr = number;
	index->nr_marks = marks;
	return 0;
}
