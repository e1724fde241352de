/* SPDX-License-Identifier: MIT */
/* REWIND, SPACE and LOCATE (SSC-5). */
#include "drive_fixture.h"

#define CP 0x02
#define DEST(n) ((n) << 3)

static uint8_t space16(uint8_t code, int64_t count)
{
	return COMMAND(drive, NULL, 0, 0, 0x91, code, 0, 0, B8(count), 0, 0, 0, 0);
}

static uint8_t locate16(uint8_t bits, uint8_t partition, uint64_t where)
{
	return COMMAND(drive, NULL, 0, 0, 0x92, bits, 0, partition, B8(where), 0, 0, 0, 0);
}

static void spacing_with_64_bits(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, space16(0, 2));
	assert_int_equal(tape.at, 2);
	space16(0, 0x100000001);
	/* doesn't fit into fixed format sense data, so isn't valid */
	assert_plain_sense(FILEMARK | KEY_NO_SENSE, ASC_FILEMARK_DETECTED);
	assert_good(drive, space16(1, -1));
	assert_int_equal(tape.at, 2);
	space16(0, INT64_MIN);
	assert_int_equal(tape.last.count, -INT64_MAX);
	assert_int_equal(drive->asc, ASC_BEGINNING_OF_PARTITION_MEDIUM_DETECTED);
	assert_good(drive, space16(3, 77));
	assert_int_equal(tape.at, 5);
	assert_good(drive, space16(0, 0));
	space16(2, 1); /* this store has no sequential filemarks */
	assert_invalid_field(1);
	space16(4, 1);
	assert_invalid_field(1);
	COMMAND(drive, NULL, 0, 0, 0x91, 0, 0, 0, B8(1), 0, 16, 0, 0); /* parameters */
	assert_invalid_field(13);
}

static void locating(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, locate16(0, 0, 3));
	assert_int_equal(tape.at, 3);
	assert_good(drive, locate16(DEST(1), 0, 2));
	assert_int_equal(tape.at, 5);
	assert_good(drive, locate16(DEST(1), 0, 0));
	assert_int_equal(tape.at, 0);
	assert_good(drive, locate16(DEST(3), 0, 4711));
	assert_int_equal(tape.at, 5);
	locate16(0, 0, 0x100000000);
	assert_plain_sense(KEY_BLANK_CHECK, ASC_END_OF_DATA_DETECTED);
	assert_int_equal(tape.last.offset, 0x100000000);
	locate16(DEST(2), 0, 0);
	assert_invalid_field(1);
	locate16(CP, 1, 0);
	assert_invalid_field(3);
	COMMAND(drive, NULL, 0, 0, 0x2b, CP, 0, B4(0), 0, 1, 0);
	assert_invalid_field(8);
	assert_good(drive, locate16(0, 7, 1)); /* without CP it says nothing */
	assert_int_equal(tape.last.partition, 0);
}

static void other_partitions(void **state)
{
	(void)state;
	tape.nr_partitions = 2;
	record_two_files();
	assert_good(drive, locate16(CP, 1, 0));
	assert_good(drive, write_text("in the second"));
	assert_int_equal(tape.nr[1], 1);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(0), 0, 0, 0));
	assert_int_equal(tape.part, 1); /* stays there */
	assert_good(drive, COMMAND(drive, NULL, 0, 3, 0x88, 0, PLACE(0, 1, 3)));
	assert_memory_equal(drive->in, "two", 3);
	assert_int_equal(tape.part, 0);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, CP, 0, B4(1), 0, 1, 0));
	assert_int_equal(tape.part, 1);
}

static void a_store_that_can_not(void **state)
{
	(void)state;
	locate16(DEST(1), 0, 0);
	assert_invalid_field(1);
	locate16(DEST(3), 0, 0);
	assert_invalid_field(1);
	assert_good(drive, locate16(0, 0, 0));
}

static void rewinding(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, space16(3, 0));
	assert_good(drive, simple(0x01, 1)); /* IMMED */
	assert_int_equal(tape.at, 0);
	tape.fail_op = TGT_BS_TAPE_REWIND;
	tape.fail_status = TGT_BS_ERR_FLUSH;
	simple(0x01, 1);
	assert_plain_sense(KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(spacing_with_64_bits),       TEST(locating),  TEST(other_partitions),
	    TEST_PLAIN(a_store_that_can_not), TEST(rewinding),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
