/* SPDX-License-Identifier: MIT */
/*
 * The difference between what is wanted and what runs, as requests of the management protocol.  No
 * state and no blocking; any thread.
 *
 * Three models make it (config.h): what the file asks for, what runs (running.h), and what was
 * asked for the last time.  The last tells what came from the configuration: only that is taken
 * away again; what was made by hand stays.
 */
#ifndef TGT_CONFIG_PLAN_H
#define TGT_CONFIG_PLAN_H

#include <jansson.h>
#include <stdbool.h>

/* What shall be looked at, and how. */
struct config_choice {
	const char *name; /* of a target; NULL: everything */
	bool force;       /* sessions may end */
	bool remove;      /* the target shall go, whatever the file says */
};

/*
 * {"steps": [step], "refused": [text], "warnings": [text]}.  refused is what would end sessions,
 * and isn't done without force.
 *
 * step {"request", "place", "group", "unit", "undo"}: steps of one group (a target's; 0: accounts,
 * each for itself) depend on those before them.  When one fails, those of the same group that
 * follow are left out, and "undo" (a request) of the first that has one is done.  Steps of a unit
 * ("unit", its LUN) are such a group inside of the target's.
 */
json_t *config_plan(const json_t *wanted, const json_t *last, const json_t *running,
		    const struct config_choice *choice);

/*
 * What was asked for the last time, for the next time: a new model.  running is what runs after the
 * plan was carried out; failed has the names of targets where some of it could not be.
 */
json_t *config_remember(const json_t *wanted, const json_t *last, const json_t *running,
			const struct config_choice *choice, const json_t *failed);

/* For plan.c and plan_unit.c. */
struct plan {
	const json_t *wanted, *last, *running;
	const struct config_choice *choice;
	json_t *steps, *refused, *warnings;
	unsigned group;
	json_int_t tid;      /* of the target at hand */
	json_int_t free_tid; /* those below it are taken */
	const json_t *place;
};

/* A request for the target at hand, without its other members. */
json_t *plan_request(const struct plan *plan, const char *op, const char *mode);
/* Adds a step, takes over request; returns the step (borrowed). */
json_t *plan_add(struct plan *plan, json_t *request);
/* The units of a target: wanted, the last time and as they run (NULL where there is none). */
void plan_units(struct plan *plan, const json_t *wanted, const json_t *last, const json_t *running);
/* Text members; NULL where there is none. */
const char *plan_text(const json_t *object, const char *member);
/* Whether two texts are the same, or both missing. */
bool plan_same_text(const char *a, const char *b);

#endif
