/* SPDX-License-Identifier: MIT */
/* READ, WRITE, VERIFY, WRITE AND VERIFY, SYNCHRONIZE CACHE and PRE-FETCH. */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define KIB 1024u

static const struct mem_config plain = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};
static const struct mem_config cached = {
    .size = MIB, .block_size = 512, .caps = CAPS_PLAIN, .geo_flags = TGT_BS_GEO_VOLATILE_CACHE};
/* a 512-byte disk on a store that takes whole 4096-byte units only */
static const struct mem_config coarse = {
    .size = MIB, .block_size = 512, .alignment = 4096, .caps = CAPS_PLAIN};

static void pattern(uint8_t *data, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

static void write_at(struct disk *d, uint64_t lba, const uint8_t *data, uint32_t blocks)
{
	COMMAND(d, data, blocks * 512, 0, 0x8a, 0, B8(lba), B4(blocks), 0, 0);
	assert_good(d, d->task.status);
}

static void what_is_written_is_read_by_every_length_of_cdb(void **state)
{
	struct disk *d = disk_open(&plain);
	uint8_t data[1024];

	(void)state;
	pattern(data, sizeof(data), 1);
	assert_good(d, COMMAND(d, data, 1024, 0, 0x0a, 0, 0, 8, 2, 0));
	assert_memory_equal(d->data + 4096, data, 1024);
	assert_good(d, COMMAND(d, NULL, 0, 1024, 0x08, 0, 0, 8, 2, 0));
	assert_int_equal(d->in_len, 1024);
	assert_memory_equal(d->in, data, 1024);
	pattern(data, sizeof(data), 2);
	assert_good(d, COMMAND(d, data, 1024, 0, 0x2a, 0, B4(16), 0, B2(2), 0));
	assert_good(d, COMMAND(d, NULL, 0, 1024, 0x28, 0, B4(16), 0, B2(2), 0));
	assert_memory_equal(d->in, data, 1024);
	pattern(data, sizeof(data), 3);
	assert_good(d, COMMAND(d, data, 1024, 0, 0xaa, 0, B4(24), B4(2), 0, 0));
	assert_good(d, COMMAND(d, NULL, 0, 1024, 0xa8, 0, B4(24), B4(2), 0, 0));
	assert_memory_equal(d->in, data, 1024);
	pattern(data, sizeof(data), 4);
	assert_good(d, COMMAND(d, data, 1024, 0, 0x8a, 0, B8(32), B4(2), 0, 0));
	assert_good(d, COMMAND(d, NULL, 0, 1024, 0x88, 0, B8(32), B4(2), 0, 0));
	assert_memory_equal(d->in, data, 1024);
	disk_close(d);
}

static void only_what_the_initiator_takes_is_read(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	pattern(d->data, 4096, 1);
	assert_good(d, COMMAND(d, NULL, 0, 700, 0x28, 0, B4(1), 0, B2(4), 0));
	assert_int_equal(d->task.transfer_length, 2048);
	assert_int_equal(d->in_len, 700);
	assert_memory_equal(d->in, d->data + 512, 700);
	assert_int_equal(d->log[0].length, 700);
	d->nr_log = 0;
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x28, 0, B4(1), 0, B2(4), 0));
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

static void only_whole_blocks_that_came_are_written(void **state)
{
	struct disk *d = disk_open(&plain);
	uint8_t data[2048];

	(void)state;
	pattern(data, sizeof(data), 5);
	assert_good(d, COMMAND(d, data, 1500, 0, 0x2a, 0, B4(0), 0, B2(4), 0));
	assert_memory_equal(d->data, data, 1024);
	for (unsigned i = 1024; i < 4096; i++)
		assert_int_equal(d->data[i], 0);
	disk_close(d);
}

static void fua_is_the_stores_or_a_flush(void **state)
{
	struct mem_config with_fua = cached;
	uint8_t data[512] = {1};
	struct disk *d = disk_open(&cached);

	(void)state;
	assert_good(d, COMMAND(d, data, 512, 0, 0x2a, 0x08, B4(0), 0, B2(1), 0));
	assert_int_equal(d->nr_log, 2);
	assert_int_equal(d->log[0].op, TGT_BS_WRITE);
	assert_int_equal(d->log[1].op, TGT_BS_FLUSH);
	d->nr_log = 0;
	assert_good(d, COMMAND(d, data, 512, 0, 0x2a, 0, B4(0), 0, B2(1), 0));
	assert_int_equal(d->nr_log, 1);
	d->nr_log = 0;
	assert_good(d, COMMAND(d, NULL, 0, 512, 0x28, 0x08, B4(0), 0, B2(1), 0));
	assert_int_equal(d->log[0].op, TGT_BS_FLUSH);
	assert_int_equal(d->log[1].op, TGT_BS_READ);
	disk_close(d);

	with_fua.caps |= TGT_BS_CAN_FUA;
	d = disk_open(&with_fua);
	assert_good(d, COMMAND(d, data, 512, 0, 0x2a, 0x08, B4(0), 0, B2(1), 0));
	assert_int_equal(d->nr_log, 1);
	assert_int_equal(d->log[0].flags & TGT_BS_REQ_FUA, TGT_BS_REQ_FUA);
	disk_close(d);

	/* what needs no flush gets none */
	d = disk_open(&plain);
	assert_good(d, COMMAND(d, data, 512, 0, 0x2a, 0x08, B4(0), 0, B2(1), 0));
	assert_int_equal(d->nr_log, 1);
	disk_close(d);
}

static void a_failed_flush_is_not_good(void **state)
{
	struct disk *d = disk_open(&cached);
	uint8_t data[512] = {1};

	(void)state;
	d->fail_op = TGT_BS_FLUSH;
	d->fail_status = TGT_BS_ERR_FLUSH;
	COMMAND(d, data, 512, 0, 0x2a, 0x08, B4(0), 0, B2(1), 0);
	assert_int_equal(d->task.status, STATUS_CHECK_CONDITION);
	/* and nothing is good from then on */
	COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0, B2(1), 0);
	assert_int_equal(d->sense_key, KEY_HARDWARE_ERROR);
	disk_close(d);
}

static void a_medium_error_names_its_block(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	d->fail_op = TGT_BS_READ;
	d->fail_status = TGT_BS_ERR_READ;
	d->fail_info = 5 * 512 + 100;
	COMMAND(d, NULL, 0, 4096, 0x28, 0, B4(0), 0, B2(8), 0);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR);
	assert_int_equal(information(d), 5);
	assert_int_equal(d->in_len, 0);
	disk_close(d);
}

static void verify_without_data_reads_the_medium(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x8f, 0, B8(1), B4(2047), 0, 0));
	assert_int_equal(count_log(d, TGT_BS_READ), 4); /* 1 MiB in pieces of 256 KiB */
	assert_int_equal(d->log[0].offset, 512);
	assert_int_equal(d->log[3].offset + d->log[3].length, MIB);
	d->fail_op = TGT_BS_READ;
	d->fail_status = TGT_BS_ERR_READ;
	d->fail_info = 3 * 512;
	COMMAND(d, NULL, 0, 0, 0x2f, 0, B4(0), 0, B2(8), 0);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_UNRECOVERED_READ_ERROR);
	disk_close(d);
}

static void verify_compares(void **state)
{
	struct disk *d = disk_open(&plain);
	uint8_t data[2048];

	(void)state;
	pattern(data, sizeof(data), 9);
	write_at(d, 4, data, 4);
	assert_good(d, COMMAND(d, data, 2048, 0, 0x2f, 0x02, B4(4), 0, B2(4), 0));
	data[2047] ^= 1;
	COMMAND(d, data, 2048, 0, 0xaf, 0x02, B4(4), B4(4), 0, 0);
	assert_sense(d, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
	/* BYTCHK 10b is reserved */
	COMMAND(d, data, 2048, 0, 0x2f, 0x04, B4(4), 0, B2(4), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 1);
	disk_close(d);
}

static void verify_compares_every_block_with_one(void **state)
{
	struct disk *d = disk_open(&plain);
	uint8_t block[512];

	(void)state;
	pattern(block, sizeof(block), 3);
	for (unsigned i = 8; i < 1000; i++)
		memcpy(d->data + i * 512, block, 512);
	assert_good(d, COMMAND(d, block, 512, 0, 0x8f, 0x06, B8(8), B4(992), 0, 0));
	assert_int_equal(d->task.transfer_length, 512);
	d->data[999 * 512 + 17] ^= 0x80;
	COMMAND(d, block, 512, 0, 0x8f, 0x06, B8(8), B4(992), 0, 0);
	assert_sense(d, KEY_MISCOMPARE, ASC_MISCOMPARE_DURING_VERIFY);
	disk_close(d);
}

static void write_and_verify_reads_back(void **state)
{
	struct disk *d = disk_open(&cached);
	uint8_t data[1024];

	(void)state;
	pattern(data, sizeof(data), 4);
	assert_good(d, COMMAND(d, data, 1024, 0, 0x2e, 0x02, B4(4), 0, B2(2), 0));
	assert_int_equal(d->log[0].op, TGT_BS_WRITE);
	assert_int_equal(d->log[1].op, TGT_BS_FLUSH);
	assert_int_equal(d->log[2].op, TGT_BS_READ);
	assert_memory_equal(d->data + 2048, data, 1024);
	COMMAND(d, data, 1024, 0, 0xae, 0x06, B4(4), B4(2), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void synchronize_cache_flushes(void **state)
{
	struct disk *d = disk_open(&cached);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x35, 0, B4(0), 0, B2(0), 0));
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x91, 0x02, B8(8), B4(8), 0, 0));
	assert_int_equal(count_log(d, TGT_BS_FLUSH), 2);
	COMMAND(d, NULL, 0, 0, 0x35, 0, B4(2048), 0, B2(1), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	COMMAND(d, NULL, 0, 0, 0x91, 0, B8(2049), B4(0), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(count_log(d, TGT_BS_FLUSH), 2);
	disk_close(d);
}

static void prefetch_meets_its_condition(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_int_equal(COMMAND(d, NULL, 0, 0, 0x34, 0, B4(0), 0, B2(8), 0), STATUS_CONDITION_MET);
	assert_int_equal(count_log(d, TGT_BS_READ), 1);
	COMMAND(d, NULL, 0, 0, 0x90, 0x02, B8(2047), B4(2), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	disk_close(d);
}

static void protection_bits_are_refused(void **state)
{
	static const uint8_t opcodes[] = {0x28, 0x2a, 0x2e, 0x2f};
	struct disk *d = disk_open(&plain);

	(void)state;
	for (unsigned i = 0; i < sizeof(opcodes); i++) {
		COMMAND(d, NULL, 0, 0, opcodes[i], 0x20, B4(0), 0, B2(1), 0);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
		assert_int_equal(field_pointer(d), 1);
	}
	disk_close(d);
}

static void a_group_number_has_no_effect(void **state)
{
	struct disk *d = disk_open(&plain);

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0x1f, B2(1), 0));
	assert_good(d, COMMAND(d, NULL, 0, 512, 0x88, 0, B8(0), B4(1), 0x1f, 0));
	assert_good(d, COMMAND(d, NULL, 0, 512, 0xa8, 0, B4(0), B4(1), 0x1f, 0));
	assert_int_equal(COMMAND(d, NULL, 0, 0, 0x34, 0x02, B4(0), 0x1f, B2(1), 0),
			 STATUS_CONDITION_MET);
	COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0x20, B2(1), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 6);
	disk_close(d);
}

static void small_blocks_on_a_coarse_store_keep_their_neighbours(void **state)
{
	static const struct {
		uint64_t lba;
		uint32_t blocks;
	} cases[] = {{3, 1}, {7, 2}, {0, 8}, {5, 40}, {1, 1023}, {2047, 1}, {0, 2047}};
	static uint8_t data[MIB], expected[MIB];
	struct disk *d = disk_open(&coarse);

	(void)state;
	pattern(d->data, MIB, 77);
	memcpy(expected, d->data, MIB);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t bytes = cases[i].blocks * 512;

		pattern(data, bytes, 100 + i);
		memcpy(expected + cases[i].lba * 512, data, bytes);
		write_at(d, cases[i].lba, data, cases[i].blocks);
		assert_memory_equal(d->data, expected, MIB);
		assert_good(d, COMMAND(d, NULL, 0, bytes, 0x88, 0, B8(cases[i].lba),
				       B4(cases[i].blocks), 0, 0));
		assert_int_equal(d->in_len, bytes);
		assert_memory_equal(d->in, data, bytes);
		assert_good(d, COMMAND(d, data, bytes, 0, 0x8f, 0x02, B8(cases[i].lba),
				       B4(cases[i].blocks), 0, 0));
		data[bytes - 1] ^= 1;
		COMMAND(d, data, bytes, 0, 0x8f, 0x02, B8(cases[i].lba), B4(cases[i].blocks), 0, 0);
		assert_int_equal(d->sense_key, KEY_MISCOMPARE);
	}
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_by_every_length_of_cdb),
	    cmocka_unit_test(only_what_the_initiator_takes_is_read),
	    cmocka_unit_test(only_whole_blocks_that_came_are_written),
	    cmocka_unit_test(fua_is_the_stores_or_a_flush),
	    cmocka_unit_test(a_failed_flush_is_not_good),
	    cmocka_unit_test(a_medium_error_names_its_block),
	    cmocka_unit_test(verify_without_data_reads_the_medium),
	    cmocka_unit_test(verify_compares),
	    cmocka_unit_test(verify_compares_every_block_with_one),
	    cmocka_unit_test(write_and_verify_reads_back),
	    cmocka_unit_test(synchronize_cache_flushes),
	    cmocka_unit_test(prefetch_meets_its_condition),
	    cmocka_unit_test(protection_bits_are_refused),
	    cmocka_unit_test(a_group_number_has_no_effect),
	    cmocka_unit_test(small_blocks_on_a_coarse_store_keep_their_neighbours),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
