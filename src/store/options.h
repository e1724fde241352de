/* SPDX-License-Identifier: MIT */
/* One typed option of a module; loader.h has the parser of a whole "bsopts" text. */
#ifndef TGT_STORE_OPTIONS_H
#define TGT_STORE_OPTIONS_H

#include <stddef.h>

#include <tgt/backing-store.h>

/*
 * Turns text into *value by the row's type and limits.  Returns 0, and option_free_value() frees
 * what the value holds; or -EINVAL (or -ENOMEM), nothing is held, and error (at most size bytes)
 * starts with the option's name and says why.  Any thread.
 */
int option_parse_value(const struct tgt_bs_option *row, const char *text,
		       struct tgt_bs_value *value, char *error, size_t size);
void option_free_value(const struct tgt_bs_option *row, struct tgt_bs_value *value);

#endif
