/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "login.h"
#include "pdu.h"
#include "util/bytes.h"

#define TEXT_SIZE 8192 /* RFC 7143 6.1: the longest answer before the full feature phase */
#define LOGIN_ROUNDS 8

static size_t login_text(char *text)
{
	size_t len = 0;

#define KEY(...) (len += (size_t)sprintf(text + len, __VA_ARGS__) + 1)
	KEY("InitiatorName=%s", opt.initiator);
	KEY("TargetName=%s", opt.target);
	KEY("SessionType=Normal");
	KEY("HeaderDigest=%s", opt.header_digest ? "CRC32C" : "None");
	KEY("DataDigest=%s", opt.data_digest ? "CRC32C" : "None");
	KEY("InitialR2T=No");
	KEY("ImmediateData=Yes");
	KEY("MaxRecvDataSegmentLength=%u", MAX_RECV_DATA);
	KEY("FirstBurstLength=%u", FIRST_BURST);
	KEY("MaxBurstLength=%u", MAX_BURST);
	KEY("MaxConnections=1");
	KEY("ErrorRecoveryLevel=0");
#undef KEY
	return len;
}

static bool is(const char *text, const char *key, const char **value)
{
	size_t len = strlen(key);

	*value = text + len + 1;
	return !strncmp(text, key, len) && text[len] == '=';
}

/* What is negotiated holds from the full feature phase on: no digest before. */
struct digests {
	bool header, data;
};

static void take_key(struct session *s, const char *text, struct digests *agreed)
{
	const char *value;

	if (is(text, "HeaderDigest", &value))
		agreed->header = !strcmp(value, "CRC32C");
	else if (is(text, "DataDigest", &value))
		agreed->data = !strcmp(value, "CRC32C");
	else if (is(text, "ImmediateData", &value))
		s->immediate = !strcmp(value, "Yes");
	else if (is(text, "MaxRecvDataSegmentLength", &value))
		s->max_send = (uint32_t)strtoul(value, NULL, 10);
	else if (is(text, "FirstBurstLength", &value))
		s->first_burst = (uint32_t)strtoul(value, NULL, 10);
}

static void take_text(struct session *s, const char *text, size_t len, struct digests *agreed)
{
	while (len) {
		size_t one = strnlen(text, len);

		if (one == len)
			fail("the text of a Login Response doesn't end");
		take_key(s, text, agreed);
		text += one + 1;
		len -= one + 1;
	}
}

/* A Login Request with this text. */
static void request(struct session *s, const char *text, size_t len)
{
	uint8_t bhs[BHS_LEN] = {IMMEDIATE_BIT | LOGIN, 0x87}; /* T, CSG 1, NSG 3 */

	bhs[8] = 0x80;
	put_be32(bhs + 9, 0x746774u << 8);
	put_be16(bhs + 12, (uint16_t)s->number);
	put_be32(bhs + 24, s->cmdsn);
	put_be32(bhs + 28, s->expstatsn);
	pdu_put(s, bhs, text, (uint32_t)len);
	session_flush(s);
}

/* The answer; its stage bits. */
static uint8_t response(struct session *s, struct digests *agreed)
{
	struct pdu pdu;
	uint8_t flags;
	size_t at = 0;

	while (!pdu_take(s, &at, &pdu))
		session_wait(s);
	if ((pdu.bhs[0] & 0x3f) != LOGIN_RESPONSE || pdu.bhs[36])
		fail("login refused, status %02x%02x", pdu.bhs[36], pdu.bhs[37]);
	s->expstatsn = get_be32(pdu.bhs + 24) + 1;
	s->cmdsn = get_be32(pdu.bhs + 28);
	s->maxcmdsn = get_be32(pdu.bhs + 32);
	take_text(s, (const char *)pdu.data, pdu.len, agreed);
	flags = pdu.bhs[1];
	pdu_taken(s, at);
	return flags;
}

void login_begin(struct session *s)
{
	char text[TEXT_SIZE];

	request(s, text, login_text(text));
}

void login_finish(struct session *s)
{
	struct digests agreed = {false, false};
	unsigned round = 1;

	while ((response(s, &agreed) & 0x83) != 0x83) {
		if (round++ == LOGIN_ROUNDS)
			fail("login doesn't end");
		request(s, NULL, 0);
	}
	if (opt.header_digest > agreed.header || opt.data_digest > agreed.data)
		fail("the target doesn't agree to a digest");
	if (s->max_send < 512 || s->max_send >= 1u << 24) /* RFC 7143 13.12 */
		fail("MaxRecvDataSegmentLength=%u", s->max_send);
	s->header_digest = agreed.header;
	s->data_digest = agreed.data;
}
