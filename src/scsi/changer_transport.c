/* SPDX-License-Identifier: MIT */
/*
 * A trip is given up when its drive hangs.  Up to one moment, which the carrier asks for, nothing
 * has happened, and then nothing will: so the elements go on telling the truth.  After it a
 * cartridge that goes in is in the drive; one that comes out is in it as one that was ejected, and
 * its store may still write.  So neither drive nor cartridge is moved before the trip has ended.
 */
#include "scsi/changer_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"

enum { TRIP_BEGUN, TRIP_GOES_ON, TRIP_GIVEN_UP };

static void (*carrier)(struct changer_trip *trip);
static uint32_t limit = CHANGER_WAIT_MS;
static atomic_uint marks;

void changer_set_carrier(void (*carry)(struct changer_trip *trip), uint32_t limit_ms)
{
	carrier = carry;
	limit = limit_ms;
}

static bool take_stage(struct changer_trip *trip, int stage)
{
	int begun = TRIP_BEGUN;

	return atomic_compare_exchange_strong(&trip->stage, &begun, stage);
}

bool changer_trip_goes_on(struct changer_trip *trip)
{
	return take_stage(trip, TRIP_GOES_ON);
}

static void trip_free(struct changer_trip *trip)
{
	lu_unref(trip->changer);
	free(trip->path);
	free(trip);
}

/* ---- given up, and ended after all ---- */

static void unmarked(struct lu_exclusive *exclusive)
{
	trip_free(exclusive->arg);
}

static void unmark(struct lu_exclusive *exclusive)
{
	struct changer_trip *trip = exclusive->arg;
	struct changer *changer = trip->changer->changer;

	for (unsigned i = 0; i < changer->count; i++) {
		struct element *e = &changer->elements[i];

		if (e->hung == trip->mark)
			e->hung = 0;
		if (e->cartridge.hung == trip->mark)
			e->cartridge.hung = 0;
	}
	lu_exclusive_end(exclusive, unmarked);
}

static void ended_late(struct changer_trip *trip)
{
	log_warning("target %u lun %u, which hung, is through with %s %s%s%s", trip->tid, trip->lun,
		    trip->path ? "loading" : "unloading", trip->barcode,
		    trip->result == ERRAND_DONE ? "" : ": ",
		    trip->result == ERRAND_DONE ? "" : trip->error);
	if (atomic_load(&trip->changer->removed)) {
		trip_free(trip);
		return;
	}
	trip->exclusive =
	    (struct lu_exclusive){.lu = trip->changer, .all = true, .granted = unmark, .arg = trip};
	lu_exclusive_begin(&trip->exclusive);
}

static void mark(struct changer_trip *trip, struct changer_errand *errand)
{
	struct element *drive = changer_find(trip->changer->changer, trip->address);

	do
		trip->mark = atomic_fetch_add(&marks, 1) + 1;
	while (!trip->mark); /* 0 is none */
	if (drive)
		drive->hung = trip->mark;
	errand->cartridge->hung = trip->mark;
}

static void is_slow(struct timer *timer)
{
	struct changer_trip *trip = container_of(timer, struct changer_trip, timer);
	struct changer_errand *errand = trip->errand;
	bool is_in = !take_stage(trip, TRIP_GIVEN_UP) && trip->path;

	trip->errand = NULL;
	errand->result = is_in ? ERRAND_DONE : ERRAND_SLOW;
	mark(trip, errand);
	snprintf(errand->error, sizeof(errand->error),
		 "target %u lun %u has not %s %s within %u s: %s", trip->tid, trip->lun,
		 trip->path ? "loaded" : "unloaded", trip->barcode, limit / 1000,
		 is_in || !trip->path ? "it is in the drive" : "it is not in the drive");
	log_err("%s: element %u: %s", lu_name(trip->changer), trip->address, errand->error);
	errand->done(errand);
}

/* ---- there and back ---- */

static void came_back(struct message *message)
{
	struct changer_trip *trip = container_of(message, struct changer_trip, message);
	struct changer_errand *errand = trip->errand;

	if (!errand) {
		ended_late(trip);
		return;
	}
	reactor_timer_cancel(&trip->timer);
	errand->result = trip->result;
	memcpy(errand->error, trip->error, sizeof(errand->error));
	trip_free(trip);
	errand->done(errand);
}

void changer_trip_ended(struct changer_trip *trip)
{
	trip->message.fn = came_back;
	reactor_send(trip->reactor, &trip->message);
}

static void arrived(struct message *message)
{
	struct changer_trip *trip = container_of(message, struct changer_trip, message);

	if (carrier) {
		carrier(trip);
		return;
	}
	trip->result = ERRAND_NO_DRIVE;
	snprintf(trip->error, sizeof(trip->error), "nobody carries cartridges");
	changer_trip_ended(trip);
}

void changer_send(struct changer_errand *errand)
{
	struct changer_trip *trip = calloc(1, sizeof(*trip));

	if (!trip || (errand->path && !(trip->path = strdup(errand->path))))
		abort(); /* as lu_reopen(): a cartridge is on its way */
	trip->tid = errand->tid;
	trip->lun = errand->lun;
	trip->errand = errand;
	trip->changer = errand->changer;
	trip->address = errand->address;
	snprintf(trip->barcode, sizeof(trip->barcode), "%s", errand->cartridge->barcode);
	lu_ref(trip->changer);
	trip->reactor = reactor_self();
	trip->timer.fn = is_slow;
	reactor_timer_arm(trip->reactor, &trip->timer, limit);
	trip->message.fn = arrived;
	reactor_send(reactor_get(0), &trip->message);
}
