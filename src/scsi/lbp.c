/* SPDX-License-Identifier: MIT */
#include "scsi/lbp.h"

#include <isa-l/crc.h>
#include <string.h>

static uint32_t crc_of(const struct databuf *buf, size_t offset, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t run; len; offset += run, len -= run) {
		void *at = databuf_at(buf, offset, &run);

		if (run > len)
			run = len;
		crc = crc32_iscsi(at, (int)run, crc);
	}
	return ~crc;
}

static void put_crc(uint8_t at[LBP_LENGTH], uint32_t crc)
{
	for (unsigned i = 0; i < LBP_LENGTH; i++)
		at[i] = (uint8_t)(crc >> 8 * i);
}

size_t lbp_check(const struct databuf *buf, size_t length, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = i * (length + LBP_LENGTH);
		uint8_t sent[LBP_LENGTH], right[LBP_LENGTH];

		if (databuf_read(buf, at + length, sent, LBP_LENGTH) < LBP_LENGTH)
			return i;
		put_crc(right, crc_of(buf, at, length));
		if (memcmp(sent, right, LBP_LENGTH) != 0)
			return i;
	}
	return count;
}

/* Towards the beginning: runs from the front never overwrite what is still to be moved. */
static void move_down(const struct databuf *buf, size_t to, size_t from, size_t len)
{
	for (size_t run, into; len; to += run, from += run, len -= run) {
		const void *source = databuf_at(buf, from, &run);
		void *target = databuf_at(buf, to, &into);

		run = run < into ? run : into;
		run = run < len ? run : len;
		memmove(target, source, run);
	}
}

/* Bytes up to and with that at offset which are contiguous. */
static size_t run_before(size_t offset)
{
	return offset % BUF_MAX_PIECE + 1;
}

/* Towards the end, from the back for the same reason.  Every piece but the last is BUF_MAX_PIECE
 * long. */
static void move_up(const struct databuf *buf, size_t to, size_t from, size_t len)
{
	while (len) {
		size_t run = run_before(from + len - 1), into = run_before(to + len - 1), unused;

		run = run < into ? run : into;
		run = run < len ? run : len;
		len -= run;
		memmove(databuf_at(buf, to + len, &unused), databuf_at(buf, from + len, &unused),
			run);
	}
}

void lbp_strip(const struct databuf *buf, size_t length, size_t count)
{
	for (size_t i = 1; i < count; i++)
		move_down(buf, i * length, i * (length + LBP_LENGTH), length);
}

void lbp_protect(const struct databuf *buf, size_t length, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		size_t at = i * (length + LBP_LENGTH);
		uint8_t crc[LBP_LENGTH];

		if (i)
			move_up(buf, at, i * length, length);
		put_crc(crc, crc_of(buf, at, length));
		databuf_write(buf, at + length, crc, LBP_LENGTH);
	}
}
