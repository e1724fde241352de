/* SPDX-License-Identifier: MIT */
/* The members of a management request: what is taken, and what is said of what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/args.h"
#include "util/cleanup.h"

static struct mgmt_args args;
static char error[128];
static json_t *json;

static int drop(void **state)
{
	(void)state;
	json_decref(json);
	json = NULL;
	return 0;
}

static bool parse(const char *text)
{
	drop(NULL);
	json = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(json);
	memset(error, 0, sizeof(error));
	return mgmt_args_parse(json, &args, error, sizeof(error));
}

static void members_are_taken(void **state)
{
	(void)state;
	assert_true(parse("{\"version\":1,\"op\":\"new\",\"mode\":\"lu\",\"tid\":2147483647,"
			  "\"lun\":0,\"force\":true,\"backing_store\":\"/x\",\"cid\":4294967295}"));
	assert_string_equal(args.op, "new");
	assert_string_equal(args.mode, "lu");
	assert_string_equal(args.backing_store, "/x");
	assert_true(args.has_tid && args.has_lun && args.has_cid && args.has_version);
	assert_true(args.force);
	assert_int_equal(args.tid, INT32_MAX);
	assert_int_equal(args.cid, UINT32_MAX);
	assert_int_equal(args.lun, 0);
}

static void the_absent_is_absent(void **state)
{
	(void)state;
	assert_true(parse("{\"op\":\"show\",\"mode\":\"system\",\"outgoing\":false}"));
	assert_false(args.has_tid || args.has_sid || args.has_cid || args.has_lun);
	assert_false(args.force || args.outgoing);
	assert_null(args.name);
	assert_null(args.password);
	assert_null(args.lld);
}

static void bad(const char *text, const char *why)
{
	if (parse(text) || !strstr(error, why))
		fail_msg("%s: \"%s\" says nothing of \"%s\"", text, error, why);
}

static void nonsense_is_named(void **state)
{
	(void)state;
	bad("[]", "object");
	bad("\"text\"", "object");
	bad("null", "object");
	bad("{}", "\"op\" and \"mode\"");
	bad("{\"op\":\"show\"}", "\"op\" and \"mode\"");
	bad("{\"op\":null,\"mode\":\"system\"}", "\"op\" must be a string");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"surprise\":1}", "\"surprise\" is unknown");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"tid\":\"1\"}", "\"tid\" must be an integer");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"tid\":1.0}", "\"tid\" must be an integer");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"tid\":-1}", "\"tid\" must be an integer");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"tid\":2147483648}", "\"tid\" must be an integer");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"force\":1}", "\"force\" must be true or false");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"name\":{}}", "\"name\" must be a string");
	bad("{\"op\":\"x\",\"mode\":\"y\",\"version\":2}", "version 2");
}

static void long_names_are_cut(void **state)
{
	CLEANUP_FREE char *text = NULL;

	(void)state;
	assert_true(asprintf(&text, "{\"op\":\"x\",\"mode\":\"y\",\"%0500d\":1}", 7) > 0);
	bad(text, "is unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(members_are_taken, drop),
	    cmocka_unit_test_teardown(the_absent_is_absent, drop),
	    cmocka_unit_test_teardown(nonsense_is_named, drop),
	    cmocka_unit_test_teardown(long_names_are_cut, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
