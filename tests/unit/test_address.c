/* SPDX-License-Identifier: MIT */
/* Addresses of portals and initiators, and access rules. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/address.h"
#include "util/cleanup.h"

static union address address_of(const char *text)
{
	union address a;

	memset(&a, 0, sizeof(a));
	a.sa.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(a.sa.sa_family, text,
				   a.sa.sa_family == AF_INET6 ? (void *)&a.in6.sin6_addr
							      : (void *)&a.in.sin_addr),
			 1);
	return a;
}

static bool matches(const char *rule, const char *text)
{
	union address a = address_of(text);

	address_normalise(&a);
	return address_rule_matches(rule, &a);
}

static void test_rules(void **state)
{
	(void)state;
	assert_true(matches("ALL", "10.1.2.3"));
	assert_true(matches("ALL", "fe80::1"));
	assert_true(matches("10.1.2.3", "10.1.2.3"));
	assert_false(matches("10.1.2.3", "10.1.2.4"));
	assert_true(matches("192.168.1.0/24", "192.168.1.255"));
	assert_false(matches("192.168.1.0/24", "192.168.2.0"));
	assert_true(matches("192.168.0.0/23", "192.168.1.7"));
	assert_false(matches("192.168.0.0/23", "192.168.2.7"));
	assert_true(matches("10.0.0.128/25", "10.0.0.200"));
	assert_false(matches("10.0.0.128/25", "10.0.0.100"));
	assert_true(matches("0.0.0.0/0", "1.2.3.4"));
	assert_true(matches("10.1.2.3/32", "10.1.2.3"));
	assert_true(matches("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(matches("2001:db8::/32", "2001:db9::1"));
	assert_true(matches("2001:db8::8/125", "2001:db8::f"));
	assert_false(matches("2001:db8::8/125", "2001:db8::10"));
	assert_true(matches("::1", "::1"));
}

static void test_families(void **state)
{
	(void)state;
	assert_false(matches("0.0.0.0/0", "2001:db8::1"));
	assert_false(matches("::/0", "10.0.0.1"));
	/* an IPv4 peer on an IPv6 socket is the IPv4 peer */
	assert_true(matches("10.0.0.1", "::ffff:10.0.0.1"));
	assert_true(matches("10.0.0.0/8", "::ffff:10.0.0.1"));
	assert_true(matches("::ffff:10.0.0.1", "10.0.0.1"));
	assert_true(matches("::ffff:10.0.0.0/104", "10.200.0.1"));
	assert_false(matches("::ffff:10.0.0.0/104", "11.0.0.1"));
}

static void test_rule_syntax(void **state)
{
	static const char *const bad[] = {
	    "",           "all",     "10.0.0",      "10.0.0.1/33", "10.0.0.1/",    "10.0.0.1/-1",
	    "10.0.0.256", "::1/129", "example.org", "*",           "10.0.0.1/2/3", "[::1]"};
	static const char *const good[] = {"ALL", "10.0.0.1", "10.0.0.0/8", "::1", "fe80::/10"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(address_rule_valid(bad[i]));
		assert_false(matches(bad[i], "10.0.0.1"));
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(address_rule_valid(good[i]));
}

static void expect_portal(const char *text, const char *want)
{
	union address a;
	char out[80];

	assert_true(address_parse_port(text, &a));
	address_format_port(&a, address_port(&a), out, sizeof(out));
	assert_string_equal(out, want);
}

static void test_portals(void **state)
{
	static const char *const bad[] = {
	    "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "[::1",
	    "[::1]3260", "::1",        "host:3260",      "[10.0.0.1]", "10.0.0.1:1:2"};
	union address a;

	(void)state;
	expect_portal("127.0.0.1", "127.0.0.1:3260");
	expect_portal("127.0.0.1:13561", "127.0.0.1:13561");
	expect_portal("[::1]:3261", "[::1]:3261");
	expect_portal("[::]", "[::]:3260");
	expect_portal(":3270", "0.0.0.0:3270");
	expect_portal("*:3270", "0.0.0.0:3270");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(address_parse_port(bad[i], &a));
}

static void test_wildcards(void **state)
{
	union address a;

	(void)state;
	assert_true(address_parse_port("0.0.0.0", &a) && address_is_wildcard(&a));
	assert_true(address_parse_port("[::]", &a) && address_is_wildcard(&a));
	assert_true(address_parse_port("127.0.0.1", &a) && !address_is_wildcard(&a));
	assert_true(address_parse_port("[::1]", &a) && !address_is_wildcard(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),       cmocka_unit_test(test_families),
	    cmocka_unit_test(test_rule_syntax), cmocka_unit_test(test_portals),
	    cmocka_unit_test(test_wildcards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
