/* SPDX-License-Identifier: MIT */
/* What the uring store's module promises of durability, transfers in pieces, zeroing, errors and
 * cancelling. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uring_fixture.h"
#include "util/cleanup.h"

/* ---- transfers ---- */

static char content(size_t i)
{
	return (char)(i * 31 >> 9);
}

/* In blocks of 512 of which no two are alike, through pieces of several lengths. */
static void continues_short_transfers(uint32_t flags)
{
	const size_t length = 24 * PAGE;
	CLEANUP_FREE char *buf = fake_buffer(length, 0);
	struct fake_request *request;
	struct fake_store store;

	open_uring(&store, NULL, flags);
	for (size_t i = 0; i < length; i++)
		buf[i] = content(i);
	fault_set(FAULT_URING_CQE, (struct fault){.limit = 3 * PAGE});
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
	assert_true(fault_count(FAULT_URING_ENTER) >= 16);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(buf[i], content(i));
	fake_store_close(&store);
}

static void short_transfers_are_continued(void **state)
{
	(void)state;
	continues_short_transfers(0);
	uring_clear();
	continues_short_transfers(TGT_BS_OPEN_DIRECT);
}

static void shrunken_file(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	assert_int_equal(truncate(temp_path("disk"), MiB), 0);
	request = finished(&store, TGT_BS_READ, MiB - 2 * PAGE, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	fake_request_free(request);
	assert_non_null(strstr(fake_log(), "the file ends before there"));
	assert_int_equal(truncate(temp_path("disk"), MiB + 100), 0);
	uring_clear();
	request = finished(&store, TGT_BS_READ, MiB, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB + 100);
	/* from within a block a direct read can't go on: it isn't tried */
	assert_int_equal(uring_count(IORING_OP_READ), 1);
	fake_request_free(request);
	ends(&store, TGT_BS_READ, 0, buf, PAGE, 0, TGT_BS_OK);
	fake_store_close(&store);
}

/* ---- durability ---- */

static void fua_is_durable(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_last_flags(IORING_OP_WRITE), 0);
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA, TGT_BS_OK);
	assert_int_equal(uring_last_flags(IORING_OP_WRITE), RWF_DSYNC);
	assert_int_equal(uring_count(IORING_OP_FSYNC), 0);
	/* where RWF_DSYNC isn't known: by hand, and asked only once */
	fault_set(FAULT_URING_CQE, (struct fault){.error = EOPNOTSUPP,
						  .only_flags = RWF_DSYNC,
						  .command = IORING_OP_WRITE + 1});
	for (unsigned int i = 1; i <= 2; i++) {
		ends(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA, TGT_BS_OK);
		assert_int_equal(uring_last_flags(IORING_OP_WRITE), 0);
		assert_int_equal(uring_count(IORING_OP_FSYNC), i);
	}
	assert_int_equal(uring_count(IORING_OP_WRITE), 5);
	fake_store_close(&store);
}

static void flush_syncs_the_data(void **state)
{
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	ends(&store, TGT_BS_FLUSH, 0, NULL, 0, 0, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FSYNC), 1);
	assert_int_equal(uring_last_flags(IORING_OP_FSYNC), IORING_FSYNC_DATASYNC);
	assert_true(uring_last_was_fixed(IORING_OP_FSYNC));
	/* fsync(2): whatever the error, the data may be lost */
	fault_set(FAULT_URING_CQE, (struct fault){.error = ENOSPC});
	ends(&store, TGT_BS_FLUSH, 0, NULL, 0, 0, TGT_BS_ERR_FLUSH);
	assert_non_null(strstr(fake_log(), "flush"));
	assert_non_null(strstr(fake_log(), temp_path("disk")));
	fake_store_close(&store);
}

/* Through the page cache, an EIO of a durable write may be that of earlier ones: the same as a
 * failed flush.  Direct, it is its own. */
static void failed_durable_writes(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO});
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_ERR_WRITE);
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA, TGT_BS_ERR_FLUSH);
	fake_store_close(&store);
	open_uring(&store, NULL, TGT_BS_OPEN_SYNC);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO});
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_ERR_FLUSH);
	fake_store_close(&store);
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO});
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA, TGT_BS_ERR_WRITE);
	fake_store_close(&store);
}

static void durable_zeroing_is_synchronised(void **state)
{
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	ends(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FSYNC), 0);
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, TGT_BS_REQ_FUA, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FSYNC), 1);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO, .command = IORING_OP_FSYNC + 1});
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, TGT_BS_REQ_FUA, TGT_BS_ERR_FLUSH);
	fake_store_close(&store);
	open_uring(&store, NULL, TGT_BS_OPEN_SYNC);
	ends(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FSYNC), 1);
	fake_store_close(&store);
}

/* ---- zeroing ---- */

#define PUNCH FALLOC_FL_PUNCH_HOLE
#define ZERO_RANGE FALLOC_FL_ZERO_RANGE

static void fill(struct fake_store *store, char *buf, size_t length)
{
	memset(buf, 9, length);
	ends(store, TGT_BS_WRITE, 0, buf, length, 0, TGT_BS_OK);
}

static void assert_zeroed(struct fake_store *store, char *buf, size_t length, size_t all)
{
	ends(store, TGT_BS_READ, 0, buf, all, 0, TGT_BS_OK);
	for (size_t i = 0; i < all; i++)
		assert_int_equal(buf[i], i < length ? 0 : 9);
}

static void discard_punches_and_zeroes_stay_allocated(void **state)
{
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	ends(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_last_flags(IORING_OP_FALLOCATE), PUNCH | FALLOC_FL_KEEP_SIZE);
	assert_true(uring_last_was_fixed(IORING_OP_FALLOCATE));
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_last_flags(IORING_OP_FALLOCATE), ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, TGT_BS_REQ_UNMAP, TGT_BS_OK);
	assert_int_equal(uring_last_flags(IORING_OP_FALLOCATE), PUNCH | FALLOC_FL_KEEP_SIZE);
	fake_store_close(&store);
}

/* A file system without holes, and one with neither: what it refused is not asked for again. */
static void zeroing_without_the_file_systems_help(void **state)
{
	const size_t all = 3 * MiB, length = 2 * MiB + MiB / 2 + 3 * 512;
	CLEANUP_FREE char *buf = fake_buffer(all, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EOPNOTSUPP,
						  .command = IORING_OP_FALLOCATE + 1,
						  .only_flags = PUNCH});
	for (unsigned int i = 0; i < 2; i++) {
		fill(&store, buf, all);
		ends(&store, TGT_BS_DISCARD, 0, NULL, length, 0, TGT_BS_OK);
		assert_int_equal(uring_count(IORING_OP_FALLOCATE), 2 + i);
		assert_zeroed(&store, buf, length, all);
	}
	uring_clear();
	fault_set(FAULT_URING_CQE,
		  (struct fault){.error = EOPNOTSUPP, .command = IORING_OP_FALLOCATE + 1});
	for (unsigned int i = 0; i < 2; i++) {
		fill(&store, buf, all);
		ends(&store, TGT_BS_DISCARD, 0, NULL, length, 0, TGT_BS_OK);
		assert_int_equal(uring_count(IORING_OP_FALLOCATE), 1);
		assert_true(uring_count(IORING_OP_WRITEV) > 0);
		assert_zeroed(&store, buf, length, all);
	}
	fake_store_close(&store);
}

/* A device answers EINVAL to a range that isn't whole blocks of its: that says nothing of others.
 */
static void zeroing_of_an_odd_range(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fill(&store, buf, 4 * PAGE);
	fault_set(FAULT_URING_CQE,
		  (struct fault){.error = EINVAL, .command = IORING_OP_FALLOCATE + 1, .times = 2});
	ends(&store, TGT_BS_DISCARD, 0, NULL, 512, 0, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FALLOCATE), 2);
	assert_zeroed(&store, buf, 512, 4 * PAGE);
	ends(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_FALLOCATE), 3);
	assert_int_equal(uring_last_flags(IORING_OP_FALLOCATE), PUNCH | FALLOC_FL_KEEP_SIZE);
	fake_store_close(&store);
}

static void errors_of_zeroing(void **state)
{
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	fault_set(FAULT_URING_CQE,
		  (struct fault){.error = ENOSPC, .command = IORING_OP_FALLOCATE + 1});
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, 0, TGT_BS_ERR_NO_SPACE);
	fault_set(FAULT_URING_CQE,
		  (struct fault){.error = EOPNOTSUPP, .command = IORING_OP_FALLOCATE + 1});
	ends(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, 0, TGT_BS_OK);
	/* the second MiB fails */
	fault_set(FAULT_URING_CQE,
		  (struct fault){.error = EIO, .command = IORING_OP_WRITEV + 1, .skip = 1});
	request = finished(&store, TGT_BS_WRITE_ZEROES, MiB, NULL, 2 * MiB, TGT_BS_ERR_WRITE);
	assert_true(request->bs.info == 2 * MiB);
	assert_true(request->bs.actual == MiB);
	fake_request_free(request);
	fake_store_close(&store);
}

/* ---- errors ---- */

/* So many bytes of it are written, and then the kernel has no room for the rest for a while. */
static void begin(struct fake_request *request, size_t bytes)
{
	uring_clear();
	fault_set(FAULT_URING_CQE, (struct fault){.limit = bytes, .times = 1});
	fault_set(FAULT_URING_ENTER, (struct fault){.error = EAGAIN, .skip = 1, .times = 3});
	fake_submit(request);
	fake_turn_end(request->store);
	while (fault_count(FAULT_URING_ENTER) < 2)
		fake_settle(1);
	assert_int_equal(request->completions, 0);
}

static void errors_of_requests(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(8 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO});
	request = finished(&store, TGT_BS_READ, MiB, buf, PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	fake_request_free(request);
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_ERR_WRITE);
	fault_set(FAULT_URING_CQE, (struct fault){.error = ENOSPC});
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_ERR_NO_SPACE);
	/* an interruption is none */
	fault_set(FAULT_URING_CQE, (struct fault){.error = EINTR, .times = 3});
	ends(&store, TGT_BS_WRITE, 0, buf, PAGE, 0, TGT_BS_OK);
	/* the first round moves two pages, the second fails */
	request = transfer(&store, TGT_BS_WRITE, MiB, buf, 8 * PAGE);
	begin(request, 2 * PAGE);
	fault_set(FAULT_URING_CQE, (struct fault){.error = EIO});
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_ERR_WRITE);
	assert_true(request->bs.info == MiB + 2 * PAGE);
	assert_true(request->bs.actual == 2 * PAGE);
	fake_request_free(request);
	fake_store_close(&store);
}

/* ---- cancelling ---- */

static void cancel(struct fake_store *store, struct fake_request *request)
{
	module()->descriptor.cancel(store->store, store->channel, &request->bs);
}

static void waiting_requests_can_be_cancelled(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(3 * PAGE, 9);
	struct fake_request *requests[3];
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	for (size_t i = 0; i < 3; i++) {
		requests[i] = transfer(&store, TGT_BS_WRITE, i * PAGE, buf + i * PAGE, PAGE);
		fake_submit(requests[i]);
	}
	/* the middle of the queue, then its end */
	for (size_t i = 1; i < 3; i++) {
		cancel(&store, requests[i]);
		assert_int_equal(requests[i]->completions, 1);
		assert_int_equal(requests[i]->bs.status, TGT_BS_ERR_CANCELLED);
	}
	fake_turn_end(&store);
	assert_true(fake_wait(requests[0]));
	assert_int_equal(requests[0]->bs.status, TGT_BS_OK);
	for (size_t i = 0; i < 3; i++)
		fake_request_free(requests[i]);
	assert_int_equal(uring_count(IORING_OP_WRITE), 1);
	assert_int_equal(uring_count(IORING_OP_ASYNC_CANCEL), 0);
	/* it had no effect, as promised, and the queue still works */
	ends(&store, TGT_BS_READ, PAGE, buf, 2 * PAGE, 0, TGT_BS_OK);
	for (size_t i = 0; i < 2 * PAGE; i++)
		assert_int_equal(buf[i], 0);
	fake_store_close(&store);
}

/* Asks the kernel to cancel what it has; twice, of which it hears once. */
static void cancel_all(struct fake_store *store, struct fake_request *requests[MANY])
{
	unsigned int asked = 0;

	for (size_t i = MANY; i-- > 0;) {
		if (requests[i]->completions)
			continue;
		cancel(store, requests[i]);
		cancel(store, requests[i]);
		asked++;
	}
	assert_int_equal(uring_count(IORING_OP_ASYNC_CANCEL), asked);
}

/* How many of MANY writes behind a large one were cancelled: none of these has had an effect. */
static unsigned int cancelled_of_many(struct fake_store *store)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * MiB, 9), *back = fake_buffer(PAGE, 0);
	struct fake_request *large = transfer(store, TGT_BS_WRITE, 4 * MiB, buf, 4 * MiB);
	struct fake_request *requests[MANY];
	unsigned int cancelled = 0;

	/* the kernel writes to a file through the page cache one request at a time */
	fake_submit(large);
	for (size_t i = 0; i < MANY; i++) {
		requests[i] = transfer(store, TGT_BS_WRITE, i * PAGE, buf, PAGE);
		fake_submit(requests[i]);
	}
	fake_turn_end(store);
	cancel_all(store, requests);
	for (size_t i = 0; i < MANY; i++) {
		const bool gone =
		    fake_wait(requests[i]) && requests[i]->bs.status == TGT_BS_ERR_CANCELLED;

		assert_int_equal(requests[i]->bs.status, gone ? TGT_BS_ERR_CANCELLED : TGT_BS_OK);
		ends(store, TGT_BS_READ, i * PAGE, back, PAGE, 0, TGT_BS_OK);
		assert_int_equal(back[0], gone ? 0 : 9);
		cancelled += gone;
	}
	assert_true(fake_wait(large));
	assert_int_equal(large->bs.status, TGT_BS_OK);
	fake_request_free(large);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(requests[i]->completions, 1);
		fake_request_free(requests[i]);
	}
	return cancelled;
}

/* Whether it comes in time is chance. */
static void requests_in_the_kernel_are_cancelled_by_it(void **state)
{
	unsigned int cancelled = 0;

	(void)state;
	for (int attempt = 0; attempt < 100 && !cancelled; attempt++) {
		struct fake_store store;
		char name[16];

		snprintf(name, sizeof(name), "disk%d", attempt);
		open_file(&store, temp_file(name, SIZE), NULL, TGT_BS_OPEN_SYNC);
		cancelled = cancelled_of_many(&store);
		fake_store_close(&store);
		unlink(temp_path(name));
	}
	assert_true(cancelled > 0);
}

/* CANCELLED says that it had no effect: not for one of which a part has been written. */
static void begun_requests_are_not_cancelled(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	request = transfer(&store, TGT_BS_WRITE, 0, buf, 4 * PAGE);
	begin(request, PAGE);
	cancel(&store, request);
	assert_int_equal(request->completions, 0);
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_ASYNC_CANCEL), 0);
	fake_request_free(request);
	/* nor when the kernel says so of the rest */
	request = transfer(&store, TGT_BS_WRITE, 0, buf, 4 * PAGE);
	begin(request, PAGE);
	fault_set(FAULT_URING_CQE, (struct fault){.error = ECANCELED, .times = 1});
	assert_true(fake_wait(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	fake_request_free(request);
	fake_store_close(&store);
}

/* module_data of a request that a worker has was never filled: what it holds by chance, a pointer
 * in any place of it, must not be used. */
static void cancelling_what_a_worker_has(void **state)
{
	const size_t words = module()->descriptor.request_size / sizeof(void *);
	struct fake_store store;

	(void)state;
	open_uring(&store, NULL, 0);
	for (size_t word = 0; word < words; word++) {
		struct fake_request *request = transfer(&store, TGT_BS_BLOCK_STATUS, 0, NULL, PAGE);
		void *somewhere[64] = {NULL}, **chance = request->bs.module_data;

		memset(chance, 0, words * sizeof(*chance));
		chance[word] = somewhere;
		fake_submit(request);
		assert_true(request->went_to_worker);
		cancel(&store, request);
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
	    TEST(short_transfers_are_continued),
	    TEST(shrunken_file),
	    TEST(fua_is_durable),
	    TEST(flush_syncs_the_data),
	    TEST(failed_durable_writes),
	    TEST(durable_zeroing_is_synchronised),
	    TEST(discard_punches_and_zeroes_stay_allocated),
	    TEST(zeroing_without_the_file_systems_help),
	    TEST(zeroing_of_an_odd_range),
	    TEST(errors_of_zeroing),
	    TEST(errors_of_requests),
	    TEST(waiting_requests_can_be_cancelled),
	    TEST(requests_in_the_kernel_are_cancelled_by_it),
	    TEST(begun_requests_are_not_cancelled),
	    TEST(cancelling_what_a_worker_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
