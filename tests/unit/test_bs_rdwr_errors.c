/* SPDX-License-Identifier: MIT */
/* What the rdwr store's module promises of durability, and what it says when the system fails. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "block_checks.h"
#include "loop_device.h"
#include "rdwr_fixture.h"
#include "util/cleanup.h"

static void fua_is_durable(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_last_flags(FAULT_PWRITEV2), 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA), TGT_BS_OK);
	assert_int_equal(fault_last_flags(FAULT_PWRITEV2), RWF_DSYNC);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 0);
	/* where RWF_DSYNC isn't known: by hand, and asked only once */
	fault_set(FAULT_PWRITEV2, (struct fault){.error = EOPNOTSUPP, .only_flags = RWF_DSYNC});
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 1);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 2);
	assert_int_equal(fault_count(FAULT_PWRITEV2), 5);
	fake_store_close(&store);
}

static void flush_syncs_the_file(void **state)
{
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 1);
	/* fsync(2): whatever the error, the data may be lost */
	fault_set(FAULT_FDATASYNC, (struct fault){.error = ENOSPC});
	assert_int_equal(fake_io(&store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_ERR_FLUSH);
	assert_non_null(strstr(fake_log(), "flush"));
	assert_non_null(strstr(fake_log(), temp_path("disk")));
	fake_store_close(&store);
}

/* Through the page cache, a synchronous write may report what earlier ones lost. */
static void eio_of_a_synchronous_write_is_a_failed_flush(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PWRITEV2, (struct fault){.error = EIO});
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA),
			 TGT_BS_ERR_FLUSH);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, 0), TGT_BS_ERR_WRITE);
	fake_store_close(&store);
	open_fresh(&store, TGT_BS_OPEN_DIRECT);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_REQ_FUA),
			 TGT_BS_ERR_WRITE);
	fake_store_close(&store);
}

/* ---- errors ---- */

static struct fake_request *failing(struct fake_store *store, enum tgt_bs_op op, uint64_t offset,
				    char *buf, size_t length, uint32_t status)
{
	struct fake_request *request = fake_request_new(store, op, offset, length);

	fake_request_add(request, buf, length);
	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, status);
	return request;
}

static void errors_by_their_meaning(void **state)
{
	static const struct {
		int error;
		uint32_t read, write;
	} rows[] = {
	    {EIO, TGT_BS_ERR_READ, TGT_BS_ERR_WRITE},
	    {ENOSPC, TGT_BS_ERR_NO_SPACE, TGT_BS_ERR_NO_SPACE},
	    {EDQUOT, TGT_BS_ERR_NO_SPACE, TGT_BS_ERR_NO_SPACE},
	    {EROFS, TGT_BS_ERR_HARDWARE, TGT_BS_ERR_WRITE_PROTECTED},
	    {EPERM, TGT_BS_ERR_HARDWARE, TGT_BS_ERR_WRITE_PROTECTED},
	    {ENOMEM, TGT_BS_ERR_BUSY, TGT_BS_ERR_BUSY},
	    {ETIMEDOUT, TGT_BS_ERR_TIMED_OUT, TGT_BS_ERR_TIMED_OUT},
	    {ENXIO, TGT_BS_ERR_HARDWARE, TGT_BS_ERR_HARDWARE},
	};
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PREADV2, (struct fault){.error = EAGAIN});
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct fault fault = {.error = rows[i].error};

		fault_set(FAULT_PREADV, fault);
		fault_set(FAULT_PWRITEV2, fault);
		assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), rows[i].read);
		assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, 0), rows[i].write);
	}
	fake_store_close(&store);
}

/* info is where it went wrong, not where the request began. */
static void errors_say_where(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PREADV2, (struct fault){.limit = PAGE});
	fault_set(FAULT_PREADV, (struct fault){.error = EIO});
	request = failing(&store, TGT_BS_READ, MiB, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	assert_non_null(strstr(fake_log(), "read of 16384 bytes at 1048576: Input/output error"));
	fake_request_free(request);
	fake_store_close(&store);
}

static void repeated_errors_are_logged_once(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PWRITEV2, (struct fault){.error = EIO});
	for (int i = 0; i < 5; i++)
		fake_request_free(failing(&store, TGT_BS_WRITE, 0, buf, PAGE, TGT_BS_ERR_WRITE));
	assert_ptr_equal(strchr(fake_log(), '\n'), strrchr(fake_log(), '\n'));
	fake_store_close(&store);
}

/* The file shrinks under us: a medium error at the first byte that is gone. */
static void shrunken_file(uint32_t flags)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	open_fresh(&store, flags);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, MiB - 2 * PAGE, buf, 4 * PAGE, 0),
			 TGT_BS_OK);
	assert_int_equal(truncate(temp_path("disk"), MiB), 0);
	request = failing(&store, TGT_BS_READ, MiB - 2 * PAGE, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB);
	assert_true(request->bs.actual == 2 * PAGE);
	assert_non_null(strstr(fake_log(), "the file ends before there"));
	fake_request_free(request);
	request = failing(&store, TGT_BS_READ, 2 * MiB, buf, PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == 2 * MiB);
	fake_request_free(request);
	/* and what is left can still be read */
	assert_int_equal(fake_io(&store, TGT_BS_READ, MiB - PAGE, buf, PAGE, 0), TGT_BS_OK);
	fake_store_close(&store);
}

static void shrunken_file_cached(void **state)
{
	(void)state;
	shrunken_file(0);
}

static void shrunken_file_direct(void **state)
{
	(void)state;
	shrunken_file(TGT_BS_OPEN_DIRECT);
}

/* It ends within a block: direct reads come back in a length that they can't go on from. */
static void shrunken_file_within_a_block(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, TGT_BS_OPEN_DIRECT);
	assert_int_equal(truncate(temp_path("disk"), MiB + 100), 0);
	request = failing(&store, TGT_BS_READ, MiB, buf, 4 * PAGE, TGT_BS_ERR_READ);
	assert_true(request->bs.info == MiB + 100);
	fake_request_free(request);
	fake_store_close(&store);
}

/* RLIMIT_FSIZE stands for a file system with a smaller largest file. */
static void no_room_for_a_large_file(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(4 * PAGE, 9);
	struct rlimit old, low;
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = old;
	low.rlim_cur = MiB;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	request = fake_request_new(&store, TGT_BS_WRITE, MiB - PAGE, 4 * PAGE);
	fake_request_add(request, buf, 4 * PAGE);
	assert_true(fake_run(request));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(request->bs.status, TGT_BS_ERR_NO_SPACE);
	assert_true(request->bs.info == MiB);
	assert_true(request->bs.actual == PAGE);
	fake_request_free(request);
	fake_store_close(&store);
}

/* A thin disk on a file system that fills up, and one that is mounted read-only. */
static void full_and_read_only_file_systems(void **state)
{
	const char *dir = temp_path("full");
	const char *path = temp_path("full/disk");
	CLEANUP_FREE char *buf = fake_buffer(2 * MiB, 9);
	struct fake_store store;
	char want[1024];

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	if (mount_small_tmpfs(dir, MiB)) {
		if (geteuid() == 0)
			fail_msg("no tmpfs");
		skip();
	}
	temp_file("full/disk", SIZE);
	open_rdwr(&store, &(struct fake_open){.path = path});
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, 2 * MiB, 0), TGT_BS_ERR_NO_SPACE);
	assert_non_null(strstr(fake_log(), "No space left on device"));
	/* what is unmapped makes room again */
	assert_int_equal(fake_io(&store, TGT_BS_DISCARD, 0, NULL, 2 * MiB, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, MiB / 2, 0), TGT_BS_OK);
	/* tmpfs has no FALLOC_FL_ZERO_RANGE: the zeroes are written */
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, PAGE, NULL, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, 3 * PAGE, 0), TGT_BS_OK);
	assert_int_equal(buf[PAGE - 1], 9);
	assert_int_equal(buf[PAGE], 0);
	assert_int_equal(buf[2 * PAGE], 9);
	fake_store_close(&store);
	assert_int_equal(remount_read_only(dir), 0);
	snprintf(want, sizeof(want),
		 "%s: Read-only file system, when opened for reading and writing", path);
	assert_string_equal(open_error(&(struct fake_open){.path = path}, -EROFS), want);
	open_rdwr(&store, &(struct fake_open){.path = path, .flags = TGT_BS_OPEN_READONLY});
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK);
	assert_false(store.geometry.flags & TGT_BS_GEO_DISCARD);
	fake_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_faults)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(fua_is_durable),
	    TEST(flush_syncs_the_file),
	    TEST(eio_of_a_synchronous_write_is_a_failed_flush),
	    TEST(errors_by_their_meaning),
	    TEST(errors_say_where),
	    TEST(repeated_errors_are_logged_once),
	    TEST(shrunken_file_cached),
	    TEST(shrunken_file_direct),
	    TEST(shrunken_file_within_a_block),
	    TEST(no_room_for_a_large_file),
	    /* last: it takes the process into a mount namespace of its own */
	    TEST(full_and_read_only_file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
