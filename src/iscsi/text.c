/* SPDX-License-Identifier: MIT */
#include "iscsi/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* 6.1: letters, digits, '.', '-', '+', '@', '_'; the first one is a letter. */
static bool name_is_legal(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789.-+@_");

	return len >= 1 && len <= TEXT_KEY_MAX && !name[len] && isalpha((unsigned char)name[0]);
}

enum text_result text_next(struct text_in *in, char **key, char **value)
{
	char *end, *equals;

	while (in->at < in->end && !*in->at)
		in->at++; /* several NULs are fine, and padding may stand within the segment */
	if (in->at == in->end)
		return TEXT_END;
	end = memchr(in->at, 0, (size_t)(in->end - in->at));
	if (!end)
		return TEXT_BAD;
	equals = memchr(in->at, '=', (size_t)(end - in->at));
	if (!equals)
		return TEXT_BAD;
	*equals = 0;
	*key = in->at;
	*value = equals + 1;
	in->at = end + 1;
	return name_is_legal(*key) && (size_t)(end - *value) <= TEXT_VALUE_MAX ? TEXT_PAIR
									       : TEXT_BAD;
}

void text_add(struct text_out *out, const char *key, const char *value)
{
	size_t key_len = strlen(key), value_len = strlen(value);

	if (out->overflow || key_len + value_len + 2 > out->size - out->len) {
		out->overflow = true;
		return;
	}
	memcpy(out->data + out->len, key, key_len);
	out->len += key_len;
	out->data[out->len++] = '=';
	memcpy(out->data + out->len, value, value_len + 1);
	out->len += value_len + 1;
}

void text_add_number(struct text_out *out, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	text_add(out, key, text);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool has_prefix(const char *value, char lower)
{
	return value[0] == '0' && (value[1] | 0x20) == lower;
}

bool text_number(const char *value, uint64_t max, uint64_t *number)
{
	unsigned base = 10;
	uint64_t n = 0;

	if (has_prefix(value, 'x')) {
		base = 16;
		value += 2;
	}
	if (!*value)
		return false;
	for (; *value; value++) {
		int digit = digit_value(*value);

		if (digit < 0 || (unsigned)digit >= base || (uint64_t)digit > max ||
		    n > (max - (uint64_t)digit) / base)
			return false;
		n = n * base + (uint64_t)digit;
	}
	*number = n;
	return true;
}

/* The length of the printable character at p; 0: it isn't one. */
static size_t printable_length(const unsigned char *p)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
	size_t len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t code = len > 1 ? *p & (0x7fu >> len) : *p;

	if (len == 1)
		return *p > ' ' && *p < 0x7f;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	/* neither overlong, nor a surrogate, nor beyond Unicode */
	if (!len || code < least[len] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
		return 0;
	return len;
}

bool text_is_printable(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t len;

	for (; *p; p += len) {
		len = printable_length(p);
		if (!len)
			return false;
	}
	return true;
}

void text_copy_printable(char *out, size_t size, const char *text)
{
	while (*text) {
		size_t len = printable_length((const unsigned char *)text);
		size_t step = len ? len : 1;

		if (step >= size)
			break;
		memcpy(out, len || *text == ' ' ? text : "?", step);
		out += step;
		size -= step;
		text += step;
	}
	*out = 0;
}

bool text_list_next(const char **list, char *item, size_t size)
{
	size_t len = strcspn(*list, ",");

	if (!len || len >= size)
		return false;
	memcpy(item, *list, len);
	item[len] = 0;
	*list += len;
	if (**list)
		(*list)++;
	return true;
}

static int hex_decode(const char *text, uint8_t *out, size_t size)
{
	size_t digits = strlen(text), n = 0;
	unsigned byte = 0;

	if (!digits || (digits + 1) / 2 > size)
		return -1;
	/* an odd number of digits: the first byte has a leading zero */
	for (size_t i = digits & 1; *text; text++, i++) {
		int digit = digit_value(*text);

		if (digit < 0)
			return -1;
		byte = byte << 4 | (unsigned)digit;
		if (i & 1) {
			out[n++] = (uint8_t)byte;
			byte = 0;
		}
	}
	return (int)n;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int base64_decode(const char *text, uint8_t *out, size_t size)
{
	size_t len = strlen(text), n = 0;
	uint32_t group = 0;
	unsigned bits = 0;

	if (!len || len % 4)
		return -1;
	for (unsigned pad = 0; pad < 2 && text[len - 1] == '='; pad++)
		len--;
	for (size_t i = 0; i < len; i++) {
		int v = base64_value(text[i]);

		if (v < 0)
			return -1;
		group = group << 6 | (uint32_t)v;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (n == size)
			return -1;
		out[n++] = (uint8_t)(group >> bits);
		group &= (1u << bits) - 1;
	}
	return group ? -1 : (int)n; /* the bits left over must be zero */
}

int text_binary(const char *value, uint8_t *out, size_t size)
{
	if (has_prefix(value, 'x'))
		return hex_decode(value + 2, out, size);
	if (has_prefix(value, 'b'))
		return base64_decode(value + 2, out, size);
	return -1;
}

void text_hex(char *out, const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '0';
	*out++ = 'x';
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = 0;
}
