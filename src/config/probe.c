/* SPDX-License-Identifier: MIT */
#include "config/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/cleanup.h"

/* ---- what a device is called ---- */

/* A file of sysfs, as an identifier: printable, without blanks at its ends; false: there is none.
 */
static bool read_identifier(const char *folder, const char *name, size_t skip, char *text,
			    size_t size)
{
	char path[512], bytes[256];
	size_t len = 0, start = skip;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	if (n <= (ssize_t)skip)
		return false;
	while (n > (ssize_t)start && (bytes[n - 1] == ' ' || bytes[n - 1] == '\n'))
		n--;
	while (start < (size_t)n && bytes[start] == ' ')
		start++;
	for (; start < (size_t)n && len + 1 < size; start++) {
		if (bytes[start] < 0x20 || bytes[start] > 0x7e || bytes[start] == ',')
			return false;
		text[len++] = bytes[start];
	}
	text[len] = '\0';
	return len > 0;
}

static void name_unit(json_t *unit, const char *sysfs)
{
	static const struct {
		const char *file, *param;
		size_t skip, max;
	} rows[] = {{"vendor", "vendor_id", 0, 8},
		    {"model", "product_id", 0, 16},
		    {"rev", "product_rev", 0, 4},
		    {"vpd_pg80", "scsi_sn", 4, 36}};
	const char *path = json_string_value(json_object_get(unit, "path"));
	json_t *params = json_object_get(unit, "params");
	char folder[256], text[64];
	struct stat st;

	if (!path || stat(path, &st) || !(S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)))
		return;
	snprintf(folder, sizeof(folder), "%s/dev/%s/%u:%u/device", sysfs,
		 S_ISBLK(st.st_mode) ? "block" : "char", major(st.st_rdev), minor(st.st_rdev));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!json_object_get(params, rows[i].param) &&
		    read_identifier(folder, rows[i].file, rows[i].skip, text, rows[i].max + 1))
			json_object_set_new(params, rows[i].param, json_string(text));
	}
}

/* A device that is passed through answers INQUIRY itself. */
static bool is_passed_through(const json_t *unit)
{
	const char *store = json_string_value(json_object_get(unit, "bstype"));
	const char *type = json_string_value(json_object_get(unit, "device_type"));

	return (store && strcmp(store, "sg") == 0) || (type && strcmp(type, "pt") == 0);
}

void config_probe_direct(json_t *wanted, const char *sysfs)
{
	json_t *target, *unit;
	const char *name, *lun;

	json_object_foreach(json_object_get(wanted, "targets"), name, target)
	{
		json_object_foreach(json_object_get(target, "luns"), lun, unit)
		{
			if (json_object_get(unit, "direct") && !is_passed_through(unit))
				name_unit(unit, sysfs);
		}
	}
}

/* ---- what is in use ---- */

/* A key for what a path leads to, the same for all paths to it; NULL: nothing that could be in
 * use. */
static json_t *identity(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st))
		return NULL;
	if (S_ISREG(st.st_mode))
		return json_sprintf("%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
		return json_sprintf("%s %ju", S_ISBLK(st.st_mode) ? "block" : "char",
				    (uintmax_t)st.st_rdev);
	return NULL;
}

static void note(json_t *used, const char *path, json_int_t tid, json_int_t lun)
{
	json_t *key = identity(path);

	if (key)
		json_object_set_new(
		    used, json_string_value(key),
		    json_sprintf("target %lld lun %lld", (long long)tid, (long long)lun));
	json_decref(key);
}

static bool is_request(const json_t *request, const char *op, const char *mode)
{
	return strcmp(json_string_value(json_object_get(request, "op")), op) == 0 &&
	       strcmp(json_string_value(json_object_get(request, "mode")), mode) == 0;
}

static json_int_t number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

/* Whether the plan takes a unit away. */
static bool goes(const json_t *plan, json_int_t tid, json_int_t lun)
{
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(plan, "steps"), i, step)
	{
		const json_t *r = json_object_get(step, "request");

		if (number(r, "tid") != tid)
			continue;
		if (is_request(r, "delete", "target") ||
		    (is_request(r, "delete", "logicalunit") && number(r, "lun") == lun))
			return true;
	}
	return false;
}

static json_t *used_now(const json_t *plan, const json_t *running)
{
	json_t *used = json_object(), *target, *unit;
	const char *name, *lun;

	json_object_foreach(json_object_get(running, "targets"), name, target)
	{
		json_int_t tid = number(target, "tid");

		json_object_foreach(json_object_get(target, "luns"), lun, unit)
		{
			json_int_t n = strtoll(lun, NULL, 10);

			if (!goes(plan, tid, n))
				note(used, json_string_value(json_object_get(unit, "path")), tid,
				     n);
		}
	}
	return used;
}

/* Mounted, part of a RAID, swap…: the kernel lets nobody else in. */
static bool is_held(const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISBLK(st.st_mode))
		return false;
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 && errno == EBUSY;
}

/* By what a path is in use; NULL: it isn't. */
static const char *user_of(const char *path, const json_t *used)
{
	json_t *key = identity(path);
	const char *by =
	    key ? json_string_value(json_object_get(used, json_string_value(key))) : NULL;

	if (key && !by && is_held(path))
		by = "the system: it is mounted, or part of something";
	json_decref(key);
	return by;
}

/* What keeps a unit from being made; NULL: nothing that is known now. */
static json_t *obstacle_of(const json_t *step, const json_t *used, bool replaces)
{
	const json_t *request = json_object_get(step, "request");
	const char *path = json_string_value(json_object_get(request, "backing_store"));
	const char *store = json_string_value(json_object_get(request, "bstype"));
	const char *by = NULL;
	struct stat st;

	if (!path || (store && strcmp(store, "null") == 0))
		return NULL;
	if (!json_object_get(step, "allow_in_use"))
		by = user_of(path, used);
	if (by)
		return json_pack("{s:o, s:s}", "error",
				 json_sprintf("%s is in use by %s", path, by), "detail",
				 "\"allow-in-use yes\" takes it all the same");
	/* what isn't a path of files is the store's business */
	if (replaces && *path == '/' && stat(path, &st))
		return json_pack("{s:o, s:s}", "error",
				 json_sprintf("%s: %s", path, strerror(errno)), "detail",
				 "the unit that is there stays");
	note((json_t *)(uintptr_t)used, path, number(request, "tid"), number(request, "lun"));
	return NULL;
}

/* Whether a step only makes room for the next one. */
static bool makes_room(const json_t *step, const json_t *next)
{
	const json_t *unit = json_object_get(step, "unit");

	return unit && json_equal(unit, json_object_get(next, "unit")) &&
	       json_equal(json_object_get(step, "group"), json_object_get(next, "group")) &&
	       is_request(json_object_get(step, "request"), "delete", "logicalunit");
}

static void probe_step(json_t *before, json_t *step, const json_t *used)
{
	bool replaces = before && makes_room(before, step);
	json_t *obstacle = obstacle_of(step, used, replaces);

	if (obstacle)
		json_object_set_new(replaces ? before : step, "obstacle", obstacle);
}

static bool makes_units(const json_t *plan)
{
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(plan, "steps"), i, step)
	{
		if (is_request(json_object_get(step, "request"), "new", "logicalunit"))
			return true;
	}
	return false;
}

void config_probe_use(json_t *plan, const json_t *running)
{
	json_t *steps = json_object_get(plan, "steps"), *step, *used;
	size_t i;

	if (!makes_units(plan))
		return;
	used = used_now(plan, running);
	json_array_foreach(steps, i, step)
	{
		if (is_request(json_object_get(step, "request"), "new", "logicalunit"))
			probe_step(i ? json_array_get(steps, i - 1) : NULL, step, used);
	}
	json_decref(used);
}
