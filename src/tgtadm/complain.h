/* SPDX-License-Identifier: MIT */
/* What the daemon says that it won't do, and why. */
#ifndef TGT_TGTADM_COMPLAIN_H
#define TGT_TGTADM_COMPLAIN_H

#include <jansson.h>

/*
 * On the standard error output: the daemon's error, for which scripts look in the first line, and
 * in a line of its own the reason, if there is one that the first doesn't have.
 */
void adm_complain(const json_t *response);

#endif
