/* SPDX-License-Identifier: MIT */
/* What a configuration's files and devices are asked: what they are called, and who has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/plan.h"
#include "config/probe.h"
#include "temp_dir.h"

#define IQN "iqn.2026-01.org.example:"

static struct config config;
static json_t *plan, *running;

static int drop(void **state)
{
	(void)state;
	config_free(&config);
	json_decref(plan);
	json_decref(running);
	plan = running = NULL;
	return 0;
}

static void read_text(const char *text)
{
	config_free(&config);
	config_read_text("t.conf", text, strlen(text), false, &config);
	assert_non_null(config.model);
}

static void probe(const char *text)
{
	static const struct config_choice choice;
	json_t *nothing = config_model_new();

	read_text(text);
	if (!running)
		running = config_model_new();
	json_decref(plan);
	plan = config_plan(config.model, nothing, running, &choice);
	config_probe_use(plan, running);
	json_decref(nothing);
}

/* By what the nth unit that would be made is in use; NULL: it isn't. */
static const char *in_use(unsigned nth)
{
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(plan, "steps"), i, step)
	{
		const json_t *r = json_object_get(step, "request");

		if (!json_object_get(r, "backing_store"))
			continue;
		if (!nth--)
			return json_string_value(
			    json_object_get(json_object_get(step, "obstacle"), "error"));
	}
	fail_msg("there is no such step");
	return NULL;
}

static void a_file_is_one_whatever_its_name(void **state)
{
	const char *path = temp_file("one", 1024), *other = temp_file("two", 1024);
	const char *link_path = temp_path("hard"), *symbolic = temp_path("soft");
	char text[4096];

	(void)state;
	assert_int_equal(link(path, link_path), 0);
	assert_int_equal(symlink(path, symbolic), 0);
	snprintf(text, sizeof(text),
		 "<target " IQN "a>\nbacking-store %s\nbacking-store %s\nbacking-store %s\n"
		 "<backing-store %s>\nallow-in-use yes\n</backing-store>\n"
		 "<backing-store %s>\nbs-type null\n</backing-store>\nbacking-store /none\n"
		 "</target>\n",
		 path, link_path, other, symbolic, path);
	probe(text);
	assert_null(in_use(0));
	assert_non_null(strstr(in_use(1), "/hard is in use by target 1 lun 1"));
	assert_null(in_use(2));
	assert_null(in_use(3));
	assert_null(in_use(4));
	assert_null(in_use(5));
}

static void what_runs_has_its_files(void **state)
{
	const char *path = temp_file("three", 1024);
	char text[4096];

	(void)state;
	running = config_model_new();
	json_object_set_new(json_object_get(running, "targets"), IQN "b",
			    json_pack("{s:i, s:{s:{s:s, s:s, s:s, s:i}}}", "tid", 7, "luns", "3",
				      "path", path, "bstype", "rdwr", "kind", "disk", "blocksize",
				      512));
	snprintf(text, sizeof(text), "<target " IQN "a>\nbacking-store %s\n</target>\n", path);
	probe(text);
	assert_non_null(strstr(in_use(0), "/three is in use by target 7 lun 3"));
	/* but not when the plan takes it away */
	snprintf(text, sizeof(text),
		 "<target " IQN "b>\n<backing-store %s>\nlun 3\nblock-size 1024\n"
		 "</backing-store>\n</target>\n",
		 path);
	probe(text);
	assert_null(in_use(0));
}

static void write_file(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* The folder of sysfs that belongs to /dev/null, filled with what a disk has there. */
static void make_sysfs(const char *model)
{
	static const char serial[] = "\0\x80\0\x08  S 123  ";
	static const char *const folders[] = {"sys", "sys/dev", "sys/dev/char", NULL};
	struct stat st;
	char device[64], name[96];

	assert_int_equal(stat("/dev/null", &st), 0);
	for (const char *const *f = folders; *f; f++)
		mkdir(temp_path(*f), 0700);
	snprintf(device, sizeof(device), "sys/dev/char/%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	mkdir(temp_path(device), 0700);
	strcat(device, "/device");
	mkdir(temp_path(device), 0700);
	snprintf(name, sizeof(name), "%s/vendor", device);
	write_file(temp_path(name), "ATA     \n", 9);
	snprintf(name, sizeof(name), "%s/model", device);
	write_file(temp_path(name), model, strlen(model));
	snprintf(name, sizeof(name), "%s/vpd_pg80", device);
	write_file(temp_path(name), serial, sizeof(serial) - 1);
}

static const char *param(const char *name)
{
	const json_t *target = json_object_get(json_object_get(config.model, "targets"), IQN "a");
	const json_t *lun = json_object_get(json_object_get(target, "luns"), "1");

	return json_string_value(json_object_get(json_object_get(lun, "params"), name));
}

static void a_device_says_what_it_is_called(void **state)
{
	(void)state;
	make_sysfs("A LONG NAME OF A DISK\n");
	read_text("<target " IQN "a>\n<direct-store /dev/null>\nproduct_rev 9\n</direct-store>\n"
		  "</target>\n");
	config_probe_direct(config.model, temp_path("sys"));
	assert_string_equal(param("vendor_id"), "ATA");
	assert_string_equal(param("product_id"), "A LONG NAME OF A");
	assert_string_equal(param("product_rev"), "9");
	assert_string_equal(param("scsi_sn"), "S 123");
	/* what can't be an identifier isn't taken, nor what the file says itself */
	make_sysfs("a,b\n");
	read_text("<target " IQN "a>\n<direct-store /dev/null>\nvendor_id X\n</direct-store>\n"
		  "</target>\n");
	config_probe_direct(config.model, temp_path("sys"));
	assert_string_equal(param("vendor_id"), "X");
	assert_null(param("product_id"));
}

static void others_are_not_asked(void **state)
{
	(void)state;
	make_sysfs("DISK\n");
	read_text("<target " IQN "a>\nbacking-store /dev/null\n</target>\n");
	config_probe_direct(config.model, temp_path("sys"));
	assert_null(param("vendor_id"));
	read_text("<target " IQN "a>\n<direct-store /dev/null>\nbs-type sg\n</direct-store>\n"
		  "</target>\n");
	config_probe_direct(config.model, temp_path("sys"));
	assert_null(param("vendor_id"));
	read_text("<target " IQN "a>\ndirect-store /none\n</target>\n");
	config_probe_direct(config.model, temp_path("sys"));
	assert_null(param("vendor_id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_file_is_one_whatever_its_name, drop),
	    cmocka_unit_test_teardown(what_runs_has_its_files, drop),
	    cmocka_unit_test_teardown(a_device_says_what_it_is_called, drop),
	    cmocka_unit_test_teardown(others_are_not_asked, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
