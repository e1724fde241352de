/* SPDX-License-Identifier: MIT */
/* The tape commands, over the real ssc module. */
#include <stdio.h>

#include "module_fixture.h"
#include "temp_dir.h"

#define FILEMARK 0x80
#define EOM 0x40
#define ILI 0x20

static struct disk *drive;

static uint8_t simple(uint8_t opcode, uint8_t byte1)
{
	return COMMAND(drive, NULL, 0, 0, opcode, byte1, 0, 0, 0, 0);
}

static uint8_t write_variable(const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	return COMMAND(drive, text, len, 0, 0x0a, 0, 0, B2(len), 0);
}

static uint8_t read_variable(uint32_t len, uint8_t flags)
{
	return COMMAND(drive, NULL, 0, len, 0x08, flags, 0, B2(len), 0);
}

static uint8_t count_command(uint8_t opcode, uint8_t byte1, int count)
{
	return COMMAND(drive, NULL, 0, 0, opcode, byte1, (uint8_t)(count >> 16), B2(count), 0);
}

static uint8_t set_block_length(uint32_t length)
{
	uint8_t list[12] = {0, 0, 0, 8};

	put_be24(list + 9, length);
	return COMMAND(drive, list, sizeof(list), 0, 0x15, 0x10, 0, 0, sizeof(list), 0);
}

/* Fixed format sense data with INFORMATION. */
static void assert_stream_sense(uint8_t key_and_bits, uint16_t asc, int32_t info)
{
	assert_int_equal(drive->task.status, STATUS_CHECK_CONDITION);
	assert_int_equal(drive->task.sense[0], 0xf0);
	assert_int_equal(drive->task.sense[2], key_and_bits);
	assert_int_equal(drive->asc, asc);
	assert_int_equal((int32_t)information(drive), info);
}

static uint32_t position(uint8_t flags)
{
	assert_good(drive, COMMAND(drive, NULL, 0, 20, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_int_equal(drive->in_len, 20);
	assert_int_equal(drive->in[0], flags);
	assert_int_equal(get_be32(drive->in + 4), get_be32(drive->in + 8));
	return get_be32(drive->in + 4);
}

static int new_drive(void **state)
{
	(void)state;
	drive = module_open(store_find("ssc"), temp_file("tape", 0));
	return 0;
}

static int end_drive(void **state)
{
	(void)state;
	disk_close(drive);
	return 0;
}

static void record_two_files(void)
{
	assert_good(drive, write_variable("one"));
	assert_good(drive, write_variable("number two"));
	assert_good(drive, count_command(0x10, 0, 1));
	assert_good(drive, write_variable("three"));
	assert_good(drive, count_command(0x10, 0, 1));
	assert_good(drive, simple(0x01, 0));
}

static void it_is_a_tape_drive(void **state)
{
	(void)state;
	assert_good(drive, COMMAND(drive, NULL, 0, 36, 0x12, 0, 0, 0, 36, 0));
	assert_int_equal(drive->in[0], 0x01);
	assert_int_equal(drive->in[1] & 0x80, 0x80);
	assert_memory_equal(drive->in + 16, "VIRTUAL-TAPE    ", 16);
	assert_good(drive, COMMAND(drive, NULL, 0, 6, 0x05, 0, 0, 0, 0, 0));
	assert_int_equal(get_be24(drive->in + 1), 0xffffff);
	assert_int_equal(get_be16(drive->in + 4), 1);
	COMMAND(drive, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	assert_int_equal(position(0x80), 0);
	record_two_files();
	assert_good(drive, read_variable(3, 0));
	assert_int_equal(drive->in_len, 3);
	assert_memory_equal(drive->in, "one", 3);
	assert_good(drive, read_variable(10, 0));
	assert_memory_equal(drive->in, "number two", 10);
	read_variable(100, 0);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 100);
	assert_int_equal(drive->in_len, 0);
	assert_int_equal(position(0), 3);
	assert_good(drive, read_variable(5, 0));
	read_variable(100, 0);
	assert_int_equal(drive->asc, ASC_FILEMARK_DETECTED);
	read_variable(100, 0);
	assert_stream_sense(KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED, 100);
	assert_int_equal(position(0), 5);
	/* the long form tells the file, too */
	assert_good(drive, COMMAND(drive, NULL, 0, 32, 0x34, 0x06, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_int_equal(get_be64(drive->in + 8), 5);
	assert_int_equal(get_be64(drive->in + 16), 2);
}

static void another_length_is_told(void **state)
{
	(void)state;
	record_two_files();
	read_variable(8, 0);
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, 5);
	assert_int_equal(drive->in_len, 3);
	assert_memory_equal(drive->in, "one", 3);
	read_variable(4, 0);
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, -6);
	assert_int_equal(drive->in_len, 4);
	assert_memory_equal(drive->in, "numb", 4);
	/* SILI */
	simple(0x01, 0);
	assert_good(drive, read_variable(8, 2));
	assert_int_equal(drive->in_len, 3);
	assert_int_equal(drive->task.transfer_length, 3);
	assert_good(drive, read_variable(4, 2));
	assert_int_equal(position(0), 2);
	/* nothing is asked for: nothing moves */
	assert_good(drive, read_variable(0, 0));
	assert_int_equal(position(0), 2);
}

static void fixed_blocks(void **state)
{
	const char *data = "aaaabbbbccccdddd";

	(void)state;
	COMMAND(drive, data, 16, 0, 0x0a, 0x01, 0, B2(4), 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB); /* no block length */
	assert_good(drive, set_block_length(4));
	assert_good(drive, COMMAND(drive, NULL, 0, 12, 0x1a, 0, 0, 0, 12, 0));
	assert_int_equal(get_be24(drive->in + 9), 4);
	assert_good(drive, COMMAND(drive, data, 16, 0, 0x0a, 0x01, 0, B2(4), 0));
	assert_int_equal(position(0), 4);
	assert_good(drive, write_variable("other"));
	assert_good(drive, COMMAND(drive, data, 4, 0, 0x0a, 0x01, 0, B2(1), 0));
	assert_good(drive, count_command(0x10, 1, 1));
	simple(0x01, 0);
	assert_good(drive, COMMAND(drive, NULL, 0, 8, 0x08, 0x01, 0, B2(2), 0));
	assert_memory_equal(drive->in, "aaaabbbb", 8);
	/* ends before the block that differs, which is passed over */
	COMMAND(drive, NULL, 0, 20, 0x08, 0x01, 0, B2(5), 0);
	assert_stream_sense(ILI | KEY_NO_SENSE, ASC_NO_ADDITIONAL_SENSE, 3);
	assert_int_equal(drive->in_len, 8);
	assert_memory_equal(drive->in, "ccccdddd", 8);
	assert_int_equal(position(0), 5);
	COMMAND(drive, NULL, 0, 20, 0x08, 0x01, 0, B2(5), 0);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 4);
	assert_int_equal(drive->in_len, 4);
	COMMAND(drive, NULL, 0, 20, 0x08, 0x03, 0, B2(5), 0); /* SILI goes with variable only */
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* more than a buffer holds */
	assert_good(drive, set_block_length(0x10000));
	COMMAND(drive, NULL, 0, 20, 0x08, 0x01, 0, B2(257), 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
}

static void spacing_tells_what_is_left(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, count_command(0x11, 0, 1));
	assert_int_equal(position(0), 1);
	count_command(0x11, 0, 4);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 3);
	assert_int_equal(position(0), 3);
	count_command(0x11, 0, -7);
	assert_stream_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED, 7);
	assert_int_equal(position(0), 2);
	count_command(0x11, 0, -3);
	assert_stream_sense(EOM | KEY_NO_SENSE, ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED, 1);
	count_command(0x11, 1, 3);
	assert_stream_sense(KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED, 1);
	assert_good(drive, count_command(0x11, 1, -2));
	assert_int_equal(position(0), 2);
	assert_good(drive, count_command(0x11, 3, 0));
	assert_int_equal(position(0), 5);
	count_command(0x11, 2, 1); /* sequential filemarks */
	assert_stream_sense(KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED, 1);
}

/* SSC-5 READ REVERSE with BYTORD: the blocks in the order in which they are met. */
static void backwards_in_fixed_blocks(void **state)
{
	(void)state;
	assert_good(drive, set_block_length(4));
	assert_good(drive, COMMAND(drive, "aaaabbbbccccdddd", 16, 0, 0x0a, 0x01, 0, B2(4), 0));
	assert_good(drive, COMMAND(drive, NULL, 0, 12, 0x0f, 0x05, 0, B2(3), 0));
	assert_memory_equal(drive->in, "ddddccccbbbb", 12);
	assert_int_equal(position(0), 1);
	COMMAND(drive, NULL, 0, 12, 0x0f, 0x05, 0, B2(3), 0);
	assert_stream_sense(EOM | KEY_NO_SENSE, ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED, 2);
	assert_int_equal(drive->in_len, 4);
	assert_memory_equal(drive->in, "aaaa", 4);
}

static void locating(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(3), 0, 0, 0));
	assert_good(drive, read_variable(5, 0));
	assert_memory_equal(drive->in, "three", 5);
	COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(9), 0, 0, 0);
	assert_sense(drive, KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED);
	assert_int_equal(position(0), 5);
	COMMAND(drive, NULL, 0, 0, 0x2b, 0x02, 0, B4(0), 0, 1, 0); /* another partition */
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
}

static void erasing_ends_the_data(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, read_variable(3, 0));
	assert_good(drive, simple(0x19, 0x01));
	read_variable(10, 0);
	assert_sense(drive, KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED);
	assert_int_equal(position(0), 1);
}

static void an_unloaded_tape_is_absent(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1e, 0, 0, 0, 0, 0));
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 0, 0));
	simple(0x00, 0);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	read_variable(3, 0);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 5, 0); /* EOT */
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 1, 0));
	assert_good(drive, simple(0x00, 0));
	assert_good(drive, read_variable(3, 0));
	assert_memory_equal(drive->in, "one", 3);
}

static void a_record_that_did_not_come_whole_is_not_written(void **state)
{
	(void)state;
	COMMAND(drive, "abc", 3, 0, 0x0a, 0, 0, B2(8), 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(position(0x80), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_drive, end_drive)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_is_a_tape_drive),
	    TEST(what_is_written_is_read),
	    TEST(another_length_is_told),
	    TEST(fixed_blocks),
	    TEST(spacing_tells_what_is_left),
	    TEST(backwards_in_fixed_blocks),
	    TEST(locating),
	    TEST(erasing_ends_the_data),
	    TEST(an_unloaded_tape_is_absent),
	    TEST(a_record_that_did_not_come_whole_is_not_written),
	};

	return cmocka_run_group_tests(tests, start, end);
}
