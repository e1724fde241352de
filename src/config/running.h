/* SPDX-License-Identifier: MIT */
/*
 * What runs, as a model (config.h), and as a targets.conf that makes the same again.
 *
 * The model says more than a file can: "parameters" (what a target's are at first),
 * "default_store" (what disks are on that don't name one); of a target
 * "sessions" (how many) and all "parameters"; of a unit "kind" (disk, tape, passthrough), "empty"
 * (no medium, and no path), "defaults" (its "params" as they were at first), "pages"
 * ({"PAGE:SUBPAGE": mode_page}; those that aren't as they were at first also in "changed_pages"),
 * "default_write_cache".  It has the accounts' passwords: it is not for showing.
 */
#ifndef TGT_CONFIG_RUNNING_H
#define TGT_CONFIG_RUNNING_H

#include <jansson.h>

/* Control reactor. */
json_t *config_running(void);

/* The text of a targets.conf, without passwords.  NULL: out of memory.  The caller frees it.  Any
 * thread. */
char *config_dump(const json_t *running);

#endif
