/* SPDX-License-Identifier: MIT */
/*
 * Mode pages of a logical unit (SPC-5 7.5): their values, apart from the commands that show and
 * change them.  All of them are shared by all I_T nexuses; they change inside exclusive operations
 * only.
 */
#ifndef TGT_SCSI_MODE_H
#define TGT_SCSI_MODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/lu.h"
#include "scsi/tape.h"

#define MODE_PAGES_MAX 16
#define MODE_PAGE_BYTES 64 /* the longest page, with its header */

#define MODE_PAGE_RW_ERROR_RECOVERY 0x01
#define MODE_PAGE_VERIFY_ERROR_RECOVERY 0x07
#define MODE_PAGE_CACHING 0x08
#define MODE_PAGE_CONTROL 0x0a
#define MODE_SUBPAGE_DATA_PROTECTION 0xf0 /* of Control */
#define MODE_PAGE_DATA_COMPRESSION 0x0f
#define MODE_PAGE_DEVICE_CONFIGURATION 0x10
#define MODE_SUBPAGE_EXTENSION 0x01 /* of Control, and of Device Configuration */
#define MODE_PAGE_MEDIUM_PARTITION 0x11
#define MODE_PAGE_POWER_CONDITION 0x1a
#define MODE_PAGE_INFORMATIONAL_EXCEPTIONS 0x1c
#define MODE_PAGE_MEDIUM_CONFIGURATION 0x1d
#define MODE_SUBPAGE_PROVISIONING 0x02 /* of Informational Exceptions */
#define MODE_PAGE_ALL 0x3f
#define MODE_SUBPAGE_ALL 0xff

#define MODE_PAGE_PS 0x80  /* byte 0 of a page: parameters saveable */
#define MODE_PAGE_SPF 0x40 /* and: it has a subpage code */

/* Page control, SPC-5 table 167. */
enum mode_values { MODE_CURRENT, MODE_CHANGEABLE, MODE_DEFAULT, MODE_SAVED, MODE_KINDS };

/* One page as on the wire, header and all (but PS), in its four kinds of values. */
struct mode_page {
	uint8_t page, subpage;
	uint8_t length;   /* bytes, with the header */
	bool kept;        /* there are saved values; else those are the default ones */
	bool never_saved; /* it can be changed, but is about the medium that is there now */
	bool by_operator; /* its default values are the operator's */
	uint8_t values[MODE_KINDS][MODE_PAGE_BYTES];
};

struct mode_state {
	/* what every command asks for, from the current values: see mode_refresh() */
	bool d_sense, swp, wce;
	struct tape_modes tape;
	atomic_bool tas; /* also read by task management, which no exclusive operation holds */
	unsigned count;
	struct mode_page pages[MODE_PAGES_MAX]; /* ascending by page, then subpage */
};

/* ---- mode_pages.c ---- */

/* NULL: there is no such page. */
struct mode_page *mode_find(struct mode_state *state, uint8_t page, uint8_t subpage);
/* The same of an LU, but for pages that it doesn't have at present. */
struct mode_page *mode_find_visible(const struct lu *lu, uint8_t page, uint8_t subpage);
bool mode_is_visible(const struct lu *lu, const struct mode_page *page);
/* Bytes of the header of a page: 2, or 4 of one in the sub_page format. */
unsigned mode_header_length(const struct mode_page *page);
/* Has bits that MODE SELECT may change: those are what can be saved. */
bool mode_has_changeable(const struct mode_page *page);
/* Adds a page that is on the wire at values, with nothing saved; the caller has seen that there is
 * room. */
void mode_add_page(struct mode_state *state, const uint8_t *values, size_t length,
		   const uint8_t *changeable);

/* The pages as a new LU of this kind has them; the caller frees it.  NULL: it has none, or there is
 * no memory. */
struct mode_state *mode_state_default(const struct lu *lu);

/* After every change of current values. */
void mode_refresh(struct mode_state *state);
/* Other default values of a page.  What initiators have saved stays, in the bits that they may
 * change; so do then the current values of those. */
void mode_set_defaults(struct mode_page *page, const uint8_t *values);
/* Forgets what was saved (saved too), and makes the current values the default ones (RTD). */
void mode_revert_to_defaults(struct mode_state *state, bool saved);

/* ---- mode_state.c: saved values as a blob under the state directory ---- */

#define MODE_BLOB_MAX (32u + 4096u + MODE_PAGES_MAX * (8u + 2 * MODE_PAGE_BYTES))

/* The pages of this LU can be saved: there is a state directory. */
bool mode_savable(void);
/* Writes what is saved into MODE_BLOB_MAX bytes; returns the length, 0: nothing. */
size_t mode_encode(uint8_t *blob, const struct mode_state *state, const char *medium);
/* Takes the saved values that fit over, as current values too.  False: it is damaged or another
 * medium's (nothing is changed), or a page of it doesn't fit. */
bool mode_decode(const uint8_t *blob, size_t len, struct mode_state *state, const char *medium);
/* The name under which an LU's values are kept. */
void mode_state_key(const struct lu *lu, char *out, size_t size);
/* Keeps the blob durably, or forgets what was kept when there is none (len 0).  Worker; blocks.  0
 * or -errno. */
int mode_save(const char *key, const uint8_t *blob, size_t len);
/* What was kept becomes saved and current.  When an LU is made; blocks. */
void mode_load(struct lu *lu);

/* ---- mode_select.c ---- */

bool mode_prepare_select_6(struct scsi_task *t);
bool mode_prepare_select_10(struct scsi_task *t);
void mode_run_select(struct scsi_task *t);

/* ---- mode.c, for mode_select.c ---- */

/* The block descriptor as MODE SENSE shows it, of 16 bytes (LONGLBA) or 8; returns its length, 0:
 * there is none. */
size_t mode_put_block_descriptor(uint8_t *at, const struct lu *lu, bool long_lba);
bool mode_is_tape(const struct lu *lu);

#endif
