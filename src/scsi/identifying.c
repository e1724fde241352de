/* SPDX-License-Identifier: MIT */
/*
 * REPORT and SET IDENTIFYING INFORMATION (SPC-5): what an application client wants to know the LU
 * by. It must be there after a power cycle, so without a state directory the commands are not
 * there. As a blob: magic, version, length of the medium's path, lengths of the two kinds, path,
 * the kinds.
 */
#include "scsi/identifying.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reactor/workers.h"
#include "scsi/commands.h"
#include "scsi/ua.h"
#include "store/state.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAGIC 0x74676969u /* "tgii" */
#define VERSION 1
#define HEADER 12u
#define PATH_MAX_KEPT 4096u

/* INFORMATION TYPE */
#define TYPE_SUPPORTED 0x7f
static const struct {
	uint8_t type;
	uint16_t max;
	bool text; /* UTF-8, NUL at its end */
} kinds[IDENTIFYING_KINDS] = {{0x00, 64, false}, {0x02, IDENTIFYING_MAX, true}};

static int kind_of(uint8_t type)
{
	for (unsigned i = 0; i < IDENTIFYING_KINDS; i++)
		if (kinds[i].type == type)
			return (int)i;
	return -1;
}

/* ---- kept ---- */

static size_t path_length(const struct lu *lu)
{
	return lu->path ? strnlen(lu->path, PATH_MAX_KEPT) : 0;
}

void identifying_key(const struct lu *lu, char *out, size_t size)
{
	snprintf(out, size, "identifying.%s.%u", lu->target->name, lu->lun);
}

size_t identifying_encode(uint8_t *blob, const struct lu *lu, const struct identifying *info)
{
	size_t path = path_length(lu), len = HEADER + path;

	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	put_be16(blob + 6, (uint16_t)path);
	if (path)
		memcpy(blob + HEADER, lu->path, path);
	for (unsigned i = 0; i < IDENTIFYING_KINDS; i++) {
		put_be16(blob + 8 + (size_t)2 * i, info->len[i]);
		memcpy(blob + len, info->data[i], info->len[i]);
		len += info->len[i];
	}
	return len;
}

static bool decode(const uint8_t *blob, size_t len, const struct lu *lu, struct identifying *info)
{
	size_t path = path_length(lu), at = HEADER + path;

	if (len < at || get_be32(blob) != MAGIC || get_be16(blob + 4) != VERSION ||
	    get_be16(blob + 6) != path || (path && memcmp(blob + HEADER, lu->path, path) != 0))
		return false;
	for (unsigned i = 0; i < IDENTIFYING_KINDS; i++) {
		uint16_t n = get_be16(blob + 8 + (size_t)2 * i);

		if (n > kinds[i].max || n > len - at)
			return false;
		info->len[i] = n;
		memcpy(info->data[i], blob + at, n);
		at += n;
	}
	return true;
}

void identifying_load(struct lu *lu)
{
	CLEANUP_FREE uint8_t *blob = malloc(IDENTIFYING_BLOB_MAX);
	struct identifying *info = calloc(1, sizeof(*info));
	size_t len = IDENTIFYING_BLOB_MAX;
	char key[STATE_KEY_MAX];
	int rc = -ENOENT;

	identifying_key(lu, key, sizeof(key));
	if (blob && info && state_available())
		rc = state_get(key, blob, &len);
	if (!rc && decode(blob, len, lu, info)) {
		lu->identifying = info;
		return;
	}
	if (rc != -ENOENT)
		log_warning("%s: the identifying information kept for it can't be read%s%s",
			    lu_name(lu), rc ? ": " : " or is another medium's",
			    rc ? strerror(-rc) : "");
	free(info);
}

/* ---- REPORT IDENTIFYING INFORMATION ---- */

static size_t put_supported(uint8_t *at)
{
	for (unsigned i = 0; i < IDENTIFYING_KINDS; i++) {
		at[4 * i] = (uint8_t)(kinds[i].type << 1);
		put_be16(at + (size_t)4 * i + 2, kinds[i].max);
	}
	return (size_t)4 * IDENTIFYING_KINDS;
}

static void report_identifying(struct scsi_task *t)
{
	const struct identifying *info = t->lu->identifying;
	uint8_t type = t->cdb[10] >> 1;
	int kind = kind_of(type);
	uint8_t data[4 + IDENTIFYING_MAX] = {0};
	size_t len = 0;

	if (type == TYPE_SUPPORTED) {
		len = put_supported(data + 4);
	} else if (kind < 0) {
		task_invalid_cdb(t, 10, 7);
		return;
	} else if (info) {
		len = info->len[kind];
		memcpy(data + 4, info->data[kind], len);
	}
	put_be16(data + 2, (uint16_t)len);
	task_reply(t, data, 4 + len, get_be32(t->cdb + 6));
}

/* ---- SET IDENTIFYING INFORMATION ---- */

struct id_change {
	struct scsi_task *task;
	struct reactor *reactor;
	struct identifying *next;
	struct work work;
	struct message message;
	int error;
	char key[STATE_KEY_MAX];
	size_t len;
	uint8_t blob[IDENTIFYING_BLOB_MAX];
};

static void saved(struct message *message)
{
	struct id_change *c = container_of(message, struct id_change, message);
	struct scsi_task *t = c->task;
	struct lu *lu = t->lu;

	if (c->error) {
		log_err("%s: its identifying information can't be kept: %s", lu_name(lu),
			strerror(-c->error));
		free(c->next);
		free(c);
		task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
		return;
	}
	free(lu->identifying);
	lu->identifying = c->next;
	free(c);
	lu_establish_ua(lu, ASC_DEVICE_IDENTIFIER_CHANGED, t->nexus->id);
	task_good(t);
}

static void save_on_worker(struct work *work)
{
	struct id_change *c = container_of(work, struct id_change, work);

	c->error = state_put(c->key, c->blob, c->len);
	reactor_send(c->reactor, &c->message);
}

static bool prepare_set_identifying(struct scsi_task *t)
{
	int kind = kind_of(t->cdb[10] >> 1);
	uint32_t length = get_be32(t->cdb + 6);

	if (kind < 0) {
		task_invalid_cdb(t, 10, 7);
		return false;
	}
	if (length > kinds[kind].max) {
		task_invalid_cdb(t, 6, 7);
		return false;
	}
	t->transfer_length = length;
	return true;
}

/* A text ends with its only NUL. */
static bool is_text(const uint8_t *data, size_t len)
{
	return !len || memchr(data, 0, len) == data + len - 1;
}

static struct id_change *new_change(struct scsi_task *t)
{
	struct id_change *c = calloc(1, sizeof(*c));

	if (c)
		c->next = calloc(1, sizeof(*c->next));
	if (!c || !c->next) {
		free(c);
		return NULL;
	}
	if (t->lu->identifying)
		*c->next = *t->lu->identifying;
	c->task = t;
	c->reactor = t->nexus->reactor;
	c->work.fn = save_on_worker;
	c->message.fn = saved;
	identifying_key(t->lu, c->key, sizeof(c->key));
	return c;
}

static void set_identifying(struct scsi_task *t)
{
	int kind = kind_of(t->cdb[10] >> 1);
	uint8_t data[IDENTIFYING_MAX];
	struct id_change *c;

	if (databuf_read(&t->data, 0, data, t->transfer_length) < t->transfer_length) {
		task_parameter_list_length_error(t);
		return;
	}
	if (kinds[kind].text && !is_text(data, t->transfer_length)) {
		task_invalid_parameter(t, 0, -1);
		return;
	}
	c = new_change(t);
	if (!c) {
		task_status(t, STATUS_BUSY);
		return;
	}
	c->next->len[kind] = (uint16_t)t->transfer_length;
	memcpy(c->next->data[kind], data, t->transfer_length);
	c->len = identifying_encode(c->blob, t->lu, c->next);
	workers_submit(workers_control_gate(), &c->work);
}

static bool can_keep(const struct lu *lu)
{
	(void)lu;
	return state_available();
}

const struct opcode_row identifying_rows[] = {
    {
	.opcode = 0xa3,
	.service_action = 0x05,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.usage = {0xa3, 0x05, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe},
	.run = report_identifying,
	.available = can_keep,
	.name = "REPORT IDENTIFYING INFORMATION",
	.clause = "SPC-5 REPORT IDENTIFYING INFORMATION",
    },
    {
	.opcode = 0xa4,
	.service_action = 0x06,
	.cdb_len = 12,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0xa4, 0x06, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe},
	.prepare = prepare_set_identifying,
	.run = set_identifying,
	.available = can_keep,
	.name = "SET IDENTIFYING INFORMATION",
	.clause = "SPC-5 SET IDENTIFYING INFORMATION",
    },
    {.run = NULL},
};
