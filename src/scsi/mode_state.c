/* SPDX-License-Identifier: MIT */
/*
 * Saved mode pages as a blob: numbers big-endian, magic, version, count, the medium's path, then
 * the pages, each with its values and the bits that could be changed (only those count).  The file
 * that holds it has a checksum.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/mode.h"
#include "scsi/target.h"
#include "store/state.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAGIC 0x74676d70u /* "tgmp" */
#define VERSION 1
#define HEADER 10u /* magic, version, count, length of the medium's path */
#define ENTRY 4u   /* page, subpage, length, reserved */
#define PATH_BYTES 4096u

bool mode_savable(void)
{
	return state_available();
}

static size_t path_length(const char *medium)
{
	return medium ? strnlen(medium, PATH_BYTES) : 0;
}

static size_t encode_page(uint8_t *at, const struct mode_page *p)
{
	at[0] = p->page;
	at[1] = p->subpage;
	at[2] = p->length;
	at[3] = 0;
	memcpy(at + ENTRY, p->values[MODE_SAVED], p->length);
	memcpy(at + ENTRY + p->length, p->values[MODE_CHANGEABLE], p->length);
	return ENTRY + 2u * p->length;
}

size_t mode_encode(uint8_t *blob, const struct mode_state *state, const char *medium)
{
	size_t path = path_length(medium), len = HEADER + path;
	uint16_t count = 0;

	for (unsigned i = 0; i < state->count; i++) {
		if (!state->pages[i].kept)
			continue;
		len += encode_page(blob + len, &state->pages[i]);
		count++;
	}
	if (!count)
		return 0;
	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	put_be16(blob + 6, count);
	put_be16(blob + 8, (uint16_t)path);
	if (path)
		memcpy(blob + HEADER, medium, path);
	return len;
}

/* A bit that could be changed and no longer can must be what it is by default. */
static bool fits(const struct mode_page *p, const uint8_t *values, const uint8_t *mask)
{
	for (unsigned i = mode_header_length(p); i < p->length; i++)
		if (mask[i] & ~p->values[MODE_CHANGEABLE][i] &
		    (values[i] ^ p->values[MODE_DEFAULT][i]))
			return false;
	return true;
}

static void take(struct mode_page *p, const uint8_t *values, const uint8_t *mask)
{
	for (unsigned i = mode_header_length(p); i < p->length; i++) {
		uint8_t bits = mask[i] & p->values[MODE_CHANGEABLE][i];

		p->values[MODE_SAVED][i] = p->values[MODE_CURRENT][i] =
		    (uint8_t)((p->values[MODE_DEFAULT][i] & ~bits) | (values[i] & bits));
	}
	p->kept = true;
}

/* One page from at most len bytes; the bytes it takes, 0 when it isn't one. */
static size_t entry_size(const uint8_t *at, size_t len)
{
	size_t size;

	if (len < ENTRY)
		return 0;
	size = ENTRY + 2u * at[2];
	return at[2] <= MODE_PAGE_BYTES && size <= len ? size : 0;
}

static bool decode_page(const uint8_t *at, struct mode_state *state)
{
	struct mode_page *p = mode_find(state, at[0], at[1]);
	const uint8_t *values = at + ENTRY, *mask = values + at[2];

	if (!p || at[2] != p->length || !fits(p, values, mask))
		return false;
	take(p, values, mask);
	return true;
}

/* The whole blob is looked through before anything of it is believed. */
static bool is_whole(const uint8_t *at, size_t len, unsigned count)
{
	while (count--) {
		size_t size = entry_size(at, len);

		if (!size)
			return false;
		at += size;
		len -= size;
	}
	return len == 0;
}

bool mode_decode(const uint8_t *blob, size_t len, struct mode_state *state, const char *medium)
{
	size_t path = path_length(medium);
	const uint8_t *at;
	bool all_fit = true;

	if (len < HEADER || get_be32(blob) != MAGIC || get_be16(blob + 4) != VERSION)
		return false;
	if (get_be16(blob + 8) != path || path > len - HEADER ||
	    (path && memcmp(blob + HEADER, medium, path) != 0))
		return false;
	at = blob + HEADER + path;
	len -= HEADER + path;
	if (!is_whole(at, len, get_be16(blob + 6)))
		return false;
	for (unsigned i = 0; i < get_be16(blob + 6); i++) {
		all_fit = decode_page(at, state) && all_fit;
		at += ENTRY + 2u * at[2];
	}
	mode_refresh(state);
	return all_fit;
}

void mode_state_key(const struct lu *lu, char *out, size_t size)
{
	snprintf(out, size, "mode.%s.%u", lu->target->name, lu->lun);
}

int mode_save(const char *key, const uint8_t *blob, size_t len)
{
	return len ? state_put(key, blob, len) : state_remove(key);
}

void mode_load(struct lu *lu)
{
	CLEANUP_FREE uint8_t *blob = malloc(MODE_BLOB_MAX);
	size_t len = MODE_BLOB_MAX;
	char key[STATE_KEY_MAX];
	int rc;

	if (!blob || !mode_savable())
		return;
	mode_state_key(lu, key, sizeof(key));
	rc = state_get(key, blob, &len);
	if (rc == -ENOENT)
		return;
	if (rc)
		log_err("%s: the mode pages saved for it can't be read: %s; it starts with the "
			"defaults",
			lu_name(lu), strerror(-rc));
	else if (!mode_decode(blob, len, lu->mode, lu->path))
		log_warning("%s: of the mode pages saved for it those that don't fit it, or all if "
			    "they are another medium's, have their defaults",
			    lu_name(lu));
}
