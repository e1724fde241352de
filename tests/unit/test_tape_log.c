/* SPDX-License-Identifier: MIT */
/* The log pages of tape drives, byte by byte (SSC-5), and TapeAlert. */
#include "log_fixture.h"
#include "scsi/mode.h"
#include "scsi/sense.h"
#include "scsi/tape_alert.h"
#include "scsi/tape_log.h"

#define MB UINT64_C(1000000)
#define MiB (UINT64_C(1) << 20)

static int setup_tape(void **state)
{
	int rc = setup(state);

	fake_make_tape(&fake_lu, 5000 * MB, 1234 * MB + 999999);
	return rc;
}

/* A command of a tape has ended.  actual bytes were moved, stored of them on the medium (0: the
 * store doesn't say). */
static void moved(enum tgt_bs_op op, uint64_t actual, uint64_t stored, uint8_t status)
{
	bool reads = op == TGT_BS_TAPE_READ;
	const struct opcode_row row = {.counts = reads ? COUNTS_READ : COUNTS_WRITE};
	struct scsi_task t = {.lu = &fake_lu,
			      .nexus = &fake_nexus[0],
			      .slice = &slices[1],
			      .row = &row,
			      .status = status,
			      .started_ms = now_ms};

	t.store.bs.op = (uint16_t)op;
	t.store.bs.actual = actual;
	t.store.bs.stored = stored;
	t.data.length = reads ? (uint32_t)actual : 123;
	log_count(&t);
}

/* Sense data of a command that has ended so. */
static void fails(bool descriptor, enum sense_key key, uint16_t asc)
{
	struct scsi_task t = {.lu = &fake_lu, .status = STATUS_CHECK_CONDITION};
	const struct sense s = {.key = key, .asc = asc, .bit = -1};

	t.sense_len = sense_build(t.sense, &s, descriptor);
	tape_ended(&t);
}

static void assert_param(uint8_t code, uint16_t parameter, uint8_t control, const uint8_t *is,
			 uint8_t length)
{
	const uint8_t *at = param(code, parameter);

	assert_int_equal(at[-2], control);
	assert_int_equal(at[-1], length);
	assert_memory_equal(at, is, length);
}
#define ASSERT_PARAM(code, parameter, control, ...)                                                \
	assert_param(code, parameter, control, (const uint8_t[]){__VA_ARGS__},                     \
		     sizeof((const uint8_t[]){__VA_ARGS__}))

/* ---- which there are ---- */

static void pages_of_a_drive(void **state)
{
	static const uint8_t codes[] = {0x00, 0x02, 0x03, 0x07, 0x0c, 0x10,
					0x17, 0x1b, 0x2e, 0x30, 0x31, 0x32};

	(void)state;
	assert_memory_equal(page(0x00), codes, sizeof(codes));
	assert_int_equal(said.len, 4 + sizeof(codes));
	/* each of them can be read */
	for (unsigned i = 0; i < sizeof(codes); i++)
		assert_good(sense(0x40 | codes[i], 0, 0));
	fake_lu.tape = NULL;
	fake_lu.commands = &disk;
	sense(0x40 | 0x2e, 0, 0);
	assert_int_equal(said.sense.asc, ASC_INVALID_FIELD_IN_CDB);
}

/* ---- Sequential-Access Device ---- */

/* Bytes from the initiator and to the medium, from the medium and to the initiator; also of
 * commands that end with CHECK CONDITION (filemark, early warning …) */
static void sequential_access_counts(void **state)
{
	(void)state;
	moved(TGT_BS_TAPE_WRITE, 1000, 300, STATUS_GOOD);
	moved(TGT_BS_TAPE_WRITE, 500, 0, STATUS_CHECK_CONDITION);
	moved(TGT_BS_TAPE_READ, 70, 20, STATUS_CHECK_CONDITION);
	moved(TGT_BS_TAPE_SPACE, 9, 9, STATUS_GOOD);
	ASSERT_PARAM(0x0c, 0, 0x20, 0, 0, 0, 0, 0, 0, 0x05, 0xdc);
	ASSERT_PARAM(0x0c, 1, 0x20, 0, 0, 0, 0, 0, 0, 0x03, 0x20);
	ASSERT_PARAM(0x0c, 2, 0x20, 0, 0, 0, 0, 0, 0, 0, 20);
	ASSERT_PARAM(0x0c, 3, 0x20, 0, 0, 0, 0, 0, 0, 0, 70);
	ASSERT_PARAM(0x0c, 0x100, 0x23, 0);
	/* the error counter pages count the same bytes */
	assert_int_equal(value(0x02, 5), 1500);
	assert_int_equal(value(0x03, 5), 70);
}

/* 10^6 bytes from the beginning to the end of data, and to where the tape stands */
static void native_capacity(void **state)
{
	(void)state;
	assert_int_equal(value(0x0c, 4), 1234);
	assert_int_equal(value(0x0c, 7), UINT64_MAX); /* not known yet */
	atomic_store(&fake_drive.pos_remain, 4000 * MB);
	assert_int_equal(value(0x0c, 7), 1000);
	fake_cartridge.nr_partitions = 2;
	fake_cartridge.size[1] = 50 * MB;
	fake_cartridge.used[1] = 7 * MB;
	atomic_store(&fake_drive.partition, 1);
	atomic_store(&fake_drive.pos_remain, 44 * MB);
	assert_int_equal(value(0x0c, 4), 7);
	assert_int_equal(value(0x0c, 7), 6);
	fake_lu.medium = false;
	assert_int_equal(value(0x0c, 4), UINT64_MAX);
	assert_int_equal(value(0x0c, 7), UINT64_MAX);
}

static void counters_are_reset(void **state)
{
	const uint8_t cdb[10] = {0x4c, 0x02, 0xc0 | 0x0c};
	const uint8_t one[] = {0x0c, 0, 0, 12, 0, 2, 0x20, 8, 0, 0, 0, 0, 0, 0, 0, 0};
	const uint8_t with_list[10] = {0x4c, 0, 0x40, [8] = sizeof(one)};

	(void)state;
	moved(TGT_BS_TAPE_WRITE, 1000, 300, STATUS_GOOD);
	moved(TGT_BS_TAPE_READ, 1000, 300, STATUS_GOOD);
	assert_good(fake_run(log_rows, 0, with_list, one, sizeof(one)));
	assert_int_equal(value(0x0c, 2), 0);
	assert_int_equal(value(0x0c, 3), 1000);
	assert_good(fake_run(log_rows, 0, cdb, NULL, 0));
	for (uint16_t code = 0; code < 4; code++)
		assert_int_equal(value(0x0c, code), 0);
	moved(TGT_BS_TAPE_WRITE, 5, 2, STATUS_GOOD);
	assert_int_equal(value(0x0c, 1), 2);
	/* other pages go on */
	assert_int_equal(value(0x02, 5), 1005);
	assert_int_equal(get_be32(param(0x1b, 9)), 302);
}

/* ---- Volume Statistics ---- */

static void volume_statistics(void **state)
{
	uint8_t barcode[32];

	(void)state;
	memset(barcode, ' ', sizeof(barcode));
	memcpy(barcode, "TST001L8", 8);
	strcpy(fake_cartridge.barcode, "TST001L8");
	fake_cartridge.medium = TGT_BS_MEDIUM_WORM;
	fake_lu.readonly = true;
	fake_cartridge.nr_partitions = 2;
	fake_cartridge.size[1] = 50 * MB;
	fake_cartridge.used[1] = 70 * MB; /* more than there is: then it is full */
	ASSERT_PARAM(0x17, 0x00, 0x23, 1);
	ASSERT_PARAM(0x17, 0x16, 0x23, 0, 0, 0x13, 0xba);
	ASSERT_PARAM(0x17, 0x17, 0x23, 0, 0, 0x05, 0x18);
	assert_param(0x17, 0x42, 0x21, barcode, 32);
	ASSERT_PARAM(0x17, 0x80, 0x23, 1);
	ASSERT_PARAM(0x17, 0x81, 0x23, 1);
	ASSERT_PARAM(0x17, 0x202, 0x23, 7, 0, 0, 0, 0, 0, 0x13, 0x88, 7, 0, 0, 1, 0, 0, 0, 50);
	ASSERT_PARAM(0x17, 0x203, 0x23, 7, 0, 0, 0, 0, 0, 0x04, 0xd2, 7, 0, 0, 1, 0, 0, 0, 50);
	ASSERT_PARAM(0x17, 0x204, 0x23, 7, 0, 0, 0, 0, 0, 0x0e, 0xb5, 7, 0, 0, 1, 0, 0, 0, 0);
	fake_lu.medium = false;
	ASSERT_PARAM(0x17, 0x00, 0x23, 0);
	assert_int_equal(said.len, 4 + 5);
}

/* ---- Data Compression, and LTO's own page ---- */

static void compression(void **state)
{
	static const uint8_t pages[] = {0x1b, 0x32};

	(void)state;
	moved(TGT_BS_TAPE_WRITE, 5 * MB + 1, 2 * MB, STATUS_GOOD);
	moved(TGT_BS_TAPE_READ, 3 * MB, 2 * MB + 7, STATUS_GOOD);
	for (unsigned i = 0; i < sizeof(pages); i++) {
		ASSERT_PARAM(pages[i], 0, 0x20, 0, 149); /* 3 000 000 to 2 000 007 */
		ASSERT_PARAM(pages[i], 1, 0x20, 0, 250);
		ASSERT_PARAM(pages[i], 2, 0x20, 0, 0, 0, 3);
		ASSERT_PARAM(pages[i], 3, 0x20, 0, 0, 0, 0);
		ASSERT_PARAM(pages[i], 4, 0x20, 0, 0, 0, 2);
		ASSERT_PARAM(pages[i], 5, 0x20, 0, 0, 0, 7);
		ASSERT_PARAM(pages[i], 6, 0x20, 0, 0, 0, 5);
		ASSERT_PARAM(pages[i], 7, 0x20, 0, 0, 0, 1);
		ASSERT_PARAM(pages[i], 8, 0x20, 0, 0, 0, 2);
		ASSERT_PARAM(pages[i], 9, 0x20, 0, 0, 0, 0);
		ASSERT_PARAM(pages[i], 0x100, 0x23, 0);
	}
}

static void ratio_has_limits(void **state)
{
	(void)state;
	assert_int_equal(get_be16(param(0x1b, 1)), 0); /* nothing was written */
	moved(TGT_BS_TAPE_WRITE, UINT64_MAX / 2, 1, STATUS_GOOD);
	assert_int_equal(get_be16(param(0x1b, 1)), 0xffff);
	assert_int_equal(get_be32(param(0x1b, 6)), UINT32_MAX);
}

/* ---- Tape Capacity: main and alternate partition, remaining and maximum ---- */

/* The life of the cartridge, and the errors since it came in */
static void usage(void **state)
{
	(void)state;
	fake_lu.mam_before = (struct mam_totals){0x01020304, 2472960ull * 5, 1};
	moved(TGT_BS_TAPE_WRITE, 2472961, 0, STATUS_GOOD);
	moved(TGT_BS_TAPE_READ, 2472960, 0, STATUS_GOOD);
	ASSERT_PARAM(0x30, 0x0001, 0x20, 1, 2, 3, 4);
	ASSERT_PARAM(0x30, 0x0002, 0x20, 0, 0, 0, 0, 0, 0, 0, 7);
	ASSERT_PARAM(0x30, 0x0003, 0x20, 0, 0, 0, 0);
	ASSERT_PARAM(0x30, 0x0004, 0x20, 0, 0);
	ASSERT_PARAM(0x30, 0x0005, 0x20, 0, 0);
	ASSERT_PARAM(0x30, 0x0006, 0x20, 0, 0);
	ASSERT_PARAM(0x30, 0x0007, 0x20, 0, 0, 0, 0, 0, 0, 0, 2);
	ASSERT_PARAM(0x30, 0x0008, 0x20, 0, 0, 0, 0);
	ASSERT_PARAM(0x30, 0x0009, 0x20, 0, 0);
	ASSERT_PARAM(0x30, 0x000a, 0x20, 0, 0);
	ASSERT_PARAM(0x30, 0x000b, 0x20, 0, 0);
	/* more than its counters hold */
	fake_lu.mam_before = (struct mam_totals){UINT64_MAX, UINT64_MAX, UINT64_MAX - 5};
	ASSERT_PARAM(0x30, 0x0001, 0x20, 0xff, 0xff, 0xff, 0xff);
	ASSERT_PARAM(0x30, 0x0002, 0x20, 0, 0, 0x06, 0xc8, 0xc5, 0x97, 0x7a, 0xdc);
	/* another one, of which nothing is known yet */
	fake_lu.mam_before = (struct mam_totals){0};
	tape_log_restart_usage(&fake_lu);
	ASSERT_PARAM(0x30, 0x0002, 0x20, 0, 0, 0, 0, 0, 0, 0, 0);
	/* an empty drive */
	moved(TGT_BS_TAPE_WRITE, 5000, 0, STATUS_GOOD);
	fake_lu.mam_before.loads = 1;
	fake_lu.medium = false;
	ASSERT_PARAM(0x30, 0x0001, 0x20, 0, 0, 0, 0);
	ASSERT_PARAM(0x30, 0x0002, 0x20, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void capacity(void **state)
{
	(void)state;
	fake_cartridge.size[0] = 100 * MiB;
	fake_cartridge.used[0] = 1;
	ASSERT_PARAM(0x31, 1, 0x23, 0, 0, 0, 99);
	ASSERT_PARAM(0x31, 2, 0x23, 0, 0, 0, 0);
	ASSERT_PARAM(0x31, 3, 0x23, 0, 0, 0, 100);
	ASSERT_PARAM(0x31, 4, 0x23, 0, 0, 0, 0);
	fake_cartridge.nr_partitions = 2;
	fake_cartridge.size[1] = 0x1234 * MiB;
	ASSERT_PARAM(0x31, 2, 0x23, 0, 0, 0x12, 0x34);
	ASSERT_PARAM(0x31, 4, 0x23, 0, 0, 0x12, 0x34);
	fake_lu.medium = false;
	ASSERT_PARAM(0x31, 3, 0x23, 0, 0, 0, 0);
}

/* ---- TapeAlert ---- */

/* The flags that nexus sees, which reads them by that: bit n - 1 is flag n. */
static uint64_t alerts(unsigned nexus)
{
	const uint8_t cdb[10] = {0x4d, 0, 0x40 | 0x2e, [7] = 0x10};
	uint64_t flags = 0;

	assert_good(fake_run(log_rows, nexus, cdb, NULL, 0));
	assert_int_equal(said.len, 4 + 64 * 5);
	for (unsigned flag = 1; flag <= 64; flag++) {
		const uint8_t *at = said.data + 4 + (size_t)5 * (flag - 1);

		assert_int_equal(get_be16(at), flag);
		assert_int_equal(at[2], 0x23);
		assert_int_equal(at[3], 1);
		assert_true(at[4] <= 1);
		flags |= (uint64_t)at[4] << (flag - 1);
	}
	return flags;
}

#define FLAG(n) (UINT64_C(1) << ((n)-1))

/* Flags by sense data, in both formats; nothing by what is no failure */
static void flags_are_raised(void **state)
{
	static const struct {
		enum sense_key key;
		uint16_t asc;
		uint64_t flags;
	} cases[] = {
	    {KEY_MEDIUM_ERROR, 0x1100, FLAG(3) | FLAG(4) | FLAG(5)},
	    {KEY_MEDIUM_ERROR, 0x0c00, FLAG(3) | FLAG(4) | FLAG(6)},
	    {KEY_MEDIUM_ERROR, 0x3100, FLAG(3) | FLAG(4)},
	    {KEY_HARDWARE_ERROR, 0x4400, FLAG(0x1f)},
	    {KEY_DATA_PROTECT, 0x2700, FLAG(9)},
	    {KEY_DATA_PROTECT, 0x2702, FLAG(9)},
	    {KEY_DATA_PROTECT, 0x300c, 0}, /* append-only mode, on no WORM medium */
	    {KEY_ILLEGAL_REQUEST, 0x5302, FLAG(10)},
	    {KEY_ILLEGAL_REQUEST, 0x2400, 0},
	    {KEY_NO_SENSE, 0x0001, 0},
	    {KEY_BLANK_CHECK, 0x0005, 0},
	    {KEY_UNIT_ATTENTION, 0x2800, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fails(false, cases[i].key, cases[i].asc);
		assert_int_equal(alerts(0), cases[i].flags);
		fails(true, cases[i].key, cases[i].asc);
		assert_int_equal(alerts(0), cases[i].flags);
	}
	fake_cartridge.medium = TGT_BS_MEDIUM_WORM;
	fails(false, KEY_DATA_PROTECT, 0x300c);
	assert_int_equal(alerts(0), FLAG(0x3c));
}

/* Each nexus reads a flag once, until it is raised again */
static void each_nexus_reads_a_flag_once(void **state)
{
	(void)state;
	fails(false, KEY_DATA_PROTECT, 0x2700);
	assert_int_equal(alerts(0), FLAG(9));
	assert_int_equal(alerts(0), 0);
	assert_int_equal(alerts(1), FLAG(9));
	fails(false, KEY_DATA_PROTECT, 0x2700);
	assert_int_equal(alerts(0), FLAG(9));
	assert_int_equal(alerts(1), FLAG(9));
	assert_int_equal(alerts(1), 0);
	/* other values than the current ones aren't read by it */
	assert_good(sense(0xc0 | 0x2e, 0, 0));
	fails(false, KEY_DATA_PROTECT, 0x2700);
	assert_good(sense(0x80 | 0x2e, 0, 0));
	assert_int_equal(alerts(0), FLAG(9));
}

/* TAPLSD: they stay for all */
static void flags_can_be_kept(void **state)
{
	struct mode_state modes = {.tape = {.keeps_alerts = true}};

	(void)state;
	fake_lu.mode = &modes;
	fails(false, KEY_DATA_PROTECT, 0x2700);
	assert_int_equal(alerts(0), FLAG(9));
	assert_int_equal(alerts(0), FLAG(9));
	fake_lu.mode = NULL;
}

static void cartridge_comes_in(void **state)
{
	(void)state;
	fails(false, KEY_MEDIUM_ERROR, 0x1100);
	fails(false, KEY_HARDWARE_ERROR, 0x4400);
	fake_cartridge.medium = TGT_BS_MEDIUM_CLEANING;
	tape_medium_changed(&fake_lu);
	/* what was about the other cartridge is over */
	assert_int_equal(alerts(0), FLAG(0x1f) | FLAG(0x0b));
	fake_cartridge.medium = TGT_BS_MEDIUM_DATA;
	fake_drive.identity = tape_find_identity("LTO-7");
	fake_cartridge.density = 0x58;
	tape_medium_changed(&fake_lu);
	assert_int_equal(alerts(0), FLAG(0x11));
	assert_int_equal(atomic_load(&fake_drive.access), TAPE_READ_ONLY);
	fake_cartridge.density = 0x60;
	tape_medium_changed(&fake_lu);
	assert_int_equal(alerts(0), FLAG(0x0c));
	assert_int_equal(atomic_load(&fake_drive.access), TAPE_NO_ACCESS);
	fake_cartridge.density = 0;
	tape_medium_changed(&fake_lu);
	assert_int_equal(alerts(0), 0);
	assert_int_equal(atomic_load(&fake_drive.access), TAPE_READ_WRITE);
}

/* By LOAD, and by nothing that only moves the tape */
static void what_ends_is_noticed(void **state)
{
	struct scsi_task t = {.lu = &fake_lu, .status = STATUS_GOOD};

	(void)state;
	fails(false, KEY_DATA_PROTECT, 0x2700);
	t.store.bs.op = TGT_BS_TAPE_REWIND;
	t.store.bs.partition = 1;
	t.store.bs.pos_remain = 77;
	tape_ended(&t);
	assert_int_equal(atomic_load(&fake_drive.partition), 1);
	assert_int_equal(atomic_load(&fake_drive.pos_remain), 77);
	assert_true(tape_alert_is_raised(&fake_lu, 9));
	t.store.bs.op = TGT_BS_TAPE_LOAD;
	t.store.bs.partition = 0;
	tape_ended(&t);
	assert_int_equal(atomic_load(&fake_drive.partition), 0);
	assert_false(tape_alert_is_raised(&fake_lu, 9));
}

static void flags_are_reset(void **state)
{
	const uint8_t cdb[10] = {0x4c, 0x02, 0xc0 | 0x2e};

	(void)state;
	fails(false, KEY_HARDWARE_ERROR, 0x4400);
	assert_good(fake_run(log_rows, 0, cdb, NULL, 0));
	assert_int_equal(alerts(1), 0);
	/* those that are listed as supported (VPD) are those that can be raised */
	for (unsigned flag = 1; flag <= 64; flag++) {
		static const uint8_t can[] = {3, 4, 5, 6, 9, 10, 11, 12, 17, 31, 60};
		bool supported = tape_alerts_supported[(flag - 1) / 8] & 0x80 >> (flag - 1) % 8;

		assert_int_equal(supported, memchr(can, (int)flag, sizeof(can)) != NULL);
	}
}

#define TAPE(name) cmocka_unit_test_setup_teardown(name, setup_tape, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TAPE(pages_of_a_drive),
	    TAPE(sequential_access_counts),
	    TAPE(native_capacity),
	    TAPE(counters_are_reset),
	    TAPE(volume_statistics),
	    TAPE(compression),
	    TAPE(ratio_has_limits),
	    TAPE(usage),
	    TAPE(capacity),
	    TAPE(flags_are_raised),
	    TAPE(each_nexus_reads_a_flag_once),
	    TAPE(flags_can_be_kept),
	    TAPE(cartridge_comes_in),
	    TAPE(what_ends_is_noticed),
	    TAPE(flags_are_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
