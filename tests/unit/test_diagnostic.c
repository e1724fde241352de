/* SPDX-License-Identifier: MIT */
/* SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-5). */
#include "disk_fixture.h"

static const struct mem_config config = {.size = 1 << 20, .block_size = 512, .caps = CAPS_PLAIN};

static uint8_t send(struct disk *d, uint8_t bits, const void *list, uint16_t len)
{
	return COMMAND(d, list, len, 0, 0x1d, bits, 0, B2(len), 0);
}

static void self_tests(void **state)
{
	struct disk *d = disk_open(&config);

	(void)state;
	assert_good(d, send(d, 0x04, NULL, 0));        /* the default one */
	assert_good(d, send(d, 0x04 | 0x03, NULL, 0)); /* DEVOFFL, UNITOFFL: it may disturb */
	assert_good(d, send(d, 0x10, NULL, 0));        /* nothing at all */
	assert_good(d, send(d, 5 << 5, NULL, 0));      /* foreground short */
	d->lu->failed = true;
	send(d, 0x04, NULL, 0);
	assert_sense(d, KEY_HARDWARE_ERROR, ASC_LOGICAL_UNIT_FAILED_SELF_TEST);
	send(d, 5 << 5, NULL, 0);
	assert_sense(d, KEY_HARDWARE_ERROR, ASC_LOGICAL_UNIT_FAILED_SELF_TEST);
	assert_good(d, send(d, 0x10, NULL, 0));
	disk_close(d);
}

static void what_there_is_not_is_refused(void **state)
{
	static const uint8_t codes[] = {1, 2, 3, 4, 6, 7}, page[4] = {0};
	struct disk *d = disk_open(&config);

	(void)state;
	for (unsigned i = 0; i < sizeof(codes); i++) {
		send(d, (uint8_t)(codes[i] << 5), NULL, 0);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
		assert_int_equal(field_pointer(d), 1);
	}
	send(d, 5 << 5 | 0x04, NULL, 0); /* one kind of test, not two */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	send(d, 0x04 | 0x10, page, 4); /* a self-test has no parameters */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	send(d, 0x00, page, 4); /* vendor specific ones */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

static void the_page_of_pages(void **state)
{
	static const uint8_t page[8] = {0}, other[4] = {0x40}, longer[4] = {0, 0, 0, 1};
	static const uint8_t want[] = {0, 0, 0, 1, 0};
	struct disk *d = disk_open(&config);

	(void)state;
	assert_good(d, send(d, 0x10, page, 4));
	for (unsigned pcv = 0; pcv < 2; pcv++) {
		assert_good(d, COMMAND(d, NULL, 0, 64, 0x1c, (uint8_t)pcv, 0, B2(64), 0));
		assert_int_equal(d->in_len, sizeof(want));
		assert_memory_equal(d->in, want, sizeof(want));
	}
	COMMAND(d, NULL, 0, 64, 0x1c, 1, 0x40, B2(64), 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 2);
	send(d, 0x10, other, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(d), 0);
	send(d, 0x10, longer, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	send(d, 0x10, page, 3);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	send(d, 0x10, page, 8);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	COMMAND(d, page, 2, 0, 0x1d, 0x10, 0, B2(4), 0); /* less than it says */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(self_tests),
	    cmocka_unit_test(what_there_is_not_is_refused),
	    cmocka_unit_test(the_page_of_pages),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
