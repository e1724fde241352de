/* SPDX-License-Identifier: MIT */
/*
 * Which process a daemon is, for others on the same machine: boot, PID namespace, process id and
 * its start.  Who sees another boot or namespace (another machine, or a container) knows nothing of
 * it.
 */
#ifndef TGT_BACKING_STORE_RBD_PROCESS_H
#define TGT_BACKING_STORE_RBD_PROCESS_H

#include <stdbool.h>

#define PROCESS_ROOM 128 /* with its NUL */
/* This one; "" where it can't be told. */
void process_name(char to[PROCESS_ROOM]);
/* False also where that can't be told. */
bool process_has_ended(const char *name);

#endif
