/* SPDX-License-Identifier: MIT */
/* The disk fixture for tests that run the core over a real module. */
#ifndef TGT_TESTS_MODULE_FIXTURE_H
#define TGT_TESTS_MODULE_FIXTURE_H

#include "disk_fixture.h"
#include "store/loader.h"

static int start(void **state)
{
	if (store_load_directory(TGT_BUILD_DIR "/backing-store", store_host_table()) < 1)
		return -1;
	return fixture_start(state);
}

static int end(void **state)
{
	fixture_end(state);
	store_unload_all();
	return 0;
}

#endif
