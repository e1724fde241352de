/* SPDX-License-Identifier: MIT */
/* A target's parameters as tgtadm shows and sets them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/params.h"
#include "util/cleanup.h"

static struct iscsi_target target;

static int set_up(void **state)
{
	(void)state;
	params_set_defaults(target.params);
	return 0;
}

static const char *shown(const char *name)
{
	static char text[64];

	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++) {
		if (strcmp(iscsi_param_name(i), name) != 0)
			continue;
		iscsi_param_format(&target, i, text, sizeof(text));
		return text;
	}
	return "no such name";
}

/* The order and the values of stgt, which scripts read. */
static void test_defaults(void **state)
{
	static const char *const want[][2] = {
	    {"nop_interval", "0"},
	    {"nop_count", "0"},
	    {"MaxRecvDataSegmentLength", "8192"},
	    {"HeaderDigest", "None"},
	    {"DataDigest", "None"},
	    {"InitialR2T", "Yes"},
	    {"MaxOutstandingR2T", "1"},
	    {"ImmediateData", "Yes"},
	    {"FirstBurstLength", "65536"},
	    {"MaxBurstLength", "262144"},
	    {"DataPDUInOrder", "Yes"},
	    {"DataSequenceInOrder", "Yes"},
	    {"ErrorRecoveryLevel", "0"},
	    {"IFMarker", "No"},
	    {"OFMarker", "No"},
	    {"DefaultTime2Wait", "2"},
	    {"DefaultTime2Retain", "20"},
	    {"OFMarkInt", "Reject"},
	    {"IFMarkInt", "Reject"},
	    {"MaxConnections", "1"},
	    {"RDMAExtensions", "Yes"},
	    {"TargetRecvDataSegmentLength", "262144"},
	    {"InitiatorRecvDataSegmentLength", "262144"},
	    {"MaxOutstandingUnexpectedPDUs", "0"},
	    {"MaxXmitDataSegmentLength", "8192"},
	    {"MaxQueueCmd", "128"},
	};
	char text[64];

	(void)state;
	assert_int_equal(ARRAY_SIZE(want), ISCSI_NR_PARAMS);
	for (unsigned i = 0; i < ISCSI_NR_PARAMS; i++) {
		assert_string_equal(iscsi_param_name(i), want[i][0]);
		iscsi_param_format(&target, i, text, sizeof(text));
		assert_string_equal(text, want[i][1]);
	}
	assert_null(iscsi_param_name(ISCSI_NR_PARAMS));
}

static void expect_set(const char *name, const char *value, const char *want)
{
	assert_int_equal(iscsi_param_set(&target, name, value), 0);
	assert_string_equal(shown(name), want);
}

static void test_set(void **state)
{
	(void)state;
	expect_set("MaxRecvDataSegmentLength", "65536", "65536");
	expect_set("HeaderDigest", "CRC32C", "CRC32C");
	expect_set("HeaderDigest", "None,CRC32C", "None");
	expect_set("DataDigest", "CRC32C,None", "CRC32C");
	expect_set("InitialR2T", "No", "No");
	expect_set("InitialR2T", "1", "Yes");
	expect_set("ImmediateData", "0", "No");
	expect_set("MaxBurstLength", "16777215", "16777215");
	expect_set("FirstBurstLength", "512", "512");
	expect_set("MaxOutstandingR2T", "8", "8");
	expect_set("nop_interval", "10", "10");
	expect_set("MaxQueueCmd", "64", "64");
	expect_set("OFMarkInt", "2048", "Reject"); /* obsoleted: takes it, says Reject */
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = {
	    {"Bogus", "1"},
	    {"MaxRecvDataSegmentLength", "511"},
	    {"MaxRecvDataSegmentLength", "16777216"},
	    {"MaxRecvDataSegmentLength", "64k"},
	    {"MaxRecvDataSegmentLength", ""},
	    {"HeaderDigest", "MD5"},
	    {"InitialR2T", "maybe"},
	    {"InitialR2T", "2"},
	    {"MaxOutstandingR2T", "0"},
	    {"MaxQueueCmd", "0"},
	    {"MaxQueueCmd", "-1"},
	};
	uint32_t before[ISCSI_NR_PARAMS];

	(void)state;
	memcpy(before, target.params, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(iscsi_param_set(&target, bad[i][0], bad[i][1]), -EINVAL);
	assert_memory_equal(before, target.params, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_defaults, set_up),
	    cmocka_unit_test_setup(test_set, set_up),
	    cmocka_unit_test_setup(test_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
