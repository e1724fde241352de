/* SPDX-License-Identifier: MIT */
/* What the files of the sg store share. */
#ifndef TGT_BACKING_STORE_SG_H
#define TGT_BACKING_STORE_SG_H

#include <pthread.h>
#include <scsi/sg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tgt/backing-store.h>

/* ---- node.c: a device node, open ---- */

/* How it takes commands; found out by asking it. */
enum sg_kind {
	SG_ASYNC, /* write() and read() of version 3 headers, and SG_IO: /dev/sgN */
	SG_V3,    /* SG_IO with a version 3 header: block devices, /dev/nstN, /dev/chN */
	SG_V4,    /* SG_IO with a version 4 header: /dev/bsg/… */
};

struct sg_node {
	int fd;
	enum sg_kind kind;
	unsigned refs;       /* guarded by sg->lock */
	unsigned generation; /* which of the store's nodes */
	uint64_t max_transfer;
	unsigned depth; /* commands that its adapter takes at once */
};

/* NULL, and error says why not. */
struct sg_node *sg_node_open(const char *path, bool readonly, char *error, size_t error_size);
void sg_node_free(struct sg_node *node);
/* Another descriptor for the same device, whatever the path means by now; or -errno. */
int sg_node_reopen(const struct sg_node *node);

/* ---- identity.c: which device it is ---- */

#define SG_IDENTITY_MAX 512
struct sg_identity {
	char text[40]; /* vendor and product, for log lines */
	uint8_t bytes[SG_IDENTITY_MAX];
	size_t len;
};

/* Asks the device; false: it does not answer, and error says how. */
bool sg_identify(const struct sg_node *node, struct sg_identity *identity, char *error,
		 size_t error_size);
bool sg_same_identity(const struct sg_identity *a, const struct sg_identity *b);

/* ---- the store ---- */

struct sg_channel;

struct sg {
	struct tgt_bs_lu *lu;
	char *path;
	bool readonly;
	bool pass_reservations;
	uint32_t timeout_ms, long_timeout_ms;
	struct sg_identity identity;
	atomic_int told_error; /* the last errno that the log has heard of */

	pthread_mutex_t lock;
	struct sg_node *node; /* NULL: the device is gone */
	unsigned generation;  /* counts the nodes there were */
	uint64_t max_transfer;
	/* commands under way on descriptors, of all channels; and who waits for one to end */
	unsigned in_flight, depth;
	struct sg_channel *first_waiter, **last_waiter;
	struct sg_channel *channels;
	/* while the device is gone: the thread that looks for it */
	bool looking, closing;
	pthread_cond_t wake;
};

extern const struct tgt_bs_host *sg_host;

/* The node with a reference, or NULL when the device is gone. */
struct sg_node *sg_node_get(struct sg *sg);
void sg_node_put(struct sg *sg, struct sg_node *node);

/* ---- result.c: what an attempt came to ---- */

enum tgt_bs_status sg_errno_status(int error);
/* The kernel did not take it. */
void sg_refused(struct sg *sg, struct tgt_bs_request *request, int error);
/* Fills in the request's results; false: the device can't be reached any more. */
bool sg_set_result(struct tgt_bs_request *request, const struct sg_io_hdr *header);
bool sg_is_gone(int error);

/* ---- blocking.c: on workers ---- */

/* The header of a request, but for what the way it goes needs; false: it can't be had so. */
bool sg_fill_header(struct sg_io_hdr *header, const struct tgt_bs_request *request);
/* SG_IO by the node's kind; data in one piece when it takes no lists.  0 or errno. */
int sg_ioctl(const struct sg_node *node, struct sg_io_hdr *header);
/* Runs the request to its end; the caller completes it. */
void sg_run_blocking(struct sg *sg, struct tgt_bs_request *request);

/* ---- channel.c: commands on a reactor ---- */

struct sg_io { /* a request's module_data */
	struct sg_io *next;
	struct tgt_bs_request *request;
};

int sg_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel);
void sg_channel_close(void *store, void *channel);
void sg_channel_submit(struct sg_channel *channel, struct tgt_bs_request *request);
/* Every channel looks again at what it has: the device went.  Any thread. */
void sg_channels_wake(struct sg *sg);
void sg_channel_cancel(void *store, void *channel, struct tgt_bs_request *request);

/* ---- revive.c: a device that went, and comes back ---- */

/* The device behind the node of that generation can't be reached: says so once, and looks for it
 * from now on.  Any thread. */
void sg_gone(struct sg *sg, unsigned generation, const char *why);
/* Ends the looking. */
void sg_stop_looking(struct sg *sg);

#endif
