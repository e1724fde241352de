/* SPDX-License-Identifier: MIT */
#include "checkpoint.h"

#include <errno.h>
#include <string.h>

#include "bytes.h"

int checkpoint_write(struct partition *p)
{
	const struct index *index = &p->index;
	uint8_t content[SLOT_ROOM] = {0};

	put32(content, p->salt);
	put32(content + 4, p->id);
	put64(content + 8, index->nr);
	put64(content + 16, index->nr_marks);
	put64(content + 24, p->end);
	put64(content + 32, p->epoch);
	put64(content + 40, index->nr_blocks ? index->blocks[index->nr_blocks - 1].offset : 0);
	put64(content + 48, p->directory);
	return slot_write(p->fd, &p->slots, content);
}

static bool makes_sense(const struct partition *p, const struct checkpoint *c)
{
	/* not by the end: of objects whose place was lost none may be left before it */
	uint64_t most = (partition_limit(p) - p->start) / OBJECT_HEADER;

	return c->epoch && c->epoch < EPOCH_MAX && c->end >= p->start &&
	       c->end <= partition_limit(p) && c->end % OBJECT_ALIGN == 0 && c->nr <= most &&
	       c->nr_marks <= c->nr && c->last_block < c->end && c->directory < c->end;
}

int checkpoint_read(struct partition *p, struct checkpoint *c)
{
	uint8_t content[SLOT_ROOM];
	int err = slot_read(p->fd, &p->slots, content);

	if (err)
		return err;
	/* of a medium that has been formatted since */
	if (get32(content) != p->salt || get32(content + 4) != p->id)
		return -ENOENT;
	*c = (struct checkpoint){
	    .nr = get64(content + 8),
	    .nr_marks = get64(content + 16),
	    .end = get64(content + 24),
	    .epoch = get64(content + 32),
	    .last_block = get64(content + 40),
	    .directory = get64(content + 48),
	};
	return makes_sense(p, c) ? 0 : -EBADMSG;
}
