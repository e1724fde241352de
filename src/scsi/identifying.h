/* SPDX-License-Identifier: MIT */
/* Identifying information of an LU (SPC-5 SET IDENTIFYING INFORMATION). */
#ifndef TGT_SCSI_IDENTIFYING_H
#define TGT_SCSI_IDENTIFYING_H

#include <stdint.h>

struct lu;

#define IDENTIFYING_KINDS 2 /* peripheral device identifying information, and as text */
#define IDENTIFYING_MAX 256u

struct identifying {
	uint16_t len[IDENTIFYING_KINDS];
	uint8_t data[IDENTIFYING_KINDS][IDENTIFYING_MAX];
};

/* Sets lu->identifying to what was kept for it, if anything.  It blocks; lu_create() calls it. */
void identifying_load(struct lu *lu);

#endif
