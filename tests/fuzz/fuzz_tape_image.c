/* SPDX-License-Identifier: MIT */
/* A tape's file: opened, read to its end, written to, and opened again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "image.h"

#define ROOM 4096u

static void read_object(struct image *image, uint64_t number)
{
	uint8_t *buf = malloc(ROOM);
	struct iovec iov = {buf, ROOM};
	struct slice into = {&iov, 1, 0, ROOM};
	uint32_t length;
	bool is_mark;

	must(buf && !image_stat(image, number, &is_mark, &length));
	must(!is_mark || !length);
	image_read(image, number, &into);
	free(buf);
}

static void move(const struct image *image, int64_t count)
{
	uint64_t position = image->index.nr / 2, left;

	index_space_records(&image->index, count, &position, &left);
	must(position <= image->index.nr);
	index_space_marks(&image->index, count, &position, &left);
	must(position <= image->index.nr);
}

/* What is written now is there when it is opened again, and nothing else has come. */
static void write_to(struct image *image, const char *path, struct fuzz_input *in)
{
	uint64_t keep = image->index.nr ? fuzz_byte(in) % (image->index.nr + 1) : 0;
	uint8_t text[] = "a record";
	struct iovec iov = {text, sizeof(text)};
	struct slice data = {&iov, 1, 0, sizeof(text)};
	char error[256] = "";

	must(!image_cut(image, keep));
	if (!image_has_room(image, sizeof(text)) || image_append_record(image, &data))
		return;
	image_close(image);
	must(!image_open(image, path, false, false, 0, error, sizeof(error)));
	must(image->index.nr == keep + 1);
	read_object(image, keep);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	int fd = memfd_create("tape", MFD_CLOEXEC);
	char path[64], error[256] = "";
	struct image image;

	must(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_open(&image, path, false, false, 1 << 20, error, sizeof(error))) {
		must(*error);
		close(fd);
		return 0;
	}
	for (uint64_t i = 0; i < image.index.nr; i++)
		read_object(&image, i);
	for (int64_t count = -3; count <= 3; count++)
		move(&image, count);
	move(&image, INT64_MIN);
	move(&image, INT64_MAX);
	in.at += size;
	in.left = 0;
	if (size) {
		in.at = data + size - 1;
		in.left = 1;
	}
	write_to(&image, path, &in);
	image_close(&image);
	close(fd);
	return 0;
}
