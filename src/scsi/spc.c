/* SPDX-License-Identifier: MIT */
/* Commands of every device type: SPC-5 clause 6. */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/pr_shared.h"
#include "scsi/ua.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define PERIPHERAL_NONE 0x7f /* qualifier 3: no logical unit can be here */
#define INQUIRY_LENGTH 96u

uint8_t spc_peripheral(const struct scsi_task *t)
{
	if (!t->lu)
		return PERIPHERAL_NONE;
	/* Qualifier 1: there is one, but the operator has taken it away for now. */
	return (uint8_t)((t->lu->online ? 0x00 : 0x20) | t->lu->commands->device_type);
}

/*
 * SPC-5 table 151, no version claimed: SAM-5, SPC-4, iSCSI, and the device type's own standard. All
 * that is here is in those too, and initiators know them: some take a version they have never heard
 * of for an error.
 */
static void put_version_descriptors(uint8_t *at, uint8_t device_type)
{
	put_be16(at, 0x00a0);
	put_be16(at + 2, 0x0460);
	put_be16(at + 4, 0x0960);
	if (device_type == 0x00)
		put_be16(at + 6, 0x04c0); /* SBC-3 */
	else if (device_type == 0x01)
		put_be16(at + 6, 0x0520); /* SSC-4 */
}

static void put_identity(uint8_t *data, const struct lu *lu)
{
	data[1] = lu->removable ? 0x80 : 0;
	put_ascii(data + 8, 8, lu->id.vendor_id);
	put_ascii(data + 16, 16, lu->id.product_id);
	put_ascii(data + 32, 4, lu->id.product_rev);
	put_version_descriptors(data + 58, lu->commands->device_type);
}

uint8_t spc_tpgs(const struct lu *lu)
{
	return target_ports(lu->target)->by_command ? 0x30 : 0x10;
}

/* SPC-5 6.7.2 */
static void inquiry_standard(struct scsi_task *t, uint16_t allocation_length)
{
	uint8_t data[INQUIRY_LENGTH] = {0};

	data[0] = spc_peripheral(t);
	data[2] = 0x06;               /* VERSION: SPC-4 */
	data[3] = 0x20 | 0x10 | 0x02; /* NORMACA, HISUP, format 2 */
	data[4] = INQUIRY_LENGTH - 5;
	data[5] = t->lu ? spc_tpgs(t->lu) : 0;
	data[7] = 0x02; /* CMDQUE */
	if (t->lu) {
		put_identity(data, t->lu);
	} else {
		memset(data + 8, ' ', 28);
		put_version_descriptors(data + 58, PERIPHERAL_NONE);
	}
	task_reply(t, data, sizeof(data), allocation_length);
}

/* Without a logical unit there are still the pages that say so. */
static void inquiry_no_lu_page(struct scsi_task *t, uint8_t page, uint16_t allocation_length)
{
	uint8_t data[5] = {PERIPHERAL_NONE, 0x00, 0x00, 0x01, 0x00};

	if (page != 0x00)
		task_invalid_cdb(t, 2, -1);
	else
		task_reply(t, data, sizeof(data), allocation_length);
}

static void run_inquiry(struct scsi_task *t)
{
	bool evpd = t->cdb[1] & 0x01;
	uint8_t page = t->cdb[2];
	uint16_t allocation_length = get_be16(t->cdb + 3);

	if (!evpd && page)
		task_invalid_cdb(t, 2, -1);
	else if (!evpd)
		inquiry_standard(t, allocation_length);
	else if (t->lu)
		vpd_inquiry(t, page, allocation_length);
	else
		inquiry_no_lu_page(t, page, allocation_length);
}

static void run_test_unit_ready(struct scsi_task *t)
{
	if (pr_shared_is_current(t->lu))
		task_good(t);
	else
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_OFFLINE);
}

/* Pollable sense data (SPC-5 5.12): the state that the next command that needs the medium would
 * meet. */
static void state_sense(const struct scsi_task *t, struct sense *sense)
{
	const struct lu *lu = t->lu;

	if (t->nexus->access_gate) {
		sense->key = KEY_NOT_READY;
		sense->asc = access_refusal(t->nexus->access_state);
	} else if (!lu->online || !lu->store_online || !pr_shared_is_current(lu)) {
		sense->key = KEY_NOT_READY;
		sense->asc = ASC_LU_NOT_READY_OFFLINE;
	} else if (medium_sense(lu, sense)) {
		return;
	} else if (lu->store && !lu->medium) {
		sense->key = KEY_NOT_READY;
		sense->asc = ASC_MEDIUM_NOT_PRESENT;
	} else if (lu->store && !lu->started) {
		sense->key = KEY_NOT_READY;
		sense->asc = ASC_LU_NOT_READY_INITIALIZING_COMMAND_REQUIRED;
	}
}

/* SPC-5 REQUEST SENSE: what is to tell is parameter data, so the status is GOOD.  A unit attention
 * condition that is reported so is gone. */
void spc_request_sense(struct scsi_task *t)
{
	bool descriptor = t->cdb[1] & 0x01;
	struct sense sense = {.key = KEY_NO_SENSE, .bit = -1};
	uint8_t data[SENSE_MAX];

	if (!t->lu) {
		sense.key = KEY_ILLEGAL_REQUEST;
		sense.asc = ASC_LOGICAL_UNIT_NOT_SUPPORTED;
	} else if (t->itl && ua_pending(&t->itl->ua)) {
		sense.key = KEY_UNIT_ATTENTION;
		sense.asc = ua_take(&t->itl->ua);
	} else {
		state_sense(t, &sense);
	}
	task_reply(t, data, sense_build(data, &sense, descriptor), t->cdb[4]);
}

/* SPC-5 REPORT LUNS: having read the list, the nexus knows of every change to it. */
static void clear_luns_changed(struct nexus *nexus)
{
	for (uint32_t i = 0; i < nexus->nr_itls; i++)
		if (nexus->itls[i])
			ua_clear(&nexus->itls[i]->ua, ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
}

/* LUN 0 is in the list whether or not there is a logical unit (SPC-5 REPORT LUNS). */
static size_t put_luns(uint8_t *at, const struct lun_map *map)
{
	uint8_t *from = at;

	if (!map || !map->count || map->lus[0]->lun != 0) {
		lun_encode(0, at);
		at += 8;
	}
	for (uint32_t i = 0; map && i < map->count; i++) {
		lun_encode(map->lus[i]->lun, at);
		at += 8;
	}
	return (size_t)(at - from);
}

static void run_report_luns(struct scsi_task *t)
{
	uint8_t select = t->cdb[2];
	uint32_t allocation_length = get_be32(t->cdb + 6);
	const struct lun_map *map = atomic_load(&t->nexus->target->map);
	CLEANUP_FREE uint8_t *data = NULL;
	size_t len = 0;

	if (select > 2) {
		task_invalid_cdb(t, 2, -1);
		return;
	}
	if (allocation_length < 16) {
		task_invalid_cdb(t, 6, -1);
		return;
	}
	data = calloc(map ? map->count + 2u : 2u, 8);
	if (!data) {
		task_status(t, STATUS_BUSY);
		return;
	}
	if (select != 1) /* 1: well known logical units only; there are none */
		len = put_luns(data + 8, map);
	put_be32(data, (uint32_t)len);
	clear_luns_changed(t->nexus);
	task_reply(t, data, 8 + len, allocation_length);
}

#define INQUIRY_ROW                                                                                \
	{                                                                                          \
		.opcode = 0x12, .service_action = NO_SERVICE_ACTION, .cdb_len = 6,                 \
		.direction = DATA_IN, .pr = PR_ALLOWED,                                            \
		.flags = ROW_SKIP_UA | ROW_NO_LU | ROW_OFFLINE | ROW_ANY_ACCESS,                   \
		.usage = {0x12, 0x01, 0xff, 0xff, 0xff}, .run = run_inquiry, .name = "INQUIRY",    \
		.clause = "SPC-5 6.7",                                                             \
	}
#define REQUEST_SENSE_ROW                                                                          \
	{                                                                                          \
		.opcode = 0x03, .service_action = NO_SERVICE_ACTION, .cdb_len = 6,                 \
		.direction = DATA_IN, .pr = PR_ALLOWED,                                            \
		.flags = ROW_SKIP_UA | ROW_NO_LU | ROW_OFFLINE | ROW_ANY_ACCESS,                   \
		.usage = {0x03, 0x01, 0, 0, 0xff}, .run = spc_request_sense,                       \
		.name = "REQUEST SENSE", .clause = "SPC-5 REQUEST SENSE",                          \
	}
#define REPORT_LUNS_ROW                                                                            \
	{                                                                                          \
		.opcode = 0xa0, .service_action = NO_SERVICE_ACTION, .cdb_len = 12,                \
		.direction = DATA_IN, .pr = PR_ALLOWED,                                            \
		.flags = ROW_SKIP_UA | ROW_NO_LU | ROW_OFFLINE | ROW_ANY_ACCESS,                   \
		.usage = {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, .run = run_report_luns, \
		.name = "REPORT LUNS", .clause = "SPC-5 REPORT LUNS",                              \
	}

const struct opcode_row spc_rows[] = {
    INQUIRY_ROW,
    REQUEST_SENSE_ROW,
    REPORT_LUNS_ROW,
    {.run = NULL},
};

const struct opcode_row spc_medium_rows[] = {
    {
	.opcode = 0x00,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_ALLOWED,
	.flags = ROW_MEDIUM,
	.run = run_test_unit_ready,
	.name = "TEST UNIT READY",
	.clause = "SPC-5 TEST UNIT READY",
    },
    {.run = NULL},
};

const struct opcode_row spc_no_medium_rows[] = {
    {
	.opcode = 0x00,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_NONE,
	.pr = PR_ALLOWED,
	.run = run_test_unit_ready,
	.name = "TEST UNIT READY",
	.clause = "SPC-5 TEST UNIT READY",
    },
    {.run = NULL},
};

const struct opcode_row spc_no_lu_rows[] = {
    INQUIRY_ROW,
    REQUEST_SENSE_ROW,
    REPORT_LUNS_ROW,
    {.run = NULL},
};
