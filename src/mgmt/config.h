/* SPDX-License-Identifier: MIT */
/* targets.conf and the daemon.  Control reactor. */
#ifndef TGT_MGMT_CONFIG_H
#define TGT_MGMT_CONFIG_H

#include <jansson.h>
#include <stdbool.h>

struct mgmt_request;

/* The file that is read when a request names none (default CONFIG_DEFAULT_FILE) and the daemon's
 * control port, which a file may name. */
void mgmt_config_use(const char *file, unsigned int control_port);

/*
 * Reads the file and makes what runs like it.  done(ok) is called later; not ok: there are errors
 * in the file (they are logged), and nothing was changed.  What else fails is logged only.
 */
void mgmt_config_reload(void (*done)(bool ok));

/*
 * Carries a plan (config/plan.h) out, step by step, within the request that runs; then done(arg,
 * failed, targets): [{"request", "error", "detail", "place", "rc"}] without passwords, and the
 * names of the targets where something failed; both are taken over.
 */
void mgmt_config_run(const json_t *plan, bool ignore_errors,
		     void (*done)(void *arg, json_t *failed, json_t *targets), void *arg);

/* A request as people may see it: a new one, without passwords. */
json_t *mgmt_config_masked(const json_t *request);

#endif
