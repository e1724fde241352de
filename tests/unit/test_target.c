/* SPDX-License-Identifier: MIT */
/* LUN fields (SAM-5 4.7) and LUN maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "scsi/target.h"

static void luns_of_both_methods(void **state)
{
	static const struct {
		uint8_t field[8];
		int number; /* -1: nobody answers */
	} cases[] = {
	    {{0, 0}, 0},
	    {{0, 1}, 1},
	    {{0, 255}, 255},
	    {{0x40, 1}, 1}, /* flat space addressing */
	    {{0x41, 0}, 256},
	    {{0x7f, 0xff}, 16383},
	    {{1, 5}, -1},       /* peripheral device addressing of another bus */
	    {{0x80, 1}, -1},    /* logical unit addressing */
	    {{0xc1, 1}, -1},    /* extended: well known logical unit */
	    {{0, 1, 0, 1}, -1}, /* a second level */
	    {{0, 1, 0, 0, 0, 0, 0, 1}, -1},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t number = 99999;
		bool good = lun_decode(cases[i].field, &number);

		assert_int_equal(good, cases[i].number >= 0);
		if (good)
			assert_int_equal(number, cases[i].number);
	}
}

static void encoding_is_the_inverse(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= LUN_MAX; n++) {
		uint8_t field[8];
		uint32_t back;

		memset(field, 0xff, sizeof(field));
		lun_encode(n, field);
		assert_true(lun_decode(field, &back));
		assert_int_equal(back, n);
	}
}

static void a_map_is_searched(void **state)
{
	static const uint32_t numbers[] = {0, 1, 3, 7, 300, 16383};
	static struct lu lus[6];
	struct lun_map *map = calloc(1, sizeof(*map) + 6 * sizeof(map->lus[0]));
	static struct target target;

	(void)state;
	map->count = 6;
	for (unsigned i = 0; i < 6; i++) {
		lus[i].lun = numbers[i];
		map->lus[i] = &lus[i];
	}
	atomic_store(&target.map, map);
	for (unsigned i = 0; i < 6; i++)
		assert_ptr_equal(target_lu(&target, numbers[i]), &lus[i]);
	assert_null(target_lu(&target, 2));
	assert_null(target_lu(&target, 4));
	assert_null(target_lu(&target, 16382));
	assert_null(target_lu(&target, UINT32_MAX));
	map->count = 0;
	assert_null(target_lu(&target, 0));
	free(map);
}

static void targets_are_unique_and_sorted(void **state)
{
	(void)state;
	/* needs no reactor but its count: LUN 0 has no store */
	assert_int_equal(reactors_start(1, 0), 0);
	struct target *b = target_create(7, "iqn.2026-01.org.example:b");
	struct target *a = target_create(2, "iqn.2026-01.org.example:a");

	assert_non_null(a);
	assert_non_null(b);
	assert_null(target_create(7, "iqn.2026-01.org.example:c"));
	assert_null(target_create(8, "iqn.2026-01.org.example:a"));
	assert_ptr_equal(list_first(targets(), struct target, link), a);
	assert_ptr_equal(target_find(7), b);
	assert_ptr_equal(target_find_name("iqn.2026-01.org.example:a"), a);
	assert_null(target_find(3));
	/* two targets never have the same designator; the same name and LUN always do */
	assert_memory_not_equal(target_lu(a, 0)->naa, target_lu(b, 0)->naa, 8);
	assert_int_equal(target_lu(a, 0)->naa[0] >> 4, 3);
	lu_unref(target_lu(a, 0));
	lu_unref(target_lu(b, 0));
	target_free(a);
	target_free(b);
	assert_int_equal(reactors_stop(10000), 0);
}

static void set_done(void *arg)
{
	reactor_quit(arg);
}

static void set_ports(const uint16_t *ids, unsigned count)
{
	target_ports_set(ids, count, set_done, reactor_self());
	reactor_run(reactor_self());
}

static void targets_have_the_ports_that_are_set(void **state)
{
	static const uint16_t ids[] = {7, 65535, 2};
	struct target *old, *new;

	(void)state;
	assert_int_equal(reactors_start(1, 0), 0);
	old = target_create(1, "iqn.2026-01.org.example:old");
	assert_int_equal(target_ports(old)->count, 1);
	assert_int_equal(target_ports(old)->ports[0].id, 1);
	set_ports(ids, 3);
	new = target_create(2, "iqn.2026-01.org.example:new");
	for (struct target *t = old; t; t = t == old ? new : NULL) {
		const struct target_ports *list = target_ports(t);

		assert_int_equal(list->count, 3);
		assert_int_equal(list->ports[0].id, 2);
		assert_int_equal(list->ports[1].id, 7);
		assert_int_equal(list->ports[2].id, 65535);
		assert_ptr_equal(target_port_find(t, 7), &list->ports[1]);
		assert_null(target_port_find(t, 1));
		assert_null(target_port_find(t, 0));
	}
	set_ports((const uint16_t[]){1}, 1);
	assert_null(target_port_find(old, 7));
	lu_unref(target_lu(old, 0));
	lu_unref(target_lu(new, 0));
	target_free(old);
	target_free(new);
	assert_int_equal(reactors_stop(10000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(luns_of_both_methods),
	    cmocka_unit_test(encoding_is_the_inverse),
	    cmocka_unit_test(a_map_is_searched),
	    cmocka_unit_test(targets_are_unique_and_sorted),
	    cmocka_unit_test(targets_have_the_ports_that_are_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
