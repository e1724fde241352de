/* SPDX-License-Identifier: MIT */
#include "scsi/changer_params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/changer.h"
#include "util/cleanup.h"

static const struct changer_param {
	const char *name;
	bool is_text;
	size_t offset;
	uint32_t min, max;
} table[] = {
#define NUMBER(field, min, max)                                                                    \
	{                                                                                          \
#field, false, offsetof(struct changer_params, field), min, max                    \
	}
#define TEXT(field)                                                                                \
	{                                                                                          \
#field, true, offsetof(struct changer_params, field), 0, 0                         \
	}
    NUMBER(element_type, ELEMENT_TRANSPORT, ELEMENT_DRIVE),
    NUMBER(start_address, 1, UINT16_MAX),
    NUMBER(quantity, 1, CHANGER_ELEMENTS_MAX),
    NUMBER(sides, 1, 1), /* cartridges have one */
    NUMBER(clear_slot, 0, 1),
    NUMBER(dump, 0, 1),
    NUMBER(address, 1, UINT16_MAX),
    NUMBER(tid, 1, UINT16_MAX),
    NUMBER(lun, 0, 16383),
    TEXT(media_home),
    TEXT(barcode),
    TEXT(volume_tag),
};

static const struct changer_param *find(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
			return &table[i];
	return NULL;
}

static size_t name_length(const char *pair)
{
	return strcspn(pair, "=,");
}

bool changer_params_are(const char *text)
{
	while (text && *text) {
		if (find(text, name_length(text)))
			return true;
		text = strchr(text, ',');
		text = text ? text + 1 : NULL;
	}
	return false;
}

static bool take_number(struct changer_number *number, const struct changer_param *param,
			const char *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 0);
	if (*value < '0' || *value > '9' || *end || errno || n < param->min || n > param->max)
		return false;
	*number = (struct changer_number){true, (uint32_t)n};
	return true;
}

static bool take(struct changer_params *params, char *pair, char *error, size_t size)
{
	size_t length = name_length(pair);
	const struct changer_param *param = find(pair, length);
	void *field = param ? (char *)params + param->offset : NULL;
	const char *value = pair + length + 1;

	if (!param || pair[length] != '=') {
		snprintf(error, size, "%.40s: a changer's elements have no such parameter", pair);
		return false;
	}
	if (param->is_text) {
		free(*(char **)field);
		*(char **)field = strdup(value);
		return *(char **)field != NULL;
	}
	if (take_number(field, param, value))
		return true;
	snprintf(error, size, "%s is a number from %u to %u", param->name, param->min, param->max);
	return false;
}

static const char *check_type(const struct changer_params *p)
{
	if (p->start_address.set != p->quantity.set)
		return "start_address and quantity go together";
	if (p->start_address.set && p->address.set)
		return "start_address makes elements, address names one: not both";
	if (p->tid.set != p->lun.set)
		return "tid and lun go together: they name the tape drive of an element";
	if (p->tid.set && p->element_type.value != ELEMENT_DRIVE)
		return "tid and lun are of elements of type 4";
	if (p->tid.set && !p->address.set)
		return "tid and lun: of which address";
	return NULL;
}

static const char *check(const struct changer_params *p)
{
	bool elements = p->start_address.set || p->address.set;

	if (elements && !p->element_type.set)
		return "element_type: 1 transport, 2 storage, 3 import/export, 4 data transfer";
	if (p->element_type.set && !elements)
		return "element_type: of which start_address and quantity, or address";
	if ((p->barcode || p->clear_slot.value) && !p->address.set)
		return "barcode and clear_slot: of which address";
	if (p->volume_tag && !p->barcode)
		return "volume_tag: of which barcode";
	if (p->barcode && p->element_type.value != ELEMENT_STORAGE &&
	    p->element_type.value != ELEMENT_MAIL)
		return "cartridges are put into elements of type 2 and 3";
	if (p->barcode && p->clear_slot.value)
		return "clear_slot takes a cartridge out, barcode puts one in: not both";
	return check_type(p);
}

bool changer_params_parse(const char *text, struct changer_params *params, char *error, size_t size)
{
	CLEANUP_FREE char *copy = strdup(text);
	char *rest = NULL;
	const char *why = NULL;

	memset(params, 0, sizeof(*params));
	snprintf(error, size, "out of memory");
	if (!copy)
		return false;
	for (char *pair = strtok_r(copy, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest)) {
		if (!take(params, pair, error, size)) {
			changer_params_free(params);
			return false;
		}
	}
	why = check(params);
	if (!why)
		return true;
	snprintf(error, size, "%s", why);
	changer_params_free(params);
	return false;
}

void changer_params_free(struct changer_params *params)
{
	free(params->media_home);
	free(params->barcode);
	free(params->volume_tag);
	memset(params, 0, sizeof(*params));
}
