/* SPDX-License-Identifier: MIT */
/* READ POSITION, READ BLOCK LIMITS, and programmable early warning (SSC-5). */
#include "drive_fixture.h"

#define BOP 0x80
#define EOP 0x40
#define BPEW 0x01

static uint8_t position(uint8_t form, unsigned allocation)
{
	return COMMAND(drive, NULL, 0, 64, 0x34, form, 0, 0, 0, 0, 0, B2(allocation), 0);
}

static void forms(void **state)
{
	(void)state;
	record_two_files();
	for (uint8_t form = 0; form < 2; form++) {
		assert_good(drive, position(form, 0));
		assert_int_equal(drive->in_len, 20);
		assert_int_equal(drive->in[0], BOP);
	}
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x2b, 0, 0, B4(4), 0, 0, 0));
	assert_good(drive, position(0, 0));
	assert_int_equal(get_be32(drive->in + 4), 4);
	assert_int_equal(get_be32(drive->in + 8), 4);
	assert_good(drive, position(6, 0));
	assert_int_equal(drive->in_len, 32);
	assert_int_equal(get_be64(drive->in + 8), 4);
	assert_int_equal(get_be64(drive->in + 16), 1);
	assert_good(drive, position(8, 64));
	assert_int_equal(drive->in_len, 32);
	assert_int_equal(get_be16(drive->in + 2), 28);
	assert_int_equal(get_be64(drive->in + 8), 4);
	assert_int_equal(get_be64(drive->in + 16), 4);
	assert_good(drive, position(8, 12));
	assert_int_equal(drive->in_len, 12);
	position(0, 20); /* only the extended form has an allocation length */
	assert_invalid_field(8);
	position(6, 32);
	assert_invalid_field(8);
	position(2, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
}

static void block_limits(void **state)
{
	(void)state;
	assert_good(drive, COMMAND(drive, NULL, 0, 64, 0x05, 0, 0, 0, 0, 0));
	assert_int_equal(drive->in_len, 6);
	assert_int_equal(get_be24(drive->in + 1), 0xffffff);
	assert_good(drive, COMMAND(drive, NULL, 0, 64, 0x05, 1, 0, 0, 0, 0)); /* MLOI */
	assert_int_equal(drive->in_len, 20);
	assert_true(get_be64(drive->in + 12) > UINT32_MAX);
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 0, 0));
	assert_good(drive, COMMAND(drive, NULL, 0, 64, 0x05, 0, 0, 0, 0, 0));
}

/* PEWS of the Device Configuration Extension page, in megabytes. */
static void set_pews(uint16_t megabytes)
{
	uint8_t page[36];
	uint32_t len = sizeof(page);

	assert_good(drive, COMMAND(drive, NULL, 0, len, 0x1a, 0x08, 0x10, 1, (uint8_t)len, 0));
	memcpy(page, drive->in, len);
	page[0] = page[2] = 0;
	page[4] &= 0x7f;
	put_be16(page + 4 + 6, megabytes);
	assert_good(drive, COMMAND(drive, page, len, 0, 0x15, 0x10, 0, 0, (uint8_t)len, 0));
}

/* The zone begins so many bytes before early warning; coming into it is told once. */
static void programmable_early_warning(void **state)
{
	uint64_t zone = 64ull << 20;

	(void)state;
	tape.size = zone * 16;
	simple(0x01, 0);
	assert_good(drive, write_text("far away"));
	set_pews(2);
	tape.size = zone * 16;
	assert_good(drive, position(0, 0));
	assert_int_equal(drive->in[0], 0);
	tape.remain = zone + 2000001; /* PEWS counts 10^6 bytes */
	assert_good(drive, write_text("just not"));
	tape.remain = zone + 1000000;
	write_text("in it");
	assert_stream_sense(KEY_NO_SENSE, ASC_PROGRAMMABLE_EARLY_WARNING_DETECTED, 0);
	assert_int_equal(tape.nr[0], 3);
	assert_good(drive, position(0, 0));
	assert_int_equal(drive->in[0], BPEW);
	assert_good(drive, position(6, 0));
	assert_int_equal(drive->in[0], BPEW);
	assert_good(drive, marks(1));
	tape.early_at = 4;
	write_text("early warning");
	assert_stream_sense(EOM | KEY_NO_SENSE, ASC_END_OF_PARTITION_MEDIUM_DETECTED, 0);
	assert_good(drive, position(8, 64));
	assert_int_equal(drive->in[0], EOP | BPEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(forms),
	    TEST(block_limits),
	    TEST(programmable_early_warning),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
