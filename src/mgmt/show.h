/* SPDX-License-Identifier: MIT */
/* What runs, as JSON; new references.  Control reactor. */
#ifndef TGT_MGMT_SHOW_H
#define TGT_MGMT_SHOW_H

#include <jansson.h>
#include <stdbool.h>

struct iscsi_target;
struct lu;
struct target;

/* False for a target that is being deleted. */
bool target_is_shown(const struct target *target);

json_t *show_target(const struct iscsi_target *target);
json_t *show_lu(const struct lu *lu);
/* [{"name", "value"}], in the order of tgtadm */
json_t *show_parameters(const struct iscsi_target *target);
/* [{"id", "initiator", "alias", "connections": [{"id", "address"}]}] */
json_t *show_sessions(const struct iscsi_target *target);

#endif
