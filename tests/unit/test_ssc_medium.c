/* SPDX-License-Identifier: MIT */
/* LOAD UNLOAD, FORMAT MEDIUM and SET CAPACITY (SSC-5). */
#include "drive_fixture.h"

#define HOLD 8

static uint8_t load(uint8_t bits)
{
	return COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, bits, 0);
}

static uint8_t format(uint8_t how)
{
	return COMMAND(drive, NULL, 0, 0, 0x04, 0, how, 0, 0, 0);
}

/* Medium Partition page (SSC-5): additional partitions, FDP, SDP or IDP, megabytes. */
static uint8_t want_partitions(uint8_t additional, uint8_t how, uint16_t a, uint16_t b)
{
	uint8_t page[4 + 12] = {[4] = 0x11, 10, 1, additional, how | 0x14, 0x03};

	put_be16(page + 12, a);
	put_be16(page + 14, b);
	return COMMAND(drive, page, sizeof(page), 0, 0x15, 0x10, 0, 0, sizeof(page), 0);
}

static void unloading(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, load(0));
	simple(0x00, 0);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	assert_good(drive, load(0)); /* it is out: there is nothing to do */
	assert_good(drive, load(1));
	assert_good(drive, simple(0x00, 0));
	load(5);
	assert_invalid_field(4);
	assert_good(drive, load(4)); /* EOT: where it stands when it is out doesn't matter */
	assert_good(drive, load(3));
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	load(0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	assert_good(drive, load(HOLD)); /* doesn't take it out */
}

static void holding(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, load(HOLD));
	simple(0x00, 0);
	assert_sense(drive, KEY_NOT_READY, ASC_LU_NOT_READY_INITIALIZING_COMMAND_REQUIRED);
	assert_false(tape.out);
	assert_good(drive, load(1));
	assert_good(drive, simple(0x00, 0));
	assert_good(drive, load(0));
	load(HOLD | 1);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
}

static void formatting(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, write_text("x"));
	format(0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_POSITION_PAST_BEGINNING_OF_MEDIUM);
	assert_int_equal(tape.nr[0], 1);
	simple(0x01, 0);
	format(3);
	assert_invalid_field(2);
	COMMAND(drive, NULL, 0, 0, 0x04, 0, 0, 0, 1, 0);
	assert_invalid_field(3);
	assert_good(drive, format(0));
	assert_int_equal(tape.nr[0], 0);
	assert_int_equal(tape.last.count, 1);
	assert_good(drive, format(1)); /* nobody has asked for others */
	assert_int_equal(tape.last.count, 1);
}

static void partitioning(void **state)
{
	uint64_t size = 100ull << 20;

	(void)state;
	tape.size = size;
	assert_good(drive, want_partitions(1, 0x20, 30, 0xffff));
	assert_good(drive, format(2));
	assert_int_equal(tape.last.count, 2);
	assert_int_equal(tape.sizes[0], 30000000);
	assert_int_equal(tape.sizes[0] + tape.sizes[1], size);
	tape.size = size / 2;
	assert_good(drive, format(1)); /* as it is */
	assert_int_equal(tape.last.count, 2);
	assert_int_equal(tape.sizes[0], size / 2);
	assert_good(drive, format(0));
	assert_int_equal(tape.nr_partitions, 1);
}

static void capacity(void **state)
{
	(void)state;
	record_two_files();
	tape.size = 65535000;
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x0b, 0, 0, B2(1000), 0));
	assert_int_equal(tape.last.offset, 1000000);
	assert_int_equal(tape.nr[0], 0);
	tape.size = INT64_MAX;
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x0b, 0, 0, B2(65535), 0));
	assert_int_equal(tape.last.offset, INT64_MAX);
	tape.fail_op = TGT_BS_TAPE_SET_CAPACITY;
	tape.fail_status = TGT_BS_ERR_INVALID;
	COMMAND(drive, NULL, 0, 0, 0x0b, 0, 0, B2(0), 0);
	assert_invalid_field(3);
	assert_good(drive, write_text("x"));
	COMMAND(drive, NULL, 0, 0, 0x0b, 0, 0, B2(1000), 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_POSITION_PAST_BEGINNING_OF_MEDIUM);
}

static void a_store_that_can_not(void **state)
{
	(void)state;
	COMMAND(drive, NULL, 0, 0, 0x0b, 0, 0, B2(1000), 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
}

/* Every command but these few needs the medium. */
static void without_a_medium(void **state)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(&tape_commands, &count);

	(void)state;
	for (unsigned i = 0; i < count; i++)
		if (strncmp(rows[i]->clause, "SSC-5", 5) == 0 && !(rows[i]->flags & ROW_MEDIUM))
			assert_true(rows[i]->opcode == 0x05 || rows[i]->opcode == 0x1b ||
				    rows[i]->opcode == 0x1e || rows[i]->opcode == 0x44);
	assert_good(drive, load(0));
	for (unsigned i = 0; i < count; i++) {
		uint8_t cdb[16] = {
		    rows[i]->opcode,
		    (uint8_t)(rows[i]->service_action > 0 ? rows[i]->service_action : 0)};

		if (!(rows[i]->flags & ROW_MEDIUM) ||
		    (rows[i]->available && !rows[i]->available(drive->lu)))
			continue;
		command(drive, cdb, sizeof(cdb), NULL, 0, 0);
		assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(unloading),        TEST(holding),  TEST(formatting),
	    TEST(partitioning),     TEST(capacity), TEST_PLAIN(a_store_that_can_not),
	    TEST(without_a_medium),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
