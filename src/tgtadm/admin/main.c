/* SPDX-License-Identifier: MIT */
/* tgt-admin: whole targets, and the configuration; tgtd does the work. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tgtadm/admin/options.h"
#include "tgtadm/client.h"
#include "tgtadm/print.h"
#include "util/cleanup.h"

#define DEFAULT_FILE "/etc/tgt/targets.conf"

/* ---- requests as tgtadm commands ---- */

static void print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_=+,./:@%";

	if (*word && !word[strspn(word, plain)]) {
		printf(" %s", word);
		return;
	}
	printf(" '");
	for (const char *p = word; *p; p++) {
		if (*p == '\'')
			printf("'\\''");
		else
			putchar(*p);
	}
	putchar('\'');
}

/* Members have the names of tgtadm's long options. */
static void print_member(const char *name, const json_t *value)
{
	if (json_is_false(value))
		return;
	printf(" --");
	for (const char *p = name; *p; p++)
		putchar(*p == '_' ? '-' : *p);
	if (json_is_integer(value))
		printf(" %lld", (long long)json_integer_value(value));
	else if (json_is_string(value))
		print_word(json_string_value(value));
}

static void print_line(const struct admin_options *o, json_t *request)
{
	const char *name;
	json_t *value;

	printf("tgtadm");
	if (o->control_port)
		printf(" -C %u", o->control_port);
	printf(" --lld iscsi");
	json_object_foreach(request, name, value)
	{
		print_member(name, value);
	}
	printf("\n");
}

/* A unit is made with its parameters in one request; tgtadm takes two for it, as stgt's did. */
static void print_command(const struct admin_options *o, const json_t *request)
{
	json_t *line = json_copy((json_t *)(uintptr_t)request), *params = NULL;

	if (strcmp(adm_text(line, "mode"), "logicalunit") == 0 &&
	    strcmp(adm_text(line, "op"), "new") == 0)
		params = json_incref(json_object_get(line, "params"));
	if (params)
		json_object_del(line, "params");
	print_line(o, line);
	if (params) {
		json_decref(line);
		line = json_pack("{s:s, s:s, s:O, s:O, s:o}", "op", "update", "mode", "logicalunit",
				 "tid", json_object_get(request, "tid"), "lun",
				 json_object_get(request, "lun"), "params", params);
		print_line(o, line);
	}
	json_decref(line);
}

/* ---- asking ---- */

static void complain(const char *error, const char *detail)
{
	fprintf(stderr, "tgt-admin: %s%s%s\n", error, *detail ? ": " : "", detail);
}

/* Sends a request (taken over); the result (NULL: none, or *rc says what to exit with). */
static json_t *ask(const struct admin_options *o, json_t *request, int *rc)
{
	json_t *response = adm_ask(o->control_port, request, rc), *result;

	json_decref(request);
	if (!response)
		return NULL;
	*rc = (int)adm_number(response, "rc");
	if (*rc)
		complain(adm_text(response, "error"), adm_text(response, "detail"));
	result = *rc ? NULL : json_incref(json_object_get(response, "result"));
	json_decref(response);
	return result;
}

/* ---- the configuration ---- */

static void print_failure(const json_t *row)
{
	const char *place = adm_text(row, "place"), *detail = adm_text(row, "detail");

	fprintf(stderr, "tgt-admin: %s%s%s%s%s\n", place, *place ? ": " : "",
		adm_text(row, "error"), *detail ? ": " : "", detail);
}

/* What came of it, as text; what to exit with. */
static int report(const struct admin_options *o, const json_t *result)
{
	int rc = 0;
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(result, "warnings"), i, row)
	{
		fprintf(stderr, "tgt-admin: warning: %s\n", json_string_value(row));
	}
	json_array_foreach(json_object_get(result, "changes"), i, row)
	{
		if (o->pretend || o->verbose)
			print_command(o, row);
	}
	json_array_foreach(json_object_get(result, "failed"), i, row)
	{
		print_failure(row);
		rc = rc ? rc : (int)adm_number(row, "rc");
	}
	json_array_foreach(json_object_get(result, "refused"), i, row)
	{
		fprintf(stderr, "tgt-admin: %s\n", json_string_value(row));
		rc = rc ? rc : EINVAL;
	}
	return rc;
}

static int ask_config(const struct admin_options *o, const char *op, const char *name)
{
	json_t *request =
	    json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "op", op, "mode", "config", "name", name,
		      "force", o->force, "pretend", o->pretend, "ignore_errors", o->ignore_errors);
	json_t *result;
	int rc = 1;

	if (!request) {
		fprintf(stderr, "tgt-admin: the name is not UTF-8\n");
		return EINVAL;
	}
	if (o->file)
		json_object_set_new(request, "file", json_string(o->file));
	result = ask(o, request, &rc);
	if (!rc)
		rc = report(o, result);
	json_decref(result);
	return rc;
}

static int dump(const struct admin_options *o)
{
	int rc = 1;
	json_t *result = ask(o, json_pack("{s:s, s:s}", "op", "show", "mode", "config"), &rc);

	if (!rc)
		printf("%s", adm_text(result, "text"));
	json_decref(result);
	return rc;
}

/* ---- targets ---- */

static json_t *ask_targets(const struct admin_options *o, int *rc)
{
	return ask(o, json_pack("{s:s, s:s}", "op", "show", "mode", "target"), rc);
}

/* As tgtadm prints it. */
static int show(const struct admin_options *o)
{
	json_t *request = json_pack("{s:s, s:s}", "op", "show", "mode", "target");
	size_t len;
	int rc = 1;
	CLEANUP_FREE char *line = adm_ask_text(o->control_port, request, &len, &rc);
	CLEANUP_FREE struct value *response = line ? value_read(line, len) : NULL;
	const struct value *number = value_member(response, "rc");

	json_decref(request);
	if (!line)
		return rc;
	if (!number || number->type != VALUE_NUMBER)
		return adm_no_answer(o->control_port);
	rc = (int)number->number;
	if (rc)
		complain(value_text(response, "error"), value_text(response, "detail"));
	else
		adm_print_targets(value_member(response, "result"));
	return rc;
}

static bool matches(const json_t *target, const char *value)
{
	char tid[32];

	snprintf(tid, sizeof(tid), "tid=%lld", (long long)adm_number(target, "tid"));
	return strcasecmp(value, "ALL") == 0 || strcmp(value, tid) == 0 ||
	       strcmp(value, adm_text(target, "name")) == 0;
}

static int set_state(const struct admin_options *o, const json_t *target)
{
	json_t *request = json_pack("{s:s, s:s, s:I, s:s, s:s}", "op", "update", "mode", "target",
				    "tid", adm_number(target, "tid"), "name", "state", "value",
				    o->action == ADMIN_READY ? "ready" : "offline");
	int rc = 0;

	if (o->pretend || o->verbose)
		print_command(o, request);
	if (o->pretend)
		json_decref(request);
	else
		json_decref(ask(o, request, &rc));
	return rc;
}

/* Each target that the value names; one that can't be changed doesn't keep the others. */
static int for_each(const struct admin_options *o,
		    int (*fn)(const struct admin_options *o, const json_t *target))
{
	int rc = 1, first = 0;
	json_t *result = ask_targets(o, &rc), *target;
	bool found = strcasecmp(o->value, "ALL") == 0;
	size_t i;

	if (rc)
		return rc;
	json_array_foreach(json_object_get(result, "targets"), i, target)
	{
		if (!matches(target, o->value))
			continue;
		found = true;
		rc = fn(o, target);
		first = first ? first : rc;
	}
	json_decref(result);
	if (found)
		return first;
	fprintf(stderr, "tgt-admin: can't find the target: %s\n", o->value);
	return EINVAL;
}

static int delete_target(const struct admin_options *o, const json_t *target)
{
	return ask_config(o, "delete", adm_text(target, "name"));
}

static int act(const struct admin_options *o)
{
	switch (o->action) {
	case ADMIN_UPDATE:
		return ask_config(o, "update", o->value);
	case ADMIN_DELETE:
		return for_each(o, delete_target);
	case ADMIN_OFFLINE:
	case ADMIN_READY:
		return for_each(o, set_state);
	case ADMIN_SHOW:
		return show(o);
	case ADMIN_DUMP:
		return dump(o);
	case ADMIN_NONE:
		break;
	}
	return EINVAL;
}

/* ---- the file ---- */

/* The number of a line with a control-port, in the syntax of targets.conf(5). */
static bool is_port_line(const char *line, unsigned int *port)
{
	static const char name[] = "control-port";
	unsigned long number;
	char *end;

	line += strspn(line, " \t");
	if (strncasecmp(line, name, strlen(name)) != 0)
		return false;
	line += strlen(name);
	if (!strchr(" \t=", *line))
		return false;
	line += strspn(line, " \t=\"'");
	errno = 0;
	number = strtoul(line, &end, 0);
	*port = (unsigned int)number;
	return end != line && !errno && number <= USHRT_MAX;
}

/* The daemon that the file is for, where it says so itself; what it includes isn't looked at. */
static void find_port(struct admin_options *o)
{
	FILE *file = o->has_port ? NULL : fopen(o->file ? o->file : DEFAULT_FILE, "re");
	char line[512];
	unsigned int port;

	while (file && fgets(line, sizeof(line), file)) {
		if (is_port_line(line, &port))
			o->control_port = port;
	}
	if (file)
		fclose(file);
}

/* The daemon sees it from its own folder. */
static bool find_file(struct admin_options *o)
{
	static char path[PATH_MAX];

	if (!o->file)
		return true;
	if (!realpath(o->file, path)) {
		fprintf(stderr, "tgt-admin: %s: %s\n", o->file, strerror(errno));
		return false;
	}
	o->file = path;
	return true;
}

int main(int argc, char **argv)
{
	struct admin_options options;
	int rc = admin_parse(argc, argv, &options);

	if (rc < 0) {
		if (!find_file(&options))
			return ENOENT;
		find_port(&options);
		rc = act(&options);
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "tgt-admin: the result can't be written\n");
		return 1;
	}
	return rc;
}
