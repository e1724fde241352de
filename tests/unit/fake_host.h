/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the daemon, to run a module's real .so: one reactor (the calling thread, which
 * runs its loop while it waits), a thread for each request that goes to a worker, and a record of
 * what the module said and did.  Used from one thread; a test that uses it wrongly is aborted.
 */
#ifndef TGT_TEST_FAKE_HOST_H
#define TGT_TEST_FAKE_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <tgt/backing-store.h>

#include "store/loader.h"

#define FAKE_WAIT_MS 20000 /* for one request, before it counts as lost */

/* The file of one of our own modules: TGT_BUILD_DIR/backing-store/bs_NAME.so.  Static memory. */
const char *fake_module_file(const char *name);

/*
 * Maps a module and takes its descriptor over by the loader's rules.  NULL, and a line on stderr,
 * when it can't.  The module stays for the life of the process; a second call gives the same one.
 */
const struct store_module *fake_module_load(const char *file);

/* How a store is opened; zeroed is fine. */
struct fake_open {
	const char *path;
	const char *bsopts;
	uint32_t flags;      /* TGT_BS_OPEN_* */
	uint32_t block_size; /* 0: 512 */
	uint64_t size;
};

/* An open store with its channel on the reactor. */
struct fake_store {
	const struct store_module *module;
	struct tgt_bs_value *values;
	void *store;
	void *channel;
	struct tgt_bs_geometry geometry; /* as read at open */
	bool turn_pending;               /* submit() returned 0 since the last turn_end() */
	char error[256];                 /* of the last open */
};

/* 0, or what open(), geometry() or channel_open() answered; store->error then says more. */
int fake_store_open(struct fake_store *store, const struct store_module *module,
		    const struct fake_open *how);
/* Closes channel and store.  Every request must have completed. */
void fake_store_close(struct fake_store *store);

/* Closes the channel and opens a new one, as another reactor would.  0 or what channel_open() said.
 */
int fake_channel_renew(struct fake_store *store);

/* A request and what became of it. */
struct fake_request {
	struct tgt_bs_request bs;
	struct fake_store *store;
	atomic_uint completions;
	bool went_to_worker;    /* submit() answered WOULD_BLOCK, or the model is WORKER */
	bool inline_completion; /* complete() came from within the first submit() */
	int submit_error;       /* the -errno that submit() returned; no completion then */
	pthread_t worker;
	bool worker_running;
	struct tgt_bs_extent extents[64];
};

/* An empty request of that kind; fake_request_free() when it is over. */
struct fake_request *fake_request_new(struct fake_store *store, enum tgt_bs_op op, uint64_t offset,
				      uint64_t length);
/* Adds a piece of memory; at most 128 of them. */
void fake_request_add(struct fake_request *request, void *base, size_t length);
void fake_request_free(struct fake_request *request);

/* Calls submit() as the host would: again on a worker thread if it says so. */
void fake_submit(struct fake_request *request);
/* The end of a loop turn: turn_end() of the store if anything was submitted. */
void fake_turn_end(struct fake_store *store);
/* Runs the loop until the request is over.  False if that takes longer than FAKE_WAIT_MS. */
bool fake_wait(struct fake_request *request);
/* Submit, end the turn, wait: true when it completed (whatever the status). */
bool fake_run(struct fake_request *request);

/* The whole way of one simple request: the status, or -1 when it never completed or submit()
 * failed. */
int fake_io(struct fake_store *store, enum tgt_bs_op op, uint64_t offset, void *buf, size_t length,
	    unsigned int flags);

/* Runs the loop for that long whatever happens. */
void fake_settle(unsigned int ms);

/* What modules logged since the last fake_log_clear(), a line each; until the next call. */
const char *fake_log(void);
void fake_log_clear(void);

/* From now on timer_add() and fd_watch() answer that (0: work). */
void fake_fail_timers(int error);
void fake_fail_watches(int error);
/* The regions that lasting_memory() tells from now on; the array stays the caller's, and so does
 * the memory, until the channels are closed. */
void fake_lasting_memory(const struct iovec *regions, unsigned int count);
/* From now on the host's table ends there, as an older one's (0: it is whole). */
void fake_older_host(size_t size);
/* File descriptors watched and timers not yet deleted. */
unsigned int fake_watches(void);
unsigned int fake_timers(void);

/* Aligned memory for a request, filled with a byte; free() it. */
void *fake_buffer(size_t length, int fill);

#endif
