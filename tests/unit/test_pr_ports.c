/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations of a target with two ports (SPC-5 5.14: I_T nexuses register, reserve and
 * are told).  A and A2 are one initiator port through ports 1 and 2, C another through port 1.
 */
#include "pr_fixture.h"

#define A2 B
#define ALL_TG_PT 0x04

static int setup_ports(void **state)
{
	int rc = setup(state);

	fake_ports((const uint16_t[]){1, 2}, 2);
	fake_nexus[A2].relative_port = fake_nexus[A2].portal_group = 2;
	fake_nexus[A2].transport_id_len = fake_nexus[A].transport_id_len;
	memcpy(fake_nexus[A2].transport_id, fake_nexus[A].transport_id, TRANSPORT_ID_MAX);
	return rc;
}

static int teardown_ports(void **state)
{
	fake_ports(NULL, 0);
	return teardown(state);
}

/* The number-th descriptor of READ FULL STATUS: whose key it is, of which port (0: of all), and
 * whether it holds the reservation. */
static void assert_status_of(unsigned number, uint64_t key, uint16_t port, bool holder)
{
	const uint8_t *at;

	assert_good(in(3));
	at = said.data + 8;
	while (number--)
		at += 24 + get_be32(at + 20);
	assert_true(at < said.data + said.len);
	assert_true(get_be64(at) == key);
	assert_int_equal(at[12], (port ? 0 : 0x02) | (holder ? 0x01 : 0));
	assert_int_equal(get_be16(at + 18), port);
}

static void a_registration_is_of_one_port(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_status_of(0, KEY_A, 1, false);
	assert_conflict(out(A2, REGISTER, 0, KEY_A, KEY_A));
	assert_conflict(out(A2, RESERVE, WE, KEY_A, 0));
	assert_good(out(A2, REGISTER, 0, 0, KEY_B));
	assert_status_of(1, KEY_B, 2, false);
	assert_good(out(A2, REGISTER, 0, KEY_B, 0));
	assert_keys(KEY_A, 0, 0);
}

static void a_reservation_is_of_one_port(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A2, REGISTER, 0, 0, KEY_B));
	assert_good(out(A2, RESERVE, EA, KEY_B, 0));
	assert_status_of(0, KEY_A, 1, false);
	assert_status_of(1, KEY_B, 2, true);
	assert_true(conflicts(A, PR_READ));
	assert_false(conflicts(A2, PR_WRITE));
	assert_conflict(out(A, RESERVE, EA, KEY_A, 0));
	assert_good(out(A, RELEASE, EA, KEY_A, 0)); /* not the holder: nothing happens */
	assert_reservation(EA, KEY_B);
	assert_good(out(A2, RELEASE, EA, KEY_B, 0));
	assert_reservation(0, 0);
}

/* Registrants types: who is registered is told through each port it is registered at. */
static void each_nexus_is_told(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A2, REGISTER, 0, 0, KEY_B));
	assert_good(out(A, RESERVE, WE_RO, KEY_A, 0));
	assert_good(out(A, RELEASE, WE_RO, KEY_A, 0));
	assert_told(0, ASC_RESERVATIONS_RELEASED, 0);
	assert_good(out(A2, CLEAR, 0, KEY_B, 0));
	assert_told(ASC_RESERVATIONS_PREEMPTED, 0, 0);
}

/* 6.17.3: as if the command had come through each port. */
static void all_ports_at_once(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_status_of(0, KEY_A, 0, false);
	assert_conflict(out(A2, REGISTER, 0, 0, KEY_B));
	assert_good(out(A2, CLEAR, 0, KEY_A, 0));
	assert_told(ASC_RESERVATIONS_PREEMPTED, 0, 0);
	assert_keys(0, 0, 0);
}

static void all_ports_from_one(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out_flags(A2, REGISTER, 0, 0, KEY_B, ALL_TG_PT));
	assert_status_of(0, KEY_B, 0, false);
	assert_keys(KEY_B, 0, 0);
	assert_good(out(A, REGISTER, 0, KEY_B, KEY_A)); /* one of them again */
	assert_keys(KEY_A, KEY_B, 0);
	assert_status_of(0, KEY_A, 1, false);
	assert_status_of(1, KEY_B, 2, false);
}

/* There is one holder, though both are registered. */
static void all_ports_but_one_holder(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_good(out(A2, RESERVE, EA, KEY_A, 0));
	assert_keys(KEY_A, KEY_A, 0);
	assert_true(conflicts(A, PR_READ));
	assert_false(conflicts(A2, PR_READ));
	/* and another key at all ports makes no second one of the other */
	assert_good(out_flags(A, REGISTER, 0, KEY_A, KEY_C, ALL_TG_PT));
	assert_keys(KEY_C, KEY_C, 0);
	assert_true(conflicts(A, PR_READ));
	assert_reservation(EA, KEY_C);
}

static void all_ports_are_registrants(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_good(out(A, RESERVE, EA_AR, KEY_A, 0));
	assert_status_of(0, KEY_A, 0, true);
	assert_false(conflicts(A2, PR_WRITE));
	assert_true(conflicts(C, PR_READ));
	assert_good(out(A2, RELEASE, EA_AR, KEY_A, 0));
	assert_told(ASC_RESERVATIONS_RELEASED, 0, 0);
}

static void unregistering_at_one_port(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_good(out(A, RESERVE, WE_RO, KEY_A, 0));
	assert_good(out(A, REGISTER, 0, KEY_A, 0));
	assert_told(0, ASC_RESERVATIONS_RELEASED, 0);
	assert_status_of(0, KEY_A, 2, false);
	assert_keys(KEY_A, 0, 0);
	assert_reservation(0, 0);
}

static void unregistering_at_all_ports(void **state)
{
	(void)state;
	assert_good(out(C, REGISTER, 0, 0, KEY_C));
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A2, REGISTER, 0, 0, KEY_A));
	assert_good(out_flags(A, REGISTER, 0, KEY_A, 0, ALL_TG_PT));
	assert_keys(KEY_C, 0, 0);
}

static void preempted_at_each_port(void **state)
{
	(void)state;
	assert_good(out(C, REGISTER, 0, 0, KEY_C));
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_good(out(C, PREEMPT_ABORT, WE, KEY_C, KEY_A));
	assert_told(ASC_REGISTRATIONS_PREEMPTED, ASC_REGISTRATIONS_PREEMPTED, 0);
	assert_true(aborted[A] && aborted[A2] && !aborted[C]);
	assert_keys(KEY_C, 0, 0);
}

static void preempting_oneself(void **state)
{
	(void)state;
	assert_good(out(C, REGISTER, 0, 0, KEY_C));
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, ALL_TG_PT));
	assert_good(out(A, PREEMPT_ABORT, WE_AR, KEY_A, KEY_A));
	assert_told(0, ASC_REGISTRATIONS_PREEMPTED, 0);
	assert_true(aborted[A2] && !aborted[C]);
	assert_keys(KEY_C, 0, 0);
}

/* 5.14.8: to a nexus through the port that is named. */
static void moved_to_another_port(void **state)
{
	uint8_t list[512];
	size_t len = move_list(list, KEY_A, KEY_B, 0, names[A]);

	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A, RESERVE, EA, KEY_A, 0));
	put_be16(list + 18, 3);
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, len), 18, -1);
	put_be16(list + 18, 0);
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, len), 18, -1);
	put_be16(list + 18, 1); /* itself */
	assert_invalid_parameter(out_raw(A, MOVE, 0, list, len), 24, -1);
	put_be16(list + 18, 2);
	assert_good(out_raw(A, MOVE, 0, list, len));
	assert_status_of(0, KEY_A, 1, false);
	assert_status_of(1, KEY_B, 2, true);
	assert_true(conflicts(A, PR_READ));
	assert_false(conflicts(A2, PR_WRITE));
}

/* SPEC_I_PT registers others at the port that the command came by. */
static void others_register_at_the_same_port(void **state)
{
	uint8_t list[512] = {0};
	size_t len;

	(void)state;
	put_be64(list + 8, KEY_A);
	list[20] = 0x08;
	len = make_transport_id(list + 28, names[C]);
	put_be32(list + 24, (uint32_t)len);
	assert_good(out_raw(A2, REGISTER, 0, list, 28 + len));
	assert_status_of(0, KEY_A, 2, false);
	assert_status_of(1, KEY_A, 2, false);
	assert_conflict(out(C, RESERVE, WE, KEY_A, 0)); /* C comes by port 1 */
	fake_nexus[C].relative_port = 2;
	assert_good(out(C, RESERVE, WE, KEY_A, 0));
}

static void power_loss_keeps_the_port(void **state)
{
	(void)state;
	assert_good(out_flags(A2, REGISTER, 0, 0, KEY_B, 0x01));
	assert_good(out(A2, RESERVE, EA, KEY_B, 0));
	pr_state_free(&fake_lu);
	assert_int_equal(pr_state_create(&fake_lu), 0);
	assert_status_of(0, KEY_B, 2, true);
	assert_true(conflicts(A, PR_READ));
	assert_false(conflicts(A2, PR_WRITE));
}

/* A table as it was kept when there was one port. */
static void old_tables_are_of_port_1(void **state)
{
	static const uint8_t head[] = {
	    't',  'g',  'p',  'r',  0,    1,    0,    EA,   0,   1,
	    0,    8,    'd',  'i',  's',  'k',  '.',  'i',  'm', 'g', /* header, path */
	    0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0,   1,   /* key, holder */
	    0,    1,                                                  /* port */
	};
	uint8_t blob[512];
	uint16_t id_len;

	(void)state;
	memcpy(blob, head, sizeof(head));
	id_len = make_transport_id(blob + sizeof(head) + 2, names[A]);
	put_be16(blob + sizeof(head), id_len);
	pr_state_free(&fake_lu);
	assert_int_equal(
	    state_put("pr.iqn.2026-01.org.example:disk1.1", blob, sizeof(head) + 2 + id_len), 0);
	assert_int_equal(pr_state_create(&fake_lu), 0);
	assert_status_of(0, KEY_A, 1, true);
	assert_false(conflicts(A, PR_WRITE));
	assert_true(conflicts(A2, PR_READ));
}

#define PORTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup_ports, teardown_ports)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PORTS_TEST(a_registration_is_of_one_port),
	    PORTS_TEST(a_reservation_is_of_one_port),
	    PORTS_TEST(each_nexus_is_told),
	    PORTS_TEST(all_ports_at_once),
	    PORTS_TEST(all_ports_from_one),
	    PORTS_TEST(all_ports_but_one_holder),
	    PORTS_TEST(all_ports_are_registrants),
	    PORTS_TEST(unregistering_at_one_port),
	    PORTS_TEST(unregistering_at_all_ports),
	    PORTS_TEST(preempted_at_each_port),
	    PORTS_TEST(preempting_oneself),
	    PORTS_TEST(moved_to_another_port),
	    PORTS_TEST(others_register_at_the_same_port),
	    PORTS_TEST(power_loss_keeps_the_port),
	    PORTS_TEST(old_tables_are_of_port_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
