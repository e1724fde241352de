/* SPDX-License-Identifier: MIT */
/* Takes over what a module says of itself, however old or wrong it is. */
#ifndef TGT_STORE_DESCRIPTOR_H
#define TGT_STORE_DESCRIPTOR_H

#include <stddef.h>

#include <tgt/backing-store.h>

/*
 * Copies theirs into *module (fields that it doesn't have are zero) and its options into a new
 * array *options of module->nr_options rows, which module->options then points to and the caller
 * frees; NULL when there are none.  Returns 0; or -1 and reason (at most size bytes) says what of
 * it can't be served, and nothing is to be freed.  Any thread.
 */
int descriptor_take(const struct tgt_bs_module *theirs, struct tgt_bs_module *module,
		    struct tgt_bs_option **options, char *reason, size_t size);

#endif
