/* SPDX-License-Identifier: MIT */
/* A changer's elements, what is in them, and how that is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scsi/changer.h"
#include "scsi/changer_state.h"
#include "scsi/smc.h"

static struct changer *changer;

static int make(void **state)
{
	(void)state;
	changer = calloc(1, sizeof(*changer));
	assert_null(changer_add(changer, ELEMENT_STORAGE, 1000, 10));
	assert_null(changer_add(changer, ELEMENT_TRANSPORT, 1, 1));
	assert_null(changer_add(changer, ELEMENT_DRIVE, 500, 2));
	assert_null(changer_add(changer, ELEMENT_MAIL, 700, 1));
	return 0;
}

static int end(void **state)
{
	(void)state;
	changer_free(changer);
	return 0;
}

static struct element *at(uint16_t address)
{
	struct element *e = changer_find(changer, address);

	assert_non_null(e);
	assert_int_equal(e->address, address);
	return e;
}

static void elements_are_found_by_address(void **state)
{
	uint16_t first, number;

	(void)state;
	assert_int_equal(changer->count, 14);
	assert_int_equal(at(1)->type, ELEMENT_TRANSPORT);
	assert_int_equal(at(1009)->type, ELEMENT_STORAGE);
	assert_null(changer_find(changer, 1010));
	assert_null(changer_find(changer, 0));
	changer_range(changer, ELEMENT_STORAGE, &first, &number);
	assert_int_equal(first, 1000);
	assert_int_equal(number, 10);
	changer_range(changer, ELEMENT_ALL, &first, &number);
	assert_int_equal(number, 0);
}

static void addresses_are_taken_once(void **state)
{
	(void)state;
	assert_non_null(changer_add(changer, ELEMENT_MAIL, 1000, 1));
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 990, 11));
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 0, 1));
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 65535, 2));
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 2000, 0));
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 2000, CHANGER_ELEMENTS_MAX));
	assert_int_equal(changer->count, 14);
	assert_null(changer_add(changer, ELEMENT_STORAGE, 1000, 10)); /* they are there */
	assert_int_equal(changer->count, 14);
	assert_non_null(changer_add(changer, ELEMENT_STORAGE, 1011, 1)); /* a gap */
	assert_null(changer_add(changer, ELEMENT_STORAGE, 1010, 1));
	assert_null(changer_add(changer, ELEMENT_STORAGE, 999, 1));
	assert_int_equal(at(999)->type, ELEMENT_STORAGE);
}

static void barcodes_name_files(void **state)
{
	static const char *const bad[] = {"",        ".",     "..",
					  ".hidden", "a/b",   "a b",
					  "a\x7f",   "a\x80", "1234567890123456789012345678901234"};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_non_null(changer_insert(at(1000), bad[i], ""));
	assert_false(at(1000)->full);
	assert_null(changer_insert(at(1000), "12345678901234567890123456789012", ""));
	assert_non_null(changer_insert(at(1000), "OTHER", ""));
}

/* SMC-3: the source is the storage element from which it was moved last. */
static void the_source_is_remembered(void **state)
{
	(void)state;
	assert_null(changer_insert(at(1003), "A1", "TAG"));
	assert_false(at(1003)->cartridge.has_source);
	changer_carry(at(1003), at(500));
	assert_false(at(1003)->full);
	assert_true(at(500)->full);
	assert_int_equal(at(500)->cartridge.source, 1003);
	changer_carry(at(500), at(501));
	assert_int_equal(at(501)->cartridge.source, 1003);
	assert_string_equal(changer_tag(at(501)), "TAG");
	assert_ptr_equal(changer_holder(changer, "A1"), at(501));
}

static uint8_t blob[CHANGER_BLOB_MAX];

static void what_is_kept_comes_back(void **state)
{
	struct changer *other = calloc(1, sizeof(*other));
	size_t length;

	(void)state;
	assert_null(changer_insert(at(1003), "A1", "TAG"));
	assert_null(changer_insert(at(700), "B2", ""));
	changer_carry(at(1003), at(500));
	length = changer_encode(blob, changer);
	assert_true(changer_decode(blob, length, other));
	assert_int_equal(other->nr_known, 2);
	assert_int_equal(changer_known(other, "A1")->address, 500);
	/* once more before the elements are there: nothing is lost */
	length = changer_encode(blob, other);
	assert_true(changer_decode(blob, length, other));
	assert_null(changer_add(other, ELEMENT_DRIVE, 500, 2));
	assert_int_equal(other->nr_known, 1);
	assert_true(changer_find(other, 500)->full);
	assert_int_equal(changer_find(other, 500)->cartridge.source, 1003);
	assert_null(changer_add(other, ELEMENT_MAIL, 700, 1));
	assert_true(changer_find(other, 700)->cartridge.imported);
	assert_int_equal(other->nr_known, 0);
	changer_free(other);
}

/* Whatever is in the blob: it is taken, or nothing changes. */
static void a_damaged_blob_is_refused(void **state)
{
	struct changer *other = calloc(1, sizeof(*other));
	size_t length;

	(void)state;
	assert_null(changer_insert(at(1003), "A1", "TAG"));
	length = changer_encode(blob, changer);
	for (size_t cut = 0; cut < length; cut++)
		assert_false(changer_decode(blob, cut, other));
	assert_false(changer_decode(blob, length + 1, other));
	for (unsigned i = 0; i < 12; i++) {
		blob[i] ^= 0x81;
		if (i < 6 || i >= 8)
			assert_false(changer_decode(blob, length, other));
		blob[i] ^= 0x81;
	}
	blob[16 + 8] = '/';
	assert_false(changer_decode(blob, length, other));
	assert_int_equal(other->nr_known, 0);
	changer_free(other);
}

static void templates(void **state)
{
	(void)state;
	assert_true(smc_tag_matches("*", ""));
	assert_true(smc_tag_matches("A*", "A"));
	assert_true(smc_tag_matches("A?C*F", "ABCDEF"));
	assert_true(smc_tag_matches("*AB*AB", "ABABXAB"));
	assert_false(smc_tag_matches("A?", "A"));
	assert_false(smc_tag_matches("", "A"));
	assert_false(smc_tag_matches("*B", "BA"));
	/* no more steps than characters times characters */
	assert_false(smc_tag_matches("*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(elements_are_found_by_address),
	    TEST(addresses_are_taken_once),
	    TEST(barcodes_name_files),
	    TEST(the_source_is_remembered),
	    TEST(what_is_kept_comes_back),
	    TEST(a_damaged_blob_is_refused),
	    TEST(templates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
