/* SPDX-License-Identifier: MIT */
/* Modes session, conn, and what stat counts. */
#include "iscsi/control.h"
#include "mgmt/request.h"
#include "mgmt/show.h"

static void sessions_show(struct mgmt_request *r)
{
	struct writer w;

	mgmt_result_begin(&w);
	show_sessions(&w, "sessions", r->target);
	mgmt_result_done(r, &w);
}

static const struct iscsi_session_info *find_session(const struct mgmt_request *r)
{
	if (!r->args.has_sid)
		return NULL;
	list_for_each (s, &r->target->sessions, struct iscsi_session_info, link) {
		if (s->id == r->args.sid)
			return s;
	}
	return NULL;
}

static void no_session(struct mgmt_request *r)
{
	mgmt_fail(r, EINVAL, "can't find the session", NULL);
}

static void connection_delete(struct mgmt_request *r)
{
	const struct iscsi_session_info *s = find_session(r);

	if (!s)
		no_session(r);
	else if (iscsi_connection_close(r->target, s->id, (uint32_t)r->args.cid))
		mgmt_fail(r, EINVAL, "can't find the connection", NULL);
	else
		mgmt_done(r, NULL);
}

const struct mgmt_op mgmt_session_ops[] = {
    {.mode = "session", .op = "show", .needs = MGMT_NEEDS_TARGET, .run = sessions_show},
    {.mode = "conn", .op = "show", .needs = MGMT_NEEDS_TARGET, .run = sessions_show},
    {.mode = "conn", .op = "delete", .needs = MGMT_NEEDS_TARGET, .run = connection_delete},
    {.mode = NULL},
};

/* ---- stat ---- */

/* The session that did the I/O, when there is but one: an LU counts for all of them together. */
static json_int_t only_session(const struct iscsi_target *target)
{
	const struct list *l = &target->sessions;

	if (list_empty(l) || l->next != l->prev)
		return 0;
	return (json_int_t)list_first(l, struct iscsi_session_info, link)->id;
}

static json_t *stat_lu(const struct iscsi_target *target, const struct lu *lu)
{
	struct lu_counters c;

	lu_read_counters(lu, &c);
	return json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "tid",
			 target->scsi->tid, "lun", lu->lun, "sid", only_session(target),
			 "read_submitted_bytes", (json_int_t)c.read_bytes, "read_submitted",
			 (json_int_t)c.read_cmds, "read_done_bytes", (json_int_t)c.read_done_bytes,
			 "read_done", (json_int_t)c.read_done_cmds, "write_submitted_bytes",
			 (json_int_t)c.write_bytes, "write_submitted", (json_int_t)c.write_cmds,
			 "write_done_bytes", (json_int_t)c.write_done_bytes, "write_done",
			 (json_int_t)c.write_done_cmds, "errors", (json_int_t)c.errors);
}

/* As stgt: a target that nobody is logged in to has no lines. */
static void stat_target(const struct iscsi_target *target, json_t *list)
{
	const struct lun_map *map = atomic_load(&target->scsi->map);

	if (list_empty(&target->sessions))
		return;
	for (uint32_t i = 0; i < map->count; i++)
		json_array_append_new(list, stat_lu(target, map->lus[i]));
}

static void reply_stat(struct mgmt_request *r, json_t *list)
{
	mgmt_done(r, json_pack("{s:o}", "counters", list));
}

static void system_stat(struct mgmt_request *r)
{
	json_t *list = json_array();

	list_for_each (t, targets(), struct target, link) {
		if (target_is_shown(t))
			stat_target(t->transport, list);
	}
	reply_stat(r, list);
}

static void target_stat(struct mgmt_request *r)
{
	json_t *list = json_array();

	stat_target(r->target, list);
	reply_stat(r, list);
}

static void lu_stat(struct mgmt_request *r)
{
	json_t *list = json_array();

	if (!list_empty(&r->target->sessions))
		json_array_append_new(list, stat_lu(r->target, r->lu));
	reply_stat(r, list);
}

static void session_stat(struct mgmt_request *r)
{
	if (!find_session(r))
		no_session(r);
	else
		target_stat(r);
}

const struct mgmt_op mgmt_stat_ops[] = {
    {.mode = "system", .op = "stat", .run = system_stat},
    {.mode = "target", .op = "stat", .needs = MGMT_NEEDS_TARGET, .run = target_stat},
    {.mode = "logicalunit", .op = "stat", .needs = MGMT_NEEDS_LU, .run = lu_stat},
    {.mode = "session", .op = "stat", .needs = MGMT_NEEDS_TARGET, .run = session_stat},
    {.mode = "conn", .op = "stat", .needs = MGMT_NEEDS_TARGET, .run = session_stat},
    {.mode = NULL},
};
