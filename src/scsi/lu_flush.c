/* SPDX-License-Identifier: MIT */
/* FLUSH of an LU's store that is no task's. */
#include <stdlib.h>

#include "scsi/core.h"
#include "util/log.h"

struct flushing {
	struct lu *lu;
	struct store_request request;
	void *module_data;
	void (*done)(void *arg, bool good);
	void *arg;
};

static void flushed(struct store_request *request)
{
	struct flushing *f = container_of(request, struct flushing, request);
	bool good = request->bs.status == TGT_BS_OK;
	void (*done)(void *arg, bool good);
	void *arg;

	if (!good) {
		/* as after a SYNCHRONIZE CACHE that failed: nothing is known about the medium */
		log_err("%s: flush failed: data written before may be lost; the LUN refuses access "
			"until it is set online again",
			lu_name(f->lu));
		f->lu->failed = true;
	}
	done = f->done;
	arg = f->arg;
	lu_store_put(f->lu);
	free(f->module_data);
	free(f);
	done(arg, good);
}

/* A drive buffers what is written to its tape. */
static bool has_cache(const struct lu *lu)
{
	return lu->tape ? lu->medium : lu->volatile_cache;
}

bool lu_flush(struct lu *lu, void (*done)(void *arg, bool good), void *arg)
{
	struct flushing *f;

	if (!lu->store || !has_cache(lu) || !store_can(lu->store, TGT_BS_CAN_FLUSH))
		return false;
	f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	f->module_data = aligned_alloc(16, (store_max_request_size() + 15u) & ~(size_t)15);
	if (!f->module_data)
		abort();
	f->lu = lu;
	f->done = done;
	f->arg = arg;
	lu_store_get(lu);
	store_request_init(&f->request, TGT_BS_FLUSH, f->module_data, flushed);
	store_submit(lu->store, &f->request);
	return true;
}
