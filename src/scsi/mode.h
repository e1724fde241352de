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

#define MODE_PAGES_MAX 16
#define MODE_PAGE_BYTES 64 /* the longest page, with its header */

#define MODE_PAGE_RW_ERROR_RECOVERY 0x01
#define MODE_PAGE_CACHING 0x08
#define MODE_PAGE_CONTROL 0x0a
#define MODE_PAGE_INFORMATIONAL_EXCEPTIONS 0x1c
#define MODE_PAGE_ALL 0x3f
#define MODE_SUBPAGE_ALL 0xff

/* Page control, SPC-5 table 167. */
enum mode_values { MODE_CURRENT = 0, MODE_CHANGEABLE = 1, MODE_DEFAULT = 2, MODE_SAVED = 3 };

/* One page as on the wire, header and all, in its three kinds of values. */
struct mode_page {
	uint8_t page, subpage;
	uint8_t length; /* bytes, with the header */
	uint8_t values[3][MODE_PAGE_BYTES];
};

struct mode_state {
	/* what every command asks for, from the current values: see mode_refresh() */
	bool d_sense, swp, wce;
	atomic_bool tas; /* also read by task management, which no exclusive operation holds */
	unsigned count;
	struct mode_page pages[MODE_PAGES_MAX]; /* ascending by page, then subpage */
};

/* NULL: there is no such page. */
struct mode_page *mode_find(struct mode_state *state, uint8_t page, uint8_t subpage);
/* Bytes of the header of a page: 2, or 4 of one in the sub_page format. */
unsigned mode_header_length(const struct mode_page *page);

/* After every change of current values. */
void mode_refresh(struct mode_state *state);

#endif
