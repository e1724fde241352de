/* SPDX-License-Identifier: MIT */
#include "scsi/sense.h"

#include <string.h>

#include "util/bytes.h"

#define FIXED_LENGTH 18u

/* SENSE KEY SPECIFIC: field pointer, the same three bytes in both formats (SPC-5 4.4.2.4.2). */
static void put_field_pointer(uint8_t *at, const struct sense *s)
{
	at[0] = 0x80;
	if (s->in_cdb)
		at[0] |= 0x40;
	if (s->bit >= 0)
		at[0] |= (uint8_t)(0x08 | (s->bit & 7));
	put_be16(at + 1, s->field);
}

/* 4.4.2.4.5: progress indication */
static void put_specific(uint8_t *at, const struct sense *s)
{
	if (!s->in_progress) {
		put_field_pointer(at, s);
		return;
	}
	at[0] = 0x80;
	put_be16(at + 1, s->progress);
}

static uint8_t stream_bits(const struct sense *s)
{
	return (uint8_t)((s->filemark ? 0x80 : 0) | (s->eom ? 0x40 : 0) | (s->ili ? 0x20 : 0));
}

/* SPC-5 4.4.3 */
static uint8_t build_fixed(uint8_t *out, const struct sense *s)
{
	memset(out, 0, FIXED_LENGTH);
	out[0] = s->deferred ? 0x71 : 0x70;
	out[2] = (uint8_t)(stream_bits(s) | s->key);
	if (s->info_valid && s->information <= UINT32_MAX) {
		out[0] |= 0x80;
		put_be32(out + 3, (uint32_t)s->information);
	}
	out[7] = FIXED_LENGTH - 8;
	put_be16(out + 12, s->asc);
	if (s->sks_valid || s->in_progress)
		put_specific(out + 15, s);
	return FIXED_LENGTH;
}

/* SPC-5 4.4.2 */
static uint8_t build_descriptor(uint8_t *out, const struct sense *s)
{
	uint8_t len = 8;

	memset(out, 0, SENSE_MAX);
	out[0] = s->deferred ? 0x73 : 0x72;
	out[1] = (uint8_t)s->key;
	put_be16(out + 2, s->asc);
	if (s->info_valid) { /* 4.4.2.2 Information */
		out[len + 1] = 0x0a;
		out[len + 2] = 0x80;
		put_be64(out + len + 4, s->information);
		len += 12;
	}
	if (s->sks_valid || s->in_progress) { /* 4.4.2.4 Sense key specific */
		out[len] = 0x02;
		out[len + 1] = 0x06;
		put_specific(out + len + 4, s);
		len += 8;
	}
	if (stream_bits(s)) { /* SSC-5 Stream commands */
		out[len] = 0x04;
		out[len + 1] = 0x02;
		out[len + 3] = stream_bits(s);
		len += 4;
	}
	out[7] = (uint8_t)(len - 8);
	return len;
}

uint8_t sense_build(uint8_t *out, const struct sense *s, bool descriptor)
{
	return descriptor ? build_descriptor(out, s) : build_fixed(out, s);
}
