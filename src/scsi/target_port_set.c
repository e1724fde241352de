/* SPDX-License-Identifier: MIT */
/* Which ports the targets have: made and changed on the control reactor. */
#include "scsi/target_port.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/core.h"

/* Until there is any other: portal group 1. */
static struct {
	unsigned count;
	uint16_t ids[TARGET_PORTS_MAX];
} all = {.count = 1, .ids = {1}};

/* ---- lists ---- */

static struct target_ports *new_list(unsigned count)
{
	struct target_ports *list = calloc(1, sizeof(*list) + count * sizeof(list->ports[0]));

	if (!list)
		abort(); /* a port that a target doesn't know of can't be reserved nor described */
	list->count = (uint16_t)count;
	return list;
}

struct target_ports *target_ports_copy(const struct target *target)
{
	const struct target_ports *from = target_ports(target);
	struct target_ports *list = new_list(from->count);

	memcpy(list, from, sizeof(*from) + from->count * sizeof(from->ports[0]));
	return list;
}

/* With the ports that there are now; those that stay keep their states. */
static struct target_ports *list_of_all(const struct target *target)
{
	const struct target_ports *from = target_ports(target);
	struct target_ports *list = new_list(all.count);

	list->by_command = from->by_command;
	list->transition_time = from->transition_time;
	for (unsigned i = 0; i < all.count; i++) {
		const struct target_port *port = target_port_find(target, all.ids[i]);

		list->ports[i] = port ? *port : (struct target_port){.id = all.ids[i]};
	}
	return list;
}

void target_ports_init(struct target *target)
{
	atomic_store(&target->ports, list_of_all(target));
}

void target_ports_free(struct target *target)
{
	free(atomic_load(&target->ports));
}

/* ---- publishing ---- */

struct publication {
	struct target *target;
	struct target_ports *old;
	uint16_t asc;
	uint64_t except;
	void (*done)(void *arg);
	void *arg;
};

/* The list that is there now, which may be a newer one: whichever comes last finds the last. */
static void announce(void *arg, struct reactor *reactor)
{
	struct publication *p = arg;

	list_for_each (nexus, &p->target->nexuses[reactor_id(reactor)], struct nexus, link) {
		nexus_take_access(nexus);
		if (!p->asc || nexus->id == p->except)
			continue;
		list_for_each (itl, &nexus->itl_list, struct itl, nexus_link)
			ua_add(&itl->ua, p->asc);
	}
}

static void published(void *arg)
{
	struct publication *p = arg;

	free(p->old);
	if (p->done)
		p->done(p->arg);
	target_unref(p->target);
	free(p);
}

void target_ports_publish(struct target *target, struct target_ports *list, uint16_t asc,
			  uint64_t except, void (*done)(void *arg), void *arg)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	target_ref(target);
	p->target = target;
	p->asc = asc;
	p->except = except;
	p->done = done;
	p->arg = arg;
	p->old = atomic_exchange(&target->ports, list);
	reactors_visit(announce, published, p);
}

/* ---- for all targets ---- */

/* Done when the last of them is. */
struct setting {
	unsigned pending;
	void (*done)(void *arg);
	void *arg;
};

static void setting_put(void *arg)
{
	struct setting *setting = arg;

	if (--setting->pending)
		return;
	if (setting->done)
		setting->done(setting->arg);
	free(setting);
}

static int ascending(const void *a, const void *b)
{
	const uint16_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* False: they are there already. */
static bool take_ids(const uint16_t *ids, unsigned count)
{
	uint16_t sorted[TARGET_PORTS_MAX];
	size_t size = count * sizeof(ids[0]);

	memcpy(sorted, ids, size);
	qsort(sorted, count, sizeof(sorted[0]), ascending);
	if (count == all.count && !memcmp(sorted, all.ids, size))
		return false;
	memcpy(all.ids, sorted, size);
	all.count = count;
	return true;
}

void target_ports_set(const uint16_t *ids, unsigned count, void (*done)(void *arg), void *arg)
{
	struct setting *setting = calloc(1, sizeof(*setting));

	if (!setting)
		abort();
	*setting = (struct setting){.pending = 1, .done = done, .arg = arg};
	if (take_ids(ids, count)) {
		list_for_each (target, targets(), struct target, link) {
			setting->pending++;
			target_ports_publish(target, list_of_all(target),
					     ASC_INQUIRY_DATA_HAS_CHANGED, 0, setting_put, setting);
		}
	}
	setting_put(setting);
}
