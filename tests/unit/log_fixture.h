/* SPDX-License-Identifier: MIT */
/*
 * For the tests of log pages: a disk on two reactors, a clock to set, the commands, and who was
 * told of a change.  Included by the one source file of a test.
 */
#ifndef TGT_TESTS_LOG_FIXTURE_H
#define TGT_TESTS_LOG_FIXTURE_H

#include "fake_tape.h"
#include "fake_task.h"
#include "fake_thresholds.h"
#include "scsi/log.h"

#define REACTORS 2

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};
static const struct command_set tape
    __attribute__((unused)) = {.device_type = 0x01, .name = "tape"};
static const struct command_set controller
    __attribute__((unused)) = {.device_type = 0x0c, .name = "controller"};
static struct lu_slice slices[REACTORS];
static uint64_t now_ms;
static unsigned told;

void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except)
{
	assert_ptr_equal(lu, &fake_lu);
	assert_int_equal(asc, 0x2a02); /* LOG PARAMETERS CHANGED */
	assert_int_equal(except, fake_nexus[0].id);
	assert_int_equal(said.ended, 0);
	told++;
}

uint32_t store_capabilities(const struct store *store)
{
	(void)store;
	return TGT_BS_CAN_WRITE;
}

struct reactor *reactor_self(void)
{
	return NULL;
}

uint64_t reactor_now_ms(const struct reactor *reactor)
{
	(void)reactor;
	return now_ms;
}

unsigned reactors_count(void)
{
	return REACTORS;
}

static inline int setup(void **state)
{
	(void)state;
	told = 0;
	now_ms = 1000;
	fake_reset();
	memset(slices, 0, sizeof(slices));
	fake_lu.slices = slices;
	fake_lu.commands = &disk;
	return log_state_create(&fake_lu);
}

static inline int teardown(void **state)
{
	(void)state;
	log_state_free(&fake_lu);
	return 0;
}

/* A command that took ms on one of the reactors. */
static inline void count(unsigned reactor, enum row_counts kind, uint32_t bytes, unsigned ms)
{
	const struct opcode_row row = {.counts = (uint8_t)kind};
	struct scsi_task t = {.lu = &fake_lu,
			      .nexus = &fake_nexus[0],
			      .slice = &slices[reactor],
			      .row = &row,
			      .status = STATUS_GOOD,
			      .blocks = bytes / 512,
			      .started_ms = now_ms};

	t.data.length = kind == COUNTS_VERIFY ? 0 : bytes;
	log_busy(&slices[reactor], now_ms);
	now_ms += ms;
	log_count(&t);
	log_idle(&slices[reactor]);
}

static inline void store_fails(unsigned reactor, enum row_counts kind, enum sense_key key)
{
	const struct opcode_row row = {.counts = (uint8_t)kind, .name = "READ(10)"};
	const struct scsi_task t = {
	    .lu = &fake_lu, .slice = &slices[reactor], .row = &row, .lba = 7};
	const struct tgt_bs_request request = {.op = TGT_BS_READ};

	log_store_error(&t, &request, key, 0x1100, "read error");
}

static inline struct scsi_task *sense(uint8_t pc_page, uint8_t subpage, uint16_t pointer)
{
	const uint8_t cdb[10] = {
	    0x4d, 0, pc_page, subpage, 0, (uint8_t)(pointer >> 8), (uint8_t)pointer, 0x10};

	return fake_run(log_rows, 0, cdb, NULL, 0);
}

/* The current cumulative values of a page; the last LOG SENSE must find it. */
static inline const uint8_t *page(uint8_t code)
{
	assert_good(sense(0x40 | code, 0, 0));
	assert_int_equal(said.data[0] & 0x3f, code);
	assert_int_equal(get_be16(said.data + 2), said.len - 4);
	return said.data + 4;
}

/* The value of a parameter of a page, big-endian of up to 8 bytes; its place when it is longer. */
static inline const uint8_t *param(uint8_t code, uint16_t parameter)
{
	const uint8_t *at = page(code), *end = said.data + said.len;

	for (; at < end; at += 4 + at[3])
		if (get_be16(at) == parameter)
			return at + 4;
	fail_msg("page %02x has no parameter %04x", code, parameter);
	return NULL;
}

static inline uint64_t value(uint8_t code, uint16_t parameter)
{
	return get_be64(param(code, parameter));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
