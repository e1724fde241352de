/* SPDX-License-Identifier: MIT */
/* The command line of tgtd.  What is printed, and the exit codes, are tested with the program. */
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/options.h"

#define MAX_WORDS 16

static struct daemon_options options;
static char line[2048], *words[MAX_WORDS];

/* Words separated by blanks; they stay where the options point to. */
static int parse(const char *text)
{
	char *rest = NULL;
	int count = 1;

	words[0] = line;
	strcpy(line, "tgtd ");
	strcat(line, text);
	strtok_r(line, " ", &rest);
	while (count < MAX_WORDS - 1 && (words[count] = strtok_r(NULL, " ", &rest)))
		count++;
	words[count] = NULL;
	optind = 0; /* glibc: start again */
	return options_parse(count, words, &options);
}

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -1);
	assert_false(options.foreground || options.debug);
	assert_true(options.syslog);
	assert_int_equal(options.io_threads, 16);
	assert_int_equal(options.control_port, 0);
	assert_int_equal(options.reactors, 0);
	assert_int_equal(options.nr_portals, 0);
	assert_null(options.pid_file);
	assert_null(options.store_dir);
	assert_null(options.state_dir);
	assert_null(options.default_store);
}

static void where_it_runs(void **state)
{
	(void)state;
	assert_int_equal(parse("-f"), -1);
	assert_true(options.foreground && !options.syslog);
	assert_int_equal(parse("--nodaemonize"), -1);
	assert_true(options.foreground && options.syslog);
	assert_int_equal(parse("-d 1"), -1);
	assert_true(options.debug);
	assert_int_equal(parse("-d 0"), -1);
	assert_false(options.debug);
}

static void values(void **state)
{
	(void)state;
	assert_int_equal(parse("-C 65535 -t 1 --threads 64 --state-dir /s"), -1);
	assert_int_equal(options.control_port, 65535);
	assert_int_equal(options.io_threads, 1);
	assert_int_equal(options.reactors, 64);
	assert_string_equal(options.state_dir, "/s");
	assert_int_equal(parse("--pid-f /p --backing /b"), -1);
	assert_string_equal(options.pid_file, "/p");
	assert_string_equal(options.store_dir, "/b");
	assert_int_equal(parse("--default-store aio"), -1);
	assert_string_equal(options.default_store, "aio");
	assert_int_equal(parse("--def null"), -1);
	assert_string_equal(options.default_store, "null");
}

static void iscsi_values(void **state)
{
	(void)state;
	assert_int_equal(parse("--iscsi portal=a,nop_interval=5,portal=[::1]:3260,nop_count=2 "
			       "--iscsi portal=c:1"),
			 -1);
	assert_int_equal(options.nr_portals, 3);
	assert_string_equal(options.portals[0], "a");
	assert_string_equal(options.portals[1], "[::1]:3260");
	assert_string_equal(options.portals[2], "c:1");
	assert_int_equal(options.nop_interval, 5);
	assert_int_equal(options.nop_count, 2);
}

static void portal_group_tags(void **state)
{
	(void)state;
	assert_int_equal(
	    parse("--iscsi portal=a,tpgt=65535,portal=b --iscsi portal=c,nop_count=1,tpgt=2"), -1);
	assert_int_equal(options.nr_portals, 3);
	assert_int_equal(options.tags[0], 65535);
	assert_int_equal(options.tags[1], 1);
	assert_int_equal(options.tags[2], 2);
	assert_int_equal(parse("--iscsi tpgt=1,portal=a"), EINVAL);
	assert_int_equal(parse("--iscsi portal=a,tpgt=0"), ERANGE);
	assert_int_equal(parse("--iscsi portal=a,tpgt=65536"), ERANGE);
	assert_int_equal(parse("--iscsi portal=a,tpgt=x"), EINVAL);
}

static void wrong_ones(void **state)
{
	(void)state;
	assert_int_equal(parse("-C 65536"), ERANGE);
	assert_int_equal(parse("-C 1:"), EINVAL);
	assert_int_equal(parse("--threads 65"), ERANGE);
	assert_int_equal(parse("-t 1025"), ERANGE);
	assert_int_equal(parse("--iscsi port=1"), EINVAL);
	assert_int_equal(parse("--iscsi portal=x,nop_count"), EINVAL);
	assert_int_equal(parse("-q"), 1);
	assert_int_equal(parse("-p"), 1);
	assert_int_equal(parse("--default-store"), 1);
	assert_int_equal(parse("stray"), 1);
	assert_int_equal(parse("--b /x --bogus"), 1);
}

static void portals_are_bounded(void **state)
{
	char text[1024] = "--iscsi portal=x";

	(void)state;
	for (int i = 1; i < MAX_PORTALS; i++)
		strcat(text, ",portal=x");
	assert_int_equal(parse(text), -1);
	assert_int_equal(options.nr_portals, MAX_PORTALS);
	strcat(text, ",portal=x");
	assert_int_equal(parse(text), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(where_it_runs),
	    cmocka_unit_test(values),
	    cmocka_unit_test(iscsi_values),
	    cmocka_unit_test(portal_group_tags),
	    cmocka_unit_test(wrong_ones),
	    cmocka_unit_test(portals_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
