/* SPDX-License-Identifier: MIT */
/* The mode pages of tape drives, byte by byte (SSC-5), and what they ask of the commands. */
#include "mode_fixture.h"
#include "scsi/tape_mode.h"

#define GB UINT64_C(1000000000)
#define ALL_CAN                                                                                    \
	(TGT_BS_CAN_COMPRESS | TGT_BS_CAN_PARTITIONS | TGT_BS_CAN_APPEND_ONLY | TGT_BS_CAN_REVERSE)

static int setup_tape_on(uint32_t can)
{
	fake_reset();
	told = 0;
	capabilities = can;
	state_set_directory(NULL);
	fake_make_tape(&fake_lu, 100 * GB, 3 * GB);
	if (can & TGT_BS_CAN_PARTITIONS)
		fake_cartridge.max_partitions = 4;
	return mode_state_create(&fake_lu);
}

static int setup_tape(void **state)
{
	(void)state;
	return setup_tape_on(ALL_CAN);
}

static int setup_simple(void **state)
{
	(void)state;
	return setup_tape_on(0);
}

/* The page in said.data, behind a header of 8 bytes. */
static const uint8_t *page_of(uint8_t control, uint8_t page, uint8_t subpage, size_t length)
{
	assert_good(sense10(0x08, (uint8_t)(control << 6 | page), subpage));
	assert_int_equal(said.len, 8 + length);
	return said.data + 8;
}

static void assert_page(uint8_t control, uint8_t page, uint8_t subpage, const uint8_t *is,
			size_t length)
{
	assert_memory_equal(page_of(control, page, subpage, length), is, length);
}
#define ASSERT_PAGE(control, page, subpage, ...)                                                   \
	assert_page(control, page, subpage, (const uint8_t[]){__VA_ARGS__},                        \
		    sizeof((const uint8_t[]){__VA_ARGS__}))

static struct scsi_task *send_page(const uint8_t *page, size_t length)
{
	uint8_t list[8 + MODE_PAGE_BYTES] = {0};

	memcpy(list + 8, page, length);
	return select10(list, 8 + length);
}
#define SEND(...) send_page((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void assert_refused(const struct scsi_task *t, unsigned byte)
{
	assert_int_equal(t->status, STATUS_CHECK_CONDITION);
	assert_int_equal(said.sense.key, KEY_ILLEGAL_REQUEST);
	assert_int_equal(said.sense.asc, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(said.sense.field, 8 + byte);
}

/* SSC-5 mode pages codes: those of a sequential-access device, ascending */
static void every_page_is_there(void **state)
{
	static const uint16_t codes[] = {0x0100, 0x0a00, 0x0a01, 0x0af0, 0x0f00,
					 0x1000, 0x1001, 0x1100, 0x1c00, 0x1d00};
	const uint8_t *at;

	(void)state;
	assert_good(sense10(0x08, 0x3f, 0xff));
	at = said.data + 8;
	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		bool sub = at[0] & 0x40;

		assert_int_equal((at[0] & 0x3f) << 8 | (sub ? at[1] : 0), codes[i]);
		at += sub ? get_be16(at + 2) + 4 : at[1] + 2;
	}
	assert_ptr_equal(at, said.data + said.len);
}

/* The mode parameter header and the block descriptor: MEDIUM TYPE, WP, BUFFERED MODE 1; DENSITY
 * CODE, no number of blocks, BLOCK LENGTH */
static void header_tells_medium(void **state)
{
	static const uint8_t plain[] = {11, 0, 0x10, 8, 0x80, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t lto[] = {11, 0x8c, 0x90, 8, 0x5e, 0, 0, 0, 0, 0, 2, 0};
	static const uint8_t empty[] = {11, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0};

	(void)state;
	assert_good(sense6(0, 0, 0));
	assert_memory_equal(said.data, plain, sizeof(plain));
	fake_cartridge.density = 0x5e;
	fake_cartridge.medium = TGT_BS_MEDIUM_WORM;
	fake_lu.readonly = true;
	fake_lu.tape_block_length = 512;
	assert_good(sense6(0, 0, 0));
	assert_memory_equal(said.data, lto, sizeof(lto));
	fake_cartridge.medium = TGT_BS_MEDIUM_CLEANING;
	assert_good(sense10(0, 0, 0));
	assert_int_equal(said.data[2], 0x01);
	fake_lu.medium = fake_lu.readonly = false;
	fake_lu.tape_block_length = 0;
	assert_good(sense6(0, 0, 0));
	assert_memory_equal(said.data, empty, sizeof(empty));
}

static struct scsi_task *send_descriptor(uint8_t density, uint32_t blocks, uint32_t length)
{
	uint8_t list[12] = {0, 0, 0x10, 8, density};

	put_be24(list + 5, blocks);
	put_be24(list + 9, length);
	return select6(list, sizeof(list));
}

/* SSC-5 MODE SELECT: 00h is the default density, 7Fh no change; others must be the cartridge's */
static void density_is_chosen_or_refused(void **state)
{
	static const uint8_t good[] = {0x00, 0x7f, 0x80}, bad[] = {0x01, 0x5e, 0x81};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_good(send_descriptor(good[i], 0, 1024 + i));
		assert_int_equal(fake_lu.tape_block_length, 1024 + i);
		assert_int_equal(send_descriptor(bad[i], 0, 512)->status, STATUS_CHECK_CONDITION);
		assert_int_equal(said.sense.asc, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
		assert_int_equal(said.sense.field, 4);
		assert_int_equal(fake_lu.tape_block_length, 1024 + i);
	}
	/* an empty drive: what it knows */
	fake_lu.medium = false;
	fake_drive.identity = tape_find_identity("LTO-8");
	assert_good(send_descriptor(0x5d, 0, 512));
	send_descriptor(0x60, 0, 512);
	assert_int_equal(said.sense.field, 4);
}

/* BUFFERED MODE 2h and up, and any SPEED but the default one, are refused, with a pointer to them
 */
static void device_specific_parameter(void **state)
{
	uint8_t list[4] = {0}, list10[8] = {0};

	(void)state;
	for (unsigned dsp = 0; dsp < 0x80; dsp++) {
		bool good = dsp == 0x00 || dsp == 0x10;

		list[2] = list10[3] = (uint8_t)(0x80 | dsp); /* WP is ignored */
		assert_int_equal(select6(list, sizeof(list))->status,
				 good ? STATUS_GOOD : STATUS_CHECK_CONDITION);
		if (!good)
			assert_int_equal(said.sense.field, 2);
		assert_int_equal(select10(list10, sizeof(list10))->status,
				 good ? STATUS_GOOD : STATUS_CHECK_CONDITION);
		if (!good)
			assert_int_equal(said.sense.field, 3);
	}
}

static void block_length_has_a_limit(void **state)
{
	(void)state;
	assert_good(send_descriptor(0, 0, 0xffffff));
	fake_drive.identity = tape_find_identity("lto-8");
	assert_good(send_descriptor(0, 0, 0x800000));
	send_descriptor(0, 0, 0x800001);
	assert_int_equal(said.sense.asc, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(said.sense.field, 9);
	send_descriptor(0, 7, 512);
	assert_int_equal(said.sense.field, 7);
	assert_int_equal(fake_lu.tape_block_length, 0x800000);
}

/* DCE, DCC, DDE, algorithms */
static void compression(void **state)
{
	(void)state;
	ASSERT_PAGE(MODE_CURRENT, 0x0f, 0, 0x0f, 14, 0x40, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0,
		    0, 0);
	ASSERT_PAGE(MODE_CHANGEABLE, 0x0f, 0, 0x0f, 14, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		    0);
	assert_false(tape_modes(&fake_lu)->compress);
	assert_good(SEND(0x0f, 14, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0));
	assert_true(tape_modes(&fake_lu)->compress);
	assert_int_equal(told_asc, ASC_MODE_PARAMETERS_CHANGED);
	/* the Device Configuration page says the same */
	assert_int_equal(page_of(MODE_CURRENT, 0x10, 0, 16)[14], 1);
	assert_good(SEND(0x10, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x10, 0, 0, 0, 0, 0));
	assert_false(tape_modes(&fake_lu)->compress);
	assert_int_equal(page_of(MODE_CURRENT, 0x0f, 0, 16)[2], 0x40);
	assert_refused(SEND(0x10, 14, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x10, 0, 0, 0, 2, 0), 14);
	assert_refused(SEND(0x0f, 14, 0x40, 0, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0), 3);
}

/* A store that can't compress: DCC 0, and nothing to change */
static void no_compression(void **state)
{
	(void)state;
	ASSERT_PAGE(MODE_CURRENT, 0x0f, 0, 0x0f, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_PAGE(MODE_CHANGEABLE, 0x0f, 0, 0x0f, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_refused(SEND(0x0f, 14, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 2);
	assert_int_equal(page_of(MODE_CHANGEABLE, 0x10, 0, 16)[14], 0);
	assert_int_equal(page_of(MODE_CHANGEABLE, 0x10, 1, 32)[5], 0);
	/* one partition, and that stays */
	ASSERT_PAGE(MODE_CHANGEABLE, 0x11, 0, 0x11, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	ASSERT_PAGE(MODE_CURRENT, 0x11, 0, 0x11, 8, 0, 0, 0x1c, 3, 7, 0, 0x27, 0x10);
}

/* LOIS, EEG; the active partition; SWP protects as the Control page's does */
static void device_configuration(void **state)
{
	(void)state;
	atomic_store(&fake_drive.partition, 2);
	ASSERT_PAGE(MODE_CURRENT, 0x10, 0, 0x10, 14, 0, 2, 0, 0, 0, 0, 0x40, 0, 0x10, 0, 0, 0, 0,
		    0);
	ASSERT_PAGE(MODE_CHANGEABLE, 0x10, 0, 0x10, 14, 0, 0, 0, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0xff,
		    0);
	/* what MODE SENSE shows can be sent back */
	assert_good(SEND(0x10, 14, 0, 2, 0, 0, 0, 0, 0x40, 0, 0x14, 0, 0, 0, 0, 0));
	assert_true(mode_swp(&fake_lu));
	assert_good(sense6(0, 0, 0));
	assert_int_equal(said.data[2], 0x90);
	assert_refused(SEND(0x10, 14, 0, 1, 0, 0, 0, 0, 0x40, 0, 0x14, 0, 0, 0, 0, 0), 3);
	assert_good(SEND(0x10, 14, 0, 2, 0, 0, 0, 0, 0x40, 0, 0x10, 0, 0, 0, 0, 0));
	assert_false(mode_swp(&fake_lu));
}

/* TAPLSD, WRITE MODE, PEWS in 10^6 bytes */
static void device_configuration_extension(void **state)
{
	uint8_t page[32] = {0x50, 0x01, 0, 0x1c};

	(void)state;
	assert_page(MODE_CURRENT, 0x10, 1, page, sizeof(page));
	page[4] = 0x01;
	page[5] = 0xf0;
	page[6] = page[7] = 0xff;
	assert_page(MODE_CHANGEABLE, 0x10, 1, page, sizeof(page));
	page[5] = 0x10;
	put_be16(page + 6, 300);
	assert_good(send_page(page, sizeof(page)));
	assert_true(tape_modes(&fake_lu)->append_only);
	assert_true(tape_modes(&fake_lu)->keeps_alerts);
	assert_int_equal(tape_modes(&fake_lu)->pews, 300000000);
	page[5] = 0x20; /* reserved */
	assert_refused(send_page(page, sizeof(page)), 5);
	page[5] = 0x11; /* SHORT ERASE MODE can't be chosen */
	assert_refused(send_page(page, sizeof(page)), 5);
	mode_reset(&fake_lu);
	assert_false(tape_modes(&fake_lu)->append_only);
	assert_int_equal(tape_modes(&fake_lu)->pews, 0);
}

/* Logical block protection: no method, or CRC32C of four bytes */
static void data_protection(void **state)
{
	uint8_t page[32] = {0x4a, 0xf0, 0, 0x1c};

	(void)state;
	assert_page(MODE_CURRENT, 0x0a, 0xf0, page, sizeof(page));
	assert_int_equal(tape_modes(&fake_lu)->lbp_method, TAPE_LBP_NONE);
	page[6] = 0xc0; /* without a method they ask for nothing */
	assert_good(send_page(page, sizeof(page)));
	assert_false(tape_modes(&fake_lu)->lbp_write);
	page[4] = TAPE_LBP_CRC32C;
	page[5] = 4;
	page[6] = 0x80;
	assert_good(send_page(page, sizeof(page)));
	assert_int_equal(tape_modes(&fake_lu)->lbp_method, TAPE_LBP_CRC32C);
	assert_int_equal(tape_modes(&fake_lu)->lbp_length, 4);
	assert_true(tape_modes(&fake_lu)->lbp_write);
	assert_false(tape_modes(&fake_lu)->lbp_read);
	page[6] = 0x20; /* RBDP: there is no RECOVER BUFFERED DATA */
	assert_refused(send_page(page, sizeof(page)), 6);
	page[6] = 0x80;
	page[5] = 8;
	assert_refused(send_page(page, sizeof(page)), 5);
	page[5] = 4;
	page[4] = TAPE_LBP_RS_CRC;
	assert_refused(send_page(page, sizeof(page)), 4);
	page[4] = TAPE_LBP_NONE;
	assert_refused(send_page(page, sizeof(page)), 5);
}

/* WORMM by the cartridge */
static void medium_configuration(void **state)
{
	uint8_t page[32] = {0x1d, 0x1e, 0, 0, 0, 0x03};

	(void)state;
	assert_page(MODE_CURRENT, 0x1d, 0, page, sizeof(page));
	page[2] = 0x01;
	fake_cartridge.medium = TGT_BS_MEDIUM_WORM;
	assert_page(MODE_CURRENT, 0x1d, 0, page, sizeof(page));
	page[2] = page[5] = 0;
	assert_page(MODE_CHANGEABLE, 0x1d, 0, page, sizeof(page));
	ASSERT_PAGE(MODE_CURRENT, 0x1c, 0, 0x1c, 10, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/* ---- Medium Partition ---- */

#define DIVISION(how, units, defined, a, b, c, d)                                                  \
	0x11, 14, 0, defined, how, 3, units, 0, (a) >> 8, (a)&0xff, (b) >> 8, (b)&0xff, (c) >> 8,  \
	    (c)&0xff, (d) >> 8, (d)&0xff

/* As they are: in the smallest unit (10^6 bytes on) that tells them all */
static void partitions_that_there_are(void **state)
{
	(void)state;
	ASSERT_PAGE(MODE_CURRENT, 0x11, 0, 0x11, 14, 3, 0, 0x1c, 3, 7, 0, 0x27, 0x10, 0, 0, 0, 0, 0,
		    0);
	ASSERT_PAGE(MODE_CHANGEABLE, 0x11, 0, 0x11, 14, 0, 0xff, 0xf8, 0, 0x0f, 0, 0xff, 0xff, 0xff,
		    0xff, 0xff, 0xff, 0xff, 0xff);
	fake_cartridge.nr_partitions = 2;
	fake_cartridge.size[0] = 64 << 20;
	fake_cartridge.size[1] = 1;
	ASSERT_PAGE(MODE_CURRENT, 0x11, 0, 0x11, 14, 3, 1, 0x1c, 3, 6, 0, 0, 68, 0, 1, 0, 0, 0, 0);
	assert_false(tape_partitions_asked(&fake_lu));
}

/* IDP: sizes by the initiator, one of them what is left; made by FORMAT MEDIUM */
static void partitions_by_sizes(void **state)
{
	struct tape_partitions p;
	const uint8_t page[] = {DIVISION(0x3c, 9, 2, 0xffff, 20, 30, 0)};
	uint8_t sent[16];

	(void)state;
	memcpy(sent, page, sizeof(sent));
	sent[2] = 3; /* as MODE SENSE shows it */
	assert_good(send_page(sent, sizeof(sent)));
	assert_true(tape_partitions_asked(&fake_lu));
	assert_true(tape_wanted_partitions(&fake_lu, &p));
	assert_int_equal(p.count, 3);
	assert_false(p.equal);
	assert_int_equal(p.sizes[0], 50 * GB);
	assert_int_equal(p.sizes[1], 20 * GB);
	assert_int_equal(p.sizes[2], 30 * GB);
	/* it is shown until it has been done */
	assert_page(MODE_CURRENT, 0x11, 0, sent, sizeof(sent));
	tape_mode_medium_changed(&fake_lu);
	assert_false(tape_partitions_asked(&fake_lu));
	assert_false(tape_wanted_partitions(&fake_lu, &p));
}

static struct scsi_task *divide(uint8_t how, uint8_t units, uint8_t defined, uint16_t a, uint16_t b)
{
	const uint8_t page[] = {0x11,
				14,
				3,
				defined,
				(uint8_t)(how | 4),
				3,
				units,
				0,
				(uint8_t)(a >> 8),
				(uint8_t)a,
				(uint8_t)(b >> 8),
				(uint8_t)b,
				0,
				0,
				0,
				0};

	return send_page(page, sizeof(page));
}

/* PSUM: bytes, 10^3, 10^6, or 10^units */
static void partition_units(void **state)
{
	static const uint64_t units[] = {1, 1000, 1000000, 10 * GB};
	struct tape_partitions p;

	(void)state;
	for (uint8_t psum = 0; psum < 4; psum++) {
		assert_good(divide((uint8_t)(0x20 | psum << 3), 10, 1, 0xffff, 7));
		assert_true(tape_wanted_partitions(&fake_lu, &p));
		assert_int_equal(p.sizes[1], 7 * units[psum]);
		assert_int_equal(p.sizes[0], 100 * GB - 7 * units[psum]);
	}
	/* more than there is, and more than a number can be */
	assert_good(divide(0x38, 10, 1, 0xffff, 10));
	assert_false(tape_wanted_partitions(&fake_lu, &p));
	assert_good(divide(0x38, 10, 1, 6, 5));
	assert_false(tape_wanted_partitions(&fake_lu, &p));
	assert_good(divide(0x38, 15, 1, 0xffff, 0xfffe));
	assert_false(tape_wanted_partitions(&fake_lu, &p));
	assert_true(tape_partitions_asked(&fake_lu));
}

/* FDP: small additional ones; SDP: as the drive likes */
static void partitions_by_the_drive(void **state)
{
	struct tape_partitions p;

	(void)state;
	assert_good(divide(0x80, 0, 1, 0, 0));
	assert_true(tape_wanted_partitions(&fake_lu, &p));
	assert_int_equal(p.count, 2);
	assert_false(p.equal);
	assert_int_equal(p.sizes[1], 100 * GB / 40);
	assert_int_equal(p.sizes[0], 100 * GB - 100 * GB / 40);
	assert_good(divide(0x40, 0, 3, 0, 0));
	assert_true(tape_wanted_partitions(&fake_lu, &p));
	assert_int_equal(p.count, 4);
	assert_true(p.equal);
}

static void partitions_that_can_not_be(void **state)
{
	(void)state;
	assert_refused(divide(0xc0, 0, 1, 0, 0), 4); /* one way only */
	assert_refused(divide(0x40, 0, 4, 0, 0), 3);
	assert_refused(divide(0x20, 0, 1, 0xffff, 0xffff), 10);
	assert_refused(divide(0x20, 0, 1, 0, 1), 8);
	assert_refused(divide(0x20, 0, 2, 1, 1), 12);
	assert_refused(SEND(0x11, 14, 3, 0, 0x20, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), 4); /* POFM */
	fake_cartridge.max_partitions = 1;
	assert_refused(SEND(0x11, 14, 0, 1, 0x44, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 3);
}

/* Sizes for the partitions that are to be are enough; others are no page of that length */
static void page_without_the_rest(void **state)
{
	struct tape_partitions p;

	(void)state;
	assert_good(SEND(0x11, 10, 3, 1, 0x3c, 3, 9, 0, 0, 60, 0, 40));
	assert_true(tape_wanted_partitions(&fake_lu, &p));
	assert_int_equal(p.sizes[1], 40 * GB);
	assert_refused(SEND(0x11, 8, 3, 1, 0x3c, 3, 9, 0, 0, 60), 3);
	assert_refused(SEND(0x11, 9, 3, 1, 0x3c, 3, 9, 0, 0, 60, 0), 1);
	assert_refused(SEND(0x11, 4, 3, 1, 0x44, 3), 1);
	/* another page behind it */
	assert_good(
	    SEND(0x11, 8, 3, 0, 0x3c, 3, 9, 0, 0xff, 0xff, 0x1c, 10, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

/* ---- saving ---- */

/* SP: what can be saved is, but not what is about the cartridge that is there */
static void partitions_are_never_saved(void **state)
{
	uint8_t list[8 + 16 + 16] = {0};
	uint8_t cdb[10] = {0x55, 0x11, [8] = sizeof(list)};
	const uint8_t page[] = {0x11, 14, 3, 1, 0x44, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	const uint8_t dc[] = {0x0f, 14, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0};
	char dir[600];

	(void)state;
	snprintf(dir, sizeof(dir), "%s/tape-state", temp_dir());
	assert_int_equal(state_set_directory(dir), 0);
	fake_lu.path = (char *)"tape.img";
	memcpy(list + 8, dc, sizeof(dc));
	memcpy(list + 24, page, sizeof(page));
	assert_good(fake_run(mode_rows, 0, cdb, list, sizeof(list)));
	assert_true(tape_partitions_asked(&fake_lu));
	assert_int_equal(page_of(MODE_CURRENT, 0x11, 0, 16)[0], 0x11); /* no PS */
	assert_int_equal(page_of(MODE_CURRENT, 0x0f, 0, 16)[0], 0x8f);
	mode_reset(&fake_lu);
	assert_false(tape_partitions_asked(&fake_lu));
	assert_true(tape_modes(&fake_lu)->compress);
	mode_state_free(&fake_lu);
	assert_int_equal(mode_state_create(&fake_lu), 0);
	assert_true(tape_modes(&fake_lu)->compress);
	state_set_directory(NULL);
}

/* mode_page=…: default values, but nothing that the store or the drive can't */
static void operator_has_limits(void **state)
{
	(void)state;
	assert_int_equal(mode_set_page(&fake_lu, "15:0:14:0xc0:0:0:0:0:0:0:0:0:0:0:0:0:0"), 0);
	ASSERT_PAGE(MODE_DEFAULT, 0x0f, 0, 0x0f, 14, 0xc0, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0,
		    0, 0);
	assert_true(tape_modes(&fake_lu)->compress);
	assert_int_equal(page_of(MODE_CURRENT, 0x10, 0, 16)[14], 1);
	/* another page that is sent leaves it so, also after a reset */
	assert_good(SEND(0x1c, 10, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_true(tape_modes(&fake_lu)->compress);
	mode_reset(&fake_lu);
	assert_true(tape_modes(&fake_lu)->compress);
	assert_good(SEND(0x1c, 10, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_true(tape_modes(&fake_lu)->compress);
	assert_int_equal(mode_set_page(&fake_lu, "17:0:14:0:1:0x44:3:0:0:0:0:0:0:0:0:0:0"),
			 -EINVAL);
	assert_false(tape_partitions_asked(&fake_lu));
	assert_int_equal(mode_set_page(&fake_lu, "16:1:28:0:0x20:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:"
						 "0:0:0:0:0:0:0"),
			 -EINVAL);
}

static void operator_can_not_make_it_compress(void **state)
{
	(void)state;
	assert_int_equal(mode_set_page(&fake_lu, "15:0:14:0xc0:0x80:0:0:0:0:0:0:0:0:0:0:0:0"), 0);
	assert_false(tape_modes(&fake_lu)->compress);
}

/* An LTO drive compresses unless it is told not to */
static void identity_has_its_defaults(void **state)
{
	(void)state;
	assert_false(tape_modes(&fake_lu)->compress);
	assert_true(tape_set_identity(&fake_lu, tape_find_identity("LTO-9")));
	assert_true(tape_modes(&fake_lu)->compress);
	assert_int_equal(page_of(MODE_DEFAULT, 0x0f, 0, 16)[2], 0xc0);
	assert_int_equal(page_of(MODE_DEFAULT, 0x10, 0, 16)[14], 1);
	assert_false(tape_set_identity(&fake_lu, tape_find_identity("LTO-9")));
}

#define TAPE(name) cmocka_unit_test_setup_teardown(name, setup_tape, teardown)
#define SIMPLE(name) cmocka_unit_test_setup_teardown(name, setup_simple, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TAPE(every_page_is_there),
	    TAPE(header_tells_medium),
	    TAPE(density_is_chosen_or_refused),
	    TAPE(device_specific_parameter),
	    TAPE(block_length_has_a_limit),
	    TAPE(compression),
	    SIMPLE(no_compression),
	    TAPE(device_configuration),
	    TAPE(device_configuration_extension),
	    TAPE(data_protection),
	    TAPE(medium_configuration),
	    TAPE(partitions_that_there_are),
	    TAPE(partitions_by_sizes),
	    TAPE(partition_units),
	    TAPE(partitions_by_the_drive),
	    TAPE(partitions_that_can_not_be),
	    TAPE(page_without_the_rest),
	    TAPE(partitions_are_never_saved),
	    TAPE(identity_has_its_defaults),
	    TAPE(operator_has_limits),
	    SIMPLE(operator_can_not_make_it_compress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
