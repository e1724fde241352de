/* SPDX-License-Identifier: MIT */
/*
 * A tape's file that somebody damaged: opened, read to its end, written to, and opened again.  The
 * input patches a good one, a few bytes here and there; the CRCs of what it touches are put right
 * if it says so, since hardly anything would get past them otherwise.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bytes.h"
#include "codec.h"
#include "fuzz.h"
#include "image.h"

#define ROOM 4096u
#define RECORDS 1100 /* so that there are index blocks */
#define SECTORS 6    /* of headers and checkpoints */

static uint8_t *good;
static size_t good_size;

static void append(struct partition *p, uint32_t kind, const char *text)
{
	struct iovec iov = {(void *)(uintptr_t)text, text ? strlen(text) : 0};
	struct object object = {.kind = kind, .length = (uint32_t)iov.iov_len};

	must(!partition_append(p, &object, &(struct slice){&iov, 1, 0, iov.iov_len}));
}

/* Two partitions: many objects in one, few in the other. */
static void make_good(void)
{
	static const uint64_t sizes[] = {1 << 20, 1 << 20};
	const struct tape_made made = {.size = 2 << 20, .barcode = "FUZZ01L8"};
	int fd = memfd_create("good", MFD_CLOEXEC);
	char path[64], error[256];
	struct image image;

	must(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(!image_open(&image, path, false, false, &made, error, sizeof(error)));
	must(!image_format(&image, 2, sizes, 0));
	append(&image.partitions[0], OBJECT_RECORD, "first");
	append(&image.partitions[0], OBJECT_MARK, NULL);
	for (unsigned i = 0; i < RECORDS; i++)
		append(&image.partitions[1], i % 7 ? OBJECT_RECORD : OBJECT_MARK,
		       i % 7 ? "some text" : NULL);
	must(!partition_sync(&image.partitions[0]) && !partition_sync(&image.partitions[1]));
	good_size = (size_t)image.partitions[1].end;
	image_close(&image);
	good = malloc(good_size);
	must(good && pread(fd, good, good_size, 0) == (ssize_t)good_size);
	close(fd);
}

static void mend(uint8_t *file, size_t at)
{
	size_t sector = at / SLOT * SLOT;

	if (sector < SECTORS * SLOT && at % SLOT < SECTOR)
		put32(file + sector + SECTOR - 4, crc_of(file + sector, SECTOR - 4));
	/* the object that it is in the header of */
	at = at / OBJECT_ALIGN * OBJECT_ALIGN;
	for (size_t back = 0; back < OBJECT_HEADER && at >= DATA_AT + back; back += OBJECT_ALIGN) {
		uint8_t *header = file + at - back;
		uint32_t kind = get32(header);

		if ((kind == OBJECT_RECORD || kind == OBJECT_MARK || kind == OBJECT_INDEX) &&
		    good_size - (at - back) >= OBJECT_HEADER)
			put32(header + 44, crc_of(header, 44));
	}
}

/* True: CRCs were put right, so that the file may tell lies. */
static bool patch(uint8_t *file, struct fuzz_input *in)
{
	static const uint32_t places[] = {0, SLOT, 2 * SLOT, 3 * SLOT, 4 * SLOT, 5 * SLOT, DATA_AT};
	bool lies = false;

	while (in->left >= 4) {
		uint8_t how = fuzz_byte(in);
		uint32_t from = places[how % (sizeof(places) / sizeof(*places))];
		size_t at = from + fuzz_be16(in), count = 1 + (how >> 4 & 7);

		for (size_t i = 0; i < count && at + i < good_size; i++) {
			file[at + i] = fuzz_byte(in);
			if (how & 0x80)
				mend(file, at + i);
			lies |= how & 0x80;
		}
	}
	return lies;
}

static void read_partition(struct image *image, struct partition *p)
{
	static uint8_t buf[ROOM];
	struct iovec iov = {buf, ROOM};
	struct codec codec = {0};

	must(p->end >= p->start && p->end <= partition_limit(p));
	for (uint64_t number = 0; number < p->index.nr && number < 3 * RECORDS; number++) {
		struct object object;
		uint64_t offset, entry, before;

		if (index_entry(&p->index, number, &entry))
			continue;
		must(!index_marks_before(&p->index, number, &before) && before <= number);
		if (!partition_stat(p, number, &object, &offset) && object.length)
			codec_read(&codec, NULL, image->fd, offset, &object,
				   &(struct slice){&iov, 1, 0, ROOM});
	}
	codec_free(&codec);
	for (uint64_t mark = 0; mark < p->index.nr_marks && mark < RECORDS; mark++) {
		uint64_t number;

		if (!index_mark(&p->index, mark, &number))
			must(number < p->index.nr);
	}
}

/* What is written now is there when it is opened again, and nothing else has come. */
static void write_to(struct image *image, const char *path, struct fuzz_input *in, bool lies)
{
	uint32_t which = fuzz_byte(in) % image->count;
	struct partition *p = &image->partitions[which];
	uint64_t keep = p->index.nr ? fuzz_be16(in) % (p->index.nr + 1) : 0;
	struct object object;
	uint64_t offset;
	char error[256] = "";

	if (partition_cut(p, keep) || !partition_has_room(p, 8) || p->end > 64 << 20)
		return;
	append(p, OBJECT_RECORD, "a record");
	must(!partition_sync(p));
	image_close(image);
	if (image_open(image, path, false, false, NULL, error, sizeof(error))) {
		must(lies);
		return;
	}
	p = &image->partitions[which];
	if (lies) /* about where its objects are, say; it is opened, whatever it is */
		return;
	must(p->index.nr == keep + 1);
	must(!partition_stat(p, keep, &object, &offset) && object.length == 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int fd = memfd_create("tape", MFD_CLOEXEC);
	char path[64], error[256] = "";
	struct image image;
	uint8_t *file;
	bool lies;

	if (!good)
		make_good();
	file = malloc(good_size);
	must(fd >= 0 && file);
	memcpy(file, good, good_size);
	lies = patch(file, &in);
	must(pwrite(fd, file, good_size, 0) == (ssize_t)good_size);
	free(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_open(&image, path, false, false, NULL, error, sizeof(error))) {
		must(*error);
		close(fd);
		return 0;
	}
	for (uint32_t i = 0; i < image.count; i++)
		read_partition(&image, &image.partitions[i]);
	in = (struct fuzz_input){data, size};
	write_to(&image, path, &in, lies);
	image_close(&image);
	close(fd);
	return 0;
}
