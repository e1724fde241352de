/* SPDX-License-Identifier: MIT */
/* SANITIZE's CDB, and the passes of OVERWRITE (SBC-4 SANITIZE). */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define INVERT 0x80

static const struct mem_config thick = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};

static uint8_t overwrite(struct disk *d, const uint8_t *list, unsigned len)
{
	return COMMAND(d, list, len, 0, 0x48, 0x01, 0, 0, 0, 0, 0, B2(len), 0);
}

static void lengths_are_checked(void **state)
{
	static const uint8_t list[4 + 513] = {1, 0, 2, 0};
	struct disk *d = disk_open(&thick);

	(void)state;
	for (unsigned len = 0; len <= 4; len++) {
		overwrite(d, list, len);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
		assert_int_equal(field_pointer(d), 7);
	}
	overwrite(d, list, 4 + 513);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* the initiator sends less than it says, or than the pattern's length says */
	COMMAND(d, list, 100, 0, 0x48, 0x01, 0, 0, 0, 0, 0, B2(516), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	overwrite(d, list, 515);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_int_equal(d->nr_log, 0);
	assert_good(d, overwrite(d, list, 516));
	/* EXIT FAILURE MODE has no parameters */
	COMMAND(d, NULL, 0, 0, 0x48, 0x1f, 0, 0, 0, 0, 0, 0, 8, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* CRYPTOGRAPHIC ERASE */
	COMMAND(d, NULL, 0, 0, 0x48, 0x03, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void parameters_are_checked(void **state)
{
	static const struct {
		uint8_t list[8];
		unsigned field;
	} bad[] = {
	    {{0, 0, 0, 4}, 0},    /* OVERWRITE COUNT 0 */
	    {{0x21, 0, 0, 4}, 0}, /* TEST */
	    {{1, 1, 0, 4}, 1},    {{1, 0, 0, 0}, 2}, {{1, 0, 2, 1}, 2},
	};
	struct disk *d = disk_open(&thick);

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		overwrite(d, bad[i].list, 8);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
		assert_int_equal(field_pointer(d), bad[i].field);
	}
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

static void block_erase_deallocates_a_thin_unit(void **state)
{
	static const struct mem_config thin = {.size = MIB,
					       .block_size = 512,
					       .caps = CAPS_PLAIN | TGT_BS_CAN_DISCARD,
					       .geo_flags = TGT_BS_GEO_DISCARD,
					       .thin = true};
	struct disk *d = disk_open(&thin);

	(void)state;
	memset(d->mapped, 1, MIB / MEM_UNIT);
	memset(d->data, 0xaa, MIB);
	COMMAND(d, NULL, 0, 0, 0x48, 0x02, 0, 0, 0, 0, 0, 0, 8, 0); /* it has no parameters */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0));
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1);
	for (unsigned i = 0; i < MIB; i++)
		assert_int_equal(d->data[i], 0);
	for (unsigned i = 0; i < MIB / MEM_UNIT; i++)
		assert_false(d->mapped[i]);
	disk_close(d);
}

static void a_thick_unit_has_no_block_erase(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	COMMAND(d, NULL, 0, 0, 0x48, 0x02, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

/* INVERT: every other pass writes the complement, and the last one the pattern. */
static void passes_are_made(void **state)
{
	struct disk *d = disk_open(&thick);
	unsigned writes = MIB / BUF_MAX_PIECE;

	(void)state;
	for (unsigned count = 1; count <= 4; count++) {
		for (unsigned invert = 0; invert < 2; invert++) {
			uint8_t list[4 + 3] = {
			    (uint8_t)(count | (invert ? INVERT : 0)), 0, 0, 3, 0x11, 0x22, 0x33};

			d->nr_log = 0;
			assert_good(d, overwrite(d, list, sizeof(list)));
			assert_int_equal(count_log(d, TGT_BS_WRITE), writes * count);
			for (unsigned i = 0; i < MIB; i++)
				assert_int_equal(d->data[i], list[4 + i % 512 % 3]);
		}
	}
	disk_close(d);
}

/* The passes before the last one show when the last one fails at once. */
static void the_pass_before_the_last_is_inverted(void **state)
{
	static const uint8_t list[5] = {2 | INVERT, 0, 0, 1, 0x5a};
	struct disk *d = disk_open(&thick);

	(void)state;
	d->config.size = MIB;
	d->hold_op = TGT_BS_WRITE;
	assert_good(d, COMMAND(d, list, 5, 0, 0x48, 0x81, 0, 0, 0, 0, 0, 0, 5, 0));
	for (unsigned i = 0; i <= MIB / BUF_MAX_PIECE; i++) {
		disk_wait_held(d);
		if (i < MIB / BUF_MAX_PIECE)
			d->hold_op = TGT_BS_WRITE;
		else
			for (unsigned at = 0; at < MIB; at++)
				assert_int_equal(d->data[at], 0xa5);
		disk_release(d);
	}
	while (COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0))
		assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_SANITIZE_IN_PROGRESS);
	assert_int_equal(d->data[MIB - 1], 0x5a);
	disk_close(d);
}

static void write_protection_holds(void **state)
{
	static const uint8_t list[5] = {1, 0, 0, 1};
	struct disk *d = disk_open(&thick);

	(void)state;
	d->lu->readonly = true;
	overwrite(d, list, 5);
	assert_sense(d, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lengths_are_checked),
	    cmocka_unit_test(parameters_are_checked),
	    cmocka_unit_test(block_erase_deallocates_a_thin_unit),
	    cmocka_unit_test(a_thick_unit_has_no_block_erase),
	    cmocka_unit_test(passes_are_made),
	    cmocka_unit_test(the_pass_before_the_last_is_inverted),
	    cmocka_unit_test(write_protection_holds),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
