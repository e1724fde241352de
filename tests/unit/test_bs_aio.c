/* SPDX-License-Identifier: MIT */
/* The aio store's module, on real files and a real block device. */
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "block_checks.h"
#include "fake_host.h"
#include "faults.h"
#include "loop_device.h"
#include "temp_dir.h"
#include "util/cleanup.h"

#define MiB (1u << 20)
#define SIZE (8 * MiB)
#define PAGE 4096u
#define MANY 64

static const struct store_module *module(void)
{
	const struct store_module *aio = fake_module_load(fake_module_file("aio"));

	assert_non_null(aio);
	return aio;
}

static void open_aio(struct fake_store *store, const char *bsopts, uint32_t flags)
{
	const struct fake_open how = {
	    .path = temp_file("disk", SIZE),
	    .bsopts = bsopts,
	    .flags = flags,
	};

	if (fake_store_open(store, module(), &how))
		fail_msg("%s", store->error);
	/* what opening did is not counted */
	fault_clear();
}

static int clear_faults(void **state)
{
	(void)state;
	fault_clear();
	fake_fail_timers(0);
	fake_fail_watches(0);
	fake_log_clear();
	return 0;
}

static struct fake_request *transfer(struct fake_store *store, enum tgt_bs_op op, uint64_t offset,
				     char *buf, size_t length)
{
	struct fake_request *request = fake_request_new(store, op, offset, length);

	if (buf)
		fake_request_add(request, buf, length);
	return request;
}

static struct fake_request *finished(struct fake_store *store, enum tgt_bs_op op, uint64_t offset,
				     char *buf, size_t length, uint32_t status)
{
	struct fake_request *request = transfer(store, op, offset, buf, length);

	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, status);
	assert_int_equal(request->completions, 1);
	return request;
}

/* ---- the contract ---- */

static void keeps_the_contract_with(const char *bsopts, uint32_t flags)
{
	const char *path = temp_file("contract", SIZE);
	const struct block_subject subject = {
	    .module = fake_module_file("aio"),
	    .path = path,
	    .raw_file = path,
	    .bsopts = bsopts,
	    .open_flags = flags,
	};

	assert_int_equal(block_checks_run(&subject), 0);
}

static void keeps_the_contract(void **state)
{
	(void)state;
	keeps_the_contract_with(NULL, 0);
	keeps_the_contract_with(NULL, TGT_BS_OPEN_DIRECT); /* as it is anyway */
}

static void keeps_the_contract_sync(void **state)
{
	(void)state;
	keeps_the_contract_with(NULL, TGT_BS_OPEN_SYNC);
}

static void keeps_the_contract_one_at_a_time(void **state)
{
	(void)state;
	keeps_the_contract_with("depth=1", 0);
}

static void keeps_the_contract_on_a_device(void **state)
{
	char name[64];
	const char *image = temp_file("device", SIZE);
	int fd = loop_attach(image, false, name, sizeof(name));
	struct block_subject subject = {.module = fake_module_file("aio"), .path = name};

	(void)state;
	if (fd < 0 && geteuid() != 0)
		skip();
	assert_true(fd >= 0);
	assert_int_equal(block_checks_run(&subject), 0);
	close(fd);
}

/* A kernel without the newer commands: flushes and FUA writes are made on a worker. */
static void keeps_the_contract_on_an_old_kernel(void **state)
{
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EINVAL, .command = IO_CMD_FDSYNC + 1});
	keeps_the_contract_with(NULL, 0);
	if (fake_store_open(&store, module(), &(struct fake_open){.path = temp_file("disk", SIZE)}))
		fail_msg("%s", store.error);
	request = finished(&store, TGT_BS_FLUSH, 0, NULL, 0, TGT_BS_OK);
	assert_true(request->went_to_worker);
	assert_int_not_equal(fault_count(FAULT_FDATASYNC), 0);
	fake_request_free(request);
	fake_store_close(&store);
}

static void keeps_the_contract_without_dsync(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EINVAL, .only_flags = RWF_DSYNC});
	keeps_the_contract_with(NULL, 0);
	if (fake_store_open(&store, module(), &(struct fake_open){.path = temp_file("disk", SIZE)}))
		fail_msg("%s", store.error);
	request = transfer(&store, TGT_BS_WRITE, 0, buf, PAGE);
	request->bs.flags = TGT_BS_REQ_FUA;
	assert_true(fake_run(request));
	assert_true(request->went_to_worker);
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_int_equal(fault_last_flags(FAULT_PWRITEV2), RWF_DSYNC);
	fake_request_free(request);
	fake_store_close(&store);
}

/* ---- opening ---- */

static const char *open_error(const char *path, const char *bsopts, uint32_t flags)
{
	static struct fake_store store;
	const struct fake_open how = {.path = path, .bsopts = bsopts, .flags = flags};

	if (fake_store_open(&store, module(), &how) == 0)
		fail_msg("%s opens", path);
	return store.error;
}

static void open_errors_are_clear(void **state)
{
	(void)state;
	assert_string_equal(open_error("/no/such/file", NULL, 0),
			    "/no/such/file: No such file or directory");
	/* proc has no O_DIRECT, as tmpfs had none before Linux 6.6 */
	assert_string_equal(open_error("/proc/version", NULL, TGT_BS_OPEN_READONLY),
			    "/proc/version: its file system can't do direct I/O (O_DIRECT)");
	assert_non_null(strstr(open_error("/x", "depth=0", 0), "minimum of 1"));
	assert_non_null(strstr(open_error("/x", "depth=5000", 0), "maximum of 4096"));
}

static void exhausted_contexts_are_named(void **state)
{
	const char *path = temp_file("disk", SIZE);

	(void)state;
	fault_set(FAULT_IO_SETUP, (struct fault){.error = EAGAIN});
	assert_non_null(strstr(open_error(path, "depth=77", 0), "fs.aio-max-nr"));
	assert_non_null(strstr(open_error(path, "depth=77", 0), "77"));
	fault_set(FAULT_IO_SETUP, (struct fault){.error = ENOSYS});
	assert_non_null(strstr(open_error(path, NULL, 0), "no asynchronous I/O"));
}

/* There was room at open(), another took it before the second channel: slower, but served. */
static void exhausted_channel_goes_to_workers(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_SETUP, (struct fault){.error = EAGAIN});
	/* the first channel has that of open() */
	request = finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_OK);
	assert_false(request->went_to_worker);
	fake_request_free(request);
	assert_int_equal(fake_channel_renew(&store), 0);
	for (int i = 0; i < 2; i++) {
		request = finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_OK);
		assert_true(request->went_to_worker);
		fake_request_free(request);
	}
	/* asked for once, said once */
	assert_int_equal(fault_count(FAULT_IO_SETUP), 1);
	assert_non_null(strstr(fake_log(), "fs.aio-max-nr"));
	assert_non_null(strstr(fake_log(), temp_path("disk")));
	assert_ptr_equal(strchr(fake_log(), '\n'), strrchr(fake_log(), '\n'));
	fake_store_close(&store);
}

static void unwatched_channel_goes_to_workers(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	close(before);
	open_aio(&store, NULL, 0);
	fake_fail_watches(-ENOMEM);
	request = finished(&store, TGT_BS_READ, 0, buf, PAGE, TGT_BS_OK);
	assert_true(request->went_to_worker);
	assert_int_equal(buf[0], 0);
	assert_non_null(strstr(fake_log(), "Cannot allocate memory"));
	fake_request_free(request);
	fake_store_close(&store);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
}

/* Most reactors never serve a given logical unit: they must not take from what the system has few
 * of. */
static void idle_channel_takes_nothing(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	assert_int_equal(fault_count(FAULT_IO_SETUP), 0);
	assert_int_equal(fake_watches(), 0);
	assert_int_equal(fake_channel_renew(&store), 0);
	for (unsigned int channels = 0; channels < 3; channels++) {
		for (int i = 0; i < 2; i++)
			fake_request_free(finished(&store, TGT_BS_READ, 0, buf, PAGE, TGT_BS_OK));
		/* the first has that of open() */
		assert_int_equal(fault_count(FAULT_IO_SETUP), channels);
		assert_int_equal(fake_watches(), 1);
		assert_int_equal(fake_channel_renew(&store), 0);
	}
	fake_store_close(&store);
	assert_int_equal(fake_watches(), 0);
}

static void geometry_states_the_alignment(void **state)
{
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	assert_true(store.geometry.io_alignment >= 512);
	assert_true(store.geometry.memory_alignment >= 1);
	assert_true(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
	assert_true(store.geometry.size == SIZE);
	fake_store_close(&store);
}

/* ---- batches ---- */

static void submit_many(struct fake_store *store, struct fake_request *requests[MANY], char *buf,
			enum tgt_bs_op op)
{
	for (size_t i = 0; i < MANY; i++) {
		requests[i] = transfer(store, op, i * PAGE, buf + i * PAGE, PAGE);
		fake_submit(requests[i]);
		assert_false(requests[i]->went_to_worker);
	}
}

static void finish_all(struct fake_request *requests[MANY])
{
	for (size_t i = 0; i < MANY; i++) {
		assert_true(fake_wait(requests[i]));
		assert_int_equal(requests[i]->bs.status, TGT_BS_OK);
		assert_int_equal(requests[i]->completions, 1);
		fake_request_free(requests[i]);
	}
}

/* The device begins with the first few while the rest are handed over. */
static void a_turn_is_handed_over_in_pieces(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), 0);
	fake_turn_end(&store);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), MANY / 8);
	finish_all(requests);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), MANY / 8);
	fake_store_close(&store);
}

static void depth_bounds_what_the_kernel_holds(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_aio(&store, "depth=3", 0);
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	finish_all(requests);
	assert_int_equal(fault_max_in_flight(), 3);
	fake_store_close(&store);
}

static void partial_batches_are_completed(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.limit = 5});
	submit_many(&store, requests, buf, TGT_BS_READ);
	fake_turn_end(&store);
	finish_all(requests);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), (MANY + 4) / 5);
	fake_store_close(&store);
}

/* With requests in flight, the next completion brings the rest; nothing is polled. */
static void full_kernel_is_tried_again(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_aio(&store, "depth=8", 0);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EAGAIN, .skip = 1, .times = 2});
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	finish_all(requests);
	fake_store_close(&store);
}

/* With none in flight nothing would ever bring it: a timer does. */
static void idle_kernel_is_tried_again_by_timer(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EAGAIN, .times = 3});
	request = transfer(&store, TGT_BS_WRITE, 0, buf, PAGE);
	fake_submit(request);
	fake_turn_end(&store);
	assert_int_equal(fake_timers(), 1);
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), 4);
	fake_request_free(request);
	fake_store_close(&store);
	assert_int_equal(fake_timers(), 0);
}

static void without_a_timer_the_initiator_is_told_to_retry(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EAGAIN});
	fake_fail_timers(-ENOMEM);
	fake_request_free(finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_ERR_BUSY));
	/* a flush that was never tried has lost nothing */
	fake_request_free(finished(&store, TGT_BS_FLUSH, 0, NULL, 0, TGT_BS_ERR_BUSY));
	fake_store_close(&store);
}

/* An error of io_submit() is that of the first request in the batch, and of no other. */
static void refused_request_does_not_take_others_along(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;
	unsigned int failed = 0;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EIO, .times = 1});
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	for (size_t i = 0; i < MANY; i++) {
		assert_true(fake_wait(requests[i]));
		failed += requests[i]->bs.status != TGT_BS_OK;
		assert_int_equal(requests[i]->bs.status, i ? TGT_BS_OK : TGT_BS_ERR_WRITE);
		fake_request_free(requests[i]);
	}
	assert_int_equal(failed, 1);
	fake_store_close(&store);
}

/* ---- transfers ---- */

static char content(size_t i)
{
	return (char)(i * 31 >> 9);
}

/* In blocks of 512 of which no two are alike, through pieces of several lengths. */
static void short_transfers_are_continued(void **state)
{
	const size_t length = 24 * PAGE;
	CLEANUP_FREE char *buf = fake_buffer(length, 0);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	for (size_t i = 0; i < length; i++)
		buf[i] = content(i);
	fault_set(FAULT_IO_EVENT, (struct fault){.limit = 3 * PAGE});
	for (int write = 1; write >= 0; write--) {
		request = fake_request_new(&store, write ? TGT_BS_WRITE : TGT_BS_READ, MiB, length);
		fake_request_add(request, buf, PAGE);
		fake_request_add(request, buf + PAGE, 7 * PAGE);
		fake_request_add(request, buf + 8 * PAGE, 2 * PAGE);
		fake_request_add(request, buf + 10 * PAGE, 14 * PAGE);
		assert_true(fake_run(request));
		assert_int_equal(request->bs.status, TGT_BS_OK);
		fake_request_free(request);
		if (write)
			memset(buf, 0, length);
	}
	assert_true(fault_count(FAULT_IO_SUBMIT) >= 16);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(buf[i], content(i));
	fake_store_close(&store);
}

static void fua_and_flush_stay_asynchronous(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	request = transfer(&store, TGT_BS_WRITE, 0, buf, PAGE);
	request->bs.flags = TGT_BS_REQ_FUA;
	assert_true(fake_run(request));
	assert_false(request->went_to_worker);
	assert_int_equal(fault_last_flags(FAULT_IO_SUBMIT), RWF_DSYNC);
	fake_request_free(request);
	request = finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_OK);
	assert_int_equal(fault_last_flags(FAULT_IO_SUBMIT), 0);
	fake_request_free(request);
	request = finished(&store, TGT_BS_FLUSH, 0, NULL, 0, TGT_BS_OK);
	assert_false(request->went_to_worker);
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), 3);
	fake_request_free(request);
	fake_store_close(&store);
}

static void the_rest_goes_to_a_worker(void **state)
{
	static const enum tgt_bs_op ops[] = {TGT_BS_DISCARD, TGT_BS_WRITE_ZEROES,
					     TGT_BS_BLOCK_STATUS};
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct fake_request *request = finished(&store, ops[i], 0, NULL, PAGE, TGT_BS_OK);

		assert_true(request->went_to_worker);
		fake_request_free(request);
	}
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), 0);
	fake_store_close(&store);
}

/* ---- errors ---- */

static void errors_of_requests(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(8 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	fault_set(FAULT_IO_EVENT, (struct fault){.error = EIO});
	request = finished(&store, TGT_BS_READ, MiB, buf, PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	fake_request_free(request);
	fake_request_free(finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_ERR_WRITE));
	fake_request_free(finished(&store, TGT_BS_FLUSH, 0, NULL, 0, TGT_BS_ERR_FLUSH));
	fault_set(FAULT_IO_EVENT, (struct fault){.error = ENOSPC});
	fake_request_free(finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_ERR_NO_SPACE));
	/* the first round moves two pages, the second fails */
	fault_set(FAULT_IO_EVENT, (struct fault){.limit = 2 * PAGE, .times = 1});
	request = transfer(&store, TGT_BS_WRITE, MiB, buf, 8 * PAGE);
	fake_submit(request);
	fake_turn_end(&store);
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EIO});
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_ERR_WRITE);
	assert_true(request->bs.info == MiB + 2 * PAGE);
	assert_true(request->bs.actual == 2 * PAGE);
	fake_request_free(request);
	fake_store_close(&store);
}

static void shrunken_file(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	assert_int_equal(truncate(temp_path("disk"), MiB), 0);
	request = finished(&store, TGT_BS_READ, MiB - 2 * PAGE, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	fake_request_free(request);
	assert_non_null(strstr(fake_log(), "the file ends before there"));
	assert_int_equal(truncate(temp_path("disk"), MiB + 100), 0);
	fault_clear();
	request = finished(&store, TGT_BS_READ, MiB, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB + 100);
	/* from within a block a direct read can't go on: it isn't tried */
	assert_int_equal(fault_count(FAULT_IO_SUBMIT), 1);
	fake_request_free(request);
	fake_request_free(finished(&store, TGT_BS_READ, 0, buf, PAGE, TGT_BS_OK));
	fake_store_close(&store);
}

/* ---- cancelling ---- */

static void waiting_requests_can_be_cancelled(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(3 * PAGE, 9);
	struct fake_request *requests[3];
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	for (size_t i = 0; i < 3; i++) {
		requests[i] = transfer(&store, TGT_BS_WRITE, i * PAGE, buf + i * PAGE, PAGE);
		fake_submit(requests[i]);
	}
	/* the middle of the queue, then its end */
	for (size_t i = 1; i < 3; i++) {
		module()->descriptor.cancel(store.store, store.channel, &requests[i]->bs);
		assert_int_equal(requests[i]->completions, 1);
		assert_int_equal(requests[i]->bs.status, TGT_BS_ERR_CANCELLED);
	}
	fake_turn_end(&store);
	assert_true(fake_wait(requests[0]));
	assert_int_equal(requests[0]->bs.status, TGT_BS_OK);
	for (size_t i = 0; i < 3; i++)
		fake_request_free(requests[i]);
	/* it had no effect, as promised, and the queue still works */
	fake_request_free(finished(&store, TGT_BS_READ, PAGE, buf, 2 * PAGE, TGT_BS_OK));
	for (size_t i = 0; i < 2 * PAGE; i++)
		assert_int_equal(buf[i], 0);
	fake_store_close(&store);
}

/* CANCELLED says that it had no effect: not for one of which a part has been written. */
static void begun_requests_are_not_cancelled(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *begun, *other;
	struct fake_store store;

	(void)state;
	open_aio(&store, "depth=1", 0);
	begun = transfer(&store, TGT_BS_WRITE, 0, buf, 2 * PAGE);
	other = transfer(&store, TGT_BS_WRITE, 2 * PAGE, buf, 2 * PAGE);
	fake_submit(begun);
	fake_submit(other);
	/* the first comes back short, and gets in line behind the second, which can't go yet */
	fault_set(FAULT_IO_EVENT, (struct fault){.limit = PAGE, .times = 1});
	fault_set(FAULT_IO_SUBMIT, (struct fault){.error = EAGAIN, .skip = 1, .times = 3});
	fake_turn_end(&store);
	while (fault_count(FAULT_IO_SUBMIT) < 2)
		fake_settle(1);
	assert_int_equal(begun->completions, 0);
	module()->descriptor.cancel(store.store, store.channel, &begun->bs);
	assert_int_equal(begun->completions, 0);
	assert_true(fake_wait(begun));
	assert_true(fake_wait(other));
	assert_int_equal(begun->bs.status, TGT_BS_OK);
	assert_int_equal(other->bs.status, TGT_BS_OK);
	fake_request_free(begun);
	fake_request_free(other);
	fake_store_close(&store);
}

/* module_data of a request that a worker has was never filled: what it holds by chance, a pointer
 * in any place of it, must not be used. */
static void cancelling_what_a_worker_has(void **state)
{
	const size_t words = module()->descriptor.request_size / sizeof(void *);
	struct fake_store store;

	(void)state;
	open_aio(&store, NULL, 0);
	for (size_t word = 0; word < words; word++) {
		struct fake_request *request = transfer(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE);
		void *somewhere[64] = {NULL}, **chance = request->bs.module_data;

		memset(chance, 0, words * sizeof(*chance));
		chance[word] = somewhere;
		fake_submit(request);
		assert_true(request->went_to_worker);
		module()->descriptor.cancel(store.store, store.channel, &request->bs);
		assert_true(fake_wait(request));
		assert_int_equal(request->bs.status, TGT_BS_OK);
		assert_int_equal(request->completions, 1);
		fake_request_free(request);
	}
	fake_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_faults)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keeps_the_contract),
	    TEST(keeps_the_contract_sync),
	    TEST(keeps_the_contract_one_at_a_time),
	    TEST(keeps_the_contract_on_a_device),
	    TEST(keeps_the_contract_on_an_old_kernel),
	    TEST(keeps_the_contract_without_dsync),
	    TEST(open_errors_are_clear),
	    TEST(exhausted_contexts_are_named),
	    TEST(exhausted_channel_goes_to_workers),
	    TEST(unwatched_channel_goes_to_workers),
	    TEST(idle_channel_takes_nothing),
	    TEST(geometry_states_the_alignment),
	    TEST(a_turn_is_handed_over_in_pieces),
	    TEST(depth_bounds_what_the_kernel_holds),
	    TEST(partial_batches_are_completed),
	    TEST(full_kernel_is_tried_again),
	    TEST(idle_kernel_is_tried_again_by_timer),
	    TEST(without_a_timer_the_initiator_is_told_to_retry),
	    TEST(refused_request_does_not_take_others_along),
	    TEST(short_transfers_are_continued),
	    TEST(fua_and_flush_stay_asynchronous),
	    TEST(the_rest_goes_to_a_worker),
	    TEST(errors_of_requests),
	    TEST(shrunken_file),
	    TEST(waiting_requests_can_be_cancelled),
	    TEST(begun_requests_are_not_cancelled),
	    TEST(cancelling_what_a_worker_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
