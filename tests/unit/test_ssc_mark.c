/* SPDX-License-Identifier: MIT */
/* WRITE FILEMARKS, ERASE, and append-only mode (SSC-5). */
#include "drive_fixture.h"

static uint8_t allow(uint8_t what, unsigned object)
{
	return COMMAND(drive, NULL, 0, 0, 0x82, 0, what, 0, B8(object), 0, 0, 0, 0);
}

/* WRITE MODE of the Device Configuration Extension page (SSC-5). */
static void set_append_only(bool on)
{
	uint8_t page[36];
	uint32_t len = sizeof(page);

	assert_good(drive, COMMAND(drive, NULL, 0, len, 0x1a, 0x08, 0x10, 1, (uint8_t)len, 0));
	memcpy(page, drive->in, len);
	page[0] = page[2] = 0;
	page[4] &= 0x7f;
	page[4 + 5] = (uint8_t)((page[4 + 5] & 0x0f) | (on ? 0x10 : 0));
	assert_good(drive, COMMAND(drive, page, len, 0, 0x15, 0x10, 0, 0, (uint8_t)len, 0));
}

static void filemarks(void **state)
{
	(void)state;
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x10, 0, 0, 0, 2, 0));
	assert_int_equal(tape.last.flags & TGT_BS_REQ_IMMED, 0);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x10, 1, 0, 0, 1, 0));
	assert_int_equal(tape.last.flags & TGT_BS_REQ_IMMED, TGT_BS_REQ_IMMED);
	assert_int_equal(tape.nr[0], 3);
	/* none: only what was written before is put on the medium */
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x10, 0, 0, 0, 0, 0));
	assert_int_equal(tape.last.op, TGT_BS_TAPE_WRITE_FILEMARKS);
	assert_int_equal(tape.last.count, 0);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x80, 0x0c, PLACE(0, 1, 1)));
	assert_int_equal(tape.nr[0], 2);
	COMMAND(drive, NULL, 0, 0, 0x80, 0, PLACE(0, 7, 1));
	assert_plain_sense(KEY_BLANK_CHECK, ASC_LOCATE_OPERATION_FAILURE);
}

static void select_buffered_mode(uint8_t mode)
{
	uint8_t header[4] = {0, 0, (uint8_t)(mode << 4), 0};

	assert_good(drive, COMMAND(drive, header, sizeof(header), 0, 0x15, 0x10, 0, 0, 4, 0));
}

/* SSC-5 BUFFERED MODE 0h: GOOD once the data are on the medium. */
static void unbuffered_writes_are_durable(void **state)
{
	char data[] = "data";

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		select_buffered_mode(i ? 1 : 0);
		assert_good(drive, COMMAND(drive, data, 4, 0, 0x0a, 0, 0, 0, 4, 0));
		assert_int_equal(tape.last.flags & TGT_BS_REQ_FUA, i ? 0 : TGT_BS_REQ_FUA);
	}
}

/* Where the store can't write through, everything stays buffered, and MODE SENSE says so. */
static void always_buffered(void **state)
{
	char data[] = "data";

	(void)state;
	select_buffered_mode(0);
	assert_good(drive, COMMAND(drive, NULL, 0, 4, 0x1a, 0x08, 0x0a, 0, 4, 0));
	assert_int_equal(((uint8_t *)drive->in)[2], 0x10);
	assert_good(drive, COMMAND(drive, data, 4, 0, 0x0a, 0, 0, 0, 4, 0));
	assert_int_equal(tape.last.flags & TGT_BS_REQ_FUA, 0);
}

static void filemarks_that_fail(void **state)
{
	(void)state;
	tape.fail_op = TGT_BS_TAPE_WRITE_FILEMARKS;
	tape.fail_status = TGT_BS_ERR_WRITE;
	tape.fail_after = 1;
	marks(3);
	assert_stream_sense(KEY_MEDIUM_ERROR, ASC_WRITE_ERROR, 2);
	tape.fail_op = TGT_BS_TAPE_WRITE_FILEMARKS;
	tape.fail_status = TGT_BS_ERR_FLUSH;
	tape.fail_after = 0;
	marks(0);
	assert_sense(drive, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	simple(0x00, 0); /* from now on nothing is known about the medium */
	assert_sense(drive, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
}

static void erasing(void **state)
{
	(void)state;
	record_two_files();
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x93, 0x0d, PLACE(0, 3, 0)));
	assert_int_equal(tape.last.flags & TGT_BS_REQ_LONG, TGT_BS_REQ_LONG);
	assert_int_equal(tape.nr[0], 3);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(1), 0, 0, 0));
	assert_good(drive, simple(0x19, 0));
	assert_int_equal(tape.last.flags & TGT_BS_REQ_LONG, 0);
	assert_int_equal(tape.nr[0], 1);
}

static void only_appending(void **state)
{
	(void)state;
	record_two_files();
	allow(1, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, 0x200c); /* not in that mode */
	set_append_only(true);
	write_text("x");
	assert_sense(drive, KEY_DATA_PROTECT, 0x300c);
	marks(1);
	assert_sense(drive, KEY_DATA_PROTECT, 0x300c);
	assert_good(drive, marks(0)); /* writes nothing */
	allow(1, 3);                  /* it doesn't stand there */
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_SEQUENTIAL_POSITIONING_ERROR);
	allow(3, 0);
	assert_invalid_field(2);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(4), 0, 0, 0));
	assert_good(drive, allow(1, 4));
	assert_good(drive, COMMAND(drive, NULL, 0, 20, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_good(drive, write_text("over"));
	assert_int_equal(tape.nr[0], 5);
	assert_good(drive, write_text("at the end"));
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(2), 0, 0, 0));
	assert_good(drive, allow(1, 2));
	simple(0x01, 0); /* moving takes it back */
	write_text("x");
	assert_sense(drive, KEY_DATA_PROTECT, 0x300c);
	COMMAND(drive, NULL, 0, 0, 0x04, 0, 0, 0, 0, 0);
	assert_sense(drive, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	assert_good(drive, allow(2, 0));
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x04, 0, 0, 0, 0, 0));
	assert_int_equal(tape.nr[0], 0);
}

static void a_store_that_can_not(void **state)
{
	(void)state;
	allow(0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(filemarks),
	    TEST(filemarks_that_fail),
	    TEST(unbuffered_writes_are_durable),
	    TEST(erasing),
	    TEST(only_appending),
	    TEST_PLAIN(a_store_that_can_not),
	    TEST_PLAIN(always_buffered),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
