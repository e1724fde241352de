/* SPDX-License-Identifier: MIT */
/*
 * The daemon's answer as it is printed: values one after the other, as they stand in the text.  It
 * may have as many as there are units times twenty; with a tree of jansson's, that alone takes
 * longer than all the rest.
 */
#ifndef TGT_TGTADM_VALUE_H
#define TGT_TGTADM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_OTHER, /* null, false, a number that is no int64_t */
	VALUE_TRUE,
	VALUE_NUMBER,
	VALUE_TEXT,
	VALUE_ARRAY,
	VALUE_OBJECT,
};

struct value {
	enum value_type type;
	uint32_t span;   /* to the next one that isn't within this */
	const char *key; /* of a member of an object */
	union {
		long long number;
		const char *text;
	};
};

/*
 * Reads an object of JSON.  The text is changed, and the values point into it; the caller frees
 * what is returned.  NULL: out of memory, it isn't JSON, or it is nested deeper than 64 levels.
 */
struct value *value_read(char *text, size_t len);

/* Of any value, or none: what is absent is NULL, "", 0 and false.  Of two members with the same
 * name it is the first. */
const struct value *value_member(const struct value *object, const char *name);
const char *value_as_text(const struct value *value);
const char *value_text(const struct value *object, const char *member);
long long value_number(const struct value *object, const char *member);
bool value_true(const struct value *object, const char *member);

/* The values directly in an array or object. */
#define value_each(list, row)                                                                      \
	for (const struct value *row = value_begin(list), *row##_end = value_end(list);            \
	     row < row##_end; row += row->span)
const struct value *value_begin(const struct value *list);
const struct value *value_end(const struct value *list);
size_t value_count(const struct value *list);

#endif
