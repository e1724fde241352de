/* SPDX-License-Identifier: MIT */
/* Mode logicalunit: new and delete.  Changes are in lu_update.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/lu_ops.h"
#include "mgmt/lu_params.h"
#include "mgmt/request.h"
#include "reactor/reactor.h"
#include "scsi/changer_state.h"
#include "scsi/commands.h"
#include "store/loader.h"
#include "util/cleanup.h"
#include "util/log.h"

/* How long "delete" waits for a store to give its buffers back and close. */
#define DELETE_WAIT_MS 5000

/* What --device-type names, and what makes it. */
static const struct device_type {
	const char *name;
	uint32_t kind;
	const char *store; /* when --bstype is not given; NULL: store_default() */
} device_types[] = {
    {"disk", TGT_BS_BLOCK, NULL},
    {"tape", TGT_BS_TAPE, "ssc"},
    {"ssc", TGT_BS_TAPE, "ssc"},
    {"pt", TGT_BS_PASSTHROUGH, "sg"},
};

static const struct device_type *find_device_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(device_types); i++) {
		if (strcmp(device_types[i].name, name) == 0)
			return &device_types[i];
	}
	return NULL;
}

/* ---- new ---- */

static bool choose_store(struct mgmt_request *r, struct lu_config *config)
{
	const struct mgmt_args *a = &r->args;
	const struct device_type *type = a->device_type ? find_device_type(a->device_type) : NULL;
	const char *name = a->bstype;

	if (a->device_type && strcmp(a->device_type, changer_commands.name) == 0) {
		config->commands = &changer_commands;
		return true;
	}
	if (a->device_type && !type) {
		mgmt_invalid(r, "there is no device type \"%.40s\" here", a->device_type);
		return false;
	}
	if (!name)
		name = type && type->store ? type->store : store_default();
	config->module = store_find(name);
	if (!config->module) {
		mgmt_invalid(r, "no backing store \"%.40s\" is loaded", name);
		return false;
	}
	if (type && config->module->descriptor.kind != type->kind) {
		mgmt_invalid(r, "the backing store %s doesn't make a device of type %s", name,
			     type->name);
		return false;
	}
	return true;
}

bool mgmt_check_options(struct mgmt_request *r, const struct store_module *module, const char *text)
{
	struct tgt_bs_value *values;
	char error[256];

	if (store_parse_options(module, text, &values, error, sizeof(error))) {
		mgmt_refuse(r, "bsopts of %s: %s", module->descriptor.name, error);
		return false;
	}
	store_free_values(module, values);
	return true;
}

bool mgmt_check_flags(struct mgmt_request *r, const struct store_module *module, const char *text,
		      uint32_t *flags)
{
	uint32_t can = module->descriptor.capabilities;

	if (!bsoflags_parse(text, flags)) {
		mgmt_invalid(r, "bsoflags are sync, direct or sync:direct, not \"%.40s\"", text);
		return false;
	}
	if (((*flags & TGT_BS_OPEN_SYNC) && !(can & TGT_BS_FLAG_SYNC)) ||
	    ((*flags & TGT_BS_OPEN_DIRECT) && !(can & TGT_BS_FLAG_DIRECT))) {
		mgmt_invalid(r, "the backing store %s doesn't take bsoflags %s",
			     module->descriptor.name, text);
		return false;
	}
	return true;
}

static bool good_block_size(uint32_t size)
{
	return size >= 512 && size <= 65536 && !(size & (size - 1));
}

/* Fills config with what was asked for, or refuses. */
static bool configure(struct mgmt_request *r, struct lu_config *config)
{
	const struct mgmt_args *a = &r->args;

	if (!choose_store(r, config))
		return false;
	if (!config->module) /* a changer: its path is only shown */
		return true;
	if (!mgmt_check_flags(r, config->module, a->bsoflags, &config->open_flags) ||
	    !mgmt_check_options(r, config->module, a->bsopts))
		return false;
	if (config->empty && config->module->descriptor.kind != TGT_BS_BLOCK &&
	    config->module->descriptor.kind != TGT_BS_TAPE) {
		mgmt_refuse(r, "only a disk or a tape drive can be made without a medium");
		return false;
	}
	if ((config->module->descriptor.capabilities & TGT_BS_NEEDS_PATH) && !config->path) {
		mgmt_refuse(r, "the backing store %s needs a path (--backing-store)",
			    config->module->descriptor.name);
		return false;
	}
	if (a->has_blocksize && !good_block_size(config->block_size)) {
		mgmt_refuse(r,
			    "a block size of %u bytes: powers of 2 from 512 to 65536 are possible",
			    config->block_size);
		return false;
	}
	return true;
}

/* A store may hang while it is opened; the request, and those that wait for it, don't. */
struct creation {
	struct mgmt_request *request; /* NULL: answered, the unit is not wanted any more */
	struct timer timer;
	struct lu_params params;
};

static void published(void *arg)
{
	mgmt_done(arg, NULL);
}

static void creation_is_slow(struct timer *timer)
{
	struct creation *c = container_of(timer, struct creation, timer);
	struct mgmt_request *r = c->request;

	c->request = NULL;
	mgmt_fail(r, ETIMEDOUT, "the backing store doesn't open", "%s: no answer within %d s",
		  r->args.backing_store ? r->args.backing_store : "no path",
		  MGMT_OPEN_WAIT_MS / 1000);
}

static void refuse_creation(struct mgmt_request *r, const char *error)
{
	const char *path = r->args.backing_store;
	bool named = !path || strstr(error, path);

	mgmt_invalid(r, "%s%s%s", named ? "" : path, named ? "" : ": ", error);
}

/* Why a unit that was made isn't wanted, or NULL. */
static const char *not_wanted(struct creation *c, struct lu *lu)
{
	const struct mgmt_request *r = c->request;

	/* when the daemon ends it doesn't wait for this, and the target may be gone */
	if (!r || iscsi_target_find((uint32_t)r->args.tid) != r->target)
		return "its target was deleted";
	return r->args.params ? mgmt_lu_preset(lu, &c->params) : NULL;
}

static void created(void *arg, struct lu *lu, const char *error)
{
	struct creation *c = arg;
	struct mgmt_request *r = c->request;
	const char *why = lu ? not_wanted(c, lu) : NULL;

	reactor_timer_cancel(&c->timer);
	lu_params_free(&c->params);
	free(c);
	if (why) {
		lu_destroy(lu, NULL, NULL);
		lu = NULL;
		error = why;
	}
	if (r && !lu) {
		refuse_creation(r, error);
	} else if (r) {
		log_info("%s: %s %s", lu_name(lu),
			 lu->store ? store_module(lu->store)->descriptor.name : lu->commands->name,
			 lu->path ? lu->path : "");
		target_publish_lu(r->target->scsi, lu, published, r);
	}
}

static void create(struct mgmt_request *r, const struct lu_config *config)
{
	struct creation *c = calloc(1, sizeof(*c));
	char error[128];

	if (!c) {
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
		return;
	}
	*c = (struct creation){.request = r, .timer = {.fn = creation_is_slow}};
	if (lu_params_parse(r->args.params, &c->params, error, sizeof(error)) != LU_PARAMS_OK) {
		free(c);
		mgmt_invalid(r, "%s", error);
		return;
	}
	reactor_timer_arm(reactor_self(), &c->timer, MGMT_OPEN_WAIT_MS);
	lu_create(config, created, c);
}

static void lu_new(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	struct lu_config config = {
	    .target = r->target->scsi,
	    .path = a->backing_store && *a->backing_store ? a->backing_store : NULL,
	    .bsopts = a->bsopts,
	    .block_size = (uint32_t)a->blocksize,
	};
	const struct lu *twin;

	if (!a->has_lun) {
		mgmt_fail(r, EINVAL, "'lun' option is necessary", NULL);
		return;
	}
	if (a->lun > LUN_MAX) {
		mgmt_refuse(r, "LUN %llu: the largest is %u", (unsigned long long)a->lun, LUN_MAX);
		return;
	}
	config.lun = (uint32_t)a->lun;
	twin = target_lu(r->target->scsi, config.lun);
	if (twin) {
		mgmt_fail(r, EINVAL, "this logical unit number already exists", "%s is %s%s",
			  lu_name(twin), twin->path ? "" : "a ",
			  twin->path ? twin->path : twin->commands->name);
		return;
	}
	config.empty = config.path && lu_path_is_none(config.path);
	if (configure(r, &config))
		create(r, &config);
}

/* ---- delete ---- */

struct deletion {
	struct mgmt_request *request; /* NULL: answered */
	struct lu *lu;
	struct timer timer;
};

static void answer_deletion(struct deletion *d)
{
	struct mgmt_request *r = d->request;

	d->request = NULL;
	mgmt_done(r, NULL);
}

static void deletion_is_slow(struct timer *timer)
{
	struct deletion *d = container_of(timer, struct deletion, timer);

	log_warning("target %u lun %u is gone, but its store has not ended yet",
		    (unsigned int)d->request->args.tid, (unsigned int)d->request->args.lun);
	answer_deletion(d);
}

static void destroyed(void *arg)
{
	struct deletion *d = arg;

	reactor_timer_cancel(&d->timer);
	if (d->request)
		answer_deletion(d);
	free(d);
}

static void destroy(void *arg)
{
	struct deletion *d = arg;

	lu_destroy(d->lu, destroyed, d);
}

static void unpublished(void *arg)
{
	struct deletion *d = arg;

	reactor_timer_arm(reactor_self(), &d->timer, DELETE_WAIT_MS);
	if (d->lu->changer)
		changer_forget_places(d->lu, destroy, d);
	else
		destroy(d);
}

static void lu_delete(struct mgmt_request *r)
{
	struct deletion *d;

	if (r->args.lun == 0) {
		mgmt_refuse(r, "LUN 0 is the target's controller");
		return;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
		return;
	}
	log_info("%s is deleted", lu_name(r->lu));
	*d = (struct deletion){.request = r, .lu = r->lu, .timer = {.fn = deletion_is_slow}};
	target_unpublish_lu(r->target->scsi, r->lu, unpublished, d);
}

const struct mgmt_op mgmt_lu_ops[] = {
    {.mode = "logicalunit", .op = "new", .needs = MGMT_NEEDS_TARGET, .run = lu_new},
    {.mode = "logicalunit", .op = "delete", .needs = MGMT_NEEDS_LU, .run = lu_delete},
    {.mode = "logicalunit", .op = "update", .needs = MGMT_NEEDS_LU, .run = mgmt_lu_update},
    {.mode = NULL},
};
