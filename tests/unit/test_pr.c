/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations: SPC-5 5.14, 6.16, 6.17.  Three initiator ports A, B and C with the keys
 * KEY_A, KEY_B and KEY_C.
 */
#include <errno.h>

#include "fake_task.h"
#include "scsi/pr.h"
#include "store/state.h"
#include "temp_dir.h"

enum { A, B, C };
#define KEY_A 0xaaaaaaaaaaaaaaaa
#define KEY_B 0xbbbbbbbbbbbbbbbb
#define KEY_C 0xcccccccccccccccc
static const uint64_t keys[NEXUSES] = {KEY_A, KEY_B, KEY_C};

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_ABORT, REGISTER_IGNORE, MOVE };
enum { WE = 1, EA = 3, WE_RO = 5, EA_RO = 6, WE_AR = 7, EA_AR = 8 };
static const uint8_t types[] = {WE, EA, WE_RO, EA_RO, WE_AR, EA_AR};

/* ---- the rest of the core ---- */

static uint16_t told[NEXUSES]; /* unit attention established for each, 0: none */
static bool aborted[NEXUSES];
static unsigned jobs;

void lu_establish_ua_matching(struct lu *lu, uint16_t asc,
			      bool (*match)(const struct nexus *nexus, void *arg), void *arg)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_int_equal(said.ended, 0); /* before GOOD */
	for (unsigned i = 0; i < NEXUSES; i++) {
		if (!match(&fake_nexus[i], arg))
			continue;
		assert_int_equal(told[i], 0);
		told[i] = asc;
	}
}

void lu_abort_matching(struct lu *lu, bool (*match)(const struct nexus *nexus, void *arg),
		       void *arg, const struct scsi_task *except, void (*done)(void *done_arg),
		       void *done_arg)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_ptr_equal(except, &fake_task);
	for (unsigned i = 0; i < NEXUSES; i++)
		aborted[i] = match(&fake_nexus[i], arg);
	done(done_arg);
}

struct reactor *reactor_self(void)
{
	return NULL;
}

void reactor_send(struct reactor *reactor, struct message *message)
{
	(void)reactor;
	message->fn(message);
}

struct work_gate *workers_control_gate(void)
{
	return NULL;
}

void workers_submit(struct work_gate *gate, struct work *work)
{
	(void)gate;
	jobs++;
	assert_int_equal(said.ended, 0);
	work->fn(work);
}

/* ---- commands ---- */

static int setup(void **state)
{
	static unsigned number;
	char dir[512];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/state%u", temp_dir(), number++);
	assert_int_equal(state_set_directory(dir), 0);
	fake_reset();
	fake_lu.path = (char *)"disk.img";
	return pr_state_create(&fake_lu);
}

static int teardown(void **state)
{
	(void)state;
	pr_state_free(&fake_lu);
	return 0;
}

static void clear_told(void)
{
	memset(told, 0, sizeof(told));
	memset(aborted, 0, sizeof(aborted));
}

static struct scsi_task *out_raw(unsigned nexus, uint8_t action, uint8_t type, const uint8_t *list,
				 size_t len)
{
	uint8_t cdb[10] = {0x5f, action, type};

	clear_told();
	put_be32(cdb + 5, (uint32_t)len);
	return fake_run(pr_rows, nexus, cdb, list, len);
}

static struct scsi_task *out_flags(unsigned nexus, uint8_t action, uint8_t type, uint64_t key,
				   uint64_t action_key, uint8_t flags)
{
	uint8_t list[24] = {0};

	put_be64(list, key);
	put_be64(list + 8, action_key);
	list[20] = flags;
	return out_raw(nexus, action, type, list, sizeof(list));
}

static struct scsi_task *out(unsigned nexus, uint8_t action, uint8_t type, uint64_t key,
			     uint64_t action_key)
{
	return out_flags(nexus, action, type, key, action_key, 0);
}

static void register_all(void)
{
	for (unsigned i = 0; i < NEXUSES; i++)
		assert_good(out(i, REGISTER, 0, 0, keys[i]));
}

static struct scsi_task *in(uint8_t action)
{
	const uint8_t cdb[10] = {0x5e, action, [7] = 0xff, 0xff};

	return fake_run(pr_rows, C, cdb, NULL, 0);
}

static uint32_t generation(void)
{
	in(0);
	return get_be32(said.data);
}

/* The keys, in any order; 0 ends the list. */
static void assert_keys(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t want[3] = {a, b, c};
	unsigned count = !!a + !!b + !!c;

	assert_good(in(0));
	assert_int_equal(get_be32(said.data + 4), 8 * count);
	assert_int_equal(said.len, 8 + 8 * count);
	for (unsigned i = 0; i < count; i++) {
		bool found = false;

		for (unsigned k = 0; k < count; k++)
			found = found || get_be64(said.data + 8 + 8 * k) == want[i];
		assert_true(found);
	}
}

static void assert_reservation(uint8_t type, uint64_t key)
{
	assert_good(in(1));
	if (!type) {
		assert_int_equal(said.len, 8);
		assert_int_equal(get_be32(said.data + 4), 0);
		return;
	}
	assert_int_equal(said.len, 24);
	assert_int_equal(get_be32(said.data + 4), 16);
	assert_true(get_be64(said.data + 8) == key);
	assert_int_equal(said.data[21], type);
}

static void assert_told(uint16_t a, uint16_t b, uint16_t c)
{
	assert_int_equal(told[A], a);
	assert_int_equal(told[B], b);
	assert_int_equal(told[C], c);
}

/* ---- what conflicts: SPC-5 tables 65 and 165 ---- */

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

static bool conflicts(unsigned nexus, enum pr_rule rule)
{
	const struct opcode_row row = {.pr = (uint8_t)rule};
	struct scsi_task t = {.lu = &fake_lu, .nexus = &fake_nexus[nexus], .row = &row};

	return pr_conflicts(&t);
}

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

static size_t spec_list(uint8_t *list, uint64_t key, const char *const *names, unsigned count)
{
	size_t at = 28;

	memset(list, 0, 28);
	put_be64(list + 8, key);
	list[20] = 0x08;
	for (unsigned i = 0; i < count; i++)
		at += make_transport_id(list + at, names[i]);
	put_be32(list + 24, (uint32_t)(at - 28));
	return at;
}

static const char *const names[] = {
    "iqn.2026-01.org.example:host0,i,0x00023d000000",
    "iqn.2026-01.org.example:host1,i,0x00023d000001",
    "iqn.2026-01.org.example:host2,i,0x00023d000002",
};

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

static void test_all_target_ports(void **state)
{
	(void)state;
	assert_good(out_flags(A, REGISTER, 0, 0, KEY_A, 0x04));
	assert_good(out(A, RESERVE, EA_RO, KEY_A, 0));
	fake_nexus[A].relative_port = 2;
	assert_false(conflicts(A, PR_WRITE));
	assert_true(conflicts(B, PR_WRITE));
	assert_good(in(3));
	assert_int_equal(said.data[8 + 12] & 0x02, 0x02);
	assert_good(out(A, REGISTER, 0, KEY_A, 0));
	assert_keys(0, 0, 0);
}

/* What was registered at one port is part of the registration at all of them. */
static void test_widened_registration(void **state)
{
	(void)state;
	assert_good(out(A, REGISTER, 0, 0, KEY_A));
	assert_good(out(A, RESERVE, EA, KEY_A, 0));
	fake_nexus[A].relative_port = 2;
	assert_good(out(A, REGISTER, 0, 0, KEY_C));
	assert_keys(KEY_A, KEY_C, 0);
	assert_true(conflicts(A, PR_READ));
	assert_good(out_flags(A, REGISTER, 0, KEY_C, KEY_B, 0x04));
	assert_keys(KEY_B, 0, 0);
	assert_false(conflicts(A, PR_READ));
	assert_reservation(EA, KEY_B);
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

static size_t move_list(uint8_t *list, uint64_t key, uint64_t action_key, uint8_t flags,
			const char *name)
{
	size_t len;

	memset(list, 0, 24);
	put_be64(list, key);
	put_be64(list + 8, action_key);
	list[17] = flags;
	put_be16(list + 18, 1);
	len = make_transport_id(list + 24, name);
	put_be32(list + 20, (uint32_t)len);
	return 24 + len;
}

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

/* ---- PERSISTENT RESERVE IN ---- */

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

/* ---- APTPL ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_conflicts),
	    TEST(test_conflicts_by_port),
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
	    TEST(test_all_target_ports),
	    TEST(test_widened_registration),
	    TEST(test_registrations_are_bounded),
	    TEST(test_list_length),
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
	    TEST(test_generation),
	    TEST(test_capabilities),
	    TEST(test_full_status),
	    TEST(test_full_status_all_registrants),
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
