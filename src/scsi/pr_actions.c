/* SPDX-License-Identifier: MIT */
/* What each service action of PERSISTENT RESERVE OUT does to the table: SPC-5 5.14.7 to 5.14.11. */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/pr_change.h"
#include "scsi/target.h"
#include "util/bytes.h"

/* Fields of the parameter lists, for field pointers (SPC-5 6.17.3, 6.17.4). */
#define AT_ACTION_KEY 8
#define AT_FLAGS 20
#define BIT_SPEC_I_PT 3
#define AT_MOVE_PORT 18
#define AT_MOVE_ID_LENGTH 20
#define AT_TRANSPORT_IDS 24

static bool conflict(struct pr_change *c)
{
	task_status(c->t, STATUS_RESERVATION_CONFLICT);
	return false;
}

static bool invalid_parameter(struct pr_change *c, unsigned byte, int bit)
{
	task_invalid_parameter(c->t, byte, bit);
	return false;
}

static bool no_room(struct pr_change *c)
{
	task_sense(c->t, KEY_ILLEGAL_REQUEST, ASC_INSUFFICIENT_REGISTRATION_RESOURCES);
	return false;
}

static struct pr_registration *self(struct pr_change *c)
{
	return pr_find_nexus(c->next, c->t->nexus);
}

static bool is_self(const struct pr_change *c, const struct pr_registration *r)
{
	return pr_port_is_nexus(&r->port, c->t->nexus);
}

/* Puts the port of r in a set.  What the nexus that asks has registered may be of other target
 * ports too. */
static void tell(struct pr_change *c, struct pr_ports **set, const struct pr_registration *r)
{
	if (is_self(c, r) && !r->port.all_ports)
		return;
	if (!*set) {
		*set = malloc(sizeof(**set));
		if (!*set)
			abort(); /* an initiator that isn't told of its loss corrupts data */
		(*set)->count = 0;
		(*set)->except = c->t->nexus->id;
	}
	(*set)->ports[(*set)->count++] = r->port;
}

static void tell_all(struct pr_change *c, struct pr_ports **set)
{
	for (unsigned i = 0; i < c->next->count; i++)
		tell(c, set, &c->next->registrations[i]);
}

static void end_reservation(struct pr_change *c)
{
	c->next->type = PR_NONE;
	for (unsigned i = 0; i < c->next->count; i++)
		c->next->registrations[i].holder = false;
}

static void establish(struct pr_change *c)
{
	end_reservation(c);
	c->next->type = c->type;
	self(c)->holder = !pr_is_all_registrants(c->type);
}

static bool check_scope_and_type(struct pr_change *c)
{
	if (c->scope == 0 && pr_type_valid(c->type))
		return true;
	task_invalid_cdb(c->t, 2, c->scope ? 7 : 3);
	return false;
}

/* ---- REGISTER, REGISTER AND IGNORE EXISTING KEY (5.14.7) ---- */

/* 5.14.11.2.3: the holder's reservation goes with its registration; with an all registrants type,
 * when it was the last one.  Those who had access by a registrants only type are told. */
static void unregister(struct pr_change *c, struct pr_registration *r)
{
	uint8_t type = c->next->type;
	bool held = r->holder;

	pr_remove(c->next, r);
	if (pr_is_all_registrants(type)) {
		if (!c->next->count)
			end_reservation(c);
	} else if (held) {
		end_reservation(c);
		if (pr_is_registrants(type))
			tell_all(c, &c->reservations_released);
	}
}

/* One TransportID of SPEC_I_PT.  A port that is registered already makes all of it fail, but the
 * one that asks may name itself. */
static bool add_other(struct pr_change *c, struct pr_port *port, unsigned at)
{
	port->relative_port = c->t->nexus->relative_port;
	port->all_ports = c->all_tg_pt;
	if (pr_port_is_nexus(port, c->t->nexus))
		return true;
	if (pr_find_port(c->next, port))
		return invalid_parameter(c, at, -1);
	return pr_add(c->next, port, c->action_key) || no_room(c);
}

static bool add_others(struct pr_change *c)
{
	size_t at = AT_TRANSPORT_IDS + 4, end;
	struct pr_port port;

	if (c->list_len < at || get_be32(c->list + AT_TRANSPORT_IDS) != c->list_len - at) {
		task_parameter_list_length_error(c->t);
		return false;
	}
	for (end = c->list_len; at < end;) {
		size_t len = pr_parse_transport_id(c->list + at, end - at, &port);

		if (!len)
			return invalid_parameter(c, (unsigned)at, -1);
		if (!add_other(c, &port, (unsigned)at))
			return false;
		at += len;
	}
	return true;
}

/* ---- ALL_TG_PT: as if the command had come through every target port (6.17.3) ---- */

/* One registration stands for all of them as long as they don't differ. */
static bool holds_at_some_port(const struct pr_change *c, const struct pr_port *whole)
{
	for (unsigned i = 0; i < c->next->count; i++) {
		const struct pr_registration *r = &c->next->registrations[i];

		if (r->holder && pr_port_equal(&r->port, whole))
			return true;
	}
	return false;
}

/* One for each target port, so that only the one that holds the reservation goes on to do so. */
static bool register_each_port(struct pr_change *c, struct pr_port port, uint64_t key)
{
	const struct target_ports *list = target_ports(c->t->nexus->target);

	port.all_ports = false;
	for (unsigned i = 0; i < list->count; i++) {
		struct pr_registration *r;

		port.relative_port = list->ports[i].id;
		r = pr_find_port(c->next, &port);
		if (!r)
			r = pr_add(c->next, &port, key);
		if (!r)
			return no_room(c);
		r->key = key;
	}
	return true;
}

/* The initiator port's registrations at single target ports are in the one for all of them now. */
static bool widen_to_all_ports(struct pr_change *c, const struct pr_registration *r)
{
	struct pr_registration whole = *r;

	whole.port.all_ports = true;
	if (holds_at_some_port(c, &whole.port))
		return register_each_port(c, whole.port, whole.key);
	for (unsigned i = c->next->count; i-- > 0;) {
		if (pr_port_equal(&c->next->registrations[i].port, &whole.port))
			pr_remove(c->next, &c->next->registrations[i]);
	}
	pr_add(c->next, &whole.port, whole.key);
	return true;
}

/* The nexus that asks is to differ from the initiator port's others: each gets its own. */
static bool split(struct pr_change *c, struct pr_registration *r)
{
	r->port.all_ports = false;
	r->port.relative_port = c->t->nexus->relative_port;
	return register_each_port(c, r->port, r->key);
}

static void unregister_all_ports(struct pr_change *c, struct pr_registration *r)
{
	struct pr_port whole = r->port;

	whole.all_ports = true;
	for (; r; r = pr_find_port(c->next, &whole))
		unregister(c, r);
}

static bool add_self(struct pr_change *c)
{
	struct pr_registration *r;
	struct pr_port port;

	pr_port_of_nexus(&port, c->t->nexus);
	r = pr_add(c->next, &port, c->action_key);
	if (!r)
		return no_room(c);
	return !c->all_tg_pt || widen_to_all_ports(c, r);
}

static bool change_key(struct pr_change *c, struct pr_registration *r)
{
	if (!c->all_tg_pt && r->port.all_ports && !split(c, r))
		return false;
	if (c->action_key)
		r->key = c->action_key;
	else if (c->all_tg_pt)
		unregister_all_ports(c, r);
	else
		unregister(c, r);
	return !c->action_key || !c->all_tg_pt || widen_to_all_ports(c, r);
}

static bool do_register(struct pr_change *c)
{
	struct pr_registration *r = self(c);

	if (c->key != (r ? r->key : 0))
		return conflict(c);
	if (r && c->spec_i_pt)
		return invalid_parameter(c, AT_FLAGS, BIT_SPEC_I_PT);
	c->next->aptpl = c->aptpl;
	if (r)
		return change_key(c, r);
	if (!c->action_key)
		return true;
	return add_self(c) && (!c->spec_i_pt || add_others(c));
}

static bool do_register_and_ignore(struct pr_change *c)
{
	struct pr_registration *r = self(c);

	c->next->aptpl = c->aptpl;
	if (r)
		return change_key(c, r);
	return !c->action_key || add_self(c);
}

/* ---- RESERVE, RELEASE, CLEAR (5.14.9, 5.14.11) ---- */

static bool do_reserve(struct pr_change *c)
{
	if (!check_scope_and_type(c))
		return false;
	if (c->next->type == PR_NONE)
		establish(c);
	else if (c->next->type != c->type || !pr_is_holder(c->next, self(c)))
		return conflict(c);
	return true;
}

static bool do_release(struct pr_change *c)
{
	uint8_t type = c->next->type;

	if (type == PR_NONE || !pr_is_holder(c->next, self(c)))
		return true;
	if (c->scope != 0 || c->type != type) {
		task_sense(c->t, KEY_ILLEGAL_REQUEST,
			   ASC_INVALID_RELEASE_OF_PERSISTENT_RESERVATION);
		return false;
	}
	end_reservation(c);
	if (pr_is_registrants(type))
		tell_all(c, &c->reservations_released);
	return true;
}

static bool do_clear(struct pr_change *c)
{
	tell_all(c, &c->reservations_preempted);
	c->next->type = PR_NONE;
	c->next->count = 0;
	return true;
}

/* ---- PREEMPT, PREEMPT AND ABORT (5.14.11.2.4, 5.14.11.2.5) ---- */

/* Removes those with the key (or all, for any), sparing the nexus that asks; how many. */
static unsigned preempt_others(struct pr_change *c, bool any)
{
	unsigned removed = 0;

	for (unsigned i = c->next->count; i-- > 0;) {
		struct pr_registration *r = &c->next->registrations[i];

		if (is_self(c, r) || (!any && r->key != c->action_key))
			continue;
		tell(c, &c->registrations_preempted, r);
		pr_remove(c->next, r);
		removed++;
	}
	return removed;
}

/* Only registrations go, the sender's own among them when it has that key; the reservation stays,
 * but for one of all registrants when nobody is left. */
static bool remove_registrations(struct pr_change *c)
{
	unsigned removed;

	if (!c->action_key)
		return invalid_parameter(c, AT_ACTION_KEY, -1);
	removed = preempt_others(c, false);
	if (self(c)->key == c->action_key) {
		tell(c, &c->registrations_preempted, self(c));
		pr_remove(c->next, self(c));
		c->self_removed = true;
		removed++;
	}
	if (!removed)
		return conflict(c);
	if (!c->next->count)
		end_reservation(c);
	return true;
}

static bool preempt_reservation(struct pr_change *c, bool any)
{
	uint8_t old_type = c->next->type;

	if (!check_scope_and_type(c))
		return false;
	preempt_others(c, any);
	establish(c);
	if (old_type != c->type)
		tell_all(c, &c->reservations_released);
	return true;
}

static const struct pr_registration *holder(const struct pr_table *table)
{
	for (unsigned i = 0; i < table->count; i++)
		if (table->registrations[i].holder)
			return &table->registrations[i];
	return NULL;
}

static bool do_preempt(struct pr_change *c)
{
	const struct pr_registration *h = holder(c->next);

	if (pr_is_all_registrants(c->next->type) && !c->action_key)
		return preempt_reservation(c, true);
	if (h && h->key == c->action_key)
		return preempt_reservation(c, false);
	return remove_registrations(c);
}

/* ---- REGISTER AND MOVE (5.14.8) ---- */

static bool check_move(struct pr_change *c, struct pr_port *to)
{
	size_t len = c->list_len - AT_TRANSPORT_IDS;
	uint16_t port = get_be16(c->list + AT_MOVE_PORT);

	if (get_be32(c->list + AT_MOVE_ID_LENGTH) != len) {
		task_parameter_list_length_error(c->t);
		return false;
	}
	if (!c->action_key)
		return invalid_parameter(c, AT_ACTION_KEY, -1);
	if (!target_port_find(c->t->nexus->target, port))
		return invalid_parameter(c, AT_MOVE_PORT, -1);
	if (!len || pr_parse_transport_id(c->list + AT_TRANSPORT_IDS, len, to) != len)
		return invalid_parameter(c, AT_TRANSPORT_IDS, -1);
	to->relative_port = port;
	if (pr_port_is_nexus(to, c->t->nexus))
		return invalid_parameter(c, AT_TRANSPORT_IDS, -1);
	return true;
}

static bool do_register_and_move(struct pr_change *c)
{
	struct pr_registration *target;
	struct pr_port to;

	if (!self(c)->holder) /* nor can a reservation of all registrants be moved */
		return conflict(c);
	if (!check_move(c, &to))
		return false;
	c->next->aptpl = c->aptpl;
	self(c)->holder = false;
	if (c->unregister)
		pr_remove(c->next, self(c));
	target = pr_find_port(c->next, &to);
	if (!target)
		target = pr_add(c->next, &to, c->action_key);
	if (!target)
		return no_room(c);
	target->key = c->action_key;
	target->holder = true;
	return true;
}

/* It may leave the nexus that asks with a reservation that its initiator port has nowhere else. */
static bool is_for_one_port(const struct pr_change *c)
{
	switch (c->action) {
	case PR_RESERVE:
	case PR_PREEMPT:
	case PR_PREEMPT_AND_ABORT:
		return !pr_is_all_registrants(c->type);
	case PR_REGISTER_AND_MOVE:
		return true;
	default:
		return false;
	}
}

bool pr_act(struct pr_change *c)
{
	static bool (*const actions[PR_ACTIONS])(struct pr_change *) = {
	    [PR_REGISTER] = do_register,
	    [PR_RESERVE] = do_reserve,
	    [PR_RELEASE] = do_release,
	    [PR_CLEAR] = do_clear,
	    [PR_PREEMPT] = do_preempt,
	    [PR_PREEMPT_AND_ABORT] = do_preempt,
	    [PR_REGISTER_AND_IGNORE] = do_register_and_ignore,
	    [PR_REGISTER_AND_MOVE] = do_register_and_move,
	};
	const struct pr_registration *r = self(c);

	/* SPC-5 table 66: but for the two that register, only a registered nexus that knows its key
	 */
	if (c->action != PR_REGISTER && c->action != PR_REGISTER_AND_IGNORE &&
	    (!r || r->key != c->key))
		return conflict(c);
	if (is_for_one_port(c) && r->port.all_ports && !split(c, self(c)))
		return false;
	return actions[c->action](c);
}
