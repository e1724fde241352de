/* SPDX-License-Identifier: MIT */
/* The null store's module: any size, forgets writes, reads zeroes, never leaves the reactor. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "block_checks.h"
#include "fake_host.h"
#include "util/cleanup.h"

#define TiB (1ull << 40)

static const struct store_module *module(void)
{
	const struct store_module *null = fake_module_load(fake_module_file("null"));

	assert_non_null(null);
	return null;
}

static void open_null(struct fake_store *store, const struct fake_open *how)
{
	if (fake_store_open(store, module(), how))
		fail_msg("%s", store->error);
}

static void keeps_the_contract(void **state)
{
	const struct block_subject subject = {
	    .module = fake_module_file("null"),
	    .forgets = true,
	};

	(void)state;
	assert_int_equal(block_checks_run(&subject), 0);
}

/* stgt prints "Size: 1099512 MB" for a null LUN: 2^40 bytes. */
static void default_size_is_one_tib(void **state)
{
	struct fake_store store;

	(void)state;
	open_null(&store, &(struct fake_open){0});
	assert_true(store.geometry.size == TiB);
	assert_true(store.geometry.flags & TGT_BS_GEO_DISCARD);
	assert_false(store.geometry.flags & TGT_BS_GEO_VOLATILE_CACHE);
	fake_store_close(&store);
}

static void size_by_option(void **state)
{
	struct fake_store store;

	(void)state;
	open_null(&store, &(struct fake_open){.bsopts = "size=3M", .path = "/whatever"});
	assert_true(store.geometry.size == 3 << 20);
	fake_store_close(&store);
	/* what the operator says of the LUN itself goes before it */
	open_null(&store, &(struct fake_open){.bsopts = "size=3M", .size = 4096});
	assert_true(store.geometry.size == 4096);
	fake_store_close(&store);
}

static void huge_size(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(512, 1);
	struct fake_store store;

	(void)state;
	open_null(&store, &(struct fake_open){.bsopts = "size=9223372036854775807"});
	assert_true(store.geometry.size == INT64_MAX);
	assert_int_equal(fake_io(&store, TGT_BS_READ, INT64_MAX - 512, buf, 512, 0), TGT_BS_OK);
	assert_int_equal(buf[0], 0);
	fake_store_close(&store);
}

static void size_too_small(void **state)
{
	struct fake_store store;

	(void)state;
	assert_int_equal(
	    fake_store_open(&store, module(), &(struct fake_open){.bsopts = "size=511"}), -EINVAL);
	assert_non_null(strstr(store.error, "512"));
}

/* All of it: a disk that isn't there needs no worker. */
static void completes_inline(void **state)
{
	static const enum tgt_bs_op ops[] = {
	    TGT_BS_READ,         TGT_BS_WRITE,      TGT_BS_FLUSH,       TGT_BS_DISCARD,
	    TGT_BS_WRITE_ZEROES, TGT_BS_WRITE_SAME, TGT_BS_BLOCK_STATUS};
	CLEANUP_FREE char *buf = fake_buffer(4096, 7);
	struct fake_store store;

	(void)state;
	open_null(&store, &(struct fake_open){0});
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct fake_request *request =
		    fake_request_new(&store, ops[i], 0, ops[i] == TGT_BS_FLUSH ? 0 : 4096);

		fake_request_add(request, buf, 4096);
		fake_submit(request);
		assert_true(request->inline_completion);
		assert_int_equal(request->completions, 1);
		assert_int_equal(request->bs.status, TGT_BS_OK);
		fake_request_free(request);
	}
	fake_store_close(&store);
}

static void reads_zeroes_into_every_piece(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(8192, 7);
	struct fake_store store;
	struct fake_request *request;

	(void)state;
	open_null(&store, &(struct fake_open){0});
	request = fake_request_new(&store, TGT_BS_READ, 512, 1024);
	fake_request_add(request, buf, 512);
	fake_request_add(request, buf + 4096, 512);
	assert_true(fake_run(request));
	fake_request_free(request);
	for (size_t i = 0; i < 8192; i++)
		assert_int_equal(buf[i], i % 4096 < 512 ? 0 : 7);
	fake_store_close(&store);
}

static void nothing_is_mapped(void **state)
{
	struct fake_store store;
	struct fake_request *request;

	(void)state;
	open_null(&store, &(struct fake_open){0});
	request = fake_request_new(&store, TGT_BS_BLOCK_STATUS, 4096, TiB - 4096);
	assert_true(fake_run(request));
	assert_int_equal(request->bs.nr_extents, 1);
	assert_true(request->extents[0].offset == 4096);
	assert_true(request->extents[0].length == TiB - 4096);
	assert_int_equal(request->extents[0].flags, 0);
	fake_request_free(request);
	fake_store_close(&store);
}

/* The core's, over READ and WRITE. */
static void leaves_compare_and_write_to_the_core(void **state)
{
	CLEANUP_FREE char *buf = fake_buffer(1024, 0);
	struct fake_store store;

	(void)state;
	open_null(&store, &(struct fake_open){0});
	assert_false(module()->descriptor.capabilities & TGT_BS_CAN_COMPARE_AND_WRITE);
	assert_int_equal(fake_io(&store, TGT_BS_COMPARE_AND_WRITE, 0, buf, 512, 0),
			 TGT_BS_ERR_NOT_SUPPORTED);
	assert_int_equal(fake_io(&store, TGT_BS_TAPE_READ, 0, buf, 512, 0),
			 TGT_BS_ERR_NOT_SUPPORTED);
	fake_store_close(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_the_contract),
	    cmocka_unit_test(default_size_is_one_tib),
	    cmocka_unit_test(size_by_option),
	    cmocka_unit_test(huge_size),
	    cmocka_unit_test(size_too_small),
	    cmocka_unit_test(completes_inline),
	    cmocka_unit_test(reads_zeroes_into_every_piece),
	    cmocka_unit_test(nothing_is_mapped),
	    cmocka_unit_test(leaves_compare_and_write_to_the_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
