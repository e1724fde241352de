/* SPDX-License-Identifier: MIT */
/* Index blocks and directory blocks in the file, among the objects. */
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "partition.h"

/*
 * Payload of an index block: filemarks before its first object, offset of the index block before it
 * (0: none), entries.  Of a directory block: offset of the directory block before it (0: none),
 * then offset and filemarks before of each index block.  Both are numbered with the objects before
 * them.
 */
#define MARKS_BEFORE 0
#define PREVIOUS 8
#define ENTRIES 16
#define DIRECTORY_PREVIOUS 0
#define DIRECTORY_ENTRIES 8

static bool directory_is_due(const struct partition *p)
{
	return (p->index.nr_blocks + 1) % INDEX_ENTRIES == 0;
}

uint64_t index_blocks_due(const struct partition *p)
{
	if (!index_is_full(&p->index))
		return 0;
	return object_span(INDEX_PAYLOAD) +
	       (directory_is_due(p) ? object_span(DIRECTORY_PAYLOAD) : 0);
}

static int write_block(struct partition *p, uint32_t kind, uint64_t at, const uint8_t *payload,
		       size_t length)
{
	struct object object = {
	    .kind = kind, .number = p->index.nr, .epoch = p->epoch, .salt = p->salt};
	struct iovec piece = {(void *)(uintptr_t)payload, length};

	return object_write(p->fd, at, &object, &(struct slice){&piece, 1, 0, length});
}

static int write_index(struct partition *p)
{
	const struct index *index = &p->index;
	uint8_t payload[INDEX_PAYLOAD];

	put64(payload + MARKS_BEFORE, index->open_marks_before);
	put64(payload + PREVIOUS,
	      index->nr_blocks ? index->blocks[index->nr_blocks - 1].offset : 0);
	for (unsigned i = 0; i < INDEX_ENTRIES; i++)
		put64(payload + ENTRIES + 8 * (size_t)i, index->open[i]);
	return write_block(p, OBJECT_INDEX, p->end, payload, sizeof(payload));
}

/* The 512 index blocks of which the one at p->end is the last. */
static int write_directory(struct partition *p, uint64_t at)
{
	const struct index *index = &p->index;
	const struct index_block *blocks = index->blocks + index->nr_blocks + 1 - INDEX_ENTRIES;
	uint8_t payload[DIRECTORY_PAYLOAD];
	uint8_t *to = payload + DIRECTORY_ENTRIES;

	put64(payload + DIRECTORY_PREVIOUS, p->directory);
	for (unsigned i = 0; i < INDEX_ENTRIES - 1; i++, to += 16) {
		put64(to, blocks[i].offset);
		put64(to + 8, blocks[i].marks_before);
	}
	put64(to, p->end);
	put64(to + 8, index->open_marks_before);
	return write_block(p, OBJECT_DIRECTORY, at, payload, sizeof(payload));
}

int index_blocks_write(struct partition *p)
{
	uint64_t at = p->end, end = at + object_span(INDEX_PAYLOAD);
	bool directory = directory_is_due(p);
	int err = write_index(p);

	if (!err && directory)
		err = write_directory(p, end);
	if (!err)
		err = index_close_block(&p->index, at);
	if (err)
		return err;
	if (directory) {
		p->directory = end;
		end += object_span(DIRECTORY_PAYLOAD);
	}
	p->end = end;
	return 0;
}

/* ---- reading ---- */

static int read_block(const struct partition *p, uint32_t kind, uint64_t at, uint64_t number,
		      uint8_t *payload, size_t length)
{
	struct object object;
	struct iovec piece = {payload, length};
	int err;

	if (!at || at < p->start)
		return -EBADMSG;
	err = object_read(p->fd, at, p->salt, &object);
	if (err)
		return err;
	if (object.kind != kind || object.stored != length ||
	    (number != UINT64_MAX && object.number != number) || object.number % INDEX_ENTRIES ||
	    object.epoch > p->epoch)
		return -EBADMSG;
	return object_read_payload(p->fd, at, &object, &(struct slice){&piece, 1, 0, length});
}

static int read_index(const struct partition *p, uint64_t at, uint64_t block, uint8_t *payload)
{
	return read_block(p, OBJECT_INDEX, at, (block + 1) * INDEX_ENTRIES, payload, INDEX_PAYLOAD);
}

/* The directory block at offset at covers the index blocks up to number block (excluded). */
static int take_directory(struct partition *p, uint64_t at, uint64_t *block, uint64_t *previous)
{
	uint8_t payload[DIRECTORY_PAYLOAD];
	const uint8_t *from = payload + DIRECTORY_ENTRIES;
	int err =
	    read_block(p, OBJECT_DIRECTORY, at, *block * INDEX_ENTRIES, payload, sizeof(payload));

	if (err)
		return err;
	*block -= INDEX_ENTRIES;
	*previous = get64(payload + DIRECTORY_PREVIOUS);
	if (*previous >= at)
		return -EBADMSG;
	for (unsigned i = 0; i < INDEX_ENTRIES; i++, from += 16)
		p->index.blocks[*block + i] = (struct index_block){get64(from), get64(from + 8)};
	return 0;
}

void index_blocks_cut(struct partition *p)
{
	uint8_t payload[DIRECTORY_PAYLOAD];

	while (p->directory >= p->end) {
		uint64_t at = p->directory;

		p->directory = 0; /* without one, the blocks lead from each to the one before */
		if (read_block(p, OBJECT_DIRECTORY, at, UINT64_MAX, payload, sizeof(payload)))
			return;
		if (get64(payload + DIRECTORY_PREVIOUS) < at)
			p->directory = get64(payload + DIRECTORY_PREVIOUS);
	}
}

/* From the last block backwards, as far as the directory doesn't reach. */
static int take_chain(struct partition *p, uint64_t last, uint64_t *block, uint64_t down_to)
{
	uint8_t payload[INDEX_PAYLOAD];

	while (*block > down_to) {
		uint64_t previous;
		int err = read_index(p, last, *block - 1, payload);

		if (err)
			return err;
		--*block;
		p->index.blocks[*block] = (struct index_block){last, get64(payload + MARKS_BEFORE)};
		previous = get64(payload + PREVIOUS);
		if (previous >= last)
			return -EBADMSG;
		last = previous;
	}
	return 0;
}

/* Index blocks that the directory reaches; 0: none. */
static uint64_t reach_of_directory(const struct partition *p)
{
	struct object object;

	if (!p->directory || object_read(p->fd, p->directory, p->salt, &object) ||
	    object.kind != OBJECT_DIRECTORY)
		return 0;
	return object.number / INDEX_ENTRIES;
}

static bool ascends(const struct index *index)
{
	for (uint64_t i = 1; i < index->nr_blocks; i++)
		if (index->blocks[i].offset <= index->blocks[i - 1].offset ||
		    index->blocks[i].marks_before < index->blocks[i - 1].marks_before ||
		    index->blocks[i].marks_before > i * INDEX_ENTRIES)
			return false;
	return !index->nr_blocks || !index->blocks[0].marks_before;
}

/* Takes them all, the last ones first. */
static int load_blocks(struct partition *p, uint64_t count, uint64_t last_block)
{
	uint64_t block = count, directory = p->directory, reach = reach_of_directory(p);
	int err;

	if (reach > count || reach % INDEX_ENTRIES)
		return -EBADMSG;
	err = take_chain(p, last_block, &block, reach);
	while (!err && block && directory)
		err = take_directory(p, directory, &block, &directory);
	if (!err && block) /* a directory that was cut off */
		err = take_chain(p, p->index.blocks[block].offset, &block, 0);
	return err;
}

int index_blocks_load(struct partition *p, uint64_t nr, uint64_t last_block)
{
	struct object object;
	uint64_t count;
	int err;

	if (!last_block)
		return nr <= INDEX_ENTRIES ? 0 : -EBADMSG;
	err = object_read(p->fd, last_block, p->salt, &object);
	if (err)
		return err;
	count = object.number / INDEX_ENTRIES;
	/* the block that is due behind the last object may not have been written */
	if (object.kind != OBJECT_INDEX || object.number % INDEX_ENTRIES || !count ||
	    object.number > nr || nr - object.number > INDEX_ENTRIES)
		return -EBADMSG;
	for (uint64_t i = 0; i < count; i++)
		if (index_add_block(&p->index, 0, 0))
			return -ENOMEM;
	err = load_blocks(p, count, last_block);
	return !err && !ascends(&p->index) ? -EBADMSG : err;
}

int index_blocks_end(struct partition *p, uint64_t block, uint64_t *offset)
{
	struct object object;
	int err;

	*offset = p->index.blocks[block].offset + object_span(INDEX_PAYLOAD);
	if ((block + 1) % INDEX_ENTRIES)
		return 0;
	err = object_read(p->fd, *offset, p->salt, &object);
	if (!err && object.kind == OBJECT_DIRECTORY)
		*offset += object_span(object.stored);
	return err == -EBADMSG ? 0 : err;
}

/* ---- an index block that can't be read ---- */

/* Behind the last index block before this one whose place is known; *number is the object there. */
static int walk_from(struct partition *p, uint64_t block, uint64_t *number, uint64_t *at)
{
	while (block && !p->index.blocks[block - 1].offset)
		block--;
	*number = block * INDEX_ENTRIES;
	*at = p->start;
	return block ? index_blocks_end(p, block - 1, at) : 0;
}

/* Its objects stand between the block before it and itself. */
static int walk_block(struct partition *p, uint64_t block, uint64_t entries[INDEX_ENTRIES])
{
	uint64_t own = p->index.blocks[block].offset, first = block * INDEX_ENTRIES;
	struct walk walk = {.p = p, .limit = own ? own : p->end};
	int err = walk_from(p, block, &walk.number, &walk.at);

	while (!err && walk.number < first)
		err = walk_next(&walk, &entries[0]);
	for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
		entries[i] = ENTRY_LOST;
		if (!err)
			err = walk_next(&walk, &entries[i]);
	}
	return err == -ENODATA ? 0 : err;
}

/* Each object is behind the one before it. */
static bool ascend(const struct partition *p, const uint64_t entries[INDEX_ENTRIES])
{
	uint64_t from = p->start;

	for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
		uint64_t offset = entry_offset(entries[i]);

		if (entries[i] == ENTRY_LOST)
			continue;
		if (entries[i] & ENTRY_LOST || offset < from || offset >= partition_limit(p))
			return false;
		from = offset + OBJECT_HEADER;
	}
	return true;
}

int index_blocks_entries(void *partition, uint64_t block, uint64_t entries[INDEX_ENTRIES])
{
	struct partition *p = partition;
	uint8_t payload[INDEX_PAYLOAD];
	int err = read_index(p, p->index.blocks[block].offset, block, payload);

	for (unsigned i = 0; !err && i < INDEX_ENTRIES; i++)
		entries[i] = get64(payload + ENTRIES + 8 * (size_t)i);
	if (err == -EBADMSG || (!err && !ascend(p, entries)))
		return walk_block(p, block, entries);
	return err;
}
