/* SPDX-License-Identifier: MIT */
#include "tgtadm/complain.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

#define LINE_MAX_BYTES 1024
#define CUT "..."

/* The next character of a text that jansson let through, so that it is UTF-8; its bytes. */
static size_t next_character(const char *text, uint32_t *character)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t bytes = s[0] < 0xc0 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	*character = bytes == 1 ? s[0] : s[0] & (0x7fU >> bytes);
	for (size_t i = 1; i < bytes; i++)
		*character = *character << 6 | (s[i] & 0x3f);
	return bytes;
}

/* What may end a line, change how a terminal behaves, or show text in another order. */
static bool is_control(uint32_t character)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
	    {0x0, 0x1f},                        /* C0 */
	    {0x7f, 0x9f},                       /* DELETE, C1 */
	    {0x2028, 0x2029},                   /* LINE SEPARATOR, PARAGRAPH SEPARATOR */
	    {0x61c, 0x61c},   {0x200e, 0x200f}, /* Unicode's Bidi_Control: marks … */
	    {0x202a, 0x202e}, {0x2066, 0x2069}, /* … embeddings, overrides, isolates */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (character >= ranges[i].first && character <= ranges[i].last)
			return true;
	}
	return false;
}

/* Names in a text may come from an initiator or a cluster: none has a say beyond this line. */
static void print_line(const char *text)
{
	char line[LINE_MAX_BYTES + 1];
	size_t len = 0, whole = 0, bytes; /* whole: up to where there is room for CUT */
	uint32_t character;

	for (; *text; text += bytes) {
		size_t shown;

		bytes = next_character(text, &character);
		shown = is_control(character) ? 1 : bytes;
		if (shown > LINE_MAX_BYTES - len) {
			memcpy(line + whole, CUT, strlen(CUT));
			len = whole + strlen(CUT);
			break;
		}
		memcpy(line + len, is_control(character) ? "?" : text, shown);
		len += shown;
		if (len <= LINE_MAX_BYTES - strlen(CUT))
			whole = len;
	}
	fprintf(stderr, "tgtadm: %.*s\n", (int)len, line);
}

void adm_complain(const char *error, const char *reason)
{
	print_line(error);
	if (!strstr(error, reason)) /* an empty one is in every text */
		print_line(reason);
}
