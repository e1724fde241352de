/* SPDX-License-Identifier: MIT */
/* What a management request says: a JSON object, checked and unpacked. */
#ifndef TGT_MGMT_ARGS_H
#define TGT_MGMT_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MGMT_PROTOCOL_VERSION 1

/* Texts point into the JSON object and are NULL when absent; so are numbers whose has_ is false 0.
 */
struct mgmt_args {
	const char *op, *mode, *lld;
	bool has_version, has_tid, has_sid, has_cid, has_lun, has_blocksize;
	uint64_t version, tid, sid, cid, lun, blocksize;
	bool force, outgoing, pretend, ignore_errors;
	const char *name, *value, *params;
	const char *backing_store, *bstype, *bsopts, *bsoflags, *device_type;
	const char *targetname, *initiator_address, *initiator_name;
	const char *user, *password, *file;
};

/* False: error (of size bytes) says which member is wrong and why. */
bool mgmt_args_parse(json_t *object, struct mgmt_args *args, char *error, size_t size);

#endif
