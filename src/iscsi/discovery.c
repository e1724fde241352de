/* SPDX-License-Identifier: MIT */
#include "iscsi/discovery.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "iscsi/access.h"
#include "iscsi/address.h"
#include "iscsi/portal.h"

static bool visible(const struct iscsi_target *target, const struct discovery_view *view)
{
	if (view->only)
		return target == view->only;
	return !target->deleting && access_allowed(target, view->initiator, view->peer);
}

/* One address a portal; a wildcard portal is reached at the address that this connection uses. */
static bool portal_address(const struct portal *portal, const union address *local, char *out,
			   size_t size)
{
	if (!address_is_wildcard(&portal->address)) {
		address_format_port(&portal->address, address_port(&portal->address), out, size);
		return true;
	}
	if (portal->address.sa.sa_family != local->sa.sa_family || address_is_wildcard(local))
		return false;
	address_format_port(local, address_port(&portal->address), out, size);
	return true;
}

static bool listed_before(const struct portal *portal, const union address *local, const char *text)
{
	char other[80];

	list_for_each (p, iscsi_portals(), struct iscsi_portal, link) {
		if (portal_of(p) == portal)
			return false;
		if (portal_address(portal_of(p), local, other, sizeof(other)) &&
		    !strcmp(other, text))
			return true;
	}
	return false;
}

static void list_target(const struct iscsi_target *target, const struct discovery_view *view,
			struct text_out *out)
{
	char address[80], value[96];

	text_add(out, "TargetName", target->scsi->name);
	list_for_each (p, iscsi_portals(), struct iscsi_portal, link) {
		struct portal *portal = portal_of(p);

		if (!portal_address(portal, view->local, address, sizeof(address)) ||
		    listed_before(portal, view->local, address))
			continue;
		snprintf(value, sizeof(value), "%s,%u", address, p->tag);
		text_add(out, "TargetAddress", value);
	}
}

void discovery_send_targets(const struct discovery_view *view, const char *value,
			    struct text_out *out)
{
	bool all = !strcmp(value, "All");

	/* Appendix C: All in discovery sessions only, the empty value in the others only */
	if ((all && view->only) || (!*value && !view->only)) {
		text_add(out, "SendTargets", "Reject");
		return;
	}
	list_for_each (t, targets(), struct target, link) {
		const struct iscsi_target *target = t->transport;

		if (target && visible(target, view) &&
		    (all || !*value || !strcasecmp(value, t->name)))
			list_target(target, view, out);
	}
}
