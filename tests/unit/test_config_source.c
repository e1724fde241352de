/* SPDX-License-Identifier: MIT */
/* Files of a configuration and what they include: order, bounds, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/source.h"
#include "temp_dir.h"
#include "util/cleanup.h"

static struct config config;

static int tear_down(void **state)
{
	(void)state;
	config_free(&config);
	return 0;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(temp_path(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static void read_config(const char *name)
{
	config_free(&config);
	config_read(temp_path(name), false, &config);
}

/* The error, without the folder that it happened in. */
static void fails(const char *name, const char *what)
{
	char expected[1024];

	read_config(name);
	assert_null(config.model);
	snprintf(expected, sizeof(expected), "%s/%s", temp_dir(), what);
	assert_string_equal(json_string_value(json_array_get(config.errors, 0)), expected);
}

static void names_in_order(const char *const *names, size_t count)
{
	json_t *targets = json_object_get(config.model, "targets"), *target;
	const char *name;
	size_t i = 0;

	assert_int_equal(json_object_size(targets), count);
	json_object_foreach(targets, name, target)
	{
		assert_string_equal(name, names[i++]);
	}
}

static void files_are_included_where_they_stand(void **state)
{
	static const char *const names[] = {"iqn.1", "iqn.a", "iqn.b", "iqn.2"};

	(void)state;
	assert_int_equal(mkdir(temp_path("conf.d"), 0700), 0);
	write_file("conf.d/b.conf", "<target iqn.b>\n</target>\n");
	write_file("conf.d/a.conf", "<target iqn.a>\n</target>");
	write_file("conf.d/c.other", "bogus");
	write_file("main", "<target iqn.1>\n</target>\ninclude conf.d/*.conf\n<target iqn.2>\n"
			   "</target>\ninclude nothing/*.conf\n");
	read_config("main");
	assert_non_null(config.model);
	names_in_order(names, ARRAY_SIZE(names));
}

static void errors_name_the_included_file(void **state)
{
	(void)state;
	write_file("inner", "\n\nbogus\n");
	write_file("main", "include inner\n");
	fails("main", "inner:3: there is no directive \"bogus\"");
}

static void what_is_missing_is_said(void **state)
{
	char expected[600];

	(void)state;
	fails("none", "none: No such file or directory");
	write_file("main", "\ninclude gone.conf\n");
	read_config("main");
	snprintf(expected, sizeof(expected),
		 "%s/main:2: include %s/gone.conf: No such file or "
		 "directory",
		 temp_dir(), temp_dir());
	assert_string_equal(json_string_value(json_array_get(config.errors, 0)), expected);
}

static void circles_end(void **state)
{
	(void)state;
	write_file("main", "include main\n");
	fails("main", "main:1: more than 16 files include one another");
	write_file("twice", "include twice\ninclude twice\n");
	fails("twice", "twice:1: more than 16 files include one another");
}

static void only_files_are_read(void **state)
{
	(void)state;
	assert_int_equal(mkdir(temp_path("folder"), 0700), 0);
	fails("folder", "folder: Is a directory");
	assert_int_equal(mkfifo(temp_path("pipe"), 0600), 0);
	fails("pipe", "pipe: it is no regular file");
}

static void files_have_an_end(void **state)
{
	FILE *file;

	(void)state;
	file = fopen(temp_path("large"), "w");
	assert_non_null(file);
	assert_int_equal(fseek(file, CONFIG_FILE_MAX, SEEK_SET), 0);
	assert_int_equal(fputc('x', file), 'x');
	assert_int_equal(fclose(file), 0);
	fails("large", "large: it is larger than 4 MiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(files_are_included_where_they_stand, tear_down),
	    cmocka_unit_test_teardown(errors_name_the_included_file, tear_down),
	    cmocka_unit_test_teardown(what_is_missing_is_said, tear_down),
	    cmocka_unit_test_teardown(circles_end, tear_down),
	    cmocka_unit_test_teardown(only_files_are_read, tear_down),
	    cmocka_unit_test_teardown(files_have_an_end, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
