/* SPDX-License-Identifier: MIT */
/* Big-endian numbers, and CRC32C (RFC 7143 13.1), of a tape's file. */
#ifndef TGT_BACKING_STORE_SSC_BYTES_H
#define TGT_BACKING_STORE_SSC_BYTES_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include <isa-l.h>

static inline void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, (uint16_t)(v >> 16));
	put16(at + 2, (uint16_t)v);
}

static inline void put64(uint8_t *at, uint64_t v)
{
	put32(at, (uint32_t)(v >> 32));
	put32(at + 4, (uint32_t)v);
}

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline uint64_t get64(const uint8_t *at)
{
	return (uint64_t)get32(at) << 32 | get32(at + 4);
}

#define CRC_START 0xffffffffu

/* Goes on with a CRC that began with CRC_START; its complement is the CRC32C. */
static inline uint32_t crc_add(uint32_t crc, const void *data, size_t len)
{
	while (len) {
		size_t part = len < INT_MAX ? len : INT_MAX;

		crc = crc32_iscsi((unsigned char *)(uintptr_t)data, (int)part, crc);
		data = (const uint8_t *)data + part;
		len -= part;
	}
	return crc;
}

static inline uint32_t crc_of(const void *data, size_t len)
{
	return ~crc_add(CRC_START, data, len);
}

#endif
