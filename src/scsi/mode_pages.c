/* SPDX-License-Identifier: MIT */
/* The values of the mode pages: defaults, what may change, what the operator overrides. */
#include "scsi/mode.h"

#include <errno.h>
#include <stdlib.h>

#include "scsi/commands.h"
#include "util/bytes.h"

/* Where the bits are that others ask for: byte and mask in the page. */
#define CACHING_WCE_BYTE 2
#define CACHING_WCE 0x04
#define CONTROL_D_SENSE_BYTE 2
#define CONTROL_D_SENSE 0x04
#define CONTROL_SWP_BYTE 4
#define CONTROL_SWP 0x08
#define CONTROL_TAS_BYTE 5
#define CONTROL_TAS 0x40

/* SBC-4 6.5.10: nothing is retried or reallocated here, the store does that */
static const uint8_t rw_error_recovery[12] = {0x01, 0x0a};
/* SBC-4 6.5.6; WCE by the store */
static const uint8_t caching[20] = {0x08, 0x12};
static const uint8_t caching_changeable[20] = {0x08, 0x12, CACHING_WCE};
/* SPC-5 7.5.11: TST 001b (a task set for each I_T nexus), GLTSD; queue algorithm modifier 1
 * (unrestricted reordering); busy timeout period without limit */
static const uint8_t control[12] = {0x0a, 0x0a, 0x22, 0x10, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t control_changeable[12] = {0x0a, 0x0a,        CONTROL_D_SENSE,
					       0,    CONTROL_SWP, CONTROL_TAS};
static const uint8_t control_changeable_no_medium[12] = {0x0a, 0x0a, CONTROL_D_SENSE,
							 0,    0,    CONTROL_TAS};
/* SPC-5 7.5.12: IALUAE; maximum sense data length */
static const uint8_t control_extension[32] = {0x4a, 0x01, 0x00, 0x1c, 0x01, 0x00, SENSE_MAX};
/* SPC-5 7.5.20: DEXCPT, as there are none */
static const uint8_t informational_exceptions[12] = {0x1c, 0x0a, 0x08};

static const uint8_t none_changeable[MODE_PAGE_BYTES];

struct mode_page *mode_find(struct mode_state *state, uint8_t page, uint8_t subpage)
{
	for (unsigned i = 0; i < state->count; i++)
		if (state->pages[i].page == page && state->pages[i].subpage == subpage)
			return &state->pages[i];
	return NULL;
}

unsigned mode_header_length(const struct mode_page *page)
{
	return page->values[MODE_DEFAULT][0] & 0x40 ? 4 : 2;
}

/* Makes room for a page where it belongs; NULL: too many. */
static struct mode_page *insert_page(struct mode_state *state, uint8_t page, uint8_t subpage)
{
	unsigned at = 0;

	if (state->count == MODE_PAGES_MAX)
		return NULL;
	while (at < state->count &&
	       (state->pages[at].page < page ||
		(state->pages[at].page == page && state->pages[at].subpage < subpage)))
		at++;
	memmove(&state->pages[at + 1], &state->pages[at],
		(state->count - at) * sizeof(state->pages[0]));
	state->count++;
	memset(&state->pages[at], 0, sizeof(state->pages[at]));
	state->pages[at].page = page;
	state->pages[at].subpage = subpage;
	return &state->pages[at];
}

static void add_page(struct mode_state *state, const uint8_t *values, size_t length,
		     const uint8_t *changeable)
{
	bool has_subpage = values[0] & 0x40;
	struct mode_page *p = insert_page(state, values[0] & 0x3f, has_subpage ? values[1] : 0);

	p->length = (uint8_t)length;
	memcpy(p->values[MODE_CURRENT], values, length);
	memcpy(p->values[MODE_DEFAULT], values, length);
	memcpy(p->values[MODE_CHANGEABLE], changeable, length);
	memcpy(p->values[MODE_CHANGEABLE], values, mode_header_length(p));
}

static void set_bit_both(struct mode_state *state, uint8_t page, unsigned byte, uint8_t mask,
			 bool on)
{
	struct mode_page *p = mode_find(state, page, 0);

	if (!p)
		return;
	for (int kind = MODE_CURRENT; kind <= MODE_DEFAULT; kind += MODE_DEFAULT) {
		p->values[kind][byte] &= (uint8_t)~mask;
		if (on)
			p->values[kind][byte] |= mask;
	}
}

static void add_disk_pages(struct mode_state *state, const struct lu *lu)
{
	add_page(state, rw_error_recovery, sizeof(rw_error_recovery), none_changeable);
	add_page(state, caching, sizeof(caching), caching_changeable);
	add_page(state, informational_exceptions, sizeof(informational_exceptions),
		 none_changeable);
	set_bit_both(state, MODE_PAGE_CACHING, CACHING_WCE_BYTE, CACHING_WCE, lu->volatile_cache);
}

int mode_state_create(struct lu *lu)
{
	struct mode_state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	add_page(state, control, sizeof(control),
		 lu->store ? control_changeable : control_changeable_no_medium);
	add_page(state, control_extension, sizeof(control_extension), none_changeable);
	if (lu->commands->device_type == 0x00)
		add_disk_pages(state, lu);
	lu->mode = state;
	mode_set_d_sense(lu, lu->sense_descriptor);
	return 0;
}

void mode_state_free(struct lu *lu)
{
	free(lu->mode);
	lu->mode = NULL;
}

static bool current_bit(struct mode_state *state, uint8_t page, unsigned byte, uint8_t mask)
{
	const struct mode_page *p = mode_find(state, page, 0);

	return p && (p->values[MODE_CURRENT][byte] & mask);
}

void mode_refresh(struct mode_state *state)
{
	state->d_sense =
	    current_bit(state, MODE_PAGE_CONTROL, CONTROL_D_SENSE_BYTE, CONTROL_D_SENSE);
	state->swp = current_bit(state, MODE_PAGE_CONTROL, CONTROL_SWP_BYTE, CONTROL_SWP);
	state->tas = current_bit(state, MODE_PAGE_CONTROL, CONTROL_TAS_BYTE, CONTROL_TAS);
	state->wce = current_bit(state, MODE_PAGE_CACHING, CACHING_WCE_BYTE, CACHING_WCE);
}

bool mode_d_sense(const struct lu *lu)
{
	return lu->mode && lu->mode->d_sense;
}

bool mode_swp(const struct lu *lu)
{
	return lu->mode && lu->mode->swp;
}

bool mode_wce(const struct lu *lu)
{
	return lu->mode && lu->mode->wce;
}

bool mode_tas(const struct lu *lu)
{
	return lu->mode && atomic_load_explicit(&lu->mode->tas, memory_order_relaxed);
}

void mode_set_d_sense(struct lu *lu, bool descriptor)
{
	set_bit_both(lu->mode, MODE_PAGE_CONTROL, CONTROL_D_SENSE_BYTE, CONTROL_D_SENSE,
		     descriptor);
	mode_refresh(lu->mode);
}

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

/* A page that the core has: its size is the standard's, and in the Control page what the core can't
 * do otherwise stays (task set type, queue algorithm, QERR). */
static int override_page(struct mode_page *p, uint8_t *values, int length)
{
	if (length != p->length)
		return -EINVAL;
	if (p->page == MODE_PAGE_CONTROL) {
		const uint8_t *fixed = p->values[MODE_DEFAULT];
		const uint8_t *changeable = p->values[MODE_CHANGEABLE];

		for (unsigned i = mode_header_length(p); i < p->length; i++)
			values[i] =
			    (uint8_t)((values[i] & changeable[i]) | (fixed[i] & ~changeable[i]));
	}
	memcpy(p->values[MODE_CURRENT], values, p->length);
	memcpy(p->values[MODE_DEFAULT], values, p->length);
	return 0;
}

int mode_set_page(struct lu *lu, const char *text)
{
	uint8_t values[MODE_PAGE_BYTES] = {0};
	int length = parse_page(text, values);
	struct mode_page *p;

	if (length < 0)
		return length;
	p = mode_find(lu->mode, values[0] & 0x3f, values[0] & 0x40 ? values[1] : 0);
	if (p) {
		int rc = override_page(p, values, length);

		mode_refresh(lu->mode);
		return rc;
	}
	if (lu->mode->count == MODE_PAGES_MAX)
		return -EINVAL;
	add_page(lu->mode, values, (size_t)length, none_changeable);
	return 0;
}
