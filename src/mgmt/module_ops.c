/* SPDX-License-Identifier: MIT */
/* Mode backingstore: what was loaded, what not and why, and who uses it. */
#include <stdio.h>

#include "iscsi/control.h"
#include "mgmt/request.h"
#include "store/loader.h"
#include "store/store.h"
#include "util/cleanup.h"

static const char *kind_name(uint32_t kind)
{
	switch (kind) {
	case TGT_BS_BLOCK:
		return "block";
	case TGT_BS_TAPE:
		return "tape";
	case TGT_BS_PASSTHROUGH:
		return "passthrough";
	default:
		return "unknown";
	}
}

static json_t *capability_names(uint32_t capabilities)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
	    {TGT_BS_CAN_WRITE, "write"},
	    {TGT_BS_CAN_FLUSH, "flush"},
	    {TGT_BS_CAN_FUA, "fua"},
	    {TGT_BS_CAN_DISCARD, "discard"},
	    {TGT_BS_CAN_WRITE_ZEROES, "write_zeroes"},
	    {TGT_BS_CAN_BLOCK_STATUS, "block_status"},
	    {TGT_BS_CAN_COMPARE_AND_WRITE, "compare_and_write"},
	    {TGT_BS_CAN_WRITE_SAME, "write_same"},
	    {TGT_BS_CAN_PARTITIONS, "partitions"},
	    {TGT_BS_CAN_RESET, "reset"},
	    {TGT_BS_NEEDS_PATH, "needs_path"},
	    {TGT_BS_FLAG_SYNC, "sync"},
	    {TGT_BS_FLAG_DIRECT, "direct"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (capabilities & names[i].flag)
			json_array_append_new(list, json_string(names[i].name));
	}
	return list;
}

static json_t *option_list(const struct store_module *m)
{
	static const char *const types[] = {
	    [TGT_BS_OPT_STRING] = "string",
	    [TGT_BS_OPT_BOOL] = "bool",
	    [TGT_BS_OPT_UINT] = "uint",
	    [TGT_BS_OPT_FILE] = "file",
	};
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->descriptor.nr_options; i++) {
		const struct tgt_bs_option *o = &m->options[i];
		const char *type = o->type < ARRAY_SIZE(types) ? types[o->type] : NULL;

		json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s?}", "name", o->name,
						      "type", type ? type : "unknown", "default",
						      o->default_value, "help", o->help));
	}
	return list;
}

static json_t *users(const struct store_module *m)
{
	json_t *list = json_array();

	list_for_each (t, targets(), struct target, link) {
		const struct lun_map *map = atomic_load(&t->map);

		for (uint32_t i = 0; i < map->count; i++) {
			const struct lu *lu = map->lus[i];

			if (lu->store && store_module(lu->store) == m)
				json_array_append_new(
				    list, json_pack("{s:i, s:i}", "tid", t->tid, "lun", lu->lun));
		}
	}
	return list;
}

static json_t *describe(const struct store_module *m)
{
	const struct tgt_bs_module *d = &m->descriptor;
	char abi[24];

	snprintf(abi, sizeof(abi), "%u.%u", d->abi_major, d->abi_minor);
	return json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o}", "file",
			 mgmt_text(m->file), "name", d->name, "version",
			 mgmt_text(d->version ? d->version : ""), "help",
			 mgmt_text(d->help ? d->help : ""), "abi", abi, "kind", kind_name(d->kind),
			 "thread_model", d->thread_model == TGT_BS_REACTOR ? "reactor" : "worker",
			 "capabilities", capability_names(d->capabilities), "options",
			 option_list(m), "luns", users(m));
}

static void modules_show(struct mgmt_request *r)
{
	json_t *modules = json_array(), *failed = json_array();

	list_for_each (m, store_modules(), struct store_module, link) {
		json_array_append_new(modules, describe(m));
	}
	list_for_each (f, store_failures(), struct store_failure, link) {
		json_array_append_new(failed, json_pack("{s:o, s:o}", "file", mgmt_text(f->file),
							"reason", mgmt_text(f->reason)));
	}
	mgmt_done(r, json_pack("{s:o, s:o}", "modules", modules, "failed", failed));
}

const struct mgmt_op mgmt_module_ops[] = {
    {.mode = "backingstore", .op = "show", .run = modules_show},
    {.mode = NULL},
};
