/* SPDX-License-Identifier: MIT */
/* What the daemon answered, as text: order, indentation and trailing blanks are stgt's. */
#ifndef TGT_TGTADM_PRINT_H
#define TGT_TGTADM_PRINT_H

#include "tgtadm/options.h"

/* result may be NULL: nothing to say. */
void adm_print(const struct adm_options *options, const json_t *result);

/* print_target.c */
void adm_print_targets(const json_t *result);
void adm_print_sessions(const json_t *result);

/* A member as text or number; "" and 0 when it isn't there. */
const char *adm_text(const json_t *object, const char *member);
json_int_t adm_number(const json_t *object, const char *member);
bool adm_true(const json_t *object, const char *member);

#endif
