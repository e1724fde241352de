/* SPDX-License-Identifier: MIT */
/*
 * librbd tells on a thread of its own that an image's header has changed, and what it is now can
 * only be asked where one may wait: on a thread here, one for all images of a connection.  It lives
 * as long as the connection, and a cluster that doesn't answer holds up no other's.
 */
#include <errno.h>
#include <time.h>

#include "rbd.h"

#define AGAIN_SECONDS 2

/* False: it is to be looked at again. */
static bool look(struct rbd_store *store, bool recovers)
{
	uint64_t size;

	if (recovers && !rbd_state_recover(store))
		return false;

	if (rbd_get_size(store->image, &size) || atomic_exchange(&store->size, size) == size)
		return true;
	store->host->size_changed(store->lu, size);
	return true;
}

static void enqueue(struct rbd_store *store)
{
	struct notices *n = &store->cluster->notices;

	if (store->noticed)
		return;
	store->noticed = true;
	store->next_noticed = n->first;
	n->first = store;
	pthread_cond_broadcast(&n->changed);
}

/* The cluster may be away for long. */
static void pause_between(struct notices *n)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AGAIN_SECONDS;
	while (!n->ends && pthread_cond_timedwait(&n->changed, &n->lock, &until) != ETIMEDOUT)
		;
}

static void *run(void *arg)
{
	struct notices *n = arg;

	pthread_mutex_lock(&n->lock);
	while (!n->ends) {
		struct rbd_store *store = n->first;
		bool recovers, done;

		if (!store) {
			pthread_cond_wait(&n->changed, &n->lock);
			continue;
		}
		n->first = store->next_noticed;
		store->noticed = false;
		recovers = store->recovers;
		store->recovers = false;
		n->looked_at = store;
		pthread_mutex_unlock(&n->lock);
		done = look(store, recovers);
		pthread_mutex_lock(&n->lock);
		if (!done && !store->goes) {
			store->recovers = true;
			enqueue(store);
		}
		n->looked_at = NULL;
		pthread_cond_broadcast(&n->changed);
		if (!done)
			pause_between(n);
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int notices_begin(struct notices *n)
{
	int err;

	*n = (struct notices){.first = NULL};
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->changed, NULL);
	err = pthread_create(&n->thread, NULL, run, n);
	if (err) {
		pthread_cond_destroy(&n->changed);
		pthread_mutex_destroy(&n->lock);
	}
	return -err;
}

void notices_end(struct notices *n)
{
	pthread_mutex_lock(&n->lock);
	n->ends = true;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	pthread_cond_destroy(&n->changed);
	pthread_mutex_destroy(&n->lock);
}

static void notice(void *arg)
{
	struct rbd_store *store = arg;
	struct notices *n = &store->cluster->notices;

	pthread_mutex_lock(&n->lock);
	enqueue(store);
	pthread_mutex_unlock(&n->lock);
}

void notice_lost(struct rbd_store *store)
{
	struct notices *n = &store->cluster->notices;

	pthread_mutex_lock(&n->lock);
	if (!store->goes) {
		store->recovers = true;
		enqueue(store);
	}
	pthread_mutex_unlock(&n->lock);
}

static void forget(struct rbd_store *store)
{
	struct notices *n = &store->cluster->notices;

	pthread_mutex_lock(&n->lock);
	store->goes = true;
	for (struct rbd_store **at = &n->first; *at; at = &(*at)->next_noticed) {
		if (*at == store) {
			*at = store->next_noticed;
			break;
		}
	}
	while (n->looked_at == store)
		pthread_cond_wait(&n->changed, &n->lock);
	pthread_mutex_unlock(&n->lock);
}

int notice_start(struct rbd_store *store)
{
	return rbd_update_watch(store->image, &store->watching, notice, store);
}

void notice_stop(struct rbd_store *store)
{
	rbd_update_unwatch(store->image, store->watching);
	forget(store);
}
