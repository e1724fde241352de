/* SPDX-License-Identifier: MIT */
/* A file or a block device as a disk: what rdwr, aio and uring have in common. */
#ifndef TGT_BACKING_STORE_COMMON_FILE_H
#define TGT_BACKING_STORE_COMMON_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tgt/backing-store.h>

/* What they can do on a file, by file_execute() where nothing better is at hand. */
#define FILE_CAPABILITIES                                                                          \
	(TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA | TGT_BS_CAN_DISCARD |               \
	 TGT_BS_CAN_WRITE_ZEROES | TGT_BS_CAN_BLOCK_STATUS | TGT_BS_NEEDS_PATH)

struct file {
	int fd;
	const struct tgt_bs_host *host;
	struct tgt_bs_lu *lu;
	char *path; /* for log lines */
	bool is_block, readonly, sync, direct;
	uint64_t limit;             /* bytes; 0: none was asked for */
	atomic_uint_least64_t size; /* bytes, as of open or the last file_geometry() */
	uint32_t memory_alignment;  /* what O_DIRECT wants, else 1 */
	uint32_t io_alignment;
	struct tgt_bs_geometry fixed; /* what doesn't change: flags, physical_block_size … */
	/* learnt from EOPNOTSUPP; only ever set */
	atomic_bool no_punch, no_zero_range, no_dsync, no_seek, no_fiemap;
	atomic_uint_least64_t last_report; /* seconds of CLOCK_MONOTONIC */
};

/*
 * Opens args->path into *file; O_DIRECT when direct is set.  0; or -errno with a line in error and
 * nothing kept open.  May block.
 */
int file_open(struct file *file, const struct tgt_bs_open_args *args, bool direct,
	      const struct tgt_bs_host *host, char *error, size_t error_size);
void file_close(struct file *file);

/* Reads the size again.  0 or -errno.  Any thread. */
int file_geometry(struct file *file, struct tgt_bs_geometry *geometry);

/* What the file takes, and what its file system has left for it.  -ENOTSUP: a block device doesn't
 * tell.  0 or -errno.  Blocks. */
int file_usage(struct file *file, struct tgt_bs_usage *usage);

/* False, and the request's status is set, when it lies beyond the end or writes to a read-only
 * file. Any thread. */
bool file_admit(struct file *file, struct tgt_bs_request *request);

/* Carries out any block request and sets its results; the caller completes it.  Blocks. */
void file_execute(struct file *file, struct tgt_bs_request *request);

/* BLOCK_STATUS alone, see there.  Blocks. */
void file_block_status(struct file *file, struct tgt_bs_request *request);

/* Set the request's result, and tell the operator: done bytes are through, and then there was error
 * (a positive errno).  synced: the write was to be on stable storage when it returns.  Any thread.
 */
void file_fail(struct file *file, struct tgt_bs_request *request, uint64_t done, int error);
void file_fail_write(struct file *file, struct tgt_bs_request *request, uint64_t done, int error,
		     bool synced);
void file_fail_flush(struct file *file, struct tgt_bs_request *request, int error);

/* Tells the operator that the request met error (a positive errno); not more than a line in ten
 * seconds.  Any thread. */
void file_report(struct file *file, const struct tgt_bs_request *request, int error);

#endif
