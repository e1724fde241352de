/* SPDX-License-Identifier: MIT */
/* The log pages: which a logical unit has, and their parameters (SPC-5 7.3). */
#include <string.h>

#include "scsi/log.h"
#include "scsi/tape_alert.h"
#include "scsi/tape_log.h"
#include "scsi/thresholds.h"
#include "util/bytes.h"

static bool always(const struct lu *lu)
{
	(void)lu;
	return true;
}

static bool is_disk(const struct lu *lu)
{
	return lu->store && lu->commands->device_type == 0x00;
}

static bool is_tape_drive(const struct lu *lu)
{
	return lu->tape != NULL;
}

static bool has_medium_commands(const struct lu *lu)
{
	return lu->store != NULL;
}

struct log_param *log_put_param(struct log_param *out, uint16_t code, uint8_t control,
				uint8_t length, bool can_reset)
{
	memset(out, 0, sizeof(*out));
	out->code = code;
	out->control = control;
	out->length = length;
	out->can_reset = can_reset;
	return out;
}

/* ---- error counters (7.3.9 and others) ---- */

/* What the core corrects is nothing: a store's error is final. */
#define TOTAL_BYTES 0x0005
#define TOTAL_UNCORRECTED 0x0006
#define ERROR_PARAMS 7

static unsigned error_params(const struct lu *lu, enum row_counts kind, struct log_param *out)
{
	const uint64_t *base = lu->log->errors_base.counters[kind];
	struct log_sums sums;

	log_read(lu, &sums);
	for (uint16_t code = 0; code < ERROR_PARAMS; code++)
		log_put_param(&out[code], code, LOG_BOUNDED_COUNTER, 8, true);
	put_be64(out[TOTAL_BYTES].value, sums.counters[kind][LOG_BYTES] - base[LOG_BYTES]);
	put_be64(out[TOTAL_UNCORRECTED].value, sums.counters[kind][LOG_ERRORS] - base[LOG_ERRORS]);
	return ERROR_PARAMS;
}

static void reset_errors(struct lu *lu, enum row_counts kind, int code)
{
	uint64_t *base = lu->log->errors_base.counters[kind];
	struct log_sums sums;

	log_read(lu, &sums);
	if (code == TOTAL_BYTES || code < 0)
		base[LOG_BYTES] = sums.counters[kind][LOG_BYTES];
	if (code == TOTAL_UNCORRECTED || code < 0)
		base[LOG_ERRORS] = sums.counters[kind][LOG_ERRORS];
}

static unsigned write_errors(const struct lu *lu, struct log_param *out)
{
	return error_params(lu, COUNTS_WRITE, out);
}

static void reset_write_errors(struct lu *lu, int code)
{
	reset_errors(lu, COUNTS_WRITE, code);
}

static unsigned read_errors(const struct lu *lu, struct log_param *out)
{
	return error_params(lu, COUNTS_READ, out);
}

static void reset_read_errors(struct lu *lu, int code)
{
	reset_errors(lu, COUNTS_READ, code);
}

static unsigned verify_errors(const struct lu *lu, struct log_param *out)
{
	return error_params(lu, COUNTS_VERIFY, out);
}

static void reset_verify_errors(struct lu *lu, int code)
{
	reset_errors(lu, COUNTS_VERIFY, code);
}

/* ---- Last n Error Events: a higher parameter code is a later one ---- */

static unsigned last_errors(const struct lu *lu, struct log_param *out)
{
	char events[LOG_EVENTS_MAX][LOG_EVENT_TEXT];
	unsigned count = log_get_events(lu->log, events);

	for (unsigned i = 0; i < count; i++) {
		size_t len = strnlen(events[i], LOG_VALUE_MAX);

		log_put_param(&out[i], (uint16_t)i, LOG_ASCII_LIST, (uint8_t)len, false);
		memcpy(out[i].value, events[i], len);
	}
	return count;
}

static void reset_last_errors(struct lu *lu, int code)
{
	(void)code;
	log_clear_events(lu->log);
}

/* ---- Self-Test Results: the latest one is parameter 1 ---- */

static unsigned self_tests(const struct lu *lu, struct log_param *out)
{
	struct log_self_test tests[LOG_SELF_TESTS_MAX];
	unsigned count = log_get_self_tests(lu->log, tests);

	for (unsigned i = 0; i < LOG_SELF_TESTS_MAX; i++) {
		uint8_t *value =
		    log_put_param(&out[i], (uint16_t)(i + 1), LOG_BINARY_LIST, 16, false)->value;

		if (i >= count)
			continue; /* zeroes: no such test has been made */
		value[0] = (uint8_t)(tests[i].code << 5 | tests[i].result);
		put_be16(value + 2, tests[i].hours);
		memset(value + 4, 0xff, 8); /* no address of a failure */
		value[12] = tests[i].key;
		put_be16(value + 13, tests[i].asc);
	}
	return LOG_SELF_TESTS_MAX;
}

/* ---- General Statistics and Performance ---- */

#define STATISTICS 0x0001
#define IDLE_TIME 0x0002
#define TIME_INTERVAL 0x0003

static unsigned statistics(const struct lu *lu, struct log_param *out)
{
	const struct log_sums *base = &lu->log->statistics_base;
	const uint64_t *read_base = base->counters[COUNTS_READ];
	const uint64_t *write_base = base->counters[COUNTS_WRITE];
	struct log_sums sums;
	const uint64_t *reads = sums.counters[COUNTS_READ], *writes = sums.counters[COUNTS_WRITE];
	uint8_t *value = log_put_param(&out[0], STATISTICS, LOG_UNBOUNDED_COUNTER, 64, true)->value;

	log_read(lu, &sums);
	put_be64(value, reads[LOG_COMMANDS] - read_base[LOG_COMMANDS]);
	put_be64(value + 8, writes[LOG_COMMANDS] - write_base[LOG_COMMANDS]);
	put_be64(value + 16, (writes[LOG_BYTES] - write_base[LOG_BYTES]) >> lu->block_shift);
	put_be64(value + 24, (reads[LOG_BYTES] - read_base[LOG_BYTES]) >> lu->block_shift);
	put_be64(value + 32, reads[LOG_MS] - read_base[LOG_MS]);
	put_be64(value + 40, writes[LOG_MS] - write_base[LOG_MS]);
	/* the weighted numbers that follow aren't kept */
	value = log_put_param(&out[1], IDLE_TIME, LOG_UNBOUNDED_COUNTER, 8, true)->value;
	put_be64(value, sums.idle_ms > base->idle_ms ? sums.idle_ms - base->idle_ms : 0);
	value = log_put_param(&out[2], TIME_INTERVAL, LOG_BINARY_LIST, 8, false)->value;
	put_be32(value, 3); /* negative exponent and integer: milliseconds */
	put_be32(value + 4, 1);
	return 3;
}

static void reset_statistics(struct lu *lu, int code)
{
	struct log_sums sums, *base = &lu->log->statistics_base;

	log_read(lu, &sums);
	if (code == STATISTICS || code < 0)
		memcpy(base->counters, sums.counters, sizeof(base->counters));
	if (code == IDLE_TIME || code < 0)
		base->idle_ms = sums.idle_ms;
}

/* ---- Informational Exceptions: none, and no temperature ---- */

static unsigned informational_exceptions(const struct lu *lu, struct log_param *out)
{
	(void)lu;
	log_put_param(&out[0], 0x0000, LOG_BINARY_LIST, 4, false)->value[2] = 0xff;
	return 1;
}

/* ---- Logical Block Provisioning (SBC-4) ---- */

#define DEDICATED 0x01 /* SCOPE */
#define NOT_DEDICATED 0x02

/* What is left may go to other files as well. */
static unsigned provisioning(const struct lu *lu, struct log_param *out)
{
	for (uint16_t resource = RESOURCE_AVAILABLE; resource <= RESOURCE_USED; resource++) {
		uint8_t *value = log_put_param(out++, resource, LOG_BINARY_LIST, 8, false)->value;

		put_be32(value, thresholds_count(lu, resource));
		value[4] = resource == RESOURCE_USED ? DEDICATED : NOT_DEDICATED;
	}
	return 2;
}

/* ---- TapeAlert: each flag is reset with all others ---- */

static void reset_alerts(struct lu *lu, int code)
{
	(void)code;
	tape_alert_clear(lu);
}

/* ---- ---- */

const struct log_page log_pages[] = {
    {LOG_PAGE_SUPPORTED, 0, always, NULL, false, NULL, NULL},
    {LOG_PAGE_SUPPORTED, LOG_SUBPAGE_ALL, always, NULL, false, NULL, NULL},
    {LOG_PAGE_WRITE_ERRORS, 0, has_medium_commands, write_errors, false, reset_write_errors, NULL},
    {LOG_PAGE_READ_ERRORS, 0, has_medium_commands, read_errors, false, reset_read_errors, NULL},
    {LOG_PAGE_VERIFY_ERRORS, 0, is_disk, verify_errors, false, reset_verify_errors, NULL},
    {LOG_PAGE_LAST_ERRORS, 0, has_medium_commands, last_errors, false, reset_last_errors, NULL},
    {LOG_PAGE_PROVISIONING, 0, thresholds_reported, provisioning, true, NULL, NULL},
    {LOG_PAGE_SEQUENTIAL_ACCESS, 0, is_tape_drive, tape_log_sequential, false,
     tape_log_reset_sequential, NULL},
    {LOG_PAGE_SELF_TESTS, 0, has_medium_commands, self_tests, false, NULL, NULL},
    {LOG_PAGE_VOLUME_STATISTICS, 0, is_tape_drive, tape_log_volume, false, NULL, NULL},
    {LOG_PAGE_STATISTICS, 0, is_disk, statistics, false, reset_statistics, NULL},
    {LOG_PAGE_DATA_COMPRESSION, 0, is_tape_drive, tape_log_compression, false,
     tape_log_reset_compression, NULL},
    {LOG_PAGE_TAPE_ALERT, 0, is_tape_drive, tape_alert_params, false, reset_alerts,
     tape_alert_for_nexus},
    {LOG_PAGE_INFORMATIONAL_EXCEPTIONS, 0, is_disk, informational_exceptions, false, NULL, NULL},
    {LOG_PAGE_TAPE_USAGE, 0, is_tape_drive, tape_log_usage, false, NULL, NULL},
    {LOG_PAGE_TAPE_CAPACITY, 0, is_tape_drive, tape_log_capacity, false, NULL, NULL},
    {LOG_PAGE_LTO_COMPRESSION, 0, is_tape_drive, tape_log_compression, false,
     tape_log_reset_compression, NULL},
    {0, 0, NULL, NULL, false, NULL, NULL},
};

const struct log_page *log_find_page(const struct lu *lu, uint8_t page, uint8_t subpage)
{
	for (const struct log_page *p = log_pages; p->available; p++)
		if (p->page == page && p->subpage == subpage && p->available(lu))
			return p;
	return NULL;
}
