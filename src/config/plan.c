/* SPDX-License-Identifier: MIT */
#include "config/plan.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"

const char *plan_text(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

bool plan_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static const json_t *target_of(const json_t *model, const char *name)
{
	return json_object_get(json_object_get(model, "targets"), name);
}

/* ---- steps ---- */

json_t *plan_request(const struct plan *p, const char *op, const char *mode)
{
	json_t *request = json_pack("{s:s, s:s}", "op", op, "mode", mode);

	if (p->tid)
		json_object_set_new(request, "tid", json_integer(p->tid));
	return request;
}

json_t *plan_add(struct plan *p, json_t *request)
{
	json_t *step = json_pack("{s:o, s:i}", "request", request, "group", (int)p->group);

	if (p->place)
		json_object_set(step, "place", (json_t *)(uintptr_t)p->place);
	json_array_append_new(p->steps, step);
	return step;
}

static void refuse(struct plan *p, const json_t *place, const char *name, const char *why)
{
	const char *where = json_string_value(place);

	json_array_append_new(p->refused,
			      json_sprintf("%s%starget %s: this target is still active: %s",
					   where ? where : "", where ? ": " : "", name, why));
}

/* ---- accounts ---- */

static bool uses(const json_t *of, const char *user)
{
	return json_object_get(json_object_get(of, "incoming"), user) ||
	       json_object_get(json_object_get(of, "outgoing"), user);
}

static void plan_account(struct plan *p, const char *user, const json_t *password)
{
	const json_t *now = json_object_get(json_object_get(p->running, "accounts"), user);
	json_t *request;

	if (now && json_equal(now, password))
		return;
	request = plan_request(p, now ? "update" : "new", "account");
	json_object_set_new(request, "user", json_string(user));
	json_object_set(request, "password", (json_t *)(uintptr_t)password);
	plan_add(p, request);
}

static void plan_accounts(struct plan *p)
{
	const json_t *only = p->choice->name ? target_of(p->wanted, p->choice->name) : NULL;
	json_t *accounts = json_object_get(p->wanted, "accounts"), *password;
	const char *user;

	json_object_foreach(accounts, user, password)
	{
		if (!p->choice->name || uses(only, user))
			plan_account(p, user, password);
	}
}

/* Whether the configuration uses an account, with a password or without. */
static bool is_wanted(const struct plan *p, const char *user)
{
	const char *name;
	json_t *target;

	if (json_object_get(json_object_get(p->wanted, "accounts"), user) ||
	    uses(json_object_get(p->wanted, "discovery"), user))
		return true;
	json_object_foreach(json_object_get(p->wanted, "targets"), name, target)
	{
		if (uses(target, user))
			return true;
	}
	return false;
}

/* Accounts of the last time that nobody wants any more.  Whoever carries the plan out passes those
 * over that are still bound: without its account a target would be open. */
static void drop_accounts(struct plan *p)
{
	const json_t *only = p->choice->name ? target_of(p->last, p->choice->name) : NULL;
	json_t *accounts = json_object_get(p->last, "accounts"), *value, *request;
	const char *user;

	json_object_foreach(accounts, user, value)
	{
		if (is_wanted(p, user) ||
		    !json_object_get(json_object_get(p->running, "accounts"), user) ||
		    (p->choice->name && !uses(only, user)))
			continue;
		request = plan_request(p, "delete", "account");
		json_object_set_new(request, "user", json_string(user));
		plan_add(p, request);
	}
}

static void change_binding(struct plan *p, const char *op, const char *side, const char *user,
			   const json_t *place)
{
	json_t *request = plan_request(p, op, "account");

	json_object_set_new(request, "user", json_string(user));
	if (strcmp(side, "outgoing") == 0)
		json_object_set_new(request, "outgoing", json_true());
	p->place = place;
	plan_add(p, request);
}

static void bind_accounts(struct plan *p, const char *side, const json_t *wanted,
			  const json_t *running)
{
	json_t *users = json_object_get(wanted, side), *place;
	const char *user;

	json_object_foreach(users, user, place)
	{
		if (!json_object_get(json_object_get(running, side), user))
			change_binding(p, "bind", side, user, place);
	}
}

static void unbind_accounts(struct plan *p, const char *side, const json_t *wanted,
			    const json_t *last, const json_t *running)
{
	json_t *users = json_object_get(running, side), *place;
	const json_t *mine = json_object_get(wanted, side);
	const char *user;
	/* there can be but one of them */
	bool makes_room = strcmp(side, "outgoing") == 0 && json_object_size(mine);

	json_object_foreach(users, user, place)
	{
		if (json_object_get(mine, user) ||
		    (!makes_room && !json_object_get(json_object_get(last, side), user)))
			continue;
		change_binding(p, "unbind", side, user, json_object_get(wanted, "place"));
	}
}

/* New ones first: at no time may a target be without the accounts that it asks for. */
static void plan_bindings(struct plan *p, const json_t *wanted, const json_t *last,
			  const json_t *running)
{
	bind_accounts(p, "incoming", wanted, running);
	unbind_accounts(p, "incoming", wanted, last, running);
	unbind_accounts(p, "outgoing", wanted, last, running);
	bind_accounts(p, "outgoing", wanted, running);
}

static void plan_discovery(struct plan *p)
{
	p->tid = 0;
	plan_bindings(p, json_object_get(p->wanted, "discovery"),
		      json_object_get(p->last, "discovery"),
		      json_object_get(p->running, "discovery"));
	p->place = NULL;
}

/* ---- access rules ---- */

static void change_rule(struct plan *p, const char *op, const char *set, const char *text,
			const json_t *place)
{
	bool address = strcmp(set, "addresses") == 0;
	json_t *request = plan_request(p, op, "target");

	json_object_set_new(request, address ? "initiator_address" : "initiator_name",
			    json_string(text));
	p->place = place;
	plan_add(p, request);
}

static void bind_rules(struct plan *p, const char *set, const json_t *wanted, const json_t *running)
{
	json_t *rules = json_object_get(wanted, set), *place;
	const char *text;

	json_object_foreach(rules, text, place)
	{
		if (!json_object_get(json_object_get(running, set), text))
			change_rule(p, "bind", set, text, place);
	}
}

static void unbind_rules(struct plan *p, const char *set, const json_t *wanted, const json_t *last,
			 const json_t *running)
{
	json_t *rules = json_object_get(last, set), *place;
	const char *text;

	json_object_foreach(rules, text, place)
	{
		if (!json_object_get(json_object_get(wanted, set), text) &&
		    json_object_get(json_object_get(running, set), text))
			change_rule(p, "unbind", set, text, json_object_get(wanted, "place"));
	}
}

/* ---- a target ---- */

static void update_target(struct plan *p, const char *name, const char *value)
{
	json_t *request = plan_request(p, "update", "target");

	json_object_set_new(request, "name", json_string(name));
	json_object_set_new(request, "value", json_string(value));
	plan_add(p, request);
}

static void plan_parameters(struct plan *p, const json_t *wanted, const json_t *last,
			    const json_t *running)
{
	const json_t *now = json_object_get(running, "parameters");
	const json_t *defaults = json_object_get(p->running, "parameters");
	json_t *mine = json_object_get(wanted, "parameters"), *value;
	const char *name;

	if (!now)
		now = defaults;
	json_object_foreach(mine, name, value)
	{
		const char *is = plan_text(now, name);

		if (!is || strcasecmp(is, json_string_value(value)) != 0)
			update_target(p, name, json_string_value(value));
	}
	json_object_foreach(json_object_get(last, "parameters"), name, value)
	{
		const char *preset = plan_text(defaults, name);

		if (!json_object_get(mine, name) && preset &&
		    !plan_same_text(preset, plan_text(now, name)))
			update_target(p, name, preset);
	}
}

static void plan_state(struct plan *p, const json_t *wanted, const json_t *last,
		       const json_t *running)
{
	const char *state = plan_text(wanted, "state"), *now = plan_text(running, "state");

	if (!state && plan_text(last, "state"))
		state = "ready";
	if (state && !plan_same_text(state, now ? now : "ready"))
		update_target(p, "state", state);
}

static void remove_target(struct plan *p, const json_t *running, const json_t *place)
{
	json_t *request;

	p->tid = json_integer_value(json_object_get(running, "tid"));
	p->place = place;
	request = plan_request(p, "delete", "target");
	if (p->choice->force)
		json_object_set_new(request, "force", json_true());
	plan_add(p, request);
}

static bool is_busy(const json_t *running)
{
	return json_integer_value(json_object_get(running, "sessions")) > 0;
}

static bool is_tid_used(const struct plan *p, json_int_t tid)
{
	const char *name;
	json_t *target;

	json_object_foreach(json_object_get(p->running, "targets"), name, target)
	{
		if (json_integer_value(json_object_get(target, "tid")) == tid &&
		    !json_object_get(target, "removed"))
			return true;
	}
	json_object_foreach(json_object_get(p->wanted, "targets"), name, target)
	{
		if (json_integer_value(json_object_get(target, "tid")) == tid)
			return true;
	}
	return false;
}

static void make_target(struct plan *p, const char *name, const json_t *wanted)
{
	json_t *request, *undo;

	request = plan_request(p, "new", "target");
	json_object_set_new(request, "targetname", json_string(name));
	undo = plan_request(p, "delete", "target");
	json_object_set_new(undo, "force", json_true());
	p->place = json_object_get(wanted, "place");
	json_object_set_new(plan_add(p, request), "undo", undo);
}

/*
 * What a target is made of.  Who may reach it comes last where that is new, and first where it is
 * less: so nobody finds it half made, or open that shall be closed.
 */
static void fill_target(struct plan *p, const json_t *wanted, const json_t *last,
			const json_t *running)
{
	const json_t *place = json_object_get(wanted, "place");

	p->place = place;
	plan_parameters(p, wanted, last, running);
	unbind_rules(p, "addresses", wanted, last, running);
	unbind_rules(p, "names", wanted, last, running);
	plan_bindings(p, wanted, last, running);
	plan_units(p, wanted, last, running);
	p->place = place;
	plan_state(p, wanted, last, running);
	bind_rules(p, "addresses", wanted, running);
	bind_rules(p, "names", wanted, running);
	p->place = NULL;
}

static void plan_target(struct plan *p, const char *name, const json_t *wanted)
{
	const json_t *running = target_of(p->running, name), *last = target_of(p->last, name);
	json_int_t is = json_integer_value(json_object_get(running, "tid"));
	json_int_t tid = json_integer_value(json_object_get(wanted, "tid"));

	p->group++;
	if (!tid && is) {
		tid = is;
	} else if (!tid) {
		while (is_tid_used(p, p->free_tid))
			p->free_tid++;
		tid = p->free_tid;
		json_object_set_new((json_t *)(uintptr_t)wanted, "tid", json_integer(tid));
	}
	if (is && is != tid && is_busy(running) && !p->choice->force) {
		refuse(p, json_object_get(wanted, "place"), name,
		       "its controller_tid changed; force ends its sessions");
		return;
	}
	if (is && is != tid) {
		remove_target(p, running, json_object_get(wanted, "place"));
		running = last = NULL;
	}
	p->tid = tid;
	if (!running)
		make_target(p, name, wanted);
	fill_target(p, wanted, last, running);
}

/* ---- all of it ---- */

static bool is_chosen(const struct plan *p, const char *name)
{
	return !p->choice->name || strcmp(p->choice->name, name) == 0;
}

/* Targets that run and shall not: those of the last time, or the one that was named. */
static void remove_targets(struct plan *p)
{
	const char *name;
	json_t *running;

	json_object_foreach(json_object_get(p->running, "targets"), name, running)
	{
		bool named = p->choice->remove && p->choice->name;

		if (!is_chosen(p, name) || (target_of(p->wanted, name) && !p->choice->remove) ||
		    (!named && !target_of(p->last, name)))
			continue;
		if (is_busy(running) && !p->choice->force) {
			refuse(p, NULL, name,
			       named ? "force ends its sessions"
				     : "it isn't in the configuration any more; force ends its "
				       "sessions");
			continue;
		}
		p->group++;
		remove_target(p, running, NULL);
		json_object_set_new(running, "removed", json_true());
	}
	p->tid = 0;
}

static void plan_all(struct plan *p)
{
	const char *name;
	json_t *wanted;

	if (!p->choice->remove)
		plan_accounts(p);
	if (!p->choice->name)
		plan_discovery(p);
	remove_targets(p);
	json_object_foreach(json_object_get(p->wanted, "targets"), name, wanted)
	{
		if (is_chosen(p, name) && !p->choice->remove)
			plan_target(p, name, wanted);
	}
	p->tid = 0;
	p->group = 0;
	drop_accounts(p);
}

json_t *config_plan(const json_t *wanted, const json_t *last, const json_t *running,
		    const struct config_choice *choice)
{
	/* what is decided on the way is noted in copies */
	json_t *mine = json_deep_copy(wanted), *theirs = json_deep_copy(running);
	struct plan p = {
	    .wanted = mine,
	    .last = last,
	    .running = theirs,
	    .choice = choice,
	    .free_tid = 1,
	    .steps = json_array(),
	    .refused = json_array(),
	    .warnings = json_array(),
	};

	plan_all(&p);
	json_decref(mine);
	json_decref(theirs);
	return json_pack("{s:o, s:o, s:o}", "steps", p.steps, "refused", p.refused, "warnings",
			 p.warnings);
}

/* ---- what came from the configuration ---- */

/* Where something could not be done, what the last time asked for may still be there. */
static json_t *with_last(const json_t *wanted, const json_t *last)
{
	static const char *const sets[] = {"parameters", "addresses", "names", "incoming",
					   "outgoing",   "luns",      NULL};
	json_t *both = json_deep_copy(wanted);

	for (const char *const *set = sets; *set; set++)
		json_object_update_missing(json_object_get(both, *set),
					   json_object_get(last, *set));
	return both;
}

static bool has_text(const json_t *array, const char *text)
{
	size_t i;
	json_t *member;

	json_array_foreach(array, i, member)
	{
		if (strcmp(json_string_value(member), text) == 0)
			return true;
	}
	return false;
}

static json_t *remember_target(const json_t *wanted, const json_t *last, bool failed)
{
	if (!wanted)
		return json_deep_copy(last);
	return failed && last ? with_last(wanted, last) : json_deep_copy(wanted);
}

json_t *config_remember(const json_t *wanted, const json_t *last, const json_t *running,
			const struct config_choice *choice, const json_t *failed)
{
	json_t *model = config_model_new(), *value, *targets = json_object_get(model, "targets");
	json_t *accounts = json_object_get(model, "accounts");
	const char *name;

	json_object_foreach(json_object_get(running, "targets"), name, value)
	{
		bool chosen = !choice->name || strcmp(choice->name, name) == 0;
		const json_t *mine = chosen && !choice->remove ? target_of(wanted, name) : NULL;
		json_t *target =
		    remember_target(mine, target_of(last, name), has_text(failed, name));

		if (target)
			json_object_set_new(targets, name, target);
	}
	json_object_foreach(json_object_get(running, "accounts"), name, value)
	{
		if (json_object_get(json_object_get(last, "accounts"), name) ||
		    json_object_get(json_object_get(wanted, "accounts"), name))
			json_object_set_new(accounts, name, json_true());
	}
	value = json_object_get(choice->name ? last : wanted, "discovery");
	if (value)
		json_object_set_new(model, "discovery", json_deep_copy(value));
	return model;
}
