/* SPDX-License-Identifier: MIT */
/* REPORT and SET TARGET PORT GROUPS (SPC-5 6.36, 6.45). */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "util/bytes.h"

/* ---- REPORT TARGET PORT GROUPS ---- */

#define EXTENDED 1u /* PARAMETER DATA FORMAT */
#define PREF 0x80
/* T_SUP, O_SUP, U_SUP, S_SUP, AN_SUP, AO_SUP: the operator can set all of them */
#define SUPPORTED_STATES 0xcf

static size_t put_group(uint8_t *at, const struct target_port *port)
{
	at[0] = (uint8_t)((port->preferred ? PREF : 0) | port->state);
	at[1] = SUPPORTED_STATES;
	put_be16(at + 2, port->id);
	at[5] = port->status;
	at[7] = 1; /* target ports */
	put_be16(at + 10, port->id);
	return 12;
}

static void run_report(struct scsi_task *t)
{
	const struct target_ports *list = target_ports(t->nexus->target);
	uint8_t data[8 + 12 * TARGET_PORTS_MAX] = {0};
	unsigned format = t->cdb[1] >> 5;
	size_t len = format == EXTENDED ? 8 : 4;

	if (format > EXTENDED) {
		task_invalid_cdb(t, 1, 7);
		return;
	}
	if (format == EXTENDED) {
		data[4] = EXTENDED << 4;
		data[5] = list->transition_time;
	}
	for (unsigned i = 0; i < list->count; i++)
		len += put_group(data + len, &list->ports[i]);
	put_be32(data, (uint32_t)(len - 4));
	task_reply(t, data, len, get_be32(t->cdb + 6));
}

/* ---- SET TARGET PORT GROUPS ---- */

#define LIST_HEADER 4u
#define DESCRIPTOR 4u
#define LIST_MAX (LIST_HEADER + DESCRIPTOR * TARGET_PORTS_MAX)

static bool is_available(const struct lu *lu)
{
	return target_ports(lu->target)->by_command;
}

/* 6.45: a length of 0 changes nothing, one that can't be is a field of the CDB. */
static bool prepare_set(struct scsi_task *t)
{
	uint32_t length = get_be32(t->cdb + 6);

	if (length && (length < LIST_HEADER || length > LIST_MAX || length % DESCRIPTOR)) {
		task_invalid_cdb(t, 6, -1);
		return false;
	}
	t->transfer_length = length;
	return true;
}

/* One on its way to the control reactor and back. */
struct set_request {
	struct message message;
	struct target *target;
	struct reactor *reactor;
	struct task_aside *aside;
	uint64_t nexus_id;
	bool drained;
	unsigned count;
	struct access_wish wishes[TARGET_PORTS_MAX];
};

static void set_returned(struct message *message)
{
	struct set_request *request = container_of(message, struct set_request, message);
	struct scsi_task *t = task_step_back(request->aside);

	if (t && request->drained)
		task_good(t);
	else if (t)
		task_sense(t, KEY_HARDWARE_ERROR, ASC_SET_TARGET_PORT_GROUPS_FAILED);
	free(request);
}

static void set_changed(void *arg, bool drained)
{
	struct set_request *request = arg;

	request->drained = drained;
	request->message.fn = set_returned;
	reactor_send(request->reactor, &request->message);
}

static void set_arrived(struct message *message)
{
	struct set_request *r = container_of(message, struct set_request, message);

	target_access_change(r->target, r->wishes, r->count, ACCESS_BY_COMMAND, r->nexus_id,
			     set_changed, r);
}

static bool is_primary_state(uint8_t state)
{
	return state <= ACCESS_UNAVAILABLE;
}

static bool is_wished(const struct set_request *request, uint16_t id)
{
	for (unsigned i = 0; i < request->count; i++) {
		if (request->wishes[i].id == id)
			return true;
	}
	return false;
}

/*
 * Table "set target port group descriptor": a state that a group can be asked to have, a group that
 * is there, and that once.  Offline is no wish: whether a port works is not the initiators'
 * business.  False: it has ended the task.
 */
static bool take_descriptor(struct scsi_task *t, struct set_request *request, unsigned at)
{
	const uint8_t *descriptor = task_out_data(t) + at;
	uint16_t id = get_be16(descriptor + 2);
	const struct target_port *port = target_port_find(t->nexus->target, id);

	if (!is_primary_state(descriptor[0])) {
		task_invalid_parameter(t, at, -1);
		return false;
	}
	if (!port || is_wished(request, id)) {
		task_invalid_parameter(t, at + 2, -1);
		return false;
	}
	if (!is_primary_state(port->state)) { /* the operator has not done with it */
		task_sense(t, KEY_HARDWARE_ERROR, ASC_SET_TARGET_PORT_GROUPS_FAILED);
		return false;
	}
	request->wishes[request->count++] =
	    (struct access_wish){.id = id, .has_state = true, .state = descriptor[0]};
	return true;
}

static bool take_list(struct scsi_task *t, struct set_request *request)
{
	if (t->data.length < t->transfer_length) {
		task_parameter_list_length_error(t);
		return false;
	}
	for (unsigned at = LIST_HEADER; at < t->data.length; at += DESCRIPTOR) {
		if (!take_descriptor(t, request, at))
			return false;
	}
	return true;
}

static void run_set(struct scsi_task *t)
{
	struct set_request *request = calloc(1, sizeof(*request));

	if (!request) {
		task_status(t, STATUS_BUSY);
		return;
	}
	if (!take_list(t, request)) {
		free(request);
		return;
	}
	request->target = t->nexus->target;
	request->reactor = t->nexus->reactor;
	request->nexus_id = t->nexus->id;
	/* it would be in the way of what it waits for, that its LU stands still */
	request->aside = task_step_aside(t);
	if (!request->aside) {
		free(request);
		task_status(t, STATUS_BUSY);
		return;
	}
	request->message.fn = set_arrived;
	reactor_send(reactor_get(0), &request->message);
}

const struct opcode_row alua_rows[] = {
    {
	.opcode = 0xa3,
	.service_action = 0x0a,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.flags = ROW_OFFLINE | ROW_ANY_ACCESS,
	.usage = {0xa3, 0xea, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.run = run_report,
	.name = "REPORT TARGET PORT GROUPS",
	.clause = "SPC-5 6.36",
    },
    {
	.opcode = 0xa4,
	.service_action = 0x0a,
	.cdb_len = 12,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_OFFLINE | ROW_STANDBY | ROW_UNAVAILABLE,
	.usage = {0xa4, 0x0a, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	.prepare = prepare_set,
	.run = run_set,
	.available = is_available,
	.name = "SET TARGET PORT GROUPS",
	.clause = "SPC-5 6.45",
    },
    {.run = NULL},
};
