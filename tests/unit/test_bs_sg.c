/* SPDX-License-Identifier: MIT */
/* The sg store's module, on a device that fakesg.c pretends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_host.h"
#include "temp_dir.h"
#include "util/bytes.h"

#define BLOCKS 64

static struct fake_store device;
static uint8_t sense[96];
static struct tgt_bs_request last;

static const struct store_module *module(void)
{
	const struct store_module *sg = fake_module_load(fake_module_file("sg"));

	assert_non_null(sg);
	return sg;
}

static int new_device(void **state)
{
	struct fake_open how = {.path = temp_file("disk.fakesg", BLOCKS * 512)};

	(void)state;
	return fake_store_open(&device, module(), &how);
}

static int end_device(void **state)
{
	(void)state;
	fake_store_close(&device);
	return 0;
}

/* The data stand in two pieces when there are enough of them. */
static int cdb(const uint8_t *bytes, uint32_t len, uint32_t flags, void *data, size_t data_len)
{
	struct fake_request *r = fake_request_new(&device, TGT_BS_CDB, 0, data_len);
	int status;

	r->bs.cdb = bytes;
	r->bs.cdb_len = len;
	r->bs.flags = (uint16_t)flags;
	r->bs.sense = sense;
	r->bs.sense_size = sizeof(sense);
	r->bs.timeout_ms = 1000;
	if (data_len > 512) {
		fake_request_add(r, data, 512);
		fake_request_add(r, (char *)data + 512, data_len - 512);
	} else if (data_len) {
		fake_request_add(r, data, data_len);
	}
	assert_true(fake_run(r));
	assert_true(r->went_to_worker);
	last = r->bs;
	status = (int)r->bs.status;
	fake_request_free(r);
	return status;
}

#define CDB(flags, data, len, ...)                                                                 \
	cdb((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), flags, data,   \
	    len)

static void a_command_goes_through(void **state)
{
	uint8_t data[96] = {0};

	(void)state;
	assert_int_equal(CDB(0, NULL, 0, 0, 0, 0, 0, 0, 0), TGT_BS_OK);
	assert_int_equal(last.scsi_status, 0);
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, data, 96, 0x12, 0, 0, 0, 96, 0), TGT_BS_OK);
	assert_int_equal(last.actual, 36); /* the device had no more */
	assert_memory_equal(data + 8, "FAKE    SCSI DISK", 17);
}

static void data_go_both_ways(void **state)
{
	uint8_t out[2048], in[2048];

	(void)state;
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 11);
	assert_int_equal(
	    CDB(TGT_BS_REQ_DATA_OUT, out, sizeof(out), 0x2a, 0, 0, 0, 0, 5, 0, 0, 4, 0), TGT_BS_OK);
	assert_int_equal(last.actual, sizeof(out));
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, in, sizeof(in), 0x28, 0, 0, 0, 0, 5, 0, 0, 4, 0),
			 TGT_BS_OK);
	assert_memory_equal(in, out, sizeof(in));
	/* asked for less than there is room for */
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, in, sizeof(in), 0x28, 0, 0, 0, 0, 5, 0, 0, 1, 0),
			 TGT_BS_OK);
	assert_int_equal(last.actual, 512);
}

static void the_devices_status_and_sense_come_back(void **state)
{
	uint8_t data[512];

	(void)state;
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, data, 512, 0x28, 0, 0, 0, 0, BLOCKS, 0, 0, 1, 0),
			 TGT_BS_ERR_SCSI);
	assert_int_equal(last.scsi_status, 0x02);
	assert_int_equal(last.sense_len, 18);
	assert_int_equal(sense[2], 0x05);
	assert_int_equal(get_be16(sense + 12), 0x2100);
	assert_int_equal(last.actual, 0);
	assert_int_equal(CDB(0, NULL, 0, 0xc0, 2, 0x18, 0, 0, 0), TGT_BS_ERR_SCSI);
	assert_int_equal(last.scsi_status, 0x18);
	assert_int_equal(CDB(0, NULL, 0, 0xc0, 2, 0x08, 0, 0, 0), TGT_BS_ERR_SCSI);
	assert_int_equal(last.scsi_status, 0x08);
}

static void what_keeps_it_from_the_device_is_told(void **state)
{
	static const struct {
		uint8_t where, code;
		enum tgt_bs_status status;
	} cases[] = {
	    {0, 0x01, TGT_BS_ERR_NOT_READY},      /* no connection */
	    {0, 0x04, TGT_BS_ERR_NOT_READY},      /* bad target */
	    {0, 0x02, TGT_BS_ERR_BUSY},           /* bus busy */
	    {0, 0x0d, TGT_BS_ERR_BUSY},           /* requeue */
	    {0, 0x03, TGT_BS_ERR_TIMED_OUT},      /* time out */
	    {0, 0x07, TGT_BS_ERR_TRANSPORT},      /* error */
	    {0, 0x13, TGT_BS_ERR_TRANSPORT},      /* medium error, without a status */
	    {0, 0x77, TGT_BS_ERR_TRANSPORT},      /* unknown */
	    {1, 0x06, TGT_BS_ERR_TIMED_OUT},      /* driver: time out */
	    {1, 0x04, TGT_BS_ERR_TRANSPORT},      /* driver: error */
	    {3, ENODEV, TGT_BS_ERR_NOT_READY},    /* it is gone */
	    {3, ENOMEM, TGT_BS_ERR_BUSY},         /* no memory now */
	    {3, EPERM, TGT_BS_ERR_NOT_SUPPORTED}, /* filtered */
	    {3, EIO, TGT_BS_ERR_HARDWARE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_log_clear();
		assert_int_equal(CDB(0, NULL, 0, 0xc0, cases[i].where, cases[i].code, 0, 0, 0),
				 cases[i].status);
		assert_int_equal(strlen(fake_log()) != 0, cases[i].where == 3);
	}
}

static void it_can_be_reset(void **state)
{
	struct fake_request *r = fake_request_new(&device, TGT_BS_RESET, 0, 0);

	(void)state;
	assert_true(fake_run(r));
	assert_int_equal(r->bs.status, TGT_BS_OK);
	fake_request_free(r);
}

static void refuses(const char *path, const char *why)
{
	struct fake_store other;

	assert_int_not_equal(fake_store_open(&other, module(), &(struct fake_open){.path = path}),
			     0);
	assert_non_null(strstr(other.error, why));
	assert_non_null(strstr(other.error, path));
}

static void what_is_no_scsi_device_is_refused(void **state)
{
	(void)state;
	refuses(temp_file("plain", 4096), "not a device");
	refuses("/dev/null", "not a SCSI device");
	refuses("/nowhere/sg0", "No such file");
}

static void a_read_only_one_says_so(void **state)
{
	struct fake_store other;
	struct fake_open how = {.path = temp_path("disk.fakesg"), .flags = TGT_BS_OPEN_READONLY};

	(void)state;
	assert_int_equal(fake_store_open(&other, module(), &how), 0);
	assert_int_equal(other.geometry.flags, TGT_BS_GEO_READONLY);
	fake_store_close(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_device, end_device)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_command_goes_through),
	    TEST(data_go_both_ways),
	    TEST(the_devices_status_and_sense_come_back),
	    TEST(what_keeps_it_from_the_device_is_told),
	    TEST(it_can_be_reset),
	    cmocka_unit_test(what_is_no_scsi_device_is_refused),
	    TEST(a_read_only_one_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
