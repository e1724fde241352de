/* SPDX-License-Identifier: MIT */
/*
 * Inputs that are sequences of records, each behind its length (two bytes, the high one first): so
 * that mutations change, take out, double or add whole commands or PDUs, where those of bytes would
 * put everything behind them out of step.
 */
#ifndef TGT_TESTS_FUZZ_RECORDS_H
#define TGT_TESTS_FUZZ_RECORDS_H

#include "fuzz.h"

#define RECORD_MAX 65535u

/* Takes the next record off *in, as an input of its own; false: there is none. */
bool fuzz_record(struct fuzz_input *in, struct fuzz_input *record);

/* A fuzzer's own: writes a sensible record to out, which has room for FRESH_RECORD_MAX bytes;
 * its length. */
#define FRESH_RECORD_MAX 256u
size_t fuzz_fresh_record(uint8_t *out, uint32_t (*random)(uint32_t below));

#endif
