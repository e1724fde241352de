/* SPDX-License-Identifier: MIT */
/* What a persistent reservation keeps from whom: SPC-5 tables 65 and 165. */
#include "pr_fixture.h"

enum { HOLDER, REGISTERED, STRANGER };

/* For each type: may [holder, another registered, an unregistered nexus] read, write? */
static const struct {
	uint8_t type;
	bool read[3], write[3];
} access_rules[] = {
    {WE, {true, true, true}, {true, false, false}},
    {EA, {true, false, false}, {true, false, false}},
    {WE_RO, {true, true, true}, {true, true, false}},
    {EA_RO, {true, true, false}, {true, true, false}},
    {WE_AR, {true, true, true}, {true, true, false}},
    {EA_AR, {true, true, false}, {true, true, false}},
};

static void test_conflicts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(access_rules); i++) {
		assert_good(out(A, REGISTER_IGNORE, 0, 0, KEY_A));
		assert_good(out(B, REGISTER_IGNORE, 0, 0, KEY_B));
		for (unsigned who = 0; who < NEXUSES; who++) {
			/* registered, but nothing reserved */
			assert_false(conflicts(who, PR_READ));
			assert_false(conflicts(who, PR_WRITE));
		}
		assert_good(out(A, RESERVE, access_rules[i].type, KEY_A, 0));
		for (unsigned who = HOLDER; who <= STRANGER; who++) {
			assert_false(conflicts(who, PR_ALLOWED));
			assert_false(conflicts(who, PR_SPECIAL));
			assert_int_equal(conflicts(who, PR_READ), !access_rules[i].read[who]);
			assert_int_equal(conflicts(who, PR_WRITE), !access_rules[i].write[who]);
		}
		assert_good(out(A, CLEAR, 0, KEY_A, 0));
	}
}

/* The initiator port is what counts, so another session of it has the same rights, and one through
 * another port hasn't. */
static void test_conflicts_by_port(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, EA, KEY_A, 0));
	fake_nexus[A].id = 999;
	assert_false(conflicts(A, PR_WRITE));
	fake_nexus[A].relative_port = 2;
	assert_true(conflicts(A, PR_WRITE));
	fake_nexus[A].relative_port = 1;
	/* RFC 7143 4.2.7.1: names compare without case; so do hexadecimal digits */
	fake_nexus[A].transport_id_len = make_transport_id(
	    fake_nexus[A].transport_id, "IQN.2026-01.org.example:host0,i,0x00023D000000");
	assert_false(conflicts(A, PR_WRITE));
	fake_nexus[A].transport_id_len = make_transport_id(
	    fake_nexus[A].transport_id, "iqn.2026-01.org.example:host0,i,0x00023d000009");
	assert_true(conflicts(A, PR_WRITE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_conflicts),
	    TEST(test_conflicts_by_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
