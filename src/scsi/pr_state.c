/* SPDX-License-Identifier: MIT */
/*
 * Registrations that persist through power loss (APTPL), as a blob: numbers big-endian, magic,
 * version, type, the medium's path, then the registrations.  PRGENERATION isn't kept: it starts
 * from 0 at power on (SPC-5 6.16.2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/pr.h"
#include "scsi/target.h"
#include "store/state.h"
#include "util/bytes.h"

#define MAGIC 0x74677072u /* "tgpr" */
#define VERSION 1
#define HEADER 12u /* magic, version, type, count, length of the medium's path */
#define ENTRY 14u  /* key, flags, relative port, length of the TransportID */
#define FLAG_HOLDER 0x01
#define FLAG_ALL_PORTS 0x02

static size_t path_length(const char *medium)
{
	return medium ? strnlen(medium, 4096) : 0;
}

size_t pr_put_registration(uint8_t *at, const struct pr_registration *r)
{
	put_be64(at, r->key);
	put_be16(at + 8, (uint16_t)((r->holder ? FLAG_HOLDER : 0) |
				    (r->port.all_ports ? FLAG_ALL_PORTS : 0)));
	put_be16(at + 10, r->port.relative_port);
	put_be16(at + 12, r->port.id_len);
	memcpy(at + ENTRY, r->port.id, r->port.id_len);
	return ENTRY + r->port.id_len;
}

size_t pr_encode(uint8_t *blob, const struct pr_table *table, const char *medium)
{
	size_t path = path_length(medium), len = HEADER + path;

	if (!table->aptpl || !table->count)
		return 0;
	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	put_be16(blob + 6, table->type);
	put_be16(blob + 8, (uint16_t)table->count);
	put_be16(blob + 10, (uint16_t)path);
	if (path)
		memcpy(blob + HEADER, medium, path);
	for (unsigned i = 0; i < table->count; i++)
		len += pr_put_registration(blob + len, &table->registrations[i]);
	return len;
}

size_t pr_get_registration(const uint8_t *at, size_t len, struct pr_registration *r)
{
	*r = (struct pr_registration){0};
	if (len < ENTRY)
		return 0;
	r->key = get_be64(at);
	r->holder = at[9] & FLAG_HOLDER;
	r->port.all_ports = at[9] & FLAG_ALL_PORTS;
	r->port.relative_port = get_be16(at + 10);
	r->port.id_len = get_be16(at + 12);
	if (r->port.id_len > sizeof(r->port.id) || r->port.id_len > len - ENTRY)
		return 0;
	memcpy(r->port.id, at + ENTRY, r->port.id_len);
	return ENTRY + r->port.id_len;
}

/* The bytes it takes, 0 when it isn't one. */
static size_t decode_entry(const uint8_t *at, size_t len, struct pr_table *table)
{
	struct pr_registration r, *added;
	size_t used = pr_get_registration(at, len, &r);

	added = used ? pr_add(table, &r.port, r.key) : NULL;
	if (!added)
		return 0;
	added->holder = r.holder;
	return used;
}

static bool decode_entries(const uint8_t *at, size_t len, unsigned count, struct pr_table *table)
{
	while (count--) {
		size_t used = decode_entry(at, len, table);

		if (!used)
			return false;
		at += used;
		len -= used;
	}
	return true;
}

struct pr_table *pr_decode(const uint8_t *blob, size_t len, const char *medium)
{
	size_t path = path_length(medium);
	struct pr_table *table;

	if (len < HEADER || get_be32(blob) != MAGIC || get_be16(blob + 4) != VERSION)
		return NULL;
	if (get_be16(blob + 10) != path || path > len - HEADER ||
	    (path && memcmp(blob + HEADER, medium, path) != 0))
		return NULL;
	table = pr_table_copy(NULL, get_be16(blob + 8));
	if (!table)
		return NULL;
	table->type = blob[7];
	table->aptpl = true;
	if ((table->type == PR_NONE || pr_type_valid(table->type)) &&
	    decode_entries(blob + HEADER + path, len - HEADER - path, get_be16(blob + 8), table))
		return table;
	free(table);
	return NULL;
}

void pr_state_key(const struct lu *lu, char *out, size_t size)
{
	snprintf(out, size, "pr.%s.%u", lu->target->name, lu->lun);
}

int pr_save(const char *key, const uint8_t *blob, size_t len)
{
	return len ? state_put(key, blob, len) : state_remove(key);
}
