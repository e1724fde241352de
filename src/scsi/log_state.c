/* SPDX-License-Identifier: MIT */
/* What the log pages are made of: sums of the slices' counters, the last errors and self-tests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scsi/log.h"

#define MS_PER_HOUR 3600000u

int log_state_create(struct lu *lu)
{
	struct log_state *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	pthread_mutex_init(&log->lock, NULL);
	log->made_ms = reactor_now_ms(reactor_self());
	lu->log = log;
	return 0;
}

void log_state_free(struct lu *lu)
{
	if (!lu->log)
		return;
	pthread_mutex_destroy(&lu->log->lock);
	free(lu->log);
	lu->log = NULL;
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Of a slice, with what has begun and not ended. */
static uint64_t busy_ms(const struct lu_slice *slice, uint64_t now)
{
	uint64_t since = load(&slice->busy_since);

	return load(&slice->busy_ms) + (since && now > since ? now - since : 0);
}

/* Idle is when no reactor has a command.  How far their busy times overlap isn't kept, so this is
 * the least that it can have been. */
void log_read(const struct lu *lu, struct log_sums *out)
{
	uint64_t now = reactor_now_ms(reactor_self()), busy = 0, age = now - lu->log->made_ms;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < reactors_count(); i++) {
		const struct lu_slice *slice = &lu->slices[i];

		busy += busy_ms(slice, now);
		for (unsigned kind = 0; kind < COUNTS_KINDS; kind++)
			for (unsigned c = 0; c < LOG_COUNTERS; c++)
				out->counters[kind][c] += load(&slice->log[kind][c]);
	}
	out->idle_ms = busy < age ? age - busy : 0;
}

/* ---- errors ---- */

static void put_event(struct log_state *log, const char *text)
{
	pthread_mutex_lock(&log->lock);
	snprintf(log->events[log->nr_events++ % LOG_EVENTS_MAX], LOG_EVENT_TEXT, "%s", text);
	pthread_mutex_unlock(&log->lock);
}

/* Which counter a failed request belongs to: the command's, and a flush is about what was written.
 */
static unsigned kind_of(const struct scsi_task *t, const struct tgt_bs_request *request)
{
	if (t->row->counts != COUNTS_NOT)
		return t->row->counts;
	return request->op == TGT_BS_FLUSH ? COUNTS_WRITE : COUNTS_NOT;
}

void log_store_error(const struct scsi_task *t, const struct tgt_bs_request *request,
		     enum sense_key key, uint16_t asc, const char *why)
{
	char text[LOG_EVENT_TEXT], when[32];
	time_t now = time(NULL);
	struct tm tm;

	if (!t->lu->log)
		return;
	if (key == KEY_MEDIUM_ERROR || key == KEY_HARDWARE_ERROR)
		log_add(&t->slice->log[kind_of(t, request)][LOG_ERRORS], 1);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(text, sizeof(text), "%s %s LBA %llu sense %x/%02x/%02x: %.48s", when, t->row->name,
		 (unsigned long long)t->lba, (unsigned)key, asc >> 8, asc & 0xffu, why);
	put_event(t->lu->log, text);
}

unsigned log_get_events(struct log_state *log, char out[LOG_EVENTS_MAX][LOG_EVENT_TEXT])
{
	unsigned count;

	pthread_mutex_lock(&log->lock);
	count = log->nr_events < LOG_EVENTS_MAX ? (unsigned)log->nr_events : LOG_EVENTS_MAX;
	for (unsigned i = 0; i < count; i++)
		memcpy(out[i], log->events[(log->nr_events - count + i) % LOG_EVENTS_MAX],
		       LOG_EVENT_TEXT);
	pthread_mutex_unlock(&log->lock);
	return count;
}

void log_clear_events(struct log_state *log)
{
	pthread_mutex_lock(&log->lock);
	log->nr_events = 0;
	pthread_mutex_unlock(&log->lock);
}

/* ---- self-tests ---- */

static uint16_t power_on_hours(const struct log_state *log)
{
	uint64_t hours = (reactor_now_ms(reactor_self()) - log->made_ms) / MS_PER_HOUR;

	return hours < UINT16_MAX ? (uint16_t)hours : UINT16_MAX;
}

void log_self_test_done(struct lu *lu, uint8_t code, uint8_t result, enum sense_key key,
			uint16_t asc)
{
	struct log_state *log = lu->log;
	struct log_self_test test = {.code = code, .result = result};

	if (!log)
		return;
	test.hours = power_on_hours(log);
	if (result) {
		test.key = (uint8_t)key;
		test.asc = asc;
	}
	pthread_mutex_lock(&log->lock);
	log->self_tests[log->nr_self_tests++ % LOG_SELF_TESTS_MAX] = test;
	pthread_mutex_unlock(&log->lock);
}

unsigned log_get_self_tests(struct log_state *log, struct log_self_test out[LOG_SELF_TESTS_MAX])
{
	unsigned count;

	pthread_mutex_lock(&log->lock);
	count = log->nr_self_tests < LOG_SELF_TESTS_MAX ? (unsigned)log->nr_self_tests
							: LOG_SELF_TESTS_MAX;
	for (unsigned i = 0; i < count; i++)
		out[i] = log->self_tests[(log->nr_self_tests - 1 - i) % LOG_SELF_TESTS_MAX];
	pthread_mutex_unlock(&log->lock);
	return count;
}
