/* SPDX-License-Identifier: MIT */
/* Sense data formats: SPC-5 4.4.2 (descriptor), 4.4.3 (fixed). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "scsi/sense.h"

static uint8_t out[SENSE_MAX];

static uint8_t build(struct sense s, bool descriptor)
{
	memset(out, 0xee, sizeof(out));
	return sense_build(out, &s, descriptor);
}

static void test_fixed(void **state)
{
	static const uint8_t want[18] = {0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0x00};

	(void)state;
	assert_int_equal(
	    build((struct sense){.key = KEY_ILLEGAL_REQUEST, .asc = ASC_INVALID_FIELD_IN_CDB},
		  false),
	    18);
	assert_memory_equal(out, want, 18);
}

static void test_fixed_information(void **state)
{
	static const uint8_t want[18] = {0xf0, 0, 0x03, 0x12, 0x34, 0x56, 0x78,
					 10,   0, 0,    0,    0,    0x11};

	(void)state;
	build((struct sense){.key = KEY_MEDIUM_ERROR,
			     .asc = ASC_UNRECOVERED_READ_ERROR,
			     .info_valid = true,
			     .information = 0x12345678},
	      false);
	assert_memory_equal(out, want, 18);
}

/* An INFORMATION that doesn't fit is not there at all: never a part of it. */
static void test_fixed_information_too_long(void **state)
{
	static const uint8_t none[4];

	(void)state;
	build((struct sense){.key = KEY_MEDIUM_ERROR,
			     .asc = ASC_UNRECOVERED_READ_ERROR,
			     .info_valid = true,
			     .information = 0x100000000},
	      false);
	assert_int_equal(out[0], 0x70);
	assert_memory_equal(out + 3, none, 4);
}

static void test_fixed_field_pointer(void **state)
{
	(void)state;
	build((struct sense){.key = KEY_ILLEGAL_REQUEST,
			     .asc = ASC_INVALID_FIELD_IN_CDB,
			     .sks_valid = true,
			     .in_cdb = true,
			     .bit = 5,
			     .field = 2},
	      false);
	assert_int_equal(out[15], 0x80 | 0x40 | 0x08 | 5); /* SKSV, C/D, BPV, bit pointer */
	assert_int_equal(out[16], 0);
	assert_int_equal(out[17], 2);
	build((struct sense){.key = KEY_ILLEGAL_REQUEST,
			     .asc = ASC_INVALID_FIELD_IN_PARAMETER_LIST,
			     .sks_valid = true,
			     .bit = -1,
			     .field = 0x1234},
	      false);
	assert_int_equal(out[15], 0x80); /* in the parameter list, no bit */
	assert_int_equal(out[16], 0x12);
	assert_int_equal(out[17], 0x34);
}

static void test_fixed_stream_and_deferred(void **state)
{
	(void)state;
	build((struct sense){.key = KEY_NO_SENSE, .asc = ASC_FILEMARK_DETECTED, .filemark = true},
	      false);
	assert_int_equal(out[2], 0x80);
	build((struct sense){.key = KEY_VOLUME_OVERFLOW, .eom = true, .ili = true}, false);
	assert_int_equal(out[2], 0x40 | 0x20 | 0x0d);
	build((struct sense){.key = KEY_MEDIUM_ERROR, .deferred = true}, false);
	assert_int_equal(out[0], 0x71);
}

static void test_descriptor(void **state)
{
	static const uint8_t want[8] = {0x72, 0x06, 0x29, 0x00, 0, 0, 0, 0};

	(void)state;
	assert_int_equal(
	    build((struct sense){.key = KEY_UNIT_ATTENTION, .asc = ASC_POWER_ON_RESET}, true), 8);
	assert_memory_equal(out, want, 8);
	build((struct sense){.key = KEY_MEDIUM_ERROR, .deferred = true}, true);
	assert_int_equal(out[0], 0x73);
}

static void test_descriptor_all(void **state)
{
	static const uint8_t want[] = {
	    0x72, 0x03, 0x11, 0x00, 0,    0,    0,    24,   /* header */
	    0x00, 0x0a, 0x80, 0,    0x01, 0x23, 0x45, 0x67, /* information */
	    0x89, 0xab, 0xcd, 0xef,                         /* … all 64 bits of it */
	    0x02, 0x06, 0,    0,    0xcf, 0x00, 0x0a, 0,    /* sense key specific */
	    0x04, 0x02, 0,    0xe0,                         /* stream commands */
	};

	(void)state;
	assert_int_equal(build((struct sense){.key = KEY_MEDIUM_ERROR,
					      .asc = ASC_UNRECOVERED_READ_ERROR,
					      .info_valid = true,
					      .information = 0x0123456789abcdef,
					      .sks_valid = true,
					      .in_cdb = true,
					      .bit = 7,
					      .field = 10,
					      .filemark = true,
					      .eom = true,
					      .ili = true},
			       true),
			 sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

/* SPC-5 4.4.2.4.5: progress indication, in both formats. */
static void test_progress(void **state)
{
	struct sense s = {.key = KEY_NOT_READY,
			  .asc = ASC_LU_NOT_READY_FORMAT_IN_PROGRESS,
			  .in_progress = true,
			  .progress = 0x8123,
			  .bit = -1};
	static const uint8_t fixed[18] = {0x70, 0, 2, 0, 0, 0, 0,    10,   0,
					  0,    0, 0, 4, 4, 0, 0x80, 0x81, 0x23};
	static const uint8_t descriptor[16] = {0x72, 2, 4, 4, 0,    0,    0,   8,
					       2,    6, 0, 0, 0x80, 0x81, 0x23};

	(void)state;
	assert_int_equal(build(s, false), 18);
	assert_memory_equal(out, fixed, 18);
	assert_int_equal(build(s, true), 16);
	assert_memory_equal(out, descriptor, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_fixed_information),
	    cmocka_unit_test(test_fixed_information_too_long),
	    cmocka_unit_test(test_fixed_field_pointer),
	    cmocka_unit_test(test_fixed_stream_and_deferred),
	    cmocka_unit_test(test_descriptor),
	    cmocka_unit_test(test_descriptor_all),
	    cmocka_unit_test(test_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
