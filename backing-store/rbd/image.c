/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rbd.h"

static int fail(char *error, size_t size, int err, const char *what, const char *which)
{
	snprintf(error, size, "%s %s: %s", what, which, strerror(-err));
	return err;
}

static int find_pool(struct rbd_store *s, char *error, size_t size)
{
	int err = rados_ioctx_create(s->cluster->rados, s->name.pool, &s->pool);

	if (err == -ENOENT) {
		snprintf(error, size, "the cluster has no pool %s", s->name.pool);
		return err;
	}
	if (err)
		return fail(error, size, err, "pool", s->name.pool);
	rados_ioctx_set_namespace(s->pool, s->name.space);
	/* a full pool refuses what needs space; otherwise librados waits until there is some */
	rados_set_pool_full_try(s->pool);
	return 0;
}

static int open_image(struct rbd_store *s, char *error, size_t size)
{
	const char *snapshot = *s->name.snapshot ? s->name.snapshot : NULL;
	int err;

	if (s->readonly)
		err = rbd_open_read_only(s->pool, s->name.image, &s->image, snapshot);
	else
		err = rbd_open(s->pool, s->name.image, &s->image, snapshot);
	if (err == -ENOENT)
		snprintf(error, size, "pool %s has no image %s%s%s", s->name.pool, s->name.image,
			 snapshot ? " with a snapshot " : "", snapshot ? snapshot : "");
	else if (err)
		fail(error, size, err, "image", s->name.image);
	return err;
}

static int ask(struct rbd_store *s)
{
	uint64_t size, count = 1;
	rbd_image_info_t info;
	int err = rbd_stat(s->image, &info, sizeof(info));

	if (!err)
		err = rbd_get_size(s->image, &size);
	if (!err)
		err = rbd_get_stripe_count(s->image, &count);
	if (err)
		return err;
	atomic_init(&s->size, size);
	s->object_size = info.obj_size;
	s->stripe = info.obj_size * count;
	return 0;
}

/* From now until it is closed nobody else can write. */
static int take_lock(struct rbd_store *s, uint64_t features, char *error, size_t size)
{
	int err;

	if (!(features & RBD_FEATURE_EXCLUSIVE_LOCK)) {
		snprintf(error, size,
			 "image %s has no feature exclusive-lock, which lock=exclusive needs",
			 s->name.image);
		return -EINVAL;
	}
	err = rbd_lock_acquire(s->image, RBD_LOCK_MODE_EXCLUSIVE);
	if (err)
		return fail(error, size, err, "another has the exclusive lock of image",
			    s->name.image);
	return 0;
}

/* Writers that take turns need the lock, those that don't must not have it. */
static int check_lock(struct rbd_store *s, const char *policy, char *error, size_t size)
{
	uint64_t features;
	int err = rbd_get_features(s->image, &features);

	if (err)
		return fail(error, size, err, "features of image", s->name.image);
	if (strcmp(policy, "none") == 0 && features & RBD_FEATURE_EXCLUSIVE_LOCK && !s->readonly) {
		snprintf(error, size,
			 "image %s has the feature exclusive-lock, which lock=none excludes: "
			 "rbd feature disable %s/%s exclusive-lock",
			 s->name.image, s->name.pool, s->name.image);
		return -EINVAL;
	}
	s->shared = !s->readonly && !(features & RBD_FEATURE_EXCLUSIVE_LOCK);
	if (s->shared && s->cache) {
		snprintf(error, size,
			 "image %s has no feature exclusive-lock, so that others may write to it, "
			 "and cache=yes would hide that",
			 s->name.image);
		return -EINVAL;
	}
	if (strcmp(policy, "exclusive") == 0 && !s->readonly)
		return take_lock(s, features, error, size);
	return 0;
}

static int listen_to(struct rbd_store *s)
{
	int err;

	s->events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->events < 0)
		return -errno;
	err = rbd_set_image_notification(s->image, s->events, EVENT_TYPE_EVENTFD);
	return err ? err : notice_start(s);
}

/* Once the pool is there. */
static int set_up(struct rbd_store *s, const char *policy, char *error, size_t size)
{
	int err = open_image(s, error, size);

	if (err)
		return err;
	err = ask(s);
	if (err)
		fail(error, size, err, "image", s->name.image);
	if (!err)
		err = check_lock(s, policy, error, size);
	if (!err) {
		err = rbd_compare_setup(s);
		if (err)
			fail(error, size, err, "objects of image", s->name.image);
	}
	if (!err) {
		err = listen_to(s);
		if (err)
			fail(error, size, err, "completions of image", s->name.image);
	}
	if (err) {
		if (s->events >= 0)
			close(s->events);
		s->events = -1;
		rbd_close(s->image);
	}
	return err;
}

static struct cluster_wish wish_of(const struct tgt_bs_value *v)
{
	return (struct cluster_wish){
	    .conf = v[OPT_CONF].is_set ? v[OPT_CONF].text : NULL,
	    .cluster = v[OPT_CLUSTER].text,
	    .id = v[OPT_ID].text,
	    .keyring = v[OPT_KEYRING].is_set ? v[OPT_KEYRING].text : NULL,
	    .cache = v[OPT_CACHE].boolean,
	    .timeout = (unsigned)v[OPT_TIMEOUT].number,
	};
}

static int check(const struct tgt_bs_open_args *args, struct rbd_store *s, char *error, size_t size)
{
	const char *policy = args->values[OPT_LOCK].text;
	const char *why = rbd_name_parse(args->path, &s->name);

	if (why)
		snprintf(error, size, "%s: %s", args->path, why);
	else if (strcmp(policy, "auto") != 0 && strcmp(policy, "none") != 0 &&
		 strcmp(policy, "exclusive") != 0)
		snprintf(error, size, "lock is auto, exclusive or none");
	else
		return 0;
	return -EINVAL;
}

static int open_on_cluster(struct rbd_store *s, const struct cluster_wish *wish, const char *policy,
			   char *error, size_t size)
{
	int err = cluster_get(wish, &s->cluster, error, size);

	if (err)
		return err;
	err = find_pool(s, error, size);
	if (!err) {
		err = set_up(s, policy, error, size);
		if (err)
			rados_ioctx_destroy(s->pool);
	}
	if (err == -ESHUTDOWN)
		atomic_store(&s->cluster->fenced, true);
	if (err)
		cluster_put(s->cluster);
	return err;
}

int rbd_store_open(const struct tgt_bs_open_args *args, void **store, char *error,
		   size_t error_size)
{
	struct cluster_wish wish = wish_of(args->values);
	const char *policy = args->values[OPT_LOCK].text;
	struct rbd_store *s = calloc(1, sizeof(*s));
	int err;

	if (!s) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	s->host = rbd_host;
	s->lu = args->lu;
	s->events = -1;
	rbd_state_init(s);
	s->cache = wish.cache;
	err = check(args, s, error, error_size);
	s->readonly = args->flags & TGT_BS_OPEN_READONLY || *s->name.snapshot;
	if (!err)
		err = open_on_cluster(s, &wish, policy, error, error_size);
	/* blocklisted, but nobody had found that out: then there is another connection */
	if (err == -ESHUTDOWN)
		err = open_on_cluster(s, &wish, policy, error, error_size);
	if (err) {
		rbd_state_free(s);
		free(s);
		return err;
	}
	*store = s;
	return 0;
}

int rbd_store_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	struct rbd_store *s = store;

	geometry->size = atomic_load(&s->size);
	geometry->flags = TGT_BS_GEO_DISCARD;
	if (s->readonly)
		geometry->flags |= TGT_BS_GEO_READONLY;
	if (s->cache)
		geometry->flags |= TGT_BS_GEO_VOLATILE_CACHE;
	if (s->shared)
		geometry->flags |= TGT_BS_GEO_SHARED;
	geometry->compare_and_write_unit = s->compare_unit;
	geometry->optimal_io_size = s->stripe < UINT32_MAX ? (uint32_t)s->stripe : 0;
	geometry->discard_granularity = s->object_size < UINT32_MAX ? (uint32_t)s->object_size : 0;
	return 0;
}
