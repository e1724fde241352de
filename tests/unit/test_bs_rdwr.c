/* SPDX-License-Identifier: MIT */
/* The rdwr store's module, on real files and a real block device. */
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

static void keeps_the_contract_with(uint32_t flags)
{
	const char *path = temp_file("contract", SIZE);
	const struct block_subject subject = {
	    .module = fake_module_file("rdwr"),
	    .path = path,
	    .raw_file = path,
	    .open_flags = flags,
	};

	assert_int_equal(block_checks_run(&subject), 0);
}

static void keeps_the_contract(void **state)
{
	(void)state;
	keeps_the_contract_with(0);
}

static void keeps_the_contract_sync(void **state)
{
	(void)state;
	keeps_the_contract_with(TGT_BS_OPEN_SYNC);
}

static void keeps_the_contract_direct(void **state)
{
	(void)state;
	keeps_the_contract_with(TGT_BS_OPEN_DIRECT);
	keeps_the_contract_with(TGT_BS_OPEN_DIRECT | TGT_BS_OPEN_SYNC);
}

static void keeps_the_contract_on_a_device(void **state)
{
	char name[64];
	const char *image = temp_file("device", SIZE);
	int fd = loop_attach(image, false, name, sizeof(name));
	struct block_subject subject = {.module = fake_module_file("rdwr"), .path = name};
	struct fake_store store;

	(void)state;
	if (fd < 0 && geteuid() != 0)
		skip();
	assert_true(fd >= 0);
	assert_int_equal(block_checks_run(&subject), 0);
	subject.open_flags = TGT_BS_OPEN_DIRECT;
	assert_int_equal(block_checks_run(&subject), 0);
	open_rdwr(&store, &(struct fake_open){.path = name});
	assert_true(store.geometry.size == SIZE);
	assert_true(store.geometry.flags & TGT_BS_GEO_DISCARD);
	assert_int_not_equal(store.geometry.physical_block_size, 0);
	fake_store_close(&store);
	close(fd);
}

/* It would open for writing, and then refuse each write. */
static void read_only_device(void **state)
{
	char name[64];
	int fd = loop_attach(temp_file("device", SIZE), true, name, sizeof(name));
	struct fake_store store;

	(void)state;
	if (fd < 0 && geteuid() != 0)
		skip();
	assert_true(fd >= 0);
	assert_non_null(strstr(open_error(&(struct fake_open){.path = name}, -EROFS),
			       ": Read-only file system, when opened for"));
	open_rdwr(&store, &(struct fake_open){.path = name, .flags = TGT_BS_OPEN_READONLY});
	assert_true(store.geometry.flags & TGT_BS_GEO_READONLY);
	fake_store_close(&store);
	close(fd);
}

/* ---- opening ---- */

static void open_errors_are_clear(void **state)
{
	const char *fifo = temp_path("fifo"), *empty = temp_file("empty", 0);
	const char *small = temp_file("small", 511);
	char want[1024];

	(void)state;
	assert_string_equal(open_error(&(struct fake_open){.path = "/no/such/file"}, -ENOENT),
			    "/no/such/file: No such file or directory");
	assert_string_equal(open_error(&(struct fake_open){.path = NULL}, -EINVAL),
			    "a path is needed");
	assert_string_equal(open_error(&(struct fake_open){.path = "/"}, -EISDIR),
			    "/: Is a directory");
	assert_string_equal(open_error(&(struct fake_open){.path = "/dev/null"}, -EINVAL),
			    "/dev/null: neither a file nor a block device");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	snprintf(want, sizeof(want), "%s: neither a file nor a block device", fifo);
	assert_string_equal(open_error(&(struct fake_open){.path = fifo}, -EINVAL), want);
	snprintf(want, sizeof(want), "%s: 0 bytes are less than one block of 512", empty);
	assert_string_equal(open_error(&(struct fake_open){.path = empty}, -EINVAL), want);
	snprintf(want, sizeof(want), "%s: 511 bytes are less than one block of 512", small);
	assert_string_equal(open_error(&(struct fake_open){.path = small}, -EINVAL), want);
	assert_non_null(strstr(
	    open_error(&(struct fake_open){.path = small, .bsopts = "x=1"}, -EINVAL), "\"x\""));
}

static void failed_opens_leak_no_descriptor(void **state)
{
	int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;

	(void)state;
	close(before);
	open_error(&(struct fake_open){.path = temp_file("empty", 0)}, -EINVAL);
	after = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(after);
	assert_int_equal(before, after);
}

static void geometry_of_a_file(void **state)
{
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_true(store.geometry.size == SIZE);
	assert_true(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
	assert_false(store.geometry.flags & TGT_BS_GEO_READONLY);
	assert_true(store.geometry.memory_alignment <= 1);
	assert_true(store.geometry.io_alignment <= 1);
	fake_store_close(&store);
	open_fresh(&store, TGT_BS_OPEN_SYNC);
	assert_false(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
	fake_store_close(&store);
	open_fresh(&store, TGT_BS_OPEN_DIRECT);
	assert_true(store.geometry.io_alignment >= 512);
	assert_true(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
	fake_store_close(&store);
}

/* Without statx()'s word on it, what the file takes is found out. */
static void direct_alignment_is_probed(void **state)
{
	const struct fake_open how = {.path = temp_file("disk", SIZE), .flags = TGT_BS_OPEN_DIRECT};
	struct fake_store store;

	(void)state;
	fault_set(FAULT_STATX, (struct fault){.error = ENOSYS});
	open_rdwr(&store, &how);
	assert_true(store.geometry.io_alignment == 512 || store.geometry.io_alignment == 4096);
	assert_int_equal(store.geometry.memory_alignment, store.geometry.io_alignment);
	fake_store_close(&store);
	fault_set(FAULT_PREAD, (struct fault){.error = EINVAL, .times = 1});
	open_rdwr(&store, &how);
	assert_int_equal(store.geometry.io_alignment, 4096);
	assert_int_equal(store.geometry.memory_alignment, 4096);
	fake_store_close(&store);
	fault_set(FAULT_PREAD, (struct fault){.error = EINVAL});
	assert_non_null(strstr(open_error(&how, -EINVAL), "refused even in blocks of 4096"));
}

/* The flags of the descriptor that the module has of a file. */
static int descriptor_flags(const char *path)
{
	char link[64], target[512];

	for (int fd = 3; fd < 256; fd++) {
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, path) == 0)
			return fcntl(fd, F_GETFL);
	}
	fail_msg("%s is not open", path);
	return 0;
}

static void flags_reach_the_kernel(void **state)
{
	static const struct {
		uint32_t open;
		int want;
	} rows[] = {
	    {0, O_RDWR},
	    {TGT_BS_OPEN_READONLY, O_RDONLY},
	    {TGT_BS_OPEN_SYNC, O_RDWR | O_DSYNC},
	    {TGT_BS_OPEN_DIRECT, O_RDWR | O_DIRECT},
	    {TGT_BS_OPEN_SYNC | TGT_BS_OPEN_DIRECT, O_RDWR | O_DSYNC | O_DIRECT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_store store;
		int flags;

		open_fresh(&store, rows[i].open);
		flags = descriptor_flags(temp_path("disk"));
		assert_int_equal(flags & (O_ACCMODE | O_DSYNC | O_DIRECT), rows[i].want);
		fake_store_close(&store);
	}
}

/* The block that direct I/O can't reach is no part of the disk. */
static void direct_size_is_whole_blocks(void **state)
{
	struct fake_store store;

	(void)state;
	open_rdwr(&store, &(struct fake_open){.path = temp_file("odd", MiB + 700),
					      .flags = TGT_BS_OPEN_DIRECT});
	assert_true(store.geometry.size ==
		    (MiB + 700) / store.geometry.io_alignment * store.geometry.io_alignment);
	fake_store_close(&store);
}

static void size_asked_for_is_a_limit(void **state)
{
	const char *path = temp_file("limit", SIZE);
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 1);
	struct fake_store store;
	struct stat st;

	(void)state;
	open_rdwr(&store, &(struct fake_open){.path = path, .size = MiB});
	assert_true(store.geometry.size == MiB);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, MiB, buf, PAGE, 0), TGT_BS_ERR_OUT_OF_RANGE);
	assert_string_equal(fake_log(), "");
	fake_store_close(&store);
	open_rdwr(&store, &(struct fake_open){.path = path, .size = 100ull * MiB});
	assert_true(store.geometry.size == SIZE);
	assert_non_null(strstr(fake_log(), "has 8388608 bytes, not the 104857600 asked for"));
	fake_store_close(&store);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size == SIZE);
}

static void grown_file_is_seen(void **state)
{
	const char *path = temp_file("grows", MiB);
	struct tgt_bs_geometry geometry = {.struct_size = sizeof(geometry)};
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 1);
	struct fake_store store;

	(void)state;
	open_rdwr(&store, &(struct fake_open){.path = path});
	assert_int_equal(truncate(path, 2 * MiB), 0);
	assert_int_equal(module()->descriptor.geometry(store.store, &geometry), 0);
	assert_true(geometry.size == 2 * MiB);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, MiB, buf, PAGE, 0), TGT_BS_OK);
	fake_store_close(&store);
}

/* ---- the page cache ---- */

/* Whether the file system has non-blocking cached reads at all (tmpfs has none). */
static bool has_nowait(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;
	struct iovec iov = {&byte, 1};

	return preadv2(fd, &iov, 1, 0, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
}

static struct fake_request *read_request(struct fake_store *store, uint64_t offset, char *buf,
					 size_t length)
{
	struct fake_request *request = fake_request_new(store, TGT_BS_READ, offset, length);

	fake_request_add(request, buf, length);
	return request;
}

static void cached_read_stays_on_the_reactor(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(16 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;
	bool nowait;

	(void)state;
	open_fresh(&store, 0);
	nowait = has_nowait(temp_path("disk"));
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, 16 * PAGE, 0), TGT_BS_OK);
	memset(buf, 0, 16 * PAGE);
	request = read_request(&store, 0, buf, 16 * PAGE);
	assert_true(fake_run(request));
	assert_int_equal(request->inline_completion, nowait);
	assert_int_equal(request->went_to_worker, !nowait);
	assert_int_equal(buf[16 * PAGE - 1], 9);
	fake_request_free(request);
	fake_store_close(&store);
}

/* A read of which the cache has the first part only: the worker delivers all of it. */
static void partly_cached_read_is_finished_by_a_worker(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(16 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, 16 * PAGE, 0), TGT_BS_OK);
	memset(buf, 0, 16 * PAGE);
	fault_set(FAULT_PREADV2, (struct fault){.limit = 3 * PAGE + 100});
	request = read_request(&store, 0, buf, 16 * PAGE);
	assert_true(fake_run(request));
	assert_true(request->went_to_worker);
	assert_int_equal(request->bs.status, TGT_BS_OK);
	for (size_t i = 0; i < 16 * PAGE; i++)
		assert_int_equal(buf[i], 9);
	fake_request_free(request);
	fake_store_close(&store);
}

static void uncached_read_goes_to_a_worker(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PREADV2, (struct fault){.error = EAGAIN});
	request = read_request(&store, 0, buf, PAGE);
	assert_true(fake_run(request));
	assert_true(request->went_to_worker);
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_int_equal(buf[0], 0);
	fake_request_free(request);
	/* EAGAIN speaks of this read only */
	request = read_request(&store, 0, buf, PAGE);
	assert_true(fake_run(request));
	assert_int_equal(fault_count(FAULT_PREADV2), 2);
	fake_request_free(request);
	fake_store_close(&store);
}

static void nowait_is_given_up_when_unsupported(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PREADV2, (struct fault){.error = EOPNOTSUPP});
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_PREADV2), 1);
	fake_store_close(&store);
}

/* A direct read would wait for the disk, RWF_NOWAIT or not. */
static void direct_read_never_runs_on_the_reactor(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, TGT_BS_OPEN_DIRECT);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_PREADV2), 0);
	fake_store_close(&store);
}

static void all_but_reads_go_to_a_worker(void **state)
{
	static const enum tgt_bs_op ops[] = {TGT_BS_WRITE, TGT_BS_FLUSH, TGT_BS_DISCARD,
					     TGT_BS_WRITE_ZEROES, TGT_BS_BLOCK_STATUS};
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct fake_request *request =
		    fake_request_new(&store, ops[i], 0, ops[i] == TGT_BS_FLUSH ? 0 : PAGE);

		fake_request_add(request, buf, PAGE);
		assert_true(fake_run(request));
		assert_true(request->went_to_worker);
		assert_int_equal(request->bs.status, TGT_BS_OK);
		fake_request_free(request);
	}
	fake_store_close(&store);
}

/* ---- writing ---- */

/* Short transfers and signals are the module's business, not the initiator's. */
static void short_transfers_are_continued(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(8 * PAGE, 0);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	for (size_t i = 0; i < 8 * PAGE; i++)
		buf[i] = (char)(i * 7 >> 8);
	fault_set(FAULT_PWRITEV2, (struct fault){.limit = 1000});
	request = fake_request_new(&store, TGT_BS_WRITE, 512, 8 * PAGE);
	fake_request_add(request, buf, 700);
	fake_request_add(request, buf + 700, 5000);
	fake_request_add(request, buf + 5700, 8 * PAGE - 5700);
	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_true(fault_count(FAULT_PWRITEV2) > 30);
	fake_request_free(request);
	fault_set(FAULT_PREADV2, (struct fault){.error = EAGAIN});
	fault_set(FAULT_PREADV, (struct fault){.limit = 999});
	memset(buf, 0, 8 * PAGE);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 512, buf, 8 * PAGE, 0), TGT_BS_OK);
	for (size_t i = 0; i < 8 * PAGE; i++)
		assert_int_equal(buf[i], (char)(i * 7 >> 8));
	fake_store_close(&store);
}

static void signals_are_not_errors(void **state)
{
	const struct fault once = {.error = EINTR, .times = 1};
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_PWRITEV2, once);
	fault_set(FAULT_PREADV2, (struct fault){.error = EAGAIN});
	fault_set(FAULT_PREADV, once);
	fault_set(FAULT_FDATASYNC, once);
	fault_set(FAULT_FALLOCATE, once);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_FLUSH, 0, NULL, 0, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, PAGE, 0), TGT_BS_OK);
	assert_int_equal(buf[0], 9);
	assert_int_equal(fake_io(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0), TGT_BS_OK);
	fake_store_close(&store);
}

/* ---- holes ---- */

static blkcnt_t allocated(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_blocks;
}

static struct fake_request *block_status(struct fake_store *store, uint64_t offset, uint64_t length,
					 uint32_t max)
{
	struct fake_request *request = fake_request_new(store, TGT_BS_BLOCK_STATUS, offset, length);

	request->bs.max_extents = max;
	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	return request;
}

static void assert_extent(const struct fake_request *request, uint32_t i, uint64_t offset,
			  uint64_t length, uint32_t flags)
{
	assert_true(i < request->bs.nr_extents);
	assert_true(request->extents[i].offset == offset);
	assert_true(request->extents[i].length == length);
	assert_int_equal(request->extents[i].flags, flags);
}

static void sparse_file_has_extents(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(16 * PAGE, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, MiB, buf, 16 * PAGE, 0), TGT_BS_OK);
	request = block_status(&store, 0, SIZE, 64);
	assert_int_equal(request->bs.nr_extents, 3);
	assert_extent(request, 0, 0, MiB, 0);
	assert_extent(request, 1, MiB, 16 * PAGE, TGT_BS_EXTENT_MAPPED);
	assert_extent(request, 2, MiB + 16 * PAGE, SIZE - MiB - 16 * PAGE, 0);
	fake_request_free(request);
	/* from the middle of one to the middle of the next, with room for one */
	request = block_status(&store, MiB + 512, 32 * PAGE, 1);
	assert_int_equal(request->bs.nr_extents, 1);
	assert_extent(request, 0, MiB + 512, 16 * PAGE - 512, TGT_BS_EXTENT_MAPPED);
	fake_request_free(request);
	fake_store_close(&store);
}

static void discard_deallocates(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MiB, 9);
	struct fake_request *request;
	struct fake_store store;
	blkcnt_t before;

	(void)state;
	open_fresh(&store, 0);
	assert_true(store.geometry.flags & TGT_BS_GEO_DISCARD);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, MiB, TGT_BS_REQ_FUA), TGT_BS_OK);
	before = allocated(temp_path("disk"));
	assert_int_equal(fake_io(&store, TGT_BS_DISCARD, 0, NULL, MiB / 2, 0), TGT_BS_OK);
	assert_true(allocated(temp_path("disk")) <= before - (blkcnt_t)(MiB / 2 / 512));
	request = block_status(&store, 0, MiB, 64);
	assert_int_equal(request->bs.nr_extents, 2);
	assert_extent(request, 0, 0, MiB / 2, 0);
	fake_request_free(request);
	fake_store_close(&store);
}

/* SBC-4 4.7.4.6: zeroed without leave to unmap, a block stays mapped. */
static void zeroes_stay_allocated_unless_told(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(MiB, 9);
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, MiB, TGT_BS_REQ_FUA), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, MiB / 2, 0), TGT_BS_OK);
	request = block_status(&store, 0, MiB, 64);
	assert_int_equal(request->bs.nr_extents, 1);
	assert_extent(request, 0, 0, MiB, TGT_BS_EXTENT_MAPPED);
	fake_request_free(request);
	/* also where there was nothing before */
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 4 * MiB, NULL, MiB, 0), TGT_BS_OK);
	request = block_status(&store, 4 * MiB, MiB, 64);
	assert_extent(request, 0, 4 * MiB, MiB, TGT_BS_EXTENT_MAPPED);
	fake_request_free(request);
	request = block_status(&store, 2 * MiB, 4 * MiB, 64);
	assert_int_equal(request->bs.nr_extents, 3);
	assert_extent(request, 0, 2 * MiB, 2 * MiB, 0);
	assert_extent(request, 1, 4 * MiB, MiB, TGT_BS_EXTENT_MAPPED);
	fake_request_free(request);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, MiB / 2, TGT_BS_REQ_UNMAP),
			 TGT_BS_OK);
	request = block_status(&store, 0, MiB, 64);
	assert_int_equal(request->bs.nr_extents, 2);
	assert_extent(request, 0, 0, MiB / 2, 0);
	fake_request_free(request);
	fake_store_close(&store);
}

/* Zeroes are written, all of them, where the file system can do nothing better. */
static void zeroes_are_written_where_fallocate_is_not(void **state)
{
	const size_t length = 3 * MiB + 512;
	CLEANUP_FREE char *buf = fake_buffer(4 * MiB, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE, 0, buf, 4 * MiB, 0), TGT_BS_OK);
	fault_set(FAULT_FALLOCATE, (struct fault){.error = EOPNOTSUPP});
	fault_set(FAULT_PWRITEV2, (struct fault){.limit = 100001});
	assert_int_equal(fake_io(&store, TGT_BS_DISCARD, 512, NULL, length, 0), TGT_BS_OK);
	assert_int_equal(fake_io(&store, TGT_BS_READ, 0, buf, 4 * MiB, 0), TGT_BS_OK);
	for (size_t i = 0; i < 4 * MiB; i++)
		assert_int_equal(buf[i], i < 512 || i >= 512 + length ? 9 : 0);
	fault_set(FAULT_PWRITEV2, (struct fault){.error = ENOSPC, .skip = 1});
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, length, 0),
			 TGT_BS_ERR_NO_SPACE);
	fake_store_close(&store);
}

/* Without SEEK_DATA nothing is known, and what isn't known counts as mapped. */
static void unknown_status_is_mapped(void **state)
{
	struct fake_request *request;
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	fault_set(FAULT_LSEEK, (struct fault){.error = EINVAL});
	request = block_status(&store, 0, SIZE, 64);
	assert_int_equal(request->bs.nr_extents, 1);
	assert_extent(request, 0, 0, SIZE, TGT_BS_EXTENT_MAPPED);
	fake_request_free(request);
	fake_store_close(&store);
}

/* A sync store promises it for all that changes the medium. */
static void sync_store_makes_zeroes_durable(void **state)
{
	struct fake_store store;

	(void)state;
	open_fresh(&store, TGT_BS_OPEN_SYNC);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 1);
	assert_int_equal(fake_io(&store, TGT_BS_DISCARD, 0, NULL, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 2);
	fake_store_close(&store);
	/* and any store does when it is asked to */
	open_fresh(&store, 0);
	fault_clear();
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, 0), TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 0);
	assert_int_equal(fake_io(&store, TGT_BS_WRITE_ZEROES, 0, NULL, PAGE, TGT_BS_REQ_FUA),
			 TGT_BS_OK);
	assert_int_equal(fault_count(FAULT_FDATASYNC), 1);
	fake_store_close(&store);
}

static void refuses_what_it_does_not_know(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(PAGE, 9);
	struct fake_store store;

	(void)state;
	open_fresh(&store, 0);
	assert_int_equal(fake_io(&store, TGT_BS_COMPARE_AND_WRITE, 0, buf, 512, 0),
			 TGT_BS_ERR_NOT_SUPPORTED);
	assert_int_equal(fake_io(&store, TGT_BS_BLOCK_STATUS, 0, NULL, 0, 0), TGT_BS_ERR_INVALID);
	fake_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup(name, clear_faults)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(keeps_the_contract),
	    TEST(keeps_the_contract_sync),
	    TEST(keeps_the_contract_direct),
	    TEST(keeps_the_contract_on_a_device),
	    TEST(read_only_device),
	    TEST(open_errors_are_clear),
	    TEST(failed_opens_leak_no_descriptor),
	    TEST(geometry_of_a_file),
	    TEST(direct_alignment_is_probed),
	    TEST(flags_reach_the_kernel),
	    TEST(direct_size_is_whole_blocks),
	    TEST(size_asked_for_is_a_limit),
	    TEST(grown_file_is_seen),
	    TEST(cached_read_stays_on_the_reactor),
	    TEST(partly_cached_read_is_finished_by_a_worker),
	    TEST(uncached_read_goes_to_a_worker),
	    TEST(nowait_is_given_up_when_unsupported),
	    TEST(direct_read_never_runs_on_the_reactor),
	    TEST(all_but_reads_go_to_a_worker),
	    TEST(short_transfers_are_continued),
	    TEST(signals_are_not_errors),
	    TEST(sparse_file_has_extents),
	    TEST(discard_deallocates),
	    TEST(zeroes_stay_allocated_unless_told),
	    TEST(zeroes_are_written_where_fallocate_is_not),
	    TEST(unknown_status_is_mapped),
	    TEST(sync_store_makes_zeroes_durable),
	    TEST(refuses_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
