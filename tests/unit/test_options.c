/* SPDX-License-Identifier: MIT */
/* "bsopts": how a text becomes values, and what is said of one that doesn't. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/loader.h"
#include "util/cleanup.h"

enum { OPT_CONF, OPT_POOL, OPT_FAST, OPT_SIZE, OPT_SMALL, NR_ROWS };

#define ROW(n, t, d)                                                                               \
	.struct_size = sizeof(struct tgt_bs_option), .type = t, .name = n, .default_value = d

static struct tgt_bs_option rows[NR_ROWS] = {
    [OPT_CONF] = {ROW("conf", TGT_BS_OPT_FILE, NULL)},
    [OPT_POOL] = {ROW("pool", TGT_BS_OPT_STRING, "images")},
    [OPT_FAST] = {ROW("fast", TGT_BS_OPT_BOOL, "no")},
    [OPT_SIZE] = {ROW("size", TGT_BS_OPT_UINT, NULL)},
    [OPT_SMALL] = {ROW("small", TGT_BS_OPT_UINT, "5"), .min = 3, .max = 9},
};
static struct store_module module = {
    .descriptor = {.name = "example", .options = rows, .nr_options = NR_ROWS},
    .options = rows,
};
static struct store_module bare = {.descriptor = {.name = "bare"}};

static char error[256];

/* Parses what must parse; freed by the next call, or by the teardown. */
static struct tgt_bs_value *values;

static int drop(void **state)
{
	(void)state;
	store_free_values(&module, values);
	values = NULL;
	return 0;
}

static void good(const char *text)
{
	drop(NULL);
	if (store_parse_options(&module, text, &values, error, sizeof(error)))
		fail_msg("\"%s\": %s", text, error);
}

/* Text that must not parse, with that in the error. */
static void bad(const char *text, const char *why)
{
	struct tgt_bs_value *untouched = NULL;

	memset(error, 0, sizeof(error));
	assert_int_equal(store_parse_options(&module, text, &untouched, error, sizeof(error)),
			 -EINVAL);
	assert_null(untouched);
	if (!strstr(error, why))
		fail_msg("\"%s\": the error is \"%s\", not \"%s\"", text, error, why);
}

static void defaults(void **state)
{
	static const char *const nothing[] = {NULL, "", ";", " ; ;"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
		good(nothing[i]);
		assert_int_equal(values[OPT_CONF].is_set, 0);
		assert_null(values[OPT_CONF].text);
		assert_int_equal(values[OPT_POOL].is_set, 1);
		assert_string_equal(values[OPT_POOL].text, "images");
		assert_int_equal(values[OPT_FAST].is_set, 1);
		assert_int_equal(values[OPT_FAST].boolean, 0);
		assert_int_equal(values[OPT_SIZE].is_set, 0);
		assert_true(values[OPT_SMALL].number == 5);
	}
}

static void pairs(void **state)
{
	(void)state;
	good("conf=/etc/x.conf;fast=1;size=17");
	assert_string_equal(values[OPT_CONF].text, "/etc/x.conf");
	assert_int_equal(values[OPT_FAST].boolean, 1);
	assert_true(values[OPT_SIZE].number == 17);
	assert_string_equal(values[OPT_POOL].text, "images");
}

/* Blanks before a name are no part of it. */
static void blanks(void **state)
{
	(void)state;
	good(" size=17;  fast=yes;");
	assert_true(values[OPT_SIZE].number == 17);
	assert_int_equal(values[OPT_FAST].boolean, 1);
}

/* ':' and ',' stand in paths and addresses: they end a pair only where another option starts. */
static void separators(void **state)
{
	static const char *const same[] = {"pool=a;size=2;fast=1", "pool=a:size=2:fast=1",
					   "pool=a,size=2,fast=1", "pool=a;size=2,fast=1"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		good(same[i]);
		assert_string_equal(values[OPT_POOL].text, "a");
		assert_true(values[OPT_SIZE].number == 2);
		assert_int_equal(values[OPT_FAST].boolean, 1);
	}
	good("conf=/a:b,c=d:e;pool=[::1]:3300,10.0.0.1:3300");
	assert_string_equal(values[OPT_CONF].text, "/a:b,c=d:e");
	assert_string_equal(values[OPT_POOL].text, "[::1]:3300,10.0.0.1:3300");
	/* a name that only begins or ends like an option's */
	good("pool=a:sizes=2,xsize=3:size");
	assert_string_equal(values[OPT_POOL].text, "a:sizes=2,xsize=3:size");
	/* ';' always ends it */
	bad("pool=a;b=c", "no option \"b\"");
}

static void value_may_hold_equal_signs(void **state)
{
	(void)state;
	good("pool=a=b=c;fast=1");
	assert_string_equal(values[OPT_POOL].text, "a=b=c");
}

static void empty_text_is_a_value(void **state)
{
	(void)state;
	good("pool=");
	assert_int_equal(values[OPT_POOL].is_set, 1);
	assert_string_equal(values[OPT_POOL].text, "");
	bad("conf=", "conf: a path is missing");
}

static void booleans(void **state)
{
	static const struct {
		const char *text;
		unsigned int value;
	} spellings[] = {
	    {"fast=1", 1}, {"fast=yes", 1}, {"fast=on", 1},  {"fast=true", 1},  {"fast=YES", 1},
	    {"fast=0", 0}, {"fast=no", 0},  {"fast=off", 0}, {"fast=false", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		good(spellings[i].text);
		assert_int_equal(values[OPT_FAST].boolean, spellings[i].value);
	}
	bad("fast=2", "fast: \"2\" is not a yes or no");
	bad("fast=", "fast: \"\" is not a yes or no");
	bad("fast=yess", "yess");
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} spellings[] = {
	    {"size=0", 0},
	    {"size=007", 7},
	    {"size=1k", 1ull << 10},
	    {"size=3K", 3ull << 10},
	    {"size=1M", 1ull << 20},
	    {"size=2g", 2ull << 30},
	    {"size=1T", 1ull << 40},
	    {"size=18446744073709551615", UINT64_MAX},
	    {"size=16777215T", 16777215ull << 40},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		good(spellings[i].text);
		assert_true(values[OPT_SIZE].number == spellings[i].value);
	}
}

static void numbers_that_are_none(void **state)
{
	static const char *const texts[] = {"size=",   "size=x",   "size=-1",  "size=+1",
					    "size= 1", "size=0x1", "size=1.5", "size=1kB",
					    "size=1P", "size=1 "};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		bad(texts[i], "is not a number");
	bad("size=18446744073709551616", "too large");
	bad("size=16777216T", "too large");
	bad("size=99999999999999999999999k", "too large");
}

static void limits(void **state)
{
	(void)state;
	good("small=3");
	good("small=9");
	bad("small=2", "small: 2 is below the minimum of 3");
	bad("small=10", "small: 10 is above the maximum of 9");
}

static void wrong_pairs(void **state)
{
	(void)state;
	bad("sice=3", "backing store example has no option \"sice\" "
		      "(it has: conf, pool, fast, size, small)");
	bad("=3", "no option \"\"");
	bad("size", "size: a value is missing");
	bad("size=1;size=2", "size: given twice");
	bad("size=1:size=2", "size: given twice");
	/* what came before is freed again (the leak checker sees to it) */
	bad("pool=abc;conf=/x;fast=perhaps", "perhaps");
}

static void no_options_at_all(void **state)
{
	struct tgt_bs_value *none = NULL;

	(void)state;
	assert_int_equal(store_parse_options(&bare, NULL, &none, error, sizeof(error)), 0);
	assert_non_null(none);
	store_free_values(&bare, none);
	none = NULL;
	assert_int_equal(store_parse_options(&bare, "a=b", &none, error, sizeof(error)), -EINVAL);
	assert_string_equal(error, "backing store bare has no option \"a\" (it has: none)");
	store_free_values(&bare, NULL);
}

static void errors_fit_their_room(void **state)
{
	struct tgt_bs_value *none = NULL;
	char small[8];

	(void)state;
	memset(small, 'x', sizeof(small));
	assert_int_equal(store_parse_options(&module, "nonsense=1", &none, small, 4), -EINVAL);
	assert_int_equal(strlen(small), 3);
	assert_int_equal(small[4], 'x');
}

#define TEST(name) cmocka_unit_test_teardown(name, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(defaults),
	    TEST(pairs),
	    TEST(blanks),
	    TEST(separators),
	    TEST(value_may_hold_equal_signs),
	    TEST(empty_text_is_a_value),
	    TEST(booleans),
	    TEST(numbers),
	    TEST(numbers_that_are_none),
	    TEST(limits),
	    TEST(wrong_pairs),
	    TEST(no_options_at_all),
	    TEST(errors_fit_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
