/* SPDX-License-Identifier: MIT */
/* The file that holds a tape: doc/tape-image.md.  One thread at a time. */
#ifndef TGT_BACKING_STORE_SSC_IMAGE_H
#define TGT_BACKING_STORE_SSC_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "partition.h"

#define TAPE_SIZE_MIN (1ull << 20) /* bytes of a partition */
#define TAPE_SIZE_MAX (1ull << 60)

/* What a tape is made with. */
struct tape_made {
	uint64_t size;    /* bytes */
	uint16_t medium;  /* enum tgt_bs_medium */
	uint16_t density; /* density code; 0: none */
	char barcode[TAPE_BARCODE_MAX];
};

struct image {
	int fd;
	bool readonly;
	uint32_t version, salt;
	uint8_t uuid[16];
	struct tape_made made;
	uint32_t count; /* partitions */
	struct partition partitions[TAPE_PARTITIONS_MAX];
	struct slot_pair header, memory;
};

/*
 * Opens the tape at path; with make an empty file becomes a new one.  0; or -errno with a line in
 * error and nothing kept open.
 */
int image_open(struct image *image, const char *path, bool readonly, bool sync,
	       const struct tape_made *make, char *error, size_t error_size);
/* Makes a new tape in a file that doesn't exist yet.  As image_open(); keeps nothing open. */
int image_make(const char *path, const struct tape_made *made, char *error, size_t error_size);
/* Gives back to the file system what has been written over. */
void image_trim(struct image *image);
/* Trims it, too. */
void image_close(struct image *image);

/* An opened tape, empty, with count partitions of these sizes (NULL: equal ones of size bytes
 * together).  0; -EINVAL: they can't be; or -errno. */
int image_format(struct image *image, uint32_t count, const uint64_t *sizes, uint64_t size);

/* ---- memory.c: the cartridge memory, one blob ---- */

/* *len is the room, then the length; *version identifies the content.  0; -ENOENT: it is empty;
 * -ENOSPC: the room doesn't do; -EBADMSG: it is damaged; or another -errno. */
int image_memory_read(struct image *image, void *buf, size_t *len, uint64_t *version);
/* Durable when it returns 0, which it does if the version still is expected (0: empty); else
 * -ESTALE; or another -errno. */
int image_memory_write(struct image *image, const void *buf, size_t len, uint64_t expected,
		       uint64_t *version);

#endif
