/* SPDX-License-Identifier: MIT */
/*
 * Bytes that nobody would send, from a fixed seed: the parsers, the login, and a session must take
 * them without harm, and a neighbour must not notice.  Meant for the builds with sanitizers.
 */
#include "iscsi/address.h"
#include "iscsi/login.h"
#include "iscsi/text.h"
#include "iscsi_fixture.h"

#define ROUNDS 20000
#define PDUS 6000
#define LOGINS 300

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	/* xorshift64* */
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 2685821657736338717u) >> 32) % below;
}

static void draw_bytes(void *to, size_t len)
{
	uint8_t *p = to;

	while (len--)
		*p++ = (uint8_t)draw(256);
}

static int seeded(void **state)
{
	(void)state;
	seed = 0x9e3779b97f4a7c15u;
	return 0;
}

/* ---- parsers ---- */

/* Exactly as long as it says, so that a sanitizer sees every byte read beyond. */
static char *drawn_text(size_t len, const char *alphabet)
{
	char *text = malloc(len + 1);
	size_t letters = strlen(alphabet) + 1; /* with its NUL */

	assert_non_null(text);
	for (size_t i = 0; i < len; i++)
		text[i] = alphabet[draw((uint32_t)letters)];
	text[len] = 0;
	return text;
}

static void text_keys_are_parsed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t len = draw(80);
		char *drawn = drawn_text(len, "AbcX-_=,0x1"), *data = malloc(len ? len : 1);
		struct text_in in;
		char *key, *value;

		memcpy(data, drawn, len); /* without the NUL behind it */
		in = text_in(data, len);
		while (text_next(&in, &key, &value) == TEXT_PAIR)
			assert_true(strlen(key) >= 1 && strlen(key) <= TEXT_KEY_MAX);
		free(data);
		free(drawn);
	}
}

static void values_are_parsed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		char *text = drawn_text(draw(40), "0xXbBaf19+/=,"), *list = text, item[8];
		uint8_t out[8];
		uint64_t number;
		int n = text_binary(text, out, sizeof(out));

		assert_true(n >= -1 && n <= (int)sizeof(out));
		if (text_number(text, 4711, &number))
			assert_true(number <= 4711);
		while (text_list_next((const char **)&list, item, sizeof(item)))
			assert_true(strlen(item) < sizeof(item));
		free(text);
	}
}

static void addresses_are_parsed(void **state)
{
	union address address;

	(void)state;
	assert_true(address_parse_port("10.0.0.1", &address));
	for (unsigned i = 0; i < ROUNDS; i++) {
		char *text = drawn_text(draw(50), "0123456789.:[]/*fAL"), out[80];
		union address parsed;

		if (!address_rule_valid(text))
			assert_false(address_rule_matches(text, &address));
		if (address_parse_port(text, &parsed))
			address_format_port(&parsed, address_port(&parsed), out, sizeof(out));
		free(text);
	}
}

static void header_segments_are_parsed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t len = draw(10) * 4u, extra;
		uint8_t *ahs = malloc(len ? len : 1), cdb[16];
		uint32_t bidi;

		draw_bytes(ahs, len);
		for (size_t at = 0; at + 4 <= len; at += 4) {
			ahs[at] = 0;
			ahs[at + 1] %= 24;
			ahs[at + 2] %= 4;
		}
		pdu_parse_ahs(ahs, len, cdb, sizeof(cdb), &extra, &bidi);
		free(ahs);
	}
}

/* ---- the wire ---- */

static uint8_t stream[BHS_LEN + AHS_MAX + (80 << 10)];

/* Sends as much as the target takes; false: it has closed. */
static bool push(struct client *c, const uint8_t *data, size_t len)
{
	static char sink[64 << 10];

	for (int idle = 0; len && idle < 3000;) {
		size_t piece = draw(4) ? len : 1 + draw((uint32_t)len);
		ssize_t n = send(c->fd, data, piece, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (recv(c->fd, sink, sizeof(sink), MSG_DONTWAIT) == 0)
			return false;
		if (n < 0)
			run_for(1);
		idle = n > 0 ? 0 : idle + 1;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return !len;
}

static uint32_t drawn_length(void)
{
	static const uint32_t usual[] = {0, 0, 0, 0, 1, 3, 48, 512, 512, 4096, 8192, 65536};

	return draw(8) ? usual[draw(ARRAY_SIZE(usual))] : draw(80 << 10);
}

static void draw_command(uint8_t *bhs, uint32_t len)
{
	static const uint8_t opcodes[] = {0x28, 0x2a, 0x2a, 0x12, 0x00, 0xa0, 0x89, 0x41, 0x35};
	static const uint8_t flags[] = {0x81, 0xa1, 0xa1, 0xc1, 0x21, 0xe1, 0x01};

	bhs[1] = flags[draw(ARRAY_SIZE(flags))];
	put_be32(bhs + 20, draw(4) ? (len ? len : 4096) : draw(1 << 20));
	if (!draw(8))
		return; /* any CDB */
	memset(bhs + 32, 0, 16);
	bhs[32] = opcodes[draw(ARRAY_SIZE(opcodes))];
	put_be16(bhs + 36, (uint16_t)draw(100));
	bhs[40] = (uint8_t)draw(130);
}

static void draw_data_out(uint8_t *bhs)
{
	static const uint32_t offsets[] = {0, 0, 512, 4096, 8192};

	put_be32(bhs + 20, draw(2) ? TAG_NONE : draw(20));
	put_be32(bhs + 36, draw(3));
	put_be32(bhs + 40, offsets[draw(ARRAY_SIZE(offsets))]);
}

/* A PDU that is wrong here and there; its length on the wire. */
static size_t draw_pdu(struct client *c, uint8_t *bhs)
{
	static const uint8_t opcodes[] = {0, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 6, 0x10, 0x1c, 3, 0x3f};
	/* but TARGET COLD RESET, which would take the neighbour too */
	static const uint8_t functions[] = {0, 1, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13};
	uint32_t len = drawn_length();

	draw_bytes(bhs, BHS_LEN);
	bhs[0] = opcodes[draw(ARRAY_SIZE(opcodes))] | (draw(3) ? 0 : PDU_IMMEDIATE);
	bhs[4] = draw(12) ? 0 : (uint8_t)draw(8);
	put_be24(bhs + 5, len);
	memset(bhs + 8, 0, 8);
	bhs[9] = (uint8_t)draw(3);
	put_be32(bhs + 16, draw(24));
	if (pdu_opcode(bhs) == OP_SCSI_COMMAND)
		draw_command(bhs, len);
	else if (pdu_opcode(bhs) == OP_DATA_OUT)
		draw_data_out(bhs);
	else if (pdu_opcode(bhs) == OP_TASK_MANAGEMENT)
		bhs[1] = functions[draw(ARRAY_SIZE(functions))] | PDU_FINAL;
	put_be32(bhs + 24, c->cmdsn + (draw(20) ? 0 : draw(4)));
	if (!pdu_immediate(bhs) && pdu_has_cmdsn(pdu_opcode(bhs)))
		c->cmdsn++;
	draw_bytes(bhs + BHS_LEN, pdu_ahs_len(bhs));
	return BHS_LEN + pdu_ahs_len(bhs) + len + pdu_padding(len);
}

static void neighbour_answers(void)
{
	send_nop(&b);
	receive(&b, OP_NOP_IN);
}

static void a_session_takes_anything(void **state)
{
	(void)state;
	client_login(&b, 2, KEYS(""));
	draw_bytes(stream, sizeof(stream));
	for (unsigned i = 0; i < PDUS; i++) {
		if (a.fd < 0) {
			target->params[PARAM_INITIAL_R2T] = draw(2);
			client_login(&a, (uint8_t)(3 + draw(3)),
				     KEYS("InitialR2T=No\0iSCSIProtocolLevel=2"));
		}
		if (!push(&a, stream, draw_pdu(&a, stream)) || !draw(200))
			client_close(&a);
		if (i % 500 == 0)
			neighbour_answers();
	}
	neighbour_answers();
}

static void a_login_takes_anything(void **state)
{
	(void)state;
	client_login(&b, 2, KEYS(""));
	for (unsigned i = 0; i < LOGINS; i++) {
		client_connect(&a);
		for (unsigned n = 0; n < 4; n++) {
			uint32_t len = draw(600);
			char *text = drawn_text(len, "AuthMethod=CHAP_NRICInitiatorName,0x");

			pdu_init(stream, OP_LOGIN | PDU_IMMEDIATE, draw(256), 7);
			put_be24(stream + 5, draw(20) ? len : draw(1 << 24));
			memcpy(stream + BHS_LEN, text, len);
			if (!n)
				memcpy(stream + BHS_LEN, "InitiatorName=i\0SessionType=Discovery\0",
				       len < 38 ? len : 38);
			free(text);
			if (!push(&a, stream, BHS_LEN + len + pdu_padding(len)))
				break;
			run_for(1);
		}
		client_close(&a);
	}
	neighbour_answers();
}

#define WIRE_TEST(fn) cmocka_unit_test_setup_teardown(fn, start_seeded, stop)

static int start_seeded(void **state)
{
	seeded(state);
	return start(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(text_keys_are_parsed, seeded),
	    cmocka_unit_test_setup(values_are_parsed, seeded),
	    cmocka_unit_test_setup(addresses_are_parsed, seeded),
	    cmocka_unit_test_setup(header_segments_are_parsed, seeded),
	    WIRE_TEST(a_session_takes_anything),
	    WIRE_TEST(a_login_takes_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
