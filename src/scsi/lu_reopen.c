/* SPDX-License-Identifier: MIT */
/* Another medium, or another way to open it, for an LU that goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "util/log.h"

struct reopening {
	struct lu *lu;
	char *path, *bsopts;
	uint32_t flags;
	struct store *store; /* the new one; after the exchange the one to close */
	bool failed;
	char error[256];
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
	free(r->path);
	free(r->bsopts);
	free(r);
}

static void exchanged(void *arg)
{
	struct reopening *r = arg;

	store_finish(r->store, finish, r);
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

static void tell_initiators(struct lu *lu, bool other_medium)
{
	const struct tgt_bs_geometry g = store_geometry(lu->store);

	lu->medium = !(g.flags & TGT_BS_GEO_NO_MEDIUM);
	mode_refresh_cache(lu);
	if (lu->commands->device_type == 0)
		lu_set_size(lu, g.size);
	if (!store_can(lu->store, TGT_BS_CAN_WRITE))
		lu->readonly = true;
	if (other_medium && lu->medium)
		lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, 0);
}

/* Nothing runs on the LU but what its old store does not give back: then that must stay. */
static void exchange(struct lu *lu, void *arg)
{
	struct reopening *r = arg;
	bool other_medium = !lu->path || !r->path || strcmp(lu->path, r->path) != 0;
	const char *why;

	if (lu->passthrough) {
		fail(r, "a device that is passed through stays the same: make the LUN anew");
		return;
	}
	if (atomic_load(&lu->removed) || atomic_load(&lu->fences) ||
	    atomic_load(&lu->store_users) > 1) {
		fail(r, "commands still run on the old store");
		return;
	}
	SWAP(lu->store, r->store);
	why = lu->commands->device_type == 0 ? lu_take_limits(lu) : NULL;
	if (why) {
		fail(r, why);
		SWAP(lu->store, r->store);
		lu_take_limits(lu);
		return;
	}
	SWAP(lu->path, r->path);
	SWAP(lu->bsopts, r->bsopts);
	SWAP(lu->store_flags, r->flags);
	lu->failed = false;
	tell_initiators(lu, other_medium);
}

static void opened(void *owner, struct store *store, const char *error)
{
	struct lu *lu = owner;
	struct reopening *r = lu->reopening;

	lu->reopening = NULL;
	if (!store) {
		fail(r, error);
		finish(r);
		return;
	}
	r->store = store;
	lu_change(lu, exchange, exchanged, r);
}

void lu_reopen(struct lu *lu, const char *path, const char *bsopts, uint32_t open_flags,
	       void (*done)(void *arg, const char *error), void *arg)
{
	struct reopening *r = calloc(1, sizeof(*r));
	struct store_config config = {
	    .module = (struct store_module *)(uintptr_t)store_module(lu->store),
	    .path = path,
	    .bsopts = bsopts,
	    .open_flags = open_flags,
	    .block_size = lu->block_size,
	};

	if (!r || (path && !(r->path = strdup(path))) || (bsopts && !(r->bsopts = strdup(bsopts))))
		abort();
	r->lu = lu;
	r->flags = open_flags;
	r->done = done;
	r->arg = arg;
	lu_ref(lu);
	lu->reopening = r;
	store_open(&config, &lu_store_events, lu, opened);
}
