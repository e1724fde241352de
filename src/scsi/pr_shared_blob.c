/* SPDX-License-Identifier: MIT */
/*
 * The shared table as a blob, numbers big-endian: magic, version of the format, type, flags,
 * generation, registrations, events; then those.  An event: its length, the version that it made,
 * flags, how many ports are in each of its three sets, and the ports (as registrations with the key
 * 0).
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/pr_shared.h"
#include "util/bytes.h"

#define MAGIC 0x74677073u /* "tgps" */
#define VERSION 1
#define HEADER 18u
#define FLAG_APTPL 0x01
#define EVENT_HEADER 20u
#define EVENT_ABORTS 0x0001
#define EVENT_RESETS 0x0002
#define SETS 3u

static struct pr_ports **set_of(struct pr_change *c, unsigned which)
{
	struct pr_ports **sets[SETS] = {&c->registrations_preempted, &c->reservations_released,
					&c->reservations_preempted};

	return sets[which];
}

static const struct pr_ports *get_set(const struct pr_change *c, unsigned which)
{
	const struct pr_ports *sets[SETS] = {c->registrations_preempted, c->reservations_released,
					     c->reservations_preempted};

	return sets[which];
}

/* ---- to a blob ---- */

static uint16_t event_flags(const struct pr_change *c)
{
	return (uint16_t)((c->action == PR_PREEMPT_AND_ABORT ? EVENT_ABORTS : 0) |
			  (c->resets ? EVENT_RESETS : 0));
}

static size_t put_event(uint8_t *at, const struct pr_change *c, uint64_t version)
{
	size_t len = EVENT_HEADER;

	put_be64(at + 4, version);
	put_be16(at + 12, event_flags(c));
	for (unsigned i = 0; i < SETS; i++) {
		const struct pr_ports *set = get_set(c, i);
		unsigned count = set ? set->count : 0;

		put_be16(at + 14 + (size_t)2 * i, (uint16_t)count);
		for (unsigned n = 0; n < count; n++) {
			const struct pr_registration r = {.port = set->ports[n]};

			len += pr_put_registration(at + len, &r);
		}
	}
	put_be32(at, (uint32_t)len);
	return len;
}

/* Those of the history that there is room for, the last ones. */
static size_t put_history(uint8_t *at, size_t room, const struct pr_history *history,
			  unsigned *count)
{
	const uint8_t *from = history->bytes;
	size_t len = history->len;

	*count = history->count;
	while (*count && (len > room || *count >= PR_HISTORY_MAX)) {
		size_t event = get_be32(from);

		from += event;
		len -= event;
		--*count;
	}
	if (*count)
		memcpy(at, from, len);
	return *count ? len : 0;
}

size_t pr_shared_encode(uint8_t *blob, const struct pr_table *table,
			const struct pr_history *history, const struct pr_change *change,
			uint64_t version)
{
	/* the event comes last, and is written behind the most that there can be before it */
	size_t most = EVENT_HEADER + SETS * PR_REGISTRATIONS_MAX * PR_REGISTRATION_BYTES;
	size_t len = HEADER;
	unsigned count = 0;

	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	blob[6] = table->type;
	blob[7] = table->aptpl ? FLAG_APTPL : 0;
	put_be32(blob + 8, table->generation);
	put_be16(blob + 12, (uint16_t)table->count);
	for (unsigned i = 0; i < table->count; i++)
		len += pr_put_registration(blob + len, &table->registrations[i]);
	len += put_history(blob + len, PR_SHARED_BLOB_MAX - most - len, history, &count);
	if (change) {
		len += put_event(blob + len, change, version);
		count++;
	}
	put_be16(blob + 14, (uint16_t)count);
	put_be16(blob + 16, 0);
	return len;
}

/* ---- from a blob ---- */

static bool event_is_whole(const uint8_t *at, size_t left)
{
	size_t len, used = EVENT_HEADER;
	unsigned ports = 0;

	if (left < EVENT_HEADER)
		return false;
	len = get_be32(at);
	if (len < EVENT_HEADER || len > left)
		return false;
	for (unsigned i = 0; i < SETS; i++) {
		unsigned count = get_be16(at + 14 + (size_t)2 * i);

		if (count > PR_REGISTRATIONS_MAX)
			return false;
		ports += count;
	}
	while (ports--) {
		struct pr_registration r;
		size_t size = pr_get_registration(at + used, len - used, &r);

		if (!size)
			return false;
		used += size;
	}
	return used == len;
}

static bool take_history(const uint8_t *at, size_t left, unsigned count, struct pr_history *history)
{
	const uint8_t *from = at;

	*history = (struct pr_history){.len = left, .count = count};
	for (unsigned i = 0; i < count; i++) {
		if (!event_is_whole(at, left))
			return false;
		left -= get_be32(at);
		at += get_be32(at);
	}
	if (left)
		return false;
	history->bytes = malloc(history->len + 1);
	if (!history->bytes)
		return false;
	memcpy(history->bytes, from, history->len);
	return true;
}

/* The bytes of the registrations, SIZE_MAX: they aren't. */
static size_t take_registrations(const uint8_t *at, size_t left, unsigned count,
				 struct pr_table *table)
{
	size_t used = 0;

	while (count--) {
		struct pr_registration r, *added;
		size_t size = pr_get_registration(at + used, left - used, &r);

		added = size ? pr_add(table, &r.port, r.key) : NULL;
		if (!added)
			return SIZE_MAX;
		added->holder = r.holder;
		used += size;
	}
	return used;
}

bool pr_shared_decode(const uint8_t *blob, size_t len, struct pr_table **table,
		      struct pr_history *history)
{
	struct pr_table *t;
	size_t used;

	if (len < HEADER || get_be32(blob) != MAGIC || get_be16(blob + 4) != VERSION ||
	    (blob[6] != PR_NONE && !pr_type_valid(blob[6])))
		return false;
	t = pr_table_copy(NULL, get_be16(blob + 12));
	if (!t)
		return false;
	t->type = blob[6];
	t->aptpl = blob[7] & FLAG_APTPL;
	t->generation = get_be32(blob + 8);
	used = take_registrations(blob + HEADER, len - HEADER, get_be16(blob + 12), t);
	if (used == SIZE_MAX || !take_history(blob + HEADER + used, len - HEADER - used,
					      get_be16(blob + 14), history)) {
		free(t);
		return false;
	}
	*table = t;
	return true;
}

/* ---- what has happened ---- */

static struct pr_change *take_event(const uint8_t *at)
{
	struct pr_change *c = calloc(1, sizeof(*c));
	size_t len = get_be32(at), used = EVENT_HEADER;

	if (!c)
		abort(); /* an initiator that isn't told of its loss corrupts data */
	c->action = get_be16(at + 12) & EVENT_ABORTS ? PR_PREEMPT_AND_ABORT : PR_REGISTER;
	c->resets = get_be16(at + 12) & EVENT_RESETS;
	for (unsigned i = 0; i < SETS; i++) {
		unsigned count = get_be16(at + 14 + (size_t)2 * i);
		struct pr_ports *set = count ? calloc(1, sizeof(*set)) : NULL;

		if (count && !set)
			abort();
		for (unsigned n = 0; n < count; n++) {
			struct pr_registration r;

			used += pr_get_registration(at + used, len - used, &r);
			set->ports[set->count++] = r.port;
		}
		*set_of(c, i) = set;
	}
	return c;
}

struct pr_change *pr_shared_changes(const struct pr_history *history, uint64_t known, bool *gap)
{
	const uint8_t *at = history->bytes;
	struct pr_change *last = NULL;
	uint64_t next = known + 1;

	for (unsigned i = 0; i < history->count; i++, at += get_be32(at)) {
		struct pr_change *c;

		if (get_be64(at + 4) < next)
			continue;
		*gap |= get_be64(at + 4) != next;
		next = get_be64(at + 4) + 1;
		c = take_event(at);
		c->before = last;
		last = c;
	}
	return last;
}
