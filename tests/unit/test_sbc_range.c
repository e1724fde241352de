/* SPDX-License-Identifier: MIT */
/* Which blocks a CDB names, and that none beyond the capacity is ever touched. */
#include "disk_fixture.h"
#include "scsi/sbc.h"

#define MIB (1u << 20)

static const struct mem_config plain = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};

static struct sbc_cdb_range range_of(uint8_t cdb_len, const uint8_t *cdb)
{
	struct opcode_row row = {.cdb_len = cdb_len};
	struct scsi_task t = {.row = &row};

	memcpy(t.cdb, cdb, cdb_len);
	return sbc_cdb_range(&t);
}

static void every_cdb_length_has_its_fields(void **state)
{
	struct sbc_cdb_range r;

	(void)state;
	r = range_of(6, (const uint8_t[]){0x08, 0xff, 0x23, 0x45, 0x07, 0});
	assert_int_equal(r.lba, 0x1f2345);
	assert_int_equal(r.blocks, 7);
	assert_int_equal(r.blocks_byte, 4);
	r = range_of(6, (const uint8_t[]){0x08, 0, 0, 1, 0, 0});
	assert_int_equal(r.blocks, 256);
	r = range_of(10, (const uint8_t[]){0x28, 0, B4(0x89abcdef), 0xff, B2(0x1234), 0});
	assert_int_equal(r.lba, 0x89abcdefu);
	assert_int_equal(r.blocks, 0x1234);
	assert_int_equal(r.blocks_byte, 7);
	r = range_of(12, (const uint8_t[]){0xa8, 0, B4(0x89abcdef), B4(0x92345678), 0xff, 0});
	assert_int_equal(r.lba, 0x89abcdefu);
	assert_int_equal(r.blocks, 0x92345678u);
	assert_int_equal(r.blocks_byte, 6);
	r = range_of(
	    16, (const uint8_t[]){0x88, 0, B8(0xf123456789abcdefull), B4(0x92345678), 0xff, 0});
	assert_true(r.lba == 0xf123456789abcdefull);
	assert_int_equal(r.blocks, 0x92345678u);
	assert_int_equal(r.blocks_byte, 10);
}

static void no_range_beyond_the_capacity_is_accepted(void **state)
{
	static const struct {
		uint64_t lba;
		uint32_t blocks;
		bool good;
	} cases[] = {
	    {0, 1, true},           {2047, 1, true},        {2047, 2, false},
	    {2048, 0, true}, /* SBC-3 5.13: LBA plus length doesn't exceed the capacity */
	    {2048, 1, false},       {2049, 0, false},       {1ull << 31, 0, false},
	    {1ull << 32, 1, false}, {1ull << 63, 0, false}, {1ull << 63, 1, false},
	    {UINT64_MAX, 0, false}, {UINT64_MAX, 1, false}, {UINT64_MAX - 1, 3, false},
	    {1ull << 55, 1, false}, /* times 512 it is 0 */
	};
	static const uint8_t opcodes[] = {0x88, 0x8a, 0x8e, 0x8f, 0x8b, 0x91};
	struct disk *d = disk_open(&plain);
	uint8_t data[1536] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned o = 0; o < sizeof(opcodes); o++) {
			bool in = opcodes[o] == 0x88;
			bool none = opcodes[o] == 0x8f || opcodes[o] == 0x91;
			uint32_t n = none ? 0 : cases[i].blocks * 512;

			d->nr_log = 0;
			COMMAND(d, data, in ? 0 : n, in ? n : 0, opcodes[o], 0, B8(cases[i].lba),
				B4(cases[i].blocks), 0, 0);
			if (cases[i].good) {
				assert_good(d, d->task.status);
				continue;
			}
			assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
			assert_int_equal(d->nr_log, 0);
		}
	}
	disk_close(d);
}

static void a_transfer_beyond_the_limit_is_an_invalid_field(void **state)
{
	struct mem_config config = plain;
	struct disk *d;

	(void)state;
	config.size = 64 * MIB;
	d = disk_open(&config);
	assert_int_equal(lu_max_transfer_blocks(d->lu), BUF_MAX_BYTES / 512);
	COMMAND(d, NULL, 0, 512, 0x88, 0, B8(0), B4(BUF_MAX_BYTES / 512 + 1), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 10);
	COMMAND(d, NULL, 0, 512, 0xa8, 0, B4(0), B4(UINT32_MAX), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 6);
	assert_int_equal(d->nr_log, 0);
	COMMAND(d, NULL, 0, MIB, 0x88, 0, B8(0), B4(BUF_MAX_BYTES / 512), 0, 0);
	assert_good(d, d->task.status);
	assert_int_equal(d->task.transfer_length, BUF_MAX_BYTES);
	disk_close(d);
}

static void the_capacity_is_whole_units_of_the_store(void **state)
{
	struct mem_config config = plain;
	struct disk *d;

	(void)state;
	config.size = MIB + 512;
	config.alignment = 4096;
	d = disk_open(&config);
	assert_int_equal(d->lu->blocks, MIB / 512);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_cdb_length_has_its_fields),
	    cmocka_unit_test(no_range_beyond_the_capacity_is_accepted),
	    cmocka_unit_test(a_transfer_beyond_the_limit_is_an_invalid_field),
	    cmocka_unit_test(the_capacity_is_whole_units_of_the_store),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
