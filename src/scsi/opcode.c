/* SPDX-License-Identifier: MIT */
/*
 * Finding the row of a CDB.  Each command set has an index: for each of the 256 operation codes
 * where its rows begin in a sorted array, so that a lookup touches the rows of one operation code
 * only.
 */
#include "scsi/opcode.h"

#include <stdlib.h>

#include "scsi/task.h"
#include "util/bytes.h"
#include "util/log.h"

#define OPCODE_VARIABLE_LENGTH 0x7f
#define CONTROL_ALLOWED 0x04 /* NACA: ACA is supported (SAM-5 5.2) */

struct opcode_index {
	const struct command_set *set;
	unsigned count;
	const struct opcode_row *rows[OPCODE_ROWS_MAX];
	uint16_t first[257]; /* rows of opcode o: rows[first[o]] … rows[first[o + 1] - 1] */
};

#define INDEXES_MAX 16
static struct opcode_index indexes[INDEXES_MAX];
static unsigned nr_indexes;

static int compare_rows(const void *a, const void *b)
{
	const struct opcode_row *x = *(const struct opcode_row *const *)a;
	const struct opcode_row *y = *(const struct opcode_row *const *)b;

	if (x->opcode != y->opcode)
		return x->opcode < y->opcode ? -1 : 1;
	return (x->service_action > y->service_action) - (x->service_action < y->service_action);
}

static void index_collect(struct opcode_index *index)
{
	for (const struct opcode_row *const *table = index->set->tables; *table; table++) {
		for (const struct opcode_row *row = *table; row->run; row++) {
			if (index->count == OPCODE_ROWS_MAX) {
				log_err("command set %s: too many rows", index->set->name);
				abort();
			}
			index->rows[index->count++] = row;
		}
	}
}

static void index_build(struct opcode_index *index)
{
	unsigned at = 0;

	index_collect(index);
	qsort(index->rows, index->count, sizeof(*index->rows), compare_rows);
	for (unsigned opcode = 0; opcode < 256; opcode++) {
		index->first[opcode] = (uint16_t)at;
		while (at < index->count && index->rows[at]->opcode == opcode)
			at++;
	}
	index->first[256] = (uint16_t)at;
}

void opcode_register(const struct command_set *set)
{
	struct opcode_index *index;

	for (unsigned i = 0; i < nr_indexes; i++)
		if (indexes[i].set == set)
			return;
	if (nr_indexes == INDEXES_MAX)
		abort();
	index = &indexes[nr_indexes++];
	index->set = set;
	index_build(index);
}

static const struct opcode_index *index_of(const struct command_set *set)
{
	for (unsigned i = 0; i < nr_indexes; i++)
		if (indexes[i].set == set)
			return &indexes[i];
	return NULL;
}

const struct opcode_row *const *opcode_rows(const struct command_set *set, unsigned *count)
{
	const struct opcode_index *index = index_of(set);

	*count = index ? index->count : 0;
	return index ? index->rows : NULL;
}

const struct opcode_row *const *opcode_rows_of(const struct command_set *set, uint8_t opcode,
					       unsigned *count)
{
	const struct opcode_index *index = index_of(set);

	if (!index) {
		*count = 0;
		return NULL;
	}
	*count = index->first[opcode + 1u] - (unsigned)index->first[opcode];
	return index->rows + index->first[opcode];
}

static int service_action(const uint8_t *cdb)
{
	return cdb[0] == OPCODE_VARIABLE_LENGTH ? get_be16(cdb + 8) : cdb[1] & 0x1f;
}

enum opcode_result opcode_find(const struct command_set *set, const uint8_t *cdb,
			       const struct opcode_row **row)
{
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows_of(set, cdb[0], &count);

	for (unsigned i = 0; i < count; i++) {
		if (rows[i]->service_action == NO_SERVICE_ACTION ||
		    rows[i]->service_action == service_action(cdb)) {
			*row = rows[i];
			return OPCODE_FOUND;
		}
	}
	*row = set->fallback;
	if (*row)
		return OPCODE_FOUND;
	return count ? OPCODE_BAD_SERVICE_ACTION : OPCODE_UNKNOWN;
}

static unsigned control_byte(const struct opcode_row *row)
{
	return row->opcode == OPCODE_VARIABLE_LENGTH ? 1 : row->cdb_len - 1u;
}

void opcode_usage(const struct opcode_row *row, uint8_t usage[SCSI_MAX_CDB])
{
	memcpy(usage, row->usage, SCSI_MAX_CDB);
	usage[0] = row->opcode;
	usage[control_byte(row)] = CONTROL_ALLOWED;
	if (row->service_action == NO_SERVICE_ACTION)
		return;
	if (row->opcode == OPCODE_VARIABLE_LENGTH) {
		usage[7] = (uint8_t)(row->cdb_len - 8);
		put_be16(usage + 8, (uint16_t)row->service_action);
	} else {
		usage[1] = (uint8_t)((usage[1] & 0xe0) | row->service_action);
	}
}

/* Bits of byte i that may be set; the service action has been compared already. */
static uint8_t allowed_bits(const struct opcode_row *row, unsigned i)
{
	if (i == control_byte(row))
		return CONTROL_ALLOWED;
	if (row->service_action == NO_SERVICE_ACTION)
		return row->usage[i];
	if (row->opcode == OPCODE_VARIABLE_LENGTH)
		return i >= 7 && i <= 9 ? 0xff : row->usage[i];
	return i == 1 ? row->usage[i] | 0x1f : row->usage[i];
}

static int highest_bit(uint8_t bits)
{
	return 31 - __builtin_clz(bits);
}

/* SPC-5 4.3.3: a variable length CDB says how much follows its byte 7. */
static bool length_matches(const struct scsi_task *t)
{
	const struct opcode_row *row = t->row;

	if (row->opcode != OPCODE_VARIABLE_LENGTH)
		return row->cdb_len <= t->cdb_len;
	return t->cdb[7] == row->cdb_len - 8 && row->cdb_len <= t->cdb_len;
}

/* True: no bit is set that the row doesn't list, and none of CONTROL, which it doesn't speak of; so
 * there is nothing to look at byte by byte.  False says nothing: a service action, or what lies
 * behind the CDB, may be why. */
static bool plainly_allowed(const struct opcode_row *row, const uint8_t *cdb)
{
	uint64_t bits[2], usage[2];

	memcpy(bits, cdb, sizeof(bits));
	memcpy(usage, row->usage, sizeof(usage));
	return row->cdb_len <= sizeof(bits) && !cdb[control_byte(row)] &&
	       !((bits[0] & ~usage[0]) | (bits[1] & ~usage[1]));
}

bool opcode_check_cdb(struct scsi_task *t)
{
	const struct opcode_row *row = t->row;

	if (!length_matches(t)) {
		task_invalid_cdb(t, row->opcode == OPCODE_VARIABLE_LENGTH ? 7 : 0, -1);
		return false;
	}
	if (plainly_allowed(row, t->cdb))
		return true;
	for (unsigned i = 1; i < row->cdb_len; i++) {
		uint8_t bad = (uint8_t)(t->cdb[i] & ~allowed_bits(row, i));

		if (bad) {
			task_invalid_cdb(t, i, highest_bit(bad));
			return false;
		}
	}
	return true;
}
