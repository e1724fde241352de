/* SPDX-License-Identifier: MIT */
/* Finding rows, CDB usage data (SPC-5 4.3, 6.34), REPORT SUPPORTED OPERATION CODES. */
#include "fake_task.h"

static void run(struct scsi_task *t)
{
	task_good(t);
}

static bool never(const struct lu *lu)
{
	(void)lu;
	return false;
}

#define ROW(op, sa, len, ...)                                                                      \
	{                                                                                          \
		.opcode = op, .service_action = sa, .cdb_len = len, .usage = {__VA_ARGS__},        \
		.run = run, .name = "x", .clause = "x"                                             \
	}

/* out of order on purpose */
static const struct opcode_row some_rows[] = {
    ROW(0x9e, 0x12, 16, 0x9e, 0x00, 0xff),
    ROW(0x00, NO_SERVICE_ACTION, 6, 0x00),
    ROW(0x9e, 0x10, 16, 0x9e, 0x00, 0xff, [10] = 0xff, [13] = 0xff, [14] = 0x01),
    {.run = NULL},
};
static const struct opcode_row more_rows[] = {
    ROW(0x7f, 0x000b, 32, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfa),
    ROW(0x28, NO_SERVICE_ACTION, 10, 0x28, 0x18, 0xff, 0xff, 0xff, 0xff, 0x3f, 0xff, 0xff),
    {.opcode = 0x42,
     .service_action = NO_SERVICE_ACTION,
     .cdb_len = 10,
     .run = run,
     .available = never,
     .flags = ROW_LONG,
     .name = "x",
     .clause = "x"},
    {.run = NULL},
};
/* as of a device that is passed through; what is said of CONTROL doesn't count */
static const struct opcode_row all_bits =
    ROW(0x15, NO_SERVICE_ACTION, 6, 0x15, 0xff, 0xff, 0xff, 0xff, 0xff);
static const struct opcode_row *const tables[] = {some_rows, more_rows, rsoc_rows, NULL};
static const struct command_set set = {.device_type = 0, .name = "test", .tables = tables};

static int setup(void **state)
{
	(void)state;
	opcode_register(&set);
	fake_reset();
	fake_lu.commands = &set;
	return 0;
}

static enum opcode_result find(const struct opcode_row **row, uint8_t op, uint8_t byte1)
{
	uint8_t cdb[SCSI_MAX_CDB] = {op, byte1};

	return opcode_find(&set, cdb, row);
}

static void test_find(void **state)
{
	const struct opcode_row *row;

	(void)state;
	assert_int_equal(find(&row, 0x00, 0), OPCODE_FOUND);
	assert_ptr_equal(row, &some_rows[1]);
	/* without service actions the bits of byte 1 select nothing */
	assert_int_equal(find(&row, 0x28, 0x18), OPCODE_FOUND);
	assert_ptr_equal(row, &more_rows[1]);
	assert_int_equal(find(&row, 0x9e, 0x10), OPCODE_FOUND);
	assert_ptr_equal(row, &some_rows[2]);
	/* bits above the service action don't belong to it */
	assert_int_equal(find(&row, 0x9e, 0xf2), OPCODE_FOUND);
	assert_ptr_equal(row, &some_rows[0]);
}

static void test_find_nothing(void **state)
{
	const struct opcode_row *row = some_rows;

	(void)state;
	assert_int_equal(find(&row, 0x01, 0), OPCODE_UNKNOWN);
	assert_null(row);
	assert_int_equal(find(&row, 0xff, 0), OPCODE_UNKNOWN);
	for (unsigned sa = 0; sa < 32; sa++) {
		bool known = sa == 0x10 || sa == 0x12;

		assert_int_equal(find(&row, 0x9e, (uint8_t)sa),
				 known ? OPCODE_FOUND : OPCODE_BAD_SERVICE_ACTION);
		if (!known)
			assert_null(row);
	}
}

static void test_find_variable_length(void **state)
{
	uint8_t cdb[SCSI_MAX_CDB] = {0x7f, [7] = 0x18, [9] = 0x0b};
	const struct opcode_row *row;

	(void)state;
	assert_int_equal(opcode_find(&set, cdb, &row), OPCODE_FOUND);
	assert_ptr_equal(row, &more_rows[0]);
	cdb[8] = 0xff;
	assert_int_equal(opcode_find(&set, cdb, &row), OPCODE_BAD_SERVICE_ACTION);
}

/* Every bit of every byte: allowed exactly when the usage data have it, and the pointer is to it.
 */
static void check_each_bit(const struct opcode_row *row, uint8_t byte1, uint8_t control)
{
	uint8_t usage[SCSI_MAX_CDB];

	opcode_usage(row, usage);
	for (unsigned at = 1; at < row->cdb_len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			struct scsi_task t = {.row = row, .cdb_len = 32};
			bool is_action =
			    row->service_action != NO_SERVICE_ACTION && at == 1 && bit < 5;
			bool allowed = at == control ? bit == 2 : row->usage[at] >> bit & 1;

			if (is_action)
				continue;
			assert_int_equal(usage[at] >> bit & 1, allowed);
			memset(&said, 0, sizeof(said));
			t.cdb[0] = row->opcode;
			t.cdb[1] = byte1;
			t.cdb[at] |= (uint8_t)(1u << bit);
			assert_int_equal(opcode_check_cdb(&t), allowed);
			if (!allowed)
				assert_invalid_cdb(&t, at, bit);
		}
	}
}

static void test_usage_bits(void **state)
{
	(void)state;
	check_each_bit(&more_rows[1], 0, 9);
	check_each_bit(&some_rows[1], 0, 5);
	check_each_bit(&some_rows[2], 0x10, 15);
	check_each_bit(&all_bits, 0, 5);
}

/* SPC-5 4.4.2.4.2: the pointer is to the left-most bit, of the first byte. */
static void test_pointer_to_first(void **state)
{
	struct scsi_task t = {.row = &more_rows[1], .cdb_len = 16, .cdb = {0x28, 0x06, [6] = 0xc0}};

	(void)state;
	assert_false(opcode_check_cdb(&t));
	assert_invalid_cdb(&t, 1, 2);
}

static void test_variable_length_is_checked(void **state)
{
	struct scsi_task t = {
	    .row = &more_rows[0], .cdb_len = 32, .cdb = {0x7f, [7] = 0x18, [9] = 0x0b}};

	(void)state;
	assert_true(opcode_check_cdb(&t));
	t.cdb[7] = 0x17;
	assert_false(opcode_check_cdb(&t));
	assert_invalid_cdb(&t, 7, -1);
	t.cdb[7] = 0x18;
	t.cdb_len = 16; /* what came was shorter than it says */
	memset(&said, 0, sizeof(said));
	assert_false(opcode_check_cdb(&t));
	assert_sense(&t, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
}

static void test_usage_has_service_action(void **state)
{
	uint8_t usage[SCSI_MAX_CDB];

	(void)state;
	opcode_usage(&some_rows[2], usage);
	assert_int_equal(usage[0], 0x9e);
	assert_int_equal(usage[1], 0x10);
	assert_int_equal(usage[15], 0x04); /* NACA */
	opcode_usage(&more_rows[0], usage);
	assert_int_equal(usage[1], 0x04);
	assert_int_equal(usage[7], 0x18);
	assert_int_equal(get_be16(usage + 8), 0x000b);
}

static struct scsi_task *rsoc(uint8_t options, uint8_t opcode, uint16_t action)
{
	uint8_t cdb[12] = {0xa3, 0x0c, options, opcode};

	put_be16(cdb + 4, action);
	put_be32(cdb + 6, 0x10000);
	return fake_run(rsoc_rows, 0, cdb, NULL, 0);
}

/* 0: all of them, ascending, but what this LU hasn't */
static void test_report_all(void **state)
{
	static const uint8_t want[] = {
	    0,    0, 0, 7 * 8,                 /* length */
	    0x00, 0, 0, 0,     0, 0x00, 0, 6,  /* TEST UNIT READY */
	    0x28, 0, 0, 0,     0, 0x00, 0, 10, /* READ(10) */
	    0x7f, 0, 0, 0x0b,  0, 0x01, 0, 32, /* SERVACTV */
	    0x9e, 0, 0, 0x10,  0, 0x01, 0, 16, 0x9e, 0, 0, 0x12, 0, 0x01, 0, 16,
	    0xa3, 0, 0, 0x0c,  0, 0x01, 0, 12, 0xa3, 0, 0, 0x0d, 0, 0x01, 0, 12,
	};

	(void)state;
	assert_good(rsoc(0, 0, 0));
	assert_int_equal(said.len, sizeof(want));
	assert_memory_equal(said.data, want, sizeof(want));
	assert_int_equal(said.allocation, 0x10000);
}

static void test_report_all_timeouts(void **state)
{
	(void)state;
	assert_good(rsoc(0x80, 0, 0));
	assert_int_equal(said.len, 4 + 7 * 20);
	assert_int_equal(get_be32(said.data), 7 * 20);
	for (size_t at = 4; at < said.len; at += 20) {
		assert_int_equal(said.data[at + 5] & 0x02, 0x02);     /* CTDP */
		assert_int_equal(get_be16(said.data + at + 8), 0x0a); /* descriptor length */
		/* a client that waits the recommended time has waited the nominal one */
		assert_true(get_be32(said.data + at + 16) >= get_be32(said.data + at + 12));
		assert_true(get_be32(said.data + at + 16) > 0);
	}
}

static void test_report_one(void **state)
{
	static const uint8_t read10[] = {0,    0x03, 0,    10,   0x28, 0x18, 0xff,
					 0xff, 0xff, 0xff, 0x3f, 0xff, 0xff, 0x04};

	(void)state;
	assert_good(rsoc(1, 0x28, 0));
	assert_int_equal(said.len, sizeof(read10));
	assert_memory_equal(said.data, read10, sizeof(read10));
	assert_good(rsoc(0x81, 0x28, 0));
	assert_int_equal(said.len, sizeof(read10) + 12);
	assert_int_equal(said.data[1], 0x83); /* CTDP */
	assert_int_equal(get_be16(said.data + sizeof(read10)), 0x0a);
	assert_good(rsoc(2, 0x9e, 0x10));
	assert_int_equal(said.len, 4 + 16);
	assert_int_equal(said.data[5], 0x10);
}

static void assert_not_supported(struct scsi_task *t)
{
	assert_good(t);
	assert_int_equal(said.len, 4);
	assert_int_equal(said.data[1], 0x01);
}

static void test_report_one_unsupported(void **state)
{
	(void)state;
	assert_not_supported(rsoc(1, 0x2a, 0));
	assert_not_supported(rsoc(2, 0x2a, 0));
	assert_not_supported(rsoc(3, 0x2a, 0));
	assert_not_supported(rsoc(2, 0x9e, 0x11));
	assert_not_supported(rsoc(3, 0x9e, 0x110)); /* no service action of five bits */
	assert_not_supported(rsoc(1, 0x42, 0));     /* this LU hasn't it */
}

/* Table 259: an option that doesn't fit the operation code; 3 fits all. */
static void test_report_one_wrong_option(void **state)
{
	(void)state;
	assert_invalid_cdb(rsoc(1, 0x9e, 0), 2, 2);
	assert_invalid_cdb(rsoc(2, 0x28, 0), 2, 2);
	assert_good(rsoc(3, 0x9e, 0x12));
	assert_int_equal(said.data[1], 3);
	assert_good(rsoc(3, 0x28, 0));
	assert_int_equal(said.data[1], 3);
	assert_not_supported(rsoc(3, 0x28, 1));
	for (uint8_t option = 4; option < 8; option++)
		assert_invalid_cdb(rsoc(option, 0x28, 0), 2, 2);
	assert_invalid_cdb(rsoc(0x08, 0x28, 0), 2, 3); /* a reserved bit */
}

static void test_report_functions(void **state)
{
	uint8_t cdb[12] = {0xa3, 0x0d, 0, [9] = 0xff};
	static const uint8_t basic[4] = {0xfe, 0x07, 0, 0};

	(void)state;
	assert_good(fake_run(rsoc_rows, 0, cdb, NULL, 0));
	assert_int_equal(said.len, 4);
	assert_memory_equal(said.data, basic, 4);
	cdb[2] = 0x80; /* REPD */
	assert_good(fake_run(rsoc_rows, 0, cdb, NULL, 0));
	assert_int_equal(said.len, 16);
	assert_int_equal(said.data[3], 0x0c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_find, setup),
	    cmocka_unit_test_setup(test_find_nothing, setup),
	    cmocka_unit_test_setup(test_find_variable_length, setup),
	    cmocka_unit_test_setup(test_usage_bits, setup),
	    cmocka_unit_test_setup(test_pointer_to_first, setup),
	    cmocka_unit_test_setup(test_variable_length_is_checked, setup),
	    cmocka_unit_test_setup(test_usage_has_service_action, setup),
	    cmocka_unit_test_setup(test_report_all, setup),
	    cmocka_unit_test_setup(test_report_all_timeouts, setup),
	    cmocka_unit_test_setup(test_report_one, setup),
	    cmocka_unit_test_setup(test_report_one_unsupported, setup),
	    cmocka_unit_test_setup(test_report_one_wrong_option, setup),
	    cmocka_unit_test_setup(test_report_functions, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
