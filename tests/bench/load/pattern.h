/* SPDX-License-Identifier: MIT */
/* What verified blocks hold: where they belong, when they were written, and bytes that follow from
 * both. */
#ifndef LOAD_PATTERN_H
#define LOAD_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

/* any generation will do */
#define ANY_GENERATION 0

void pattern_fill(uint8_t *data, uint32_t len, uint32_t block, uint64_t lba, uint64_t generation);

/* True if all is as it should be; else what is wrong is said, as far as it is one of the first. */
bool pattern_check(const uint8_t *data, uint32_t len, uint32_t block, uint64_t lba,
		   uint64_t generation);

#endif
