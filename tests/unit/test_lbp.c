/* SPDX-License-Identifier: MIT */
/* Logical block protection (SSC-5) with CRC32C, in buffers of one piece and of several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scsi/lbp.h"

static struct bufpool *pool;

static int setup(void **state)
{
	(void)state;
	pool = bufpool_create(64 << 20);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	bufpool_destroy(pool);
	return 0;
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) + (at >> 16));
}

static void fill(const struct databuf *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = pattern(i);

		databuf_write(buf, i, &byte, 1);
	}
}

static void assert_bytes(const struct databuf *buf, size_t at, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte;

		databuf_read(buf, at + i, &byte, 1);
		if (byte != pattern(from + i))
			fail_msg("byte %zu", at + i);
	}
}

/* RFC 3720 B.4 gives CRC32C of 32 bytes of zeroes, of ones, and of 0 … 31 as they are sent. */
static void known_checksums(void **state)
{
	static const uint8_t want[3][4] = {
	    {0xaa, 0x36, 0x91, 0x8a}, {0x43, 0xab, 0xa8, 0x62}, {0x4e, 0x79, 0xdd, 0x46}};
	struct databuf buf = {0};
	uint8_t bytes[36];

	(void)state;
	assert_true(bufpool_get(pool, BUF_OUT, NULL, &buf, sizeof(bytes)));
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 0; k < 32; k++)
			bytes[k] = (uint8_t)(i == 0 ? 0 : i == 1 ? 0xff : k);
		databuf_write(&buf, 0, bytes, 32);
		lbp_protect(&buf, 32, 1);
		databuf_read(&buf, 0, bytes, sizeof(bytes));
		assert_memory_equal(bytes + 32, want[i], 4);
		assert_int_equal(lbp_check(&buf, 32, 1), 1);
	}
	bufpool_put(pool, &buf);
}

static void there_and_back(size_t length, size_t count)
{
	struct databuf buf = {0};

	assert_true(bufpool_get(pool, BUF_OUT, NULL, &buf, (uint32_t)((length + 4) * count)));
	fill(&buf, length * count);
	lbp_protect(&buf, length, count);
	for (size_t i = 0; i < count; i++)
		assert_bytes(&buf, i * (length + 4), i * length, length);
	assert_int_equal(lbp_check(&buf, length, count), count);
	lbp_strip(&buf, length, count);
	assert_bytes(&buf, 0, 0, length * count);
	bufpool_put(pool, &buf);
}

static void blocks_of_any_length(void **state)
{
	(void)state;
	there_and_back(1, 9);
	there_and_back(512, 64);
	there_and_back(3, 1000);
	/* over the borders of pieces */
	there_and_back(512, 2048);
	there_and_back(65536, 13);
	there_and_back(BUF_MAX_PIECE - 1, 3);
	there_and_back(BUF_MAX_PIECE, 3);
	there_and_back(BUF_MAX_PIECE + 5, 3);
	there_and_back((1 << 20) - 4, 1);
}

static void the_first_bad_block_is_found(void **state)
{
	struct databuf buf = {0};
	uint8_t byte;

	(void)state;
	assert_true(bufpool_get(pool, BUF_OUT, NULL, &buf, 516 * 10));
	fill(&buf, 512 * 10);
	lbp_protect(&buf, 512, 10);
	for (unsigned i = 10; i-- > 0;) {
		/* a bit of the data, or of the checksum */
		size_t at = 516 * (size_t)i + (i & 1 ? 77 : 515);

		databuf_read(&buf, at, &byte, 1);
		byte ^= 0x10;
		databuf_write(&buf, at, &byte, 1);
		assert_int_equal(lbp_check(&buf, 512, 10), i);
	}
	/* what isn't all there isn't good */
	assert_int_equal(lbp_check(&buf, 516 * 10, 1), 0);
	bufpool_put(pool, &buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_checksums),
	    cmocka_unit_test(blocks_of_any_length),
	    cmocka_unit_test(the_first_bad_block_is_found),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
