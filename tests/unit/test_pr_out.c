/* SPDX-License-Identifier: MIT */
/* REGISTER, its TransportIDs and its limits: SPC-5 6.17, table 64. */
#include "pr_fixture.h"

/* ---- REGISTER: SPC-5 table 64 ---- */

static void test_register(void **state)
{
	(void)state;
	assert_conflict(out(A, REGISTER, 0, KEY_B, KEY_A)); /* not registered: the key must be 0 */
	assert_good(out(A, REGISTER, 0, 0, 0));
	assert_keys(0, 0, 0);
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_keys(KEY_A, 0, 0);
	assert_conflict(out(A, REGISTER, 0, 0, KEY_C)); /* registered: it must be the key */
	assert_conflict(out(A, REGISTER, 0, KEY_B, KEY_C));
	assert_good(out(A, REGISTER, 0, KEY_A, KEY_C)); /* another one */
	assert_keys(KEY_C, 0, 0);
	assert_good(out(B, REGISTER, 0, 0, KEY_C)); /* the same for two is right */
	assert_keys(KEY_C, KEY_C, 0);
	assert_good(out(A, REGISTER, 0, KEY_C, 0));
	assert_keys(KEY_C, 0, 0);
	assert_told(0, 0, 0);
}

static void test_register_and_ignore(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER_IGNORE, 0, KEY_B, KEY_A));
	assert_good(out(A, REGISTER_IGNORE, 0, KEY_B, KEY_C));
	assert_keys(KEY_C, 0, 0);
	assert_good(out(A, REGISTER_IGNORE, 0, KEY_B, 0));
	assert_keys(0, 0, 0);
	assert_good(out(A, REGISTER_IGNORE, 0, KEY_B, 0));
}

/* A registered nexus keeps the reservation when its key changes. */
static void test_new_key_of_holder(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, WE, KEY_A, 0));
	assert_good(out(A, REGISTER, 0, KEY_A, 0x1234));
	assert_reservation(WE, 0x1234);
}

/* 5.14.11.2.3: the holder goes, and the reservation; those whom a registrants only type let in are
 * told, those of other types never had access. */
static void test_unregister_holder(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		bool all = types[i] == WE_AR || types[i] == EA_AR;
		bool only = types[i] == WE_RO || types[i] == EA_RO;

		register_all();
		assert_good(out(A, RESERVE, types[i], KEY_A, 0));
		assert_good(out(A, REGISTER, 0, KEY_A, 0));
		assert_told(0, only ? 0x2a04 : 0, only ? 0x2a04 : 0);
		assert_reservation(all ? types[i] : 0, 0);
		assert_good(out(B, REGISTER, 0, KEY_B, 0));
		assert_reservation(all ? types[i] : 0, 0);
		assert_good(out(C, REGISTER, 0, KEY_C, 0)); /* the last one */
		assert_reservation(0, 0);
		assert_keys(0, 0, 0);
	}
}

static void test_unregister_other(void **state)
{
	(void)state;
	register_all();
	assert_good(out(A, RESERVE, EA_RO, KEY_A, 0));
	assert_good(out(B, REGISTER, 0, KEY_B, 0));
	assert_told(0, 0, 0);
	assert_reservation(EA_RO, KEY_A);
}

/* ---- SPEC_I_PT, ALL_TG_PT ---- */

static size_t spec_list(uint8_t *list, uint64_t key, const char *const *ports, unsigned count)
{
	size_t at = 28;

	memset(list, 0, 28);
	put_be64(list + 8, key);
	list[20] = 0x08;
	for (unsigned i = 0; i < count; i++)
		at += make_transport_id(list + at, ports[i]);
	put_be32(list + 24, (uint32_t)(at - 28));
	return at;
}

static void test_specified_ports(void **state)
{
	uint8_t list[1024];

	(void)state;
	assert_good(out_raw(A, REGISTER, 0, list, spec_list(list, KEY_A, names + 1, 2)));
	assert_keys(KEY_A, KEY_A, KEY_A);
	assert_good(out(A, RESERVE, EA_RO, KEY_A, 0));
	assert_false(conflicts(B, PR_WRITE));
	assert_good(out(B, REGISTER, 0, KEY_A, KEY_B));
	assert_keys(KEY_A, KEY_A, KEY_B);
}

/* Its own port may be in the list: it is registered anyway. */
static void test_specified_self(void **state)
{
	uint8_t list[1024];

	(void)state;
	assert_good(out_raw(A, REGISTER, 0, list, spec_list(list, KEY_A, names, 2)));
	assert_keys(KEY_A, KEY_A, 0);
}

/* All or none. */
static void test_specified_already_registered(void **state)
{
	uint8_t list[1024];
	size_t len = spec_list(list, KEY_A, names + 1, 2);

	(void)state;
	assert_good(out(C, REGISTER, 0, 0, KEY_C));
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28 + (len - 28) / 2, -1);
	assert_keys(KEY_C, 0, 0);
}

static void test_specified_lengths(void **state)
{
	uint8_t list[1024], copy[1024];
	size_t len = spec_list(list, KEY_A, names + 1, 1);

	(void)state;
	for (size_t cut = 0; cut < len; cut++)
		assert_length_error(out_raw(A, REGISTER, 0, list, cut));
	for (size_t cut = 28; cut < len; cut++) { /* TransportIDs that are cut */
		memcpy(copy, list, len);
		put_be32(copy + 24, (uint32_t)(cut - 28));
		if (cut == 28)
			continue; /* none is no error */
		assert_invalid_parameter(out_raw(A, REGISTER, 0, copy, cut), 28, -1);
	}
	memcpy(copy, list, len);
	put_be32(copy + 24, 0xffffffff);
	assert_length_error(out_raw(A, REGISTER, 0, copy, len));
	assert_keys(0, 0, 0);
}

static void test_bad_transport_ids(void **state)
{
	uint8_t list[1024];
	size_t len = spec_list(list, KEY_A, names + 1, 1);

	(void)state;
	list[28] = 0x05; /* a device name, without ISID */
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28, -1);
	list[28] = 0x46; /* SAS */
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28, -1);
	list[28] = 0x45;
	memset(list + 32, 'x', len - 32); /* no end */
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28, -1);
	list[len - 1] = '\0'; /* no ISID */
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28, -1);
	spec_list(list, KEY_A, names + 1, 1);
	put_be16(list + 30, 0xfffc);
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 28, -1);
	assert_keys(0, 0, 0);
}

static void test_specified_ports_only_to_register(void **state)
{
	uint8_t list[1024];
	size_t len = spec_list(list, KEY_A, names + 1, 1);

	(void)state;
	assert_invalid_parameter(out_raw(A, REGISTER_IGNORE, 0, list, len), 20, 3);
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	put_be64(list, KEY_A);
	assert_invalid_parameter(out_raw(A, REGISTER, 0, list, len), 20, 3); /* is registered */
	assert_invalid_parameter(out_raw(A, CLEAR, 0, list, len), 20, 3);
}

/* ---- limits ---- */

static void test_registrations_are_bounded(void **state)
{
	char name[64];

	(void)state;
	for (unsigned i = 0; i < PR_REGISTRATIONS_MAX; i++) {
		snprintf(name, sizeof(name), "iqn.2026-01.org.example:many%u,i,0x00023d000000", i);
		fake_nexus[A].transport_id_len =
		    make_transport_id(fake_nexus[A].transport_id, name);
		assert_good(out(A, REGISTER, 0, 0, 1 + i));
	}
	assert_sense(out(B, REGISTER, 0, 0, KEY_B), KEY_ILLEGAL_REQUEST, 0x5504);
	assert_sense(out(B, REGISTER_IGNORE, 0, 0, KEY_B), KEY_ILLEGAL_REQUEST, 0x5504);
	assert_good(in(0));
	assert_int_equal(said.len, 8 + 8 * PR_REGISTRATIONS_MAX);
	assert_good(in(3));
	assert_int_equal(get_be32(said.data + 4) + 8, said.len);
	/* it can still be undone */
	assert_good(out(A, CLEAR, 0, PR_REGISTRATIONS_MAX, 0));
	assert_told(0, 0, 0);
	assert_keys(0, 0, 0);
}

static void test_list_length(void **state)
{
	static const uint8_t list[64];
	uint8_t cdb[10] = {0x5f, REGISTER};

	(void)state;
	for (uint8_t action = REGISTER; action <= REGISTER_IGNORE; action++) {
		assert_length_error(out_raw(A, action, WE, list, 0));
		assert_length_error(out_raw(A, action, WE, list, 23));
		assert_length_error(out_raw(A, action, WE, list, 25));
	}
	assert_length_error(out_raw(A, MOVE, WE, list, 23));
	put_be32(cdb + 5, 0xffffffff);
	assert_length_error(fake_run(pr_rows, A, cdb, list, 24));
	put_be32(cdb + 5, 24); /* and less came than was announced */
	assert_length_error(fake_run(pr_rows, A, cdb, list, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_register),
	    TEST(test_register_and_ignore),
	    TEST(test_new_key_of_holder),
	    TEST(test_unregister_holder),
	    TEST(test_unregister_other),
	    TEST(test_specified_ports),
	    TEST(test_specified_self),
	    TEST(test_specified_already_registered),
	    TEST(test_specified_lengths),
	    TEST(test_bad_transport_ids),
	    TEST(test_specified_ports_only_to_register),
	    TEST(test_registrations_are_bounded),
	    TEST(test_list_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
