/* SPDX-License-Identifier: MIT */
/* SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-5): the default self-test and the foreground
 * short one, which are the same, and the page that lists the diagnostic pages: itself. */
#include "scsi/commands.h"
#include "scsi/log.h"
#include "util/bytes.h"

/* Byte 1 of SEND DIAGNOSTIC */
#define DIAG_PF 0x10
#define DIAG_SELFTEST 0x04
#define DIAG_DEVOFFL 0x02
#define DIAG_UNITOFFL 0x01
#define DIAG_CODE_SHIFT 5

#define FOREGROUND_SHORT 0x5
#define RESULT_FAILED 4 /* SPC-5 7.3.17: failed, which part is unknown */

#define PAGE_HEADER 4u
#define PAGE_SUPPORTED 0x00

/* A self-test has no parameters, and one kind is asked for; without PF parameters are vendor
 * specific.  False: the task has ended. */
static bool check_kind(struct scsi_task *t, uint16_t length)
{
	uint8_t code = t->cdb[1] >> DIAG_CODE_SHIFT;
	bool tests = code || t->cdb[1] & DIAG_SELFTEST;

	if (code && (code != FOREGROUND_SHORT || t->cdb[1] & DIAG_SELFTEST))
		task_invalid_cdb(t, 1, 7);
	else if (length && tests)
		task_invalid_cdb(t, 3, 7);
	else if (length && !(t->cdb[1] & DIAG_PF))
		task_invalid_cdb(t, 1, 4);
	else
		return true;
	return false;
}

static bool prepare_send_diagnostic(struct scsi_task *t)
{
	uint16_t length = get_be16(t->cdb + 3);

	if (!check_kind(t, length))
		return false;
	if (length && length < PAGE_HEADER) {
		task_parameter_list_length_error(t);
		return false;
	}
	t->transfer_length = length < PAGE_HEADER ? length : PAGE_HEADER;
	return true;
}

static void self_test(struct scsi_task *t)
{
	bool failed = t->lu->failed;

	log_self_test_done(t->lu, t->cdb[1] >> DIAG_CODE_SHIFT, failed ? RESULT_FAILED : 0,
			   KEY_HARDWARE_ERROR, ASC_LOGICAL_UNIT_FAILED_SELF_TEST);
	if (failed)
		task_sense(t, KEY_HARDWARE_ERROR, ASC_LOGICAL_UNIT_FAILED_SELF_TEST);
	else
		task_good(t);
}

/* The one page that may be sent asks for itself, by RECEIVE DIAGNOSTIC RESULTS. */
static void take_page(struct scsi_task *t)
{
	uint8_t page[PAGE_HEADER];

	if (databuf_read(&t->data, 0, page, sizeof(page)) < sizeof(page))
		task_parameter_list_length_error(t);
	else if (page[0] != PAGE_SUPPORTED)
		task_invalid_parameter(t, 0, 7);
	else if (page[1])
		task_invalid_parameter(t, 1, 7);
	else if (get_be16(page + 2))
		task_invalid_parameter(t, 2, 7);
	else if (get_be16(t->cdb + 3) > PAGE_HEADER)
		task_parameter_list_length_error(t);
	else
		task_good(t);
}

static void send_diagnostic(struct scsi_task *t)
{
	if (t->cdb[1] & DIAG_SELFTEST || t->cdb[1] >> DIAG_CODE_SHIFT)
		self_test(t);
	else if (t->transfer_length)
		take_page(t);
	else
		task_good(t);
}

/* Without PCV the page that SEND DIAGNOSTIC asked for, which can only have been this one. */
static void receive_diagnostic(struct scsi_task *t)
{
	static const uint8_t supported[] = {PAGE_SUPPORTED, 0, 0, 1, PAGE_SUPPORTED};

	if (t->cdb[1] & 0x01 && t->cdb[2] != PAGE_SUPPORTED)
		task_invalid_cdb(t, 2, 7);
	else
		task_reply(t, supported, sizeof(supported), get_be16(t->cdb + 3));
}

const struct opcode_row diagnostic_rows[] = {
    {
	.opcode = 0x1c,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_STANDBY,
	.usage = {0x1c, 0x01, 0xff, 0xff, 0xff},
	.run = receive_diagnostic,
	.name = "RECEIVE DIAGNOSTIC RESULTS",
	.clause = "SPC-5 RECEIVE DIAGNOSTIC RESULTS",
    },
    {
	.opcode = 0x1d,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_STANDBY,
	.usage = {0x1d, 0xe0 | DIAG_PF | DIAG_SELFTEST | DIAG_DEVOFFL | DIAG_UNITOFFL, 0, 0xff,
		  0xff},
	.prepare = prepare_send_diagnostic,
	.run = send_diagnostic,
	.name = "SEND DIAGNOSTIC",
	.clause = "SPC-5 SEND DIAGNOSTIC",
    },
    {.run = NULL},
};
