/* SPDX-License-Identifier: MIT */
/* READ CAPACITY, START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL. */
#include "disk_fixture.h"

#define MIB (1u << 20)

static const struct mem_config plain = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};
static const struct mem_config removable = {.size = MIB,
					    .block_size = 512,
					    .caps = CAPS_PLAIN,
					    .geo_flags = TGT_BS_GEO_VOLATILE_CACHE,
					    .removable = true};

static uint8_t start_stop(struct disk *d, uint8_t byte4)
{
	return COMMAND(d, NULL, 0, 0, 0x1b, 0, 0, 0, byte4, 0);
}

static uint8_t ready(struct disk *d)
{
	return COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
}

static void capacity_is_the_last_block(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
	assert_int_equal(d->in_len, 8);
	assert_int_equal(get_be32(d->in), 2047);
	assert_int_equal(get_be32(d->in + 4), 512);
	d->lu->thin = true;
	d->lu->lbppbe = 3;
	d->lu->la_lba = 0x1234;
	assert_good(d, COMMAND(d, NULL, 0, 64, 0x9e, 0x10, B8(0), B4(64), 0, 0));
	assert_int_equal(d->in_len, 32);
	assert_int_equal(get_be64(d->in), 2047);
	assert_int_equal(get_be32(d->in + 8), 512);
	assert_int_equal(d->in[12], 0);
	assert_int_equal(d->in[13], 3);
	assert_int_equal(get_be16(d->in + 14), 0xc000 | 0x1234);
	assert_good(d, COMMAND(d, NULL, 0, 64, 0x9e, 0x10, B8(0), B4(12), 0, 0));
	assert_int_equal(d->in_len, 12);
	/* LOGICAL BLOCK ADDRESS and PMI are obsolete */
	COMMAND(d, NULL, 0, 8, 0x25, 0, B4(1), 0, 0, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(d, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 1, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void a_large_capacity_needs_the_long_command(void **state)
{
	static const struct {
		uint64_t blocks;
		uint32_t told;
	} cases[] = {{0xffffffffull, 0xfffffffe},
		     {0x100000000ull, 0xffffffff},
		     {0x100000001ull, 0xffffffff},
		     {1ull << 48, 0xffffffff}};
	struct disk *d = disk_open(&plain);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		d->lu->blocks = cases[i].blocks;
		assert_good(d, COMMAND(d, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
		assert_int_equal(get_be32(d->in), cases[i].told);
	}
	disk_close(d);
}

static void a_stopped_disk_is_not_ready(void **state)
{
	struct disk *d = disk_open(&removable);

	(void)state;
	assert_good(d, start_stop(d, 0));
	assert_int_equal(count_log(d, TGT_BS_FLUSH), 1);
	ready(d);
	assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_INITIALIZING_COMMAND_REQUIRED);
	COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0, B2(1), 0);
	assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_INITIALIZING_COMMAND_REQUIRED);
	assert_good(d, start_stop(d, 1));
	assert_good(d, ready(d));
	/* NO_FLUSH */
	assert_good(d, start_stop(d, 4));
	assert_int_equal(count_log(d, TGT_BS_FLUSH), 1);
	disk_close(d);
}

static void an_ejected_medium_is_absent_until_loaded(void **state)
{
	struct disk *d = disk_open(&removable);

	(void)state;
	assert_good(d, start_stop(d, 2));
	ready(d);
	assert_sense(d, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	start_stop(d, 1);
	assert_sense(d, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	assert_good(d, start_stop(d, 3));
	assert_good(d, ready(d));
	disk_close(d);
	d = disk_open(&plain);
	start_stop(d, 2);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_good(d, ready(d));
	disk_close(d);
}

static void prevention_keeps_the_medium(void **state)
{
	struct disk *d = disk_open(&removable);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	start_stop(d, 2);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	assert_good(d, ready(d));
	assert_good(d, start_stop(d, 0)); /* stopping is no removal */
	assert_good(d, start_stop(d, 1));
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x1e, 0, 0, 0, 0, 0));
	assert_good(d, start_stop(d, 2));
	disk_close(d);
}

static void a_power_condition_moves_no_medium(void **state)
{
	struct disk *d = disk_open(&removable);

	(void)state;
	for (unsigned condition = 1; condition < 16; condition++) {
		start_stop(d, (uint8_t)(condition << 4 | 2));
		if (condition <= 3 || condition == 7 || condition == 10 || condition == 11) {
			assert_good(d, d->task.status);
		} else {
			assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
			assert_int_equal(field_pointer(d), 4);
		}
		assert_good(d, ready(d));
	}
	disk_close(d);
}

static void there_are_no_defects(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 64, 0x37, 0, 0x1d, 0, 0, 0, 0, B2(64), 0));
	assert_int_equal(d->in_len, 4);
	assert_int_equal(get_be32(d->in), 0x001d0000);
	assert_good(d, COMMAND(d, NULL, 0, 64, 0xb7, 0x0d, B4(0), B4(64), 0, 0));
	assert_int_equal(d->in_len, 8);
	assert_int_equal(get_be32(d->in), 0x000d0000);
	assert_int_equal(get_be32(d->in + 4), 0);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(capacity_is_the_last_block),
	    cmocka_unit_test(a_large_capacity_needs_the_long_command),
	    cmocka_unit_test(a_stopped_disk_is_not_ready),
	    cmocka_unit_test(an_ejected_medium_is_absent_until_loaded),
	    cmocka_unit_test(prevention_keeps_the_medium),
	    cmocka_unit_test(a_power_condition_moves_no_medium),
	    cmocka_unit_test(there_are_no_defects),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
