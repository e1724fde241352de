/* SPDX-License-Identifier: MIT */
/* VERIFY of tapes (SSC-5). */
#include "drive_fixture.h"

#define BYTCMP 0x02
#define IMMED 0x04

static uint8_t verify(uint8_t bits, const char *text, unsigned count)
{
	uint32_t len = text ? (uint32_t)strlen(text) : 0;

	return COMMAND(drive, text, len, 0, 0x13, bits, 0, B2(count), 0);
}

static void four_blocks(void)
{
	assert_good(drive, set_block_length(2));
	assert_good(drive, COMMAND(drive, "aabbccdd", 8, 0, 0x0a, 1, 0, 0, 4, 0));
	assert_good(drive, marks(1));
	simple(0x01, 0);
}

static void one_block(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, verify(0, NULL, 3));
	assert_int_equal(tape.at, 1);
	assert_good(drive, verify(BYTCMP, "two", 3));
	verify(0, NULL, 3);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 3);
	verify(BYTCMP, "thr", 3);
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, -2);
	simple(0x01, 0);
	verify(BYTCMP, "ono", 3);
	assert_stream_sense(KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY, 3);
	assert_int_equal(tape.at, 1);
	assert_good(drive, verify(IMMED, NULL, 3));
	assert_good(drive, verify(0, NULL, 0));
	assert_int_equal(tape.at, 2);
}

static void fixed_blocks(void **state)
{
	(void)state;
	four_blocks();
	assert_good(drive, verify(1, NULL, 4));
	assert_int_equal(tape.at, 4);
	verify(1, NULL, 4);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 4);
	simple(0x01, 0);
	assert_good(drive, verify(1 | BYTCMP, "aabb", 2));
	simple(0x01, 0);
	verify(1 | BYTCMP, "aabbcxdd", 4); /* stops behind the block that differs */
	assert_stream_sense(KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY, 2);
	assert_int_equal(tape.at, 3);
	simple(0x01, 0);
	verify(1, NULL, 9);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 5);
	verify(1, NULL, 9);
	assert_stream_sense(KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED, 9);
	assert_good(drive, set_block_length(3));
	simple(0x01, 0);
	verify(1, NULL, 2);
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, 2);
}

static void explicit_place(void **state)
{
	(void)state;
	four_blocks();
	assert_good(drive, COMMAND(drive, "ccdd", 4, 0, 0x8f, 1 | BYTCMP, PLACE(0, 2, 2)));
	assert_int_equal(tape.at, 4);
	COMMAND(drive, NULL, 0, 0, 0x8f, 1, PLACE(1, 2, 2));
	assert_invalid_field(3);
}

static void what_it_refuses(void **state)
{
	(void)state;
	record_two_files();
	verify(1, NULL, 1); /* no block length */
	assert_invalid_field(1);
	verify(BYTCMP | IMMED, "one", 3);
	assert_invalid_field(1);
	COMMAND(drive, "on", 2, 0, 0x13, BYTCMP, 0, 0, 3, 0); /* less than is to be compared */
	assert_invalid_field(2);
	verify(0x10, NULL, 3); /* VLBPM: not offered */
	assert_invalid_field(1);
	assert_good(drive, set_block_length(4096));
	COMMAND(drive, "one", 3, 0, 0x13, 1 | BYTCMP, 0xff, 0xff, 0xff, 0);
	assert_invalid_field(2);
	assert_int_equal(tape.at, 0);
}

static void what_can_not_be_read(void **state)
{
	(void)state;
	four_blocks();
	tape.fail_op = TGT_BS_TAPE_READ;
	tape.fail_status = TGT_BS_ERR_READ;
	tape.fail_after = 1;
	verify(1, NULL, 4);
	assert_stream_sense(KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_block),       TEST(fixed_blocks),         TEST(explicit_place),
	    TEST(what_it_refuses), TEST(what_can_not_be_read),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
