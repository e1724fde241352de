/* SPDX-License-Identifier: MIT */
#include "file_io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int read_all(int fd, void *buf, size_t len, uint64_t offset)
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

int write_all(int fd, struct iovec *iov, int count, uint64_t offset)
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

/* The next piece of a slice, from *i on, with *skip bytes of it left out; at most left bytes. */
static struct iovec next_piece(const struct slice *slice, uint32_t *i, uint64_t *skip,
			       uint64_t left)
{
	struct iovec piece = {NULL, 0};

	for (; *i < slice->iovcnt && !piece.iov_len; (*i)++) {
		const struct iovec *iov = &slice->iov[*i];

		if (*skip >= iov->iov_len) {
			*skip -= iov->iov_len;
			continue;
		}
		piece.iov_base = (char *)iov->iov_base + *skip;
		piece.iov_len = iov->iov_len - *skip;
		*skip = 0;
	}
	if (piece.iov_len > left)
		piece.iov_len = left;
	return piece;
}

int slice_pieces(const struct slice *slice, struct iovec *pieces, int room)
{
	uint64_t skip = slice->offset, left = slice->length;
	uint32_t i = 0;
	int count = 0;

	while (left) {
		struct iovec piece = next_piece(slice, &i, &skip, left);

		if (!piece.iov_len)
			break;
		if (count == room)
			return -E2BIG;
		left -= piece.iov_len;
		pieces[count++] = piece;
	}
	return count;
}

static void copy(const struct slice *slice, uint8_t *buf, uint64_t left, int fills)
{
	uint64_t skip = slice->offset;
	uint32_t i = 0;

	while (left) {
		struct iovec piece = next_piece(slice, &i, &skip, left);

		if (!piece.iov_len)
			return;
		if (fills)
			memcpy(piece.iov_base, buf, piece.iov_len);
		else
			memcpy(buf, piece.iov_base, piece.iov_len);
		buf += piece.iov_len;
		left -= piece.iov_len;
	}
}

void slice_fill(const struct slice *slice, const void *from, uint64_t length)
{
	copy(slice, (uint8_t *)(uintptr_t)from, length < slice->length ? length : slice->length, 1);
}

void slice_take(const struct slice *slice, void *to)
{
	copy(slice, to, slice->length, 0);
}
