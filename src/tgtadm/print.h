/* SPDX-License-Identifier: MIT */
/* What the daemon answered, as text: order, indentation and trailing blanks are stgt's. */
#ifndef TGT_TGTADM_PRINT_H
#define TGT_TGTADM_PRINT_H

#include "tgtadm/options.h"
#include "tgtadm/value.h"

/* result may be NULL: nothing to say. */
void adm_print(const struct adm_options *options, const struct value *result);

/* print_target.c */
void adm_print_targets(const struct value *result);
void adm_print_sessions(const struct value *result);

#endif
