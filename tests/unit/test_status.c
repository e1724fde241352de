/* SPDX-License-Identifier: MIT */
/* What a store says and what the initiator hears. */
#include "fake_task.h"
#include "util/log.h"

static unsigned log_lines;

/* In place of the log: the operator's lines are counted. */
void log_message(int level, const char *format, ...)
{
	(void)level;
	(void)format;
	log_lines++;
}

static const struct opcode_row row = {.opcode = 0x28, .name = "READ(10)", .cdb_len = 10};

static int setup(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static struct scsi_task *answer(uint16_t op, uint32_t status, uint64_t info)
{
	struct tgt_bs_request request = {
	    .struct_size = sizeof(request), .op = op, .status = status, .info = info};

	memset(&said, 0, sizeof(said));
	fake_task = (struct scsi_task){.lu = &fake_lu, .row = &row};
	task_store_status(&fake_task, &request);
	return &fake_task;
}

static void test_ok(void **state)
{
	(void)state;
	assert_good(answer(TGT_BS_READ, TGT_BS_OK, 0));
}

static void test_each(void **state)
{
	static const struct {
		uint32_t status;
		enum sense_key key;
		uint16_t asc;
	} want[] = {
	    {TGT_BS_ERR_MISCOMPARE, KEY_MISCOMPARE, 0x1d00},
	    {TGT_BS_ERR_NO_SPACE, KEY_DATA_PROTECT, 0x2707},
	    {TGT_BS_ERR_READ, KEY_MEDIUM_ERROR, 0x1100},
	    {TGT_BS_ERR_WRITE, KEY_MEDIUM_ERROR, 0x0c00},
	    {TGT_BS_ERR_FLUSH, KEY_MEDIUM_ERROR, 0x0c00},
	    {TGT_BS_ERR_HARDWARE, KEY_HARDWARE_ERROR, 0x4400},
	    {TGT_BS_ERR_NOT_READY, KEY_NOT_READY, 0x0400},
	    {TGT_BS_ERR_NO_MEDIUM, KEY_NOT_READY, 0x3a00},
	    {TGT_BS_ERR_WRITE_PROTECTED, KEY_DATA_PROTECT, 0x2700},
	    {TGT_BS_ERR_TIMED_OUT, KEY_ABORTED_COMMAND, 0x0801},
	    {TGT_BS_ERR_CANCELLED, KEY_ABORTED_COMMAND, 0x0000},
	    {TGT_BS_ERR_NOT_SUPPORTED, KEY_ILLEGAL_REQUEST, 0x2000},
	    {TGT_BS_ERR_ENCRYPTED, KEY_DATA_PROTECT, 0x7401},
	    {TGT_BS_ERR_WRONG_KEY, KEY_DATA_PROTECT, 0x7403},
	    {TGT_BS_ERR_NOT_ENCRYPTED, KEY_DATA_PROTECT, 0x7402},
	    {TGT_BS_ERR_INTEGRITY, KEY_DATA_PROTECT, 0x7404},
	    {TGT_BS_ERR_OVERWRITE, KEY_DATA_PROTECT, 0x300c},
	    {TGT_BS_ERR_INVALID, KEY_HARDWARE_ERROR, 0x4400},
	    {TGT_BS_ERR_FENCED, KEY_NOT_READY, 0x0403},
	    {TGT_BS_ERR_TRANSPORT, KEY_ABORTED_COMMAND, 0x0800},
	    {TGT_BS_ERR_RESET, KEY_ABORTED_COMMAND, 0x0000},
	    {TGT_BS_ERR_TOO_LONG, KEY_ILLEGAL_REQUEST, 0x2400},
	    {31, KEY_HARDWARE_ERROR, 0x4400},         /* none that exists */
	    {0xffffffff, KEY_HARDWARE_ERROR, 0x4400}, /* nor this one */
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		assert_sense(answer(TGT_BS_READ, want[i].status, 0), want[i].key, want[i].asc);
}

static void test_busy(void **state)
{
	(void)state;
	assert_status(answer(TGT_BS_READ, TGT_BS_ERR_BUSY, 0), STATUS_BUSY);
}

/* SBC-4 4.18: INFORMATION is the LBA of the first bad block. */
static void test_lba(void **state)
{
	(void)state;
	assert_sense(answer(TGT_BS_READ, TGT_BS_ERR_READ, 1536 + 511), KEY_MEDIUM_ERROR, 0x1100);
	assert_true(said.sense.info_valid);
	assert_int_equal(said.sense.information, 3);
	answer(TGT_BS_WRITE, TGT_BS_ERR_WRITE, UINT64_C(0x1000000000000));
	assert_true(said.sense.info_valid);
	assert_true(said.sense.information == UINT64_C(0x8000000000));
}

/* SBC-4 5.3: of a miscompare it is the offset in the buffer. */
static void test_miscompare_offset(void **state)
{
	(void)state;
	answer(TGT_BS_COMPARE_AND_WRITE, TGT_BS_ERR_MISCOMPARE, 513);
	assert_true(said.sense.info_valid);
	assert_int_equal(said.sense.information, 513);
}

/* A file that shrank: reading and writing there fail each in its own way. */
static void test_out_of_range(void **state)
{
	(void)state;
	assert_sense(answer(TGT_BS_READ, TGT_BS_ERR_OUT_OF_RANGE, 1024), KEY_MEDIUM_ERROR, 0x1100);
	assert_int_equal(said.sense.information, 2);
	assert_sense(answer(TGT_BS_WRITE, TGT_BS_ERR_OUT_OF_RANGE, 1024), KEY_MEDIUM_ERROR, 0x0c00);
	assert_sense(answer(TGT_BS_WRITE_ZEROES, TGT_BS_ERR_OUT_OF_RANGE, 0), KEY_MEDIUM_ERROR,
		     0x0c00);
}

static void test_failed_flush_is_sticky(void **state)
{
	(void)state;
	answer(TGT_BS_WRITE, TGT_BS_ERR_WRITE, 0);
	assert_false(fake_lu.failed);
	answer(TGT_BS_FLUSH, TGT_BS_ERR_FLUSH, 0);
	assert_true(fake_lu.failed);
}

static struct scsi_task *device_says(uint32_t status, const uint8_t *sense, uint32_t len)
{
	uint8_t copy[256] = {0};
	struct tgt_bs_request request = {.struct_size = sizeof(request),
					 .op = TGT_BS_CDB,
					 .status = TGT_BS_ERR_SCSI,
					 .scsi_status = status,
					 .sense = copy,
					 .sense_size = sizeof(copy),
					 .sense_len = len};

	memcpy(copy, sense, len < sizeof(copy) ? len : sizeof(copy));
	memset(&said, 0, sizeof(said));
	fake_task = (struct scsi_task){.lu = &fake_lu, .row = &row};
	task_store_status(&fake_task, &request);
	return &fake_task;
}

static void test_device_status(void **state)
{
	uint8_t sense[256] = {0x70, 0, 0x02};

	(void)state;
	assert_status(device_says(STATUS_RESERVATION_CONFLICT, sense, 0),
		      STATUS_RESERVATION_CONFLICT);
	assert_int_equal(fake_task.sense_len, 0);
	assert_status(device_says(STATUS_CHECK_CONDITION, sense, 18), STATUS_CHECK_CONDITION);
	assert_int_equal(fake_task.sense_len, 18);
	assert_memory_equal(fake_task.sense, sense, 18);
	/* a status that needs sense data, which were lost */
	assert_sense(device_says(STATUS_CHECK_CONDITION, sense, 0), KEY_ABORTED_COMMAND, 0x0800);
	/* a module that claims more than there is room for */
	device_says(STATUS_CHECK_CONDITION, sense, 0xffffffff);
	assert_int_equal(fake_task.sense_len, SENSE_MAX);
}

/* A store of blocks has no device to speak for: least of all is a read GOOD because it says 00h. */
static void test_device_status_of_another_kind(void **state)
{
	(void)state;
	assert_sense(answer(TGT_BS_READ, TGT_BS_ERR_SCSI, 0), KEY_HARDWARE_ERROR, 0x4400);
	assert_sense(answer(TGT_BS_WRITE, TGT_BS_ERR_SCSI, 0), KEY_HARDWARE_ERROR, 0x4400);
	assert_sense(answer(TGT_BS_TAPE_READ, TGT_BS_ERR_SCSI, 0), KEY_HARDWARE_ERROR, 0x4400);
}

/* A dead store says why, but doesn't fill the log. */
static void test_log_is_limited(void **state)
{
	(void)state;
	log_lines = 0;
	for (unsigned i = 0; i < 1000; i++)
		answer(TGT_BS_READ, TGT_BS_ERR_READ, 0);
	assert_in_range(log_lines, 1, 40);
	log_lines = 0;
	answer(TGT_BS_READ, TGT_BS_ERR_BUSY, 0);
	answer(TGT_BS_COMPARE_AND_WRITE, TGT_BS_ERR_MISCOMPARE, 0);
	assert_int_equal(log_lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_ok, setup),
	    cmocka_unit_test_setup(test_log_is_limited, setup),
	    cmocka_unit_test_setup(test_each, setup),
	    cmocka_unit_test_setup(test_busy, setup),
	    cmocka_unit_test_setup(test_lba, setup),
	    cmocka_unit_test_setup(test_miscompare_offset, setup),
	    cmocka_unit_test_setup(test_out_of_range, setup),
	    cmocka_unit_test_setup(test_failed_flush_is_sticky, setup),
	    cmocka_unit_test_setup(test_device_status, setup),
	    cmocka_unit_test_setup(test_device_status_of_another_kind, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
