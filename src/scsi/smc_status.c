/* SPDX-License-Identifier: MIT */
/* Element status data: READ ELEMENT STATUS (SMC-3 6.12), and what is searched for. */
#include "scsi/smc.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 8u
#define PAGE_HEADER 8u
#define DESCRIPTOR 12u /* up to the volume tags */
#define TAG 36u
#define IDENTIFIER 4u /* its header, which is there without one too */

/* Flags of a descriptor, byte 2. */
#define FULL 0x01
#define IMPEXP 0x02
#define EXCEPT 0x04
#define ACCESS 0x08
#define EXENAB 0x10
#define INENAB 0x20
/* Byte 9. */
#define SVALID 0x80

#define PVOLTAG 0x80
#define CODE_SET_ASCII 2
#define T10_VENDOR_ID 1

static bool is_wanted(const struct element *e, const struct element_report *report)
{
	return e->address >= report->start && (!report->type || e->type == report->type) &&
	       (!report->wanted || report->wanted(e, report->arg));
}

/* Elements of one page have one length. */
static size_t descriptor_length(const struct element_report *report, uint8_t type)
{
	return DESCRIPTOR + (report->tags ? TAG : 0) + IDENTIFIER +
	       (report->identifiers && type == ELEMENT_DRIVE ? CHANGER_DEVICE_ID_MAX : 0);
}

/* Where a report stands: its elements come by address, and a page ends where the type changes. */
struct cursor {
	const struct changer *changer;
	const struct element_report *report;
	unsigned next, left;
};

static const struct element *next_element(struct cursor *c)
{
	while (c->left && c->next < c->changer->count) {
		const struct element *e = &c->changer->elements[c->next++];

		if (!is_wanted(e, c->report))
			continue;
		c->left--;
		return e;
	}
	return NULL;
}

static struct cursor cursor(const struct changer *changer, const struct element_report *report)
{
	return (struct cursor){changer, report, 0, report->number};
}

static bool has_element(const struct changer *changer, const struct element_report *report)
{
	for (unsigned i = 0; i < changer->count; i++) {
		const struct element *e = &changer->elements[i];

		if (e->address >= report->start && (!report->type || e->type == report->type))
			return true;
	}
	return false;
}

size_t smc_report_length(const struct changer *changer, const struct element_report *report)
{
	struct cursor c = cursor(changer, report);
	const struct element *e;
	size_t length = HEADER;
	uint8_t type = 0;

	if (!has_element(changer, report))
		return 0;
	while ((e = next_element(&c))) {
		if (e->type != type)
			length += PAGE_HEADER;
		type = e->type;
		length += descriptor_length(report, type);
	}
	return length;
}

static uint8_t flags_of(const struct element *e)
{
	uint8_t flags = e->full ? FULL : 0;

	if (e->type == ELEMENT_TRANSPORT)
		return flags;
	if (changer_is_hung(e)) /* the robot is denied access to it: that is abnormal */
		flags |= EXCEPT;
	else if (!e->open && (e->type != ELEMENT_DRIVE || e->has_drive))
		flags |= ACCESS;
	if (e->type == ELEMENT_MAIL)
		flags |= EXENAB | INENAB | (e->full && e->cartridge.imported ? IMPEXP : 0);
	return flags;
}

/* SMC-3 volume tag information: 32 characters, blanks behind; no volume sequence number. */
static void put_tag(uint8_t *at, const struct element *e)
{
	size_t length;

	if (!e->full)
		return;
	length = strnlen(changer_tag(e), 32);
	memset(at, ' ', 32);
	memcpy(at, changer_tag(e), length);
}

static void put_identifier(uint8_t *at, const struct element *e)
{
	size_t length = strnlen(e->device_id, CHANGER_DEVICE_ID_MAX);

	if (!length)
		return;
	at[0] = CODE_SET_ASCII;
	at[1] = T10_VENDOR_ID;
	at[3] = (uint8_t)length;
	memcpy(at + IDENTIFIER, e->device_id, length);
}

static void put_descriptor(uint8_t *at, const struct element *e,
			   const struct element_report *report)
{
	put_be16(at, e->address);
	at[2] = flags_of(e);
	if (at[2] & EXCEPT) /* ADDITIONAL SENSE CODE and its QUALIFIER */
		put_be16(at + 4, ASC_INTERNAL_TARGET_FAILURE);
	if (e->full && e->cartridge.has_source) {
		at[9] = SVALID;
		put_be16(at + 10, e->cartridge.source);
	}
	at += DESCRIPTOR;
	if (report->tags) {
		put_tag(at, e);
		at += TAG;
	}
	if (report->identifiers && e->type == ELEMENT_DRIVE)
		put_identifier(at, e);
}

static void put_page_header(uint8_t *at, const struct element_report *report, uint8_t type)
{
	at[0] = type;
	at[1] = report->tags ? PVOLTAG : 0;
	put_be16(at + 2, (uint16_t)descriptor_length(report, type));
}

void smc_report_put(const struct changer *changer, const struct element_report *report, uint8_t *at)
{
	struct cursor c = cursor(changer, report);
	size_t total = smc_report_length(changer, report);
	uint8_t *header = at, *page = NULL;
	const struct element *e;
	uint16_t count = 0;

	memset(at, 0, total);
	put_be24(header + 5, (uint32_t)(total - HEADER));
	at += HEADER;
	for (; (e = next_element(&c)); count++) {
		size_t length = descriptor_length(report, e->type);

		if (!count)
			put_be16(header, e->address);
		if (!page || page[0] != e->type) {
			page = at;
			put_page_header(page, report, e->type);
			at += PAGE_HEADER;
		}
		put_descriptor(at, e, report);
		at += length;
		put_be24(page + 5, get_be24(page + 5) + (uint32_t)length);
	}
	put_be16(header + 2, count);
	header[4] = report->action;
}

void smc_report(struct scsi_task *t, const struct element_report *report,
		uint32_t allocation_length)
{
	const struct changer *changer = t->lu->changer;
	size_t length = smc_report_length(changer, report);
	uint8_t *data;

	if (!length) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
		return;
	}
	data = malloc(length);
	if (!data) {
		task_status(t, STATUS_BUSY);
		return;
	}
	smc_report_put(changer, report, data);
	task_reply(t, data, length, allocation_length);
	free(data);
}
