/* SPDX-License-Identifier: MIT */
/* LOG SENSE and what the pages tell: SPC-5 6.9, 7.3. */
#include "log_fixture.h"

/* 7.3.19, 7.3.20 */
static void test_lists(void **state)
{
	static const uint8_t pages[] = {0x00, 0x02, 0x03, 0x05, 0x07, 0x10, 0x19, 0x2f};
	static const uint8_t tape_pages[] = {0x00, 0x02, 0x03, 0x07, 0x10};

	(void)state;
	assert_good(sense(0, 0, 0));
	assert_int_equal(said.data[0], 0);
	assert_int_equal(said.len, 4 + sizeof(pages));
	assert_memory_equal(said.data + 4, pages, sizeof(pages));
	for (unsigned i = 0; i < sizeof(pages); i++)
		page(pages[i]);
	assert_good(sense(0, 0xff, 0));
	assert_memory_equal(said.data, "\x40\xff\x00\x12\x00\x00\x00\xff\x02\x00", 10);
	fake_lu.commands = &tape;
	assert_good(sense(0, 0, 0));
	assert_int_equal(said.len, 4 + sizeof(tape_pages));
	assert_memory_equal(said.data + 4, tape_pages, sizeof(tape_pages));
	fake_lu.commands = &controller;
	fake_lu.store = NULL;
	assert_good(sense(0, 0, 0));
	assert_memory_equal(said.data, "\x00\x00\x00\x01\x00", 5);
	assert_invalid_cdb(sense(0x42, 0, 0), 2, 5);
}

static void test_errors(void **state)
{
	static const uint8_t save[10] = {0x4d, 0x01, 0x40, [7] = 1};
	static const uint8_t ppc[10] = {0x4d, 0x02, 0x40, [7] = 1};

	(void)state;
	assert_invalid_cdb(sense(0x7b, 0, 0), 2, 5);    /* no such page */
	assert_invalid_cdb(sense(0x42, 0x01, 0), 3, 7); /* no such subpage */
	assert_invalid_cdb(sense(0x00, 0x01, 0), 3, 7);
	assert_invalid_cdb(fake_run(log_rows, 0, save, NULL, 0), 1, 0); /* nothing is saved */
	assert_invalid_cdb(fake_run(log_rows, 0, ppc, NULL, 0), 1, 1);  /* obsolete */
	assert_invalid_cdb(sense(0x00, 0, 1), 5, 7);
}

/* The parameters from the pointer on; beyond the last one there are none. */
static void test_parameter_pointer(void **state)
{
	(void)state;
	assert_good(sense(0x42, 0, 5));
	assert_int_equal(said.len, 4 + 2 * 12);
	assert_int_equal(get_be16(said.data + 2), 24);
	assert_int_equal(get_be16(said.data + 4), 5);
	assert_good(sense(0x42, 0, 6));
	assert_int_equal(said.len, 4 + 12);
	assert_invalid_cdb(sense(0x42, 0, 7), 5, 7);
	assert_invalid_cdb(sense(0x47, 0, 1), 5, 7); /* there has been no error */
	assert_good(sense(0x47, 0, 0));
	assert_int_equal(said.len, 4);
}

static void test_allocation_length(void **state)
{
	static const uint8_t cdb[10] = {0x4d, 0, 0x42, [8] = 5};

	(void)state;
	assert_good(fake_run(log_rows, 0, cdb, NULL, 0));
	assert_int_equal(said.sent, 5);
	assert_int_equal(get_be16(said.data + 2), 7 * 12); /* what there would be */
}

static void test_error_counters(void **state)
{
	(void)state;
	count(0, COUNTS_WRITE, 4096, 1);
	count(1, COUNTS_WRITE, 512, 1);
	count(1, COUNTS_READ, 1024, 1);
	count(0, COUNTS_VERIFY, 2048, 1);
	store_fails(0, COUNTS_READ, KEY_MEDIUM_ERROR);
	store_fails(1, COUNTS_READ, KEY_HARDWARE_ERROR);
	store_fails(1, COUNTS_WRITE, KEY_NOT_READY); /* no error of the medium */
	assert_int_equal(value(0x02, 5), 4608);
	assert_int_equal(value(0x02, 6), 0);
	assert_int_equal(value(0x03, 5), 1024);
	assert_int_equal(value(0x03, 6), 2);
	assert_int_equal(value(0x05, 5), 2048);
	assert_int_equal(value(0x03, 3), 0);
	assert_int_equal(page(0x03)[2], 0x20); /* TSD, bounded data counter */
	assert_int_equal(said.data[0], 0x83);  /* DS */
}

/* PC: thresholds that are never reached, defaults of 0; it says nothing about lists (table 74). */
static void test_page_control(void **state)
{
	(void)state;
	count(0, COUNTS_WRITE, 4096, 1);
	store_fails(0, COUNTS_READ, KEY_MEDIUM_ERROR);
	for (uint8_t pc = 0; pc < 4; pc++) {
		assert_good(sense((uint8_t)(pc << 6 | 0x02), 0, 5));
		assert_true(get_be64(said.data + 8) == (pc == 1 ? 4096 : pc == 3 ? 0 : UINT64_MAX));
		assert_good(sense((uint8_t)(pc << 6 | 0x07), 0, 0));
		assert_int_equal(said.data[8], '2');
	}
}

static void test_last_errors(void **state)
{
	(void)state;
	store_fails(0, COUNTS_READ, KEY_MEDIUM_ERROR);
	page(0x07);
	assert_int_equal(get_be16(said.data + 4), 0);
	assert_int_equal(said.data[6] & 0x03, 0x01); /* ASCII list */
	said.data[said.len] = 0;
	assert_non_null(
	    strstr((char *)said.data + 8, "Z READ(10) LBA 7 sense 3/11/00: read error"));
	for (unsigned i = 0; i < 100; i++)
		store_fails(i & 1, COUNTS_READ, KEY_MEDIUM_ERROR);
	store_fails(0, COUNTS_READ, KEY_NOT_READY);
	assert_non_null(strstr((const char *)param(0x07, 15), "sense 2/")); /* the latest */
	assert_non_null(strstr((const char *)param(0x07, 0), "sense 3/"));
	assert_invalid_cdb(sense(0x47, 0, 16), 5, 7);
}

static void test_self_tests(void **state)
{
	const uint8_t *at;

	(void)state;
	page(0x10);
	assert_int_equal(said.len, 4 + 20 * 20);
	for (unsigned i = 0; i < 20; i++)
		for (unsigned byte = 4; byte < 20; byte++)
			assert_int_equal(said.data[4 + 20 * i + byte], 0);
	log_self_test_done(&fake_lu, 0, 0, KEY_NO_SENSE, 0);
	now_ms += 3 * 3600 * 1000;
	log_self_test_done(&fake_lu, 2, 4, KEY_HARDWARE_ERROR, 0x3e03);
	at = param(0x10, 1);
	assert_memory_equal(at, "\x44\x00\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff\x04\x3e\x03\x00",
			    16);
	at = param(0x10, 2);
	assert_memory_equal(at, "\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00", 15);
	for (unsigned i = 0; i < 50; i++)
		log_self_test_done(&fake_lu, 1, 0, KEY_NO_SENSE, 0);
	assert_int_equal(param(0x10, 20)[0], 0x20);
}

static void test_statistics(void **state)
{
	const uint8_t *at;

	(void)state;
	count(0, COUNTS_READ, 4096, 3);
	count(1, COUNTS_READ, 512, 4);
	count(1, COUNTS_WRITE, 1024, 5);
	count(0, COUNTS_VERIFY, 1024, 8);
	now_ms += 100;
	at = param(0x19, 1);
	assert_int_equal(get_be64(at), 2);
	assert_int_equal(get_be64(at + 8), 1);
	assert_int_equal(get_be64(at + 16), 2); /* blocks received */
	assert_int_equal(get_be64(at + 24), 9); /* and transmitted */
	assert_int_equal(get_be64(at + 32), 7);
	assert_int_equal(get_be64(at + 40), 5);
	assert_int_equal(value(0x19, 2), 100);
	assert_true(value(0x19, 3) == (UINT64_C(3) << 32 | 1)); /* 1 x 10^-3 s */
	log_busy(&slices[0], now_ms);
	now_ms += 50; /* a command is under way */
	assert_int_equal(value(0x19, 2), 100);
}

static void test_informational_exceptions(void **state)
{
	(void)state;
	assert_memory_equal(param(0x2f, 0), "\x00\x00\xff\x00", 4);
}

/* SBC-4: on thin units, and what the store says just then. */
static void test_provisioning(void **state)
{
	(void)state;
	assert_invalid_cdb(sense(0x4c, 0, 0), 2, 5);
	make_thin(&fake_lu);
	refreshes = 0;
	assert_memory_equal(param(0x0c, 1), "\x00\x00\x01\x01\x02\x00\x00\x00", 8);
	assert_int_equal(refreshes, 1);
	assert_memory_equal(param(0x0c, 2), "\x00\x00\x01\x02\x01\x00\x00\x00", 8);
	assert_good(sense(0, 0, 0));
	assert_int_equal(said.data[4 + 5], 0x0c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_lists),
	    TEST(test_errors),
	    TEST(test_parameter_pointer),
	    TEST(test_allocation_length),
	    TEST(test_error_counters),
	    TEST(test_page_control),
	    TEST(test_last_errors),
	    TEST(test_self_tests),
	    TEST(test_statistics),
	    TEST(test_informational_exceptions),
	    TEST(test_provisioning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
