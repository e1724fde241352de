/* SPDX-License-Identifier: MIT */
/*
 * What the core asks and tells the device for itself, not for an initiator: what it is, how long
 * its blocks are, resets.  A unit attention that such a command takes away from the initiators is
 * established for all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/passthrough.h"
#include "scsi/ua.h"
#include "util/bytes.h"
#include "util/log.h"

#define TIMEOUT_MS 30000u
#define SLOW_MS (20 * 60 * 1000u)
#define NORMAL_MS (60 * 1000u)
#define LONG_MS (48 * 3600 * 1000u)
#define ATTENTIONS_MAX 8 /* that one device may have pending */

/* One errand: commands one after the other.  It keeps the store open. */
struct errand {
	struct store_request request;
	struct lu *lu;
	struct databuf data; /* of bytes */
	struct iovec iov;
	uint8_t cdb[SCSI_MAX_CDB];
	uint8_t bytes[PT_INQUIRY_MAX];
	uint8_t sense[SENSE_MAX];
	unsigned attentions;
	bool drop_resets; /* unit attentions of resets are known of */
	void (*answered)(struct errand *e);
	/* for who asked */
	void (*done)(void *arg);
	void (*failed)(void *arg, const char *error);
	void (*was_reset)(void *arg, bool good);
	void *arg;
	_Alignas(16) unsigned char module_data[];
};

static struct errand *errand_new(struct lu *lu)
{
	struct errand *e = calloc(1, sizeof(*e) + store_max_request_size());

	if (!e)
		abort(); /* neither that it was done nor that it failed could be told */
	e->lu = lu;
	lu_ref(lu);
	lu_store_get(lu);
	return e;
}

static void errand_end(struct errand *e)
{
	lu_store_put(e->lu);
	lu_unref(e->lu);
	free(e);
}

static void returned(struct store_request *request);

static void send(struct errand *e, uint32_t len)
{
	struct tgt_bs_request *bs = &e->request.bs;

	store_request_init(&e->request, TGT_BS_CDB, e->module_data, returned);
	e->iov = (struct iovec){e->bytes, len};
	bs->iov = &e->iov;
	bs->iovcnt = len ? 1 : 0;
	bs->length = len;
	bs->flags = len ? TGT_BS_REQ_DATA_IN : 0;
	bs->cdb = e->cdb;
	bs->cdb_len = e->cdb[0] < 0x20 ? 6 : e->cdb[0] < 0x60 ? 10 : 16;
	bs->timeout_ms = TIMEOUT_MS;
	bs->sense = e->sense;
	bs->sense_size = sizeof(e->sense);
	store_submit(e->lu->store, &e->request);
}

static bool good(const struct errand *e)
{
	return e->request.bs.status == TGT_BS_OK;
}

/* True: there was a unit attention, and the command has to go again. */
static bool took_attention(struct errand *e)
{
	const struct tgt_bs_request *bs = &e->request.bs;
	uint16_t asc;
	uint8_t key;

	if (bs->status != TGT_BS_ERR_SCSI ||
	    !passthrough_parse_sense(e->sense, bs->sense_len, &key, &asc) ||
	    key != KEY_UNIT_ATTENTION)
		return false;
	if (!e->drop_resets || asc >> 8 != ASC_POWER_ON_RESET >> 8)
		passthrough_tell(e->lu, asc, 0);
	return e->attentions++ < ATTENTIONS_MAX;
}

static void returned(struct store_request *request)
{
	struct errand *e = container_of(request, struct errand, request);

	if (took_attention(e))
		send(e, (uint32_t)request->bs.length);
	else
		e->answered(e);
}

static void start(struct errand *e, const uint8_t *cdb, size_t cdb_len, uint32_t len,
		  void (*answered)(struct errand *e))
{
	memset(e->cdb, 0, sizeof(e->cdb));
	memcpy(e->cdb, cdb, cdb_len);
	e->answered = answered;
	send(e, len);
}

/* ---- what it is ---- */

static void limits_known(struct errand *e)
{
	void (*done)(void *arg) = e->done;
	void *arg = e->arg;

	errand_end(e);
	if (done)
		done(arg);
}

static void set_block_length(struct errand *e, uint32_t length)
{
	atomic_store_explicit(&e->lu->passthrough->block_length, good(e) ? length : 0,
			      memory_order_relaxed);
	limits_known(e);
}

static void capacity10_answered(struct errand *e)
{
	set_block_length(e, get_be32(e->bytes + 4));
}

static void ask_capacity10(struct errand *e)
{
	static const uint8_t cdb[10] = {0x25};

	start(e, cdb, sizeof(cdb), 8, capacity10_answered);
}

static void capacity16_answered(struct errand *e)
{
	if (good(e))
		set_block_length(e, get_be32(e->bytes + 8));
	else
		ask_capacity10(e);
}

/* The limits of the store, and the block length of what has blocks. */
static void ask_limits(struct errand *e)
{
	static const uint8_t cdb[16] = {[0] = 0x9e, [1] = 0x10, [13] = 32};
	struct passthrough *pt = e->lu->passthrough;
	uint64_t max = store_geometry(e->lu->store).max_transfer;

	atomic_store_explicit(&pt->max_transfer, max < UINT32_MAX ? (uint32_t)max : 0,
			      memory_order_relaxed);
	if (pt->device_type == 0x00 || pt->device_type == 0x14)
		start(e, cdb, sizeof(cdb), 32, capacity16_answered);
	else if (passthrough_group(pt->device_type) == PT_DISK || pt->device_type == 0x05)
		ask_capacity10(e);
	else
		limits_known(e);
}

/* Blocks may change their places in the queue; all else has a position, a medium in a gripper, or
 * a track that is being written. */
static bool may_reorder(uint8_t device_type)
{
	return passthrough_group(device_type) == PT_DISK && device_type != 0x14;
}

static void inquiry_answered(struct errand *e)
{
	struct lu *lu = e->lu;
	struct passthrough *pt = lu->passthrough;

	if (!good(e) || e->request.bs.actual < 36) {
		e->failed(e->arg, "the device does not answer INQUIRY");
		errand_end(e);
		return;
	}
	pt->inquiry_len = (uint8_t)e->request.bs.actual;
	memcpy(pt->inquiry, e->bytes, pt->inquiry_len);
	pt->device_type = e->bytes[0] & 0x1f;
	lu->commands = passthrough_set(pt->device_type, pt->device_keeps_reservations);
	lu->in_order = !may_reorder(pt->device_type);
	lu->removable = e->bytes[1] & 0x80;
	ask_limits(e);
}

/* ---- the making of it ---- */

static bool init(struct lu *lu)
{
	struct passthrough *pt = calloc(1, sizeof(*pt));
	struct tgt_bs_geometry g = store_geometry(lu->store);

	if (!pt)
		return false;
	lu->passthrough = pt;
	pt->device_keeps_reservations = g.flags & TGT_BS_GEO_RESERVATIONS;
	pt->timeout_ms[PT_NORMAL] = g.timeout_ms ? g.timeout_ms : NORMAL_MS;
	pt->timeout_ms[PT_SLOW] =
	    pt->timeout_ms[PT_NORMAL] > SLOW_MS ? pt->timeout_ms[PT_NORMAL] : SLOW_MS;
	pt->timeout_ms[PT_LONG] = g.long_timeout_ms ? g.long_timeout_ms : LONG_MS;
	return true;
}

struct creation {
	void (*done)(void *arg, const char *error);
	void *arg;
};

static void create_failed(void *arg, const char *error)
{
	struct creation *c = arg;

	c->done(c->arg, error);
	free(c);
}

static void created(void *arg)
{
	create_failed(arg, NULL);
}

void passthrough_create(struct lu *lu, void (*done)(void *arg, const char *error), void *arg)
{
	static const uint8_t cdb[6] = {0x12, 0, 0, 0, PT_INQUIRY_MAX, 0};
	struct creation *c = calloc(1, sizeof(*c));
	struct errand *e;

	if (!c || !init(lu)) {
		free(c);
		done(arg, "out of memory");
		return;
	}
	*c = (struct creation){done, arg};
	e = errand_new(lu);
	e->done = created;
	e->failed = create_failed;
	e->arg = c;
	start(e, cdb, sizeof(cdb), PT_INQUIRY_MAX, inquiry_answered);
}

void passthrough_free(struct lu *lu)
{
	free(lu->passthrough);
}

/* ---- later ---- */

void passthrough_look_again(struct lu *lu)
{
	ask_limits(errand_new(lu));
}

static void soaked(struct errand *e)
{
	ask_limits(e);
}

void passthrough_welcome(struct lu *lu, void (*done)(void *arg), void *arg)
{
	static const uint8_t cdb[6] = {0x00};
	struct errand *e = errand_new(lu);

	store_refresh_geometry(lu->store);
	e->drop_resets = true;
	e->done = done;
	e->arg = arg;
	start(e, cdb, sizeof(cdb), 0, soaked);
}

void passthrough_allow_removal(struct lu *lu)
{
	static const uint8_t cdb[6] = {0x1e};

	start(errand_new(lu), cdb, sizeof(cdb), 0, limits_known);
}

/* ---- resets ---- */

static void reset_soaked(struct errand *e)
{
	e->was_reset(e->arg, true);
	errand_end(e);
}

/* What the device says of the reset, the core says itself, to all. */
static void reset_returned(struct store_request *request)
{
	static const uint8_t cdb[6] = {0x00};
	struct errand *e = container_of(request, struct errand, request);

	if (good(e)) {
		start(e, cdb, sizeof(cdb), 0, reset_soaked);
		return;
	}
	log_err("%s: the device could not be reset (status %u)", lu_name(e->lu),
		request->bs.status);
	e->was_reset(e->arg, false);
	errand_end(e);
}

void passthrough_reset(struct lu *lu, void (*done)(void *arg, bool good), void *arg)
{
	struct errand *e = errand_new(lu);

	e->drop_resets = true;
	e->was_reset = done;
	e->arg = arg;
	store_request_init(&e->request, TGT_BS_RESET, e->module_data, reset_returned);
	store_submit(lu->store, &e->request);
}
