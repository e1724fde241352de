/* SPDX-License-Identifier: MIT */
/* Moves whose drive hangs: they end within the limit, the elements say where the cartridge is, and
 * what the drive does at last changes nothing (SMC-3 MOVE MEDIUM, READ ELEMENT STATUS). */
#include <stdio.h>

#include "changer_fixture.h"
#include "scsi/changer_transport.h"
#include "scsi/smc.h"

#define LIMIT_MS 50
#define SLOT 1000
#define DRIVE 500
#define OTHER_DRIVE 501

/* What the drive does with the next trips: end at once, hang before it has begun to, hang when the
 * cartridge is in or out. */
enum behaviour { ENDS, HANGS, HANGS_HALFWAY };

static struct {
	enum behaviour load[2], unload[2];
	struct changer_trip *trip; /* that hangs */
	unsigned nr;
	bool went_on;
} drives;

static void carry(struct changer_trip *trip)
{
	enum behaviour how = trip->path ? drives.load[trip->lun] : drives.unload[trip->lun];

	drives.nr++;
	trip->result = ERRAND_DONE;
	if (how == ENDS || (how == HANGS_HALFWAY && !changer_trip_goes_on(trip))) {
		changer_trip_ended(trip);
		return;
	}
	drives.trip = trip;
}

/* What hangs goes on, as far as it may. */
static void let_go(struct disk *d)
{
	struct changer_trip *trip = drives.trip;

	drives.trip = NULL;
	drives.went_on = changer_trip_goes_on(trip);
	trip->result = drives.went_on ? ERRAND_DONE : ERRAND_FAILED;
	changer_trip_ended(trip);
	post(d);
}

static void fill(struct disk *d)
{
	struct changer *c = d->lu->changer;

	assert_null(changer_add(c, ELEMENT_TRANSPORT, 1, 1));
	assert_null(changer_add(c, ELEMENT_STORAGE, SLOT, 2));
	assert_null(changer_add(c, ELEMENT_DRIVE, DRIVE, 2));
	for (uint16_t i = 0; i < 2; i++) {
		at((uint16_t)(DRIVE + i))->has_drive = true;
		at((uint16_t)(DRIVE + i))->lun = i;
	}
	assert_null(changer_insert(at(SLOT), "A1", ""));
	post(d);
}

static int start(void **state)
{
	(void)state;
	memset(&drives, 0, sizeof(drives));
	changer_open(fill);
	return 0;
}

static int end(void **state)
{
	(void)state;
	disk_close(unit);
	return 0;
}

static void move(unsigned from, unsigned to)
{
	COMMAND(unit, NULL, 0, 0, 0xa5, 0, 0, 0, B2(from), B2(to), 0, 0, 0, 0);
}

static void exchange(unsigned from, unsigned first, unsigned second)
{
	COMMAND(unit, NULL, 0, 0, 0xa6, 0, 0, 0, B2(from), B2(first), B2(second), 0, 0);
}

/* Where READ ELEMENT STATUS says that it is; it is nowhere else. */
static unsigned place_of(const char *barcode)
{
	unsigned found = 0;

	for (unsigned i = 0; i < unit->lu->changer->count; i++) {
		const struct element *e = &unit->lu->changer->elements[i];

		if (!e->full || strcmp(e->cartridge.barcode, barcode) != 0)
			continue;
		assert_int_equal(found, 0);
		found = e->address;
	}
	return found;
}

/* EXCEPT with its additional sense code, and no ACCESS. */
static void assert_hung(unsigned address, bool hung)
{
	const uint8_t *at_ = unit->in + 16;

	assert_good(unit,
		    COMMAND(unit, NULL, 0, 255, 0xb8, 0, B2(address), 0, 1, 0, 0, 0, 255, 0, 0));
	assert_int_equal(get_be16(at_), address);
	assert_int_equal(at_[2] & 0x0c, hung ? 0x04 : 0x08);
	assert_int_equal(get_be16(at_ + 4), hung ? ASC_INTERNAL_TARGET_FAILURE : 0);
}

static void assert_gave_up(void)
{
	assert_sense(unit, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	assert_non_null(drives.trip);
}

/* Nothing moves to the drive or with the cartridge before the drive has ended. */
static void assert_refused(unsigned from, unsigned to)
{
	move(from, to);
	assert_sense(unit, KEY_ILLEGAL_REQUEST, ASC_ELEMENT_NOT_ACCESSIBLE);
}

static void let_it_end(void)
{
	on_reactor(unit, let_go);
	/* an exclusive operation that comes after the one which takes the marks away */
	move(SLOT + 1, SLOT + 1);
}

static void a_drive_that_does_not_load(void **state)
{
	(void)state;
	drives.load[0] = HANGS;
	move(SLOT, DRIVE);
	assert_gave_up();
	assert_int_equal(place_of("A1"), SLOT);
	assert_hung(SLOT, true);
	assert_hung(DRIVE, true);
	assert_hung(OTHER_DRIVE, false);
	assert_refused(SLOT, OTHER_DRIVE);
	assert_refused(SLOT, DRIVE);
	let_it_end();
	assert_false(drives.went_on);
	assert_int_equal(place_of("A1"), SLOT);
	assert_hung(SLOT, false);
	assert_hung(DRIVE, false);
	drives.load[0] = ENDS;
	move(SLOT, DRIVE);
	assert_good(unit, unit->task.status);
	assert_int_equal(place_of("A1"), DRIVE);
}

/* It was in when the drive began to hang: the move is made. */
static void a_drive_that_hangs_when_it_is_in(void **state)
{
	(void)state;
	drives.load[0] = HANGS_HALFWAY;
	move(SLOT, DRIVE);
	assert_good(unit, unit->task.status);
	assert_int_equal(place_of("A1"), DRIVE);
	assert_hung(DRIVE, true);
	assert_hung(SLOT, false);
	assert_refused(DRIVE, SLOT);
	let_it_end();
	assert_hung(DRIVE, false);
	move(DRIVE, SLOT);
	assert_good(unit, unit->task.status);
}

static void a_drive_that_does_not_unload(void **state)
{
	const enum behaviour how[] = {HANGS, HANGS_HALFWAY};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		move(SLOT, DRIVE);
		assert_good(unit, unit->task.status);
		drives.unload[0] = how[i];
		move(DRIVE, SLOT);
		assert_gave_up();
		assert_int_equal(place_of("A1"), DRIVE);
		assert_hung(DRIVE, true);
		assert_refused(DRIVE, OTHER_DRIVE);
		let_it_end();
		assert_int_equal(place_of("A1"), DRIVE);
		assert_hung(DRIVE, false);
		drives.unload[0] = ENDS;
		move(DRIVE, SLOT);
		assert_good(unit, unit->task.status);
	}
}

/* What was taken out of one drive isn't loaded there again while the other one hangs over it. */
static void from_drive_to_drive(void **state)
{
	(void)state;
	move(SLOT, DRIVE);
	drives.load[1] = HANGS;
	drives.nr = 0;
	move(DRIVE, OTHER_DRIVE);
	assert_gave_up();
	assert_int_equal(drives.nr, 2);
	assert_int_equal(place_of("A1"), DRIVE);
	assert_refused(DRIVE, SLOT);
	let_it_end();
	move(DRIVE, SLOT);
	assert_good(unit, unit->task.status);
}

static void insert_more(struct disk *d)
{
	assert_null(changer_insert(at(SLOT + 1), place_of("B2") ? "C3" : "B2", ""));
	post(d);
}

/* Two that change places, no free slot: none of them is lost. */
static void an_exchange(void **state)
{
	(void)state;
	on_reactor(unit, insert_more);
	move(SLOT, DRIVE);
	drives.load[0] = HANGS;
	exchange(SLOT + 1, DRIVE, SLOT);
	assert_gave_up();
	assert_int_equal(place_of("A1"), SLOT);
	assert_int_equal(place_of("B2"), SLOT + 1);
	let_it_end();
	drives.load[0] = ENDS;
	move(SLOT, DRIVE);
	drives.load[0] = HANGS;
	move(SLOT + 1, SLOT);
	on_reactor(unit, insert_more);
	exchange(SLOT, DRIVE, SLOT);
	assert_gave_up();
	assert_int_equal(place_of("A1"), SLOT);
	assert_int_equal(place_of("B2"), DRIVE); /* as one that was ejected */
	assert_int_equal(place_of("C3"), SLOT + 1);
	let_it_end();
	assert_hung(DRIVE, false);
}

static void remove_unit(struct disk *d)
{
	atomic_store(&d->lu->removed, true);
	post(d);
}

/* The drive ends when the changer is gone. */
static void a_changer_that_is_gone(void **state)
{
	struct changer_trip *trip;

	(void)state;
	drives.load[0] = HANGS;
	move(SLOT, DRIVE);
	assert_gave_up();
	trip = drives.trip;
	on_reactor(unit, remove_unit);
	disk_close(unit);
	unit = calloc(1, sizeof(*unit));
	sem_init(&unit->done, 0, 0);
	drives.trip = trip;
	on_reactor(unit, let_go);
	sem_destroy(&unit->done);
	free(unit);
	start(NULL);
}

static int start_all(void **state)
{
	changer_set_carrier(carry, LIMIT_MS);
	return fixture_start(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_drive_that_does_not_load),
	    TEST(a_drive_that_hangs_when_it_is_in),
	    TEST(a_drive_that_does_not_unload),
	    TEST(from_drive_to_drive),
	    TEST(an_exchange),
	    TEST(a_changer_that_is_gone),
	};

	return cmocka_run_group_tests(tests, start_all, fixture_end);
}
