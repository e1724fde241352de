/* SPDX-License-Identifier: MIT */
/* The difference of logical units. */
#include <stdio.h>
#include <string.h>

#include "config/plan.h"

struct unit {
	const char *lun;
	const json_t *wanted, *last, *running; /* last, running: NULL where there is none */
	json_t *made; /* the request that makes it anew, borrowed, or NULL */
};

static const json_t *params_of(const json_t *unit)
{
	return json_object_get(unit, "params");
}

/* ---- steps ---- */

static json_t *unit_request(const struct plan *p, const char *op, const char *lun)
{
	json_t *request = plan_request(p, op, "logicalunit");
	json_int_t number = 0;

	for (const char *digit = lun; *digit; digit++)
		number = number * 10 + (*digit - '0');
	json_object_set_new(request, "lun", json_integer(number));
	return request;
}

static json_t *add(struct plan *p, const struct unit *u, json_t *request)
{
	json_t *step = plan_add(p, request);

	json_object_set_new(step, "unit", json_string(u->lun));
	return step;
}

static void update(struct plan *p, const struct unit *u, const char *params)
{
	json_t *request = unit_request(p, "update", u->lun);

	json_object_set_new(request, "params", json_string(params));
	add(p, u, request);
}

/* ---- does it have to be made anew? ---- */

static const char *kind_of(const char *device_type)
{
	if (strcmp(device_type, "ssc") == 0)
		return "tape";
	return strcmp(device_type, "pt") == 0 ? "passthrough" : device_type;
}

/* As "new" chooses it. */
static const char *store_of(const struct plan *p, const json_t *wanted)
{
	const char *store = plan_text(wanted, "bstype"), *type = plan_text(wanted, "device_type");
	const char *of_disks = plan_text(p->running, "default_store");

	if (type && strcmp(type, "changer") == 0)
		return "smc"; /* as it is shown: a changer has no store */
	if (store || !type)
		return store ? store : of_disks;
	type = kind_of(type);
	if (strcmp(type, "tape") == 0)
		return "ssc";
	return strcmp(type, "passthrough") == 0 ? "sg" : of_disks;
}

/* A drive that media are put into, by hand or by "path". */
static bool is_none(const char *path)
{
	return path && (strcmp(path, "NONE") == 0 || strncmp(path, "NONE:", 5) == 0);
}

static bool is_drive(const json_t *running)
{
	return plan_same_text(plan_text(params_of(running), "removable"), "1");
}

static bool other_medium(const struct unit *u)
{
	const char *path = plan_text(u->wanted, "path"), *now = plan_text(u->running, "path");

	if (is_none(path) || json_object_get(u->running, "empty"))
		return !is_drive(u->running);
	/* "path" puts another one in */
	return !plan_same_text(path, now) &&
	       !plan_same_text(plan_text(params_of(u->wanted), "path"), now) &&
	       !plan_same_text(plan_text(params_of(u->last), "path"), now);
}

static bool other_block_size(const struct unit *u)
{
	json_int_t size = json_integer_value(json_object_get(u->wanted, "blocksize"));

	if (!size && strcmp(plan_text(u->running, "kind"), "disk") != 0)
		return false;
	return (size ? size : 512) != json_integer_value(json_object_get(u->running, "blocksize"));
}

/* An option that was given the last time and isn't now, or one that an update can't carry. */
static bool option_gone(const struct unit *u, const char *member)
{
	const char *wanted = plan_text(u->wanted, member);

	if (!wanted)
		return plan_text(u->last, member) && plan_text(u->running, member);
	return strchr(wanted, ',') && !plan_same_text(wanted, plan_text(u->running, member));
}

static bool must_be_new(const struct plan *p, const struct unit *u)
{
	const char *type = plan_text(u->wanted, "device_type");

	return other_medium(u) ||
	       !plan_same_text(store_of(p, u->wanted), plan_text(u->running, "bstype")) ||
	       (type && strcmp(kind_of(type), plan_text(u->running, "kind")) != 0) ||
	       other_block_size(u) || option_gone(u, "bsopts") || option_gone(u, "bsoflags");
}

/* ---- parameters ---- */

/* Room for several parameters and, in any case, for one from the longest line. */
#define PARAMS_SIZE 16384

/* With the request that makes the unit, so that nobody sees it without them, or by one of their
 * own. */
static void send_params(struct plan *p, const struct unit *u, const char *text)
{
	if (!*text)
		return;
	if (u->made && !json_object_get(u->made, "params"))
		json_object_set_new(u->made, "params", json_string(text));
	else
		update(p, u, text);
}

/* "name=value" at the end of text, which is sent when it has no room for it. */
static void append(struct plan *p, const struct unit *u, char *text, const char *name,
		   const char *value)
{
	size_t used = strlen(text);

	if (used + strlen(name) + strlen(value) + 3 > PARAMS_SIZE) {
		send_params(p, u, text);
		used = 0;
	}
	snprintf(text + used, PARAMS_SIZE - used, "%s%s=%s", used ? "," : "", name, value);
}

/* What goes into a request of its own. */
static bool is_alone(const char *name)
{
	return strncmp(name, "mode_page ", 10) == 0 || strcmp(name, "path") == 0 ||
	       strcmp(name, "size") == 0;
}

/* Whether a parameter that can't be read from what runs was set to that already. */
static bool was_set(const struct unit *u, const char *name, const char *value)
{
	const char *page = strncmp(name, "mode_page ", 10) == 0 ? name + 10 : NULL;

	return plan_same_text(plan_text(params_of(u->last), name), value) ||
	       (page &&
		plan_same_text(plan_text(json_object_get(u->running, "pages"), page), value));
}

static bool is_set(const struct unit *u, const char *name, const char *value)
{
	const char *now = plan_text(params_of(u->running), name);

	if (!u->running)
		return false;
	return now ? strcmp(now, value) == 0 : was_set(u, name, value);
}

/* Those that are plain; what isn't wanted any more as it was at first. */
static void plain_params(struct plan *p, const struct unit *u, char *text)
{
	json_t *mine = json_object_get(u->wanted, "params"), *value;
	const json_t *defaults = json_object_get(u->running, "defaults");
	const char *name;

	json_object_foreach(mine, name, value)
	{
		if (!is_alone(name) && !is_set(u, name, json_string_value(value)))
			append(p, u, text, name, json_string_value(value));
	}
	json_object_foreach(json_object_get(u->last, "params"), name, value)
	{
		const char *preset = plan_text(defaults, name);

		if (strcmp(name, "removable") == 0 && is_none(plan_text(u->wanted, "path")))
			continue; /* a drive is, without saying so */
		if (!is_alone(name) && !json_object_get(mine, name) && preset && *preset &&
		    !plan_same_text(preset, plan_text(params_of(u->running), name)))
			append(p, u, text, name, preset);
	}
}

/* What opens the store anew, in one request. */
static void reopening_params(struct plan *p, const struct unit *u)
{
	static const char *const members[] = {"bsopts", "bsoflags"};
	const char *path = plan_text(params_of(u->wanted), "path");
	char text[PARAMS_SIZE] = "";

	if (!path)
		path = plan_text(u->wanted, "path");
	if (!is_none(path) &&
	    !plan_same_text(path, plan_text(u->running ? u->running : u->wanted, "path")))
		append(p, u, text, "path", path);
	for (size_t i = 0; i < 2 && u->running; i++) {
		const char *value = plan_text(u->wanted, members[i]);

		if (value && !plan_same_text(value, plan_text(u->running, members[i])))
			append(p, u, text, members[i], value);
	}
	if (*text)
		update(p, u, text);
}

/* 0 is the store's own. */
static void size_param(struct plan *p, const struct unit *u, char *text)
{
	const char *size = plan_text(params_of(u->wanted), "size"), *now, *own;

	if (!size && plan_text(params_of(u->last), "size"))
		size = "0";
	if (!size)
		return;
	now = plan_text(params_of(u->running), "size");
	own = plan_text(json_object_get(u->running, "defaults"), "size");
	if (!now || !plan_same_text(now, strcmp(size, "0") == 0 ? own : size))
		append(p, u, text, "size", size);
}

static void mode_pages(struct plan *p, const struct unit *u)
{
	json_t *value;
	const char *name;
	char text[1100];

	json_object_foreach(json_object_get(u->wanted, "params"), name, value)
	{
		if (strncmp(name, "mode_page ", 10) != 0 ||
		    is_set(u, name, json_string_value(value)))
			continue;
		snprintf(text, sizeof(text), "mode_page=%s", json_string_value(value));
		update(p, u, text);
	}
	json_object_foreach(json_object_get(u->last, "params"), name, value)
	{
		if (!u->running || strncmp(name, "mode_page ", 10) != 0 ||
		    json_object_get(params_of(u->wanted), name))
			continue;
		json_array_append_new(
		    p->warnings, json_sprintf("%s: %s stays as it is until the unit is made anew",
					      plan_text(u->wanted, "place"), name));
	}
}

/* An initiator may change it too (MODE SELECT): that stays, as long as the file says the same. */
static void write_cache(struct plan *p, const struct unit *u, char *text)
{
	json_t *wanted = json_object_get(u->wanted, "write_cache");
	json_t *last = json_object_get(u->last, "write_cache");

	if (!wanted && last && !json_object_get(params_of(u->wanted), "mode_page 8:0"))
		wanted = json_object_get(u->running, "default_write_cache");
	if (!wanted ||
	    (u->running && (json_equal(wanted, last) ||
			    json_equal(wanted, json_object_get(u->running, "write_cache")))))
		return;
	append(p, u, text, "write_cache", json_is_true(wanted) ? "1" : "0");
}

/* The whole page has the bit of the write cache too, which then comes after it. */
static void change_params(struct plan *p, const struct unit *u)
{
	bool has_page = json_object_get(params_of(u->wanted), "mode_page 8:0");
	char text[PARAMS_SIZE] = "", after[PARAMS_SIZE] = "";

	plain_params(p, u, text);
	size_param(p, u, text);
	write_cache(p, u, has_page ? after : text);
	send_params(p, u, text);
	reopening_params(p, u);
	mode_pages(p, u);
	if (*after)
		update(p, u, after);
}

/* ---- a unit ---- */

static void make(struct plan *p, struct unit *u)
{
	static const char *const members[] = {"bstype", "bsopts", "bsoflags", "device_type",
					      "blocksize"};
	json_t *request = unit_request(p, "new", u->lun), *step;

	json_object_set(request, "backing_store", json_object_get(u->wanted, "path"));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(u->wanted, members[i]);

		if (value)
			json_object_set(request, members[i], value);
	}
	step = add(p, u, request);
	u->made = request;
	json_object_set_new(step, "undo", unit_request(p, "delete", u->lun));
	if (json_is_true(json_object_get(u->wanted, "allow_in_use")))
		json_object_set_new(step, "allow_in_use", json_true());
	if (json_is_true(json_object_get(u->wanted, "direct")))
		json_object_set_new(step, "direct", json_true());
}

static void plan_unit(struct plan *p, struct unit *u)
{
	p->place = json_object_get(u->wanted, "place");
	if (u->running && must_be_new(p, u)) {
		add(p, u, unit_request(p, "delete", u->lun));
		u->running = NULL;
	}
	if (!u->running) {
		u->last = NULL;
		make(p, u);
	}
	change_params(p, u);
}

/* Those of the last time; what was made by hand stays. */
static void remove_units(struct plan *p, const json_t *wanted, const json_t *last,
			 const json_t *running)
{
	json_t *units = json_object_get(last, "luns"), *unit;
	const char *lun;

	p->place = json_object_get(wanted, "place");
	json_object_foreach(units, lun, unit)
	{
		const struct unit u = {.lun = lun};

		if (!json_object_get(json_object_get(wanted, "luns"), lun) &&
		    json_object_get(json_object_get(running, "luns"), lun))
			add(p, &u, unit_request(p, "delete", lun));
	}
}

static bool has_line(const json_t *unit, const json_t *line)
{
	json_t *lines = json_object_get(unit, "elements"), *other;
	size_t i;

	json_array_foreach(lines, i, other)
	{
		if (json_equal(line, other))
			return true;
	}
	return false;
}

/* A changer's elements, once the drives of the target are there.  What is in the library stays
 * where initiators have moved it, so lines that were there the last time have nothing to add. */
static void plan_elements(struct plan *p, const struct unit *u)
{
	json_t *lines = json_object_get(u->wanted, "elements"), *line;
	size_t i;

	p->place = json_object_get(u->wanted, "place");
	json_array_foreach(lines, i, line)
	{
		if (!u->running || !has_line(u->last, line))
			update(p, u, json_string_value(line));
	}
	lines = json_object_get(u->last, "elements");
	json_array_foreach(lines, i, line)
	{
		if (u->running && !has_line(u->wanted, line))
			json_array_append_new(
			    p->warnings,
			    json_sprintf("%s: %s isn't undone: clear_slot takes cartridges out",
					 plan_text(u->wanted, "place"), json_string_value(line)));
	}
}

void plan_units(struct plan *p, const json_t *wanted, const json_t *last, const json_t *running)
{
	json_t *units = json_object_get(wanted, "luns"), *unit;
	const char *lun;

	remove_units(p, wanted, last, running);
	json_object_foreach(units, lun, unit)
	{
		struct unit u = {.lun = lun,
				 .wanted = unit,
				 .last = json_object_get(json_object_get(last, "luns"), lun),
				 .running = json_object_get(json_object_get(running, "luns"), lun)};

		plan_unit(p, &u);
	}
	json_object_foreach(units, lun, unit)
	{
		const struct unit u = {.lun = lun,
				       .wanted = unit,
				       .last = json_object_get(json_object_get(last, "luns"), lun),
				       .running =
					   json_object_get(json_object_get(running, "luns"), lun)};

		plan_elements(p, &u);
	}
}
