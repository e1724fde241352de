/* SPDX-License-Identifier: MIT */
/* REPORT and SET TARGET PORT GROUPS: SPC-5 6.36, 6.45. */
#include "fake_task.h"
#include "scsi/core.h"

/* ---- the rest of the core ---- */

static struct access_wish wishes[TARGET_PORTS_MAX];
static unsigned nr_wishes, changes;
static bool drained, aborted;
static int handle;

struct task_aside *task_step_aside(struct scsi_task *t)
{
	assert_ptr_equal(t, &fake_task);
	return (struct task_aside *)(void *)&handle;
}

struct scsi_task *task_step_back(struct task_aside *aside)
{
	assert_ptr_equal(aside, &handle);
	return aborted ? NULL : &fake_task;
}

struct reactor *reactor_get(unsigned id)
{
	assert_int_equal(id, 0);
	return NULL;
}

void reactor_send(struct reactor *reactor, struct message *message)
{
	(void)reactor;
	message->fn(message);
}

void target_access_change(struct target *target, const struct access_wish *w, unsigned count,
			  enum access_status by, uint64_t except,
			  void (*done)(void *arg, bool drained), void *arg)
{
	assert_ptr_equal(target, &fake_target);
	assert_int_equal(by, ACCESS_BY_COMMAND);
	assert_true(except == fake_nexus[0].id);
	changes++;
	nr_wishes = count;
	memcpy(wishes, w, count * sizeof(*w));
	done(arg, drained);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_ports((const uint16_t[]){2, 0x102}, 2);
	fake_list.list.by_command = true;
	changes = nr_wishes = 0;
	drained = true;
	aborted = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_ports(NULL, 0);
	return 0;
}

/* ---- REPORT ---- */

static struct scsi_task *report(unsigned format)
{
	const uint8_t cdb[12] = {0xa3, (uint8_t)(0x0a | format << 5), [8] = 0x12, 0x34};

	return fake_run(alua_rows, 0, cdb, NULL, 0);
}

/* A target is made so: one port, active/optimized, and all states can be had. */
static void test_report_default(void **state)
{
	static const uint8_t want[] = {0, 0, 0, 12, 0, 0xcf, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};

	(void)state;
	fake_ports(NULL, 0);
	assert_good(report(0));
	assert_int_equal(said.len, sizeof(want));
	assert_memory_equal(said.data, want, sizeof(want));
	assert_int_equal(said.allocation, 0x1234);
}

static void test_report_states(void **state)
{
	static const uint8_t want[] = {0, 0, 0,    24,   0x82, 0xcf, 0, 2, 0, 1, 0, 1, 0, 0,
				       0, 2, 0x0e, 0xcf, 1,    2,    0, 2, 0, 1, 0, 0, 1, 2};

	(void)state;
	fake_list.list.ports[0].state = ACCESS_STANDBY;
	fake_list.list.ports[0].preferred = true;
	fake_list.list.ports[0].status = ACCESS_BY_COMMAND;
	fake_list.list.ports[1].state = ACCESS_OFFLINE;
	fake_list.list.ports[1].status = ACCESS_IMPLICIT;
	assert_good(report(0));
	assert_int_equal(said.len, sizeof(want));
	assert_memory_equal(said.data, want, sizeof(want));
}

static void test_report_extended_header(void **state)
{
	static const uint8_t want[] = {0, 0, 0, 28, 0x10, 60, 0, 0, 0, 0xcf, 0, 2};

	(void)state;
	fake_list.list.transition_time = 60;
	assert_good(report(1));
	assert_int_equal(said.len, 32);
	assert_memory_equal(said.data, want, sizeof(want));
	for (unsigned format = 2; format < 8; format++)
		assert_invalid_cdb(report(format), 1, 7);
}

/* ---- SET ---- */

static struct scsi_task *set_raw(uint32_t length, const uint8_t *list, size_t len)
{
	uint8_t cdb[12] = {0xa4, 0x0a};

	put_be32(cdb + 6, length);
	return fake_run(alua_rows, 0, cdb, list, len);
}

/* One descriptor, or two when the second group isn't 0. */
static struct scsi_task *set(uint8_t state1, uint16_t group1, uint8_t state2, uint16_t group2)
{
	uint8_t list[12] = {[4] = state1, [8] = state2};
	size_t len = group2 ? 12 : 8;

	put_be16(list + 6, group1);
	put_be16(list + 10, group2);
	return set_raw((uint32_t)len, list, len);
}

static void test_set(void **state)
{
	(void)state;
	assert_good(set(0x02, 2, 0x01, 0x102));
	assert_int_equal(nr_wishes, 2);
	assert_true(wishes[0].id == 2 && wishes[0].has_state && !wishes[0].has_preferred);
	assert_int_equal(wishes[0].state, ACCESS_STANDBY);
	assert_int_equal(wishes[1].id, 0x102);
	assert_int_equal(wishes[1].state, ACCESS_NON_OPTIMIZED);
	for (uint8_t wanted = 0; wanted <= 3; wanted++) {
		assert_good(set(wanted, 0x102, 0, 0));
		assert_int_equal(wishes[0].state, wanted);
	}
}

/* Offline, transitioning and what is reserved can't be asked for. */
static void test_set_states_that_are_none(void **state)
{
	(void)state;
	for (unsigned wanted = 4; wanted < 256; wanted++)
		assert_invalid_parameter(set((uint8_t)wanted, 2, 0, 0), 4, -1);
	assert_invalid_parameter(set(0, 2, 0x0f, 0x102), 8, -1);
	assert_int_equal(changes, 0);
}

static void test_set_groups_that_are_none(void **state)
{
	(void)state;
	assert_invalid_parameter(set(0, 1, 0, 0), 6, -1);
	assert_invalid_parameter(set(0, 0, 0, 0), 6, -1);
	assert_invalid_parameter(set(0, 2, 0, 3), 10, -1);
	assert_invalid_parameter(set(0, 2, 1, 2), 10, -1); /* twice */
	assert_int_equal(changes, 0);
}

/* What the operator has taken away an initiator can't bring back. */
static void test_set_against_the_operator(void **state)
{
	static const uint8_t theirs[] = {ACCESS_OFFLINE, ACCESS_TRANSITIONING};

	(void)state;
	for (unsigned i = 0; i < sizeof(theirs); i++) {
		fake_list.list.ports[1].state = theirs[i];
		assert_sense(set(0, 0x102, 0, 0), KEY_HARDWARE_ERROR, 0x670a);
		assert_int_equal(changes, 0);
	}
	assert_good(set(2, 2, 0, 0));
}

static void test_set_lengths(void **state)
{
	static const uint8_t list[12] = {[7] = 2, [10] = 1, 2};

	(void)state;
	assert_good(set_raw(0, NULL, 0)); /* no list: nothing is to be changed */
	assert_int_equal(nr_wishes, 0);
	assert_good(set_raw(4, list, 4));
	assert_int_equal(nr_wishes, 0);
	assert_invalid_cdb(set_raw(1, list, 1), 6, -1);
	assert_invalid_cdb(set_raw(3, list, 3), 6, -1);
	assert_invalid_cdb(set_raw(7, list, 7), 6, -1);
	assert_invalid_cdb(set_raw(4 + 4 * (TARGET_PORTS_MAX + 1), list, 12), 6, -1);
	assert_invalid_cdb(set_raw(0xfffffffc, list, 12), 6, -1);
	assert_length_error(set_raw(12, list, 8)); /* less came than was announced */
}

static void test_set_fails(void **state)
{
	(void)state;
	drained = false;
	assert_sense(set(2, 2, 0, 0), KEY_HARDWARE_ERROR, 0x670a);
}

static void test_set_was_aborted(void **state)
{
	(void)state;
	aborted = true;
	set(2, 2, 0, 0);
	assert_int_equal(changes, 1);
	assert_int_equal(said.ended, 0);
}

/* TPGS is 01b unless the operator says otherwise: then there is no such command. */
static void test_set_is_there_when_allowed(void **state)
{
	static const uint8_t cdb[12] = {0xa4, 0x0a};
	const struct opcode_row *row = fake_row(alua_rows, cdb);

	(void)state;
	assert_true(row->available(&fake_lu));
	fake_list.list.by_command = false;
	assert_false(row->available(&fake_lu));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_report_default),
	    TEST(test_report_states),
	    TEST(test_report_extended_header),
	    TEST(test_set),
	    TEST(test_set_states_that_are_none),
	    TEST(test_set_groups_that_are_none),
	    TEST(test_set_against_the_operator),
	    TEST(test_set_lengths),
	    TEST(test_set_fails),
	    TEST(test_set_was_aborted),
	    TEST(test_set_is_there_when_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
