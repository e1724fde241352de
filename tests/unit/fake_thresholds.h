/* SPDX-License-Identifier: MIT */
/* Stands in for thresholds.c, in tests that aren't about it: a store that has given some answer. */
#ifndef TGT_TESTS_FAKE_THRESHOLDS_H
#define TGT_TESTS_FAKE_THRESHOLDS_H

#include "scsi/thresholds.h"

#define FAKE_EXPONENT 11

const uint8_t thresholds_page[THRESHOLDS_PAGE_BYTES] = {0x5c, 0x02, 0x00,
							THRESHOLDS_PAGE_BYTES - 4};
const uint8_t thresholds_changeable[THRESHOLDS_PAGE_BYTES] = {0x5c, 0x02, 0x00,
							      THRESHOLDS_PAGE_BYTES - 4, 0x01};

static unsigned restarts, refreshes;

bool thresholds_reported(const struct lu *lu)
{
	return lu->thresholds && lu->thin;
}

uint8_t thresholds_exponent(const struct lu *lu)
{
	return thresholds_reported(lu) ? FAKE_EXPONENT : 0;
}

uint32_t thresholds_count(const struct lu *lu, unsigned resource)
{
	(void)lu;
	return 0x100 + resource;
}

void thresholds_restart(struct lu *lu)
{
	(void)lu;
	restarts++;
}

void thresholds_refresh(struct scsi_task *t, void (*then)(struct scsi_task *t))
{
	refreshes++;
	then(t);
}

/* Thin, on a store that tells what it allocates. */
static inline void make_thin(struct lu *lu)
{
	static int somewhere;

	lu->thresholds = (struct thresholds *)(void *)&somewhere;
	lu->thin = true;
}

#endif
