/* SPDX-License-Identifier: MIT */
/* Commands that the device answers, but to which the core has something to add. */
#include <string.h>

#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "scsi/ua.h"
#include "util/bytes.h"

static void reply_scratch(struct scsi_task *t, uint32_t allocation_length)
{
	uint8_t data[256];
	size_t len = t->store.bs.actual < sizeof(data) ? t->store.bs.actual : sizeof(data);

	databuf_read(&t->scratch, 0, data, len);
	task_reply(t, data, len, allocation_length);
}

/* ---- REQUEST SENSE ---- */

/* SPC-5 REQUEST SENSE: a unit attention may be told as parameter data, and is gone by that. */
static void sense_answered(struct scsi_task *t)
{
	uint8_t data[SENSE_MAX], key;
	uint16_t asc;
	size_t len = databuf_read(&t->scratch, 0, data, sizeof(data));

	if (len > t->store.bs.actual)
		len = t->store.bs.actual;
	if (passthrough_parse_sense(data, (uint32_t)len, &key, &asc) && key == KEY_UNIT_ATTENTION)
		passthrough_attention(t->lu, asc, t->nexus->id);
	reply_scratch(t, t->cdb[4]);
}

static void sense_buffer(struct scsi_task *t)
{
	passthrough_send(t, t->cdb, &t->scratch, sense_answered);
}

/* The core's own conditions come first; then what the device has, such as its progress in
 * formatting. */
void passthrough_request_sense(struct scsi_task *t)
{
	if (!t->lu->online || !t->lu->store_online || ua_pending(&t->itl->ua) || !t->cdb[4])
		spc_request_sense(t);
	else
		task_get_scratch(t, t->cdb[4], sense_buffer);
}

/* ---- PREVENT ALLOW MEDIUM REMOVAL ---- */

static void prevented(struct scsi_task *t)
{
	itl_set_prevents(t->itl, t->cdb[4] & 1);
	task_good(t);
}

/* SBC-3 5.10, PREVENT ALLOW MEDIUM REMOVAL: the medium stays while any nexus wants it to; the
 * device counts this machine once. */
void passthrough_prevent(struct scsi_task *t)
{
	bool prevent = t->cdb[4] & 1;

	if (prevent && sbc_conflicts_as_write(t)) {
		task_status(t, STATUS_RESERVATION_CONFLICT);
		return;
	}
	if (!prevent && atomic_load(&t->lu->nr_prevents) > (t->itl->prevents ? 1u : 0u))
		prevented(t);
	else
		passthrough_send(t, t->cdb, NULL, prevented);
}

/* ---- READ CAPACITY ---- */

/* Whoever asks: the core hears the answer. */
static void capacity_answered(struct scsi_task *t)
{
	unsigned at = t->cdb[0] == 0x25 ? 4 : 8;
	uint32_t allocation_length = t->cdb[0] == 0x25 ? 8 : get_be32(t->cdb + 10);
	uint8_t data[12];

	databuf_read(&t->scratch, 0, data, sizeof(data));
	if (t->store.bs.actual >= at + 4)
		atomic_store_explicit(&t->lu->passthrough->block_length, get_be32(data + at),
				      memory_order_relaxed);
	reply_scratch(t, allocation_length);
}

static void capacity_buffer(struct scsi_task *t)
{
	passthrough_send(t, t->cdb, &t->scratch, capacity_answered);
}

void passthrough_read_capacity(struct scsi_task *t)
{
	uint32_t len = t->cdb[0] == 0x25 ? 8 : get_be32(t->cdb + 10);

	if (!len)
		passthrough_run(t);
	else
		task_get_scratch(t, len < 256 ? len : 256, capacity_buffer);
}

/* ---- REPORT SUPPORTED OPERATION CODES ---- */

#define LIST_BYTES 16384u
#define RCTD 0x80

static uint16_t action_of(const uint8_t *descriptor)
{
	return descriptor[5] & 0x01 ? get_be16(descriptor + 2) : 0;
}

static bool is_the_devices(const struct scsi_task *t, const uint8_t *descriptor)
{
	const struct pt_route *r = passthrough_route(t->lu, descriptor[0], action_of(descriptor));

	if (!r || r->where == PT_TO_DEVICE)
		return true;
	return r->where == PT_TO_RESERVATIONS && t->lu->passthrough->device_keeps_reservations;
}

static bool is_cores(const struct opcode_row *row)
{
	return row->run != passthrough_run && row->route->where != PT_TO_DEVICE;
}

/* The device's list without what doesn't go there, then what the core has (SPC-5 6.34.2). */
static void list_answered(struct scsi_task *t)
{
	static __thread uint8_t from[LIST_BYTES], to[2 * LIST_BYTES];
	bool timeouts = t->cdb[2] & RCTD;
	size_t len = databuf_read(&t->scratch, 0, from, sizeof(from)), out = 4;

	if (len > t->store.bs.actual)
		len = t->store.bs.actual;
	if (len >= 4 && len > get_be32(from) + 4u)
		len = get_be32(from) + 4u;
	for (size_t at = 4; at + 8 <= len;) {
		size_t size = from[at + 5] & 0x02 ? 20 : 8;

		if (at + size <= len && is_the_devices(t, from + at)) {
			memcpy(to + out, from + at, size);
			out += size;
		}
		at += size;
	}
	out += rsoc_put_rows(to + out, t->lu, timeouts, is_cores);
	put_be32(to, (uint32_t)out - 4);
	task_reply(t, to, out, get_be32(t->cdb + 6));
}

static void list_buffer(struct scsi_task *t)
{
	uint8_t cdb[SCSI_MAX_CDB];

	memcpy(cdb, t->cdb, sizeof(cdb));
	put_be32(cdb + 6, LIST_BYTES);
	passthrough_send(t, cdb, &t->scratch, list_answered);
}

/* One command: whoever executes it knows. */
static void report_one(struct scsi_task *t)
{
	uint8_t asked[8] = {t->cdb[3], 0, t->cdb[4], t->cdb[5], 0, t->cdb[2] & 7 ? 1 : 0};

	if (is_the_devices(t, asked))
		passthrough_run(t);
	else
		rsoc_report(t);
}

void passthrough_opcodes(struct scsi_task *t)
{
	if (t->cdb[2] & 7)
		report_one(t);
	else
		task_get_scratch(t, LIST_BYTES, list_buffer);
}
