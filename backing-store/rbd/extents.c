/* SPDX-License-Identifier: MIT */
/* BLOCK_STATUS: what of an image its objects hold.  On a worker: librbd waits for it. */
#include <errno.h>

#include "rbd.h"

struct listing {
	struct tgt_bs_request *request;
	uint64_t at; /* up to here it is known */
};

/* False: there is no room for more. */
static bool add_extent(struct listing *l, uint64_t end, uint32_t flags)
{
	struct tgt_bs_request *r = l->request;

	if (r->nr_extents == r->max_extents)
		return false;
	r->extents[r->nr_extents++] = (struct tgt_bs_extent){
	    .offset = l->at,
	    .length = end - l->at,
	    .flags = flags,
	};
	l->at = end;
	return true;
}

static int found(uint64_t offset, size_t length, int exists, void *arg)
{
	struct listing *l = arg;
	struct tgt_bs_request *r = l->request;
	struct tgt_bs_extent *last = r->nr_extents ? &r->extents[r->nr_extents - 1] : NULL;

	if (!exists || offset < l->at)
		return 0;
	if (last && offset == l->at && last->flags & TGT_BS_EXTENT_MAPPED) {
		last->length += length;
		l->at += length;
		return 0;
	}
	if (offset > l->at && !add_extent(l, offset, 0))
		return -ENOBUFS;
	return add_extent(l, offset + length, TGT_BS_EXTENT_MAPPED) ? 0 : -ENOBUFS;
}

void rbd_list_extents(struct rbd_store *s, struct tgt_bs_request *r)
{
	struct listing l = {r, r->offset};
	uint64_t end = r->offset + r->length;
	int err;

	r->nr_extents = 0;
	err = rbd_diff_iterate2(s->image, NULL, r->offset, r->length, 1, 0, found, &l);
	if (err < 0 && err != -ENOBUFS) {
		r->status = rbd_status_of(r, err);
		r->info = r->offset;
	} else if (!err && l.at < end) {
		add_extent(&l, end, 0);
	}
}
