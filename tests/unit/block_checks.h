/* SPDX-License-Identifier: MIT */
/*
 * What every block store must do, whatever it sits on: checks of the contract in
 * include/tgt/backing-store.h, run on the real module.
 */
#ifndef TGT_TEST_BLOCK_CHECKS_H
#define TGT_TEST_BLOCK_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is checked.  The medium must have at least 4 MiB; its content is lost. */
struct block_subject {
	const char *module; /* the .so */
	const char *path;   /* NULL for a store without one */
	const char *bsopts; /* or NULL */
	const char
	    *raw_file;       /* what FLUSH makes durable can be read here; NULL: it can't be read */
	uint32_t open_flags; /* TGT_BS_OPEN_SYNC, _DIRECT */
	bool forgets;        /* it doesn't keep what is written (null) */
};

/* One check: NULL when it holds, else what doesn't (static memory). */
struct block_check {
	const char *name;
	const char *(*run)(const struct block_subject *subject);
};

extern const struct block_check block_checks[];
extern const size_t block_checks_count;

/* Runs all, prints a line for each on stdout, and returns how many failed. */
unsigned int block_checks_run(const struct block_subject *subject);

#endif
