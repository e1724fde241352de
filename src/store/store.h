/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a backing store: an open instance, its channels on the reactors, and requests.
 */
#ifndef TGT_STORE_STORE_H
#define TGT_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <tgt/backing-store.h>

#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "store/loader.h"

struct store;
struct store_channel;

/* What the owner of a store hears from it, on any thread; serial says from which of its stores. */
struct store_events {
	void (*size_changed)(void *owner, uint64_t serial, uint64_t size);
	void (*medium_changed)(void *owner, uint64_t serial, bool present);
	void (*online_changed)(void *owner, uint64_t serial, bool online);
	const char *(*describe)(void *owner); /* for log lines: "target 1 lun 2" */
};

/* How to open one.  Strings are copied. */
struct store_config {
	struct store_module *module;
	const char *path;   /* or NULL */
	const char *bsopts; /* or NULL */
	uint32_t open_flags;
	uint32_t block_size;
	uint64_t size;
	/* Nothing is opened: an instance without a medium (TGT_BS_GEO_NO_MEDIUM), for a drive
	 * that is empty; its requests end so. */
	bool empty;
};

/*
 * Opens a store on a worker and its channels on all reactors, then calls done(owner, store, error)
 * on the calling reactor: store is NULL on failure, and error then says why.
 */
void store_open(const struct store_config *config, const struct store_events *events, void *owner,
		void (*done)(void *owner, struct store *store, const char *error));

/* Closes channels and store in the background; no request may be outstanding.  done (may be NULL)
 * runs on the calling reactor.  A store that hangs in close() delays done, nothing else. */
void store_close(struct store *store, void (*done)(void *arg), void *arg);

/* The same once a flush has put everything on stable storage.  On a reactor. */
void store_finish(struct store *store, void (*done)(void *arg), void *arg);

const struct store_module *store_module(const struct store *store);
/* Opened as empty. */
bool store_is_empty(const struct store *store);
/* Another for each that is opened, ascending from 1. */
uint64_t store_serial(const struct store *store);
/* As read at open, and again by store_refresh_geometry() (any thread); the size as the store has
 * told since. */
struct tgt_bs_geometry store_geometry(const struct store *store);
int store_refresh_geometry(struct store *store);
static inline bool store_can(const struct store *store, uint32_t capability);

/* What the module says it can, less what this instance's geometry takes away. */
uint32_t store_capabilities(const struct store *store);

/* A request.  Embedded in a task; module_data (store_max_request_size() bytes, aligned to 16) is
 * provided by the owner. */
struct store_request {
	struct tgt_bs_request bs;
	void (*done)(
	    struct store_request *request); /* on the reactor that submitted, from deferred work */
	/* the host's own */
	struct store *store;
	struct reactor *reactor;
	struct deferred deferred;
	struct message message;
	struct work work;
	atomic_uint state;
};

/* Clears the request for op; the caller then fills offset, length, iov and so on. */
void store_request_init(struct store_request *request, enum tgt_bs_op op, void *module_data,
			void (*done)(struct store_request *request));
/* Own reactor.  done is called exactly once, never from within. */
void store_submit(struct store *store, struct store_request *request);
/* A wish; the request still completes.  Own reactor. */
void store_cancel(struct store_request *request);

/* A question about space, embedded in whoever asks. */
struct store_usage {
	struct tgt_bs_usage usage;
	int error;                              /* 0 or -errno */
	void (*done)(struct store_usage *asks); /* on the reactor that asked, never from within */
	/* the host's own */
	struct store *store;
	struct reactor *reactor;
	struct work work;
	struct message message;
};

/* store_ask_usage() has an answer.  Any thread. */
bool store_tells_usage(const struct store *store);
/* Asks on a worker, with done set; the store stays open until that has answered.  A reactor. */
void store_ask_usage(struct store *store, struct store_usage *asks);

/* A tape and its partitions; also of one whose module doesn't say (one partition).  0, or
 * -ENOMEDIUM when there is none.  Any thread. */
int store_tape_info(const struct store *store, struct tgt_bs_tape_info *info);
/* The blobs that live with the medium (TGT_BS state operations), or NULL; *handle is what they take
 * first.  They block: on a worker. */
const struct tgt_bs_state_ops *store_state_ops(const struct store *store, void **handle);

/* The table handed to modules, for the loader. */
const struct tgt_bs_host *store_host_table(void);

static inline bool store_can(const struct store *store, uint32_t capability)
{
	return (store_capabilities(store) & capability) == capability;
}

#endif
