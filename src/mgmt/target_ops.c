/* SPDX-License-Identifier: MIT */
/* Mode target. */
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/port_group.h"
#include "mgmt/request.h"
#include "mgmt/show.h"
#include "scsi/changer_state.h"
#include "scsi/lu.h"
#include "scsi/target.h"
#include "util/log.h"

/* It is the tid that is taken, or else the name. */
static void refuse_twin(struct mgmt_request *r)
{
	const struct target *twin = target_find((uint32_t)r->args.tid);

	if (!twin)
		twin = target_find_name(r->args.targetname);
	mgmt_fail(r, EINVAL, "this target already exists", "target %u is %s", twin->tid,
		  twin->name);
}

static void target_new(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	struct iscsi_target *target;
	int rc;

	if (!a->has_tid || !a->tid) {
		mgmt_refuse(r, "a target needs a \"tid\" above 0");
		return;
	}
	if (!a->targetname) {
		mgmt_fail(r, EINVAL, "creating new target requires a name, use --targetname", NULL);
		return;
	}
	rc = iscsi_target_create((uint32_t)a->tid, a->targetname, &target);
	if (rc == -EEXIST) {
		refuse_twin(r);
	} else if (rc == -EINVAL) {
		mgmt_refuse(r, "\"%.240s\" is no iSCSI name (iqn., eui. or naa., RFC 7143 4.2.7)",
			    a->targetname);
	} else if (rc) {
		mgmt_fail(r, -rc, "can't make the target", "%s", strerror(-rc));
	} else {
		log_info("target %u: %s", (unsigned int)a->tid, a->targetname);
		mgmt_done(r, NULL);
	}
}

static void deleted(void *arg)
{
	mgmt_done(arg, NULL);
}

/* The changers of the target that are still there, one after the other; then the target. */
static void delete_all(void *arg)
{
	struct mgmt_request *r = arg;
	const struct lun_map *map = atomic_load(&r->target->scsi->map);
	uintptr_t next = (uintptr_t)r->state;

	while (next < map->count && !map->lus[next]->changer)
		next++;
	r->state = (void *)(next + 1);
	if (next < map->count)
		changer_forget_places(map->lus[next], delete_all, r);
	else
		iscsi_target_delete(r->target, deleted, r);
}

static void target_delete(struct mgmt_request *r)
{
	if (!list_empty(&r->target->sessions) && !r->args.force) {
		mgmt_fail(r, EINVAL, "this target is still active",
			  "initiators are logged in; --force ends their sessions");
		return;
	}
	log_info("target %u is deleted", (unsigned int)r->args.tid);
	delete_all(r);
}

static void target_show(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	const struct iscsi_target *one = a->has_tid ? iscsi_target_find((uint32_t)a->tid) : NULL;
	struct writer w;

	if (a->has_tid && !one) {
		mgmt_fail(r, EINVAL, "can't find the target", NULL);
		return;
	}
	mgmt_result_begin(&w);
	write_array(&w, "targets");
	if (one)
		show_target(&w, one);
	else
		list_for_each (t, targets(), struct target, link) {
			if (target_is_shown(t))
				show_target(&w, t->transport);
		}
	write_array_end(&w);
	if (one)
		show_parameters(&w, one);
	mgmt_result_done(r, &w);
}

static void update_state(struct mgmt_request *r, const char *value)
{
	if (strcmp(value, "ready") != 0 && strcmp(value, "offline") != 0) {
		mgmt_refuse(r, "state is ready or offline, not \"%.40s\"", value);
		return;
	}
	iscsi_target_set_ready(r->target, strcmp(value, "ready") == 0);
	log_info("target %u is %s", (unsigned int)r->args.tid, value);
	mgmt_done(r, NULL);
}

static bool is_parameter(const char *name)
{
	for (unsigned int i = 0; i < ISCSI_NR_PARAMS; i++) {
		const char *known = iscsi_param_name(i);

		if (known && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

static void target_update(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;

	if (a->params && *a->params && !a->name)
		port_group_update(r);
	else if (!a->name || !a->value)
		mgmt_refuse(r, "update needs \"name\" and \"value\"");
	else if (strcmp(a->name, "state") == 0)
		update_state(r, a->value);
	else if (strcmp(a->name, "tpgs") == 0)
		port_group_set_tpgs(r, a->value);
	else if (strcmp(a->name, "transition_time") == 0)
		port_group_set_transition_time(r, a->value);
	else if (!is_parameter(a->name))
		mgmt_invalid(r, "a target has no parameter \"%.40s\"", a->name);
	else if (iscsi_param_set(r->target, a->name, a->value))
		mgmt_refuse(r, "%s can't be \"%.60s\"", a->name, a->value);
	else
		mgmt_done(r, NULL);
}

/* Binds or unbinds the address and the name of a request; how are the two functions. */
static void change_acl(struct mgmt_request *r,
		       int (*address)(struct iscsi_target *target, const char *text),
		       int (*name)(struct iscsi_target *target, const char *text))
{
	const struct mgmt_args *a = &r->args;
	int rc = 0;

	if (!a->initiator_address && !a->initiator_name) {
		mgmt_refuse(r, "an initiator address or an initiator name is necessary");
		return;
	}
	if (a->initiator_address)
		rc = address(r->target, a->initiator_address);
	if (!rc && a->initiator_name)
		rc = name(r->target, a->initiator_name);
	if (rc == -EEXIST)
		mgmt_fail(r, EINVAL, "this access control rule already exists", NULL);
	else if (rc == -ENOENT)
		mgmt_fail(r, EINVAL, "this access control rule does not exist", NULL);
	else if (rc)
		mgmt_refuse(r, "\"%.240s\" is no initiator %s",
			    a->initiator_address ? a->initiator_address : a->initiator_name,
			    a->initiator_address ? "address (ALL, an IP address, or ADDRESS/BITS)"
						 : "name");
	else
		mgmt_done(r, NULL);
}

static void target_bind(struct mgmt_request *r)
{
	change_acl(r, iscsi_bind_address, iscsi_bind_name);
}

static void target_unbind(struct mgmt_request *r)
{
	change_acl(r, iscsi_unbind_address, iscsi_unbind_name);
}

const struct mgmt_op mgmt_target_ops[] = {
    {.mode = "target", .op = "new", .run = target_new},
    {.mode = "target", .op = "delete", .needs = MGMT_NEEDS_TARGET, .run = target_delete},
    {.mode = "target", .op = "show", .run = target_show},
    {.mode = "target", .op = "update", .needs = MGMT_NEEDS_TARGET, .run = target_update},
    {.mode = "target", .op = "bind", .needs = MGMT_NEEDS_TARGET, .run = target_bind},
    {.mode = "target", .op = "unbind", .needs = MGMT_NEEDS_TARGET, .run = target_unbind},
    {.mode = NULL},
};
