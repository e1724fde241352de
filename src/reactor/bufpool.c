/* SPDX-License-Identifier: MIT */
#include "reactor/bufpool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/cleanup.h"

#define PAGE 4096u
#define SLAB_BYTES (2u << 20)

/* One size of buffer.  Free ones are chained through their first bytes. */
struct size_class {
	uint32_t size;
	void *free;
};

struct slab {
	struct slab *next;
	void *memory;
	size_t size;
};

struct bufpool {
	size_t limit, used, reserved;
	struct size_class classes[5];
	struct slab *slabs;
	void *free_vectors; /* iovec arrays of BUF_MAX_IOV, chained likewise */
	struct list waiters;
};

struct bufpool *bufpool_create(size_t limit_bytes)
{
	static const uint32_t sizes[5] = {PAGE, 4 * PAGE, 8 * PAGE, 16 * PAGE, BUF_MAX_PIECE};
	struct bufpool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	/* the largest databuf must fit, twice (a task's data and its scratch) */
	p->limit =
	    limit_bytes < 2 * (size_t)BUF_MAX_BYTES ? 2 * (size_t)BUF_MAX_BYTES : limit_bytes;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		p->classes[i].size = sizes[i];
	list_init(&p->waiters);
	return p;
}

void bufpool_destroy(struct bufpool *p)
{
	while (p->slabs) {
		struct slab *s = p->slabs;

		p->slabs = s->next;
		munmap(s->memory, s->size);
		free(s);
	}
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

static bool grow(struct bufpool *p, struct size_class *c)
{
	size_t size = SLAB_BYTES;
	struct slab *slab = malloc(sizeof(*slab));

	if (!slab)
		return false;
	slab->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slab->memory == MAP_FAILED) {
		free(slab);
		return false;
	}
	slab->size = size;
	slab->next = p->slabs;
	p->slabs = slab;
	for (size_t at = 0; at + c->size <= size; at += c->size) {
		void **buffer = (void **)(void *)((char *)slab->memory + at);

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
	p->used += c->size;
	return buffer;
}

static void piece_put(struct bufpool *p, void *piece, uint32_t size)
{
	struct size_class *c = class_for(p, size);

	*(void **)piece = c->free;
	c->free = piece;
	p->used -= c->size;
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

static void release(struct bufpool *p, struct databuf *buf)
{
	for (unsigned i = 0; i < buf->iovcnt; i++)
		piece_put(p, buf->iov[i].iov_base, (uint32_t)buf->iov[i].iov_len);
	if (buf->iov && buf->iov != &buf->one)
		vector_put(p, buf->iov);
	buf->iov = NULL;
	buf->iovcnt = 0;
	buf->length = 0;
}

static bool fill(struct bufpool *p, struct databuf *buf, uint32_t length)
{
	buf->iovcnt = 0;
	buf->length = length;
	buf->iov = length <= BUF_MAX_PIECE ? &buf->one : vector_get(p);
	if (!buf->iov)
		return false;
	while (length) {
		uint32_t size = piece_size(length);
		void *piece = piece_get(p, size);

		if (!piece) {
			release(p, buf);
			return false;
		}
		buf->iov[buf->iovcnt++] = (struct iovec){piece, size};
		length -= size;
	}
	return true;
}

static bool room_for(const struct bufpool *p, uint32_t length)
{
	return length <= p->limit - (p->used < p->limit ? p->used : p->limit);
}

bool bufpool_get(struct bufpool *p, struct databuf *buf, uint32_t length)
{
	if (!list_empty(&p->waiters) || !room_for(p, length))
		return false;
	return fill(p, buf, length);
}

bool bufpool_get_wait(struct bufpool *p, struct buf_waiter *w)
{
	if (bufpool_get(p, w->buf, w->length)) {
		list_init(&w->link);
		return true;
	}
	list_add_tail(&p->waiters, &w->link);
	return false;
}

void bufpool_cancel(struct buf_waiter *w)
{
	list_del(&w->link);
}

static void serve_waiters(struct bufpool *p)
{
	while (!list_empty(&p->waiters)) {
		struct buf_waiter *w = list_first(&p->waiters, struct buf_waiter, link);

		if (!room_for(p, w->length) || !fill(p, w->buf, w->length))
			return;
		list_del(&w->link);
		w->granted(w);
	}
}

void bufpool_put(struct bufpool *p, struct databuf *buf)
{
	if (!buf->iov)
		return;
	release(p, buf);
	if (!list_empty(&p->waiters))
		serve_waiters(p);
}

/* Half of the pool may be promised; the other half keeps solicited data and reads moving. */
bool bufpool_reserve(struct bufpool *p, size_t bytes)
{
	if (bytes > p->limit / 2 - p->reserved)
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
