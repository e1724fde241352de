/* SPDX-License-Identifier: MIT */
/*
 * A tape's file after a power failure.  What the image writes is recorded; then, for many moments,
 * the file is made up as a disk may have it: all that was written before the last fdatasync, and of
 * what came later any sectors.  The tape must end at or after the last synchronised object, hold
 * exactly what it held at some moment since then, and take new objects.
 *
 * TGT_TAPE_SEED, TGT_TAPE_RUNS and TGT_TAPE_CUTS: the first seed, how many runs, cuts in each.
 */
#include <fcntl.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "image.h"

#define SIZE (8ull << 20)
#define OBJECTS_MAX 2000
#define OPERATIONS 260
#define EVENTS_MAX 8192
#define TEXT_MAX 1500

/* ---- what the image does to its file ---- */

enum event_kind { EVENT_WRITE, EVENT_TRUNCATE, EVENT_PUNCH, EVENT_SYNC };

struct event {
	enum event_kind kind;
	uint64_t offset, length;
	uint8_t *data;
};

static struct event events[EVENTS_MAX];
static unsigned nr_events;
static bool recording;

static struct event *record(enum event_kind kind, uint64_t offset, uint64_t length)
{
	static struct event ignored;

	if (!recording)
		return &ignored;
	assert_true(nr_events < EVENTS_MAX);
	events[nr_events] = (struct event){kind, offset, length, NULL};
	return &events[nr_events++];
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	uint64_t length = 0;
	struct event *event;

	for (int i = 0; i < count; i++)
		length += iov[i].iov_len;
	event = record(EVENT_WRITE, (uint64_t)offset, length);
	if (recording) {
		event->data = malloc(length);
		length = 0;
		for (int i = 0; i < count; length += iov[i++].iov_len)
			memcpy(event->data + length, iov[i].iov_base, iov[i].iov_len);
	}
	return syscall(SYS_pwritev, fd, iov, (unsigned long)count, (unsigned long)offset, 0ul);
}

int fdatasync(int fd)
{
	(void)fd; /* the file is in memory */
	record(EVENT_SYNC, 0, 0);
	return 0;
}

int ftruncate(int fd, off_t length)
{
	record(EVENT_TRUNCATE, (uint64_t)length, 0);
	return (int)syscall(SYS_ftruncate, fd, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	record(EVENT_PUNCH, (uint64_t)offset, (uint64_t)length);
	return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

/* ---- random numbers, the same on every machine ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % n);
}

/* ---- what the tape held, after each step ---- */

/* An object is what it was made of: 0 a filemark, else the number that its text comes from. */
struct moment {
	unsigned nr;
	uint32_t *objects;
	unsigned event; /* of the first one after it */
	bool synced;    /* all of it is promised */
};

static struct moment moments[4 * OPERATIONS + 2 * OBJECTS_MAX];
static unsigned nr_moments;
static uint32_t held[OBJECTS_MAX];
static unsigned nr_held;
static uint32_t next_text;

static void note(bool synced)
{
	struct moment *m = &moments[nr_moments++];

	*m = (struct moment){.nr = nr_held, .event = nr_events, .synced = synced};
	m->objects = malloc((nr_held + 1) * sizeof(*m->objects));
	memcpy(m->objects, held, nr_held * sizeof(*held));
}

static uint32_t text_of(uint32_t number, uint8_t text[TEXT_MAX])
{
	uint32_t length = 1 + number * 2654435761u % TEXT_MAX;

	for (uint32_t i = 0; i < length; i++)
		text[i] = (uint8_t)(number * 31 + i * (number | 1));
	memcpy(text, &number, length < 4 ? length : 4);
	return length;
}

/* ---- operations ---- */

static struct image image;
static unsigned which; /* partition */

static struct partition *partition(void)
{
	return &image.partitions[which];
}

static void append(bool mark)
{
	uint8_t text[TEXT_MAX];
	uint32_t number = mark ? 0 : ++next_text;
	struct object object = {.kind = mark ? OBJECT_MARK : OBJECT_RECORD};
	struct iovec piece = {text, 0};

	if (!mark)
		piece.iov_len = object.length = text_of(number, text);
	assert_int_equal(
	    partition_append(partition(), &object, &(struct slice){&piece, 1, 0, piece.iov_len}),
	    0);
	held[nr_held++] = number;
	note(false);
}

static void cut(unsigned number)
{
	if (number == nr_held)
		return;
	nr_held = number;
	note(false); /* from its beginning on it may be so */
	assert_int_equal(partition_cut(partition(), number), 0);
	note(true);
}

static void operate(void)
{
	unsigned what = random_below(100);

	if (what < 4) {
		cut(random_below(nr_held + 1));
	} else if (what < 8 && nr_held) { /* near the end */
		cut(nr_held - random_below(nr_held < 40 ? nr_held : 40));
	} else if (what < 25) {
		assert_int_equal(partition_sync(partition()), 0);
		note(true);
	}
	if (nr_held < OBJECTS_MAX - 1)
		append(random_below(5) == 0);
}

static void run_operations(uint64_t seed, unsigned partitions)
{
	static const uint64_t sizes[] = {SIZE, SIZE};
	const struct tape_made made = {.size = 2 * SIZE};
	int fd = memfd_create("tape", MFD_CLOEXEC);
	char path[64], error[256];

	random_state = seed;
	nr_events = nr_moments = nr_held = next_text = 0;
	which = partitions > 1 ? random_below(partitions) : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	recording = true;
	if (image_open(&image, path, false, false, &made, error, sizeof(error)))
		fail_msg("%s", error);
	if (partitions > 1)
		assert_int_equal(image_format(&image, partitions, sizes, 0), 0);
	note(true);
	for (unsigned i = 0; i < 480; i++) /* so that an index block comes soon */
		append(i % 9 == 0);
	for (unsigned i = 0; i < OPERATIONS; i++)
		operate();
	recording = false;
	image_close(&image);
	close(fd);
}

/* ---- the disk ---- */

static uint8_t *disk;
static uint64_t disk_size, disk_room;

static void grow(uint64_t size)
{
	if (size > disk_room) {
		uint64_t room = size + (1 << 20);

		disk = realloc(disk, room);
		assert_non_null(disk);
		memset(disk + disk_room, 0, room - disk_room);
		disk_room = room;
	}
	if (size > disk_size)
		disk_size = size;
}

static void truncate_disk(uint64_t size)
{
	grow(size);
	memset(disk + size, 0, disk_size - size);
	disk_size = size;
}

/* All of a write, or any sectors of it. */
static void apply_write(const struct event *e, bool whole)
{
	uint64_t done = 0;

	while (done < e->length) {
		uint64_t part = SECTOR - (e->offset + done) % SECTOR;

		if (part > e->length - done)
			part = e->length - done;
		if (whole || random_below(2)) {
			grow(e->offset + done + part);
			memcpy(disk + e->offset + done, e->data + done, part);
		}
		done += part;
	}
}

static void apply(const struct event *e, bool whole)
{
	switch (e->kind) {
	case EVENT_WRITE:
		if (whole || random_below(4))
			apply_write(e, whole);
		break;
	case EVENT_TRUNCATE:
		if (whole || random_below(2))
			truncate_disk(e->offset);
		break;
	case EVENT_PUNCH:
		if ((whole || random_below(2)) && e->offset < disk_size)
			memset(disk + e->offset, 0,
			       e->length < disk_size - e->offset ? e->length
								 : disk_size - e->offset);
		break;
	default:
		break;
	}
}

/* What the disk has when the power goes after event number end. */
static void make_disk(unsigned end)
{
	unsigned synced = 0;

	disk_size = 0;
	if (disk)
		memset(disk, 0, disk_room);
	for (unsigned i = 0; i < end; i++)
		if (events[i].kind == EVENT_SYNC)
			synced = i + 1;
	for (unsigned i = 0; i < end; i++)
		apply(&events[i], i < synced);
}

/* ---- what is on it ---- */

static bool is_object(struct partition *p, unsigned number, uint32_t expected)
{
	uint8_t text[TEXT_MAX], read[TEXT_MAX];
	struct iovec piece = {read, sizeof(read)};
	struct object object;
	uint64_t offset;
	uint32_t length;

	if (partition_stat(p, number, &object, &offset))
		return false;
	if (!expected || object.kind == OBJECT_MARK)
		return !expected && object.kind == OBJECT_MARK;
	length = text_of(expected, text);
	return object.length == length &&
	       !object_read_payload(p->fd, offset, &object,
				    &(struct slice){&piece, 1, 0, sizeof(read)}) &&
	       memcmp(text, read, length) == 0;
}

static bool holds(struct partition *p, const struct moment *m)
{
	if (p->index.nr != m->nr)
		return false;
	for (unsigned i = 0; i < m->nr; i++)
		if (!is_object(p, i, m->objects[i]))
			return false;
	return true;
}

/* The moments that it may be in: from the last promise on, up to what was begun. */
static const struct moment *find(struct partition *p, unsigned end)
{
	unsigned from = 0, to = 0;

	for (unsigned i = 0; i < nr_moments; i++) {
		if (moments[i].event > end)
			continue;
		to = i;
		if (moments[i].synced)
			from = i;
	}
	for (unsigned i = from; i <= to + 2 && i < nr_moments; i++)
		if (holds(p, &moments[i]))
			return &moments[i];
	return NULL;
}

static void go_on(const char *path, const struct moment *m)
{
	uint8_t text[TEXT_MAX];
	struct object object = {.kind = OBJECT_RECORD};
	struct iovec piece = {text, 0};
	char error[256];

	piece.iov_len = object.length = text_of(777777, text);
	assert_int_equal(
	    partition_append(partition(), &object, &(struct slice){&piece, 1, 0, piece.iov_len}),
	    0);
	assert_int_equal(partition_sync(partition()), 0);
	image_close(&image);
	if (image_open(&image, path, false, false, NULL, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(partition()->index.nr, m->nr + 1);
	assert_true(is_object(partition(), m->nr, 777777));
	assert_true(!m->nr || is_object(partition(), m->nr - 1, m->objects[m->nr - 1]));
}

static void check_cut(uint64_t seed, unsigned end)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	const struct moment *m;
	char path[64], error[256];

	make_disk(end);
	assert_true(write(fd, disk, disk_size) == (ssize_t)disk_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_open(&image, path, false, false, NULL, error, sizeof(error)))
		fail_msg("seed %llu, event %u: %s", (unsigned long long)seed, end, error);
	if (partition()->repaired)
		fail_msg("seed %llu, event %u: it counts as damaged", (unsigned long long)seed,
			 end);
	m = find(partition(), end);
	if (!m)
		fail_msg("seed %llu, event %u of %u: %llu objects, which it never held",
			 (unsigned long long)seed, end, nr_events,
			 (unsigned long long)partition()->index.nr);
	go_on(path, m);
	image_close(&image);
	close(fd);
}

static unsigned setting(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static unsigned first_promise(void)
{
	unsigned event = 0;

	for (unsigned i = 0; i < nr_events && !event; i++)
		if (moments[0].event <= i)
			event = i;
	return event;
}

static void forget(void)
{
	for (unsigned i = 0; i < nr_events; i++)
		free(events[i].data);
	for (unsigned i = 0; i < nr_moments; i++)
		free(moments[i].objects);
}

static void cuts(unsigned partitions)
{
	unsigned seed = setting("TGT_TAPE_SEED", 1), runs = setting("TGT_TAPE_RUNS", 16);
	unsigned nr_cuts = setting("TGT_TAPE_CUTS", 60);

	print_message("seeds %u to %u, %u cuts each\n", seed, seed + runs - 1, nr_cuts);
	for (unsigned run = seed; run < seed + runs; run++) {
		run_operations(run, partitions);
		for (unsigned i = 0; i < nr_cuts; i++) {
			unsigned from = first_promise();

			check_cut(run, from + random_below(nr_events - from + 1));
		}
		forget();
	}
}

static void one_partition(void **state)
{
	(void)state;
	cuts(1);
}

static void several_partitions(void **state)
{
	(void)state;
	cuts(2);
}

/* The check does find what is wrong: without what the last fdatasync was for. */
static void a_lost_write_is_noticed(void **state)
{
	unsigned missed = 0;

	(void)state;
	run_operations(99, 1);
	for (unsigned i = 0; i < nr_events; i++)
		if (events[i].kind == EVENT_SYNC)
			events[i].kind = EVENT_PUNCH; /* of nothing */
	for (unsigned i = 0; i < 20; i++) {
		int fd = memfd_create("disk", MFD_CLOEXEC);
		char path[64], error[256];

		make_disk(nr_events);
		assert_true(write(fd, disk, disk_size) == (ssize_t)disk_size);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		missed += image_open(&image, path, false, false, NULL, error, sizeof(error)) ||
			  partition()->repaired || !find(partition(), nr_events);
		image_close(&image);
		close(fd);
	}
	forget();
	assert_true(missed > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_partition),
	    cmocka_unit_test(several_partitions),
	    cmocka_unit_test(a_lost_write_is_noticed),
	};
	int status = cmocka_run_group_tests(tests, NULL, NULL);

	free(disk);
	return status;
}
