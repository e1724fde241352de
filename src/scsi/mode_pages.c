/* SPDX-License-Identifier: MIT */
/* The values of the mode pages: defaults, what may change, what others ask for. */
#include "scsi/mode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/smc.h"
#include "scsi/tape_mode.h"
#include "scsi/thresholds.h"

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
/* SBC-4 6.5.9: nor is anything verified otherwise than it is read */
static const uint8_t verify_error_recovery[12] = {0x07, 0x0a};
/* SBC-4 6.5.6; WCE by the store: only one that has a volatile cache can do without */
static const uint8_t caching[20] = {0x08, 0x12};
/* SPC-5 7.5.11: TST 001b (a task set for each I_T nexus), GLTSD; queue algorithm modifier 1
 * (unrestricted reordering); busy timeout period without limit */
static const uint8_t control[12] = {0x0a, 0x0a, 0x22, 0x10, 0, 0, 0, 0, 0xff, 0xff};
static const uint8_t control_changeable[12] = {0x0a, 0x0a,        CONTROL_D_SENSE,
					       0,    CONTROL_SWP, CONTROL_TAS};
static const uint8_t control_changeable_no_medium[12] = {0x0a, 0x0a, CONTROL_D_SENSE,
							 0,    0,    CONTROL_TAS};
/* SPC-5 7.5.12: IALUAE; maximum sense data length */
static const uint8_t control_extension[32] = {0x4a, 0x01, 0x00, 0x1c, 0x01, 0x00, SENSE_MAX};
/* SPC-5 7.5.16: there are no power condition timers */
static const uint8_t power_condition[40] = {0x1a, 0x26};
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

/* Of thin units only; which are thin can change. */
bool mode_is_visible(const struct lu *lu, const struct mode_page *page)
{
	return !lu->thresholds || page->page != MODE_PAGE_INFORMATIONAL_EXCEPTIONS ||
	       page->subpage != MODE_SUBPAGE_PROVISIONING || thresholds_reported(lu);
}

struct mode_page *mode_find_visible(const struct lu *lu, uint8_t page, uint8_t subpage)
{
	struct mode_page *p = mode_find(lu->mode, page, subpage);

	return p && mode_is_visible(lu, p) ? p : NULL;
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

void mode_add_page(struct mode_state *state, const uint8_t *values, size_t length,
		   const uint8_t *changeable)
{
	bool has_subpage = values[0] & MODE_PAGE_SPF;
	struct mode_page *p = insert_page(state, values[0] & 0x3f, has_subpage ? values[1] : 0);

	p->length = (uint8_t)length;
	memcpy(p->values[MODE_CURRENT], values, length);
	memcpy(p->values[MODE_DEFAULT], values, length);
	memcpy(p->values[MODE_SAVED], values, length);
	memcpy(p->values[MODE_CHANGEABLE], changeable, length);
	memcpy(p->values[MODE_CHANGEABLE], values, mode_header_length(p));
}

bool mode_has_changeable(const struct mode_page *page)
{
	for (unsigned i = mode_header_length(page); i < page->length; i++)
		if (page->values[MODE_CHANGEABLE][i])
			return true;
	return false;
}

/* In to the bits of from that may not be changed. */
static void copy_unchangeable(struct mode_page *p, enum mode_values to, const uint8_t *from)
{
	for (unsigned i = mode_header_length(p); i < p->length; i++) {
		uint8_t changeable = p->values[MODE_CHANGEABLE][i];

		p->values[to][i] =
		    (uint8_t)((p->values[to][i] & changeable) | (from[i] & ~changeable));
	}
}

void mode_set_defaults(struct mode_page *page, const uint8_t *values)
{
	memmove(page->values[MODE_DEFAULT], values, page->length);
	if (page->kept) {
		copy_unchangeable(page, MODE_CURRENT, page->values[MODE_DEFAULT]);
		copy_unchangeable(page, MODE_SAVED, page->values[MODE_DEFAULT]);
		return;
	}
	memcpy(page->values[MODE_CURRENT], page->values[MODE_DEFAULT], page->length);
	memcpy(page->values[MODE_SAVED], page->values[MODE_DEFAULT], page->length);
}

void mode_revert_to_defaults(struct mode_state *state, bool saved)
{
	for (unsigned i = 0; i < state->count; i++) {
		struct mode_page *p = &state->pages[i];

		memcpy(p->values[MODE_CURRENT], p->values[MODE_DEFAULT], p->length);
		if (!saved)
			continue;
		memcpy(p->values[MODE_SAVED], p->values[MODE_DEFAULT], p->length);
		p->kept = false;
	}
}

void mode_reset(struct lu *lu)
{
	if (!lu->mode)
		return;
	for (unsigned i = 0; i < lu->mode->count; i++) {
		struct mode_page *p = &lu->mode->pages[i];

		memcpy(p->values[MODE_CURRENT], p->values[MODE_SAVED], p->length);
	}
	lu->tape_unbuffered = false;
	mode_refresh(lu->mode);
	thresholds_restart(lu);
}

static void set_bit(uint8_t *byte, uint8_t mask, bool on)
{
	*byte = (uint8_t)(on ? *byte | mask : *byte & ~mask);
}

bool mode_refresh_cache(struct lu *lu)
{
	struct mode_page *p = mode_find(lu->mode, MODE_PAGE_CACHING, 0);
	uint8_t values[MODE_PAGE_BYTES];
	bool was = mode_wce(lu);

	if (!p)
		return false;
	set_bit(&p->values[MODE_CHANGEABLE][CACHING_WCE_BYTE], CACHING_WCE, lu->volatile_cache);
	memcpy(values, p->values[MODE_DEFAULT], sizeof(values));
	if (!lu->volatile_cache || !p->by_operator)
		set_bit(&values[CACHING_WCE_BYTE], CACHING_WCE, lu->volatile_cache);
	mode_set_defaults(p, values);
	mode_refresh(lu->mode);
	return mode_wce(lu) != was;
}

static void add_disk_pages(struct mode_state *state, const struct lu *lu)
{
	uint8_t values[sizeof(caching)], changeable[sizeof(caching)] = {0};

	memcpy(values, caching, sizeof(values));
	if (lu->volatile_cache)
		values[CACHING_WCE_BYTE] = changeable[CACHING_WCE_BYTE] = CACHING_WCE;
	mode_add_page(state, rw_error_recovery, sizeof(rw_error_recovery), none_changeable);
	mode_add_page(state, verify_error_recovery, sizeof(verify_error_recovery), none_changeable);
	mode_add_page(state, values, sizeof(values), changeable);
	mode_add_page(state, power_condition, sizeof(power_condition), none_changeable);
	mode_add_page(state, informational_exceptions, sizeof(informational_exceptions),
		      none_changeable);
	if (lu->thresholds)
		mode_add_page(state, thresholds_page, THRESHOLDS_PAGE_BYTES, thresholds_changeable);
}

/* The pages with their defaults. */
static int make_pages(struct lu *lu)
{
	struct mode_state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	mode_add_page(state, control, sizeof(control),
		      lu->store ? control_changeable : control_changeable_no_medium);
	mode_add_page(state, control_extension, sizeof(control_extension), none_changeable);
	if (lu->commands->device_type == 0x00)
		add_disk_pages(state, lu);
	if (lu->commands->device_type == 0x01 && lu->store)
		tape_mode_add_pages(state, lu);
	if (lu->changer)
		smc_add_mode_pages(state, lu->changer);
	lu->mode = state;
	mode_set_d_sense(lu, lu->sense_descriptor);
	return 0;
}

int mode_state_create(struct lu *lu)
{
	int rc = make_pages(lu);

	if (!rc)
		mode_load(lu);
	return rc;
}

struct mode_state *mode_state_default(const struct lu *lu)
{
	struct lu like = {.store = lu->store,
			  .commands = lu->commands,
			  .tape = lu->tape,
			  .changer = lu->changer,
			  .volatile_cache = lu->volatile_cache,
			  .thresholds = lu->thresholds,
			  .sense_descriptor = lu->sense_descriptor};

	return lu->mode && !make_pages(&like) ? like.mode : NULL;
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
	tape_mode_refresh(state);
	state->swp =
	    state->tape.swp || current_bit(state, MODE_PAGE_CONTROL, CONTROL_SWP_BYTE, CONTROL_SWP);
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

bool mode_set_d_sense(struct lu *lu, bool descriptor)
{
	struct mode_page *p = mode_find(lu->mode, MODE_PAGE_CONTROL, 0);
	bool was = mode_d_sense(lu);
	uint8_t values[MODE_PAGE_BYTES];

	memcpy(values, p->values[MODE_DEFAULT], sizeof(values));
	set_bit(&values[CONTROL_D_SENSE_BYTE], CONTROL_D_SENSE, descriptor);
	/* an initiator may have changed this bit without saving it: it follows, the others stay */
	if (!p->kept)
		set_bit(&p->values[MODE_CURRENT][CONTROL_D_SENSE_BYTE], CONTROL_D_SENSE,
			descriptor);
	memcpy(p->values[MODE_DEFAULT], values, p->length);
	if (!p->kept)
		memcpy(p->values[MODE_SAVED], values, p->length);
	mode_refresh(lu->mode);
	return mode_d_sense(lu) != was;
}

bool mode_has_cache(const struct lu *lu)
{
	return lu->mode && mode_find(lu->mode, MODE_PAGE_CACHING, 0);
}

bool mode_set_wce(struct lu *lu, bool on)
{
	struct mode_page *p = mode_find(lu->mode, MODE_PAGE_CACHING, 0);
	bool was = mode_wce(lu);
	uint8_t values[MODE_PAGE_BYTES];

	memcpy(values, p->values[MODE_DEFAULT], sizeof(values));
	set_bit(&values[CACHING_WCE_BYTE], CACHING_WCE, on && lu->volatile_cache);
	p->by_operator = true;
	mode_set_defaults(p, values);
	mode_refresh(lu->mode);
	return mode_wce(lu) != was;
}
