/* SPDX-License-Identifier: MIT */
/* Text keys (RFC 7143 6): key=value pairs, each ended by a NUL, in and out. */
#ifndef TGT_ISCSI_TEXT_H
#define TGT_ISCSI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_KEY_MAX 63     /* 6.1: key names */
#define TEXT_VALUE_MAX 8192 /* ours; 6.1 asks for 255, binary values may be longer */

/* Text that is being read; the caller's buffer is changed in place. */
struct text_in {
	char *at, *end;
};

enum text_result { TEXT_PAIR, TEXT_END, TEXT_BAD };

static inline struct text_in text_in(char *data, size_t len)
{
	return (struct text_in){data, data + len};
}
/* The next pair.  TEXT_BAD: no '=', an illegal or too long name, or no NUL at the end. */
enum text_result text_next(struct text_in *in, char **key, char **value);

/* Text that is being written. */
struct text_out {
	char *data;
	size_t len, size;
	bool overflow; /* something did not fit, and was left out */
};

void text_add(struct text_out *out, const char *key, const char *value);
void text_add_number(struct text_out *out, const char *key, uint32_t value);

/* A number (6.1): decimal or 0x…, nothing after it.  False: not one, or above max. */
bool text_number(const char *value, uint64_t max, uint64_t *number);
/* Well-formed UTF-8 without blanks and control characters, so that it can stand in a log line, in
 * tgtadm's output and in JSON. */
bool text_is_printable(const char *text);
/* Copies what fits; blanks stay, every byte that isn't printable becomes '?'. */
void text_copy_printable(char *out, size_t size, const char *text);
/* The next item of a comma separated list: copied to item (size bytes); false at the end, or when
 * one is empty or too long. */
bool text_list_next(const char **list, char *item, size_t size);

/* A binary value (6.1): 0x hexadecimal or 0b base64.  The number of bytes, or -1: malformed, or
 * more than size. */
int text_binary(const char *value, uint8_t *out, size_t size);
/* As 0x…; out has room for 2 * len + 3 bytes. */
void text_hex(char *out, const uint8_t *data, size_t len);

#endif
