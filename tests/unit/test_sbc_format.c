/* SPDX-License-Identifier: MIT */
/* FORMAT UNIT's CDB and parameter list (SBC-4 FORMAT UNIT). */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define FMTDATA 0x10
#define LONGLIST 0x20
#define FOV 0x80
#define IP 0x08
#define IMMED 0x02

static const struct mem_config thick = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};

static uint8_t format(struct disk *d, uint8_t bits, const void *list, uint32_t len)
{
	return COMMAND(d, list, len, 0, 0x04, bits, 0, 0, 0, 0);
}

static void assert_formatted(struct disk *d, uint8_t byte)
{
	for (unsigned i = 0; i < MIB; i++)
		assert_int_equal(d->data[i], byte);
	memset(d->data, 0xaa, MIB);
}

static void headers_are_taken(void **state)
{
	static const uint8_t zero[8], fov[4] = {0, FOV | 0x70}, immed[8] = {0, IMMED};
	struct disk *d = disk_open(&thick);

	(void)state;
	memset(d->data, 0xaa, MIB);
	assert_good(d, format(d, 0, NULL, 0));
	assert_formatted(d, 0);
	assert_good(d, format(d, 0x2f, NULL, 0)); /* without FMTDATA they are ignored */
	assert_formatted(d, 0);
	assert_good(d, format(d, FMTDATA, zero, 4));
	assert_formatted(d, 0);
	assert_good(d, format(d, FMTDATA | LONGLIST | 0x08 | 0x03, zero, 8));
	assert_formatted(d, 0);
	assert_good(d, format(d, FMTDATA, fov, 4));
	assert_formatted(d, 0);
	assert_good(d, format(d, FMTDATA | LONGLIST, immed, 8));
	while (COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0))
		assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	assert_formatted(d, 0);
	disk_close(d);
}

static void what_there_is_not_is_refused(void **state)
{
	static const struct {
		uint8_t bits, list[8];
		unsigned len, field;
	} bad[] = {
	    {FMTDATA, {0x01}, 4, 0},       /* PROTECTION FIELDS USAGE */
	    {FMTDATA, {0, 0x20}, 4, 1},    /* DCRT without FOV */
	    {FMTDATA, {0, 0x40}, 4, 1},    /* DPRY */
	    {FMTDATA, {0, 0x10}, 4, 1},    /* STPF */
	    {FMTDATA, {0, IP}, 4, 1},      /* IP */
	    {FMTDATA, {0, 0x01}, 4, 1},    /* vendor specific */
	    {FMTDATA, {0, 0, 0, 8}, 4, 2}, /* a defect list */
	    {FMTDATA | LONGLIST, {0, 0, 0, 0, 0, 0, 0, 8}, 8, 4},
	    {FMTDATA | LONGLIST, {0, 0, 0, 0x10}, 8, 3},         /* P_I_INFORMATION */
	    {FMTDATA, {0, FOV | IP, 0, 0, 0x20, 0, 0, 0}, 8, 4}, /* SI */
	    {FMTDATA, {0, FOV | IP, 0, 0, 0, 2, 0, 0}, 8, 5},    /* a reserved type */
	    {FMTDATA, {0, FOV | IP, 0, 0, 0, 0, 0, 1}, 8, 6},    /* the default one has no length */
	    {FMTDATA, {0, FOV | IP, 0, 0, 0, 1, 0, 0}, 8, 6},    /* the repeated one must have */
	    {FMTDATA, {0, FOV | IP, 0, 0, 0, 1, 2, 1}, 8, 6},    /* 513 bytes */
	};
	struct disk *d = disk_open(&thick);

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		format(d, bad[i].bits, bad[i].list, bad[i].len);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
		assert_int_equal(field_pointer(d), bad[i].field);
	}
	assert_int_equal(d->nr_log, 0);
	/* FMTPINFO, and a reserved defect list format */
	format(d, 0x40, NULL, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	format(d, 0x80, NULL, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	format(d, FMTDATA | 0x06, bad[0].list, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

static void short_lists_are_refused(void **state)
{
	static const uint8_t pattern[12] = {0, FOV | IP, 0, 0, 0, 1, 0, 5};
	struct disk *d = disk_open(&thick);

	(void)state;
	format(d, FMTDATA, NULL, 0);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	format(d, FMTDATA, pattern, 3);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	format(d, FMTDATA | LONGLIST, pattern, 7);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	for (unsigned len = 4; len < 8; len++) {
		format(d, FMTDATA, pattern, len);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	}
	format(d, FMTDATA, pattern, 12);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_int_equal(d->nr_log, 0);
	disk_close(d);
}

/* Each logical block begins with the pattern anew. */
static void the_pattern_fills_each_block(void **state)
{
	static const uint8_t list[4 + 4 + 5] = {0, FOV | IP, 0, 0, 0, 1, 0, 5, 1, 2, 3, 4, 5};
	struct disk *d = disk_open(&thick);

	(void)state;
	assert_good(d, format(d, FMTDATA, list, sizeof(list)));
	for (unsigned i = 0; i < MIB; i++)
		assert_int_equal(d->data[i], 1 + i % 512 % 5);
	disk_close(d);
}

static void write_protection_holds(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	d->lu->readonly = true;
	format(d, 0, NULL, 0);
	assert_sense(d, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_are_taken),
	    cmocka_unit_test(what_there_is_not_is_refused),
	    cmocka_unit_test(short_lists_are_refused),
	    cmocka_unit_test(the_pattern_fills_each_block),
	    cmocka_unit_test(write_protection_holds),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
