/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "pattern.h"
#include "util/bytes.h"

#define HEAD 16 /* the LBA and the generation */
#define TELL 10 /* so many errors are told in words */

static uint64_t word(uint64_t lba, uint64_t generation, uint32_t at)
{
	return (lba + 1) * 0x9e3779b97f4a7c15ull ^
	       (generation + at) * 0xc2b2ae3d27d4eb4full; /* odd: different for each */
}

static void fill_block(uint8_t *data, uint32_t block, uint64_t lba, uint64_t generation)
{
	put_be64(data, lba);
	put_be64(data + 8, generation);
	for (uint32_t at = HEAD; at < block; at += 8) {
		uint64_t w = word(lba, generation, at);

		memcpy(data + at, &w, 8);
	}
}

void pattern_fill(uint8_t *data, uint32_t len, uint32_t block, uint64_t lba, uint64_t generation)
{
	for (uint32_t at = 0; at < len; at += block)
		fill_block(data + at, block, lba++, generation);
}

static void tell(const char *what, uint64_t lba, uint64_t got, uint64_t want)
{
	static unsigned told;

	if (told++ < TELL)
		fprintf(stderr, "iscsi-load: LBA %llu: %s %#llx, expected %#llx\n",
			(unsigned long long)lba, what, (unsigned long long)got,
			(unsigned long long)want);
}

static bool block_fits(const uint8_t *data, uint32_t block, uint64_t lba, uint64_t generation)
{
	uint64_t found = get_be64(data + 8);

	if (get_be64(data) != lba) {
		tell("holds the block of LBA", lba, get_be64(data), lba);
		return false;
	}
	if (generation != ANY_GENERATION && found != generation) {
		tell("holds generation", lba, found, generation);
		return false;
	}
	for (uint32_t at = HEAD; at < block; at += 8) {
		uint64_t got, want = word(lba, found, at);

		memcpy(&got, data + at, 8);
		if (got != want) {
			char what[64];

			snprintf(what, sizeof(what), "bytes from %u on are", at);
			tell(what, lba, got, want);
			return false;
		}
	}
	return true;
}

bool pattern_check(const uint8_t *data, uint32_t len, uint32_t block, uint64_t lba,
		   uint64_t generation)
{
	bool fits = true;

	for (uint32_t at = 0; at < len; at += block)
		fits &= block_fits(data + at, block, lba++, generation);
	return fits;
}
