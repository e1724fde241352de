/* SPDX-License-Identifier: MIT */
/* The words of targets.conf: where each may stand and what its value is. */
#ifndef TGT_CONFIG_DIRECTIVES_H
#define TGT_CONFIG_DIRECTIVES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum directive_place { IN_FILE = 1, IN_TARGET = 2, IN_LUN = 4 };

enum directive_type {
	/* values that are kept as "member" of what they stand in, or in its "params" */
	VALUE_TEXT,   /* at most max bytes */
	VALUE_ID,     /* printable ASCII without a comma; what is longer than max is cut */
	VALUE_BOOL,   /* yes no, on off, 1 0, true false */
	VALUE_NUMBER, /* min to max */
	VALUE_BLOCK_SIZE,
	VALUE_DEVICE_TYPE,
	VALUE_SIZE,  /* bytes, with an optional suffix k M G T */
	VALUE_FLAGS, /* sync, direct */
	/* what the parser does itself */
	VALUE_INCLUDE,
	VALUE_IGNORE_ERRORS,
	VALUE_CONTROL_PORT,
	VALUE_WITHOUT_EFFECT,
	VALUE_DRIVER,
	VALUE_STATE,
	VALUE_ADDRESS,
	VALUE_NAME,
	VALUE_INCOMING,
	VALUE_OUTGOING,
	VALUE_STORE,
	VALUE_MODE_PAGE,
	VALUE_PARAMS,
	VALUE_SESSION_KEY,
};

struct directive {
	const char *name;
	unsigned places; /* of enum directive_place */
	enum directive_type type;
	const char *member;
	bool param; /* of "params", where it is text, numbers and all */
	uint64_t min, max;
};

/* By name, whatever its case.  Of session keys, name is in the key's own spelling.  False: there is
 * none. */
bool directive_find(const char *name, struct directive *directive);

/*
 * The value of a directive, as it is kept: a string, an integer or true and false; a string where
 * it is a parameter's.  NULL: error (of CONFIG_ERROR_SIZE) says what it should be.
 */
json_t *directive_value(const struct directive *directive, const char *text, char *error);

/* "PAGE:SUBPAGE:LENGTH:BYTE…" in decimal, as *text; *key becomes "mode_page PAGE:SUBPAGE". */
bool directive_mode_page(const char *text, json_t **key, json_t **value);

#endif
