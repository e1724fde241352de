/* SPDX-License-Identifier: MIT */
/* Modes system and lld. */
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/request.h"
#include "scsi/opcode.h"
#include "store/loader.h"
#include "util/log.h"

static json_t *drivers(void)
{
	return json_pack("[{s:s, s:s}]", "name", "iscsi", "state", "ready");
}

static json_t *stores(void)
{
	json_t *list = json_array();

	list_for_each (m, store_modules(), struct store_module, link) {
		uint32_t caps = m->descriptor.capabilities;
		json_t *flags = json_array();

		if (caps & TGT_BS_FLAG_SYNC)
			json_array_append_new(flags, json_string("sync"));
		if (caps & TGT_BS_FLAG_DIRECT)
			json_array_append_new(flags, json_string("direct"));
		json_array_append_new(
		    list, json_pack("{s:s, s:o}", "name", m->descriptor.name, "bsoflags", flags));
	}
	return list;
}

static bool have_kind(uint32_t kind)
{
	list_for_each (m, store_modules(), struct store_module, link) {
		if (m->descriptor.kind == kind)
			return true;
	}
	return false;
}

/* What a LUN can be depends on the stores that were loaded. */
static json_t *device_types(void)
{
	json_t *list = json_array();

	if (have_kind(TGT_BS_BLOCK))
		json_array_append_new(list, json_string(disk_commands.name));
	json_array_append_new(list, json_string(controller_commands.name));
	if (have_kind(TGT_BS_TAPE))
		json_array_append_new(list, json_string(changer_commands.name));
	if (have_kind(TGT_BS_TAPE))
		json_array_append_new(list, json_string(tape_commands.name));
	if (have_kind(TGT_BS_PASSTHROUGH))
		json_array_append_new(list, json_string("passthrough"));
	return list;
}

static void system_show(struct mgmt_request *r)
{
	mgmt_done(r,
		  json_pack("{s:s, s:s, s:b, s:o, s:o, s:s, s:o}", "version", TGT_VERSION, "state",
			    iscsi_system_ready() ? "ready" : "offline", "debug",
			    log_debug_enabled(), "drivers", drivers(), "backing_stores", stores(),
			    "default_store", store_default(), "device_types", device_types()));
}

static void update_state(struct mgmt_request *r, const char *value)
{
	if (strcmp(value, "ready") != 0 && strcmp(value, "offline") != 0) {
		mgmt_refuse(r, "State is ready or offline, not \"%.40s\"", value);
		return;
	}
	iscsi_set_system_ready(strcmp(value, "ready") == 0);
	log_info("the system is %s", value);
	mgmt_done(r, NULL);
}

static void update_debug(struct mgmt_request *r, const char *value)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0) {
		mgmt_refuse(r, "debug is on or off, not \"%.40s\"", value);
		return;
	}
	log_set_debug(strcmp(value, "on") == 0);
	mgmt_done(r, NULL);
}

static void system_update(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;

	if (!a->name || !a->value)
		mgmt_refuse(r, "update needs \"name\" and \"value\"");
	else if (strcasecmp(a->name, "State") == 0)
		update_state(r, a->value);
	else if (strcmp(a->name, "debug") == 0)
		update_debug(r, a->value);
	else
		mgmt_invalid(r, "the system has no parameter \"%.40s\"", a->name);
}

/* Ends the daemon, as stgt's does only when there is nothing that it serves. */
static void system_delete(struct mgmt_request *r)
{
	if (!list_empty(targets()) && !r->args.force) {
		mgmt_invalid(r, "there are targets; delete them first, or use --force");
		return;
	}
	log_info("asked to end");
	mgmt_request_shutdown();
	mgmt_done(r, NULL);
}

static void lld_show(struct mgmt_request *r)
{
	mgmt_done(r, json_pack("{s:o}", "drivers", drivers()));
}

/* It is started with the daemon. */
static void lld_start(struct mgmt_request *r)
{
	mgmt_done(r, NULL);
}

static void lld_stop(struct mgmt_request *r)
{
	mgmt_fail(r, EINVAL, "this driver is busy", "it runs as long as the daemon does");
}

const struct mgmt_op mgmt_system_ops[] = {
    {.mode = "system", .op = "show", .run = system_show},
    {.mode = "system", .op = "update", .run = system_update},
    {.mode = "system", .op = "delete", .run = system_delete},
    {.mode = "lld", .op = "show", .run = lld_show},
    {.mode = "lld", .op = "start", .run = lld_start},
    {.mode = "lld", .op = "stop", .run = lld_stop},
    {.mode = NULL},
};
