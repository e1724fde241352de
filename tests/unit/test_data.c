/* SPDX-License-Identifier: MIT */
/* Data-Out, R2T and Data-In sequences: RFC 7143 11.7, 11.8, 13.10 … 13.18. */
#include "iscsi/conn.h"
#include "iscsi_fixture.h"

static uint8_t data[512 << 10];

static void log_in(const char *keys, size_t len)
{
	client_login(&a, 1, keys, len);
	clear_attention(&a);
	pattern(data, sizeof(data), 3);
}

static void expect_r2t(uint32_t itt, uint32_t sn, uint32_t offset, uint32_t length)
{
	receive(&a, OP_R2T);
	assert_int_equal(pdu_itt(a.bhs), itt);
	assert_int_equal(a.bhs[9], 1); /* the LUN */
	assert_int_equal(get_be32(a.bhs + 36), sn);
	assert_int_equal(get_be32(a.bhs + 40), offset);
	assert_int_equal(get_be32(a.bhs + 44), length);
	assert_int_not_equal(pdu_ttt(a.bhs), TAG_NONE);
}

static void expect_aborted(uint32_t itt, uint16_t asc)
{
	expect_status(&a, itt, STATUS_CHECK_CONDITION);
	assert_int_equal(a.data[2 + 2] & 0xf, KEY_ABORTED_COMMAND);
	assert_int_equal(get_be16(a.data + 2 + 12), asc);
}

static void a_write_is_asked_for_in_bursts(void **state)
{
	uint32_t itt;

	(void)state;
	log_in(KEYS("MaxBurstLength=4096\0ImmediateData=No"));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 20, NULL, 0);
	expect_r2t(itt, 0, 0, 4096);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 0, true, data, 4096);
	expect_r2t(itt, 1, 4096, 4096);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 4096, false, data, 1000);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 1, 5096, true, data, 3096);
	expect_r2t(itt, 2, 8192, 2048);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 8192, true, data, 2048);
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium, data, 20 * 512);
}

static void several_r2ts_are_outstanding(void **state)
{
	uint32_t itt, ttt[3];

	(void)state;
	target->params[PARAM_MAX_OUTSTANDING_R2T] = 3;
	log_in(KEYS("MaxBurstLength=512\0ImmediateData=No\0MaxOutstandingR2T=8"));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, NULL, 0);
	for (uint32_t i = 0; i < 3; i++) {
		expect_r2t(itt, i, i * 512, 512);
		ttt[i] = pdu_ttt(a.bhs);
	}
	run_for(20);
	assert_false(try_receive(&a));
	send_data_out(&a, itt, ttt[0], 0, 0, true, data, 512);
	expect_r2t(itt, 3, 1536, 512);
	send_data_out(&a, itt, ttt[1], 0, 512, true, data, 512);
	send_data_out(&a, itt, ttt[2], 0, 1024, true, data, 512);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 1536, true, data, 512);
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium, data, 2048);
}

static void immediate_and_solicited_data_meet(void **state)
{
	uint32_t itt;

	(void)state;
	log_in(KEYS(""));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 256, data, 50000);
	expect_r2t(itt, 0, 50000, 131072 - 50000);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 50000, true, data, 131072 - 50000);
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium, data, 131072);
}

/* 7.9: the command fails, and not before the initiator has sent what it was asked for. */
static void a_wrong_datasn_fails_at_the_end(void **state)
{
	uint32_t itt, ttt;

	(void)state;
	log_in(KEYS("ImmediateData=No"));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, NULL, 0);
	expect_r2t(itt, 0, 0, 2048);
	ttt = pdu_ttt(a.bhs);
	send_data_out(&a, itt, ttt, 1, 0, false, data, 1024);
	run_for(30);
	assert_false(try_receive(&a));
	send_data_out(&a, itt, ttt, 2, 1024, true, data, 1024);
	expect_aborted(itt, ASC_DATA_PHASE_CRC_ERROR);
	assert_int_equal(medium[0], 0);
}

static void wrong_amounts_fail(void **state)
{
	uint32_t itt;

	(void)state;
	log_in(KEYS("ImmediateData=No"));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, NULL, 0);
	expect_r2t(itt, 0, 0, 2048);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 0, true, data, 1024); /* too little */
	expect_aborted(itt, ASC_NOT_ENOUGH_UNSOLICITED_DATA);
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, NULL, 0);
	expect_r2t(itt, 0, 0, 2048);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 0, true, data, 4096); /* too much */
	expect_aborted(itt, ASC_NOT_ENOUGH_UNSOLICITED_DATA);
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, NULL, 0);
	expect_r2t(itt, 0, 0, 2048);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 512, true, data, 2048); /* elsewhere */
	expect_aborted(itt, 0x4b05);
	assert_int_equal(medium[513], 0);
}

static void unexpected_data_fail(void **state)
{
	uint32_t itt;

	(void)state;
	log_in(KEYS("ImmediateData=No"));
	itt = send_rw(&a, PDU_FINAL | CMD_WRITE, 0, 4, data, 2048);
	expect_aborted(itt, ASC_UNEXPECTED_UNSOLICITED_DATA);
	/* InitialR2T=Yes: F=0 promises data that may not come so */
	itt = send_rw(&a, CMD_WRITE, 0, 4, NULL, 0);
	run_for(30);
	assert_false(try_receive(&a));
	send_data_out(&a, itt, TAG_NONE, 0, 0, true, data, 2048);
	expect_aborted(itt, ASC_UNEXPECTED_UNSOLICITED_DATA);
	assert_int_equal(medium[0], 0);
}

/* 11.4.7.2: unsolicited Data-Out bring all that FirstBurstLength allows. */
static void a_short_first_burst_fails(void **state)
{
	uint32_t itt;

	(void)state;
	target->params[PARAM_INITIAL_R2T] = 0;
	log_in(KEYS("InitialR2T=No\0FirstBurstLength=4096"));
	itt = send_rw(&a, CMD_WRITE, 0, 16, data, 1024);
	send_data_out(&a, itt, TAG_NONE, 0, 1024, true, data, 1024);
	expect_aborted(itt, ASC_NOT_ENOUGH_UNSOLICITED_DATA);
	itt = send_rw(&a, CMD_WRITE, 0, 16, data, 1024);
	send_data_out(&a, itt, TAG_NONE, 0, 1024, true, data, 3072);
	expect_r2t(itt, 0, 4096, 4096);
	send_data_out(&a, itt, pdu_ttt(a.bhs), 0, 4096, true, data, 4096);
	expect_status(&a, itt, STATUS_GOOD);
	assert_memory_equal(medium, data, 8192);
}

static void unknown_tags_are_rejected(void **state)
{
	(void)state;
	log_in(KEYS(""));
	send_data_out(&a, 4711, 1, 0, 0, true, data, 512);
	receive(&a, OP_REJECT);
	assert_int_equal(a.bhs[2], REJECT_INVALID_FIELD);
	assert_int_equal(pdu_itt(a.data), 4711); /* the header comes back */
}

/* 11.7: F at the end of each burst, DataSN over the whole command, status in the last PDU. */
static void data_in_come_in_sequences(void **state)
{
	static const struct {
		uint32_t length;
		bool final;
	} want[] = {{512, false}, {512, false}, {176, true}, {512, false}, {336, true}};
	uint32_t itt, offset = 0;

	(void)state;
	log_in(KEYS("MaxRecvDataSegmentLength=512\0MaxBurstLength=1200"));
	memcpy(medium, data, 2048);
	itt = send_read(&a, 0, 4);
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		receive(&a, OP_DATA_IN);
		assert_int_equal(pdu_itt(a.bhs), itt);
		assert_int_equal(a.data_len, want[i].length);
		assert_int_equal(pdu_final(a.bhs), want[i].final);
		assert_int_equal(get_be32(a.bhs + 36), i);
		assert_int_equal(get_be32(a.bhs + 40), offset);
		assert_int_equal(a.bhs[1] & DATA_IN_STATUS, i == ARRAY_SIZE(want) - 1);
		assert_memory_equal(a.data, data + offset, a.data_len);
		offset += want[i].length;
	}
	assert_int_equal(a.bhs[3], STATUS_GOOD);
}

static void expect_residual(unsigned flag_bit, uint32_t count)
{
	assert_int_equal(a.bhs[1] & (RSP_OVERFLOW | RSP_UNDERFLOW), flag_bit);
	assert_int_equal(get_be32(a.bhs + 44), count);
}

static void residuals_are_counted(void **state)
{
	uint8_t read4[10] = {0x28, [8] = 4}, write4[10] = {0x2a, [8] = 4};
	uint8_t beyond[10] = {0x28, [2] = 0xff, [8] = 4};
	uint32_t itt;

	(void)state;
	log_in(KEYS(""));
	send_command(&a, PDU_FINAL | CMD_READ, read4, 2048 + 100, NULL, 0);
	receive(&a, OP_DATA_IN);
	assert_int_equal(a.data_len, 2048);
	expect_residual(RSP_UNDERFLOW, 100);
	send_command(&a, PDU_FINAL | CMD_READ, read4, 1000, NULL, 0);
	receive(&a, OP_DATA_IN);
	assert_int_equal(a.data_len, 1000);
	expect_residual(RSP_OVERFLOW, 1048);
	itt = send_command(&a, PDU_FINAL | CMD_WRITE, write4, 1024, data, 1024);
	expect_status(&a, itt, STATUS_GOOD);
	expect_residual(RSP_OVERFLOW, 1024);
	itt = send_command(&a, PDU_FINAL | CMD_WRITE, write4, 4096, data, 4096);
	expect_status(&a, itt, STATUS_GOOD);
	expect_residual(RSP_UNDERFLOW, 2048);
	itt = send_command(&a, PDU_FINAL | CMD_READ, beyond, 2048, NULL, 0);
	expect_status(&a, itt, STATUS_CHECK_CONDITION);
	expect_residual(RSP_UNDERFLOW, 2048);
}

static uint32_t largest_data_in(uint32_t itt, uint32_t total)
{
	uint32_t largest = 0;

	for (uint32_t got = 0; got < total; got += (uint32_t)a.data_len) {
		receive(&a, OP_DATA_IN);
		assert_int_equal(pdu_itt(a.bhs), itt);
		assert_int_equal(get_be32(a.bhs + 40), got);
		if (a.data_len > largest)
			largest = (uint32_t)a.data_len;
	}
	return largest;
}

/* Every PDU is time that others on the event loop wait for. */
static void data_in_pdus_are_smaller_beside_others(void **state)
{
	const uint32_t length = 256 << 10;

	(void)state;
	log_in(KEYS("MaxRecvDataSegmentLength=262144\0MaxBurstLength=262144"));
	memcpy(medium, data, length);
	/* what counts is who had something to do lately */
	client_login(&b, 2, KEYS(""));
	clear_attention(&b);
	assert_int_equal(largest_data_in(send_read(&a, 0, 512), length), TURN_BYTES);
	run_for(50);
	assert_int_equal(largest_data_in(send_read(&a, 0, 512), length), length);
	assert_memory_equal(a.data, data, length);
}

/* 7.8: commands fail one way or another, PDUs that are no data are told apart by their tag. */
static void an_itt_in_use_is_rejected(void **state)
{
	(void)state;
	log_in(KEYS(""));
	hold = true;
	send_read(&a, 0, 8);
	run_until(nr_held == 1);
	a.itt--;
	send_read(&a, 0, 8);
	receive(&a, OP_REJECT);
	assert_int_equal(a.bhs[2], REJECT_TASK_IN_PROGRESS);
	complete_all();
	receive(&a, OP_DATA_IN);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_write_is_asked_for_in_bursts),
	    TEST(several_r2ts_are_outstanding),
	    TEST(immediate_and_solicited_data_meet),
	    TEST(a_wrong_datasn_fails_at_the_end),
	    TEST(wrong_amounts_fail),
	    TEST(unexpected_data_fail),
	    TEST(a_short_first_burst_fails),
	    TEST(unknown_tags_are_rejected),
	    TEST(data_in_come_in_sequences),
	    TEST(data_in_pdus_are_smaller_beside_others),
	    TEST(residuals_are_counted),
	    TEST(an_itt_in_use_is_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
