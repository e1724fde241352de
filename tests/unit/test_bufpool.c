/* SPDX-License-Identifier: MIT */
/* Buffers: alignment, pieces, the limit and the line of who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "reactor/bufpool.h"

#define LIMIT (4 * (size_t)BUF_MAX_BYTES) /* the smallest that bufpool_create() makes */
#define OUT (LIMIT / 16 * 5)              /* of it, for BUF_OUT */

static void pieces_are_aligned_and_whole(void **state)
{
	static const uint32_t lengths[] = {
	    1, 512, 4096, 4097, 65536, BUF_MAX_PIECE, BUF_MAX_PIECE + 1, BUF_MAX_BYTES};
	struct bufpool *p = bufpool_create(0);

	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct databuf b = {0};
		uint32_t sum = 0;

		assert_true(bufpool_get(p, BUF_OUT, NULL, &b, lengths[i]));
		for (unsigned v = 0; v < b.iovcnt; v++) {
			assert_int_equal((uintptr_t)b.iov[v].iov_base % 4096, 0);
			assert_true(v + 1 == b.iovcnt || b.iov[v].iov_len == BUF_MAX_PIECE);
			memset(b.iov[v].iov_base, 0xa5, b.iov[v].iov_len);
			sum += (uint32_t)b.iov[v].iov_len;
		}
		assert_int_equal(sum, lengths[i]);
		assert_int_equal(b.length, lengths[i]);
		bufpool_put(p, &b);
		assert_null(b.iov);
		bufpool_put(p, &b); /* harmless */
	}
	bufpool_destroy(p);
}

/* What the kernel says of the mapping that an address lies in; false: it isn't mapped, or not told.
 */
static bool vm_flags(const void *at, char *flags, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false, found = false;
	char line[512], *behind;

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		const uintptr_t from = strtoul(line, &behind, 16);

		if (behind != line && *behind == '-')
			here =
			    (uintptr_t)at >= from && (uintptr_t)at < strtoul(behind + 1, NULL, 16);
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			found = snprintf(flags, size, "%s", line + 8) > 0;
	}
	fclose(f);
	return found;
}

static void *slab_of(const struct databuf *b)
{
	char *base = b->iov[0].iov_base;

	return base - (uintptr_t)base % BUF_SLAB_BYTES;
}

/* One huge page each, where the kernel has any. */
static void slabs_are_aligned_and_stay(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf small, big[10];
	char flags[512];

	(void)state;
	assert_int_equal(bufpool_slabs(p), 0);
	assert_true(bufpool_get(p, BUF_OUT, NULL, &small, 4096));
	assert_int_equal(bufpool_slabs(p), 1);
	/* eight of these are a slab */
	for (unsigned i = 0; i < 10; i++)
		assert_true(bufpool_get(p, BUF_OUT, NULL, &big[i], BUF_MAX_PIECE));
	assert_int_equal(bufpool_slabs(p), 3);
	assert_ptr_equal(bufpool_slab(p, 0), slab_of(&small));
	assert_ptr_equal(bufpool_slab(p, 1), slab_of(&big[0]));
	assert_ptr_equal(bufpool_slab(p, 1), slab_of(&big[7]));
	assert_ptr_equal(bufpool_slab(p, 2), slab_of(&big[8]));
	assert_ptr_equal(bufpool_slab(p, 2), slab_of(&big[9]));
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0) {
		assert_true(vm_flags(small.iov[0].iov_base, flags, sizeof(flags)));
		assert_non_null(strstr(flags, " hg"));
	}
	bufpool_destroy(p);
}

static void copies_cross_pieces(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf b = {0};
	uint8_t text[300], back[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	assert_true(bufpool_get(p, BUF_IN, NULL, &b, BUF_MAX_PIECE + 200));
	assert_int_equal(databuf_write(&b, BUF_MAX_PIECE - 100, text, 300), 300);
	assert_int_equal(databuf_read(&b, BUF_MAX_PIECE - 100, back, 300), 300);
	assert_memory_equal(text, back, 300);
	/* what lies beyond the end is neither written nor read */
	assert_int_equal(databuf_write(&b, BUF_MAX_PIECE + 150, text, 300), 50);
	assert_int_equal(databuf_read(&b, BUF_MAX_PIECE + 200, back, 1), 0);
	assert_int_equal(databuf_read(&b, SIZE_MAX, back, 300), 0);
	databuf_zero(&b, BUF_MAX_PIECE - 1, 2);
	databuf_read(&b, BUF_MAX_PIECE - 1, back, 2);
	assert_int_equal(back[0] | back[1], 0);
	bufpool_put(p, &b);
	bufpool_destroy(p);
}

#define MAX_WAITERS 8
static struct buf_waiter waiters[MAX_WAITERS];
static struct databuf got[MAX_WAITERS];
static unsigned granted[MAX_WAITERS], turn;

static void grant(struct buf_waiter *w)
{
	granted[w - waiters] = ++turn;
}

/* Gets in line as number i; true: served at once. */
static bool ask(struct bufpool *p, unsigned i, enum buf_use use, struct buf_share *share,
		uint32_t length)
{
	waiters[i] = (struct buf_waiter){
	    .buf = &got[i], .use = use, .share = share, .length = length, .granted = grant};
	granted[i] = 0;
	return bufpool_get_wait(p, &waiters[i]);
}

static void put_all(struct bufpool *p)
{
	for (unsigned i = 0; i < MAX_WAITERS; i++)
		bufpool_put(p, &got[i]);
	bufpool_destroy(p);
	turn = 0;
}

static void who_waits_is_served_in_line(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf big = {0}, rest = {0};

	(void)state;
	assert_true(bufpool_get(p, BUF_OUT, NULL, &big, BUF_MAX_BYTES));
	assert_true(bufpool_get(p, BUF_OUT, NULL, &rest, OUT - BUF_MAX_BYTES));
	for (unsigned i = 0; i < 3; i++)
		assert_false(ask(p, i, BUF_OUT, NULL, (3 + i) * BUF_MAX_PIECE));
	bufpool_cancel(&waiters[1]);
	bufpool_put(p, &big);
	assert_int_equal(granted[0], 1);
	assert_int_equal(granted[1], 0);
	assert_int_equal(granted[2], 2);
	assert_int_equal(got[0].length, 3 * BUF_MAX_PIECE);
	bufpool_put(p, &rest);
	put_all(p);
}

/* Who comes later doesn't pass somebody for whom there is no room yet. */
static void nobody_jumps_the_line(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf rest = {0};

	(void)state;
	assert_true(ask(p, 0, BUF_OUT, NULL, BUF_MAX_BYTES));
	assert_false(ask(p, 1, BUF_OUT, NULL, BUF_MAX_BYTES));
	assert_true(OUT - BUF_MAX_BYTES >= BUF_MAX_PIECE);
	assert_false(ask(p, 2, BUF_OUT, NULL, BUF_MAX_PIECE));
	assert_true(bufpool_get(p, BUF_IN, NULL, &rest, 1)); /* another use's line is another */
	bufpool_put(p, &rest);
	bufpool_put(p, &got[0]);
	assert_int_equal(granted[1], 1);
	assert_int_equal(granted[2], 2);
	put_all(p);
}

/* What waits for a use to end can't keep it from getting on. */
static void uses_have_parts_of_their_own(void **state)
{
	struct bufpool *p = bufpool_create(0);
	size_t each[BUF_USES] = {0}, sum = 0;

	(void)state;
	for (unsigned use = 0; use < BUF_USES; use++) {
		struct databuf held[512] = {{0}};
		unsigned n = 0;

		while (bufpool_get(p, (enum buf_use)use, NULL, &held[n], BUF_MAX_PIECE))
			n++;
		each[use] = n * (size_t)BUF_MAX_PIECE;
		sum += each[use];
		for (unsigned other = 0; other < BUF_USES; other++) {
			if (other == use)
				continue;
			assert_true(ask(p, 0, (enum buf_use)other, NULL, BUF_MAX_PIECE));
			bufpool_put(p, &got[0]);
		}
		while (n)
			bufpool_put(p, &held[--n]);
	}
	assert_true(sum <= LIMIT);
	assert_true(each[BUF_OUT] >= BUF_MAX_BYTES && each[BUF_IN] >= BUF_MAX_BYTES);
	bufpool_destroy(p);
}

/* One owner gets a quarter at most, and waits alone for more; but always one buffer of any size. */
static void nobody_gets_more_than_a_share(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct buf_share greedy = {{0}}, modest = {{0}};

	(void)state;
	assert_true(ask(p, 0, BUF_OUT, &greedy, BUF_MAX_PIECE));
	assert_false(ask(p, 1, BUF_OUT, &greedy, OUT / 4));
	assert_false(bufpool_get(p, BUF_OUT, &greedy, &got[7], OUT / 4));
	assert_true(ask(p, 2, BUF_OUT, &modest, BUF_MAX_PIECE));
	assert_true(ask(p, 3, BUF_IN, &greedy, BUF_MAX_BYTES));
	bufpool_put(p, &got[0]);
	assert_int_equal(granted[1], 1);
	assert_false(ask(p, 4, BUF_OUT, &greedy, 1));
	bufpool_put(p, &got[1]);
	assert_int_equal(granted[4], 2);
	put_all(p);
	for (unsigned use = 0; use < BUF_USES; use++)
		assert_int_equal(greedy.used[use] + modest.used[use], 0);
}

static void give_back(struct buf_waiter *w)
{
	struct bufpool **p = (struct bufpool **)(void *)(w->buf + 1);

	turn++;
	bufpool_put(*p, w->buf);
}

/* Whoever is served may give it back at once: the next ones come one after the other, not from
 * within each other. */
static void serving_is_no_recursion(void **state)
{
	struct {
		struct buf_waiter w;
		struct databuf buf;
		struct bufpool *p;
	} *line = calloc(1000, sizeof(*line));
	struct bufpool *p = bufpool_create(0);
	struct buf_share share = {{0}};

	(void)state;
	assert_non_null(line);
	assert_true(ask(p, 0, BUF_OUT, &share, OUT / 4));
	for (unsigned i = 0; i < 1000; i++) {
		line[i].p = p;
		line[i].w = (struct buf_waiter){.buf = &line[i].buf,
						.use = BUF_OUT,
						.share = &share,
						.length = OUT / 4,
						.granted = give_back};
		assert_false(bufpool_get_wait(p, &line[i].w));
	}
	turn = 0;
	bufpool_put(p, &got[0]);
	assert_int_equal(turn, 1000);
	assert_int_equal(share.used[BUF_OUT], 0);
	free(line);
	put_all(p);
}

static void promises_are_bounded(void **state)
{
	struct bufpool *p = bufpool_create(0);

	(void)state;
	assert_true(bufpool_reserve(p, LIMIT / 4));
	assert_false(bufpool_reserve(p, 1));
	assert_false(bufpool_reserve(p, SIZE_MAX));
	bufpool_unreserve(p, 1);
	assert_true(bufpool_reserve(p, 1));
	bufpool_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_are_aligned_and_whole),
	    cmocka_unit_test(slabs_are_aligned_and_stay),
	    cmocka_unit_test(copies_cross_pieces),
	    cmocka_unit_test(who_waits_is_served_in_line),
	    cmocka_unit_test(nobody_jumps_the_line),
	    cmocka_unit_test(uses_have_parts_of_their_own),
	    cmocka_unit_test(nobody_gets_more_than_a_share),
	    cmocka_unit_test(serving_is_no_recursion),
	    cmocka_unit_test(promises_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
