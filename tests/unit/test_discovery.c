/* SPDX-License-Identifier: MIT */
/* SendTargets (RFC 7143 Appendix C) and portals. */
#include "iscsi/address.h"
#include "iscsi/discovery.h"
#include <errno.h>

#include "iscsi_fixture.h"

static char text[4096];
static struct text_out out;
static union address peer, local;
static struct discovery_view view = {.initiator = "iqn.i", .peer = &peer, .local = &local};

static void ask(const char *value)
{
	memset(text, 0, sizeof(text));
	out = (struct text_out){.data = text, .size = sizeof(text)};
	discovery_send_targets(&view, value, &out);
}

/* The answer with its NULs made '|'. */
static const char *answer(void)
{
	for (size_t i = 0; i < out.len; i++) {
		if (!text[i])
			text[i] = '|';
	}
	return text;
}

static char wanted[512];

static const char *target_at(const char *addresses)
{
	snprintf(wanted, sizeof(wanted), "TargetName=" NAME "|%s", addresses);
	return wanted;
}

static int set_up(void **state)
{
	assert_true(address_parse_port("10.0.0.9", &peer));
	assert_true(address_parse_port("127.0.0.1", &local));
	view.only = NULL;
	return start(state);
}

static void add_portal_to(uint16_t tag, const char *portal)
{
	char error[128];

	assert_int_equal(iscsi_portal_add(portal, tag, error, sizeof(error)), 0);
}

static void add_portal(const char *portal)
{
	add_portal_to(1, portal);
}

static const char *here(void)
{
	static char line[64];

	snprintf(line, sizeof(line), "TargetAddress=127.0.0.1:%u,1|", port);
	return line;
}

static void discovery_lists_targets(void **state)
{
	(void)state;
	ask("All");
	assert_string_equal(answer(), target_at(here()));
	ask(NAME);
	assert_string_equal(answer(), target_at(here()));
	ask("IQN.2026-01.org.example:SESSION"); /* 4.2.7.2 */
	assert_string_equal(answer(), target_at(here()));
	ask("iqn.other");
	assert_int_equal(out.len, 0);
	ask("");
	assert_string_equal(answer(), "SendTargets=Reject|");
}

static void what_may_not_be_used_is_not_shown(void **state)
{
	(void)state;
	iscsi_unbind_address(target, "ALL");
	iscsi_bind_address(target, "10.0.0.8");
	ask("All");
	assert_int_equal(out.len, 0);
	iscsi_bind_name(target, "iqn.i");
	ask("All");
	assert_string_equal(answer(), target_at(here()));
}

static void a_session_sees_its_own_target(void **state)
{
	struct iscsi_target *other;

	(void)state;
	assert_int_equal(iscsi_target_create(2, "iqn.2026-01.org.example:other", &other), 0);
	iscsi_bind_address(other, "ALL");
	view.only = target;
	ask("");
	assert_string_equal(answer(), target_at(here()));
	ask(NAME);
	assert_string_equal(answer(), target_at(here()));
	ask("iqn.2026-01.org.example:other");
	assert_int_equal(out.len, 0);
	ask("All");
	assert_string_equal(answer(), "SendTargets=Reject|");
	flag = false;
	iscsi_target_delete(other, set_flag, NULL);
	run_until(flag);
}

/* A wildcard portal is told by the address over which the question came, once. */
static void wildcard_portals_get_a_real_address(void **state)
{
	char portal[64], want[256];
	uint16_t second = free_port();

	(void)state;
	snprintf(portal, sizeof(portal), "0.0.0.0:%u", second);
	add_portal(portal);
	snprintf(portal, sizeof(portal), "[::]:%u", second);
	add_portal(portal);
	snprintf(want, sizeof(want), "TargetAddress=127.0.0.1:%u,1|%s", second, here());
	ask("All");
	assert_string_equal(answer(), target_at(want));
	assert_true(address_parse_port("[fe80::1]", &local));
	snprintf(want, sizeof(want), "TargetAddress=[fe80::1]:%u,1|%s", second, here());
	ask("All");
	assert_string_equal(answer(), target_at(want));
}

/* Appendix C: each address with the tag of its portal group. */
static void every_portal_group_is_told(void **state)
{
	char portal[64], want[256], error[128];
	uint16_t second = free_port();

	(void)state;
	snprintf(portal, sizeof(portal), "127.0.0.1:%u", second);
	assert_int_equal(iscsi_portal_add(portal, 0, error, sizeof(error)), -EINVAL);
	add_portal_to(65535, portal);
	snprintf(want, sizeof(want), "TargetAddress=127.0.0.1:%u,65535|%s", second, here());
	ask("All");
	assert_string_equal(answer(), target_at(want));
}

static void too_much_is_said_so(void **state)
{
	(void)state;
	out = (struct text_out){.data = text, .size = 40};
	discovery_send_targets(&view, "All", &out);
	assert_true(out.overflow);
}

static void portals_come_and_go(void **state)
{
	char portal[64], error[128];

	(void)state;
	snprintf(portal, sizeof(portal), "127.0.0.1:%u", port);
	assert_int_equal(iscsi_portal_add(portal, 1, error, sizeof(error)), -EEXIST);
	assert_int_equal(iscsi_portal_add("nonsense:", 1, error, sizeof(error)), -EINVAL);
	assert_true(strlen(error) > 0);
	assert_int_equal(iscsi_portal_add("192.0.2.1:3260", 1, error, sizeof(error)),
			 -EADDRNOTAVAIL);
	client_login(&a, 1, KEYS(""));
	assert_int_equal(iscsi_portal_delete(portal), 0);
	assert_int_equal(iscsi_portal_delete(portal), -ENOENT);
	send_nop(&a); /* who came in by it stays */
	receive(&a, OP_NOP_IN);
}

/* ---- in a discovery session, over the wire ---- */

static void log_in_to_discover(void)
{
	static const char keys[] = "InitiatorName=iqn.i\0SessionType=Discovery\0"
				   "MaxRecvDataSegmentLength=512";
	uint8_t bhs[BHS_LEN];

	client_connect(&a);
	pdu_init(bhs, OP_LOGIN | PDU_IMMEDIATE, PDU_FINAL | 1 << 2 | 3, 7);
	put_be32(bhs + 24, a.cmdsn);
	send_pdu(&a, bhs, keys, sizeof(keys));
	receive(&a, OP_LOGIN_RESPONSE);
	assert_int_equal(get_be16(a.bhs + 36), 0);
}

static void send_text(unsigned flags, uint32_t ttt, const char *keys, size_t len)
{
	uint8_t bhs[BHS_LEN];

	pdu_init(bhs, OP_TEXT, flags, 99);
	put_be32(bhs + 20, ttt);
	put_be32(bhs + 24, a.cmdsn++);
	send_pdu(&a, bhs, keys, len);
	receive(&a, OP_TEXT_RESPONSE);
	assert_int_equal(pdu_itt(a.bhs), 99);
}

static void long_answers_come_in_parts(void **state)
{
	struct iscsi_target *more[20];
	char name[64], all[8192];
	size_t len = 0;
	unsigned parts = 0;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(more); i++) {
		snprintf(name, sizeof(name), "iqn.2026-01.org.example:many%02u", i);
		assert_int_equal(iscsi_target_create(100 + i, name, &more[i]), 0);
		iscsi_bind_address(more[i], "ALL");
	}
	log_in_to_discover();
	send_text(PDU_FINAL, TAG_NONE, "SendTargets=All", 16);
	for (;;) {
		assert_true(a.data_len <= 512);
		memcpy(all + len, a.data, a.data_len);
		len += a.data_len;
		parts++;
		if (pdu_final(a.bhs))
			break;
		assert_true(a.bhs[1] & PDU_CONTINUE);
		send_text(PDU_FINAL, pdu_ttt(a.bhs), "", 0);
	}
	assert_int_equal(pdu_ttt(a.bhs), TAG_NONE);
	assert_true(parts > 2);
	assert_non_null(memmem(all, len, "many00", 6));
	assert_non_null(memmem(all, len, "many19", 6));
	for (uint32_t i = 0; i < ARRAY_SIZE(more); i++) {
		flag = false;
		iscsi_target_delete(more[i], set_flag, NULL);
		run_until(flag);
	}
}

static void a_discovery_session_takes_text_and_logout_only(void **state)
{
	static const uint8_t test_unit_ready[10];

	(void)state;
	log_in_to_discover();
	send_command(&a, PDU_FINAL, test_unit_ready, 0, NULL, 0);
	receive(&a, OP_REJECT);
	assert_int_equal(a.bhs[2], REJECT_PROTOCOL_ERROR);
	send_tmf(&a, 5, TAG_NONE, 0);
	receive(&a, OP_REJECT);
	send_logout(&a);
	receive(&a, OP_LOGOUT_RESPONSE);
	run_until(closed_by_target(&a));
	run_until(list_empty(control_conns()));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(discovery_lists_targets),
	    TEST(what_may_not_be_used_is_not_shown),
	    TEST(a_session_sees_its_own_target),
	    TEST(wildcard_portals_get_a_real_address),
	    TEST(every_portal_group_is_told),
	    TEST(too_much_is_said_so),
	    TEST(portals_come_and_go),
	    TEST(long_answers_come_in_parts),
	    TEST(a_discovery_session_takes_text_and_logout_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
