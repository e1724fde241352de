/* SPDX-License-Identifier: MIT */
/*
 * Every command of the opcode tables with its parameter data, one after the other, on every kind of
 * unit, held against what a standard promises of any command: it ends once, with sense data that go
 * with its status and point to something; refused, it has changed nothing; GOOD, its range was
 * within the unit, what it read is what is there, and what it wrote is there now.
 *
 * An input is a sequence of records, each a command: HOW, LUN, operation code, service action, how
 * the store fails, expected length, CDB, data.  tests/fuzz/seeds.py writes such.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "records.h"
#include "scsi/commands.h"
#include "scsi/nexus.h"
#include "util/bytes.h"

#define COMMANDS_MAX 128u
#define MODULE_DATA 64u
#define EXPECTED_IN 65536u
#define BLOCKS_FITTED 64u
#define CDB_BYTES 31u /* in a record: those behind the operation code */
#define HEAD_BYTES 7u /* before them */

/* HOW */
#define ANY_BITS 0x01u    /* bits of the CDB that its usage data forbid stay */
#define ANY_LENGTH 0x02u  /* and lengths and addresses as they are */
#define EDTL_LIES 0x04u   /* the initiator expects something else */
#define DATA_FAIL 0x08u   /* its data don't come whole */
#define STORE_FAILS 0x10u /* the store's next request does */
#define OTHER_NEXUS 0x20u
#define OTHER_WAY 0x40u /* data are expected the other way, or one */

struct command {
	struct scsi_task scsi;
	const struct opcode_row *row;
	const uint8_t *data;
	size_t len;
	uint8_t lun;
	bool data_fails, store_fails, done;
	unsigned long changes; /* of the disk, before it */
	_Alignas(16) uint8_t module_data[MODULE_DATA];
};

/* What a CDB says of blocks, read off it independently of what is tested. */
struct span {
	bool reads, writes;
	uint64_t lba, blocks;
};

static struct nexus nexuses[2];
static unsigned nr_nexuses;
static struct command *current;

/* ---- what must hold ---- */

static struct span span_of(const uint8_t *cdb)
{
	uint8_t low = cdb[0] & 0x1f;
	struct span s = {.reads = low == 0x08, .writes = low == 0x0a || low == 0x0e};

	switch (cdb[0]) {
	case 0x08:
	case 0x0a:
		s.lba = get_be24(cdb + 1) & 0x1fffff;
		s.blocks = cdb[4] ? cdb[4] : 256;
		return s;
	case 0x28:
	case 0x2a:
	case 0x2e:
	case 0x2f:
		s.lba = get_be32(cdb + 2);
		s.blocks = get_be16(cdb + 7);
		return s;
	case 0xa8:
	case 0xaa:
	case 0xae:
	case 0xaf:
		s.lba = get_be32(cdb + 2);
		s.blocks = get_be32(cdb + 6);
		return s;
	case 0x88:
	case 0x8a:
	case 0x8e:
	case 0x8f:
		s.lba = get_be64(cdb + 2);
		s.blocks = get_be32(cdb + 10);
		return s;
	default:
		return (struct span){0};
	}
}

/* SPC-5 4.4: the sense-key specific bytes of either format; NULL: there are none. */
static const uint8_t *specific_of(const struct scsi_task *t)
{
	if ((t->sense[0] & 0x7f) == 0x70)
		return t->sense_len >= 18 ? t->sense + 15 : NULL;
	for (unsigned at = 8; at + 8u <= t->sense_len; at += 2u + t->sense[at + 1])
		if (t->sense[at] == 0x02)
			return t->sense + at + 4;
	return NULL;
}

static uint8_t key_of(const struct scsi_task *t)
{
	return (t->sense[0] & 0x7f) == 0x70 ? t->sense[2] & 0x0f : t->sense[1] & 0x0f;
}

/* SPC-5 4.4.2.4.2: it points into the CDB, or into the parameter list. */
static void check_pointer(const struct command *c)
{
	const uint8_t *specific = specific_of(&c->scsi);

	if (key_of(&c->scsi) != KEY_ILLEGAL_REQUEST || !specific || !(specific[0] & 0x80))
		return;
	if (specific[0] & 0x40)
		must(get_be16(specific + 1) < (c->row ? c->row->cdb_len : SCSI_MAX_CDB));
	else
		must(get_be16(specific + 1) < c->scsi.data.length);
}

static void check_sense(const struct command *c)
{
	const struct scsi_task *t = &c->scsi;
	uint8_t code = t->sense[0] & 0x7f, key = key_of(t);

	must(t->sense_len >= 8 && t->sense_len <= SENSE_MAX && t->sense_len == 8 + t->sense[7]);
	must(code == 0x70 || code == 0x72);
	check_pointer(c);
	/* The refused command has changed nothing. */
	if (key == KEY_ILLEGAL_REQUEST || key == KEY_DATA_PROTECT || key == KEY_UNIT_ATTENTION)
		must(c->store_fails || core_changes() == c->changes);
}

static void compare(const struct command *c, const uint8_t *there, size_t len, const uint8_t *sent)
{
	uint8_t buffer[512];

	for (size_t at = 0; at < len; at += sizeof(buffer)) {
		size_t n = len - at < sizeof(buffer) ? len - at : sizeof(buffer);

		if (sent)
			for (size_t i = 0; i < n; i++)
				buffer[i] = at + i < c->len ? sent[at + i] : 0;
		else
			must(databuf_read(&c->scsi.data, at, buffer, n) == n);
		must(!memcmp(there + at, buffer, n));
	}
}

/* READ and WRITE of every length, and VERIFY, on a disk, ended GOOD. */
static void check_blocks(const struct command *c)
{
	const struct scsi_task *t = &c->scsi;
	struct span s = span_of(t->cdb);
	uint64_t size = t->lu->block_size, end = core_disk_bytes() / size, bytes = s.blocks * size;

	must(s.lba <= end && s.blocks <= end - s.lba);
	if (s.reads && t->expected_in) {
		must(t->data.length == (bytes < t->expected_in ? bytes : t->expected_in));
		compare(c, core_disk() + s.lba * size, t->data.length, NULL);
	} else if (s.writes && t->expected_out) {
		bytes = bytes < t->expected_out ? bytes : t->expected_out;
		compare(c, core_disk() + s.lba * size, bytes - bytes % size, c->data);
	}
}

static bool is_known(uint8_t status)
{
	return status == STATUS_GOOD || status == STATUS_CHECK_CONDITION ||
	       status == STATUS_CONDITION_MET || status == STATUS_BUSY ||
	       status == STATUS_RESERVATION_CONFLICT || status == STATUS_TASK_SET_FULL;
}

static void check_result(const struct command *c)
{
	const struct scsi_task *t = &c->scsi;
	bool disk = c->lun == LUN_DISK || c->lun == LUN_SMALL_DISK || c->lun == LUN_READONLY;

	must(!t->aborted && is_known(t->status));
	must((t->status == STATUS_CHECK_CONDITION) == (t->sense_len != 0));
	must(!t->expected_in || t->data.length <= t->expected_in);
	must(!t->expected_out || t->data.length <= t->expected_out);
	if (t->status == STATUS_CHECK_CONDITION)
		check_sense(c);
	if (t->status == STATUS_RESERVATION_CONFLICT || t->status == STATUS_BUSY)
		must(core_changes() == c->changes);
	if (t->status == STATUS_GOOD && disk && (span_of(t->cdb).reads || span_of(t->cdb).blocks))
		check_blocks(c);
}

/* ---- the transport's side ---- */

static void want_data(struct scsi_task *scsi)
{
	struct command *c = container_of(scsi, struct command, scsi);

	must(scsi->data.length && scsi->data.length <= scsi->expected_out);
	databuf_zero(&scsi->data, 0, scsi->data.length);
	databuf_write(&scsi->data, 0, c->data, c->len);
	if (c->data_fails)
		scsi_task_data_failed(scsi, KEY_ABORTED_COMMAND, ASC_DATA_PHASE_CRC_ERROR);
	else
		scsi_task_data_in(scsi);
}

static void task_done(struct scsi_task *scsi)
{
	struct command *c = container_of(scsi, struct command, scsi);

	must(!c->done);
	c->done = true;
	check_result(c);
}

static const struct task_ops ops = {.want_data = want_data, .done = task_done};

static bool is_done(void)
{
	return current->done;
}

/* ---- a command of a record ---- */

/* The CDB asks for a few blocks within the unit, or for the parameter list that there is. */
static void fit(struct command *c)
{
	static const uint8_t length_at[8] = {4, 7, 7, 10, 10, 6, 6, 6};
	uint8_t *cdb = c->scsi.cdb, group = cdb[0] >> 5;
	unsigned at = cdb[0] == 0x5f ? 5 : length_at[group];
	unsigned width = at == 4 ? 1 : at == 7 ? 2 : 4;
	bool range = c->row->flags & (ROW_RANGE | ROW_EXCLUSIVE_RANGE);
	uint32_t value = (uint32_t)c->len;

	if (cdb[0] == 0x7f || (c->row->direction != DATA_OUT && !range))
		return;
	if (range && cdb[0] != 0x42) {
		unsigned lba_at = group == 4 ? 8 : 4; /* all but the last two bytes of the LBA */

		if (group)
			memset(cdb + 2, 0, lba_at - 2);
		cdb[group ? lba_at : 1] &= group ? 0x0f : 0x00;
		value = cdb[at + width - 1] % BLOCKS_FITTED;
	}
	if (cdb[0] == 0x89)
		cdb[13] &= 0x03;
	for (unsigned i = width; i && cdb[0] != 0x89; i--, value >>= 8)
		cdb[at + i - 1] = (uint8_t)value;
}

static void build_cdb(struct command *c, struct fuzz_input *in, uint8_t how)
{
	uint8_t usage[SCSI_MAX_CDB], *cdb = c->scsi.cdb;
	size_t len;
	const uint8_t *bytes = fuzz_bytes(in, CDB_BYTES, &len);

	if (len)
		memcpy(cdb + 1, bytes, len);
	cdb[0] = c->row->opcode;
	opcode_usage(c->row, usage);
	for (unsigned i = 1; i < SCSI_MAX_CDB && !(how & ANY_BITS); i++)
		cdb[i] &= i < c->row->cdb_len ? usage[i] : 0;
	if (c->row->service_action != NO_SERVICE_ACTION && cdb[0] == 0x7f)
		put_be16(cdb + 8, (uint16_t)c->row->service_action);
	else if (c->row->service_action != NO_SERVICE_ACTION)
		cdb[1] = (uint8_t)((cdb[1] & 0xe0) | c->row->service_action);
	if (!(how & ANY_LENGTH))
		fit(c);
	/* NACA, which would keep what follows from running, is fuzz_scsi.c's. */
	cdb[cdb[0] == 0x7f ? 1 : c->row->cdb_len - 1] = 0;
}

/* What an initiator expects that knows the command. */
static void expect(struct command *c, uint32_t block_size)
{
	struct span s = span_of(c->scsi.cdb);
	uint64_t bytes = s.blocks * block_size;

	if (c->row->direction == DATA_IN)
		c->scsi.expected_in =
		    s.reads && bytes < EXPECTED_IN ? (uint32_t)bytes : EXPECTED_IN;
	else if (s.writes)
		c->scsi.expected_out = bytes < EXPECTED_IN ? (uint32_t)bytes : EXPECTED_IN;
	else if (c->len || c->row->direction == DATA_OUT)
		c->scsi.expected_out = (uint32_t)c->len;
}

/* The row for an operation code and service action; one of the others where there is none. */
static const struct opcode_row *choose_row(uint8_t lun, uint8_t opcode, uint8_t action)
{
	static const struct command_set *const sets[] = {
	    [LUN_CONTROLLER] = &controller_commands,
	    [LUN_DISK] = &disk_commands,
	    [LUN_SMALL_DISK] = &disk_commands,
	    [LUN_READONLY] = &disk_commands,
	    [LUN_TAPE] = &tape_commands,
	    [LUN_NOBODY] = &no_lu_commands,
	};
	unsigned count;
	const struct opcode_row *const *rows = opcode_rows_of(sets[lun], opcode, &count);

	for (unsigned i = 0; i < count; i++)
		if (rows[i]->service_action == action)
			return rows[i];
	if (count)
		return rows[action % count];
	rows = opcode_rows(sets[lun], &count);
	return rows[opcode % count];
}

static void run_command(struct fuzz_input *in)
{
	struct command *c = aligned_alloc(16, (sizeof(*c) + 15) & ~(size_t)15);
	uint8_t how = fuzz_byte(in), opcode;

	must(c);
	memset(c, 0, sizeof(*c));
	c->lun = fuzz_byte(in) % FUZZ_LUNS;
	opcode = fuzz_byte(in);
	c->row = choose_row(c->lun, opcode, fuzz_byte(in));
	lun_encode(c->lun, c->scsi.lun);
	c->scsi.cdb_len = c->row->cdb_len > 16 ? SCSI_MAX_CDB : 16;
	c->scsi.nexus = &nexuses[how & OTHER_NEXUS ? 1 : 0];
	c->scsi.ops = &ops;
	c->scsi.tag = 1;
	c->scsi.attribute = ATTR_SIMPLE;
	c->scsi.module_data = c->module_data;
	c->data_fails = how & DATA_FAIL;
	c->store_fails = how & STORE_FAILS;
	core_fail_next(fuzz_byte(in) % (TGT_BS_ERR_RECORD_LENGTH + 1));
	if (!c->store_fails)
		core_fail_next(0);
	c->scsi.expected_out = fuzz_be16(in);
	c->data = in->left > CDB_BYTES ? in->at + CDB_BYTES : NULL;
	c->len = in->left > CDB_BYTES ? in->left - CDB_BYTES : 0;
	build_cdb(c, in, how);
	if (!(how & EDTL_LIES)) {
		c->scsi.expected_out = 0;
		expect(c, c->lun == LUN_SMALL_DISK ? 4096 : 512);
	} else if ((c->row->direction == DATA_IN) != !!(how & OTHER_WAY)) {
		c->scsi.expected_in = c->scsi.expected_out;
		c->scsi.expected_out = 0;
	}
	c->changes = core_changes();
	current = c;
	scsi_task_submit(&c->scsi);
	core_run_until(is_done);
	core_fail_next(0);
	scsi_task_release(&c->scsi);
	free(c);
}

size_t fuzz_fresh_record(uint8_t *out, uint32_t (*random)(uint32_t below))
{
	size_t len = HEAD_BYTES + CDB_BYTES, data = random(2) * random(FRESH_RECORD_MAX - 64);

	out[0] = random(4) ? 0 : (uint8_t)random(256);
	for (size_t i = 1; i < len + data; i++)
		out[i] = random(3) ? 0 : (uint8_t)random(256);
	out[1] = (uint8_t)random(FUZZ_LUNS);
	out[2] = (uint8_t)random(256);
	out[3] = (uint8_t)random(32);
	return len + data;
}

/* ---- one input ---- */

static void nexus_gone(struct nexus *nexus)
{
	(void)nexus;
	nr_nexuses--;
}

static bool nexuses_gone(void)
{
	return !nr_nexuses;
}

static void open_nexuses(struct target *target)
{
	static const uint8_t id[2][24] = {"\x45\0\0\x14iqn.a,i,0x01", "\x45\0\0\x14iqn.b,i,0x02"};

	for (unsigned i = 0; i < 2; i++) {
		memset(&nexuses[i], 0, sizeof(nexuses[i]));
		nexuses[i].relative_port = nexuses[i].portal_group = 1;
		nexus_open(&nexuses[i], target, id[i], sizeof(id[i]));
		nr_nexuses++;
	}
	/* TEST UNIT READY: the first command of a nexus to a unit hears a unit attention */
	for (unsigned lun = 0; lun < LUN_NOBODY; lun++) {
		for (uint8_t how = 0; how <= OTHER_NEXUS; how += OTHER_NEXUS) {
			uint8_t record[HEAD_BYTES + CDB_BYTES] = {how, (uint8_t)lun};
			struct fuzz_input in = {record, sizeof(record)};

			run_command(&in);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iscsi_target *target = core_start();
	struct fuzz_input in = {data, size}, record;

	core_hold(false);
	open_nexuses(target->scsi);
	for (unsigned i = 0; i < COMMANDS_MAX && fuzz_record(&in, &record); i++)
		run_command(&record);
	for (unsigned i = 0; i < 2; i++)
		nexus_close(&nexuses[i], nexus_gone);
	core_run_until(nexuses_gone);
	core_reset_units();
	return 0;
}
