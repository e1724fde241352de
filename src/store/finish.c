/* SPDX-License-Identifier: MIT */
/* The orderly end of a store: nothing that it took is left in a cache. */
#include <stdlib.h>

#include "store/store.h"
#include "util/log.h"

struct ending {
	struct store_request request;
	struct store *store;
	void (*done)(void *arg);
	void *arg;
	_Alignas(16) unsigned char module_data[];
};

static void flushed(struct store_request *request)
{
	struct ending *e = container_of(request, struct ending, request);

	if (request->bs.status != TGT_BS_OK)
		log_err("%s: the last flush failed (status %u): what was written may be lost",
			store_module(e->store)->descriptor.name, request->bs.status);
	store_close(e->store, e->done, e->arg);
	free(e);
}

void store_finish(struct store *store, void (*done)(void *arg), void *arg)
{
	bool flush = store_module(store)->descriptor.kind != TGT_BS_PASSTHROUGH &&
		     !store_is_empty(store) && store_can(store, TGT_BS_CAN_FLUSH);
	struct ending *e = flush ? calloc(1, sizeof(*e) + store_max_request_size()) : NULL;

	if (!e) {
		store_close(store, done, arg);
		return;
	}
	e->store = store;
	e->done = done;
	e->arg = arg;
	store_request_init(&e->request, TGT_BS_FLUSH, e->module_data, flushed);
	store_submit(store, &e->request);
}
