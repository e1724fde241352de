/* SPDX-License-Identifier: MIT */
/*
 * The end of a store.  librbd waits for the cluster to take the image's watch and lock away, and
 * all that one cluster's units could keep the few workers that open and close the others': so a
 * thread does it, which is left to itself when the cluster doesn't answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rbd.h"

#define PATIENCE_SECONDS 3

struct closing {
	struct rbd_store *store;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done, left; /* who comes second frees it */
};

static void close_now(struct rbd_store *s)
{
	notice_stop(s); /* it may be watching again just now */
	rbd_state_leave(s);
	rbd_close(s->image);
	close(s->events);
	rados_ioctx_destroy(s->pool);
	cluster_put(s->cluster);
	rbd_state_free(s);
	free(s);
}

static void closing_free(struct closing *c)
{
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void *run(void *arg)
{
	struct closing *c = arg;
	bool left;

	close_now(c->store);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	left = c->left;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	if (left)
		closing_free(c);
	return NULL;
}

static int begin(struct closing *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->ended, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, run, c);
	pthread_attr_destroy(&attr);
	return err;
}

/* False: it goes on without us. */
static bool wait_for(struct closing *c)
{
	struct timespec until;
	bool done;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_SECONDS;
	pthread_mutex_lock(&c->lock);
	while (!c->done &&
	       pthread_cond_clockwait(&c->ended, &c->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		;
	done = c->done;
	c->left = !done;
	pthread_mutex_unlock(&c->lock);
	return done;
}

/* Threads of librbd's that are left behind still run when the process ends, and must not find the
 * libraries' objects destroyed: it ends without that. */
static void end_at_once(int status, void *arg)
{
	(void)arg;
	fflush(NULL);
	_exit(status);
}

static void leave_behind(const struct tgt_bs_host *host, struct tgt_bs_lu *lu,
			 const struct rbd_name *name)
{
	/* each time: before the destructors of what was made since */
	if (on_exit(end_at_once, NULL))
		host->log(lu, TGT_BS_LOG_WARNING, "out of memory: the end may not be orderly");
	host->log(lu, TGT_BS_LOG_WARNING,
		  "%s/%s can't be closed while its cluster doesn't answer: it is left behind",
		  name->pool, name->image);
}

void rbd_store_close(void *store)
{
	struct rbd_store *s = store;
	const struct tgt_bs_host *host = s->host;
	struct tgt_bs_lu *lu = s->lu;
	struct rbd_name name = s->name;
	struct closing *c = calloc(1, sizeof(*c));

	rbd_state_silence(s);
	if (!c) {
		close_now(s);
		return;
	}
	c->store = s;
	if (begin(c)) {
		closing_free(c);
		close_now(s);
	} else if (wait_for(c)) {
		closing_free(c);
	} else {
		leave_behind(host, lu, &name);
	}
}
