/* SPDX-License-Identifier: MIT */
/* Modes account and portal. */
#include <stdio.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/request.h"

static void account_new(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	int rc;

	if (!a->user || !a->password || !*a->user) {
		mgmt_fail(r, EINVAL, "'user' and 'password' options are required", NULL);
		return;
	}
	rc = iscsi_account_add(a->user, a->password);
	if (rc == -EEXIST)
		mgmt_fail(r, EINVAL, "this account already exists", NULL);
	else if (rc)
		mgmt_refuse(r, "account \"%.240s\": %s", a->user,
			    rc == -EINVAL ? "user or password is empty or too long"
					  : strerror(-rc));
	else
		mgmt_done(r, NULL);
}

static void no_account(struct mgmt_request *r)
{
	mgmt_fail(r, EINVAL, "can't find the account", NULL);
}

static void account_update(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	int rc;

	if (!a->user || !a->password) {
		mgmt_fail(r, EINVAL, "'user' and 'password' options are required", NULL);
		return;
	}
	rc = iscsi_account_set_password(a->user, a->password);
	if (rc == -ENOENT)
		no_account(r);
	else if (rc)
		mgmt_refuse(r, "account \"%.240s\": %s", a->user, strerror(-rc));
	else
		mgmt_done(r, NULL);
}

static void account_delete(struct mgmt_request *r)
{
	if (!r->args.user || iscsi_account_delete(r->args.user))
		no_account(r);
	else
		mgmt_done(r, NULL);
}

static void account_show(struct mgmt_request *r)
{
	json_t *users = json_array(), *discovery = json_array();

	list_for_each (a, iscsi_accounts(), struct iscsi_account, link) {
		json_array_append_new(users, mgmt_text(a->user));
	}
	list_for_each (b, iscsi_discovery_accounts(), struct iscsi_binding, link) {
		json_array_append_new(discovery, json_pack("{s:o, s:b}", "user", mgmt_text(b->text),
							   "outgoing", b->outgoing));
	}
	mgmt_done(r, json_pack("{s:o, s:o}", "accounts", users, "discovery", discovery));
}

/* Without tid (or with 0, which is how stgt's users ask for it): discovery's. */
static bool account_target(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;

	r->target = NULL;
	if (!a->has_tid || !a->tid)
		return true;
	r->target = iscsi_target_find((uint32_t)a->tid);
	if (r->target)
		return true;
	mgmt_fail(r, EINVAL, "can't find the target", NULL);
	return false;
}

static void account_bind(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;
	int rc;

	if (!account_target(r))
		return;
	rc = a->user ? iscsi_account_bind(r->target, a->user, a->outgoing) : -ENOENT;
	if (rc == -ENOENT)
		no_account(r);
	else if (rc == -EEXIST && a->outgoing)
		mgmt_fail(r, EINVAL, "this target already has an outgoing account", NULL);
	else if (rc == -EEXIST)
		mgmt_fail(r, EINVAL, "this account already exists", NULL);
	else if (rc)
		mgmt_refuse(r, "account \"%.240s\" can't be bound: %s", a->user, strerror(-rc));
	else
		mgmt_done(r, NULL);
}

static void account_unbind(struct mgmt_request *r)
{
	const struct mgmt_args *a = &r->args;

	if (!account_target(r))
		return;
	if (!a->user || iscsi_account_unbind(r->target, a->user, a->outgoing))
		no_account(r);
	else
		mgmt_done(r, NULL);
}

const struct mgmt_op mgmt_account_ops[] = {
    {.mode = "account", .op = "new", .run = account_new},
    {.mode = "account", .op = "delete", .run = account_delete},
    {.mode = "account", .op = "update", .run = account_update},
    {.mode = "account", .op = "show", .run = account_show},
    {.mode = "account", .op = "bind", .run = account_bind},
    {.mode = "account", .op = "unbind", .run = account_unbind},
    {.mode = NULL},
};

struct portal_params {
	char address[256];
	uint16_t tag;
};

/* One pair of len bytes; false: it is none of a portal's. */
static bool take_portal_param(struct portal_params *p, const char *pair, size_t len)
{
	static const char portal[] = "portal=", tpgt[] = "tpgt=";
	unsigned int tag = 0;

	if (len > strlen(portal) && strncmp(pair, portal, strlen(portal)) == 0) {
		snprintf(p->address, sizeof(p->address), "%.*s", (int)(len - strlen(portal)),
			 pair + strlen(portal));
		return len - strlen(portal) < sizeof(p->address);
	}
	if (len <= strlen(tpgt) || strncmp(pair, tpgt, strlen(tpgt)) != 0)
		return false;
	for (size_t i = strlen(tpgt); i < len; i++) {
		if (pair[i] < '0' || pair[i] > '9' || tag > UINT16_MAX)
			return false;
		tag = tag * 10 + (unsigned int)(pair[i] - '0');
	}
	p->tag = (uint16_t)tag;
	return tag && tag <= UINT16_MAX;
}

/* "portal=ADDR[:PORT][,tpgt=N]", perhaps with a comma after it; false: it is something else. */
static bool portal_params(const struct mgmt_request *r, struct portal_params *p)
{
	const char *rest = r->args.params;

	*p = (struct portal_params){.tag = PORTAL_GROUP_DEFAULT};
	while (rest && *rest) {
		size_t len = strcspn(rest, ",");

		if (!take_portal_param(p, rest, len))
			return false;
		rest += len + (rest[len] == ',');
	}
	return p->address[0] != '\0';
}

#define PORTAL_SYNTAX "a portal is given as portal=ADDRESS[:PORT][,tpgt=TAG], TAG 1 to 65535"

static void portal_new(struct mgmt_request *r)
{
	struct portal_params p;
	char error[256] = "";

	if (!portal_params(r, &p))
		mgmt_refuse(r, PORTAL_SYNTAX);
	else if (iscsi_portal_add(p.address, p.tag, error, sizeof(error)))
		mgmt_refuse(r, "%s", error);
	else
		mgmt_done(r, NULL);
}

static void portal_delete(struct mgmt_request *r)
{
	struct portal_params p;

	if (!portal_params(r, &p))
		mgmt_refuse(r, PORTAL_SYNTAX);
	else if (iscsi_portal_delete(p.address))
		mgmt_refuse(r, "there is no portal %s", p.address);
	else
		mgmt_done(r, NULL);
}

static void portal_show(struct mgmt_request *r)
{
	json_t *list = json_array();

	list_for_each (p, iscsi_portals(), struct iscsi_portal, link) {
		json_array_append_new(
		    list, json_pack("{s:s, s:i}", "address", p->text, "group_tag", p->tag));
	}
	mgmt_done(r, json_pack("{s:o}", "portals", list));
}

const struct mgmt_op mgmt_portal_ops[] = {
    {.mode = "portal", .op = "new", .run = portal_new},
    {.mode = "portal", .op = "delete", .run = portal_delete},
    {.mode = "portal", .op = "show", .run = portal_show},
    {.mode = NULL},
};
