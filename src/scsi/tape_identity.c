/* SPDX-License-Identifier: MIT */
#include "scsi/tape_identity.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scsi/mode.h"
#include "scsi/tape.h"
#include "util/cleanup.h"

#define PLAIN_DENSITY 0x80 /* vendor specific */
#define LTO_BLOCK_MAX (8u << 20)

const struct tape_identity tape_identities[] = {
    {
	.name = "plain",
	.product_id = "VIRTUAL-TAPE",
	.max_block = 0xffffff, /* what READ(6) and WRITE(6) can ask for */
	.any_density = true,
	.nr_densities = 1,
	.densities = {{PLAIN_DENSITY, true}},
    },
    {
	.name = "LTO-6",
	.product_id = "VIRTUAL LTO-6",
	.max_block = LTO_BLOCK_MAX,
	.compresses = true,
	.nr_densities = 3,
	.densities = {{0x46, false}, {0x58, true}, {0x5a, true}},
    },
    {
	.name = "LTO-7",
	.product_id = "VIRTUAL LTO-7",
	.max_block = LTO_BLOCK_MAX,
	.compresses = true,
	.nr_densities = 3,
	.densities = {{0x58, false}, {0x5a, true}, {0x5c, true}},
    },
    {
	.name = "LTO-8",
	.product_id = "VIRTUAL LTO-8",
	.max_block = LTO_BLOCK_MAX,
	.compresses = true,
	.nr_densities = 3,
	.densities = {{0x5c, true}, {0x5d, true}, {0x5e, true}},
    },
    {
	.name = "LTO-9",
	.product_id = "VIRTUAL LTO-9",
	.max_block = LTO_BLOCK_MAX,
	.compresses = true,
	.nr_densities = 2,
	.densities = {{0x5e, true}, {0x60, true}},
    },
};
const unsigned tape_nr_identities = ARRAY_SIZE(tape_identities);

/* clang-format off */
static const struct tape_density_facts densities[] = {
	/*      type  width tracks metres bits/mm        MB */
	{0x46, 0x48, 127,   896,   820, 12725,   800000, "LTO-CVE", "U-416", "Ultrium 4/16T"},
	{0x58, 0x58, 127,  1280,   846, 15142,  1500000, "LTO-CVE", "U-516", "Ultrium 5/16T"},
	{0x5a, 0x68, 127,  2176,   846, 15142,  2500000, "LTO-CVE", "U-616", "Ultrium 6/16T"},
	{0x5c, 0x78, 127,  3584,   960, 19107,  6000000, "LTO-CVE", "U-732", "Ultrium 7/32T"},
	{0x5d, 0x78, 127,  5376,   960, 19107,  9000000, "LTO-CVE", "U-M832", "Ultrium M8/32T"},
	{0x5e, 0x88, 127,  6656,   960, 20669, 12000000, "LTO-CVE", "U-832", "Ultrium 8/32T"},
	{0x60, 0x98, 127,  8960,  1035, 23031, 18000000, "LTO-CVE", "U-932", "Ultrium 9/32T"},
	{PLAIN_DENSITY, 0x00, 0, 0,  0,     0,        0, "IET", "TAPE-IMG", "Tape image"},
};
/* clang-format on */

const struct tape_identity *tape_find_identity(const char *name)
{
	for (unsigned i = 0; i < tape_nr_identities; i++)
		if (strcasecmp(tape_identities[i].name, name) == 0)
			return &tape_identities[i];
	return NULL;
}

const struct tape_identity *tape_identity_of(const struct lu *lu)
{
	return lu->tape ? lu->tape->identity : &tape_identities[0];
}

uint8_t tape_own_density(const struct tape_identity *identity)
{
	return identity->densities[identity->nr_densities - 1].code;
}

const struct tape_density_facts *tape_density_facts(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(densities); i++)
		if (densities[i].code == code)
			return &densities[i];
	return NULL;
}

bool tape_has_density(const struct tape_identity *identity, uint8_t code)
{
	for (unsigned i = 0; i < identity->nr_densities; i++)
		if (identity->densities[i].code == code)
			return true;
	return identity->any_density && tape_density_facts(code);
}

uint32_t tape_max_block(const struct lu *lu)
{
	return tape_identity_of(lu)->max_block;
}

/* False: there is no cartridge. */
static bool cartridge(const struct lu *lu, struct tgt_bs_tape_info *info)
{
	return lu->medium && store_tape_info(lu->store, info) == 0;
}

uint8_t tape_density(const struct lu *lu)
{
	struct tgt_bs_tape_info info;

	if (!cartridge(lu, &info))
		return 0;
	return info.density ? (uint8_t)info.density : tape_own_density(tape_identity_of(lu));
}

uint8_t tape_medium_type(const struct lu *lu)
{
	const struct tape_density_facts *facts;
	struct tgt_bs_tape_info info;

	if (!cartridge(lu, &info))
		return 0;
	if (info.medium == TGT_BS_MEDIUM_CLEANING)
		return TAPE_MEDIUM_CLEANING;
	facts = tape_density_facts(tape_density(lu));
	if (!facts || !facts->medium_type)
		return 0;
	return facts->medium_type | (info.medium == TGT_BS_MEDIUM_WORM ? TAPE_MEDIUM_WORM : 0);
}

enum tape_access tape_medium_access(const struct lu *lu)
{
	const struct tape_identity *identity = tape_identity_of(lu);
	uint8_t code = tape_density(lu);

	if (!code || identity->any_density)
		return TAPE_READ_WRITE;
	for (unsigned i = 0; i < identity->nr_densities; i++)
		if (identity->densities[i].code == code)
			return identity->densities[i].writable ? TAPE_READ_WRITE : TAPE_READ_ONLY;
	return TAPE_NO_ACCESS;
}

bool tape_set_identity(struct lu *lu, const struct tape_identity *identity)
{
	const struct tape_identity *was = lu->tape->identity;

	if (was == identity)
		return false;
	lu->tape->identity = identity;
	if (strcmp(lu->id.product_id, was->product_id) == 0)
		snprintf(lu->id.product_id, sizeof(lu->id.product_id), "%s", identity->product_id);
	tape_mode_identity_changed(lu);
	tape_look_at_medium(lu);
	return true;
}
