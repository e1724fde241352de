/* SPDX-License-Identifier: MIT */
/* What tgtadm reads of an answer is what jansson reads of it, whatever the answer is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tgtadm/value.h"
#include "util/cleanup.h"

/* Of two members with one name jansson has the last. */
static bool is_last(const struct value *row, const struct value *end)
{
	for (const struct value *v = row + row->span; v < end; v += v->span) {
		if (strcmp(v->key, row->key) == 0)
			return false;
	}
	return true;
}

static void compare(const struct value *v, const json_t *json);

static void compare_object(const struct value *v, const json_t *json)
{
	size_t count = 0;

	value_each(v, row)
	{
		if (!is_last(row, value_end(v)))
			continue;
		compare(row, json_object_get(json, row->key));
		count++;
	}
	assert_int_equal(count, json_object_size(json));
}

static void compare_array(const struct value *v, const json_t *json)
{
	size_t i = 0;

	assert_int_equal(value_count(v), json_array_size(json));
	value_each(v, row)
	{
		assert_null(row->key);
		compare(row, json_array_get(json, i++));
	}
}

static void compare(const struct value *v, const json_t *json)
{
	assert_non_null(json);
	switch (v->type) {
	case VALUE_OBJECT:
		assert_true(json_is_object(json));
		compare_object(v, json);
		break;
	case VALUE_ARRAY:
		assert_true(json_is_array(json));
		compare_array(v, json);
		break;
	case VALUE_TEXT:
		assert_true(json_is_string(json));
		assert_string_equal(v->text, json_string_value(json));
		break;
	case VALUE_NUMBER:
		assert_true(json_is_integer(json));
		assert_int_equal(v->number, json_integer_value(json));
		break;
	case VALUE_TRUE:
		assert_true(json_is_true(json));
		break;
	case VALUE_OTHER:
		assert_true(json_is_false(json) || json_is_null(json) || json_is_real(json));
		break;
	}
}

/* The text in memory of its own of just its size, so that a sanitizer sees one byte too far. */
static void check(const char *text, size_t len)
{
	CLEANUP_FREE char *copy = malloc(len ? len : 1);
	CLEANUP_FREE struct value *v = NULL;
	json_t *json = json_loadb(text, len, 0, NULL);

	assert_non_null(copy);
	memcpy(copy, text, len);
	v = value_read(copy, len);
	if (!json_is_object(json))
		assert_null(v);
	else
		assert_non_null(v);
	if (v)
		compare(v, json);
	json_decref(json);
}

static const char *const documents[] = {
    "{\"rc\":0,\"result\":{\"targets\":[{\"tid\":1,\"luns\":[{\"lun\":0,\"on\":true,\"off\":false,"
    "\"path\":null,\"flags\":[]},{\"lun\":1}],\"acl\":[\"ALL\",\"10.0.0.1\"]},{}]}}\n",
    " {\t\"a\" : [ 1 , -2,\r\n 30 ] , \"b\" : { } , \"c\":[ ] } \n",
    "{\"n\":[0,-0,1,-1,999999999999999999,1234567890123456789,9223372036854775807,"
    "-9223372036854775808,-999999999999999999]}",
    "{\"r\":[0.5,1e3,-2E-2,1.0]}",
    "{\"t\":[\"\",\"a\\\"b\\\\\\/\",\"\\b\\f\\n\\r\\t\",\"\\u00e4\\ud83d\\udcbe\",\"\xc3\xa4\"]}",
    "{\"\\u0041\\n\":1,\"\xc3\xa4\":2,\"\":3}",
    "{\"a\":1,\"a\":[2,3],\"b\":4}",
};

static const char *const wrong[] = {
    "",
    "{",
    "[]",
    "\"rc\"",
    "0",
    "{}x",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\":[1,]}",
    "{\"a\":[1}",
    "{\"a\":01}",
    "{\"a\":-}",
    "{\"a\":+1}",
    "{\"a\":1x}",
    "{\"a\":9223372036854775808}",
    "{\"a\":tru}",
    "{\"a\":nullx}",
    "{\"a\":\"\\u0000\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\x01\"}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"b}",
    "{\"a\":\"b\\\"}",
};

static void answers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		json_t *json = json_loads(documents[i], 0, NULL);

		assert_non_null(json); /* so it is right, and not refused by both */
		json_decref(json);
		check(documents[i], strlen(documents[i]));
	}
}

static void what_is_no_answer_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		check(wrong[i], strlen(wrong[i]));
}

static void answers_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		for (size_t len = 0; len < strlen(documents[i]); len++)
			check(documents[i], len);
	}
}

static void answers_with_any_byte_changed(void **state)
{
	static const char bytes[] = "{}[],:\"\\ \n019-.eEtfnux+\x01\x7f\xc3\xa4\xff";
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		size_t len = strlen(documents[i]);

		assert_true(len < sizeof(text));
		for (size_t at = 0; at < len; at++) {
			memcpy(text, documents[i], len);
			for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
				text[at] = bytes[b];
				check(text, len);
			}
		}
	}
}

/* RFC 8259 2, 7: it stands nowhere.  (jansson passes over one after a number.) */
static void nul_is_refused(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		size_t len = strlen(documents[i]);

		for (size_t at = 0; at < len; at++) {
			memcpy(text, documents[i], len);
			text[at] = '\0';
			assert_null(value_read(text, len));
		}
	}
}

/* Memory for values is of the text's length, the stack of a constant depth. */
static void deep_and_empty_ones_have_an_end(void **state)
{
	char text[2048];

	(void)state;
	for (size_t depth = 1; depth < 1000; depth += depth < 70 ? 1 : 97) {
		memset(text, '[', depth);
		memcpy(text, "{\"a\":", 5);
		memset(text + 5, '[', depth);
		memset(text + 5 + depth, ']', depth);
		text[5 + 2 * depth] = '}';
		if (depth < 64) {
			check(text, 6 + 2 * depth);
		} else {
			assert_null(value_read(text, 6 + 2 * depth));
		}
		assert_null(value_read(text, 5 + depth));
	}
}

static void the_absent_is_empty(void **state)
{
	char text[] = "{\"a\":1,\"b\":\"x\",\"c\":true,\"d\":[]}";
	CLEANUP_FREE struct value *v = value_read(text, strlen(text));

	(void)state;
	assert_non_null(v);
	assert_string_equal(value_text(v, "z"), "");
	assert_string_equal(value_text(v, "a"), "");
	assert_string_equal(value_text(v, "b"), "x");
	assert_int_equal(value_number(v, "z"), 0);
	assert_int_equal(value_number(v, "b"), 0);
	assert_int_equal(value_number(v, "a"), 1);
	assert_true(value_true(v, "c") && !value_true(v, "a") && !value_true(v, "z"));
	assert_string_equal(value_as_text(NULL), "");
	assert_int_equal(value_count(NULL), 0);
	assert_int_equal(value_count(value_member(v, "a")), 0);
	assert_int_equal(value_count(value_member(v, "d")), 0);
	assert_null(value_member(NULL, "a"));
	assert_null(value_member(value_member(v, "a"), "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers_are_read),
	    cmocka_unit_test(what_is_no_answer_is_refused),
	    cmocka_unit_test(answers_cut_anywhere),
	    cmocka_unit_test(answers_with_any_byte_changed),
	    cmocka_unit_test(nul_is_refused),
	    cmocka_unit_test(deep_and_empty_ones_have_an_end),
	    cmocka_unit_test(the_absent_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
