/* SPDX-License-Identifier: MIT */
/* The --params of a media changer, as stgt has them. */
#ifndef TGT_SCSI_CHANGER_PARAMS_H
#define TGT_SCSI_CHANGER_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct changer_number {
	bool set;
	uint32_t value;
};

struct changer_params {
	struct changer_number element_type, start_address, quantity, sides, clear_slot, dump,
	    address, tid, lun;
	char *media_home, *barcode, *volume_tag;
};

/* One of the names above begins a pair of the text. */
bool changer_params_are(const char *text);
/* False: error says what is wrong, and params holds nothing.  What can't go together is refused,
 * too. */
bool changer_params_parse(const char *text, struct changer_params *params, char *error,
			  size_t size);
void changer_params_free(struct changer_params *params);

#endif
