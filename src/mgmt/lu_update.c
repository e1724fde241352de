/* SPDX-License-Identifier: MIT */
/* Mode logicalunit: update.  Everything is checked first; then the changes are made inside one
 * exclusive operation, so that no command sees half of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/control.h"
#include "mgmt/changer_ops.h"
#include "mgmt/lu_ops.h"
#include "mgmt/lu_params.h"
#include "mgmt/request.h"
#include "scsi/commands.h"
#include "scsi/tape_identity.h"
#include "scsi/thresholds.h"
#include "scsi/ua.h"
#include "store/loader.h"
#include "util/log.h"

/* How long a change waits for commands that run. */
#define CHANGE_WAIT_MS 10000

struct update {
	struct mgmt_request *request; /* NULL: answered */
	struct lu *lu;
	struct timer timer;
	struct lu_exclusive exclusive;
	struct lu_params params;
	uint32_t open_flags;
	bool bad_mode_page, not_flushed;
};

static bool reopens(const struct lu_params *p)
{
	return p->path || p->bsopts || p->bsoflags;
}

/* The medium is to be taken out. */
static bool ejects(const struct lu_params *p)
{
	return p->path && (!*p->path || lu_path_is_none(p->path));
}

static void free_update(struct update *u)
{
	lu_params_free(&u->params);
	free(u);
}

/* ---- checks: NULL, or what is wrong ---- */

static const char *check_store_params(const struct lu *lu, const struct lu_params *p)
{
	if (!lu->store && (p->size.set || p->readonly.set || p->thin_provisioning.set))
		return "the controller has no medium";
	if (p->readonly.set && !p->readonly.value && !store_can(lu->store, TGT_BS_CAN_WRITE))
		return "readonly=0: the store can't be written to";
	if (p->write_cache.set && !mode_has_cache(lu))
		return "write_cache: the unit has no Caching mode page";
	if (p->drive && !lu->tape)
		return "drive: only tape drives pass for one";
	if (p->drive && !tape_find_identity(p->drive))
		return "drive is plain, LTO-6, LTO-7, LTO-8 or LTO-9";
	if (p->thin_provisioning.value && !store_can(lu->store, TGT_BS_CAN_DISCARD))
		return "thin_provisioning=1: the store can't discard";
	return NULL;
}

/* size=0 is the store's own size again. */
static const char *check_size(struct lu *lu, struct lu_number *size)
{
	uint64_t room;

	if (!size->set)
		return NULL;
	if (lu->commands->device_type != 0)
		return "size: only disks have one";
	if (store_refresh_geometry(lu->store))
		return "size: the store doesn't tell how large it is";
	room = store_geometry(lu->store).size;
	if (!size->value)
		size->value = room;
	if (size->value > room)
		return "size: the store is smaller";
	if (size->value < lu->block_size)
		return "size: smaller than one block";
	return NULL;
}

static const char *check_reopen(const struct lu *lu, const struct lu_params *p, bool force)
{
	if (!reopens(p))
		return NULL;
	if (!lu->store)
		return "the controller has no store";
	if (p->path && !lu->removable)
		return "path: the medium is not removable";
	if (ejects(p) && lu->commands->device_type > 0x01)
		return "path: only a disk's or a tape drive's medium can be taken out so";
	if (p->path && lu->medium && lu_removal_prevented(lu) && !force)
		return "path: an initiator prevents the removal of the medium";
	if (lu->reopening)
		return "the store is still being opened, as was asked before";
	if (p->mode_page || p->size.set)
		return "path, bsopts and bsoflags go with neither mode_page nor size in one "
		       "request";
	return NULL;
}

static const char *check(struct lu *lu, struct lu_params *p, bool force)
{
	const char *why = check_reopen(lu, p, force);

	if (!why)
		why = check_store_params(lu, p);
	if (!why)
		why = check_size(lu, &p->size);
	if (!why && p->la_lba.set &&
	    p->la_lba.value >= (UINT64_C(1) << (p->lbppbe.set ? p->lbppbe.value : lu->lbppbe)))
		why = "la_lba: it must lie in the first physical block";
	return why;
}

/* ---- the change ---- */

static bool set_text(char *field, size_t size, const char *text)
{
	if (!text || strcmp(field, text) == 0)
		return false;
	snprintf(field, size, "%s", text);
	return true;
}

static bool set_identity(struct lu_identity *id, const struct lu_params *p)
{
	bool changed = set_text(id->scsi_id, sizeof(id->scsi_id), p->scsi_id);

	changed |= set_text(id->scsi_sn, sizeof(id->scsi_sn), p->scsi_sn);
	changed |= set_text(id->vendor_id, sizeof(id->vendor_id), p->vendor_id);
	changed |= set_text(id->product_id, sizeof(id->product_id), p->product_id);
	changed |= set_text(id->product_rev, sizeof(id->product_rev), p->product_rev);
	return changed;
}

/* field = n's value, when there is one; *changed when that makes a difference. */
#define SET_NUMBER(field, n, changed)                                                              \
	do {                                                                                       \
		if ((n).set && (field) != (n).value) {                                             \
			(field) = (__typeof__(+(field)))(n).value;                                 \
			(changed) = true;                                                          \
		}                                                                                  \
	} while (0)

/* What INQUIRY and its VPD pages report (SPC-5 6.7.1, SBC-4 6.6.3, 6.6.4). */
static void change_inquiry_data(struct lu *lu, const struct lu_params *p)
{
	bool changed = p->drive && tape_set_identity(lu, tape_find_identity(p->drive));

	changed |= set_identity(&lu->id, p);

	SET_NUMBER(lu->removable, p->removable, changed);
	SET_NUMBER(lu->optimal_xfer_gran, p->optimal_xfer_gran, changed);
	SET_NUMBER(lu->optimal_xfer_len, p->optimal_xfer_len, changed);
	SET_NUMBER(lu->rotation_rate, p->rotation_rate, changed);
	if (changed)
		lu_establish_ua(lu, ASC_INQUIRY_DATA_HAS_CHANGED, 0);
}

/* What READ CAPACITY(16) reports (SBC-4 5.20.2). */
static void change_capacity_data(struct lu *lu, const struct lu_params *p)
{
	bool changed = false;

	SET_NUMBER(lu->lbppbe, p->lbppbe, changed);
	SET_NUMBER(lu->la_lba, p->la_lba, changed);
	SET_NUMBER(lu->thin, p->thin_provisioning, changed);
	if (changed)
		lu_establish_ua(lu, ASC_CAPACITY_DATA_HAS_CHANGED, 0);
	thresholds_restart(lu);
	if (p->size.set)
		lu_set_size(lu, p->size.value);
}

static void change_mode_data(struct lu *lu, const struct lu_params *p)
{
	bool changed = p->mode_page != NULL;

	SET_NUMBER(lu->sense_descriptor, p->sense_format, changed);
	/* an initiator may have changed it, or saved another one, which stays */
	if (p->sense_format.set && mode_set_d_sense(lu, lu->sense_descriptor))
		changed = true;
	if (p->readonly.set)
		lu->readonly_wanted = p->readonly.value;
	if (p->write_cache.set && mode_set_wce(lu, p->write_cache.value))
		changed = true;
	SET_NUMBER(lu->readonly, p->readonly, changed);
	if (changed)
		lu_establish_ua(lu, ASC_MODE_PARAMETERS_CHANGED, 0);
}

static void change_online(struct lu *lu, const struct lu_params *p)
{
	bool changed = false;

	SET_NUMBER(lu->online, p->online, changed);
	/* the operator has looked at it: a flush that failed no longer blocks the unit */
	if (p->online.value && lu->failed) {
		log_warning("%s: what was written before a flush failed may be lost", lu_name(lu));
		lu->failed = false;
		changed = true;
	}
	if (changed && p->online.value)
		lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, 0);
}

static void apply(struct lu *lu, void *arg)
{
	struct update *u = arg;
	const struct lu_params *p = &u->params;

	u->bad_mode_page = p->mode_page && mode_set_page(lu, p->mode_page);
	if (u->bad_mode_page)
		return;
	change_inquiry_data(lu, p);
	change_capacity_data(lu, p);
	change_mode_data(lu, p);
	change_online(lu, p);
}

const char *mgmt_lu_preset(struct lu *lu, struct lu_params *params)
{
	struct update u = {.params = *params};
	const char *why = reopens(params) ? "path, bsopts and bsoflags are members of their own"
					  : check(lu, &u.params, false);

	if (why)
		return why;
	apply(lu, &u);
	*params = u.params;
	return u.bad_mode_page ? "mode_page: the unit has no such page, or it can't be so" : NULL;
}

static void applied(struct lu_exclusive *exclusive)
{
	struct update *u = exclusive->arg;
	struct mgmt_request *r = u->request;

	reactor_timer_cancel(&u->timer);
	if (!u->bad_mode_page && !u->not_flushed)
		log_info("%s: %s", lu_name(u->lu), r ? r->args.params : "changed, at last");
	if (r && u->bad_mode_page)
		mgmt_refuse(r,
			    "mode_page %.60s: it is page:subpage:length:byte:byte… of a page "
			    "that this logical unit has",
			    u->params.mode_page);
	else if (r && u->not_flushed)
		mgmt_refuse(r, "write_cache=0: what the write cache holds can't be flushed");
	else if (r)
		mgmt_done(r, NULL);
	free_update(u);
}

static void flushed(void *arg, bool good)
{
	struct update *u = arg;

	u->not_flushed = !good;
	if (good)
		apply(u->lu, u);
	lu_exclusive_end(&u->exclusive, applied);
}

/* SBC-4 6.5.6: what is in a write cache goes to the medium before the cache is switched off. */
static void granted(struct lu_exclusive *exclusive)
{
	struct update *u = exclusive->arg;
	const struct lu_params *p = &u->params;
	bool switches_off = p->mode_page || (p->write_cache.set && !p->write_cache.value);

	if (!switches_off || !mode_wce(u->lu) || !lu_flush(u->lu, flushed, u))
		flushed(u, true);
}

/* A store may hang; the request, and those that wait for it, don't. */
static void change_is_slow(struct timer *timer)
{
	struct update *u = container_of(timer, struct update, timer);
	struct mgmt_request *r = u->request;

	u->request = NULL;
	mgmt_fail(r, ETIMEDOUT, "the logical unit is busy",
		  "commands have run for %d s; the change is made when they have ended",
		  CHANGE_WAIT_MS / 1000);
}

static void change(struct update *u)
{
	u->timer.fn = change_is_slow;
	reactor_timer_arm(reactor_self(), &u->timer, CHANGE_WAIT_MS);
	u->exclusive =
	    (struct lu_exclusive){.lu = u->lu, .all = true, .granted = granted, .arg = u};
	lu_exclusive_begin(&u->exclusive);
}

static void reopening_is_slow(struct timer *timer)
{
	struct update *u = container_of(timer, struct update, timer);
	struct mgmt_request *r = u->request;

	u->request = NULL;
	mgmt_fail(r, ETIMEDOUT, "the backing store doesn't open",
		  "no answer within %d s; the change is made when it opens after all",
		  MGMT_OPEN_WAIT_MS / 1000);
}

static void reopened(void *arg, const char *error)
{
	struct update *u = arg;

	reactor_timer_cancel(&u->timer);
	if (!u->request) {
		free_update(u);
		return;
	}
	/* when the daemon ends it doesn't wait for this, and the unit may be gone */
	if (!error && atomic_load(&u->request->lu->removed))
		error = "the unit was deleted";
	if (!error) {
		change(u);
		return;
	}
	mgmt_invalid(u->request, "%s", error);
	free_update(u);
}

/* False: it has answered the request, and nothing will change. */
static bool reopen(struct update *u)
{
	struct mgmt_request *r = u->request;
	const struct lu_params *p = &u->params;
	struct lu *lu = r->lu;

	u->open_flags = lu->store_flags;
	if (p->bsoflags &&
	    !mgmt_check_flags(r, store_module(lu->store), p->bsoflags, &u->open_flags))
		return false;
	if (p->bsopts && !mgmt_check_options(r, store_module(lu->store), p->bsopts))
		return false;
	u->timer.fn = reopening_is_slow;
	reactor_timer_arm(reactor_self(), &u->timer, MGMT_OPEN_WAIT_MS);
	lu_reopen(lu,
		  &(struct lu_opening){
		      .path = p->path ? p->path : lu->path,
		      .bsopts = p->bsopts ? p->bsopts : lu->bsopts,
		      .flags = u->open_flags,
		      .empty = p->path ? ejects(p) : store_is_empty(lu->store),
		      .loads = p->path,
		      .force = r->args.force,
		  },
		  reopened, u);
	return true;
}

/* online=0 and nothing else. */
static bool only_goes_offline(const struct lu_params *p)
{
	return p->online.set && !p->online.value && p->count == 1;
}

/* Needs no command to end first: whoever does it may have a store that hangs. */
static void go_offline(struct update *u)
{
	struct mgmt_request *r = u->request;

	u->lu->online = false;
	atomic_fetch_add(&u->lu->state_generation, 1); /* those that wait look again */
	log_info("%s: %s", lu_name(u->lu), r->args.params);
	mgmt_done(r, NULL);
	free_update(u);
}

static void begin(struct update *u)
{
	u->lu = u->request->lu;
	if (only_goes_offline(&u->params))
		go_offline(u);
	else if (!reopens(&u->params))
		change(u);
	else if (!reopen(u))
		free_update(u);
}

void mgmt_lu_update(struct mgmt_request *r)
{
	struct update *u = calloc(1, sizeof(*u));
	enum lu_params_result result;
	char error[128];
	const char *why;

	if (mgmt_is_changer_update(r)) {
		free(u);
		mgmt_changer_update(r);
		return;
	}
	if (!u) {
		mgmt_fail(r, ENOMEM, "out of memory", NULL);
		return;
	}
	u->request = r;
	result = lu_params_parse(r->args.params, &u->params, error, sizeof(error));
	why = result == LU_PARAMS_OK ? check(r->lu, &u->params, r->args.force) : error;
	if (!why && r->args.params && *r->args.params) {
		begin(u);
		return;
	}
	if (result == LU_PARAMS_UNKNOWN)
		mgmt_invalid(r, "%s", why);
	else if (why)
		mgmt_refuse(r, "%s", why);
	else
		mgmt_done(r, NULL);
	free_update(u);
}
