/* SPDX-License-Identifier: MIT */
/* FORMAT UNIT (SBC-4): there are no defects to manage and no protection information, so what is
 * left is the initialization pattern. */
#include "scsi/medium_op.h"
#include "scsi/sbc.h"
#include "util/bytes.h"

/* Byte 1 of the CDB */
#define FORMAT_LONGLIST 0x20
#define FORMAT_FMTDATA 0x10
#define FORMAT_CMPLST 0x08
#define FORMAT_DEFECT_LIST 0x07

/* Byte 1 of the parameter list header */
#define HEADER_FOV 0x80
#define HEADER_DPRY 0x40
#define HEADER_DCRT 0x20
#define HEADER_STPF 0x10
#define HEADER_IP 0x08
#define HEADER_IMMED 0x02

#define SHORT_HEADER 4u
#define LONG_HEADER 8u
#define PATTERN_DESCRIPTOR 4u
#define BLOCK_MAX 65536u

/* The CDB says nothing of the list's length, so it is what the initiator sends. */
static bool prepare_format(struct scsi_task *t)
{
	uint32_t most = LONG_HEADER + PATTERN_DESCRIPTOR + BLOCK_MAX;

	if (t->cdb[1] & FORMAT_FMTDATA)
		t->transfer_length = t->expected_out < most ? t->expected_out : most;
	return true;
}

/* False: the task has ended.  Empty defect lists have no descriptors whose format could matter, but
 * reserved and vendor specific ones are refused (SBC-4 table of address descriptors). */
static bool check_cdb(struct scsi_task *t)
{
	static const uint8_t known = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 5;

	if (known & 1 << (t->cdb[1] & FORMAT_DEFECT_LIST))
		return true;
	task_invalid_cdb(t, 1, 2);
	return false;
}

static int first_bit(uint8_t bits)
{
	return 31 - __builtin_clz(bits);
}

/* Bits of the header that ask for what there isn't, or that only count with FOV. */
static bool check_header(struct scsi_task *t, const uint8_t *header, bool longlist)
{
	uint8_t with_fov = HEADER_DPRY | HEADER_DCRT | HEADER_STPF | HEADER_IP;
	uint8_t bad = header[1] & (header[1] & HEADER_FOV ? 0x05 : (uint8_t)(with_fov | 0x05));

	if (header[0])
		task_invalid_parameter(t, 0, first_bit(header[0]));
	else if (bad)
		task_invalid_parameter(t, 1, first_bit(bad));
	else if (longlist && header[2])
		task_invalid_parameter(t, 2, first_bit(header[2]));
	else if (longlist && header[3])
		task_invalid_parameter(t, 3, first_bit(header[3]));
	else if (longlist ? get_be32(header + 4) : get_be16(header + 2))
		task_invalid_parameter(t, longlist ? 4 : 2, 7);
	else
		return true;
	return false;
}

/* The initialization pattern descriptor, from byte at on. */
static bool check_pattern(struct scsi_task *t, unsigned at, const uint8_t *descriptor)
{
	uint8_t type = descriptor[1];
	uint16_t length = get_be16(descriptor + 2);

	if (descriptor[0]) /* SI, too: what was reassigned or cached is out of reach */
		task_invalid_parameter(t, at, first_bit(descriptor[0]));
	else if (type > 1)
		task_invalid_parameter(t, at + 1, -1);
	else if (type == 0 ? length != 0 : !length || length > t->lu->block_size)
		task_invalid_parameter(t, at + 2, -1);
	else if (length > t->data.length - at - PATTERN_DESCRIPTOR)
		task_parameter_list_length_error(t);
	else
		return true;
	return false;
}

static void format_with_pattern(struct scsi_task *t, unsigned at, struct medium_plan *plan)
{
	uint8_t descriptor[PATTERN_DESCRIPTOR], pattern[BLOCK_MAX];

	if (t->data.length < at ||
	    databuf_read(&t->data, at, descriptor, sizeof(descriptor)) < sizeof(descriptor)) {
		task_parameter_list_length_error(t);
		return;
	}
	if (!check_pattern(t, at, descriptor))
		return;
	if (descriptor[1] == 1) {
		plan->pattern = pattern;
		plan->pattern_len = get_be16(descriptor + 2);
		databuf_read(&t->data, at + PATTERN_DESCRIPTOR, pattern, plan->pattern_len);
	}
	medium_op_start(t, plan);
}

static void format_with_data(struct scsi_task *t, struct medium_plan *plan)
{
	bool longlist = t->cdb[1] & FORMAT_LONGLIST;
	unsigned len = longlist ? LONG_HEADER : SHORT_HEADER;
	uint8_t header[LONG_HEADER] = {0};

	if (!check_cdb(t))
		return;
	if (databuf_read(&t->data, 0, header, len) < len) {
		task_parameter_list_length_error(t);
		return;
	}
	if (!check_header(t, header, longlist))
		return;
	plan->immed = header[1] & HEADER_IMMED;
	if (header[1] & HEADER_IP)
		format_with_pattern(t, len, plan);
	else
		medium_op_start(t, plan);
}

static void run_format(struct scsi_task *t)
{
	struct medium_plan plan = {.kind = MEDIUM_FORMAT, .passes = 1};

	/* SBC-4 4.11: only another SANITIZE leads out of a failed one */
	if (t->lu->medium_fault == ASC_SANITIZE_COMMAND_FAILED)
		task_sense(t, KEY_MEDIUM_ERROR, ASC_SANITIZE_COMMAND_FAILED);
	else if (t->cdb[1] & FORMAT_FMTDATA)
		format_with_data(t, &plan);
	else
		medium_op_start(t, &plan); /* LONGLIST, CMPLST and the format are ignored */
}

const struct opcode_row format_rows[] = {
    {
	.opcode = 0x04,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_MEDIUM | ROW_WRITES | ROW_EXCLUSIVE | ROW_LONG | ROW_MENDS,
	.usage = {0x04, FORMAT_LONGLIST | FORMAT_FMTDATA | FORMAT_CMPLST | FORMAT_DEFECT_LIST},
	.prepare = prepare_format,
	.run = run_format,
	.name = "FORMAT UNIT",
	.clause = "SBC-4 FORMAT UNIT",
    },
    {.run = NULL},
};
