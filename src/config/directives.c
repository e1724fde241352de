/* SPDX-License-Identifier: MIT */
#include "config/directives.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/source.h"
#include "iscsi/control.h"
#include "scsi/lu.h"
#include "util/cleanup.h"

/* What may stand in a target as well is for all its logical units that don't say otherwise. */
#define UNIT (IN_TARGET | IN_LUN)
#define PARAM(word, type, min, max)                                                                \
	{                                                                                          \
		word, UNIT, type, word, true, min, max                                             \
	}
#define MEMBER(word, places, type, member, min, max)                                               \
	{                                                                                          \
		word, places, type, member, false, min, max                                        \
	}
#define SPECIAL(word, places, type)                                                                \
	{                                                                                          \
		word, places, type, NULL, false, 0, 0                                              \
	}

static const struct directive table[] = {
    SPECIAL("include", IN_FILE, VALUE_INCLUDE),
    SPECIAL("ignore-errors", IN_FILE, VALUE_IGNORE_ERRORS),
    SPECIAL("control-port", IN_FILE, VALUE_CONTROL_PORT),
    SPECIAL("default-driver", IN_FILE, VALUE_DRIVER),
    SPECIAL("iSNS", IN_FILE, VALUE_WITHOUT_EFFECT),
    SPECIAL("iSNSServerIP", IN_FILE, VALUE_WITHOUT_EFFECT),
    SPECIAL("iSNSServerPort", IN_FILE, VALUE_WITHOUT_EFFECT),
    SPECIAL("iSNSAccessControl", IN_FILE, VALUE_WITHOUT_EFFECT),
    SPECIAL("incomingdiscoveryuser", IN_FILE, VALUE_INCOMING),
    SPECIAL("outgoingdiscoveryuser", IN_FILE, VALUE_OUTGOING),
    SPECIAL("driver", IN_TARGET, VALUE_DRIVER),
    SPECIAL("state", IN_TARGET, VALUE_STATE),
    SPECIAL("initiator-address", IN_TARGET, VALUE_ADDRESS),
    SPECIAL("initiator-name", IN_TARGET, VALUE_NAME),
    SPECIAL("incominguser", IN_TARGET, VALUE_INCOMING),
    SPECIAL("outgoinguser", IN_TARGET, VALUE_OUTGOING),
    SPECIAL("backing-store", IN_TARGET, VALUE_STORE),
    SPECIAL("direct-store", IN_TARGET, VALUE_STORE),
    SPECIAL("mode_page", UNIT, VALUE_MODE_PAGE),
    SPECIAL("params", UNIT, VALUE_PARAMS),
    MEMBER("controller_tid", IN_TARGET, VALUE_NUMBER, "tid", 1, INT32_MAX),
    MEMBER("lun", IN_LUN, VALUE_NUMBER, "lun", 1, LUN_MAX),
    MEMBER("bs-type", UNIT, VALUE_TEXT, "bstype", 0, 63),
    MEMBER("bsopts", UNIT, VALUE_TEXT, "bsopts", 0, 4095),
    MEMBER("bsoflags", UNIT, VALUE_FLAGS, "bsoflags", 0, 0),
    MEMBER("device-type", UNIT, VALUE_DEVICE_TYPE, "device_type", 0, 0),
    MEMBER("block-size", UNIT, VALUE_BLOCK_SIZE, "blocksize", 512, 65536),
    MEMBER("allow-in-use", UNIT, VALUE_BOOL, "allow_in_use", 0, 0),
    MEMBER("write-cache", UNIT, VALUE_BOOL, "write_cache", 0, 0),
    PARAM("vendor_id", VALUE_ID, 0, 8),
    PARAM("product_id", VALUE_ID, 0, 16),
    PARAM("product_rev", VALUE_ID, 0, 4),
    PARAM("scsi_id", VALUE_ID, 0, 36),
    PARAM("scsi_sn", VALUE_ID, 0, 36),
    PARAM("drive", VALUE_TEXT, 0, 15),
    PARAM("sense_format", VALUE_BOOL, 0, 0),
    PARAM("removable", VALUE_BOOL, 0, 0),
    PARAM("online", VALUE_BOOL, 0, 0),
    PARAM("readonly", VALUE_BOOL, 0, 0),
    PARAM("thin_provisioning", VALUE_BOOL, 0, 0),
    PARAM("lbppbe", VALUE_NUMBER, 0, 15),
    PARAM("la_lba", VALUE_NUMBER, 0, 16383),
    PARAM("optimal_xfer_gran", VALUE_NUMBER, 0, UINT16_MAX),
    PARAM("optimal_xfer_len", VALUE_NUMBER, 0, UINT32_MAX),
    PARAM("rotation_rate", VALUE_NUMBER, 0, UINT16_MAX),
    {"path", IN_LUN, VALUE_TEXT, "path", true, 0, 4095},
    {"size", 0, VALUE_SIZE, "size", true, 0, INT64_MAX}, /* in params only */
};

/* The parameters of a target are directives too (RFC 7143 13, and what stgt added). */
static bool find_session_key(const char *name, struct directive *directive)
{
	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++) {
		const char *key = iscsi_param_name(i);

		if (strcasecmp(key, name) != 0)
			continue;
		*directive = (struct directive){.name = key,
						.places = IN_TARGET,
						.type = VALUE_SESSION_KEY,
						.member = key,
						.max = 127};
		return true;
	}
	return false;
}

bool directive_find(const char *name, struct directive *directive)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcasecmp(table[i].name, name) == 0) {
			*directive = table[i];
			return true;
		}
	}
	return find_session_key(name, directive);
}

/* ---- values ---- */

static bool parse_bool(const char *text, bool *value)
{
	static const char *const words[][2] = {
	    {"no", "yes"}, {"off", "on"}, {"0", "1"}, {"false", "true"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		for (unsigned int on = 0; on < 2; on++) {
			if (strcasecmp(words[i][on], text) == 0) {
				*value = on;
				return true;
			}
		}
	}
	return false;
}

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end && *value >= min && *value <= max;
}

static json_t *bool_value(const struct directive *d, const char *text, char *error)
{
	bool on;

	if (!parse_bool(text, &on)) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s is yes or no, not \"%.60s\"", d->name, text);
		return NULL;
	}
	return d->param ? json_string(on ? "1" : "0") : json_boolean(on);
}

static json_t *number_value(const struct directive *d, const char *text, char *error)
{
	uint64_t number;
	char plain[24];

	if (!parse_number(text, d->min, d->max, &number)) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "%s is a number from %llu to %llu, not \"%.60s\"", d->name,
			 (unsigned long long)d->min, (unsigned long long)d->max, text);
		return NULL;
	}
	if (d->type == VALUE_BLOCK_SIZE && (number & (number - 1))) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s is a power of 2, not \"%.60s\"", d->name,
			 text);
		return NULL;
	}
	snprintf(plain, sizeof(plain), "%llu", (unsigned long long)number);
	return d->param ? json_string(plain) : json_integer((json_int_t)number);
}

static json_t *size_value(const struct directive *d, const char *text, char *error)
{
	static const char suffixes[] = "kMGT";
	size_t len = strlen(text);
	const char *suffix =
	    len ? strchr(suffixes, text[len - 1] == 'K' ? 'k' : text[len - 1]) : NULL;
	unsigned shift = suffix ? (unsigned)(suffix - suffixes + 1) * 10 : 0;
	char digits[32];
	uint64_t number;

	snprintf(digits, sizeof(digits), "%.*s", (int)(len - (suffix != NULL)), text);
	if (len >= sizeof(digits) || !parse_number(digits, 0, d->max >> shift, &number)) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s is a number of bytes, not \"%.60s\"",
			 d->name, text);
		return NULL;
	}
	return json_sprintf("%llu", (unsigned long long)(number << shift));
}

/* SPC-5 4.3.1: ASCII data fields hold 20h to 7Eh; the comma is what parameters end with. */
static json_t *id_value(const struct directive *d, const char *text, char *error)
{
	size_t len = strlen(text);

	for (const char *p = text; *p; p++) {
		if (*p < 0x20 || *p > 0x7e || *p == ',') {
			snprintf(error, CONFIG_ERROR_SIZE,
				 "%s has a comma, or a character that isn't printable ASCII",
				 d->name);
			return NULL;
		}
	}
	return json_stringn(text, len < d->max ? len : d->max);
}

static json_t *text_value(const struct directive *d, const char *text, char *error)
{
	bool good = strlen(text) <= d->max && !(d->param && strchr(text, ','));
	json_t *value = good ? json_string(text) : NULL;

	if (!value)
		snprintf(error, CONFIG_ERROR_SIZE,
			 "the value of %s is too long, not UTF-8, or has a comma", d->name);
	return value;
}

static json_t *device_type_value(const char *text, char *error)
{
	static const char *const known[] = {"disk", "cd", "osd", "changer", "tape", "pt", "ssc"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i], text) == 0)
			return json_string(text);
	}
	snprintf(error, CONFIG_ERROR_SIZE, "there is no device-type \"%.60s\"", text);
	return NULL;
}

static json_t *flags_value(const char *text, char *error)
{
	bool sync = false, direct = false;

	for (const char *at = text;; at++) {
		size_t len = strcspn(at, ":,");

		if (len == 4 && strncmp(at, "sync", len) == 0) {
			sync = true;
		} else if (len == 6 && strncmp(at, "direct", len) == 0) {
			direct = true;
		} else {
			snprintf(error, CONFIG_ERROR_SIZE,
				 "bsoflags are sync, direct or sync:direct, not \"%.60s\"", text);
			return NULL;
		}
		at += len;
		if (!*at)
			break;
	}
	return json_string(sync && direct ? "sync:direct" : sync ? "sync" : "direct");
}

json_t *directive_value(const struct directive *d, const char *text, char *error)
{
	switch (d->type) {
	case VALUE_BOOL:
		return bool_value(d, text, error);
	case VALUE_NUMBER:
	case VALUE_BLOCK_SIZE:
		return number_value(d, text, error);
	case VALUE_SIZE:
		return size_value(d, text, error);
	case VALUE_ID:
		return id_value(d, text, error);
	case VALUE_DEVICE_TYPE:
		return device_type_value(text, error);
	case VALUE_FLAGS:
		return flags_value(text, error);
	default:
		return text_value(d, text, error);
	}
}

bool directive_mode_page(const char *text, json_t **key, json_t **value)
{
	char plain[512];
	unsigned long numbers[3 + 256];
	unsigned count = 0;
	int len = 0;

	while (count < ARRAY_SIZE(numbers)) {
		char *end;

		if (*text < '0' || *text > '9')
			return false;
		errno = 0;
		numbers[count] = strtoul(text, &end, 0);
		if (errno || numbers[count] > 255 || (*end && *end != ':'))
			return false;
		len += snprintf(plain + len, sizeof(plain) - (size_t)len, "%s%lu", len ? ":" : "",
				numbers[count++]);
		if (len >= (int)sizeof(plain))
			return false;
		if (!*end)
			break;
		text = end + 1;
	}
	if (count < 4 || count != 3 + numbers[2])
		return false;
	*key = json_sprintf("mode_page %lu:%lu", numbers[0], numbers[1]);
	*value = json_string(plain);
	return true;
}
