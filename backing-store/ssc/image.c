/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <isa-l.h>

#define MAGIC "tgt-tape"
#define VERSION 0
#define HEADER 64
#define OBJECT 16
#define MAX_PIECES 128

#define KIND_RECORD 0x52435244u /* "RCRD" */
#define KIND_MARK 0x4d41524bu   /* "MARK" */

static void put32(uint8_t *at, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		at[i] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put64(uint8_t *at, uint64_t v)
{
	put32(at, (uint32_t)(v >> 32));
	put32(at + 4, (uint32_t)v);
}

static uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

#define CRC_START 0xffffffffu

static uint32_t crc_add(uint32_t crc, const void *data, size_t len)
{
	while (len) {
		size_t part = len < INT_MAX ? len : INT_MAX;

		crc = crc32_iscsi((unsigned char *)(uintptr_t)data, (int)part, crc);
		data = (const uint8_t *)data + part;
		len -= part;
	}
	return crc;
}

static uint64_t padded(uint64_t length)
{
	return (length + OBJECT - 1) & ~(uint64_t)(OBJECT - 1);
}

static uint64_t object_size(uint64_t length)
{
	return OBJECT + padded(length);
}

/* ---- all of it or an error ---- */

static int read_all(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

static void advance(struct iovec **iov, int *count, size_t n)
{
	while (*count && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

static int write_all(int fd, struct iovec *iov, int count, uint64_t offset)
{
	advance(&iov, &count, 0);
	while (count) {
		ssize_t n = pwritev(fd, iov, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENOSPC;
		offset += (uint64_t)n;
		advance(&iov, &count, (size_t)n);
	}
	return 0;
}

/* The pieces of a slice; returns how many, or -E2BIG. */
static int slice_pieces(const struct slice *slice, struct iovec *pieces, int room)
{
	uint64_t skip = slice->offset, left = slice->length;
	int count = 0;

	for (uint32_t i = 0; i < slice->iovcnt && left; i++) {
		struct iovec piece = slice->iov[i];

		if (skip >= piece.iov_len) {
			skip -= piece.iov_len;
			continue;
		}
		piece.iov_base = (char *)piece.iov_base + skip;
		piece.iov_len -= skip;
		skip = 0;
		if (piece.iov_len > left)
			piece.iov_len = left;
		left -= piece.iov_len;
		if (count == room)
			return -E2BIG;
		pieces[count++] = piece;
	}
	return count;
}

/* ---- objects ---- */

static uint32_t header_crc(const uint8_t *header, uint64_t number)
{
	uint8_t n[8];

	put64(n, number);
	return ~crc_add(crc_add(CRC_START, header, 12), n, sizeof(n));
}

static int read_header(const struct image *image, uint64_t number, uint64_t offset, uint8_t *header)
{
	int err = read_all(image->fd, header, OBJECT, offset);
	uint32_t kind = get32(header), length = get32(header + 4);

	if (err)
		return err;
	if (get32(header + 12) != header_crc(header, number) || length > IMAGE_RECORD_MAX ||
	    (kind != KIND_RECORD && (kind != KIND_MARK || length)))
		return -EBADMSG;
	return 0;
}

int image_stat(const struct image *image, uint64_t number, bool *is_mark, uint32_t *length)
{
	uint8_t header[OBJECT];
	int err = read_header(image, number, index_offset(&image->index, number), header);

	if (err)
		return err;
	*is_mark = get32(header) == KIND_MARK;
	*length = get32(header + 4);
	return 0;
}

/* The CRC of what is in the file only, behind what somebody took. */
static int add_rest(const struct image *image, uint64_t offset, uint64_t length, uint32_t *crc)
{
	uint8_t buf[16384];

	while (length) {
		size_t part = length < sizeof(buf) ? (size_t)length : sizeof(buf);
		int err = read_all(image->fd, buf, part, offset);

		if (err)
			return err;
		*crc = crc_add(*crc, buf, part);
		offset += part;
		length -= part;
	}
	return 0;
}

int image_read(const struct image *image, uint64_t number, const struct slice *into)
{
	uint64_t at = index_offset(&image->index, number);
	struct iovec pieces[MAX_PIECES];
	struct slice take = *into;
	uint8_t header[OBJECT];
	uint32_t crc = CRC_START;
	uint64_t length;
	int err = read_header(image, number, at, header), count;

	if (err)
		return err;
	length = get32(header + 4);
	if (take.length > length)
		take.length = length;
	count = slice_pieces(&take, pieces, MAX_PIECES);
	if (count < 0)
		return count;
	at += OBJECT;
	for (int i = 0; i < count; i++) {
		err = read_all(image->fd, pieces[i].iov_base, pieces[i].iov_len, at);
		if (err)
			return err;
		crc = crc_add(crc, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	err = add_rest(image, at, length - take.length, &crc);
	if (err)
		return err;
	return ~crc == get32(header + 8) ? 0 : -EBADMSG;
}

bool image_has_room(const struct image *image, uint64_t length)
{
	uint64_t end = index_offset(&image->index, image->index.nr);

	return end <= image->capacity && object_size(length) <= image->capacity - end;
}

/* Whatever is behind the last object goes, so that no part of it is ever taken for one.  Not before
 * something is written: until then it may be worth saving. */
static int cut_rest(struct image *image)
{
	if (ftruncate(image->fd, (off_t)index_offset(&image->index, image->index.nr)))
		return -errno;
	image->rest = false;
	return 0;
}

static int append(struct image *image, uint32_t kind, const struct slice *data)
{
	static const uint8_t zeroes[OBJECT];
	uint64_t number = image->index.nr, at = index_offset(&image->index, number);
	struct iovec pieces[MAX_PIECES + 2];
	uint8_t header[OBJECT];
	uint32_t crc = CRC_START;
	int err = 0, count = slice_pieces(data, pieces + 1, MAX_PIECES);

	if (count < 0)
		return count;
	if (image->rest && (err = cut_rest(image)))
		return err;
	for (int i = 1; i <= count; i++)
		crc = crc_add(crc, pieces[i].iov_base, pieces[i].iov_len);
	put32(header, kind);
	put32(header + 4, (uint32_t)data->length);
	put32(header + 8, ~crc);
	put32(header + 12, header_crc(header, number));
	pieces[0] = (struct iovec){header, OBJECT};
	pieces[count + 1] =
	    (struct iovec){(void *)(uintptr_t)zeroes, padded(data->length) - data->length};
	err = write_all(image->fd, pieces, count + 2, at);
	if (!err)
		err =
		    index_append(&image->index, kind == KIND_MARK, at + object_size(data->length));
	if (err) {
		image->rest = true;
		cut_rest(image);
	}
	return err;
}

int image_append_record(struct image *image, const struct slice *data)
{
	return append(image, KIND_RECORD, data);
}

int image_append_mark(struct image *image)
{
	return append(image, KIND_MARK, &(struct slice){0});
}

int image_cut(struct image *image, uint64_t number)
{
	if (number == image->index.nr)
		return 0;
	if (ftruncate(image->fd, (off_t)index_offset(&image->index, number)))
		return -errno;
	index_cut(&image->index, number);
	image->rest = false;
	return 0;
}

int image_flush(const struct image *image)
{
	return fdatasync(image->fd) ? -errno : 0;
}

/* ---- opening ---- */

static int fail(char *error, size_t size, int err, const char *path, const char *why)
{
	snprintf(error, size, "%s: %s", path, why ? why : strerror(-err));
	return err;
}

static int write_header(struct image *image, uint64_t capacity)
{
	uint8_t header[HEADER] = {0};
	struct iovec piece = {header, HEADER};
	int err;

	memcpy(header, MAGIC, 8);
	put32(header + 8, VERSION);
	put32(header + 12, HEADER);
	put64(header + 16, capacity);
	put32(header + 60, ~crc_add(CRC_START, header, 60));
	image->capacity = capacity;
	err = write_all(image->fd, &piece, 1, 0);
	return err ? err : image_flush(image);
}

static const char *check_header(struct image *image)
{
	uint8_t header[HEADER];

	if (read_all(image->fd, header, HEADER, 0) || memcmp(header, MAGIC, 8) != 0)
		return "not a tape image (an empty file would become one)";
	if (get32(header + 8) != VERSION)
		return "a tape image of another format version";
	if (get32(header + 60) != ~crc_add(CRC_START, header, 60) || get32(header + 12) != HEADER)
		return "its header is damaged";
	image->capacity = get64(header + 16);
	return NULL;
}

/* Builds the index: up to the end of the file, or to the first object that isn't whole. */
static int scan(struct image *image, uint64_t size)
{
	uint64_t at = HEADER;
	uint8_t header[OBJECT];
	int err;

	while (at + OBJECT <= size) {
		uint64_t end;

		err = read_header(image, image->index.nr, at, header);
		if (err == -EBADMSG)
			break;
		if (err)
			return err;
		end = at + object_size(get32(header + 4));
		if (end > size)
			break;
		err = index_append(&image->index, get32(header) == KIND_MARK, end);
		if (err)
			return err;
		at = end;
	}
	return 0;
}

/* The last record may have been under way when the power went. */
static int check_last(struct image *image)
{
	uint64_t last = image->index.nr - 1;
	int err;

	if (!image->index.nr)
		return 0;
	err = image_read(image, last, &(struct slice){0});
	if (err == -EBADMSG)
		index_cut(&image->index, last);
	return err == -EBADMSG ? 0 : err;
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

static int load(struct image *image, const char *path, uint64_t capacity, char *error, size_t size)
{
	const char *why = NULL;
	struct stat st;
	int err;

	if (fstat(image->fd, &st))
		return fail(error, size, -errno, path, NULL);
	if (!S_ISREG(st.st_mode))
		return fail(error, size, -EINVAL, path, "not a regular file");
	if (!st.st_size && image->readonly)
		return fail(error, size, -EINVAL, path, "empty, and may not be written to");
	if (!st.st_size) {
		err = write_header(image, capacity);
		return err ? fail(error, size, err, path, NULL) : 0;
	}
	why = check_header(image);
	if (why)
		return fail(error, size, -EINVAL, path, why);
	err = scan(image, (uint64_t)st.st_size);
	if (!err)
		err = check_last(image);
	if (err)
		return fail(error, size, err, path, NULL);
	image->rest = index_offset(&image->index, image->index.nr) != (uint64_t)st.st_size;
	return 0;
}

int image_open(struct image *image, const char *path, bool readonly, bool sync, uint64_t capacity,
	       char *error, size_t error_size)
{
	int err;

	*image = (struct image){.fd = -1, .readonly = readonly};
	err = open_fd(image, path, sync, error, error_size);
	if (!err && index_init(&image->index, HEADER))
		err = fail(error, error_size, -ENOMEM, path, NULL);
	if (!err)
		err = load(image, path, capacity, error, error_size);
	if (err)
		image_close(image);
	return err;
}

void image_close(struct image *image)
{
	index_free(&image->index);
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}
