/* SPDX-License-Identifier: MIT */
/* The mode pages that only tape drives have (SSC-5), for mode*.c. */
#ifndef TGT_SCSI_TAPE_MODE_H
#define TGT_SCSI_TAPE_MODE_H

#include "scsi/mode.h"

/* Adds them to the pages of a drive, with default values by its identity and store. */
void tape_mode_add_pages(struct mode_state *state, const struct lu *lu);
/* Puts what isn't set but simply so (partitions, WORM …) into a page on the wire. */
void tape_mode_present(const struct lu *lu, const struct mode_page *page, enum mode_values kind,
		       uint8_t *at);
/* A page may be sent without the end that it hasn't (Medium Partition: a size for each partition
 * that is to be). */
bool tape_mode_length_fits(const struct mode_page *page, size_t length);
/* A page that was sent, of length bytes, all of its bits changeable: -1: it can be; else the first
 * byte that can't. */
int tape_mode_check(const struct lu *lu, const struct mode_page *page, const uint8_t *given,
		    size_t length);
/* After MODE SELECT: where two pages say the same, what changed holds. */
void tape_mode_settle(struct mode_state *next, const struct mode_state *before);

/* Block descriptor: the density code can be chosen (SSC-5 MODE SELECT); 00h: by default, 7Fh: as it
 * is. */
bool tape_mode_density_fits(const struct lu *lu, uint8_t code);

#endif
