/* SPDX-License-Identifier: MIT */
/*
 * For the tests of persistent reservations: three initiator ports A, B and C with the keys KEY_A,
 * KEY_B and KEY_C, the commands, and what the rest of the core was asked to do.  Included by the
 * one source file of a test.
 */
#ifndef TGT_TESTS_PR_FIXTURE_H
#define TGT_TESTS_PR_FIXTURE_H

#include <errno.h>

#include "fake_task.h"
#include "scsi/pr_shared.h"
#include "store/state.h"
#include "temp_dir.h"

enum { A, B, C };
#define KEY_A 0xaaaaaaaaaaaaaaaa
#define KEY_B 0xbbbbbbbbbbbbbbbb
#define KEY_C 0xcccccccccccccccc
static const uint64_t keys[NEXUSES] = {KEY_A, KEY_B, KEY_C};

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_ABORT, REGISTER_IGNORE, MOVE };
enum { WE = 1, EA = 3, WE_RO = 5, EA_RO = 6, WE_AR = 7, EA_AR = 8 };
static const uint8_t types[] __attribute__((unused)) = {WE, EA, WE_RO, EA_RO, WE_AR, EA_AR};

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

void lu_abort_matching(struct lu *lu, const struct lu_abort *what, void (*done)(void *done_arg),
		       void *done_arg)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_ptr_equal(what->except, &fake_task);
	assert_int_equal(what->by, fake_task.nexus->id);
	assert_true(what->preempts);
	for (unsigned i = 0; i < NEXUSES; i++)
		aborted[i] = what->match(&fake_nexus[i], what->arg);
	done(done_arg);
}

/* No test here has a medium that other hosts have, too. */
bool pr_store_shares(const struct store *store)
{
	(void)store;
	return false;
}

void pr_shared_free(struct pr_shared *shared)
{
	(void)shared;
}

bool reserve_is_offered(const struct lu *lu)
{
	(void)lu;
	return true;
}

bool pr_shared_is_current(const struct lu *lu)
{
	(void)lu;
	return true;
}

void pr_shared_change(struct pr_change *c)
{
	fail();
	(void)c;
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	(void)state;
	pr_state_free(&fake_lu);
	return 0;
}

static inline void clear_told(void)
{
	memset(told, 0, sizeof(told));
	memset(aborted, 0, sizeof(aborted));
}

static inline struct scsi_task *out_raw(unsigned nexus, uint8_t action, uint8_t type,
					const uint8_t *list, size_t len)
{
	uint8_t cdb[10] = {0x5f, action, type};

	clear_told();
	put_be32(cdb + 5, (uint32_t)len);
	return fake_run(pr_rows, nexus, cdb, list, len);
}

static inline struct scsi_task *out_flags(unsigned nexus, uint8_t action, uint8_t type,
					  uint64_t key, uint64_t action_key, uint8_t flags)
{
	uint8_t list[24] = {0};

	put_be64(list, key);
	put_be64(list + 8, action_key);
	list[20] = flags;
	return out_raw(nexus, action, type, list, sizeof(list));
}

static inline struct scsi_task *out(unsigned nexus, uint8_t action, uint8_t type, uint64_t key,
				    uint64_t action_key)
{
	return out_flags(nexus, action, type, key, action_key, 0);
}

static inline void register_all(void)
{
	for (unsigned i = 0; i < NEXUSES; i++)
		assert_good(out(i, REGISTER, 0, 0, keys[i]));
}

static inline struct scsi_task *in(uint8_t action)
{
	const uint8_t cdb[10] = {0x5e, action, [7] = 0xff, 0xff};

	return fake_run(pr_rows, C, cdb, NULL, 0);
}

static inline uint32_t generation(void)
{
	in(0);
	return get_be32(said.data);
}

/* The keys, in any order; 0 ends the list. */
static inline void assert_keys(uint64_t a, uint64_t b, uint64_t c)
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

static inline void assert_reservation(uint8_t type, uint64_t key)
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

static inline void assert_told(uint16_t a, uint16_t b, uint16_t c)
{
	assert_int_equal(told[A], a);
	assert_int_equal(told[B], b);
	assert_int_equal(told[C], c);
}

static const char *const names[] __attribute__((unused)) = {
    "iqn.2026-01.org.example:host0,i,0x00023d000000",
    "iqn.2026-01.org.example:host1,i,0x00023d000001",
    "iqn.2026-01.org.example:host2,i,0x00023d000002",
};

static inline bool conflicts(unsigned nexus, enum pr_rule rule)
{
	const struct opcode_row row = {.pr = (uint8_t)rule};
	struct scsi_task t = {.lu = &fake_lu, .nexus = &fake_nexus[nexus], .row = &row};

	return pr_conflicts(&t);
}

static inline size_t move_list(uint8_t *list, uint64_t key, uint64_t action_key, uint8_t flags,
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
