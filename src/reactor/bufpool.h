/* SPDX-License-Identifier: MIT */
/*
 * Data buffers of one reactor: page aligned, in a few sizes, from slabs that are never given back.
 * Bounded: who finds it empty waits in line.  Own thread only.
 *
 * Each use has a part of the pool of its own, so that what waits for one use to end never keeps
 * that use from getting on: a write that holds its data may wait for a read before it, and that for
 * a scratch buffer, never the other way round.  And of each part one owner (an I_T nexus) gets a
 * quarter at most, so that none can keep the others from theirs.
 */
#ifndef TGT_REACTOR_BUFPOOL_H
#define TGT_REACTOR_BUFPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/list.h"

#define BUF_SLAB_BYTES (2u << 20)           /* of one slab, and its alignment: a huge page */
#define BUF_MAX_PIECE (256u << 10)          /* the largest single buffer */
#define BUF_MAX_IOV 65                      /* pieces of one databuf */
#define BUF_MAX_BYTES (64u * BUF_MAX_PIECE) /* 16 MiB: the largest databuf */

struct bufpool;

enum buf_use {
	BUF_UNSOLICITED, /* data that come unasked; promised by bufpool_reserve() */
	BUF_OUT,         /* data to be asked for */
	BUF_IN,          /* data to be sent */
	BUF_REPLY,       /* the same, of commands that answer at once or not at all */
	BUF_SCRATCH,     /* at most BUF_MAX_PIECE; nothing else is asked for by who holds one */
	BUF_USES,
};

/* What one owner holds, by use.  Zeroed: nothing.  Must outlive the buffers. */
struct buf_share {
	size_t used[BUF_USES];
};

/* A data buffer of one task: length bytes in iovcnt pieces; every piece but the last is
 * BUF_MAX_PIECE long.  Zeroed is empty. */
struct databuf {
	struct iovec *iov; /* one, or array from the pool */
	unsigned iovcnt;
	uint32_t length;
	uint8_t use; /* enum buf_use */
	struct iovec one;
	struct buf_share *share; /* NULL: nobody's */
};

/* Someone in line, embedded.  granted() runs, from within a bufpool_put(), once the buffer
 * is there. */
struct buf_waiter {
	struct list link;
	struct databuf *buf;
	uint32_t length;
	enum buf_use use;
	struct buf_share *share; /* or NULL */
	void (*granted)(struct buf_waiter *waiter);
};

struct bufpool *bufpool_create(size_t limit_bytes);
void bufpool_destroy(struct bufpool *pool);

/* Fills buf with length (1 … BUF_MAX_BYTES) bytes of undefined content; false when there is no room
 * now, for the use or for its owner (NULL: no particular one). */
bool bufpool_get(struct bufpool *pool, enum buf_use use, struct buf_share *share,
		 struct databuf *buf, uint32_t length);
/* The same, but gets in line when there is no room, or others of its use are in line who don't wait
 * for their own share: true when granted at once (granted() is then not called).  All but w's link
 * is set by the caller. */
bool bufpool_get_wait(struct bufpool *pool, struct buf_waiter *w);
void bufpool_cancel(struct buf_waiter *w);
/* Empties buf; harmless on an empty one. */
void bufpool_put(struct bufpool *pool, struct databuf *buf);

/* How many slabs there are, and where each begins, of those.  A slab stays where it is, with its
 * number, for the pool's life; no piece of a buffer reaches beyond its slab. */
unsigned bufpool_slabs(const struct bufpool *pool);
void *bufpool_slab(const struct bufpool *pool, unsigned number);

/* Promises of memory (a session's unsolicited data): count against what BUF_UNSOLICITED has. */
bool bufpool_reserve(struct bufpool *pool, size_t bytes);
void bufpool_unreserve(struct bufpool *pool, size_t bytes);

/* databuf bytes <-> flat memory, at offset; copies what fits and returns how much that was. */
size_t databuf_write(const struct databuf *buf, size_t offset, const void *from, size_t len);
size_t databuf_read(const struct databuf *buf, size_t offset, void *to, size_t len);
void databuf_zero(const struct databuf *buf, size_t offset, size_t len);
/* The longest run of contiguous bytes at offset (which must be below length). */
void *databuf_at(const struct databuf *buf, size_t offset, size_t *run);

#endif
