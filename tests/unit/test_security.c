/* SPDX-License-Identifier: MIT */
/* Tape data encryption (SSC-5, security protocol 20h): pages byte for byte, and whose key is used.
 */
#include "scsi/security.h"
#include "tape_fixture.h"

#define CAPS (TGT_BS_CAN_ENCRYPT)

static struct disk *drive;
static struct nexus other;
static struct tmf reset;

static void open_other(struct disk *d)
{
	/* TransportID of another initiator port */
	static const uint8_t id[12] = {0x45, 0, 0, 8, 'o', 't', 'h', 'e', 'r'};

	nexus_open(&other, fixture.target, id, sizeof(id));
	sem_post(&d->done);
}

static void other_closed(struct nexus *nexus)
{
	(void)nexus;
	sem_post(&drive->done);
}

static void close_other(struct disk *d)
{
	(void)d;
	nexus_close(&other, other_closed);
}

static void reset_done(struct tmf *tmf, enum tmf_response response)
{
	(void)tmf;
	assert_int_equal(response, TMF_COMPLETE);
	sem_post(&drive->done);
}

static void reset_unit(struct disk *d)
{
	memset(&reset, 0, sizeof(reset));
	reset.nexus = &fixture.nexus;
	reset.function = TMF_LOGICAL_UNIT_RESET;
	reset.done = reset_done;
	lun_encode(d->lu->lun, reset.lun);
	tmf_submit(&reset);
}

static uint8_t test_unit_ready(void)
{
	return COMMAND(drive, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
}

static int new_drive(void **state)
{
	(void)state;
	drive = tape_drive(CAPS);
	on_reactor(drive, open_other);
	fixture.from = &other;
	test_unit_ready();
	fixture.from = NULL;
	return 0;
}

static int end_drive(void **state)
{
	(void)state;
	fixture.from = NULL;
	if (other.id)
		on_reactor(drive, close_other);
	disk_close(drive);
	return 0;
}

static uint8_t in_page(uint16_t page)
{
	return COMMAND(drive, NULL, 0, 512, 0xa2, 0x20, B2(page), 0, 0, B4(512), 0, 0);
}

static uint8_t out_page(const void *list, uint32_t len)
{
	return COMMAND(drive, list, len, 0, 0xb5, 0x20, B2(PAGE_SET), 0, 0, B4(len), 0, 0);
}

/* A Set Data Encryption page with a key of 32 bytes key and a U-KAD, or without key. */
static uint8_t page[256];
static uint32_t make_page(uint8_t byte4, uint8_t byte5, uint8_t encrypt, uint8_t decrypt,
			  uint8_t key)
{
	uint32_t len = 20;

	memset(page, 0, sizeof(page));
	put_be16(page, PAGE_SET);
	page[4] = byte4;
	page[5] = byte5;
	page[6] = encrypt;
	page[7] = decrypt;
	if (key) {
		page[8] = SECURITY_ALGORITHM;
		put_be16(page + 18, 32);
		memset(page + 20, key, 32);
		memcpy(page + 52, "\0\0\0\5label\1\0\0\3own", 16);
		len = 68;
	}
	put_be16(page + 2, (uint16_t)(len - 4));
	return len;
}

static uint8_t set(uint8_t scope, uint8_t encrypt, uint8_t decrypt, uint8_t key)
{
	return out_page(page, make_page((uint8_t)(scope << 5), 0, encrypt, decrypt, key));
}

static uint8_t write_record(const char *text)
{
	uint32_t len = (uint32_t)strlen(text);

	return COMMAND(drive, text, len, 0, 0x0a, 0, 0, B2(len), 0);
}

static uint8_t read_record(void)
{
	return COMMAND(drive, NULL, 0, 5, 0x08, 0, 0, B2(5), 0);
}

#define assert_page(...)                                                                           \
	do {                                                                                       \
		const uint8_t want_[] = {__VA_ARGS__};                                             \
		assert_int_equal(drive->in_len, sizeof(want_));                                    \
		assert_memory_equal(drive->in, want_, sizeof(want_));                              \
	} while (0)

static void the_protocols_and_pages(void **state)
{
	(void)state;
	assert_good(drive, COMMAND(drive, NULL, 0, 512, 0xa2, 0, 0, 0, 0, 0, B4(512), 0, 0));
	assert_page(0, 0, 0, 0, 0, 0, 0, 2, 0x00, 0x20);
	assert_good(drive, COMMAND(drive, NULL, 0, 512, 0xa2, 0, 0, 1, 0, 0, B4(512), 0, 0));
	assert_page(0, 0, 0, 0);
	assert_good(drive, in_page(0x0000));
	assert_page(0, 0, 0, 16, 0, 0, 0, 1, 0, 0x10, 0, 0x11, 0, 0x12, 0, 0x20, 0, 0x21, 0, 0x30);
	assert_good(drive, in_page(0x0001));
	assert_page(0, 1, 0, 2, 0, 0x10);
	assert_good(drive, in_page(0x0010));
	assert_page(0, 0x10, 0, 40, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* algorithm: */
		    1, 0, 0, 20, 0xb5, 0x90, 0, 64, 0, 64, 0, 32, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		    0, 0x14);
	assert_good(drive, in_page(0x0011));
	assert_page(0, 0x11, 0, 1, 0);
	assert_good(drive, in_page(0x0012));
	assert_page(0, 0x12, 0, 12, 1, 7, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_good(drive, in_page(0x0030));
	assert_int_equal(drive->in_len, 36);
	in_page(0x0031);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), 2);
	COMMAND(drive, NULL, 0, 512, 0xa2, 0x21, 0, 0, 0, 0, B4(512), 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(drive), 1);
	/* INC_512: in units, and padded */
	assert_good(drive, COMMAND(drive, NULL, 0, 512, 0xa2, 0x20, 0, 0x20, 0x80, 0, B4(1), 0, 0));
	assert_int_equal(drive->in_len, 512);
	assert_good(drive, COMMAND(drive, NULL, 0, 9, 0xa2, 0x20, 0, 0x20, 0, 0, B4(9), 0, 0));
	assert_int_equal(drive->in_len, 9);
}

static void the_status_page(void **state)
{
	(void)state;
	assert_good(drive, in_page(PAGE_STATUS));
	assert_page(0, 0x20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	assert_good(drive, set(SCOPE_LOCAL, 2, 3, 'k'));
	assert_good(drive, in_page(PAGE_STATUS));
	assert_page(0, 0x20, 0, 36, 0x21, 2, 3, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		    0, 0, 0, 5, 'l', 'a', 'b', 'e', 'l', 1, 0, 0, 3, 'o', 'w', 'n');
	/* another's is none of its business */
	fixture.from = &other;
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in_len, 24);
	assert_int_equal(drive->in[4], 0);
	fixture.from = NULL;
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'k'));
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[4], 0x42);
	assert_int_equal(get_be32(drive->in + 8), 2);
	assert_good(drive, set(SCOPE_PUBLIC, 0, 0, 0));
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[4], 0x02);
}

static void records_are_kept_by_the_key(void **state)
{
	(void)state;
	assert_good(drive, write_record("plain"));
	assert_good(drive, set(SCOPE_LOCAL, 2, 2, 'k'));
	assert_good(drive, write_record("first"));
	assert_int_equal(tape.records[0].codec.flags, 0);
	assert_int_equal(tape.records[1].codec.flags, TGT_BS_CODEC_ENCRYPT);
	assert_int_equal(tape.records[1].codec.key[31], 'k');
	assert_int_equal(tape.records[1].codec.ukad_len, 5);
	assert_memory_equal(tape.records[1].codec.akad, "own", 3);
	tape.at = 1;
	assert_good(drive, read_record());
	assert_memory_equal(drive->in, "first", 5);
	tape.at = 0; /* decrypts, but not mixed */
	read_record();
	assert_sense(drive, KEY_DATA_PROTECT, ASC_UNENCRYPTED_DATA_ENCOUNTERED_WHILE_DECRYPTING);
	assert_good(drive, set(SCOPE_LOCAL, 0, 3, 'k'));
	assert_good(drive, read_record());
	assert_good(drive, read_record());
	/* another key, no key, another nexus */
	tape.at = 1;
	assert_good(drive, set(SCOPE_LOCAL, 2, 3, 'x'));
	read_record();
	assert_sense(drive, KEY_DATA_PROTECT, ASC_INCORRECT_DATA_ENCRYPTION_KEY);
	assert_good(drive, set(SCOPE_LOCAL, 0, 0, 0));
	read_record();
	assert_sense(drive, KEY_DATA_PROTECT, ASC_UNABLE_TO_DECRYPT_DATA);
	assert_good(drive, set(SCOPE_LOCAL, 2, 2, 'k'));
	fixture.from = &other;
	read_record();
	assert_sense(drive, KEY_DATA_PROTECT, ASC_UNABLE_TO_DECRYPT_DATA);
	tape.at = tape.count;
	assert_good(drive, write_record("other"));
	assert_int_equal(tape.records[2].codec.flags, 0);
}

static void a_key_for_all_and_who_is_told(void **state)
{
	(void)state;
	fixture.from = &other;
	assert_good(drive, in_page(PAGE_STATUS)); /* from now on it is told */
	fixture.from = NULL;
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'k'));
	assert_good(drive, test_unit_ready());
	fixture.from = &other;
	test_unit_ready();
	assert_sense(drive, KEY_UNIT_ATTENTION,
		     ASC_DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_ANOTHER_I_T_NEXUS);
	assert_good(drive, write_record("first"));
	assert_int_equal(tape.records[0].codec.flags, TGT_BS_CODEC_ENCRYPT);
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[4], 0x02); /* public scope, key of all */
	/* who has its own isn't concerned */
	assert_good(drive, set(SCOPE_LOCAL, 0, 0, 0));
	fixture.from = NULL;
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'n'));
	fixture.from = &other;
	assert_good(drive, test_unit_ready());
	assert_good(drive, write_record("plain"));
	assert_int_equal(tape.records[1].codec.flags, 0);
}

static void a_locked_nexus(void **state)
{
	(void)state;
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'k'));
	fixture.from = &other;
	assert_good(drive, out_page(page, make_page(0x01, 0, 0, 0, 0))); /* public, LOCK */
	assert_good(drive, write_record("first"));
	fixture.from = NULL;
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'n'));
	fixture.from = &other;
	test_unit_ready();
	write_record("never");
	assert_sense(drive, KEY_DATA_PROTECT, ASC_DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED);
	read_record();
	assert_sense(drive, KEY_DATA_PROTECT, ASC_DATA_ENCRYPTION_KEY_INSTANCE_COUNTER_HAS_CHANGED);
	assert_int_equal(tape.count, 1);
	assert_good(drive, out_page(page, make_page(0x00, 0, 0, 0, 0)));
	assert_good(drive, write_record("again"));
}

static void the_next_block(void **state)
{
	(void)state;
	assert_good(drive, in_page(PAGE_NEXT_BLOCK));
	assert_page(0, 0x21, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 0, 0, 0);
	assert_good(drive, write_record("plain"));
	assert_good(drive, set(SCOPE_LOCAL, 2, 2, 'k'));
	assert_good(drive, write_record("first"));
	tape.at = 0;
	assert_good(drive, in_page(PAGE_NEXT_BLOCK));
	assert_page(0, 0x21, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0x33, 0, 0, 0);
	tape.at = 1;
	assert_good(drive, in_page(PAGE_NEXT_BLOCK));
	assert_page(0, 0x21, 0, 28, 0, 0, 0, 0, 0, 0, 0, 1, 0x35, 1, 0, 0, 0, 1, 0, 5, 'l', 'a',
		    'b', 'e', 'l', 1, 3, 0, 3, 'o', 'w', 'n');
	fixture.from = &other;
	assert_good(drive, in_page(PAGE_NEXT_BLOCK));
	assert_int_equal(drive->in[12], 0x36);
	assert_int_equal(drive->in[26], 2); /* A-KAD, not checked */
	tape.out = true;
	in_page(PAGE_NEXT_BLOCK);
	assert_sense(drive, KEY_NOT_READY, ASC_MEDIUM_NOT_PRESENT);
	tape.out = false;
}

/* No key at all is left where nothing may be encrypted. */
static void assert_no_key(void)
{
	const uint8_t *at = (const void *)drive->lu->security;

	for (size_t i = 0; i + 4 <= sizeof(*drive->lu->security); i++)
		assert_true(memcmp(at + i, "kkkk", 4) != 0);
}

static void keys_go_with_the_cartridge(void **state)
{
	(void)state;
	assert_good(drive, out_page(page, make_page(SCOPE_ALL << 5, 0x04, 2, 2, 'k')));
	fixture.from = &other;
	assert_good(drive, out_page(page, make_page(SCOPE_LOCAL << 5, 0x00, 2, 2, 'n')));
	assert_good(drive, COMMAND(drive, NULL, 0, 0, 0x1b, 0, 0, 0, 0, 0));
	assert_no_key();
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[5], 2); /* without CKOD it stays */
	fixture.from = NULL;
	test_unit_ready();
	assert_sense(drive, KEY_UNIT_ATTENTION,
		     ASC_DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_ANOTHER_I_T_NEXUS);
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[5], 0);
	/* CKOD without a medium */
	out_page(page, make_page(SCOPE_ALL << 5, 0x04, 2, 2, 'k'));
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(drive), 5);
	assert_no_key();
}

static void keys_go_with_the_nexus_and_a_reset(void **state)
{
	(void)state;
	fixture.from = &other;
	assert_good(drive, set(SCOPE_LOCAL, 2, 2, 'k'));
	fixture.from = NULL;
	on_reactor(drive, close_other);
	other.id = 0;
	assert_no_key();
	assert_good(drive, set(SCOPE_ALL, 2, 2, 'k'));
	on_reactor(drive, reset_unit);
	assert_no_key();
	test_unit_ready();
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[5], 0);
}

static uint8_t persistent_out(uint8_t action, uint64_t key, uint64_t action_key)
{
	uint8_t list[24] = {0};

	put_be64(list, key);
	put_be64(list + 8, action_key);
	return COMMAND(drive, list, 24, 0, 0x5f, action, 0x03, 0, 0, B4(24), 0);
}

static void keys_go_with_the_reservation(void **state)
{
	(void)state;
	/* SSC-5: there must be one */
	out_page(page, make_page(SCOPE_ALL << 5, 0x01, 2, 2, 'k'));
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_good(drive, persistent_out(0, 0, 1));
	assert_good(drive, persistent_out(1, 1, 0));
	assert_good(drive, out_page(page, make_page(SCOPE_ALL << 5, 0x01, 2, 2, 'k')));
	assert_good(drive, persistent_out(2, 1, 0));
	assert_no_key();
	/* CKORP: by preemption only */
	assert_good(drive, persistent_out(1, 1, 0));
	assert_good(drive, out_page(page, make_page(SCOPE_ALL << 5, 0x02, 2, 2, 'k')));
	assert_good(drive, persistent_out(2, 1, 0));
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[5], 2);
	assert_good(drive, persistent_out(1, 1, 0));
	fixture.from = &other;
	assert_good(drive, persistent_out(0, 0, 2));
	assert_good(drive, persistent_out(4, 2, 1));
	assert_no_key();
}

static void assert_bad(uint32_t len, unsigned field)
{
	out_page(page, len);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	assert_int_equal(field_pointer(drive), field);
	assert_true(!drive->lu->security || !drive->lu->security->instance);
}

static void what_a_page_may_not_say(void **state)
{
	static const struct {
		uint8_t byte, value;
	} wrong[] = {{4, 3 << 5}, {5, 2 << 6}, {5, 0x10}, {5, 0x08}, {6, 1}, {6, 3},
		     {7, 1},      {7, 4},      {8, 0},    {8, 2},    {9, 1}, {19, 31}};
	uint32_t len;

	(void)state;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		len = make_page(SCOPE_LOCAL << 5, 0, 2, 2, 'k');
		page[wrong[i].byte] = wrong[i].value;
		assert_bad(len, wrong[i].byte == 19 ? 18 : wrong[i].byte);
	}
	len = make_page(SCOPE_LOCAL << 5, 0, 2, 2, 'k');
	page[52] = 2; /* a KAD that there is not */
	assert_bad(len, 52);
	page[52] = 1; /* twice the same */
	assert_bad(len, 61);
	page[52] = 0;
	page[54] = 0xff; /* longer than all */
	assert_bad(len, 54);
	page[54] = 0;
	page[64] = 4;
	assert_bad(len, 63);
	/* a key without a mode that needs one */
	len = make_page(SCOPE_LOCAL << 5, 0, 0, 0, 'k');
	assert_bad(len, 18);
}

static void lengths_and_page_codes(void **state)
{
	uint32_t len = make_page(SCOPE_LOCAL << 5, 0, 2, 2, 'k');
	static uint8_t padded[512];

	(void)state;
	out_page(page, len - 1);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	out_page(page, len + 1);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	out_page(page, 3);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH_ERROR);
	COMMAND(drive, page, 2048, 0, 0xb5, 0x20, 0, 0x10, 0, 0, B4(2048), 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(drive, page, len, 0, 0xb5, 0x20, 0, 0x11, 0, 0, B4(len), 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	COMMAND(drive, page, len, 0, 0xb5, 0x00, 0, 0, 0, 0, B4(len), 0, 0);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	page[1] = 0x11; /* another than the CDB's */
	out_page(page, len);
	assert_sense(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_PARAMETER_LIST);
	page[1] = 0x10;
	memcpy(padded, page, len);
	assert_good(drive,
		    COMMAND(drive, padded, 512, 0, 0xb5, 0x20, 0, 0x10, 0x80, 0, B4(1), 0, 0));
	assert_good(drive, out_page(NULL, 0));
	assert_good(drive, in_page(PAGE_STATUS));
	assert_int_equal(drive->in[5], 2);
}

static void a_store_that_can_not_encrypt(void **state)
{
	struct disk *plain;

	(void)state;
	plain = tape_drive(0);
	COMMAND(plain, NULL, 0, 512, 0xa2, 0x20, 0, 0, 0, 0, B4(512), 0, 0);
	assert_sense(plain, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(plain, page, 20, 0, 0xb5, 0x20, 0, 0x10, 0, 0, B4(20), 0, 0);
	assert_sense(plain, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	disk_close(plain);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, new_drive, end_drive)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(the_protocols_and_pages),
	    CASE(the_status_page),
	    CASE(records_are_kept_by_the_key),
	    CASE(a_key_for_all_and_who_is_told),
	    CASE(a_locked_nexus),
	    CASE(the_next_block),
	    CASE(keys_go_with_the_cartridge),
	    CASE(keys_go_with_the_nexus_and_a_reset),
	    CASE(keys_go_with_the_reservation),
	    CASE(what_a_page_may_not_say),
	    CASE(lengths_and_page_codes),
	    cmocka_unit_test(a_store_that_can_not_encrypt),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
