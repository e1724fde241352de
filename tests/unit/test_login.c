/* SPDX-License-Identifier: MIT */
/* Login: stages, statuses, CHAP (RFC 7143 6.3, 11.12, 11.13, 12). */
#include "iscsi/chap.h"
#include "iscsi/login.h"
#include "iscsi_fixture.h"

#define SECURITY 0u
#define OPERATIONAL (1u << 2)
#define TO_OPERATIONAL (PDU_FINAL | 1u)
#define TO_FULL_FEATURE (PDU_FINAL | 3u)
#define INITIATOR "InitiatorName=iqn.2026-01.org.example:i\0"
#define NORMAL INITIATOR "SessionType=Normal\0TargetName=" NAME "\0"
#define WITHOUT_NUL(text) text, sizeof(text) - 1

static uint8_t request[BHS_LEN];

static void prepare(unsigned flags)
{
	pdu_init(request, OP_LOGIN | PDU_IMMEDIATE, flags, 7);
	request[8] = 0x80;
	request[9] = 1;
	put_be32(request + 24, a.cmdsn);
}

static void answer_to(unsigned flags, const char *text, size_t len)
{
	prepare(flags);
	send_pdu(&a, request, text, len);
	receive(&a, OP_LOGIN_RESPONSE);
}

static void expect_refused(unsigned status)
{
	assert_int_equal(get_be16(a.bhs + 36), status);
	run_until(closed_by_target(&a));
	run_until(list_empty(control_conns()));
	assert_int_equal(sessions_total(), 0);
	client_close(&a);
}

static void refused(unsigned flags, const char *text, size_t len, unsigned status)
{
	client_connect(&a);
	answer_to(flags, text, len);
	expect_refused(status);
}

static void expect_accepted(void)
{
	assert_int_equal(get_be16(a.bhs + 36), LOGIN_SUCCESS);
}

/* The value of a key in the response; "" when it isn't there. */
static const char *answered(const char *key)
{
	struct text_in in;
	char *name, *value;
	static char copy[8192];

	memcpy(copy, a.data, a.data_len);
	in = text_in(copy, a.data_len);
	while (text_next(&in, &name, &value) == TEXT_PAIR) {
		if (!strcmp(name, key))
			return value;
	}
	return "";
}

static void names_are_required(void **state)
{
	(void)state;
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL("SessionType=Discovery\0"),
		LOGIN_MISSING_PARAMETER);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(INITIATOR), LOGIN_MISSING_PARAMETER);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(INITIATOR "SessionType=Odd\0"),
		LOGIN_TYPE_NOT_SUPPORTED);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(INITIATOR "TargetName=iqn.other\0"),
		LOGIN_NOT_FOUND);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL("InitiatorName=\0TargetName=x\0"),
		LOGIN_INITIATOR_ERROR);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL("InitiatorName=a\nb\0TargetName=x\0"),
		LOGIN_INITIATOR_ERROR);
}

static void access_is_checked(void **state)
{
	(void)state;
	iscsi_unbind_address(target, "ALL");
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL), LOGIN_AUTHORIZATION_FAILURE);
	iscsi_bind_address(target, "127.0.0.0/8");
	client_connect(&a);
	answer_to(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL));
	expect_accepted();
}

static void offline_is_refused(void **state)
{
	(void)state;
	iscsi_target_set_ready(target, false);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL), LOGIN_SERVICE_UNAVAILABLE);
	iscsi_target_set_ready(target, true);
	iscsi_set_system_ready(false);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL), LOGIN_SERVICE_UNAVAILABLE);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(INITIATOR "SessionType=Discovery\0"),
		LOGIN_SERVICE_UNAVAILABLE);
	iscsi_set_system_ready(true);
}

static void headers_are_checked(void **state)
{
	static const unsigned bad[] = {
	    2u << 2 | TO_FULL_FEATURE,   /* a reserved stage */
	    3u << 2,                     /* the full feature phase isn't one of login */
	    OPERATIONAL | PDU_FINAL | 1, /* to where it is */
	    OPERATIONAL | PDU_FINAL | 0, /* back */
	    OPERATIONAL | PDU_FINAL | 2, /* to a reserved one */
	    OPERATIONAL | TO_FULL_FEATURE | PDU_CONTINUE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refused(bad[i], WITHOUT_NUL(NORMAL), LOGIN_INITIATOR_ERROR);
	client_connect(&a);
	prepare(OPERATIONAL | TO_FULL_FEATURE);
	request[3] = 1; /* Version-min */
	send_pdu(&a, request, WITHOUT_NUL(NORMAL));
	receive(&a, OP_LOGIN_RESPONSE);
	expect_refused(LOGIN_UNSUPPORTED_VERSION);
	client_connect(&a);
	prepare(OPERATIONAL | TO_FULL_FEATURE);
	request[14] = 9; /* TSIH */
	send_pdu(&a, request, WITHOUT_NUL(NORMAL));
	receive(&a, OP_LOGIN_RESPONSE);
	expect_refused(LOGIN_NO_SUCH_SESSION);
	client_connect(&a);
	send_nop(&a);
	receive(&a, OP_LOGIN_RESPONSE);
	expect_refused(LOGIN_INVALID_REQUEST);
}

static void stages_go_forward(void **state)
{
	(void)state;
	client_connect(&a);
	answer_to(SECURITY | TO_OPERATIONAL, WITHOUT_NUL(NORMAL "AuthMethod=None\0"));
	expect_accepted();
	assert_int_equal(a.bhs[1], SECURITY | TO_OPERATIONAL);
	assert_string_equal(answered("AuthMethod"), "None");
	assert_string_equal(answered("TargetPortalGroupTag"), "1");
	answer_to(OPERATIONAL, WITHOUT_NUL("MaxBurstLength=8192\0"));
	assert_int_equal(a.bhs[1], OPERATIONAL);
	assert_string_equal(answered("MaxBurstLength"), "8192");
	assert_string_equal(answered("MaxRecvDataSegmentLength"), "262144");
	answer_to(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(""));
	assert_int_equal(a.bhs[1], OPERATIONAL | TO_FULL_FEATURE);
	assert_int_not_equal(get_be16(a.bhs + 14), 0); /* TSIH */
	run_until(sessions_total() == 1);
	client_close(&a);
	run_until(!sessions_total());

	client_connect(&a);
	answer_to(SECURITY | TO_OPERATIONAL, WITHOUT_NUL(NORMAL "AuthMethod=None\0"));
	answer_to(SECURITY | TO_OPERATIONAL, WITHOUT_NUL(""));
	expect_refused(LOGIN_INITIATOR_ERROR);
}

static void keys_are_checked(void **state)
{
	(void)state;
	refused(OPERATIONAL | TO_FULL_FEATURE,
		WITHOUT_NUL(NORMAL "MaxBurstLength=512\0MaxBurstLength=512\0"),
		LOGIN_INITIATOR_ERROR);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL "no equals sign\0"),
		LOGIN_INITIATOR_ERROR);
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL "AuthMethod=None\0"),
		LOGIN_INITIATOR_ERROR);
	refused(SECURITY | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL "MaxBurstLength=512\0"),
		LOGIN_INITIATOR_ERROR);
	client_connect(&a);
	answer_to(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL "X-odd=1\0"));
	expect_accepted();
	assert_string_equal(answered("X-odd"), "NotUnderstood");
}

/* What management shows comes from the wire. */
static void the_alias_is_made_printable(void **state)
{
	(void)state;
	client_connect(&a);
	answer_to(OPERATIONAL | TO_FULL_FEATURE,
		  WITHOUT_NUL(NORMAL "InitiatorAlias=my host\n\xff\0"));
	expect_accepted();
	assert_string_equal(list_first(&target->sessions, struct iscsi_session_info, link)->alias,
			    "my host??");
}

/* Text may be cut anywhere; what is collected is bounded, and so is the number of requests. */
static void text_is_continued(void **state)
{
	static const char text[] = NORMAL;
	static char filler[LOGIN_DATA_MAX];

	(void)state;
	client_connect(&a);
	answer_to(OPERATIONAL | PDU_CONTINUE, text, 20);
	assert_int_equal(a.data_len, 0);
	assert_int_equal(a.bhs[1], OPERATIONAL);
	answer_to(OPERATIONAL | TO_FULL_FEATURE, text + 20, sizeof(text) - 1 - 20);
	expect_accepted();
	client_close(&a);
	run_until(!sessions_total());

	memset(filler, 'x', sizeof(filler));
	client_connect(&a);
	answer_to(OPERATIONAL | PDU_CONTINUE, filler, sizeof(filler));
	expect_accepted();
	answer_to(OPERATIONAL | PDU_CONTINUE, filler, sizeof(filler));
	expect_accepted();
	answer_to(OPERATIONAL | PDU_CONTINUE, filler, sizeof(filler));
	expect_refused(LOGIN_INITIATOR_ERROR);

	client_connect(&a);
	answer_to(OPERATIONAL, WITHOUT_NUL(NORMAL));
	for (int i = 0; i < 31; i++) {
		expect_accepted();
		answer_to(OPERATIONAL, WITHOUT_NUL(""));
	}
	expect_accepted();
	answer_to(OPERATIONAL, WITHOUT_NUL(""));
	expect_refused(LOGIN_INITIATOR_ERROR);
}

/* ---- CHAP ---- */

static void bind_accounts(void)
{
	assert_int_equal(iscsi_account_add("user", "incoming-secret"), 0);
	assert_int_equal(iscsi_account_add("target", "outgoing-secret"), 0);
	assert_int_equal(iscsi_account_bind(target, "user", false), 0);
	assert_int_equal(iscsi_account_bind(target, "target", true), 0);
}

static int drop_accounts(void **state)
{
	iscsi_account_delete("user");
	iscsi_account_delete("target");
	return stop(state);
}

static uint8_t challenge[CHAP_MAX_CHALLENGE];
static size_t challenge_len;
static unsigned algorithm;

/* Up to the target's challenge. */
static void begin_chap(const char *algorithms)
{
	char text[64];
	int len, n = snprintf(text, sizeof(text), "CHAP_A=%s", algorithms);

	client_connect(&a);
	answer_to(SECURITY, WITHOUT_NUL(NORMAL "AuthMethod=CHAP,None\0"));
	expect_accepted();
	assert_string_equal(answered("AuthMethod"), "CHAP");
	answer_to(SECURITY, text, (size_t)n + 1);
	expect_accepted();
	algorithm = (unsigned)strtoul(answered("CHAP_A"), NULL, 10);
	len = text_binary(answered("CHAP_C"), challenge, sizeof(challenge));
	assert_true(len >= 16);
	challenge_len = (size_t)len;
}

/* CHAP_N and CHAP_R, and what else is given, with T and NSG = 1. */
static void prove(const char *user, const char *secret, const char *more, size_t more_len)
{
	uint8_t digest[CHAP_MAX_DIGEST], id = (uint8_t)strtoul(answered("CHAP_I"), NULL, 10);
	char text[4096], hex[80];
	struct text_out out = {.data = text, .size = sizeof(text)};
	size_t len = chap_response(algorithm, id, secret, challenge, challenge_len, digest);

	text_hex(hex, digest, len);
	text_add(&out, "CHAP_N", user);
	text_add(&out, "CHAP_R", hex);
	memcpy(text + out.len, more, more_len);
	answer_to(SECURITY | TO_OPERATIONAL, text, out.len + more_len);
}

static void chap_is_required(void **state)
{
	(void)state;
	bind_accounts();
	refused(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(NORMAL), LOGIN_AUTH_FAILURE);
	refused(SECURITY | TO_OPERATIONAL, WITHOUT_NUL(NORMAL), LOGIN_AUTH_FAILURE);
	refused(SECURITY | TO_OPERATIONAL, WITHOUT_NUL(NORMAL "AuthMethod=None\0"),
		LOGIN_AUTH_FAILURE);
	begin_chap("8,7,6,5");
	assert_int_equal(algorithm, CHAP_SHA3_256);
	prove("user", "incoming-secret", "", 0);
	expect_accepted();
	assert_int_equal(a.bhs[1], SECURITY | TO_OPERATIONAL);
	answer_to(OPERATIONAL | TO_FULL_FEATURE, WITHOUT_NUL(""));
	expect_accepted();
}

static void chap_fails(void **state)
{
	(void)state;
	bind_accounts();
	begin_chap("5");
	prove("user", "wrong-secret", "", 0);
	expect_refused(LOGIN_AUTH_FAILURE);
	begin_chap("5");
	prove("nobody", "incoming-secret", "", 0);
	expect_refused(LOGIN_AUTH_FAILURE);
	begin_chap("5");
	prove("target", "outgoing-secret", "", 0); /* that account is for the other direction */
	expect_refused(LOGIN_AUTH_FAILURE);
	client_connect(&a);
	answer_to(SECURITY, WITHOUT_NUL(NORMAL "AuthMethod=CHAP\0"));
	answer_to(SECURITY, WITHOUT_NUL("CHAP_A=1,2,3\0"));
	expect_refused(LOGIN_AUTH_FAILURE);
}

static void chap_is_mutual(void **state)
{
	uint8_t want[CHAP_MAX_DIGEST], got[CHAP_MAX_DIGEST];
	size_t len;

	(void)state;
	bind_accounts();
	begin_chap("7");
	prove("user", "incoming-secret", WITHOUT_NUL("CHAP_I=9\0CHAP_C=0b3q2+7w==\0"));
	expect_accepted();
	assert_string_equal(answered("CHAP_N"), "target");
	len = chap_response(CHAP_SHA256, 9, "outgoing-secret", (const uint8_t *)"\xde\xad\xbe\xef",
			    4, want);
	assert_int_equal(text_binary(answered("CHAP_R"), got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
}

/* 12.1.3: a target that answers its own challenge would let an initiator authenticate with that. */
static void reflection_is_refused(void **state)
{
	char more[256];
	size_t len;

	(void)state;
	bind_accounts();
	begin_chap("7");
	len = (size_t)snprintf(more, sizeof(more), "CHAP_I=%s", answered("CHAP_I")) + 1;
	len +=
	    (size_t)snprintf(more + len, sizeof(more) - len, "CHAP_C=%s", answered("CHAP_C")) + 1;
	prove("user", "incoming-secret", more, len);
	expect_refused(LOGIN_AUTH_FAILURE);
	assert_string_equal(answered("CHAP_R"), "");
}

static void one_secret_for_both_directions_is_refused(void **state)
{
	(void)state;
	assert_int_equal(iscsi_account_add("user", "same-secret"), 0);
	assert_int_equal(iscsi_account_add("target", "same-secret"), 0);
	assert_int_equal(iscsi_account_bind(target, "user", false), 0);
	assert_int_equal(iscsi_account_bind(target, "target", true), 0);
	begin_chap("7");
	prove("user", "same-secret", WITHOUT_NUL("CHAP_I=9\0CHAP_C=0x01020304\0"));
	expect_refused(LOGIN_AUTH_FAILURE);
}

static void keys_out_of_turn_are_refused(void **state)
{
	(void)state;
	bind_accounts();
	refused(SECURITY, WITHOUT_NUL(NORMAL "AuthMethod=CHAP\0CHAP_N=user\0CHAP_R=0x00\0"),
		LOGIN_INITIATOR_ERROR);
	begin_chap("7");
	answer_to(SECURITY, WITHOUT_NUL("CHAP_A=7\0"));
	expect_refused(LOGIN_INITIATOR_ERROR);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
#define CHAP_TEST(fn) cmocka_unit_test_setup_teardown(fn, start, drop_accounts)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(names_are_required),
	    TEST(access_is_checked),
	    TEST(offline_is_refused),
	    TEST(headers_are_checked),
	    TEST(stages_go_forward),
	    TEST(keys_are_checked),
	    TEST(the_alias_is_made_printable),
	    TEST(text_is_continued),
	    CHAP_TEST(chap_is_required),
	    CHAP_TEST(chap_fails),
	    CHAP_TEST(chap_is_mutual),
	    CHAP_TEST(reflection_is_refused),
	    CHAP_TEST(one_secret_for_both_directions_is_refused),
	    CHAP_TEST(keys_out_of_turn_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
