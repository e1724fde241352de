/* SPDX-License-Identifier: MIT */
/* A tape in its drive: where it stands, and what requests do to it.  Under the tape's lock. */
#ifndef TGT_BACKING_STORE_SSC_TAPE_H
#define TGT_BACKING_STORE_SSC_TAPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <tgt/backing-store.h>

#include "codec.h"
#include "image.h"

/* What is known of the tape between two requests. */
struct tape_told {
	bool loaded;
	struct tgt_bs_tape_info info;
};

struct tape {
	pthread_mutex_t lock; /* held while a request runs */
	pthread_mutex_t told_lock;
	struct tape_told told;
	const struct tgt_bs_host *host;
	struct tgt_bs_lu *lu;
	struct image image;
	struct codec codec;
	uint32_t partition; /* the current one */
	uint64_t position;  /* number of the object in front of which it stands */
	bool loaded;
};

static inline struct partition *tape_partition(struct tape *tape)
{
	return &tape->image.partitions[tape->partition];
}

/* Sets the status by an error of the file's or of the codec's, and tells the operator. */
void tape_fail(struct tape *tape, struct tgt_bs_request *r, int err);
/* Everything is on stable storage; false: it isn't, and the status says so. */
bool tape_flush(struct tape *tape, struct tgt_bs_request *r);
/* The position is between early warning and the partition's end. */
bool tape_is_early_warning(struct tape *tape);
/* Bytes from the position to the partition's end. */
uint64_t tape_remaining(struct tape *tape);

/* tape_read.c */
void tape_read(struct tape *tape, struct tgt_bs_request *r);
/* READ of one record that is in the page cache, without waiting for anything; false: nothing has
 * been done, and tape_read() has to. */
bool tape_read_cached(struct tape *tape, struct tgt_bs_request *r);
void tape_next(struct tape *tape, struct tgt_bs_request *r);
/* tape_write.c */
void tape_write(struct tape *tape, struct tgt_bs_request *r);
void tape_write_filemarks(struct tape *tape, struct tgt_bs_request *r);
void tape_erase(struct tape *tape, struct tgt_bs_request *r);
void tape_format(struct tape *tape, struct tgt_bs_request *r);
void tape_set_capacity(struct tape *tape, struct tgt_bs_request *r);
/* tape_move.c */
void tape_space(struct tape *tape, struct tgt_bs_request *r);
void tape_locate(struct tape *tape, struct tgt_bs_request *r);
void tape_rewind(struct tape *tape, struct tgt_bs_request *r);

#endif
