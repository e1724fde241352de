/* SPDX-License-Identifier: MIT */
/* READ and WRITE ATTRIBUTE (SPC-5), and the memory of a cartridge as it is kept. */
#include "tape_fixture.h"

static struct disk *drive;

static int new_drive(void **state)
{
	(void)state;
	drive = tape_drive(0);
	/* it has noted that its cartridge came in */
	assert_int_equal(tape.nr_cas, 1);
	tape.nr_cas = 0;
	return 0;
}

static int end_drive(void **state)
{
	(void)state;
	disk_close(drive);
	return 0;
}

static uint8_t read_attribute(uint8_t action, uint8_t partition, uint16_t first, uint32_t room)
{
	return COMMAND(drive, NULL, 0, room, 0x8c, action, 0, 0, 0, 0, 0, partition, B2(first),
		       B4(room), 0, 0);
}

static uint8_t write_list(uint8_t partition, const void *list, uint32_t len)
{
	return COMMAND(drive, list, len, 0, 0x8d, 0, 0, 0, 0, 0, 0, partition, 0, 0, B4(len), 0, 0);
}

/* A list of one attribute. */
static uint32_t one(uint8_t *list, uint16_t id, uint8_t format, const void *value, uint16_t len)
{
	put_be32(list, 5u + len);
	put_be16(list + 4, id);
	list[6] = format;
	put_be16(list + 7, len);
	if (len)
		memcpy(list + 9, value, len);
	return 9u + len;
}

static uint8_t write_one(uint16_t id, uint8_t format, const void *value, uint16_t len)
{
	uint8_t list[1100];

	return write_list(0, list, one(list, id, format, value, len));
}

/* The attribute in the last READ ATTRIBUTE's values; NULL: it isn't there. */
static const uint8_t *find(uint16_t id)
{
	uint32_t end = 4 + get_be32(drive->in);
	int last = -1;

	assert_int_equal(end, drive->in_len);
	for (uint32_t at = 4; at < end; at += 5u + get_be16(drive->in + at + 3)) {
		assert_true(get_be16(drive->in + at) > last);
		last = get_be16(drive->in + at);
		if (last == id)
			return drive->in + at;
	}
	return NULL;
}

static void assert_attribute(uint16_t id, uint8_t byte2, const void *value, uint16_t len)
{
	const uint8_t *a;

	assert_good(drive, read_attribute(0, 0, id, 65535));
	a = find(id);
	assert_non_null(a);
	assert_int_equal(a[2], byte2);
	assert_int_equal(get_be16(a + 3), len);
	assert_memory_equal(a + 5, value, len);
}

static uint64_t number(uint8_t partition, uint16_t id)
{
	const uint8_t *a;
	uint64_t value = 0;

	assert_good(drive, read_attribute(0, partition, 0, 65535));
	a = find(id);
	assert_non_null(a);
	for (unsigned i = 0; i < get_be16(a + 3); i++)
		value = value << 8 | a[5 + i];
	return value;
}

static void the_drive_says_what_it_knows(void **state)
{
	(void)state;
	assert_int_equal(number(0, 0x0000), 70); /* MiB of partition 0 that are free */
	assert_int_equal(number(0, 0x0001), 100);
	assert_int_equal(number(1, 0x0000), 50);
	assert_int_equal(number(0, 0x0004), MAM_ROOM);
	assert_int_equal(number(0, 0x0006), 0x58);
	assert_int_equal(number(0, 0x0405), 0x58);
	assert_int_equal(number(0, 0x0402), 846);
	assert_int_equal(number(0, 0x0403), 127);
	assert_int_equal(number(0, 0x0408), 0);
	assert_attribute(0x0005, 0x81, "LTO-CVE ", 8);
	assert_attribute(0x0008, 0x81, "TST001L5                        ", 32);
	assert_attribute(0x0401, 0x81, "TST001L5                        ", 32);
	tape.info.medium = TGT_BS_MEDIUM_WORM;
	assert_int_equal(number(0, 0x0408), 0x80);
	tape.info.density = 0; /* unknown: then nothing is said of it */
	assert_good(drive, read_attribute(0, 0, 0, 65535));
	assert_null(find(0x0006));
	assert_null(find(0x0402));
}

static void what_hosts_write_is_kept_with_the_cartridge(void **state)
{
	(void)state;
	assert_good(drive, write_one(0x0800, 1, "LTFS    ", 8));
	assert_good(drive, write_one(0x080c, 0, "coherent", 8));
	assert_good(drive, write_one(0x1623, 0, "\1", 1));
	assert_int_equal(tape.nr_cas, 3);
	assert_attribute(0x0800, 0x01, "LTFS    ", 8);
	assert_attribute(0x080c, 0x00, "coherent", 8);
	assert_attribute(0x1623, 0x00, "\1", 1);
	assert_int_equal(number(0, 0x0004), MAM_ROOM - 8 - 8 - 1 - 3 * MAM_ENTRY);
	/* replaced, and taken away */
	assert_good(drive, write_one(0x0800, 1, "OTHER   ", 8));
	assert_attribute(0x0800, 0x01, "OTHER   ", 8);
	assert_good(drive, write_one(0x0800, 1, NULL, 0));
	read_attribute(0, 0, 0x0800, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), 8);
}

static void some_belong_to_a_partition(void **state)
{
	uint8_t list[32];

	(void)state;
	assert_good(drive, write_list(1, list, one(list, 0x080c, 0, "of one", 6)));
	assert_good(drive, write_list(1, list, one(list, 0x0805, 0, "\x81", 1)));
	assert_good(drive, read_attribute(0, 1, 0x080c, 65535));
	assert_memory_equal(find(0x080c) + 5, "of one", 6);
	read_attribute(0, 0, 0x080c, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_attribute(0x0805, 0x00, "\x81", 1);
	read_attribute(0, 2, 0, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), 7);
	write_list(2, list, one(list, 0x0805, 0, "\x81", 1));
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
}

static void assert_refused(const void *list, uint32_t len, uint16_t asc)
{
	unsigned before = tape.nr_cas;

	write_list(0, list, len);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, asc);
	assert_int_equal(tape.nr_cas, before);
}

/* All or nothing: an error anywhere in the list leaves every attribute as it was. */
static void a_bad_list_changes_nothing(void **state)
{
	uint8_t list[64];
	uint32_t len;

	(void)state;
	len = one(list, 0x0800, 1, "VENDOR  ", 8);
	put_be32(list, len - 4 + 6);
	memcpy(list + len, "\x08\x05\0\0\1\0", 6);
	assert_good(drive, write_list(0, list, len + 6));
	assert_int_equal(tape.nr_cas, 1);
	list[9] = 'X';
	list[len + 1] = 0x00; /* not ascending */
	assert_refused(list, len + 6, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(drive), len);
	list[len + 1] = 0x05;
	list[len + 4] = 2; /* more than is there */
	assert_refused(list, len + 6, ASC_PARAMETER_LIST_LENGTH_ERROR);
	list[len + 4] = 1;
	list[3]++; /* another length than the CDB's */
	assert_refused(list, len + 6, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_refused(list, 3, ASC_PARAMETER_LIST_LENGTH_ERROR);
	assert_attribute(0x0800, 0x01, "VENDOR  ", 8);
	/* read only, unknown, of another length, of another format */
	assert_refused(list, one(list, 0x0401, 1, "serial", 6),
		       ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_refused(list, one(list, 0x0003, 0, "12345678", 8),
		       ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_refused(list, one(list, 0x08ff, 0, "1", 1), ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_refused(list, one(list, 0x0800, 1, "short", 5), ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(drive), 7);
	assert_refused(list, one(list, 0x0800, 0, "VENDOR  ", 8),
		       ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(drive), 6);
	assert_good(drive, write_list(0, NULL, 0));
}

static void it_is_full_some_day(void **state)
{
	uint8_t value[MAM_ATTRIBUTE_MAX] = {1};
	unsigned id = 0x1400;

	(void)state;
	while (id < 0x1500 && !write_one((uint16_t)id, 0, value, sizeof(value)))
		id++;
	assert_int_equal(id - 0x1400, MAM_ROOM / (sizeof(value) + MAM_ENTRY));
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_AUXILIARY_MEMORY_OUT_OF_SPACE);
	assert_attribute(0x1400, 0x00, value, sizeof(value));
	assert_good(drive, write_one(0x1400, 0, NULL, 0));
	assert_good(drive, write_one((uint16_t)id, 0, value, sizeof(value)));
}

static void lists_of_what_there_is(void **state)
{
	(void)state;
	assert_good(drive, write_one(0x0806, 1, "0123456789abcdef0123456789abcdef", 32));
	assert_good(drive, read_attribute(1, 0, 0x0405, 65535));
	assert_int_equal(get_be32(drive->in), drive->in_len - 4);
	assert_int_equal(get_be16(drive->in + 4), 0x0405);
	assert_int_equal(get_be16(drive->in + drive->in_len - 2), 0x0806);
	/* supported, also where there are none */
	assert_good(drive, read_attribute(5, 0, 0x0800, 65535));
	assert_int_equal(get_be16(drive->in + 4), 0x0800);
	assert_int_equal(get_be16(drive->in + drive->in_len - 2), 0x0821);
	assert_good(drive, read_attribute(2, 0, 0, 65535));
	assert_memory_equal(drive->in, ((uint8_t[]){0, 2, 0, 1}), 4);
	assert_good(drive, read_attribute(3, 0, 0, 65535));
	assert_memory_equal(drive->in, ((uint8_t[]){0, 2, 0, 2}), 4);
	read_attribute(4, 0, 0, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* the allocation length cuts, the length in the data says how much there was */
	assert_good(drive, read_attribute(0, 0, 0, 65535));
	assert_true(drive->in_len > 100);
	assert_good(drive, read_attribute(0, 0, 0, 10));
	assert_int_equal(drive->in_len, 10);
	assert_true(get_be32(drive->in) > 100);
	/* logical volume 1 */
	COMMAND(drive, NULL, 0, 99, 0x8c, 0, 0, 0, 0, 1, 0, 0, 0, 0, B4(99), 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), 5);
}

/* GOOD means that it is on the cartridge; what can't be read or written is told. */
static void a_memory_that_fails(void **state)
{
	(void)state;
	tape.fail_cas = -EIO;
	write_one(0x0800, 1, "VENDOR  ", 8);
	assert_sense(drive, KEY_MEDIUM_ERROR, ASC_AUXILIARY_MEMORY_WRITE_ERROR);
	tape.fail_cas = 0;
	read_attribute(0, 0, 0x0800, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	/* TapeAlert knows, too: Hard error is flag 3 */
	assert_int_equal(number(0, 0x0002) >> 61 & 1, 1);
	assert_good(drive, write_one(0x0800, 1, "VENDOR  ", 8));
	tape.fail_get = -EIO;
	read_attribute(0, 0, 0, 65535);
	assert_sense(drive, KEY_MEDIUM_ERROR, ASC_AUXILIARY_MEMORY_READ_ERROR);
	tape.fail_get = 0;
	tape.blob[MAM_FIXED + 8] ^= 1;
	read_attribute(0, 0, 0, 65535);
	assert_sense(drive, KEY_MEDIUM_ERROR, ASC_AUXILIARY_MEMORY_READ_ERROR);
	write_one(0x0800, 1, "VENDOR  ", 8);
	assert_sense(drive, KEY_MEDIUM_ERROR, ASC_AUXILIARY_MEMORY_READ_ERROR);
	tape.blob[MAM_FIXED + 8] ^= 1;
	assert_attribute(0x0800, 0x01, "VENDOR  ", 8);
}

static uint8_t load(uint8_t in)
{
	return COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, in, 0);
}

static void loads_are_counted(void **state)
{
	static uint8_t data[4096];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		assert_good(drive, COMMAND(drive, data, 4096, 0, 0x0a, 0, 0, B2(4096), 0));
		tape.at = 0;
	}
	assert_int_equal(number(0, 0x0222), 1);
	assert_int_equal(number(0, 0x0220), 1);
	assert_good(drive, load(0));
	read_attribute(0, 0, 0, 65535);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	assert_good(drive, load(1));
	COMMAND(drive, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
	assert_int_equal(number(0, 0x0002), 0);
	assert_int_equal(number(0, 0x0003), 2);
	assert_int_equal(number(0, 0x0222), 0);
	assert_int_equal(number(0, 0x0220), 1);
	assert_int_equal(number(0, 0x0221), 0);
	assert_good(drive, read_attribute(0, 0, 0x020a, 65535));
	assert_memory_equal(find(0x020a), "\x02\x0a\x81\0\x28IET     beaf", 17);
	assert_memory_equal(find(0x020b), "\x02\x0b\x81\0\x28IET     beaf", 17);
	assert_null(find(0x020c));
}

static void a_write_protected_cartridge(void **state)
{
	(void)state;
	drive->lu->readonly = true;
	write_one(0x0800, 1, "VENDOR  ", 8);
	assert_sense(drive, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
	assert_good(drive, read_attribute(0, 0, 0, 65535));
	assert_int_equal(tape.nr_cas, 0);
}

static void a_store_that_keeps_no_memory_has_no_such_commands(void **state)
{
	(void)state;
	tape_module.descriptor.state = NULL;
	read_attribute(0, 0, 0, 65535);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	write_one(0x0800, 1, "VENDOR  ", 8);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	tape_module.descriptor.state = &tape_state;
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, new_drive, end_drive)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_drive_says_what_it_knows),
	    CASE(what_hosts_write_is_kept_with_the_cartridge),
	    CASE(some_belong_to_a_partition),
	    CASE(a_bad_list_changes_nothing),
	    CASE(it_is_full_some_day),
	    CASE(lists_of_what_there_is),
	    CASE(a_memory_that_fails),
	    CASE(loads_are_counted),
	    CASE(a_write_protected_cartridge),
	    CASE(a_store_that_keeps_no_memory_has_no_such_commands),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
