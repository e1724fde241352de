/* SPDX-License-Identifier: MIT */
/* The sg store's module when its device goes away, and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fake_host.h"
#include "fakesg.h"
#include "temp_dir.h"

#define PATIENCE_MS 10000
#define MANY 50

static struct fake_store device;
static struct fake_device *fake;
static const uint8_t test_unit_ready[6];
static const uint8_t slow[6] = {0xc0, 4, 20}; /* 200 ms */
static const uint8_t no_connection[6] = {0xc0, 0, 1};

static int new_device(void **state)
{
	const char *name = *state ? *state : "disk.fakesg";
	struct fake_open how = {.path = temp_file(name, 4096)};

	fake_log_clear();
	if (fake_store_open(&device, fake_module_load(fake_module_file("sg")), &how))
		return -1;
	fake = fakesg_device(how.path);
	fake->serial = 'a';
	return 0;
}

static int end_device(void **state)
{
	(void)state;
	fake_store_close(&device);
	fakesg_plug(fake, true);
	return 0;
}

static struct fake_request *start(const uint8_t *cdb)
{
	struct fake_request *r = fake_request_new(&device, TGT_BS_CDB, 0, 0);

	r->bs.cdb = cdb;
	r->bs.cdb_len = 6;
	r->bs.timeout_ms = 1000;
	fake_submit(r);
	return r;
}

static enum tgt_bs_status end(struct fake_request *r)
{
	enum tgt_bs_status status;

	assert_true(fake_wait(r));
	assert_int_equal(r->completions, 1);
	status = r->bs.status;
	fake_request_free(r);
	return status;
}

static enum tgt_bs_status run(const uint8_t *cdb)
{
	return end(start(cdb));
}

static unsigned count(const char *text)
{
	unsigned n = 0;

	for (const char *at = fake_log(); (at = strstr(at, text)); at++)
		n++;
	return n;
}

static void wait_for(const char *text, unsigned times)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && count(text) < times; ms += 20)
		fake_settle(20);
	assert_int_equal(count(text), times);
}

/* What is under way comes back, what comes later is refused; it is said once. */
static void it_goes_with_commands_under_way(void **state)
{
	struct fake_request *many[MANY];
	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		many[i] = start(slow);
	assert_true(fake_watches() > 1);
	fakesg_plug(fake, false);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_not_equal(end(many[i]), TGT_BS_OK);
	assert_int_equal(run(test_unit_ready), TGT_BS_ERR_NOT_READY);
	assert_int_equal(count("can't be reached"), 1);
	assert_int_equal(count("offline"), 1);
	/* nothing of it is held open, so its name is free */
	for (unsigned ms = 0; ms < PATIENCE_MS && fake_watches() > 1; ms += 20)
		fake_settle(20);
	assert_int_equal(fake_watches(), 1);
	assert_int_equal(fake_timers(), 0);
	fakesg_plug(fake, true);
	wait_for("online", 1);
	assert_int_equal(count("is back"), 1);
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
}

/* Before its first command, and after it is back. */
static void it_goes_while_idle(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 2; i++) {
		fakesg_plug(fake, false);
		wait_for("offline", i);
		fakesg_plug(fake, true);
		wait_for("online", i);
		fake_settle(50);
	}
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
}

/* Nodes without poll() are found out by the next command. */
static void a_command_finds_it_gone(void **state)
{
	(void)state;
	fakesg_plug(fake, false);
	assert_int_equal(run(test_unit_ready), TGT_BS_ERR_NOT_READY);
	assert_int_equal(count("offline"), 1);
	fakesg_plug(fake, true);
	wait_for("online", 1);
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
}

static void its_adapter_loses_it(void **state)
{
	(void)state;
	assert_int_equal(run(no_connection), TGT_BS_ERR_NOT_READY);
	wait_for("offline", 1);
	wait_for("online", 1);
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
}

static void it_goes_again_and_again(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(run(no_connection), TGT_BS_ERR_NOT_READY);
		wait_for("online", i);
		assert_int_equal(count("offline"), i);
	}
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
}

/* Another disk under the same name. */
static void another_device_is_not_taken(void **state)
{
	(void)state;
	assert_int_equal(run(test_unit_ready), TGT_BS_OK);
	fakesg_plug(fake, false);
	fake->serial = 'b';
	fakesg_plug(fake, true);
	wait_for("another device", 1);
	fake_settle(1000);
	assert_int_equal(count("another device"), 1);
	assert_int_equal(count("online"), 0);
	assert_int_equal(run(test_unit_ready), TGT_BS_ERR_NOT_READY);
	fake->serial = 'a';
	wait_for("online", 1);
}

/* By end_device(). */
static void it_can_be_closed_meanwhile(void **state)
{
	(void)state;
	fakesg_plug(fake, false);
	run(test_unit_ready);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_device, end_device)
#define TEST_ON(name, node)                                                                        \
	{                                                                                          \
#name " on " node, name, new_device, end_device, (char *)(uintptr_t)node           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_goes_with_commands_under_way),
	    TEST(it_goes_while_idle),
	    TEST(a_command_finds_it_gone),
	    TEST_ON(a_command_finds_it_gone, "disk.fakebsg"),
	    TEST(its_adapter_loses_it),
	    TEST_ON(its_adapter_loses_it, "disk.fakebsg"),
	    TEST(it_goes_again_and_again),
	    TEST(another_device_is_not_taken),
	    TEST(it_can_be_closed_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
