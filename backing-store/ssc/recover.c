/* SPDX-License-Identifier: MIT */
/* What is on a tape when it is opened: what its checkpoint says, and what was written since. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bytes.h"
#include "checkpoint.h"

/* ---- objects one behind the other ---- */

static bool counts(const struct object *object)
{
	return object->kind == OBJECT_RECORD || object->kind == OBJECT_MARK;
}

/* A header at walk->at, or the next one behind a stretch where there is none: some place that has a
 * valid header of this tape. */
static int find_header(struct walk *walk, struct object *object)
{
	const struct partition *p = walk->p;
	uint8_t buf[65536];

	while (walk->at < walk->limit && walk->limit - walk->at >= OBJECT_HEADER) {
		uint64_t left = walk->limit - walk->at;
		size_t length = left < sizeof(buf) ? (size_t)left : sizeof(buf);
		int err = read_all(p->fd, buf, length, walk->at);

		if (err)
			return err == -EBADMSG ? -ENODATA : err;
		for (size_t i = 0; i + OBJECT_HEADER <= length; i += OBJECT_ALIGN) {
			if (object_decode(object, buf + i) && object->salt == p->salt &&
			    object->epoch <= p->epoch && object->number >= walk->number) {
				walk->at += i;
				return 0;
			}
		}
		walk->at += (length - OBJECT_HEADER) / OBJECT_ALIGN * OBJECT_ALIGN + OBJECT_ALIGN;
	}
	return -ENODATA;
}

/* Reads from walk->at on, as much as there is up to the limit. */
static int fill_window(struct walk *walk)
{
	uint64_t left = walk->limit - walk->at;
	size_t length = left < sizeof(walk->window) ? (size_t)left : sizeof(walk->window);
	int err = read_all(walk->p->fd, walk->window, length, walk->at);

	if (err == -EBADMSG) { /* the file ends before */
		length = OBJECT_HEADER;
		err = read_all(walk->p->fd, walk->window, length, walk->at);
	}
	walk->window_at = walk->at;
	walk->window_length = err ? 0 : length;
	return err;
}

/* The object at walk->at, which is expected to be there. */
static int read_here(struct walk *walk, struct object *object)
{
	uint64_t within = walk->at - walk->window_at;

	if (walk->at >= walk->limit || walk->limit - walk->at < OBJECT_HEADER)
		return -ENODATA;
	if (walk->at < walk->window_at || within >= walk->window_length ||
	    walk->window_length - within < OBJECT_HEADER) {
		int err = fill_window(walk);

		if (err)
			return err;
		within = 0;
	}
	if (!object_decode(object, walk->window + within) || object->salt != walk->p->salt ||
	    object->number != walk->number || object->epoch > walk->p->epoch)
		return -EBADMSG;
	return 0;
}

int walk_next(struct walk *walk, uint64_t *entry)
{
	struct object object;
	int err;

	for (;;) {
		err = read_here(walk, &object);
		if (err == -EBADMSG)
			err = find_header(walk, &object);
		if (err)
			return err;
		if (object.number > walk->number) { /* it comes later: this one is lost */
			walk->number++;
			*entry = ENTRY_LOST;
			return 0;
		}
		if (counts(&object))
			break;
		walk->at += object_span(object.stored);
	}
	*entry = walk->at | (object.kind == OBJECT_MARK ? ENTRY_MARK : 0);
	walk->at += object_span(object.stored);
	walk->number++;
	return 0;
}

/* ---- up to the checkpoint ---- */

/* Appends to the index what is between at and the checkpoint's end. */
static int take_objects(struct partition *p, uint64_t at, const struct checkpoint *c)
{
	struct walk walk = {.p = p, .at = at, .limit = c->end, .number = p->index.nr};
	uint64_t entry = ENTRY_LOST;

	while (p->index.nr < c->nr) {
		int err = walk_next(&walk, &entry);

		if (err && err != -ENODATA)
			return err;
		if (err)
			entry = ENTRY_LOST;
		if (entry & ENTRY_LOST)
			p->repaired = true;
		if (index_is_full(&p->index)) {
			err = index_close_block(&p->index, 0);
			if (err)
				return err;
		}
		index_append(&p->index, entry);
	}
	return 0;
}

/* From the index blocks, and the headers of the objects behind the last one. */
static int take_index(struct partition *p, const struct checkpoint *c)
{
	uint64_t at = p->start;
	int err;

	p->directory = c->directory;
	err = index_blocks_load(p, c->nr, c->last_block);
	if (err)
		return err;
	if (p->index.nr_blocks) {
		uint64_t objects = p->index.nr_blocks * INDEX_ENTRIES,
			 last = p->index.nr_blocks - 1;
		uint64_t entries[INDEX_ENTRIES];

		err = index_blocks_entries(p, last, entries);
		if (!err)
			err = index_blocks_end(p, last, &at);
		if (err)
			return err;
		p->index.open_marks_before = p->index.blocks[last].marks_before;
		for (unsigned i = 0; i < INDEX_ENTRIES; i++)
			p->index.open_marks_before += entry_is_mark(entries[i]);
		p->index.nr = objects;
		p->index.nr_marks = p->index.open_marks_before;
	}
	return take_objects(p, at, c);
}

/* The index blocks are damaged: the objects tell where they are themselves. */
static int take_all(struct partition *p, const struct checkpoint *c)
{
	p->repaired = true;
	index_clear(&p->index);
	p->directory = 0;
	return take_objects(p, p->start, c);
}

/* ---- behind the checkpoint ---- */

/* One object that is whole, as it would have been written next. */
static int check_next(struct partition *p, bool any_epoch, struct object *object)
{
	uint64_t room = partition_limit(p) - p->end;
	int err;

	if (room < OBJECT_HEADER)
		return -EBADMSG;
	err = object_read(p->fd, p->end, p->salt, object);
	if (err)
		return err;
	if (object->number != p->index.nr || object_span(object->stored) > room ||
	    (any_epoch ? object->epoch < p->epoch : object->epoch != p->epoch))
		return -EBADMSG;
	return object_read_payload(p->fd, p->end, object, &(struct slice){0});
}

static int take_next(struct partition *p, const struct object *object)
{
	int err = 0;

	p->epoch = object->epoch;
	if (object->kind == OBJECT_INDEX && index_is_full(&p->index))
		err = index_close_block(&p->index, p->end);
	else if (object->kind == OBJECT_DIRECTORY)
		p->directory = p->end;
	else if (counts(object) && !index_is_full(&p->index))
		index_append(&p->index, p->end | (object->kind == OBJECT_MARK ? ENTRY_MARK : 0));
	else
		return -EBADMSG;
	p->end += object_span(object->stored);
	return err;
}

/* Without a checkpoint every epoch counts: either there was one only, or both are damaged. */
static int take_new(struct partition *p, bool any_epoch)
{
	struct object object;
	int err;

	do {
		err = check_next(p, any_epoch, &object);
		if (!err)
			err = take_next(p, &object);
		if (!err)
			p->dirty = true; /* it may be in the page cache only */
	} while (!err);
	return err == -EBADMSG ? 0 : err;
}

/* What was written before may stand behind the end of any partition but one that ends the file:
 * even of one that seems empty, the first object torn, the next one whole and of the same epoch. */
static int find_rest(struct partition *p)
{
	struct stat st;

	if (fstat(p->fd, &st))
		return -errno;
	p->rest = !p->is_last || (uint64_t)st.st_size > p->end;
	return 0;
}

int partition_load(struct partition *p)
{
	struct checkpoint c = {0};
	int err = checkpoint_read(p, &c);
	bool none = err == -ENOENT;

	if (err == -EBADMSG)
		p->repaired = none = true;
	else if (err && !none)
		return err;
	err = 0;
	if (!none) {
		p->epoch = c.epoch;
		err = take_index(p, &c);
		if (err == -EBADMSG)
			err = take_all(p, &c);
		p->end = p->synced_end = c.end;
	}
	if (!err)
		err = take_new(p, none);
	return err ? err : find_rest(p);
}
