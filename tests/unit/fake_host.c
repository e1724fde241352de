/* SPDX-License-Identifier: MIT */
#include "fake_host.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "store/descriptor.h"
#include "util/cleanup.h"
#include "util/list.h"

#define MAX_WATCHES 64
#define MAX_IOV 128
#define LOG_SIZE 16384
#define CANARY 0xa5

struct tgt_bs_watch {
	struct list link;
	int fd;
	uint32_t events;
	void (*fn)(void *arg, uint32_t events);
	void *arg;
};

struct tgt_bs_timer {
	struct list link;
	uint64_t due_ms;
	bool fired;
	void (*fn)(void *arg);
	void *arg;
};

struct loaded {
	struct list link;
	void *handle;
	struct store_module module;
};

static struct {
	pthread_t thread; /* the reactor's */
	int wake;         /* eventfd: a completion from another thread */
	struct list watches, timers, modules;
	pthread_mutex_t lock; /* log */
	char log[LOG_SIZE];
	int timer_error, watch_error;
	const struct iovec *regions;
	unsigned int nr_regions;
} fake = {
    .wake = -1,
    .watches = LIST_INIT(fake.watches),
    .timers = LIST_INIT(fake.timers),
    .modules = LIST_INIT(fake.modules),
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

/* What "the reactor" is to a module: an address. */
static char reactor_tag;

/* The request whose first submit() is running. */
static struct fake_request *submitting;

static void __attribute__((noreturn, format(printf, 1, 2))) misuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "fake host: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

static void must(bool condition, const char *what)
{
	if (!condition)
		misuse("%s", what);
}

static bool on_reactor(void)
{
	return pthread_equal(pthread_self(), fake.thread);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the table ---- */

static void host_complete(struct tgt_bs_request *bs)
{
	struct fake_request *request = container_of(bs, struct fake_request, bs);
	const uint64_t one = 1;

	if (on_reactor() && submitting == request)
		request->inline_completion = true;
	atomic_fetch_add(&request->completions, 1);
	must(write(fake.wake, &one, sizeof(one)) == sizeof(one), "eventfd");
}

static void __attribute__((format(printf, 3, 4)))
host_log(struct tgt_bs_lu *lu, int level, const char *format, ...)
{
	size_t used;
	va_list args;

	(void)lu;
	(void)level;
	pthread_mutex_lock(&fake.lock);
	used = strlen(fake.log);
	va_start(args, format);
	vsnprintf(fake.log + used, LOG_SIZE - used, format, args);
	va_end(args);
	used = strlen(fake.log);
	snprintf(fake.log + used, LOG_SIZE - used, "\n");
	pthread_mutex_unlock(&fake.lock);
}

static int host_fd_watch(struct tgt_bs_reactor *reactor, int fd, uint32_t events,
			 void (*fn)(void *arg, uint32_t events), void *arg,
			 struct tgt_bs_watch **watch)
{
	struct tgt_bs_watch *w;

	must(on_reactor() && (void *)reactor == &reactor_tag, "fd_watch() off its reactor");
	if (fake.watch_error)
		return fake.watch_error;
	w = calloc(1, sizeof(*w));
	must(w != NULL, "out of memory");
	*w = (struct tgt_bs_watch){.fd = fd, .events = events, .fn = fn, .arg = arg};
	list_add_tail(&fake.watches, &w->link);
	*watch = w;
	return 0;
}

static void host_fd_unwatch(struct tgt_bs_watch *watch)
{
	must(on_reactor(), "fd_unwatch() off its reactor");
	list_del(&watch->link);
	free(watch);
}

static int host_timer_add(struct tgt_bs_reactor *reactor, uint32_t delay_ms, void (*fn)(void *arg),
			  void *arg, struct tgt_bs_timer **timer)
{
	struct tgt_bs_timer *t;

	must(on_reactor() && (void *)reactor == &reactor_tag, "timer_add() off its reactor");
	if (fake.timer_error)
		return fake.timer_error;
	t = calloc(1, sizeof(*t));
	must(t != NULL, "out of memory");
	*t = (struct tgt_bs_timer){.due_ms = now_ms() + delay_ms, .fn = fn, .arg = arg};
	list_add_tail(&fake.timers, &t->link);
	*timer = t;
	return 0;
}

static void host_timer_del(struct tgt_bs_timer *timer)
{
	must(on_reactor(), "timer_del() off its reactor");
	list_del(&timer->link);
	free(timer);
}

static void host_size_changed(struct tgt_bs_lu *lu, uint64_t size)
{
	host_log(lu, TGT_BS_LOG_INFO, "size changed to %llu", (unsigned long long)size);
}

static void host_medium_changed(struct tgt_bs_lu *lu, int present)
{
	host_log(lu, TGT_BS_LOG_INFO, "medium %s", present ? "came" : "went");
}

static void host_online_changed(struct tgt_bs_lu *lu, int online)
{
	host_log(lu, TGT_BS_LOG_INFO, "%s", online ? "online" : "offline");
}

static uint32_t host_lasting_memory(struct tgt_bs_reactor *reactor, uint32_t from,
				    struct iovec *regions, uint32_t max)
{
	must(on_reactor() && (void *)reactor == &reactor_tag, "lasting_memory() off its reactor");
	for (uint32_t i = 0; i < max && from + i < fake.nr_regions; i++)
		regions[i] = fake.regions[from + i];
	return fake.nr_regions;
}

static struct tgt_bs_host table = {
    .struct_size = sizeof(table),
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

/* ---- the loop ---- */

static void start(void)
{
	if (fake.wake >= 0)
		return;
	fake.thread = pthread_self();
	fake.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	must(fake.wake >= 0, "eventfd");
}

static int run_timers(int timeout)
{
	uint64_t now = now_ms();

	list_for_each_safe (timer, &fake.timers, struct tgt_bs_timer, link) {
		if (timer->fired)
			continue;
		if (timer->due_ms <= now) {
			/* it may delete itself, or others: start over in the next turn */
			timer->fired = true;
			timer->fn(timer->arg);
			return 0;
		}
		if (timer->due_ms - now < (uint64_t)timeout)
			timeout = (int)(timer->due_ms - now);
	}
	return timeout;
}

/* The watch of a descriptor, found again because a callback may have removed it. */
static struct tgt_bs_watch *find_watch(int fd)
{
	list_for_each (watch, &fake.watches, struct tgt_bs_watch, link) {
		if (watch->fd == fd)
			return watch;
	}
	return NULL;
}

static void run_loop_once(int timeout)
{
	struct pollfd fds[MAX_WATCHES + 1] = {{.fd = fake.wake, .events = POLLIN}};
	nfds_t n = 1;
	uint64_t count;

	timeout = run_timers(timeout);
	list_for_each (watch, &fake.watches, struct tgt_bs_watch, link) {
		must(n <= MAX_WATCHES, "too many watches");
		fds[n++] = (struct pollfd){.fd = watch->fd, .events = (short)watch->events};
	}
	if (poll(fds, n, timeout) <= 0)
		return;
	if (fds[0].revents && read(fake.wake, &count, sizeof(count)) < 0)
		must(errno == EAGAIN, "eventfd");
	for (nfds_t i = 1; i < n; i++) {
		struct tgt_bs_watch *watch = fds[i].revents ? find_watch(fds[i].fd) : NULL;

		if (watch)
			watch->fn(watch->arg, (uint32_t)fds[i].revents);
	}
}

void fake_settle(unsigned int ms)
{
	const uint64_t end = now_ms() + ms;

	for (uint64_t now = now_ms(); now < end; now = now_ms())
		run_loop_once((int)(end - now));
}

/* ---- modules and stores ---- */

const char *fake_module_file(const char *name)
{
	static char file[512];

	snprintf(file, sizeof(file), TGT_BUILD_DIR "/backing-store/bs_%s.so", name);
	return file;
}

static struct loaded *find_loaded(void *handle)
{
	list_for_each (loaded, &fake.modules, struct loaded, link) {
		if (loaded->handle == handle)
			return loaded;
	}
	return NULL;
}

static struct loaded *call_entry(void *handle, const char *file)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	const struct tgt_bs_module *descriptor;
	tgt_bs_module_fn entry;
	char reason[256] = "no descriptor";

	must(loaded != NULL, "out of memory");
	*(void **)&entry = dlsym(handle, TGT_BS_ENTRY);
	descriptor = entry ? entry(&table) : NULL;
	if (!descriptor || descriptor_take(descriptor, &loaded->module.descriptor,
					   &loaded->module.options, reason, sizeof(reason))) {
		fprintf(stderr, "%s: %s\n", file, reason);
		free(loaded);
		return NULL;
	}
	loaded->handle = handle;
	loaded->module.file = strdup(file);
	list_add_tail(&fake.modules, &loaded->link);
	return loaded;
}

const struct store_module *fake_module_load(const char *file)
{
	struct loaded *loaded;
	void *handle;

	start();
	handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return NULL;
	}
	loaded = find_loaded(handle);
	if (!loaded)
		loaded = call_entry(handle, file);
	return loaded ? &loaded->module : NULL;
}

static int open_channel(struct fake_store *store)
{
	const struct tgt_bs_module *m = &store->module->descriptor;

	store->channel = NULL;
	if (m->thread_model != TGT_BS_REACTOR || !m->channel_open)
		return 0;
	return m->channel_open(store->store, (struct tgt_bs_reactor *)(void *)&reactor_tag,
			       &store->channel);
}

static void close_channel(struct fake_store *store)
{
	const struct tgt_bs_module *m = &store->module->descriptor;

	if (m->thread_model == TGT_BS_REACTOR && m->channel_close)
		m->channel_close(store->store, store->channel);
}

int fake_channel_renew(struct fake_store *store)
{
	close_channel(store);
	return open_channel(store);
}

static int set_up(struct fake_store *store)
{
	const struct tgt_bs_module *m = &store->module->descriptor;
	int rc;

	store->geometry = (struct tgt_bs_geometry){.struct_size = sizeof(store->geometry)};
	rc = m->geometry(store->store, &store->geometry);
	if (!rc)
		rc = open_channel(store);
	if (rc) {
		snprintf(store->error, sizeof(store->error), "geometry or channel: %s",
			 strerror(-rc));
		m->close(store->store);
	}
	return rc;
}

int fake_store_open(struct fake_store *store, const struct store_module *module,
		    const struct fake_open *how)
{
	struct tgt_bs_open_args args = {
	    .struct_size = sizeof(args),
	    .flags = how->flags,
	    .path = how->path,
	    .size = how->size,
	    .block_size = how->block_size ? how->block_size : 512,
	};
	int rc;

	*store = (struct fake_store){.module = module};
	rc = store_parse_options(module, how->bsopts, &store->values, store->error,
				 sizeof(store->error));
	if (rc)
		return rc;
	args.values = store->values;
	rc = module->descriptor.open(&args, &store->store, store->error, sizeof(store->error));
	if (!rc)
		rc = set_up(store);
	if (rc) {
		store_free_values(module, store->values);
		store->values = NULL;
	}
	return rc;
}

void fake_store_close(struct fake_store *store)
{
	const struct tgt_bs_module *m = &store->module->descriptor;

	close_channel(store);
	m->close(store->store);
	store_free_values(store->module, store->values);
	store->values = NULL;
}

/* ---- requests ---- */

struct fake_request *fake_request_new(struct fake_store *store, enum tgt_bs_op op, uint64_t offset,
				      uint64_t length)
{
	const size_t own = store->module->descriptor.request_size;
	struct fake_request *request = calloc(1, sizeof(*request));

	must(request != NULL, "out of memory");
	request->store = store;
	request->bs.struct_size = sizeof(request->bs);
	request->bs.op = (uint16_t)op;
	request->bs.offset = offset;
	request->bs.length = length;
	request->bs.iov = calloc(MAX_IOV, sizeof(struct iovec));
	request->bs.extents = request->extents;
	request->bs.max_extents = ARRAY_SIZE(request->extents);
	must(posix_memalign(&request->bs.module_data, 16, own + 16) == 0 && request->bs.iov,
	     "out of memory");
	/* not initialised, says the contract; and the last bytes aren't the module's */
	memset(request->bs.module_data, CANARY, own + 16);
	return request;
}

void fake_request_add(struct fake_request *request, void *base, size_t length)
{
	struct iovec *iov = (struct iovec *)(uintptr_t)request->bs.iov;

	must(request->bs.iovcnt < MAX_IOV, "too many iovecs");
	iov[request->bs.iovcnt++] = (struct iovec){base, length};
}

static void check_canary(const struct fake_request *request)
{
	const uint8_t *end = (const uint8_t *)request->bs.module_data +
			     request->store->module->descriptor.request_size;

	for (int i = 0; i < 16; i++)
		must(end[i] == CANARY, "the module wrote beyond its module_data");
}

static void join_worker(struct fake_request *request)
{
	if (request->worker_running)
		pthread_join(request->worker, NULL);
	request->worker_running = false;
}

void fake_request_free(struct fake_request *request)
{
	join_worker(request);
	check_canary(request);
	free((void *)(uintptr_t)request->bs.iov);
	free(request->bs.module_data);
	free(request);
}

static void note_result(struct fake_request *request, int rc)
{
	must(rc <= 0, "submit() on a worker can't block, it must not say WOULD_BLOCK");
	request->submit_error = rc;
	if (rc < 0)
		host_complete(&request->bs);
}

static void *run_worker(void *arg)
{
	struct fake_request *request = arg;
	struct fake_store *store = request->store;

	note_result(request, store->module->descriptor.submit(store->store, NULL, &request->bs));
	return NULL;
}

static void go_to_worker(struct fake_request *request)
{
	request->went_to_worker = true;
	request->bs.flags |= TGT_BS_REQ_MAY_BLOCK;
	must(pthread_create(&request->worker, NULL, run_worker, request) == 0, "pthread_create");
	request->worker_running = true;
}

void fake_submit(struct fake_request *request)
{
	struct fake_store *store = request->store;
	int rc;

	if (store->module->descriptor.thread_model == TGT_BS_WORKER) {
		go_to_worker(request);
		return;
	}
	submitting = request;
	rc = store->module->descriptor.submit(store->store, store->channel, &request->bs);
	submitting = NULL;
	if (rc == TGT_BS_WOULD_BLOCK) {
		must(!request->inline_completion, "completed, and WOULD_BLOCK as well");
		go_to_worker(request);
		return;
	}
	store->turn_pending |= rc == 0;
	note_result(request, rc);
}

void fake_turn_end(struct fake_store *store)
{
	const struct tgt_bs_module *m = &store->module->descriptor;

	if (store->turn_pending && m->turn_end)
		m->turn_end(store->store, store->channel);
	store->turn_pending = false;
}

bool fake_wait(struct fake_request *request)
{
	const uint64_t end = now_ms() + FAKE_WAIT_MS;

	while (atomic_load(&request->completions) == 0) {
		uint64_t now = now_ms();

		if (now >= end)
			return false;
		run_loop_once((int)(end - now));
	}
	join_worker(request);
	return request->submit_error == 0;
}

bool fake_run(struct fake_request *request)
{
	fake_submit(request);
	fake_turn_end(request->store);
	return fake_wait(request);
}

int fake_io(struct fake_store *store, enum tgt_bs_op op, uint64_t offset, void *buf, size_t length,
	    unsigned int flags)
{
	struct fake_request *request = fake_request_new(store, op, offset, length);
	int status = -1;

	request->bs.flags = (uint16_t)flags;
	if (buf)
		fake_request_add(request, buf, length);
	if (fake_run(request))
		status = (int)request->bs.status;
	else if (!request->submit_error)
		return -1; /* the module still has it */
	fake_request_free(request);
	return status;
}

/* ---- the record ---- */

const char *fake_log(void)
{
	static char copy[LOG_SIZE];

	pthread_mutex_lock(&fake.lock);
	memcpy(copy, fake.log, LOG_SIZE);
	pthread_mutex_unlock(&fake.lock);
	return copy;
}

void fake_log_clear(void)
{
	pthread_mutex_lock(&fake.lock);
	fake.log[0] = '\0';
	pthread_mutex_unlock(&fake.lock);
}

void fake_fail_timers(int error)
{
	fake.timer_error = error;
}

void fake_fail_watches(int error)
{
	fake.watch_error = error;
}

void fake_lasting_memory(const struct iovec *regions, unsigned int count)
{
	fake.regions = regions;
	fake.nr_regions = count;
}

void fake_older_host(size_t size)
{
	table.struct_size = size ? (uint32_t)size : (uint32_t)sizeof(table);
}

static unsigned int length_of(const struct list *head)
{
	unsigned int n = 0;

	for (const struct list *at = head->next; at != head; at = at->next)
		n++;
	return n;
}

unsigned int fake_watches(void)
{
	return length_of(&fake.watches);
}

unsigned int fake_timers(void)
{
	return length_of(&fake.timers);
}

void *fake_buffer(size_t length, int fill)
{
	void *buf = NULL;

	must(posix_memalign(&buf, 4096, length ? length : 1) == 0, "out of memory");
	memset(buf, fill, length);
	return buf;
}
