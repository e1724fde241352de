/* SPDX-License-Identifier: MIT */
/* Targets and logical units while they are read, and what can be said only when all is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/parse.h"
#include "iscsi/control.h"
#include "scsi/lu.h"

json_t *config_model_new(void)
{
	return json_pack("{s:{}, s:{s:{}, s:{}}, s:{}}", "targets", "discovery", "incoming",
			 "outgoing", "accounts");
}

/* Takes a unit in, that nobody refers to, so that what follows has a place to go to. */
static json_t *unit_new(void)
{
	return json_pack("{s:{}}", "params");
}

static json_t *target_new(const char *name)
{
	return json_pack("{s:s, s:{}, s:{}, s:{}, s:{}, s:{}, s:{}, s:[], s:o}", "name", name,
			 "parameters", "addresses", "names", "incoming", "outgoing", "luns",
			 "units", "common", unit_new());
}

void parse_open_target(struct parser *p, const char *name)
{
	json_t *targets = json_object_get(p->config->model, "targets");
	json_t *other = json_object_get(targets, name);
	json_t *target;

	if (!iscsi_name_valid(name)) {
		parse_complain(p, "\"%.240s\" is no iSCSI name (iqn., eui. or naa.)", name);
		snprintf(p->skipping, sizeof(p->skipping), "target");
		return;
	}
	if (other) {
		parse_complain(p, "target %.240s stands at %s already", name,
			       json_string_value(json_object_get(other, "place")));
		snprintf(p->skipping, sizeof(p->skipping), "target");
		return;
	}
	target = target_new(name);
	json_object_set_new(target, "place", parse_place(p));
	json_object_set_new(targets, name, target);
	p->target = target;
}

void parse_open_unit(struct parser *p, bool direct, const char *path)
{
	json_t *unit = unit_new(), *text = json_string(path);

	p->lun = unit;
	json_object_set_new(unit, "place", parse_place(p));
	if (direct)
		json_object_set_new(unit, "direct", json_true());
	/* what is wrong stays out of the list, but its lines still need a place */
	if (!*path || !text || strlen(path) > 4095) {
		parse_complain(p, "the path is empty, too long, or not UTF-8");
		json_object_set_new(unit, "broken", json_true());
	} else {
		json_object_set(unit, "path", text);
	}
	json_decref(text);
	json_array_append_new(json_object_get(p->target, "units"), unit);
}

/* ---- the end of a target ---- */

/* What a unit doesn't say itself is as its target says. */
static void inherit(json_t *unit, const json_t *common)
{
	json_t *params = json_object_get(unit, "params");

	json_object_update_missing(params, json_object_get(common, "params"));
	json_object_update_missing(unit, (json_t *)(uintptr_t)common);
}

/* Errors name the line of the unit, not that of the target's end. */
static void complain_of_unit(struct parser *p, const json_t *unit, const char *what)
{
	char line[sizeof(p->line->file) + 128];

	snprintf(line, sizeof(line), "%s: %s", json_string_value(json_object_get(unit, "place")),
		 what);
	json_array_append_new(p->config->errors, json_string(line));
}

static void place_unit(struct parser *p, json_t *luns, json_t *unit, unsigned lun)
{
	char key[16], what[64];

	snprintf(key, sizeof(key), "%u", lun);
	if (lun > LUN_MAX) {
		complain_of_unit(p, unit, "the target has too many logical units");
	} else if (json_object_get(luns, key)) {
		snprintf(what, sizeof(what), "lun %u is given twice", lun);
		complain_of_unit(p, unit, what);
	} else {
		json_object_set_new(unit, "lun", json_integer((json_int_t)lun));
		json_object_set(luns, key, unit);
	}
}

/* LUNs that are given, then the others from 1 on, in the order in which they stand. */
static void number_units(struct parser *p, json_t *target)
{
	json_t *units = json_object_get(target, "units"), *luns = json_object_get(target, "luns");
	unsigned next = 1;
	size_t i;
	json_t *unit;
	char key[16];

	json_array_foreach(units, i, unit)
	{
		json_t *lun = json_object_get(unit, "lun");

		if (lun && !json_object_get(unit, "broken"))
			place_unit(p, luns, unit, (unsigned)json_integer_value(lun));
	}
	json_array_foreach(units, i, unit)
	{
		if (json_object_get(unit, "lun") || json_object_get(unit, "broken"))
			continue;
		while (snprintf(key, sizeof(key), "%u", next), json_object_get(luns, key))
			next++;
		place_unit(p, luns, unit, next);
	}
}

/* Without any rule everybody may log in. */
static void open_to_all(json_t *target)
{
	json_t *addresses = json_object_get(target, "addresses");

	if (json_object_get(target, "closed") || json_object_size(addresses) ||
	    json_object_size(json_object_get(target, "names")))
		return;
	json_object_set(addresses, "ALL", json_object_get(target, "place"));
}

void parse_end_target(struct parser *p)
{
	json_t *target = p->target, *common = json_object_get(target, "common");
	json_t *targets = json_object_get(p->config->model, "targets");
	size_t i;
	json_t *unit;

	p->target = p->lun = NULL;
	json_array_foreach(json_object_get(target, "units"), i, unit)
	{
		inherit(unit, common);
	}
	number_units(p, target);
	open_to_all(target);
	json_object_del(target, "units");
	json_object_del(target, "common");
	if (json_object_get(target, "broken"))
		json_object_del(targets, json_string_value(json_object_get(target, "name")));
}

/* ---- the whole ---- */

static void check_tids(struct parser *p)
{
	json_t *seen = json_object(), *target, *tid;
	const char *name;
	char key[24];
	void *next;

	json_object_foreach_safe(json_object_get(p->config->model, "targets"), next, name, target)
	{
		tid = json_object_get(target, "tid");
		if (!tid)
			continue;
		snprintf(key, sizeof(key), "%lld", (long long)json_integer_value(tid));
		if (!json_object_get(seen, key)) {
			json_object_set(seen, key, target);
			continue;
		}
		complain_of_unit(p, target, "controller_tid is another target's");
		json_object_del(json_object_get(p->config->model, "targets"), name);
	}
	json_decref(seen);
}

static void finish(struct parser *p)
{
	struct config *config = p->config;

	if (p->target || p->skipping[0]) {
		parse_complain(p, "the file ends inside of a block");
		if (p->target) {
			json_object_set_new(p->target, "broken", json_true());
			parse_end_target(p);
		}
	}
	check_tids(p);
	if (!json_array_size(config->errors))
		return;
	if (p->ignore) {
		json_array_extend(config->warnings, config->errors);
		json_array_clear(config->errors);
	} else {
		json_decref(config->model);
		config->model = NULL;
	}
}

static void read_all(struct parser *p)
{
	char error[CONFIG_ERROR_SIZE];
	enum config_next next;

	while ((next = config_next(&p->sources, p->line, error)) != CONFIG_END) {
		if (next == CONFIG_LINE)
			parse_line(p);
		else
			parse_complain(p, "%s", error);
	}
	finish(p);
}

static void begin(struct parser *p, struct config *config, bool ignore_errors)
{
	*config = (struct config){
	    .model = config_model_new(),
	    .errors = json_array(),
	    .warnings = json_array(),
	};
	*p = (struct parser){.config = config, .ignore = ignore_errors};
	p->line = calloc(1, sizeof(*p->line));
	config_sources_init(&p->sources);
}

static void end(struct parser *p, bool started)
{
	if (p->line && p->config->model && started)
		read_all(p);
	else
		json_array_append_new(p->config->errors, json_string("out of memory"));
	config_sources_free(&p->sources);
	if (p->line)
		explicit_bzero(p->line, sizeof(*p->line));
	free(p->line);
}

void config_read(const char *path, bool ignore_errors, struct config *config)
{
	struct parser p;

	begin(&p, config, ignore_errors);
	end(&p, config_start_file(&p.sources, path));
}

void config_read_text(const char *name, const char *text, size_t len, bool ignore_errors,
		      struct config *config)
{
	struct parser p;

	begin(&p, config, ignore_errors);
	end(&p, config_start_text(&p.sources, name, text, len));
}

void config_free(struct config *config)
{
	json_decref(config->model);
	json_decref(config->errors);
	json_decref(config->warnings);
	*config = (struct config){0};
}
