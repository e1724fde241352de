/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

#define RECORDS_MAX 256u
#define GROWTH_MAX 64u

struct record {
	uint8_t *data;
	size_t len;
};

/* libFuzzer's, or driver.c's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max_size, unsigned int seed);

bool fuzz_record(struct fuzz_input *in, struct fuzz_input *record)
{
	if (!in->left)
		return false;
	record->at = fuzz_bytes(in, fuzz_be16(in), &record->left);
	return true;
}

static uint32_t random_state;

/* Numerical Recipes' linear congruential generator */
static uint32_t random_number(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % (below ? below : 1);
}

/* ---- between bytes and records ---- */

static unsigned split(const uint8_t *data, size_t size, struct record *records, unsigned max)
{
	struct fuzz_input in = {data, size}, record;
	unsigned count = 0;

	while (count < max && fuzz_record(&in, &record)) {
		records[count].data = malloc(RECORD_MAX);
		must(records[count].data);
		records[count].len = record.left < RECORD_MAX ? record.left : RECORD_MAX;
		if (records[count].len)
			memcpy(records[count].data, record.at, records[count].len);
		count++;
	}
	return count;
}

/* Those that have room; frees all. */
static size_t join(struct record *records, unsigned count, uint8_t *data, size_t max)
{
	size_t at = 0;

	for (unsigned i = 0; i < count; i++) {
		size_t len = records[i].len;

		if (max - at >= 2 && len <= max - at - 2) {
			put_be16(data + at, (uint16_t)len);
			if (len)
				memcpy(data + at + 2, records[i].data, len);
			at += 2 + len;
		}
		free(records[i].data);
	}
	return at;
}

/* ---- mutations ---- */

static unsigned put_in(struct record *records, unsigned count, struct record record)
{
	unsigned at = 1 + random_number(count); /* the first one says how to begin */

	if (count == RECORDS_MAX) {
		free(record.data);
		return count;
	}
	at = at > count ? count : at;
	memmove(records + at + 1, records + at, (count - at) * sizeof(records[0]));
	records[at] = record;
	return count + 1;
}

static struct record fresh_record(void)
{
	struct record record = {.data = malloc(RECORD_MAX)};

	must(record.data);
	record.len = fuzz_fresh_record(record.data, random_number);
	must(record.len <= FRESH_RECORD_MAX);
	return record;
}

static struct record copy_of(const struct record *from)
{
	struct record record = {.data = malloc(RECORD_MAX), .len = from->len};

	must(record.data);
	memcpy(record.data, from->data, from->len);
	return record;
}

static unsigned take_out(struct record *records, unsigned count)
{
	unsigned at = random_number(count);

	free(records[at].data);
	memmove(records + at, records + at + 1, (count - at - 1) * sizeof(records[0]));
	return count - 1;
}

static void change_one(struct record *record)
{
	size_t max = record->len + GROWTH_MAX < RECORD_MAX ? record->len + GROWTH_MAX : RECORD_MAX;

	record->len = LLVMFuzzerMutate(record->data, record->len, max);
}

static void exchange_two(struct record *records, unsigned count)
{
	unsigned a = random_number(count), b = random_number(count);
	struct record kept = records[a];

	records[a] = records[b];
	records[b] = kept;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static struct record records[RECORDS_MAX];
	unsigned count;

	random_state = seed;
	count = split(data, size, records, RECORDS_MAX);
	switch (count ? random_number(10) : 9) {
	case 0:
		count = take_out(records, count);
		break;
	case 1:
		count = put_in(records, count, copy_of(&records[random_number(count)]));
		break;
	case 2:
		exchange_two(records, count);
		break;
	case 3:
	case 9:
		count = put_in(records, count, fresh_record());
		break;
	default:
		change_one(&records[random_number(count)]);
	}
	return join(records, count, data, max_size);
}

/* The beginning of one and the end of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
				 uint8_t *out, size_t max_size, unsigned int seed)
{
	static struct record first[RECORDS_MAX], second[RECORDS_MAX];
	unsigned nr_first = split(a, a_size, first, RECORDS_MAX);
	unsigned nr_second = split(b, b_size, second, RECORDS_MAX), keep, skip;
	size_t len;

	random_state = seed;
	keep = random_number(nr_first + 1);
	skip = random_number(nr_second + 1);
	for (unsigned i = keep; i < nr_first; i++)
		free(first[i].data);
	len = join(first, keep, out, max_size);
	for (unsigned i = 0; i < skip; i++)
		free(second[i].data);
	return len + join(second + skip, nr_second - skip, out + len, max_size - len);
}
