/* SPDX-License-Identifier: MIT */
/* What runs, as a targets.conf. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/running.h"

static const char *text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static bool fits_a_line(const char *value)
{
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return *value;
}

static void put_quoted(FILE *out, const char *value)
{
	fputc('"', out);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc('"', out);
}

static void put(FILE *out, int depth, const char *name, const char *value)
{
	bool plain = strcspn(value, " \"'#\\") == strlen(value);

	fprintf(out, "%*s", depth * 4, "");
	if (!fits_a_line(value)) {
		fprintf(out, "# %s has a value that can't be written here\n", name);
		return;
	}
	fprintf(out, "%s ", name);
	if (plain)
		fputs(value, out);
	else
		put_quoted(out, value);
	fputc('\n', out);
}

static void put_member(FILE *out, int depth, const char *name, const json_t *object,
		       const char *member)
{
	const char *value = text_of(object, member);

	if (value)
		put(out, depth, name, value);
}

/* ---- units ---- */

static void put_params(FILE *out, const json_t *unit)
{
	json_t *params = json_object_get(unit, "params"), *value;
	const json_t *defaults = json_object_get(unit, "defaults");
	const char *name;

	json_object_foreach(params, name, value)
	{
		const char *text = json_string_value(value), *preset = text_of(defaults, name);

		if (!preset || strcmp(preset, text) == 0)
			continue;
		if (strcmp(name, "size") == 0)
			fprintf(out, "        params size=%s\n", text);
		else
			put(out, 2, name, text);
	}
}

static void put_pages(FILE *out, const json_t *unit)
{
	json_t *changed = json_object_get(unit, "changed_pages"), *value;
	const char *page;

	json_object_foreach(changed, page, value)
	{
		put_member(out, 2, "mode_page", json_object_get(unit, "pages"), page);
	}
}

static void put_unit(FILE *out, const char *lun, const json_t *unit)
{
	const char *path = text_of(unit, "path"), *kind = text_of(unit, "kind");
	json_int_t size = json_integer_value(json_object_get(unit, "blocksize"));

	if (json_object_get(unit, "empty"))
		path = "NONE:";
	if (strcmp(kind, "changer") == 0) {
		fprintf(out, "    # LUN %s is a changer, whose elements aren't written here\n",
			lun);
		return;
	}
	if (!path || !fits_a_line(path)) {
		fprintf(out, "    # LUN %s has no path that can be written here\n", lun);
		return;
	}
	fprintf(out, "    <backing-store ");
	put_quoted(out, path);
	fprintf(out, ">\n        lun %s\n", lun);
	put_member(out, 2, "bs-type", unit, "bstype");
	if (strcmp(kind, "disk") != 0)
		put(out, 2, "device-type", strcmp(kind, "tape") == 0 ? "tape" : "pt");
	else if (size != 512)
		fprintf(out, "        block-size %lld\n", (long long)size);
	put_member(out, 2, "bsopts", unit, "bsopts");
	put_member(out, 2, "bsoflags", unit, "bsoflags");
	fprintf(out, "        allow-in-use yes\n");
	put_params(out, unit);
	put_pages(out, unit);
	fprintf(out, "    </backing-store>\n");
}

/* ---- targets ---- */

/* A user without a password stands for an account that is there: who reads this on a daemon that
 * has none gets an error, not an open target. */
static void put_users(FILE *out, int depth, const char *name, json_t *users)
{
	json_t *value;
	const char *user;

	json_object_foreach(users, user, value)
	{
		fprintf(out, "%*s# add the password, which is not told\n", depth * 4, "");
		put(out, depth, name, user);
	}
}

static void put_set(FILE *out, const char *name, json_t *set)
{
	json_t *value;
	const char *text;

	json_object_foreach(set, text, value)
	{
		put(out, 1, name, text);
	}
}

static void put_rules(FILE *out, const json_t *target)
{
	json_t *addresses = json_object_get(target, "addresses");
	json_t *names = json_object_get(target, "names");

	put_set(out, "initiator-address", addresses);
	put_set(out, "initiator-name", names);
	if (!json_object_size(addresses) && !json_object_size(names))
		put(out, 1, "initiator-address", "none");
}

static void put_target(FILE *out, const char *name, const json_t *target, const json_t *defaults)
{
	json_t *value;
	const char *key;

	fprintf(out, "\n<target %s>\n    controller_tid %lld\n", name,
		(long long)json_integer_value(json_object_get(target, "tid")));
	if (strcmp(text_of(target, "state"), "ready") != 0)
		put_member(out, 1, "state", target, "state");
	json_object_foreach(json_object_get(target, "parameters"), key, value)
	{
		const char *preset = text_of(defaults, key), *text = json_string_value(value);

		if (!preset || strcmp(preset, text) != 0)
			put(out, 1, key, text);
	}
	put_users(out, 1, "incominguser", json_object_get(target, "incoming"));
	put_users(out, 1, "outgoinguser", json_object_get(target, "outgoing"));
	put_rules(out, target);
	json_object_foreach(json_object_get(target, "luns"), key, value)
	{
		put_unit(out, key, value);
	}
	fprintf(out, "</target>\n");
}

static void put_all(FILE *out, const json_t *running)
{
	const json_t *discovery = json_object_get(running, "discovery");
	json_t *value;
	const char *name;

	fprintf(out, "# What runs; see targets.conf(5).\ndefault-driver iscsi\n");
	put_users(out, 0, "incomingdiscoveryuser", json_object_get(discovery, "incoming"));
	put_users(out, 0, "outgoingdiscoveryuser", json_object_get(discovery, "outgoing"));
	json_object_foreach(json_object_get(running, "targets"), name, value)
	{
		put_target(out, name, value, json_object_get(running, "parameters"));
	}
}

char *config_dump(const json_t *running)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool bad;

	if (!out)
		return NULL;
	put_all(out, running);
	bad = ferror(out);
	if (fclose(out) || bad) {
		free(text);
		return NULL;
	}
	return text;
}
