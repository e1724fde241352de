/* SPDX-License-Identifier: MIT */
/* What the daemon says that it won't do, and why. */
#ifndef TGT_TGTADM_COMPLAIN_H
#define TGT_TGTADM_COMPLAIN_H

/*
 * On the standard error output: the daemon's error, for which scripts look in the first line, and
 * in a line of its own the reason, if it isn't empty and the first doesn't have it.
 */
void adm_complain(const char *error, const char *reason);

#endif
