/* SPDX-License-Identifier: MIT */
/*
 * librbd tells on a thread of its own that an image's header has changed, and what it is now can
 * only be asked where one may wait: on a thread here, one for all images of a connection.  It lives
 * as long as the connection, and a cluster that doesn't answer holds up no other's.
 */
#include <errno.h>

#include "rbd.h"

static void look(struct rbd_store *store)
{
	uint64_t size;

	if (rbd_get_size(store->image, &size) || atomic_exchange(&store->size, size) == size)
		return;
	store->host->size_changed(store->lu, size);
}

static void *run(void *arg)
{
	struct notices *n = arg;

	pthread_mutex_lock(&n->lock);
	while (!n->ends) {
		struct rbd_store *store = n->first;

		if (!store) {
			pthread_cond_wait(&n->changed, &n->lock);
			continue;
		}
		n->first = store->next_noticed;
		store->noticed = false;
		n->looked_at = store;
		pthread_mutex_unlock(&n->lock);
		look(store);
		pthread_mutex_lock(&n->lock);
		n->looked_at = NULL;
		pthread_cond_broadcast(&n->changed);
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
	if (!store->noticed) {
		store->noticed = true;
		store->next_noticed = n->first;
		n->first = store;
		pthread_cond_broadcast(&n->changed);
	}
	pthread_mutex_unlock(&n->lock);
}

static void forget(struct rbd_store *store)
{
	struct notices *n = &store->cluster->notices;

	pthread_mutex_lock(&n->lock);
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
