/* SPDX-License-Identifier: MIT */
/*
 * JSON as text that is written once, front to back: for answers as long as what is configured, of
 * which a tree would cost several times as much.  What jansson's JSON_COMPACT makes of the same
 * tree, byte for byte.  key: ASCII that needs no escape, or NULL in an array and for the outermost.
 */
#ifndef TGT_MGMT_WRITER_H
#define TGT_MGMT_WRITER_H

#include <stdbool.h>
#include <stddef.h>

struct writer {
	char *text;
	size_t len, size;
	bool failed; /* out of memory: what follows is dropped */
};

void write_object(struct writer *w, const char *key);
void write_object_end(struct writer *w);
void write_array(struct writer *w, const char *key);
void write_array_end(struct writer *w);
/* As mgmt_text(); NULL: null. */
void write_text(struct writer *w, const char *key, const char *text);
void write_number(struct writer *w, const char *key, long long number);
void write_bool(struct writer *w, const char *key, bool value);

/* Ends it: the text (the caller frees it; *len without the NUL), or NULL: out of memory. */
char *writer_take(struct writer *w, size_t *len);

#endif
