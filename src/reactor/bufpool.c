/* SPDX-License-Identifier: MIT */
#include "reactor/bufpool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/cleanup.h"

#define PAGE 4096u

/* One size of buffer.  Free ones are chained through their first bytes. */
struct size_class {
	uint32_t size;
	void *free;
};

/* The parts of a pool, in sixteenths of it. */
static const uint8_t parts[BUF_USES] = {
    [BUF_UNSOLICITED] = 4, [BUF_OUT] = 5, [BUF_IN] = 5, [BUF_REPLY] = 1, [BUF_SCRATCH] = 1};
#define SIXTEENTHS 16u
#define OF_ONE_OWNER 4u /* at most the fourth part */

struct bufpool {
	size_t limit[BUF_USES], used[BUF_USES];
	size_t reserved;
	bool serving;
	struct size_class classes[5];
	void **slabs; /* in the order in which they came */
	unsigned nr_slabs;
	void *free_vectors; /* iovec arrays of BUF_MAX_IOV, chained likewise */
	struct list waiters;
};

struct bufpool *bufpool_create(size_t limit_bytes)
{
	static const uint32_t sizes[5] = {PAGE, 4 * PAGE, 8 * PAGE, 16 * PAGE, BUF_MAX_PIECE};
	struct bufpool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	/* the largest databuf must fit where there are such */
	if (limit_bytes < 4 * (size_t)BUF_MAX_BYTES)
		limit_bytes = 4 * (size_t)BUF_MAX_BYTES;
	for (unsigned i = 0; i < BUF_USES; i++)
		p->limit[i] = limit_bytes / SIXTEENTHS * parts[i];
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		p->classes[i].size = sizes[i];
	list_init(&p->waiters);
	return p;
}

void bufpool_destroy(struct bufpool *p)
{
	for (unsigned i = 0; i < p->nr_slabs; i++)
		munmap(p->slabs[i], BUF_SLAB_BYTES);
	free(p->slabs);
	while (p->free_vectors) {
		void *v = p->free_vectors;

		p->free_vectors = *(void **)v;
		free(v);
	}
	free(p);
}

static struct size_class *class_for(struct bufpool *p, uint32_t size)
{
	struct size_class *c = p->classes;

	while (c->size < size)
		c++;
	return c;
}

/* Aligned, so that the kernel can back it with one huge page where there is one; NULL: no memory.
 */
static void *map_slab(void)
{
	const size_t size = BUF_SLAB_BYTES;
	char *mapped =
	    mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (mapped == MAP_FAILED)
		return NULL;
	before = (size - (uintptr_t)mapped % size) % size;
	if (before)
		munmap(mapped, before);
	munmap(mapped + before + size, size - before);
	/* a kernel without huge pages says EINVAL, and nothing is lost */
	madvise(mapped + before, size, MADV_HUGEPAGE);
	return mapped + before;
}

static void *add_slab(struct bufpool *p)
{
	void **slabs = realloc(p->slabs, (p->nr_slabs + 1) * sizeof(*slabs));
	void *slab;

	if (!slabs)
		return NULL;
	p->slabs = slabs;
	slab = map_slab();
	if (slab)
		p->slabs[p->nr_slabs++] = slab;
	return slab;
}

static bool grow(struct bufpool *p, struct size_class *c)
{
	char *slab = add_slab(p);

	if (!slab)
		return false;
	for (size_t at = 0; at + c->size <= BUF_SLAB_BYTES; at += c->size) {
		void **buffer = (void **)(void *)(slab + at);

		*buffer = c->free;
		c->free = buffer;
	}
	return true;
}

static void *piece_get(struct bufpool *p, uint32_t size)
{
	struct size_class *c = class_for(p, size);
	void **buffer;

	if (!c->free && !grow(p, c))
		return NULL;
	buffer = c->free;
	c->free = *buffer;
	return buffer;
}

static void piece_put(struct bufpool *p, void *piece, uint32_t size)
{
	struct size_class *c = class_for(p, size);

	*(void **)piece = c->free;
	c->free = piece;
}

static struct iovec *vector_get(struct bufpool *p)
{
	void *v = p->free_vectors;

	if (!v)
		return calloc(BUF_MAX_IOV, sizeof(struct iovec));
	p->free_vectors = *(void **)v;
	return v;
}

static void vector_put(struct bufpool *p, struct iovec *v)
{
	*(void **)(void *)v = p->free_vectors;
	p->free_vectors = v;
}

static uint32_t piece_size(uint32_t left)
{
	return left < BUF_MAX_PIECE ? left : BUF_MAX_PIECE;
}

/* What it counts as: every byte of the pieces that are used up by it. */
static size_t cost(struct bufpool *p, uint32_t length)
{
	uint32_t rest = length % BUF_MAX_PIECE;

	return length - rest + (rest ? class_for(p, rest)->size : 0);
}

static void account(struct bufpool *p, const struct databuf *buf, size_t bytes)
{
	p->used[buf->use] += bytes;
	if (buf->share)
		buf->share->used[buf->use] += bytes;
}

static void free_pieces(struct bufpool *p, struct databuf *buf)
{
	for (unsigned i = 0; i < buf->iovcnt; i++)
		piece_put(p, buf->iov[i].iov_base, (uint32_t)buf->iov[i].iov_len);
	if (buf->iov && buf->iov != &buf->one)
		vector_put(p, buf->iov);
	buf->iov = NULL;
	buf->iovcnt = 0;
	buf->length = 0;
}

static void release(struct bufpool *p, struct databuf *buf)
{
	size_t bytes = 0;

	/* by its pieces: the owner may have made its length less */
	for (unsigned i = 0; i < buf->iovcnt; i++)
		bytes += cost(p, (uint32_t)buf->iov[i].iov_len);
	account(p, buf, -bytes);
	free_pieces(p, buf);
}

static bool add_pieces(struct bufpool *p, struct databuf *buf, uint32_t length)
{
	while (length) {
		uint32_t size = piece_size(length);
		void *piece = piece_get(p, size);

		if (!piece)
			return false;
		buf->iov[buf->iovcnt++] = (struct iovec){piece, size};
		length -= size;
	}
	return true;
}

static bool fill(struct bufpool *p, enum buf_use use, struct buf_share *share, struct databuf *buf,
		 uint32_t length)
{
	*buf = (struct databuf){.use = (uint8_t)use, .share = share};
	buf->iov = length <= BUF_MAX_PIECE ? &buf->one : vector_get(p);
	if (!buf->iov)
		return false;
	if (!add_pieces(p, buf, length)) {
		free_pieces(p, buf);
		return false;
	}
	buf->length = length;
	account(p, buf, cost(p, length));
	return true;
}

static bool room_in_pool(struct bufpool *p, enum buf_use use, uint32_t length)
{
	return p->used[use] <= p->limit[use] && cost(p, length) <= p->limit[use] - p->used[use];
}

/* Whoever has nothing may have one buffer of any size. */
static bool room_in_share(struct bufpool *p, enum buf_use use, const struct buf_share *share,
			  uint32_t length)
{
	return !share || !share->used[use] ||
	       share->used[use] + cost(p, length) <= p->limit[use] / OF_ONE_OWNER;
}

bool bufpool_get(struct bufpool *p, enum buf_use use, struct buf_share *share, struct databuf *buf,
		 uint32_t length)
{
	return room_in_pool(p, use, length) && room_in_share(p, use, share, length) &&
	       fill(p, use, share, buf, length);
}

/* The first in line that can be served.  Those whose own share is used up keep nobody but
 * themselves waiting; those for whom there is no room are the next of their use. */
static struct buf_waiter *next_served(struct bufpool *p)
{
	bool full[BUF_USES] = {false};

	list_for_each (w, &p->waiters, struct buf_waiter, link) {
		if (full[w->use] || !room_in_share(p, w->use, w->share, w->length))
			continue;
		if (room_in_pool(p, w->use, w->length))
			return w;
		full[w->use] = true;
	}
	return NULL;
}

bool bufpool_get_wait(struct bufpool *p, struct buf_waiter *w)
{
	bool alone = list_empty(&p->waiters);

	if (alone && bufpool_get(p, w->use, w->share, w->buf, w->length))
		return true;
	list_add_tail(&p->waiters, &w->link);
	/* who is being served now may ask for more: that comes when it is its turn */
	if (p->serving && !alone)
		return false;
	if (next_served(p) != w || !fill(p, w->use, w->share, w->buf, w->length))
		return false;
	list_del(&w->link);
	return true;
}

void bufpool_cancel(struct buf_waiter *w)
{
	list_del(&w->link);
}

/* Not from within itself: who is granted a buffer may give others back. */
static void serve_waiters(struct bufpool *p)
{
	struct buf_waiter *w;

	if (p->serving)
		return;
	p->serving = true;
	while ((w = next_served(p)) && fill(p, w->use, w->share, w->buf, w->length)) {
		list_del(&w->link);
		w->granted(w);
	}
	p->serving = false;
}

void bufpool_put(struct bufpool *p, struct databuf *buf)
{
	if (!buf->iov)
		return;
	release(p, buf);
	if (!list_empty(&p->waiters))
		serve_waiters(p);
}

unsigned bufpool_slabs(const struct bufpool *p)
{
	return p->nr_slabs;
}

void *bufpool_slab(const struct bufpool *p, unsigned number)
{
	return p->slabs[number];
}

bool bufpool_reserve(struct bufpool *p, size_t bytes)
{
	if (bytes > p->limit[BUF_UNSOLICITED] - p->reserved)
		return false;
	p->reserved += bytes;
	return true;
}

void bufpool_unreserve(struct bufpool *p, size_t bytes)
{
	p->reserved -= bytes;
}

void *databuf_at(const struct databuf *buf, size_t offset, size_t *run)
{
	const struct iovec *v = &buf->iov[offset / BUF_MAX_PIECE];
	size_t within = offset % BUF_MAX_PIECE;

	*run = v->iov_len - within;
	return (char *)v->iov_base + within;
}

enum copy_mode { COPY_IN, COPY_OUT, COPY_ZERO };

static size_t copy(const struct databuf *buf, size_t offset, void *flat, size_t len,
		   enum copy_mode mode)
{
	size_t done = 0;

	if (offset >= buf->length)
		return 0;
	if (len > buf->length - offset)
		len = buf->length - offset;
	while (done < len) {
		size_t run;
		void *at = databuf_at(buf, offset + done, &run);

		if (run > len - done)
			run = len - done;
		if (mode == COPY_IN)
			memcpy(at, (char *)flat + done, run);
		else if (mode == COPY_OUT)
			memcpy((char *)flat + done, at, run);
		else
			memset(at, 0, run);
		done += run;
	}
	return done;
}

size_t databuf_write(const struct databuf *buf, size_t offset, const void *from, size_t len)
{
	return copy(buf, offset, (void *)(uintptr_t)from, len, COPY_IN);
}

size_t databuf_read(const struct databuf *buf, size_t offset, void *to, size_t len)
{
	return copy(buf, offset, to, len, COPY_OUT);
}

void databuf_zero(const struct databuf *buf, size_t offset, size_t len)
{
	copy(buf, offset, NULL, len, COPY_ZERO);
}
