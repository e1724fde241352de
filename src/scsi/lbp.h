/* SPDX-License-Identifier: MIT */
/*
 * Logical block protection of tapes (SSC-5): with each block travel some bytes of protection
 * information, which are not kept on the medium.  The method is CRC32C (02h), whose least
 * significant byte comes first.
 *
 * In a buffer blocks stand one behind the other, each with its protection information behind it
 * (protected), or without (plain).
 */
#ifndef TGT_SCSI_LBP_H
#define TGT_SCSI_LBP_H

#include <stddef.h>
#include <stdint.h>

#include "reactor/bufpool.h"

#define LBP_LENGTH 4u /* bytes of protection information */

/* How many of count protected blocks of length bytes each (without protection information) are as
 * they were sent, up to the first one that isn't. */
size_t lbp_check(const struct databuf *buf, size_t length, size_t count);
/* Makes count protected blocks plain, in place. */
void lbp_strip(const struct databuf *buf, size_t length, size_t count);
/* Makes count plain blocks protected, in place: there must be room. */
void lbp_protect(const struct databuf *buf, size_t length, size_t count);

#endif
