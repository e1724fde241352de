/* SPDX-License-Identifier: MIT */
/*
 * Stands in for the store of a tape drive, where a test runs what looks at one: the cartridge, and
 * what the module can.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_FAKE_TAPE_H
#define TGT_TESTS_FAKE_TAPE_H

#include <errno.h>
#include <string.h>

#include "scsi/tape.h"
#include "scsi/tape_identity.h"
#include "store/store.h"

static const struct command_set fake_tape_commands
    __attribute__((unused)) = {.device_type = 0x01, .name = "tape"};
static struct tgt_bs_tape_info fake_cartridge;
static struct tape_drive fake_drive;
static struct store_module fake_module;

int store_tape_info(const struct store *store, struct tgt_bs_tape_info *info)
{
	(void)store;
	*info = fake_cartridge;
	return fake_cartridge.nr_partitions ? 0 : -ENOMEDIUM;
}

const struct store_module *store_module(const struct store *store)
{
	(void)store;
	return &fake_module;
}

/* Makes an LU a drive with one partition of size bytes, used bytes of them. */
static inline void fake_make_tape(struct lu *lu, uint64_t size, uint64_t used)
{
	memset(&fake_drive, 0, sizeof(fake_drive));
	memset(&fake_cartridge, 0, sizeof(fake_cartridge));
	memset(&fake_module, 0, sizeof(fake_module));
	fake_drive.identity = &tape_identities[0];
	fake_cartridge.nr_partitions = fake_cartridge.max_partitions = 1;
	fake_cartridge.size[0] = fake_cartridge.full_size = size;
	fake_cartridge.used[0] = used;
	lu->commands = &fake_tape_commands;
	lu->tape = &fake_drive;
	lu->removable = true;
}

#endif
