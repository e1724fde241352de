/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "medium.h"
#include "pattern.h"
#include "util/bytes.h"

#define TRIES 64
#define DEFAULT_RANGE (1ull << 30)
#define PAGE_SIZE 20 /* of the mode parameter header and the Data Compression page */

/* With opt.verify, of opt.size bytes of the medium: what was written there last, and what goes on
 * there.  A read and a write of the same place at once would leave open what the read has to find
 * (SAM-5 8.6: SIMPLE is in any order). */
struct place {
	uint32_t generation; /* 0: not written yet */
	uint16_t readers;
	bool writer, failed; /* failed: nobody knows what is there now */
};

uint32_t block_size = 512;
static uint64_t places;
static struct place *place;
static uint64_t
    run; /* upper half of generations: blocks of an earlier run never pass for this one's */
static uint64_t rng = 88172645463325252ull;

static void settle_range(uint64_t capacity)
{
	if (!opt.range)
		opt.range = capacity < DEFAULT_RANGE ? capacity : DEFAULT_RANGE;
	if (opt.range > capacity)
		fail("the medium has %llu bytes, less than --range", (unsigned long long)capacity);
	if (opt.size % block_size || opt.range < opt.size)
		fail("an I/O of %u bytes doesn't fit blocks of %u and a range of %llu bytes",
		     opt.size, block_size, (unsigned long long)opt.range);
}

void medium_find(struct session *s)
{
	static const uint8_t read_capacity_16[16] = {0x9e, 0x10, [13] = 32};
	uint8_t data[32] = {0};

	if (!opt.tape) {
		session_must(s, read_capacity_16, data, sizeof(data), false);
		block_size = get_be32(data + 8);
		if (block_size < 512 || block_size % 8 || block_size > MAX_IO_SIZE ||
		    get_be64(data) >= UINT64_MAX / block_size)
			fail("READ CAPACITY: blocks of %u bytes", block_size);
		settle_range((get_be64(data) + 1) * block_size);
	} else if (!opt.range) {
		opt.range = DEFAULT_RANGE;
	}
	places = opt.range / opt.size;
	if (opt.verify && !(place = calloc(places, sizeof(*place))))
		die("calloc");
	run = (uint64_t)time(NULL) << 32;
}

/* DCE=0, if the drive can compress at all (SSC-5 Data Compression mode page). */
static void compression_off(struct session *s)
{
	static const uint8_t sense[16] = {0x1a, 0x08, 0x0f, 0, PAGE_SIZE};
	static const uint8_t select[16] = {0x15, 0x10, 0, 0, PAGE_SIZE};
	uint8_t page[PAGE_SIZE] = {0};

	if (session_command(s, sense, page, sizeof(page), false))
		return;
	page[0] = 0;
	page[2] &= 0x7f; /* WP */
	page[4] &= 0x3f; /* PS */
	page[6] &= 0x7f;
	session_must(s, select, page, sizeof(page), true);
}

void tape_prepare(struct session *s)
{
	static const uint8_t rewind_tape[16] = {0x01};

	compression_off(s);
	session_must(s, rewind_tape, NULL, 0, false);
}

void medium_synchronise(struct session *s)
{
	static const uint8_t write_no_filemarks[16] = {0x10}, synchronize_cache[16] = {0x35};

	session_must(s, opt.tape ? write_no_filemarks : synchronize_cache, NULL, 0, false);
}

static uint64_t next_place(struct session *s)
{
	if (opt.sequential)
		return (places / opt.sessions * s->number + s->next++) % places;
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng % places;
}

static bool take(struct place *p, struct request *r)
{
	if (p->writer || (r->write && p->readers))
		return false;
	if (r->write) {
		p->writer = true;
		r->generation = run | ++p->generation;
	} else {
		p->readers++;
	}
	return true;
}

bool medium_choose(struct session *s, struct request *r)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t n = next_place(s);

		r->offset = n * opt.size;
		if (!opt.verify || take(&place[n], r))
			return true;
	}
	return false;
}

void medium_release(const struct request *r, bool good)
{
	struct place *p;

	if (!opt.verify)
		return;
	p = &place[r->offset / opt.size];
	if (r->write) {
		p->writer = false;
		p->failed = !good;
	} else {
		p->readers--;
	}
}

uint64_t medium_generation(const struct request *r)
{
	const struct place *p = &place[r->offset / opt.size];

	return p->generation && !p->failed ? run | p->generation : ANY_GENERATION;
}
