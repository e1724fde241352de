/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

#define NAME "tgt-tape"
#define HEADER_MAGIC 0x74675454u /* "tgTT" */
#define MEMORY_MAGIC 0x7467544du /* "tgTM" */

/* ---- the header ---- */

static void encode(const struct image *image, uint8_t content[SLOT_ROOM])
{
	memset(content, 0, SLOT_ROOM);
	memcpy(content, NAME, 8);
	put32(content + 8, TAPE_VERSION);
	put32(content + 12, image->salt);
	memcpy(content + 16, image->uuid, 16);
	put64(content + 32, image->made.size);
	put16(content + 40, image->made.medium);
	put16(content + 42, image->made.density);
	put32(content + 44, image->count);
	for (uint32_t i = 0; i < image->count; i++) {
		put64(content + 48 + 16 * (size_t)i, image->partitions[i].start);
		put64(content + 56 + 16 * (size_t)i, image->partitions[i].size);
	}
	memcpy(content + 112, image->made.barcode, TAPE_BARCODE_MAX);
}

static bool take_partitions(struct image *image, const uint8_t *content)
{
	uint64_t from = DATA_AT;

	for (uint32_t i = 0; i < image->count; i++) {
		struct partition *p = &image->partitions[i];

		p->start = get64(content + 48 + 16 * (size_t)i);
		p->size = get64(content + 56 + 16 * (size_t)i);
		if (p->start < from || p->start % OBJECT_ALIGN || p->start > TAPE_SIZE_MAX ||
		    p->size > TAPE_SIZE_MAX)
			return false;
		from = partition_limit(p);
	}
	return true;
}

/* NULL, or why it can't be. */
static const char *decode(struct image *image, const uint8_t content[SLOT_ROOM])
{
	if (memcmp(content, NAME, 8) != 0)
		return "its header is not a tape's";
	image->version = get32(content + 8);
	if (image->version != TAPE_VERSION)
		return "a tape image of a later format version";
	image->salt = get32(content + 12);
	memcpy(image->uuid, content + 16, 16);
	image->made.size = get64(content + 32);
	image->made.medium = get16(content + 40);
	image->made.density = get16(content + 42);
	image->count = get32(content + 44);
	memcpy(image->made.barcode, content + 112, TAPE_BARCODE_MAX);
	image->made.barcode[TAPE_BARCODE_MAX - 1] = '\0';
	if (!image->count || image->count > TAPE_PARTITIONS_MAX || !take_partitions(image, content))
		return "its partitions can't be";
	return NULL;
}

static const char *unknown(const struct image *image)
{
	uint8_t head[64];

	if (read_all(image->fd, head, sizeof(head), 0))
		return "not a tape image";
	if (memcmp(head, NAME, 8) == 0)
		return "a tape image of format version 0, which was never released";
	/* the first block of stgt's images: number and offset 0, type 10h */
	if (get32(head + 12) == 0x10 && !get64(head + 16) && !get64(head + 32))
		return "perhaps a tape of stgt's: tgtimg converts them";
	return "not a tape image (an empty file would become one)";
}

/* ---- partitions ---- */

static void set_up(struct image *image)
{
	for (uint32_t i = 0; i < image->count; i++) {
		struct partition *p = &image->partitions[i];

		p->fd = image->fd;
		p->id = i;
		p->salt = image->salt;
		p->is_last = i + 1 == image->count;
		partition_init(p);
	}
}

static void tear_down(struct image *image)
{
	for (uint32_t i = 0; i < image->count; i++)
		partition_free(&image->partitions[i]);
	image->count = 0;
}

static int plan(struct image *image, uint32_t count, const uint64_t *sizes, uint64_t size)
{
	uint64_t at = DATA_AT;

	for (uint32_t i = 0; i < count; i++) {
		struct partition *p = &image->partitions[i];
		uint64_t own = sizes ? sizes[i] : size / count;

		memset(p, 0, sizeof(*p));
		p->start = at;
		p->size = own;
		at = (partition_limit(p) + SLOT - 1) & ~(uint64_t)(SLOT - 1);
	}
	image->count = count;
	return 0;
}

static bool can_be(uint32_t count, const uint64_t *sizes, uint64_t size, uint64_t made)
{
	uint64_t left = made;

	if (!count || count > TAPE_PARTITIONS_MAX || made > TAPE_SIZE_MAX)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t own = sizes ? sizes[i] : size / count;

		if (own < TAPE_SIZE_MIN || own > left)
			return false;
		left -= own;
	}
	return true;
}

/* A new salt makes everything that was there before invalid, checkpoints too. */
static int new_salt(struct image *image)
{
	uint32_t salt;

	do {
		if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
			return -EIO;
	} while (salt == image->salt || !salt);
	image->salt = salt;
	return 0;
}

static int write_header(struct image *image)
{
	uint8_t content[SLOT_ROOM];
	int err;

	encode(image, content);
	err = slot_write(image->fd, &image->header, content);
	return !err && fdatasync(image->fd) ? -errno : err;
}

static int empty_file(const struct image *image)
{
	return ftruncate(image->fd, DATA_AT) ? -errno : 0;
}

int image_format(struct image *image, uint32_t count, const uint64_t *sizes, uint64_t size)
{
	uint64_t sequences[TAPE_PARTITIONS_MAX] = {0};
	uint32_t before = image->count;
	int err;

	if (!can_be(count, sizes, size, image->made.size))
		return -EINVAL;
	for (uint32_t i = 0; i < before; i++)
		sequences[i] = image->partitions[i].slots.sequence;
	err = new_salt(image);
	if (err)
		return err;
	tear_down(image);
	plan(image, count, sizes, size);
	set_up(image);
	for (uint32_t i = 0; i < count; i++) /* what is there has the old salt */
		image->partitions[i].slots.sequence = sequences[i];
	err = write_header(image);
	return err ? err : empty_file(image);
}

/* ---- opening ---- */

static int fail(char *error, size_t size, int err, const char *path, const char *why)
{
	snprintf(error, size, "%s: %s", path, why ? why : strerror(-err));
	return err;
}

/* The header is written twice, so that a file begins like a tape's. */
static int make_new(struct image *image, const struct tape_made *made)
{
	int err;

	image->made = *made;
	if (getrandom(image->uuid, sizeof(image->uuid), 0) != (ssize_t)sizeof(image->uuid))
		return -EIO;
	err = image_format(image, 1, NULL, made->size);
	return err ? err : write_header(image);
}

static int open_fd(struct image *image, const char *path, bool sync, char *error, size_t size)
{
	int flags = (image->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;

	image->fd = open(path, flags | (sync ? O_DSYNC : 0));
	if (image->fd < 0)
		return fail(error, size, -errno, path, NULL);
	if (flock(image->fd, (image->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return fail(error, size, -errno, path,
			    errno == EWOULDBLOCK ? "another tape drive has it" : NULL);
	return 0;
}

static int load_partitions(struct image *image, const char *path, char *error, size_t size)
{
	set_up(image);
	for (uint32_t i = 0; i < image->count; i++) {
		int err = partition_load(&image->partitions[i]);

		if (err)
			return fail(error, size, err, path, NULL);
	}
	return 0;
}

static int load(struct image *image, const char *path, char *error, size_t size)
{
	uint8_t content[SLOT_ROOM];
	uint8_t ignored[SLOT_ROOM];
	const char *why;
	int err = slot_read(image->fd, &image->header, content);

	if (err == -ENOENT || err == -EBADMSG)
		return fail(error, size, -EINVAL, path, unknown(image));
	if (err)
		return fail(error, size, err, path, NULL);
	why = decode(image, content);
	if (why) {
		image->count = 0;
		return fail(error, size, -EINVAL, path, why);
	}
	err = slot_read(image->fd, &image->memory, ignored);
	if (err && err != -ENOENT && err != -EBADMSG) /* told when it is read */
		return fail(error, size, err, path, NULL);
	return load_partitions(image, path, error, size);
}

static int take_file(struct image *image, const char *path, const struct tape_made *make,
		     char *error, size_t size)
{
	struct stat st;
	int err;

	if (fstat(image->fd, &st))
		return fail(error, size, -errno, path, NULL);
	if (!S_ISREG(st.st_mode))
		return fail(error, size, -EINVAL, path, "not a regular file");
	if (st.st_size)
		return load(image, path, error, size);
	if (image->readonly || !make)
		return fail(error, size, -EINVAL, path, "empty, and may not be written to");
	err = make_new(image, make);
	return err ? fail(error, size, err, path,
			  err == -EINVAL ? "a tape has at least 1 MiB" : NULL)
		   : 0;
}

static void begin(struct image *image, bool readonly)
{
	memset(image, 0, sizeof(*image));
	image->fd = -1;
	image->readonly = readonly;
	image->header =
	    (struct slot_pair){.at = {HEADER_AT(0), HEADER_AT(1)}, .magic = HEADER_MAGIC};
	image->memory =
	    (struct slot_pair){.at = {MEMORY_AT(0), MEMORY_AT(1)}, .magic = MEMORY_MAGIC};
}

int image_open(struct image *image, const char *path, bool readonly, bool sync,
	       const struct tape_made *make, char *error, size_t error_size)
{
	int err;

	begin(image, readonly);
	err = open_fd(image, path, sync, error, error_size);
	if (!err)
		err = take_file(image, path, make, error, error_size);
	if (err)
		image_close(image);
	return err;
}

int image_make(const char *path, const struct tape_made *made, char *error, size_t error_size)
{
	struct image image;
	int err;

	begin(&image, false);
	image.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (image.fd < 0)
		return fail(error, error_size, -errno, path, NULL);
	err = make_new(&image, made);
	image_close(&image);
	if (!err)
		return 0;
	unlink(path);
	return fail(error, error_size, err, path,
		    err == -EINVAL ? "a tape has at least 1 MiB" : NULL);
}

void image_trim(struct image *image)
{
	for (uint32_t i = 0; i < image->count; i++)
		partition_trim(&image->partitions[i]);
}

void image_close(struct image *image)
{
	image_trim(image);
	tear_down(image);
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}
