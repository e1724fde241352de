/* SPDX-License-Identifier: MIT */
/* LOG SELECT: SPC-5 6.8, 7.3. */
#include "log_fixture.h"

static struct scsi_task *select_none(uint8_t byte1, uint8_t pc_page, uint8_t subpage)
{
	const uint8_t cdb[10] = {0x4c, byte1, pc_page, subpage};

	return fake_run(log_rows, 0, cdb, NULL, 0);
}

static struct scsi_task *select_list(uint8_t pc, const uint8_t *list, size_t len)
{
	const uint8_t cdb[10] = {0x4c, 0, (uint8_t)(pc << 6), [7] = (uint8_t)(len >> 8),
				 (uint8_t)len};

	return fake_run(log_rows, 0, cdb, list, len);
}

/* Some of everything. */
static void count_all(void)
{
	count(0, COUNTS_READ, 512, 1);
	count(1, COUNTS_WRITE, 1024, 1);
	count(1, COUNTS_VERIFY, 2048, 1);
	store_fails(0, COUNTS_READ, KEY_MEDIUM_ERROR);
	store_fails(1, COUNTS_WRITE, KEY_MEDIUM_ERROR);
}

static void test_reset_all(void **state)
{
	(void)state;
	count_all();
	now_ms += 10;
	assert_good(select_none(0x02, 0, 0));
	assert_int_equal(told, 1);
	assert_int_equal(value(0x02, 5) + value(0x02, 6), 0);
	assert_int_equal(value(0x03, 5) + value(0x03, 6), 0);
	assert_int_equal(value(0x05, 5), 0);
	assert_int_equal(value(0x19, 1), 0);
	assert_int_equal(value(0x19, 2), 0);
	page(0x07);
	assert_int_equal(said.len, 4);
	count_all(); /* and on from there */
	assert_int_equal(value(0x02, 5), 1024);
	assert_int_equal(value(0x03, 6), 1);
	assert_int_equal(value(0x19, 1), 1);
}

/* A page's counters are its own, though others count the same. */
static void test_reset_page(void **state)
{
	(void)state;
	count_all();
	assert_good(select_none(0x02, 0x42, 0));
	assert_int_equal(value(0x02, 5), 0);
	assert_int_equal(value(0x03, 5), 512);
	assert_int_equal(get_be64(param(0x19, 1) + 8), 1);
	assert_good(select_none(0x02, 0x03, 0xff)); /* with all subpages that there are */
	assert_int_equal(value(0x03, 5), 0);
	assert_good(select_none(0x02, 0x10, 0)); /* what can't be reset stays, that is no error */
	assert_int_equal(told, 2);
	assert_invalid_cdb(select_none(0x02, 0x3b, 0), 2, 5);
	assert_invalid_cdb(select_none(0x02, 0x02, 1), 3, 7);
}

/* The combinations of PCR and PC without a list (table 68); SP is refused, as nothing is saved. */
static void test_without_list(void **state)
{
	(void)state;
	count_all();
	for (uint8_t pc = 0; pc < 3; pc++)
		assert_good(select_none(0, (uint8_t)(pc << 6), 0));
	assert_int_equal(value(0x02, 5), 1024);
	assert_int_equal(told, 0);
	assert_good(select_none(0, 0xc0, 0)); /* cumulative values: to their defaults */
	assert_int_equal(value(0x02, 5), 0);
	assert_int_equal(told, 1);
	assert_invalid_cdb(select_none(0x01, 0, 0), 1, 0);
	assert_invalid_cdb(select_none(0x03, 0, 0), 1, 0);
	assert_invalid_cdb(select_none(0, 0x7b, 0), 2, 5);
}

static void test_cdb(void **state)
{
	const uint8_t list[4] = {0x02};
	const uint8_t pcr[10] = {0x4c, 0x02, 0x40, [8] = 4};
	const uint8_t with_page[10] = {0x4c, 0, 0x42, [8] = 4};
	const uint8_t with_subpage[10] = {0x4c, 0, 0x40, 0xff, [8] = 4};
	const uint8_t too_long[10] = {0x4c, 0, 0x40, [7] = 0xff, 0xff};

	(void)state;
	assert_invalid_cdb(fake_run(log_rows, 0, pcr, list, 4), 1, 1);
	assert_invalid_cdb(fake_run(log_rows, 0, with_page, list, 4), 2, 5);
	assert_invalid_cdb(fake_run(log_rows, 0, with_subpage, list, 4), 3, 7);
	assert_invalid_cdb(fake_run(log_rows, 0, too_long, list, 4), 7, 7);
	assert_good(select_list(1, list, 4)); /* a page without parameters */
}

static void put_counter(uint8_t *at, uint16_t code, uint64_t value)
{
	put_be16(at, code);
	at[2] = 0x20;
	at[3] = 8;
	put_be64(at + 4, value);
}

/* Pages 02h with the bytes, 03h with the errors. */
static size_t two_pages(uint8_t *list, uint64_t bytes, uint64_t errors)
{
	memset(list, 0, 32);
	list[0] = 0x82;
	list[3] = 12;
	put_counter(list + 4, 5, bytes);
	list[16] = 0x83;
	list[19] = 12;
	put_counter(list + 20, 6, errors);
	return 32;
}

/* A parameter that says 0 is reset, alone; one that says what it is stays. */
static void test_list_resets(void **state)
{
	uint8_t list[32];

	(void)state;
	count_all();
	assert_good(select_list(1, list, two_pages(list, 1024, 0)));
	assert_int_equal(told, 1);
	assert_int_equal(value(0x02, 5), 1024);
	assert_int_equal(value(0x03, 6), 0);
	assert_int_equal(value(0x03, 5), 512);
	assert_good(select_list(1, list, two_pages(list, 1024, 0)));
	assert_good(select_list(3, list, two_pages(list, 0, 0)));
	assert_int_equal(value(0x02, 5), 0);
}

/* Another value can't be given; and nothing changes when any of the list is wrong. */
static void test_list_values(void **state)
{
	uint8_t list[32];

	(void)state;
	count_all();
	assert_invalid_parameter(select_list(1, list, two_pages(list, 0, 9)), 24, -1);
	assert_int_equal(value(0x02, 5), 1024);
	assert_invalid_parameter(select_list(3, list, two_pages(list, 1024, 0)), 8, -1);
	assert_invalid_parameter(select_list(0, list, two_pages(list, UINT64_MAX, 0)), 24, -1);
	assert_good(select_list(0, list, two_pages(list, UINT64_MAX, UINT64_MAX)));
	assert_good(select_list(2, list, two_pages(list, UINT64_MAX, UINT64_MAX)));
	assert_int_equal(told, 0);
}

static void test_list_errors(void **state)
{
	uint8_t list[32];
	size_t len = two_pages(list, 0, 0);

	(void)state;
	for (size_t cut = 1; cut < len; cut++) {
		if (cut != 16)
			assert_length_error(select_list(1, list, cut));
	}
	list[3] = 11; /* it cuts a parameter */
	assert_invalid_parameter(select_list(1, list, 15), 2, -1);
	list[3] = 3;
	assert_invalid_parameter(select_list(1, list, 7), 2, -1);
	two_pages(list, 0, 0);
	list[16] = 0x82; /* twice */
	assert_invalid_parameter(select_list(1, list, len), 16, -1);
	list[16] = 0x01; /* no such page */
	assert_invalid_parameter(select_list(1, list, len), 16, -1);
	two_pages(list, 0, 0);
	list[1] = 1; /* no such subpage */
	assert_invalid_parameter(select_list(1, list, len), 0, -1);
	two_pages(list, 0, 0);
	list[21] = 7; /* no such parameter */
	assert_invalid_parameter(select_list(1, list, len), 20, -1);
	two_pages(list, 0, 0);
	list[22] = 0xa0; /* DU */
	assert_invalid_parameter(select_list(1, list, len), 22, -1);
	two_pages(list, 0, 0);
	list[23] = 4;
	list[19] = 8;
	assert_invalid_parameter(select_list(1, list, 28), 23, -1);
	assert_int_equal(told, 0);
}

/* Parameters come ascending, each once. */
static void test_order(void **state)
{
	uint8_t list[28] = {0x82, 0, 0, 24};

	(void)state;
	put_counter(list + 4, 6, 0);
	put_counter(list + 16, 5, 0);
	assert_invalid_parameter(select_list(1, list, sizeof(list)), 16, -1);
	put_counter(list + 16, 6, 0);
	assert_invalid_parameter(select_list(1, list, sizeof(list)), 16, -1);
	put_counter(list + 4, 5, 0);
	assert_good(select_list(1, list, sizeof(list)));
}

/* Lists are as they are: sent back unchanged, no error; else they are refused. */
static void test_lists_stay(void **state)
{
	uint8_t list[1024];
	size_t len;

	(void)state;
	log_self_test_done(&fake_lu, 1, 0, KEY_NO_SENSE, 0);
	page(0x10);
	len = said.len;
	memcpy(list, said.data, len);
	assert_good(select_list(1, list, len));
	list[8] = 0;
	assert_invalid_parameter(select_list(1, list, len), 8, -1);
	assert_int_equal(param(0x10, 1)[0], 0x20);
	assert_int_equal(told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_reset_all),   TEST(test_reset_page),  TEST(test_without_list),
	    TEST(test_cdb),         TEST(test_list_resets), TEST(test_list_values),
	    TEST(test_list_errors), TEST(test_order),       TEST(test_lists_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
