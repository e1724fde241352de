/* SPDX-License-Identifier: MIT */
/* Saved mode pages: what is kept, and what is believed of what was kept. */
#include <stdlib.h>

#include "mode_fixture.h"

static struct scsi_task *save(const uint8_t *list, size_t len)
{
	const uint8_t cdb[6] = {0x15, 0x11, 0, 0, (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

static void power_cycle(void)
{
	mode_state_free(&fake_lu);
	assert_int_equal(mode_state_create(&fake_lu), 0);
}

/* WCE=0, SWP=1. */
static void save_both(void)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	list[4 + 2] = 0;
	assert_good(save(list, len));
	len = page_list(list, 4, 0x0a);
	list[4 + 4] |= 0x08;
	assert_good(save(list, len));
}

static void test_kept(void **state)
{
	(void)state;
	save_both();
	power_cycle();
	assert_false(mode_wce(&fake_lu));
	assert_true(mode_swp(&fake_lu));
	assert_good(sense6(0x08, 0xc0 | 0x08, 0));
	assert_int_equal(said.data[6], 0);
	assert_good(sense6(0x08, 0x80 | 0x08, 0));
	assert_int_equal(said.data[6], 0x04);
}

static void test_not_kept(void **state)
{
	uint8_t list[64];
	size_t len = page_list(list, 4, 0x08);

	(void)state;
	list[4 + 2] = 0;
	assert_good(select6(list, len));
	power_cycle();
	assert_true(mode_wce(&fake_lu));
}

/* RTD with SP: nothing is kept any more. */
static void test_forgotten(void **state)
{
	static const uint8_t revert[6] = {0x15, 0x03};
	char key[STATE_KEY_MAX];
	uint8_t blob[MODE_BLOB_MAX];
	size_t len = sizeof(blob);

	(void)state;
	save_both();
	assert_good(fake_run(mode_rows, 0, revert, NULL, 0));
	mode_state_key(&fake_lu, key, sizeof(key));
	assert_string_equal(key, "mode.iqn.2026-01.org.example:disk1.1");
	assert_int_equal(state_get(key, blob, &len), -ENOENT);
	power_cycle();
	assert_true(mode_wce(&fake_lu));
	assert_false(mode_swp(&fake_lu));
}

/* Another file, another LUN: not what this one's initiators saved. */
static void test_of_another(void **state)
{
	(void)state;
	save_both();
	fake_lu.path = (char *)"other.img";
	power_cycle();
	assert_true(mode_wce(&fake_lu));
	fake_lu.path = NULL;
	power_cycle();
	assert_true(mode_wce(&fake_lu));
	fake_lu.path = (char *)"disk.img";
	fake_lu.lun = 2;
	power_cycle();
	assert_true(mode_wce(&fake_lu));
	fake_lu.lun = 1;
	power_cycle();
	assert_false(mode_wce(&fake_lu));
}

/* A page that doesn't fit goes, the others stay. */
static void test_page_that_does_not_fit(void **state)
{
	uint8_t list[64];
	size_t len;

	(void)state;
	save_both();
	len = page_list(list, 4, 0x08);
	list[4 + 2] = 0x04;
	assert_good(save(list, len));
	fake_lu.volatile_cache = false; /* WCE=1 can't be any more */
	power_cycle();
	assert_false(mode_wce(&fake_lu));
	assert_true(mode_swp(&fake_lu));
	fake_lu.commands = &controller; /* and a LUN that is no disk has no Caching page */
	power_cycle();
	assert_true(mode_swp(&fake_lu));
}

/* The operator's defaults come after what was saved, at every start. */
static void test_operator_after_start(void **state)
{
	(void)state;
	save_both();
	power_cycle();
	assert_int_equal(mode_set_page(&fake_lu, "8:0:18:4:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0"), 0);
	assert_false(mode_wce(&fake_lu));
	assert_false(mode_set_d_sense(&fake_lu, true));
}

static size_t saved_blob(uint8_t *blob)
{
	save_both();
	return mode_encode(blob, fake_lu.mode, fake_lu.path);
}

/* Cut anywhere it is no blob, and changes nothing. */
static void test_cut(void **state)
{
	uint8_t blob[MODE_BLOB_MAX];
	size_t len = saved_blob(blob);

	(void)state;
	mode_revert_to_defaults(fake_lu.mode, true);
	mode_refresh(fake_lu.mode);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees the end */

		assert_non_null(copy);
		memcpy(copy, blob, cut);
		assert_false(mode_decode(copy, cut, fake_lu.mode, fake_lu.path));
		assert_true(mode_wce(&fake_lu));
		free(copy);
	}
	assert_true(mode_decode(blob, len, fake_lu.mode, fake_lu.path));
	assert_false(mode_wce(&fake_lu));
	blob[5]++; /* a version of tomorrow */
	assert_false(mode_decode(blob, len, fake_lu.mode, fake_lu.path));
}

/* Any byte may be any other: no crash, no bit that can't be changed. */
static void test_damaged(void **state)
{
	uint8_t blob[MODE_BLOB_MAX], was[MODE_PAGE_BYTES];
	size_t len = saved_blob(blob);

	(void)state;
	memcpy(was, mode_find(fake_lu.mode, 0x0a, 0)->values[MODE_DEFAULT], 12);
	for (size_t i = 0; i < len; i++) {
		for (unsigned flip = 1; flip < 256; flip <<= 1) {
			const struct mode_page *p;

			blob[i] ^= (uint8_t)flip;
			mode_decode(blob, len, fake_lu.mode, fake_lu.path);
			blob[i] ^= (uint8_t)flip;
			p = mode_find(fake_lu.mode, 0x0a, 0);
			assert_memory_equal(p->values[MODE_CURRENT], was, 2);
			for (unsigned b = 2; b < 12; b++)
				assert_int_equal((p->values[MODE_CURRENT][b] ^ was[b]) &
						     ~p->values[MODE_CHANGEABLE][b],
						 0);
		}
	}
}

/* The file is damaged: said, and the unit starts with its defaults. */
static void test_damaged_file(void **state)
{
	char path[1024];
	FILE *file;

	(void)state;
	save_both();
	snprintf(path, sizeof(path), "%s/mode.iqn.2026-01.org.example:disk1.1", state_dir);
	file = fopen(path, "r+");
	assert_non_null(file);
	fseek(file, -1, SEEK_END);
	fputc(0xff, file);
	fclose(file);
	power_cycle();
	assert_true(mode_wce(&fake_lu));
	assert_false(mode_swp(&fake_lu));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST_SAVING(test_kept),
	    TEST_SAVING(test_not_kept),
	    TEST_SAVING(test_forgotten),
	    TEST_SAVING(test_of_another),
	    TEST_SAVING(test_page_that_does_not_fit),
	    TEST_SAVING(test_operator_after_start),
	    TEST_SAVING(test_cut),
	    TEST_SAVING(test_damaged),
	    TEST_SAVING(test_damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
