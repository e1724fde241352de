/* SPDX-License-Identifier: MIT */
/* What of a descriptor is taken over; the real modules that are odd in one way are test_loader's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/descriptor.h"
#include "util/cleanup.h"

#define END_OF_WATCH offsetof(struct tgt_bs_state_ops, taken)
#define ROW(n, t) .struct_size = sizeof(struct tgt_bs_option), .type = t, .name = n

static int fake_open(const struct tgt_bs_open_args *args, void **store, char *error,
		     size_t error_size)
{
	(void)args;
	(void)store;
	(void)error;
	(void)error_size;
	return 0;
}

static void fake_close(void *store)
{
	(void)store;
}

static int fake_geometry(void *store, struct tgt_bs_geometry *geometry)
{
	(void)store;
	(void)geometry;
	return 0;
}

static int fake_channel_open(void *store, struct tgt_bs_reactor *reactor, void **channel)
{
	(void)store;
	(void)reactor;
	(void)channel;
	return 0;
}

static int fake_submit(void *store, void *channel, struct tgt_bs_request *request)
{
	(void)store;
	(void)channel;
	(void)request;
	return 0;
}

static int fake_watch(void *store,
		      void (*fn)(void *arg, const char *key, uint64_t version, uint64_t notice),
		      void *arg)
{
	(void)store;
	(void)fn;
	(void)arg;
	return 0;
}

static void fake_taken(void *store, uint64_t notice)
{
	(void)store;
	(void)notice;
}

static int fake_is_current(void *store)
{
	(void)store;
	return 1;
}

static struct tgt_bs_option rows[3];
static struct tgt_bs_module theirs;

static int proper(void **state)
{
	(void)state;
	theirs = (struct tgt_bs_module){
	    .struct_size = sizeof(theirs),
	    .abi_major = TGT_BS_ABI_MAJOR,
	    .abi_minor = TGT_BS_ABI_MINOR,
	    .name = "proper-1_x",
	    .kind = TGT_BS_TAPE,
	    .thread_model = TGT_BS_WORKER,
	    .request_size = 4096,
	    .options = rows,
	    .nr_options = 2,
	    .open = fake_open,
	    .close = fake_close,
	    .geometry = fake_geometry,
	    .submit = fake_submit,
	};
	rows[0] = (struct tgt_bs_option){ROW("size", TGT_BS_OPT_UINT), .default_value = "7k"};
	rows[1] = (struct tgt_bs_option){ROW("file", TGT_BS_OPT_FILE)};
	rows[2] = (struct tgt_bs_option){ROW("more", TGT_BS_OPT_BOOL)};
	return 0;
}

static void taken(struct tgt_bs_module *module, struct tgt_bs_option **options)
{
	char reason[256];

	if (descriptor_take(&theirs, module, options, reason, sizeof(reason)))
		fail_msg("%s", reason);
}

static void rejected(const char *why)
{
	struct tgt_bs_module module;
	struct tgt_bs_option *options;
	char reason[256] = "";

	assert_int_equal(descriptor_take(&theirs, &module, &options, reason, sizeof(reason)), -1);
	if (!strstr(reason, why))
		fail_msg("the reason is \"%s\", not \"%s\"", reason, why);
	assert_null(options);
	proper(NULL);
}

static void copy_is_complete(void **state)
{
	CLEANUP_FREE struct tgt_bs_option *options = NULL;
	struct tgt_bs_module module;

	(void)state;
	taken(&module, &options);
	assert_string_equal(module.name, "proper-1_x");
	/* texts that are missing are empty */
	assert_string_equal(module.version, "");
	assert_string_equal(module.help, "");
	assert_ptr_equal(module.options, options);
	assert_ptr_not_equal(options, rows);
	assert_memory_equal(options, rows, 2 * sizeof(rows[0]));
}

static void table_may_be_absent(void **state)
{
	struct tgt_bs_option *options;
	struct tgt_bs_module module;

	(void)state;
	theirs.nr_options = 0;
	theirs.options = NULL;
	taken(&module, &options);
	assert_null(options);
	assert_null(module.options);
}

static void names(void **state)
{
	static const char *const wrong[] = {
	    NULL, "", "a b", "a/b", "a.b", "\xc3\xa4", "a234567890123456789012345678901x"};

	CLEANUP_FREE struct tgt_bs_option *options = NULL;
	struct tgt_bs_module module;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		theirs.name = wrong[i];
		rejected("name");
		rows[1].name = wrong[i];
		rejected("option 1 has no proper name");
	}
	theirs.name = "a234567890123456789012345678901";
	assert_int_equal(strlen(theirs.name), 31);
	taken(&module, &options);
}

static void functions(void **state)
{
	(void)state;
	theirs.open = NULL;
	rejected("open");
	theirs.close = NULL;
	rejected("close");
	theirs.geometry = NULL;
	rejected("geometry");
	theirs.submit = NULL;
	rejected("submit");
	theirs.channel_open = fake_channel_open;
	rejected("channel_close");
}

static void watched_state(void **state)
{
	struct tgt_bs_state_ops ops = {.struct_size = sizeof(ops), .watch = fake_watch};
	struct tgt_bs_option *options;
	struct tgt_bs_module module;

	(void)state;
	theirs.state = &ops;
	rejected("watch");
	theirs.state = &ops;
	ops.taken = fake_taken;
	rejected("watch");
	theirs.state = &ops;
	ops.is_current = fake_is_current;
	taken(&module, &options);
	free(options);
	/* of an ABI that had another watch */
	ops = (struct tgt_bs_state_ops){.struct_size = END_OF_WATCH, .watch = fake_watch};
	taken(&module, &options);
	free(options);
}

static void numbers(void **state)
{
	(void)state;
	theirs.kind = 0;
	rejected("kind 0");
	theirs.kind = 4;
	rejected("kind 4");
	theirs.thread_model = 3;
	rejected("thread model 3");
	theirs.request_size = 4097;
	rejected("4097");
	theirs.abi_major = TGT_BS_ABI_MAJOR + 1;
	rejected("ABI");
	theirs.struct_size = 0;
	rejected("0 bytes");
}

static void tables(void **state)
{
	(void)state;
	theirs.options = NULL;
	rejected("options table");
	theirs.nr_options = UINT32_MAX;
	rejected("options table");
	rows[0].struct_size = 0;
	rejected("rows of 0 bytes");
	rows[0].struct_size = sizeof(rows[0]) + 4;
	rejected("which can't be");
	rows[0].struct_size = UINT32_MAX;
	rejected("which can't be");
	rows[1].name = "size";
	rejected("option size occurs twice");
	rows[1].type = 0;
	rejected("option file: type 0 is unknown");
	rows[1].type = 5;
	rejected("option file: type 5 is unknown");
	rows[0].min = 9;
	rows[0].max = 8;
	rejected("minimum is above its maximum");
	rows[0].max = 100;
	rejected("default of option size: 7k is above the maximum of 100");
}

#define TEST(name) cmocka_unit_test_setup(name, proper)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(copy_is_complete), TEST(table_may_be_absent), TEST(names),
	    TEST(functions),        TEST(watched_state),       TEST(numbers),
	    TEST(tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
