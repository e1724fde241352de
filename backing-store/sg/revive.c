/* SPDX-License-Identifier: MIT */
/*
 * A device that went away: commands end as not ready, the logical unit is offline, and a thread of
 * its own, which exists only meanwhile, looks for the device at its path, ever more seldom.  A
 * device that is there but another one is not taken.
 */
#include "sg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_LOOK_MS 100
#define SELDOM_MS 5000

static struct timespec after(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* Called with the lock held; false: the store is being closed. */
static bool pause_looking(struct sg *sg, unsigned ms)
{
	const struct timespec end = after(ms);

	while (!sg->closing) {
		if (pthread_cond_timedwait(&sg->wake, &sg->lock, &end) == ETIMEDOUT)
			return !sg->closing;
	}
	return false;
}

/* The device, at its path again; NULL: not yet.  Says once what is there instead. */
static struct sg_node *look(struct sg *sg, bool *told)
{
	char why[256];
	struct sg_identity found;
	struct sg_node *node = sg_node_open(sg->path, sg->readonly, why, sizeof(why));

	if (!node)
		return NULL;
	if (!sg_identify(node, &found, why, sizeof(why))) {
		sg_node_free(node);
		return NULL;
	}
	if (sg_same_identity(&sg->identity, &found))
		return node;
	if (!*told)
		sg_host->log(sg->lu, TGT_BS_LOG_WARNING,
			     "%s is another device now (%s): it is not served in place of %s",
			     sg->path, found.text, sg->identity.text);
	*told = true;
	sg_node_free(node);
	return NULL;
}

/* Called with the lock held. */
static void take(struct sg *sg, struct sg_node *node)
{
	node->generation = ++sg->generation;
	sg->node = node;
	sg->depth = node->depth;
	sg->max_transfer = node->max_transfer;
}

static void *search(void *arg)
{
	struct sg *sg = arg;
	struct sg_node *node = NULL;
	unsigned ms = FIRST_LOOK_MS;
	bool told = false;

	pthread_mutex_lock(&sg->lock);
	while (!node && pause_looking(sg, ms)) {
		pthread_mutex_unlock(&sg->lock);
		node = look(sg, &told);
		pthread_mutex_lock(&sg->lock);
		ms = ms * 2 < SELDOM_MS ? ms * 2 : SELDOM_MS;
	}
	if (node)
		take(sg, node);
	pthread_mutex_unlock(&sg->lock);
	if (node) {
		sg_host->log(sg->lu, TGT_BS_LOG_INFO, "%s (%s) is back", sg->path,
			     sg->identity.text);
		sg_host->online_changed(sg->lu, 1);
		sg_channels_wake(sg);
	}
	pthread_mutex_lock(&sg->lock);
	sg->looking = false;
	pthread_cond_broadcast(&sg->wake);
	pthread_mutex_unlock(&sg->lock);
	return NULL;
}

static void start_looking(struct sg *sg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, search, sg);
	pthread_attr_destroy(&attr);
	if (!error)
		return;
	pthread_mutex_lock(&sg->lock);
	sg->looking = false;
	pthread_mutex_unlock(&sg->lock);
	sg_host->log(sg->lu, TGT_BS_LOG_ERR,
		     "nobody looks for the device: %s; the LUN has to be made anew",
		     strerror(error));
}

void sg_gone(struct sg *sg, unsigned generation, const char *why)
{
	struct sg_node *node = NULL;

	pthread_mutex_lock(&sg->lock);
	/* it can go again before the one who found it has said so: then he is asked once more */
	while (sg->looking && sg->node && sg->node->generation == generation && !sg->closing)
		pthread_cond_wait(&sg->wake, &sg->lock);
	if (sg->node && sg->node->generation == generation && !sg->closing) {
		node = sg->node;
		sg->node = NULL;
		sg->looking = true;
	}
	pthread_mutex_unlock(&sg->lock);
	if (!node)
		return;
	sg_node_put(sg, node);
	sg_host->log(sg->lu, TGT_BS_LOG_WARNING, "%s (%s) can't be reached: %s; looking for it",
		     sg->path, sg->identity.text, why);
	sg_host->online_changed(sg->lu, 0);
	sg_channels_wake(sg);
	start_looking(sg);
}

void sg_stop_looking(struct sg *sg)
{
	pthread_mutex_lock(&sg->lock);
	sg->closing = true;
	pthread_cond_broadcast(&sg->wake);
	while (sg->looking)
		pthread_cond_wait(&sg->wake, &sg->lock);
	pthread_mutex_unlock(&sg->lock);
}
