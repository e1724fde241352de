/* SPDX-License-Identifier: MIT */
/* What the files of the rbd store share. */
#ifndef TGT_BACKING_STORE_RBD_H
#define TGT_BACKING_STORE_RBD_H

#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tgt/backing-store.h>

/* ---- path.c: [POOL/[NAMESPACE/]]IMAGE[@SNAPSHOT] ---- */

#define RBD_NAME_MAX 256 /* with its NUL */
struct rbd_name {
	char pool[RBD_NAME_MAX], space[RBD_NAME_MAX], image[RBD_NAME_MAX], snapshot[RBD_NAME_MAX];
};
/* NULL; or what is wrong with it. */
const char *rbd_name_parse(const char *path, struct rbd_name *name);

/* ---- notice.c: changes of images, seen by a thread of the connection's ---- */

struct rbd_store;
struct notices {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* anything below */
	struct rbd_store *first, *looked_at;
	bool ends;
};
/* 0 or -errno. */
int notices_begin(struct notices *notices);
/* No store is left. */
void notices_end(struct notices *notices);
/* Begins and ends to look after a store's image.  0 or -errno. */
int notice_start(struct rbd_store *store);
void notice_stop(struct rbd_store *store);
/* The watch of its state is lost.  Any thread. */
void notice_lost(struct rbd_store *store);

/* ---- cluster.c: connections, one for all stores that want the same ---- */

struct cluster_wish {
	const char *conf;    /* NULL: where librados looks for it */
	const char *cluster; /* its name */
	const char *id;      /* of the user: client.ID */
	const char *keyring; /* NULL: as conf says */
	bool cache;          /* librbd's */
	unsigned timeout;    /* seconds that a request may take; 0: for ever */
};
struct cluster {
	rados_t rados;
	struct notices notices;
	atomic_bool
	    fenced; /* the cluster has blocklisted it: for who opens anew there is another */
	/* cluster.c's */
	struct fenced_client *fenced_clients;
	struct cluster *next;
	unsigned users;
	char *key;
	bool connects; /* who wants the same waits for its end, and shares what comes of it */
	int err;
	char why[256];
};
/* 0 or -errno with a line in error.  Blocks, at most some seconds beyond the timeout. */
int cluster_get(const struct cluster_wish *wish, struct cluster **cluster, char *error,
		size_t error_size);
void cluster_put(struct cluster *cluster);
/* Clients that were blocklisted on this connection, by their address. */
void cluster_note_fenced(struct cluster *cluster, const char *address);
bool cluster_has_fenced(struct cluster *cluster, const char *address);
/* A client of this process that isn't fenced. */
bool cluster_is_own(uint64_t client);

/* ---- image.c ---- */

/* Where the bytes of an image are, where that may be known. */
struct rbd_layout {
	bool known;
	int64_t pool;
	uint64_t unit, count; /* a stripe has so many bytes in each of so many objects */
	char prefix[RBD_MAX_BLOCK_NAME_SIZE];
};

/* What the daemons that have the image keep beside it. */
struct rbd_state {
	char object[RBD_MAX_BLOCK_NAME_SIZE + 8];
	uint64_t cookie; /* of the watch */
	pthread_mutex_t watch_lock;
	bool watching;        /* changes under watch_lock */
	pthread_mutex_t lock; /* who is told; held while it is */
	atomic_bool lost;     /* it may not have been told of a change: nothing is served */
	void (*fn)(void *arg, const char *key, uint64_t version, uint64_t notice);
	void *arg;
};

struct rbd_store {
	const struct tgt_bs_host *host;
	struct tgt_bs_lu *lu;
	struct cluster *cluster;
	rados_ioctx_t pool;
	rbd_image_t image;
	struct rbd_name name;
	bool readonly, cache, shared; /* shared: others may write to it */
	atomic_uint_fast64_t size;
	uint64_t object_size, stripe; /* bytes; stripe: of all objects that are written in turn */
	atomic_bool fenced;           /* as the cluster, and the host knows */
	/* compare.c */
	struct rbd_layout layout;
	uint32_t compare_unit; /* bytes */
	/* state.c */
	struct rbd_state state;
	/* io.c: how librbd tells of completions */
	int events;
	atomic_flag watched; /* a channel has it */
	struct tgt_bs_watch *watch;
	/* notice.c */
	uint64_t watching;
	bool goes;     /* nothing of it is looked at any more; under the lock */
	bool recovers; /* its state; likewise */
	bool noticed;  /* under the lock */
	struct rbd_store *next_noticed;
};

int rbd_store_open(const struct tgt_bs_open_args *args, void **store, char *error,
		   size_t error_size);
int rbd_store_geometry(void *store, struct tgt_bs_geometry *geometry);

/* The options' rows, in the order of args->values. */
enum rbd_option {
	OPT_CONF,
	OPT_CLUSTER,
	OPT_ID,
	OPT_KEYRING,
	OPT_CACHE,
	OPT_LOCK,
	OPT_TIMEOUT,
	NR_OPTIONS
};

/* ---- close.c ---- */

void rbd_store_close(void *store);

/* ---- io.c ---- */

/* In a request's module_data. */
struct rbd_io {
	struct rbd_store *store;
	struct tgt_bs_request *request;
	bool flushes;  /* what was written has to be flushed, too */
	uint8_t *copy; /* a pattern in one piece; NULL: there is none */
};

/* Of a request that has failed so (-errno). */
enum tgt_bs_status rbd_status_of(const struct tgt_bs_request *request, int err);
/* Ends a request as failed so, with a line in the log. */
void rbd_failed(struct rbd_store *store, struct tgt_bs_request *request, int err);
int rbd_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel);
void rbd_channel_close(void *store, void *channel);
int rbd_store_submit(void *store, void *channel, struct tgt_bs_request *request);

/* ---- extents.c ---- */

void rbd_list_extents(struct rbd_store *store, struct tgt_bs_request *request);

/* ---- compare.c ---- */

#define RBD_COMPARE_UNIT 4096u
/* Finds out what can be compared and written in one piece, into store->layout and compare_unit.  0
 * or -errno. */
int rbd_compare_setup(struct rbd_store *store);
/* COMPARE_AND_WRITE.  Blocks. */
void rbd_compare_and_write_request(struct rbd_store *store, struct tgt_bs_request *request);

/* ---- state.c ---- */

extern const struct tgt_bs_state_ops rbd_state_ops;
/* Watches again after the watch was lost; false: it is to be tried again.  On the notices' thread.
 */
bool rbd_state_recover(struct rbd_store *store);
void rbd_state_init(struct rbd_store *store);
void rbd_state_free(struct rbd_store *store);
/* Nothing is told to the host any more. */
void rbd_state_silence(struct rbd_store *store);
/* No longer one of those that have the image.  Blocks. */
void rbd_state_leave(struct rbd_store *store);

extern const struct tgt_bs_host *rbd_host;

#endif
