/* SPDX-License-Identifier: MIT */
#include "store/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/loader.h"
#include "util/cleanup.h"

struct error {
	char *text;
	size_t size;
};

static int __attribute__((format(printf, 2, 3))) fail(struct error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, error->size, format, args);
	va_end(args);
	return -EINVAL;
}

static int parse_bool(const struct tgt_bs_option *row, const char *text, struct tgt_bs_value *value,
		      struct error *error)
{
	static const char *const yes[] = {"1", "yes", "on", "true"};
	static const char *const no[] = {"0", "no", "off", "false"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			value->boolean = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return fail(error, "%s: \"%s\" is not a yes or no", row->name, text);
}

/* The power of two that a suffix stands for, or -1. */
static int suffix_shift(const char *suffix)
{
	static const char letters[] = "kmgt";
	const char *at;

	if (!*suffix)
		return 0;
	at = strchr(letters, tolower((unsigned char)*suffix));
	if (!at || suffix[1])
		return -1;
	return (int)(at - letters + 1) * 10;
}

static int parse_uint(const struct tgt_bs_option *row, const char *text, struct tgt_bs_value *value,
		      struct error *error)
{
	unsigned long long number;
	char *end;
	int shift;

	/* strtoull() would take blanks and a sign */
	if (!isdigit((unsigned char)*text))
		return fail(error, "%s: \"%s\" is not a number", row->name, text);
	errno = 0;
	number = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (shift < 0)
		return fail(error, "%s: \"%s\" is not a number with an optional k, M, G or T",
			    row->name, text);
	if (errno == ERANGE || number > UINT64_MAX >> shift)
		return fail(error, "%s: %s is too large", row->name, text);
	number <<= shift;
	if (number < row->min)
		return fail(error, "%s: %s is below the minimum of %llu", row->name, text,
			    (unsigned long long)row->min);
	if (row->max && number > row->max)
		return fail(error, "%s: %s is above the maximum of %llu", row->name, text,
			    (unsigned long long)row->max);
	value->number = number;
	return 0;
}

static int parse_text(const struct tgt_bs_option *row, const char *text, struct tgt_bs_value *value,
		      struct error *error)
{
	if (row->type == TGT_BS_OPT_FILE && !*text)
		return fail(error, "%s: a path is missing", row->name);
	value->text = strdup(text);
	if (!value->text) {
		fail(error, "%s: out of memory", row->name);
		return -ENOMEM;
	}
	return 0;
}

int option_parse_value(const struct tgt_bs_option *row, const char *text,
		       struct tgt_bs_value *value, char *error_text, size_t size)
{
	struct error error = {error_text, size};
	int rc;

	*value = (struct tgt_bs_value){0};
	switch (row->type) {
	case TGT_BS_OPT_BOOL:
		rc = parse_bool(row, text, value, &error);
		break;
	case TGT_BS_OPT_UINT:
		rc = parse_uint(row, text, value, &error);
		break;
	case TGT_BS_OPT_STRING:
	case TGT_BS_OPT_FILE:
		rc = parse_text(row, text, value, &error);
		break;
	default:
		rc = fail(&error, "%s: its type is unknown", row->name);
	}
	value->is_set = rc == 0;
	return rc;
}

void option_free_value(const struct tgt_bs_option *row, struct tgt_bs_value *value)
{
	if (row->type == TGT_BS_OPT_STRING || row->type == TGT_BS_OPT_FILE)
		free((void *)(uintptr_t)value->text);
	*value = (struct tgt_bs_value){0};
}

/* The row whose name is the first len bytes at name, or -1. */
static int find_row(const struct store_module *module, const char *name, size_t len)
{
	for (uint32_t i = 0; i < module->descriptor.nr_options; i++) {
		const char *have = module->options[i].name;

		if (strlen(have) == len && memcmp(have, name, len) == 0)
			return (int)i;
	}
	return -1;
}

/* Whether what stands at text is a known option's "name=". */
static bool starts_option(const struct store_module *module, const char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strcspn(text, "=");
	return text[len] == '=' && find_row(module, text, len) >= 0;
}

/* The length of the pair at text: paths and addresses may hold ':' and ',', so these two only end
 * it where another option starts. */
static size_t pair_length(const struct store_module *module, const char *text)
{
	size_t len;

	for (len = 0; text[len] && text[len] != ';'; len++) {
		if ((text[len] == ':' || text[len] == ',') && starts_option(module, text + len + 1))
			break;
	}
	return len;
}

static int unknown_option(const struct store_module *module, const char *name, size_t len,
			  struct error *error)
{
	char known[256] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < module->descriptor.nr_options && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 module->options[i].name);
	return fail(error, "backing store %s has no option \"%.*s\" (it has: %s)",
		    module->descriptor.name, (int)len, name, *known ? known : "none");
}

static int parse_pair(const struct store_module *module, char *pair, struct tgt_bs_value *values,
		      struct error *error)
{
	size_t len = strcspn(pair, "=");
	int i = find_row(module, pair, len);

	if (i < 0)
		return unknown_option(module, pair, len, error);
	if (!pair[len])
		return fail(error, "%s: a value is missing (%s=...)", pair, pair);
	if (values[i].is_set)
		return fail(error, "%s: given twice", module->options[i].name);
	return option_parse_value(&module->options[i], pair + len + 1, &values[i], error->text,
				  error->size);
}

static int parse_text_pairs(const struct store_module *module, const char *text,
			    struct tgt_bs_value *values, struct error *error)
{
	while (*text) {
		size_t skip = strspn(text, " \t");
		size_t len = pair_length(module, text);

		if (skip < len) {
			CLEANUP_FREE char *pair = strndup(text + skip, len - skip);
			int rc = pair ? parse_pair(module, pair, values, error)
				      : fail(error, "out of memory");

			if (rc)
				return rc;
		}
		text += len;
		if (*text)
			text++;
	}
	return 0;
}

static int set_defaults(const struct store_module *module, struct tgt_bs_value *values,
			struct error *error)
{
	for (uint32_t i = 0; i < module->descriptor.nr_options; i++) {
		const struct tgt_bs_option *row = &module->options[i];
		int rc;

		if (values[i].is_set || !row->default_value)
			continue;
		rc = option_parse_value(row, row->default_value, &values[i], error->text,
					error->size);
		if (rc)
			return rc;
	}
	return 0;
}

int store_parse_options(const struct store_module *module, const char *text,
			struct tgt_bs_value **values, char *error_text, size_t error_size)
{
	struct error error = {error_text, error_size};
	struct tgt_bs_value *rows;
	int rc;

	/* one more than there are, so that an empty table isn't NULL */
	rows = calloc(module->descriptor.nr_options + (size_t)1, sizeof(*rows));
	if (!rows) {
		fail(&error, "out of memory");
		return -ENOMEM;
	}
	rc = text ? parse_text_pairs(module, text, rows, &error) : 0;
	if (!rc)
		rc = set_defaults(module, rows, &error);
	if (rc) {
		store_free_values(module, rows);
		return rc;
	}
	*values = rows;
	return 0;
}

void store_free_values(const struct store_module *module, struct tgt_bs_value *values)
{
	if (!values)
		return;
	for (uint32_t i = 0; i < module->descriptor.nr_options; i++)
		option_free_value(&module->options[i], &values[i]);
	free(values);
}
