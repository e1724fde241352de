/* SPDX-License-Identifier: MIT */
/* Buffers: alignment, pieces, the limit and the line of who waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "reactor/bufpool.h"

#define LIMIT (2 * (size_t)BUF_MAX_BYTES) /* the smallest that bufpool_create() makes */

static void pieces_are_aligned_and_whole(void **state)
{
	static const uint32_t lengths[] = {
	    1, 512, 4096, 4097, 65536, BUF_MAX_PIECE, BUF_MAX_PIECE + 1, BUF_MAX_BYTES};
	struct bufpool *p = bufpool_create(0);

	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct databuf b = {0};
		uint32_t sum = 0;

		assert_true(bufpool_get(p, &b, lengths[i]));
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

static void copies_cross_pieces(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf b = {0};
	uint8_t text[300], back[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7);
	assert_true(bufpool_get(p, &b, BUF_MAX_PIECE + 200));
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

static unsigned granted[3], turn;

static void grant(struct buf_waiter *w)
{
	granted[w->length / BUF_MAX_PIECE % 3] = ++turn;
}

static void who_waits_is_served_in_line(void **state)
{
	struct bufpool *p = bufpool_create(0);
	struct databuf big[2] = {{0}}, waited[3] = {{0}}, small = {0};
	struct buf_waiter w[3];

	(void)state;
	assert_true(bufpool_get(p, &big[0], BUF_MAX_BYTES));
	assert_true(bufpool_get(p, &big[1], BUF_MAX_BYTES));
	for (unsigned i = 0; i < 3; i++) {
		w[i] = (struct buf_waiter){
		    .buf = &waited[i], .length = (3 + i) * BUF_MAX_PIECE, .granted = grant};
		assert_false(bufpool_get_wait(p, &w[i]));
	}
	assert_false(bufpool_get(p, &small, 1)); /* nobody jumps the line */
	bufpool_cancel(&w[1]);
	bufpool_put(p, &big[0]);
	assert_int_equal(granted[0], 1);
	assert_int_equal(granted[1], 0);
	assert_int_equal(granted[2], 2);
	assert_int_equal(waited[0].length, 3 * BUF_MAX_PIECE);
	assert_true(bufpool_get(p, &small, 1));
	bufpool_put(p, &small);
	bufpool_put(p, &big[1]);
	bufpool_put(p, &waited[0]);
	bufpool_put(p, &waited[2]);
	bufpool_destroy(p);
}

static void promises_are_bounded(void **state)
{
	struct bufpool *p = bufpool_create(0);

	(void)state;
	assert_true(bufpool_reserve(p, LIMIT / 2));
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
	    cmocka_unit_test(copies_cross_pieces),
	    cmocka_unit_test(who_waits_is_served_in_line),
	    cmocka_unit_test(promises_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
