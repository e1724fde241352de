/* SPDX-License-Identifier: MIT */
#include "scsi/target.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/core.h"
#include "util/bytes.h"
#include "util/log.h"

static struct list all_targets = LIST_INIT(all_targets);

struct list *targets(void)
{
	return &all_targets;
}

struct target *target_find(uint32_t tid)
{
	list_for_each (t, &all_targets, struct target, link) {
		if (t->tid == tid)
			return t;
	}
	return NULL;
}

struct target *target_find_name(const char *name)
{
	list_for_each (t, &all_targets, struct target, link) {
		if (!strcmp(t->name, name))
			return t;
	}
	return NULL;
}

/* ---- LUN maps ---- */

struct lu *target_lu(struct target *target, uint32_t lun)
{
	const struct lun_map *map = atomic_load_explicit(&target->map, memory_order_acquire);
	uint32_t low = 0, high = map->count;

	if (lun < high && map->lus[lun]->lun == lun)
		return map->lus[lun]; /* most are numbered without gaps */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->lus[middle]->lun < lun)
			low = middle + 1;
		else
			high = middle;
	}
	return low < map->count && map->lus[low]->lun == lun ? map->lus[low] : NULL;
}

bool lun_decode(const uint8_t lun[8], uint32_t *number)
{
	static const uint8_t none[6];
	unsigned method = lun[0] >> 6;

	/* SAM-5 4.7.5, 4.7.6: a single level, bus identifier 0 */
	if (memcmp(lun + 2, none, sizeof(none)))
		return false;
	if (method == 0 && !(lun[0] & 0x3f))
		*number = lun[1];
	else if (method == 1)
		*number = get_be16(lun) & 0x3fff;
	else
		return false;
	return true;
}

void lun_encode(uint32_t number, uint8_t lun[8])
{
	memset(lun, 0, 8);
	put_be16(lun, (uint16_t)(number < 256 ? number : number | 0x4000));
}

static struct lun_map *map_with(const struct lun_map *old, struct lu *lu)
{
	struct lun_map *map = malloc(sizeof(*map) + (old->count + 1) * sizeof(map->lus[0]));
	uint32_t i = 0;

	if (!map)
		abort();
	while (i < old->count && old->lus[i]->lun < lu->lun) {
		map->lus[i] = old->lus[i];
		i++;
	}
	map->lus[i] = lu;
	memcpy(&map->lus[i + 1], &old->lus[i], (old->count - i) * sizeof(map->lus[0]));
	map->count = old->count + 1;
	return map;
}

static struct lun_map *map_without(const struct lun_map *old, const struct lu *lu)
{
	struct lun_map *map = malloc(sizeof(*map) + old->count * sizeof(map->lus[0]));

	if (!map)
		abort();
	map->count = 0;
	for (uint32_t i = 0; i < old->count; i++) {
		if (old->lus[i] != lu)
			map->lus[map->count++] = old->lus[i];
	}
	return map;
}

struct publication {
	struct target *target;
	struct lun_map *old;
	void (*done)(void *arg);
	void *arg;
};

static void announce(void *arg, struct reactor *reactor)
{
	struct publication *p = arg;

	list_for_each (nexus, &p->target->nexuses[reactor_id(reactor)], struct nexus, link) {
		list_for_each (itl, &nexus->itl_list, struct itl, nexus_link) {
			ua_add(&itl->ua, ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
		}
	}
}

static void published(void *arg)
{
	struct publication *p = arg;

	free(p->old);
	if (p->done)
		p->done(p->arg);
	free(p);
}

static void publish(struct target *target, struct lun_map *map, void (*done)(void *arg), void *arg)
{
	struct publication *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->target = target;
	p->old = atomic_exchange(&target->map, map);
	p->done = done;
	p->arg = arg;
	reactors_visit(announce, published, p);
}

void target_publish_lu(struct target *target, struct lu *lu, void (*done)(void *arg), void *arg)
{
	publish(target, map_with(atomic_load(&target->map), lu), done, arg);
}

void target_unpublish_lu(struct target *target, struct lu *lu, void (*done)(void *arg), void *arg)
{
	atomic_store(&lu->removed, true);
	publish(target, map_without(atomic_load(&target->map), lu), done, arg);
}

/* ---- making and ending ---- */

static void link_sorted(struct target *target)
{
	struct list *before = all_targets.next;

	while (before != &all_targets &&
	       container_of(before, struct target, link)->tid < target->tid)
		before = before->next;
	list_add_tail(before, &target->link);
}

struct controller_made {
	struct lu *lu;
};

static void controller_created(void *arg, struct lu *lu, const char *error)
{
	struct controller_made *made = arg;

	(void)error;
	made->lu = lu;
}

/* LUN 0 needs no store, so lu_create() calls back at once. */
static struct lu *create_controller(struct target *target)
{
	struct controller_made made = {NULL};
	struct lu_config config = {.target = target, .lun = 0, .commands = &controller_commands};

	lu_create(&config, controller_created, &made);
	return made.lu;
}

struct target *target_create(uint32_t tid, const char *name)
{
	struct target *t;
	struct lu *controller;
	struct lun_map *map;

	if (target_find(tid) || target_find_name(name))
		return NULL;
	t = calloc(1, sizeof(*t));
	map = malloc(sizeof(*map) + sizeof(map->lus[0]));
	if (!t || !map)
		goto out;
	list_init(&t->link);
	t->tid = tid;
	t->refs = 1;
	t->ready = true;
	t->name = strdup(name);
	t->nexuses = calloc(reactors_count(), sizeof(*t->nexuses));
	if (!t->name || !t->nexuses)
		goto out;
	for (unsigned i = 0; i < reactors_count(); i++)
		list_init(&t->nexuses[i]);
	controller = create_controller(t);
	if (!controller)
		goto out;
	map->count = 1;
	map->lus[0] = controller;
	atomic_store(&t->map, map);
	target_ports_init(t);
	link_sorted(t);
	return t;
out:
	free(map);
	if (t) {
		free(t->nexuses);
		free(t->name);
	}
	free(t);
	return NULL;
}

void target_ref(struct target *target)
{
	atomic_fetch_add(&target->refs, 1);
}

void target_unref(struct target *target)
{
	if (atomic_fetch_sub(&target->refs, 1) != 1)
		return;
	free(atomic_load(&target->map));
	target_ports_free(target);
	free(target->nexuses);
	free(target->name);
	free(target);
}

void target_free(struct target *target)
{
	list_del(&target->link);
	target_unref(target);
}
