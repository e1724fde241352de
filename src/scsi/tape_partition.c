/* SPDX-License-Identifier: MIT */
#include "scsi/tape_partition.h"

#include <string.h>

#include "scsi/tape.h"
#include "scsi/tape_mode.h"
#include "util/bytes.h"

#define MAXIMUM 2 /* additional partitions */
#define DEFINED 3
#define HOW 4
#define FDP 0x80
#define SDP 0x40
#define IDP 0x20
#define PSUM 0x18
#define PSUM_SHIFT 3
#define POFM 0x04 /* they are made by FORMAT MEDIUM, not by MODE SELECT */
#define RECOGNITION 5
#define UNITS 6
#define UNITS_MASK 0x0f
#define SIZES 8
#define FIXED_BYTES 8u /* without sizes */
#define REST 0xffff    /* a size: what the others leave */

#define FORMAT_AND_PARTITIONS 0x03
/* Of a fixed division each additional partition has this part, as LTO drives give it two of 80
 * wraps. */
#define FIXED_PART 40

static const uint8_t page_values[FIXED_BYTES + 2 * TGT_BS_PARTITIONS_MAX] = {
    MODE_PAGE_MEDIUM_PARTITION, 0, [HOW] = POFM, [RECOGNITION] = FORMAT_AND_PARTITIONS};

void tape_partition_add_page(struct mode_state *state, const struct lu *lu)
{
	bool several = store_can(lu->store, TGT_BS_CAN_PARTITIONS);
	size_t length = FIXED_BYTES + 2 * (several ? TGT_BS_PARTITIONS_MAX : 1u);
	uint8_t values[sizeof(page_values)], changeable[sizeof(page_values)] = {0};
	struct mode_page *page;

	memcpy(values, page_values, sizeof(values));
	values[1] = (uint8_t)(length - 2);
	if (several) {
		changeable[DEFINED] = 0xff;
		changeable[HOW] = FDP | SDP | IDP | PSUM;
		changeable[UNITS] = UNITS_MASK;
		memset(changeable + SIZES, 0xff, length - SIZES);
	}
	mode_add_page(state, values, length, changeable);
	page = mode_find(state, MODE_PAGE_MEDIUM_PARTITION, 0);
	page->never_saved = true;
}

static struct mode_page *partition_page(const struct lu *lu)
{
	return lu->mode ? mode_find(lu->mode, MODE_PAGE_MEDIUM_PARTITION, 0) : NULL;
}

static bool is_asked(const uint8_t *values)
{
	return values[HOW] & (FDP | SDP | IDP);
}

bool tape_partitions_asked(const struct lu *lu)
{
	const struct mode_page *page = partition_page(lu);

	return page && is_asked(page->values[MODE_CURRENT]);
}

void tape_mode_medium_changed(struct lu *lu)
{
	struct mode_page *page = partition_page(lu);

	if (page)
		memcpy(page->values[MODE_CURRENT], page->values[MODE_DEFAULT], page->length);
}

/* ---- MODE SENSE ---- */

/* A size in units of 10^exponent, rounded up; one that is there isn't 0. */
static uint64_t in_units(uint64_t bytes, unsigned exponent)
{
	uint64_t unit = 1;

	while (exponent--)
		unit *= 10;
	return bytes / unit + (bytes % unit != 0);
}

static unsigned fitting_exponent(const struct tgt_bs_tape_info *info)
{
	unsigned exponent = 6;

	for (unsigned i = 0; i < info->nr_partitions && i < TGT_BS_PARTITIONS_MAX; i++)
		while (in_units(info->size[i], exponent) >= REST && exponent < UNITS_MASK)
			exponent++;
	return exponent;
}

void tape_partition_present(const struct mode_page *page, const struct tgt_bs_tape_info *info,
			    enum mode_values kind, uint8_t *at)
{
	unsigned exponent = fitting_exponent(info);

	at[MAXIMUM] = (uint8_t)(info->max_partitions ? info->max_partitions - 1 : 0);
	if (kind != MODE_CURRENT || is_asked(page->values[MODE_CURRENT]))
		return;
	at[DEFINED] = (uint8_t)(info->nr_partitions - 1);
	at[HOW] = POFM | PSUM;
	at[UNITS] = (uint8_t)exponent;
	for (unsigned i = 0; i < info->nr_partitions && SIZES + 2 * i + 2 <= page->length; i++)
		put_be16(at + SIZES + (size_t)2 * i, (uint16_t)in_units(info->size[i], exponent));
}

/* ---- MODE SELECT ---- */

bool tape_mode_length_fits(const struct mode_page *page, size_t length)
{
	if (page->page == MODE_PAGE_MEDIUM_PARTITION && !page->subpage)
		return length >= FIXED_BYTES && length <= page->length && length % 2 == 0;
	return length == page->length;
}

/* A size for each partition, none of them 0, and one of them at most what the others leave. */
static int check_sizes(const uint8_t *given, size_t length)
{
	unsigned count = given[DEFINED] + 1u, rests = 0;

	if (FIXED_BYTES + 2 * count > length)
		return DEFINED;
	for (unsigned i = 0; i < count; i++) {
		uint16_t size = get_be16(given + SIZES + (size_t)2 * i);

		rests += size == REST;
		if (!size || rests > 1)
			return (int)(SIZES + 2 * i);
	}
	return -1;
}

int tape_partition_check(const struct lu *lu, const uint8_t *given, size_t length)
{
	uint8_t how = given[HOW] & (FDP | SDP | IDP);
	struct tgt_bs_tape_info info;
	unsigned most = 0;

	if (how & (how - 1)) /* one way at most */
		return HOW;
	if (lu->medium && !store_tape_info(lu->store, &info) && info.max_partitions)
		most = info.max_partitions - 1;
	if (how && given[DEFINED] > most)
		return DEFINED;
	return how == IDP ? check_sizes(given, length) : -1;
}

/* ---- FORMAT MEDIUM ---- */

static unsigned exponent_of(const uint8_t *values)
{
	unsigned psum = (values[HOW] & PSUM) >> PSUM_SHIFT;

	return psum < 3 ? psum * 3 : values[UNITS] & UNITS_MASK;
}

/* False: more than UINT64_MAX. */
static bool size_in_bytes(uint16_t size, unsigned exponent, uint64_t *out)
{
	uint64_t bytes = size;

	while (exponent--)
		if (__builtin_mul_overflow(bytes, 10u, &bytes))
			return false;
	*out = bytes;
	return true;
}

/* By their sizes, of total bytes; false: they are more. */
static bool divide_by_sizes(const uint8_t *values, uint64_t total, struct tape_partitions *out)
{
	uint64_t left = total;
	int rest = -1;

	for (unsigned i = 0; i < out->count; i++) {
		uint16_t size = get_be16(values + SIZES + (size_t)2 * i);

		if (size == REST) {
			rest = (int)i;
			continue;
		}
		if (!size_in_bytes(size, exponent_of(values), &out->sizes[i]) ||
		    out->sizes[i] > left)
			return false;
		left -= out->sizes[i];
	}
	if (rest >= 0)
		out->sizes[rest] = left;
	return rest < 0 || left;
}

static void divide_fixed(uint64_t total, struct tape_partitions *out)
{
	out->sizes[0] = total;
	for (unsigned i = 1; i < out->count; i++) {
		out->sizes[i] = total / FIXED_PART;
		out->sizes[0] -= out->sizes[i];
	}
}

bool tape_wanted_partitions(const struct lu *lu, struct tape_partitions *out)
{
	const struct mode_page *page = partition_page(lu);
	const uint8_t *values = page ? page->values[MODE_CURRENT] : NULL;
	struct tgt_bs_tape_info info;
	uint64_t total = 0;

	if (!page || !is_asked(values) || store_tape_info(lu->store, &info))
		return false;
	memset(out, 0, sizeof(*out));
	out->count = values[DEFINED] + 1u;
	if (out->count > info.max_partitions || out->count > TGT_BS_PARTITIONS_MAX)
		return false;
	for (unsigned i = 0; i < info.nr_partitions && i < TGT_BS_PARTITIONS_MAX; i++)
		total += info.size[i];
	out->equal = values[HOW] & SDP;
	if (values[HOW] & IDP)
		return divide_by_sizes(values, total, out);
	if (values[HOW] & FDP)
		divide_fixed(total, out);
	return true;
}
