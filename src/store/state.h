/* SPDX-License-Identifier: MIT */
/*
 * Small durable blobs, by key, in files under the state directory (--state-dir).  What state_put()
 * has taken survives a crash and a power failure; what a power failure interrupts leaves the old
 * value or the new one, never a mixture.  All but state_available() block: not on reactors that
 * serve commands.
 */
#ifndef TGT_STORE_STATE_H
#define TGT_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>

#define STATE_KEY_MAX 512 /* with its NUL */

/* Uses dir, making it (mode 0700) if its parent exists; NULL: none, nothing can be kept.  At start.
 * 0 or -errno. */
int state_set_directory(const char *dir);
/* There is a state directory.  Any thread. */
bool state_available(void);

/* *len is the room in buf, then the length of the value.  -ENOENT: there is none; -EIO: the file is
 * damaged; -ENOSPC: the room doesn't do (*len is then what would). */
int state_get(const char *key, void *buf, size_t *len);
/* Durable when it returns 0.  Two calls for one key must not run at the same time. */
int state_put(const char *key, const void *buf, size_t len);
/* 0 also when there was none. */
int state_remove(const char *key);

#endif
