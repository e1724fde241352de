/* SPDX-License-Identifier: MIT */
/* Vital product data pages: SPC-5 7.7, SBC-4 6.6. */
#include <stdio.h>

#include "scsi/commands.h"
#include "scsi/tape_alert.h"
#include "scsi/target.h"
#include "scsi/thresholds.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define PAGE_MAX (4u + VPD_SCSI_PORTS_MAX) /* the longest */
#define DISK 0x00
#define PROTOCOL_ISCSI 0x5

/* Code sets, associations and designator types of 7.7.6. */
#define BINARY 1u
#define ASCII 2u
#define UTF8 3u
#define OF_LU 0u
#define OF_PORT 1u
#define OF_DEVICE 2u
#define T10_VENDOR_ID 1u
#define NAA 3u
#define RELATIVE_PORT 4u
#define PORT_GROUP 5u
#define SCSI_NAME 8u

struct vpd_page {
	uint8_t code;
	enum { ALL_TYPES, DISKS_ONLY, TAPES_ONLY } types;
	/* Writes what follows the four bytes of header (at is zeroed); returns its length. */
	size_t (*put)(uint8_t *at, const struct scsi_task *t);
};

static const struct vpd_page pages[];

static bool has_page(const struct lu *lu, const struct vpd_page *page)
{
	if (page->types == TAPES_ONLY)
		return lu->tape;
	return page->types == ALL_TYPES || lu->commands->device_type == DISK;
}

/* 7.7.16 Supported VPD Pages */
static size_t put_supported(uint8_t *at, const struct scsi_task *t)
{
	size_t len = 0;

	for (const struct vpd_page *page = pages; page->put; page++)
		if (has_page(t->lu, page))
			at[len++] = page->code;
	return len;
}

/* 7.7.17 Unit Serial Number; to the right, as it always was, for those who keep it as a name. */
static size_t put_serial(uint8_t *at, const struct scsi_task *t)
{
	size_t room = sizeof(t->lu->id.scsi_sn) - 1;
	size_t len = strnlen(t->lu->id.scsi_sn, room);

	memset(at, ' ', room - len);
	memcpy(at + room - len, t->lu->id.scsi_sn, len);
	return room;
}

static size_t designator(uint8_t *at, unsigned code_set, unsigned association, unsigned type,
			 size_t len)
{
	at[0] = (uint8_t)code_set;
	at[1] = (uint8_t)(association << 4 | type);
	if (association == OF_PORT || association == OF_DEVICE) {
		at[0] |= PROTOCOL_ISCSI << 4;
		at[1] |= 0x80; /* PIV */
	}
	at[3] = (uint8_t)len;
	return 4 + len;
}

static size_t put_t10_vendor_id(uint8_t *at, const struct lu *lu)
{
	size_t room = sizeof(lu->id.scsi_id) - 1;

	memcpy(at + 4, lu->id.scsi_id, strnlen(lu->id.scsi_id, room));
	return designator(at, ASCII, OF_LU, T10_VENDOR_ID, room);
}

static size_t put_port_number(uint8_t *at, unsigned type, uint16_t number)
{
	put_be16(at + 6, number);
	return designator(at, BINARY, OF_PORT, type, 4);
}

/* 7.7.6.10: NUL terminated, NUL padded to a multiple of four. */
static size_t put_name(uint8_t *at, unsigned association, const char *text)
{
	size_t len = strlen(text);

	memcpy(at + 4, text, len);
	return designator(at, UTF8, association, SCSI_NAME, (len + 4) & ~(size_t)3);
}

/* RFC 7143 4.4.1 (SCSI port name of a target port) */
static size_t put_port_name(uint8_t *at, const struct target *target, uint16_t portal_group)
{
	char name[240];

	snprintf(name, sizeof(name), "%.223s,t,0x%04x", target->name, portal_group);
	return put_name(at, OF_PORT, name);
}

size_t vpd_put_port_designators(uint8_t *at, const struct scsi_task *t)
{
	const struct nexus *nexus = t->nexus;
	char name[224];
	size_t len = put_port_number(at, RELATIVE_PORT, nexus->relative_port);

	/* each port is in a group of its own, with the same number */
	len += put_port_number(at + len, PORT_GROUP, nexus->relative_port);
	len += put_port_name(at + len, nexus->target, nexus->portal_group);
	snprintf(name, sizeof(name), "%.223s", nexus->target->name);
	return len + put_name(at + len, OF_DEVICE, name);
}

/* The NAA designator once more (SPC-5 7.7.6.11).  Linux tells disks apart by the first kind it
 * finds of NAA by IEEE, EUI-64, name, T10 vendor and only then NAA locally assigned; and the T10
 * text, which is stgt's, is the same for the same target id and LUN of another server. */
static size_t put_lu_name(uint8_t *at, const struct lu *lu)
{
	char name[] = "naa.0123456789ABCDEF";

	for (unsigned i = 0; i < sizeof(lu->naa); i++)
		snprintf(name + 4 + (size_t)2 * i, 3, "%02X", lu->naa[i]);
	return put_name(at, OF_LU, name);
}

/* 7.7.6 Device Identification */
static size_t put_identification(uint8_t *at, const struct scsi_task *t)
{
	size_t len = put_t10_vendor_id(at, t->lu);

	memcpy(at + len + 4, t->lu->naa, sizeof(t->lu->naa));
	len += designator(at + len, BINARY, OF_LU, NAA, sizeof(t->lu->naa));
	len += put_lu_name(at + len, t->lu);
	return len + vpd_put_port_designators(at + len, t);
}

/* 7.7.7 Extended INQUIRY Data */
static size_t put_extended_inquiry(uint8_t *at, const struct scsi_task *t)
{
	at[1] = 0x07;                             /* HEADSUP, ORDSUP, SIMPSUP */
	at[2] = t->lu->volatile_cache ? 0x01 : 0; /* V_SUP */
	at[4] = 0x08;                             /* RTD_SUP */
	at[9] = SENSE_MAX;                        /* maximum supported sense data length */
	return 0x3c;
}

/* 7.7.9 Mode Page Policy: all of them are shared */
static size_t put_mode_page_policy(uint8_t *at, const struct scsi_task *t)
{
	(void)t;
	at[0] = 0x3f;
	at[1] = 0xff;
	return 4;
}

/* 7.7.14 SCSI Ports: the initiator port transport ID is for ports that are initiators too. */
size_t vpd_put_scsi_ports(uint8_t *at, const struct scsi_task *t)
{
	const struct target *target = t->nexus->target;
	const struct target_ports *list = target_ports(target);
	size_t len = 0;

	for (unsigned i = 0; i < list->count; i++) {
		uint8_t *port = at + len;
		size_t name = put_port_name(port + 12, target, list->ports[i].id);

		put_be16(port + 2, list->ports[i].id);
		put_be16(port + 10, (uint16_t)name);
		len += 12 + name;
	}
	return len;
}

static void put_unmap_limits(uint8_t *at, const struct lu *lu)
{
	struct tgt_bs_geometry geometry = store_geometry(lu->store);
	uint32_t granularity = geometry.discard_granularity >> lu->block_shift;

	put_be32(at + 16, lu_max_unmap_blocks(lu));
	put_be32(at + 20, SBC_MAX_UNMAP_DESCRIPTORS);
	if (granularity > 1) {
		put_be32(at + 24, granularity);
		put_be32(at + 28, 0x80000000u); /* UGAVALID, alignment 0 */
	}
}

/* The operator's word goes before the store's. */
static uint32_t optimal_transfer(const struct lu *lu)
{
	uint32_t most = lu_max_transfer_blocks(lu), blocks;

	if (lu->optimal_xfer_len || !lu->store)
		return lu->optimal_xfer_len;
	blocks = store_geometry(lu->store).optimal_io_size >> lu->block_shift;
	return most && blocks > most ? 0 : blocks;
}

/* SBC-4 6.6.4 Block Limits */
static size_t put_block_limits(uint8_t *at, const struct scsi_task *t)
{
	const struct lu *lu = t->lu;

	/* WSNZ = 0: a WRITE SAME of 0 blocks goes to the end */
	at[1] = (uint8_t)lu_max_caw_blocks(lu);
	put_be16(at + 2, lu->optimal_xfer_gran);
	put_be32(at + 4, lu_max_transfer_blocks(lu));
	put_be32(at + 8, optimal_transfer(lu));
	if (lu->thin && lu->store)
		put_unmap_limits(at, lu);
	put_be64(at + 32, lu_max_write_same_blocks(lu));
	return 0x3c;
}

/* SBC-4 6.6.3 Block Device Characteristics */
static size_t put_characteristics(uint8_t *at, const struct scsi_task *t)
{
	put_be16(at, t->lu->rotation_rate);
	if (t->lu->thin)
		at[3] = 0x40; /* WABEREQ: reads end well after SANITIZE, BLOCK ERASE */
	return 0x3c;
}

/* SBC-4 6.6.6 Logical Block Provisioning */
static size_t put_provisioning(uint8_t *at, const struct scsi_task *t)
{
	if (!t->lu->thin)
		return 4;
	at[0] = thresholds_exponent(t->lu);
	at[1] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ 001b */
	at[2] = 0x02;                      /* thin provisioned */
	return 4;
}

/* SSC-5 Sequential-Access Device Capabilities: TSMC (tape stream mirroring) there is none */
static size_t put_tape_capabilities(uint8_t *at, const struct scsi_task *t)
{
	at[0] = store_module(t->lu->store)->descriptor.tape_info ? 0x01 : 0; /* WORM */
	return 2;
}

/* SSC-5 Manufacturer-assigned Serial Number: the one that it was made with */
static size_t put_tape_serial(uint8_t *at, const struct scsi_task *t)
{
	struct lu_identity id;
	size_t len;

	lu_default_identity(t->lu, &id);
	len = strlen(id.scsi_sn);
	memcpy(at, id.scsi_sn, len);
	return len;
}

/* SSC-5 TapeAlert Supported Flags */
static size_t put_tape_alerts(uint8_t *at, const struct scsi_task *t)
{
	(void)t;
	memcpy(at, tape_alerts_supported, ALERT_BYTES);
	return ALERT_BYTES;
}

/* SSC-5 Logical Block Protection: one method, CRC32C, its length, and LBP_W_C, LBP_R_C; there is no
 * RECOVER BUFFERED DATA (RBDP_C) */
static size_t put_tape_protection(uint8_t *at, const struct scsi_task *t)
{
	(void)t;
	at[4] = 3; /* bytes that follow in the descriptor */
	at[5] = TAPE_LBP_CRC32C;
	at[6] = 4;
	at[7] = 0x80 | 0x40;
	return 8;
}

static const struct vpd_page pages[] = {
    {0x00, ALL_TYPES, put_supported},        {0x80, ALL_TYPES, put_serial},
    {0x83, ALL_TYPES, put_identification},   {0x86, ALL_TYPES, put_extended_inquiry},
    {0x87, ALL_TYPES, put_mode_page_policy}, {0x88, ALL_TYPES, vpd_put_scsi_ports},
    {0xb0, DISKS_ONLY, put_block_limits},    {0xb0, TAPES_ONLY, put_tape_capabilities},
    {0xb1, DISKS_ONLY, put_characteristics}, {0xb1, TAPES_ONLY, put_tape_serial},
    {0xb2, DISKS_ONLY, put_provisioning},    {0xb2, TAPES_ONLY, put_tape_alerts},
    {0xb5, TAPES_ONLY, put_tape_protection}, {0, ALL_TYPES, NULL},
};

void vpd_inquiry(struct scsi_task *t, uint8_t page, uint16_t allocation_length)
{
	uint8_t data[PAGE_MAX] = {0};

	for (const struct vpd_page *p = pages; p->put; p++) {
		size_t len;

		if (p->code != page || !has_page(t->lu, p))
			continue;
		len = p->put(data + 4, t);
		data[0] = spc_peripheral(t);
		data[1] = page;
		put_be16(data + 2, (uint16_t)len);
		task_reply(t, data, 4 + len, allocation_length);
		return;
	}
	task_invalid_cdb(t, 2, -1);
}
