/* SPDX-License-Identifier: MIT */
/*
 * The blob: magic, version, count, a spare word; of each cartridge: address, source, flags, a spare
 * word, barcode and volume tag of 32 bytes each.
 */
#include "scsi/changer_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/lu.h"
#include "scsi/target.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAGIC 0x74676368u /* "tgch" */
#define VERSION 1
#define HEADER 16u
#define TEXT 32u

#define HAS_SOURCE 1u
#define IMPORTED 2u

static void put_entry(uint8_t *at, uint16_t address, const struct cartridge *c)
{
	memset(at, 0, CHANGER_ENTRY);
	put_be16(at, address);
	put_be16(at + 2, c->source);
	put_be16(at + 4,
		 (uint16_t)((c->has_source ? HAS_SOURCE : 0) | (c->imported ? IMPORTED : 0)));
	memcpy(at + 8, c->barcode, strnlen(c->barcode, TEXT));
	memcpy(at + 8 + TEXT, c->tag, strnlen(c->tag, TEXT));
}

size_t changer_encode(uint8_t *blob, const struct changer *changer)
{
	uint8_t *at = blob + HEADER;

	memset(blob, 0, HEADER);
	put_be32(blob, MAGIC);
	put_be16(blob + 4, VERSION);
	for (unsigned i = 0; i < changer->count; i++) {
		const struct element *e = &changer->elements[i];

		if (!e->full)
			continue;
		put_entry(at, e->address, &e->cartridge);
		at += CHANGER_ENTRY;
	}
	for (unsigned i = 0; i < changer->nr_known && at < blob + CHANGER_BLOB_MAX; i++) {
		put_entry(at, changer->known[i].address, &changer->known[i].cartridge);
		at += CHANGER_ENTRY;
	}
	put_be32(blob + 8, (uint32_t)((size_t)(at - blob - HEADER) / CHANGER_ENTRY));
	return (size_t)(at - blob);
}

static bool take_entry(const uint8_t *at, struct placement *p)
{
	uint16_t flags = get_be16(at + 4);

	*p = (struct placement){.address = get_be16(at)};
	p->cartridge.source = get_be16(at + 2);
	p->cartridge.has_source = flags & HAS_SOURCE;
	p->cartridge.imported = flags & IMPORTED;
	memcpy(p->cartridge.barcode, at + 8, TEXT);
	memcpy(p->cartridge.tag, at + 8 + TEXT, TEXT);
	return changer_good_barcode(p->cartridge.barcode);
}

bool changer_decode(const uint8_t *blob, size_t len, struct changer *changer)
{
	struct placement *known;
	uint32_t count;

	if (len < HEADER || get_be32(blob) != MAGIC || get_be16(blob + 4) != VERSION)
		return false;
	count = get_be32(blob + 8);
	if (count > CHANGER_ELEMENTS_MAX || len - HEADER != (size_t)count * CHANGER_ENTRY)
		return false;
	known = calloc(count + 1, sizeof(*known));
	if (!known)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!take_entry(blob + HEADER + (size_t)i * CHANGER_ENTRY, &known[i])) {
			free(known);
			return false;
		}
	}
	free(changer->known);
	changer->known = known;
	changer->nr_known = count;
	return true;
}

/* ---- kept ---- */

static void set_key(const struct lu *lu, char *key, size_t size)
{
	snprintf(key, size, "changer.%s.%u", lu->target->name, lu->lun);
}

static void came_back(struct message *message)
{
	struct changer_saving *s = container_of(message, struct changer_saving, message);

	if (s->error)
		log_err("%s: where its cartridges are can't be kept: %s", lu_name(s->lu),
			strerror(-s->error));
	free(s->blob);
	s->done(s);
}

static void on_worker(struct work *work)
{
	struct changer_saving *s = container_of(work, struct changer_saving, work);
	struct changer *changer = s->lu->changer;

	pthread_mutex_lock(&changer->keeping);
	if (!changer->forgotten)
		s->error = state_put(s->key, s->blob, s->len);
	pthread_mutex_unlock(&changer->keeping);
	reactor_send(s->reactor, &s->message);
}

void changer_save(struct lu *lu, struct changer_saving *saving)
{
	saving->error = 0;
	if (!state_available()) {
		saving->done(saving);
		return;
	}
	saving->blob = malloc(CHANGER_BLOB_MAX);
	if (!saving->blob) {
		saving->error = -ENOMEM;
		saving->done(saving);
		return;
	}
	saving->len = changer_encode(saving->blob, lu->changer);
	saving->lu = lu;
	saving->reactor = reactor_self();
	saving->work.fn = on_worker;
	saving->message.fn = came_back;
	set_key(lu, saving->key, sizeof(saving->key));
	workers_submit(workers_control_gate(), &saving->work);
}

struct forgetting {
	struct lu *lu;
	struct reactor *reactor;
	struct work work;
	struct message message;
	char key[STATE_KEY_MAX];
	int error;
	void (*done)(void *arg);
	void *arg;
};

static void forgotten(struct message *message)
{
	struct forgetting *f = container_of(message, struct forgetting, message);

	if (f->error)
		log_err("%s: where its cartridges were can't be forgotten: %s", lu_name(f->lu),
			strerror(-f->error));
	f->done(f->arg);
	lu_unref(f->lu);
	free(f);
}

static void forget_on_worker(struct work *work)
{
	struct forgetting *f = container_of(work, struct forgetting, work);
	struct changer *changer = f->lu->changer;

	pthread_mutex_lock(&changer->keeping);
	changer->forgotten = true;
	f->error = state_available() ? state_remove(f->key) : 0;
	pthread_mutex_unlock(&changer->keeping);
	reactor_send(f->reactor, &f->message);
}

void changer_forget_places(struct lu *lu, void (*done)(void *arg), void *arg)
{
	struct forgetting *f = calloc(1, sizeof(*f));

	if (!f)
		abort(); /* the next unit would inherit them */
	*f = (struct forgetting){.lu = lu,
				 .reactor = reactor_self(),
				 .work.fn = forget_on_worker,
				 .message.fn = forgotten,
				 .done = done,
				 .arg = arg};
	set_key(lu, f->key, sizeof(f->key));
	lu_ref(lu);
	workers_submit(workers_control_gate(), &f->work);
}

static void load(struct lu *lu)
{
	CLEANUP_FREE uint8_t *blob = malloc(CHANGER_BLOB_MAX);
	size_t len = CHANGER_BLOB_MAX;
	char key[STATE_KEY_MAX];
	int rc;

	set_key(lu, key, sizeof(key));
	if (!blob || !state_available())
		return;
	rc = state_get(key, blob, &len);
	if (!rc && changer_decode(blob, len, lu->changer))
		return;
	if (rc != -ENOENT)
		log_warning("%s: where its cartridges were can't be read%s%s", lu_name(lu),
			    rc ? ": " : ", it is damaged", rc ? strerror(-rc) : "");
}

int changer_create(struct lu *lu)
{
	lu->changer = calloc(1, sizeof(*lu->changer));
	if (!lu->changer)
		return -ENOMEM;
	pthread_mutex_init(&lu->changer->keeping, NULL);
	load(lu);
	return 0;
}
