/* SPDX-License-Identifier: MIT */
/* Log lines: one write each, with their level, cut when too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "util/log.h"

static char line[4096];

/* What log_message() writes to stderr. */
static void capture(int level, const char *text)
{
	int saved = dup(STDERR_FILENO), fds[2];
	ssize_t len;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_message(level, "%s", text);
	log_message(LOG_INFO, "end");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	len = read(fds[0], line, sizeof(line) - 1);
	close(fds[0]);
	assert_true(len > 0);
	line[len] = 0;
}

static void levels_are_named(void **state)
{
	(void)state;
	log_open(false, false);
	capture(LOG_ERR, "a");
	assert_string_equal(line, "tgtd: error: a\ntgtd: end\n");
	capture(LOG_WARNING, "b");
	assert_string_equal(line, "tgtd: warning: b\ntgtd: end\n");
	capture(LOG_DEBUG, "c");
	assert_string_equal(line, "tgtd: end\n");
	log_set_debug(true);
	capture(LOG_DEBUG, "c");
	assert_string_equal(line, "tgtd: debug: c\ntgtd: end\n");
}

static void a_long_line_is_cut(void **state)
{
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	capture(LOG_INFO, text);
	assert_non_null(strstr(line, "x\ntgtd: end\n"));
	assert_true(strlen(line) < 1100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(levels_are_named),
	    cmocka_unit_test(a_long_line_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
