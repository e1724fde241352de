/* SPDX-License-Identifier: MIT */
#include "config/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "iscsi/control.h"
#include "scsi/commands.h"
#include "scsi/mode.h"
#include "scsi/tape_identity.h"
#include "store/loader.h"
#include "store/store.h"

/* ---- parameters of a unit ---- */

static void set_text(json_t *object, const char *name, const char *value)
{
	json_t *text = json_string(value);

	if (text)
		json_object_set_new(object, name, text);
}

static void set_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_sprintf("%llu", (unsigned long long)value));
}

static void set_identity(json_t *object, const struct lu_identity *id)
{
	set_text(object, "vendor_id", id->vendor_id);
	set_text(object, "product_id", id->product_id);
	set_text(object, "product_rev", id->product_rev);
	set_text(object, "scsi_id", id->scsi_id);
	set_text(object, "scsi_sn", id->scsi_sn);
}

static bool is_disk(const struct lu *lu)
{
	return store_module(lu->store)->descriptor.kind == TGT_BS_BLOCK;
}

static json_t *params_of(const struct lu *lu)
{
	json_t *params = json_object();

	set_identity(params, &lu->id);
	if (lu->tape)
		set_text(params, "drive", lu->tape->identity->name);
	set_number(params, "sense_format", lu->sense_descriptor);
	set_number(params, "removable", lu->removable);
	set_number(params, "readonly", lu->readonly_wanted);
	set_number(params, "online", lu->online);
	set_number(params, "thin_provisioning", lu->thin);
	set_number(params, "lbppbe", lu->lbppbe);
	set_number(params, "la_lba", lu->la_lba);
	set_number(params, "optimal_xfer_gran", lu->optimal_xfer_gran);
	set_number(params, "optimal_xfer_len", lu->optimal_xfer_len);
	set_number(params, "rotation_rate", lu->rotation_rate);
	if (is_disk(lu) && !store_is_empty(lu->store))
		set_number(params, "size", lu->blocks * lu->block_size);
	return params;
}

/* As lu_create() makes them. */
static json_t *defaults_of(const struct lu *lu)
{
	static const char *const zero[] = {"sense_format", "thin_provisioning", "la_lba",
					   "optimal_xfer_gran", "optimal_xfer_len"};
	struct tgt_bs_geometry g = store_geometry(lu->store);
	json_t *params = json_object();
	struct lu_identity id;
	unsigned lbppbe = 0;

	lu_default_identity(lu, &id);
	set_identity(params, &id);
	if (lu->tape)
		set_text(params, "drive", tape_identities[0].name);
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		set_number(params, zero[i], 0);
	if (is_disk(lu)) {
		lbppbe = lu_default_lbppbe(lu, &g);
		set_number(params, "size", g.size / lu->block_size * lu->block_size);
		set_number(params, "rotation_rate", g.flags & TGT_BS_GEO_ROTATIONAL ? 0 : 1);
	}
	set_number(params, "lbppbe", lbppbe);
	set_number(params, "removable", !is_disk(lu));
	set_number(params, "readonly", 0); /* as wanted; a store may be so without */
	set_number(params, "online", 1);
	return params;
}

/* ---- mode pages ---- */

static void add_page(json_t *pages, const struct mode_page *page)
{
	unsigned at = mode_header_length(page);
	char key[16], text[16 + 4 * MODE_PAGE_BYTES];
	size_t len;

	snprintf(key, sizeof(key), "%u:%u", page->page, page->subpage);
	len = (size_t)snprintf(text, sizeof(text), "%s:%u", key, page->length - at);
	for (; at < page->length; at++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ":%u",
					page->values[MODE_CURRENT][at]);
	json_object_set_new(pages, key, json_string(text));
}

static void add_pages(json_t *unit, const struct lu *lu)
{
	json_t *pages = json_object(), *changed = json_object();
	struct mode_state *first = mode_state_default(lu);

	for (unsigned i = 0; lu->mode && i < lu->mode->count; i++) {
		const struct mode_page *page = &lu->mode->pages[i];
		const struct mode_page *was =
		    first ? mode_find(first, page->page, page->subpage) : NULL;

		if (!was || was->length != page->length ||
		    memcmp(was->values[MODE_CURRENT], page->values[MODE_CURRENT], was->length) != 0)
			add_page(changed, page);
		add_page(pages, page);
	}
	free(first);
	json_object_set_new(unit, "pages", pages);
	json_object_set_new(unit, "changed_pages", changed);
}

/* ---- units ---- */

static const char *kind_of(const struct lu *lu)
{
	if (lu->changer)
		return "changer";
	switch (store_module(lu->store)->descriptor.kind) {
	case TGT_BS_TAPE:
		return "tape";
	case TGT_BS_PASSTHROUGH:
		return "passthrough";
	default:
		return "disk";
	}
}

static void add_flags(json_t *unit, uint32_t flags)
{
	bool sync = flags & TGT_BS_OPEN_SYNC, direct = flags & TGT_BS_OPEN_DIRECT;

	if (sync || direct)
		set_text(unit, "bsoflags",
			 sync && direct ? "sync:direct"
			 : sync         ? "sync"
					: "direct");
}

static json_t *unit_of(const struct lu *lu)
{
	json_t *unit = json_object();

	if (lu->path)
		set_text(unit, "path", lu->path);
	if (store_is_empty(lu->store))
		json_object_set_new(unit, "empty", json_true());
	if (lu->bsopts)
		set_text(unit, "bsopts", lu->bsopts);
	add_flags(unit, lu->store_flags);
	set_text(unit, "bstype", store_module(lu->store)->descriptor.name);
	set_text(unit, "kind", kind_of(lu));
	json_object_set_new(unit, "blocksize", json_integer(lu->block_size));
	if (!lu->passthrough) {
		json_object_set_new(unit, "params", params_of(lu));
		json_object_set_new(unit, "defaults", defaults_of(lu));
	}
	add_pages(unit, lu);
	if (lu->mode && mode_find(lu->mode, MODE_PAGE_CACHING, 0)) {
		json_object_set_new(unit, "write_cache", json_boolean(mode_wce(lu)));
		json_object_set_new(unit, "default_write_cache", json_boolean(lu->volatile_cache));
	}
	return unit;
}

/* What its elements hold is the library's own business. */
static json_t *changer_of(const struct lu *lu)
{
	json_t *unit =
	    json_pack("{s:s, s:s, s:i, s:{}, s:{}}", "bstype", "smc", "kind", kind_of(lu),
		      "blocksize", (int)lu->block_size, "params", "defaults");

	if (lu->path)
		set_text(unit, "path", lu->path);
	return unit;
}

static json_t *units_of(const struct target *target)
{
	const struct lun_map *map = atomic_load(&target->map);
	json_t *units = json_object();
	char key[16];

	for (uint32_t i = 0; i < map->count; i++) {
		const struct lu *lu = map->lus[i];

		if (!lu->store && !lu->changer)
			continue; /* the controller */
		snprintf(key, sizeof(key), "%u", lu->lun);
		json_object_set_new(units, key, lu->changer ? changer_of(lu) : unit_of(lu));
	}
	return units;
}

/* ---- targets ---- */

static json_t *texts_of(const struct list *bindings)
{
	json_t *set = json_object();

	/* newest first; the file that is made of it has the oldest first */
	for (const struct list *l = bindings->prev; l != bindings; l = l->prev)
		json_object_set_new(set, container_of(l, struct iscsi_binding, link)->text,
				    json_true());
	return set;
}

static json_t *users_of(const struct list *bindings, bool outgoing)
{
	json_t *set = json_object();

	list_for_each (b, bindings, struct iscsi_binding, link) {
		if (b->outgoing == outgoing)
			json_object_set_new(set, b->text, json_true());
	}
	return set;
}

static json_t *parameters_of(const struct iscsi_target *target)
{
	json_t *parameters = json_object();
	char value[128];

	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++) {
		iscsi_param_format(target, i, value, sizeof(value));
		set_text(parameters, iscsi_param_name(i), value);
	}
	return parameters;
}

static json_int_t count(const struct list *list)
{
	json_int_t n = 0;

	for (const struct list *l = list->next; l != list; l = l->next)
		n++;
	return n;
}

static json_t *target_of(const struct iscsi_target *t)
{
	return json_pack("{s:i, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}", "tid", (int)t->scsi->tid,
			 "state", t->scsi->ready ? "ready" : "offline", "sessions",
			 count(&t->sessions), "parameters", parameters_of(t), "addresses",
			 texts_of(&t->addresses), "names", texts_of(&t->names), "incoming",
			 users_of(&t->accounts, false), "outgoing", users_of(&t->accounts, true),
			 "luns", units_of(t->scsi));
}

static json_t *accounts(void)
{
	json_t *all = json_object();

	list_for_each (a, iscsi_accounts(), struct iscsi_account, link) {
		json_object_set_new(all, a->user, json_string(a->password));
	}
	return all;
}

static json_t *default_parameters(void)
{
	struct iscsi_target target;

	iscsi_target_defaults(&target);
	return parameters_of(&target);
}

json_t *config_running(void)
{
	json_t *model = config_model_new(), *all = json_object_get(model, "targets");

	list_for_each (t, targets(), struct target, link) {
		const struct iscsi_target *target = t->transport;

		if (target && !target->deleting)
			json_object_set_new(all, t->name, target_of(target));
	}
	json_object_set_new(model, "parameters", default_parameters());
	set_text(model, "default_store", store_default());
	json_object_set_new(model, "accounts", accounts());
	json_object_set_new(model, "discovery",
			    json_pack("{s:o, s:o}", "incoming",
				      users_of(iscsi_discovery_accounts(), false), "outgoing",
				      users_of(iscsi_discovery_accounts(), true)));
	return model;
}
