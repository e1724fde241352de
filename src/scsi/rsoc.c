/* SPDX-License-Identifier: MIT */
/* REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS. */
#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/bytes.h"

#define DESCRIPTOR_LENGTH 8u
#define TIMEOUTS_LENGTH 12u
#define LIST_MAX (4 + OPCODE_ROWS_MAX * (DESCRIPTOR_LENGTH + TIMEOUTS_LENGTH))

/* REPORTING OPTIONS, SPC-5 6.34.1 */
enum reporting_option { ALL_COMMANDS, ONE_OPCODE, ONE_SERVICE_ACTION, ONE_EITHER };

#define SUPPORT_NONE 1u
#define SUPPORT_STANDARD 3u
#define ONE_COMMAND_CTDP 0x80

static bool is_available(const struct opcode_row *row, const struct lu *lu)
{
	if (row->route && row->route->where == PT_REFUSED)
		return false;
	return !row->available || row->available(lu);
}

/* SPC-5 6.34.4: seconds. */
static size_t put_timeouts(uint8_t *at, const struct opcode_row *row)
{
	bool takes_long = row->flags & ROW_LONG;

	memset(at, 0, TIMEOUTS_LENGTH);
	put_be16(at, TIMEOUTS_LENGTH - 2);
	put_be32(at + 4, takes_long ? 60 : 1);
	put_be32(at + 8, takes_long ? 3600 : 60);
	return TIMEOUTS_LENGTH;
}

/* SPC-5 6.34.2 command descriptor */
static size_t put_descriptor(uint8_t *at, const struct opcode_row *row, bool timeouts)
{
	memset(at, 0, DESCRIPTOR_LENGTH);
	at[0] = row->opcode;
	if (row->service_action != NO_SERVICE_ACTION) {
		put_be16(at + 2, (uint16_t)row->service_action);
		at[5] |= 0x01; /* SERVACTV */
	}
	put_be16(at + 6, row->cdb_len);
	if (!timeouts)
		return DESCRIPTOR_LENGTH;
	at[5] |= 0x02; /* CTDP */
	return DESCRIPTOR_LENGTH + put_timeouts(at + DESCRIPTOR_LENGTH, row);
}

size_t rsoc_put_rows(uint8_t *at, const struct lu *lu, bool timeouts,
		     bool (*wanted)(const struct opcode_row *row))
{
	size_t len = 0;
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows(lu->commands, &count);

	for (unsigned i = 0; i < count; i++)
		if (is_available(rows[i], lu) && (!wanted || wanted(rows[i])))
			len += put_descriptor(at + len, rows[i], timeouts);
	return len;
}

static void report_all(struct scsi_task *t, bool timeouts, uint32_t allocation_length)
{
	uint8_t data[LIST_MAX];
	size_t len = 4 + rsoc_put_rows(data + 4, t->lu, timeouts, NULL);

	put_be32(data, (uint32_t)len - 4);
	task_reply(t, data, len, allocation_length);
}

/* SPC-5 6.34.3 */
static void report_row(struct scsi_task *t, const struct opcode_row *row, bool timeouts,
		       uint32_t allocation_length)
{
	uint8_t data[4 + SCSI_MAX_CDB + TIMEOUTS_LENGTH] = {0};
	size_t len = 4;

	if (!row || !is_available(row, t->lu)) {
		data[1] = SUPPORT_NONE;
		task_reply(t, data, len, allocation_length);
		return;
	}
	data[1] = SUPPORT_STANDARD;
	put_be16(data + 2, row->cdb_len);
	opcode_usage(row, data + 4);
	len += row->cdb_len;
	if (timeouts) {
		data[1] |= ONE_COMMAND_CTDP;
		len += put_timeouts(data + len, row);
	}
	task_reply(t, data, len, allocation_length);
}

static const struct opcode_row *find_row(const struct opcode_row *const *rows, unsigned count,
					 unsigned service_action)
{
	for (unsigned i = 0; i < count; i++)
		if (rows[i]->service_action == (int)service_action)
			return rows[i];
	return NULL;
}

static void report_one(struct scsi_task *t, unsigned option, bool timeouts,
		       uint32_t allocation_length)
{
	unsigned service_action = get_be16(t->cdb + 4), count;
	const struct opcode_row *const *rows = opcode_rows_of(t->lu->commands, t->cdb[3], &count);
	bool has_actions = count && rows[0]->service_action != NO_SERVICE_ACTION;
	const struct opcode_row *row = NULL;

	/* Table 259: an option that doesn't go with the operation code.  The pointer is to the
	 * option, as a pointer to byte 1 would say that this command isn't there. */
	if (count && ((option == ONE_OPCODE && has_actions) ||
		      (option == ONE_SERVICE_ACTION && !has_actions))) {
		task_invalid_cdb(t, 2, 2);
		return;
	}
	if (has_actions)
		row = find_row(rows, count, service_action);
	else if (count && (option == ONE_OPCODE || service_action == 0))
		row = rows[0];
	report_row(t, row, timeouts, allocation_length);
}

void rsoc_report(struct scsi_task *t)
{
	unsigned option = t->cdb[2] & 7;
	bool timeouts = t->cdb[2] & 0x80;
	uint32_t allocation_length = get_be32(t->cdb + 6);

	if (option == ALL_COMMANDS)
		report_all(t, timeouts, allocation_length);
	else if (option <= ONE_EITHER)
		report_one(t, option, timeouts, allocation_length);
	else
		task_invalid_cdb(t, 2, 2);
}

/* SPC-5 6.35: byte 0 ATS ATSS CACAS CTSS LURS QTS TRS, byte 1 QAES QTSS ITNRS.  Timeouts aren't
 * given (TMFTMOV 0). */
static void run_report_functions(struct scsi_task *t)
{
	bool extended = t->cdb[2] & 0x80;
	uint8_t data[16] = {0xfe, 0x07};

	if (extended)
		data[3] = sizeof(data) - 4;
	task_reply(t, data, extended ? sizeof(data) : 4, get_be32(t->cdb + 6));
}

const struct opcode_row rsoc_rows[] = {
    {
	.opcode = 0xa3,
	.service_action = 0x0c,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_OFFLINE | ROW_STANDBY | ROW_UNAVAILABLE,
	.usage = {0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	.run = rsoc_report,
	.name = "REPORT SUPPORTED OPERATION CODES",
	.clause = "SPC-5 6.34",
    },
    {
	.opcode = 0xa3,
	.service_action = 0x0d,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_OFFLINE | ROW_STANDBY | ROW_UNAVAILABLE,
	.usage = {0xa3, 0x0d, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.run = run_report_functions,
	.name = "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
	.clause = "SPC-5 6.35",
    },
    {.run = NULL},
};
