/* SPDX-License-Identifier: MIT */
/* Kernel things that only some machines let a test have; each says why when it can't be had. */
#ifndef TGT_TEST_LOOP_DEVICE_H
#define TGT_TEST_LOOP_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Attaches a loop block device, a read-only one on request, to a file.  Returns a descriptor that
 * keeps it: when that is closed, or the process ends, the device is detached.  name receives its
 * path.  -1, and a line on stderr, when this machine or user can't have one.
 */
int loop_attach(const char *file, bool read_only, char *name, size_t size);

/*
 * Mounts a tmpfs of that many bytes on dir, which only this process sees.  0; or -1 and a line on
 * stderr.
 */
int mount_small_tmpfs(const char *dir, size_t size);
/* Makes it read-only. */
int remount_read_only(const char *dir);

#endif
