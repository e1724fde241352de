/* SPDX-License-Identifier: MIT */
/*
 * librbd tells on a thread of its own that an image's header has changed, and what it is now can
 * only be asked where one may wait: on the thread here, which all stores share.
 */
#include <errno.h>
#include <pthread.h>

#include "rbd.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static unsigned nr_stores;
static struct rbd_store *first; /* noticed */
static struct rbd_store *looked_at;
static bool ends;

static void look(struct rbd_store *store)
{
	uint64_t size;

	if (rbd_get_size(store->image, &size) || atomic_exchange(&store->size, size) == size)
		return;
	store->host->size_changed(store->lu, size);
}

static void *run(void *arg)
{
	pthread_mutex_lock(&lock);
	while (!ends) {
		struct rbd_store *store = first;

		if (!store) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		first = store->next_noticed;
		store->noticed = false;
		looked_at = store;
		pthread_mutex_unlock(&lock);
		look(store);
		pthread_mutex_lock(&lock);
		looked_at = NULL;
		pthread_cond_broadcast(&idle);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

static void notice(void *arg)
{
	struct rbd_store *store = arg;

	pthread_mutex_lock(&lock);
	if (!store->noticed) {
		store->noticed = true;
		store->next_noticed = first;
		first = store;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
}

static int enter(void)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (!nr_stores) {
		ends = false;
		err = -pthread_create(&thread, NULL, run, NULL);
	}
	if (!err)
		nr_stores++;
	pthread_mutex_unlock(&lock);
	return err;
}

static void forget(struct rbd_store *store)
{
	for (struct rbd_store **at = &first; *at; at = &(*at)->next_noticed) {
		if (*at == store) {
			*at = store->next_noticed;
			break;
		}
	}
	while (looked_at == store)
		pthread_cond_wait(&idle, &lock);
}

static void leave(struct rbd_store *store)
{
	pthread_t last;
	bool is_last;

	pthread_mutex_lock(&lock);
	forget(store);
	is_last = --nr_stores == 0;
	last = thread;
	if (is_last) {
		ends = true;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
	if (is_last)
		pthread_join(last, NULL);
}

int notice_start(struct rbd_store *store)
{
	int err = enter();

	if (err)
		return err;
	err = rbd_update_watch(store->image, &store->watching, notice, store);
	store->is_watching = !err;
	if (err)
		leave(store);
	return err;
}

void notice_stop(struct rbd_store *store)
{
	if (!store->is_watching)
		return;
	rbd_update_unwatch(store->image, store->watching);
	leave(store);
}
