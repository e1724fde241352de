/* SPDX-License-Identifier: MIT */
/* COMPARE AND WRITE and ORWRITE. */
#include "disk_fixture.h"

#define MIB (1u << 20)

static const struct mem_config plain = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};
static const struct mem_config coarse = {
    .size = MIB, .block_size = 512, .alignment = 4096, .caps = CAPS_PLAIN};

static uint8_t compare_and_write(struct disk *d, uint64_t lba, const uint8_t *data, uint8_t blocks)
{
	return COMMAND(d, data, blocks * 1024u, 0, 0x89, 0, B8(lba), 0, 0, 0, blocks, 0, 0);
}

static void both(uint8_t *data, size_t len, const uint8_t *compare, uint8_t write)
{
	memcpy(data, compare, len);
	memset(data + len, write, len);
}

static void equal_blocks_are_replaced(void **state)
{
	const struct mem_config *configs[] = {&plain, &coarse};
	static uint8_t data[255 * 1024];

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		struct disk *d = disk_open(configs[c]);

		for (unsigned i = 0; i < MIB; i++)
			d->data[i] = (uint8_t)(i % 253);
		both(data, 512, d->data + 3 * 512, 0x11);
		assert_good(d, compare_and_write(d, 3, data, 1));
		assert_memory_equal(d->data + 3 * 512, data + 512, 512);
		assert_int_equal(d->data[3 * 512 - 1], (3 * 512 - 1) % 253);
		assert_int_equal(d->data[4 * 512], (4 * 512) % 253);
		both(data, 255 * 512, d->data + 5 * 512, 0x22);
		assert_good(d, compare_and_write(d, 5, data, 255));
		assert_memory_equal(d->data + 5 * 512, data + 255 * 512, 255 * 512);
		assert_int_equal(d->data[260 * 512], (260 * 512) % 253);
		disk_close(d);
	}
}

static void a_difference_is_told_and_nothing_written(void **state)
{
	const struct mem_config *configs[] = {&plain, &coarse};
	static uint8_t data[8 * 1024], before[MIB];

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		struct disk *d = disk_open(configs[c]);

		memset(d->data, 0x33, MIB);
		memcpy(before, d->data, MIB);
		both(data, 8 * 512, d->data, 0x44);
		data[5 * 512 + 77] ^= 1;
		compare_and_write(d, 9, data, 8);
		assert_sense(d, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
		assert_int_equal(information(d), 5 * 512 + 77);
		assert_memory_equal(d->data, before, MIB);
		disk_close(d);
	}
}

static void its_limits_hold(void **state)
{
	struct mem_config config = plain;
	static uint8_t data[1024];
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_int_equal(lu_max_caw_blocks(d->lu), 255);
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x89, 0, B8(0), 0, 0, 0, 0, 0, 0));
	assert_int_equal(d->nr_log, 0);
	/* half of the data is missing: nothing is compared */
	COMMAND(d, data, 512, 0, 0x89, 0, B8(0), 0, 0, 0, 1, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* there is more of it than the CDB is about */
	COMMAND(d, data, 1024, 0, 0x89, 0, B8(0), 0, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 13);
	assert_int_equal(d->nr_log, 0);
	COMMAND(d, data, 1024, 0, 0x89, 0, B8(2048), 0, 0, 0, 1, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	disk_close(d);
	config.block_size = 4096;
	d = disk_open(&config);
	assert_int_equal(lu_max_caw_blocks(d->lu), 64);
	COMMAND(d, NULL, 0, 0, 0x89, 0, B8(0), 0, 0, 0, 65, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 13);
	disk_close(d);
}

static void a_store_that_can_does_it_itself(void **state)
{
	struct mem_config config = plain;
	static uint8_t data[1024];
	struct disk *d;

	(void)state;
	config.caps |= TGT_BS_CAN_COMPARE_AND_WRITE;
	d = disk_open(&config);
	assert_good(d, compare_and_write(d, 2, data, 1));
	assert_int_equal(d->nr_log, 1);
	assert_int_equal(d->log[0].op, TGT_BS_COMPARE_AND_WRITE);
	assert_int_equal(d->log[0].length, 512);
	d->fail_op = TGT_BS_COMPARE_AND_WRITE;
	d->fail_status = TGT_BS_ERR_MISCOMPARE;
	d->fail_info = 123;
	compare_and_write(d, 2, data, 1);
	assert_sense(d, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
	assert_int_equal(information(d), 123);
	disk_close(d);
}

static void the_rest_is_done_by_the_core(void **state)
{
	struct mem_config config = plain;
	static uint8_t data[2048];
	struct disk *d;

	(void)state;
	config.caps |= TGT_BS_CAN_COMPARE_AND_WRITE;
	config.compare_and_write_unit = 1024;
	d = disk_open(&config);
	assert_int_equal(lu_max_caw_blocks(d->lu), 255);
	assert_good(d, compare_and_write(d, 2, data, 1));
	assert_int_equal(d->log[0].op, TGT_BS_COMPARE_AND_WRITE);
	d->nr_log = 0;
	assert_good(d, compare_and_write(d, 3, data, 2));
	assert_int_equal(d->log[0].op, TGT_BS_READ);
	assert_int_equal(d->log[1].op, TGT_BS_WRITE);
	disk_close(d);
}

/* What others could write into isn't offered; the limits are those of SBC-4 6.6.4. */
static void on_a_shared_medium_only_what_the_store_does(void **state)
{
	struct mem_config config = plain;
	static uint8_t data[2048];
	struct disk *d;

	(void)state;
	config.geo_flags |= TGT_BS_GEO_SHARED;
	d = disk_open(&config);
	assert_int_equal(lu_max_caw_blocks(d->lu), 0);
	compare_and_write(d, 2, data, 1);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(d, data, 512, 0, 0x8b, 0, B8(7), B4(1), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
	config.caps |= TGT_BS_CAN_COMPARE_AND_WRITE;
	config.compare_and_write_unit = 1024;
	d = disk_open(&config);
	assert_int_equal(lu_max_caw_blocks(d->lu), 1);
	assert_good(d, compare_and_write(d, 2, data, 1));
	assert_int_equal(d->log[0].op, TGT_BS_COMPARE_AND_WRITE);
	assert_int_equal(d->nr_log, 1);
	compare_and_write(d, 2, data, 2); /* at LBA 1 it wouldn't be one piece */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
	config.block_size = 4096;
	d = disk_open(&config);
	assert_int_equal(lu_max_caw_blocks(d->lu), 0);
	disk_close(d);
}

static void orwrite_sets_bits(void **state)
{
	const struct mem_config *configs[] = {&plain, &coarse};
	static uint8_t data[600 * 512], expected[MIB];

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		struct disk *d = disk_open(configs[c]);

		for (unsigned i = 0; i < MIB; i++)
			d->data[i] = expected[i] = (uint8_t)(i * 5);
		for (unsigned i = 0; i < sizeof(data); i++) {
			data[i] = (uint8_t)(i * 3);
			expected[7 * 512 + i] |= data[i];
		}
		assert_good(d, COMMAND(d, data, sizeof(data), 0, 0x8b, 0, B8(7), B4(600), 0, 0));
		assert_memory_equal(d->data, expected, MIB);
		disk_close(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_blocks_are_replaced),
	    cmocka_unit_test(a_difference_is_told_and_nothing_written),
	    cmocka_unit_test(its_limits_hold),
	    cmocka_unit_test(a_store_that_can_does_it_itself),
	    cmocka_unit_test(the_rest_is_done_by_the_core),
	    cmocka_unit_test(on_a_shared_medium_only_what_the_store_does),
	    cmocka_unit_test(orwrite_sets_bits),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
