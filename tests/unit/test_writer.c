/* SPDX-License-Identifier: MIT */
/* JSON that is written as text is what jansson writes of the same tree, and RFC 8259 allows it. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mgmt/request.h"
#include "mgmt/writer.h"
#include "util/cleanup.h"

static void expect(struct writer *w, const char *expected)
{
	size_t len;
	CLEANUP_FREE char *text = writer_take(w, &len);

	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	assert_null(w->text);
}

static void commas_and_keys_stand_where_they_belong(void **state)
{
	struct writer w = {0};

	(void)state;
	write_object(&w, NULL);
	write_array(&w, "empty");
	write_array_end(&w);
	write_array(&w, "list");
	write_number(&w, NULL, 1);
	write_text(&w, NULL, "two");
	write_object(&w, NULL);
	write_object_end(&w);
	write_object(&w, NULL);
	write_bool(&w, "yes", true);
	write_bool(&w, "no", false);
	write_text(&w, "none", NULL);
	write_object_end(&w);
	write_array_end(&w);
	write_text(&w, "last", "");
	write_object_end(&w);
	expect(&w, "{\"empty\":[],\"list\":[1,\"two\",{},{\"yes\":true,\"no\":false,"
		   "\"none\":null}],\"last\":\"\"}");
}

/* A value that ends as an opening bracket does isn't one. */
static void brackets_in_texts_are_text(void **state)
{
	struct writer w = {0};

	(void)state;
	write_array(&w, NULL);
	write_text(&w, NULL, "[");
	write_text(&w, NULL, "{");
	write_text(&w, NULL, "");
	write_array_end(&w);
	expect(&w, "[\"[\",\"{\",\"\"]");
}

static void numbers_of_all_sizes(void **state)
{
	static const long long numbers[] = {0,   1,       9,        10,        -1,
					    -10, INT_MAX, UINT_MAX, LLONG_MAX, LLONG_MIN};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct writer w = {0};
		char expected[32];

		snprintf(expected, sizeof(expected), "%lld", numbers[i]);
		write_number(&w, NULL, numbers[i]);
		expect(&w, expected);
	}
}

static void check_text(const char *text)
{
	struct writer w = {0};
	json_t *string = mgmt_text(text);
	char *expected = json_dumps(string, JSON_ENCODE_ANY);

	write_text(&w, NULL, text);
	expect(&w, expected);
	free(expected);
	json_decref(string);
}

/* RFC 8259 7: quotation mark, reverse solidus and controls are escaped. */
static void what_must_be_escaped_is(void **state)
{
	struct writer w = {0};

	(void)state;
	write_array(&w, NULL);
	write_text(&w, NULL, "a\"b\\c/");
	write_text(&w, NULL, "\b\f\n\r\t\x01\x1f");
	write_array_end(&w);
	expect(&w, "[\"a\\\"b\\\\c/\",\"\\b\\f\\n\\r\\t\\u0001\\u001F\"]");
	for (int byte = 1; byte < 128; byte++)
		check_text((const char[]){'x', (char)byte, 'y', '\0'});
}

/* RFC 8259 8.1: what is sent is UTF-8. */
static void only_utf8_is_written(void **state)
{
	struct writer w = {0};

	(void)state;
	write_array(&w, NULL);
	write_text(&w, NULL, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe");
	write_text(&w, NULL, "a\xc3"); /* cut short */
	write_text(&w, NULL, "\xc0\xaf\xed\xa0\x80\xff\n");
	write_array_end(&w);
	expect(&w, "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe\",\"a?\",\"???????\"]");
	for (int byte = 128; byte < 256; byte++) {
		check_text((const char[]){'x', (char)byte, 'y', '\0'});
		check_text((const char[]){(char)byte, (char)0x80, '\0'});
	}
}

static void texts_of_all_lengths(void **state)
{
	char text[10000];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len += len < 20 ? 1 : 1237) {
		memset(text, 'x', len);
		text[len] = '\0';
		check_text(text);
	}
}

/* Nothing that is half an answer is sent. */
static void after_a_failure_there_is_no_text(void **state)
{
	struct writer w = {0};
	size_t len = 1;

	(void)state;
	write_array(&w, NULL);
	w.failed = true;
	write_text(&w, NULL, "x");
	write_text(&w, NULL, "\n");
	write_number(&w, NULL, 1);
	write_array_end(&w);
	assert_int_equal(w.len, 1);
	assert_null(writer_take(&w, &len));
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(commas_and_keys_stand_where_they_belong),
	    cmocka_unit_test(brackets_in_texts_are_text),
	    cmocka_unit_test(numbers_of_all_sizes),
	    cmocka_unit_test(what_must_be_escaped_is),
	    cmocka_unit_test(only_utf8_is_written),
	    cmocka_unit_test(texts_of_all_lengths),
	    cmocka_unit_test(after_a_failure_there_is_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
