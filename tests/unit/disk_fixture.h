/* SPDX-License-Identifier: MIT */
/*
 * A disk for tests: the real SCSI core on one reactor, over a store in memory that keeps a log of
 * what it was asked and refuses what its geometry forbids.  The reactor runs on a thread of its
 * own; the test's thread hands it commands and waits for them.
 */
#ifndef TGT_TEST_DISK_FIXTURE_H
#define TGT_TEST_DISK_FIXTURE_H

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reactor/bufpool.h"
#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "scsi/commands.h"
#include "scsi/target.h"
#include "util/bytes.h"

#define MEM_LOG 512
#define MEM_UNIT 4096u /* of allocation */
#define CAPS_PLAIN (TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH)

struct mem_entry {
	uint32_t op, flags;
	uint64_t offset, length;
};

struct mem_config {
	uint64_t size;
	uint32_t block_size, alignment, caps, geo_flags, compare_and_write_unit;
	bool thin, removable;
};

struct disk {
	struct mem_config config;
	uint8_t *data;
	bool *mapped; /* by MEM_UNIT */
	struct mem_entry log[MEM_LOG];
	unsigned nr_log;
	uint32_t fail_op, fail_status; /* the next request with this op ends so, at fail_info */
	uint64_t fail_info;
	uint32_t hold_op; /* the next request with this op waits for disk_release() */
	struct tgt_bs_request *held;
	sem_t is_held; /* posted when it does */
	struct store_module module;
	const char *path; /* of another store than the one here */
	const char *bsopts;
	uint32_t open_flags;
	struct store_module *other;
	struct lu *lu;
	/* the last command */
	struct scsi_task task;
	uint8_t sense_key;
	uint16_t asc;
	uint8_t in[1 << 20];
	uint32_t in_len;
	const void *out;
	sem_t done;
	struct message message;
	void (*call)(struct disk *d);
};

static struct {
	pthread_t thread;
	struct target *target;
	struct nexus nexus;
	struct nexus *from; /* whose the next commands are; NULL: nexus's */
	uint32_t next_lun;
	sem_t ready;
	struct disk *opening;
} fixture;

/* ---- the store ---- */

static int mem_open(const struct tgt_bs_open_args *args, void **store, char *error, size_t size)
{
	(void)args;
	(void)error;
	(void)size;
	*store = fixture.opening;
	return 0;
}

static void mem_close(void *store)
{
	(void)store;
}

static int mem_geometry(void *store, struct tgt_bs_geometry *g)
{
	const struct disk *d = store;

	g->flags = d->config.geo_flags;
	g->size = d->config.size;
	g->io_alignment = d->config.alignment;
	g->compare_and_write_unit = d->config.compare_and_write_unit;
	return 0;
}

static void mem_map(struct disk *d, uint64_t offset, uint64_t length, bool mapped)
{
	for (uint64_t u = offset / MEM_UNIT; length && u <= (offset + length - 1) / MEM_UNIT; u++)
		if (mapped || (u * MEM_UNIT >= offset && (u + 1) * MEM_UNIT <= offset + length))
			d->mapped[u] = mapped;
}

static uint64_t iov_bytes(const struct tgt_bs_request *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->iovcnt; i++)
		sum += r->iov[i].iov_len;
	return sum;
}

static void mem_copy(struct disk *d, const struct tgt_bs_request *r, bool in)
{
	uint64_t at = r->offset;

	for (uint32_t i = 0; i < r->iovcnt; at += r->iov[i++].iov_len) {
		if (in)
			memcpy(d->data + at, r->iov[i].iov_base, r->iov[i].iov_len);
		else
			memcpy(r->iov[i].iov_base, d->data + at, r->iov[i].iov_len);
	}
}

static void mem_status(const struct disk *d, struct tgt_bs_request *r)
{
	uint64_t at = r->offset, end = r->offset + r->length;

	while (at < end && r->nr_extents < r->max_extents) {
		struct tgt_bs_extent *e = &r->extents[r->nr_extents];
		bool mapped = d->mapped[at / MEM_UNIT];
		uint64_t stop = at;

		while (stop < end && d->mapped[stop / MEM_UNIT] == mapped)
			stop = (stop / MEM_UNIT + 1) * MEM_UNIT;
		stop = stop < end ? stop : end;
		*e = (struct tgt_bs_extent){at, stop - at, mapped ? TGT_BS_EXTENT_MAPPED : 0, 0};
		r->nr_extents++;
		at = stop;
	}
}

static uint32_t mem_capability(uint32_t op)
{
	switch (op) {
	case TGT_BS_READ:
		return 0;
	case TGT_BS_FLUSH:
		return TGT_BS_CAN_FLUSH;
	case TGT_BS_DISCARD:
		return TGT_BS_CAN_DISCARD;
	case TGT_BS_WRITE_ZEROES:
		return TGT_BS_CAN_WRITE_ZEROES;
	case TGT_BS_BLOCK_STATUS:
		return TGT_BS_CAN_BLOCK_STATUS;
	case TGT_BS_COMPARE_AND_WRITE:
		return TGT_BS_CAN_COMPARE_AND_WRITE;
	case TGT_BS_WRITE_SAME:
		return TGT_BS_CAN_WRITE_SAME;
	default:
		return TGT_BS_CAN_WRITE;
	}
}

/* What the contract promises to a store; a breach shows as TGT_BS_ERR_INVALID. */
static bool mem_is_valid(const struct disk *d, const struct tgt_bs_request *r)
{
	uint64_t want = r->op == TGT_BS_READ || r->op == TGT_BS_WRITE ? r->length
			: r->op == TGT_BS_COMPARE_AND_WRITE           ? 2 * r->length
								      : 0;

	if ((d->config.caps & mem_capability(r->op)) != mem_capability(r->op))
		return false;
	if (r->flags & TGT_BS_REQ_FUA && !(d->config.caps & TGT_BS_CAN_FUA))
		return false;
	if (r->offset > d->config.size || r->length > d->config.size - r->offset)
		return false;
	if (r->op != TGT_BS_BLOCK_STATUS && (r->offset | r->length) % d->config.alignment)
		return false;
	return r->op == TGT_BS_WRITE_SAME || iov_bytes(r) == want;
}

static void mem_perform(struct disk *d, struct tgt_bs_request *r)
{
	switch (r->op) {
	case TGT_BS_READ:
		mem_copy(d, r, false);
		break;
	case TGT_BS_WRITE:
		mem_copy(d, r, true);
		mem_map(d, r->offset, r->length, true);
		break;
	case TGT_BS_DISCARD:
		memset(d->data + r->offset, 0, r->length);
		mem_map(d, r->offset, r->length, false);
		break;
	case TGT_BS_WRITE_ZEROES:
		memset(d->data + r->offset, 0, r->length);
		mem_map(d, r->offset, r->length, !(r->flags & TGT_BS_REQ_UNMAP));
		break;
	case TGT_BS_BLOCK_STATUS:
		mem_status(d, r);
		break;
	case TGT_BS_WRITE_SAME:
		for (uint64_t at = 0; at < r->length; at += r->iov[0].iov_len)
			memcpy(d->data + r->offset + at, r->iov[0].iov_base, r->iov[0].iov_len);
		mem_map(d, r->offset, r->length, true);
		break;
	default:
		break;
	}
}

static int mem_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	struct disk *d = store;

	(void)channel;
	if (d->nr_log < MEM_LOG)
		d->log[d->nr_log++] = (struct mem_entry){r->op, r->flags, r->offset, r->length};
	if (d->hold_op == r->op) {
		d->hold_op = 0;
		d->held = r;
		sem_post(&d->is_held);
		return 0;
	}
	if (d->fail_op == r->op) {
		d->fail_op = 0;
		r->status = d->fail_status;
		r->info = d->fail_info;
	} else if (!mem_is_valid(d, r)) {
		r->status = TGT_BS_ERR_INVALID;
	} else {
		mem_perform(d, r);
	}
	store_host_table()->complete(r);
	return 0;
}

/* ---- the reactor's thread ---- */

static void *fixture_thread(void *arg)
{
	static const uint8_t transport_id[4] = {0x05};

	(void)arg;
	if (reactors_start(1, 64 << 20) || workers_start(4))
		abort();
	opcode_init();
	fixture.target = target_create(1, "iqn.2026-01.test:disk");
	nexus_open(&fixture.nexus, fixture.target, transport_id, sizeof(transport_id));
	sem_post(&fixture.ready);
	reactor_run(reactor_get(0));
	sem_wait(&fixture.ready); /* whoever sent the last message is through with the reactor */
	target_free(fixture.target);
	workers_stop(1000);
	assert_int_equal(reactors_stop(10000), 0);
	return NULL;
}

static int fixture_start(void **state)
{
	(void)state;
	fixture.next_lun = 1;
	sem_init(&fixture.ready, 0, 0);
	if (pthread_create(&fixture.thread, NULL, fixture_thread, NULL))
		return -1;
	sem_wait(&fixture.ready);
	return 0;
}

static void run_call(struct message *message)
{
	struct disk *d = container_of(message, struct disk, message);

	d->call(d);
}

/* Runs call(d) on the reactor and waits until something posts d->done. */
static void on_reactor(struct disk *d, void (*call)(struct disk *d))
{
	d->call = call;
	d->message.fn = run_call;
	reactor_send(reactor_get(0), &d->message);
	sem_wait(&d->done);
}

static void post(void *arg)
{
	sem_post(&((struct disk *)arg)->done);
}

static void lu_made(void *arg, struct lu *lu, const char *error)
{
	struct disk *d = arg;

	(void)error;
	d->lu = lu;
	if (!lu) {
		post(d);
		return;
	}
	if (!d->other) {
		lu->thin = d->config.thin;
		lu->removable = d->config.removable;
	}
	target_publish_lu(fixture.target, lu, post, d);
}

static void make_lu(struct disk *d)
{
	struct lu_config config = {
	    .target = fixture.target,
	    .lun = fixture.next_lun++,
	    .module = d->other ? d->other : &d->module,
	    .path = d->path,
	    .bsopts = d->bsopts,
	    .open_flags = d->open_flags,
	    .block_size = d->config.block_size,
	};

	fixture.opening = d;
	lu_create(&config, lu_made, d);
}

/* ---- commands ---- */

static void fill_data_out(struct scsi_task *t)
{
	struct disk *d = container_of(t, struct disk, task);

	databuf_write(&t->data, 0, d->out, t->data.length);
	scsi_task_data_in(t);
}

static void command_done(struct scsi_task *t)
{
	struct disk *d = container_of(t, struct disk, task);

	d->in_len = 0;
	if (t->row && t->row->direction == DATA_IN)
		d->in_len = (uint32_t)databuf_read(&t->data, 0, d->in, sizeof(d->in));
	d->sense_key = t->sense_len ? t->sense[0] & 1 ? t->sense[1] & 0x0f : t->sense[2] & 0x0f : 0;
	d->asc = 0;
	if (t->sense_len)
		d->asc = t->sense[0] & 2 ? get_be16(t->sense + 2) : get_be16(t->sense + 12);
	scsi_task_release(t);
	post(d);
}

static const struct task_ops command_ops = {.want_data = fill_data_out, .done = command_done};

static void submit_command(struct disk *d)
{
	scsi_task_submit(&d->task);
}

/* Runs one command to its end and returns its status; out_len and in_len are what the initiator
 * expects. */
static uint8_t command(struct disk *d, const uint8_t *cdb, size_t len, const void *out,
		       uint32_t out_len, uint32_t in_len)
{
	struct scsi_task *t = &d->task;
	void *module_data = t->module_data;

	memset(t, 0, sizeof(*t));
	t->module_data = module_data;
	t->nexus = fixture.from ? fixture.from : &fixture.nexus;
	t->ops = &command_ops;
	t->attribute = ATTR_SIMPLE;
	memcpy(t->cdb, cdb, len);
	t->cdb_len = 16;
	t->expected_in = in_len;
	t->expected_out = out_len;
	lun_encode(d->lu->lun, t->lun);
	d->out = out;
	on_reactor(d, submit_command);
	return t->status;
}

#define COMMAND(d, out, out_len, in_len, ...)                                                      \
	command(d, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), out,    \
		out_len, in_len)

#define B2(v) (uint8_t)((v) >> 8), (uint8_t)(v)
#define B4(v) B2((uint32_t)(v) >> 16), B2((uint32_t)(v))
#define B8(v) B4((uint64_t)(v) >> 32), B4((uint64_t)(v))

#define assert_sense(d, key, code)                                                                 \
	do {                                                                                       \
		assert_int_equal((d)->task.status, STATUS_CHECK_CONDITION);                        \
		assert_int_equal((d)->sense_key, key);                                             \
		assert_int_equal((d)->asc, code);                                                  \
	} while (0)
#define assert_good(d, status_) assert_int_equal(status_, STATUS_GOOD)

/* A field pointer (SPC-5 4.4.2.4.2), in fixed format sense data: the byte of the CDB. */
static inline unsigned field_pointer(const struct disk *d)
{
	return get_be16(d->task.sense + 16);
}

/* The INFORMATION field of fixed format sense data; all ones when it isn't valid. */
static inline uint32_t information(const struct disk *d)
{
	return d->task.sense[0] & 0x80 ? get_be32(d->task.sense + 3) : UINT32_MAX;
}

static inline unsigned count_log(const struct disk *d, uint32_t op)
{
	unsigned count = 0;

	for (unsigned i = 0; i < d->nr_log; i++)
		count += d->log[i].op == op;
	return count;
}

static inline struct disk *disk_open(const struct mem_config *config)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->config = *config;
	if (!d->config.alignment)
		d->config.alignment = 1;
	d->data = calloc(1, config->size);
	d->mapped = calloc(config->size / MEM_UNIT + 1, 1);
	d->task.module_data = calloc(1, 64);
	assert_true(d->data && d->mapped && d->task.module_data);
	sem_init(&d->done, 0, 0);
	sem_init(&d->is_held, 0, 0);
	d->module.descriptor = (struct tgt_bs_module){
	    .struct_size = sizeof(struct tgt_bs_module),
	    .name = "mem",
	    .version = "0",
	    .kind = TGT_BS_BLOCK,
	    .capabilities = config->caps,
	    .thread_model = TGT_BS_REACTOR,
	    .request_size = 64,
	    .open = mem_open,
	    .close = mem_close,
	    .geometry = mem_geometry,
	    .submit = mem_submit,
	};
	d->module.file = (char *)(uintptr_t) "mem";
	on_reactor(d, make_lu);
	assert_non_null(d->lu);
	COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0); /* takes the unit attention */
	return d;
}

/* A logical unit on a module that was loaded. */
static inline struct disk *module_open_with(struct store_module *module, const char *path,
					    const char *bsopts, uint32_t open_flags)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->other = module;
	d->path = path;
	d->bsopts = bsopts;
	d->open_flags = open_flags;
	d->task.module_data = calloc(1, store_max_request_size() + 16);
	sem_init(&d->done, 0, 0);
	sem_init(&d->is_held, 0, 0);
	on_reactor(d, make_lu);
	assert_non_null(d->lu);
	COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	return d;
}

static inline struct disk *module_open(struct store_module *module, const char *path)
{
	return module_open_with(module, path, NULL, 0);
}

static void destroy_lu(void *arg)
{
	struct disk *d = arg;

	lu_destroy(d->lu, post, d);
}

static void remove_lu(struct disk *d)
{
	target_unpublish_lu(fixture.target, d->lu, destroy_lu, d);
}

static void disk_close(struct disk *d)
{
	on_reactor(d, remove_lu);
	sem_destroy(&d->done);
	sem_destroy(&d->is_held);
	free(d->task.module_data);
	free(d->mapped);
	free(d->data);
	free(d);
}

static void release_held(struct disk *d)
{
	struct tgt_bs_request *r = d->held;

	d->held = NULL;
	mem_perform(d, r);
	store_host_table()->complete(r);
	post(d);
}

/* Waits until a request waits that hold_op is about. */
static inline void disk_wait_held(struct disk *d)
{
	sem_wait(&d->is_held);
	assert_non_null(d->held);
}

/* Lets it go on. */
static inline void disk_release(struct disk *d)
{
	on_reactor(d, release_held);
}

static void controller_gone(void *arg)
{
	(void)arg;
	reactor_quit(reactor_get(0));
}

static void nexus_gone(struct nexus *nexus)
{
	(void)nexus;
	lu_destroy(target_lu(fixture.target, 0), controller_gone, NULL);
}

static void end_fixture(struct message *message)
{
	(void)message;
	nexus_close(&fixture.nexus, nexus_gone);
}

static int fixture_end(void **state)
{
	static struct message message = {.fn = end_fixture};

	(void)state;
	reactor_send(reactor_get(0), &message);
	sem_post(&fixture.ready);
	pthread_join(fixture.thread, NULL);
	sem_destroy(&fixture.ready);
	return 0;
}

#endif
