/* SPDX-License-Identifier: MIT */
/*
 * The daemon's core in the fuzzer's process: one reactor on the calling thread, and a target with
 * the controller, disks and a tape over stores in memory.
 */
#ifndef TGT_TESTS_FUZZ_CORE_H
#define TGT_TESTS_FUZZ_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/control.h"
#include "scsi/lu.h"
#include "scsi/target.h"

enum { LUN_CONTROLLER, LUN_DISK, LUN_SMALL_DISK, LUN_READONLY, LUN_TAPE, LUN_NOBODY, FUZZ_LUNS };

/* Once; a second call changes nothing. */
struct iscsi_target *core_start(void);

/* Lets the reactor run until done() is true; a failure when it doesn't become so. */
void core_run_until(bool (*done)(void));
/* A few turns of the loop. */
void core_run_turns(unsigned turns);

/* What stores are asked for waits until core_complete() from now on (true), or ends at once. */
void core_hold(bool hold);
/* Ends what waits, from the first or the last, and lets their owners hear of it; false: nothing
 * waited. */
bool core_complete(bool last_first);
/* The next request of a store ends with this status (enum tgt_bs_status); 0: well. */
void core_fail_next(uint32_t status);

/* The stores can be found by their names from now on: disk, readonly, tape. */
void core_offer_stores(void);

/* The bytes that all disks have in common, and how often a store was told to change them. */
const uint8_t *core_disk(void);
uint64_t core_disk_bytes(void);
unsigned long core_changes(void);

/* The logical units as they were made: not reserved, started, default mode pages. */
void core_reset_units(void);

#endif
