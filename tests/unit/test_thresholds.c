/* SPDX-License-Identifier: MIT */
/* Soft thresholds (SBC-4, logical block provisioning thresholds): when they arm, and who is told.
 */
#include "fake_tape.h"
#include "fake_task.h"
#include "scsi/mode.h"
#include "scsi/thresholds.h"

#define MiB (UINT64_C(1) << 20)
#define AVAILABLE 0 /* descriptors of each resource */
#define USED 2

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};
static struct lu_slice slices[2];
static struct lu_exclusive exclusive;

/* ---- the rest of the core ---- */

static unsigned told;
static uint64_t told_id;    /* 0: all */
static struct timer *timer; /* armed */
static uint32_t timer_delay;
static struct store_usage *asked;
static int references;
static bool tells;

void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_int_equal(asc, 0x3807);
	assert_int_equal(except, 0);
	told++;
	told_id = 0;
}

void lu_establish_ua_for(struct lu *lu, uint16_t asc, uint64_t only)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_int_equal(asc, 0x3807);
	told++;
	told_id = only;
}

uint32_t store_capabilities(const struct store *store)
{
	(void)store;
	return TGT_BS_CAN_WRITE;
}

bool store_tells_usage(const struct store *store)
{
	(void)store;
	return tells;
}

void store_ask_usage(struct store *store, struct store_usage *asks)
{
	assert_ptr_equal(store, fake_lu.store);
	assert_null(asked);
	asked = asks;
}

struct reactor *reactor_get(unsigned id)
{
	assert_int_equal(id, fake_lu.home);
	return NULL;
}

unsigned reactors_count(void)
{
	return 2;
}

void reactor_send(struct reactor *reactor, struct message *message)
{
	(void)reactor;
	message->fn(message);
}

void reactor_timer_arm(struct reactor *reactor, struct timer *t, uint32_t delay_ms)
{
	(void)reactor;
	timer = t;
	timer_delay = delay_ms;
}

void reactor_timer_cancel(struct timer *t)
{
	(void)t;
	timer = NULL;
}

void lu_ref(struct lu *lu)
{
	(void)lu;
	references++;
}

void lu_unref(struct lu *lu)
{
	(void)lu;
	references--;
}

bool mode_savable(void)
{
	return false;
}

void mode_load(struct lu *lu)
{
	(void)lu;
}

/* ---- ---- */

static int setup(void **state)
{
	(void)state;
	told = 0;
	references = 0;
	timer = NULL;
	asked = NULL;
	tells = true;
	fake_reset();
	memset(slices, 0, sizeof(slices));
	fake_lu.slices = slices;
	fake_lu.home = 1;
	fake_lu.commands = &disk;
	fake_lu.thin = true;
	fake_lu.blocks = 100 * MiB / 512;
	return thresholds_create(&fake_lu) ? -1 : mode_state_create(&fake_lu);
}

static int teardown(void **state)
{
	(void)state;
	thresholds_stop(&fake_lu);
	mode_state_free(&fake_lu);
	thresholds_free(&fake_lu);
	return 0;
}

static uint8_t *page(void)
{
	return mode_find(fake_lu.mode, 0x1c, 0x02)->values[MODE_CURRENT];
}

/* As MODE SELECT does it. */
static void enable(unsigned descriptor, uint32_t count)
{
	uint8_t *d = page() + 16 + (size_t)8 * descriptor;

	d[0] |= 0x80;
	put_be32(d + 4, count);
	thresholds_restart(&fake_lu);
}

static void fire(void)
{
	struct timer *t = timer;

	assert_non_null(t);
	timer = NULL;
	t->fn(t);
}

static void answer(uint64_t used, uint64_t available)
{
	struct store_usage *asks = asked;

	assert_non_null(asks);
	asked = NULL;
	asks->error = 0;
	asks->usage.used = used;
	asks->usage.available = available;
	asks->done(asks);
}

/* A second goes by; how often somebody was told in it. */
static unsigned second(uint64_t used, uint64_t available)
{
	unsigned before = told;

	fire();
	answer(used, available);
	assert_int_equal(timer_delay, 1000);
	return told - before;
}

static void test_page(void **state)
{
	(void)state;
	assert_memory_equal(page(), "\x5c\x02\x00\x2c\x00", 5);
	assert_memory_equal(page() + 16, "\x00\x01\x00\x00\x00\x00\x00\x00", 8);
	assert_memory_equal(page() + 32, "\x01\x02\x00\x00\x00\x00\x00\x00", 8);
}

/* A set is 1 MiB, or more where 32 bits can't count those. */
static void test_exponent(void **state)
{
	(void)state;
	assert_int_equal(thresholds_exponent(&fake_lu), 11);
	fake_lu.block_shift = 12;
	assert_int_equal(thresholds_exponent(&fake_lu), 8);
	fake_lu.blocks = UINT64_C(1) << 51;
	assert_int_equal(thresholds_exponent(&fake_lu), 20);
	assert_true(fake_lu.blocks >> 20 <= UINT32_MAX);
	fake_lu.thin = false;
	assert_int_equal(thresholds_exponent(&fake_lu), 0);
	assert_false(thresholds_reported(&fake_lu));
}

static void test_without_usage(void **state)
{
	(void)state;
	thresholds_free(&fake_lu);
	tells = false;
	assert_int_equal(thresholds_create(&fake_lu), 0);
	assert_false(thresholds_reported(&fake_lu));
	thresholds_restart(&fake_lu);
	thresholds_stop(&fake_lu);
	assert_null(timer);
}

/* Nobody asks the store while none is enabled. */
static void test_disabled(void **state)
{
	(void)state;
	thresholds_restart(&fake_lu);
	assert_int_equal(timer_delay, 0);
	fire();
	assert_null(asked);
	assert_null(timer);
	assert_int_equal(references, 0);
}

/* Armed below the range (29.5 MiB), reached at its other end (30.5 MiB), once. */
static void test_increasing(void **state)
{
	(void)state;
	enable(USED, 30);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(30 * MiB, 70 * MiB), 0);
	assert_int_equal(second(30 * MiB + MiB / 2 - 1, 70 * MiB), 0);
	assert_int_equal(second(30 * MiB + MiB / 2, 70 * MiB), 1);
	assert_int_equal(told_id, 0);
	assert_int_equal(second(99 * MiB, MiB), 0);
	assert_int_equal(second(29 * MiB + MiB / 2, 70 * MiB), 0); /* not armed yet */
	assert_int_equal(second(31 * MiB, 70 * MiB), 0);
	assert_int_equal(second(29 * MiB, 70 * MiB), 0); /* now it is */
	assert_int_equal(second(31 * MiB, 70 * MiB), 1);
	assert_int_equal(references, 1); /* the timer's */
}

static void test_decreasing(void **state)
{
	(void)state;
	enable(AVAILABLE, 20);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(80 * MiB, 20 * MiB), 0);
	assert_int_equal(second(80 * MiB, 19 * MiB + MiB / 2 + 1), 0);
	assert_int_equal(second(80 * MiB, 19 * MiB + MiB / 2), 1);
	assert_int_equal(second(99 * MiB, 0), 0);
	assert_int_equal(second(80 * MiB, 20 * MiB + MiB / 2), 0);
	assert_int_equal(second(80 * MiB, 0), 0);
	assert_int_equal(second(80 * MiB, 21 * MiB), 0);
	assert_int_equal(second(80 * MiB, 19 * MiB), 1);
}

/* One that is beyond when it is enabled doesn't arm. */
static void test_enabled_too_late(void **state)
{
	(void)state;
	enable(USED, 5);
	enable(AVAILABLE, 95);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(11 * MiB, 89 * MiB), 0);
}

/* Each is for itself; and a change of the page disarms all. */
static void test_several(void **state)
{
	(void)state;
	enable(USED, 30);
	enable(USED + 1, 40);
	enable(AVAILABLE, 65);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(31 * MiB, 69 * MiB), 1);
	assert_int_equal(second(50 * MiB, 50 * MiB), 1); /* two at once: one condition */
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	thresholds_restart(&fake_lu);
	assert_int_equal(second(50 * MiB, 50 * MiB), 0);
}

/* SITUA: only one nexus, one that has written. */
static void test_single_initiator(void **state)
{
	(void)state;
	page()[4] = 0x01;
	slices[1].last_writer = fake_nexus[2].id;
	enable(USED, 30);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(31 * MiB, 69 * MiB), 1);
	assert_int_equal(told_id, fake_nexus[2].id);
}

/* The largest count is beyond all, and nothing overflows. */
static void test_largest_count(void **state)
{
	(void)state;
	fake_lu.block_shift = 16;
	fake_lu.blocks = UINT64_C(1) << 47;
	enable(USED, UINT32_MAX);
	enable(AVAILABLE, UINT32_MAX);
	assert_int_equal(second(0, UINT64_MAX), 0);
	assert_int_equal(second(UINT64_MAX / 4, UINT64_MAX / 4), 1);
}

/* A store that doesn't answer isn't asked again; one that can't tell changes nothing. */
static void test_slow_and_failing(void **state)
{
	struct store_usage *asks;

	(void)state;
	enable(USED, 30);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	fire();
	asks = asked;
	thresholds_restart(&fake_lu); /* meanwhile */
	fire();
	assert_ptr_equal(asked, asks);
	asked = NULL;
	asks->error = -5;
	asks->usage.used = 99 * MiB;
	asks->done(asks);
	assert_int_equal(told, 0);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	assert_int_equal(second(31 * MiB, 69 * MiB), 1);
}

/* While something may be changing the LU it isn't looked at. */
static void test_exclusive(void **state)
{
	(void)state;
	enable(USED, 30);
	assert_int_equal(second(10 * MiB, 90 * MiB), 0);
	slices[1].exclusive = &exclusive;
	fire();
	assert_null(asked);
	assert_true(timer_delay > 0 && timer_delay < 1000);
	slices[1].exclusive = NULL;
	fire();
	slices[1].exclusive = &exclusive;
	answer(31 * MiB, 69 * MiB);
	assert_int_equal(told, 0);
	slices[1].exclusive = NULL;
	assert_int_equal(second(31 * MiB, 69 * MiB), 1);
}

/* A unit that was never published has no end; the timer keeps it until it has fired. */
static void test_timer_keeps_unit(void **state)
{
	(void)state;
	thresholds_restart(&fake_lu);
	assert_int_equal(references, 1);
	thresholds_restart(&fake_lu);
	assert_int_equal(references, 1);
	fire();
	assert_int_equal(references, 0);
	enable(USED, 30);
	assert_int_equal(references, 1);
	thresholds_stop(&fake_lu);
	assert_int_equal(references, 0);
	assert_null(timer);
}

/* The LU goes while the store is being asked: the answer finds nobody. */
static void test_end(void **state)
{
	(void)state;
	enable(USED, 30);
	fire();
	assert_int_equal(references, 1);
	thresholds_stop(&fake_lu);
	answer(31 * MiB, 69 * MiB);
	assert_null(timer);
	assert_int_equal(references, 0);
	thresholds_restart(&fake_lu);
	assert_null(timer);
}

static unsigned refreshed;

static void then(struct scsi_task *t)
{
	assert_ptr_equal(t, &fake_task);
	refreshed++;
}

/* What is used is counted in sets that are begun, what is available in whole ones. */
static void test_refresh(void **state)
{
	(void)state;
	memset(&fake_task, 0, sizeof(fake_task));
	memset(&said, 0, sizeof(said));
	fake_task.lu = &fake_lu;
	thresholds_refresh(&fake_task, then);
	assert_int_equal(refreshed, 0);
	answer(10 * MiB + 1, 20 * MiB - 1);
	assert_int_equal(refreshed, 1);
	assert_int_equal(thresholds_count(&fake_lu, RESOURCE_USED), 11);
	assert_int_equal(thresholds_count(&fake_lu, RESOURCE_AVAILABLE), 19);
	thresholds_refresh(&fake_task, then);
	asked->error = -5;
	asked->done(asked);
	asked = NULL;
	assert_int_equal(refreshed, 1);
	assert_sense(&fake_task, KEY_NOT_READY, 0x0400);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_page),
	    TEST(test_exponent),
	    TEST(test_without_usage),
	    TEST(test_disabled),
	    TEST(test_increasing),
	    TEST(test_decreasing),
	    TEST(test_enabled_too_late),
	    TEST(test_several),
	    TEST(test_single_initiator),
	    TEST(test_largest_count),
	    TEST(test_slow_and_failing),
	    TEST(test_exclusive),
	    TEST(test_timer_keeps_unit),
	    TEST(test_end),
	    TEST(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
