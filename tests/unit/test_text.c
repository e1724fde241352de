/* SPDX-License-Identifier: MIT */
/* Text keys: RFC 7143 6.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/text.h"
#include "util/cleanup.h"

static char buffer[16384];

static struct text_in input(const char *text, size_t len)
{
	memcpy(buffer, text, len);
	return text_in(buffer, len);
}
#define INPUT(text) input(text, sizeof(text) - 1)

static void test_pairs(void **state)
{
	struct text_in in = INPUT("A=1\0Long.Key-Name_x@y+9=a=b,c\0Empty=\0");
	char *key, *value;

	(void)state;
	assert_int_equal(text_next(&in, &key, &value), TEXT_PAIR);
	assert_string_equal(key, "A");
	assert_string_equal(value, "1");
	assert_int_equal(text_next(&in, &key, &value), TEXT_PAIR);
	assert_string_equal(key, "Long.Key-Name_x@y+9");
	assert_string_equal(value, "a=b,c");
	assert_int_equal(text_next(&in, &key, &value), TEXT_PAIR);
	assert_string_equal(key, "Empty");
	assert_string_equal(value, "");
	assert_int_equal(text_next(&in, &key, &value), TEXT_END);
}

static void test_nothing(void **state)
{
	struct text_in in = INPUT("");
	char *key, *value;

	(void)state;
	assert_int_equal(text_next(&in, &key, &value), TEXT_END);
	in = INPUT("\0\0\0");
	assert_int_equal(text_next(&in, &key, &value), TEXT_END);
}

static void expect_bad(const char *text, size_t len)
{
	struct text_in in = input(text, len);
	char *key, *value;

	assert_int_equal(text_next(&in, &key, &value), TEXT_BAD);
}

static void test_malformed(void **state)
{
	char longer[80];

	(void)state;
	expect_bad("NoEquals", 9);
	expect_bad("A=unterminated", 14);
	expect_bad("=value", 7);
	expect_bad("9key=v", 7); /* a name begins with a letter */
	expect_bad("ke y=v", 7);
	expect_bad("k\xc3\xa9y=v", 7);
	memset(longer, 'k', 64);
	memcpy(longer + 64, "=v", 3);
	expect_bad(longer, 67); /* names have at most 63 bytes */
	memset(buffer + 8192, 'v', 8192);
	memset(buffer, 'v', 8192);
	memcpy(buffer, "K=", 2);
	buffer[8195] = 0;
	{
		struct text_in in = text_in(buffer, 8196);
		char *key, *value;

		assert_int_equal(text_next(&in, &key, &value), TEXT_BAD); /* 8193 bytes of value */
		memcpy(buffer, "K=", 2);
		buffer[8194] = 0;
		in = text_in(buffer, 8195);
		assert_int_equal(text_next(&in, &key, &value), TEXT_PAIR);
	}
}

static void test_output(void **state)
{
	char data[12];
	struct text_out out = {.data = data, .size = sizeof(data)};

	(void)state;
	text_add(&out, "K", "v");
	text_add_number(&out, "N", 4711);
	assert_int_equal(out.len, 11);
	assert_memory_equal(data, "K=v\0N=4711\0", 11);
	assert_false(out.overflow);
	text_add(&out, "x", "");
	assert_true(out.overflow);
	assert_int_equal(out.len, 11);
}

static void test_numbers(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(text_number("0", 10, &n) && n == 0);
	assert_true(text_number("65535", 65535, &n) && n == 65535);
	assert_false(text_number("65536", 65535, &n));
	assert_true(text_number("0xfF", 255, &n) && n == 255);
	assert_true(text_number("0X10", 255, &n) && n == 16);
	assert_true(text_number("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
	assert_false(text_number("18446744073709551616", UINT64_MAX, &n));
	assert_false(text_number("", 10, &n));
	assert_false(text_number("0x", 10, &n));
	assert_false(text_number("-1", 10, &n));
	assert_false(text_number("1 ", 10, &n));
	assert_false(text_number("1x", 100, &n));
	assert_false(text_number("a", 100, &n));
	assert_false(text_number("9", 5, &n));
}

static void test_lists(void **state)
{
	const char *list = "CRC32C,None";
	char item[8];

	(void)state;
	assert_true(text_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "CRC32C");
	assert_true(text_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "None");
	assert_false(text_list_next(&list, item, sizeof(item)));
	list = "toolong8,None";
	assert_false(text_list_next(&list, item, sizeof(item)));
	list = ",None";
	assert_false(text_list_next(&list, item, sizeof(item)));
}

static void test_hexadecimal(void **state)
{
	uint8_t out[4];
	char text[11];

	(void)state;
	assert_int_equal(text_binary("0x01fEa0", out, 4), 3);
	assert_memory_equal(out, "\x01\xfe\xa0", 3);
	assert_int_equal(text_binary("0Xabc", out, 4), 2); /* an odd number of digits */
	assert_memory_equal(out, "\x0a\xbc", 2);
	assert_int_equal(text_binary("0x01020304", out, 4), 4);
	assert_int_equal(text_binary("0x0102030405", out, 4), -1);
	assert_int_equal(text_binary("0x0102g3", out, 4), -1);
	assert_int_equal(text_binary("0x", out, 4), -1);
	assert_int_equal(text_binary("01", out, 4), -1);
	assert_int_equal(text_binary("", out, 4), -1);
	text_hex(text, (const uint8_t *)"\x01\xfe\xa0\x00", 4);
	assert_string_equal(text, "0x01fea000");
}

/* RFC 4648 10, and what must not be taken. */
static void test_base64(void **state)
{
	static const struct {
		const char *text, *bytes;
	} good[] = {{"0bZg==", "f"}, {"0bZm8=", "fo"}, {"0BZm9v", "foo"}, {"0bZm9vYmFy", "foobar"}};
	static const char *const bad[] = {
	    "0b", "0bZ", "0bZg=", "0bZg", "0bZh==", "0bZ===", "0b====", "0bZm9*", "0bZ=9v"};
	uint8_t out[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(text_binary(good[i].text, out, 6), strlen(good[i].bytes));
		assert_memory_equal(out, good[i].bytes, strlen(good[i].bytes));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(text_binary(bad[i], out, 6), -1);
	assert_int_equal(text_binary("0bZm9vYmFyYg==", out, 6), -1); /* no room */
}

static void test_printable(void **state)
{
	static const char *const good[] = {"", "iqn.2026-01.org.example:a", "na\xc3\xafve",
					   "\xe6\x97\xa5\xf0\x9f\x90\x84"};
	static const char *const bad[] = {"a b",
					  "a\nb",
					  "\x7f",
					  "\xff",
					  "\xc3",
					  "\xc3(",
					  "\xc2\x85",
					  "\xc0\xaf",
					  "\xe0\x80\xaf",
					  "\xed\xa0\x80",
					  "\xf4\x90\x80\x80",
					  "\xe6\x97"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(text_is_printable(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_is_printable(bad[i]));
}

static void test_made_printable(void **state)
{
	char out[8];

	(void)state;
	text_copy_printable(out, sizeof(out), "a b\n\xff\xc3\xaf");
	assert_string_equal(out, "a b??\xc3\xaf");
	text_copy_printable(out, sizeof(out), "123456\xc3\xaf"); /* no half characters */
	assert_string_equal(out, "123456");
	text_copy_printable(out, sizeof(out), "123456789");
	assert_string_equal(out, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pairs),       cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_malformed),   cmocka_unit_test(test_output),
	    cmocka_unit_test(test_numbers),     cmocka_unit_test(test_lists),
	    cmocka_unit_test(test_hexadecimal), cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_printable),   cmocka_unit_test(test_made_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
