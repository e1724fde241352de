/* SPDX-License-Identifier: MIT */
/* One partition: its objects in a stretch of the file.  One thread at a time. */
#ifndef TGT_BACKING_STORE_SSC_PARTITION_H
#define TGT_BACKING_STORE_SSC_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "index.h"
#include "object.h"
#include "slot.h"

struct partition {
	int fd;
	uint32_t id, salt;
	uint64_t start;      /* offset of the first object */
	uint64_t size;       /* bytes for records; PARTITION_RESERVE more for the rest */
	uint64_t end;        /* offset behind the last object */
	uint64_t epoch;      /* of the objects that are written now */
	uint64_t directory;  /* offset of the last directory block, 0: there is none */
	uint64_t synced_end; /* what a checkpoint says */
	struct index index;
	struct slot_pair slots;
	bool is_last;  /* nothing of the file is behind it */
	bool rest;     /* something may be behind the end: it has to go before the next object */
	bool slack;    /* behind the end is what was written over: space to use or to give back */
	bool dirty;    /* something isn't on stable storage */
	bool repaired; /* it was not as its checkpoint said; to tell the operator */
};

/*
 * Reads what is there, p->fd, id, salt, start, size and is_last are set.  The tape ends behind the
 * last object that is whole and was written after the checkpoint, with nothing missing in between.
 * 0 or -errno.
 */
int partition_load(struct partition *p);
/* An empty one where nothing has been written. */
void partition_init(struct partition *p);
void partition_free(struct partition *p);

/* Offset of an object, or of the end; of an object whose place is lost, of one before it.  0 or
 * -errno. */
int partition_offset(struct partition *p, uint64_t number, uint64_t *offset);
/* The header is that of object number, which has this entry. */
bool partition_expects(const struct partition *p, uint64_t number, uint64_t entry,
		       const struct object *object);
/* The header of an object, and where it is.  0; -EBADMSG: it can't be read; or another -errno. */
int partition_stat(struct partition *p, uint64_t number, struct object *object, uint64_t *offset);

/* Room for a record with that many bytes of payload. */
bool partition_has_room(const struct partition *p, uint64_t stored);
/*
 * Appends an object; object has kind, flags and length.  0; -ENOSPC: the partition, or the file
 * system, is full; another -errno; then the partition is as before.
 */
int partition_append(struct partition *p, struct object *object, const struct slice *payload);
/* Objects from number on are gone, durably, before anything else can be written there.  0 or
 * -errno. */
int partition_cut(struct partition *p, uint64_t number);
/* Gives back to the file system what partition_cut() has left behind the end.  Where that can't be
 * done it stays, and does no harm. */
void partition_trim(struct partition *p);
/* Everything is on stable storage.  0 or -errno. */
int partition_sync(struct partition *p);

/* Without a filemark for this long, the host should sync all the same: what is behind the last
 * checkpoint is read when the tape is opened. */
#define PARTITION_SYNC_DISTANCE (4ull << 30)

static inline bool partition_wants_sync(const struct partition *p)
{
	return p->end - p->synced_end >= PARTITION_SYNC_DISTANCE;
}

static inline uint64_t partition_limit(const struct partition *p)
{
	return p->start + p->size + PARTITION_RESERVE;
}

/* ---- index_blocks.c ---- */

#define INDEX_PAYLOAD (16u + INDEX_ENTRIES * 8u)
#define DIRECTORY_PAYLOAD (8u + INDEX_ENTRIES * 16u)

/* Writes the index block that is due, and the directory block that is then.  0 or -errno. */
int index_blocks_write(struct partition *p);
/* The end is before some of them now. */
void index_blocks_cut(struct partition *p);
/* Bytes that those take. */
uint64_t index_blocks_due(const struct partition *p);
/* Reads the directory from the blocks that a checkpoint names.  0; -EBADMSG: one of them is
 * damaged; or another -errno. */
int index_blocks_load(struct partition *p, uint64_t nr, uint64_t last_block);
/* For the index: the entries of a block, from the objects themselves when it is damaged. */
int index_blocks_entries(void *partition, uint64_t block, uint64_t entries[INDEX_ENTRIES]);
/* Offset behind the index block, and the directory block that follows it. */
int index_blocks_end(struct partition *p, uint64_t block, uint64_t *offset);

/* ---- recover.c ---- */

/* Objects one behind the other, from at on. */
struct walk {
	struct partition *p;
	uint64_t at, limit; /* up to here */
	uint64_t number;    /* of the next one */
	/* what was read last: small objects come by the dozen */
	uint64_t window_at;
	size_t window_length;
	uint8_t window[4096];
};

/* The next object that counts, passing over index blocks; *entry is its entry, ENTRY_LOST when its
 * header can't be read but one behind it can.  0; -ENODATA: there is none any more; or another
 * -errno. */
int walk_next(struct walk *walk, uint64_t *entry);

#endif
