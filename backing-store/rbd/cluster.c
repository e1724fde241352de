/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rbd.h"

#define MOUNT_SECONDS "10" /* until a monitor has answered */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t connected = PTHREAD_COND_INITIALIZER; /* or not */
static struct cluster *clusters;

static const char *or_none(const char *text)
{
	return text ? text : "";
}

/* What makes a connection another one; options can't have a newline. */
static char *key_of(const struct cluster_wish *w)
{
	char *key;

	if (asprintf(&key, "%s\n%s\n%s\n%s\n%d\n%u", or_none(w->conf), w->cluster, w->id,
		     or_none(w->keyring), w->cache, w->timeout) < 0)
		return NULL;
	return key;
}

static int set(rados_t rados, const char *name, const char *value)
{
	int err = rados_conf_set(rados, name, value);

	return err == -ENOENT ? 0 : err; /* a version that doesn't know it */
}

static int fail(char *error, size_t size, int err, const char *what, const char *which)
{
	snprintf(error, size, "%s%s%s: %s", what, *which ? " " : "", which, strerror(-err));
	return err;
}

static int set_all(rados_t rados, const struct cluster_wish *w, char *error, size_t size)
{
	char timeout[16];
	const char *const pairs[][2] = {
	    {"client_mount_timeout", MOUNT_SECONDS},
	    {"rados_mon_op_timeout", timeout},
	    {"rados_osd_op_timeout", timeout},
	    {"rbd_cache", w->cache ? "true" : "false"},
	    /* what is deallocated reads as zeroes, to the byte */
	    {"rbd_skip_partial_discard", "false"},
	    {"log_to_stderr", "false"},
	    {"admin_socket", ""},
	};

	snprintf(timeout, sizeof(timeout), "%u", w->timeout);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		int err = set(rados, pairs[i][0], pairs[i][1]);

		if (err)
			return fail(error, size, err, "librados refuses", pairs[i][0]);
	}
	if (w->keyring && set(rados, "keyring", w->keyring))
		return fail(error, size, -EINVAL, "librados refuses keyring", w->keyring);
	return 0;
}

/* Who are asked, as the configuration says. */
static int fail_at_monitors(rados_t rados, int err, char *error, size_t size)
{
	char hosts[128] = "";

	rados_conf_get(rados, "mon_host", hosts, sizeof(hosts));
	if (*hosts)
		return fail(error, size, err, "these monitors (mon host) can't be used:", hosts);
	return fail(error, size, err, "no monitor is named (mon host), nor found by DNS", "");
}

static int fail_to_connect(rados_t rados, int err, const char *id, char *error, size_t size)
{
	char hosts[2] = "";

	switch (err) {
	case -ETIMEDOUT:
		return fail(error, size, err, "no monitor of the cluster answers", "");
	case -EACCES:
	case -EPERM:
	case -EKEYREJECTED:
		return fail(error, size, err, "the cluster refuses this user's key", "");
	case -EINVAL:
		return fail_at_monitors(rados, err, error, size);
	case -ENOENT:
		if (rados_conf_get(rados, "mon_host", hosts, sizeof(hosts)) == 0 && !*hosts)
			return fail_at_monitors(rados, err, error, size);
		return fail(error, size, err, "no key for this user is found:", id);
	default:
		return fail(error, size, err, "the cluster can't be connected to", "");
	}
}

static int read_configuration(rados_t rados, const struct cluster_wish *w, char *error, size_t size)
{
	int err = rados_conf_read_file(rados, w->conf);

	if (err == -ENOENT && !w->conf)
		return fail(error, size, err, "no configuration file is found of a cluster named",
			    w->cluster);
	if (err)
		return fail(error, size, err,
			    "the configuration file can't be read:", or_none(w->conf));
	return set_all(rados, w, error, size);
}

static int connect_to(rados_t rados, const struct cluster_wish *w, char *error, size_t size)
{
	int err = read_configuration(rados, w, error, size);

	if (err)
		return err;
	err = rados_connect(rados);
	return err ? fail_to_connect(rados, err, w->id, error, size) : 0;
}

static int make(const struct cluster_wish *w, struct cluster *c, char *error, size_t size)
{
	char user[RBD_NAME_MAX];
	int err;

	snprintf(user, sizeof(user), "client.%s", w->id);
	err = rados_create2(&c->rados, w->cluster, user, 0);
	if (err)
		return fail(error, size, err, "librados can't be used", "");
	err = connect_to(c->rados, w, error, size);
	if (!err) {
		err = notices_begin(&c->notices);
		if (err)
			fail(error, size, err, "no thread for the connection", "");
	}
	if (err)
		rados_shutdown(c->rados);
	return err;
}

static struct cluster *find(const char *key)
{
	for (struct cluster *c = clusters; c; c = c->next)
		if (!atomic_load(&c->fenced) && strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

static void unlink_locked(struct cluster *cluster)
{
	struct cluster **at = &clusters;

	while (*at != cluster)
		at = &(*at)->next;
	*at = cluster->next;
}

struct fenced_client {
	struct fenced_client *next;
	char address[];
};

void cluster_note_fenced(struct cluster *cluster, const char *address)
{
	struct fenced_client *client = malloc(sizeof(*client) + strlen(address) + 1);

	if (!client)
		return; /* it is blocklisted once more */
	memcpy(client->address, address, strlen(address) + 1);
	pthread_mutex_lock(&lock);
	client->next = cluster->fenced_clients;
	cluster->fenced_clients = client;
	pthread_mutex_unlock(&lock);
}

bool cluster_has_fenced(struct cluster *cluster, const char *address)
{
	const struct fenced_client *client;

	pthread_mutex_lock(&lock);
	for (client = cluster->fenced_clients; client; client = client->next)
		if (strcmp(client->address, address) == 0)
			break;
	pthread_mutex_unlock(&lock);
	return client;
}

bool cluster_is_own(uint64_t client)
{
	const struct cluster *c;

	pthread_mutex_lock(&lock);
	for (c = clusters; c; c = c->next)
		if (!c->connects && !atomic_load(&c->fenced) &&
		    rados_get_instance_id(c->rados) == client)
			break;
	pthread_mutex_unlock(&lock);
	return c;
}

static void cluster_free(struct cluster *cluster)
{
	while (cluster->fenced_clients) {
		struct fenced_client *client = cluster->fenced_clients;

		cluster->fenced_clients = client->next;
		free(client);
	}
	free(cluster->key);
	free(cluster);
}

/* A failure is that of all who wait for it; who comes later tries again. */
static int share_failure(struct cluster *c, char *error, size_t size)
{
	int err = c->err;

	snprintf(error, size, "%s", c->why);
	if (--c->users == 0)
		cluster_free(c);
	return err;
}

/* Others connect to theirs meanwhile. */
static int connect_unlocked(const struct cluster_wish *w, struct cluster *c)
{
	int err;

	pthread_mutex_unlock(&lock);
	err = make(w, c, c->why, sizeof(c->why));
	pthread_mutex_lock(&lock);
	c->connects = false;
	c->err = err;
	if (err)
		unlink_locked(c);
	pthread_cond_broadcast(&connected);
	return err;
}

static struct cluster *add_locked(char *key)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c) {
		free(key);
		return NULL;
	}
	c->key = key;
	c->next = clusters;
	c->connects = true;
	clusters = c;
	return c;
}

static int get_locked(const struct cluster_wish *w, char *key, struct cluster **cluster,
		      char *error, size_t size)
{
	struct cluster *c = find(key);
	int err = 0;

	if (c) {
		free(key);
		c->users++;
		while (c->connects)
			pthread_cond_wait(&connected, &lock);
		err = c->err;
	} else {
		c = add_locked(key);
		if (!c)
			return -ENOMEM;
		c->users++;
		err = connect_unlocked(w, c);
	}
	if (err)
		return share_failure(c, error, size);
	*cluster = c;
	return 0;
}

int cluster_get(const struct cluster_wish *wish, struct cluster **cluster, char *error,
		size_t error_size)
{
	char *key = key_of(wish);
	int err;

	snprintf(error, error_size, "out of memory");
	if (!key)
		return -ENOMEM;
	pthread_mutex_lock(&lock);
	err = get_locked(wish, key, cluster, error, error_size);
	pthread_mutex_unlock(&lock);
	return err;
}

static bool leave(struct cluster *cluster)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = --cluster->users == 0;
	if (last)
		unlink_locked(cluster);
	pthread_mutex_unlock(&lock);
	return last;
}

void cluster_put(struct cluster *cluster)
{
	if (!leave(cluster))
		return;
	notices_end(&cluster->notices);
	rados_shutdown(cluster->rados);
	cluster_free(cluster);
}
