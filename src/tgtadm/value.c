/* SPDX-License-Identifier: MIT */
/*
 * RFC 8259.  What nearly all values are is read here: texts of printable ASCII without escapes,
 * integers of few digits, literals.  Any other text or number is handed to jansson where it stands,
 * so that there is nothing here to know of escapes, UTF-8 and real numbers.
 */
#include "tgtadm/value.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 64u
#define DIGITS_MAX 18u /* any such number is an int64_t */

struct reader {
	char *at, *end;
	struct value *values;
	size_t count, max;
	unsigned int depth;
};

static bool read_value(struct reader *r, const char *key);

static struct value *add(struct reader *r, enum value_type type, const char *key)
{
	struct value *v;

	if (r->count == r->max)
		return NULL;
	v = &r->values[r->count++];
	*v = (struct value){.type = type, .span = 1, .key = key};
	return v;
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

/* Takes c after blanks; false: something else is there. */
static bool take(struct reader *r, char c)
{
	skip_blanks(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

/* What jansson finds here, and takes; NULL: nothing. */
static json_t *take_odd(struct reader *r)
{
	json_error_t error;
	json_t *value = json_loadb(r->at, (size_t)(r->end - r->at),
				   JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);

	if (value)
		r->at += error.position;
	return value;
}

/* Decoded, a text is shorter than it was between its quotation marks: there it is put. */
static char *take_odd_text(struct reader *r)
{
	char *start = r->at;
	json_t *odd = take_odd(r);
	const char *text = json_string_value(odd);

	if (text)
		memcpy(start, text, json_string_length(odd) + 1);
	json_decref(odd);
	return text ? start : NULL;
}

static char *take_text(struct reader *r)
{
	char *text = r->at + 1;
	char *quote = memchr(text, '"', (size_t)(r->end - text));
	bool plain = true;

	if (!quote)
		return NULL;
	for (const char *p = text; p < quote; p++)
		plain &= *p >= ' ' && *p <= '~' && *p != '\\';
	if (!plain)
		return take_odd_text(r);
	*quote = '\0';
	r->at = quote + 1;
	return text;
}

static bool read_text(struct reader *r, const char *key)
{
	const char *text = take_text(r);
	struct value *v = text ? add(r, VALUE_TEXT, key) : NULL;

	if (v)
		v->text = text;
	return v;
}

static bool read_odd_number(struct reader *r, const char *key)
{
	json_t *odd = take_odd(r);
	struct value *v = NULL;

	if (json_is_number(odd))
		v = add(r, json_is_integer(odd) ? VALUE_NUMBER : VALUE_OTHER, key);
	if (v)
		v->number = json_integer_value(odd);
	json_decref(odd);
	return v;
}

static bool read_number(struct reader *r, const char *key)
{
	bool negative = *r->at == '-';
	const char *first = r->at + negative, *p = first;
	size_t digits;
	long long number = 0;
	struct value *v;

	while (p < r->end && *p >= '0' && *p <= '9' && p - first < (ptrdiff_t)DIGITS_MAX)
		number = number * 10 + (*p++ - '0');
	digits = (size_t)(p - first);
	if (!digits || (*first == '0' && digits > 1) || p == r->end ||
	    (*p != ',' && *p != '}' && *p != ']'))
		return read_odd_number(r, key);
	v = add(r, VALUE_NUMBER, key);
	if (v)
		v->number = negative ? -number : number;
	r->at += negative + digits;
	return v;
}

static bool read_literal(struct reader *r, const char *key, const char *word, enum value_type type)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return add(r, type, key);
}

static bool read_member(struct reader *r)
{
	const char *key;

	skip_blanks(r);
	if (r->at == r->end || *r->at != '"')
		return false;
	key = take_text(r);
	return key && take(r, ':') && read_value(r, key);
}

/* All up to the bracket that ends the array or object. */
static bool read_rows(struct reader *r, bool members)
{
	char bracket = members ? '}' : ']';

	if (take(r, bracket))
		return true;
	do {
		if (members ? !read_member(r) : !read_value(r, NULL))
			return false;
	} while (take(r, ','));
	return take(r, bracket);
}

static bool read_nested(struct reader *r, const char *key)
{
	bool object = *r->at++ == '{', whole;
	struct value *v = add(r, object ? VALUE_OBJECT : VALUE_ARRAY, key);

	if (!v || r->depth == DEPTH_MAX)
		return false;
	r->depth++;
	whole = read_rows(r, object);
	r->depth--;
	v->span = (uint32_t)(&r->values[r->count] - v);
	return whole;
}

static bool read_value(struct reader *r, const char *key)
{
	skip_blanks(r);
	if (r->at == r->end)
		return false;
	switch (*r->at) {
	case '{':
	case '[':
		return read_nested(r, key);
	case '"':
		return read_text(r, key);
	case 't':
		return read_literal(r, key, "true", VALUE_TRUE);
	case 'f':
		return read_literal(r, key, "false", VALUE_OTHER);
	case 'n':
		return read_literal(r, key, "null", VALUE_OTHER);
	default:
		return read_number(r, key);
	}
}

struct value *value_read(char *text, size_t len)
{
	struct reader r = {.at = text, .end = text + len};
	bool whole = false;

	/* of two values one at least is followed by a comma or a bracket; pages of the memory that
	 * are not needed are never there */
	r.max = len / 2 + 1;
	r.values = len < UINT32_MAX ? malloc(r.max * sizeof(*r.values)) : NULL;
	skip_blanks(&r);
	if (r.values && r.at < r.end && *r.at == '{')
		whole = read_nested(&r, NULL);
	skip_blanks(&r);
	if (whole && r.at == r.end)
		return r.values;
	free(r.values);
	return NULL;
}

const struct value *value_begin(const struct value *list)
{
	return list ? list + 1 : NULL;
}

const struct value *value_end(const struct value *list)
{
	return list ? list + list->span : NULL;
}

size_t value_count(const struct value *list)
{
	size_t count = 0;

	value_each(list, row)
	{
		count++;
	}
	return count;
}

const struct value *value_member(const struct value *object, const char *name)
{
	value_each(object, row)
	{
		if (row->key && strcmp(row->key, name) == 0)
			return row;
	}
	return NULL;
}

const char *value_as_text(const struct value *value)
{
	return value && value->type == VALUE_TEXT ? value->text : "";
}

const char *value_text(const struct value *object, const char *member)
{
	return value_as_text(value_member(object, member));
}

long long value_number(const struct value *object, const char *member)
{
	const struct value *v = value_member(object, member);

	return v && v->type == VALUE_NUMBER ? v->number : 0;
}

bool value_true(const struct value *object, const char *member)
{
	const struct value *v = value_member(object, member);

	return v && v->type == VALUE_TRUE;
}
