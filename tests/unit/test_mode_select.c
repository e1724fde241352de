/* SPDX-License-Identifier: MIT */
/* MODE SELECT: SPC-5 6.12, 6.13, SBC-4 6.5. */
#include <unistd.h>

#include "mode_fixture.h"

static void test_select_changes(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4 + 2] &= (uint8_t)~0x04;
	assert_good(select6(list, len));
	assert_false(mode_wce(&fake_lu));
	assert_int_equal(told, 1);
	assert_int_equal(told_asc, 0x2a01);
	assert_int_equal(told_except, fake_nexus[0].id);
	assert_good(sense6(0x08, 0x80 | 0x08, 0)); /* the default stays */
	assert_int_equal(said.data[6], 0x04);
	/* the same again changes nothing, so nobody is told */
	assert_good(select6(list, len));
	assert_int_equal(told, 1);
}

static void test_select_control_bits(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 8, 0x0a);

	(void)state;
	list[8 + 2] |= 0x04;
	list[8 + 4] |= 0x08;
	list[8 + 5] |= 0x40;
	assert_false(mode_d_sense(&fake_lu));
	assert_good(select10(list, len));
	assert_true(mode_d_sense(&fake_lu));
	assert_true(mode_swp(&fake_lu));
	assert_true(mode_tas(&fake_lu));
	assert_good(sense6(0, 0x08, 0));
	assert_int_equal(said.data[2], 0x90); /* WP for software write protect too */
}

static void test_select_with_descriptor(void **state)
{
	uint8_t list[64] = {0, 0, 0, 8, 0, 0, 0x08, 0, 0, 0, 0x02, 0};

	(void)state;
	assert_good(select6(list, 12));
	put_be32(list + 4, 0); /* 0: as it is */
	assert_good(select6(list, 12));
	put_be32(list + 4, 2047); /* it can't be resized so */
	assert_invalid_parameter(select6(list, 12), 4, -1);
	put_be32(list + 4, 2048);
	put_be24(list + 9, 4096); /* nor reformatted */
	assert_invalid_parameter(select6(list, 12), 9, -1);
	assert_int_equal(told, 0);
}

static void test_select_with_long_descriptor(void **state)
{
	uint8_t list[64] = {0, 0, 0, 0, 0x01, 0, 0, 16};

	(void)state;
	put_be64(list + 8, 2048);
	put_be32(list + 20, 512);
	assert_good(select10(list, 24));
	put_be32(list + 20, 520);
	assert_invalid_parameter(select10(list, 24), 20, -1);
	list[4] = 0; /* 16 bytes of short ones would be two */
	assert_invalid_parameter(select10(list, 24), 6, -1);
}

static void test_select_unchangeable(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x0a);

	(void)state;
	list[4 + 2] |= 0x40; /* TST */
	assert_invalid_parameter(select6(list, len), 6, 6);
	list[4 + 2] &= (uint8_t)~0x40;
	list[4 + 8] = 0; /* busy timeout period */
	assert_invalid_parameter(select6(list, len), 12, 7);
	assert_int_equal(told, 0);
}

/* Nothing changes when any of it is wrong. */
static void test_select_all_or_nothing(void **state)
{
	uint8_t list[64];
	size_t first = page_list(list, 4, 0x08);
	size_t len = first;

	(void)state;
	list[4 + 2] &= (uint8_t)~0x04;
	assert_good(sense6(0x08, 0x1c, 0));
	memcpy(list + len, said.data + 4, said.len - 4);
	len += said.len - 4;
	list[first + 3] ^= 0x01;
	assert_invalid_parameter(select6(list, len), (unsigned)first + 3, 0);
	assert_true(mode_wce(&fake_lu));
	list[first + 3] ^= 0x01;
	assert_good(select6(list, len));
	assert_false(mode_wce(&fake_lu));
}

static void test_select_lengths(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);
	const uint8_t none[6] = {0x15, 0x00, 0, 0, 0}; /* nothing to do, whatever PF is */

	(void)state;
	assert_good(fake_run(mode_rows, 0, none, NULL, 0));
	for (size_t cut = 1; cut < len; cut++) {
		if (cut == 4) /* a header alone is a whole list */
			assert_good(select6(list, cut));
		else
			assert_length_error(select6(list, cut));
	}
	list[3] = 8; /* a descriptor that isn't all there */
	assert_length_error(select6(list, 8));
	list[3] = 7;
	assert_invalid_parameter(select6(list, len), 3, -1);
}

static void test_select_page_errors(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4] = 0x02;
	assert_invalid_parameter(select6(list, len), 4, 5);
	list[4] = 0x48; /* as a subpage, which there isn't */
	assert_invalid_parameter(select6(list, len), 4, 5);
	list[4] = 0x08;
	list[5] = 0x11;
	assert_invalid_parameter(select6(list, len), 5, -1);
	list[5] = 0x13;
	assert_invalid_parameter(select6(list, len), 5, -1);
}

static void test_select_cdb(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);
	const uint8_t no_pf[6] = {0x15, 0x00, 0, 0, (uint8_t)len};
	const uint8_t save[6] = {0x15, 0x11, 0, 0, (uint8_t)len};

	(void)state;
	assert_invalid_cdb(fake_run(mode_rows, 0, no_pf, list, len), 1, 4);
	assert_invalid_cdb(fake_run(mode_rows, 0, save, list, len), 1, 0);
}

/* SPC-5 6.12: after a logical unit reset the current values are the saved ones, else the defaults.
 */
static void test_reset(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x0a);

	(void)state;
	list[4 + 4] |= 0x08; /* SWP */
	assert_good(select6(list, len));
	assert_true(mode_swp(&fake_lu));
	mode_reset(&fake_lu);
	assert_false(mode_swp(&fake_lu));
}

static struct scsi_task *select_bits(uint8_t byte1, const uint8_t *list, size_t len)
{
	const uint8_t cdb[6] = {0x15, byte1, 0, 0, (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

/* SBC-4 6.5.6: the cache is written to the medium before WCE=0 is answered. */
static void test_cache_off_flushes(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	assert_good(select6(list, len));
	assert_int_equal(flushes, 0);
	list[4 + 2] = 0;
	flush_fails = true;
	assert_sense(select6(list, len), KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	assert_true(mode_wce(&fake_lu));
	assert_int_equal(told, 0);
	flush_fails = false;
	assert_good(select6(list, len));
	assert_int_equal(flushes, 2);
	assert_false(mode_wce(&fake_lu));
	list[4 + 2] = 0x04;
	assert_good(select6(list, len));
	assert_int_equal(flushes, 2);
}

/* RTD: all pages' current values are the defaults again (SPC-5 6.12). */
static void test_revert_to_defaults(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x0a);

	(void)state;
	list[4 + 4] |= 0x08;
	assert_good(select6(list, len));
	assert_invalid_cdb(select_bits(0x12, list, len), 4, -1); /* there is no list then */
	told = 0;
	assert_good(select_bits(0x02, NULL, 0));
	assert_false(mode_swp(&fake_lu));
	assert_int_equal(told, 1);
	assert_good(select_bits(0x02, NULL, 0));
	assert_int_equal(told, 1);
	assert_invalid_cdb(select_bits(0x03, NULL, 0), 1, 0); /* nothing can be saved */
}

static void test_save(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4 + 2] = 0;
	assert_good(select6(list, len));
	assert_int_equal(jobs, 0);
	assert_good(sense6(0x08, 0xc0 | 0x08, 0));
	assert_int_equal(said.data[6], 0x04); /* not saved */
	mode_reset(&fake_lu);
	assert_true(mode_wce(&fake_lu));
	assert_good(select_bits(0x11, list, len));
	assert_int_equal(jobs, 1);
	assert_good(sense6(0x08, 0xc0 | 0x08, 0));
	assert_int_equal(said.data[6], 0);
	mode_reset(&fake_lu);
	assert_false(mode_wce(&fake_lu));
}

/* SP saves all savable pages, whether they were sent or not; even with an empty list. */
static void test_save_all(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x0a);

	(void)state;
	list[4 + 4] |= 0x08;
	assert_good(select6(list, len));
	assert_good(select_bits(0x11, NULL, 0));
	assert_int_equal(jobs, 1);
	mode_reset(&fake_lu);
	assert_true(mode_swp(&fake_lu));
	assert_good(select_bits(0x02, NULL, 0)); /* RTD leaves what is saved */
	assert_false(mode_swp(&fake_lu));
	mode_reset(&fake_lu);
	assert_true(mode_swp(&fake_lu));
	assert_good(select_bits(0x03, NULL, 0)); /* with SP it doesn't */
	mode_reset(&fake_lu);
	assert_false(mode_swp(&fake_lu));
}

/* What can't be saved isn't current either. */
static void test_save_fails(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4 + 2] = 0;
	assert_int_equal(rmdir(state_dir), 0);
	assert_sense(select_bits(0x11, list, len), KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	assert_true(mode_wce(&fake_lu));
	assert_int_equal(told, 0);
}

/* The Logical Block Provisioning page is there for thin units; a change of it arms anew. */
static void test_thresholds(void **state)
{
	uint8_t list[64];
	size_t len;

	(void)state;
	mode_state_free(&fake_lu);
	make_thin(&fake_lu);
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_good(sense6(0x08, 0x1c, 0x02));
	memset(list, 0, 4);
	memcpy(list + 4, said.data + 4, said.len - 4);
	len = said.len;
	list[4 + 4] = 0x01;
	restarts = 0;
	assert_good(select6(list, len));
	assert_int_equal(restarts, 1);
	mode_reset(&fake_lu);
	assert_int_equal(restarts, 2);
	fake_lu.thin = false;
	assert_invalid_cdb(sense6(0x08, 0x1c, 0x02), 3, -1);
	assert_invalid_parameter(select6(list, len), 4, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_select_changes),
	    TEST(test_select_control_bits),
	    TEST(test_select_with_descriptor),
	    TEST(test_select_with_long_descriptor),
	    TEST(test_select_unchangeable),
	    TEST(test_select_all_or_nothing),
	    TEST(test_select_lengths),
	    TEST(test_select_page_errors),
	    TEST(test_select_cdb),
	    TEST(test_reset),
	    TEST(test_cache_off_flushes),
	    TEST(test_revert_to_defaults),
	    TEST_SAVING(test_save),
	    TEST_SAVING(test_save_all),
	    TEST_SAVING(test_save_fails),
	    TEST(test_thresholds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
