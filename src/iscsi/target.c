/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/internal.h"
#include "iscsi/login.h"
#include "iscsi/params.h"
#include "iscsi/session.h"
#include "util/log.h"

#define DELETE_PATIENCE_MS 5000u

static uint32_t default_nop_interval, default_nop_count;
static bool system_ready = true;

void iscsi_set_nop_defaults(uint32_t interval, uint32_t count)
{
	default_nop_interval = interval;
	default_nop_count = count;
}

void iscsi_set_system_ready(bool ready)
{
	system_ready = ready;
}

bool iscsi_system_ready(void)
{
	return system_ready;
}

/* RFC 7143 4.2.7: printable, without blanks, of one of three types. */
bool iscsi_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len > ISCSI_NAME_MAX || len < 5)
		return false;
	if (!text_is_printable(name))
		return false;
	return !strncmp(name, "iqn.", 4) || !strncmp(name, "eui.", 4) || !strncmp(name, "naa.", 4);
}

void iscsi_target_defaults(struct iscsi_target *target)
{
	params_set_defaults(target->params);
	target->params[PARAM_NOP_INTERVAL] = default_nop_interval;
	target->params[PARAM_NOP_COUNT] = default_nop_count;
}

int iscsi_target_create(uint32_t tid, const char *name, struct iscsi_target **out)
{
	struct target_state *state;
	struct iscsi_target *t;

	if (!iscsi_name_valid(name))
		return -EINVAL;
	if (target_find(tid) || target_find_name(name))
		return -EEXIST;
	state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	t = &state->target;
	iscsi_target_defaults(t);
	list_init(&t->addresses);
	list_init(&t->names);
	list_init(&t->accounts);
	list_init(&t->sessions);
	t->scsi = target_create(tid, name);
	if (!t->scsi) {
		free(state);
		return -ENOMEM;
	}
	t->scsi->transport = t;
	*out = t;
	return 0;
}

struct iscsi_target *iscsi_target_find(uint32_t tid)
{
	struct target *t = target_find(tid);

	return t ? t->transport : NULL;
}

void iscsi_target_set_ready(struct iscsi_target *target, bool ready)
{
	target->scsi->ready = ready;
	atomic_store(&target->scsi->offline, !ready);
}

int iscsi_connection_close(struct iscsi_target *target, uint64_t session_id, uint32_t cid)
{
	list_for_each (info, &target->sessions, struct iscsi_session_info, link) {
		if (info->id != session_id || info->cid != cid)
			continue;
		session_request_close(info->session, CLOSE_MANAGEMENT);
		return 0;
	}
	return -ENOENT;
}

/* ---- deleting: sessions, then LUs, then the target ---- */

static void report_deleted(struct target_state *state)
{
	void (*deleted)(void *arg) = state->deleted;

	reactor_timer_cancel(&state->patience);
	state->deleted = NULL;
	if (deleted)
		deleted(state->deleted_arg);
}

static void out_of_patience(struct timer *timer)
{
	struct target_state *state = container_of(timer, struct target_state, patience);

	log_warning("target %s: a store hangs, it is freed when that gives its requests back",
		    state->target.scsi->name);
	report_deleted(state);
}

static void free_target(struct target_state *state)
{
	report_deleted(state);
	bindings_free(&state->target.addresses);
	bindings_free(&state->target.names);
	bindings_free(&state->target.accounts);
	target_free(state->target.scsi);
	free(state);
}

static void lu_destroyed(void *arg)
{
	struct target_state *state = arg;

	if (!--state->nr_lus)
		free_target(state);
}

struct lu_removal {
	struct target_state *state;
	struct lu *lu;
};

static void lu_unpublished(void *arg)
{
	struct lu_removal *removal = arg;

	lu_destroy(removal->lu, lu_destroyed, removal->state);
	free(removal);
}

static void remove_lu(struct target_state *state, struct lu *lu)
{
	struct lu_removal *removal = malloc(sizeof(*removal));

	if (!removal)
		abort(); /* it can be neither kept nor freed */
	*removal = (struct lu_removal){state, lu};
	target_unpublish_lu(state->target.scsi, lu, lu_unpublished, removal);
}

static void remove_lus(struct target_state *state)
{
	struct target *scsi = state->target.scsi;
	const struct lun_map *map = atomic_load(&scsi->map);
	unsigned count = map->count;
	struct lu **lus = calloc(count + 1, sizeof(struct lu *));

	if (!lus)
		abort();
	memcpy(lus, map->lus, count * sizeof(struct lu *));
	state->nr_lus = count + 1;
	for (unsigned i = 0; i < count; i++)
		remove_lu(state, lus[i]);
	free(lus);
	lu_destroyed(state);
}

void target_session_ended(struct iscsi_target *target)
{
	struct target_state *state = target_state(target);

	if (!--state->nr_sessions && target->deleting)
		remove_lus(state);
}

void iscsi_target_delete(struct iscsi_target *target, void (*done)(void *arg), void *arg)
{
	struct target_state *state = target_state(target);

	if (target->deleting)
		return;
	target->deleting = true;
	state->deleted = done;
	state->deleted_arg = arg;
	state->patience.fn = out_of_patience;
	list_del(&target->scsi->link); /* its tid and name are free */
	reactor_timer_arm(reactor_self(), &state->patience, DELETE_PATIENCE_MS);
	login_drop_target(target);
	list_for_each_safe (info, &target->sessions, struct iscsi_session_info, link)
		session_request_close(info->session, CLOSE_TARGET);
	if (!state->nr_sessions)
		remove_lus(state);
}
