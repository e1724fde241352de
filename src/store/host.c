/* SPDX-License-Identifier: MIT */
/* What a module may call, and how its stores are opened, used and closed. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reactor/bufpool.h"
#include "store/store.h"
#include "util/cleanup.h"
#include "util/log.h"

#define WORKERS_PER_STORE 8
#define ERROR_SIZE 256

/* Request states.  A completion from within submit() is delivered when that has returned, so that a
 * second one can't reach memory that serves another request by then. */
#define STATE_SUBMITTING 1u
#define STATE_COMPLETED 2u

/* A store on one reactor. */
struct store_channel {
	struct store *store;
	void *channel;
	bool open;
	int error;
	struct deferred turn_end;
	struct deferred handing_over;
	struct list to_workers; /* work of requests, until the end of the turn */
};

struct store {
	struct store_module *module;
	void *handle;
	bool empty; /* there is no handle */
	char *path;
	uint32_t open_flags, block_size;
	uint64_t size;
	struct tgt_bs_value *values;
	const struct store_events *events;
	void *owner;
	uint64_t serial;
	struct work_gate gate;
	pthread_mutex_t lock; /* geometry */
	struct tgt_bs_geometry geometry;
	uint32_t capabilities;
	char error[ERROR_SIZE];
	/* opening and closing */
	struct reactor *origin;
	struct work work;
	struct message message;
	void (*opened)(void *owner, struct store *store, const char *error);
	void (*closed)(void *arg);
	void *closed_arg;
	struct store_channel channels[];
};

static _Atomic uint64_t serials;

static const char *describe(const struct store *store)
{
	return store->events && store->events->describe ? store->events->describe(store->owner)
							: "store";
}

const struct store_module *store_module(const struct store *store)
{
	return store->module;
}

uint64_t store_serial(const struct store *store)
{
	return store->serial;
}

bool store_is_empty(const struct store *store)
{
	return store->empty;
}

uint32_t store_capabilities(const struct store *store)
{
	return store->capabilities;
}

struct tgt_bs_geometry store_geometry(const struct store *store)
{
	struct store *s = (struct store *)(uintptr_t)store;
	struct tgt_bs_geometry geometry;

	pthread_mutex_lock(&s->lock);
	geometry = s->geometry;
	pthread_mutex_unlock(&s->lock);
	return geometry;
}

int store_refresh_geometry(struct store *store)
{
	struct tgt_bs_geometry geometry = {.struct_size = sizeof(geometry)};
	const struct tgt_bs_module *m = &store->module->descriptor;
	int err = 0;

	if (store->empty)
		geometry.flags = TGT_BS_GEO_NO_MEDIUM;
	else if (m->geometry)
		err = m->geometry(store->handle, &geometry);
	if (err)
		return err;
	pthread_mutex_lock(&store->lock);
	store->geometry = geometry;
	pthread_mutex_unlock(&store->lock);
	return 0;
}

static uint32_t effective_capabilities(const struct store *store)
{
	uint32_t caps = store->module->descriptor.capabilities;

	if (store->geometry.flags & TGT_BS_GEO_READONLY || store->open_flags & TGT_BS_OPEN_READONLY)
		caps &= ~TGT_BS_CAN_WRITE;
	if (!(store->geometry.flags & TGT_BS_GEO_DISCARD))
		caps &= ~TGT_BS_CAN_DISCARD;
	if (store->empty)
		caps &= ~TGT_BS_CAN_FLUSH;
	return caps;
}

/* ---- space ---- */

bool store_tells_usage(const struct store *store)
{
	return store->module->descriptor.usage != NULL;
}

static void usage_returned(struct message *message)
{
	struct store_usage *asks = container_of(message, struct store_usage, message);

	asks->done(asks);
}

static void usage_on_worker(struct work *work)
{
	struct store_usage *asks = container_of(work, struct store_usage, work);

	asks->usage = (struct tgt_bs_usage){.struct_size = sizeof(asks->usage)};
	asks->error = asks->store->module->descriptor.usage(asks->store->handle, &asks->usage);
	reactor_send(asks->reactor, &asks->message);
}

void store_ask_usage(struct store *store, struct store_usage *asks)
{
	asks->store = store;
	asks->reactor = reactor_self();
	asks->work.fn = usage_on_worker;
	asks->message.fn = usage_returned;
	workers_submit(&store->gate, &asks->work);
}

/* ---- opening ---- */

static void store_free(struct store *store)
{
	if (store->values)
		store_free_values(store->module, store->values);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store);
}

static void open_failed(void *arg)
{
	struct store *store = arg;

	store->opened(store->owner, NULL, store->error);
	store_free(store);
}

static void run_turn_end(struct deferred *deferred)
{
	struct store_channel *c = container_of(deferred, struct store_channel, turn_end);

	c->store->module->descriptor.turn_end(c->store->handle, c->channel);
}

static void hand_over(struct deferred *deferred)
{
	struct store_channel *c = container_of(deferred, struct store_channel, handing_over);

	workers_submit_all(&c->store->gate, &c->to_workers);
}

static void open_channel(void *arg, struct reactor *reactor)
{
	struct store *store = arg;
	struct store_channel *c = &store->channels[reactor_id(reactor)];
	const struct tgt_bs_module *m = &store->module->descriptor;

	c->store = store;
	list_init(&c->turn_end.link);
	c->turn_end.fn = run_turn_end;
	list_init(&c->handing_over.link);
	c->handing_over.fn = hand_over;
	list_init(&c->to_workers);
	if (store->empty)
		return;
	if (m->thread_model == TGT_BS_REACTOR && m->channel_open)
		c->error =
		    m->channel_open(store->handle, (struct tgt_bs_reactor *)reactor, &c->channel);
	c->open = !c->error;
}

static void channels_opened(void *arg)
{
	struct store *store = arg;

	for (unsigned i = 0; i < reactors_count(); i++) {
		if (!store->channels[i].error)
			continue;
		snprintf(store->error, sizeof(store->error), "no channel on reactor %u: %s", i,
			 strerror(-store->channels[i].error));
		store_close(store, open_failed, store);
		return;
	}
	store->opened(store->owner, store, NULL);
}

static void open_returned(struct message *message)
{
	struct store *store = container_of(message, struct store, message);

	if (!store->handle && !store->empty)
		open_failed(store);
	else
		reactors_visit(open_channel, channels_opened, store);
}

static void open_on_worker(struct work *work)
{
	struct store *store = container_of(work, struct store, work);
	const struct tgt_bs_module *m = &store->module->descriptor;
	struct tgt_bs_open_args args = {
	    .struct_size = sizeof(args),
	    .flags = store->open_flags,
	    .lu = (struct tgt_bs_lu *)store,
	    .path = store->path,
	    .values = store->values,
	    .size = store->size,
	    .block_size = store->block_size,
	};
	int err = 0;

	if (store->error[0])
		err = -EINVAL;
	else if (!store->empty)
		err = m->open(&args, &store->handle, store->error, ERROR_SIZE);
	if (err) {
		if (!store->error[0])
			snprintf(store->error, ERROR_SIZE, "%s", strerror(-err));
		store->handle = NULL;
		store->empty = false;
	} else if ((err = store_refresh_geometry(store))) {
		snprintf(store->error, ERROR_SIZE, "no geometry: %s", strerror(-err));
		m->close(store->handle);
		store->handle = NULL;
	} else {
		store->capabilities = effective_capabilities(store);
	}
	store->message.fn = open_returned;
	reactor_send(store->origin, &store->message);
}

static void check_config(struct store *store, const struct store_config *config)
{
	const struct tgt_bs_module *m = &config->module->descriptor;

	if (!config->path && !config->empty && m->capabilities & TGT_BS_NEEDS_PATH)
		snprintf(store->error, ERROR_SIZE, "store %s needs a path", m->name);
	else if (config->open_flags & TGT_BS_OPEN_SYNC && !(m->capabilities & TGT_BS_FLAG_SYNC))
		snprintf(store->error, ERROR_SIZE, "store %s has no flag sync", m->name);
	else if (config->open_flags & TGT_BS_OPEN_DIRECT && !(m->capabilities & TGT_BS_FLAG_DIRECT))
		snprintf(store->error, ERROR_SIZE, "store %s has no flag direct", m->name);
	else
		store_parse_options(config->module, config->bsopts, &store->values, store->error,
				    ERROR_SIZE);
}

void store_open(const struct store_config *config, const struct store_events *events, void *owner,
		void (*done)(void *owner, struct store *store, const char *error))
{
	struct store *store =
	    calloc(1, sizeof(*store) + reactors_count() * sizeof(store->channels[0]));

	if (!store || (config->path && !(store->path = strdup(config->path)))) {
		free(store);
		done(owner, NULL, "out of memory");
		return;
	}
	store->module = config->module;
	store->open_flags = config->open_flags;
	store->block_size = config->block_size;
	store->size = config->size;
	store->empty = config->empty;
	store->events = events;
	store->owner = owner;
	store->serial = atomic_fetch_add(&serials, 1) + 1;
	store->opened = done;
	store->origin = reactor_self();
	pthread_mutex_init(&store->lock, NULL);
	work_gate_init(&store->gate, WORKERS_PER_STORE);
	check_config(store, config);
	store->work.fn = open_on_worker;
	workers_submit(workers_control_gate(), &store->work);
}

/* ---- closing ---- */

static void close_channel(void *arg, struct reactor *reactor)
{
	struct store *store = arg;
	struct store_channel *c = &store->channels[reactor_id(reactor)];
	const struct tgt_bs_module *m = &store->module->descriptor;

	if (!c->open)
		return;
	list_del(&c->turn_end.link);
	if (m->channel_close && m->thread_model == TGT_BS_REACTOR)
		m->channel_close(store->handle, c->channel);
	c->open = false;
}

static void close_returned(struct message *message)
{
	struct store *store = container_of(message, struct store, message);
	void (*closed)(void *arg) = store->closed;
	void *arg = store->closed_arg;

	if (closed != open_failed)
		store_free(store);
	if (closed)
		closed(arg);
}

static void close_on_worker(struct work *work)
{
	struct store *store = container_of(work, struct store, work);

	work_gate_drain(&store->gate);
	if (!store->empty)
		store->module->descriptor.close(store->handle);
	store->message.fn = close_returned;
	reactor_send(store->origin, &store->message);
}

static void channels_closed(void *arg)
{
	struct store *store = arg;

	store->work.fn = close_on_worker;
	workers_submit(workers_control_gate(), &store->work);
}

void store_close(struct store *store, void (*done)(void *arg), void *arg)
{
	store->closed = done;
	store->closed_arg = arg;
	store->origin = reactor_self();
	reactors_visit(close_channel, channels_closed, store);
}

/* ---- requests ---- */

static void deliver_deferred(struct deferred *deferred)
{
	struct store_request *r = container_of(deferred, struct store_request, deferred);

	r->done(r);
}

static void deliver_message(struct message *message)
{
	struct store_request *r = container_of(message, struct store_request, message);

	r->done(r);
}

static void deliver(struct store_request *r)
{
	if (reactor_self() == r->reactor)
		reactor_defer(r->reactor, DEFER_WORK, &r->deferred);
	else
		workers_send(r->reactor, &r->message);
}

/* Marks it as completed; what the state was.  While its reactor is in submit() nothing else writes
 * the state (but a module that completes twice), so that needs no locked instruction. */
static unsigned mark_completed(struct store_request *r)
{
	unsigned before = atomic_load_explicit(&r->state, memory_order_relaxed);

	if (before != STATE_SUBMITTING || reactor_self() != r->reactor ||
	    r->bs.flags & TGT_BS_REQ_MAY_BLOCK)
		return atomic_fetch_or_explicit(&r->state, STATE_COMPLETED, memory_order_acq_rel);
	atomic_store_explicit(&r->state, before | STATE_COMPLETED, memory_order_relaxed);
	return before;
}

static void host_complete(struct tgt_bs_request *request)
{
	struct store_request *r = container_of(request, struct store_request, bs);
	unsigned before = mark_completed(r);

	if (before & STATE_COMPLETED) {
		log_err("%s: module %s completed a request (op %u) twice", describe(r->store),
			r->store->module->descriptor.name, request->op);
		return;
	}
	if (!(before & STATE_SUBMITTING))
		deliver(r);
}

/* After submit(): what it returned decides who completes. */
static void submitted(struct store_request *r, int err)
{
	unsigned before;

	if (err) {
		r->bs.status = err == -EAGAIN ? TGT_BS_ERR_BUSY : TGT_BS_ERR_HARDWARE;
		r->bs.info = r->bs.offset;
		atomic_store_explicit(&r->state, STATE_COMPLETED, memory_order_relaxed);
		log_err("%s: module %s refused a request (op %u): %s", describe(r->store),
			r->store->module->descriptor.name, r->bs.op,
			strerror(err < 0 ? -err : EINVAL));
		deliver(r);
		return;
	}
	/* with both nobody else touches it any more */
	before = atomic_load_explicit(&r->state, memory_order_acquire);
	if (before & STATE_COMPLETED)
		atomic_store_explicit(&r->state, STATE_COMPLETED, memory_order_relaxed);
	else
		before =
		    atomic_fetch_and_explicit(&r->state, ~STATE_SUBMITTING, memory_order_acq_rel);
	if (before & STATE_COMPLETED)
		deliver(r);
}

static void submit_on_worker(struct work *work)
{
	struct store_request *r = container_of(work, struct store_request, work);

	submitted(r, r->store->module->descriptor.submit(r->store->handle, NULL, &r->bs));
}

void store_request_init(struct store_request *r, enum tgt_bs_op op, void *module_data,
			void (*done)(struct store_request *request))
{
	memset(&r->bs, 0, sizeof(r->bs));
	r->bs.struct_size = sizeof(r->bs);
	r->bs.op = (uint16_t)op;
	r->bs.module_data = module_data;
	r->done = done;
	list_init(&r->deferred.link);
	r->deferred.fn = deliver_deferred;
	r->message.fn = deliver_message;
}

/* The flag is set before the request is a worker's: store_cancel() reads it. */
static void to_worker(struct store_request *r)
{
	struct store_channel *c = &r->store->channels[reactor_id(r->reactor)];

	r->bs.flags |= TGT_BS_REQ_MAY_BLOCK;
	r->work.fn = submit_on_worker;
	/* into the page cache, if there is one: what they take tells */
	r->work.may_be_short = r->bs.op == TGT_BS_WRITE && !(r->bs.flags & TGT_BS_REQ_FUA);
	list_add_tail(&c->to_workers, &r->work.link);
	reactor_defer(r->reactor, DEFER_SUBMIT, &c->handing_over);
}

void store_submit(struct store *store, struct store_request *r)
{
	const struct tgt_bs_module *m = &store->module->descriptor;
	struct reactor *self = reactor_self();
	struct store_channel *c = &store->channels[reactor_id(self)];
	int err;

	r->store = store;
	r->reactor = self;
	r->bs.flags &= (uint16_t)~TGT_BS_REQ_MAY_BLOCK;
	atomic_store_explicit(&r->state, STATE_SUBMITTING, memory_order_relaxed);
	if (store->empty) {
		r->bs.status = TGT_BS_ERR_NO_MEDIUM;
		atomic_store_explicit(&r->state, STATE_COMPLETED, memory_order_relaxed);
		deliver(r);
		return;
	}
	if (m->thread_model == TGT_BS_WORKER) {
		to_worker(r);
		return;
	}
	err = m->submit(store->handle, c->channel, &r->bs);
	if (err == TGT_BS_WOULD_BLOCK) {
		to_worker(r);
		return;
	}
	if (!err && m->turn_end)
		reactor_defer(self, DEFER_SUBMIT, &c->turn_end);
	submitted(r, err);
}

void store_cancel(struct store_request *r)
{
	const struct tgt_bs_module *m = &r->store->module->descriptor;

	if (m->cancel && !r->store->empty && m->thread_model == TGT_BS_REACTOR &&
	    !(r->bs.flags & TGT_BS_REQ_MAY_BLOCK))
		m->cancel(r->store->handle, r->store->channels[reactor_id(r->reactor)].channel,
			  &r->bs);
}

/* ---- tapes ---- */

int store_tape_info(const struct store *store, struct tgt_bs_tape_info *info)
{
	const struct tgt_bs_module *m = &store->module->descriptor;
	const struct tgt_bs_geometry g = store_geometry(store);

	memset(info, 0, sizeof(*info));
	info->struct_size = sizeof(*info);
	if (store->empty)
		return -ENOMEDIUM;
	if (m->tape_info)
		return m->tape_info(store->handle, info);
	info->nr_partitions = info->max_partitions = 1;
	info->size[0] = info->full_size = g.size;
	return g.flags & TGT_BS_GEO_NO_MEDIUM ? -ENOMEDIUM : 0;
}

const struct tgt_bs_state_ops *store_state_ops(const struct store *store, void **handle)
{
	*handle = store->handle;
	return store->empty ? NULL : store->module->descriptor.state;
}

/* ---- the host table ---- */

__attribute__((format(printf, 3, 4))) static void host_log(struct tgt_bs_lu *lu, int level,
							   const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (lu)
		log_message(level, "%s: %s", describe((struct store *)lu), line);
	else
		log_message(level, "%s", line);
}

struct tgt_bs_watch {
	struct fd_watch watch;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

static void watch_ready(struct fd_watch *watch, uint32_t events)
{
	struct tgt_bs_watch *w = container_of(watch, struct tgt_bs_watch, watch);

	w->fn(w->arg, events);
}

static int host_fd_watch(struct tgt_bs_reactor *reactor, int fd, uint32_t events,
			 void (*fn)(void *arg, uint32_t events), void *arg,
			 struct tgt_bs_watch **watch)
{
	struct tgt_bs_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->watch.fd = fd;
	w->watch.fn = watch_ready;
	w->fn = fn;
	w->arg = arg;
	err = reactor_watch((struct reactor *)reactor, &w->watch, events);
	if (err) {
		free(w);
		return err;
	}
	*watch = w;
	return 0;
}

static void host_fd_unwatch(struct tgt_bs_watch *watch)
{
	if (!watch)
		return;
	reactor_unwatch(&watch->watch);
	free(watch);
}

struct tgt_bs_timer {
	struct timer timer;
	void (*fn)(void *arg);
	void *arg;
};

static void timer_fired(struct timer *timer)
{
	struct tgt_bs_timer *t = container_of(timer, struct tgt_bs_timer, timer);

	t->fn(t->arg);
}

static int host_timer_add(struct tgt_bs_reactor *reactor, uint32_t delay_ms, void (*fn)(void *arg),
			  void *arg, struct tgt_bs_timer **timer)
{
	struct tgt_bs_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->timer.fn = timer_fired;
	t->fn = fn;
	t->arg = arg;
	*timer = t;
	reactor_timer_arm((struct reactor *)reactor, &t->timer, delay_ms);
	return 0;
}

static void host_timer_del(struct tgt_bs_timer *timer)
{
	if (!timer)
		return;
	reactor_timer_cancel(&timer->timer);
	free(timer);
}

static void host_size_changed(struct tgt_bs_lu *lu, uint64_t size)
{
	struct store *store = (struct store *)lu;

	pthread_mutex_lock(&store->lock);
	store->geometry.size = size;
	pthread_mutex_unlock(&store->lock);
	if (store->events && store->events->size_changed)
		store->events->size_changed(store->owner, store->serial, size);
}

static void host_medium_changed(struct tgt_bs_lu *lu, int present)
{
	struct store *store = (struct store *)lu;

	if (store->events && store->events->medium_changed)
		store->events->medium_changed(store->owner, store->serial, present != 0);
}

static void host_online_changed(struct tgt_bs_lu *lu, int online)
{
	struct store *store = (struct store *)lu;

	if (store->events && store->events->online_changed)
		store->events->online_changed(store->owner, store->serial, online != 0);
}

static uint32_t host_lasting_memory(struct tgt_bs_reactor *reactor, uint32_t from,
				    struct iovec *regions, uint32_t max)
{
	const struct bufpool *pool = reactor_bufpool((struct reactor *)reactor);
	const uint32_t count = bufpool_slabs(pool);

	for (uint32_t i = 0; i < max && from < count; i++, from++)
		regions[i] = (struct iovec){bufpool_slab(pool, from), BUF_SLAB_BYTES};
	return count;
}

const struct tgt_bs_host *store_host_table(void)
{
	static const struct tgt_bs_host host = {
	    .struct_size = sizeof(host),
	    .abi_major = TGT_BS_ABI_MAJOR,
	    .abi_minor = TGT_BS_ABI_MINOR,
	    .complete = host_complete,
	    .log = host_log,
	    .fd_watch = host_fd_watch,
	    .fd_unwatch = host_fd_unwatch,
	    .timer_add = host_timer_add,
	    .timer_del = host_timer_del,
	    .size_changed = host_size_changed,
	    .medium_changed = host_medium_changed,
	    .online_changed = host_online_changed,
	    .lasting_memory = host_lasting_memory,
	};

	return &host;
}
