/* SPDX-License-Identifier: MIT */
/* RESERVE, RELEASE, CLEAR, PREEMPT and REGISTER AND MOVE: SPC-5 5.14. */
#include "pr_fixture.h"

/* ---- RESERVE, RELEASE, CLEAR ---- */

static void test_reserve(void **state)
{
	(void)state;
	assert_conflict(out(A, RESERVE, WE, 0, 0)); /* not registered */
	register_all();
	assert_conflict(out(A, RESERVE, WE, KEY_B, 0)); /* not its key */
	for (uint8_t type = 0; type < 16; type++) {
		if (memchr(types, type, sizeof(types)))
			continue;
		assert_invalid_cdb(out(A, RESERVE, type, KEY_A, 0), 2, 3);
	}
	assert_invalid_cdb(out(A, RESERVE, 0x10 | WE, KEY_A, 0), 2, 7); /* scope */
	assert_reservation(0, 0);
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_reservation(WE, KEY_A);
	assert_good(out(A, RESERVE, WE, KEY_A, 0));     /* the same again */
	assert_conflict(out(A, RESERVE, EA, KEY_A, 0)); /* not another one */
	assert_conflict(out(B, RESERVE, WE, KEY_B, 0));
	assert_told(0, 0, 0);
}

/* All registrants hold it, so it is the same again from each. */
static void test_reserve_all_registrants(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, EA_AR, KEY_A, 0));
	assert_reservation(EA_AR, 0);
	assert_good(out(B, RESERVE, EA_AR, KEY_B, 0));
	assert_conflict(out(B, RESERVE, WE_AR, KEY_B, 0));
}

static void test_release(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RELEASE, WE, KEY_A, 0)); /* nothing to release */
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		bool all = types[i] >= WE_AR, tells = types[i] >= WE_RO;

		assert_good(out(A, RESERVE, types[i], KEY_A, 0));
		assert_conflict(out(A, RELEASE, types[i], KEY_B, 0));
		assert_sense(out(A, RELEASE, types[i] == WE ? EA : WE, KEY_A, 0),
			     KEY_ILLEGAL_REQUEST, 0x2604);
		assert_sense(out(A, RELEASE, 0x20 | types[i], KEY_A, 0), KEY_ILLEGAL_REQUEST,
			     0x2604);
		if (!all) {
			assert_good(out(B, RELEASE, types[i], KEY_B, 0)); /* not its own: nothing */
			assert_reservation(types[i], KEY_A);
			assert_told(0, 0, 0);
		}
		assert_good(out(A, RELEASE, types[i], KEY_A, 0));
		assert_told(0, tells ? 0x2a04 : 0, tells ? 0x2a04 : 0);
		assert_reservation(0, 0);
		assert_keys(KEY_A, KEY_B, KEY_C);
	}
	assert_good(out(A, RESERVE, EA_AR, KEY_A, 0));
	assert_good(out(B, RELEASE, EA_AR, KEY_B, 0)); /* any of them may */
	assert_told(0x2a04, 0, 0x2a04);
}

static void test_clear(void **state)
{
	(void)state;
	assert_conflict(out(A, CLEAR, 0, 0, 0));
	register_all();
	assert_conflict(out(B, CLEAR, 0, KEY_A, 0));
	assert_good(out(A, RESERVE, EA, KEY_A, 0));
	assert_good(out(B, CLEAR, 0, KEY_B, 0)); /* also who doesn't hold it */
	assert_told(0x2a03, 0, 0x2a03);
	assert_keys(0, 0, 0);
	assert_reservation(0, 0);
}

/* ---- PREEMPT: 5.14.11.2.4 ---- */

static void test_preempt_registration(void **state)
{
	(void)state;
	register_all();
	assert_conflict(out(A, PREEMPT, WE, KEY_B, KEY_C));  /* not its key */
	assert_conflict(out(A, PREEMPT, WE, KEY_A, 0x4711)); /* nobody has that one */
	assert_invalid_parameter(out(A, PREEMPT, WE, KEY_A, 0), 8, -1);
	assert_good(out(A, PREEMPT, WE, KEY_A, KEY_B));
	assert_told(0, 0x2a05, 0);
	assert_keys(KEY_A, KEY_C, 0);
	assert_reservation(0, 0); /* nothing was reserved, nothing is */
}

static void test_preempt_own_registration(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, PREEMPT, 0, KEY_A, KEY_A));
	assert_told(0, 0, 0);
	assert_keys(KEY_B, KEY_C, 0);
}

static void test_preempt_holder(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) { /* the types with one holder */
		for (unsigned k = 0; k < ARRAY_SIZE(types); k++) {
			bool changed = types[k] != types[i], all = types[k] >= WE_AR;

			for (unsigned n = 0; n < NEXUSES; n++)
				assert_good(out(n, REGISTER_IGNORE, 0, 0, keys[n]));
			assert_good(out(B, RESERVE, types[i], KEY_B, 0));
			assert_good(out(A, PREEMPT, types[k], KEY_A, KEY_B));
			assert_told(0, 0x2a05, changed ? 0x2a04 : 0);
			assert_reservation(types[k], all ? 0 : KEY_A);
			assert_keys(KEY_A, KEY_C, 0);
			assert_good(out(A, CLEAR, 0, KEY_A, 0));
		}
	}
}

/* The holder's key may be others' too: all of them go. */
static void test_preempt_shared_key(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(B, REGISTER, 0, 0, KEY_B));
	assert_good(out(C, REGISTER, 0, 0, KEY_B));
	assert_good(out(B, RESERVE, EA, KEY_B, 0));
	assert_good(out(A, PREEMPT, EA, KEY_A, KEY_B));
	assert_told(0, 0x2a05, 0x2a05);
	assert_keys(KEY_A, 0, 0);
	assert_reservation(EA, KEY_A);
}

/* By preempting itself a holder changes the type, and stays registered. */
static void test_preempt_self_as_holder(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_good(out(A, PREEMPT, EA, KEY_A, KEY_A));
	assert_told(0, 0x2a04, 0x2a04);
	assert_reservation(EA, KEY_A);
	assert_keys(KEY_A, KEY_B, KEY_C);
}

/* Another key than the holder's: registrations go, the reservation stays as it is. */
static void test_preempt_not_holder(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, WE_RO, KEY_A, 0));
	assert_good(out(B, PREEMPT, 0x0f, KEY_B, KEY_C)); /* the type is not looked at */
	assert_told(0, 0, 0x2a05);
	assert_reservation(WE_RO, KEY_A);
	assert_keys(KEY_A, KEY_B, 0);
	assert_conflict(out(B, PREEMPT, WE, KEY_B, KEY_C));
	assert_invalid_parameter(out(B, PREEMPT, WE, KEY_B, 0), 8, -1);
}

static void test_preempt_wrong_type(void **state)
{
	(void)state;
	register_all();
	assert_good(out(B, RESERVE, WE, KEY_B, 0));
	assert_invalid_cdb(out(A, PREEMPT, 0x02, KEY_A, KEY_B), 2, 3);
	assert_invalid_cdb(out(A, PREEMPT, 0x10 | WE, KEY_A, KEY_B), 2, 7);
	assert_reservation(WE, KEY_B);
	assert_keys(KEY_A, KEY_B, KEY_C);
}

static void test_preempt_all_registrants(void **state)
{
	(void)state;
	register_all();
	assert_good(out(B, RESERVE, WE_AR, KEY_B, 0));
	/* one key: that registration only, though its nexus is a holder */
	assert_good(out(A, PREEMPT, EA, KEY_A, KEY_B));
	assert_told(0, 0x2a05, 0);
	assert_reservation(WE_AR, 0);
	/* key 0: all others, and the reservation */
	assert_good(out(A, PREEMPT, EA, KEY_A, 0));
	assert_told(0, 0, 0x2a05);
	assert_reservation(EA, KEY_A);
	assert_keys(KEY_A, 0, 0);
}

/* The last of all registrants takes the reservation with it. */
static void test_preempt_last_registrant(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A, RESERVE, WE_AR, KEY_A, 0));
	assert_good(out(A, PREEMPT, WE, KEY_A, KEY_A));
	assert_keys(0, 0, 0);
	assert_reservation(0, 0);
}

static void test_preempt_and_abort(void **state)
{
	(void)state;
	register_all();
	assert_good(out(B, RESERVE, EA, KEY_B, 0));
	assert_good(out(A, PREEMPT, EA, KEY_A, KEY_C));
	assert_false(aborted[A] || aborted[B] || aborted[C]);
	assert_good(out(C, REGISTER, 0, 0, KEY_C));
	assert_good(out(A, PREEMPT_ABORT, EA, KEY_A, KEY_B));
	assert_false(aborted[A]);
	assert_true(aborted[B]);
	assert_false(aborted[C]);
	assert_told(0, 0x2a05, 0);
	assert_reservation(EA, KEY_A);
	/* itself: its other commands are aborted */
	assert_good(out(C, PREEMPT_ABORT, EA, KEY_C, KEY_C));
	assert_true(aborted[C]);
	assert_false(aborted[A]);
	assert_told(0, 0, 0);
}

/* ---- REGISTER AND MOVE: 5.14.8 ---- */

static void test_move(void **state)
{
	uint8_t list[512];
	size_t len = move_list(list, KEY_A, KEY_B, 0, names[B]);

	(void)state;
	assert_conflict(out_raw(A, MOVE, 0, list, len)); /* not registered */
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_conflict(out_raw(A, MOVE, 0, list, len)); /* holds nothing */
	assert_good(out(A, RESERVE, EA, KEY_A, 0));
	assert_good(out_raw(A, MOVE, 0, list, len));
	assert_keys(KEY_A, KEY_B, 0);
	assert_reservation(EA, KEY_B);
	assert_true(conflicts(A, PR_READ));
	assert_false(conflicts(B, PR_WRITE));
	assert_told(0, 0, 0);
	assert_conflict(out_raw(A, MOVE, 0, list, len)); /* holds it no more */
}

static void test_move_and_unregister(void **state)
{
	uint8_t list[512];

	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(B, REGISTER, 0, 0, KEY_B));
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_good(out_raw(A, MOVE, 0, list, move_list(list, KEY_A, KEY_C, 0x02, names[B])));
	assert_keys(KEY_C, 0, 0);
	assert_reservation(WE, KEY_C);
	assert_false(conflicts(B, PR_WRITE));
}

static void test_move_errors(void **state)
{
	uint8_t list[512];
	size_t len;

	(void)state;
	register_all();
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_conflict(out_raw(A, MOVE, 0, list, move_list(list, KEY_B, KEY_B, 0, names[B])));
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, move_list(list, KEY_A, 0, 0, names[B])),
				 8, -1);
	assert_invalid_parameter(
	    out_raw(A, MOVE, 0, list, move_list(list, KEY_A, KEY_C, 0, names[A])), 24,
	    -1); /* to itself */
	len = move_list(list, KEY_A, KEY_B, 0, names[B]);
	put_be16(list + 18, 2); /* no such port */
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, len), 18, -1);
	len = move_list(list, KEY_A, KEY_B, 0, names[B]);
	list[24] = 0x05;
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, len), 24, -1);
	len = move_list(list, KEY_A, KEY_B, 0, names[B]);
	for (size_t cut = 24; cut < len; cut++)
		assert_length_error(out_raw(A, MOVE, 0, list, cut));
	put_be32(list + 20, 0);
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, 24), 24, -1);
	assert_reservation(WE, KEY_A);
	assert_good(out(A, PREEMPT, WE_AR, KEY_A, KEY_A));
	assert_conflict(out_raw(A, MOVE, 0, list, move_list(list, KEY_A, KEY_B, 0, names[B])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_reserve),
	    TEST(test_reserve_all_registrants),
	    TEST(test_release),
	    TEST(test_clear),
	    TEST(test_preempt_registration),
	    TEST(test_preempt_own_registration),
	    TEST(test_preempt_holder),
	    TEST(test_preempt_shared_key),
	    TEST(test_preempt_self_as_holder),
	    TEST(test_preempt_not_holder),
	    TEST(test_preempt_wrong_type),
	    TEST(test_preempt_all_registrants),
	    TEST(test_preempt_last_registrant),
	    TEST(test_preempt_and_abort),
	    TEST(test_move),
	    TEST(test_move_and_unregister),
	    TEST(test_move_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
