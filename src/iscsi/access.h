/* SPDX-License-Identifier: MIT */
/* Who may reach a target.  Control reactor. */
#ifndef TGT_ISCSI_ACCESS_H
#define TGT_ISCSI_ACCESS_H

#include "iscsi/conn.h"
#include "iscsi/control.h"

/* A bound address matches the peer's, or a bound name is the initiator's: either opens the target,
 * as in stgt.  Nothing bound: no access. */
bool access_allowed(const struct iscsi_target *target, const char *initiator,
		    const union address *peer);

/* Whether accounts for the initiator are bound: then it must authenticate itself.  target NULL:
 * discovery. */
bool access_needs_chap(const struct iscsi_target *target);
/* The password of a bound account; NULL: none of that user. */
const char *access_password(const struct iscsi_target *target, const char *user);
/* The account by which the target authenticates itself; NULL: none. */
const struct iscsi_account *access_outgoing(const struct iscsi_target *target);

#endif
