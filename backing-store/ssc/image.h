/* SPDX-License-Identifier: MIT */
/* The file that holds a tape: see FORMAT.md.  One thread at a time. */
#ifndef TGT_BACKING_STORE_SSC_IMAGE_H
#define TGT_BACKING_STORE_SSC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "index.h"

#define IMAGE_RECORD_MAX (1u << 30)

struct image {
	int fd;
	bool readonly;
	bool rest; /* bytes that are no object follow the last one; cut off before the next */
	uint64_t capacity;
	struct index index;
};

/*
 * Opens the tape at path; an empty file becomes a new one of that capacity.  0; or -errno with a
 * line in error and nothing kept open.  Reads all object headers.
 */
int image_open(struct image *image, const char *path, bool readonly, bool sync, uint64_t capacity,
	       char *error, size_t error_size);
void image_close(struct image *image);

/* A stretch of somebody's buffers: length bytes at offset of iov. */
struct slice {
	const struct iovec *iov;
	uint32_t iovcnt;
	uint64_t offset, length;
};

/* What the object number is.  0; -EBADMSG when its header isn't valid, or another -errno. */
int image_stat(const struct image *image, uint64_t number, bool *is_mark, uint32_t *length);
/* Reads record number, as much of it as there is room.  0; -EBADMSG when its data are not what was
 * written, or another -errno. */
int image_read(const struct image *image, uint64_t number, const struct slice *into);

/* True when another object with that much data still fits. */
bool image_has_room(const struct image *image, uint64_t length);
/* Append an object.  0, or -errno and the tape is as before. */
int image_append_record(struct image *image, const struct slice *data);
int image_append_mark(struct image *image);
/* Objects from number on are gone.  0 or -errno. */
int image_cut(struct image *image, uint64_t number);
/* What was written is on stable storage.  0 or -errno. */
int image_flush(const struct image *image);

#endif
