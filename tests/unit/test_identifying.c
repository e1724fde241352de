/* SPDX-License-Identifier: MIT */
/* REPORT and SET IDENTIFYING INFORMATION (SPC-5). */
#include "disk_fixture.h"
#include "store/state.h"
#include "temp_dir.h"

static const struct mem_config config = {.size = 1 << 20, .block_size = 512, .caps = CAPS_PLAIN};

#define PERIPHERAL 0x00
#define TEXT 0x02

static uint8_t report(struct disk *d, uint8_t type)
{
	return COMMAND(d, NULL, 0, 512, 0xa3, 0x05, 0, 0, 0, 0, B4(512), (uint8_t)(type << 1), 0);
}

static uint8_t set(struct disk *d, uint8_t type, const void *list, uint32_t len)
{
	return COMMAND(d, list, len, 0, 0xa4, 0x06, 0, 0, 0, 0, B4(len), (uint8_t)(type << 1), 0);
}

static void assert_reported(struct disk *d, uint8_t type, const void *want, unsigned len)
{
	assert_good(d, report(d, type));
	assert_int_equal(d->in_len, 4 + len);
	assert_int_equal(get_be16(d->in + 2), len);
	if (len)
		assert_memory_equal(d->in + 4, want, len);
}

static int with_state(void **state)
{
	(void)state;
	return state_set_directory(temp_path("state"));
}

static int without_state(void **state)
{
	(void)state;
	return state_set_directory(NULL);
}

static void each_kind_is_kept(void **state)
{
	uint8_t bytes[64];
	struct disk *d = disk_open(&config);

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		bytes[i] = (uint8_t)(i * 3);
	assert_reported(d, PERIPHERAL, NULL, 0);
	assert_reported(d, TEXT, NULL, 0);
	assert_good(d, set(d, PERIPHERAL, bytes, 64));
	assert_good(d, set(d, TEXT, "Kühlhaus", 10));
	assert_reported(d, PERIPHERAL, bytes, 64);
	assert_reported(d, TEXT, "Kühlhaus", 10);
	assert_good(d, set(d, PERIPHERAL, NULL, 0)); /* none of length 0 */
	assert_reported(d, PERIPHERAL, NULL, 0);
	assert_reported(d, TEXT, "Kühlhaus", 10);
	on_reactor(d, remove_lu);

	fixture.next_lun--;
	on_reactor(d, make_lu);
	while (COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0))
		;
	assert_reported(d, PERIPHERAL, NULL, 0);
	assert_reported(d, TEXT, "Kühlhaus", 10);
	disk_close(d);
}

static void the_supported_types_are_told(void **state)
{
	static const uint8_t want[] = {0x00, 0, 0, 64, 0x04, 0, 1, 0};
	struct disk *d = disk_open(&config);

	(void)state;
	assert_reported(d, 0x7f, want, sizeof(want));
	report(d, 0x04);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 10);
	disk_close(d);
}

static void what_is_too_long_or_no_text_is_refused(void **state)
{
	uint8_t list[257] = {0};
	struct disk *d = disk_open(&config);

	(void)state;
	set(d, PERIPHERAL, list, 65);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	set(d, TEXT, list, 257);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	set(d, 0x7f, list, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	set(d, TEXT, "abc", 3); /* no NUL at its end */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	set(d, TEXT, "a\0c", 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	COMMAND(d, list, 3, 0, 0xa4, 0x06, 0, 0, 0, 0, B4(4), 0, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_reported(d, PERIPHERAL, NULL, 0);
	assert_reported(d, TEXT, NULL, 0);
	disk_close(d);
}

/* It must survive a power cycle, so where nothing can be kept there is no such command. */
static void without_a_state_directory_there_is_none(void **state)
{
	struct disk *d;

	(void)state;
	assert_int_equal(state_set_directory(NULL), 0);
	d = disk_open(&config);
	report(d, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	set(d, 0, "x", 1);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(each_kind_is_kept, with_state, without_state),
	    cmocka_unit_test_setup_teardown(the_supported_types_are_told, with_state,
					    without_state),
	    cmocka_unit_test_setup_teardown(what_is_too_long_or_no_text_is_refused, with_state,
					    without_state),
	    cmocka_unit_test(without_a_state_directory_there_is_none),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
