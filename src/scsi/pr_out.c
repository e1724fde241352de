/* SPDX-License-Identifier: MIT */
/* PERSISTENT RESERVE OUT (SPC-5 6.17): from the parameter list to GOOD. */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/pr_shared.h"
#include "scsi/security.h"
#include "scsi/target.h"
#include "scsi/ua.h"
#include "util/bytes.h"
#include "util/log.h"

#define LIST_MIN 24u
#define LIST_MAX BUF_MAX_PIECE /* so that it is one piece of memory */

/* Flags of the basic parameter list (byte 20), and of REGISTER AND MOVE's (byte 17). */
#define FLAG_SPEC_I_PT 0x08
#define FLAG_ALL_TG_PT 0x04
#define FLAG_APTPL 0x01
#define FLAG_UNREG 0x02

/* What acting has made. */
static void take_back(struct pr_change *c)
{
	free(c->next);
	free(c->registrations_preempted);
	free(c->reservations_released);
	free(c->reservations_preempted);
	c->next = NULL;
	c->registrations_preempted = c->reservations_released = c->reservations_preempted = NULL;
	c->self_removed = false;
}

void pr_change_free(struct pr_change *change)
{
	while (change) {
		struct pr_change *before = change->before;

		take_back(change);
		free(change->blob);
		free(change);
		change = before;
	}
}

bool pr_prepare_out(struct scsi_task *t)
{
	uint32_t length = get_be32(t->cdb + 5);

	if (length < LIST_MIN || length > LIST_MAX) {
		task_parameter_list_length_error(t);
		return false;
	}
	t->transfer_length = length;
	return true;
}

static bool registers(const struct pr_change *c)
{
	return c->action == PR_REGISTER || c->action == PR_REGISTER_AND_IGNORE;
}

/* SPC-5 6.17.3 */
static bool parse_basic_list(struct pr_change *c)
{
	uint8_t flags = c->list[20];

	c->spec_i_pt = flags & FLAG_SPEC_I_PT;
	c->all_tg_pt = flags & FLAG_ALL_TG_PT && registers(c);
	c->aptpl = flags & FLAG_APTPL && registers(c);
	if (c->spec_i_pt && c->action != PR_REGISTER) {
		task_invalid_parameter(c->t, 20, 3);
		return false;
	}
	if (!c->spec_i_pt && c->list_len != LIST_MIN) {
		task_parameter_list_length_error(c->t);
		return false;
	}
	return true;
}

static bool parse_list(struct pr_change *c)
{
	bool move = c->action == PR_REGISTER_AND_MOVE;

	if (c->list_len < LIST_MIN) {
		task_parameter_list_length_error(c->t);
		return false;
	}
	c->key = get_be64(c->list);
	c->action_key = get_be64(c->list + 8);
	if (move) {
		c->aptpl = c->list[17] & FLAG_APTPL;
		c->unregister = c->list[17] & FLAG_UNREG;
	} else if (!parse_basic_list(c)) {
		return false;
	}
	if (c->aptpl && !pr_can_persist(c->t->lu)) { /* PTPL_C is 0 then */
		task_invalid_parameter(c->t, move ? 17 : 20, 0);
		return false;
	}
	return true;
}

/* ---- telling, aborting, GOOD ---- */

static bool in_ports(const struct nexus *nexus, void *arg)
{
	const struct pr_ports *set = arg;

	if (!set || nexus->id == set->except)
		return false;
	for (unsigned i = 0; i < set->count; i++)
		if (pr_port_is_nexus(&set->ports[i], nexus))
			return true;
	return false;
}

static bool is_preempted(const struct nexus *nexus, void *arg)
{
	const struct pr_change *c = arg;

	return in_ports(nexus, c->registrations_preempted) ||
	       (c->self_removed && nexus->id == c->t->nexus->id);
}

static void tell(struct pr_change *c, struct pr_ports *set, uint16_t asc)
{
	if (set)
		lu_establish_ua_matching(c->t->lu, asc, in_ports, set);
}

static void finish(void *arg)
{
	struct pr_change *c = arg;
	struct scsi_task *t = c->t;

	tell(c, c->registrations_preempted, ASC_REGISTRATIONS_PREEMPTED);
	tell(c, c->reservations_released, ASC_RESERVATIONS_RELEASED);
	tell(c, c->reservations_preempted, ASC_RESERVATIONS_PREEMPTED);
	task_good(t);
}

/* The change takes effect.  No task of the LU runs now; those of preempted nexuses that wait at its
 * gate are gone before GOOD (5.14.11.2.5). */
void pr_change_commit(struct pr_change *c)
{
	struct pr_state *state = c->t->lu->pr;

	free(state->table);
	state->table = c->next;
	c->next = NULL;
	security_reservation_changed(c->t->lu, c->t->nexus->id,
				     c->action == PR_PREEMPT || c->action == PR_PREEMPT_AND_ABORT);
	c->before = state->last;
	state->last = c;
	if (c->action == PR_PREEMPT_AND_ABORT)
		lu_abort_matching(c->t->lu,
				  &(struct lu_abort){.match = is_preempted,
						     .arg = c,
						     .except = c->t,
						     .by = c->t->nexus->id,
						     .preempts = true},
				  finish, c);
	else
		finish(c);
}

void pr_change_fail(struct pr_change *c, int error)
{
	struct scsi_task *t = c->t;

	log_err("%s: its persistent reservations can't be kept: %s", lu_name(t->lu),
		strerror(-error));
	pr_change_free(c);
	task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
}

/* ---- APTPL: durable before GOOD ---- */

static void saved(struct message *message)
{
	struct pr_change *c = container_of(message, struct pr_change, message);

	if (c->save_error)
		pr_change_fail(c, c->save_error);
	else
		pr_change_commit(c);
}

static void save_on_worker(struct work *work)
{
	struct pr_change *c = container_of(work, struct pr_change, work);

	c->save_error = pr_save(c->state_key, c->blob, c->blob_len);
	reactor_send(c->reactor, &c->message);
}

static void start_saving(struct pr_change *c)
{
	const struct lu *lu = c->t->lu;

	c->blob = malloc(PR_BLOB_MAX);
	if (!c->blob) {
		task_status(c->t, STATUS_BUSY);
		pr_change_free(c);
		return;
	}
	c->blob_len = pr_encode(c->blob, c->next, lu->path);
	pr_state_key(lu, c->state_key, sizeof(c->state_key));
	c->reactor = reactor_self();
	c->work.fn = save_on_worker;
	c->message.fn = saved;
	workers_submit(workers_control_gate(), &c->work);
}

/* ---- ---- */

static unsigned room_needed(const struct pr_change *c)
{
	return c->spec_i_pt ? PR_REGISTRATIONS_MAX : 1 + TARGET_PORTS_MAX;
}

static struct pr_change *new_change(struct scsi_task *t)
{
	struct pr_change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->t = t;
	c->action = (enum pr_action)t->row->service_action;
	c->scope = t->cdb[2] >> 4;
	c->type = t->cdb[2] & 0x0f;
	c->list = task_out_data(t);
	c->list_len = t->data.length;
	return c;
}

/* SPC-5 6.16.2 */
static bool counts_as_generation(const struct pr_change *c)
{
	return c->action != PR_RESERVE && c->action != PR_RELEASE;
}

bool pr_change_act(struct pr_change *c)
{
	struct scsi_task *t = c->t;

	take_back(c);
	c->next = pr_table_copy(t->lu->pr->table, room_needed(c));
	if (!c->next)
		task_status(t, STATUS_BUSY);
	if (!c->next || !pr_act(c))
		return false;
	if (counts_as_generation(c))
		c->next->generation++;
	return true;
}

void pr_run_out(struct scsi_task *t)
{
	struct pr_state *state = t->lu->pr;
	struct pr_change *c = new_change(t);

	/* the exclusive operations that they were of have ended */
	pr_change_free(state->last);
	state->last = NULL;
	if (!c) {
		task_status(t, STATUS_BUSY);
		return;
	}
	if (!parse_list(c)) {
		pr_change_free(c);
		return;
	}
	if (state->shared)
		pr_shared_change(c);
	else if (!pr_change_act(c))
		pr_change_free(c);
	else if (state->table->aptpl || c->next->aptpl)
		start_saving(c);
	else
		pr_change_commit(c);
}
