/* SPDX-License-Identifier: MIT */
/*
 * The table goes from version to version.  A host that changes it compares and swaps the value at
 * the store, which returns only when all the others have taken the new one over; one that is told
 * of a change fetches the value in an exclusive operation and then says so.  Who finds on its own
 * swap that another was first takes that change over within its own exclusive operation, so that
 * nobody waits for a host which waits for him.
 */
#include "scsi/pr_shared.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/security.h"
#include "scsi/target.h"
#include "scsi/target_port.h"
#include "scsi/ua.h"
#include "store/store.h"
#include "util/log.h"

#define KEY "reservations"
#define NOTICES_MAX 64u
#define TRIES 64u
/* Swaps wait for other hosts, which fetch before they answer: those never wait behind swaps. */
#define SWAPS_AT_ONCE 4u

struct notice {
	uint64_t id, version;
};

/* Of the LU: it is to be its, is, or has been. */
enum standing { COMES, SERVES, GOES };

struct pr_shared {
	struct lu *lu;
	const struct tgt_bs_state_ops *ops;
	void *handle;
	struct work_gate swaps;
	struct pr_history history; /* inside exclusive operations */
	/* what this host serves by; changes inside exclusive operations, under the lock */
	uint64_t version;
	bool ports_warned;
	/* a change failed that may be at the store nonetheless: it is to be looked at again */
	atomic_bool unsure;

	pthread_mutex_t lock;
	struct notice notices[NOTICES_MAX]; /* of later versions, not yet answered */
	unsigned nr_notices;
	bool refreshing;
	enum standing standing;
	struct message message; /* that refreshes */
	/* as joined, until the LU takes it over */
	struct pr_table *table;
};

/* One look at the value, or one swap. */
struct transfer {
	struct pr_shared *shared;
	struct reactor *reactor;
	struct work work;
	struct message message;
	void (*done)(struct transfer *x);
	void *arg;
	struct pr_change *change; /* of a swap */
	struct lu_exclusive exclusive;
	uint8_t *blob;
	size_t len;
	uint64_t version;
	int error;
	unsigned tries;
	bool resets; /* what it takes over */
	void (*join_done)(void *arg, struct pr_shared *shared, const char *error);
	void (*reset_done)(void *arg, bool good);
};

bool pr_store_shares(const struct store *store)
{
	void *handle;
	const struct tgt_bs_state_ops *ops = store ? store_state_ops(store, &handle) : NULL;

	/* of a module for an ABI before 0.5 there is less of it */
	return ops && ops->struct_size >= sizeof(*ops) && ops->watch;
}

static struct transfer *new_transfer(struct pr_shared *shared, void (*done)(struct transfer *x))
{
	struct transfer *x = calloc(1, sizeof(*x));

	if (!x)
		abort(); /* another host would wait for this one, and fence it */
	x->blob = malloc(PR_SHARED_BLOB_MAX);
	if (!x->blob)
		abort();
	x->shared = shared;
	x->reactor = reactor_self();
	x->done = done;
	return x;
}

static void free_transfer(struct transfer *x)
{
	free(x->blob);
	free(x);
}

static void transferred(struct message *message)
{
	struct transfer *x = container_of(message, struct transfer, message);

	x->done(x);
}

static void start(struct transfer *x, struct work_gate *gate, void (*fn)(struct work *work))
{
	x->work.fn = fn;
	x->message.fn = transferred;
	workers_submit(gate, &x->work);
}

/* ---- the value as it is ---- */

static void look(struct transfer *x)
{
	struct pr_shared *shared = x->shared;

	x->len = PR_SHARED_BLOB_MAX;
	x->error = shared->ops->get(shared->handle, KEY, x->blob, &x->len, &x->version);
	if (x->error == -ENOENT) {
		x->version = 0;
		x->error = 0;
		x->len = 0;
	}
}

static void fetch_on_worker(struct work *work)
{
	struct transfer *x = container_of(work, struct transfer, work);

	look(x);
	reactor_send(x->reactor, &x->message);
}

/* From now on this host serves by that version, and who waits for that may go on. */
static void serve_by(struct pr_shared *shared, uint64_t version)
{
	uint64_t answered[NOTICES_MAX];
	unsigned count = 0, left = 0;

	pthread_mutex_lock(&shared->lock);
	shared->version = version;
	for (unsigned i = 0; i < shared->nr_notices; i++) {
		if (shared->notices[i].version <= version)
			answered[count++] = shared->notices[i].id;
		else
			shared->notices[left++] = shared->notices[i];
	}
	shared->nr_notices = left;
	pthread_mutex_unlock(&shared->lock);
	atomic_store(&shared->unsure, false);
	while (count)
		shared->ops->taken(shared->handle, answered[--count]);
}

/* ---- taking it over ---- */

static bool in_set(const struct pr_ports *set, const struct nexus *nexus)
{
	for (unsigned i = 0; set && i < set->count; i++)
		if (pr_port_is_nexus(&set->ports[i], nexus))
			return true;
	return false;
}

static bool in_set_of(const struct nexus *nexus, void *arg)
{
	return in_set(arg, nexus);
}

static bool loses_tasks(const struct nexus *nexus, void *arg)
{
	for (const struct pr_change *c = arg; c; c = c->before)
		if (c->action == PR_PREEMPT_AND_ABORT && in_set(c->registrations_preempted, nexus))
			return true;
	return false;
}

static void tell_of(struct lu *lu, const struct pr_change *c)
{
	if (c->registrations_preempted)
		lu_establish_ua_matching(lu, ASC_REGISTRATIONS_PREEMPTED, in_set_of,
					 c->registrations_preempted);
	if (c->reservations_released)
		lu_establish_ua_matching(lu, ASC_RESERVATIONS_RELEASED, in_set_of,
					 c->reservations_released);
	if (c->reservations_preempted)
		lu_establish_ua_matching(lu, ASC_RESERVATIONS_PREEMPTED, in_set_of,
					 c->reservations_preempted);
}

/* More has happened than the history tells: who was registered and no longer is has been preempted,
 * as far as anybody knows. */
static struct pr_change *lost_registrations(const struct pr_table *old, struct pr_table *now)
{
	struct pr_change *c = calloc(1, sizeof(*c));
	struct pr_ports *set = calloc(1, sizeof(*set));

	if (!c || !set)
		abort();
	for (unsigned i = 0; i < old->count; i++)
		if (!pr_find_port(now, &old->registrations[i].port))
			set->ports[set->count++] = old->registrations[i].port;
	c->action = PR_PREEMPT_AND_ABORT;
	c->resets = true;
	c->registrations_preempted = set;
	return c;
}

static void chain(struct pr_state *state, struct pr_change *changes)
{
	struct pr_change *first = changes;

	if (!changes)
		return;
	while (first->before)
		first = first->before;
	first->before = state->last;
	state->last = changes;
}

static bool decode(struct transfer *x, struct pr_table **table, struct pr_history *history)
{
	*history = (struct pr_history){0};
	if (!x->version) {
		*table = pr_table_copy(NULL, 0);
		return *table;
	}
	return pr_shared_decode(x->blob, x->len, table, history);
}

/* Registrations of another host at a port of this one: their initiators are taken for those that
 * come by this one. */
static void check_ports(struct pr_shared *shared, struct pr_table *old, const struct pr_table *now)
{
	const struct lu *lu = shared->lu;

	for (unsigned i = 0; i < now->count && !shared->ports_warned; i++) {
		const struct pr_port *port = &now->registrations[i].port;

		if (port->all_ports || !target_port_find(lu->target, port->relative_port) ||
		    pr_find_port(old, port))
			continue;
		shared->ports_warned = true;
		log_warning("%s: another host has registered an initiator at relative target port "
			    "%u, which is one of this host's: each host needs a portal group of "
			    "its own (tpgt=)",
			    lu_name(lu), port->relative_port);
	}
}

static void replace(struct pr_shared *shared, struct pr_table *table, struct pr_history history)
{
	struct pr_state *state = shared->lu->pr;

	free(state->table);
	state->table = table;
	free(shared->history.bytes);
	shared->history = history;
}

static bool has_reset(const struct pr_change *c)
{
	while (c && !c->resets)
		c = c->before;
	return c;
}

static void aborted(void *arg)
{
	struct transfer *x = arg;

	if (x->resets)
		lu_reset_state(x->shared->lu);

	serve_by(x->shared, x->version);
	x->done(x);
}

static void abort_tasks(struct transfer *x, struct pr_change *changes)
{
	struct lu_abort what = {.match = loses_tasks, .arg = changes, .preempts = true};

	x->resets = has_reset(changes);
	if (x->resets)
		what = (struct lu_abort){.by = 0}; /* all of them */
	lu_abort_matching(x->shared->lu, &what, aborted, x);
}

/* What was fetched becomes the LU's, inside an exclusive operation; then next(x), with x->error set
 * if it can't be.  The others are answered when this host serves by it. */
static void take_over(struct transfer *x, void (*next)(struct transfer *x))
{
	struct pr_shared *shared = x->shared;
	struct lu *lu = shared->lu;
	struct pr_history history;
	struct pr_change *changes;
	struct pr_table *table;
	bool gap = false;

	x->done = next;
	if (!x->error && x->version != shared->version && !decode(x, &table, &history))
		x->error = -EIO;
	if (x->error) {
		next(x);
		return;
	}
	if (x->version == shared->version) {
		serve_by(shared, x->version);
		next(x);
		return;
	}
	changes = pr_shared_changes(&history, shared->version, &gap);
	if (gap || !changes) {
		struct pr_change *lost = lost_registrations(lu->pr->table, table);

		lost->before = changes;
		changes = lost;
	}
	check_ports(shared, lu->pr->table, table);
	replace(shared, table, history);
	security_reservation_changed(lu, 0, true);
	for (struct pr_change *c = changes; c; c = c->before)
		tell_of(lu, c);
	chain(lu->pr, changes);
	abort_tasks(x, changes);
}

/* ---- another host has changed it ---- */

static void refresh(struct message *message);

static void refresh_released(struct lu_exclusive *exclusive)
{
	struct transfer *x = exclusive->arg;
	struct pr_shared *shared = x->shared;
	struct lu *lu = shared->lu;
	bool again;

	free_transfer(x);
	pthread_mutex_lock(&shared->lock);
	again = shared->nr_notices;
	shared->refreshing = again;
	pthread_mutex_unlock(&shared->lock);
	if (again) {
		refresh(&shared->message);
		return;
	}
	lu_store_put(lu);
	lu_unref(lu);
}

/* They stay without an answer. */
static void forget_notices(struct pr_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	shared->nr_notices = 0;
	pthread_mutex_unlock(&shared->lock);
}

static void refreshed(struct transfer *x)
{
	if (x->error) {
		log_err("%s: its persistent reservations, which have changed, can't be read (%s): "
			"other hosts will shut this one out",
			lu_name(x->shared->lu), strerror(-x->error));
		forget_notices(x->shared);
	}
	lu_exclusive_end(&x->exclusive, refresh_released);
}

static void refresh_fetched(struct transfer *x)
{
	take_over(x, refreshed);
}

static void refresh_granted(struct lu_exclusive *exclusive)
{
	struct transfer *x = exclusive->arg;
	struct pr_state *state = x->shared->lu->pr;

	/* the exclusive operations that they were of have ended */
	pr_change_free(state->last);
	state->last = NULL;
	start(x, workers_control_gate(), fetch_on_worker);
}

static void refresh(struct message *message)
{
	struct pr_shared *shared = container_of(message, struct pr_shared, message);
	struct transfer *x = new_transfer(shared, refresh_fetched);

	x->exclusive = (struct lu_exclusive){
	    .lu = shared->lu, .all = true, .granted = refresh_granted, .arg = x};
	lu_exclusive_begin(&x->exclusive);
}

/* The lock is held; true: the caller has to start the refresh. */
static bool begins_refresh(struct pr_shared *shared)
{
	if (shared->refreshing || shared->standing != SERVES ||
	    !(shared->nr_notices || atomic_load(&shared->unsure)))
		return false;
	shared->refreshing = true;
	lu_ref(shared->lu);
	lu_store_get(shared->lu);
	return true;
}

static void send_refresh(struct pr_shared *shared)
{
	shared->message.fn = refresh;
	reactor_send(reactor_get(0), &shared->message);
}

static void look_again(struct pr_shared *shared)
{
	bool starts;

	pthread_mutex_lock(&shared->lock);
	starts = begins_refresh(shared);
	pthread_mutex_unlock(&shared->lock);
	if (starts)
		send_refresh(shared);
}

/* On any thread. */
static void noticed(void *arg, const char *key, uint64_t version, uint64_t notice)
{
	struct pr_shared *shared = arg;
	bool starts = false, known;

	pthread_mutex_lock(&shared->lock);
	if (!key)
		known = shared->standing == GOES; /* else it is looked at, whatever it is */
	else
		known = strcmp(key, KEY) != 0 || shared->standing == GOES ||
			(shared->standing == SERVES && version <= shared->version);
	if (!known && shared->nr_notices < NOTICES_MAX)
		shared->notices[shared->nr_notices++] = (struct notice){notice, version};
	if (!known)
		starts = begins_refresh(shared);
	pthread_mutex_unlock(&shared->lock);
	if (known)
		shared->ops->taken(shared->handle, notice);
	if (starts)
		send_refresh(shared);
}

/* ---- changing it ---- */

static void swap_on_worker(struct work *work)
{
	struct transfer *x = container_of(work, struct transfer, work);
	struct pr_shared *shared = x->shared;

	x->error =
	    shared->ops->cas(shared->handle, KEY, x->blob, x->len, shared->version, &x->version);
	reactor_send(x->reactor, &x->message);
}

/* Another was first: next(x) after another look.  False: it is at the store, and this host serves
 * by it, or x->error is set. */
static bool swapped_in_vain(struct transfer *x, void (*next)(struct transfer *x))
{
	struct pr_shared *shared = x->shared;
	struct pr_history history;
	struct pr_table *table;

	if (x->error == -ESTALE && ++x->tries < TRIES) {
		x->done = next;
		start(x, workers_control_gate(), fetch_on_worker);
		return true;
	}
	if (!x->error && !pr_shared_decode(x->blob, x->len, &table, &history))
		x->error = -ENOMEM;
	if (x->error) {
		atomic_store(&shared->unsure, true);
		look_again(shared);
		return false;
	}
	free(table);
	free(shared->history.bytes);
	shared->history = history;
	serve_by(shared, x->version);
	return false;
}

static void change_fetched(struct transfer *x);

/* It is at the store, and all others serve by it. */
static void swapped(struct transfer *x)
{
	if (swapped_in_vain(x, change_fetched))
		return;
	if (x->error)
		pr_change_fail(x->change, x->error);
	else
		pr_change_commit(x->change);
	free_transfer(x);
}

static void change_taken_over(struct transfer *x)
{
	struct pr_shared *shared = x->shared;
	struct pr_change *c = x->change;

	if (x->error) {
		pr_change_fail(c, x->error);
		free_transfer(x);
		return;
	}
	if (!pr_change_act(c)) {
		pr_change_free(c);
		free_transfer(x);
		return;
	}
	x->len = pr_shared_encode(x->blob, c->next, &shared->history, c, shared->version + 1);
	x->done = swapped;
	start(x, &shared->swaps, swap_on_worker);
}

static void change_fetched(struct transfer *x)
{
	take_over(x, change_taken_over);
}

void pr_shared_change(struct pr_change *c)
{
	struct transfer *x = new_transfer(c->t->lu->pr->shared, change_fetched);

	x->change = c;
	start(x, workers_control_gate(), fetch_on_worker);
}

/* ---- resetting it ---- */

static void reset_ended(struct lu_exclusive *exclusive)
{
	struct transfer *x = exclusive->arg;
	void (*done)(void *arg, bool good) = x->reset_done;
	void *arg = x->arg;
	bool good = !x->error;

	free_transfer(x);
	done(arg, good);
}

static void reset_fetched(struct transfer *x);

static void reset_swapped(struct transfer *x)
{
	if (swapped_in_vain(x, reset_fetched))
		return;
	if (x->error)
		log_err("%s: other hosts that have its medium can't be told of its reset: %s",
			lu_name(x->exclusive.lu), strerror(-x->error));
	lu_exclusive_end(&x->exclusive, reset_ended);
}

static void reset_taken_over(struct transfer *x)
{
	struct pr_shared *shared = x->shared;
	const struct pr_change reset = {.resets = true};

	if (x->error) {
		reset_swapped(x);
		return;
	}
	x->len = pr_shared_encode(x->blob, shared->lu->pr->table, &shared->history, &reset,
				  shared->version + 1);
	x->done = reset_swapped;
	start(x, &shared->swaps, swap_on_worker);
}

static void reset_fetched(struct transfer *x)
{
	take_over(x, reset_taken_over);
}

static void reset_granted(struct lu_exclusive *exclusive)
{
	struct transfer *x = exclusive->arg;
	struct pr_state *state = exclusive->lu->pr;

	pr_change_free(state->last);
	state->last = NULL;
	x->shared = state->shared;
	if (x->shared)
		start(x, workers_control_gate(), fetch_on_worker);
	else /* another medium has come meanwhile */
		lu_exclusive_end(&x->exclusive, reset_ended);
}

void pr_shared_reset(struct lu *lu, void (*done)(void *arg, bool good), void *arg)
{
	struct transfer *x = new_transfer(NULL, reset_fetched);

	x->reset_done = done;
	x->arg = arg;
	x->exclusive =
	    (struct lu_exclusive){.lu = lu, .all = true, .granted = reset_granted, .arg = x};
	lu_exclusive_begin(&x->exclusive);
}

/* ---- joining ---- */

/* No host has had the medium: what doesn't persist through power loss is gone (SPC-5 5.14.5). */
static int power_on(struct transfer *x)
{
	struct pr_shared *shared = x->shared;
	struct pr_history none = {0};
	struct pr_table *empty = pr_table_copy(NULL, 0);
	int err;

	if (!empty)
		return -ENOMEM;
	x->len = pr_shared_encode(x->blob, empty, &none, NULL, 0);
	free(empty);
	err = shared->ops->cas(shared->handle, KEY, x->blob, x->len, x->version, &x->version);
	return err;
}

static bool persists(const struct transfer *x)
{
	struct pr_history history;
	struct pr_table *table;
	bool aptpl;

	if (!x->version || !pr_shared_decode(x->blob, x->len, &table, &history))
		return true; /* what can't be read is not thrown away */
	aptpl = table->aptpl || !table->count;
	free(table);
	free(history.bytes);
	return aptpl;
}

static void join_on_worker(struct work *work)
{
	struct transfer *x = container_of(work, struct transfer, work);
	struct pr_shared *shared = x->shared;
	int others = shared->ops->watch(shared->handle, noticed, shared);

	if (others < 0) {
		x->error = others;
	} else {
		look(x);
		if (!x->error && !others && !persists(x))
			x->error = power_on(x);
	}
	reactor_send(x->reactor, &x->message);
}

static void join_finished(struct transfer *x, struct pr_shared *shared, const char *error)
{
	void (*done)(void *arg, struct pr_shared *shared, const char *error) = x->join_done;
	void *arg = x->arg;

	free_transfer(x);
	done(arg, shared, error);
}

static void join_fetched(struct transfer *x)
{
	struct pr_shared *shared = x->shared;

	if (!x->error && !decode(x, &shared->table, &shared->history))
		x->error = -EIO;
	if (!x->error) {
		shared->version = x->version;
		join_finished(x, shared, NULL);
		return;
	}
	if (x->error == -EOPNOTSUPP) {
		pr_shared_free(shared);
		join_finished(x, NULL, NULL);
		return;
	}
	log_err("%s: its persistent reservations can't be had from the medium: %s",
		lu_name(shared->lu), strerror(-x->error));
	join_finished(x, shared, "the persistent reservations beside the medium can't be had");
}

void pr_shared_join(struct lu *lu, struct store *store,
		    void (*done)(void *arg, struct pr_shared *shared, const char *error), void *arg)
{
	struct pr_shared *shared = calloc(1, sizeof(*shared));
	struct transfer *x;

	if (!shared) {
		done(arg, NULL, "out of memory");
		return;
	}
	shared->lu = lu;
	shared->ops = store_state_ops(store, &shared->handle);
	work_gate_init(&shared->swaps, SWAPS_AT_ONCE);
	pthread_mutex_init(&shared->lock, NULL);
	x = new_transfer(shared, join_fetched);
	x->arg = arg;
	x->join_done = done;
	start(x, workers_control_gate(), join_on_worker);
}

/* Who still tells it is answered for by the LU's other one. */
static void let_go(struct pr_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	shared->standing = GOES;
	pthread_mutex_unlock(&shared->lock);
	serve_by(shared, UINT64_MAX);
}

void pr_shared_exchange(struct lu *lu, struct pr_shared **shared)
{
	struct pr_state *state = lu->pr;
	struct pr_shared *old = state->shared, *now = *shared;
	bool starts;

	state->shared = now;
	*shared = old;
	if (old)
		let_go(old);
	if (!now)
		return;
	free(state->table);
	state->table = now->table;
	now->table = NULL;
	pthread_mutex_lock(&now->lock);
	now->standing = SERVES;
	starts = begins_refresh(now);
	pthread_mutex_unlock(&now->lock);
	if (starts)
		send_refresh(now);
}

bool pr_shared_is_current(const struct lu *lu)
{
	struct pr_shared *shared = lu->pr ? lu->pr->shared : NULL;

	if (shared && atomic_load(&shared->unsure)) {
		look_again(shared);
		return false;
	}
	return !shared || shared->ops->is_current(shared->handle);
}

void pr_shared_free(struct pr_shared *shared)
{
	if (!shared)
		return;
	free(shared->table);
	free(shared->history.bytes);
	pthread_mutex_destroy(&shared->lock);
	free(shared);
}
