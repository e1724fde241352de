/* SPDX-License-Identifier: MIT */
/*
 * INQUIRY: the device says what it is, and the core puts right what is about the target and its
 * ports (SPC-5 6.7, 7.7).  Where the length stays, the answer is changed in place; the list of
 * pages and the designators are made anew.
 */
#include <string.h>

#include "scsi/commands.h"
#include "scsi/passthrough.h"
#include "util/bytes.h"

#define QUALIFIER_ABSENT 0x20 /* 001b: there is one, but not now */
#define PAGE_BYTES 4096u

/* VPD pages */
#define SUPPORTED_PAGES 0x00
#define IDENTIFICATION 0x83
#define EXTENDED_INQUIRY 0x86
#define MODE_PAGE_POLICY 0x87
#define SCSI_PORTS 0x88
#define THIRD_PARTY_COPY 0x8f
#define PROTOCOL_LU 0x90
#define PROTOCOL_PORT 0x91
#define BLOCK_LIMITS 0xb0

/* About the ports of the device, or what is refused. */
static bool is_hidden(uint8_t page)
{
	return page == THIRD_PARTY_COPY || page == PROTOCOL_LU || page == PROTOCOL_PORT;
}

/* ---- in place ---- */

static uint32_t byte_at(const struct scsi_task *t, size_t at)
{
	uint8_t byte = 0;

	databuf_read(&t->data, at, &byte, 1);
	return byte;
}

static void change(struct scsi_task *t, size_t at, uint8_t clear, uint8_t set)
{
	uint8_t byte = (uint8_t)((byte_at(t, at) & ~clear) | set);

	databuf_write(&t->data, at, &byte, 1);
}

/* MMC-6 has no REPORT TARGET PORT GROUPS that TPGS could stand for. */
static uint8_t tpgs(const struct lu *lu)
{
	return passthrough_group(lu->passthrough->device_type) == PT_CD ? 0 : spc_tpgs(lu);
}

/* 6.7.2: the task sets, the ports and the LUNs are the core's. */
static void put_right_standard(struct scsi_task *t)
{
	change(t, 3, 0, 0x20 | 0x10);           /* NORMACA, HISUP */
	change(t, 5, 0x30 | 0x08, tpgs(t->lu)); /* no 3PC */
	change(t, 6, 0x10, 0);                  /* MULTIP */
	change(t, 7, 0, 0x02);                  /* CMDQUE */
}

/* 7.7.7: HEADSUP, ORDSUP, SIMPSUP */
static void put_right_extended(struct scsi_task *t)
{
	change(t, 5, 0, 0x07);
}

/* 7.7.9: to the device all nexuses are one, so they share every page. */
static void put_right_policy(struct scsi_task *t)
{
	for (size_t at = 4; at + 4 <= t->data.length; at += 4)
		change(t, at + 2, 0x03, 0);
}

static void at_most(struct scsi_task *t, size_t at, uint32_t limit)
{
	uint8_t field[4];

	if (databuf_read(&t->data, at, field, 4) < 4)
		return;
	if (get_be32(field) && get_be32(field) <= limit)
		return;
	put_be32(field, limit);
	databuf_write(&t->data, at, field, 4);
}

/* SBC-4 6.6.4.  What has no limit has ours; of the others only what is there is made smaller. */
static void put_right_limits(struct scsi_task *t)
{
	uint32_t block = atomic_load(&t->lu->passthrough->block_length);
	uint32_t max = passthrough_max_transfer(t->lu), blocks;

	if (!block || passthrough_group(t->lu->passthrough->device_type) != PT_DISK)
		return;
	blocks = (max && max < BUF_MAX_BYTES ? max : BUF_MAX_BYTES) / block;
	if (!blocks)
		return;
	at_most(t, 8, blocks); /* MAXIMUM TRANSFER LENGTH */
	if (get_be32((uint8_t[4]){(uint8_t)byte_at(t, 12), (uint8_t)byte_at(t, 13),
				  (uint8_t)byte_at(t, 14), (uint8_t)byte_at(t, 15)}))
		at_most(t, 12, blocks); /* OPTIMAL TRANSFER LENGTH */
	if (byte_at(t, 5) > blocks / 2) /* COMPARE AND WRITE sends all twice */
		change(t, 5, 0xff, (uint8_t)(blocks / 2));
	if (byte_at(t, 44) | byte_at(t, 45) | byte_at(t, 46) | byte_at(t, 47))
		at_most(t, 44, blocks); /* MAXIMUM ATOMIC TRANSFER LENGTH */
}

static void put_right(struct scsi_task *t)
{
	uint64_t moved = t->store.bs.actual;

	if (moved < t->data.length) {
		t->data.length = (uint32_t)moved;
		t->transfer_length = (uint32_t)moved;
	}
	if (!t->lu->online)
		change(t, 0, 0xe0, QUALIFIER_ABSENT);
	if (!(t->cdb[1] & 0x01))
		put_right_standard(t);
	else if (t->cdb[2] == EXTENDED_INQUIRY)
		put_right_extended(t);
	else if (t->cdb[2] == MODE_PAGE_POLICY)
		put_right_policy(t);
	else if (t->cdb[2] == BLOCK_LIMITS)
		put_right_limits(t);
	task_good(t);
}

static void ask(struct scsi_task *t)
{
	passthrough_send(t, t->cdb, t->data.length ? &t->data : NULL, put_right);
}

/* ---- anew ---- */

static size_t read_page(const struct scsi_task *t, uint8_t *page)
{
	size_t len = databuf_read(&t->scratch, 0, page, PAGE_BYTES);

	if (len > t->store.bs.actual)
		len = t->store.bs.actual;
	if (len < 4) { /* what else is in the buffer was somebody else's */
		memset(page, 0, 4);
		page[1] = t->cdb[2];
		return 4;
	}
	return len > get_be16(page + 2) + 4u ? get_be16(page + 2) + 4u : len;
}

static void reply_page(struct scsi_task *t, uint8_t *page, size_t len)
{
	put_be16(page + 2, (uint16_t)(len - 4));
	if (!t->lu->online)
		page[0] = (uint8_t)((page[0] & 0x1f) | QUALIFIER_ABSENT);
	task_reply(t, page, len, get_be16(t->cdb + 3));
}

/* 7.7.16: in ascending order; the target's ports are told from here. */
static void list_answered(struct scsi_task *t)
{
	uint8_t page[PAGE_BYTES + 1], from[PAGE_BYTES];
	size_t len = read_page(t, from), kept = 4;
	bool added = false;

	memcpy(page, from, 4);
	for (size_t at = 4; at < len; at++) {
		if (!added && from[at] >= SCSI_PORTS) {
			page[kept++] = SCSI_PORTS;
			added = true;
		}
		if (from[at] != SCSI_PORTS && !is_hidden(from[at]))
			page[kept++] = from[at];
	}
	if (!added)
		page[kept++] = SCSI_PORTS;
	reply_page(t, page, kept);
}

static void scsi_ports(struct scsi_task *t)
{
	uint8_t page[4 + VPD_SCSI_PORTS_MAX] = {t->lu->passthrough->device_type, SCSI_PORTS};

	reply_page(t, page, 4 + vpd_put_scsi_ports(page + 4, t));
}

/* The logical unit's own designators, and the target's and its ports' from here. */
static void identification_answered(struct scsi_task *t)
{
	uint8_t page[PAGE_BYTES + 1024];
	size_t len = read_page(t, page), kept = 4;

	for (size_t at = 4; at + 4 <= len;) {
		size_t size = 4u + page[at + 3];

		if (at + size > len)
			break;
		if (!(page[at + 1] & 0x30)) {
			memmove(page + kept, page + at, size);
			kept += size;
		}
		at += size;
	}
	memset(page + kept, 0, sizeof(page) - kept);
	reply_page(t, page, kept + vpd_put_port_designators(page + kept, t));
}

static void ask_for_page(struct scsi_task *t)
{
	uint8_t cdb[SCSI_MAX_CDB];

	memcpy(cdb, t->cdb, sizeof(cdb));
	put_be16(cdb + 3, PAGE_BYTES);
	passthrough_send(t, cdb, &t->scratch,
			 t->cdb[2] == IDENTIFICATION ? identification_answered : list_answered);
}

/* ---- */

/* SPC-5 6.7.1: INQUIRY is answered even by what isn't there. */
static void answer_for_it(struct scsi_task *t)
{
	const struct passthrough *pt = t->lu->passthrough;
	uint8_t data[PT_INQUIRY_MAX];

	if (t->cdb[1] & 0x01) {
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_OFFLINE);
		return;
	}
	memcpy(data, pt->inquiry, sizeof(data));
	data[0] = (uint8_t)((data[0] & 0x1f) | QUALIFIER_ABSENT);
	task_reply(t, data, pt->inquiry_len, get_be16(t->cdb + 3));
}

void passthrough_inquiry(struct scsi_task *t)
{
	bool evpd = t->cdb[1] & 0x01;
	uint8_t page = t->cdb[2];

	if (!t->lu->store_online)
		answer_for_it(t);
	else if (evpd && is_hidden(page))
		task_invalid_cdb(t, 2, -1);
	else if (evpd && page == SCSI_PORTS)
		scsi_ports(t);
	else if (evpd && (page == IDENTIFICATION || page == SUPPORTED_PAGES))
		task_get_scratch(t, PAGE_BYTES, ask_for_page);
	else if (t->transfer_length > get_be16(t->cdb + 3))
		task_get_data(t, get_be16(t->cdb + 3), ask);
	else
		task_get_data(t, t->transfer_length, ask);
}
