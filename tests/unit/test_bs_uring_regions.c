/* SPDX-License-Identifier: MIT */
/* The uring store and the host's lasting memory: what is registered, and which requests name it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "uring_fixture.h"
#include "util/cleanup.h"

#define REGION (256u << 10)
#define REGIONS 4

/* Regions in what order one likes, and memory between them that is none. */
struct memory {
	char *all;
	struct iovec regions[REGIONS];
};

static int setup(void **state)
{
	static const unsigned int order[REGIONS] = {4, 0, 6, 2};
	struct memory *memory = calloc(1, sizeof(*memory));

	assert_non_null(memory);
	memory->all = fake_buffer((size_t)2 * REGIONS * REGION, 0x11);
	for (unsigned int i = 0; i < REGIONS; i++)
		memory->regions[i] =
		    (struct iovec){memory->all + (size_t)order[i] * REGION, REGION};
	fake_lasting_memory(memory->regions, REGIONS);
	*state = memory;
	return clear_faults(state);
}

static int teardown(void **state)
{
	struct memory *memory = *state;

	fake_lasting_memory(NULL, 0);
	fake_older_host(0);
	free(memory->all);
	free(memory);
	return 0;
}

/* Transfers, and how many of those that were handed over named a region. */
static unsigned int named(struct fake_store *store, enum tgt_bs_op op, uint64_t offset, char *buf,
			  size_t length)
{
	const int fixed = op == TGT_BS_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
	const unsigned int before = uring_count(fixed);

	ends(store, op, offset, buf, length, 0, TGT_BS_OK);
	return uring_count(fixed) - before;
}

static char *in_region(const struct memory *memory, unsigned int region, size_t offset)
{
	return (char *)memory->regions[region].iov_base + offset;
}

static void requests_name_the_region_of_their_data(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	for (unsigned int i = 0; i < REGIONS; i++) {
		const uint64_t at = (uint64_t)i * REGION;
		char *first = in_region(memory, i, 0), *last = in_region(memory, i, REGION - PAGE);
		char *other = in_region(memory, (i + 1) % REGIONS, PAGE);

		memset(first, 0x20 + (int)i, PAGE);
		memset(last, 0x30 + (int)i, PAGE);
		assert_int_equal(named(&store, TGT_BS_WRITE, at, first, PAGE), 1);
		assert_int_equal(named(&store, TGT_BS_WRITE, at + PAGE, last, PAGE), 1);
		assert_int_equal(named(&store, TGT_BS_READ, at, other, (size_t)2 * PAGE), 1);
		assert_memory_equal(other, first, PAGE);
		assert_memory_equal(other + PAGE, last, PAGE);
	}
	assert_int_equal(named(&store, TGT_BS_WRITE, 0, in_region(memory, 0, 0), REGION), 1);
	fake_store_close(&store);
}

static void durable_writes_are_so_from_regions(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	ends(&store, TGT_BS_WRITE, 0, in_region(memory, 0, 0), PAGE, TGT_BS_REQ_FUA, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_WRITE_FIXED), 1);
	assert_int_equal(uring_last_flags(IORING_OP_WRITE_FIXED), RWF_DSYNC);
	fake_store_close(&store);
}

static void short_transfers_go_on_in_the_region(void **state)
{
	const struct memory *memory = *state;
	char *from = in_region(memory, 0, 0), *to = in_region(memory, 1, 0);
	struct fake_store store;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	for (size_t i = 0; i < REGION; i++)
		from[i] = (char)(i / PAGE + 1);
	fault_set(FAULT_URING_CQE, (struct fault){.limit = PAGE, .times = 3});
	assert_int_equal(named(&store, TGT_BS_WRITE, 0, from, REGION), 4);
	fault_set(FAULT_URING_CQE, (struct fault){.limit = (size_t)4 * PAGE, .times = 2});
	assert_int_equal(named(&store, TGT_BS_READ, 0, to, REGION), 3);
	assert_memory_equal(from, to, REGION);
	fake_store_close(&store);
}

static void regions_that_come_later_are_found(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	fake_lasting_memory(memory->regions, 1);
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 1);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 1, 0), PAGE), 0);
	fake_lasting_memory(memory->regions, REGIONS);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 1, 0), PAGE), 1);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 3, 0), PAGE), 1);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 1);
	assert_int_equal(fault_count(FAULT_URING_REGISTER), REGIONS);
	fake_store_close(&store);
}

/* Before, between and behind regions, and across the end of one. */
static void other_memory_is_named_by_nobody(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;
	char *outside = fake_buffer(PAGE, 0);

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	assert_int_equal(named(&store, TGT_BS_READ, 0, outside, PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_READ, 0, memory->all + REGION, PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_WRITE, 0, memory->all + (size_t)7 * REGION, PAGE), 0);
	assert_int_equal(
	    named(&store, TGT_BS_WRITE, 0, in_region(memory, 1, REGION - PAGE), (size_t)2 * PAGE),
	    0);
	assert_int_equal(uring_count(IORING_OP_READ), 2);
	assert_int_equal(uring_count(IORING_OP_WRITE), 2);
	fake_store_close(&store);
	free(outside);
}

static void vectors_name_nothing(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;
	struct fake_request *request;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	request = fake_request_new(&store, TGT_BS_READ, 0, (uint64_t)2 * PAGE);
	fake_request_add(request, in_region(memory, 0, 0), PAGE);
	fake_request_add(request, in_region(memory, 1, 0), PAGE);
	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, TGT_BS_OK);
	assert_int_equal(uring_count(IORING_OP_READV), 1);
	fake_request_free(request);
	fake_store_close(&store);
}

static void nothing_is_registered_for_the_page_cache(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	open_uring(&store, NULL, 0);
	assert_int_equal(named(&store, TGT_BS_WRITE, 0, in_region(memory, 0, 0), PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 0);
	assert_int_equal(fault_count(FAULT_URING_REGISTER), 0);
	fake_store_close(&store);
}

/* It has no such function, and what lies there is none. */
static void an_older_host_is_not_asked(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	fake_older_host(offsetof(struct tgt_bs_host, lasting_memory));
	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 0);
	assert_int_equal(uring_count(IORING_OP_READ), 1);
	fake_store_close(&store);
}

static void an_older_kernel_does_without(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	fault_set(FAULT_URING_SPARSE, (struct fault){.error = EINVAL});
	assert_int_equal(named(&store, TGT_BS_WRITE, 0, in_region(memory, 0, 0), PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 0);
	assert_int_equal(fault_count(FAULT_URING_REGISTER), 0);
	assert_string_equal(fake_log(), "");
	fake_store_close(&store);
}

/* What is registered is used; the rest isn't asked for again and again, and told once. */
static void a_limit_of_locked_memory_is_told_once(void **state)
{
	const struct memory *memory = *state;
	struct fake_store store;
	const char *log;

	open_uring(&store, NULL, TGT_BS_OPEN_DIRECT);
	fault_set(FAULT_URING_REGISTER, (struct fault){.error = ENOMEM, .skip = 2});
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 3, 0), PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 2, 0), PAGE), 0);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 1, 0), PAGE), 1);
	assert_int_equal(named(&store, TGT_BS_READ, 0, in_region(memory, 0, 0), PAGE), 1);
	assert_int_equal(fault_count(FAULT_URING_REGISTER), 3);
	log = fake_log();
	assert_non_null(strstr(log, "no more than 2 regions of memory"));
	assert_non_null(strstr(log, "LimitMEMLOCK="));
	assert_non_null(strstr(log, strerror(ENOMEM)));
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1);
	fake_store_close(&store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(requests_name_the_region_of_their_data),
	    TEST(durable_writes_are_so_from_regions),
	    TEST(short_transfers_go_on_in_the_region),
	    TEST(regions_that_come_later_are_found),
	    TEST(other_memory_is_named_by_nobody),
	    TEST(vectors_name_nothing),
	    TEST(nothing_is_registered_for_the_page_cache),
	    TEST(an_older_host_is_not_asked),
	    TEST(an_older_kernel_does_without),
	    TEST(a_limit_of_locked_memory_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
