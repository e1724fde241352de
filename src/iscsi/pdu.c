/* SPDX-License-Identifier: MIT */
#include "iscsi/pdu.h"

#include <isa-l/crc.h>

bool pdu_has_cmdsn(unsigned opcode)
{
	switch (opcode) {
	case OP_NOP_OUT:
	case OP_SCSI_COMMAND:
	case OP_TASK_MANAGEMENT:
	case OP_LOGIN:
	case OP_TEXT:
	case OP_LOGOUT:
		return true;
	default:
		return false;
	}
}

void pdu_init(uint8_t *bhs, unsigned opcode, unsigned flags, uint32_t itt)
{
	memset(bhs, 0, BHS_LEN);
	bhs[0] = (uint8_t)opcode;
	bhs[1] = (uint8_t)flags;
	put_be32(bhs + 16, itt);
}

uint32_t digest_update(uint32_t crc, const void *data, size_t len)
{
	/* the library takes int lengths and a pointer to bytes that it only reads */
	return crc32_iscsi((unsigned char *)(uintptr_t)data, (int)len, crc);
}

void digest_put(uint8_t *at, uint32_t crc)
{
	crc = ~crc;
	for (unsigned i = 0; i < DIGEST_LEN; i++)
		at[i] = (uint8_t)(crc >> (8 * i));
}

bool digest_matches(const uint8_t *at, uint32_t crc)
{
	uint8_t want[DIGEST_LEN];

	digest_put(want, crc);
	return memcmp(at, want, DIGEST_LEN) == 0;
}

enum { AHS_EXTENDED_CDB = 1, AHS_BIDI_READ_LENGTH = 2 };

bool pdu_parse_ahs(const uint8_t *ahs, size_t len, uint8_t *cdb, size_t room, size_t *extra,
		   uint32_t *bidi_read_length)
{
	*extra = 0;
	while (len >= 4) {
		size_t specific =
		    get_be16(ahs); /* without length and type, with the reserved byte */
		size_t total = (specific + 3 + 3) & ~(size_t)3;

		if (specific < 1 || total > len)
			return false;
		if ((ahs[2] & 0x3f) == AHS_EXTENDED_CDB) {
			*extra = specific - 1;
			memcpy(cdb, ahs + 4, *extra < room ? *extra : room);
		} else if ((ahs[2] & 0x3f) == AHS_BIDI_READ_LENGTH) {
			if (specific != 5)
				return false;
			*bidi_read_length = get_be32(ahs + 4);
		} else {
			return false;
		}
		ahs += total;
		len -= total;
	}
	return len == 0;
}
