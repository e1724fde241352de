/* SPDX-License-Identifier: MIT */
/* What the tests of the uring store's module share. */
#ifndef TGT_TESTS_URING_FIXTURE_H
#define TGT_TESTS_URING_FIXTURE_H

#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_host.h"
#include "faults.h"
#include "faults_uring.h"
#include "temp_dir.h"

#define MiB (1u << 20)
#define SIZE (8 * MiB)
#define PAGE 4096u
#define MANY 64

static inline const struct store_module *module(void)
{
	const struct store_module *uring = fake_module_load(fake_module_file("uring"));

	assert_non_null(uring);
	return uring;
}

static inline void open_file(struct fake_store *store, const char *path, const char *bsopts,
			     uint32_t flags)
{
	const struct fake_open how = {.path = path, .bsopts = bsopts, .flags = flags};

	if (fake_store_open(store, module(), &how))
		fail_msg("%s", store->error);
	/* what opening did is not counted */
	uring_clear();
}

static inline void open_uring(struct fake_store *store, const char *bsopts, uint32_t flags)
{
	open_file(store, temp_file("disk", SIZE), bsopts, flags);
}

static inline int clear_faults(void **state)
{
	(void)state;
	uring_clear();
	uring_unknown_flags(0);
	fake_fail_timers(0);
	fake_fail_watches(0);
	fake_log_clear();
	return 0;
}

static inline struct fake_request *transfer(struct fake_store *store, enum tgt_bs_op op,
					    uint64_t offset, char *buf, size_t length)
{
	struct fake_request *request = fake_request_new(store, op, offset, length);

	if (buf)
		fake_request_add(request, buf, length);
	return request;
}

/* A request's whole way; it has ended so. */
static inline struct fake_request *finished(struct fake_store *store, enum tgt_bs_op op,
					    uint64_t offset, char *buf, size_t length,
					    uint32_t status)
{
	struct fake_request *request = transfer(store, op, offset, buf, length);

	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, status);
	assert_int_equal(request->completions, 1);
	return request;
}

/* The same, on the ring, of a request with flags; and nothing of it is looked at. */
static inline void ends(struct fake_store *store, enum tgt_bs_op op, uint64_t offset, char *buf,
			size_t length, unsigned int flags, uint32_t status)
{
	struct fake_request *request = transfer(store, op, offset, buf, length);

	request->bs.flags = (uint16_t)flags;
	assert_true(fake_run(request));
	assert_int_equal(request->bs.status, status);
	assert_int_equal(request->completions, 1);
	assert_false(request->went_to_worker);
	fake_request_free(request);
}

#endif
