/* SPDX-License-Identifier: MIT */
/* The uring store's module, on real files and a real block device: the contract, rings and batches.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_checks.h"
#include "loop_device.h"
#include "uring_fixture.h"
#include "util/cleanup.h"

/* ---- the contract ---- */

static void keeps_the_contract_with(const char *bsopts, uint32_t flags)
{
	const char *path = temp_file("contract", SIZE);
	const struct block_subject subject = {
	    .module = fake_module_file("uring"),
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
	assert_true(uring_count(IORING_OP_FALLOCATE) > 0);
}

static void keeps_the_contract_direct(void **state)
{
	(void)state;
	keeps_the_contract_with(NULL, TGT_BS_OPEN_DIRECT);
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
	static const uint32_t flags[] = {0, TGT_BS_OPEN_DIRECT};
	const char *image = temp_file("device", SIZE);

	(void)state;
	for (int i = 0; i < 2; i++) {
		char name[64];
		int fd = loop_attach(image, false, name, sizeof(name));
		struct block_subject subject = {
		    .module = fake_module_file("uring"),
		    .path = name,
		    .open_flags = flags[i],
		};

		if (fd < 0 && geteuid() != 0)
			skip();
		assert_true(fd >= 0);
		assert_int_equal(block_checks_run(&subject), 0);
		close(fd);
	}
}

/* Linux before 5.19: completions interrupt the thread. */
static void keeps_the_contract_on_older_kernels(void **state)
{
	(void)state;
	uring_unknown_flags(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL);
	keeps_the_contract_with(NULL, 0);
	keeps_the_contract_with(NULL, TGT_BS_OPEN_DIRECT);
	assert_int_equal(uring_ring_flags(), 0);
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
	assert_string_equal(
	    open_error("/proc/version", NULL, TGT_BS_OPEN_READONLY | TGT_BS_OPEN_DIRECT),
	    "/proc/version: its file system can't do direct I/O (O_DIRECT)");
	assert_non_null(strstr(open_error("/x", "depth=0", 0), "minimum of 1"));
	assert_non_null(strstr(open_error("/x", "depth=5000", 0), "maximum of 4096"));
}

static int next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* io_uring_setup(2): what each error means, and what the operator can do. */
static void a_ring_that_can_not_be_made_is_explained(void **state)
{
	static const struct {
		int error;
		const char *says[2];
	} cases[] = {
	    {ENOSYS, {"this kernel has no io_uring", "aio or rdwr"}},
	    {EPERM, {"kernel.io_uring_disabled", "aio or rdwr"}},
	    {ENOMEM, {"ring of 77 requests", "LimitMEMLOCK"}},
	    {EINVAL, {"too old", "5.6"}},
	    {EMFILE, {"io_uring_setup", "Too many open files"}},
	};
	const char *path = temp_file("disk", SIZE);
	const int before = next_descriptor();

	(void)state;
	module();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fault_set(FAULT_URING_SETUP, (struct fault){.error = cases[i].error});
		for (int n = 0; n < 2; n++)
			assert_non_null(strstr(open_error(path, "depth=77", 0), cases[i].says[n]));
	}
	assert_int_equal(next_descriptor(), before);
}

/* There was memory at open(), and none for the second channel: slower, but served. */
static void exhausted_channel_goes_to_workers(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_SETUP, (struct fault){.error = ENOMEM});
	/* the first channel has that of open() */
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_OK);
	assert_int_equal(fake_channel_renew(&store), 0);
	for (int i = 0; i < 2; i++) {
		request = finished(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_OK);
		assert_true(request->went_to_worker);
		fake_request_free(request);
	}
	/* asked for once, said once */
	assert_int_equal(fault_count(FAULT_URING_SETUP), 1);
	assert_non_null(strstr(fake_log(), "slow from now on"));
	assert_non_null(strstr(fake_log(), temp_path("disk")));
	assert_ptr_equal(strchr(fake_log(), '\n'), strrchr(fake_log(), '\n'));
	fake_store_close(&store);
}

static void unwatched_channel_goes_to_workers(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;
	int before;

	(void)state;
	module();
	before = next_descriptor();
	open_uring(&store, NULL, 0);
	fake_fail_watches(-ENOMEM);
	request = finished(&store, TGT_BS_READ, 0, buf, PAGE, TGT_BS_OK);
	assert_true(request->went_to_worker);
	assert_int_equal(buf[0], 0);
	assert_non_null(strstr(fake_log(), "Cannot allocate memory"));
	fake_request_free(request);
	fake_store_close(&store);
	assert_int_equal(next_descriptor(), before);
}

/* Most reactors never serve a given logical unit. */
static void idle_channel_takes_nothing(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	assert_int_equal(fault_count(FAULT_URING_SETUP), 0);
	assert_int_equal(fake_watches(), 0);
	assert_int_equal(fake_channel_renew(&store), 0);
	for (unsigned int channels = 0; channels < 3; channels++) {
		for (int i = 0; i < 2; i++)
			ends(&store, TGT_BS_READ, 0, buf, PAGE, 0, TGT_BS_OK);
		/* the first has that of open() */
		assert_int_equal(fault_count(FAULT_URING_SETUP), channels);
		assert_int_equal(fake_watches(), 1);
		assert_int_equal(fake_channel_renew(&store), 0);
	}
	fake_store_close(&store);
	assert_int_equal(fake_watches(), 0);
}

/* Whether anybody has the file open: fcntl(2), F_WRLCK "only if there are no other open file
 * descriptors for the file". */
static bool is_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool busy;

	assert_true(fd >= 0);
	busy = fcntl(fd, F_SETLEASE, F_WRLCK) < 0;
	close(fd);
	return busy;
}

/* A ring lives on for a while after it was closed; what was the file's file system must be free at
 * once. */
static void closing_lets_go_of_the_file(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	const char *path = temp_file("disk", SIZE);
	struct fake_store store;

	(void)state;
	for (int used = 0; used < 2; used++) {
		open_file(&store, path, NULL, 0);
		assert_true(is_open(path));
		for (int i = 0; i < 2 * used; i++) {
			ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_OK);
			assert_int_equal(fake_channel_renew(&store), 0);
		}
		fake_store_close(&store);
		assert_false(is_open(path));
	}
}

static void geometry_states_the_alignment(void **state)
{
	struct fake_store store;

	(void)state;
	for (int direct = 0; direct < 2; direct++) {
		open_uring(&store, NULL, direct ? TGT_BS_OPEN_DIRECT : 0);
		assert_int_equal(store.geometry.io_alignment >= 512, direct);
		assert_true(store.geometry.memory_alignment >= 1);
		assert_true(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
		assert_true(store.geometry.size == SIZE);
		fake_store_close(&store);
	}
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

static void one_system_call_a_turn(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	assert_int_equal(fault_count(FAULT_URING_ENTER), 0);
	fake_turn_end(&store);
	assert_int_equal(fault_count(FAULT_URING_ENTER), 1);
	assert_int_equal(uring_count(IORING_OP_WRITE), MANY);
	assert_true(uring_last_was_fixed(IORING_OP_WRITE));
	finish_all(requests);
	assert_int_equal(uring_count(IORING_OP_WRITE), MANY);
	fake_store_close(&store);
}

/* The device begins with the first few while the rest are handed over. */
static void direct_io_is_handed_over_in_pieces(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	assert_int_equal(fault_count(FAULT_URING_ENTER), MANY / 8);
	assert_int_equal(uring_count(IORING_OP_WRITE), MANY);
	finish_all(requests);
	assert_int_equal(uring_count(IORING_OP_WRITE), MANY);
	fake_store_close(&store);
}

/* They end within the same turn: no event is waited for. */
static void cached_reads_end_with_the_turn(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	finish_all(requests);
	memset(buf, 0, MANY * PAGE);
	uring_clear();
	submit_many(&store, requests, buf, TGT_BS_READ);
	fake_turn_end(&store);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(requests[i]->completions, 1);
	assert_int_equal(fault_count(FAULT_URING_ENTER), 1);
	assert_int_equal(buf[MANY * PAGE - 1], 9);
	finish_all(requests);
	fake_store_close(&store);
}

static void depth_bounds_what_the_kernel_holds(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_uring(&store, "depth=3", TGT_BS_OPEN_DIRECT);
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
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_ENTER, (struct fault){.limit = 5});
	submit_many(&store, requests, buf, TGT_BS_READ);
	fake_turn_end(&store);
	finish_all(requests);
	assert_int_equal(uring_count(IORING_OP_READ), MANY);
	assert_true(fault_count(FAULT_URING_ENTER) >= (MANY + 4) / 5);
	fake_store_close(&store);
}

/* With requests in flight, the next completion brings the rest; nothing is polled. */
static void full_kernel_is_tried_again(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MANY * PAGE, 9);
	struct fake_request *requests[MANY];
	struct fake_store store;

	(void)state;
	open_uring(&store, "depth=8", TGT_BS_OPEN_DIRECT);
	fault_set(FAULT_URING_ENTER, (struct fault){.error = EAGAIN, .skip = 1, .times = 2});
	submit_many(&store, requests, buf, TGT_BS_WRITE);
	fake_turn_end(&store);
	assert_int_equal(fake_timers(), 0);
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
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_ENTER, (struct fault){.error = EBUSY, .times = 3});
	request = transfer(&store, TGT_BS_WRITE, 0, buf, PAGE);
	fake_submit(request);
	fake_turn_end(&store);
	assert_int_equal(fake_timers(), 1);
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_true(fault_count(FAULT_URING_ENTER) >= 4);
	assert_int_equal(uring_count(IORING_OP_WRITE), 1);
	fake_request_free(request);
	fake_store_close(&store);
	assert_int_equal(fake_timers(), 0);
}

static void without_a_timer_the_initiator_is_told_to_retry(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_ENTER, (struct fault){.error = EAGAIN});
	fake_fail_timers(-ENOMEM);
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_ERR_BUSY);
	/* a flush that was never tried has lost nothing */
	ends(&store, TGT_BS_FLUSH, 0, NULL, 0, 0, TGT_BS_ERR_BUSY);
	fault_clear();
	ends(&store, TGT_BS_READ, 0, buf, PAGE, 0, TGT_BS_OK);
	assert_int_equal(buf[0], 0);
	fake_store_close(&store);
}

static void what_blocks_goes_to_a_worker(void **state)
{
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	request = finished(&store, TGT_BS_BLOCK_STATUS, 0, NULL, PAGE, TGT_BS_OK);
	assert_true(request->went_to_worker);
	fake_request_free(request);
	assert_int_equal(fault_count(FAULT_URING_ENTER), 0);
	fake_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_faults)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keeps_the_contract),
	    TEST(keeps_the_contract_direct),
	    TEST(keeps_the_contract_sync),
	    TEST(keeps_the_contract_one_at_a_time),
	    TEST(keeps_the_contract_on_a_device),
	    TEST(keeps_the_contract_on_older_kernels),
	    TEST(open_errors_are_clear),
	    TEST(a_ring_that_can_not_be_made_is_explained),
	    TEST(exhausted_channel_goes_to_workers),
	    TEST(unwatched_channel_goes_to_workers),
	    TEST(idle_channel_takes_nothing),
	    TEST(closing_lets_go_of_the_file),
	    TEST(geometry_states_the_alignment),
	    TEST(one_system_call_a_turn),
	    TEST(direct_io_is_handed_over_in_pieces),
	    TEST(cached_reads_end_with_the_turn),
	    TEST(depth_bounds_what_the_kernel_holds),
	    TEST(partial_batches_are_completed),
	    TEST(full_kernel_is_tried_again),
	    TEST(idle_kernel_is_tried_again_by_timer),
	    TEST(without_a_timer_the_initiator_is_told_to_retry),
	    TEST(what_blocks_goes_to_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
