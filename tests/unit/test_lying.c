/* SPDX-License-Identifier: MIT */
/* The contract checks are tested themselves: they fail each store that lies, and pass the one that
 * doesn't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "block_checks.h"
#include "temp_dir.h"
#include "util/cleanup.h"

#define SIZE (8u << 20)

static struct block_subject subject_of(const char *lie)
{
	static char module[512];
	const char *path = temp_file("disk", SIZE);

	snprintf(module, sizeof(module), TGT_BUILD_DIR "/tests/fixtures/lying/bs_lie_%s.so", lie);
	return (struct block_subject){.module = module, .path = path, .raw_file = path};
}

static const struct block_check *find_check(const char *name)
{
	for (size_t i = 0; i < block_checks_count; i++) {
		if (strcmp(block_checks[i].name, name) == 0)
			return &block_checks[i];
	}
	fail_msg("there is no check %s", name);
	return NULL;
}

/* Each of these checks, on a fresh medium, says that. */
static void caught(const char *lie, const char *const checks[], size_t count, const char *why)
{
	for (size_t i = 0; i < count; i++) {
		struct block_subject subject = subject_of(lie);
		const char *bad = find_check(checks[i])->run(&subject);

		if (!bad || !strstr(bad, why))
			fail_msg("%s says of lie_%s: %s", checks[i], lie, bad ? bad : "it's fine");
	}
}

static void honest_store_passes(void **state)
{
	struct block_subject subject = subject_of("none");

	(void)state;
	assert_int_equal(block_checks_run(&subject), 0);
}

static void dropped_writes_are_caught(void **state)
{
	static const char *const checks[] = {"write_then_read", "single_blocks", "overwrite",
					     "side_by_side", "reopened"};

	(void)state;
	caught("drop", checks, ARRAY_SIZE(checks), "isn't what was written there last");
}

static void ignored_flushes_are_caught(void **state)
{
	static const char *const checks[] = {"reopened", "flush_reaches_medium",
					     "fua_reaches_medium"};

	(void)state;
	caught("flush", checks, ARRAY_SIZE(checks), "isn't what was written there last");
}

static void stale_data_are_caught(void **state)
{
	static const char *const checks[] = {"single_blocks", "overwrite", "side_by_side"};

	(void)state;
	caught("stale", checks, ARRAY_SIZE(checks), "isn't what was written there last");
}

static void swapped_blocks_are_caught(void **state)
{
	static const char *const checks[] = {"write_then_read", "overwrite", "scattered",
					     "side_by_side"};

	(void)state;
	caught("swap", checks, ARRAY_SIZE(checks), "isn't what was written there last");
}

static void second_completions_are_caught(void **state)
{
	static const char *const checks[] = {"exactly_once", "side_by_side"};

	(void)state;
	caught("twice", checks, ARRAY_SIZE(checks), "completed 2 times");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(honest_store_passes),
	    cmocka_unit_test(dropped_writes_are_caught),
	    cmocka_unit_test(ignored_flushes_are_caught),
	    cmocka_unit_test(stale_data_are_caught),
	    cmocka_unit_test(swapped_blocks_are_caught),
	    cmocka_unit_test(second_completions_are_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
