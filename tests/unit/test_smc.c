/* SPDX-License-Identifier: MIT */
/* What a media changer tells, byte for byte (SMC-3): element status data and the mode pages. */
#include "changer_fixture.h"
#include "scsi/smc.h"

static void fill(struct disk *d)
{
	struct changer *c = d->lu->changer;

	assert_null(changer_add(c, ELEMENT_TRANSPORT, 1, 1));
	assert_null(changer_add(c, ELEMENT_MAIL, 0x10, 1));
	assert_null(changer_add(c, ELEMENT_DRIVE, 0x100, 1));
	assert_null(changer_add(c, ELEMENT_STORAGE, 0x3ff, 2));
	at(0x100)->has_drive = true;
	strcpy(at(0x100)->device_id, "IET     VIRTUAL-TAPE    1");
	assert_null(changer_insert(at(0x10), "M1", ""));
	assert_null(changer_insert(at(0x400), "A00001L8", "TAG"));
	assert_null(changer_insert(at(0x3ff), "B2", ""));
	changer_carry(at(0x400), at(0x100));
	smc_elements_changed(d->lu);
	post(d);
}

static int start(void **state)
{
	(void)state;
	changer_open(fill);
	return 0;
}

static int end(void **state)
{
	(void)state;
	disk_close(unit);
	return 0;
}

/* What comes is this and no more. */
static void assert_data(const void *expected, size_t length)
{
	assert_int_equal(unit->in_len, length);
	assert_memory_equal(unit->in, expected, length);
}

/* Header, then a page for each type, in order of addresses. */
static const uint8_t all_elements[] = {
    0, 0x01, 0, 5, 0, 0, 0, 8 + 16 + 8 + 16 + 8 + 16 + 8 + 32,
#define PAGE(type, bytes) (type), 0, 0, 16, 0, 0, 0, (bytes)
#define ELEMENT(address, flags, svalid, source)                                                    \
	B2(address), (flags), 0, 0, 0, 0, 0, 0, (svalid), B2(source), 0, 0, 0, 0
    /* medium transport: nothing in it, and it is no place to be reached */
    PAGE(1, 16), ELEMENT(0x001, 0x00, 0, 0),
    /* import/export: INENAB, EXENAB, ACCESS, IMPEXP, FULL */
    PAGE(3, 16), ELEMENT(0x010, 0x3b, 0, 0),
    /* data transfer: ACCESS, FULL; SVALID, and the element that it was moved from */
    PAGE(4, 16), ELEMENT(0x100, 0x09, 0x80, 0x400),
    /* storage: a full one, an empty one */
    PAGE(2, 32), ELEMENT(0x3ff, 0x09, 0, 0), ELEMENT(0x400, 0x08, 0, 0)};

static void element_status(void **state)
{
	(void)state;
	assert_good(unit,
		    COMMAND(unit, NULL, 0, 4096, 0xb8, 0, 0, 0, 0xff, 0xff, 0, 0, 0x10, 0, 0, 0));
	assert_data(all_elements, sizeof(all_elements));
}

/* VOLTAG: 32 characters and a sequence number behind byte 11; DVCID: the drive's designator. */
static void with_tag_and_identifier(void **state)
{
	uint8_t expected[8 + 8 + 12 + 36 + 4 + 64] = {
	    0x01, 0x00, 0x00, 0x01, 0,    0x00, 0x00, 124, 0x04, 0x80, 0x00, 116,  0,    0x00,
	    0x00, 116,  0x01, 0x00, 0x09, 0,    0,    0,   0,    0,    0,    0x80, 0x04, 0x00};
	uint8_t *tag = expected + 28, *identifier = tag + 36;

	(void)state;
	memset(tag, ' ', 32);
	memcpy(tag, "TAG", 3);
	identifier[0] = 0x02; /* ASCII */
	identifier[1] = 0x01; /* T10 vendor ID */
	identifier[3] = 25;
	memcpy(identifier + 4, "IET     VIRTUAL-TAPE    1", 25);
	assert_good(unit, COMMAND(unit, NULL, 0, 4096, 0xb8, 0x14, 0, 0, 0xff, 0xff, 0x01, 0, 0x10,
				  0, 0, 0));
	assert_data(expected, sizeof(expected));
}

/* An empty element with VOLTAG: the field is there, and nothing in it. */
static void an_empty_tag(void **state)
{
	static const uint8_t expected[8 + 8 + 12 + 36 + 4] = {
	    0x04, 0x00, 0x00, 0x01, 0,    0x00, 0x00, 60,   0x02, 0x80,
	    0x00, 52,   0,    0x00, 0x00, 52,   0x04, 0x00, 0x08};

	(void)state;
	assert_good(unit, COMMAND(unit, NULL, 0, 4096, 0xb8, 0x12, 0x04, 0x00, 0xff, 0xff, 0, 0,
				  0x10, 0, 0, 0));
	assert_data(expected, sizeof(expected));
}

static void assert_page(uint8_t page, const uint8_t *expected, size_t length)
{
	/* DBD: no block descriptors, which a changer hasn't */
	assert_good(unit, COMMAND(unit, NULL, 0, 255, 0x1a, 0x08, page, 0, 255, 0));
	assert_int_equal(unit->in_len, 4 + length);
	assert_int_equal(unit->in[0], 3 + length);
	assert_int_equal(unit->in[3], 0);
	assert_memory_equal(unit->in + 4, expected, length);
	/* nothing of them can be changed */
	assert_good(unit, COMMAND(unit, NULL, 0, 255, 0x1a, 0x08, 0x40 | page, 0, 255, 0));
	assert_int_equal(unit->in_len, 4 + length);
	assert_memory_equal(unit->in + 4, expected, 2);
	for (size_t i = 2; i < length; i++)
		assert_int_equal(unit->in[4 + i], 0);
}

static void mode_pages(void **state)
{
	/* first address and number of transport, storage, import/export, data transfer elements */
	static const uint8_t assignment[20] = {0x1d, 18,   0x00, 0x01, 0x00, 0x01, 0x03,
					       0xff, 0x00, 0x02, 0x00, 0x10, 0x00, 0x01,
					       0x01, 0x00, 0x00, 0x01, 0,    0};
	/* ROTATE 0, the only member of its set */
	static const uint8_t geometry[4] = {0x1e, 2, 0x00, 0x00};
	/* DT, I/E, ST store; moves and exchanges by source: MT, ST, I/E, DT */
	static const uint8_t capabilities[20] = {0x1f, 18,   0x0e, 0, 0x00, 0x0e, 0x0e,
						 0x0e, 0,    0,    0, 0,    0x00, 0x0e,
						 0x0e, 0x0e, 0,    0, 0,    0};

	(void)state;
	assert_page(0x1d, assignment, sizeof(assignment));
	assert_page(0x1e, geometry, sizeof(geometry));
	assert_page(0x1f, capabilities, sizeof(capabilities));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(element_status),
	    TEST(with_tag_and_identifier),
	    TEST(an_empty_tag),
	    TEST(mode_pages),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
