/* SPDX-License-Identifier: MIT */
/* The negotiation table: RFC 7143 6.2, 13; RFC 7144 4; RFC 7145 6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/params.h"
#include "util/cleanup.h"

static struct iscsi_target target;
static struct negotiation nego;
static char answer[512];
static struct text_out out;

static void restart(void)
{
	negotiation_init(&nego, &target);
}

static int set_up(void **state)
{
	(void)state;
	params_set_defaults(target.params);
	restart();
	return 0;
}

static enum nego_result give(const char *key, const char *value)
{
	memset(answer, 0, sizeof(answer));
	out = (struct text_out){.data = answer, .size = sizeof(answer)};
	return negotiation_key(&nego, key, value, &out);
}

static void expect(const char *key, const char *value, const char *want)
{
	assert_int_equal(give(key, value), NEGO_OK);
	assert_string_equal(answer, want);
}

static void test_minimum(void **state)
{
	(void)state;
	expect("MaxBurstLength", "65536", "MaxBurstLength=65536");
	assert_int_equal(nego.value[KEY_MAX_BURST], 65536);
	expect("FirstBurstLength", "262144", "FirstBurstLength=65536");
	expect("MaxOutstandingR2T", "16", "MaxOutstandingR2T=1");
	expect("DefaultTime2Retain", "3600", "DefaultTime2Retain=20");
	expect("ErrorRecoveryLevel", "2", "ErrorRecoveryLevel=0");
	expect("MaxConnections", "8", "MaxConnections=1");
	expect("iSCSIProtocolLevel", "31", "iSCSIProtocolLevel=2");
	restart();
	expect("iSCSIProtocolLevel", "1", "iSCSIProtocolLevel=1");
}

static void test_maximum(void **state)
{
	(void)state;
	expect("DefaultTime2Wait", "0", "DefaultTime2Wait=2");
	restart();
	expect("DefaultTime2Wait", "5", "DefaultTime2Wait=5");
}

static void test_booleans(void **state)
{
	(void)state;
	expect("InitialR2T", "No", "InitialR2T=Yes");      /* OR */
	expect("ImmediateData", "No", "ImmediateData=No"); /* AND */
	assert_int_equal(nego.value[KEY_IMMEDIATE_DATA], 0);
	expect("DataPDUInOrder", "No", "DataPDUInOrder=Yes");
	expect("DataSequenceInOrder", "No", "DataSequenceInOrder=Yes");
	target.params[PARAM_INITIAL_R2T] = 0;
	target.params[PARAM_IMMEDIATE_DATA] = 0;
	restart();
	expect("InitialR2T", "No", "InitialR2T=No");
	expect("ImmediateData", "Yes", "ImmediateData=No");
}

static void test_digests(void **state)
{
	(void)state;
	expect("HeaderDigest", "CRC32C,None", "HeaderDigest=CRC32C");
	expect("DataDigest", "None,CRC32C", "DataDigest=None");
	restart();
	expect("HeaderDigest", "X-mine,CRC32C", "HeaderDigest=CRC32C");
	expect("DataDigest", "X-mine", "DataDigest=Reject");
	assert_int_equal(nego.value[KEY_DATA_DIGEST], DIGEST_NONE);
	/* an operator who asks for digests gets them from whoever can */
	target.params[PARAM_HEADER_DIGEST] = DIGEST_CRC32C;
	restart();
	expect("HeaderDigest", "None,CRC32C", "HeaderDigest=CRC32C");
	restart();
	expect("HeaderDigest", "None", "HeaderDigest=None");
}

static void test_task_reporting(void **state)
{
	(void)state;
	expect("TaskReporting", "RFC3720,ResponseFence,FastAbort", "TaskReporting=ResponseFence");
	restart();
	expect("TaskReporting", "FastAbort", "TaskReporting=Reject");
}

static void test_declarative(void **state)
{
	(void)state;
	expect("MaxRecvDataSegmentLength", "131072", "");
	assert_int_equal(nego.value[KEY_MAX_RECV_DSL], 131072);
	assert_int_equal(nego.own[KEY_MAX_RECV_DSL], 262144);
	assert_false(negotiation_offer(&nego, &out));
	assert_string_equal(answer, "MaxRecvDataSegmentLength=262144");
	out.len = 0;
	memset(answer, 0, sizeof(answer));
	negotiation_offer(&nego, &out);
	assert_string_equal(answer, ""); /* once */
	target.params[PARAM_MAX_RECV_DSL] = 65536;
	restart();
	assert_int_equal(nego.own[KEY_MAX_RECV_DSL], 65536);
}

static void test_out_of_range(void **state)
{
	static const char *const bad[][2] = {
	    {"MaxBurstLength", "511"},   {"MaxBurstLength", "16777216"},
	    {"MaxBurstLength", "many"},  {"FirstBurstLength", "0"},
	    {"MaxConnections", "0"},     {"MaxConnections", "65536"},
	    {"ErrorRecoveryLevel", "3"}, {"DefaultTime2Wait", "3601"},
	    {"MaxOutstandingR2T", "0"},  {"InitialR2T", "yes"},
	    {"ImmediateData", "1"},      {"iSCSIProtocolLevel", "32"},
	};
	char want[80];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		restart();
		strcpy(want, bad[i][0]);
		strcat(want, "=Reject");
		expect(bad[i][0], bad[i][1], want);
	}
	restart();
	assert_int_equal(give("MaxRecvDataSegmentLength", "511"), NEGO_UNLAWFUL);
	restart();
	assert_int_equal(give("MaxRecvDataSegmentLength", "16777216"), NEGO_UNLAWFUL);
	assert_int_equal(nego.value[KEY_MAX_RECV_DSL], 8192);
}

/* 13.22, RFC 7145 */
static void test_not_here(void **state)
{
	(void)state;
	expect("IFMarker", "Yes", "IFMarker=No");
	expect("OFMarker", "No", "OFMarker=No");
	expect("IFMarkInt", "2048~8192", "IFMarkInt=Reject");
	expect("OFMarkInt", "2048", "OFMarkInt=Reject");
	expect("RDMAExtensions", "Yes", "RDMAExtensions=No");
	expect("InitiatorRecvDataSegmentLength", "8192",
	       "InitiatorRecvDataSegmentLength=Irrelevant");
	assert_int_equal(give("X-com.example.key", "1"), NEGO_UNKNOWN);
	assert_int_equal(give("maxburstlength", "1"), NEGO_UNKNOWN); /* names have case */
	assert_string_equal(answer, "");
}

static void test_twice(void **state)
{
	(void)state;
	assert_int_equal(give("MaxBurstLength", "65536"), NEGO_OK);
	assert_int_equal(give("MaxBurstLength", "65536"), NEGO_TWICE);
	assert_int_equal(give("MaxRecvDataSegmentLength", "65536"), NEGO_OK);
	assert_int_equal(give("MaxRecvDataSegmentLength", "65536"), NEGO_TWICE);
}

static void test_discovery(void **state)
{
	(void)state;
	negotiation_init(&nego, NULL);
	expect("MaxBurstLength", "65536", "MaxBurstLength=Irrelevant");
	expect("ImmediateData", "No", "ImmediateData=Irrelevant");
	expect("iSCSIProtocolLevel", "2", "iSCSIProtocolLevel=Irrelevant");
	expect("TaskReporting", "FastAbort", "TaskReporting=Irrelevant");
	expect("HeaderDigest", "CRC32C", "HeaderDigest=CRC32C");
	expect("DefaultTime2Wait", "0", "DefaultTime2Wait=2");
	expect("ErrorRecoveryLevel", "1", "ErrorRecoveryLevel=0");
}

/* What the operator wants other than the default is offered when the initiator doesn't bring it up.
 */
static void test_own_offers(void **state)
{
	(void)state;
	assert_int_equal(give("MaxRecvDataSegmentLength", "8192"), NEGO_OK);
	assert_false(negotiation_offer(&nego, &out)); /* defaults need no words */
	target.params[PARAM_IMMEDIATE_DATA] = 0;
	target.params[PARAM_MAX_BURST] = 65536;
	restart();
	assert_int_equal(give("MaxBurstLength", "131072"), NEGO_OK);
	out.len = 0;
	memset(answer, 0, sizeof(answer));
	assert_true(negotiation_offer(&nego, &out));
	assert_memory_equal(answer, "MaxRecvDataSegmentLength=262144\0ImmediateData=No\0", 49);
	assert_true(negotiation_offer(&nego, &out)); /* still open */
	assert_int_equal(give("ImmediateData", "No"), NEGO_OK);
	assert_string_equal(answer, ""); /* an answer isn't answered */
	assert_false(negotiation_offer(&nego, &out));
	assert_int_equal(nego.value[KEY_IMMEDIATE_DATA], 0);
	assert_int_equal(give("ImmediateData", "No"), NEGO_TWICE);
}

static void offer_again(void)
{
	restart();
	memset(answer, 0, sizeof(answer));
	out = (struct text_out){.data = answer, .size = sizeof(answer)};
	assert_true(negotiation_offer(&nego, &out));
}

static void test_answers(void **state)
{
	(void)state;
	target.params[PARAM_IMMEDIATE_DATA] = 0;
	offer_again();
	assert_int_equal(give("ImmediateData", "Yes"), NEGO_UNLAWFUL); /* AND can't give Yes */
	offer_again();
	assert_int_equal(give("ImmediateData", "Reject"), NEGO_OK);
	assert_int_equal(nego.value[KEY_IMMEDIATE_DATA], 1); /* the default stays */
	params_set_defaults(target.params);
	target.params[PARAM_MAX_BURST] = 65536;
	offer_again();
	assert_int_equal(give("MaxBurstLength", "65537"), NEGO_UNLAWFUL);
	offer_again();
	assert_int_equal(give("MaxBurstLength", "4096"), NEGO_OK);
	assert_int_equal(nego.value[KEY_MAX_BURST], 4096);
}

static enum nego_result give_later(const char *key, const char *value)
{
	memset(answer, 0, sizeof(answer));
	out = (struct text_out){.data = answer, .size = sizeof(answer)};
	return negotiation_key_full_feature(&nego, key, value, &out);
}

static void test_full_feature(void **state)
{
	(void)state;
	assert_int_equal(give_later("MaxRecvDataSegmentLength", "4096"), NEGO_OK);
	assert_string_equal(answer, "");
	assert_int_equal(nego.value[KEY_MAX_RECV_DSL], 4096);
	give_later("MaxRecvDataSegmentLength", "1");
	assert_string_equal(answer, "MaxRecvDataSegmentLength=Reject");
	give_later("HeaderDigest", "CRC32C");
	assert_string_equal(answer, "HeaderDigest=Reject");
	assert_int_equal(give_later("X-key", "1"), NEGO_UNKNOWN);
}

static void test_burst_order(void **state)
{
	(void)state;
	target.params[PARAM_FIRST_BURST] = 262144;
	target.params[PARAM_MAX_BURST] = 131072;
	restart();
	assert_int_equal(nego.own[KEY_FIRST_BURST], 131072); /* 13.14: at most MaxBurstLength */
	params_set_defaults(target.params);
	restart();
	expect("MaxBurstLength", "4096", "MaxBurstLength=4096");
	expect("FirstBurstLength", "65536", "FirstBurstLength=4096");
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_minimum),        TEST(test_maximum),     TEST(test_booleans),
	    TEST(test_digests),        TEST(test_declarative), TEST(test_out_of_range),
	    TEST(test_task_reporting), TEST(test_not_here),    TEST(test_twice),
	    TEST(test_discovery),      TEST(test_own_offers),  TEST(test_answers),
	    TEST(test_full_feature),   TEST(test_burst_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
