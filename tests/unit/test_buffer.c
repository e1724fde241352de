/* SPDX-License-Identifier: MIT */
/* READ BUFFER(10) and WRITE BUFFER (SPC-5). */
#include "disk_fixture.h"

#define CAPACITY 65536u
#define ECHO 1024u
#define B3(v) (uint8_t)((v) >> 16), B2(v)

static const struct mem_config config = {.size = 1 << 20, .block_size = 512, .caps = CAPS_PLAIN};
static uint8_t bytes[CAPACITY + 4];

static uint8_t read_buffer(struct disk *d, uint8_t mode, uint8_t id, uint32_t offset, uint32_t len)
{
	return COMMAND(d, NULL, 0, len, 0x3c, mode, id, B3(offset), B3(len), 0);
}

static uint8_t write_buffer(struct disk *d, uint8_t mode, uint8_t id, uint32_t offset,
			    const void *data, uint32_t len)
{
	return COMMAND(d, data, len, 0, 0x3b, mode, id, B3(offset), B3(len), 0);
}

static void fill(uint8_t seed)
{
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + seed + (i >> 8));
}

static void the_descriptor_tells_the_capacity(void **state)
{
	static const uint8_t want[4] = {0, B3(CAPACITY)}, none[4];
	struct disk *d = disk_open(&config);

	(void)state;
	assert_good(d, read_buffer(d, 3, 0, 0, 4));
	assert_memory_equal(d->in, want, 4);
	assert_good(d, read_buffer(d, 3, 1, 0, 4)); /* one that there isn't */
	assert_memory_equal(d->in, none, 4);
	assert_good(d, read_buffer(d, 0x0b, 0, 0, 4));
	assert_int_equal(d->in[0], 1); /* EBOS */
	assert_int_equal(get_be16(d->in + 2), ECHO);
	disk_close(d);
}

static void data_come_back(void **state)
{
	struct disk *d = disk_open(&config);

	(void)state;
	assert_good(d, read_buffer(d, 2, 0, 0, 1 << 17)); /* before: zeroes, all there is */
	assert_int_equal(d->in_len, CAPACITY);
	assert_int_equal(d->in[0] | d->in[CAPACITY - 1], 0);
	fill(1);
	assert_good(d, write_buffer(d, 2, 0, 0, bytes, CAPACITY));
	assert_good(d, read_buffer(d, 2, 0, 0, CAPACITY));
	assert_int_equal(d->in_len, CAPACITY);
	assert_memory_equal(d->in, bytes, CAPACITY);
	assert_good(d, read_buffer(d, 2, 0, 1000, 10));
	assert_memory_equal(d->in, bytes + 1000, 10);
	assert_good(d, write_buffer(d, 2, 0, CAPACITY - 3, "abc", 3));
	assert_good(d, read_buffer(d, 2, 0, CAPACITY - 4, 100));
	assert_int_equal(d->in_len, 4);
	assert_memory_equal(d->in + 1, "abc", 3);
	assert_good(d, write_buffer(d, 2, 0, 0, NULL, 0));
	assert_good(d, read_buffer(d, 2, 0, CAPACITY, 10));
	assert_int_equal(d->in_len, 0);
	disk_close(d);
}

static void combined_has_a_header(void **state)
{
	static const uint8_t header[4] = {0, B3(CAPACITY)};
	struct disk *d = disk_open(&config);

	(void)state;
	fill(2);
	assert_good(d, write_buffer(d, 0, 0, 0, bytes, 4 + CAPACITY));
	assert_good(d, read_buffer(d, 0, 0, 0, 4 + CAPACITY));
	assert_int_equal(d->in_len, 4 + CAPACITY);
	assert_memory_equal(d->in, header, 4);
	assert_memory_equal(d->in + 4, bytes + 4, CAPACITY);
	assert_good(d, write_buffer(d, 0, 0, 0, "abc", 3)); /* not even the header */
	assert_good(d, read_buffer(d, 2, 0, 0, CAPACITY));
	assert_memory_equal(d->in, bytes + 4, CAPACITY);
	disk_close(d);
}

static void the_echo_is_as_long_as_it_was(void **state)
{
	struct disk *d = disk_open(&config);

	(void)state;
	read_buffer(d, 0x0a, 0, 0, 10); /* before anything was written */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_COMMAND_SEQUENCE_ERROR);
	fill(3);
	assert_good(d, write_buffer(d, 0x0a, 9, 77, bytes, ECHO)); /* ID and offset don't count */
	assert_good(d, read_buffer(d, 0x0a, 0, 0, 4096));
	assert_int_equal(d->in_len, ECHO);
	assert_memory_equal(d->in, bytes, ECHO);
	assert_good(d, write_buffer(d, 0x0a, 0, 0, "hello", 5));
	assert_good(d, read_buffer(d, 0x0a, 0, 0, 4096));
	assert_int_equal(d->in_len, 5);
	assert_memory_equal(d->in, "hello", 5);
	assert_good(d, read_buffer(d, 2, 0, 0, 1)); /* the data buffer is another one */
	assert_int_equal(d->in[0], 0);
	disk_close(d);
}

static void what_there_is_not_is_refused(void **state)
{
	static const uint8_t modes[] = {1, 4, 5, 6, 7, 0x0d, 0x0e, 0x0f, 0x1a, 0x1c};
	struct disk *d = disk_open(&config);

	(void)state;
	for (unsigned i = 0; i < sizeof(modes); i++) {
		write_buffer(d, modes[i], 0, 0, bytes, 512); /* microcode, among others */
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
		assert_int_equal(field_pointer(d), 1);
		read_buffer(d, modes[i], 0, 0, 512);
		assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	}
	write_buffer(d, 3, 0, 0, bytes, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	write_buffer(d, 2, 1, 0, bytes, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 2);
	read_buffer(d, 2, 1, 0, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	read_buffer(d, 2, 0, CAPACITY + 1, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 3);
	write_buffer(d, 2, 0, CAPACITY - 3, bytes, 4);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(d), 6);
	write_buffer(d, 2, 0, 0xffffff, bytes, 1);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	write_buffer(d, 0x0a, 0, 0, bytes, ECHO + 1);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(d, bytes, 4, 0, 0x3b, 2, 0, B3(0), B3(8), 0); /* less than it says */
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	disk_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_descriptor_tells_the_capacity),
	    cmocka_unit_test(data_come_back),
	    cmocka_unit_test(combined_has_a_header),
	    cmocka_unit_test(the_echo_is_as_long_as_it_was),
	    cmocka_unit_test(what_there_is_not_is_refused),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
