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

static void show_store(struct writer *w, const struct lu *lu)
{
	write_object(w, "store");
	write_text(w, "type",
		   lu->store     ? store_module(lu->store)->descriptor.name
		   : lu->changer ? "smc"
				 : "null");
	write_text(w, "path", lu->path);
	write_text(w, "options", lu->bsopts);
	write_array(w, "flags");
	if (lu->store_flags & TGT_BS_OPEN_SYNC)
		write_text(w, NULL, "sync");
	if (lu->store_flags & TGT_BS_OPEN_DIRECT)
		write_text(w, NULL, "direct");
	write_array_end(w);
	write_object_end(w);
}

static void show_lu(struct writer *w, const struct lu *lu)
{
	write_object(w, NULL);
	write_number(w, "lun", lu->lun);
	write_text(w, "type", lu->commands->name);
	write_text(w, "scsi_id", lu->id.scsi_id);
	write_text(w, "scsi_sn", lu->id.scsi_sn);
	write_number(w, "size", (long long)(lu->blocks * lu->block_size));
	write_number(w, "block_size", lu->block_size);
	write_bool(w, "online", lu->online && lu->store_online && (!lu->store || lu->medium));
	write_bool(w, "removable", lu->removable);
	write_bool(w, "prevent_removal", lu_removal_prevented(lu));
	write_bool(w, "readonly", lu->readonly);
	write_bool(w, "swp", lu->mode && mode_swp(lu));
	write_bool(w, "thin_provisioning", lu->thin);
	write_bool(w, "failed", lu->failed);
	show_store(w, lu);
	write_object_end(w);
}

static void show_luns(struct writer *w, const struct target *target)
{
	const struct lun_map *map = atomic_load(&target->map);

	write_array(w, "luns");
	for (uint32_t i = 0; i < map->count; i++)
		show_lu(w, map->lus[i]);
	write_array_end(w);
}

void show_sessions(struct writer *w, const char *key, const struct iscsi_target *target)
{
	write_array(w, key);
	list_for_each (s, &target->sessions, struct iscsi_session_info, link) {
		write_object(w, NULL);
		write_number(w, "id", (long long)s->id);
		write_text(w, "initiator", s->initiator);
		write_text(w, "alias", s->alias);
		write_number(w, "portal_group", s->portal_group);
		write_array(w, "connections");
		write_object(w, NULL);
		write_number(w, "id", s->cid);
		write_text(w, "address", s->address);
		write_object_end(w);
		write_array_end(w);
		write_object_end(w);
	}
	write_array_end(w);
}

void show_parameters(struct writer *w, const struct iscsi_target *target)
{
	char value[128];

	write_array(w, "parameters");
	for (unsigned int i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (!iscsi_param_name(i))
			continue;
		iscsi_param_format(target, i, value, sizeof(value));
		write_object(w, NULL);
		write_text(w, "name", iscsi_param_name(i));
		write_text(w, "value", value);
		write_object_end(w);
	}
	write_array_end(w);
}

static long long number_parameter(const struct iscsi_target *target, const char *name)
{
	char value[128];

	for (unsigned int i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (!iscsi_param_name(i) || strcmp(iscsi_param_name(i), name) != 0)
			continue;
		iscsi_param_format(target, i, value, sizeof(value));
		return strtoll(value, NULL, 10);
	}
	return 0;
}

static void show_accounts(struct writer *w, const struct iscsi_target *target)
{
	write_array(w, "accounts");
	list_for_each (b, &target->accounts, struct iscsi_binding, link) {
		write_object(w, NULL);
		write_text(w, "user", b->text);
		write_bool(w, "outgoing", b->outgoing);
		write_object_end(w);
	}
	write_array_end(w);
}

static void show_acl(struct writer *w, const struct iscsi_target *target)
{
	write_array(w, "acl");
	list_for_each (b, &target->addresses, struct iscsi_binding, link) {
		write_text(w, NULL, b->text);
	}
	list_for_each (b, &target->names, struct iscsi_binding, link) {
		write_text(w, NULL, b->text);
	}
	write_array_end(w);
}

void show_target(struct writer *w, const struct iscsi_target *target)
{
	const struct target *t = target->scsi;

	write_object(w, NULL);
	write_number(w, "tid", t->tid);
	write_text(w, "name", t->name);
	write_text(w, "driver", "iscsi");
	write_text(w, "state", t->ready ? "ready" : "offline");
	write_number(w, "nop_interval", number_parameter(target, "nop_interval"));
	write_number(w, "nop_count", number_parameter(target, "nop_count"));
	show_sessions(w, "nexuses", target);
	show_luns(w, t);
	show_accounts(w, target);
	show_acl(w, target);
	show_port_groups(w, t);
	write_text(w, "tpgs", show_tpgs(t));
	write_number(w, "transition_time", target_ports(t)->transition_time);
	write_object_end(w);
}
