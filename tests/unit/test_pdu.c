/* SPDX-License-Identifier: MIT */
/* PDU headers, digests, additional header segments: RFC 7143 11.2, 13.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/pdu.h"
#include "util/cleanup.h"

/* RFC 3720 B.4 (the vectors that RFC 7143 refers to), in the order of the wire. */
static void test_digests(void **state)
{
	static const uint8_t read_cdb[48] = {
	    0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
	    0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
	    0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
	uint8_t data[32], digest[4];

	(void)state;
	memset(data, 0, 32);
	digest_put(digest, digest_update(DIGEST_SEED, data, 32));
	assert_memory_equal(digest, "\xaa\x36\x91\x8a", 4);
	memset(data, 0xff, 32);
	digest_put(digest, digest_update(DIGEST_SEED, data, 32));
	assert_memory_equal(digest, "\x43\xab\xa8\x62", 4);
	for (unsigned i = 0; i < 32; i++)
		data[i] = (uint8_t)i;
	digest_put(digest, digest_update(DIGEST_SEED, data, 32));
	assert_memory_equal(digest, "\x4e\x79\xdd\x46", 4);
	digest_put(digest, digest_update(DIGEST_SEED, read_cdb, 48));
	assert_memory_equal(digest, "\x56\x3a\x96\xd9", 4);
}

static void test_digest_in_pieces(void **state)
{
	uint8_t data[32] = {0};
	uint32_t crc = DIGEST_SEED;

	(void)state;
	crc = digest_update(crc, data, 5);
	crc = digest_update(crc, data + 5, 0);
	crc = digest_update(crc, data + 5, 27);
	assert_true(digest_matches((const uint8_t *)"\xaa\x36\x91\x8a", crc));
	assert_false(digest_matches((const uint8_t *)"\xaa\x36\x91\x8b", crc));
}

static void test_fields(void **state)
{
	uint8_t bhs[48];

	(void)state;
	pdu_init(bhs, OP_TEXT | PDU_IMMEDIATE, PDU_FINAL, 0x01020304);
	assert_int_equal(bhs[0], 0x44);
	assert_int_equal(bhs[1], 0x80);
	assert_memory_equal(bhs + 16, "\1\2\3\4", 4);
	assert_int_equal(pdu_opcode(bhs), OP_TEXT);
	assert_true(pdu_immediate(bhs));
	assert_true(pdu_final(bhs));
	bhs[4] = 3;
	memcpy(bhs + 5, "\x01\x02\x03", 3);
	assert_int_equal(pdu_ahs_len(bhs), 12);
	assert_int_equal(pdu_data_len(bhs), 0x010203);
}

static void test_padding(void **state)
{
	static const unsigned want[] = {0, 3, 2, 1, 0, 3};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(pdu_padding(i), want[i]);
}

static void test_cmdsn_carriers(void **state)
{
	(void)state;
	assert_true(pdu_has_cmdsn(OP_SCSI_COMMAND));
	assert_true(pdu_has_cmdsn(OP_LOGOUT));
	assert_false(pdu_has_cmdsn(OP_DATA_OUT));
	assert_false(pdu_has_cmdsn(OP_SNACK));
}

static uint8_t cdb[16];
static size_t extra;
static uint32_t bidi;

static bool parse(const void *ahs, size_t len)
{
	memset(cdb, 0xee, sizeof(cdb));
	bidi = 0;
	return pdu_parse_ahs(ahs, len, cdb, sizeof(cdb), &extra, &bidi);
}

static void test_extended_cdb(void **state)
{
	(void)state;
	/* 32-byte CDB: 16 more, AHSLength 17 with the reserved byte */
	assert_true(parse("\0\x11\1\0ABCDEFGHIJKLMNOP", 20));
	assert_int_equal(extra, 16);
	assert_memory_equal(cdb, "ABCDEFGHIJKLMNOP", 16);
	/* padded to a multiple of four */
	assert_true(parse("\0\3\1\0AB\0\0", 8));
	assert_int_equal(extra, 2);
	assert_memory_equal(cdb, "AB\xee", 3);
}

static void test_extended_cdb_too_long(void **state)
{
	uint8_t ahs[44] = {0, 37, 1};

	(void)state;
	assert_true(parse(ahs, 40)); /* 36 bytes more: told, and the first 16 kept */
	assert_int_equal(extra, 36);
}

static void test_bidi(void **state)
{
	(void)state;
	assert_true(parse("\0\5\2\0\0\1\0\0", 8));
	assert_int_equal(bidi, 65536);
	assert_true(parse("\0\3\1\0AB\0\0\0\5\2\0\0\1\0\0", 16));
	assert_int_equal(bidi, 65536);
	assert_int_equal(extra, 2);
	assert_false(parse("\0\4\2\0\0\1\0\0", 8));
}

static void test_ahs_malformed(void **state)
{
	(void)state;
	assert_true(parse("", 0));
	assert_false(parse("\0\x11\1\0ABCDEFGHIJKLMNOP", 16)); /* longer than what is there */
	assert_false(parse("\xff\xff\1\0", 4));
	assert_false(parse("\0\0\1\0", 4));         /* no room for the reserved byte */
	assert_false(parse("\0\5\3\0\0\0\0\0", 8)); /* unknown type */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_digests),
	    cmocka_unit_test(test_digest_in_pieces),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_padding),
	    cmocka_unit_test(test_cmdsn_carriers),
	    cmocka_unit_test(test_extended_cdb),
	    cmocka_unit_test(test_extended_cdb_too_long),
	    cmocka_unit_test(test_bidi),
	    cmocka_unit_test(test_ahs_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
