/* SPDX-License-Identifier: MIT */
/*
 * The module contract's state for images: each daemon that has the image watches the object beside
 * it and is a member there.  Who changes a value notifies the watchers and looks at who has
 * acknowledged: a member that hasn't, because it hangs or has gone without a word, is blocklisted
 * before the change counts, so that nothing it still has under way reaches the image.
 */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ACKNOWLEDGE_SECONDS 15
#define CURRENT_MS 12000 /* after the watch was confirmed: less than that */
#define ANSWER_MS 5000   /* at a time */
#define AGAIN_US 200000
#define WATCH_SECONDS 30
#define BLOCKLIST_SECONDS                                                                          \
	86400  /* one that hangs has what it has under way for as long as it does */
#define ANEW 0 /* the notice that all is to be looked at */

static struct rbd_store *store_of(void *store)
{
	return store;
}

static uint64_t own_client(const struct rbd_store *s)
{
	return rados_get_instance_id(s->cluster->rados);
}

/* ---- telling the others ---- */

struct answers {
	char *buffer;
	size_t length;
	struct notify_ack_t *acks;
	struct notify_timeout_t *timeouts;
	size_t nr_acks, nr_timeouts;
};

/* What is said: the watch of who says it, the version that was made, the key with its NUL. */
struct news {
	uint64_t cookie, version;
	char key[STATE_KEY_ROOM];
};

static int ask(struct rbd_store *s, const char *key, uint64_t version, struct answers *a)
{
	struct news news = {s->state.cookie, version, ""};
	int err;

	memcpy(news.key, key, strlen(key) + 1);
	err = rados_notify2(s->pool, s->state.object, (const char *)&news, sizeof(news), ANSWER_MS,
			    &a->buffer, &a->length);
	if (err && err != -ETIMEDOUT) /* which is told of those who haven't answered */
		return err;
	return rados_decode_notify_response(a->buffer, a->length, &a->acks, &a->nr_acks,
					    &a->timeouts, &a->nr_timeouts);
}

static void forget(struct answers *a)
{
	if (a->acks || a->timeouts)
		rados_free_notify_response(a->acks, a->nr_acks, a->timeouts);
	if (a->buffer)
		rados_buffer_free(a->buffer);
}

static bool has_answered(const struct answers *a, const struct state_member *m)
{
	for (size_t i = 0; i < a->nr_acks; i++)
		if (a->acks[i].notifier_id == m->client && a->acks[i].cookie == m->cookie)
			return true;
	return false;
}

static bool is_self(const struct rbd_store *s, const struct state_member *m)
{
	return m->client == own_client(s) && m->cookie == s->state.cookie;
}

/* From now on nothing of it reaches the image. */
static int fence(struct rbd_store *s, struct state_member *m, const char *why)
{
	int err;

	if (cluster_has_fenced(s->cluster, m->address))
		return state_object_leave(s, m);
	err = rados_blocklist_add(s->cluster->rados, m->address, BLOCKLIST_SECONDS);
	if (!err)
		err = rados_wait_for_latest_osdmap(s->cluster->rados);
	if (err) {
		s->host->log(s->lu, TGT_BS_LOG_ERR,
			     "%s/%s: the daemon at %s %s, and can't be blocklisted: %s",
			     s->name.pool, s->name.image, m->address, why, strerror(-err));
		return err;
	}
	s->host->log(s->lu, TGT_BS_LOG_WARNING, "%s/%s: the daemon at %s %s, and is blocklisted",
		     s->name.pool, s->name.image, m->address, why);
	cluster_note_fenced(s->cluster, m->address);
	return state_object_leave(s, m);
}

/* The members but this one, by fn until it returns not 0; that, or -errno. */
static int each_other(struct rbd_store *s,
		      int (*fn)(struct rbd_store *s, struct state_member *m, void *arg), void *arg)
{
	struct state_member *members = NULL;
	size_t count = 0;
	int err = state_object_members(s, &members, &count);

	for (size_t i = 0; !err && i < count; i++)
		if (!is_self(s, &members[i]))
			err = fn(s, &members[i], arg);
	free(members);
	return err;
}

/* Who certainly won't answer is shut out before anybody waits for it. */
static int fence_if_gone(struct rbd_store *s, struct state_member *m, void *arg)
{
	const char *own = arg;

	if (cluster_is_own(m->client))
		return 0;
	if (*own && strcmp(m->process, own) == 0) /* a connection that was fenced, or is closed */
		return fence(s, m, "is this one, by a connection that has ended");
	if (process_has_ended(m->process))
		return fence(s, m, "has ended");
	return cluster_has_fenced(s->cluster, m->address) ? state_object_leave(s, m) : 0;
}

struct poll {
	const struct answers *answers;
	bool is_late; /* who hasn't answered is shut out */
	int others;
};

static int count_or_fence(struct rbd_store *s, struct state_member *m, void *arg)
{
	struct poll *p = arg;

	if (has_answered(p->answers, m)) {
		p->others++;
		return 0;
	}
	if (!p->is_late)
		return -EAGAIN;
	if (m->client == own_client(s))
		return -EBUSY; /* who would be shut out, too */
	return fence(s, m, "hasn't answered");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Those whose watch has been lost come back with another one, and are asked again.  How many others
 * there are. */
static int tell(struct rbd_store *s, const char *key, uint64_t version)
{
	double end = now() + ACKNOWLEDGE_SECONDS;
	char own[PROCESS_ROOM];
	int rc;

	process_name(own);

	for (;;) {
		struct answers a = {0};
		struct poll p = {.answers = &a};

		rc = each_other(s, fence_if_gone, own);
		if (!rc)
			rc = ask(s, key, version, &a);
		p.is_late = now() >= end;
		if (!rc)
			rc = each_other(s, count_or_fence, &p);
		forget(&a);
		if (!rc)
			return p.others;
		if (rc != -EAGAIN)
			return rc;
		usleep(AGAIN_US);
	}
}

/* ---- being told ---- */

/* Without an answer where the unit is being closed: it leaves soon. */
static void pass_on(struct rbd_store *s, const struct news *news, uint64_t notice)
{
	pthread_mutex_lock(&s->state.lock);
	if (s->state.fn)
		s->state.fn(s->state.arg, news->key, news->version, notice);
	pthread_mutex_unlock(&s->state.lock);
}

static void notified(void *arg, uint64_t notice, uint64_t handle, uint64_t notifier, void *data,
		     size_t length)
{
	struct rbd_store *s = arg;
	struct news news;
	bool is_own;

	if (length == sizeof(news)) {
		memcpy(&news, data, sizeof(news));
		is_own = notifier == own_client(s) && news.cookie == s->state.cookie;
		if (*news.key && !news.key[sizeof(news.key) - 1] && !is_own) {
			pass_on(s, &news, notice);
			return;
		}
	}
	/* somebody asks who is there, or is told by itself */
	rados_notify_ack(s->pool, s->state.object, notice, handle, NULL, 0);
}

/* What is changed from now on may not be heard of here: nothing is served until it is watched
 * again, and what there is has been taken over. */
static void watch_lost(void *arg, uint64_t cookie, int err)
{
	struct rbd_store *s = arg;

	(void)cookie;
	atomic_store_explicit(&s->state.lost, true, memory_order_release);
	pthread_mutex_lock(&s->state.lock);
	if (s->state.fn) {
		s->host->log(
		    s->lu, TGT_BS_LOG_ERR,
		    "%s/%s: the cluster no longer tells of other daemons' reservations (%s; it may "
		    "have blocklisted this host): the unit isn't served until it does",
		    s->name.pool, s->name.image, strerror(-err));
		s->host->online_changed(s->lu, 0);
		notice_lost(s);
	}
	pthread_mutex_unlock(&s->state.lock);
}

/* ---- the contract ---- */

static int get(void *store, const char *key, void *buf, size_t *len, uint64_t *version)
{
	return state_object_get(store_of(store), key, buf, len, version);
}

static int cas(void *store, const char *key, const void *buf, size_t len, uint64_t expected,
	       uint64_t *version)
{
	struct rbd_store *s = store_of(store);
	int rc = state_object_put(s, key, buf, len, expected);

	if (rc)
		return rc;
	*version = expected + 1;
	rc = tell(s, key, *version);
	return rc < 0 ? rc : 0;
}

static int own_member(struct rbd_store *s, struct state_member *member)
{
	char *addresses = NULL;
	int err = rados_getaddrs(s->cluster->rados, &addresses);

	if (err)
		return err;
	*member = (struct state_member){.client = own_client(s), .cookie = s->state.cookie};
	process_name(member->process);
	if (strlen(addresses) >= sizeof(member->address))
		err = -ENAMETOOLONG;
	else
		memcpy(member->address, addresses, strlen(addresses) + 1);
	free(addresses);
	return err;
}

void rbd_state_init(struct rbd_store *s)
{
	pthread_mutex_init(&s->state.lock, NULL);
	pthread_mutex_init(&s->state.watch_lock, NULL);
}

void rbd_state_free(struct rbd_store *s)
{
	pthread_mutex_destroy(&s->state.lock);
	pthread_mutex_destroy(&s->state.watch_lock);
}

void rbd_state_silence(struct rbd_store *s)
{
	pthread_mutex_lock(&s->state.lock);
	s->state.fn = NULL;
	pthread_mutex_unlock(&s->state.lock);
}

static void set_watching(struct rbd_store *s, bool watching)
{
	pthread_mutex_lock(&s->state.watch_lock);
	s->state.watching = watching;
	pthread_mutex_unlock(&s->state.watch_lock);
}

void rbd_state_leave(struct rbd_store *s)
{
	struct state_member member = {.client = own_client(s), .cookie = s->state.cookie};

	if (!s->state.watching)
		return;
	set_watching(s, false); /* nobody asks for what is no longer there */
	state_object_leave(s, &member);
	rados_unwatch2(s->pool, s->state.cookie);
	rados_watch_flush(s->cluster->rados);
}

static int start_watching(struct rbd_store *s)
{
	struct state_member member;
	rados_write_op_t op;
	int err = state_object_name(s);

	if (err)
		return err;
	op = rados_create_write_op();
	if (!op)
		return -ENOMEM;
	rados_write_op_create(op, LIBRADOS_CREATE_IDEMPOTENT, NULL);
	err =
	    rados_write_op_operate2(op, s->pool, s->state.object, NULL, LIBRADOS_OPERATION_NOFLAG);
	rados_release_write_op(op);
	if (!err)
		err = rados_watch3(s->pool, s->state.object, &s->state.cookie, notified, watch_lost,
				   WATCH_SECONDS, s);
	if (err)
		return err;
	set_watching(s, true);
	err = own_member(s, &member);
	return err ? err : state_object_join(s, &member);
}

bool rbd_state_recover(struct rbd_store *s)
{
	int rc;

	rbd_state_leave(s);
	rc = start_watching(s);
	if (!rc)
		rc = tell(s, "", 0);
	if (rc < 0) {
		rbd_state_leave(s);
		if (rc != -ESHUTDOWN) {
			s->host->log(s->lu, TGT_BS_LOG_WARNING,
				     "%s/%s: the cluster can't be asked to tell again: %s",
				     s->name.pool, s->name.image, strerror(-rc));
			return false;
		}
		atomic_store(&s->cluster->fenced, true);
		s->host->log(s->lu, TGT_BS_LOG_ERR, "%s/%s: the cluster has blocklisted this host",
			     s->name.pool, s->name.image);
		return true;
	}
	pthread_mutex_lock(&s->state.lock);
	if (s->state.fn)
		s->state.fn(s->state.arg, NULL, 0, ANEW);
	pthread_mutex_unlock(&s->state.lock);
	return true;
}

static int watch(void *store,
		 void (*fn)(void *arg, const char *key, uint64_t version, uint64_t notice),
		 void *arg)
{
	struct rbd_store *s = store_of(store);
	int rc;

	if (s->readonly)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&s->state.lock);
	s->state.fn = fn;
	s->state.arg = arg;
	pthread_mutex_unlock(&s->state.lock);
	rc = start_watching(s);
	if (!rc)
		rc = tell(s, "", 0); /* who is there? */
	if (rc < 0)
		rbd_state_leave(s);
	return rc;
}

static void taken(void *store, uint64_t notice)
{
	struct rbd_store *s = store_of(store);

	if (notice == ANEW) {
		s->host->log(s->lu, TGT_BS_LOG_INFO, "%s/%s is served again", s->name.pool,
			     s->name.image);
		atomic_store_explicit(&s->state.lost, false, memory_order_release);
		s->host->online_changed(s->lu, 1);
		return;
	}
	rados_notify_ack(s->pool, s->state.object, notice, s->state.cookie, NULL, 0);
}

static int is_current(void *store)
{
	struct rbd_store *s = store_of(store);
	int age = -1;

	pthread_mutex_lock(&s->state.watch_lock);
	if (s->state.watching && !atomic_load_explicit(&s->state.lost, memory_order_acquire))
		age = rados_watch_check(s->pool, s->state.cookie);
	pthread_mutex_unlock(&s->state.watch_lock);
	return age >= 0 && age < CURRENT_MS;
}

const struct tgt_bs_state_ops rbd_state_ops = {
    .struct_size = sizeof(rbd_state_ops),
    .get = get,
    .cas = cas,
    .watch = watch,
    .taken = taken,
    .is_current = is_current,
};
