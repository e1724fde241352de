/* SPDX-License-Identifier: MIT */
/* What is kept of an LU under the state directory names the medium, so that a unit made anew over
 * another one doesn't inherit it.  Of a removable unit it belongs to the unit all the same: it goes
 * over to the medium that is put in. */
#include <stdlib.h>
#include <string.h>

#include "reactor/workers.h"
#include "scsi/core.h"
#include "scsi/identifying.h"
#include "scsi/mode.h"
#include "scsi/pr.h"
#include "store/state.h"
#include "util/log.h"

/* One thing that is kept. */
struct kept_thing {
	const char *name;
	char key[STATE_KEY_MAX];
	uint8_t *blob;
	size_t len;
	int error;
};

#define THINGS_MAX 3

struct keeping {
	struct lu *lu;
	struct reactor *reactor;
	struct work work;
	struct message message;
	void (*done)(void *arg);
	void *arg;
	unsigned count;
	struct kept_thing things[THINGS_MAX];
};

static struct kept_thing *add_thing(struct keeping *k, const char *name, size_t size)
{
	struct kept_thing *thing = &k->things[k->count++];

	thing->name = name;
	thing->blob = malloc(size);
	if (!thing->blob)
		abort(); /* it would be lost without a word */
	return thing;
}

static void add_reservations(struct keeping *k, const struct lu *lu)
{
	struct kept_thing *thing;

	if (!lu->pr || lu->pr->shared || !lu->pr->table->aptpl)
		return;
	thing = add_thing(k, "persistent reservations", PR_BLOB_MAX);
	thing->len = pr_encode(thing->blob, lu->pr->table, lu->path);
	pr_state_key(lu, thing->key, sizeof(thing->key));
}

static void add_mode_pages(struct keeping *k, const struct lu *lu)
{
	struct kept_thing *thing;

	if (!lu->mode || !mode_savable())
		return;
	thing = add_thing(k, "saved mode pages", MODE_BLOB_MAX);
	thing->len = mode_encode(thing->blob, lu->mode, lu->path);
	mode_state_key(lu, thing->key, sizeof(thing->key));
}

static void add_identifying(struct keeping *k, const struct lu *lu)
{
	struct kept_thing *thing;

	if (!lu->identifying)
		return;
	thing = add_thing(k, "identifying information", IDENTIFYING_BLOB_MAX);
	thing->len = identifying_encode(thing->blob, lu, lu->identifying);
	identifying_key(lu, thing->key, sizeof(thing->key));
}

static void kept(struct message *message)
{
	struct keeping *k = container_of(message, struct keeping, message);

	for (unsigned i = 0; i < k->count; i++) {
		if (k->things[i].error)
			log_err("%s: its %s can't be kept for %s: %s", lu_name(k->lu),
				k->things[i].name, k->lu->path, strerror(-k->things[i].error));
		free(k->things[i].blob);
	}
	k->done(k->arg);
	free(k);
}

static void keep_on_worker(struct work *work)
{
	struct keeping *k = container_of(work, struct keeping, work);

	for (unsigned i = 0; i < k->count; i++) {
		struct kept_thing *thing = &k->things[i];

		if (thing->len)
			thing->error = state_put(thing->key, thing->blob, thing->len);
	}
	reactor_send(k->reactor, &k->message);
}

bool lu_keep(struct lu *lu, void (*done)(void *arg), void *arg)
{
	struct keeping *k;

	if (!lu->path)
		return false;
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	add_reservations(k, lu);
	add_mode_pages(k, lu);
	add_identifying(k, lu);
	if (!k->count) {
		free(k);
		return false;
	}
	k->lu = lu;
	k->reactor = reactor_self();
	k->done = done;
	k->arg = arg;
	k->work.fn = keep_on_worker;
	k->message.fn = kept;
	workers_submit(workers_control_gate(), &k->work);
	return true;
}
