/* SPDX-License-Identifier: MIT */
/* What APTPL keeps names the medium, so that a unit made anew over another one doesn't inherit it.
 * The reservations of a removable unit belong to the unit: they go over to the medium that is put
 * in. */
#include <stdlib.h>
#include <string.h>

#include "reactor/workers.h"
#include "scsi/pr.h"
#include "store/state.h"
#include "util/log.h"

struct pr_keeping {
	struct lu *lu;
	struct reactor *reactor;
	struct work work;
	struct message message;
	char key[STATE_KEY_MAX];
	int error;
	void (*done)(void *arg);
	void *arg;
	size_t len;
	uint8_t blob[PR_BLOB_MAX];
};

static void kept(struct message *message)
{
	struct pr_keeping *k = container_of(message, struct pr_keeping, message);

	if (k->error)
		log_err("%s: its persistent reservations can't be kept for %s: %s", lu_name(k->lu),
			k->lu->path, strerror(-k->error));
	k->done(k->arg);
	free(k);
}

static void keep_on_worker(struct work *work)
{
	struct pr_keeping *k = container_of(work, struct pr_keeping, work);

	k->error = pr_save(k->key, k->blob, k->len);
	reactor_send(k->reactor, &k->message);
}

bool pr_keep(struct lu *lu, void (*done)(void *arg), void *arg)
{
	struct pr_keeping *k;

	if (!lu->pr || !lu->pr->table->aptpl || !lu->path)
		return false;
	k = calloc(1, sizeof(*k));
	if (!k)
		abort(); /* they would be lost without a word */
	k->lu = lu;
	k->reactor = reactor_self();
	k->done = done;
	k->arg = arg;
	k->len = pr_encode(k->blob, lu->pr->table, lu->path);
	pr_state_key(lu, k->key, sizeof(k->key));
	k->work.fn = keep_on_worker;
	k->message.fn = kept;
	workers_submit(workers_control_gate(), &k->work);
	return true;
}
