/* SPDX-License-Identifier: MIT */
/*
 * The object beside an image on which the daemons that have it meet: "tgt." and the image's id, in
 * the image's pool and namespace.  Of each value its omap has the version (8 bytes, big-endian)
 * under "v." and the value under "k." with the value's key; of each daemon, under "m." with its
 * client's number and its watch, the address to blocklist and, after a blank, the process.
 */
#ifndef TGT_BACKING_STORE_RBD_STATE_H
#define TGT_BACKING_STORE_RBD_STATE_H

#include "process.h"
#include "rbd.h"

#define STATE_KEY_ROOM 64 /* with its NUL */

/* All of them block, and return 0 or -errno. */

int state_object_name(struct rbd_store *store);
/* As the module contract's get. */
int state_object_get(struct rbd_store *store, const char *key, void *buf, size_t *len,
		     uint64_t *version);
/* Replaces the value; -ESTALE: its version isn't the expected one. */
int state_object_put(struct rbd_store *store, const char *key, const void *buf, size_t len,
		     uint64_t expected);
/* A daemon that has the image. */
struct state_member {
	uint64_t client, cookie;
	char address[256];
	char process[PROCESS_ROOM];
};
int state_object_join(struct rbd_store *store, const struct state_member *member);
int state_object_leave(struct rbd_store *store, const struct state_member *member);
/* *members is the caller's to free. */
int state_object_members(struct rbd_store *store, struct state_member **members, size_t *count);

#endif
