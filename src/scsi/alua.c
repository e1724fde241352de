/* SPDX-License-Identifier: MIT */
/*
 * Changes of asymmetric access states (SPC-5 5.15.2).  First every reactor goes by the new states;
 * then each logical unit stands still for a moment, so that what was checked under the old ones has
 * ended or is checked again before it runs.
 */
#include <stdlib.h>

#include "scsi/core.h"
#include "scsi/target_port.h"
#include "util/log.h"

unsigned access_patience_ms = 5000;

struct access_change {
	struct target *target;
	bool drains;
	unsigned pending; /* LUs that have not stood still yet, and whoever counts them */
	struct timer patience;
	void (*done)(void *arg, bool drained); /* NULL: it was called */
	void *arg;
};

static void answer(struct access_change *c, bool drained)
{
	void (*done)(void *arg, bool drained) = c->done;

	reactor_timer_cancel(&c->patience);
	c->done = NULL;
	if (done)
		done(c->arg, drained);
}

static void lu_drained(void *arg)
{
	struct access_change *c = arg;

	if (--c->pending)
		return;
	answer(c, true);
	target_unref(c->target);
	free(c);
}

static void out_of_patience(struct timer *timer)
{
	struct access_change *c = container_of(timer, struct access_change, patience);

	log_warning("target %u: commands by a port that changed its state have not ended: a store "
		    "hangs",
		    c->target->tid);
	answer(c, false);
}

static void published(void *arg)
{
	struct access_change *c = arg;
	const struct lun_map *map = atomic_load(&c->target->map);

	c->pending = 1;
	if (c->drains) {
		reactor_timer_arm(reactor_self(), &c->patience, access_patience_ms);
		for (uint32_t i = 0; i < map->count; i++) {
			c->pending++;
			lu_change(map->lus[i], NULL, lu_drained, c);
		}
	}
	lu_drained(c);
}

/* ---- ---- */

static bool is_active(uint8_t state)
{
	return state == ACCESS_OPTIMIZED || state == ACCESS_NON_OPTIMIZED;
}

static bool grant(struct target_ports *list, const struct access_wish *wish, enum access_status by)
{
	bool changed = false;

	for (unsigned i = 0; i < list->count; i++) {
		struct target_port *port = &list->ports[i];

		if (port->id != wish->id)
			continue;
		if (wish->has_state && port->state != wish->state) {
			port->state = wish->state;
			port->status = (uint8_t)by;
			changed = true;
		}
		if (wish->has_preferred && port->preferred != wish->preferred) {
			port->preferred = wish->preferred;
			changed = true;
		}
	}
	return changed;
}

void target_access_change(struct target *target, const struct access_wish *wishes, unsigned count,
			  enum access_status by, uint64_t except,
			  void (*done)(void *arg, bool drained), void *arg)
{
	struct access_change *c = calloc(1, sizeof(*c));
	struct target_ports *list = target_ports_copy(target);
	bool changed = false;

	if (!c)
		abort(); /* as an LU that can't be told of a change */
	target_ref(target);
	c->target = target;
	c->patience.fn = out_of_patience;
	c->done = done;
	c->arg = arg;
	for (unsigned i = 0; i < count; i++) {
		if (!grant(list, &wishes[i], by))
			continue;
		changed = true;
		c->drains |= wishes[i].has_state && !is_active(wishes[i].state);
	}
	target_ports_publish(target, list, changed ? ASC_ASYMMETRIC_ACCESS_STATE_CHANGED : 0,
			     except, published, c);
}

void target_access_by_command(struct target *target, bool allowed, void (*done)(void *arg),
			      void *arg)
{
	struct target_ports *list = target_ports_copy(target);
	bool changed = list->by_command != allowed;

	list->by_command = allowed;
	target_ports_publish(target, list, changed ? ASC_INQUIRY_DATA_HAS_CHANGED : 0, 0, done,
			     arg);
}

void target_access_transition_time(struct target *target, uint8_t seconds, void (*done)(void *arg),
				   void *arg)
{
	struct target_ports *list = target_ports_copy(target);

	list->transition_time = seconds;
	target_ports_publish(target, list, 0, 0, done, arg);
}
