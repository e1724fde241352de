/* SPDX-License-Identifier: MIT */
/* Identifying information of an LU (SPC-5 SET IDENTIFYING INFORMATION). */
#ifndef TGT_SCSI_IDENTIFYING_H
#define TGT_SCSI_IDENTIFYING_H

#include <stddef.h>
#include <stdint.h>

struct lu;

#define IDENTIFYING_KINDS 2 /* peripheral device identifying information, and as text */
#define IDENTIFYING_MAX 256u

struct identifying {
	uint16_t len[IDENTIFYING_KINDS];
	uint8_t data[IDENTIFYING_KINDS][IDENTIFYING_MAX];
};

#define IDENTIFYING_BLOB_MAX (16u + 4096u + IDENTIFYING_KINDS * IDENTIFYING_MAX)

/* Writes it as it is kept, with the LU's medium, into IDENTIFYING_BLOB_MAX bytes; the length. */
size_t identifying_encode(uint8_t *blob, const struct lu *lu, const struct identifying *info);
/* The name under which an LU's is kept. */
void identifying_key(const struct lu *lu, char *out, size_t size);
/* Sets lu->identifying to what was kept for it, if anything.  It blocks; lu_create() calls it. */
void identifying_load(struct lu *lu);

#endif
