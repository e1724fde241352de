/* SPDX-License-Identifier: MIT */
/* Big-endian access to wire bytes, without casts, bit-fields or signed shifts. */
#ifndef TGT_UTIL_BYTES_H
#define TGT_UTIL_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t get_be16(const void *at)
{
	const uint8_t *p = at;
	return (uint16_t)((uint32_t)p[0] << 8 | p[1]);
}

static inline uint32_t get_be24(const void *at)
{
	const uint8_t *p = at;
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t get_be32(const void *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t get_be48(const void *at)
{
	const uint8_t *p = at;
	return (uint64_t)get_be16(p) << 32 | get_be32(p + 2);
}

static inline uint64_t get_be64(const void *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void put_be16(void *at, uint16_t v)
{
	uint8_t *p = at;
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be24(void *at, uint32_t v)
{
	uint8_t *p = at;
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void put_be32(void *at, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(at, &v, sizeof(v));
}

static inline void put_be48(void *at, uint64_t v)
{
	put_be16(at, (uint16_t)(v >> 32));
	put_be32((uint8_t *)at + 2, (uint32_t)v);
}

static inline void put_be64(void *at, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(at, &v, sizeof(v));
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bytes.h is written for little-endian hosts"
#endif

/* Copies text into a fixed field, left aligned, padded with blanks, as SPC-5 4.3.1 wants ASCII
 * data. */
static inline void put_ascii(void *at, size_t size, const char *text)
{
	/* not strnlen() and memcpy(): compilers take the bound for what a literal must have */
	for (uint8_t *to = at; size; size--)
		*to++ = *text ? (uint8_t)*text++ : ' ';
}

#endif
