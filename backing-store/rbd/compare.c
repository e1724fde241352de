/* SPDX-License-Identifier: MIT */
/*
 * COMPARE_AND_WRITE: one operation of the OSD that has the object, so that it is atomic against
 * every client of the cluster.  librbd has it for a sector of 512 bytes.  Longer ones, up to a
 * block of RBD_COMPARE_UNIT, go to the object itself, where librbd keeps nothing about it: not with
 * an exclusive lock (which caches, the object map and the journal need), nor with a parent.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rbd.h"

#define SECTOR 512u
#define ERRNO_MAX 4095 /* a difference at offset n is -(ERRNO_MAX + n) */
#define SNAPSHOTS 16   /* that there is room for at first */

/* ---- what can be done ---- */

static bool has_parent(rbd_image_t image)
{
	uint64_t overlap = 0;

	return rbd_get_overlap(image, &overlap) || overlap;
}

static int find_layout(struct rbd_store *s)
{
	rbd_image_info_t info;
	uint64_t features;
	uint8_t old = 0;
	int err = rbd_stat(s->image, &info, sizeof(info));

	if (!err)
		err = rbd_get_features(s->image, &features);
	if (!err)
		err = rbd_get_old_format(s->image, &old);
	if (!err)
		err = rbd_get_stripe_unit(s->image, &s->layout.unit);
	if (!err)
		err = rbd_get_stripe_count(s->image, &s->layout.count);
	if (err)
		return err;
	s->layout.pool = rbd_get_data_pool_id(s->image);
	memcpy(s->layout.prefix, info.block_name_prefix, sizeof(s->layout.prefix));
	s->layout.known = !old && !(features & RBD_FEATURE_EXCLUSIVE_LOCK) &&
			  s->layout.unit % RBD_COMPARE_UNIT == 0 && !has_parent(s->image);
	return 0;
}

int rbd_compare_setup(struct rbd_store *s)
{
	int err = find_layout(s);

	s->compare_unit = s->layout.known ? RBD_COMPARE_UNIT : SECTOR;
	return err;
}

/* ---- by librbd ---- */

static int compare_sector(struct rbd_store *s, const struct tgt_bs_request *r, const char *data,
			  uint64_t *difference)
{
	uint64_t at = 0; /* in the object */
	ssize_t rc =
	    rbd_compare_and_write(s->image, r->offset, r->length, data, data + r->length, &at, 0);

	*difference = at % SECTOR;
	return rc < 0 ? (int)rc : 0;
}

/* ---- on the object ---- */

struct place {
	char object[RBD_MAX_BLOCK_NAME_SIZE + 20];
	uint64_t offset;
};

static void find_place(const struct rbd_store *s, uint64_t offset, struct place *place)
{
	const struct rbd_layout *l = &s->layout;
	uint64_t units = s->object_size / l->unit; /* of an object */
	uint64_t unit = offset / l->unit, stripe = unit / l->count;
	uint64_t number = stripe / units * l->count + unit % l->count;

	snprintf(place->object, sizeof(place->object), "%s.%016llx", l->prefix,
		 (unsigned long long)number);
	place->offset = stripe % units * l->unit + offset % l->unit;
}

static int descending(const void *a, const void *b)
{
	rados_snap_t x = *(const rados_snap_t *)a, y = *(const rados_snap_t *)b;

	return x < y ? 1 : -(x > y);
}

static rados_snap_t *take_ids(const rbd_snap_info_t *found, int count)
{
	rados_snap_t *ids = calloc((size_t)count + 1, sizeof(*ids));

	for (int i = 0; ids && i < count; i++)
		ids[i] = found[i].id;
	return ids;
}

/* The ids of the image's snapshots, to be freed; their number, or -errno.  librbd reads them anew
 * here, if there are others: who makes one waits until all who watch the image have heard of it. */
static int list_snapshots(rbd_image_t image, rados_snap_t **ids)
{
	int room = SNAPSHOTS, count;
	rbd_snap_info_t *found;

	do {
		found = calloc((size_t)room + 1, sizeof(*found));
		if (!found)
			return -ENOMEM;
		count = rbd_snap_list(image, found, &room); /* room: what it needs */
		if (count < 0)
			free(found);
	} while (count == -ERANGE);
	if (count < 0)
		return count;
	*ids = take_ids(found, count);
	rbd_snap_list_end(found);
	free(found);
	return *ids ? count : -ENOMEM;
}

/* What is written keeps what they have. */
static int set_snapshots(struct rbd_store *s, rados_ioctx_t pool)
{
	rados_snap_t *ids;
	int count = list_snapshots(s->image, &ids);

	if (count < 0)
		return count;
	qsort(ids, (size_t)count, sizeof(*ids), descending);
	count = rados_ioctx_selfmanaged_snap_set_write_ctx(pool, ids[0], ids, count);
	free(ids);
	return count;
}

static int operate(const struct place *place, rados_ioctx_t pool, const char *data, size_t length)
{
	rados_write_op_t op = rados_create_write_op();
	int result = 0, err;

	if (!op)
		return -ENOMEM;
	/* what isn't there holds zeroes, and can be compared with once it is */
	rados_write_op_create(op, LIBRADOS_CREATE_IDEMPOTENT, NULL);
	rados_write_op_cmpext(op, data, length, place->offset, &result);
	rados_write_op_write(op, data + length, length, place->offset);
	err = rados_write_op_operate2(op, pool, place->object, NULL, LIBRADOS_OPERATION_NOFLAG);
	rados_release_write_op(op);
	return err;
}

static int compare_on_object(struct rbd_store *s, const struct tgt_bs_request *r, const char *data,
			     uint64_t *difference)
{
	struct place place;
	rados_ioctx_t pool;
	int err = rados_ioctx_create2(s->cluster->rados, s->layout.pool, &pool);

	if (err)
		return err;
	rados_ioctx_set_namespace(pool, s->name.space);
	err = set_snapshots(s, pool);
	if (!err) {
		find_place(s, r->offset, &place);
		err = operate(&place, pool, data, r->length);
	}
	rados_ioctx_destroy(pool);
	if (err > -ERRNO_MAX)
		return err;
	*difference = (uint64_t)(-err - ERRNO_MAX);
	return -EILSEQ;
}

/* ---- ---- */

static void gather(const struct tgt_bs_request *r, char *to)
{
	for (uint32_t i = 0; i < r->iovcnt; i++) {
		memcpy(to, r->iov[i].iov_base, r->iov[i].iov_len);
		to += r->iov[i].iov_len;
	}
}

void rbd_compare_and_write_request(struct rbd_store *s, struct tgt_bs_request *r)
{
	char data[2 * RBD_COMPARE_UNIT];
	uint64_t difference = 0;
	int err;

	if (r->length > s->compare_unit ||
	    r->offset % s->compare_unit > s->compare_unit - r->length) {
		r->status = TGT_BS_ERR_INVALID;
		return;
	}
	gather(r, data);
	if (s->layout.known)
		err = compare_on_object(s, r, data, &difference);
	else
		err = compare_sector(s, r, data, &difference);
	if (err == -EILSEQ) {
		r->status = TGT_BS_ERR_MISCOMPARE;
		r->info = difference;
	} else if (err) {
		rbd_failed(s, r, err);
	}
}
