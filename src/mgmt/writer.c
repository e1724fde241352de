/* SPDX-License-Identifier: MIT */
#include "mgmt/writer.h"

#include <stdlib.h>
#include <string.h>

#include "mgmt/request.h"

#define FIRST_SIZE 4096u
#define NUMBER_MAX 20u /* bytes of an int64_t */

/* Room for len bytes more; false: there is none. */
static bool reserve(struct writer *w, size_t len)
{
	size_t size = w->size ? w->size : FIRST_SIZE;
	char *larger;

	if (w->failed)
		return false;
	if (len <= w->size - w->len)
		return true;
	while (size - w->len < len)
		size *= 2;
	larger = realloc(w->text, size);
	if (!larger) {
		w->failed = true;
		return false;
	}
	w->text = larger;
	w->size = size;
	return true;
}

static void append(struct writer *w, const char *bytes, size_t len)
{
	if (!reserve(w, len))
		return;
	memcpy(w->text + w->len, bytes, len);
	w->len += len;
}

/* The comma after what precedes, if anything does, and the key. */
static void begin(struct writer *w, const char *key)
{
	size_t len = key ? strlen(key) : 0;
	char last = w->len ? w->text[w->len - 1] : '[', *p;

	if (!reserve(w, len + sizeof(",\"\":")))
		return;
	p = w->text + w->len;
	if (last != '[' && last != '{')
		*p++ = ',';
	if (key) {
		*p++ = '"';
		memcpy(p, key, len);
		p += len;
		*p++ = '"';
		*p++ = ':';
	}
	w->len = (size_t)(p - w->text);
}

static void write_plain(struct writer *w, const char *key, const char *value, size_t len)
{
	begin(w, key);
	append(w, value, len);
}

void write_object(struct writer *w, const char *key)
{
	write_plain(w, key, "{", 1);
}

void write_object_end(struct writer *w)
{
	append(w, "}", 1);
}

void write_array(struct writer *w, const char *key)
{
	write_plain(w, key, "[", 1);
}

void write_array_end(struct writer *w)
{
	append(w, "]", 1);
}

/* RFC 8259 7, of ASCII: it may stand as it is. */
static bool is_plain(const char *text, size_t len)
{
	bool plain = true;

	for (size_t i = 0; i < len; i++)
		plain &= text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';
	return plain;
}

/* Escapes, and what isn't ASCII or not even UTF-8, are rare: jansson knows them. */
static void write_odd(struct writer *w, const char *text)
{
	json_t *string = mgmt_text(text);
	char *encoded = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	if (encoded)
		append(w, encoded, strlen(encoded));
	else
		w->failed = true;
	free(encoded);
	json_decref(string);
}

void write_text(struct writer *w, const char *key, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!text) {
		write_plain(w, key, "null", 4);
		return;
	}
	begin(w, key);
	if (!is_plain(text, len)) {
		write_odd(w, text);
		return;
	}
	if (!reserve(w, len + 2))
		return;
	w->text[w->len++] = '"';
	memcpy(w->text + w->len, text, len);
	w->len += len;
	w->text[w->len++] = '"';
}

void write_number(struct writer *w, const char *key, long long number)
{
	char digits[NUMBER_MAX], *p = digits + sizeof(digits);
	unsigned long long rest = (unsigned long long)number;

	if (number < 0)
		rest = -rest; /* also of LLONG_MIN */
	do {
		*--p = (char)('0' + rest % 10);
	} while (rest /= 10);
	if (number < 0)
		*--p = '-';
	write_plain(w, key, p, (size_t)(digits + sizeof(digits) - p));
}

void write_bool(struct writer *w, const char *key, bool value)
{
	if (value)
		write_plain(w, key, "true", 4);
	else
		write_plain(w, key, "false", 5);
}

char *writer_take(struct writer *w, size_t *len)
{
	char *text = NULL;

	append(w, "", 1);
	if (w->failed)
		free(w->text);
	else
		text = w->text;
	*len = text ? w->len - 1 : 0;
	*w = (struct writer){.text = NULL};
	return text;
}
