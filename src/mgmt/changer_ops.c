/* SPDX-License-Identifier: MIT */
#include "mgmt/changer_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iscsi/control.h"
#include "scsi/changer_params.h"
#include "mgmt/lu_ops.h"
#include "mgmt/request.h"
#include "reactor/workers.h"
#include "scsi/changer_state.h"
#include "scsi/changer_transport.h"
#include "scsi/smc.h"
#include "scsi/target.h"
#include "scsi/ua.h"
#include "util/log.h"

/* What was begun is given up after MGMT_OPEN_WAIT_MS, unless it has the changer for itself: the
 * file system of a cartridge may hang, and moves that run may be slow. */
struct update {
	struct mgmt_request *request; /* NULL: answered, nothing is to be changed any more */
	struct timer timer;
	struct work work;
	struct message message;
	struct lu *lu;
	struct changer_params params;
	struct lu_exclusive exclusive;
	struct changer_saving saving;
	struct changer_errand errand;
	struct changer *before; /* what it is again when something is refused */
	bool unreadable;        /* the cartridge's file */
	bool told;              /* the elements have changed */
	bool mail;              /* a cartridge came into a mail slot or went from there */
	bool slow;              /* the drive hangs */
	char device_id[CHANGER_DEVICE_ID_MAX];
	char path[CHANGER_PATH_MAX];
	char error[384];
};

static bool fail(struct update *u, const char *what, const char *why)
{
	snprintf(u->error, sizeof(u->error), "%.250s: %s", what, why);
	return false;
}

static struct lu *find_drive(uint32_t tid, uint32_t lun)
{
	struct iscsi_target *target = iscsi_target_find(tid);
	struct lu *lu = target ? target_lu(target->scsi, lun) : NULL;

	return lu && lu->tape && !atomic_load(&lu->removed) ? lu : NULL;
}

/* ---- what is asked for, inside the exclusive operation; false: error says why not ---- */

static bool set_home(struct update *u)
{
	struct changer *changer = u->lu->changer;
	char *home;

	if (!u->params.media_home)
		return true;
	if (strlen(u->params.media_home) > CHANGER_PATH_MAX - CHANGER_BARCODE_MAX - 2)
		return fail(u, "media_home", "the path is too long");
	home = strdup(u->params.media_home);
	if (!home)
		return fail(u, "media_home", "out of memory");
	free(changer->media_home);
	changer->media_home = home;
	return true;
}

static bool add_elements(struct update *u)
{
	const struct changer_params *p = &u->params;
	const char *why;

	if (!p->start_address.set)
		return true;
	why = changer_add(u->lu->changer, (enum element_type)p->element_type.value,
			  (uint16_t)p->start_address.value, (uint16_t)p->quantity.value);
	if (why)
		return fail(u, "elements", why);
	u->told = true;
	return true;
}

static bool clear(struct update *u, struct element *e)
{
	if (e->type == ELEMENT_DRIVE)
		return fail(u, "clear_slot", "a drive's cartridge is unloaded by initiators");
	u->mail = e->type == ELEMENT_MAIL && e->full;
	e->full = false;
	e->open = false; /* whoever was there has closed it */
	return true;
}

/* A cartridge that is somewhere in the library stays there: initiators may have moved it. */
static bool insert(struct update *u, struct element *e)
{
	const char *barcode = u->params.barcode, *why;

	if (changer_holder(u->lu->changer, barcode))
		return true;
	changer_forget(u->lu->changer, barcode); /* its element isn't there any more */
	if (u->unreadable)
		return fail(u, u->path, "the cartridge's file can't be read");
	why = changer_insert(e, barcode, u->params.volume_tag ? u->params.volume_tag : "");
	if (why)
		return fail(u, barcode, why);
	u->mail = e->type == ELEMENT_MAIL;
	e->open = false;
	return true;
}

static bool set_drive(struct update *u, struct element *e)
{
	const struct element *other =
	    changer_drive(u->lu->changer, u->params.tid.value, u->params.lun.value);

	if (other && other != e)
		return fail(u, "tid, lun", "another element has that drive");
	e->has_drive = true;
	e->hung = 0; /* it may be another one at the same address; if not, that will be seen */
	e->tid = u->params.tid.value;
	e->lun = u->params.lun.value;
	memcpy(e->device_id, u->device_id, sizeof(e->device_id));
	return true;
}

static bool change_element(struct update *u)
{
	const struct changer_params *p = &u->params;
	struct element *e;

	if (!p->address.set)
		return true;
	e = changer_find(u->lu->changer, (uint16_t)p->address.value);
	if (!e || e->type != p->element_type.value)
		return fail(u, "address", "there is no such element of that type");
	if (p->clear_slot.value)
		return clear(u, e);
	if (p->barcode)
		return insert(u, e);
	return !p->tid.set || set_drive(u, e);
}

/* ---- its end ---- */

static void free_update(struct update *u)
{
	changer_free(u->before);
	changer_params_free(&u->params);
	free(u);
}

static void answer(struct update *u)
{
	struct mgmt_request *r = u->request;

	if (u->slow)
		mgmt_fail(r, ETIMEDOUT, "the drive is busy", "%s", u->error);
	else if (*u->error)
		mgmt_refuse(r, "%s", u->error);
	else
		log_info("%s: %s", lu_name(u->lu), r->args.params);
	if (!*u->error)
		mgmt_done(r, NULL);
}

static void released(struct lu_exclusive *exclusive)
{
	struct update *u = exclusive->arg;

	if (u->request)
		answer(u);
	free_update(u);
}

static void finish(struct update *u)
{
	lu_exclusive_end(&u->exclusive, released);
}

/* As stgt does: into the log. */
static void dump(const struct lu *lu)
{
	static const char *const names[ELEMENT_TYPES] = {"", "transport", "storage", "mail slot",
							 "drive"};

	for (unsigned i = 0; i < lu->changer->count; i++) {
		const struct element *e = &lu->changer->elements[i];
		char drive[40] = "";

		if (e->has_drive)
			snprintf(drive, sizeof(drive), " (target %u lun %u)", e->tid, e->lun);
		log_info("%s: element %u, %s%s: %s", lu_name(lu), e->address, names[e->type], drive,
			 e->full ? changer_tag(e) : "empty");
	}
}

/* Initiators are told what has changed. */
static void tell(struct update *u)
{
	if (u->params.dump.value)
		dump(u->lu);
	if (u->told) {
		smc_elements_changed(u->lu);
		lu_establish_ua(u->lu, ASC_MODE_PARAMETERS_CHANGED, 0);
	}
	if (u->mail)
		lu_establish_ua(u->lu, ASC_IMPORT_OR_EXPORT_ELEMENT_ACCESSED, 0);
}

static void refuse(struct update *u)
{
	if (u->before)
		changer_restore(u->lu->changer, u->before);
	finish(u);
}

static void saved(struct changer_saving *saving)
{
	struct update *u = saving->arg;

	if (saving->error) {
		fail(u, "what is where", "it can't be kept");
		refuse(u);
		return;
	}
	tell(u);
	finish(u);
}

static void save(struct update *u)
{
	u->saving = (struct changer_saving){.done = saved, .arg = u};
	changer_save(u->lu, &u->saving);
}

static void carried(struct changer_errand *errand)
{
	struct update *u = errand->arg;

	u->slow = errand->result == ERRAND_SLOW;
	if (errand->result != ERRAND_DONE) {
		/* the element has the drive all the same: else nobody could take the cartridge out
		 */
		fail(u, "the element has the drive now, which is empty", errand->error);
		changer_free(u->before);
		u->before = NULL;
	}
	save(u);
}

/* The drive gets back what it had when the daemon ended. */
static void equip_drive(struct update *u)
{
	struct element *e = changer_find(u->lu->changer, (uint16_t)u->params.address.value);

	if (!changer_path(u->lu->changer, e->cartridge.barcode, u->path, sizeof(u->path))) {
		fail(u, e->cartridge.barcode, "its path is too long");
		refuse(u);
		return;
	}
	u->errand = (struct changer_errand){.changer = u->lu,
					    .tid = e->tid,
					    .lun = e->lun,
					    .address = e->address,
					    .cartridge = &e->cartridge,
					    .path = u->path,
					    .done = carried,
					    .arg = u};
	changer_send(&u->errand);
}

/* It names the drive of an element that the library knows to be full. */
static bool holds_cartridge(const struct update *u)
{
	return u->params.tid.set &&
	       changer_find(u->lu->changer, (uint16_t)u->params.address.value)->full;
}

static void granted(struct lu_exclusive *exclusive)
{
	struct update *u = exclusive->arg;

	reactor_timer_cancel(&u->timer);
	if (!u->request) {
		finish(u);
		return;
	}
	u->before = changer_copy(u->lu->changer);
	if (!u->before) {
		fail(u, "elements", "out of memory");
		finish(u);
	} else if (!set_home(u) || !add_elements(u) || !change_element(u)) {
		refuse(u);
	} else if (holds_cartridge(u)) {
		equip_drive(u);
	} else {
		save(u);
	}
}

/* ---- its beginning ---- */

static void begin(struct update *u)
{
	u->exclusive =
	    (struct lu_exclusive){.lu = u->lu, .all = true, .granted = granted, .arg = u};
	lu_exclusive_begin(&u->exclusive);
}

static void looked(struct message *message)
{
	struct update *u = container_of(message, struct update, message);

	if (u->request)
		begin(u);
	else /* the unit may be gone */
		free_update(u);
}

static void look_on_worker(struct work *work)
{
	struct update *u = container_of(work, struct update, work);

	u->unreadable = access(u->path, R_OK);
	reactor_send(reactor_get(0), &u->message);
}

/* Is the cartridge's file there?  Where it is only this request can change. */
static void look(struct update *u)
{
	const struct changer_params *p = &u->params;
	const struct changer at = {.media_home =
				       p->media_home ? p->media_home : u->lu->changer->media_home};

	u->unreadable = !changer_path(&at, p->barcode, u->path, sizeof(u->path));
	if (u->unreadable) {
		begin(u);
		return;
	}
	u->work.fn = look_on_worker;
	u->message.fn = looked;
	workers_submit(workers_control_gate(), &u->work);
}

static void is_slow(struct timer *timer)
{
	struct update *u = container_of(timer, struct update, timer);
	struct mgmt_request *r = u->request;

	u->request = NULL;
	mgmt_fail(r, ETIMEDOUT, "the media changer is busy",
		  "no end of what runs within %d s; nothing is changed", MGMT_OPEN_WAIT_MS / 1000);
}

bool mgmt_is_changer_update(const struct mgmt_request *r)
{
	return r->lu->changer && changer_params_are(r->args.params);
}

/* The designator by which programs find the drive of an element (SPC-5 T10 vendor ID). */
static const char *take_drive(struct update *u)
{
	const struct lu *drive;

	if (!u->params.tid.set)
		return NULL;
	drive = find_drive(u->params.tid.value, u->params.lun.value);
	if (!drive)
		return "tid, lun: there is no such tape drive";
	snprintf(u->device_id, sizeof(u->device_id), "%-8.8s%-16.16s%s", drive->id.vendor_id,
		 drive->id.product_id, drive->id.scsi_sn);
	return NULL;
}

void mgmt_changer_update(struct mgmt_request *r)
{
	struct update *u = calloc(1, sizeof(*u));
	const char *why = NULL;

	if (!u) {
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
		return;
	}
	u->request = r;
	u->lu = r->lu;
	if (!changer_params_parse(r->args.params, &u->params, u->error, sizeof(u->error)))
		why = u->error;
	else
		why = take_drive(u);
	if (why) {
		mgmt_refuse(r, "%s", why);
		free_update(u);
		return;
	}
	*u->error = '\0';
	u->timer.fn = is_slow;
	reactor_timer_arm(reactor_self(), &u->timer, MGMT_OPEN_WAIT_MS);
	if (u->params.barcode && changer_good_barcode(u->params.barcode))
		look(u);
	else
		begin(u);
}

/* ---- cartridges on their way, for the changers ---- */

static void end_trip(struct changer_trip *trip, enum errand_result result, const char *why)
{
	trip->result = result;
	snprintf(trip->error, sizeof(trip->error), "target %u lun %u: %s", trip->tid, trip->lun,
		 why);
	changer_trip_ended(trip);
}

static void reopened(void *arg, const char *error)
{
	struct changer_trip *trip = arg;

	end_trip(trip, error ? ERRAND_FAILED : ERRAND_DONE, error ? error : "");
}

static bool goes_on(void *arg)
{
	return changer_trip_goes_on(arg);
}

static bool holds_nothing(const struct lu *lu)
{
	return store_is_empty(lu->store);
}

static void carry(struct changer_trip *trip)
{
	struct lu *lu = find_drive(trip->tid, trip->lun);
	bool loads = trip->path;

	if (!lu)
		end_trip(trip, ERRAND_NO_DRIVE, "there is no such tape drive");
	else if (lu->reopening)
		end_trip(trip, ERRAND_FAILED, "another cartridge is on its way");
	else if (!loads && holds_nothing(lu))
		end_trip(trip, ERRAND_DONE, "");
	else if (loads && lu->path && strcmp(lu->path, trip->path) == 0)
		end_trip(trip, ERRAND_DONE, "");
	else if (loads && !holds_nothing(lu))
		end_trip(trip, ERRAND_OCCUPIED, "it has a medium that isn't the library's");
	else if (lu->medium && lu_removal_prevented(lu))
		end_trip(trip, ERRAND_PREVENTED,
			 "an initiator prevents the removal of the cartridge");
	else
		lu_reopen(lu,
			  &(struct lu_opening){.path = trip->path,
					       .bsopts = lu->bsopts,
					       .flags = lu->store_flags,
					       .empty = !loads,
					       .loads = true,
					       .goes_on = goes_on},
			  reopened, trip);
}

void mgmt_changer_init(void)
{
	changer_set_carrier(carry, CHANGER_WAIT_MS);
}
