/* SPDX-License-Identifier: MIT */
/*
 * READ BUFFER(10) and WRITE BUFFER (SPC-5): a data buffer of the LU, and an echo buffer of each
 * I_T_L nexus, so that none overwrites another's.  There is no microcode to download.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/target_port.h"
#include "util/bytes.h"

#define CAPACITY 65536u /* of the data buffer */
#define ECHO_CAPACITY 1024u
#define HEADER 4u /* of mode 00h: reserved, and the capacity */

/* MODE */
#define MODE_COMBINED 0x00 /* obsolete, but what sg_test_rwbuf speaks */
#define MODE_DATA 0x02
#define MODE_DESCRIPTOR 0x03
#define MODE_ECHO 0x0a
#define MODE_ECHO_DESCRIPTOR 0x0b
#define MODE_MASK 0x1f

/* The data buffer with its header, as long as nobody has written to it. */
static const uint8_t never_written[HEADER + CAPACITY] = {0, CAPACITY >> 16, 0, 0};

static uint8_t mode_of(const struct scsi_task *t)
{
	return t->cdb[1] & MODE_MASK;
}

static uint32_t offset_of(const struct scsi_task *t)
{
	return get_be24(t->cdb + 3);
}

static uint32_t length_of(const struct scsi_task *t)
{
	return get_be24(t->cdb + 6);
}

/* In the standby state the echo buffer can be used, and no other (SPC-5 5.15.2); false: the task
 * has ended. */
static bool check_access(struct scsi_task *t)
{
	if (!t->nexus->access_gate || mode_of(t) == MODE_ECHO || mode_of(t) == MODE_ECHO_DESCRIPTOR)
		return true;
	task_sense(t, KEY_NOT_READY, access_refusal(t->nexus->access_state));
	return false;
}

/* The BUFFER ID and, from the range that there is, the BUFFER OFFSET; false: the task has ended. */
static bool check_place(struct scsi_task *t, uint32_t most)
{
	if (t->cdb[2])
		task_invalid_cdb(t, 2, 7);
	else if (offset_of(t) > most)
		task_invalid_cdb(t, 3, 7);
	else
		return true;
	return false;
}

/* ---- READ BUFFER(10) ---- */

static const uint8_t *whole_buffer(const struct lu *lu)
{
	return lu->data_buffer ? lu->data_buffer : never_written;
}

static void read_data(struct scsi_task *t)
{
	uint32_t offset = offset_of(t);

	if (check_place(t, CAPACITY))
		task_reply(t, whole_buffer(t->lu) + HEADER + offset, CAPACITY - offset,
			   length_of(t));
}

static void read_combined(struct scsi_task *t)
{
	if (check_place(t, 0))
		task_reply(t, whole_buffer(t->lu), HEADER + CAPACITY, length_of(t));
}

/* Of a buffer that there isn't: all zeroes. */
static void read_descriptor(struct scsi_task *t)
{
	uint8_t data[4] = {0};

	if (!t->cdb[2])
		put_be24(data + 1, CAPACITY); /* OFFSET BOUNDARY 0: any byte */
	task_reply(t, data, sizeof(data), length_of(t));
}

static void read_echo(struct scsi_task *t)
{
	const struct itl *itl = t->itl;

	if (!itl->echo)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_COMMAND_SEQUENCE_ERROR);
	else
		task_reply(t, itl->echo, itl->echo_len, length_of(t));
}

static void read_echo_descriptor(struct scsi_task *t)
{
	uint8_t data[4] = {0x01}; /* EBOS: what another nexus echoes doesn't show here */

	put_be16(data + 2, ECHO_CAPACITY);
	task_reply(t, data, sizeof(data), length_of(t));
}

static void read_buffer(struct scsi_task *t)
{
	if (!check_access(t))
		return;
	switch (mode_of(t)) {
	case MODE_COMBINED:
		read_combined(t);
		break;
	case MODE_DATA:
		read_data(t);
		break;
	case MODE_DESCRIPTOR:
		read_descriptor(t);
		break;
	case MODE_ECHO:
		read_echo(t);
		break;
	case MODE_ECHO_DESCRIPTOR:
		read_echo_descriptor(t);
		break;
	default:
		task_invalid_cdb(t, 1, 4);
		break;
	}
}

/* ---- WRITE BUFFER ---- */

/* How much may be sent; false: the task has ended. */
static bool most_of(struct scsi_task *t, uint32_t *most)
{
	switch (mode_of(t)) {
	case MODE_COMBINED:
		*most = HEADER + CAPACITY;
		return check_place(t, 0);
	case MODE_DATA:
		*most = CAPACITY - (offset_of(t) < CAPACITY ? offset_of(t) : CAPACITY);
		return check_place(t, CAPACITY);
	case MODE_ECHO: /* BUFFER ID and BUFFER OFFSET are ignored */
		*most = ECHO_CAPACITY;
		return true;
	default:
		task_invalid_cdb(t, 1, 4);
		return false;
	}
}

static bool prepare_write_buffer(struct scsi_task *t)
{
	uint32_t most;

	if (!most_of(t, &most))
		return false;
	if (length_of(t) > most) {
		task_invalid_cdb(t, 6, 7);
		return false;
	}
	t->transfer_length = length_of(t);
	return true;
}

static void write_data(struct scsi_task *t)
{
	struct lu *lu = t->lu;
	size_t header = mode_of(t) == MODE_COMBINED ? HEADER : 0;

	if (!lu->data_buffer) {
		lu->data_buffer = malloc(sizeof(never_written));
		if (!lu->data_buffer) {
			task_status(t, STATUS_BUSY);
			return;
		}
		memcpy(lu->data_buffer, never_written, sizeof(never_written));
	}
	if (t->data.length > header)
		databuf_read(&t->data, header, lu->data_buffer + HEADER + offset_of(t),
			     t->data.length - header);
	task_good(t);
}

static void write_echo(struct scsi_task *t)
{
	struct itl *itl = t->itl;

	if (!itl->echo)
		itl->echo = malloc(ECHO_CAPACITY);
	if (!itl->echo) {
		task_status(t, STATUS_BUSY);
		return;
	}
	itl->echo_len = (uint16_t)databuf_read(&t->data, 0, itl->echo, t->data.length);
	task_good(t);
}

static void write_buffer(struct scsi_task *t)
{
	if (!check_access(t))
		return;
	if (!t->transfer_length)
		task_good(t);
	else if (t->data.length < t->transfer_length)
		task_parameter_list_length_error(t);
	else if (mode_of(t) == MODE_ECHO)
		write_echo(t);
	else
		write_data(t);
}

#define ALL3 0xff, 0xff, 0xff

const struct opcode_row buffer_rows[] = {
    {
	.opcode = 0x3b,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_STANDBY, /* the data buffer is everybody's */
	.usage = {0x3b, MODE_MASK, 0xff, ALL3, ALL3},
	.prepare = prepare_write_buffer,
	.run = write_buffer,
	.name = "WRITE BUFFER",
	.clause = "SPC-5 WRITE BUFFER",
    },
    {
	.opcode = 0x3c,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_STANDBY,
	.usage = {0x3c, MODE_MASK, 0xff, ALL3, ALL3},
	.run = read_buffer,
	.name = "READ BUFFER(10)",
	.clause = "SPC-5 READ BUFFER(10)",
    },
    {.run = NULL},
};
