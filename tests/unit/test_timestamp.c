/* SPDX-License-Identifier: MIT */
/* REPORT TIMESTAMP and SET TIMESTAMP (SPC-5). */
#include <unistd.h>

#include "disk_fixture.h"

static const struct mem_config config = {.size = 1 << 20, .block_size = 512, .caps = CAPS_PLAIN};

static uint64_t report(struct disk *d)
{
	assert_good(d, COMMAND(d, NULL, 0, 12, 0xa3, 0x0f, 0, 0, 0, 0, B4(12), 0, 0));
	assert_int_equal(d->in_len, 12);
	assert_int_equal(get_be16(d->in), 10); /* TIMESTAMP PARAMETER DATA LENGTH */
	return get_be48(d->in + 4);
}

static uint8_t set(struct disk *d, const void *list, uint32_t len, uint32_t sent)
{
	return COMMAND(d, list, sent, 0, 0xa4, 0x0f, 0, 0, 0, 0, B4(len), 0, 0);
}

static void it_starts_from_zero_and_runs(void **state)
{
	struct disk *d = disk_open(&config);
	uint64_t first = report(d);

	(void)state;
	assert_true(first < 60000);
	assert_int_equal(d->in[2], 0); /* TIMESTAMP ORIGIN: since power on */
	usleep(20000);
	assert_true(report(d) >= first + 10);
	disk_close(d);
}

static void it_goes_on_from_what_was_set(void **state)
{
	static const uint8_t list[12] = {0, 0, 0, 0, 0x01, 0x98, 0, 0, 0xff, 0xff};
	struct disk *d = disk_open(&config);
	uint64_t now;

	(void)state;
	assert_good(d, set(d, list, 12, 12));
	now = report(d);
	assert_int_equal(d->in[2], 2);
	assert_true(now >= 0x01980000ffff && now < 0x01980000ffff + 60000);
	/* a short allocation length cuts it */
	assert_good(d, COMMAND(d, NULL, 0, 12, 0xa3, 0x0f, 0, 0, 0, 0, B4(3), 0, 0));
	assert_int_equal(d->in_len, 3);
	disk_close(d);
}

static void lengths_are_checked(void **state)
{
	static const uint8_t list[12] = {0, 0, 0, 0, 1};
	struct disk *d = disk_open(&config);

	(void)state;
	assert_good(d, set(d, NULL, 0, 0));
	set(d, list, 11, 11);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	set(d, list, 12, 11);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_true(report(d) < 60000);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_starts_from_zero_and_runs),
	    cmocka_unit_test(it_goes_on_from_what_was_set),
	    cmocka_unit_test(lengths_are_checked),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
