/* SPDX-License-Identifier: MIT */
/* All of it, or an error. */
#ifndef TGT_BACKING_STORE_SSC_FILE_IO_H
#define TGT_BACKING_STORE_SSC_FILE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define SLICE_PIECES_MAX 256

/* A stretch of somebody's buffers: length bytes at offset of iov. */
struct slice {
	const struct iovec *iov;
	uint32_t iovcnt;
	uint64_t offset, length;
};

/* 0; -EBADMSG when the file ends before; or another -errno. */
int read_all(int fd, void *buf, size_t len, uint64_t offset);
/* Changes iov.  0 or -errno. */
int write_all(int fd, struct iovec *iov, int count, uint64_t offset);
/* The pieces of a slice; returns how many, or -E2BIG. */
int slice_pieces(const struct slice *slice, struct iovec *pieces, int room);
/* Copies between the slice and a buffer, at most length bytes of both. */
void slice_fill(const struct slice *slice, const void *from, uint64_t length);
void slice_take(const struct slice *slice, void *to);

#endif
