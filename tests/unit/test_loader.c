/* SPDX-License-Identifier: MIT */
/* Which modules are loaded, and what is said of those that are not: with real files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/loader.h"
#include "temp_dir.h"
#include "util/cleanup.h"

#define MODULES TGT_BUILD_DIR "/tests/fixtures/modules/"
#define TRACE "TGT_TEST_ODD_MODULE_RAN"

/* Modules are told where to complete; none of these ever gets a request. */
static const struct tgt_bs_host host = {
    .struct_size = sizeof(host),
    .abi_major = TGT_BS_ABI_MAJOR,
    .abi_minor = TGT_BS_ABI_MINOR,
};

static int nothing_loaded(void **state)
{
	(void)state;
	store_unload_all();
	unsetenv(TRACE);
	return 0;
}

static struct store_module *only_module(void)
{
	assert_ptr_equal(store_modules()->next, store_modules()->prev);
	return list_first(store_modules(), struct store_module, link);
}

static const struct store_failure *only_failure(void)
{
	assert_false(list_empty(store_failures()));
	assert_ptr_equal(store_failures()->next, store_failures()->prev);
	return list_first(store_failures(), struct store_failure, link);
}

/* The one file in dir is rejected, with that in the reason. */
static void rejected_in(const char *dir, const char *reason)
{
	assert_int_equal(store_load_directory(dir, &host), 0);
	assert_true(list_empty(store_modules()));
	if (!strstr(only_failure()->reason, reason))
		fail_msg("the reason is \"%s\", not \"%s\"", only_failure()->reason, reason);
	assert_non_null(strstr(only_failure()->file, dir));
	assert_null(strstr(only_failure()->reason, "/bs_"));
	assert_null(strchr(only_failure()->reason, '\n'));
}

static void rejected(const char *name, const char *reason)
{
	char dir[512];

	nothing_loaded(NULL);
	snprintf(dir, sizeof(dir), MODULES "%s", name);
	rejected_in(dir, reason);
}

/* A directory of our own with a copy of a good module in it. */
static const char *own_directory(const char *name)
{
	char file[512];

	assert_int_equal(mkdir(temp_path(name), 0755), 0);
	assert_int_equal(chmod(temp_path(name), 0755), 0);
	snprintf(file, sizeof(file), "%s/bs_good.so", name);
	copy_file(MODULES "good/bs_good.so", temp_path(file));
	return temp_path(name);
}

/* ---- what loads ---- */

static void own_modules_load(void **state)
{
	static const char *const names[] = {"null", "rdwr", "aio", "uring"};

	(void)state;
	assert_true(store_load_directory(TGT_BUILD_DIR "/backing-store", &host) > 0);
	assert_true(list_empty(store_failures()));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct stat st;
		char file[512];

		snprintf(file, sizeof(file), TGT_BUILD_DIR "/backing-store/bs_%s.so", names[i]);
		if (stat(file, &st) < 0)
			continue; /* a store whose folder was removed */
		assert_non_null(store_find(names[i]));
		assert_string_equal(store_find(names[i])->file, file);
	}
	assert_null(store_find("nul"));
	assert_null(store_find("nulls"));
}

static void modules_come_in_the_order_of_their_files(void **state)
{
	const char *last = "";

	(void)state;
	assert_true(store_load_directory(TGT_BUILD_DIR "/backing-store", &host) > 1);
	list_for_each (module, store_modules(), struct store_module, link) {
		assert_true(strcmp(last, module->file) < 0);
		last = module->file;
	}
}

static void descriptor_is_copied(void **state)
{
	const struct store_module *good;

	(void)state;
	assert_int_equal(store_load_directory(MODULES "good", &host), 1);
	good = store_find("good");
	assert_non_null(good);
	assert_string_equal(good->file, MODULES "good/bs_good.so");
	assert_string_equal(good->descriptor.version, "0.9");
	assert_string_equal(good->descriptor.help, "a module for tests");
	assert_int_equal(good->descriptor.kind, TGT_BS_BLOCK);
	assert_int_equal(good->descriptor.nr_options, 0);
	assert_int_equal(good->nr_luns, 0);
	assert_non_null(good->descriptor.submit);
}

/* Fields that it doesn't have are zero, whatever lies behind its descriptor. */
static void older_minor_abi_loads(void **state)
{
	const struct store_module *old;

	(void)state;
	assert_int_equal(store_load_directory(MODULES "older-minor", &host), 1);
	old = only_module();
	assert_string_equal(old->descriptor.name, "older-minor");
	assert_true(old->descriptor.struct_size < sizeof(struct tgt_bs_module));
	assert_int_equal(old->descriptor.abi_minor, 0);
	assert_non_null(old->descriptor.submit);
	assert_null(old->descriptor.state);
	/* its option rows are shorter, too */
	assert_int_equal(old->descriptor.nr_options, 2);
	assert_string_equal(old->options[1].name, "second");
	assert_true(old->options[0].min == 0 && old->options[0].max == 0);
	assert_ptr_equal(old->descriptor.options, old->options);
}

static void newer_minor_abi_loads(void **state)
{
	const struct store_module *new;

	(void)state;
	assert_int_equal(store_load_directory(MODULES "newer-minor", &host), 1);
	new = only_module();
	assert_string_equal(new->descriptor.name, "newer-minor");
	assert_string_equal(new->options[1].name, "second");
	assert_string_equal(new->options[1].help, "a text");
}

static void only_so_files_are_looked_at(void **state)
{
	const char *dir = own_directory("others");

	(void)state;
	copy_file(MODULES "text/bs_text.so", temp_path("others/README"));
	copy_file(MODULES "text/bs_text.so", temp_path("others/bs_good.so.dpkg-new"));
	copy_file(MODULES "text/bs_text.so", temp_path("others/.so"));
	copy_file(MODULES "text/bs_text.so", temp_path("others/.bs_hidden.so"));
	assert_int_equal(store_load_directory(dir, &host), 1);
	assert_true(list_empty(store_failures()));
}

static void empty_directory_is_no_error(void **state)
{
	(void)state;
	assert_int_equal(mkdir(temp_path("nothing"), 0755), 0);
	assert_int_equal(store_load_directory(temp_path("nothing"), &host), 0);
	assert_true(list_empty(store_failures()));
	assert_int_equal(store_max_request_size(), 0);
}

static void largest_request_size(void **state)
{
	size_t largest = 0;

	(void)state;
	assert_true(store_load_directory(TGT_BUILD_DIR "/backing-store", &host) > 0);
	list_for_each (module, store_modules(), struct store_module, link) {
		if (module->descriptor.request_size > largest)
			largest = module->descriptor.request_size;
	}
	assert_int_equal(store_max_request_size(), largest);
	assert_true(store_find("aio") == NULL || largest > 0);
}

static void default_store(void **state)
{
	char error[STORE_DEFAULT_ERROR_SIZE];

	(void)state;
	assert_string_equal(store_default(), "rdwr");
	assert_int_equal(store_set_default("rdwr", error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "no such backing store is loaded; for disks there are none");
	assert_true(store_load_directory(TGT_BUILD_DIR "/backing-store", &host) > 0);
	assert_string_equal(store_default(), "rdwr");
	if (store_find("null")) {
		assert_int_equal(store_set_default("null", error, sizeof(error)), 0);
		assert_string_equal(store_default(), "null");
	}
	if (store_find("ssc")) {
		const char *before = store_default();

		assert_int_equal(store_set_default("ssc", error, sizeof(error)), -EINVAL);
		assert_non_null(strstr(error, "it is no store for disks; for disks there are "));
		assert_null(strstr(error, "ssc"));
		assert_string_equal(store_default(), before);
	}
	store_unload_all();
	assert_string_equal(store_default(), "rdwr");
}

/* ---- what doesn't ---- */

static void files_that_are_no_modules(void **state)
{
	(void)state;
	rejected("text", "not an ELF shared object");
	rejected("empty", "not an ELF shared object");
	rejected("truncated", "truncated");
	rejected("no-note", "no tgt note");
	/* none of their code has run */
	assert_null(getenv(TRACE));
}

static void other_major_abi(void **state)
{
	char ours[32];

	(void)state;
	snprintf(ours, sizeof(ours), "this tgtd has %u.%u", TGT_BS_ABI_MAJOR, TGT_BS_ABI_MINOR);
	rejected("other-major", "built for backing-store ABI 99.");
	assert_non_null(strstr(only_failure()->reason, ours));
	assert_null(getenv(TRACE));
	/* the descriptor says otherwise than the note */
	rejected("liar", "ABI 98.");
}

static void what_the_dynamic_linker_refuses(void **state)
{
	(void)state;
	rejected("missing-library", "libtgt-absent.so");
	rejected("undefined-symbol", "nobody_defines_this");
}

static void wrong_entry_points(void **state)
{
	(void)state;
	rejected("missing-symbol", "doesn't export tgt_bs_module()");
	rejected("returns-null", "returned no descriptor");
}

static void wrong_descriptors(void **state)
{
	(void)state;
	rejected("no-submit", "no submit function");
	rejected("bad-kind", "kind 7 is unknown");
	rejected("bad-model", "thread model 0 is unknown");
	rejected("bad-name", "name");
	rejected("big-request", "4097 bytes");
	rejected("short", "too few");
	rejected("bad-default", "default of option first");
}

static void second_of_the_same_name(void **state)
{
	(void)state;
	assert_int_equal(store_load_directory(MODULES "duplicate", &host), 1);
	assert_string_equal(only_module()->file, MODULES "duplicate/bs_duplicate_a.so");
	assert_string_equal(only_failure()->file, MODULES "duplicate/bs_duplicate_b.so");
	assert_non_null(strstr(only_failure()->reason, "the name \"duplicate\" is taken by"));
	assert_non_null(strstr(only_failure()->reason, "bs_duplicate_a.so"));
}

static void one_bad_module_does_not_stop_the_others(void **state)
{
	const char *dir = own_directory("mixed");

	(void)state;
	copy_file(MODULES "text/bs_text.so", temp_path("mixed/bs_a.so"));
	copy_file(MODULES "other-major/bs_other-major.so", temp_path("mixed/bs_z.so"));
	assert_int_equal(store_load_directory(dir, &host), 1);
	assert_string_equal(only_module()->descriptor.name, "good");
	assert_string_equal(list_first(store_failures(), struct store_failure, link)->file,
			    temp_path("mixed/bs_a.so"));
	assert_string_equal(list_last(store_failures(), struct store_failure, link)->file,
			    temp_path("mixed/bs_z.so"));
}

static void file_that_others_may_write_to(void **state)
{
	const char *dir = own_directory("writable-file");
	const char *file = temp_path("writable-file/bs_good.so");

	(void)state;
	assert_int_equal(chmod(file, 0646), 0);
	rejected_in(dir, "may be written by everybody (mode 0646)");
	nothing_loaded(NULL);
	assert_int_equal(chmod(file, 0664), 0);
	rejected_in(dir, "may be written by its group (mode 0664)");
	assert_null(getenv(TRACE));
	nothing_loaded(NULL);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(store_load_directory(dir, &host), 1);
	assert_string_equal(getenv(TRACE), "good");
}

/* Only root can give files away. */
static void file_of_somebody_else(void **state)
{
	const char *dir;

	(void)state;
	if (geteuid() != 0)
		skip();
	dir = own_directory("others-file");
	assert_int_equal(chown(temp_path("others-file/bs_good.so"), 12345, 0), 0);
	rejected_in(dir, "the file belongs to user 12345");
	assert_null(getenv(TRACE));
}

static void directory_of_somebody_else(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	own_directory("others-dir");
	assert_int_equal(chown(temp_path("others-dir"), 12345, 0), 0);
	assert_int_equal(store_load_directory(temp_path("others-dir"), &host), -EPERM);
	assert_true(list_empty(store_modules()));
}

static void directory_that_others_may_write_to(void **state)
{
	const char *dir = own_directory("writable-dir");

	(void)state;
	assert_int_equal(chmod(dir, 0757), 0);
	assert_int_equal(store_load_directory(dir, &host), -EPERM);
	assert_int_equal(chmod(dir, 01777), 0);
	assert_int_equal(store_load_directory(dir, &host), -EPERM);
	assert_int_equal(chmod(dir, 0775), 0);
	assert_int_equal(store_load_directory(dir, &host), -EPERM);
	assert_true(list_empty(store_modules()));
	assert_null(getenv(TRACE));
}

static void directory_that_is_none(void **state)
{
	(void)state;
	assert_int_equal(store_load_directory("/no/such/directory", &host), -ENOENT);
	assert_int_equal(store_load_directory(MODULES "good/bs_good.so", &host), -ENOTDIR);
}

/* The link's own directory is safe, the one that it leads to is not. */
static void link_into_an_unsafe_directory(void **state)
{
	own_directory("unsafe");
	(void)state;
	assert_int_equal(mkdir(temp_path("safe"), 0755), 0);
	assert_int_equal(symlink(temp_path("unsafe/bs_good.so"), temp_path("safe/bs_good.so")), 0);
	assert_int_equal(chmod(temp_path("unsafe"), 0777), 0);
	rejected_in(temp_path("safe"), "its directory may be written by everybody");
	assert_null(getenv(TRACE));
	nothing_loaded(NULL);
	assert_int_equal(chmod(temp_path("unsafe"), 0755), 0);
	assert_int_equal(store_load_directory(temp_path("safe"), &host), 1);
}

static void things_that_are_no_files(void **state)
{
	(void)state;
	assert_int_equal(mkdir(temp_path("things"), 0755), 0);
	assert_int_equal(mkfifo(temp_path("things/fifo.so"), 0600), 0);
	rejected_in(temp_path("things"), "not a regular file");
	nothing_loaded(NULL);
	assert_int_equal(unlink(temp_path("things/fifo.so")), 0);
	assert_int_equal(mkdir(temp_path("things/dir.so"), 0755), 0);
	rejected_in(temp_path("things"), "not a regular file");
	nothing_loaded(NULL);
	assert_int_equal(rmdir(temp_path("things/dir.so")), 0);
	assert_int_equal(symlink("nowhere", temp_path("things/dangling.so")), 0);
	rejected_in(temp_path("things"), "No such file or directory");
}

/* A failure is one line in the log: file and reason. */
static void failures_are_logged(void **state)
{
	const char *log = temp_file("log", 0);
	char text[1024] = "";
	int saved = dup(STDERR_FILENO);
	FILE *f;

	(void)state;
	fflush(stderr);
	assert_non_null(freopen(log, "w", stderr));
	assert_int_equal(store_load_directory(MODULES "text", &host), 0);
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	f = fopen(log, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_non_null(strstr(text, MODULES "text/bs_text.so not loaded: not an ELF"));
	assert_ptr_equal(strchr(text, '\n'), strrchr(text, '\n'));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nothing_loaded, nothing_loaded)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(own_modules_load),
	    TEST(modules_come_in_the_order_of_their_files),
	    TEST(descriptor_is_copied),
	    TEST(older_minor_abi_loads),
	    TEST(newer_minor_abi_loads),
	    TEST(only_so_files_are_looked_at),
	    TEST(empty_directory_is_no_error),
	    TEST(largest_request_size),
	    TEST(default_store),
	    TEST(files_that_are_no_modules),
	    TEST(other_major_abi),
	    TEST(what_the_dynamic_linker_refuses),
	    TEST(wrong_entry_points),
	    TEST(wrong_descriptors),
	    TEST(second_of_the_same_name),
	    TEST(one_bad_module_does_not_stop_the_others),
	    TEST(file_that_others_may_write_to),
	    TEST(file_of_somebody_else),
	    TEST(directory_of_somebody_else),
	    TEST(directory_that_others_may_write_to),
	    TEST(directory_that_is_none),
	    TEST(link_into_an_unsafe_directory),
	    TEST(things_that_are_no_files),
	    TEST(failures_are_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
