/* SPDX-License-Identifier: MIT */
#include "mgmt/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/port_group.h"
#include "mgmt/request.h"
#include "scsi/commands.h"
#include "store/store.h"

bool target_is_shown(const struct target *target)
{
	const struct iscsi_target *t = target->transport;

	return t && !t->deleting;
}

static json_t *show_flags(uint32_t flags)
{
	json_t *list = json_array();

	if (flags & TGT_BS_OPEN_SYNC)
		json_array_append_new(list, json_string("sync"));
	if (flags & TGT_BS_OPEN_DIRECT)
		json_array_append_new(list, json_string("direct"));
	return list;
}

static json_t *show_store(const struct lu *lu)
{
	json_t *path = lu->path ? mgmt_text(lu->path) : json_null();
	json_t *options = lu->bsopts ? mgmt_text(lu->bsopts) : json_null();

	return json_pack("{s:s, s:o, s:o, s:o}", "type",
			 lu->store     ? store_module(lu->store)->descriptor.name
			 : lu->changer ? "smc"
				       : "null",
			 "path", path, "options", options, "flags", show_flags(lu->store_flags));
}

json_t *show_lu(const struct lu *lu)
{
	json_t *j = json_pack(
	    "{s:i, s:s, s:o, s:o, s:I, s:I}", "lun", lu->lun, "type", lu->commands->name, "scsi_id",
	    mgmt_text(lu->id.scsi_id), "scsi_sn", mgmt_text(lu->id.scsi_sn), "size",
	    (json_int_t)(lu->blocks * lu->block_size), "block_size", (json_int_t)lu->block_size);
	json_t *more =
	    json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:o}", "online",
		      lu->online && lu->store_online && (!lu->store || lu->medium), "removable",
		      lu->removable, "prevent_removal", lu_removal_prevented(lu), "readonly",
		      (bool)lu->readonly, "swp", lu->mode && mode_swp(lu), "thin_provisioning",
		      lu->thin, "failed", (bool)lu->failed, "store", show_store(lu));

	if (j && more)
		json_object_update(j, more);
	json_decref(more);
	return j;
}

static json_t *show_luns(const struct target *target)
{
	const struct lun_map *map = atomic_load(&target->map);
	json_t *list = json_array();

	for (uint32_t i = 0; i < map->count; i++)
		json_array_append_new(list, show_lu(map->lus[i]));
	return list;
}

json_t *show_sessions(const struct iscsi_target *target)
{
	json_t *list = json_array();

	list_for_each (s, &target->sessions, struct iscsi_session_info, link) {
		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:i, s:[{s:I, s:s}]}", "id",
						      (json_int_t)s->id, "initiator",
						      mgmt_text(s->initiator), "alias",
						      mgmt_text(s->alias), "portal_group",
						      s->portal_group, "connections", "id",
						      (json_int_t)s->cid, "address", s->address));
	}
	return list;
}

json_t *show_parameters(const struct iscsi_target *target)
{
	json_t *list = json_array();
	char value[128];

	for (unsigned int i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (!iscsi_param_name(i))
			continue;
		iscsi_param_format(target, i, value, sizeof(value));
		json_array_append_new(
		    list, json_pack("{s:s, s:s}", "name", iscsi_param_name(i), "value", value));
	}
	return list;
}

static json_int_t number_parameter(const struct iscsi_target *target, const char *name)
{
	char value[128];

	for (unsigned int i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (!iscsi_param_name(i) || strcmp(iscsi_param_name(i), name) != 0)
			continue;
		iscsi_param_format(target, i, value, sizeof(value));
		return (json_int_t)strtoll(value, NULL, 10);
	}
	return 0;
}

static json_t *show_accounts(const struct iscsi_target *target)
{
	json_t *list = json_array();

	list_for_each (b, &target->accounts, struct iscsi_binding, link) {
		json_array_append_new(list, json_pack("{s:o, s:b}", "user", mgmt_text(b->text),
						      "outgoing", b->outgoing));
	}
	return list;
}

static json_t *show_acl(const struct iscsi_target *target)
{
	json_t *list = json_array();

	list_for_each (b, &target->addresses, struct iscsi_binding, link) {
		json_array_append_new(list, mgmt_text(b->text));
	}
	list_for_each (b, &target->names, struct iscsi_binding, link) {
		json_array_append_new(list, mgmt_text(b->text));
	}
	return list;
}

json_t *show_target(const struct iscsi_target *target)
{
	const struct target *t = target->scsi;

	return json_pack("{s:i, s:o, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:i}", "tid",
			 t->tid, "name", mgmt_text(t->name), "driver", "iscsi", "state",
			 t->ready ? "ready" : "offline", "nop_interval",
			 number_parameter(target, "nop_interval"), "nop_count",
			 number_parameter(target, "nop_count"), "nexuses", show_sessions(target),
			 "luns", show_luns(t), "accounts", show_accounts(target), "acl",
			 show_acl(target), "port_groups", show_port_groups(t), "tpgs", show_tpgs(t),
			 "transition_time", target_ports(t)->transition_time);
}
