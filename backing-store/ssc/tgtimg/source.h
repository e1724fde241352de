/* SPDX-License-Identifier: MIT */
/*
 * Tapes in files of other formats, read from their beginning to the end of their data.  What is in
 * such a file is not trusted: every length is checked against the file before it is used.
 */
#ifndef TGT_TGTIMG_SOURCE_H
#define TGT_TGTIMG_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SOURCE_RECORD_MAX 0xffffffu /* bytes: what a drive can write (READ(6) has 24 bits) */
#define SOURCE_TEXT_MAX 33          /* with its NUL */

enum source_kind { SOURCE_RECORD, SOURCE_FILEMARK, SOURCE_END };

struct source {
	int fd;
	uint64_t size;   /* bytes of the file */
	uint64_t at;     /* offset of the next object */
	uint64_t number; /* of the next object, from 0 */
	uint64_t previous;
	/* the object that source_next() has read */
	uint64_t offset; /* where it is in the file */
	uint32_t length; /* bytes of a record */
	uint8_t *data;   /* SOURCE_RECORD_MAX bytes, the source's own */
	/* what the file says of the tape */
	char barcode[SOURCE_TEXT_MAX];
	uint64_t capacity; /* bytes; 0: it doesn't say */
	int medium;        /* enum tgt_bs_medium */
	const struct source_format *format;
	bool wanted;     /* this format was asked for, not found out */
	char error[256]; /* why the last call failed, with the place */
};

struct source_format {
	const char *name;
	/* Looks at the beginning of the file.  1: it is of this format, and at is its first object;
	 * 0: it isn't; -1: it is, but can't be read (error). */
	int (*begin)(struct source *source);
	/* enum source_kind, or -1 (error). */
	int (*next)(struct source *source);
};

extern const struct source_format source_stgt; /* images of stgt's tapes */
extern const struct source_format source_tap;  /* SIMH magnetic tape images, .tap */

/* Opens path, of this format or (NULL) of whichever it is.  0; or -1 with error set and nothing
 * kept open. */
int source_open(struct source *source, const char *path, const struct source_format *format);
/* The next object: enum source_kind, or -1 (error).  Not again behind SOURCE_END or an error. */
int source_next(struct source *source);
void source_close(struct source *source);

/* For the formats.  Reads all of it; -1: error is set. */
int source_read(struct source *source, void *buf, size_t length, uint64_t offset);
__attribute__((format(printf, 2, 3))) int source_fail(struct source *source, const char *format,
						      ...);

#endif
