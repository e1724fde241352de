/* SPDX-License-Identifier: MIT */
/* Text keys and their values (RFC 7143 6.1). */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "iscsi/text.h"
#include "util/bytes.h"

static void binary(const char *value)
{
	uint8_t bytes[64], again[64];
	char hex[2 * sizeof(bytes) + 3];
	int n = text_binary(value, bytes, sizeof(bytes));

	must(n <= (int)sizeof(bytes));
	if (n < 1)
		return;
	text_hex(hex, bytes, (size_t)n);
	must(text_binary(hex, again, sizeof(again)) == n);
	must(!memcmp(bytes, again, (size_t)n));
}

static void list(const char *value)
{
	const char *at = value, *end = value + strlen(value);
	char item[16];

	while (text_list_next(&at, item, sizeof(item))) {
		must(strlen(item) && strlen(item) < sizeof(item));
		must(!strchr(item, ','));
		must(at <= end);
	}
}

static void each_value(const char *value)
{
	uint64_t number;

	if (text_number(value, 65535, &number))
		must(number <= 65535);
	text_number(value, UINT64_MAX, &number);
	binary(value);
	list(value);
}

/* What was read, written again, is read as the same. */
static void write_back(const char *key, const char *value)
{
	char text[TEXT_KEY_MAX + TEXT_VALUE_MAX + 2], *key2, *value2;
	struct text_out out = {.data = text, .size = sizeof(text)};
	struct text_in in;

	text_add(&out, key, value);
	must(!out.overflow && out.len == strlen(key) + strlen(value) + 2);
	in = text_in(text, out.len);
	must(text_next(&in, &key2, &value2) == TEXT_PAIR);
	must(key2 == text && value2 == text + strlen(key) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	size_t len;
	char *text = (char *)fuzz_copy(&input, size, &len), *key, *value;
	struct text_in in = text_in(text, len);

	while (text_next(&in, &key, &value) == TEXT_PAIR) {
		must(strlen(key) && strlen(key) <= TEXT_KEY_MAX);
		must(value + strlen(value) < text + len);
		each_value(value);
		if (!strchr(key, '='))
			write_back(key, value);
	}
	must(in.at <= in.end);
	free(text);
	return 0;
}
