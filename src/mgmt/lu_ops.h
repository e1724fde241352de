/* SPDX-License-Identifier: MIT */
/* What the files of mode logicalunit share. */
#ifndef TGT_MGMT_LU_OPS_H
#define TGT_MGMT_LU_OPS_H

#include <stdbool.h>
#include <stdint.h>

/* How long a request waits for a store to open. */
#define MGMT_OPEN_WAIT_MS 30000

struct mgmt_request;
struct store_module;

/* Reads bsoflags into TGT_BS_OPEN_*; false: it has answered the request, because they are wrong or
 * the store doesn't take them. */
bool mgmt_check_flags(struct mgmt_request *request, const struct store_module *module,
		      const char *text, uint32_t *flags);
/* The same for bsopts. */
bool mgmt_check_options(struct mgmt_request *request, const struct store_module *module,
			const char *text);
struct lu;
struct lu_params;
/* Sets the parameters of a unit that nobody sees yet.  NULL, or why not: it is to be destroyed. */
const char *mgmt_lu_preset(struct lu *lu, struct lu_params *params);
void mgmt_lu_update(struct mgmt_request *request);

#endif
