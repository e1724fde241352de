/* SPDX-License-Identifier: MIT */
/* RESERVE and RELEASE: SPC-2 5.5.1, table 9; beside registrations: SPC-4 5.13.3. */
#include "fake_task.h"
#include "scsi/pr.h"

/* Stand-ins for the persistent reservations. */
static bool registrations, compatible;

bool pr_has_registrations(const struct lu *lu)
{
	(void)lu;
	return registrations;
}

bool pr_compatible_holder(const struct scsi_task *t)
{
	(void)t;
	return compatible;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	registrations = compatible = false;
	return 0;
}

static struct scsi_task *run(unsigned nexus, uint8_t opcode)
{
	const uint8_t cdb[10] = {opcode};

	return fake_run(reserve_rows, nexus, cdb, NULL, 0);
}

static void test_reserve_and_release(void **state)
{
	static const uint8_t reserve[] = {0x16, 0x56}, release[] = {0x17, 0x57};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_good(run(0, reserve[i]));
		assert_true(fake_lu.reserved_by == fake_nexus[0].id);
		assert_good(run(0, reserve[i])); /* again */
		assert_good(run(1, release[i])); /* not its own: GOOD, nothing is released */
		assert_true(fake_lu.reserved_by == fake_nexus[0].id);
		assert_good(run(0, release[i]));
		assert_true(fake_lu.reserved_by == 0);
	}
}

/* Extents, third parties and parameter lists aren't there. */
static void test_unsupported(void **state)
{
	static const uint8_t extent6[6] = {0x16, 0x01}, third6[6] = {0x16, 0x10};
	static const uint8_t longid10[10] = {0x56, 0x02}, list10[10] = {0x56, [8] = 8};

	(void)state;
	assert_invalid_cdb(fake_run(reserve_rows, 0, extent6, NULL, 0), 1, 0);
	assert_invalid_cdb(fake_run(reserve_rows, 0, third6, NULL, 0), 1, 4);
	assert_invalid_cdb(fake_run(reserve_rows, 0, longid10, NULL, 0), 1, 1);
	assert_invalid_cdb(fake_run(reserve_rows, 0, list10, NULL, 0), 8, 3);
	assert_true(fake_lu.reserved_by == 0);
}

static bool conflicts(unsigned nexus, uint8_t opcode, uint8_t byte1, uint8_t byte4)
{
	struct scsi_task t = {.lu = &fake_lu, .nexus = &fake_nexus[nexus]};

	t.cdb[0] = opcode;
	t.cdb[1] = byte1;
	t.cdb[4] = byte4;
	return reserve_conflicts(&t);
}

static void test_conflicts(void **state)
{
	static const uint8_t allowed[] = {0x03, 0x12, 0x17, 0x57, 0xa0, 0x25};
	static const uint8_t persistent[] = {0x5e, 0x5f};
	static const struct command_set disk = {.device_type = 0x00}, drive = {.device_type = 0x01};

	(void)state;
	fake_lu.commands = &disk;
	for (unsigned op = 0; op < 256; op++)
		assert_false(conflicts(1, (uint8_t)op, 0, 0));
	assert_good(run(0, 0x16));
	for (unsigned op = 0; op < 256; op++) {
		bool pr = memchr(persistent, (int)op, sizeof(persistent)) != NULL;
		bool ok = memchr(allowed, (int)op, sizeof(allowed)) != NULL || op == 0x1e;

		/* PERSISTENT RESERVE conflicts for the holder too */
		assert_int_equal(conflicts(0, (uint8_t)op, 0, 0), pr);
		assert_int_equal(conflicts(1, (uint8_t)op, 0, 0), !ok);
	}
	assert_true(conflicts(1, 0x1e, 0, 1)); /* PREVENT */
	assert_false(conflicts(0, 0x1e, 0, 1));
	assert_false(conflicts(1, 0x9e, 0x10, 0)); /* READ CAPACITY(16) */
	assert_true(conflicts(1, 0x9e, 0x12, 0));  /* GET LBA STATUS */
	fake_lu.commands = &drive;
	assert_false(conflicts(1, 0x05, 0, 0)); /* READ BLOCK LIMITS */
	assert_false(conflicts(1, 0x44, 0, 0)); /* REPORT DENSITY SUPPORT */
}

static void test_lost_nexus(void **state)
{
	(void)state;
	run(0, 0x16);
	reserve_release_nexus(&fake_lu, fake_nexus[1].id);
	assert_true(conflicts(1, 0x28, 0, 0));
	reserve_release_nexus(&fake_lu, fake_nexus[0].id);
	assert_false(conflicts(1, 0x28, 0, 0));
	run(0, 0x16);
	reserve_reset(&fake_lu);
	assert_false(conflicts(1, 0x28, 0, 0));
}

/* While anybody is registered nothing is reserved; those who have access anyway get GOOD. */
static void test_beside_registrations(void **state)
{
	static const uint8_t ops[] = {0x16, 0x17, 0x56, 0x57};

	(void)state;
	registrations = true;
	for (unsigned i = 0; i < sizeof(ops); i++) {
		compatible = false;
		assert_conflict(run(0, ops[i]));
		compatible = true;
		assert_good(run(0, ops[i]));
		assert_true(fake_lu.reserved_by == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_reserve_and_release, setup),
	    cmocka_unit_test_setup(test_unsupported, setup),
	    cmocka_unit_test_setup(test_conflicts, setup),
	    cmocka_unit_test_setup(test_lost_nexus, setup),
	    cmocka_unit_test_setup(test_beside_registrations, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
