/* SPDX-License-Identifier: MIT */
#include "mgmt/lu_params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgt/backing-store.h>

#include "util/cleanup.h"

enum param_type {
	ID, /* ASCII data of at most max characters; what is longer is cut, as stgt does */
	TEXT,
	PATH, /* may be empty */
	BOOL,
	UINT, /* at most max */
	SIZE, /* with an optional suffix k M G T */
};

static const struct param {
	const char *name;
	enum param_type type;
	size_t offset;
	uint64_t max;
} table[] = {
#define PARAM(field, type, max)                                                                    \
	{                                                                                          \
#field, type, offsetof(struct lu_params, field), max                               \
	}
    PARAM(scsi_id, ID, 36),
    PARAM(scsi_sn, ID, 36),
    PARAM(vendor_id, ID, 8),
    PARAM(product_id, ID, 16),
    PARAM(product_rev, ID, 4),
    PARAM(sense_format, BOOL, 1),
    PARAM(removable, BOOL, 1),
    PARAM(readonly, BOOL, 1),
    PARAM(online, BOOL, 1),
    PARAM(thin_provisioning, BOOL, 1),
    PARAM(write_cache, BOOL, 1),
    PARAM(lbppbe, UINT, 15),    /* SBC-4 5.20.2: 4 bits */
    PARAM(la_lba, UINT, 16383), /* 14 bits */
    PARAM(optimal_xfer_gran, UINT, UINT16_MAX),
    PARAM(optimal_xfer_len, UINT, UINT32_MAX),
    PARAM(rotation_rate, UINT, UINT16_MAX),
    PARAM(size, SIZE, INT64_MAX),
    PARAM(path, PATH, 4095),
    PARAM(bsopts, TEXT, 4095),
    PARAM(bsoflags, TEXT, 63),
    PARAM(drive, TEXT, 15),
    PARAM(mode_page, TEXT, 4095),
};

static const struct param *find_param(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return &table[i];
	}
	return NULL;
}

/* ---- values: NULL, or why not ---- */

static const char *take_text(char **field, const char *value, size_t len)
{
	free(*field);
	*field = strndup(value, len);
	return *field ? NULL : "out of memory";
}

/* SPC-5 4.3.1: ASCII data fields hold 20h to 7Eh. */
static const char *take_id(char **field, const char *value, size_t len, size_t max)
{
	for (size_t i = 0; i < len; i++) {
		if (value[i] < 0x20 || value[i] > 0x7e)
			return "has a character that isn't printable ASCII";
	}
	return take_text(field, value, len < max ? len : max);
}

static const char *take_bool(struct lu_number *field, const char *value, size_t len)
{
	static const char *const words[][2] = {
	    {"0", "1"}, {"no", "yes"}, {"off", "on"}, {"false", "true"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		for (unsigned int on = 0; on < 2; on++) {
			if (strlen(words[i][on]) != len ||
			    strncasecmp(words[i][on], value, len) != 0)
				continue;
			*field = (struct lu_number){.set = true, .value = on};
			return NULL;
		}
	}
	return "is 0 or 1";
}

static unsigned int suffix_shift(char suffix)
{
	static const char suffixes[] = "kMGT";
	const char *at = strchr(suffixes, suffix == 'K' ? 'k' : suffix);

	return suffix && at ? (unsigned int)(at - suffixes + 1) * 10 : 0;
}

static const char *take_number(struct lu_number *field, const char *value, size_t len,
			       const struct param *param)
{
	char text[32], *end;
	unsigned int shift = 0;
	uint64_t number;

	if (len >= sizeof(text) || *value < '0' || *value > '9')
		return "is not a number";
	memcpy(text, value, len);
	text[len] = '\0';
	errno = 0;
	number = strtoull(text, &end, 0);
	if (param->type == SIZE)
		shift = suffix_shift(*end);
	if (end[shift != 0])
		return "is not a number";
	if (errno || number > param->max >> shift)
		return "is too large";
	*field = (struct lu_number){.set = true, .value = number << shift};
	return NULL;
}

static const char *take(struct lu_params *p, const struct param *param, const char *value,
			size_t len)
{
	void *field = (char *)p + param->offset;

	switch (param->type) {
	case ID:
		return take_id(field, value, len, param->max);
	case TEXT:
	case PATH:
		return len > param->max ? "is too long" : take_text(field, value, len);
	case BOOL:
		return take_bool(field, value, len);
	case UINT:
	case SIZE:
		break;
	}
	return take_number(field, value, len, param);
}

/* One "name=value" of len bytes. */
static enum lu_params_result parse_one(const char *text, size_t len, struct lu_params *p,
				       char *error, size_t size)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len;
	const struct param *param = find_param(text, name_len);
	const char *why;

	if (!param) {
		snprintf(error, size, "a logical unit has no parameter \"%.*s\"",
			 (int)(name_len < 40 ? name_len : 40), text);
		return LU_PARAMS_UNKNOWN;
	}
	if (!equals || (name_len + 1 == len && param->type != PATH))
		why = "has no value";
	else
		why = take(p, param, equals + 1, len - name_len - 1);
	p->count++;
	if (!why)
		return LU_PARAMS_OK;
	snprintf(error, size, "%s %s", param->name, why);
	return LU_PARAMS_BAD;
}

enum lu_params_result lu_params_parse(const char *text, struct lu_params *p, char *error,
				      size_t size)
{
	enum lu_params_result result = LU_PARAMS_OK;

	memset(p, 0, sizeof(*p));
	while (text && *text && result == LU_PARAMS_OK) {
		size_t len = strcspn(text, ",");

		if (len)
			result = parse_one(text, len, p, error, size);
		text += len + (text[len] != '\0');
	}
	if (result != LU_PARAMS_OK)
		lu_params_free(p);
	return result;
}

void lu_params_free(struct lu_params *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].type == ID || table[i].type == TEXT || table[i].type == PATH)
			free(*(char **)(void *)((char *)p + table[i].offset));
	}
	memset(p, 0, sizeof(*p));
}

bool lu_path_is_none(const char *path)
{
	return strcmp(path, "NONE") == 0 || strncmp(path, "NONE:", 5) == 0;
}

bool bsoflags_parse(const char *text, uint32_t *flags)
{
	*flags = 0;
	while (text && *text) {
		size_t len = strcspn(text, ":,");

		if (len == 4 && memcmp(text, "sync", len) == 0)
			*flags |= TGT_BS_OPEN_SYNC;
		else if (len == 6 && memcmp(text, "direct", len) == 0)
			*flags |= TGT_BS_OPEN_DIRECT;
		else if (len)
			return false;
		text += len + (text[len] != '\0');
	}
	return true;
}
