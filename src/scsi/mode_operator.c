/* SPDX-License-Identifier: MIT */
/* The operator's mode_page=page:subpage:length:byte…: other default values, or a page to show. */
#include <errno.h>
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/mode.h"
#include "scsi/tape_mode.h"
#include "scsi/thresholds.h"
#include "util/bytes.h"

/* One number of at most max at *text, up to ':' or the end; moves *text past it. */
static int parse_number(const char **text, unsigned long max, uint8_t *out)
{
	unsigned long value;
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(*text, &end, 0);
	if (errno || value > max || (*end != ':' && *end != '\0'))
		return -EINVAL;
	*out = (uint8_t)value;
	*text = *end == ':' ? end + 1 : end;
	return 0;
}

/* Reads "page:subpage:length:byte…" as a page on the wire; its length, or -EINVAL. */
static int parse_page(const char *text, uint8_t *page)
{
	uint8_t code, subpage, length;
	unsigned header;

	if (parse_number(&text, 0x3e, &code) || parse_number(&text, 0xfe, &subpage))
		return -EINVAL;
	header = subpage ? 4 : 2;
	if (parse_number(&text, MODE_PAGE_BYTES - header, &length) || !length)
		return -EINVAL;
	page[0] = code;
	page[1] = length;
	if (subpage) {
		page[0] |= 0x40;
		page[1] = subpage;
		put_be16(page + 2, length);
	}
	for (unsigned i = 0; i < length; i++)
		if (parse_number(&text, 0xff, &page[header + i]))
			return -EINVAL;
	return *text ? -EINVAL : (int)(header + length);
}

/* A page that the core has: its size is the standard's, and in the Control page and those of tapes
 * what the core can't do otherwise stays (task set type, queue algorithm, QERR …). */
static int override_page(const struct lu *lu, struct mode_page *p, uint8_t *values, int length)
{
	if (length != p->length || p->never_saved)
		return -EINVAL;
	if (lu->tape && tape_mode_check(lu, p, values, p->length) >= 0)
		return -EINVAL;
	if (p->page == MODE_PAGE_CONTROL || lu->tape) {
		const uint8_t *fixed = p->values[MODE_DEFAULT];
		const uint8_t *changeable = p->values[MODE_CHANGEABLE];

		for (unsigned i = mode_header_length(p); i < p->length; i++)
			values[i] =
			    (uint8_t)((values[i] & changeable[i]) | (fixed[i] & ~changeable[i]));
	}
	p->by_operator = true;
	mode_set_defaults(p, values);
	return 0;
}

int mode_set_page(struct lu *lu, const char *text)
{
	static const uint8_t none_changeable[MODE_PAGE_BYTES];
	uint8_t values[MODE_PAGE_BYTES] = {0};
	int length = parse_page(text, values);
	struct mode_page *p;

	if (length < 0)
		return length;
	p = mode_find(lu->mode, values[0] & 0x3f, values[0] & MODE_PAGE_SPF ? values[1] : 0);
	if (p) {
		int rc = override_page(lu, p, values, length);

		tape_mode_settle(lu->mode, lu->mode);
		mode_refresh(lu->mode);
		thresholds_restart(lu);
		return rc;
	}
	if (lu->mode->count == MODE_PAGES_MAX)
		return -EINVAL;
	mode_add_page(lu->mode, values, (size_t)length, none_changeable);
	return 0;
}
