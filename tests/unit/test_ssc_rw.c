/* SPDX-License-Identifier: MIT */
/* READ, READ REVERSE and WRITE of tapes, with what a store may answer (SSC-5). */
#include "drive_fixture.h"

#define BYTORD 0x04

static uint8_t read_at(uint8_t bits, uint8_t partition, unsigned object, unsigned count)
{
	return COMMAND(drive, NULL, 0, 4096, 0x88, bits, PLACE(partition, object, count));
}

static uint8_t write_at(uint8_t bits, unsigned object, const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	return COMMAND(drive, text, len, 0, 0x8a, bits, PLACE(0, object, len));
}

static void explicit_commands_begin_at_their_place(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, read_at(0, 0, 3, 5));
	assert_memory_equal(drive->in, "three", 5);
	assert_good(drive, read_at(0, 0, 1, 3)); /* backwards */
	assert_memory_equal(drive->in, "two", 3);
	tape.nr_requests = 0;
	read_at(0, 0, 2, 3); /* where it stands anyway: there is no LOCATE */
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 3);
	assert_int_equal(tape.nr_requests, 2);
	assert_good(drive, write_at(0x0c, 1, "TWO")); /* FCS, LCS */
	assert_int_equal(tape.nr[0], 2);
	assert_memory_equal(tape.objects[0][1].data, "TWO", 3);
}

static void a_place_that_is_not_there(void **state)
{
	(void)state;
	record_two_files();
	write_at(0, 9, "x");
	assert_plain_sense(KEY_BLANK_CHECK, ASC_LOCATE_OPERATION_FAILURE);
	assert_int_equal(tape.nr[0], 5);
	read_at(0, 1, 0, 3); /* no such partition */
	assert_invalid_field(3);
}

static void nothing_is_transferred_nothing_moves(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, read_at(0, 0, 0, 0));
	assert_good(drive, write_text(""));
	assert_int_equal(tape.nr[0], 5);
	assert_int_equal(tape.at, 0);
}

static void limits_are_checked(void **state)
{
	(void)state;
	COMMAND(drive, "abcd", 4, 0, 0x0a, 1, 0, 0, 1, 0); /* fixed, without a block length */
	assert_invalid_field(1);
	assert_good(drive, set_block_length(4));
	COMMAND(drive, NULL, 0, 4, 0x08, 3, 0, 0, 1, 0); /* with SILI */
	assert_invalid_field(1);
	COMMAND(drive, NULL, 0, 64, 0x08, 1, 0xff, 0xff, 0xff, 0); /* more than a buffer holds */
	assert_invalid_field(2);
	COMMAND(drive, NULL, 0, 64, 0x88, 1, 0, 0, B8(0), 0xff, 0xff, 0xff, 0);
	assert_invalid_field(12);
	assert_int_equal(tape.nr_requests, 0);
}

static void backwards(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x11, 3, 0, 0, 0, 0));
	COMMAND(drive, NULL, 0, 5, 0x0f, BYTORD, 0, 0, 5, 0);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 5);
	assert_int_equal(tape.at, 4);
	assert_good(drive, COMMAND(drive, NULL, 0, 5, 0x0f, BYTORD, 0, 0, 5, 0));
	assert_memory_equal(drive->in, "three", 5);
	assert_int_equal(tape.at, 3);
	COMMAND(drive, NULL, 0, 8, 0x81, BYTORD, PLACE(0, 2, 8));
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, 5);
	assert_memory_equal(drive->in, "two", 3);
	assert_good(drive, set_block_length(3));
	COMMAND(drive, NULL, 0, 9, 0x0f, BYTORD | 1, 0, 0, 3, 0);
	assert_stream_sense(EOM | KEY_NO_SENSE, ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED, 2);
	assert_memory_equal(drive->in, "one", 3);
	COMMAND(drive, NULL, 0, 3, 0x0f, 0, 0, 0, 3, 0); /* the bytes, too: not offered */
	assert_invalid_field(1);
}

static void a_store_that_can_not(void **state)
{
	(void)state;
	COMMAND(drive, NULL, 0, 3, 0x0f, BYTORD, 0, 0, 3, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(drive, NULL, 0, 3, 0x81, BYTORD, PLACE(0, 0, 3));
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
}

static void a_block_that_can_not_be_read(void **state)
{
	(void)state;
	assert_good(drive, set_block_length(2));
	assert_good(drive, COMMAND(drive, "aabbccdd", 8, 0, 0x0a, 1, 0, 0, 4, 0));
	simple(0x01, 0);
	tape.fail_op = TGT_BS_TAPE_READ;
	tape.fail_status = TGT_BS_ERR_READ;
	tape.fail_after = 3;
	COMMAND(drive, NULL, 0, 8, 0x08, 1, 0, 0, 4, 0);
	assert_stream_sense(KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR, 1);
	assert_int_equal(drive->in_len, 6); /* what was read before */
	assert_memory_equal(drive->in, "aabbcc", 6);
	tape.fail_op = TGT_BS_TAPE_READ;
	tape.fail_after = 0;
	COMMAND(drive, NULL, 0, 2, 0x08, 0, 0, 0, 2, 0);
	assert_stream_sense(KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR, 2);
	tape.fail_op = TGT_BS_TAPE_READ;
	tape.fail_status = TGT_BS_ERR_BUSY;
	assert_int_equal(COMMAND(drive, NULL, 0, 2, 0x08, 0, 0, 0, 2, 0), STATUS_BUSY);
}

static void encrypted_blocks(void **state)
{
	static const struct {
		uint32_t status;
		uint16_t asc;
	} want[] = {
	    {TGT_BS_ERR_ENCRYPTED, 0x7401},
	    {TGT_BS_ERR_WRONG_KEY, 0x7403},
	    {TGT_BS_ERR_NOT_ENCRYPTED, 0x7402},
	    {TGT_BS_ERR_INTEGRITY, 0x7404},
	};

	(void)state;
	record_two_files();
	for (unsigned i = 0; i < 4; i++) {
		tape.fail_op = TGT_BS_TAPE_READ;
		tape.fail_status = want[i].status;
		COMMAND(drive, NULL, 0, 3, 0x08, 0, 0, 0, 3, 0);
		assert_stream_sense(KEY_DATA_PROTECT, want[i].asc, 3);
	}
}

static void the_end_comes_near(void **state)
{
	(void)state;
	assert_good(drive, set_block_length(2));
	tape.early_at = 3;
	tape.full_at = 5;
	COMMAND(drive, "aabbcc", 6, 0, 0x0a, 1, 0, 0, 3, 0);
	assert_stream_sense(EOM | KEY_NO_SENSE, ASC_END_OF_PARTITION_MEDIUM_DETECTED, 0);
	COMMAND(drive, "ddeeffgg", 8, 0, 0x0a, 1, 0, 0, 4, 0); /* in the middle it is full */
	assert_stream_sense(EOM | KEY_VOLUME_OVERFLOW, ASC_END_OF_PARTITION_MEDIUM_DETECTED, 2);
	assert_int_equal(tape.nr[0], 5);
	write_text("hij");
	assert_stream_sense(EOM | KEY_VOLUME_OVERFLOW, ASC_END_OF_PARTITION_MEDIUM_DETECTED, 3);
	marks(2);
	assert_stream_sense(EOM | KEY_VOLUME_OVERFLOW, ASC_END_OF_PARTITION_MEDIUM_DETECTED, 2);
	COMMAND(drive, NULL, 0, 2, 0x08, 0, 0, 0, 2, 0);
	assert_stream_sense(EOM | KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED, 2);
}

static void a_write_that_fails_in_the_middle(void **state)
{
	(void)state;
	assert_good(drive, set_block_length(2));
	tape.fail_op = TGT_BS_TAPE_WRITE;
	tape.fail_status = TGT_BS_ERR_WRITE;
	tape.fail_after = 1;
	COMMAND(drive, "aabbcc", 6, 0, 0x0a, 1, 0, 0, 3, 0);
	assert_stream_sense(KEY_MEDIUM_ERROR, ASC_WRITE_ERROR, 2);
	tape.fail_op = TGT_BS_TAPE_WRITE;
	tape.fail_status = TGT_BS_ERR_OVERWRITE;
	tape.fail_after = 0;
	write_text("abc");
	assert_sense(drive, KEY_DATA_PROTECT, 0x300c);
}

/* SPC-5 and SSC-5: information 00h, stream commands 04h; 64 bits, in two's complement. */
static void descriptor_format(void **state)
{
	uint8_t page[16];
	const uint8_t *sense = drive->task.sense;

	(void)state;
	record_two_files();
	assert_good(drive, COMMAND(drive, NULL, 0, 16, 0x1a, 0x08, 0x0a, 0, 16, 0));
	memcpy(page, drive->in, sizeof(page));
	page[0] = page[2] = 0;
	page[6] |= 0x04; /* D_SENSE */
	assert_good(drive, COMMAND(drive, page, sizeof(page), 0, 0x15, 0x10, 0, 0, 16, 0));
	COMMAND(drive, NULL, 0, 1, 0x08, 0, 0, 0, 1, 0);
	assert_int_equal(drive->task.status, STATUS_CHECK_CONDITION);
	assert_int_equal(sense[0], 0x72);
	assert_int_equal(sense[1], KEY_NO_SENSE);
	assert_int_equal(sense[7], 16);
	assert_int_equal(sense[8], 0x00);
	assert_int_equal(sense[10], 0x80);
	assert_int_equal((int64_t)get_be64(sense + 12), -2);
	assert_int_equal(sense[20], 0x04);
	assert_int_equal(sense[21], 0x02);
	assert_int_equal(sense[23], ILI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(explicit_commands_begin_at_their_place),
	    TEST(a_place_that_is_not_there),
	    TEST(nothing_is_transferred_nothing_moves),
	    TEST(limits_are_checked),
	    TEST(backwards),
	    TEST_PLAIN(a_store_that_can_not),
	    TEST(a_block_that_can_not_be_read),
	    TEST(encrypted_blocks),
	    TEST(the_end_comes_near),
	    TEST(a_write_that_fails_in_the_middle),
	    TEST(descriptor_format),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
