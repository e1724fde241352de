/* SPDX-License-Identifier: MIT */
/* What is kept of reservations (APTPL), and what is believed of what was kept. */
#include "pr_fixture.h"

static void power_cycle(void)
{
	pr_state_free(&fake_lu);
	assert_int_equal(pr_state_create(&fake_lu), 0);
}

static void test_not_kept(void **state)
{
	(void)state;
	jobs = 0;
	register_all();
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_int_equal(jobs, 0);
	power_cycle();
	assert_keys(0, 0, 0);
	assert_reservation(0, 0);
}

static void test_kept(void **state)
{
	(void)state;
	jobs = 0;
	register_all();
	assert_good(out_flags(A, REGISTER, 0, KEY_A, KEY_A, 0x01));
	assert_good(out(A, RESERVE, EA_RO, KEY_A, 0));
	assert_int_equal(jobs, 2);
	power_cycle();
	assert_keys(KEY_A, KEY_B, KEY_C);
	assert_reservation(EA_RO, KEY_A);
	assert_int_equal(generation(), 0);
	assert_false(conflicts(B, PR_WRITE));
	in(2);
	assert_int_equal(said.data[3] & 0x01, 1);
	/* the registrations are the same nexuses' as before */
	assert_good(out_flags(B, REGISTER, 0, KEY_B, 0, 0x01));
	power_cycle();
	assert_keys(KEY_A, KEY_C, 0);
	assert_good(out(A, CLEAR, 0, KEY_A, 0));
	power_cycle();
	assert_keys(0, 0, 0);
}

/* The last REGISTER says whether it is kept. */
static void test_kept_no_more(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x01));
	assert_good(out(B, REGISTER, 0, 0, KEY_B));
	power_cycle();
	assert_keys(0, 0, 0);
}

/* Another medium at the same LUN isn't reserved. */
static void test_kept_by_medium(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x01));
	fake_lu.path = (char *)"other.img";
	power_cycle();
	assert_keys(0, 0, 0);
	fake_lu.path = (char *)"disk.img";
	power_cycle();
	assert_keys(KEY_A, 0, 0);
	fake_lu.lun = 2;
	power_cycle();
	assert_keys(0, 0, 0);
}

static void test_not_promised_without_directory(void **state)
{
	(void)state;
	assert_int_equal(state_set_directory(NULL), 0);
	assert_invalid_parameter(out_flags(A, REGISTER, 0, 0, KEY_A, 0x01), 20, 0);
	assert_keys(0, 0, 0);
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x00));
}

/* What can't be kept isn't done. */
static void test_failed_save(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x01));
	assert_int_equal(state_set_directory(temp_path("away")), 0);
	assert_int_equal(rmdir(temp_path("away")), 0);
	assert_sense(out(A, RESERVE, WE, KEY_A, 0), KEY_HARDWARE_ERROR, 0x4400);
	assert_sense(out_flags(B, REGISTER, 0, 0, KEY_B, 0x01), KEY_HARDWARE_ERROR, 0x4400);
	assert_told(0, 0, 0);
	assert_keys(KEY_A, 0, 0);
	assert_reservation(0, 0);
}

/* No blob makes the daemon read beyond it, or believe half of it. */
static void test_decode_hostile(void **state)
{
	static uint8_t blob[PR_BLOB_MAX], copy[PR_BLOB_MAX];
	struct pr_table *table;
	size_t len;

	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out_flags(B, REGISTER, 0, 0, KEY_B, 0x01));
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	len = pr_encode(blob, fake_lu.pr->table, "disk.img");
	table = pr_decode(blob, len, "disk.img");
	assert_non_null(table);
	assert_int_equal(table->count, 2);
	assert_int_equal(table->type, WE);
	free(table);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact =
		    malloc(cut ? cut : 1); /* so that a sanitizer sees one byte too far */

		memcpy(exact, blob, cut);
		assert_null(pr_decode(exact, cut, "disk.img"));
		free(exact);
	}
	for (size_t at = 0; at < len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(copy, blob, len);
			copy[at] ^= (uint8_t)(1u << bit);
			table = pr_decode(copy, len, "disk.img");
			assert_true(!table || table->count <= PR_REGISTRATIONS_MAX);
			free(table);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_not_kept),
	    TEST(test_kept),
	    TEST(test_kept_no_more),
	    TEST(test_kept_by_medium),
	    TEST(test_not_promised_without_directory),
	    TEST(test_failed_save),
	    TEST(test_decode_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
