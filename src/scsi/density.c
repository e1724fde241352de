/* SPDX-License-Identifier: MIT */
/* REPORT DENSITY SUPPORT (SSC-5). */
#include <string.h>

#include "scsi/commands.h"
#include "scsi/tape.h"
#include "scsi/tape_identity.h"
#include "util/bytes.h"

#define MEDIUM_TYPE 0x02 /* byte 1 of the CDB */
#define MEDIA 0x01

#define HEADER 4u
#define DENSITY_BYTES 52u
#define WRTOK 0x80
#define DEFLT 0x20
#define TYPE_BYTES 56u
#define TYPE_DENSITIES 9u
#define MEGA 1000000u

/* A density, and what the drive does with it. */
struct support {
	uint8_t code;
	bool writable;
};

static uint32_t capacity_mb(const struct lu *lu, const struct tape_density_facts *facts)
{
	struct tgt_bs_tape_info info;
	uint64_t mb;

	if (facts->capacity_mb || !lu->medium || store_tape_info(lu->store, &info))
		return facts->capacity_mb;
	mb = info.full_size / MEGA;
	return mb < UINT32_MAX ? (uint32_t)mb : UINT32_MAX;
}

static void put_density(uint8_t *at, const struct lu *lu, const struct support *s, bool is_default)
{
	static const struct tape_density_facts unknown = {
	    .organization = "", .name = "", .description = "unknown"};
	const struct tape_density_facts *facts = tape_density_facts(s->code);

	if (!facts)
		facts = &unknown;
	at[0] = at[1] = s->code;
	at[2] = (uint8_t)((s->writable ? WRTOK : 0) | (is_default ? DEFLT : 0));
	put_be24(at + 5, facts->bits_per_mm);
	put_be16(at + 8, facts->width);
	put_be16(at + 10, facts->tracks);
	put_be32(at + 12, capacity_mb(lu, facts));
	put_ascii(at + 16, 8, facts->organization);
	put_ascii(at + 24, 8, facts->name);
	put_ascii(at + 32, 20, facts->description);
}

/* Of the cartridge in the drive, or all that the drive knows, ascending; returns how many. */
static unsigned supports(const struct lu *lu, bool media, struct support out[TAPE_DENSITIES_MAX])
{
	const struct tape_identity *identity = tape_identity_of(lu);

	if (media) {
		out[0].code = tape_density(lu);
		out[0].writable = tape_medium_access(lu) == TAPE_READ_WRITE;
		return tape_medium_access(lu) != TAPE_NO_ACCESS;
	}
	for (unsigned i = 0; i < identity->nr_densities; i++) {
		out[i].code = identity->densities[i].code;
		out[i].writable = identity->densities[i].writable;
	}
	return identity->nr_densities;
}

static size_t put_densities(uint8_t *at, const struct lu *lu, bool media)
{
	uint8_t own = tape_own_density(tape_identity_of(lu));
	struct support list[TAPE_DENSITIES_MAX];
	unsigned count = supports(lu, media, list);

	for (unsigned i = 0; i < count; i++, at += DENSITY_BYTES)
		put_density(at, lu, &list[i], media || list[i].code == own);
	return (size_t)count * DENSITY_BYTES;
}

static void put_type(uint8_t *at, uint8_t type, const struct tape_density_facts *facts, bool worm)
{
	at[0] = type;
	put_be16(at + 2, TYPE_BYTES - 4);
	at[4] = 1; /* densities */
	at[5] = facts->code;
	put_be16(at + 14, facts->width);
	put_be16(at + 16, facts->length);
	put_ascii(at + 20, 8, facts->organization);
	put_ascii(at + 28, 8, worm ? "WORM" : "Data");
	put_ascii(at + 36, 20, facts->description);
}

/* A type for each density, and one for write-once cartridges of those that have it. */
static size_t put_types(uint8_t *at, const struct lu *lu, bool media)
{
	uint8_t mounted = tape_medium_type(lu), *from = at;
	struct support list[TAPE_DENSITIES_MAX];
	unsigned count = supports(lu, media, list);

	for (unsigned i = 0; i < 2 * count; i++) {
		const struct tape_density_facts *facts = tape_density_facts(list[i / 2].code);
		uint8_t type = facts ? facts->medium_type : 0;
		bool worm = i % 2;

		if (!facts || (worm && !type))
			continue;
		type |= worm ? TAPE_MEDIUM_WORM : 0;
		if (media && type != mounted)
			continue;
		put_type(at, type, facts, worm);
		at += TYPE_BYTES;
	}
	return (size_t)(at - from);
}

static void report_density_support(struct scsi_task *t)
{
	uint8_t data[HEADER + 2 * TAPE_DENSITIES_MAX * TYPE_BYTES] = {0};
	bool media = t->cdb[1] & MEDIA;
	size_t len;

	if (media && !t->lu->medium) {
		task_sense(t, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
		return;
	}
	len = t->cdb[1] & MEDIUM_TYPE ? put_types(data + HEADER, t->lu, media)
				      : put_densities(data + HEADER, t->lu, media);
	put_be16(data, (uint16_t)(len + HEADER - 2));
	task_reply(t, data, HEADER + len, get_be16(t->cdb + 7));
}

const struct opcode_row density_rows[] = {
    {
	.opcode = 0x44,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.usage = {0x44, MEDIUM_TYPE | MEDIA, 0, 0, 0, 0, 0, 0xff, 0xff},
	.run = report_density_support,
	.name = "REPORT DENSITY SUPPORT",
	.clause = "SSC-5 REPORT DENSITY SUPPORT",
    },
    {.run = NULL},
};
