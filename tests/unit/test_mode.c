/* SPDX-License-Identifier: MIT */
/* MODE SENSE and MODE SELECT: SPC-5 6.12 to 6.15 and 7.5, SBC-4 6.5. */
#include <errno.h>

#include "fake_task.h"

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};
static const struct command_set controller = {.device_type = 0x0c, .name = "controller"};

/* Who was told MODE PARAMETERS CHANGED. */
static unsigned told;
static uint16_t told_asc;
static uint64_t told_except;

void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except)
{
	assert_ptr_equal(lu, &fake_lu);
	told++;
	told_asc = asc;
	told_except = except;
}

static int setup(void **state)
{
	(void)state;
	told = 0;
	fake_reset();
	fake_lu.commands = &disk;
	fake_lu.volatile_cache = true;
	return mode_state_create(&fake_lu);
}

static int teardown(void **state)
{
	(void)state;
	mode_state_free(&fake_lu);
	return 0;
}

static struct scsi_task *sense6(uint8_t byte1, uint8_t page, uint8_t subpage)
{
	const uint8_t cdb[6] = {0x1a, byte1, page, subpage, 0xff};

	return fake_run(mode_rows, 0, cdb, NULL, 0);
}

static struct scsi_task *sense10(uint8_t byte1, uint8_t page, uint8_t subpage)
{
	const uint8_t cdb[10] = {0x5a, byte1, page, subpage, [7] = 0x10};

	return fake_run(mode_rows, 0, cdb, NULL, 0);
}

static struct scsi_task *select6(const uint8_t *list, size_t len)
{
	const uint8_t cdb[6] = {0x15, 0x10, 0, 0, (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

static struct scsi_task *select10(const uint8_t *list, size_t len)
{
	const uint8_t cdb[10] = {0x55, 0x10, [7] = (uint8_t)(len >> 8), (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

/* ---- MODE SENSE ---- */

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
	static const uint8_t pages[][2] = {{0x01, 0}, {0x08, 0}, {0x0a, 0}, {0x1c, 0}};
	static const uint8_t all[][2] = {{0x01, 0}, {0x08, 0}, {0x0a, 0}, {0x0a, 1}, {0x1c, 0}};
	uint8_t codes[16][2];

	(void)state;
	for (uint8_t pc = 0; pc < 3; pc++) {
		assert_good(sense10(0x08, (uint8_t)(pc << 6 | 0x3f), 0));
		assert_int_equal(walk(8, codes), 4);
		assert_memory_equal(codes, pages, sizeof(pages));
		assert_good(sense10(0x08, (uint8_t)(pc << 6 | 0x3f), 0xff));
		assert_int_equal(walk(8, codes), 5);
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

/* ---- MODE SELECT ---- */

/* A parameter list: header, no block descriptor, the current page as MODE SENSE shows it. */
static size_t page_list(uint8_t *list, size_t header, uint8_t page)
{
	assert_good(sense6(0x08, page, 0));
	memset(list, 0, header);
	memcpy(list + header, said.data + 4, said.len - 4);
	return header + said.len - 4;
}

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

/* ---- the operator's mode_page ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	    TEST(test_select_changes),
	    TEST(test_select_control_bits),
	    TEST(test_select_with_descriptor),
	    TEST(test_select_with_long_descriptor),
	    TEST(test_select_unchangeable),
	    TEST(test_select_all_or_nothing),
	    TEST(test_select_lengths),
	    TEST(test_select_page_errors),
	    TEST(test_select_cdb),
	    TEST(test_override),
	    TEST(test_override_adds),
	    TEST(test_override_keeps_control),
	    TEST(test_override_errors),
	    TEST(test_override_is_bounded),
	    TEST(test_sense_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
