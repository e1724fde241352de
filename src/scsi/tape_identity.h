/* SPDX-License-Identifier: MIT */
/*
 * The drives that an LU can pass for (tgtadm --params drive=NAME), and the recording formats that
 * they know.  What a format is called and how dense it is are facts from the manuals of LTO drives.
 */
#ifndef TGT_SCSI_TAPE_IDENTITY_H
#define TGT_SCSI_TAPE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/lu.h"
#include "scsi/tape.h"

/* One recording format (SSC-5 REPORT DENSITY SUPPORT). */
struct tape_density_facts {
	uint8_t code;        /* PRIMARY DENSITY CODE */
	uint8_t medium_type; /* of its data cartridges, as MODE SENSE tells it */
	uint16_t width;      /* of the tape, tenths of a millimetre */
	uint16_t tracks;
	uint16_t length; /* of the tape, metres */
	uint32_t bits_per_mm;
	uint32_t capacity_mb; /* 10^6 bytes; 0: what the cartridge was made with */
	const char *organization, *name, *description;
};
#define TAPE_MEDIUM_WORM 0x04 /* added to medium_type, of write-once cartridges of LTO */
#define TAPE_MEDIUM_CLEANING 0x01

#define TAPE_DENSITIES_MAX 4
struct tape_identity {
	const char *name;       /* as the operator says it */
	const char *product_id; /* PRODUCT IDENTIFICATION, unless he says otherwise */
	uint32_t max_block;     /* bytes */
	bool compresses;        /* DCE by default, on a store that can */
	bool any_density;       /* takes cartridges of every density */
	uint8_t nr_densities;   /* the last is its own: of cartridges that have none */
	struct {
		uint8_t code;
		bool writable;
	} densities[TAPE_DENSITIES_MAX]; /* ascending by code */
};

extern const struct tape_identity tape_identities[]; /* the first is the plain one */
extern const unsigned tape_nr_identities;

/* NULL: there is no drive of that name (case doesn't matter). */
const struct tape_identity *tape_find_identity(const char *name);
/* What an LU is, or will be when it is made: never NULL. */
const struct tape_identity *tape_identity_of(const struct lu *lu);
/* The own density of a drive. */
uint8_t tape_own_density(const struct tape_identity *identity);
/* NULL: unknown. */
const struct tape_density_facts *tape_density_facts(uint8_t code);
/* Whether the drive knows a density code at all. */
bool tape_has_density(const struct tape_identity *identity, uint8_t code);
/* MEDIUM TYPE of the cartridge that is in it (MODE SENSE); 00h also when there is none. */
uint8_t tape_medium_type(const struct lu *lu);
/* Makes it pass for another drive: INQUIRY data and default mode parameters change, but not what
 * the operator has called it.  True: that was a change.  Inside an exclusive operation. */
bool tape_set_identity(struct lu *lu, const struct tape_identity *identity);

#endif
