/* SPDX-License-Identifier: MIT */
/*
 * What the log pages (SPC-5 7.3) tell: counters that each reactor keeps in its slice and that are
 * summed when they are read, and short lists that are written on errors only.  A counter that LOG
 * SELECT resets goes on; what it was then is subtracted from now on.
 */
#ifndef TGT_SCSI_LOG_H
#define TGT_SCSI_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/lu.h"
#include "scsi/nexus.h"
#include "scsi/opcode.h"

#define LOG_EVENTS_MAX 16     /* of the Last n Error Events page */
#define LOG_EVENT_TEXT 120    /* with its NUL */
#define LOG_SELF_TESTS_MAX 20 /* SPC-5 7.3.17 */
#define LOG_PARAMS_MAX 64     /* of one page */
#define LOG_VALUE_MAX 120

#define LOG_PAGE_SUPPORTED 0x00
#define LOG_PAGE_WRITE_ERRORS 0x02
#define LOG_PAGE_READ_ERRORS 0x03
#define LOG_PAGE_VERIFY_ERRORS 0x05
#define LOG_PAGE_LAST_ERRORS 0x07
#define LOG_PAGE_PROVISIONING 0x0c /* of disks */
#define LOG_PAGE_SEQUENTIAL_ACCESS 0x0c
#define LOG_PAGE_SELF_TESTS 0x10
#define LOG_PAGE_VOLUME_STATISTICS 0x17
#define LOG_PAGE_STATISTICS 0x19
#define LOG_PAGE_DATA_COMPRESSION 0x1b
#define LOG_PAGE_TAPE_ALERT 0x2e
#define LOG_PAGE_INFORMATIONAL_EXCEPTIONS 0x2f
#define LOG_PAGE_TAPE_USAGE 0x30    /* vendor specific: as LTO drives have them */
#define LOG_PAGE_TAPE_CAPACITY 0x31 /* vendor specific: as LTO drives have them */
#define LOG_PAGE_LTO_COMPRESSION 0x32
#define LOG_SUBPAGE_ALL 0xff

struct log_self_test {
	uint8_t code;   /* SELF-TEST CODE, as in SEND DIAGNOSTIC */
	uint8_t result; /* SELF-TEST RESULTS */
	uint16_t hours; /* power on hours */
	uint8_t key;
	uint16_t asc;
};

/* Sums over the slices. */
struct log_sums {
	uint64_t counters[COUNTS_KINDS][LOG_COUNTERS];
	uint64_t idle_ms;
};

struct log_state {
	uint64_t made_ms; /* of the reactors' clock */
	/* changed inside exclusive operations only: what to subtract on the error counter pages,
	 * and on the General Statistics and Performance page */
	struct log_sums errors_base, statistics_base;
	/* likewise, of tapes */
	struct log_sums sequential_base, compression_base;
	struct log_sums usage_base; /* when the cartridge came in */
	/* under the lock: rings; the counts are of all that were ever put in */
	pthread_mutex_t lock;
	uint64_t nr_events, nr_self_tests;
	char events[LOG_EVENTS_MAX][LOG_EVENT_TEXT];
	struct log_self_test self_tests[LOG_SELF_TESTS_MAX];
};

/* ---- log_state.c ---- */

int log_state_create(struct lu *lu); /* sets lu->log; on a reactor; -errno */
void log_state_free(struct lu *lu);
/* Sums now.  On a reactor. */
void log_read(const struct lu *lu, struct log_sums *out);
/* A store's request has failed so.  The task's reactor. */
void log_store_error(const struct scsi_task *t, const struct tgt_bs_request *request,
		     enum sense_key key, uint16_t asc, const char *why);
/* A self-test has ended so; result 0: without error, else key and asc tell.  On a reactor. */
void log_self_test_done(struct lu *lu, uint8_t code, uint8_t result, enum sense_key key,
			uint16_t asc);
/* A copy of the texts that are kept, the oldest first; how many. */
unsigned log_get_events(struct log_state *log, char out[LOG_EVENTS_MAX][LOG_EVENT_TEXT]);
void log_clear_events(struct log_state *log);
/* The results that are kept, the latest first; how many. */
unsigned log_get_self_tests(struct log_state *log, struct log_self_test out[LOG_SELF_TESTS_MAX]);

/* ---- log_pages.c ---- */

/* One log parameter (SPC-5 7.3.2.2). */
struct log_param {
	uint16_t code;
	uint8_t control; /* the parameter control byte */
	uint8_t length;
	bool can_reset; /* "reset only"; else its value never changes by LOG SELECT */
	uint8_t value[LOG_VALUE_MAX];
};
/* Parameter control bytes.  TSD: nothing is saved, here or by the unit itself. */
#define LOG_TSD 0x20
#define LOG_BOUNDED_COUNTER (LOG_TSD | 0x00)
#define LOG_UNBOUNDED_COUNTER (LOG_TSD | 0x02)
#define LOG_ASCII_LIST (LOG_TSD | 0x01)
#define LOG_BINARY_LIST (LOG_TSD | 0x03)
#define LOG_CONTROL_LIST 0x01 /* FORMAT AND LINKING: 00b and 10b are data counters */

struct log_page {
	uint8_t page, subpage;
	bool (*available)(const struct lu *lu);
	/* Fills in the parameters, ascending by code; returns how many (at most LOG_PARAMS_MAX).
	 * NULL: it lists pages. */
	unsigned (*params)(const struct lu *lu, struct log_param *out);
	/* The parameters are what the store says last: thresholds_refresh() before. */
	bool asks_store;
	/* Resets the parameter, or all with code -1.  NULL: nothing can be reset.  Inside an
	 * exclusive operation. */
	void (*reset)(struct lu *lu, int code);
	/* The parameters as the task's nexus is to see their current values, which it now does;
	 * NULL: as all others. */
	void (*for_nexus)(const struct scsi_task *t, struct log_param *params, unsigned count);
};

/* Clears out and fills in what every parameter has; returns out. */
struct log_param *log_put_param(struct log_param *out, uint16_t code, uint8_t control,
				uint8_t length, bool can_reset);

/* NULL: this LU has no such page. */
const struct log_page *log_find_page(const struct lu *lu, uint8_t page, uint8_t subpage);
/* All pages of any LU, ascending; the last one's available is NULL. */
extern const struct log_page log_pages[];

/* ---- log_select.c ---- */
bool log_prepare_select(struct scsi_task *t);
void log_run_select(struct scsi_task *t);

/* ---- the paths of all commands ---- */

/* One writer: no locked instruction is needed. */
static inline void log_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* tape_log.c: the bytes that a READ or WRITE of a tape has moved, with whatever status. */
void tape_log_count(const struct scsi_task *t, _Atomic uint64_t *counters);

/* A task has ended. */
static inline void log_count(const struct scsi_task *t)
{
	_Atomic uint64_t *c = t->slice->log[t->row->counts];

	if (t->row->counts == COUNTS_NOT || t->aborted)
		return;
	if (t->row->counts == COUNTS_WRITE)
		atomic_store_explicit(&t->slice->last_writer, t->nexus->id, memory_order_relaxed);
	log_add(&c[LOG_COMMANDS], 1);
	log_add(&c[LOG_MS], reactor_now_ms(t->nexus->reactor) - t->started_ms);
	if (t->lu->tape)
		tape_log_count(t, c);
	else if (t->status == STATUS_GOOD)
		log_add(&c[LOG_BYTES], t->row->counts == COUNTS_VERIFY
					   ? t->blocks << t->lu->block_shift
					   : t->data.length);
}

/* The slice has its first task, or none any more. */
static inline void log_busy(struct lu_slice *slice, uint64_t now)
{
	atomic_store_explicit(&slice->busy_since, now, memory_order_relaxed);
}

static inline void log_idle(struct lu_slice *slice)
{
	uint64_t since = atomic_load_explicit(&slice->busy_since, memory_order_relaxed);

	log_add(&slice->busy_ms, reactor_now_ms(slice->reactor) - since);
	atomic_store_explicit(&slice->busy_since, 0, memory_order_relaxed);
}

#endif
