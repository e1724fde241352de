/* SPDX-License-Identifier: MIT */
/* Target port groups and their access states, for mode target. */
#ifndef TGT_MGMT_PORT_GROUP_H
#define TGT_MGMT_PORT_GROUP_H

#include "mgmt/request.h"
#include "mgmt/writer.h"
#include "scsi/target.h"

/* "update" with params tpg=TAG,state=STATE,preferred=0|1: answers it. */
void port_group_update(struct mgmt_request *request);
/* Parameters of a target: tpgs (implicit, explicit), transition_time (seconds); they answer it. */
void port_group_set_tpgs(struct mgmt_request *request, const char *value);
void port_group_set_transition_time(struct mgmt_request *request, const char *value);

/* "port_groups": what each is. */
void show_port_groups(struct writer *w, const struct target *target);
/* "implicit" or "explicit". */
const char *show_tpgs(const struct target *target);

#endif
