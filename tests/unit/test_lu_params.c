/* SPDX-License-Identifier: MIT */
/* The --params of a logical unit: all are checked, and what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tgt/backing-store.h>

#include "mgmt/lu_params.h"

static struct lu_params params;
static char error[128];

static int drop(void **state)
{
	(void)state;
	lu_params_free(&params);
	return 0;
}

static enum lu_params_result parse(const char *text)
{
	drop(NULL);
	memset(error, 0, sizeof(error));
	return lu_params_parse(text, &params, error, sizeof(error));
}

static void good(const char *text)
{
	if (parse(text) != LU_PARAMS_OK)
		fail_msg("\"%s\": %s", text, error);
}

static void nothing_is_fine(void **state)
{
	static const char *const texts[] = {"", ",", ",,,", NULL};

	(void)state;
	for (int i = 0; i < 4; i++) {
		good(texts[i]);
		assert_null(params.scsi_id);
		assert_false(params.online.set || params.size.set);
	}
}

static void drive_is_a_text(void **state)
{
	(void)state;
	good("drive=LTO-8,readonly=1");
	assert_string_equal(params.drive, "LTO-8");
	good("readonly=1");
	assert_null(params.drive);
	assert_int_equal(parse("drive="), LU_PARAMS_BAD);
	assert_int_equal(parse("drive=0123456789abcdef"), LU_PARAMS_BAD);
}

static void texts_are_cut_to_their_fields(void **state)
{
	(void)state;
	good("vendor_id=123456789,product_id=12345678901234567,product_rev=12345,"
	     "scsi_sn=0123456789012345678901234567890123456789,scsi_id=a b,");
	assert_string_equal(params.vendor_id, "12345678");
	assert_string_equal(params.product_id, "1234567890123456");
	assert_string_equal(params.product_rev, "1234");
	assert_string_equal(params.scsi_sn, "012345678901234567890123456789012345");
	assert_string_equal(params.scsi_id, "a b");
}

static void values_may_hold_equals_signs(void **state)
{
	(void)state;
	good("path=/a=b,bsopts=x=1;y=2,mode_page=8:0:1:0x10,bsoflags=sync:direct");
	assert_string_equal(params.path, "/a=b");
	assert_string_equal(params.bsopts, "x=1;y=2");
	assert_string_equal(params.mode_page, "8:0:1:0x10");
	assert_string_equal(params.bsoflags, "sync:direct");
}

/* Only a path may be empty: there is no medium then. */
static void a_path_may_be_empty(void **state)
{
	(void)state;
	good("path=,online=1");
	assert_string_equal(params.path, "");
	assert_true(params.online.set);
	assert_int_equal(params.count, 2);
	assert_int_equal(parse("bsopts="), LU_PARAMS_BAD);
	assert_true(lu_path_is_none("NONE") && lu_path_is_none("NONE:a"));
	assert_false(lu_path_is_none("NONESUCH") || lu_path_is_none("/NONE"));
}

static void the_last_one_counts(void **state)
{
	(void)state;
	good("scsi_id=a,online=0,scsi_id=b,online=1");
	assert_string_equal(params.scsi_id, "b");
	assert_int_equal(params.online.value, 1);
}

static void truth_has_several_names(void **state)
{
	static const char *const yes[] = {"online=1", "online=yes", "online=On", "online=TRUE"};
	static const char *const no[] = {"online=0", "online=no", "online=off", "online=False"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		good(yes[i]);
		assert_true(params.online.set && params.online.value);
		good(no[i]);
		assert_true(params.online.set && !params.online.value);
	}
}

static void numbers_have_limits(void **state)
{
	(void)state;
	good("lbppbe=15,la_lba=16383,optimal_xfer_gran=65535,optimal_xfer_len=4294967295,"
	     "rotation_rate=0x10");
	assert_int_equal(params.lbppbe.value, 15);
	assert_int_equal(params.optimal_xfer_len.value, UINT32_MAX);
	assert_int_equal(params.rotation_rate.value, 16);
	good("size=3k");
	assert_int_equal(params.size.value, 3072);
	good("size=8388607T");
	assert_int_equal(params.size.value, UINT64_C(8388607) << 40);
	good("size=9223372036854775807");
	assert_int_equal(params.size.value, INT64_MAX);
}

static void bad(const char *text, enum lu_params_result result, const char *why)
{
	static const struct lu_params nothing;

	if (parse(text) != result || !strstr(error, why))
		fail_msg("\"%s\": \"%s\" says nothing of \"%s\"", text, error, why);
	assert_memory_equal(&params, &nothing, sizeof(params));
}

static void nonsense_is_named(void **state)
{
	(void)state;
	bad("bogus=1", LU_PARAMS_UNKNOWN, "no parameter \"bogus\"");
	bad("scsi_id=x,bogus", LU_PARAMS_UNKNOWN, "no parameter \"bogus\"");
	bad("scsi_i=x", LU_PARAMS_UNKNOWN, "no parameter \"scsi_i\"");
	bad("=", LU_PARAMS_UNKNOWN, "no parameter \"\"");
	bad("scsi_id", LU_PARAMS_BAD, "scsi_id has no value");
	bad("scsi_id=", LU_PARAMS_BAD, "scsi_id has no value");
	bad("vendor_id=a\tb", LU_PARAMS_BAD, "vendor_id has a character");
	bad("vendor_id=\xc3\xa4", LU_PARAMS_BAD, "vendor_id has a character");
	bad("online=2", LU_PARAMS_BAD, "online is 0 or 1");
	bad("online=10", LU_PARAMS_BAD, "online is 0 or 1");
	bad("lbppbe=16", LU_PARAMS_BAD, "lbppbe is too large");
	bad("lbppbe=x", LU_PARAMS_BAD, "lbppbe is not a number");
	bad("lbppbe=1k", LU_PARAMS_BAD, "lbppbe is not a number");
	bad("lbppbe=-1", LU_PARAMS_BAD, "lbppbe is not a number");
	bad("lbppbe= 1", LU_PARAMS_BAD, "lbppbe is not a number");
	bad("size=1kk", LU_PARAMS_BAD, "size is not a number");
	bad("size=1X", LU_PARAMS_BAD, "size is not a number");
	bad("size=8388608T", LU_PARAMS_BAD, "size is too large");
	bad("size=18446744073709551616", LU_PARAMS_BAD, "size is too large");
	bad("size=99999999999999999999999999999999999999", LU_PARAMS_BAD, "size is not a number");
	bad("scsi_id=kept?,online=x", LU_PARAMS_BAD, "online is 0 or 1");
}

static void flags_are_parsed(void **state)
{
	uint32_t flags;

	(void)state;
	assert_true(bsoflags_parse(NULL, &flags) && flags == 0);
	assert_true(bsoflags_parse("", &flags) && flags == 0);
	assert_true(bsoflags_parse("sync", &flags) && flags == TGT_BS_OPEN_SYNC);
	assert_true(bsoflags_parse("direct", &flags) && flags == TGT_BS_OPEN_DIRECT);
	assert_true(bsoflags_parse("direct:sync", &flags) &&
		    flags == (TGT_BS_OPEN_SYNC | TGT_BS_OPEN_DIRECT));
	assert_true(bsoflags_parse("sync,direct", &flags) &&
		    flags == (TGT_BS_OPEN_SYNC | TGT_BS_OPEN_DIRECT));
	assert_false(bsoflags_parse("syn", &flags));
	assert_false(bsoflags_parse("sync:bogus", &flags));
	assert_false(bsoflags_parse("SYNC", &flags));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(nothing_is_fine, drop),
	    cmocka_unit_test_teardown(drive_is_a_text, drop),
	    cmocka_unit_test_teardown(texts_are_cut_to_their_fields, drop),
	    cmocka_unit_test_teardown(values_may_hold_equals_signs, drop),
	    cmocka_unit_test_teardown(a_path_may_be_empty, drop),
	    cmocka_unit_test_teardown(the_last_one_counts, drop),
	    cmocka_unit_test_teardown(truth_has_several_names, drop),
	    cmocka_unit_test_teardown(numbers_have_limits, drop),
	    cmocka_unit_test_teardown(nonsense_is_named, drop),
	    cmocka_unit_test(flags_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
