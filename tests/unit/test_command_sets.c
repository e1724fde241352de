/* SPDX-License-Identifier: MIT */
/* What must hold of every row of every device type, and the surface of a disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/cleanup.h"

static const struct command_set *const sets[] = {&disk_commands, &controller_commands,
						 &tape_commands, &no_lu_commands};

static int setup(void **state)
{
	(void)state;
	opcode_init();
	return 0;
}

/* SPC-5 table 31: the group code is the length. */
static unsigned length_of_group(uint8_t opcode)
{
	static const uint8_t lengths[8] = {6, 10, 10, 0, 16, 12, 0, 0};

	return lengths[opcode >> 5];
}

static void check_row(const char *set, const struct opcode_row *row)
{
	bool good = row->run && row->name && *row->name && row->clause && *row->clause &&
		    row->usage[0] == row->opcode &&
		    (row->opcode == 0x7f || row->cdb_len == length_of_group(row->opcode)) &&
		    (row->direction != DATA_OUT || row->prepare) && row->pr <= PR_SPECIAL;

	for (unsigned i = row->cdb_len; i < SCSI_MAX_CDB; i++)
		good = good && !row->usage[i];
	/* who may write must be known as such to write protection and reservations */
	if (row->flags & ROW_WRITES)
		good = good && row->flags & ROW_MEDIUM && row->pr == PR_WRITE;
	if (!good)
		fail_msg("%s: %02x %d %s", set, row->opcode, row->service_action,
			 row->name ? row->name : "");
}

static void test_rows(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sets); s++) {
		unsigned count;
		const struct opcode_row *const *rows = opcode_rows(sets[s], &count);

		assert_true(count > 0);
		for (unsigned i = 0; i < count; i++) {
			check_row(sets[s]->name, rows[i]);
			if (i == 0)
				continue;
			/* sorted, each once, and service actions for all of an operation code or
			 * none */
			assert_true(rows[i - 1]->opcode < rows[i]->opcode ||
				    (rows[i - 1]->opcode == rows[i]->opcode &&
				     rows[i - 1]->service_action != NO_SERVICE_ACTION &&
				     rows[i - 1]->service_action < rows[i]->service_action));
		}
	}
}

/* The commands of a disk, and of the controller, by name: a change here is a change for users. */
static void assert_golden(const struct command_set *set, const char *const *names, unsigned nr)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(set, &count);

	for (unsigned i = 0; i < count && i < nr; i++)
		assert_string_equal(rows[i]->name, names[i]);
	assert_int_equal(count, nr);
}

static void test_controller(void **state)
{
	static const char *const names[] = {
	    "TEST UNIT READY",
	    "REQUEST SENSE",
	    "INQUIRY",
	    "MODE SELECT(6)",
	    "MODE SENSE(6)",
	    "RECEIVE DIAGNOSTIC RESULTS",
	    "SEND DIAGNOSTIC",
	    "LOG SELECT",
	    "LOG SENSE",
	    "MODE SELECT(10)",
	    "MODE SENSE(10)",
	    "REPORT LUNS",
	    "REPORT TARGET PORT GROUPS",
	    "REPORT SUPPORTED OPERATION CODES",
	    "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
	    "SET TARGET PORT GROUPS",
	};

	(void)state;
	assert_golden(&controller_commands, names, ARRAY_SIZE(names));
}

static void test_no_lu(void **state)
{
	static const char *const names[] = {"REQUEST SENSE", "INQUIRY", "REPORT LUNS"};
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(&no_lu_commands, &count);

	(void)state;
	assert_golden(&no_lu_commands, names, ARRAY_SIZE(names));
	for (unsigned i = 0; i < count; i++)
		assert_true(rows[i]->flags & ROW_NO_LU);
}

/* SAM-5 5.14: these run in spite of a unit attention, and no others do. */
static void test_unit_attention(void **state)
{
	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sets); s++) {
		unsigned count;
		const struct opcode_row *const *rows = opcode_rows(sets[s], &count);

		for (unsigned i = 0; i < count; i++) {
			bool skips = rows[i]->opcode == 0x03 || rows[i]->opcode == 0x12 ||
				     rows[i]->opcode == 0xa0;

			assert_int_equal(!!(rows[i]->flags & ROW_SKIP_UA), skips);
		}
	}
}

/* SPC-5 table 65: the primary commands under another nexus's reservation. */
static void test_reservation_rules(void **state)
{
	static const struct {
		uint8_t opcode;
		int action;
		enum pr_rule rule;
	} want[] = {
	    {0x12, NO_SERVICE_ACTION, PR_ALLOWED}, /* INQUIRY */
	    {0x4d, NO_SERVICE_ACTION, PR_ALLOWED}, /* LOG SENSE */
	    {0x4c, NO_SERVICE_ACTION, PR_WRITE},   /* LOG SELECT */
	    {0x15, NO_SERVICE_ACTION, PR_WRITE},   /* MODE SELECT */
	    {0x55, NO_SERVICE_ACTION, PR_WRITE},
	    {0x1a, NO_SERVICE_ACTION, PR_READ}, /* MODE SENSE */
	    {0x5a, NO_SERVICE_ACTION, PR_READ},
	    {0x5e, 0x00, PR_ALLOWED}, /* PERSISTENT RESERVE IN */
	    {0x5e, 0x03, PR_ALLOWED},
	    {0x5f, 0x00, PR_SPECIAL},
	    {0xa0, NO_SERVICE_ACTION, PR_ALLOWED}, /* REPORT LUNS */
	    {0xa3, 0x0a, PR_ALLOWED},              /* REPORT TARGET PORT GROUPS */
	    {0xa3, 0x0c, PR_READ},                 /* REPORT SUPPORTED OPERATION CODES */
	    {0xa3, 0x0d, PR_READ},
	    {0xa4, 0x0a, PR_WRITE},                /* SET TARGET PORT GROUPS */
	    {0x03, NO_SERVICE_ACTION, PR_ALLOWED}, /* REQUEST SENSE */
	    {0x1c, NO_SERVICE_ACTION, PR_READ},    /* RECEIVE DIAGNOSTIC RESULTS */
	    {0x3b, NO_SERVICE_ACTION, PR_WRITE},   /* WRITE BUFFER */
	    {0x3c, NO_SERVICE_ACTION, PR_READ},    /* READ BUFFER(10) */
	    {0x1d, NO_SERVICE_ACTION, PR_WRITE},   /* SEND DIAGNOSTIC */
	    {0x00, NO_SERVICE_ACTION, PR_ALLOWED}, /* TEST UNIT READY */
	    {0xa3, 0x05, PR_ALLOWED},              /* REPORT IDENTIFYING INFORMATION */
	    {0xa3, 0x0f, PR_ALLOWED},              /* REPORT TIMESTAMP */
	    {0xa4, 0x06, PR_WRITE},                /* SET IDENTIFYING INFORMATION */
	    {0xa4, 0x0f, PR_WRITE},                /* SET TIMESTAMP */
	    {0x04, NO_SERVICE_ACTION, PR_WRITE},   /* FORMAT UNIT */
	    {0x48, 0x01, PR_WRITE},                /* SANITIZE */
	    {0x48, 0x02, PR_WRITE},
	    {0x48, 0x1f, PR_WRITE},
	    {0x28, NO_SERVICE_ACTION, PR_READ},  /* READ(10) */
	    {0x2a, NO_SERVICE_ACTION, PR_WRITE}, /* WRITE(10) */
	    {0x41, NO_SERVICE_ACTION, PR_WRITE}, /* WRITE SAME(10) */
	    {0x42, NO_SERVICE_ACTION, PR_WRITE}, /* UNMAP */
	    {0x89, NO_SERVICE_ACTION, PR_WRITE}, /* COMPARE AND WRITE */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		uint8_t cdb[SCSI_MAX_CDB] = {want[i].opcode};
		const struct opcode_row *row;

		if (want[i].action != NO_SERVICE_ACTION)
			cdb[1] = (uint8_t)want[i].action;
		assert_int_equal(opcode_find(&disk_commands, cdb, &row), OPCODE_FOUND);
		assert_int_equal(row->pr, want[i].rule);
	}
}

/* SPC-5: those that a tape drive has beside a disk's. */
static void test_tape_reservation_rules(void **state)
{
	static const struct {
		uint8_t opcode, action;
		enum pr_rule rule;
	} want[] = {
	    {0x8c, 0x00, PR_READ},                          /* READ ATTRIBUTE */
	    {0x8c, 0x05, PR_READ},  {0x8d, 0x00, PR_WRITE}, /* WRITE ATTRIBUTE */
	    {0xa2, 0x00, PR_READ},                          /* SECURITY PROTOCOL IN */
	    {0xb5, 0x00, PR_WRITE},                         /* SECURITY PROTOCOL OUT */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		const uint8_t cdb[SCSI_MAX_CDB] = {want[i].opcode, want[i].action};
		const struct opcode_row *row;

		assert_int_equal(opcode_find(&tape_commands, cdb, &row), OPCODE_FOUND);
		assert_int_equal(row->pr, want[i].rule);
	}
}

/*
 * SPC-5 5.15.2: what runs through a port in standby, one that is unavailable or offline, and one
 * that is transitioning.  The lists say what shall be supported there if it is at all, and let the
 * device add to them: REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS read nothing
 * of the medium.
 */
static uint16_t access_rule(uint8_t opcode, int action)
{
	switch (opcode) {
	case 0x03: /* REQUEST SENSE */
	case 0x12: /* INQUIRY */
	case 0xa0: /* REPORT LUNS */
		return ROW_ANY_ACCESS;
	case 0xa3: /* REPORT TARGET PORT GROUPS; SUPPORTED OPERATION CODES, TASK MANAGEMENT */
		return action == 0x0a                     ? ROW_ANY_ACCESS
		       : action == 0x0c || action == 0x0d ? ROW_STANDBY | ROW_UNAVAILABLE
							  : 0;
	case 0xa4: /* SET TARGET PORT GROUPS */
		return action == 0x0a ? ROW_STANDBY | ROW_UNAVAILABLE : 0;
	case 0x15: /* MODE SELECT, MODE SENSE */
	case 0x1a:
	case 0x55:
	case 0x5a:
	case 0x1c: /* RECEIVE DIAGNOSTIC RESULTS, SEND DIAGNOSTIC */
	case 0x1d:
	case 0x4c: /* LOG SELECT, LOG SENSE */
	case 0x4d:
	case 0x5e: /* PERSISTENT RESERVE IN, PERSISTENT RESERVE OUT */
	case 0x5f:
		return ROW_STANDBY;
	default:
		return 0;
	}
}

static void check_access(const struct command_set *set)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(set, &count);

	for (unsigned i = 0; i < count; i++) {
		uint16_t want = access_rule(rows[i]->opcode, rows[i]->service_action);

		/* READ and WRITE BUFFER have it by their mode */
		if ((rows[i]->flags & ROW_ANY_ACCESS) != want && rows[i]->opcode != 0x3b &&
		    rows[i]->opcode != 0x3c)
			fail_msg("%s: %s", set->name, rows[i]->name);
	}
}

static void test_access_rules(void **state)
{
	static const uint8_t types[] = {0x00, 0x01, 0x05, 0x08, 0x0d};

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(sets); s++)
		check_access(sets[s]);
	for (unsigned s = 0; s < 2 * ARRAY_SIZE(types); s++)
		check_access(passthrough_set(types[s / 2], s & 1));
}

/* What is passed through: each row once, with a reason when it is not the device's, and nothing
 * that writes is let past write protection or another's reservation. */
static void check_route(const struct opcode_row *row)
{
	const struct pt_route *r = row->route;
	bool good = r && r->name && *r->name && (r->where == PT_TO_DEVICE || (r->why && *r->why));

	if (r && r->where == PT_TO_DEVICE) {
		if (r->direction == PT_DATA_OUT)
			good = good && r->pr == PR_WRITE;
		if (r->flags & PT_AGAIN)
			good = good && r->pr != PR_WRITE && r->direction != PT_DATA_OUT;
		if (r->flags & PT_KEEPS)
			good = good && r->pr == PR_WRITE && !(row->flags & ROW_WRITES);
		else
			good = good && (r->pr == PR_WRITE) == !!(row->flags & ROW_WRITES);
	}
	if (!good)
		fail_msg("%02x %d %s", row->opcode, row->service_action, row->name);
}

static void test_passthrough_routes(void **state)
{
	static const uint8_t types[] = {0x00, 0x01, 0x05, 0x08, 0x0d};

	(void)state;
	for (unsigned s = 0; s < 2 * ARRAY_SIZE(types); s++) {
		unsigned count;
		const struct opcode_row *const *rows =
		    opcode_rows(passthrough_set(types[s / 2], s & 1), &count);

		for (unsigned i = 0; i < count; i++) {
			check_route(rows[i]);
			if (i && rows[i - 1]->opcode == rows[i]->opcode)
				assert_true(rows[i - 1]->service_action != NO_SERVICE_ACTION &&
					    rows[i - 1]->service_action < rows[i]->service_action);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),           cmocka_unit_test(test_passthrough_routes),
	    cmocka_unit_test(test_controller),     cmocka_unit_test(test_no_lu),
	    cmocka_unit_test(test_unit_attention), cmocka_unit_test(test_reservation_rules),
	    cmocka_unit_test(test_access_rules),   cmocka_unit_test(test_tape_reservation_rules),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
