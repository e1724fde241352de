/* SPDX-License-Identifier: MIT */
/*
 * Stands in for the SCSI core: one logical unit, three initiator ports, and the helpers by which a
 * handler ends a task, which write down what it said.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_FAKE_TASK_H
#define TGT_TESTS_FAKE_TASK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "scsi/commands.h"
#include "scsi/ua.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define NEXUSES 3

static struct target fake_target = {.tid = 1, .name = (char *)"iqn.2026-01.org.example:disk1"};
/* For targets with other ports than port 1: fake_ports() makes it the fake one's list. */
static union {
	struct target_ports list;
	uint8_t room[sizeof(struct target_ports) + TARGET_PORTS_MAX * sizeof(struct target_port)];
} fake_list __attribute__((unused));
static struct lu fake_lu;
static struct nexus fake_nexus[NEXUSES];
static struct itl fake_itl[NEXUSES];
static struct itl *fake_itls[NEXUSES][2];
static struct scsi_task fake_task;

/* What the handler said. */
static struct {
	unsigned ended;
	struct sense sense;
	uint8_t data[256 * 1024];
	size_t len;          /* of the Data-In, before any cut */
	size_t sent;         /* after the allocation length */
	uint32_t allocation; /* as the handler understood it */
} said;

static void end(struct scsi_task *t, enum scsi_status status)
{
	said.ended++;
	t->status = (uint8_t)status;
}

void task_good(struct scsi_task *t)
{
	end(t, STATUS_GOOD);
}

void task_status(struct scsi_task *t, enum scsi_status status)
{
	end(t, status);
}

void task_check_condition(struct scsi_task *t)
{
	end(t, STATUS_CHECK_CONDITION);
}

static void end_sense(struct scsi_task *t, struct sense sense)
{
	said.sense = sense;
	end(t, STATUS_CHECK_CONDITION);
}

void task_sense(struct scsi_task *t, enum sense_key key, uint16_t asc)
{
	end_sense(t, (struct sense){.key = key, .asc = asc});
}

void task_sense_info(struct scsi_task *t, enum sense_key key, uint16_t asc, uint64_t information)
{
	end_sense(t, (struct sense){
			 .key = key, .asc = asc, .info_valid = true, .information = information});
}

void task_invalid_cdb(struct scsi_task *t, unsigned byte, int bit)
{
	end_sense(t, (struct sense){.key = KEY_ILLEGAL_REQUEST,
				    .asc = ASC_INVALID_FIELD_IN_CDB,
				    .sks_valid = true,
				    .in_cdb = true,
				    .bit = bit,
				    .field = (uint16_t)byte});
}

void task_invalid_parameter(struct scsi_task *t, unsigned byte, int bit)
{
	end_sense(t, (struct sense){.key = KEY_ILLEGAL_REQUEST,
				    .asc = ASC_INVALID_FIELD_IN_PARAMETER_LIST,
				    .sks_valid = true,
				    .bit = bit,
				    .field = (uint16_t)byte});
}

void task_parameter_list_length_error(struct scsi_task *t)
{
	task_sense(t, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
}

void task_reply(struct scsi_task *t, const void *data, size_t len, uint32_t allocation_length)
{
	assert_true(len <= sizeof(said.data));
	memcpy(said.data, data, len);
	said.len = len;
	said.allocation = allocation_length;
	said.sent = len < allocation_length ? len : allocation_length;
	end(t, STATUS_GOOD);
}

const char *lu_name(const struct lu *lu)
{
	(void)lu;
	return "target 1 lun 1";
}

/* SPC-5 7.6.4.6: format 01b, protocol 5h, name and ISID, NUL terminated, a multiple of four. */
static inline uint16_t make_transport_id(uint8_t *at, const char *text)
{
	size_t len = (strlen(text) + 4) & ~(size_t)3;

	memset(at, 0, 4 + len);
	at[0] = 0x45;
	put_be16(at + 2, (uint16_t)len);
	memcpy(at + 4, text, strlen(text));
	return (uint16_t)(4 + len);
}

/* Ports with these ids; count 0: the target is as it was made. */
static inline void fake_ports(const uint16_t *ids, unsigned count)
{
	memset(&fake_list, 0, sizeof(fake_list));
	fake_list.list.count = (uint16_t)count;
	for (unsigned i = 0; i < count; i++)
		fake_list.list.ports[i].id = ids[i];
	atomic_store(&fake_target.ports, count ? &fake_list.list : NULL);
}

/* A disk of 2048 blocks of 512 bytes, three sessions; the store is only looked at by those who know
 * that it isn't there. */
static inline void fake_reset(void)
{
	static int somewhere;

	memset(&fake_lu, 0, sizeof(fake_lu));
	memset(&said, 0, sizeof(said));
	fake_lu.target = &fake_target;
	fake_lu.lun = 1;
	fake_lu.store = (struct store *)(void *)&somewhere;
	fake_lu.block_size = 512;
	fake_lu.block_shift = 9;
	fake_lu.blocks = 2048;
	fake_lu.online = fake_lu.store_online = fake_lu.medium = fake_lu.started = true;
	strcpy(fake_lu.id.vendor_id, "IET");
	strcpy(fake_lu.id.product_id, "VIRTUAL-DISK");
	strcpy(fake_lu.id.product_rev, "0001");
	strcpy(fake_lu.id.scsi_id, "IET     00010001");
	strcpy(fake_lu.id.scsi_sn, "beaf11");
	memcpy(fake_lu.naa, "\x31\x23\x45\x67\x89\xab\xcd\xef", 8);
	for (unsigned i = 0; i < NEXUSES; i++) {
		struct nexus *n = &fake_nexus[i];
		char name[64];

		snprintf(name, sizeof(name), "iqn.2026-01.org.example:host%u,i,0x00023d00000%u", i,
			 i);
		memset(n, 0, sizeof(*n));
		n->id = 100 + i;
		n->target = &fake_target;
		n->relative_port = n->portal_group = 1;
		n->transport_id_len = make_transport_id(n->transport_id, name);
		memset(&fake_itl[i], 0, sizeof(fake_itl[i]));
		fake_itl[i].nexus = n;
		fake_itl[i].lu = &fake_lu;
		fake_itls[i][0] = NULL;
		fake_itls[i][1] = &fake_itl[i];
		n->itls = fake_itls[i];
		n->nr_itls = 2;
	}
}

static inline const struct opcode_row *fake_row(const struct opcode_row *rows, const uint8_t *cdb)
{
	for (; rows->run; rows++)
		if (rows->opcode == cdb[0] && (rows->service_action == NO_SERVICE_ACTION ||
					       rows->service_action == (cdb[1] & 0x1f)))
			return rows;
	fail_msg("no row for opcode %02x", cdb[0]);
	return NULL;
}

/* Runs a command of a table on nexus (0 … 2), with out_len bytes of Data-Out; the task afterwards.
 */
static inline struct scsi_task *fake_run(const struct opcode_row *rows, unsigned nexus,
					 const uint8_t *cdb, const void *out, size_t out_len)
{
	struct scsi_task *t = &fake_task;
	static uint8_t buffer[256 * 1024];

	memset(t, 0, sizeof(*t));
	memset(&said, 0, sizeof(said));
	assert_true(out_len <= sizeof(buffer));
	if (out_len)
		memcpy(buffer, out, out_len);
	t->lu = &fake_lu;
	t->nexus = &fake_nexus[nexus];
	t->itl = &fake_itl[nexus];
	t->row = fake_row(rows, cdb);
	memcpy(t->cdb, cdb, t->row->cdb_len);
	t->cdb_len = 16;
	t->status = 0xff;
	if (!opcode_check_cdb(t) || (t->row->prepare && !t->row->prepare(t)))
		return t;
	if (out_len) {
		t->data.one = (struct iovec){.iov_base = buffer, .iov_len = out_len};
		t->data.iov = &t->data.one;
		t->data.iovcnt = 1;
		t->data.length = (uint32_t)out_len;
	}
	t->row->run(t);
	return t;
}

/* Functions, so that the task may be a call that is made once, before anything is compared. */
#define assert_status(t, status_) assert_int_equal(fake_status(t), status_)
static inline int fake_status(const struct scsi_task *t)
{
	assert_int_equal(said.ended, 1);
	return t->status;
}

#define assert_good(t) assert_status(t, STATUS_GOOD)
#define assert_conflict(t) assert_status(t, STATUS_RESERVATION_CONFLICT)
#define assert_sense(t, k, a)                                                                      \
	do {                                                                                       \
		assert_status(t, STATUS_CHECK_CONDITION);                                          \
		assert_int_equal(said.sense.key, k);                                               \
		assert_int_equal(said.sense.asc, a);                                               \
	} while (0)
#define assert_field(t, a, cdb_, byte_, bit_)                                                      \
	do {                                                                                       \
		assert_sense(t, KEY_ILLEGAL_REQUEST, a);                                           \
		assert_true(said.sense.sks_valid);                                                 \
		assert_int_equal(said.sense.in_cdb, cdb_);                                         \
		assert_int_equal(said.sense.field, byte_);                                         \
		assert_int_equal(said.sense.bit, bit_);                                            \
	} while (0)
#define assert_invalid_cdb(t, byte_, bit_)                                                         \
	assert_field(t, ASC_INVALID_FIELD_IN_CDB, true, byte_, bit_)
#define assert_invalid_parameter(t, byte_, bit_)                                                   \
	assert_field(t, ASC_INVALID_FIELD_IN_PARAMETER_LIST, false, byte_, bit_)
#define assert_length_error(t) assert_sense(t, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR)

#endif
