/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

uint16_t fuzz_be16(struct fuzz_input *in)
{
	uint16_t high = fuzz_byte(in);

	return (uint16_t)(high << 8 | fuzz_byte(in));
}

uint32_t fuzz_be32(struct fuzz_input *in)
{
	uint32_t high = fuzz_be16(in);

	return high << 16 | fuzz_be16(in);
}

const uint8_t *fuzz_bytes(struct fuzz_input *in, size_t want, size_t *len)
{
	const uint8_t *at = in->at;

	*len = want < in->left ? want : in->left;
	if (*len)
		in->at += *len; /* it may be NULL when nothing is left */
	in->left -= *len;
	return at;
}

uint8_t *fuzz_copy(struct fuzz_input *in, size_t want, size_t *len)
{
	const uint8_t *from = fuzz_bytes(in, want, len);
	uint8_t *copy = malloc(*len ? *len : 1);

	must(copy);
	if (*len)
		memcpy(copy, from, *len);
	return copy;
}

char *fuzz_text(struct fuzz_input *in, size_t want)
{
	size_t len;
	const uint8_t *from = fuzz_bytes(in, want, &len);
	char *text = len ? strndup((const char *)from, len) : strdup("");

	must(text);
	return text;
}
