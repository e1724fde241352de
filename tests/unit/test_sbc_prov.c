/* SPDX-License-Identifier: MIT */
/* UNMAP and WRITE SAME: what they refuse, what they leave zero, and what a store is asked for. */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define CAPS_THIN                                                                                  \
	(CAPS_PLAIN | TGT_BS_CAN_DISCARD | TGT_BS_CAN_WRITE_ZEROES | TGT_BS_CAN_BLOCK_STATUS)

static const struct mem_config thin = {.size = MIB,
				       .block_size = 512,
				       .caps = CAPS_THIN,
				       .geo_flags = TGT_BS_GEO_DISCARD,
				       .thin = true};
static const struct mem_config thick = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};

static void fill(struct disk *d, uint8_t byte)
{
	memset(d->data, byte, d->config.size);
	memset(d->mapped, 1, d->config.size / MEM_UNIT);
}

static void assert_only_zero(const struct disk *d, uint64_t first, uint64_t len, uint8_t rest)
{
	for (uint64_t i = 0; i < d->config.size; i++)
		assert_int_equal(d->data[i], i - first < len ? 0 : rest);
}

static size_t unmap_list(uint8_t *at, unsigned count, const uint64_t (*ranges)[2])
{
	memset(at, 0, 8);
	put_be16(at, (uint16_t)(6 + 16 * count));
	put_be16(at + 2, (uint16_t)(16 * count));
	for (unsigned i = 0; i < count; i++) {
		put_be64(at + 8 + 16 * i, ranges[i][0]);
		put_be32(at + 16 + 16 * i, (uint32_t)ranges[i][1]);
		put_be32(at + 20 + 16 * i, 0);
	}
	return 8 + 16 * count;
}

static uint8_t unmap(struct disk *d, const uint8_t *list, size_t len)
{
	return COMMAND(d, list, (uint32_t)len, 0, 0x42, 0, 0, 0, 0, 0, 0, B2(len), 0);
}

static void unmap_deallocates_its_ranges(void **state)
{
	static const uint64_t ranges[][2] = {{8, 8}, {100, 0}, {2040, 8}, {12, 8}};
	struct disk *d = disk_open(&thin);
	uint8_t list[8 + 16 * 4];

	(void)state;
	fill(d, 0xaa);
	assert_good(d, unmap(d, list, unmap_list(list, 4, ranges)));
	for (unsigned lba = 0; lba < 2048; lba++)
		assert_int_equal(d->data[lba * 512],
				 (lba >= 8 && lba < 20) || lba >= 2040 ? 0 : 0xaa);
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 3);
	assert_int_equal(count_log(d, TGT_BS_WRITE), 0);
	assert_false(d->mapped[1]);
	disk_close(d);
}

static void unmap_checks_all_before_it_does_any(void **state)
{
	static const uint64_t bad[][2][2] = {
	    {{0, 8}, {2048, 1}},          {{0, 8}, {1ull << 63, 1}}, {{0, 8}, {UINT64_MAX, 2}},
	    {{0, 8}, {2040, UINT32_MAX}}, {{0, 8}, {1ull << 55, 8}},
	};
	struct disk *d = disk_open(&thin);
	uint8_t list[8 + 16 * 2];

	(void)state;
	fill(d, 0xaa);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unmap(d, list, unmap_list(list, 2, bad[i]));
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	}
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

static void unmap_checks_the_lengths_of_its_list(void **state)
{
	static const uint64_t one[][2] = {{0, 8}};
	struct disk *d = disk_open(&thin);
	uint8_t list[8 + 16 * 257] = {0};

	(void)state;
	assert_good(d, unmap(d, list, 0));
	unmap_list(list, 1, one);
	unmap(d, list, 7);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	unmap(d, list, 23);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	/* the initiator sends less than it says */
	COMMAND(d, list, 16, 0, 0x42, 0, 0, 0, 0, 0, 0, B2(24), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	/* a partial last descriptor is ignored */
	put_be16(list + 2, 15);
	assert_good(d, unmap(d, list, 24));
	assert_int_equal(d->nr_log, 0);
	/* more descriptors than the Block Limits page allows */
	put_be16(list, 6 + 16 * 257);
	put_be16(list + 2, 16 * 257);
	unmap(d, list, sizeof(list));
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	/* ANCHOR isn't supported (ANC_SUP 0) */
	COMMAND(d, list, 24, 0, 0x42, 0x01, 0, 0, 0, 0, 0, B2(24), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void a_thick_disk_has_no_unmap(void **state)
{
	struct disk *d = disk_open(&thick);
	uint8_t block[512] = {0};

	(void)state;
	COMMAND(d, block, 24, 0, 0x42, 0, 0, 0, 0, 0, 0, B2(24), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(d, block, 512, 0, 0x93, 0x08, B8(0), B4(8), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 1);
	disk_close(d);
}

static void unmap_zeroes_what_the_store_cannot_discard(void **state)
{
	static const uint64_t ranges[][2] = {{3, 30}, {65, 2}};
	struct mem_config config = thin;
	struct disk *d;
	uint8_t list[8 + 16 * 2];

	(void)state;
	config.alignment = 4096;
	d = disk_open(&config);
	fill(d, 0xaa);
	assert_good(d, unmap(d, list, unmap_list(list, 2, ranges)));
	for (unsigned lba = 0; lba < 2048; lba++)
		for (unsigned i = 0; i < 512; i++)
			assert_int_equal(d->data[lba * 512 + i],
					 (lba >= 3 && lba < 33) || lba == 65 || lba == 66 ? 0
											  : 0xaa);
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1); /* blocks 8 to 31 */
	disk_close(d);
}

static void write_same_fills_every_block(void **state)
{
	static const uint32_t caps[] = {CAPS_PLAIN, CAPS_PLAIN | TGT_BS_CAN_WRITE_SAME};
	uint8_t block[512];

	(void)state;
	for (unsigned i = 0; i < 512; i++)
		block[i] = (uint8_t)(i + 1);
	for (unsigned c = 0; c < 4; c++) {
		struct mem_config config = thick;
		struct disk *d;

		config.caps = caps[c & 1];
		config.alignment = c & 2 ? 4096 : 1;
		d = disk_open(&config);
		fill(d, 0x55);
		assert_good(d, COMMAND(d, block, 512, 0, 0x41, 0, B4(5), 0, B2(1033), 0));
		for (unsigned lba = 0; lba < 2048; lba++) {
			if (lba >= 5 && lba < 1038)
				assert_memory_equal(d->data + lba * 512, block, 512);
			else
				assert_int_equal(d->data[lba * 512], 0x55);
		}
		disk_close(d);
	}
}

static void write_same_unmaps_only_zeroes(void **state)
{
	struct disk *d = disk_open(&thin);
	uint8_t block[512] = {0};

	(void)state;
	fill(d, 0xaa);
	assert_good(d, COMMAND(d, block, 512, 0, 0x93, 0x08, B8(8), B4(16), 0, 0));
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1);
	assert_only_zero(d, 8 * 512, 16 * 512, 0xaa);
	block[511] = 1;
	fill(d, 0xaa);
	assert_good(d, COMMAND(d, block, 512, 0, 0x93, 0x08, B8(8), B4(16), 0, 0));
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1);
	assert_memory_equal(d->data + 23 * 512, block, 512);
	assert_true(d->mapped[1]);
	/* NDOB: no data at all, and they are zeroes */
	d->nr_log = 0;
	fill(d, 0xaa);
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x93, 0x01, B8(8), B4(16), 0, 0));
	assert_int_equal(d->task.transfer_length, 0);
	assert_int_equal(count_log(d, TGT_BS_WRITE_ZEROES), 1);
	assert_int_equal(d->log[0].flags & TGT_BS_REQ_UNMAP, 0);
	assert_only_zero(d, 8 * 512, 16 * 512, 0xaa);
	disk_close(d);
}

/* WSNZ = 0: NUMBER OF LOGICAL BLOCKS 0 means all up to the end (SBC-3 5.43). */
static void write_same_of_zero_blocks_goes_to_the_end(void **state)
{
	struct mem_config config = thick;
	uint8_t block[512];
	struct disk *d = disk_open(&config);
	uint64_t last = d->lu->blocks - 1;

	(void)state;
	memset(block, 0x5a, sizeof(block));
	fill(d, 0xaa);
	assert_good(d, COMMAND(d, block, 512, 0, 0x93, 0, B8(last - 2), B4(0), 0, 0));
	for (uint64_t i = 0; i < 512 * 4; i++)
		assert_int_equal(d->data[(last - 3) * 512 + i], i < 512 ? 0xaa : 0x5a);
	assert_good(d, COMMAND(d, block, 512, 0, 0x41, 0, B4(last), 0, B2(0), 0));
	COMMAND(d, block, 512, 0, 0x93, 0, B8(last + 2), B4(0), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	disk_close(d);
	/* which must not be more than the Block Limits page says */
	config.size = (lu_max_write_same_blocks(NULL) + 1) * 512;
	d = disk_open(&config);
	COMMAND(d, block, 512, 0, 0x93, 0, B8(0), B4(0), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 10);
	assert_good(d, COMMAND(d, block, 512, 0, 0x93, 0, B8(1), B4(0), 0, 0));
	disk_close(d);
}

static void write_same_refuses_what_its_limits_forbid(void **state)
{
	struct mem_config config = thick;
	uint8_t block[512] = {0};
	struct disk *d;
	uint64_t limit;

	(void)state;
	d = disk_open(&config);
	limit = lu_max_write_same_blocks(d->lu);
	COMMAND(d, block, 512, 0, 0x93, 0, B8(0), B4(limit + 1), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 10);
	COMMAND(d, block, 512, 0, 0x41, 0x10, B4(0), 0, B2(1), 0); /* ANCHOR */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(d, block, 512, 0, 0x93, 0, B8(UINT64_MAX), B4(2), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	COMMAND(d, block, 100, 0, 0x93, 0, B8(0), B4(1), 0, 0); /* less than a block came */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(d, block, 1024, 0, 0x93, 0, B8(0), B4(1), 0, 0); /* more than one */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

static void a_request_not_supported_after_all_is_done_by_writing(void **state)
{
	struct disk *d = disk_open(&thin);
	uint8_t block[512] = {0};

	(void)state;
	fill(d, 0xaa);
	d->fail_op = TGT_BS_DISCARD;
	d->fail_status = TGT_BS_ERR_NOT_SUPPORTED;
	assert_good(d, COMMAND(d, block, 512, 0, 0x93, 0x08, B8(8), B4(16), 0, 0));
	assert_only_zero(d, 8 * 512, 16 * 512, 0xaa);
	assert_int_equal(count_log(d, TGT_BS_WRITE_ZEROES), 1);
	disk_close(d);
}

/* With WCE = 0 what was discarded is durable too, though the pieces around it were written with
 * FUA. */
static void without_a_write_cache_all_of_it_is_flushed(void **state)
{
	static const uint64_t ranges[][2] = {{3, 30}};
	struct mem_config config = thin;
	uint8_t list[512], page[4 + 20] = {0, 0, 0, 0, 0x08, 0x12};
	struct disk *d;

	(void)state;
	config.alignment = 4096;
	config.caps |= TGT_BS_CAN_FUA;
	config.geo_flags |= TGT_BS_GEO_VOLATILE_CACHE;
	d = disk_open(&config);
	assert_good(d, COMMAND(d, NULL, 0, 24, 0x1a, 0x08, 0x08, 0, 24, 0));
	memcpy(page + 4, d->in + 4, 20);
	assert_int_equal(page[6] & 0x04, 0x04);
	page[6] &= 0xfb; /* WCE */
	assert_good(d, COMMAND(d, page, 24, 0, 0x15, 0x10, 0, 0, 24, 0));
	d->nr_log = 0;
	assert_good(d, unmap(d, list, unmap_list(list, 1, ranges)));
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1);
	assert_int_equal(d->log[d->nr_log - 1].op, TGT_BS_FLUSH);
	/* and any write is one with FUA */
	d->nr_log = 0;
	assert_good(d, COMMAND(d, list, 512, 0, 0x8a, 0, B8(8), B4(1), 0, 0));
	assert_int_equal(d->log[d->nr_log - 1].op, TGT_BS_WRITE);
	assert_int_equal(d->log[d->nr_log - 1].flags, TGT_BS_REQ_FUA);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unmap_deallocates_its_ranges),
	    cmocka_unit_test(unmap_checks_all_before_it_does_any),
	    cmocka_unit_test(unmap_checks_the_lengths_of_its_list),
	    cmocka_unit_test(a_thick_disk_has_no_unmap),
	    cmocka_unit_test(unmap_zeroes_what_the_store_cannot_discard),
	    cmocka_unit_test(write_same_fills_every_block),
	    cmocka_unit_test(write_same_unmaps_only_zeroes),
	    cmocka_unit_test(write_same_of_zero_blocks_goes_to_the_end),
	    cmocka_unit_test(write_same_refuses_what_its_limits_forbid),
	    cmocka_unit_test(a_request_not_supported_after_all_is_done_by_writing),
	    cmocka_unit_test(without_a_write_cache_all_of_it_is_flushed),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
