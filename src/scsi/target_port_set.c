/* SPDX-License-Identifier: MIT */
/* Which ports the targets have: made and changed on the control reactor. */
#include "scsi/target_port.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/core.h"

/* Until there is any other: portal group 1. */
static struct {
	unsigned count;
	struct target_port ports[TARGET_PORTS_MAX];
} all = {.count = 1, .ports = {{.id = 1}}};

/* ---- lists ---- */

static struct target_ports *new_list(void)
{
	struct target_ports *list = calloc(1, sizeof(*list) + all.count * sizeof(list->ports[0]));

	if (!list)
		abort(); /* a port that a target doesn't know of can't be reserved nor described */
	list->count = all.count;
	memcpy(list->ports, all.ports, all.count * sizeof(list->ports[0]));
	return list;
}

void target_ports_init(struct target *target)
{
	atomic_store(&target->ports, new_list());
}

void target_ports_free(struct target *target)
{
	free(atomic_load(&target->ports));
}

/* ---- publishing ---- */

/* One for all targets: done when the last of them is. */
struct setting {
	unsigned pending;
	void (*done)(void *arg);
	void *arg;
};

struct publication {
	struct target *target;
	struct target_ports *old;
	struct setting *setting;
};

static void setting_put(struct setting *setting)
{
	if (--setting->pending)
		return;
	if (setting->done)
		setting->done(setting->arg);
	free(setting);
}

static void announce(void *arg, struct reactor *reactor)
{
	struct publication *p = arg;

	list_for_each (nexus, &p->target->nexuses[reactor_id(reactor)], struct nexus, link) {
		list_for_each (itl, &nexus->itl_list, struct itl, nexus_link)
			ua_add(&itl->ua, ASC_INQUIRY_DATA_HAS_CHANGED);
	}
}

static void published(void *arg)
{
	struct publication *p = arg;

	free(p->old);
	target_unref(p->target);
	setting_put(p->setting);
	free(p);
}

static void publish(struct target *target, struct setting *setting)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	target_ref(target);
	p->target = target;
	p->old = atomic_exchange(&target->ports, new_list());
	p->setting = setting;
	setting->pending++;
	reactors_visit(announce, published, p);
}

static int by_id(const void *a, const void *b)
{
	const struct target_port *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

void target_ports_set(const uint16_t *ids, unsigned count, void (*done)(void *arg), void *arg)
{
	struct setting *setting = calloc(1, sizeof(*setting));
	struct target_port ports[TARGET_PORTS_MAX] = {{0}};
	bool changed;

	if (!setting)
		abort();
	for (unsigned i = 0; i < count; i++)
		ports[i].id = ids[i];
	qsort(ports, count, sizeof(ports[0]), by_id);
	changed = count != all.count || memcmp(ports, all.ports, count * sizeof(ports[0])) != 0;
	memcpy(all.ports, ports, sizeof(ports));
	all.count = count;
	*setting = (struct setting){.pending = 1, .done = done, .arg = arg};
	list_for_each (target, targets(), struct target, link) {
		if (changed)
			publish(target, setting);
	}
	setting_put(setting);
}
