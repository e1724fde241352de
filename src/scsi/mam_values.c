/* SPDX-License-Identifier: MIT */
/* What the attributes of a cartridge say now (SPC-5 Device, Medium and Host type attributes). */
#include <string.h>

#include "scsi/mam.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define READ_ONLY 0x80
#define HEADER 5u
#define MIB 20 /* capacities and totals count 1 048 576 bytes */

/* What a cartridge is made of, by the density code that it is made for (LTO generations; lengths as
 * their makers give them). */
static const struct {
	uint16_t density;
	uint16_t length; /* m */
} media[] = {{0x40, 609}, {0x42, 609}, {0x44, 680}, {0x46, 820}, {0x58, 846},
	     {0x5a, 846}, {0x5c, 960}, {0x5e, 960}, {0x60, 1035}};
#define LTO_WIDTH 127 /* 0.1 mm */

static uint16_t medium_length(const struct mam_view *view)
{
	for (unsigned i = 0; i < ARRAY_SIZE(media); i++)
		if (media[i].density == view->tape->density)
			return media[i].length;
	return 0;
}

static int number(uint8_t *at, unsigned len, uint64_t value)
{
	for (unsigned i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> 8 * (len - 1 - i));
	return (int)len;
}

/* -1 for a number that isn't known, being 0. */
static int known(uint8_t *at, unsigned len, uint64_t value)
{
	return value ? number(at, len, value) : -1;
}

static int text(uint8_t *at, unsigned len, const char *value)
{
	put_ascii(at, len, value);
	return *value ? (int)len : -1;
}

static int bytes(uint8_t *at, unsigned len, const uint8_t *value)
{
	memcpy(at, value, len);
	return (int)len;
}

/* SPC-5 MEDIUM TYPE. */
static uint8_t medium_type(const struct mam_view *view)
{
	switch (view->tape->medium) {
	case TGT_BS_MEDIUM_WORM:
		return 0x80;
	case TGT_BS_MEDIUM_CLEANING:
		return 0x01;
	default:
		return 0x00;
	}
}

static uint64_t capacity(const struct mam_view *view, bool remaining)
{
	uint64_t size = view->tape->size[view->partition];
	uint64_t used = view->tape->used[view->partition];

	if (remaining)
		size = used < size ? size - used : 0;
	return size >> MIB;
}

static int device_value(const struct mam_view *view, uint16_t id, uint8_t *at)
{
	const struct mam *mam = view->mam;

	switch (id) {
	case 0x0000:
	case 0x0001:
		return number(at, 8, capacity(view, id == 0x0000));
	case 0x0002:
		return number(at, 8, view->alerts);
	case 0x0003:
		return number(at, 8, mam->load_count);
	case 0x0004:
		return number(at, 8, MAM_ROOM - mam->host_len);
	case 0x0005:
		return text(at, 8, medium_length(view) ? "LTO-CVE" : "");
	case 0x0006:
		return known(at, 1, view->tape->density);
	case 0x0007:
		return number(at, 2, mam->initializations);
	case 0x0008:
		return text(at, 32, view->tape->barcode);
	case 0x0220:
		return number(at, 8, (mam->written + view->written) >> MIB);
	case 0x0221:
		return number(at, 8, (mam->read + view->read) >> MIB);
	case 0x0222:
		return number(at, 8, view->written >> MIB);
	case 0x0223:
		return number(at, 8, view->read >> MIB);
	default: /* 020Ah … 020Dh */
		id -= 0x020a;
		return mam->drives[id][0] ? bytes(at, 40, mam->drives[id]) : -1;
	}
}

static int medium_value(const struct mam_view *view, uint16_t id, uint8_t *at)
{
	switch (id) {
	case 0x0400:
		return text(at, 8, "TGT");
	case 0x0401:
		return bytes(at, 32, view->mam->serial);
	case 0x0402:
		return known(at, 4, medium_length(view));
	case 0x0403:
		return known(at, 4, medium_length(view) ? LTO_WIDTH : 0);
	case 0x0404:
		return text(at, 8, medium_length(view) ? "LTO-CVE" : "");
	case 0x0405:
		return known(at, 1, view->tape->density);
	case 0x0406:
		return bytes(at, 8, view->mam->made);
	case 0x0407:
		return number(at, 8, MAM_ROOM);
	case 0x0408:
		return number(at, 1, medium_type(view));
	default: /* 0409h */
		return number(at, 2, 0);
	}
}

/* Into MAM_ATTRIBUTE_MAX bytes; the length, -1: it doesn't exist.  *format: as it was written. */
static int value_of(const struct mam_view *view, uint16_t id, uint8_t *at, uint8_t *format)
{
	const struct mam_type *type = mam_type(id);
	struct mam_entry e;

	if (!type)
		return -1;
	*format = type->format;
	if (id < 0x0400)
		return device_value(view, id, at);
	if (id < 0x0800)
		return medium_value(view, id, at);
	if (!mam_find(view->mam, id, view->partition, &e))
		return -1;
	*format = e.format;
	return bytes(at, e.len, e.value);
}

bool mam_exists(const struct mam_view *view, uint16_t id)
{
	uint8_t value[MAM_ATTRIBUTE_MAX], format;

	return value_of(view, id, value, &format) >= 0;
}

/* Goes through all that may exist, ascending: the known ones, then hosts' vendor specific ones. */
struct walk {
	unsigned index;
	uint32_t at;
};

static bool next_id(const struct mam_view *view, struct walk *w, uint16_t *id)
{
	const struct mam_type *type = mam_type_at(w->index);
	struct mam_entry e;

	if (type) {
		w->index++;
		*id = type->id;
		return true;
	}
	while (mam_next(view->mam, &w->at, &e)) {
		if (e.id < 0x1400)
			continue;
		*id = e.id;
		return true;
	}
	return false;
}

static size_t put_value(const struct mam_view *view, uint16_t id, uint8_t *at, size_t room)
{
	uint8_t value[MAM_ATTRIBUTE_MAX], format;
	int len = value_of(view, id, value, &format);

	if (len < 0 || HEADER + (size_t)len > room)
		return 0;
	put_be16(at, id);
	at[2] = (uint8_t)(format | (mam_is_host(id) ? 0 : READ_ONLY));
	put_be16(at + 3, (uint16_t)len);
	memcpy(at + HEADER, value, (size_t)len);
	return HEADER + (size_t)len;
}

size_t mam_put_values(const struct mam_view *view, uint16_t first, uint8_t *at, size_t room)
{
	struct walk w = {0};
	size_t len = 0;
	uint16_t id;

	while (next_id(view, &w, &id))
		if (id >= first)
			len += put_value(view, id, at + len, room - len);
	return len;
}

size_t mam_put_list(const struct mam_view *view, uint16_t first, uint8_t *at, size_t room)
{
	struct walk w = {0};
	size_t len = 0;
	uint16_t id;

	while (next_id(view, &w, &id)) {
		if (id < first || !mam_exists(view, id) || room - len < 2)
			continue;
		put_be16(at + len, id);
		len += 2;
	}
	return len;
}

size_t mam_put_supported(uint16_t first, uint8_t *at, size_t room)
{
	const struct mam_type *type;
	size_t len = 0;

	for (unsigned i = 0; (type = mam_type_at(i)); i++) {
		if (type->id < first || room - len < 2)
			continue;
		put_be16(at + len, type->id);
		len += 2;
	}
	return len;
}
