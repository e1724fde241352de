/* SPDX-License-Identifier: MIT */
#include "scsi/lu.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/identifying.h"
#include "scsi/pr_shared.h"
#include "scsi/changer_state.h"
#include "scsi/log.h"
#include "scsi/mam.h"
#include "scsi/passthrough.h"
#include "scsi/security.h"
#include "scsi/tape.h"
#include "scsi/tape_identity.h"
#include "scsi/thresholds.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

const char *lu_name(const struct lu *lu)
{
	static __thread char name[64];

	snprintf(name, sizeof(name), "target %u lun %u", lu->target->tid, lu->lun);
	return name;
}

void lu_read_counters(const struct lu *lu, struct lu_counters *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < reactors_count(); i++) {
		const struct lu_counters *c = &lu->slices[i].counters;

		out->read_bytes += atomic_load_explicit(&c->read_bytes, memory_order_relaxed);
		out->read_cmds += atomic_load_explicit(&c->read_cmds, memory_order_relaxed);
		out->read_done_bytes +=
		    atomic_load_explicit(&c->read_done_bytes, memory_order_relaxed);
		out->read_done_cmds +=
		    atomic_load_explicit(&c->read_done_cmds, memory_order_relaxed);
		out->write_bytes += atomic_load_explicit(&c->write_bytes, memory_order_relaxed);
		out->write_cmds += atomic_load_explicit(&c->write_cmds, memory_order_relaxed);
		out->write_done_bytes +=
		    atomic_load_explicit(&c->write_done_bytes, memory_order_relaxed);
		out->write_done_cmds +=
		    atomic_load_explicit(&c->write_done_cmds, memory_order_relaxed);
		out->errors += atomic_load_explicit(&c->errors, memory_order_relaxed);
	}
}

/* ---- references ---- */

static void lu_free(struct lu *lu)
{
	if (lu->pr)
		pr_state_free(lu);
	if (lu->mode)
		mode_state_free(lu);
	log_state_free(lu);
	thresholds_free(lu);
	tape_free(lu);
	changer_free(lu->changer);
	passthrough_free(lu);
	security_free(lu);
	free(lu->identifying);
	free(lu->data_buffer);
	free(lu->parts);
	free(lu->slices);
	free(lu->path);
	free(lu->bsopts);
	target_unref(lu->target);
	free(lu);
}

void lu_ref(struct lu *lu)
{
	atomic_fetch_add(&lu->refs, 1);
}

void lu_unref(struct lu *lu)
{
	if (atomic_fetch_sub(&lu->refs, 1) == 1)
		lu_free(lu);
}

/* ---- what a store tells ---- */

struct store_news {
	struct message message;
	struct lu *lu;
	enum { NEWS_SIZE, NEWS_MEDIUM, NEWS_ONLINE } what;
	uint64_t value, serial;
	unsigned value_seen; /* passthrough->online_news when it came */
};

uint64_t lu_blocks_of(const struct lu *lu, uint64_t bytes)
{
	if (lu->io_alignment)
		bytes -= bytes % lu->io_alignment;
	return bytes >> lu->block_shift;
}

void lu_set_size(struct lu *lu, uint64_t bytes)
{
	uint64_t blocks = lu_blocks_of(lu, bytes);

	if (blocks == lu->blocks)
		return;
	log_info("%s: %llu blocks, were %llu", lu_name(lu), (unsigned long long)blocks,
		 (unsigned long long)lu->blocks);
	lu->blocks = blocks;
	lu_establish_ua(lu, ASC_CAPACITY_DATA_HAS_CHANGED, 0);
}

void lu_demounted(struct lu *lu)
{
	security_unloaded(lu, 0);
	mam_restart_totals(lu);
}

static void apply_news(struct lu *lu, void *arg)
{
	struct store_news *n = arg;

	/* one that was exchanged, or is to come, which is looked at then */
	if (lu->store && store_serial(lu->store) != n->serial)
		return;
	if (n->what == NEWS_SIZE) {
		lu_set_size(lu, n->value);
	} else if (n->what == NEWS_MEDIUM && lu->medium != (n->value != 0)) {
		lu->medium = n->value != 0;
		if (lu->tape)
			tape_medium_changed(lu);
		if (!lu->medium)
			lu_demounted(lu);
		if (lu->medium)
			lu_establish_ua(lu, ASC_NOT_READY_TO_READY_CHANGE, 0);
	} else if (n->what == NEWS_ONLINE && lu->store_online != (n->value != 0)) {
		lu->store_online = n->value != 0;
		log_warning("%s: its store %s", lu_name(lu),
			    n->value ? "is back" : "can't be reached");
		/* that it was switched on it told whoever found it, not the initiators */
		if (lu->passthrough && lu->store_online)
			lu_establish_ua(lu, ASC_POWER_ON_RESET, 0);
	}
}

static void news_applied(void *arg)
{
	struct store_news *n = arg;

	lu_unref(n->lu);
	free(n);
}

static void welcomed(void *arg)
{
	struct store_news *n = arg;

	/* it went again meanwhile: then that has been told, too */
	if (n->value_seen != n->lu->passthrough->online_news)
		news_applied(n);
	else
		lu_change(n->lu, apply_news, news_applied, n);
}

static void news_arrived(struct message *message)
{
	struct store_news *n = container_of(message, struct store_news, message);

	if (n->what == NEWS_ONLINE && n->lu->passthrough) {
		n->value_seen = ++n->lu->passthrough->online_news;
		if (n->value && !atomic_load(&n->lu->removed)) {
			passthrough_welcome(n->lu, welcomed, n);
			return;
		}
	}
	lu_change(n->lu, apply_news, news_applied, n);
}

static void send_news(struct lu *lu, uint64_t serial, int what, uint64_t value)
{
	struct store_news *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->lu = lu;
	n->what = what;
	n->serial = serial;
	n->value = value;
	n->message.fn = news_arrived;
	lu_ref(lu);
	reactor_send(reactor_get(0), &n->message);
}

static void store_size_changed(void *owner, uint64_t serial, uint64_t size)
{
	send_news(owner, serial, NEWS_SIZE, size);
}

static void store_medium_changed(void *owner, uint64_t serial, bool present)
{
	send_news(owner, serial, NEWS_MEDIUM, present);
}

static void store_online_changed(void *owner, uint64_t serial, bool online)
{
	send_news(owner, serial, NEWS_ONLINE, online);
}

static const char *store_describe(void *owner)
{
	return lu_name(owner);
}

const struct store_events lu_store_events = {
    .size_changed = store_size_changed,
    .medium_changed = store_medium_changed,
    .online_changed = store_online_changed,
    .describe = store_describe,
};

/* ---- making one ---- */

struct creation {
	struct lu *lu;
	void (*done)(void *arg, struct lu *lu, const char *error);
	void *arg;
	const char *error;
};

/* SPC-5 7.7.6.6.5 NAA locally assigned: 4 bits of 3h and 60 of a hash of target name and LUN. */
static void make_naa(struct lu *lu)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	char text[256];
	int len = snprintf(text, sizeof(text), "%s/%u", lu->target->name, lu->lun);

	EVP_Digest(text, (size_t)len, digest, NULL, EVP_sha256(), NULL);
	memcpy(lu->naa, digest, sizeof(lu->naa));
	lu->naa[0] = 0x30 | (lu->naa[0] & 0x0f);
}

void lu_default_identity(const struct lu *lu, struct lu_identity *id)
{
	strcpy(id->vendor_id, "IET");
	strcpy(id->product_id, lu->commands == &changer_commands ? "VIRTUAL-CHANGER"
			       : !lu->store                      ? "Controller"
			       : lu->commands->device_type == 0x01
				   ? tape_identity_of(lu)->product_id
				   : "VIRTUAL-DISK");
	strcpy(id->product_rev, "0001");
	snprintf(id->scsi_id, sizeof(id->scsi_id), "IET     %04x%04x", lu->target->tid, lu->lun);
	snprintf(id->scsi_sn, sizeof(id->scsi_sn), "beaf%u%u", lu->target->tid, lu->lun);
}

static void make_identity(struct lu *lu)
{
	lu_default_identity(lu, &lu->id);
	make_naa(lu);
}

static const struct command_set *commands_for(const struct lu_config *config)
{
	if (config->commands)
		return config->commands;
	switch (config->module->descriptor.kind) {
	case TGT_BS_BLOCK:
		return &disk_commands;
	case TGT_BS_TAPE:
		return &tape_commands;
	case TGT_BS_PASSTHROUGH: /* until it is known what it is */
		return passthrough_set(0x1f, false);
	default:
		return NULL;
	}
}

static int init_slices(struct lu *lu)
{
	size_t size = reactors_count() * sizeof(*lu->slices);

	lu->slices = aligned_alloc(64, size);
	if (!lu->slices)
		return -ENOMEM;
	memset(lu->slices, 0, size);
	for (unsigned i = 0; i < reactors_count(); i++) {
		struct lu_slice *s = &lu->slices[i];

		s->lu = lu;
		s->reactor = reactor_get(i);
		list_init(&s->itls);
		list_init(&s->running);
		list_init(&s->held);
		list_init(&s->waits);
	}
	return exclusive_init(lu);
}

static bool init_lu(struct lu *lu, const struct lu_config *config)
{
	lu->target = config->target;
	target_ref(lu->target);
	lu->lun = config->lun;
	lu->commands = commands_for(config);
	lu->store_flags = config->open_flags;
	lu->block_size = config->block_size ? config->block_size : 512;
	lu->block_shift = (uint8_t)__builtin_ctz(lu->block_size);
	lu->online = lu->store_online = lu->started = true;
	lu->removable = config->empty;
	lu->home = (config->target->tid + config->lun) % reactors_count();
	lu->clock.since_ms = reactor_now_ms(reactor_self());
	lu->refs = 1;
	lu->store_users = 1;
	if ((config->path && !config->empty && !(lu->path = strdup(config->path))) ||
	    (config->bsopts && !(lu->bsopts = strdup(config->bsopts))))
		return false;
	return !init_slices(lu);
}

const char *lu_take_limits(struct lu *lu)
{
	sbc_set_limits(lu);
	if (store_geometry(lu->store).flags & TGT_BS_GEO_NO_MEDIUM)
		return NULL;
	if (!lu_blocks_of(lu, store_geometry(lu->store).size))
		return "the medium is smaller than one block";
	if (lu->io_alignment > BUF_MAX_PIECE || !lu->max_transfer_blocks)
		return "the store's alignment or transfer limit can't be served";
	return NULL;
}

uint8_t lu_default_lbppbe(const struct lu *lu, const struct tgt_bs_geometry *g)
{
	if (g->physical_block_size <= lu->block_size ||
	    (g->physical_block_size & (g->physical_block_size - 1)))
		return 0;
	return (uint8_t)__builtin_ctz(g->physical_block_size / lu->block_size);
}

static const char *finish_disk(struct lu *lu, const struct tgt_bs_geometry *g)
{
	const char *error = lu_take_limits(lu);

	if (error)
		return error;
	lu->blocks = lu_blocks_of(lu, g->size);
	lu->lbppbe = lu_default_lbppbe(lu, g);
	lu->rotation_rate = g->flags & TGT_BS_GEO_ROTATIONAL ? 0 : 1;
	return thresholds_create(lu) ? "out of memory" : NULL;
}

static bool is_passthrough(const struct lu *lu)
{
	return store_module(lu->store)->descriptor.kind == TGT_BS_PASSTHROUGH;
}

static const char *finish_lu(struct lu *lu)
{
	struct tgt_bs_geometry g = store_geometry(lu->store);
	const char *error = NULL;

	lu->medium = !(g.flags & TGT_BS_GEO_NO_MEDIUM);
	lu->readonly = !store_can(lu->store, TGT_BS_CAN_WRITE);
	if (store_module(lu->store)->descriptor.kind == TGT_BS_BLOCK)
		error = finish_disk(lu, &g);
	else
		lu->removable = true;
	if (!error && tape_create(lu))
		error = "out of memory";
	make_identity(lu);
	if (!error && (log_state_create(lu) || mode_state_create(lu) || pr_state_create(lu)))
		error = "out of memory";
	if (lu->commands->device_type == 0x00 && !is_passthrough(lu)) {
		medium_state_load(lu);
		identifying_load(lu);
	}
	return error;
}

static void creation_failed(void *arg)
{
	struct creation *c = arg;

	lu_unref(c->lu);
	c->done(c->arg, NULL, c->error);
	free(c);
}

static void finish_creation(void *arg, const char *error)
{
	struct creation *c = arg;
	struct lu *lu = c->lu;
	struct store *store = lu->store;

	c->error = error;
	if (error) {
		log_err("%s: %s: %s", lu_name(lu), lu->path ? lu->path : "(no path)", error);
		lu->store = NULL;
		store_close(store, creation_failed, c);
		return;
	}
	atomic_fetch_add(&((struct store_module *)(uintptr_t)store_module(store))->nr_luns, 1);
	c->done(c->arg, lu, NULL);
	free(c);
}

static void cartridge_noted(void *arg)
{
	finish_creation(arg, NULL);
}

static void joined(void *arg, struct pr_shared *shared, const char *error)
{
	struct creation *c = arg;

	if (!error)
		pr_shared_exchange(c->lu, &shared);
	else
		c->lu->pr->shared = shared; /* which goes with it */
	finish_creation(c, error);
}

static void store_opened(void *owner, struct store *store, const char *error)
{
	struct lu *lu = owner;
	struct creation *c = lu->pending;

	lu->pending = NULL;
	if (!store) {
		log_err("%s: store %s can't be opened: %s", lu_name(lu),
			lu->path ? lu->path : "(no path)", error);
		c->error = error;
		creation_failed(c);
		return;
	}
	lu->store = store;
	error = finish_lu(lu);
	if (!error && is_passthrough(lu))
		passthrough_create(lu, finish_creation, c);
	else if (!error && lu->tape && lu->medium)
		mam_load(lu, cartridge_noted, c);
	else if (!error && lu->pr && pr_store_shares(store))
		pr_shared_join(lu, store, joined, c);
	else
		finish_creation(c, error);
}

static bool good_block_size(uint32_t size)
{
	return !size || (size >= 512 && size <= 65536 && !(size & (size - 1)));
}

static void create_controller(struct creation *c)
{
	struct lu *lu = c->lu;

	lu->block_size = 1; /* as stgt shows it */
	lu->block_shift = 0;
	make_identity(lu);
	c->error = (lu->commands == &changer_commands && changer_create(lu)) ||
			   log_state_create(lu) || mode_state_create(lu) || pr_state_create(lu)
		       ? "out of memory"
		       : NULL;
	if (c->error) {
		creation_failed(c);
		return;
	}
	c->done(c->arg, lu, NULL);
	free(c);
}

void lu_create(const struct lu_config *config,
	       void (*done)(void *arg, struct lu *lu, const char *error), void *arg)
{
	struct creation *c = calloc(1, sizeof(*c));
	struct lu *lu = calloc(1, sizeof(*lu));
	struct store_config store = {
	    .module = config->module,
	    .path = config->empty ? NULL : config->path,
	    .bsopts = config->bsopts,
	    .open_flags = config->open_flags,
	    .block_size = config->block_size ? config->block_size : 512,
	    .size = config->size,
	    .empty = config->empty,
	};

	if (!c || !lu || config->lun > LUN_MAX || !good_block_size(config->block_size)) {
		free(c);
		free(lu);
		done(arg, NULL, "LUN or block size out of range, or out of memory");
		return;
	}
	*c = (struct creation){.lu = lu, .done = done, .arg = arg, .error = "out of memory"};
	if (!init_lu(lu, config) || !lu->commands) {
		if (!lu->commands)
			c->error = "no command set for this kind of store";
		creation_failed(c);
		return;
	}
	if (!config->module) {
		create_controller(c);
		return;
	}
	lu->pending = c;
	store_open(&store, &lu_store_events, lu, store_opened);
}

/* ---- ending one ---- */

struct destruction {
	struct lu *lu;
	void (*done)(void *arg);
	void *arg;
};

static void destroyed(void *arg)
{
	struct destruction *d = arg;

	lu_unref(d->lu);
	if (d->done)
		d->done(d->arg);
	free(d);
}

static void free_itls(void *arg, struct reactor *reactor)
{
	struct lu *lu = arg;
	struct lu_slice *slice = &lu->slices[reactor_id(reactor)];

	if (reactor_id(reactor) == lu->home)
		thresholds_stop(lu);
	while (!list_empty(&slice->itls))
		itl_free(list_first(&slice->itls, struct itl, slice_link));
}

static void close_store(struct message *message)
{
	struct lu *lu = container_of(message, struct lu, closing);

	atomic_fetch_sub(&((struct store_module *)(uintptr_t)store_module(lu->store))->nr_luns, 1);
	store_finish(lu->store, destroyed, lu->pending);
}

void lu_store_get(struct lu *lu)
{
	atomic_fetch_add(&lu->store_users, 1);
}

void lu_store_put(struct lu *lu)
{
	if (atomic_fetch_sub(&lu->store_users, 1) != 1)
		return;
	lu->closing.fn = close_store;
	reactor_send(reactor_get(0), &lu->closing);
}

static void itls_freed(void *arg)
{
	struct lu *lu = arg;

	if (lu->store)
		lu_store_put(lu);
	else
		destroyed(lu->pending);
}

/* Behind every exclusive operation that was begun before: now nothing is under way on any reactor.
 */
static void quiet(void *arg)
{
	reactors_visit(free_itls, itls_freed, arg);
}

static void tasks_ended(void *arg)
{
	lu_change(arg, NULL, quiet, arg);
}

void lu_destroy(struct lu *lu, void (*done)(void *arg), void *arg)
{
	struct destruction *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	*d = (struct destruction){.lu = lu, .done = done, .arg = arg};
	lu->pending = d;
	lu_abort_matching(lu, &(struct lu_abort){.gone = true}, tasks_ended, lu);
}
