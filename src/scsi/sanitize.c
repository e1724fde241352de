/* SPDX-License-Identifier: MIT */
/* SANITIZE (SBC-4 4.11): OVERWRITE, BLOCK ERASE and the way out of a failed one.  CRYPTOGRAPHIC
 * ERASE isn't offered, as there is no key to forget. */
#include "scsi/medium_op.h"
#include "scsi/sbc.h"
#include "util/bytes.h"

/* Byte 1 of the CDB; ZNR is for zoned block devices, and to others a reserved bit. */
#define SANITIZE_IMMED 0x80
#define SANITIZE_AUSE 0x20

#define OVERWRITE_HEADER 4u
#define OVERWRITE_INVERT 0x80
#define OVERWRITE_TEST 0x60
#define OVERWRITE_COUNT 0x1f
#define BLOCK_MAX 65536u

/* More than the header, and a pattern of one logical block at most. */
static bool prepare_overwrite(struct scsi_task *t)
{
	uint32_t length = get_be16(t->cdb + 7);

	if (length <= OVERWRITE_HEADER || length > OVERWRITE_HEADER + t->lu->block_size) {
		task_invalid_cdb(t, 7, 7);
		return false;
	}
	t->transfer_length = length;
	return true;
}

/* False: the task has ended.  After one in the restricted completion mode only another of that mode
 * may follow (SBC-4 4.11). */
static bool check_restricted(struct scsi_task *t)
{
	if (!t->lu->fault_restricted || !(t->cdb[1] & SANITIZE_AUSE))
		return true;
	task_invalid_cdb(t, 1, 5);
	return false;
}

static struct medium_plan plan_of(const struct scsi_task *t)
{
	return (struct medium_plan){
	    .kind = MEDIUM_SANITIZE,
	    .immed = t->cdb[1] & SANITIZE_IMMED,
	    .restricted = !(t->cdb[1] & SANITIZE_AUSE),
	    .passes = 1,
	};
}

/* False: the task has ended. */
static bool check_overwrite(struct scsi_task *t, const uint8_t *list)
{
	uint16_t length = get_be16(list + 2);

	if (list[0] & OVERWRITE_TEST) /* vendor specific */
		task_invalid_parameter(t, 0, 6);
	else if (!(list[0] & OVERWRITE_COUNT))
		task_invalid_parameter(t, 0, 4);
	else if (list[1])
		task_invalid_parameter(t, 1, -1);
	else if (!length || length > t->lu->block_size)
		task_invalid_parameter(t, 2, 7);
	else if (length > t->data.length - OVERWRITE_HEADER)
		task_parameter_list_length_error(t);
	else
		return true;
	return false;
}

static void run_overwrite(struct scsi_task *t)
{
	struct medium_plan plan = plan_of(t);
	uint8_t list[OVERWRITE_HEADER + BLOCK_MAX];

	if (!check_restricted(t))
		return;
	if (t->data.length < OVERWRITE_HEADER ||
	    databuf_read(&t->data, 0, list, t->data.length) < t->transfer_length) {
		task_parameter_list_length_error(t);
		return;
	}
	if (!check_overwrite(t, list))
		return;
	plan.passes = list[0] & OVERWRITE_COUNT;
	plan.invert = list[0] & OVERWRITE_INVERT;
	plan.pattern = list + OVERWRITE_HEADER;
	plan.pattern_len = get_be16(list + 2);
	medium_op_start(t, &plan);
}

/* What it does to a thin unit is to deallocate all of it.  On a thick one it could only write, and
 * that is OVERWRITE. */
static bool has_block_erase(const struct lu *lu)
{
	return lu->thin;
}

static void run_block_erase(struct scsi_task *t)
{
	struct medium_plan plan = plan_of(t);

	if (check_restricted(t))
		medium_op_start(t, &plan);
}

/* Without a failure there is nothing to leave, and that is no error. */
static void run_exit_failure_mode(struct scsi_task *t)
{
	struct lu *lu = t->lu;

	if (lu->fault_restricted)
		task_invalid_cdb(t, 1, 4);
	else if (lu->medium_fault == ASC_SANITIZE_COMMAND_FAILED)
		medium_fault_forget(t);
	else
		task_good(t);
}

#define SANITIZE_ROW(action, title)                                                                \
	.opcode = 0x48, .service_action = action, .cdb_len = 10, .pr = PR_WRITE,                   \
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_EXCLUSIVE | ROW_LONG | ROW_MENDS | ROW_HEAD,        \
	.name = "SANITIZE, " title, .clause = "SBC-4 SANITIZE"

const struct opcode_row sanitize_rows[] = {
    {
	SANITIZE_ROW(0x01, "OVERWRITE"),
	.direction = DATA_OUT,
	.usage = {0x48, SANITIZE_IMMED | SANITIZE_AUSE | 0x01, 0, 0, 0, 0, 0, 0xff, 0xff},
	.prepare = prepare_overwrite,
	.run = run_overwrite,
    },
    {
	SANITIZE_ROW(0x02, "BLOCK ERASE"),
	.direction = DATA_NONE,
	.usage = {0x48, SANITIZE_IMMED | SANITIZE_AUSE | 0x02},
	.run = run_block_erase,
	.available = has_block_erase,
    },
    {
	SANITIZE_ROW(0x1f, "EXIT FAILURE MODE"),
	.direction = DATA_NONE,
	.usage = {0x48, SANITIZE_IMMED | SANITIZE_AUSE | 0x1f},
	.run = run_exit_failure_mode,
    },
    {.run = NULL},
};
