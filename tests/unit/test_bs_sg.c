/* SPDX-License-Identifier: MIT */
/* The sg store's module, on devices that fakesg pretends: an sg node, a bsg node, a block device.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_host.h"
#include "fakesg.h"
#include "temp_dir.h"
#include "util/bytes.h"

#define BLOCKS 64

static struct fake_store device;
static uint8_t sense[96];
static struct tgt_bs_request last;
static bool on_worker; /* the last one */

static const struct store_module *module(void)
{
	const struct store_module *sg = fake_module_load(fake_module_file("sg"));

	assert_non_null(sg);
	return sg;
}

static struct fake_device *fake(const char *name)
{
	struct fake_device *d = fakesg_device(temp_path(name));

	assert_non_null(d);
	return d;
}

/* *state: the name of the node, "disk.fakesg" without it. */
static int new_device(void **state)
{
	const char *name = *state ? *state : "disk.fakesg";
	struct fake_open how = {.path = temp_file(name, BLOCKS * 512)};

	fake_log_clear();
	if (fake_store_open(&device, module(), &how))
		return -1;
	fake(name)->ua = 0;
	return 0;
}

static int end_device(void **state)
{
	(void)state;
	fake_store_close(&device);
	return 0;
}

static struct fake_request *prepare(const uint8_t *bytes, uint32_t len, uint32_t flags,
				    size_t data_len)
{
	struct fake_request *r = fake_request_new(&device, TGT_BS_CDB, 0, data_len);

	r->bs.cdb = bytes;
	r->bs.cdb_len = len;
	r->bs.flags = (uint16_t)flags;
	r->bs.sense = sense;
	r->bs.sense_size = sizeof(sense);
	r->bs.timeout_ms = 1000;
	return r;
}

/* The data stand in two pieces when there are enough of them. */
static int cdb(const uint8_t *bytes, uint32_t len, uint32_t flags, void *data, size_t data_len)
{
	struct fake_request *r = prepare(bytes, len, flags, data_len);
	int status;

	if (data_len > 512) {
		fake_request_add(r, data, 512);
		fake_request_add(r, (char *)data + 512, data_len - 512);
	} else if (data_len) {
		fake_request_add(r, data, data_len);
	}
	assert_true(fake_run(r));
	last = r->bs;
	on_worker = r->went_to_worker;
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
	    {0, 0x02, TGT_BS_ERR_BUSY},           /* bus busy: not sent */
	    {0, 0x0c, TGT_BS_ERR_BUSY},           /* retry at once: not sent */
	    {0, 0x0d, TGT_BS_ERR_BUSY},           /* requeue: not sent */
	    {0, 0x0b, TGT_BS_ERR_TRANSPORT},      /* soft error: nobody knows */
	    {0, 0x0e, TGT_BS_ERR_TRANSPORT},      /* transport disrupted: nobody knows */
	    {0, 0x03, TGT_BS_ERR_TIMED_OUT},      /* time out */
	    {0, 0x08, TGT_BS_ERR_RESET},          /* reset */
	    {0, 0x05, TGT_BS_ERR_TRANSPORT},      /* abort */
	    {0, 0x07, TGT_BS_ERR_TRANSPORT},      /* error */
	    {0, 0x13, TGT_BS_ERR_TRANSPORT},      /* medium error, without a status */
	    {0, 0x77, TGT_BS_ERR_TRANSPORT},      /* unknown */
	    {1, 0x06, TGT_BS_ERR_TIMED_OUT},      /* driver: time out */
	    {1, 0x04, TGT_BS_ERR_TRANSPORT},      /* driver: error */
	    {3, ENOMEM, TGT_BS_ERR_BUSY},         /* no memory now */
	    {3, EPERM, TGT_BS_ERR_NOT_SUPPORTED}, /* filtered */
	    {3, EIO, TGT_BS_ERR_TRANSPORT},       {3, ESRCH, TGT_BS_ERR_HARDWARE},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_log_clear();
		assert_int_equal(CDB(0, NULL, 0, 0xc0, cases[i].where, cases[i].code, 0, 0, 0),
				 cases[i].status);
		assert_int_equal(last.actual, 0);
		assert_int_equal(strlen(fake_log()) != 0,
				 cases[i].where == 3 && cases[i].code != ENOMEM);
	}
}

static void the_log_hears_of_it_once(void **state)
{
	size_t len;

	(void)state;
	CDB(0, NULL, 0, 0xc0, 3, EPERM, 0, 0, 0);
	len = strlen(fake_log());
	assert_int_not_equal(len, 0);
	for (unsigned i = 0; i < 100; i++)
		CDB(0, NULL, 0, 0xc0, 3, EPERM, 0, 0, 0);
	assert_int_equal(strlen(fake_log()), len);
}

static void an_sg_node_is_served_without_waiting(void **state)
{
	(void)state;
	assert_int_equal(CDB(0, NULL, 0, 0, 0, 0, 0, 0, 0), TGT_BS_OK);
	assert_false(on_worker);
}

static void other_nodes_are_served_by_workers(void **state)
{
	(void)state;
	assert_int_equal(CDB(0, NULL, 0, 0, 0, 0, 0, 0, 0), TGT_BS_OK);
	assert_true(on_worker);
}

static void a_tapes_length_errors_come_as_they_are(void **state)
{
	uint8_t data[160];

	(void)state;
	/* a record of 100 bytes: shorter than asked for, then longer */
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, data, 160, 0x08, 0, 0, 0, 160, 0),
			 TGT_BS_ERR_SCSI);
	assert_int_equal(last.actual, 100);
	assert_int_equal(sense[2], 0x20);
	assert_int_equal((int)get_be32(sense + 3), 60);
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, data, 80, 0x08, 0, 0, 0, 80, 0), TGT_BS_ERR_SCSI);
	assert_int_equal(last.actual, 80);
	assert_int_equal((int)get_be32(sense + 3), -20);
}

/* ---- many at once ---- */

#define MANY 200

static struct fake_request *many[MANY];
static uint8_t cdbs[MANY][10];
static uint8_t blocks[MANY][512];

static void start_slow(unsigned i, unsigned ms)
{
	memset(cdbs[i], 0, sizeof(cdbs[i]));
	cdbs[i][0] = 0xc0;
	cdbs[i][1] = 4;
	cdbs[i][2] = (uint8_t)(ms / 10);
	many[i] = prepare(cdbs[i], 6, 0, 0);
	fake_submit(many[i]);
}

static void end_all(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		assert_true(fake_wait(many[i]));
		assert_int_equal(many[i]->bs.status, TGT_BS_OK);
		fake_request_free(many[i]);
	}
}

/* More than one descriptor takes, and more than the adapter does: write() would wait. */
static void many_are_under_way_at_once(void **state)
{
	struct fake_device *d = fake("disk.fakesg");

	(void)state;
	d->most_under_way = 0;
	for (unsigned i = 0; i < MANY; i++)
		start_slow(i, 200);
	end_all(MANY);
	assert_in_range(d->most_under_way, SG_MAX_QUEUE + 1, FAKESG_DEPTH);
	assert_int_equal(d->under_way, 0);
	assert_string_equal(fake_log(), "");
}

static void they_start_in_order(void **state)
{
	uint8_t in[512];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		const uint8_t write10[10] = {0x2a, 0, 0, 0, 0, 3, 0, 0, 1, 0};

		memcpy(cdbs[i], write10, sizeof(write10));
		memset(blocks[i], (int)i, 512);
		many[i] = prepare(cdbs[i], 10, TGT_BS_REQ_DATA_OUT, 512);
		fake_request_add(many[i], blocks[i], 512);
		fake_submit(many[i]);
	}
	end_all(MANY);
	assert_int_equal(CDB(TGT_BS_REQ_DATA_IN, in, 512, 0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0),
			 TGT_BS_OK);
	assert_memory_equal(in, blocks[MANY - 1], 512);
}

static void what_was_not_sent_can_be_cancelled(void **state)
{
	struct fake_device *d = fake("disk.fakesg");
	const struct tgt_bs_module *m = &module()->descriptor;

	(void)state;
	d->commands[0xc0] = 0;
	for (unsigned i = 0; i <= FAKESG_DEPTH; i++)
		start_slow(i, 500);
	/* one that the device has comes back as it will, one that waits here at once */
	m->cancel(device.store, device.channel, &many[0]->bs);
	assert_int_equal(many[0]->completions, 0);
	m->cancel(device.store, device.channel, &many[FAKESG_DEPTH]->bs);
	assert_int_equal(many[FAKESG_DEPTH]->completions, 1);
	assert_int_equal(many[FAKESG_DEPTH]->bs.status, TGT_BS_ERR_CANCELLED);
	fake_request_free(many[FAKESG_DEPTH]);
	end_all(FAKESG_DEPTH);
	assert_int_equal(d->commands[0xc0], FAKESG_DEPTH);
}

/* ---- limits, reset, options ---- */

static void what_is_too_long_is_told(void **state)
{
	static uint8_t data[FAKESG_MAX_TRANSFER + 512];
	bool says_so = !*state || !strstr(*state, "bsg");

	assert_int_equal(device.geometry.max_transfer, says_so ? FAKESG_MAX_TRANSFER : 0);
	assert_int_equal(
	    CDB(TGT_BS_REQ_DATA_IN, data, sizeof(data), 0x28, 0, 0, 0, 0, 0, 0, 2, 1, 0),
	    TGT_BS_ERR_TOO_LONG);
}

static enum tgt_bs_status reset_device(void)
{
	struct fake_request *r = fake_request_new(&device, TGT_BS_RESET, 0, 0);
	enum tgt_bs_status status;

	assert_true(fake_run(r));
	assert_true(r->went_to_worker);
	status = r->bs.status;
	fake_request_free(r);
	return status;
}

/* The device (1), and nothing beyond it (0x100). */
static void it_can_be_reset(void **state)
{
	(void)state;
	assert_int_equal(reset_device(), TGT_BS_OK);
	assert_int_equal(fake("disk.fakesg")->last_reset, 0x101);
}

static void a_bsg_node_has_no_reset(void **state)
{
	(void)state;
	assert_int_equal(reset_device(), TGT_BS_ERR_NOT_SUPPORTED);
	assert_non_null(strstr(fake_log(), "can't be reset"));
}

/* A host of version 0.1 hands over a geometry that ends before the timeouts. */
static void an_older_host_gets_no_more_than_it_has_room_for(void **state)
{
	struct tgt_bs_geometry g;

	(void)state;
	memset(&g, 0xee, sizeof(g));
	g.struct_size = offsetof(struct tgt_bs_geometry, timeout_ms);
	assert_int_equal(module()->descriptor.geometry(device.store, &g), 0);
	assert_int_equal(g.timeout_ms, 0xeeeeeeee);
	assert_int_equal(g.long_timeout_ms, 0xeeeeeeee);
}

static void options_reach_the_core(void **state)
{
	struct fake_store other;
	struct fake_open how = {
	    .path = temp_path("disk.fakesg"),
	    .bsopts = "timeout=5:long_timeout=7200:reservations=device",
	};

	(void)state;
	assert_int_equal(device.geometry.timeout_ms, 60000);
	assert_int_equal(device.geometry.long_timeout_ms, 172800000);
	assert_int_equal(device.geometry.flags, 0);
	assert_int_equal(fake_store_open(&other, module(), &how), 0);
	assert_int_equal(other.geometry.timeout_ms, 5000);
	assert_int_equal(other.geometry.long_timeout_ms, 7200000);
	assert_int_equal(other.geometry.flags, TGT_BS_GEO_RESERVATIONS);
	fake_store_close(&other);
	how.bsopts = "reservations=both";
	assert_int_not_equal(fake_store_open(&other, module(), &how), 0);
	assert_non_null(strstr(other.error, "neither target nor device"));
}

static void refuses(const char *path, const char *why)
{
	struct fake_store other;

	assert_int_not_equal(fake_store_open(&other, module(), &(struct fake_open){.path = path}),
			     0);
	assert_non_null(strstr(other.error, why));
	assert_non_null(strstr(other.error, path));
	assert_null(strchr(other.error, '\n'));
}

static void what_is_no_scsi_device_is_refused(void **state)
{
	(void)state;
	refuses(temp_file("plain", 4096), "not a device");
	refuses("/dev/null", "not a SCSI device");
	refuses("/nowhere/sg0", "No such file");
}

static void a_device_that_does_not_answer_is_refused(void **state)
{
	struct fake_device *d = fake("disk.fakesg");

	(void)state;
	d->commands[0xc7] = 10;
	d->commands[0xc8] = 1; /* no connection */
	refuses(d->path, "does not answer INQUIRY");
	d->commands[0xc7] = 0;
	fakesg_plug(d, false);
	refuses(d->path, "no device behind it");
	fakesg_plug(d, true);
}

/* The kernel then lets nothing pass by that descriptor that writes. */
static void a_read_only_one_says_so(void **state)
{
	struct fake_open how = {.path = temp_path("disk.fakesg"), .flags = TGT_BS_OPEN_READONLY};
	struct fake_store writable = device;

	(void)state;
	assert_int_equal(fake_store_open(&device, module(), &how), 0);
	assert_int_equal(device.geometry.flags, TGT_BS_GEO_READONLY);
	assert_int_equal(CDB(0, NULL, 0, 0, 0, 0, 0, 0, 0), TGT_BS_OK);
	assert_true(on_worker);
	fake_store_close(&device);
	device = writable;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_device, end_device)
#define TEST_ON(name, node)                                                                        \
	{                                                                                          \
#name " on " node, name, new_device, end_device, (char *)(uintptr_t)node           \
	}
#define TEST_ON_ALL(name) TEST(name), TEST_ON(name, "disk.fakebsg"), TEST_ON(name, "disk.fakeblk")

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_ON_ALL(a_command_goes_through),
	    TEST_ON_ALL(data_go_both_ways),
	    TEST_ON_ALL(the_devices_status_and_sense_come_back),
	    TEST_ON_ALL(what_keeps_it_from_the_device_is_told),
	    TEST_ON_ALL(the_log_hears_of_it_once),
	    TEST(an_sg_node_is_served_without_waiting),
	    TEST_ON(other_nodes_are_served_by_workers, "disk.fakebsg"),
	    TEST_ON(other_nodes_are_served_by_workers, "disk.fakeblk"),
	    TEST_ON(a_tapes_length_errors_come_as_they_are, "tape.fakesg"),
	    TEST_ON(a_tapes_length_errors_come_as_they_are, "tape.fakebsg"),
	    TEST(many_are_under_way_at_once),
	    TEST(they_start_in_order),
	    TEST(what_was_not_sent_can_be_cancelled),
	    TEST_ON_ALL(what_is_too_long_is_told),
	    TEST(it_can_be_reset),
	    TEST_ON(a_bsg_node_has_no_reset, "disk.fakebsg"),
	    TEST(an_older_host_gets_no_more_than_it_has_room_for),
	    TEST(options_reach_the_core),
	    cmocka_unit_test(what_is_no_scsi_device_is_refused),
	    TEST(a_device_that_does_not_answer_is_refused),
	    TEST(a_read_only_one_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
