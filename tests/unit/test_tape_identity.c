/* SPDX-License-Identifier: MIT */
/* What drive an LU passes for, and REPORT DENSITY SUPPORT byte by byte (SSC-5). */
#include "fake_tape.h"
#include "fake_task.h"
#include "fake_thresholds.h"

#define MB UINT64_C(1000000)

uint32_t store_capabilities(const struct store *store)
{
	(void)store;
	return TGT_BS_CAN_WRITE;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_make_tape(&fake_lu, 5000 * MB, 0);
	strcpy(fake_lu.id.product_id, "VIRTUAL-TAPE");
	return mode_state_create(&fake_lu);
}

static int teardown(void **state)
{
	(void)state;
	mode_state_free(&fake_lu);
	return 0;
}

static void be(const char *name)
{
	tape_set_identity(&fake_lu, tape_find_identity(name));
}

static struct scsi_task *report(uint8_t byte1)
{
	const uint8_t cdb[10] = {0x44, byte1, [7] = 0x02};

	return fake_run(density_rows, 0, cdb, NULL, 0);
}

/* ---- identities ---- */

static void names(void **state)
{
	static const char *const known[] = {"plain", "LTO-6", "lto-7", "LTO-8", "Lto-9"};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_non_null(tape_find_identity(known[i]));
	assert_null(tape_find_identity("LTO-5"));
	assert_null(tape_find_identity("LTO-80"));
	assert_null(tape_find_identity(""));
	assert_string_equal(tape_identity_of(&fake_lu)->name, "plain");
}

/* The product follows, unless the operator has given it another name */
static void product_follows(void **state)
{
	(void)state;
	be("LTO-8");
	assert_string_equal(fake_lu.id.product_id, "VIRTUAL LTO-8");
	be("LTO-9");
	assert_string_equal(fake_lu.id.product_id, "VIRTUAL LTO-9");
	strcpy(fake_lu.id.product_id, "MINE");
	be("plain");
	assert_string_equal(fake_lu.id.product_id, "MINE");
}

static void block_limits(void **state)
{
	(void)state;
	assert_int_equal(tape_max_block(&fake_lu), (1 << 24) - 1);
	be("LTO-6");
	assert_int_equal(tape_max_block(&fake_lu), 8 << 20);
}

/* Which cartridges which drive reads and writes: LTO-6 and 7 read two generations back and write
 * one back, LTO-8 and 9 know one generation back */
static void access_by_generation(void **state)
{
	static const struct {
		const char *drive;
		uint8_t density;
		enum tape_access access;
	} cases[] = {
	    {"LTO-6", 0x44, TAPE_NO_ACCESS},  {"LTO-6", 0x46, TAPE_READ_ONLY},
	    {"LTO-6", 0x58, TAPE_READ_WRITE}, {"LTO-6", 0x5a, TAPE_READ_WRITE},
	    {"LTO-6", 0x5c, TAPE_NO_ACCESS},  {"LTO-7", 0x46, TAPE_NO_ACCESS},
	    {"LTO-7", 0x58, TAPE_READ_ONLY},  {"LTO-7", 0x5a, TAPE_READ_WRITE},
	    {"LTO-7", 0x5c, TAPE_READ_WRITE}, {"LTO-7", 0x5d, TAPE_NO_ACCESS},
	    {"LTO-8", 0x5a, TAPE_NO_ACCESS},  {"LTO-8", 0x5c, TAPE_READ_WRITE},
	    {"LTO-8", 0x5d, TAPE_READ_WRITE}, {"LTO-8", 0x5e, TAPE_READ_WRITE},
	    {"LTO-8", 0x60, TAPE_NO_ACCESS},  {"LTO-9", 0x5d, TAPE_NO_ACCESS},
	    {"LTO-9", 0x5e, TAPE_READ_WRITE}, {"LTO-9", 0x60, TAPE_READ_WRITE},
	    {"plain", 0x5a, TAPE_READ_WRITE}, {"plain", 0x80, TAPE_READ_WRITE},
	    {"LTO-9", 0x80, TAPE_NO_ACCESS},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		be(cases[i].drive);
		fake_cartridge.density = cases[i].density;
		assert_int_equal(tape_medium_access(&fake_lu), cases[i].access);
		assert_int_equal(tape_density(&fake_lu), cases[i].density);
	}
	/* a cartridge without a density is the drive's own */
	fake_cartridge.density = 0;
	assert_int_equal(tape_density(&fake_lu), 0x60);
	assert_int_equal(tape_medium_access(&fake_lu), TAPE_READ_WRITE);
	fake_lu.medium = false;
	assert_int_equal(tape_density(&fake_lu), 0);
}

/* ---- REPORT DENSITY SUPPORT ---- */

/* Density support data block descriptors, ascending by code: code, WRTOK and DEFLT, bits per mm,
 * width, tracks, capacity, texts */
#define LTO_7 "LTO-CVE U-732   Ultrium 7/32T       "
#define LTO_6 "LTO-CVE U-616   Ultrium 6/16T       "
#define LTO_5 "LTO-CVE U-516   Ultrium 5/16T       "
/* clang-format off */
static const char three_densities[] =
	"\x00\x9e\0\0"
	"\x58\x58\x00\0\0" "\x00\x3b\x26" "\0\x7f" "\x05\x00" "\x00\x16\xe3\x60" LTO_5
	"\x5a\x5a\x80\0\0" "\x00\x3b\x26" "\0\x7f" "\x08\x80" "\x00\x26\x25\xa0" LTO_6
	"\x5c\x5c\xa0\0\0" "\x00\x4a\xa3" "\0\x7f" "\x0e\x00" "\x00\x5b\x8d\x80" LTO_7;
/* clang-format on */

static void densities_of_the_drive(void **state)
{
	(void)state;
	be("LTO-7");
	assert_int_equal(report(0)->status, STATUS_GOOD);
	assert_int_equal(said.len, sizeof(three_densities) - 1);
	assert_int_equal(said.allocation, 0x200);
	assert_memory_equal(said.data, three_densities, sizeof(three_densities) - 1);
}

/* MEDIA: of the cartridge, which is then the default one */
static void density_of_the_cartridge(void **state)
{
	(void)state;
	be("LTO-7");
	fake_cartridge.density = 0x58;
	report(1);
	assert_int_equal(said.len, 4 + 52);
	assert_int_equal(get_be16(said.data), 54);
	assert_int_equal(said.data[4], 0x58);
	assert_int_equal(said.data[6], 0x20); /* read only */
	fake_cartridge.density = 0x5a;
	report(1);
	assert_int_equal(said.data[6], 0xa0);
	/* nothing can be done with it */
	fake_cartridge.density = 0x60;
	report(1);
	assert_int_equal(said.len, 4);
	assert_int_equal(get_be16(said.data), 2);
	fake_lu.medium = false;
	assert_int_equal(report(1)->status, STATUS_CHECK_CONDITION);
	assert_int_equal(said.sense.key, KEY_NOT_READY);
	assert_int_equal(said.sense.asc, ASC_MEDIUM_NOT_PRESENT);
	assert_int_equal(report(0)->status, STATUS_GOOD);
}

static void density_of_a_plain_drive(void **state)
{
	(void)state;
	report(0);
	assert_int_equal(said.len, 4 + 52);
	assert_int_equal(said.data[4], 0x80);
	assert_int_equal(said.data[6], 0xa0);
	assert_int_equal(get_be32(said.data + 4 + 12), 5000);
	assert_memory_equal(said.data + 4 + 16, "IET     TAPE-IMGTape image          ", 36);
	/* it takes any cartridge, also of a density that nobody knows */
	fake_cartridge.density = 0x44;
	report(1);
	assert_int_equal(said.data[4], 0x44);
	assert_memory_equal(said.data + 4 + 32, "unknown ", 8);
}

/* MEDIUM TYPE: medium type descriptors, for data and for write-once cartridges */
static void medium_types(void **state)
{
	static const uint8_t data[56] = {0x98, 0, 0, 52, 1, 0x60, [14] = 0, 127, 0x04, 0x0b};

	(void)state;
	be("LTO-9");
	report(2);
	assert_int_equal(said.len, 4 + 4 * 56);
	assert_int_equal(get_be16(said.data), 2 + 4 * 56);
	assert_int_equal(said.data[4], 0x88);
	assert_int_equal(said.data[4 + 56], 0x8c);
	assert_memory_equal(said.data + 4 + 112, data, 20);
	assert_memory_equal(said.data + 4 + 132, "LTO-CVE Data    Ultrium 9/32T       ", 36);
	assert_int_equal(said.data[4 + 168], 0x9c);
	assert_memory_equal(said.data + 4 + 188, "LTO-CVE WORM    ", 16);
	fake_cartridge.medium = TGT_BS_MEDIUM_WORM;
	report(3);
	assert_int_equal(said.len, 4 + 56);
	assert_int_equal(said.data[4], 0x9c);
	assert_int_equal(tape_medium_type(&fake_lu), 0x9c);
	be("plain");
	fake_cartridge.medium = TGT_BS_MEDIUM_DATA;
	report(3);
	assert_int_equal(said.len, 4 + 56);
	assert_int_equal(said.data[4], 0x00);
	assert_int_equal(said.data[9], 0x80);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(names),
	    TEST(product_follows),
	    TEST(block_limits),
	    TEST(access_by_generation),
	    TEST(densities_of_the_drive),
	    TEST(density_of_the_cartridge),
	    TEST(density_of_a_plain_drive),
	    TEST(medium_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
