/* SPDX-License-Identifier: MIT */
/* MODE SENSE: SPC-5 6.14, 6.15 and 7.5, SBC-4 6.5. */
#include "mode_fixture.h"

static void test_caching_page(void **state)
{
	static const uint8_t want[] = {0x1f, 0x00, 0x10, 0x08, /* DPOFUA */
				       0x00, 0x00, 0x08, 0x00,
				       0x00, 0x00, 0x02, 0x00, /* 2048 x 512 */
				       0x08, 0x12, 0x04};      /* WCE */

	(void)state;
	assert_good(sense6(0, 0x08, 0));
	assert_int_equal(said.len, 32);
	assert_memory_equal(said.data, want, sizeof(want));
	for (unsigned i = sizeof(want); i < 32; i++)
		assert_int_equal(said.data[i], 0);
	assert_int_equal(said.allocation, 0xff);
}

static void test_header_10(void **state)
{
	static const uint8_t want[] = {0x00, 0x22, 0x00, 0x10, 0x00, 0x00, 0x00, 0x08, 0x00,
				       0x00, 0x08, 0x00, 0x00, 0x00, 0x02, 0x00, 0x08, 0x12};

	(void)state;
	assert_good(sense10(0, 0x08, 0));
	assert_int_equal(said.len, 36);
	assert_memory_equal(said.data, want, sizeof(want));
}

/* LLBAA: the long descriptor, and LONGLBA says so. */
static void test_long_descriptor(void **state)
{
	static const uint8_t want[] = {0x00, 0x2a, 0x00, 0x10, 0x01, 0x00, 0x00, 0x10, 0x00,
				       0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00,
				       0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x08};

	(void)state;
	fake_lu.blocks = UINT64_C(0x10000000005);
	assert_good(sense10(0x10, 0x08, 0));
	assert_memory_equal(said.data, want, sizeof(want));
	/* the short one can't tell that many */
	assert_good(sense10(0, 0x08, 0));
	assert_int_equal(get_be32(said.data + 8), 0xffffffff);
}

static void test_no_descriptor(void **state)
{
	(void)state;
	assert_good(sense6(0x08, 0x08, 0)); /* DBD */
	assert_int_equal(said.data[3], 0);
	assert_int_equal(said.data[0], 23);
	assert_int_equal(said.data[4], 0x08);
	assert_good(sense10(0x18, 0x08, 0)); /* DBD and LLBAA */
	assert_int_equal(said.data[4], 0);
	assert_int_equal(get_be16(said.data + 6), 0);
}

static void test_write_protect_bit(void **state)
{
	(void)state;
	fake_lu.readonly = true;
	sense6(0, 0x08, 0);
	assert_int_equal(said.data[2], 0x90);
	fake_lu.readonly = false;
	sense6(0, 0x08, 0);
	assert_int_equal(said.data[2], 0x10);
}

/* Codes and lengths of pages, in order; returns how many. */
static unsigned walk(size_t at, uint8_t codes[][2])
{
	unsigned count = 0;

	while (at < said.len) {
		bool sub = said.data[at] & 0x40;

		assert_int_equal(said.data[at] & 0x80, 0); /* PS: nothing can be saved */
		codes[count][0] = said.data[at] & 0x3f;
		codes[count++][1] = sub ? said.data[at + 1] : 0;
		at += sub ? get_be16(said.data + at + 2) + 4u : said.data[at + 1] + 2u;
	}
	assert_int_equal(at, said.len);
	return count;
}

static void test_all_pages(void **state)
{
	static const uint8_t pages[][2] = {{0x01, 0}, {0x07, 0}, {0x08, 0},
					   {0x0a, 0}, {0x1a, 0}, {0x1c, 0}};
	static const uint8_t all[][2] = {{0x01, 0}, {0x07, 0}, {0x08, 0}, {0x0a, 0},
					 {0x0a, 1}, {0x1a, 0}, {0x1c, 0}};
	uint8_t codes[16][2];

	(void)state;
	for (uint8_t pc = 0; pc < 3; pc++) {
		assert_good(sense10(0x08, (uint8_t)(pc << 6 | 0x3f), 0));
		assert_int_equal(walk(8, codes), 6);
		assert_memory_equal(codes, pages, sizeof(pages));
		assert_good(sense10(0x08, (uint8_t)(pc << 6 | 0x3f), 0xff));
		assert_int_equal(walk(8, codes), 7);
		assert_memory_equal(codes, all, sizeof(all));
	}
	assert_good(sense6(0x08, 0x3f, 0xff));
	assert_int_equal(said.data[0], said.len - 1);
	assert_good(sense10(0x08, 0x0a, 0xff));
	assert_int_equal(walk(8, codes), 2);
	assert_good(sense10(0x08, 0x0a, 0x01));
	assert_int_equal(walk(8, codes), 1);
	assert_int_equal(said.len, 8 + 32);
}

static void test_page_control(void **state)
{
	(void)state;
	assert_good(sense6(0x08, 0x40 | 0x08, 0)); /* changeable: WCE alone */
	assert_int_equal(said.data[6], 0x04);
	for (unsigned i = 7; i < said.len; i++)
		assert_int_equal(said.data[i], 0);
	assert_good(sense6(0x08, 0x40 | 0x0a, 0)); /* D_SENSE, SWP, TAS */
	assert_int_equal(said.data[6], 0x04);
	assert_int_equal(said.data[8], 0x08);
	assert_int_equal(said.data[9], 0x40);
	assert_sense(sense6(0x08, 0xc0 | 0x08, 0), KEY_ILLEGAL_REQUEST, 0x3900);
	assert_sense(sense10(0x08, 0xc0 | 0x3f, 0), KEY_ILLEGAL_REQUEST, 0x3900);
}

/* TST 001b, QERR 00b: what the task sets do. */
static void test_control_page(void **state)
{
	(void)state;
	assert_good(sense6(0x08, 0x0a, 0));
	assert_int_equal(said.data[6] >> 5, 1);
	assert_int_equal(said.data[7] & 0x06, 0);
	assert_int_equal(said.data[7] >> 4, 1);
}

static void test_sense_errors(void **state)
{
	(void)state;
	assert_invalid_cdb(sense6(0, 0x02, 0), 2, -1);    /* no such page */
	assert_invalid_cdb(sense6(0, 0x08, 0x01), 3, -1); /* no such subpage */
	assert_invalid_cdb(sense6(0, 0x3f, 0x01), 3, 7);  /* reserved */
	assert_invalid_cdb(sense6(0x10, 0x08, 0), 1, 4);  /* LLBAA is MODE SENSE(10)'s */
}

static void test_controller(void **state)
{
	uint8_t codes[16][2];

	(void)state;
	mode_state_free(&fake_lu);
	fake_lu.store = NULL;
	fake_lu.commands = &controller;
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_good(sense6(0, 0x3f, 0));
	assert_int_equal(said.data[2], 0);
	assert_int_equal(said.data[3], 0);
	assert_int_equal(walk(4, codes), 1);
	assert_int_equal(codes[0][0], 0x0a);
}

static void test_durable_store_has_no_write_cache(void **state)
{
	(void)state;
	assert_true(mode_wce(&fake_lu));
	mode_state_free(&fake_lu);
	fake_lu.volatile_cache = false;
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_false(mode_wce(&fake_lu));
}

/* Only a store with a volatile cache can do without it: else WCE has no effect to change. */
static void test_wce_without_cache(void **state)
{
	(void)state;
	mode_state_free(&fake_lu);
	fake_lu.volatile_cache = false;
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_good(sense6(0x08, 0x40 | 0x08, 0));
	assert_int_equal(said.data[6], 0);
	/* the store was opened anew, and now has one; then no longer */
	fake_lu.volatile_cache = true;
	assert_true(mode_refresh_cache(&fake_lu));
	assert_true(mode_wce(&fake_lu));
	assert_good(sense6(0x08, 0x40 | 0x08, 0));
	assert_int_equal(said.data[6], 0x04);
	fake_lu.volatile_cache = false;
	assert_true(mode_refresh_cache(&fake_lu));
	assert_false(mode_wce(&fake_lu));
	assert_false(mode_refresh_cache(&fake_lu));
}

/* PS on what can be saved, in whatever kind of values; saved ones are the defaults until some are.
 */
static void test_savable(void **state)
{
	(void)state;
	for (uint8_t pc = 0; pc < 4; pc++) {
		assert_good(sense6(0x08, (uint8_t)(pc << 6 | 0x08), 0));
		assert_int_equal(said.data[4], 0x88);
		assert_int_equal(said.data[5], 0x12);
		assert_good(sense6(0x08, (uint8_t)(pc << 6 | 0x01), 0)); /* nothing to save */
		assert_int_equal(said.data[4], 0x01);
	}
	assert_good(sense6(0x08, 0xc0 | 0x08, 0));
	assert_int_equal(said.data[6], 0x04);
	assert_good(sense10(0x08, 0xc0 | 0x3f, 0xff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_caching_page),
	    TEST(test_header_10),
	    TEST(test_long_descriptor),
	    TEST(test_no_descriptor),
	    TEST(test_write_protect_bit),
	    TEST(test_all_pages),
	    TEST(test_page_control),
	    TEST(test_control_page),
	    TEST(test_sense_errors),
	    TEST(test_controller),
	    TEST(test_durable_store_has_no_write_cache),
	    TEST(test_wce_without_cache),
	    TEST_SAVING(test_savable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
