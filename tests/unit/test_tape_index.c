/* SPDX-License-Identifier: MIT */
/* A tape of a million records: found by its index, also when that is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "image.h"

#define MILLION 1000000u
#define MARK_EVERY 1000u
#define MAP (128l << 20) /* what that takes, and more */

static char path[64]; /* in memory: it is about what is read, not about the disk */
static struct image image;

/* While the tape is made, its file is written to as memory: a million calls take their time. */
static uint8_t *map;

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t done = 0;

	if (!map)
		return syscall(SYS_pwritev, fd, iov, (unsigned long)count, (unsigned long)offset,
			       0ul);
	for (int i = 0; i < count; done += (ssize_t)iov[i++].iov_len)
		memcpy(map + offset + done, iov[i].iov_base, iov[i].iov_len);
	return done;
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may have the processor meanwhile */
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void open_image(void)
{
	char error[256];

	if (image_open(&image, path, false, false, NULL, error, sizeof(error)))
		fail_msg("%s", error);
}

static struct partition *only(void)
{
	return &image.partitions[0];
}

static bool is_mark(uint32_t number)
{
	return number % MARK_EVERY == MARK_EVERY - 1;
}

static void append(uint32_t number)
{
	struct object object = {.kind = is_mark(number) ? OBJECT_MARK : OBJECT_RECORD};
	struct iovec piece = {&number, is_mark(number) ? 0 : sizeof(number)};

	object.length = (uint32_t)piece.iov_len;
	assert_int_equal(
	    partition_append(only(), &object, &(struct slice){&piece, 1, 0, piece.iov_len}), 0);
}

static int make_tape(void **state)
{
	const struct tape_made made = {.size = 1ull << 30};
	char error[256];
	int fd = memfd_create("million", MFD_CLOEXEC);

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(image_open(&image, path, false, false, &made, error, sizeof(error)), 0);
	assert_int_equal(ftruncate(fd, MAP), 0);
	map = mmap(NULL, MAP, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	for (uint32_t i = 0; i < MILLION; i++)
		append(i);
	assert_true(only()->end < MAP);
	assert_int_equal(partition_sync(only()), 0);
	munmap(map, MAP);
	map = NULL;
	assert_int_equal(ftruncate(fd, (off_t)only()->end), 0);
	image_close(&image);
	return 0;
}

static void assert_object(uint64_t number)
{
	struct object object;
	uint32_t text;
	struct iovec piece = {&text, sizeof(text)};
	uint64_t offset, marks;

	assert_int_equal(partition_stat(only(), number, &object, &offset), 0);
	assert_int_equal(index_marks_before(&only()->index, number, &marks), 0);
	assert_int_equal(marks, number / MARK_EVERY);
	if (is_mark((uint32_t)number)) {
		assert_int_equal(object.kind, OBJECT_MARK);
		return;
	}
	assert_int_equal(object_read_payload(image.fd, offset, &object,
					     &(struct slice){&piece, 1, 0, sizeof(text)}),
			 0);
	assert_int_equal(text, number);
}

static void a_million_records_open_at_once(void **state)
{
	uint64_t began = now_us(), took;

	(void)state;
	open_image();
	took = now_us() - began;
	print_message("opened in %llu us\n", (unsigned long long)took);
	assert_int_equal(only()->index.nr, MILLION);
	assert_int_equal(only()->index.nr_marks, MILLION / MARK_EVERY);
	assert_false(only()->repaired || only()->rest);
	assert_true(took < 100000);
	image_close(&image);
}

static void any_of_a_million_is_found_in_ten_ms(void **state)
{
	uint64_t slowest = 0, number = 12345;

	(void)state;
	open_image();
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t began = now_us(), took;

		number = (number * 6364136223846793005ull + 1442695040888963407ull) % MILLION;
		assert_object(number);
		took = now_us() - began;
		if (took > slowest)
			slowest = took;
	}
	print_message("the slowest took %llu us\n", (unsigned long long)slowest);
	assert_true(slowest < 10000);
	for (uint64_t mark = 0; mark < MILLION / MARK_EVERY; mark++) {
		assert_int_equal(index_mark(&only()->index, mark, &number), 0);
		assert_int_equal(number, mark * MARK_EVERY + MARK_EVERY - 1);
	}
	image_close(&image);
}

static void spoil(uint64_t offset)
{
	uint8_t byte;

	assert_int_equal(pread(image.fd, &byte, 1, (off_t)offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(image.fd, &byte, 1, (off_t)offset), 1);
}

/* Whichever index or directory block is damaged, every object is found all the same. */
static void damaged_index_blocks_are_made_up(void **state)
{
	uint64_t places[4];

	(void)state;
	open_image();
	places[0] = only()->index.blocks[0].offset + 60;
	places[1] = only()->index.blocks[700].offset + 4; /* its header */
	places[2] = only()->index.blocks[only()->index.nr_blocks - 1].offset + 100;
	places[3] = only()->directory + 2000;
	for (unsigned i = 0; i < 4; i++) {
		spoil(places[i]);
		image_close(&image);
		open_image();
		assert_int_equal(only()->index.nr, MILLION);
		for (uint64_t number = 0; number < MILLION; number += 70001)
			assert_object(number);
		assert_object(100);
		assert_object(700 * INDEX_ENTRIES + 5);
		assert_object(701 * INDEX_ENTRIES);
		assert_object(MILLION - 1);
		assert_int_equal(only()->repaired, i >= 2);
		spoil(places[i]);
	}
	image_close(&image);
}

/* What is written over an older end is all there is: also where blocks of the index go. */
static void cuts_at_the_edges_of_index_blocks(void **state)
{
	static const uint32_t at[] = {INDEX_ENTRIES * INDEX_ENTRIES * 3 + 1,
				      INDEX_ENTRIES * INDEX_ENTRIES * 3,
				      INDEX_ENTRIES * INDEX_ENTRIES * 3 - 1,
				      INDEX_ENTRIES * INDEX_ENTRIES,
				      INDEX_ENTRIES * 3 + 1,
				      INDEX_ENTRIES * 3,
				      INDEX_ENTRIES * 3 - 1,
				      INDEX_ENTRIES,
				      1,
				      0};

	(void)state;
	for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++) {
		open_image();
		assert_int_equal(partition_cut(only(), at[i]), 0);
		for (uint32_t number = at[i]; number < at[i] + 1030; number++)
			append(number);
		assert_int_equal(partition_sync(only()), 0);
		image_close(&image);
		open_image();
		assert_int_equal(only()->index.nr, at[i] + 1030);
		assert_false(only()->repaired);
		for (uint64_t number = at[i] < 3000 ? 0 : at[i] - 3000; number < at[i] + 1030;
		     number++)
			assert_object(number);
		image_close(&image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_million_records_open_at_once),
	    cmocka_unit_test(any_of_a_million_is_found_in_ten_ms),
	    cmocka_unit_test(damaged_index_blocks_are_made_up),
	    cmocka_unit_test(cuts_at_the_edges_of_index_blocks),
	};

	return cmocka_run_group_tests(tests, make_tape, NULL);
}
