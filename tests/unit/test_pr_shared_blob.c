/* SPDX-License-Identifier: MIT */
/* The table that hosts share, and what it was changed by, as a blob. */
#include "pr_fixture.h"

static uint8_t blob[PR_SHARED_BLOB_MAX];

static struct pr_port port_of(uint16_t relative_port, const char *name)
{
	struct pr_port port = {.relative_port = relative_port, .id_len = (uint16_t)strlen(name)};

	memcpy(port.id, name, port.id_len);
	return port;
}

static struct pr_table *some_table(unsigned count)
{
	struct pr_table *table = pr_table_copy(NULL, count);

	assert_non_null(table);
	for (unsigned i = 0; i < count; i++) {
		const struct pr_port port = port_of((uint16_t)(i + 1), "iqn.a,i,0x1");

		assert_non_null(pr_add(table, &port, 0x1111 * (i + 1)));
	}
	table->type = PR_WRITE_EXCLUSIVE;
	table->generation = 77;
	table->aptpl = true;
	if (count)
		table->registrations[0].holder = true;
	return table;
}

static struct pr_ports *ports(unsigned count)
{
	struct pr_ports *set = calloc(1, sizeof(*set));

	assert_non_null(set);
	for (set->count = 0; set->count < count; set->count++)
		set->ports[set->count] = port_of((uint16_t)(set->count + 1), "iqn.b,i,0x2");
	return set;
}

/* Appends a change that makes this version. */
static size_t add_change(const struct pr_table *table, struct pr_history *history, uint64_t version,
			 unsigned preempted, enum pr_action action)
{
	struct pr_change *c = calloc(1, sizeof(*c));
	struct pr_table *decoded;
	size_t len;

	assert_non_null(c);
	c->action = action;
	c->resets = action == PR_ACTIONS;
	if (preempted)
		c->registrations_preempted = ports(preempted);
	len = pr_shared_encode(blob, table, history, c, version);
	pr_change_free(c);
	free(history->bytes);
	assert_true(pr_shared_decode(blob, len, &decoded, history));
	free(decoded);
	return len;
}

static void a_table_comes_back(void **state)
{
	struct pr_table *table = some_table(3), *back;
	struct pr_history history = {0};
	size_t len;

	(void)state;
	len = pr_shared_encode(blob, table, &history, NULL, 0);
	assert_true(pr_shared_decode(blob, len, &back, &history));
	assert_int_equal(back->count, 3);
	assert_int_equal(back->type, PR_WRITE_EXCLUSIVE);
	assert_int_equal(back->generation, 77);
	assert_true(back->aptpl);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(back->registrations[i].key, 0x1111 * (i + 1));
		assert_int_equal(back->registrations[i].holder, i == 0);
		assert_true(
		    pr_port_equal(&back->registrations[i].port, &table->registrations[i].port));
	}
	assert_int_equal(history.count, 0);
	free(history.bytes);
	free(back);
	free(table);
}

static void changes_are_told_from_the_known_version_on(void **state)
{
	struct pr_table *table = some_table(1);
	struct pr_history history = {0};
	struct pr_change *changes;
	bool gap = false;

	(void)state;
	add_change(table, &history, 5, 2, PR_PREEMPT);
	add_change(table, &history, 6, 0, PR_REGISTER);
	add_change(table, &history, 7, 3, PR_PREEMPT_AND_ABORT);
	add_change(table, &history, 8, 0, PR_ACTIONS); /* a reset */
	changes = pr_shared_changes(&history, 5, &gap);
	assert_false(gap);
	assert_true(changes->resets && changes->before && !changes->before->resets);
	assert_int_not_equal(changes->action, PR_PREEMPT_AND_ABORT);
	assert_int_equal(changes->before->action, PR_PREEMPT_AND_ABORT);
	assert_int_equal(changes->before->registrations_preempted->count, 3);
	assert_non_null(changes->before->before);
	assert_null(changes->before->before->registrations_preempted);
	assert_null(changes->before->before->before);
	pr_change_free(changes);
	assert_null(pr_shared_changes(&history, 8, &gap));
	assert_false(gap);
	changes = pr_shared_changes(&history, 3, &gap);
	assert_true(gap);
	pr_change_free(changes);
	free(history.bytes);
	free(table);
}

static void the_oldest_changes_go(void **state)
{
	struct pr_table *table = some_table(PR_REGISTRATIONS_MAX);
	struct pr_history history = {0};
	struct pr_change *changes;
	bool gap = false;

	(void)state;
	for (uint64_t version = 1; version <= 40; version++) {
		size_t len = add_change(table, &history, version,
					version % 2 ? PR_REGISTRATIONS_MAX : 1, PR_PREEMPT);

		assert_true(len <= PR_SHARED_BLOB_MAX);
	}
	assert_true(history.count && history.count <= PR_HISTORY_MAX);
	changes = pr_shared_changes(&history, 39, &gap);
	assert_false(gap);
	assert_int_equal(changes->registrations_preempted->count, 1);
	pr_change_free(changes);
	free(history.bytes);
	free(table);
}

/* Each byte changed, and cut at each length: it is refused or makes a table, and nothing is read
 * beyond it. */
static void what_is_damaged_does_no_harm(void **state)
{
	struct pr_table *table = some_table(2), *back;
	struct pr_history history = {0}, found;
	size_t len;
	bool gap = false;

	(void)state;
	len = add_change(table, &history, 9, 2, PR_PREEMPT);
	for (size_t at = 0; at < len; at++) {
		uint8_t *exact = malloc(len);

		assert_non_null(exact);
		memcpy(exact, blob, len);
		exact[at] ^= 0xff;
		if (pr_shared_decode(exact, len, &back, &found)) {
			pr_change_free(pr_shared_changes(&found, 0, &gap));
			free(found.bytes);
			free(back);
		}
		free(exact);
		exact = malloc(at + 1);
		memcpy(exact, blob, at);
		assert_false(pr_shared_decode(exact, at, &back, &found));
		free(exact);
	}
	free(history.bytes);
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_table_comes_back),
	    cmocka_unit_test(changes_are_told_from_the_known_version_on),
	    cmocka_unit_test(the_oldest_changes_go),
	    cmocka_unit_test(what_is_damaged_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
