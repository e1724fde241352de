/* SPDX-License-Identifier: MIT */
/* The operator's mode_page and sense_format. */
#include "mode_fixture.h"

static void test_override(void **state)
{
	(void)state;
	assert_int_equal(mode_set_page(&fake_lu,
				       "8:0:18:0x10:0:0xff:0xff:0:0:0xff:0xff:0xff:0xff:0x80:"
				       "0x14:0:0:0:0:0:0"),
			 0);
	assert_false(mode_wce(&fake_lu));
	assert_good(sense6(0x08, 0x80 | 0x08, 0));
	assert_int_equal(said.data[6], 0x10);
	assert_int_equal(said.data[16], 0x80);
	assert_int_equal(
	    mode_set_page(&fake_lu, "0x08:0:0x12:0x14:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"), 0);
	assert_true(mode_wce(&fake_lu));
}

/* A page that the core hasn't: shown as given, never changed by initiators. */
static void test_override_adds(void **state)
{
	uint8_t list[64];
	size_t len;

	(void)state;
	assert_int_equal(mode_set_page(&fake_lu, "2:0:14:0x80:0x80:0:0xa:0:0:0:0:0:0:0:0:0:0"), 0);
	len = page_list(list, 4, 0x02);
	assert_int_equal(list[4 + 2], 0x80);
	assert_good(select6(list, len));
	list[4 + 2] = 0;
	assert_invalid_parameter(select6(list, len), 6, 7);
	assert_int_equal(mode_set_page(&fake_lu, "0x0a:0xf0:4:1:2:3:4"), 0);
	assert_good(sense6(0x08, 0x0a, 0xf0));
	assert_int_equal(said.len, 4 + 8);
	assert_memory_equal(said.data + 4, "\x4a\xf0\x00\x04\x01\x02\x03\x04", 8);
}

/* The task sets do what they do, whatever the page is told to say. */
static void test_override_keeps_control(void **state)
{
	(void)state;
	assert_int_equal(mode_set_page(&fake_lu, "0x0a:0:10:6:0x16:8:0x40:0:0:0:0:0:0"), 0);
	assert_good(sense6(0x08, 0x0a, 0));
	assert_int_equal(said.data[6] >> 5, 1);
	assert_int_equal(said.data[7] & 0x06, 0);
	assert_true(mode_d_sense(&fake_lu));
	assert_true(mode_swp(&fake_lu));
	assert_true(mode_tas(&fake_lu));
}

static void test_override_errors(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "8",
	    "8:0",
	    "8:0:18",
	    "8:0:18:1",                                     /* too few */
	    "8:0:2:1:2",                                    /* not the standard's length */
	    "8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0", /* too many */
	    "8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:256", /* no byte */
	    "8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0x",
	    "8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:-1",
	    "8:0:18:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0 ",
	    "0x3f:0:1:0",
	    "0x40:0:1:0",
	    "2:0xff:1:0",
	    "2:0:0",
	    "2:0:63:0",
	    "2:0:200:0",
	    "99999999999999999999:0:1:0",
	    "x:0:1:0",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(mode_set_page(&fake_lu, wrong[i]), -EINVAL);
	assert_true(mode_wce(&fake_lu));
}

static void test_override_is_bounded(void **state)
{
	char text[32];
	unsigned added = 0;

	(void)state;
	for (unsigned subpage = 2; subpage < 0xf0; subpage++) {
		snprintf(text, sizeof(text), "0x0a:%u:1:0", subpage);
		if (!mode_set_page(&fake_lu, text))
			added++;
	}
	assert_in_range(added, 1, 32);
	assert_good(sense10(0, 0x3f, 0xff));
}

static void test_sense_format(void **state)
{
	(void)state;
	mode_set_d_sense(&fake_lu, true);
	assert_true(mode_d_sense(&fake_lu));
	mode_set_d_sense(&fake_lu, false);
	assert_false(mode_d_sense(&fake_lu));
	mode_state_free(&fake_lu);
	fake_lu.sense_descriptor = true;
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_true(mode_d_sense(&fake_lu));
}

/* What an initiator has saved stays when the operator sets other defaults; bits that it may not
 * change follow them. */
static void test_override_leaves_saved(void **state)
{
	static const uint8_t save[6] = {0x15, 0x11, 0, 0, 24};
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4 + 2] = 0;
	assert_good(fake_run(mode_rows, 0, save, list, len));
	assert_int_equal(
	    mode_set_page(&fake_lu, "8:0:18:0x14:0:0:0:0:0:0:0:0:0:0x80:0:0:0:0:0:0:0"), 0);
	assert_false(mode_wce(&fake_lu));
	for (uint8_t pc = 0; pc < 4; pc += 3) {
		assert_good(sense6(0x08, (uint8_t)(pc << 6 | 0x08), 0));
		assert_int_equal(said.data[6], 0x10);
		assert_int_equal(said.data[4 + 12], 0x80);
	}
	assert_good(sense6(0x08, 0x80 | 0x08, 0));
	assert_int_equal(said.data[6], 0x14);
	assert_false(mode_set_d_sense(&fake_lu, true)); /* the Control page was saved with it */
	assert_false(mode_d_sense(&fake_lu));
	mode_revert_to_defaults(fake_lu.mode, true);
	mode_refresh(fake_lu.mode);
	assert_true(mode_wce(&fake_lu));
	assert_true(mode_d_sense(&fake_lu));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_override),
	    TEST(test_override_adds),
	    TEST(test_override_keeps_control),
	    TEST(test_override_errors),
	    TEST(test_override_is_bounded),
	    TEST(test_sense_format),
	    TEST_SAVING(test_override_leaves_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
