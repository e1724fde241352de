/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_BYTES 8
#define MEMBERS_MAX 64

static void put_version(char to[VERSION_BYTES], uint64_t version)
{
	for (int i = 0; i < VERSION_BYTES; i++)
		to[i] = (char)(version >> (56 - 8 * i));
}

static uint64_t get_version(const char *from)
{
	uint64_t version = 0;

	for (int i = 0; i < VERSION_BYTES; i++)
		version = version << 8 | (uint8_t)from[i];
	return version;
}

int state_object_name(struct rbd_store *s)
{
	char id[RBD_MAX_BLOCK_NAME_SIZE];
	int err = rbd_get_id(s->image, id, sizeof(id));

	if (!err)
		snprintf(s->state.object, sizeof(s->state.object), "tgt.%s", id);
	return err;
}

static void name_key(char to[STATE_KEY_ROOM], char kind, const char *key)
{
	snprintf(to, STATE_KEY_ROOM, "%c.%s", kind, key);
}

/* ---- values ---- */

/* The next pair; false: there is none. */
static bool next_pair(rados_omap_iter_t iter, char **key, char **value, size_t *length)
{
	size_t key_length;

	return !rados_omap_get_next2(iter, key, value, &key_length, length) && *key;
}

/* Of the two keys asked for that of the value comes first. */
static int take_value(rados_omap_iter_t iter, void *buf, size_t *len, uint64_t *version)
{
	char *key, *value;
	size_t room = *len, length;
	bool found = false;

	*version = 0;
	while (next_pair(iter, &key, &value, &length)) {
		if (key[0] == 'v' && length == VERSION_BYTES) {
			*version = get_version(value);
		} else if (key[0] == 'k') {
			*len = length;
			found = true;
			if (length <= room)
				memcpy(buf, value, length);
		}
	}
	if (!found || !*version)
		return found || *version ? -EIO : -ENOENT;
	return *len <= room ? 0 : -ENOSPC;
}

int state_object_get(struct rbd_store *s, const char *key, void *buf, size_t *len,
		     uint64_t *version)
{
	char names[2][STATE_KEY_ROOM];
	const char *keys[] = {names[0], names[1]};
	rados_read_op_t op = rados_create_read_op();
	rados_omap_iter_t iter = NULL;
	size_t lengths[2];
	int err, rc = 0;

	if (!op)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		name_key(names[i], "kv"[i], key);
		lengths[i] = strlen(names[i]);
	}
	rados_read_op_omap_get_vals_by_keys2(op, keys, 2, lengths, &iter, &rc);
	err = rados_read_op_operate(op, s->pool, s->state.object, LIBRADOS_OPERATION_NOFLAG);
	if (!err)
		err = rc;
	if (!err)
		err = take_value(iter, buf, len, version);
	if (iter)
		rados_omap_get_end(iter);
	rados_release_read_op(op);
	return err;
}

static int operate(struct rbd_store *s, rados_write_op_t op)
{
	int err =
	    rados_write_op_operate2(op, s->pool, s->state.object, NULL, LIBRADOS_OPERATION_NOFLAG);

	rados_release_write_op(op);
	return err;
}

int state_object_put(struct rbd_store *s, const char *key, const void *buf, size_t len,
		     uint64_t expected)
{
	char names[2][STATE_KEY_ROOM], before[VERSION_BYTES], after[VERSION_BYTES];
	const char *keys[] = {names[0], names[1]}, *values[] = {buf, after};
	size_t key_lengths[2], lengths[] = {len, VERSION_BYTES};
	rados_write_op_t op = rados_create_write_op();
	int err;

	if (!op)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		name_key(names[i], "kv"[i], key);
		key_lengths[i] = strlen(names[i]);
	}
	put_version(before, expected);
	put_version(after, expected + 1);
	rados_write_op_create(op, LIBRADOS_CREATE_IDEMPOTENT, NULL);
	/* what isn't there compares as nothing */
	rados_write_op_omap_cmp2(op, names[1], LIBRADOS_CMPXATTR_OP_EQ, before, key_lengths[1],
				 expected ? VERSION_BYTES : 0, NULL);
	rados_write_op_omap_set2(op, keys, values, key_lengths, lengths, 2);
	err = operate(s, op);
	return err == -ECANCELED ? -ESTALE : err;
}

/* ---- members ---- */

static void name_member(char to[STATE_KEY_ROOM], const struct state_member *m)
{
	snprintf(to, STATE_KEY_ROOM, "m.%llu.%llu", (unsigned long long)m->client,
		 (unsigned long long)m->cookie);
}

int state_object_join(struct rbd_store *s, const struct state_member *member)
{
	char name[STATE_KEY_ROOM], value[sizeof(member->address) + sizeof(member->process)];
	const char *keys[] = {name}, *values[] = {value};
	size_t key_length, length;
	rados_write_op_t op = rados_create_write_op();

	if (!op)
		return -ENOMEM;
	name_member(name, member);
	key_length = strlen(name);
	snprintf(value, sizeof(value), "%s %s", member->address, member->process);
	length = strlen(value);
	rados_write_op_omap_set2(op, keys, values, &key_length, &length, 1);
	return operate(s, op);
}

int state_object_leave(struct rbd_store *s, const struct state_member *member)
{
	char name[STATE_KEY_ROOM];
	const char *keys[] = {name};
	size_t key_length;
	rados_write_op_t op = rados_create_write_op();

	if (!op)
		return -ENOMEM;
	name_member(name, member);
	key_length = strlen(name);
	rados_write_op_omap_rm_keys2(op, keys, &key_length, 1);
	return operate(s, op);
}

static bool parse_member(const char *key, const char *value, size_t length, struct state_member *m)
{
	const char *blank = memchr(value, ' ', length);
	size_t address = blank ? (size_t)(blank - value) : length;
	size_t process = blank ? length - address - 1 : 0;
	char *end;

	if (strncmp(key, "m.", 2) != 0 || address >= sizeof(m->address) ||
	    process >= sizeof(m->process))
		return false;
	m->client = strtoull(key + 2, &end, 10);
	if (*end != '.')
		return false;
	m->cookie = strtoull(end + 1, &end, 10);
	memcpy(m->address, value, address);
	m->address[address] = '\0';
	if (process)
		memcpy(m->process, blank + 1, process);
	m->process[process] = '\0';
	return !*end;
}

static int take_members(rados_omap_iter_t iter, struct state_member **members, size_t *count)
{
	struct state_member *found = calloc(MEMBERS_MAX, sizeof(*found));
	char *key, *value;
	size_t length;

	if (!found)
		return -ENOMEM;
	*count = 0;
	while (*count < MEMBERS_MAX && next_pair(iter, &key, &value, &length))
		*count += parse_member(key, value, length, &found[*count]);
	*members = found;
	return 0;
}

int state_object_members(struct rbd_store *s, struct state_member **members, size_t *count)
{
	rados_read_op_t op = rados_create_read_op();
	rados_omap_iter_t iter = NULL;
	unsigned char more = 0;
	int err, rc = 0;

	if (!op)
		return -ENOMEM;
	rados_read_op_omap_get_vals2(op, "", "m.", MEMBERS_MAX, &iter, &more, &rc);
	err = rados_read_op_operate(op, s->pool, s->state.object, LIBRADOS_OPERATION_NOFLAG);
	if (!err)
		err = rc;
	if (!err)
		err = more ? -E2BIG : take_members(iter, members, count);
	if (iter)
		rados_omap_get_end(iter);
	rados_release_read_op(op);
	return err;
}
