/* SPDX-License-Identifier: MIT */
/* Blobs under the state directory: what comes back, and what damage is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/state.h"
#include "temp_dir.h"

static char path[512];

static int setup(void **state)
{
	static unsigned number;

	(void)state;
	snprintf(path, sizeof(path), "%s/state%u", temp_dir(), number++);
	return state_set_directory(path);
}

static int teardown(void **state)
{
	(void)state;
	return state_set_directory(NULL);
}

/* The one file there is, or "". */
static void only_file(char *out, size_t size)
{
	DIR *d = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(d);
	*out = '\0';
	while ((entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		count++;
		snprintf(out, size, "%s/%s", path, entry->d_name);
	}
	closedir(d);
	assert_in_range(count, 0, 1);
}

static void test_round_trip(void **state)
{
	char buf[32];
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(state_get("a", buf, &len), -ENOENT);
	assert_int_equal(state_put("a", "first", 5), 0);
	assert_int_equal(state_put("b", "other", 6), 0);
	assert_int_equal(state_put("a", "second!", 7), 0);
	len = sizeof(buf);
	assert_int_equal(state_get("a", buf, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(buf, "second!", 7);
	assert_int_equal(state_remove("a"), 0);
	assert_int_equal(state_remove("a"), 0);
	len = sizeof(buf);
	assert_int_equal(state_get("a", buf, &len), -ENOENT);
	len = sizeof(buf);
	assert_int_equal(state_get("b", buf, &len), 0);
}

static void test_empty_value(void **state)
{
	char buf[4];
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(state_put("a", "", 0), 0);
	assert_int_equal(state_get("a", buf, &len), 0);
	assert_int_equal(len, 0);
}

static void test_room(void **state)
{
	char buf[4];
	size_t len = 3;

	(void)state;
	assert_int_equal(state_put("a", "1234", 4), 0);
	assert_int_equal(state_get("a", buf, &len), -ENOSPC);
	assert_int_equal(len, 4);
}

/* No key leaves the directory or meets another one's file. */
static void test_odd_keys(void **state)
{
	static const char *const keys[] = {"..",    "../x", "/etc/x", ".a", "a/b",
					   "a%2fb", "a b",  "A",      "a",  "\xff"};
	char buf[4];

	(void)state;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(state_put(keys[i], &i, 1), 0);
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		size_t len = sizeof(buf);

		assert_int_equal(state_get(keys[i], buf, &len), 0);
		assert_int_equal(buf[0], i);
	}
}

static void test_long_keys(void **state)
{
	char a[400], b[400], buf[4];
	size_t len = sizeof(buf);

	(void)state;
	memset(a, 'x', sizeof(a));
	a[sizeof(a) - 1] = '\0';
	memcpy(b, a, sizeof(b));
	b[sizeof(b) - 2] = 'y';
	assert_int_equal(state_put(a, "1", 1), 0);
	assert_int_equal(state_get(b, buf, &len), -ENOENT);
	len = sizeof(buf);
	assert_int_equal(state_get(a, buf, &len), 0);
}

static void corrupt(off_t at, char value)
{
	char file[1024];
	int fd;

	only_file(file, sizeof(file));
	fd = open(file, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static void test_damage_is_noticed(void **state)
{
	char buf[16], file[1024];
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(state_put("a", "12345678", 8), 0);
	corrupt(12 + 5, '7');
	assert_int_equal(state_get("a", buf, &len), -EIO);
	assert_int_equal(state_put("a", "12345678", 8), 0);
	corrupt(0, 'x');
	len = sizeof(buf);
	assert_int_equal(state_get("a", buf, &len), -EIO);
	assert_int_equal(state_put("a", "12345678", 8), 0);
	only_file(file, sizeof(file));
	assert_int_equal(truncate(file, 15), 0);
	len = sizeof(buf);
	assert_int_equal(state_get("a", buf, &len), -EIO);
	assert_int_equal(truncate(file, 0), 0);
	len = sizeof(buf);
	assert_int_equal(state_get("a", buf, &len), -EIO);
}

/* What couldn't be written leaves the old value and no litter. */
static void test_failed_write(void **state)
{
	char buf[16], file[1024], blocker[1040];
	size_t len = sizeof(buf);

	(void)state;
	assert_int_equal(state_put("a", "old", 3), 0);
	only_file(file, sizeof(file));
	snprintf(blocker, sizeof(blocker), "%s/.a", path);
	assert_int_equal(mkdir(blocker, 0700), 0);
	assert_true(state_put("a", "new", 3) < 0);
	assert_int_equal(rmdir(blocker), 0);
	assert_int_equal(state_get("a", buf, &len), 0);
	assert_memory_equal(buf, "old", 3);
}

static void test_without_directory(void **state)
{
	char buf[4];
	size_t len = sizeof(buf);

	(void)state;
	assert_true(state_available());
	assert_int_equal(state_set_directory(NULL), 0);
	assert_false(state_available());
	assert_int_equal(state_get("a", buf, &len), -ENOENT);
	assert_true(state_put("a", "1", 1) < 0);
	assert_int_equal(state_set_directory("/nonexistent/x/y"), -ENOENT);
}

/* Only the owner reads who has reserved what. */
static void test_modes(void **state)
{
	char file[1024];
	struct stat st;

	(void)state;
	assert_int_equal(state_put("a", "1", 1), 0);
	only_file(file, sizeof(file));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_round_trip),   TEST(test_empty_value),       TEST(test_room),
	    TEST(test_odd_keys),     TEST(test_long_keys),         TEST(test_damage_is_noticed),
	    TEST(test_failed_write), TEST(test_without_directory), TEST(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
