/* SPDX-License-Identifier: MIT */
/* The --params of "update logicalunit": parsed and checked before anything changes. */
#ifndef TGT_MGMT_LU_PARAMS_H
#define TGT_MGMT_LU_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lu_number {
	bool set;
	uint64_t value;
};

/* What is to change; texts are NULL and numbers not set when they stay.  Freed as a whole. */
struct lu_params {
	char *scsi_id, *scsi_sn, *vendor_id, *product_id, *product_rev; /* cut to their fields */
	char *path, *bsopts, *bsoflags;
	struct lu_number sense_format, lbppbe, la_lba, optimal_xfer_gran, optimal_xfer_len;
	struct lu_number removable, readonly, online, thin_provisioning, rotation_rate, size,
	    write_cache;
	char *drive;     /* a tape drive's: what it passes for */
	char *mode_page; /* one a request: it is checked when it is set */
	unsigned count;  /* of the pairs that were given */
};

enum lu_params_result {
	LU_PARAMS_OK,
	LU_PARAMS_UNKNOWN, /* a name that no LU has */
	LU_PARAMS_BAD      /* a value that can't be */
};

/* "name=value,name=value", a comma at the end allowed.  text NULL: nothing changes.  On failure
 * error (of size bytes) says which and why, and params holds nothing. */
enum lu_params_result lu_params_parse(const char *text, struct lu_params *params, char *error,
				      size_t size);
void lu_params_free(struct lu_params *params);

/* "NONE" or "NONE:something", which stand for a drive without a medium. */
bool lu_path_is_none(const char *path);

/* "sync", "direct", "sync:direct" (or with a comma) as TGT_BS_OPEN_*; false: something else. */
bool bsoflags_parse(const char *text, uint32_t *flags);

#endif
