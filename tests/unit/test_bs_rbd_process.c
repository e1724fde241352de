/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rbd/process.h"

static void one_that_runs(void **state)
{
	char name[PROCESS_ROOM];

	(void)state;
	process_name(name);
	assert_non_null(strchr(name, '/'));
	assert_false(process_has_ended(name));
}

/* The name of a child, which waits until *release is closed. */
static pid_t start(char name[PROCESS_ROOM], int *release)
{
	int told[2], wait_for[2];
	pid_t child;

	assert_int_equal(pipe(told), 0);
	assert_int_equal(pipe(wait_for), 0);
	child = fork();
	if (child == 0) {
		char own[PROCESS_ROOM] = "";
		char end;

		close(wait_for[1]);
		process_name(own);
		_exit(write(told[1], own, sizeof(own)) != sizeof(own) ||
		      read(wait_for[0], &end, 1) != 0);
	}
	assert_true(child > 0);
	assert_int_equal(read(told[0], name, PROCESS_ROOM), PROCESS_ROOM);
	close(told[0]);
	close(told[1]);
	close(wait_for[0]);
	*release = wait_for[1];
	return child;
}

static void one_that_ends(void **state)
{
	char name[PROCESS_ROOM];
	int release, status;
	pid_t child = start(name, &release);

	(void)state;
	assert_false(process_has_ended(name));
	close(release);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(process_has_ended(name));
}

/* Another has its number now. */
static void one_that_started_later(void **state)
{
	char name[PROCESS_ROOM], other[PROCESS_ROOM + 1];

	(void)state;
	process_name(name);
	snprintf(other, sizeof(other), "%s1", name);
	assert_true(process_has_ended(other));
}

/* Of another boot or namespace, or no name at all: nothing is known of it. */
static void one_elsewhere(void **state)
{
	char name[PROCESS_ROOM], other[PROCESS_ROOM];

	(void)state;
	process_name(name);
	strcpy(other, name);
	other[0] ^= 1; /* of the boot's id */
	assert_false(process_has_ended(other));
	strcpy(other, name);
	*(strchr(other, ']') - 1) ^= 1; /* pid:[NUMBER] */
	assert_false(process_has_ended(other));
	for (size_t len = 0; len <= (size_t)(strrchr(name, '/') - name) + 1; len++) {
		snprintf(other, sizeof(other), "%.*s", (int)len, name);
		assert_false(process_has_ended(other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_runs),
	    cmocka_unit_test(one_that_ends),
	    cmocka_unit_test(one_that_started_later),
	    cmocka_unit_test(one_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
