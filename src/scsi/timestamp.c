/* SPDX-License-Identifier: MIT */
/*
 * REPORT TIMESTAMP and SET TIMESTAMP (SPC-5 5.2, device clocks).  The clock starts from 0 when the
 * LU is made, its power on; what the host takes for the time of day doesn't count, and a logical
 * unit reset or the loss of a nexus changes nothing.
 */
#include "scsi/commands.h"
#include "scsi/ua.h"
#include "util/bytes.h"

#define PARAMETERS 12u
#define TIMESTAMP 4u /* where it stands in them, 48 bits of milliseconds */

/* TIMESTAMP ORIGIN */
#define ORIGIN_POWER_ON 0x0
#define ORIGIN_SET 0x2

/* Each reactor reads the clock at another time, so its now may lie before what another one set. */
static uint64_t elapsed_ms(const struct scsi_task *t)
{
	uint64_t now = reactor_now_ms(t->nexus->reactor), since = t->lu->clock.since_ms;

	return now > since ? now - since : 0;
}

static void report_timestamp(struct scsi_task *t)
{
	const struct lu_clock *clock = &t->lu->clock;
	uint8_t data[PARAMETERS] = {0};

	put_be16(data, PARAMETERS - 2);
	data[2] = clock->set ? ORIGIN_SET : ORIGIN_POWER_ON;
	put_be48(data + TIMESTAMP, clock->value_ms + elapsed_ms(t));
	task_reply(t, data, sizeof(data), get_be32(t->cdb + 6));
}

static bool prepare_set_timestamp(struct scsi_task *t)
{
	uint32_t length = get_be32(t->cdb + 6);

	if (length && length < PARAMETERS) {
		task_parameter_list_length_error(t);
		return false;
	}
	t->transfer_length = length < PARAMETERS ? length : PARAMETERS;
	return true;
}

static void set_timestamp(struct scsi_task *t)
{
	struct lu_clock *clock = &t->lu->clock;
	uint8_t list[PARAMETERS];

	if (!t->transfer_length) { /* no data is no error, and nothing to set */
		task_good(t);
		return;
	}
	if (databuf_read(&t->data, 0, list, sizeof(list)) < sizeof(list)) {
		task_parameter_list_length_error(t);
		return;
	}
	clock->value_ms = get_be48(list + TIMESTAMP);
	clock->since_ms = reactor_now_ms(t->nexus->reactor);
	clock->set = true;
	lu_establish_ua(t->lu, ASC_TIMESTAMP_CHANGED, t->nexus->id);
	task_good(t);
}

const struct opcode_row timestamp_rows[] = {
    {
	.opcode = 0xa3,
	.service_action = 0x0f,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.usage = {0xa3, 0x0f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.run = report_timestamp,
	.name = "REPORT TIMESTAMP",
	.clause = "SPC-5 REPORT TIMESTAMP",
    },
    {
	.opcode = 0xa4,
	.service_action = 0x0f,
	.cdb_len = 12,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0xa4, 0x0f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.prepare = prepare_set_timestamp,
	.run = set_timestamp,
	.name = "SET TIMESTAMP",
	.clause = "SPC-5 SET TIMESTAMP",
    },
    {.run = NULL},
};
