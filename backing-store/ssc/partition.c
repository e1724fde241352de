/* SPDX-License-Identifier: MIT */
#include "partition.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "checkpoint.h"

void partition_init(struct partition *p)
{
	p->end = p->synced_end = p->start;
	p->epoch = 1;
	p->directory = 0;
	p->slots = (struct slot_pair){.at = {CHECKPOINT_AT(p->id, 0), CHECKPOINT_AT(p->id, 1)},
				      .magic = CHECKPOINT_MAGIC};
	p->rest = p->slack = p->dirty = p->repaired = false;
	index_init(&p->index, index_blocks_entries, p);
}

void partition_free(struct partition *p)
{
	index_free(&p->index);
}

int partition_offset(struct partition *p, uint64_t number, uint64_t *offset)
{
	uint64_t entry = 0;
	int err;

	if (number == p->index.nr) {
		*offset = p->end;
		return 0;
	}
	do {
		err = index_entry(&p->index, number, &entry);
	} while (!err && entry & ENTRY_LOST && number--);
	*offset = err || entry & ENTRY_LOST ? p->start : entry_offset(entry);
	return err;
}

/* Where an object goes that is to be number: where one of that number is, or behind the last one
 * before it whose place is known. */
static int place_of(struct partition *p, uint64_t number, uint64_t *offset)
{
	struct object object;
	uint64_t entry;
	int err;

	*offset = p->start;
	for (uint64_t at = number + 1; at--;) {
		err = index_entry(&p->index, at, &entry);
		if (err)
			return err;
		if (entry & ENTRY_LOST)
			continue;
		*offset = entry_offset(entry);
		if (at == number)
			return 0;
		err = object_read(p->fd, *offset, p->salt, &object);
		if (!err)
			*offset += object_span(object.stored);
		if (!err && (at + 1) % INDEX_ENTRIES == 0 &&
		    at / INDEX_ENTRIES < p->index.nr_blocks &&
		    p->index.blocks[at / INDEX_ENTRIES].offset)
			err = index_blocks_end(p, at / INDEX_ENTRIES, offset);
		if (err != -EBADMSG)
			return err;
	}
	return 0;
}

bool partition_expects(const struct partition *p, uint64_t number, uint64_t entry,
		       const struct object *object)
{
	return object->salt == p->salt && object->number == number && object->epoch <= p->epoch &&
	       object->kind == (entry_is_mark(entry) ? OBJECT_MARK : OBJECT_RECORD);
}

int partition_stat(struct partition *p, uint64_t number, struct object *object, uint64_t *offset)
{
	uint64_t entry;
	int err = index_entry(&p->index, number, &entry);

	if (err)
		return err;
	if (entry & ENTRY_LOST)
		return -EBADMSG;
	*offset = entry_offset(entry);
	err = object_read(p->fd, *offset, p->salt, object);
	if (err)
		return err;
	return partition_expects(p, number, entry, object) ? 0 : -EBADMSG;
}

/* ---- writing ---- */

bool partition_has_room(const struct partition *p, uint64_t stored)
{
	uint64_t need = index_blocks_due(p) + object_span(stored), used = p->end - p->start;

	return used <= p->size && need <= p->size - used;
}

/* Filemarks and index blocks. */
static bool has_reserve(const struct partition *p)
{
	return index_blocks_due(p) + object_span(0) <= partition_limit(p) - p->end;
}

/* What is behind the end, whatever it is, must never be taken for an object. */
static int remove_rest(struct partition *p)
{
	int err;

	p->rest = true; /* until all of this is done */
	/* a checkpoint names only what is durable before it is written */
	if (p->dirty && fdatasync(p->fd))
		return -errno;
	p->dirty = false;
	p->epoch++;
	err = checkpoint_write(p);
	if (!err && fdatasync(p->fd))
		err = -errno;
	if (err)
		return err;
	p->synced_end = p->end;
	/* in both places: if one is lost, the other one doesn't bring back what is gone */
	err = checkpoint_write(p);
	if (err)
		return err;
	/* the epoch tells them apart: the space is used again, and need not be given back now */
	p->rest = false;
	p->slack = true;
	return 0;
}

void partition_trim(struct partition *p)
{
	if (!p->slack || p->rest)
		return;
	if (p->is_last)
		p->slack = ftruncate(p->fd, (off_t)p->end) != 0;
	else
		p->slack = fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     (off_t)p->end, (off_t)(partition_limit(p) - p->end)) != 0;
}

static int append(struct partition *p, struct object *object, const struct slice *payload)
{
	int err = index_is_full(&p->index) ? index_blocks_write(p) : 0;

	if (err)
		return err;
	object->number = p->index.nr;
	object->epoch = p->epoch;
	object->salt = p->salt;
	err = object_write(p->fd, p->end, object, payload);
	if (err)
		return err;
	index_append(&p->index, p->end | (object->kind == OBJECT_MARK ? ENTRY_MARK : 0));
	p->end += object_span(object->stored);
	return 0;
}

int partition_append(struct partition *p, struct object *object, const struct slice *payload)
{
	int err = 0;

	if (object->kind == OBJECT_MARK ? !has_reserve(p) : !partition_has_room(p, payload->length))
		return -ENOSPC;
	if (p->rest)
		err = remove_rest(p);
	if (!err)
		err = append(p, object, payload);
	if (err) {
		p->rest = true;
		return err;
	}
	p->dirty = true;
	return 0;
}

int partition_cut(struct partition *p, uint64_t number)
{
	uint64_t end;
	int err;

	if (number == p->index.nr)
		return 0;
	err = place_of(p, number, &end);
	if (!err)
		err = index_cut(&p->index, number);
	if (err)
		return err;
	p->end = end;
	index_blocks_cut(p);
	return remove_rest(p);
}

int partition_sync(struct partition *p)
{
	if (!p->dirty)
		return 0;
	if (fdatasync(p->fd))
		return -errno;
	p->dirty = false;
	p->synced_end = p->end;
	/* it names what is durable already, and need not be durable itself */
	return checkpoint_write(p);
}
