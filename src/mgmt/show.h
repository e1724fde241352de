/* SPDX-License-Identifier: MIT */
/* What runs, as JSON text.  Control reactor. */
#ifndef TGT_MGMT_SHOW_H
#define TGT_MGMT_SHOW_H

#include <stdbool.h>

#include "mgmt/writer.h"

struct iscsi_target;
struct target;

/* False for a target that is being deleted. */
bool target_is_shown(const struct target *target);

void show_target(struct writer *w, const struct iscsi_target *target);
/* "parameters": [{"name", "value"}], in the order of tgtadm */
void show_parameters(struct writer *w, const struct iscsi_target *target);
/* key: [{"id", "initiator", "alias", "portal_group", "connections": [{"id", "address"}]}] */
void show_sessions(struct writer *w, const char *key, const struct iscsi_target *target);

#endif
