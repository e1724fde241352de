/* SPDX-License-Identifier: MIT */
/* PERSISTENT RESERVE IN: SPC-5 6.16. */
#include "pr_fixture.h"

/* 6.16.2: what counts and what doesn't. */
static void test_generation(void **state)
{
	uint8_t list[512];

	(void)state;
	assert_int_equal(generation(), 0);
	register_all();
	assert_int_equal(generation(), 3);
	out(A, RESERVE, WE, KEY_A, 0);
	assert_int_equal(generation(), 3);
	out(B, RESERVE, WE, KEY_B, 0); /* conflict */
	out(A, REGISTER, 0, KEY_B, KEY_A);
	assert_int_equal(generation(), 3);
	assert_good(out_raw(A, MOVE, 0, list, move_list(list, KEY_A, KEY_B, 0, names[B])));
	assert_int_equal(generation(), 4);
	assert_good(out(A, PREEMPT, WE, KEY_A, KEY_C));
	assert_int_equal(generation(), 5);
	assert_good(out(A, PREEMPT_ABORT, WE, KEY_A, KEY_B));
	assert_int_equal(generation(), 6);
	assert_good(out(A, RELEASE, WE, KEY_A, 0));
	assert_int_equal(generation(), 6);
	assert_good(out(A, REGISTER_IGNORE, 0, 0, KEY_B));
	assert_int_equal(generation(), 7);
	assert_good(out(A, CLEAR, 0, KEY_B, 0));
	assert_int_equal(generation(), 8);
}

static void test_capabilities(void **state)
{
	static const uint8_t want[8] = {0, 8, 0x1d, 0x80, 0xea, 0x01, 0, 0};

	(void)state;
	assert_good(in(2));
	assert_int_equal(said.len, 8);
	assert_memory_equal(said.data, want, 8);
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x01));
	in(2);
	assert_int_equal(said.data[3], 0x81); /* PTPL_A */
	assert_int_equal(state_set_directory(NULL), 0);
	in(2);
	assert_int_equal(said.data[2], 0x1c); /* no PTPL_C */
}

static void test_full_status(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(B, REGISTER, 0, 0, KEY_B));
	assert_good(out(B, RESERVE, EA_RO, KEY_B, 0));
	assert_good(in(3));
	assert_int_equal(get_be32(said.data), 2);
	assert_int_equal(get_be32(said.data + 4), said.len - 8);
	for (size_t at = 8; at < said.len;) {
		const uint8_t *d = said.data + at;
		unsigned who = get_be64(d) == KEY_B ? B : A;

		assert_true(get_be64(d) == keys[who]);
		assert_int_equal(d[12], who == B ? 0x01 : 0x00);
		assert_int_equal(d[13], who == B ? EA_RO : 0);
		assert_int_equal(get_be16(d + 18), 1);
		assert_int_equal(get_be32(d + 20), fake_nexus[who].transport_id_len);
		assert_memory_equal(d + 24, fake_nexus[who].transport_id,
				    fake_nexus[who].transport_id_len);
		at += 24u + get_be32(d + 20);
	}
}

static void test_full_status_all_registrants(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(B, REGISTER, 0, 0, KEY_B));
	assert_good(out(A, RESERVE, WE_AR, KEY_A, 0));
	assert_good(in(3));
	for (size_t at = 8; at < said.len; at += 24u + get_be32(said.data + at + 20)) {
		assert_int_equal(said.data[at + 12], 0x01);
		assert_int_equal(said.data[at + 13], WE_AR);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_generation),
	    TEST(test_capabilities),
	    TEST(test_full_status),
	    TEST(test_full_status_all_registrants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
