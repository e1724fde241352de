/* SPDX-License-Identifier: MIT */
/* GET LBA STATUS tells what the store tells, in whole blocks, as far as there is room. */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define CAPS_THIN (CAPS_PLAIN | TGT_BS_CAN_DISCARD | TGT_BS_CAN_BLOCK_STATUS)

static const struct mem_config thin = {.size = MIB,
				       .block_size = 512,
				       .caps = CAPS_THIN,
				       .geo_flags = TGT_BS_GEO_DISCARD,
				       .thin = true};

static uint8_t lba_status(struct disk *d, uint64_t lba, uint32_t len, uint8_t type)
{
	return COMMAND(d, NULL, 0, len, 0x9e, 0x12, B8(lba), B4(len), type, 0);
}

static void assert_descriptor(const struct disk *d, unsigned i, uint64_t lba, uint32_t blocks,
			      uint8_t status)
{
	const uint8_t *at = d->in + 8 + 16 * i;

	assert_int_equal(get_be64(at), lba);
	assert_int_equal(get_be32(at + 8), blocks);
	assert_int_equal(at[12], status);
}

static void runs_are_told(void **state)
{
	struct disk *d = disk_open(&thin);

	(void)state;
	d->mapped[1] = d->mapped[2] = d->mapped[4] = true;
	assert_good(d, lba_status(d, 0, 1024, 0));
	assert_int_equal(get_be32(d->in), 4 + 5 * 16);
	assert_int_equal(d->in_len, 8 + 5 * 16);
	assert_descriptor(d, 0, 0, 8, 1);
	assert_descriptor(d, 1, 8, 16, 0);
	assert_descriptor(d, 2, 24, 8, 1);
	assert_descriptor(d, 3, 32, 8, 0);
	assert_descriptor(d, 4, 40, 2008, 1);
	/* from the middle of one */
	assert_good(d, lba_status(d, 11, 24, 0));
	assert_int_equal(get_be32(d->in), 20);
	assert_descriptor(d, 0, 11, 13, 0);
	/* report types: mapped, deallocated, anchored */
	assert_good(d, lba_status(d, 0, 1024, 2));
	assert_int_equal(get_be32(d->in), 4 + 2 * 16);
	assert_int_equal(d->in[7] & 1, 1);
	assert_descriptor(d, 0, 8, 16, 0);
	assert_descriptor(d, 1, 32, 8, 0);
	assert_good(d, lba_status(d, 0, 1024, 3));
	assert_int_equal(get_be32(d->in), 4 + 3 * 16);
	assert_good(d, lba_status(d, 0, 1024, 4));
	assert_int_equal(get_be32(d->in), 4);
	lba_status(d, 0, 1024, 0x20);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void more_runs_than_one_request_holds_are_told(void **state)
{
	struct mem_config config = thin;
	struct disk *d;

	(void)state;
	config.size = 8 * MIB;
	d = disk_open(&config);
	for (unsigned i = 0; i < 2048; i += 2)
		d->mapped[i] = true;
	/* 1200 wanted, 1024 are given at most */
	assert_good(d, lba_status(d, 0, 8 + 16 * 1200, 0));
	assert_int_equal(get_be32(d->in), 4 + 16 * 1024);
	for (unsigned i = 0; i < 1024; i++)
		assert_descriptor(d, i, i * 8, 8, i & 1);
	assert_int_equal(count_log(d, TGT_BS_BLOCK_STATUS), 3);
	/* cut in a descriptor: the list says what it had */
	assert_good(d, lba_status(d, 0, 30, 0));
	assert_int_equal(d->in_len, 24);
	assert_good(d, lba_status(d, 0, 10, 0));
	assert_int_equal(d->in_len, 10);
	assert_int_equal(get_be32(d->in), 20);
	disk_close(d);
}

static void a_block_mapped_in_part_is_mapped(void **state)
{
	struct mem_config config = thin;
	struct disk *d;

	(void)state;
	config.block_size = 65536;
	d = disk_open(&config);
	d->mapped[20] = true; /* in block 1 */
	d->mapped[47] = d->mapped[48] = true;
	assert_good(d, lba_status(d, 0, 1024, 0));
	assert_int_equal(get_be32(d->in), 4 + 3 * 16);
	assert_descriptor(d, 0, 0, 1, 1);
	assert_descriptor(d, 1, 1, 3, 0);
	assert_descriptor(d, 2, 4, 12, 1);
	disk_close(d);
}

static void what_is_unknown_is_mapped(void **state)
{
	struct mem_config config = thin;
	struct disk *d;

	(void)state;
	config.thin = false;
	config.caps = CAPS_PLAIN;
	d = disk_open(&config);
	assert_good(d, lba_status(d, 100, 1024, 0));
	assert_int_equal(get_be32(d->in), 20);
	assert_descriptor(d, 0, 100, 1948, 0);
	disk_close(d);
}

static void no_address_beyond_the_end_is_answered(void **state)
{
	static const uint64_t lbas[] = {2048, 1ull << 32, 1ull << 55, 1ull << 63, UINT64_MAX};
	struct disk *d = disk_open(&thin);

	(void)state;
	for (unsigned i = 0; i < sizeof(lbas) / sizeof(lbas[0]); i++) {
		lba_status(d, lbas[i], 1024, 0);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	}
	assert_good(d, lba_status(d, 2047, 1024, 0));
	assert_descriptor(d, 0, 2047, 1, 1);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(runs_are_told),
	    cmocka_unit_test(more_runs_than_one_request_holds_are_told),
	    cmocka_unit_test(a_block_mapped_in_part_is_mapped),
	    cmocka_unit_test(what_is_unknown_is_mapped),
	    cmocka_unit_test(no_address_beyond_the_end_is_answered),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
