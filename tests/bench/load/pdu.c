/* SPDX-License-Identifier: MIT */
#include <isa-l/crc.h>
#include <string.h>

#include "pdu.h"
#include "util/bytes.h"

#define PADDED(len) (((size_t)(len) + 3) & ~(size_t)3)

uint64_t digest_errors;

/* CRC32C, whose bytes go least significant first (RFC 7143 13.1). */
static void put_digest(uint8_t *at, const uint8_t *data, size_t len)
{
	uint32_t crc = ~crc32_iscsi((unsigned char *)(uintptr_t)data, (int)len, ~0u);

	for (unsigned i = 0; i < DIGEST_LEN; i++)
		at[i] = (uint8_t)(crc >> (8 * i));
}

static bool digest_fits(const uint8_t *at, const uint8_t *data, size_t len)
{
	uint8_t want[DIGEST_LEN];

	put_digest(want, data, len);
	return memcmp(at, want, DIGEST_LEN) == 0;
}

size_t pdu_room(const struct session *s)
{
	return OUT_SIZE - s->out_len;
}

void pdu_put(struct session *s, uint8_t bhs[BHS_LEN], const void *data, uint32_t len)
{
	uint8_t *at = s->out + s->out_len;

	put_be24(bhs + 5, len);
	memcpy(at, bhs, BHS_LEN);
	at += BHS_LEN;
	if (s->header_digest) {
		put_digest(at, bhs, BHS_LEN);
		at += DIGEST_LEN;
	}
	if (len) {
		memcpy(at, data, len);
		memset(at + len, 0, PADDED(len) - len);
		if (s->data_digest)
			put_digest(at + PADDED(len), at, PADDED(len));
		at += PADDED(len) + (s->data_digest ? DIGEST_LEN : 0);
	}
	s->out_len = (size_t)(at - s->out);
}

bool pdu_skip(struct session *s, size_t *at)
{
	size_t have = s->in_len - *at, pass = have < s->skip ? have : s->skip;

	s->skip -= pass;
	*at += pass;
	return !s->skip;
}

bool pdu_take(struct session *s, size_t *at, struct pdu *pdu)
{
	const uint8_t *bhs;
	size_t have, header, total;

	if (!pdu_skip(s, at))
		return false;
	bhs = s->in + *at;
	have = s->in_len - *at;
	if (have < BHS_LEN)
		return false;
	header = BHS_LEN + 4u * bhs[4] + (s->header_digest ? DIGEST_LEN : 0);
	pdu->bhs = bhs;
	pdu->len = get_be24(bhs + 5);
	if (pdu->len > MAX_RECV_DATA)
		fail("a PDU %02x with %u bytes of data, more than MaxRecvDataSegmentLength", bhs[0],
		     pdu->len);
	if (have < header)
		return false;
	if (s->header_digest && !digest_fits(bhs + header - DIGEST_LEN, bhs, header - DIGEST_LEN))
		fail("a header digest is wrong");
	total = header + PADDED(pdu->len) + (s->data_digest && pdu->len ? DIGEST_LEN : 0);
	pdu->data = NULL;
	if (!s->whole && (bhs[0] & 0x3f) == DATA_IN) {
		s->skip = total - header;
		*at += header;
		return true;
	}
	if (have < total)
		return false;
	pdu->data = bhs + header;
	if (s->data_digest && pdu->len &&
	    !digest_fits(pdu->data + PADDED(pdu->len), pdu->data, PADDED(pdu->len)))
		digest_errors++;
	*at += total;
	return true;
}

void pdu_taken(struct session *s, size_t at)
{
	if (!at)
		return;
	memmove(s->in, s->in + at, s->in_len - at);
	s->in_len -= at;
}

/* 11.18: one that has a Target Transfer Tag is answered with it. */
static void answer_ping(struct session *s, const uint8_t *in)
{
	uint8_t bhs[BHS_LEN] = {IMMEDIATE_BIT | NOP_OUT, 0x80};

	if (get_be32(in + 20) == UINT32_MAX || pdu_room(s) < BHS_LEN + DIGEST_LEN)
		return;
	memcpy(bhs + 8, in + 8, 8);
	put_be32(bhs + 16, UINT32_MAX);
	memcpy(bhs + 20, in + 20, 4);
	put_be32(bhs + 24, s->cmdsn);
	put_be32(bhs + 28, s->expstatsn);
	pdu_put(s, bhs, NULL, 0);
}

bool pdu_note(struct session *s, const struct pdu *pdu)
{
	uint8_t op = pdu->bhs[0] & 0x3f;

	s->maxcmdsn = get_be32(pdu->bhs + 32);
	switch (op) {
	case DATA_IN:
		if (pdu->bhs[1] & 1)
			s->expstatsn = get_be32(pdu->bhs + 24) + 1;
		return true;
	case SCSI_RESPONSE:
		s->expstatsn = get_be32(pdu->bhs + 24) + 1;
		return true;
	case R2T:
		return true;
	case NOP_IN:
		answer_ping(s, pdu->bhs);
		return false;
	case REJECT:
		fail("the target rejected a PDU, reason %02x", pdu->bhs[2]);
	case ASYNC_MESSAGE:
		fail("the target sent an asynchronous message, event %u", pdu->bhs[36]);
	default:
		fail("unexpected PDU %02x", op);
	}
}
