/* SPDX-License-Identifier: MIT */
/* A device passed through: its answers are its own, but for what the core answers; over the real sg
 * module and the device that fakesg.c pretends. */
#include <stdio.h>
#include <unistd.h>

#include "module_fixture.h"
#include "temp_dir.h"

static struct disk *device;

static int new_device(void **state)
{
	(void)state;
	device = module_open(store_find("sg"), temp_file("disk.fakesg", 64 * 512));
	return 0;
}

static int end_device(void **state)
{
	(void)state;
	disk_close(device);
	return 0;
}

static void the_device_says_what_it_is(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 255, 0x12, 0, 0, 0, 255, 0));
	assert_int_equal(device->in_len, 36);
	assert_int_equal(device->task.transfer_length, 36);
	assert_memory_equal(device->in + 8, "FAKE    SCSI DISK", 17);
	COMMAND(device, NULL, 0, 255, 0x12, 1, 0xc1, 0, 255, 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(device->in_len, 0);
	assert_good(device, COMMAND(device, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
	assert_int_equal(get_be32(device->in), 63);
	assert_good(device, COMMAND(device, NULL, 0, 32, 0x9e, 0x10, B8(0), B4(32), 0, 0));
	assert_int_equal(get_be64(device->in), 63);
}

static void data_go_through(void **state)
{
	static uint8_t data[32 * 512];

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	assert_good(device, COMMAND(device, data, sizeof(data), 0, 0x2a, 0, B4(8), 0, B2(32), 0));
	assert_good(device, COMMAND(device, NULL, 0, sizeof(data), 0x88, 0, B8(8), B4(32), 0, 0));
	assert_int_equal(device->in_len, sizeof(data));
	assert_memory_equal(device->in, data, sizeof(data));
	/* the device refuses; what is beyond its end is for it to know */
	COMMAND(device, NULL, 0, 512, 0x28, 0, B4(64), 0, B2(1), 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	/* less than the initiator has room for */
	assert_good(device, COMMAND(device, NULL, 0, 2048, 0x28, 0, B4(8), 0, B2(1), 0));
	assert_int_equal(device->in_len, 512);
	assert_int_equal(device->task.transfer_length, 512);
}

static void commands_nobody_knows_go_there_too(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 16, 0xe1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(device, NULL, 0, 0, 0xc0, 2, STATUS_BUSY, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(device->task.status, STATUS_BUSY);
	COMMAND(device, NULL, 0, 0, 0xc0, 2, STATUS_TASK_SET_FULL, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(device->task.status, STATUS_TASK_SET_FULL);
	/* an unknown service action of an operation code that has rows */
	COMMAND(device, NULL, 0, 16, 0xa3, 0x1f, 0, 0, 0, 0, B4(16), 0, 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
}

static void a_device_that_cannot_be_reached_is_told(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 0, 0xc0, 0, 0x07, 0, 0, 0, 0, 0, 0, 0);
	assert_int_equal(device->sense_key, KEY_ABORTED_COMMAND);
	COMMAND(device, NULL, 0, 0, 0xc0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0); /* no connection */
	assert_int_equal(device->sense_key, KEY_NOT_READY);
	for (unsigned ms = 0; ms < 10000 && device->task.status != STATUS_GOOD; ms += 20) {
		usleep(20000);
		COMMAND(device, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	}
	assert_int_equal(device->task.status, STATUS_GOOD);
}

/* The pretended device has none of these. */
static void the_core_answers_what_is_the_targets(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 64, 0xa0, 0, 0, 0, 0, 0, B4(64), 0, 0));
	assert_int_equal(get_be32(device->in), 16);
	assert_int_equal(device->in[8 + 8 + 1], device->lu->lun);
	assert_good(device, COMMAND(device, NULL, 0, 18, 0x03, 0, 0, 0, 18, 0));
	assert_int_equal(device->in[0], 0x70);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x16, 0, 0, 0, 0, 0));
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x17, 0, 0, 0, 0, 0));
	assert_good(device, COMMAND(device, NULL, 0, 8, 0x5e, 0, 0, 0, 0, 0, 0, B2(8), 0));
	assert_int_equal(get_be32(device->in + 4), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_device, end_device)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_device_says_what_it_is),
	    TEST(data_go_through),
	    TEST(commands_nobody_knows_go_there_too),
	    TEST(a_device_that_cannot_be_reached_is_told),
	    TEST(the_core_answers_what_is_the_targets),
	};

	return cmocka_run_group_tests(tests, start, end);
}
