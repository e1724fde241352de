/* SPDX-License-Identifier: MIT */
/* What the tests of the ssc store's module share: one tape, and requests to it. */
#ifndef TGT_TESTS_TAPE_STORE_H
#define TGT_TESTS_TAPE_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_host.h"

static const char *path;
static struct fake_store tape;
static struct tgt_bs_request last; /* results of the last operation */

static const struct store_module *module(void)
{
	const struct store_module *ssc = fake_module_load(fake_module_file("ssc"));

	assert_non_null(ssc);
	return ssc;
}

static int op(struct fake_request *request)
{
	int status;

	assert_true(fake_run(request));
	last = request->bs;
	status = (int)request->bs.status;
	fake_request_free(request);
	return status;
}

static inline int simple(enum tgt_bs_op what)
{
	return op(fake_request_new(&tape, what, 0, 0));
}

static inline int space(enum tgt_bs_space_code code, int64_t count)
{
	struct fake_request *request = fake_request_new(&tape, TGT_BS_TAPE_SPACE, 0, 0);

	request->bs.space_code = code;
	request->bs.count = count;
	return op(request);
}

#endif
