/* SPDX-License-Identifier: MIT */
/* Requests to an LU's store that are no task's: FLUSH, and LOAD of a tape. */
#include <stdlib.h>

#include "scsi/core.h"
#include "util/log.h"

struct errand {
	struct lu *lu;
	struct store_request request;
	void *module_data;
	void (*done)(void *arg, bool good);
	void *arg;
};

static void end(struct errand *f, bool good)
{
	void (*done)(void *arg, bool good) = f->done;
	void *arg = f->arg;

	lu_store_put(f->lu);
	free(f->module_data);
	free(f);
	done(arg, good);
}

static void flushed(struct store_request *request)
{
	struct errand *f = container_of(request, struct errand, request);
	bool good = request->bs.status == TGT_BS_OK;

	if (!good) {
		/* as after a SYNCHRONIZE CACHE that failed: nothing is known about the medium */
		log_err("%s: flush failed: data written before may be lost; the LUN refuses access "
			"until it is set online again",
			lu_name(f->lu));
		f->lu->failed = true;
	}
	end(f, good);
}

static void loaded(struct store_request *request)
{
	end(container_of(request, struct errand, request), request->bs.status == TGT_BS_OK);
}

/* A drive buffers what is written to its tape. */
static bool has_cache(const struct lu *lu)
{
	return lu->tape ? lu->medium : lu->volatile_cache;
}

static void submit(struct lu *lu, enum tgt_bs_op op, void (*ended)(struct store_request *request),
		   void (*done)(void *arg, bool good), void *arg)
{
	struct errand *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->module_data = aligned_alloc(16, (store_max_request_size() + 15u) & ~(size_t)15);
	if (!f->module_data)
		abort();
	f->lu = lu;
	f->done = done;
	f->arg = arg;
	lu_store_get(lu);
	store_request_init(&f->request, op, f->module_data, ended);
	store_submit(lu->store, &f->request);
}

bool lu_flush(struct lu *lu, void (*done)(void *arg, bool good), void *arg)
{
	if (!lu->store || !has_cache(lu) || !store_can(lu->store, TGT_BS_CAN_FLUSH))
		return false;
	submit(lu, TGT_BS_FLUSH, flushed, done, arg);
	return true;
}

void lu_load_tape(struct lu *lu, void (*done)(void *arg, bool good), void *arg)
{
	submit(lu, TGT_BS_TAPE_LOAD, loaded, done, arg);
}
