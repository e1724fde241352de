/* SPDX-License-Identifier: MIT */
/* What the tests of the rdwr store's module share: a file of its own for each store. */
#ifndef TGT_TESTS_RDWR_FIXTURE_H
#define TGT_TESTS_RDWR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_host.h"
#include "faults.h"
#include "temp_dir.h"

#define MiB (1u << 20)
#define SIZE (8 * MiB)
#define PAGE 4096u

static inline const struct store_module *module(void)
{
	const struct store_module *rdwr = fake_module_load(fake_module_file("rdwr"));

	assert_non_null(rdwr);
	return rdwr;
}

static inline void open_rdwr(struct fake_store *store, const struct fake_open *how)
{
	if (fake_store_open(store, module(), how))
		fail_msg("%s", store->error);
}

static inline void open_fresh(struct fake_store *store, uint32_t flags)
{
	open_rdwr(store, &(struct fake_open){.path = temp_file("disk", SIZE), .flags = flags});
}

/* The error of an open that must fail. */
static inline const char *open_error(const struct fake_open *how, int want)
{
	static struct fake_store store;
	int rc = fake_store_open(&store, module(), how);

	if (rc == 0)
		fail_msg("%s opens", how->path);
	assert_int_equal(rc, want);
	return store.error;
}

static inline int clear_faults(void **state)
{
	(void)state;
	fault_clear();
	fake_log_clear();
	return 0;
}

#endif
