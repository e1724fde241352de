/* SPDX-License-Identifier: MIT */
#include "mgmt/port_group.h"

#include <string.h>

#include "iscsi/control.h"
#include "scsi/target_port.h"
#include "util/cleanup.h"
#include "util/log.h"

static const struct {
	uint8_t state; /* enum access_state */
	const char *name;
} states[] = {
    {ACCESS_OPTIMIZED, "active/optimized"},
    {ACCESS_NON_OPTIMIZED, "active/non-optimized"},
    {ACCESS_STANDBY, "standby"},
    {ACCESS_UNAVAILABLE, "unavailable"},
    {ACCESS_OFFLINE, "offline"},
    {ACCESS_TRANSITIONING, "transitioning"},
};

static const char *state_name(uint8_t state)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (states[i].state == state)
			return states[i].name;
	}
	return "unknown";
}

/* ---- params ---- */

/* A text of len bytes, all of which are digits, at most max. */
static bool take_number(const char *text, size_t len, unsigned int max, unsigned int *number)
{
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*number = *number * 10 + (unsigned int)(text[i] - '0');
		if (*number > max)
			return false;
	}
	return len;
}

static bool take_state(struct access_wish *wish, const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strlen(states[i].name) != len || strncmp(states[i].name, text, len) != 0)
			continue;
		wish->state = states[i].state;
		wish->has_state = true;
		return true;
	}
	return false;
}

/* The value of a pair of len bytes with that key; NULL: it has another. */
static const char *value_of(const char *pair, size_t len, const char *key)
{
	size_t key_len = strlen(key);

	return len > key_len && !strncmp(pair, key, key_len) ? pair + key_len : NULL;
}

static bool take_param(struct access_wish *wish, const char *pair, size_t len)
{
	const char *end = pair + len, *value;
	unsigned int number;

	if ((value = value_of(pair, len, "tpg="))) {
		if (!take_number(value, (size_t)(end - value), UINT16_MAX, &number))
			return false;
		wish->id = (uint16_t)number;
		return true;
	}
	if ((value = value_of(pair, len, "state=")))
		return take_state(wish, value, (size_t)(end - value));
	if ((value = value_of(pair, len, "preferred="))) {
		wish->has_preferred = true;
		if (!take_number(value, (size_t)(end - value), 1, &number))
			return false;
		wish->preferred = number;
		return true;
	}
	return false;
}

/* "tpg=TAG[,state=STATE][,preferred=0|1]", a comma at the end allowed.  False: *bad (a pair, of
 * *bad_len bytes) is none of these. */
static bool parse(const char *rest, struct access_wish *wish, const char **bad, size_t *bad_len)
{
	while (*rest) {
		size_t len = strcspn(rest, ",");

		*bad = rest;
		*bad_len = len;
		if (!take_param(wish, rest, len))
			return false;
		rest += len + (rest[len] == ',');
	}
	return true;
}

/* ---- changing ---- */

static void changed(void *arg, bool drained)
{
	struct mgmt_request *r = arg;

	if (!drained) {
		mgmt_fail(r, ETIMEDOUT, "commands have not ended",
			  "the state is changed, but a store hangs: commands that came by the port "
			  "before may still have an effect");
		return;
	}
	log_info("target %u: %s", (unsigned int)r->args.tid, r->args.params);
	mgmt_done(r, NULL);
}

void port_group_update(struct mgmt_request *r)
{
	struct target *target = r->target->scsi;
	struct access_wish wish = {0};
	const char *bad = NULL;
	size_t bad_len = 0;

	if (!parse(r->args.params, &wish, &bad, &bad_len))
		mgmt_refuse(r,
			    "\"%.*s\": a port group is given as tpg=TAG, and state=STATE or "
			    "preferred=0 or 1; states: active/optimized, active/non-optimized, "
			    "standby, unavailable, offline, transitioning",
			    (int)(bad_len < 60 ? bad_len : 60), bad);
	else if (!target_port_find(target, wish.id))
		mgmt_refuse(r, "the target has no port group %u", wish.id);
	else if (!wish.has_state && !wish.has_preferred)
		mgmt_refuse(r, "update needs state= or preferred= beside tpg=");
	else
		target_access_change(target, &wish, 1, ACCESS_IMPLICIT, 0, changed, r);
}

static void done(void *arg)
{
	struct mgmt_request *r = arg;

	log_info("target %u: %s is %s", (unsigned int)r->args.tid, r->args.name, r->args.value);
	mgmt_done(r, NULL);
}

void port_group_set_tpgs(struct mgmt_request *r, const char *value)
{
	bool explicit = strcmp(value, "explicit") == 0;

	if (!explicit && strcmp(value, "implicit") != 0)
		mgmt_refuse(r, "tpgs is implicit or explicit, not \"%.40s\"", value);
	else
		target_access_by_command(r->target->scsi, explicit, done, r);
}

void port_group_set_transition_time(struct mgmt_request *r, const char *value)
{
	unsigned int seconds;

	if (!take_number(value, strlen(value), UINT8_MAX, &seconds))
		mgmt_refuse(r, "transition_time is 0 to 255 seconds, not \"%.40s\"", value);
	else
		target_access_transition_time(r->target->scsi, (uint8_t)seconds, done, r);
}

/* ---- showing ---- */

static const char *status_name(uint8_t status)
{
	static const char *const names[] = {
	    [ACCESS_UNCHANGED] = "unchanged",
	    [ACCESS_BY_COMMAND] = "by command",
	    [ACCESS_IMPLICIT] = "by operator",
	};

	return status < ARRAY_SIZE(names) ? names[status] : "unknown";
}

void show_port_groups(struct writer *w, const struct target *target)
{
	const struct target_ports *ports = target_ports(target);

	write_array(w, "port_groups");
	for (unsigned int i = 0; i < ports->count; i++) {
		const struct target_port *port = &ports->ports[i];

		write_object(w, NULL);
		write_number(w, "group", port->id);
		write_text(w, "state", state_name(port->state));
		write_bool(w, "preferred", port->preferred);
		write_text(w, "changed", status_name(port->status));
		write_object_end(w);
	}
	write_array_end(w);
}

const char *show_tpgs(const struct target *target)
{
	return target_ports(target)->by_command ? "explicit" : "implicit";
}
