/* SPDX-License-Identifier: MIT */
/* Media of a removable disk that come and go by the operator's hand. */
#include <stdio.h>

#include "disk_fixture.h"

#define SIZE (1u << 20)

static struct lu_opening how;
static char error[256];

static void reopened(void *arg, const char *why)
{
	snprintf(error, sizeof(error), "%s", why ? why : "");
	post(arg);
}

static void start_reopening(struct disk *d)
{
	fixture.opening = d;
	lu_reopen(d->lu, &how, reopened, d);
}

/* What it answered; empty: it is done. */
static const char *reopen(struct disk *d, const struct lu_opening *opening)
{
	how = *opening;
	on_reactor(d, start_reopening);
	return error;
}

static const char *load(struct disk *d, const char *path)
{
	return reopen(d, &(struct lu_opening){.path = path, .loads = true});
}

static struct disk *open_drive(void)
{
	struct mem_config config = {
	    .size = SIZE, .block_size = 512, .caps = CAPS_PLAIN, .removable = true};
	struct disk *d = disk_open(&config);

	assert_string_equal(load(d, "/first"), "");
	COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_UNIT_ATTENTION, ASC_NOT_READY_TO_READY_CHANGE);
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0));
	return d;
}

static void assert_empty(struct disk *d)
{
	COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	COMMAND(d, NULL, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
}

static void assert_loaded(struct disk *d)
{
	COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	assert_sense(d, KEY_UNIT_ATTENTION, ASC_NOT_READY_TO_READY_CHANGE);
	assert_good(d, COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0, B2(1), 0));
}

static const uint8_t eject[] = {0x1b, 0, 0, 0, 0x02, 0};

static void a_medium_goes_and_comes(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	d->nr_log = 0;
	assert_string_equal(reopen(d, &(struct lu_opening){.empty = true, .loads = true}), "");
	assert_int_equal(count_log(d, TGT_BS_FLUSH), 1); /* what was written is on it */
	assert_null(d->lu->path);
	assert_int_equal(d->lu->blocks, 0);
	assert_empty(d);
	assert_string_equal(load(d, "/second"), "");
	assert_string_equal(d->lu->path, "/second");
	assert_loaded(d);
	disk_close(d);
}

/* The same medium again is none that has come, unless it was out. */
static void the_same_one_again(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	assert_string_equal(load(d, "/first"), "");
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0));
	assert_good(d, command(d, eject, sizeof(eject), NULL, 0, 0));
	assert_string_equal(load(d, "/first"), "");
	assert_loaded(d);
	disk_close(d);
}

/* Another way to open the store doesn't put in what an initiator has taken out. */
static void other_flags_load_nothing(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	assert_good(d, command(d, eject, sizeof(eject), NULL, 0, 0));
	assert_string_equal(reopen(d, &(struct lu_opening){.path = "/first"}), "");
	assert_empty(d);
	assert_string_equal(reopen(d, &(struct lu_opening){.empty = true}), "");
	assert_empty(d);
	disk_close(d);
}

static void write_protection_goes_with_the_medium(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	d->config.geo_flags = TGT_BS_GEO_READONLY;
	assert_string_equal(load(d, "/protected"), "");
	assert_true(d->lu->readonly);
	d->config.geo_flags = 0;
	assert_string_equal(load(d, "/writable"), "");
	assert_false(d->lu->readonly);
	d->lu->readonly_wanted = true;
	assert_string_equal(load(d, "/first"), "");
	assert_true(d->lu->readonly);
	disk_close(d);
}

/* An initiator may prevent the removal while the new medium is being opened. */
static void prevention_is_looked_at_last(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	assert_non_null(strstr(load(d, "/second"), "prevents the removal"));
	assert_string_equal(d->lu->path, "/first");
	assert_good(d, COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0));
	assert_string_equal(load(d, "/first"), ""); /* nothing is removed */
	assert_string_equal(reopen(d, &(struct lu_opening){.empty = true, .force = true}), "");
	assert_empty(d);
	assert_string_equal(load(d, "/second"), "");
	assert_loaded(d);
	disk_close(d);
}

static struct store_request request;
static bool request_done;

static void request_ended(struct store_request *r)
{
	request_done = r->bs.status == TGT_BS_ERR_NO_MEDIUM;
	sem_post(&((struct disk *)r->bs.module_data)->done);
}

static void ask_store(struct disk *d)
{
	store_request_init(&request, TGT_BS_READ, d, request_ended);
	store_submit(d->lu->store, &request);
	store_cancel(&request);
}

/* Whoever comes past the checks is told so. */
static void an_empty_store_has_no_medium(void **state)
{
	struct disk *d = open_drive();

	(void)state;
	assert_string_equal(reopen(d, &(struct lu_opening){.empty = true}), "");
	assert_true(store_is_empty(d->lu->store));
	assert_int_equal(store_geometry(d->lu->store).flags, TGT_BS_GEO_NO_MEDIUM);
	on_reactor(d, ask_store);
	assert_true(request_done);
	disk_close(d);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_medium_goes_and_comes),      TEST(the_same_one_again),
	    TEST(other_flags_load_nothing),     TEST(write_protection_goes_with_the_medium),
	    TEST(prevention_is_looked_at_last), TEST(an_empty_store_has_no_medium),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
