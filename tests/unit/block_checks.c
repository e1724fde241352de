/* SPDX-License-Identifier: MIT */
#include "block_checks.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_host.h"
#include "util/cleanup.h"

#define BLOCK 4096u /* a multiple of what any store may ask for here */
#define MiB (1u << 20)
#define NEEDED (4 * (uint64_t)MiB)
#define IN_FLIGHT 64

static char why[512];

static const char *__attribute__((format(printf, 1, 2))) no(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return why;
}

/* ---- content: each block says where it belongs and of which generation it is ---- */

static void stamp(void *buf, size_t length, uint64_t offset, uint64_t generation)
{
	uint64_t *word = buf;

	for (size_t i = 0; i < length / sizeof(*word); i++)
		word[i] = (offset + i * sizeof(*word)) * 0x9e3779b97f4a7c15u + generation;
}

static const char *compare(const void *buf, size_t length, uint64_t offset, uint64_t generation)
{
	CLEANUP_FREE void *want = malloc(length);

	stamp(want, length, offset, generation);
	for (size_t at = 0; at < length; at += BLOCK) {
		if (memcmp((const char *)buf + at, (char *)want + at, BLOCK) != 0)
			return no("the block at byte %llu isn't what was written there last",
				  (unsigned long long)(offset + at));
	}
	return NULL;
}

static const char *compare_zeroes(const void *buf, size_t length, uint64_t offset)
{
	const char *byte = buf;

	for (size_t i = 0; i < length; i++) {
		if (byte[i])
			return no("byte %llu is not zero", (unsigned long long)(offset + i));
	}
	return NULL;
}

/* ---- requests ---- */

static const char *expect(int status, int want, const char *what)
{
	if (status == -1)
		return no("%s: never completed, or submit() failed", what);
	if (status != want)
		return no("%s: status %d instead of %d", what, status, want);
	return NULL;
}

static const char *once(const struct fake_request *request, const char *what)
{
	if (request->completions != 1)
		return no("%s completed %u times", what, request->completions);
	return NULL;
}

static const char *write_stamped(struct fake_store *store, uint64_t offset, size_t length,
				 uint64_t generation, unsigned int flags)
{
	CLEANUP_FREE void *buf = fake_buffer(length, 0);

	stamp(buf, length, offset, generation);
	return expect(fake_io(store, TGT_BS_WRITE, offset, buf, length, flags), TGT_BS_OK, "WRITE");
}

static const char *read_stamped(struct fake_store *store, uint64_t offset, size_t length,
				uint64_t generation)
{
	CLEANUP_FREE void *buf = fake_buffer(length, 0x5a);
	const char *bad =
	    expect(fake_io(store, TGT_BS_READ, offset, buf, length, 0), TGT_BS_OK, "READ");

	return bad ? bad : compare(buf, length, offset, generation);
}

static const char *read_zeroes(struct fake_store *store, uint64_t offset, size_t length)
{
	CLEANUP_FREE void *buf = fake_buffer(length, 0x5a);
	const char *bad =
	    expect(fake_io(store, TGT_BS_READ, offset, buf, length, 0), TGT_BS_OK, "READ");

	return bad ? bad : compare_zeroes(buf, length, offset);
}

static bool can(const struct fake_store *store, uint32_t capability)
{
	return store->module->descriptor.capabilities & capability;
}

/* ---- opening ---- */

static const char *open_with(const struct block_subject *subject, struct fake_store *store,
			     uint32_t flags)
{
	const struct store_module *module = fake_module_load(subject->module);
	struct fake_open how = {
	    .path = subject->path,
	    .bsopts = subject->bsopts,
	    .flags = subject->open_flags | flags,
	};

	if (!module)
		return no("%s can't be loaded", subject->module);
	if (fake_store_open(store, module, &how))
		return no("it doesn't open: %s", store->error);
	return NULL;
}

/* Opens, runs body, closes. */
static const char *with_store(const struct block_subject *subject, uint32_t flags,
			      const char *(*body)(const struct block_subject *subject,
						  struct fake_store *store))
{
	struct fake_store store;
	const char *bad = open_with(subject, &store, flags);

	if (bad)
		return bad;
	bad = body(subject, &store);
	fake_store_close(&store);
	return bad;
}

#define CHECK(name, flags)                                                                         \
	static const char *name##_body(const struct block_subject *subject,                        \
				       struct fake_store *store);                                  \
	static const char *name(const struct block_subject *subject)                               \
	{                                                                                          \
		return with_store(subject, flags, name##_body);                                    \
	}                                                                                          \
	static const char *name##_body(const struct block_subject *subject,                        \
				       struct fake_store *store)

static bool power_of_two(uint32_t n)
{
	return (n & (n - 1)) == 0; /* 0 means 1 */
}

CHECK(geometry, 0)
{
	const struct tgt_bs_geometry *g = &store->geometry;

	(void)subject;
	if (g->size < NEEDED)
		return no("it has %llu bytes, these checks need %llu", (unsigned long long)g->size,
			  (unsigned long long)NEEDED);
	if (!power_of_two(g->memory_alignment) || g->memory_alignment > 4096)
		return no("memory_alignment is %u", g->memory_alignment);
	if (!power_of_two(g->io_alignment) || g->io_alignment > BLOCK)
		return no("io_alignment is %u", g->io_alignment);
	if (g->max_transfer && g->max_transfer < BLOCK)
		return no("max_transfer is %llu", (unsigned long long)g->max_transfer);
	return NULL;
}

/* Each length in a place of its own, then read back in pieces of another length. */
CHECK(write_then_read, 0)
{
	static const uint32_t blocks[] = {1, 2, 3, 7, 16, 33, 64, 128};
	uint64_t offset = 0;
	const char *bad = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(blocks) && !bad; i++) {
		bad = write_stamped(store, offset, blocks[i] * BLOCK, 1, 0);
		offset += blocks[i] * BLOCK;
	}
	for (uint64_t at = 0; at + 5 * BLOCK <= offset && !bad && !subject->forgets;
	     at += 5 * BLOCK)
		bad = read_stamped(store, at, 5 * BLOCK, 1);
	if (!bad && !subject->forgets)
		bad = read_stamped(store, 0, offset, 1);
	return bad;
}

CHECK(single_blocks, 0)
{
	const char *bad = NULL;

	for (uint64_t i = 0; i < 256 && !bad; i++)
		bad = write_stamped(store, i * 3 % 256 * BLOCK, BLOCK, 2, 0);
	for (uint64_t i = 0; i < 256 && !bad && !subject->forgets; i++)
		bad = read_stamped(store, i * BLOCK, BLOCK, 2);
	return bad;
}

/* A read after a write sees that write, and again when nothing happened in between. */
CHECK(overwrite, 0)
{
	const char *bad = NULL;

	for (uint64_t generation = 10; generation < 60 && !bad; generation++) {
		uint64_t offset = generation % 7 * 8 * BLOCK;

		bad = write_stamped(store, offset, 4 * BLOCK, generation, 0);
		for (int again = 0; again < 3 && !bad && !subject->forgets; again++)
			bad = read_stamped(store, offset, 4 * BLOCK, generation);
	}
	return bad;
}

/* Many pieces of memory, cut elsewhere for the read than for the write. */
CHECK(scattered, 0)
{
	const size_t length = 100 * BLOCK;
	CLEANUP_FREE char *buf = fake_buffer(length, 0);
	struct fake_request *request = fake_request_new(store, TGT_BS_WRITE, MiB, length);
	const char *bad;

	stamp(buf, length, MiB, 3);
	for (size_t i = 0; i < 100; i++)
		fake_request_add(request, buf + i * BLOCK, BLOCK);
	bad = fake_run(request) ? expect((int)request->bs.status, TGT_BS_OK, "WRITE of 100 pieces")
				: no("WRITE of 100 pieces never completed");
	fake_request_free(request);
	if (bad || subject->forgets)
		return bad;
	memset(buf, 0, length);
	request = fake_request_new(store, TGT_BS_READ, MiB, length);
	fake_request_add(request, buf, 3 * BLOCK);
	fake_request_add(request, buf + 3 * BLOCK, 60 * BLOCK);
	fake_request_add(request, buf + 63 * BLOCK, 37 * BLOCK);
	bad = fake_run(request) ? expect((int)request->bs.status, TGT_BS_OK, "READ of 3 pieces")
				: no("READ of 3 pieces never completed");
	fake_request_free(request);
	return bad ? bad : compare(buf, length, MiB, 3);
}

static const char *finish_many(struct fake_request *requests[IN_FLIGHT], const char *what)
{
	const char *bad = NULL;

	for (int i = 0; i < IN_FLIGHT && !bad; i++) {
		if (!fake_wait(requests[i]))
			return no("%s %d of %d at once never completed", what, i, IN_FLIGHT);
		bad = expect((int)requests[i]->bs.status, TGT_BS_OK, what);
	}
	fake_settle(20);
	for (int i = 0; i < IN_FLIGHT; i++) {
		if (!bad)
			bad = once(requests[i], what);
		fake_request_free(requests[i]);
	}
	return bad;
}

static const char *many(struct fake_store *store, char *buf, enum tgt_bs_op op, const char *what)
{
	struct fake_request *requests[IN_FLIGHT];

	for (int i = 0; i < IN_FLIGHT; i++) {
		size_t at = (size_t)i * 2 * BLOCK;

		requests[i] = fake_request_new(store, op, at, 2 * BLOCK);
		fake_request_add(requests[i], buf + at, 2 * BLOCK);
		fake_submit(requests[i]);
	}
	fake_turn_end(store);
	return finish_many(requests, what);
}

/* All of one loop turn: each completes, and once. */
CHECK(side_by_side, 0)
{
	const size_t length = (size_t)IN_FLIGHT * 2 * BLOCK;
	CLEANUP_FREE char *buf = fake_buffer(length, 0);
	const char *bad;

	stamp(buf, length, 0, 4);
	bad = many(store, buf, TGT_BS_WRITE, "WRITE");
	if (bad)
		return bad;
	memset(buf, 0x5a, length);
	bad = many(store, buf, TGT_BS_READ, "READ");
	if (bad || subject->forgets)
		return bad;
	return compare(buf, length, 0, 4);
}

static const char *completes_once(struct fake_store *store, enum tgt_bs_op op, const char *what)
{
	CLEANUP_FREE void *buf = fake_buffer(BLOCK, 0);
	const char *bad = NULL;

	for (int i = 0; i < 20 && !bad; i++) {
		bool data = op == TGT_BS_READ || op == TGT_BS_WRITE;
		struct fake_request *request =
		    fake_request_new(store, op, 0, op == TGT_BS_FLUSH ? 0 : BLOCK);

		if (data)
			fake_request_add(request, buf, BLOCK);
		if (!fake_run(request))
			return no("%s never completed", what);
		fake_settle(1);
		bad = once(request, what);
		fake_request_free(request);
	}
	return bad;
}

CHECK(exactly_once, 0)
{
	const char *bad = completes_once(store, TGT_BS_READ, "READ");

	(void)subject;
	if (!bad)
		bad = completes_once(store, TGT_BS_WRITE, "WRITE");
	if (!bad && can(store, TGT_BS_CAN_FLUSH))
		bad = completes_once(store, TGT_BS_FLUSH, "FLUSH");
	if (!bad && can(store, TGT_BS_CAN_DISCARD))
		bad = completes_once(store, TGT_BS_DISCARD, "DISCARD");
	if (!bad && can(store, TGT_BS_CAN_WRITE_ZEROES))
		bad = completes_once(store, TGT_BS_WRITE_ZEROES, "WRITE_ZEROES");
	if (!bad && can(store, TGT_BS_CAN_BLOCK_STATUS))
		bad = completes_once(store, TGT_BS_BLOCK_STATUS, "BLOCK_STATUS");
	return bad;
}

/* A wish to cancel changes nothing about that. */
CHECK(cancelling, 0)
{
	const struct tgt_bs_module *m = &store->module->descriptor;
	CLEANUP_FREE char *buf = fake_buffer(BLOCK, 0);
	const char *bad = NULL;

	(void)subject;
	if (!m->cancel)
		return NULL;
	for (int i = 0; i < 4 && !bad; i++) {
		struct fake_request *request = fake_request_new(store, TGT_BS_READ, 0, BLOCK);

		fake_request_add(request, buf, BLOCK);
		fake_submit(request);
		if (i % 2)
			fake_turn_end(store);
		if (!request->completions)
			m->cancel(store->store, store->channel, &request->bs);
		fake_turn_end(store);
		if (!fake_wait(request))
			return no("a READ that was cancelled never completed");
		fake_settle(5);
		bad = once(request, "a READ that was cancelled");
		if (!bad && request->bs.status != TGT_BS_OK &&
		    request->bs.status != TGT_BS_ERR_CANCELLED)
			bad = no("a READ that was cancelled: status %u", request->bs.status);
		fake_request_free(request);
	}
	return bad;
}

/* What was written and flushed is there after the store was closed and opened again. */
static const char *reopened(const struct block_subject *subject)
{
	struct fake_store store;
	const char *bad = open_with(subject, &store, 0);

	if (bad)
		return bad;
	for (uint64_t i = 0; i < 64 && !bad; i++)
		bad = write_stamped(&store, i * BLOCK, BLOCK, 5, 0);
	if (!bad && can(&store, TGT_BS_CAN_FLUSH))
		bad = expect(fake_io(&store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK, "FLUSH");
	fake_store_close(&store);
	if (bad || subject->forgets)
		return bad;
	bad = open_with(subject, &store, 0);
	if (bad)
		return bad;
	bad = read_stamped(&store, 0, 64 * BLOCK, 5);
	fake_store_close(&store);
	return bad;
}

static const char *raw_has(const struct block_subject *subject, uint64_t offset, size_t length,
			   uint64_t generation)
{
	CLEANUP_CLOSE int fd = open(subject->raw_file, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE void *buf = fake_buffer(length, 0);

	if (fd < 0 || pread(fd, buf, length, (off_t)offset) != (ssize_t)length)
		return no("%s can't be read", subject->raw_file);
	return compare(buf, length, offset, generation);
}

/* A FLUSH that was answered has reached the file below. */
CHECK(flush_reaches_medium, 0)
{
	const char *bad;

	if (!subject->raw_file || !can(store, TGT_BS_CAN_FLUSH))
		return NULL;
	bad = write_stamped(store, 2 * MiB, 32 * BLOCK, 6, 0);
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK, "FLUSH");
	return bad ? bad : raw_has(subject, 2 * MiB, 32 * BLOCK, 6);
}

CHECK(fua_reaches_medium, 0)
{
	const char *bad;

	if (!can(store, TGT_BS_CAN_FUA))
		return NULL;
	bad = write_stamped(store, 3 * MiB, 8 * BLOCK, 7, TGT_BS_REQ_FUA);
	if (bad || subject->forgets)
		return bad;
	if (subject->raw_file)
		return raw_has(subject, 3 * MiB, 8 * BLOCK, 7);
	return read_stamped(store, 3 * MiB, 8 * BLOCK, 7);
}

/* The range is zeroes afterwards, and its neighbours are as before. */
static const char *zeroing(const struct block_subject *subject, struct fake_store *store,
			   enum tgt_bs_op op, unsigned int flags, const char *what)
{
	const char *bad = write_stamped(store, 0, 32 * BLOCK, 8, 0);

	if (!bad)
		bad =
		    expect(fake_io(store, op, 3 * BLOCK, NULL, 20 * BLOCK, flags), TGT_BS_OK, what);
	if (!bad)
		bad = read_zeroes(store, 3 * BLOCK, 20 * BLOCK);
	if (bad || subject->forgets)
		return bad;
	bad = read_stamped(store, 0, 3 * BLOCK, 8);
	return bad ? bad : read_stamped(store, 23 * BLOCK, 9 * BLOCK, 8);
}

CHECK(discard, 0)
{
	if (!can(store, TGT_BS_CAN_DISCARD) || !(store->geometry.flags & TGT_BS_GEO_DISCARD))
		return NULL;
	return zeroing(subject, store, TGT_BS_DISCARD, 0, "DISCARD");
}

CHECK(zeroes, 0)
{
	const char *bad;

	if (!can(store, TGT_BS_CAN_WRITE_ZEROES))
		return NULL;
	bad = zeroing(subject, store, TGT_BS_WRITE_ZEROES, 0, "WRITE_ZEROES");
	if (bad)
		return bad;
	return zeroing(subject, store, TGT_BS_WRITE_ZEROES, TGT_BS_REQ_UNMAP,
		       "WRITE_ZEROES that may unmap");
}

/* What is written is allocated; what is discarded is so no longer, if all of it can be. */
CHECK(usage, 0)
{
	struct tgt_bs_usage before = {.struct_size = sizeof(before)}, after = before;
	const struct tgt_bs_module *m = &store->module->descriptor;
	const char *bad;

	(void)subject;
	if (!m->usage || m->usage(store->store, &before))
		return NULL; /* it doesn't know, or not of a path like this */
	bad = write_stamped(store, MiB, 2 * MiB, 9, 0);
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK, "FLUSH");
	if (bad)
		return bad;
	if (m->usage(store->store, &after) || after.used < 2 * MiB || after.used < before.used)
		return "usage doesn't count what was written";
	if (!(store->geometry.flags & TGT_BS_GEO_DISCARD))
		return NULL;
	before = after;
	bad = expect(fake_io(store, TGT_BS_DISCARD, MiB, NULL, 2 * MiB, 0), TGT_BS_OK, "DISCARD");
	if (bad)
		return bad;
	/* a file system may need some space to remember where there is none */
	if (m->usage(store->store, &after) || after.used + MiB > before.used)
		return "usage still counts what was discarded";
	return NULL;
}

/* Extents follow each other without a gap from the offset on, and lie within the range. */
static const char *check_extents(const struct fake_request *request)
{
	uint64_t at = request->bs.offset;
	const uint64_t end = at + request->bs.length;

	if (request->bs.nr_extents == 0 || request->bs.nr_extents > request->bs.max_extents)
		return no("BLOCK_STATUS gives %u extents", request->bs.nr_extents);
	for (uint32_t i = 0; i < request->bs.nr_extents; i++) {
		const struct tgt_bs_extent *extent = &request->extents[i];

		if (extent->offset != at || extent->length == 0 || extent->length > end - at)
			return no("extent %u is %llu+%llu, after %llu", i,
				  (unsigned long long)extent->offset,
				  (unsigned long long)extent->length, (unsigned long long)at);
		at += extent->length;
	}
	if (at < end && request->bs.nr_extents < request->bs.max_extents)
		return no("the extents end at %llu though there is room for more",
			  (unsigned long long)at);
	return NULL;
}

static const char *status_of(struct fake_store *store, uint64_t offset, uint64_t length,
			     uint32_t max, bool *mapped)
{
	struct fake_request *request = fake_request_new(store, TGT_BS_BLOCK_STATUS, offset, length);
	const char *bad;

	request->bs.max_extents = max;
	bad = fake_run(request) ? expect((int)request->bs.status, TGT_BS_OK, "BLOCK_STATUS")
				: no("BLOCK_STATUS never completed");
	if (!bad)
		bad = check_extents(request);
	*mapped = request->extents[0].flags & TGT_BS_EXTENT_MAPPED;
	fake_request_free(request);
	return bad;
}

/* What was written is never called deallocated: an initiator would not read it. */
CHECK(block_status, 0)
{
	bool mapped;
	const char *bad;

	if (!can(store, TGT_BS_CAN_BLOCK_STATUS))
		return NULL;
	bad = write_stamped(store, MiB, 16 * BLOCK, 9, 0);
	if (!bad)
		bad = status_of(store, MiB, 16 * BLOCK, 64, &mapped);
	if (!bad && !mapped && !subject->forgets)
		bad = no("BLOCK_STATUS calls what was just written deallocated");
	if (!bad)
		bad = status_of(store, 0, store->geometry.size, 64, &mapped);
	return bad ? bad : status_of(store, 0, store->geometry.size, 1, &mapped);
}

/* The last block is there, the one behind it is not, and isn't made. */
CHECK(the_end, 0)
{
	const uint64_t last = store->geometry.size / BLOCK * BLOCK - BLOCK;
	CLEANUP_FREE void *buf = fake_buffer(2 * BLOCK, 1);
	const char *bad = write_stamped(store, last, BLOCK, 11, 0);

	if (!bad && !subject->forgets)
		bad = read_stamped(store, last, BLOCK, 11);
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_READ, last + BLOCK, buf, BLOCK, 0),
			     TGT_BS_ERR_OUT_OF_RANGE, "READ beyond the end");
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_WRITE, last, buf, 2 * BLOCK, 0),
			     TGT_BS_ERR_OUT_OF_RANGE, "WRITE across the end");
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_READ, UINT64_MAX - BLOCK + 1, buf, BLOCK, 0),
			     TGT_BS_ERR_OUT_OF_RANGE, "READ at the end of 64 bits");
	if (!bad && !subject->forgets)
		bad = read_stamped(store, last, BLOCK, 11);
	return bad;
}

CHECK(read_only, TGT_BS_OPEN_READONLY)
{
	CLEANUP_FREE void *buf = fake_buffer(BLOCK, 1);
	const char *bad;

	(void)subject;
	if (!(store->geometry.flags & TGT_BS_GEO_READONLY))
		return no("opened read-only, its geometry doesn't say so");
	bad = expect(fake_io(store, TGT_BS_READ, 0, buf, BLOCK, 0), TGT_BS_OK, "READ");
	if (!bad)
		bad = expect(fake_io(store, TGT_BS_WRITE, 0, buf, BLOCK, 0),
			     TGT_BS_ERR_WRITE_PROTECTED, "WRITE to a read-only store");
	return bad;
}

/* A failed open() leaves nothing and says why. */
static const char *no_such_path(const struct block_subject *subject)
{
	const struct store_module *module = fake_module_load(subject->module);
	struct fake_open how = {.path = "/nonexistent/medium", .bsopts = subject->bsopts};
	struct fake_store store;

	if (!module)
		return no("%s can't be loaded", subject->module);
	if (!(module->descriptor.capabilities & TGT_BS_NEEDS_PATH))
		return NULL;
	if (fake_store_open(&store, module, &how) == 0) {
		fake_store_close(&store);
		return no("%s opens", how.path);
	}
	if (!strstr(store.error, how.path) || strchr(store.error, '\n'))
		return no("the error is \"%s\"", store.error);
	return NULL;
}

/* Watches and timers end with the channel. */
static const char *nothing_left(const struct block_subject *subject)
{
	const unsigned int watches = fake_watches(), timers = fake_timers();
	const char *bad = exactly_once(subject);

	if (bad)
		return bad;
	if (fake_watches() != watches || fake_timers() != timers)
		return no("a watch or a timer outlives the channel");
	return NULL;
}

const struct block_check block_checks[] = {
    {"geometry", geometry},
    {"write_then_read", write_then_read},
    {"single_blocks", single_blocks},
    {"overwrite", overwrite},
    {"scattered", scattered},
    {"side_by_side", side_by_side},
    {"exactly_once", exactly_once},
    {"cancelling", cancelling},
    {"reopened", reopened},
    {"flush_reaches_medium", flush_reaches_medium},
    {"fua_reaches_medium", fua_reaches_medium},
    {"discard", discard},
    {"zeroes", zeroes},
    {"usage", usage},
    {"block_status", block_status},
    {"the_end", the_end},
    {"read_only", read_only},
    {"no_such_path", no_such_path},
    {"nothing_left", nothing_left},
};
const size_t block_checks_count = ARRAY_SIZE(block_checks);

unsigned int block_checks_run(const struct block_subject *subject)
{
	unsigned int failed = 0;

	for (size_t i = 0; i < block_checks_count; i++) {
		const char *bad = block_checks[i].run(subject);

		printf("%s %s%s%s\n", bad ? "FAIL" : "pass", block_checks[i].name, bad ? ": " : "",
		       bad ? bad : "");
		failed += bad != NULL;
	}
	return failed;
}
