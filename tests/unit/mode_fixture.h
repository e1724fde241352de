/* SPDX-License-Identifier: MIT */
/*
 * For the tests of mode pages: a disk with a volatile write cache, the commands, and what the rest
 * of the core was asked to do.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_MODE_FIXTURE_H
#define TGT_TESTS_MODE_FIXTURE_H

#include <errno.h>

#include "fake_tape.h"
#include "fake_task.h"
#include "fake_thresholds.h"
#include "scsi/mode.h"
#include "store/state.h"
#include "temp_dir.h"

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};
static const struct command_set controller
    __attribute__((unused)) = {.device_type = 0x0c, .name = "controller"};

/* Who was told MODE PARAMETERS CHANGED. */
static unsigned told;
static uint16_t told_asc;
static uint64_t told_except;

void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except)
{
	assert_ptr_equal(lu, &fake_lu);
	told++;
	told_asc = asc;
	told_except = except;
}

/* ---- the rest of the core ---- */

static unsigned flushes, jobs;
static uint32_t capabilities; /* beside those of the disk */
static bool flush_fails;

uint32_t store_capabilities(const struct store *store)
{
	(void)store;
	return TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | capabilities;
}

void task_submit_store(struct scsi_task *t, enum tgt_bs_op op, uint32_t flags, uint64_t offset,
		       uint64_t length, const struct databuf *buf,
		       void (*done)(struct scsi_task *t))
{
	(void)flags;
	(void)offset;
	(void)length;
	(void)buf;
	assert_int_equal(op, TGT_BS_FLUSH);
	assert_int_equal(said.ended, 0);
	flushes++;
	t->store.bs.status = flush_fails ? TGT_BS_ERR_FLUSH : TGT_BS_OK;
	done(t);
}

void task_store_status(struct scsi_task *t, const struct tgt_bs_request *request)
{
	assert_int_equal(request->status, TGT_BS_ERR_FLUSH);
	task_sense(t, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
}

struct reactor *reactor_self(void)
{
	return NULL;
}

void reactor_send(struct reactor *reactor, struct message *message)
{
	(void)reactor;
	message->fn(message);
}

struct work_gate *workers_control_gate(void)
{
	return NULL;
}

void workers_submit(struct work_gate *gate, struct work *work)
{
	(void)gate;
	jobs++;
	assert_int_equal(said.ended, 0); /* what is saved is durable before GOOD */
	work->fn(work);
}

/* ---- the logical unit ---- */

static char state_dir[512];

/* A disk that has nowhere to save to. */
static inline int setup(void **state)
{
	(void)state;
	told = flushes = jobs = 0;
	capabilities = 0;
	flush_fails = false;
	state_set_directory(NULL);
	fake_reset();
	fake_lu.commands = &disk;
	fake_lu.volatile_cache = true;
	return mode_state_create(&fake_lu);
}

/* The same with a state directory. */
static inline int setup_saving(void **state)
{
	static unsigned number;
	int rc = setup(state);

	snprintf(state_dir, sizeof(state_dir), "%s/state%u", temp_dir(), number++);
	assert_int_equal(state_set_directory(state_dir), 0);
	fake_lu.path = (char *)"disk.img";
	return rc;
}

static inline int teardown(void **state)
{
	(void)state;
	mode_state_free(&fake_lu);
	return 0;
}

static inline struct scsi_task *sense6(uint8_t byte1, uint8_t page, uint8_t subpage)
{
	const uint8_t cdb[6] = {0x1a, byte1, page, subpage, 0xff};

	return fake_run(mode_sense_rows, 0, cdb, NULL, 0);
}

static inline struct scsi_task *sense10(uint8_t byte1, uint8_t page, uint8_t subpage)
{
	const uint8_t cdb[10] = {0x5a, byte1, page, subpage, [7] = 0x10};

	return fake_run(mode_rows, 0, cdb, NULL, 0);
}

static inline struct scsi_task *select6(const uint8_t *list, size_t len)
{
	const uint8_t cdb[6] = {0x15, 0x10, 0, 0, (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

static inline struct scsi_task *select10(const uint8_t *list, size_t len)
{
	const uint8_t cdb[10] = {0x55, 0x10, [7] = (uint8_t)(len >> 8), (uint8_t)len};

	return fake_run(mode_rows, 0, cdb, list, len);
}

/* A parameter list: header, no block descriptor, the current page as MODE SENSE shows it. */
static inline size_t page_list(uint8_t *list, size_t header, uint8_t page)
{
	assert_good(sense6(0x08, page, 0));
	memset(list, 0, header);
	memcpy(list + header, said.data + 4, said.len - 4);
	return header + said.len - 4;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_SAVING(name) cmocka_unit_test_setup_teardown(name, setup_saving, teardown)

#endif
