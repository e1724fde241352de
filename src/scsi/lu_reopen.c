/* SPDX-License-Identifier: MIT */
/* Another medium, or another way to open it, for an LU that goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/mam.h"
#include "scsi/pr_shared.h"
#include "scsi/tape.h"
#include "util/log.h"

struct reopening {
	struct lu *lu;
	struct lu_exclusive exclusive;
	char *path, *bsopts;
	uint32_t flags;
	bool loads, force;
	struct store *store;      /* the new one; after the exchange the one to close */
	struct pr_shared *shared; /* goes with it */
	bool failed;
	char error[256];
	bool (*goes_on)(void *arg);
	void (*done)(void *arg, const char *error);
	void *arg;
};

static void finish(void *arg)
{
	struct reopening *r = arg;

	if (r->failed)
		log_err("%s goes on with its store as it was: %s", lu_name(r->lu), r->error);
	r->done(r->arg, r->failed ? r->error : NULL);
	lu_unref(r->lu);
	pr_shared_free(r->shared);
	free(r->path);
	free(r->bsopts);
	free(r);
}

static void released(struct lu_exclusive *exclusive)
{
	struct reopening *r = exclusive->arg;

	if (r->store)
		store_finish(r->store, finish, r);
	else
		finish(r);
}

static void exchanged(void *arg)
{
	struct reopening *r = arg;

	lu_exclusive_end(&r->exclusive, released);
}

static void fail(struct reopening *r, const char *why)
{
	r->failed = true;
	snprintf(r->error, sizeof(r->error), "%s", why);
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swap_ = (a);                                                         \
		(a) = (b);                                                                         \
		(b) = swap_;                                                                       \
	} while (0)

static bool is_empty(const struct tgt_bs_geometry *g)
{
	return g->flags & TGT_BS_GEO_NO_MEDIUM;
}

/* What was a drive without a medium has no capacity that could change (SBC-4 5.20). */
static void take_size(struct lu *lu, const struct tgt_bs_geometry *g, bool was_there)
{
	if (lu->commands->device_type != 0)
		return;
	if (was_there && !is_empty(g))
		lu_set_size(lu, g->size);
	else
		lu->blocks = lu_blocks_of(lu, g->size);
}

static void take_medium(struct lu *lu, bool same, bool loads)
{
	const struct tgt_bs_geometry g = store_geometry(lu->store);
	bool was_there = lu->medium, changed;

	take_size(lu, &g, was_there);
	lu->medium = !is_empty(&g) && (was_there || loads);
	if (lu->tape)
		tape_medium_changed(lu);
	if (was_there && (!same || !lu->medium))
		lu_demounted(lu);
	if (!lu->medium)
		return;
	changed = mode_refresh_cache(lu);
	/* the write protection of the medium before doesn't stay */
	lu->readonly = lu->readonly_wanted || !store_can(lu->store, TGT_BS_CAN_WRITE);
	if (same && was_there) {
		if (changed)
			lu_establish_ua(lu, ASC_MODE_PARAMETERS_CHANGED, 0);
		return;
	}
	lu->started = true;
	lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, 0);
}

/* Why the exchange can't be; NULL: it can. */
static const char *check_exchange(const struct lu *lu, bool removes, bool force)
{
	if (lu->passthrough)
		return "a device that is passed through stays the same: make the LUN anew";
	if (atomic_load(&lu->removed) || atomic_load(&lu->fences) ||
	    atomic_load(&lu->store_users) > 1)
		return "commands still run on the old store";
	if (removes && !force && lu_removal_prevented(lu))
		return "an initiator prevents the removal of the medium";
	return NULL;
}

static bool is_same(const struct reopening *r)
{
	return r->lu->path && r->path && strcmp(r->lu->path, r->path) == 0;
}

/* Nothing runs on the LU but what its old store does not give back: then that must stay. */
static void exchange(struct lu *lu, struct reopening *r)
{
	bool same = is_same(r);
	const char *why;

	SWAP(lu->store, r->store);
	why = lu->commands->device_type == 0 ? lu_take_limits(lu) : NULL;
	if (why) {
		fail(r, why);
		SWAP(lu->store, r->store);
		lu_take_limits(lu);
		return;
	}
	if (lu->pr)
		pr_shared_exchange(lu, &r->shared);
	SWAP(lu->path, r->path);
	SWAP(lu->bsopts, r->bsopts);
	SWAP(lu->store_flags, r->flags);
	lu->failed = false;
	lu->store_online = true; /* the old one may have told otherwise */
	if (!same) {             /* what was begun on the one says nothing about the other */
		lu->medium_fault = 0;
		lu->fault_restricted = false;
		if (lu->commands->device_type == 0)
			medium_state_load(lu);
	}
	take_medium(lu, same, r->loads);
}

static void keep(void *arg)
{
	struct reopening *r = arg;

	if (r->failed || !lu_keep(r->lu, exchanged, r))
		exchanged(r);
}

static void go_on(void *arg)
{
	struct reopening *r = arg;
	bool stays = is_same(r) && r->lu->medium;

	exchange(r->lu, r);
	if (!r->failed && r->lu->tape && r->lu->medium && !stays)
		mam_load(r->lu, keep, r);
	else
		keep(r);
}

static void flushed(void *arg, bool good)
{
	struct reopening *r = arg;
	const struct tgt_bs_geometry g = store_geometry(r->store);
	const char *why = check_exchange(r->lu, !is_same(r) && r->lu->medium, r->force);

	if (!good)
		why = "what was written can't be put on its medium";
	/* from here on it is carried out */
	if (!why && r->goes_on && !r->goes_on(r->arg))
		why = "it took too long";
	if (why) {
		fail(r, why);
		exchanged(r);
	} else if (r->lu->tape && r->lu->medium && (!is_same(r) || is_empty(&g))) {
		mam_unload(r->lu, go_on, r);
	} else {
		go_on(r);
	}
}

/* What a drive has buffered belongs on its tape before that goes. */
static void granted(struct lu_exclusive *exclusive)
{
	struct reopening *r = exclusive->arg;

	if (!r->lu->tape || !lu_flush(r->lu, flushed, r))
		flushed(r, true);
}

/* ---- the cartridge that a tape drive has already: its file can't be opened twice ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_there(const struct lu *lu, const struct reopening *r)
{
	return lu->tape && r->loads && lu->path && same_text(lu->path, r->path) &&
	       same_text(lu->bsopts, r->bsopts) && lu->store_flags == r->flags;
}

static void loaded(void *arg, bool good)
{
	struct reopening *r = arg;
	struct lu *lu = r->lu;

	if (!good) {
		fail(r, "the drive can't load the cartridge that it has");
		exchanged(r);
		return;
	}
	lu->medium = lu->started = true;
	tape_medium_changed(lu);
	lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, 0);
	mam_load(lu, exchanged, r);
}

static void granted_load(struct lu_exclusive *exclusive)
{
	struct reopening *r = exclusive->arg;
	const char *why = check_exchange(r->lu, false, r->force);

	if (why)
		fail(r, why);
	if (why || (r->lu->medium && r->lu->started))
		exchanged(r);
	else
		lu_load_tape(r->lu, loaded, r);
}

static void begin(struct reopening *r, void (*granted_fn)(struct lu_exclusive *exclusive))
{
	r->exclusive =
	    (struct lu_exclusive){.lu = r->lu, .all = true, .granted = granted_fn, .arg = r};
	lu_exclusive_begin(&r->exclusive);
}

static void joined(void *arg, struct pr_shared *shared, const char *error)
{
	struct reopening *r = arg;

	r->shared = shared;
	if (error) {
		fail(r, error);
		store_finish(r->store, finish, r);
	} else {
		begin(r, granted);
	}
}

static void opened(void *owner, struct store *store, const char *error)
{
	struct lu *lu = owner;
	struct reopening *r = lu->reopening;

	lu->reopening = NULL;
	if (!store && is_there(lu, r)) {
		begin(r, granted_load);
		return;
	}
	if (!store) {
		fail(r, error);
		finish(r);
		return;
	}
	r->store = store;
	if (lu->pr && pr_store_shares(store))
		pr_shared_join(lu, store, joined, r);
	else
		begin(r, granted);
}

void lu_reopen(struct lu *lu, const struct lu_opening *how,
	       void (*done)(void *arg, const char *error), void *arg)
{
	struct reopening *r = calloc(1, sizeof(*r));
	struct store_config config = {
	    .module = (struct store_module *)(uintptr_t)store_module(lu->store),
	    .path = how->empty ? NULL : how->path,
	    .bsopts = how->bsopts,
	    .open_flags = how->flags,
	    .block_size = lu->block_size,
	    .empty = how->empty,
	};

	if (!r || (config.path && !(r->path = strdup(config.path))) ||
	    (how->bsopts && !(r->bsopts = strdup(how->bsopts))))
		abort();
	r->lu = lu;
	r->flags = how->flags;
	r->loads = how->loads;
	r->force = how->force;
	r->goes_on = how->goes_on;
	r->done = done;
	r->arg = arg;
	lu_ref(lu);
	lu->reopening = r;
	store_open(&config, &lu_store_events, lu, opened);
}
