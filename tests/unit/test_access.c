/* SPDX-License-Identifier: MIT */
/* Who may reach a target, and with which account. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "iscsi/access.h"
#include "iscsi/internal.h"

static struct iscsi_target target;
static union address peer;

static int set_up(void **state)
{
	(void)state;
	memset(&target, 0, sizeof(target));
	list_init(&target.addresses);
	list_init(&target.names);
	list_init(&target.accounts);
	list_init(&target.sessions);
	peer.sa.sa_family = AF_INET;
	inet_pton(AF_INET, "10.0.0.7", &peer.in.sin_addr);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bindings_free(&target.addresses);
	bindings_free(&target.names);
	bindings_free(&target.accounts);
	while (!list_empty(iscsi_accounts()))
		iscsi_account_delete(
		    list_first(iscsi_accounts(), struct iscsi_account, link)->user);
	return 0;
}

static bool allowed(const char *name)
{
	return access_allowed(&target, name, &peer);
}

static void test_nothing_bound(void **state)
{
	(void)state;
	assert_false(allowed("iqn.a"));
}

static void test_addresses(void **state)
{
	(void)state;
	assert_int_equal(iscsi_bind_address(&target, "10.0.0.8"), 0);
	assert_false(allowed("iqn.a"));
	assert_int_equal(iscsi_bind_address(&target, "10.0.0.0/29"), 0);
	assert_true(allowed("iqn.a"));
	assert_int_equal(iscsi_bind_address(&target, "10.0.0.0/29"), -EEXIST);
	assert_int_equal(iscsi_bind_address(&target, "nonsense"), -EINVAL);
	assert_int_equal(iscsi_unbind_address(&target, "10.0.0.0/29"), 0);
	assert_int_equal(iscsi_unbind_address(&target, "10.0.0.0/29"), -ENOENT);
	assert_false(allowed("iqn.a"));
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(iscsi_bind_name(&target, "iqn.a"), 0);
	assert_true(allowed("iqn.a"));
	assert_true(allowed("IQN.A")); /* RFC 7143 4.2.7.2 */
	assert_false(allowed("iqn.b"));
	assert_int_equal(iscsi_bind_name(&target, "iqn.a"), -EEXIST);
	assert_int_equal(iscsi_bind_name(&target, ""), -EINVAL);
	assert_int_equal(iscsi_unbind_name(&target, "iqn.x"), -ENOENT);
	assert_int_equal(iscsi_unbind_name(&target, "iqn.a"), 0);
	assert_false(allowed("iqn.a"));
}

/* As seen in stgt: one of the two suffices, also when the other doesn't match. */
static void test_either(void **state)
{
	(void)state;
	iscsi_bind_name(&target, "iqn.a");
	iscsi_bind_address(&target, "10.0.0.8");
	assert_true(allowed("iqn.a"));
	assert_false(allowed("iqn.b"));
	iscsi_bind_address(&target, "10.0.0.7");
	assert_true(allowed("iqn.b"));
}

static void test_accounts(void **state)
{
	(void)state;
	assert_int_equal(iscsi_account_add("alice", "secret1"), 0);
	assert_int_equal(iscsi_account_add("alice", "secret2"), -EEXIST);
	assert_int_equal(iscsi_account_add("bob", ""), -EINVAL);
	assert_int_equal(iscsi_account_add("bob", "secret3"), 0);
	/* newest first, as stgt shows them */
	assert_string_equal(list_first(iscsi_accounts(), struct iscsi_account, link)->user, "bob");
	assert_int_equal(iscsi_account_bind(&target, "carol", false), -ENOENT);
	assert_false(access_needs_chap(&target));
	assert_int_equal(iscsi_account_bind(&target, "alice", false), 0);
	assert_int_equal(iscsi_account_bind(&target, "alice", false), -EEXIST);
	assert_true(access_needs_chap(&target));
	assert_string_equal(access_password(&target, "alice"), "secret1");
	assert_null(access_password(&target, "bob")); /* exists, but isn't bound here */
	assert_null(access_password(&target, "carol"));
	assert_false(access_needs_chap(NULL));
}

static void test_outgoing_account(void **state)
{
	(void)state;
	iscsi_account_add("alice", "secret1");
	iscsi_account_add("bob", "secret2");
	assert_null(access_outgoing(&target));
	assert_int_equal(iscsi_account_bind(&target, "bob", true), 0);
	assert_int_equal(iscsi_account_bind(&target, "alice", true), -EEXIST);
	assert_string_equal(access_outgoing(&target)->user, "bob");
	assert_false(access_needs_chap(&target)); /* it says nothing about the initiator */
	assert_null(access_password(&target, "bob"));
	assert_int_equal(iscsi_account_unbind(&target, "bob", false), -ENOENT);
	assert_int_equal(iscsi_account_unbind(&target, "bob", true), 0);
	assert_null(access_outgoing(&target));
}

static void test_discovery_accounts(void **state)
{
	(void)state;
	iscsi_account_add("alice", "secret1");
	assert_int_equal(iscsi_account_bind(NULL, "alice", false), 0);
	assert_true(access_needs_chap(NULL));
	assert_false(access_needs_chap(&target));
	assert_string_equal(access_password(NULL, "alice"), "secret1");
	assert_int_equal(iscsi_account_delete("alice"), 0);
	assert_false(access_needs_chap(NULL)); /* unbound with it */
	assert_int_equal(iscsi_account_delete("alice"), -ENOENT);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_nothing_bound),
	    TEST(test_addresses),
	    TEST(test_names),
	    TEST(test_either),
	    TEST(test_accounts),
	    TEST(test_outgoing_account),
	    TEST(test_discovery_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
