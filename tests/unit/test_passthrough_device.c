/* SPDX-License-Identifier: MIT */
/* What the core adds to a device that is passed through: two nexuses, unit attentions, limits,
 * resets, what is answered here and what is refused. */
#include <unistd.h>

#include "scsi/passthrough.h"
#include "fakesg.h"
#include "module_fixture.h"
#include "temp_dir.h"

#define BLOCKS 4096
#define PATIENCE_MS 10000

static struct disk *device;
static struct fake_device *fake;
static struct nexus other;

static void open_other(struct disk *d)
{
	static const uint8_t id[4] = {0x05, 0, 0, 1};

	nexus_open(&other, fixture.target, id, sizeof(id));
	sem_post(&d->done);
}

static void other_closed(struct nexus *nexus)
{
	(void)nexus;
	sem_post(&device->done);
}

static void close_other(struct disk *d)
{
	(void)d;
	nexus_close(&other, other_closed);
}

/* Whose the next commands are. */
static void from(struct nexus *nexus)
{
	fixture.from = nexus;
}

static uint8_t test_unit_ready(void)
{
	return COMMAND(device, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
}

static int open_with(const char *name, const char *bsopts, uint32_t flags)
{
	const char *path = temp_file(name, BLOCKS * 512);

	fake = fakesg_device(path);
	if (fake)
		memset(fake->commands, 0, sizeof(fake->commands));
	device = module_open_with(store_find("sg"), path, bsopts, flags);
	fake = fakesg_device(path);
	memset(fake->commands, 0, sizeof(fake->commands));
	fake->ua = 0;
	on_reactor(device, open_other);
	from(&other);
	test_unit_ready(); /* takes the unit attention */
	from(NULL);
	return 0;
}

static int new_device(void **state)
{
	return open_with(*state ? *state : "disk.fakesg", NULL, 0);
}

static int new_keeper(void **state)
{
	(void)state;
	return open_with("disk.fakesg", "reservations=device", 0);
}

static int new_hasty(void **state)
{
	(void)state;
	return open_with("tape.fakesg", "timeout=7:long_timeout=100", 0);
}

static int new_read_only(void **state)
{
	(void)state;
	return open_with("tape.fakesg", NULL, TGT_BS_OPEN_READONLY);
}

static int end_device(void **state)
{
	(void)state;
	from(NULL);
	on_reactor(device, close_other);
	disk_close(device);
	return 0;
}

/* ---- unit attentions ---- */

static void have_attention(uint16_t asc)
{
	assert_good(device, COMMAND(device, NULL, 0, 0, 0xc0, 5, B2(asc), 0, 0, 0, 0, 0, 0));
}

#define assert_attention(code)                                                                     \
	do {                                                                                       \
		test_unit_ready();                                                                 \
		assert_sense(device, KEY_UNIT_ATTENTION, code);                                    \
	} while (0)

static void the_devices_unit_attention_reaches_each_nexus_once(void **state)
{
	(void)state;
	have_attention(0x2a09);
	from(&other);
	assert_attention(0x2a09); /* from the device */
	assert_good(device, test_unit_ready());
	from(NULL);
	/* it waits in spite of these */
	assert_good(device, COMMAND(device, NULL, 0, 36, 0x12, 0, 0, 0, 36, 0));
	assert_good(device, COMMAND(device, NULL, 0, 64, 0xa0, 0, 0, 0, 0, 0, B4(64), 0, 0));
	assert_attention(0x2a09); /* from the core */
	assert_good(device, test_unit_ready());
}

/* SPC-5 REQUEST SENSE: as parameter data, and that is once, too. */
static void request_sense_may_take_it(void **state)
{
	(void)state;
	have_attention(0x2800);
	assert_good(device, COMMAND(device, NULL, 0, 18, 0x03, 0, 0, 0, 18, 0));
	assert_int_equal(device->in[2], KEY_UNIT_ATTENTION);
	assert_int_equal(get_be16(device->in + 12), 0x2800);
	assert_good(device, test_unit_ready());
	from(&other);
	assert_good(device, COMMAND(device, NULL, 0, 18, 0x03, 0, 0, 0, 18, 0));
	assert_int_equal(device->in[2], KEY_UNIT_ATTENTION);
	assert_good(device, test_unit_ready());
}

/* Its target's logical units are none of ours. */
static void what_its_target_tells_is_not_told(void **state)
{
	(void)state;
	have_attention(ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
	assert_good(device, test_unit_ready());
	from(&other);
	assert_good(device, test_unit_ready());
}

/* SPC-5 6.13: the device sees one nexus, so the core tells the others. */
static void mode_select_is_told_to_others(void **state)
{
	static const uint8_t list[4];

	(void)state;
	assert_good(device, COMMAND(device, list, 4, 0, 0x15, 0x10, 0, 0, 4, 0));
	assert_good(device, test_unit_ready());
	from(&other);
	assert_attention(ASC_MODE_PARAMETERS_CHANGED);
}

/* ---- what may be sent again ---- */

static void fail_next(unsigned count, uint8_t host_status)
{
	assert_good(device, COMMAND(device, NULL, 0, 0, 0xc0, 7, (uint8_t)count, host_status, 0, 0,
				    0, 0, 0, 0));
}

static void what_changes_nothing_is_sent_again(void **state)
{
	(void)state;
	fail_next(1, 0x07);
	assert_good(device, COMMAND(device, NULL, 0, 512, 0x28, 0, B4(1), 0, B2(1), 0));
	assert_int_equal(fake->commands[0x28], 2);
	/* not for ever */
	fail_next(5, 0x07);
	COMMAND(device, NULL, 0, 512, 0x28, 0, B4(1), 0, B2(1), 0);
	assert_sense(device, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_FAILURE);
	assert_int_equal(fake->commands[0x28], 5);
}

static void what_writes_is_not(void **state)
{
	static const uint8_t data[512];

	(void)state;
	fail_next(1, 0x07);
	COMMAND(device, data, 512, 0, 0x2a, 0, B4(1), 0, B2(1), 0);
	assert_sense(device, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_FAILURE);
	fail_next(1, 0x08); /* a reset */
	COMMAND(device, data, 512, 0, 0x2a, 0, B4(1), 0, B2(1), 0);
	assert_sense(device, KEY_ABORTED_COMMAND, ASC_NO_ADDITIONAL_SENSE);
	assert_int_equal(fake->commands[0x2a], 2);
}

/* Reading moves a tape. */
static void nor_is_what_moves_a_position(void **state)
{
	(void)state;
	fail_next(1, 0x07);
	COMMAND(device, NULL, 0, 100, 0x08, 0, 0, B2(100), 0);
	assert_sense(device, KEY_ABORTED_COMMAND, ASC_LU_COMMUNICATION_FAILURE);
	assert_int_equal(fake->commands[0x08], 1);
}

/* ---- long transfers ---- */

#define LONG_BLOCKS 1500u /* in three parts */
static uint8_t data[LONG_BLOCKS * 512];

static void long_transfers_are_split(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 512 * 31 + i);
	assert_good(device, COMMAND(device, data, sizeof(data), 0, 0x2a, 0x08, B4(3), 0x05,
				    B2(LONG_BLOCKS), 0));
	assert_int_equal(device->task.transfer_length, sizeof(data));
	assert_int_equal(fake->commands[0x2a], 3);
	assert_int_equal(fake->last_cdb[1], 0x08); /* FUA: each part */
	assert_int_equal(get_be32(fake->last_cdb + 2), 3 + 1024);
	assert_int_equal(fake->last_cdb[6], 0x05);
	assert_int_equal(get_be16(fake->last_cdb + 7), LONG_BLOCKS - 1024);
	assert_good(device,
		    COMMAND(device, NULL, 0, sizeof(data), 0x88, 0, B8(3), B4(LONG_BLOCKS), 0, 0));
	assert_int_equal(fake->commands[0x88], 3);
	assert_int_equal(device->in_len, sizeof(data));
	assert_memory_equal(device->in, data, sizeof(data));
}

static uint32_t new_block_length;

static void forget_block_length(const uint8_t *cdb)
{
	if (cdb[0] == 0x28)
		atomic_store(&device->lu->passthrough->block_length, new_block_length);
}

/* Another nexus may learn that the medium is another one, or gone, while parts are under way. */
static void parts_keep_the_block_length_they_began_with(void **state)
{
	static const uint32_t lengths[] = {0, 4096};

	(void)state;
	assert_good(device,
		    COMMAND(device, data, sizeof(data), 0, 0x2a, 0, B4(3), 0, B2(LONG_BLOCKS), 0));
	for (unsigned i = 0; i < 2; i++) {
		new_block_length = lengths[i];
		fake->on_command = forget_block_length;
		fake->commands[0x28] = 0;
		assert_good(device, COMMAND(device, NULL, 0, sizeof(data), 0x28, 0, B4(3), 0,
					    B2(LONG_BLOCKS), 0));
		fake->on_command = NULL;
		assert_int_equal(fake->commands[0x28], 3);
		assert_int_equal(device->in_len, sizeof(data));
		assert_memory_equal(device->in, data, sizeof(data));
		atomic_store(&device->lu->passthrough->block_length, 512);
	}
}

/* Of what came before an error the initiator gets what there is. */
static void an_error_in_a_part_ends_it(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, sizeof(data), 0x28, 0, B4(BLOCKS - 600), 0, B2(LONG_BLOCKS), 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(fake->commands[0x28], 2);
	assert_int_equal(device->task.transfer_length, 512 * 512);
}

/* SPC-5 4.4.2.4.2: the field pointer is to the transfer length. */
static void what_cannot_be_split_is_refused(void **state)
{
	(void)state;
	/* protection information makes blocks longer */
	COMMAND(device, NULL, 0, sizeof(data), 0x28, 0x20, B4(0), 0, B2(LONG_BLOCKS), 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(device), 7);
	COMMAND(device, data, sizeof(data), 0, 0x9c, 0, B8(0), 0, 0, B2(LONG_BLOCKS), 0, 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(device), 10);
	assert_int_equal(fake->commands[0x28] + fake->commands[0x9c], 0);
}

/* RFC 7143 11.4.5.2: whole blocks of what is expected are moved, the rest is the residual. */
static void less_is_moved_when_less_is_expected(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 1024, 0x28, 0, B4(0), 0, B2(4), 0));
	assert_int_equal(device->in_len, 1024);
	assert_int_equal(device->task.transfer_length, 2048);
	assert_int_equal(get_be16(fake->last_cdb + 7), 2);
	/* a part of a block can be read, not written */
	for (unsigned i = 0; i < 1024; i++)
		data[i] = (uint8_t)(i * 5 + 1);
	assert_good(device, COMMAND(device, data, 1024, 0, 0x2a, 0, B4(0), 0, B2(2), 0));
	assert_good(device, COMMAND(device, NULL, 0, 700, 0x28, 0, B4(0), 0, B2(4), 0));
	assert_int_equal(device->in_len, 700);
	assert_memory_equal(device->in, data, 700);
	assert_int_equal(device->task.transfer_length, 2048);
	assert_good(device, COMMAND(device, NULL, 0, 200, 0x88, 0, B8(1), B4(1), 0, 0));
	assert_int_equal(device->in_len, 200);
	assert_memory_equal(device->in, data + 512, 200);
	memset(data, 0, 1024);
	assert_good(device, COMMAND(device, data, 700, 0, 0x2a, 0, B4(0), 0, B2(4), 0));
	assert_int_equal(device->task.transfer_length, 2048);
	assert_int_equal(get_be16(fake->last_cdb + 7), 1);
	assert_good(device, COMMAND(device, data, 200, 0, 0x2a, 0, B4(0), 0, B2(1), 0));
	assert_int_equal(device->task.transfer_length, 512);
	assert_int_equal(get_be16(fake->last_cdb + 7), 0);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x28, 0, B4(0), 0, B2(4), 0));
	assert_int_equal(get_be16(fake->last_cdb + 7), 0);
}

/* ---- INQUIRY ---- */

static void inquiry_is_put_right(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 36, 0x12, 0, 0, 0, 36, 0));
	assert_int_equal(device->in[3], 0x02 | 0x30); /* NORMACA, HISUP */
	assert_int_equal(device->in[5], 0x10);        /* TPGS; 3PC is gone */
	assert_int_equal(device->in[6], 0x00);        /* MULTIP is gone */
	assert_int_equal(device->in[7], 0x02);        /* CMDQUE */
}

static void designators_of_ports_are_the_targets(void **state)
{
	const uint8_t *page = device->in;
	bool naa = false, name = false;
	unsigned len;

	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 512, 0x12, 1, 0x83, 0x02, 0, 0));
	len = get_be16(page + 2);
	assert_int_equal(device->in_len, len + 4);
	for (unsigned at = 4; at < len + 4; at += 4u + page[at + 3]) {
		unsigned association = page[at + 1] >> 4 & 3;

		naa |= !association && page[at + 4] == 0x50 && page[at + 11] == 'a';
		name |= association == 2 && !memcmp(page + at + 4, "iqn.", 4);
		if (association) /* the device's own relative port is 7 */
			assert_int_not_equal(page[at + 7], 7);
	}
	assert_true(naa && name);
}

/* What an earlier command had in the same buffers goes to nobody else. */
static void a_page_without_bytes_is_an_empty_page(void **state)
{
	static const uint8_t pages[] = {0x00, 0x83};
	uint8_t secret[4096];

	(void)state;
	memset(secret, 0x5e, sizeof(secret));
	assert_good(device,
		    COMMAND(device, secret, sizeof(secret), 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0));
	fake->empty_pages = true;
	for (unsigned i = 0; i < 2; i++) {
		assert_good(device, COMMAND(device, NULL, 0, 512, 0x12, 1, pages[i], 2, 0, 0));
		assert_int_equal(device->in[0], 0);
		assert_int_equal(device->in[1], pages[i]);
		assert_int_equal(get_be16(device->in + 2) + 4, device->in_len);
	}
	fake->empty_pages = false;
}

/* The ports are the target's, whatever the device has. */
static void pages_about_its_ports_are_the_targets(void **state)
{
	static const uint8_t list[] = {0x00, 0x80, 0x83, 0x86, 0x88, 0xb0};

	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 64, 0x12, 1, 0x00, 0, 64, 0));
	assert_int_equal(get_be16(device->in + 2), sizeof(list));
	assert_memory_equal(device->in + 4, list, sizeof(list));
	assert_good(device, COMMAND(device, NULL, 0, 255, 0x12, 1, 0x88, 0, 255, 0));
	assert_int_equal(device->in[0], 0x00);
	assert_int_equal(device->in[1], 0x88);
	assert_int_equal(get_be16(device->in + 2) + 4, device->in_len);
	assert_int_equal(get_be16(device->in + 4 + 2), 1);
	assert_non_null(strstr((const char *)device->in + 4 + 16, ",t,0x0001"));
	COMMAND(device, NULL, 0, 64, 0x12, 1, 0x8f, 0, 64, 0); /* third-party copy */
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(device), 2);
}

static void block_limits_are_what_can_be_had(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 64, 0x12, 1, 0xb0, 0, 64, 0));
	assert_int_equal(get_be32(device->in + 8), FAKESG_MAX_TRANSFER / 512);
	assert_int_equal(get_be32(device->in + 12), FAKESG_MAX_TRANSFER / 512);
	assert_int_equal(device->in[5], 16);
}

/* ---- what the table says ---- */

static void third_parties_are_refused(void **state)
{
	(void)state;
	COMMAND(device, data, 16, 0, 0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, B4(16), 0, 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	COMMAND(device, data, 16, 0, 0xa4, 0x0a, 0, 0, 0, 0, B4(16), 0, 0); /* SET TPG */
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(fake->commands[0x83] + fake->commands[0xa4], 0);
}

/* SPC-5 6.34: the device's list, less what is refused, plus what the core has. */
static void supported_commands_are_those_of_both(void **state)
{
	unsigned len, reads = 0, copies = 0, reserves = 0;

	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 4096, 0xa3, 0x0c, 0, 0, 0, 0, B4(4096), 0, 0));
	len = get_be32(device->in) + 4;
	assert_int_equal(device->in_len, len);
	for (unsigned at = 4; at < len; at += 8) {
		reads += device->in[at] == 0x28;
		copies += device->in[at] == 0x83;
		reserves += device->in[at] == 0x5f;
	}
	assert_int_equal(reads, 1);
	assert_int_equal(copies, 0);
	assert_int_equal(reserves, 8);
	/* one: PERSISTENT RESERVE OUT, REGISTER is there, EXTENDED COPY isn't */
	assert_good(device, COMMAND(device, NULL, 0, 64, 0xa3, 0x0c, 2, 0x5f, 0, 0, B4(64), 0, 0));
	assert_int_equal(device->in[1] & 7, 3);
	assert_good(device, COMMAND(device, NULL, 0, 64, 0xa3, 0x0c, 3, 0x83, 0, 0, B4(64), 0, 0));
	assert_int_equal(device->in[1] & 7, 1);
}

static void reservations_are_kept_here(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x16, 0, 0, 0, 0, 0));
	assert_int_equal(fake->commands[0x16], 0);
	from(&other);
	COMMAND(device, NULL, 0, 512, 0x28, 0, B4(0), 0, B2(1), 0);
	assert_int_equal(device->task.status, STATUS_RESERVATION_CONFLICT);
}

static void of_reservations_the_device_hears_nothing(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 8, 0x5e, 0x1f, 0, 0, 0, 0, 0, B2(8), 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_int_equal(field_pointer(device), 1);
	assert_int_equal(fake->commands[0x5e], 0);
}

static void or_by_the_device(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 0, 0x16, 0, 0, 0, 0, 0);
	assert_int_equal(device->task.status, STATUS_RESERVATION_CONFLICT); /* its own */
	assert_int_equal(fake->commands[0x16], 1);
	COMMAND(device, NULL, 0, 8, 0x5e, 0, 0, 0, 0, 0, 0, B2(8), 0);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_INVALID_COMMAND_OPERATION_CODE);
	assert_int_equal(fake->commands[0x5e], 1);
}

/* SBC-3 5.10, PREVENT ALLOW MEDIUM REMOVAL: the medium stays while either nexus wants it to. */
static void removal_is_prevented_for_all(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	from(&other);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	assert_int_equal(fake->commands[0x1e], 2);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x1e, 0, 0, 0, 0, 0));
	assert_int_equal(fake->commands[0x1e], 2); /* not yet */
	from(NULL);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x1e, 0, 0, 0, 0, 0));
	assert_int_equal(fake->commands[0x1e], 3);
	assert_int_equal(fake->last_cdb[4], 0);
}

static void a_nexus_that_goes_lets_the_medium_go(void **state)
{
	(void)state;
	from(&other);
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x1e, 0, 0, 0, 1, 0));
	on_reactor(device, close_other);
	for (unsigned ms = 0; ms < PATIENCE_MS && fake->commands[0x1e] < 2; ms += 10)
		usleep(10000);
	assert_int_equal(fake->commands[0x1e], 2);
	assert_int_equal(fake->last_cdb[4], 0);
	on_reactor(device, open_other);
}

/* The ACA is the core's. */
static void naca_stays_here(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 512, 0x28, 0, B4(BLOCKS), 0, B2(1), 0x04);
	assert_sense(device, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
	assert_int_equal(fake->last_cdb[9], 0);
	test_unit_ready();
	assert_int_equal(device->task.status, STATUS_ACA_ACTIVE);
}

static void timeouts_are_by_command(void **state)
{
	(void)state;
	test_unit_ready();
	assert_int_equal(fake->last_timeout, 60000);
	COMMAND(device, NULL, 0, 0, 0x1b, 0, 0, 0, 1, 0);
	assert_int_equal(fake->last_timeout, 1200000);
	COMMAND(device, NULL, 0, 0, 0x04, 0, 0, 0, 0, 0);
	assert_int_equal(fake->last_timeout, 172800000);
}

static void and_by_option(void **state)
{
	(void)state;
	test_unit_ready();
	assert_int_equal(fake->last_timeout, 7000);
	COMMAND(device, NULL, 0, 0, 0x01, 0, 0, 0, 0, 0); /* REWIND */
	assert_int_equal(fake->last_timeout, 100000);
}

static void a_read_only_tape_can_be_positioned(void **state)
{
	(void)state;
	assert_good(device, COMMAND(device, NULL, 0, 0, 0x01, 0, 0, 0, 0, 0));
	COMMAND(device, data, 100, 0, 0x0a, 0, 0, B2(100), 0);
	assert_sense(device, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
}

/* SSC-5 7.6: the device's residual and its INFORMATION field, as they are. */
static void length_errors_of_a_tape_pass(void **state)
{
	(void)state;
	COMMAND(device, NULL, 0, 160, 0x08, 0, 0, B2(160), 0);
	assert_int_equal(device->task.status, STATUS_CHECK_CONDITION);
	assert_int_equal(device->task.sense[2], 0x20);
	assert_int_equal(information(device), 60);
	assert_int_equal(device->in_len, 100);
	assert_int_equal(device->task.transfer_length, 100);
}

/* ---- order ---- */

static void a_device_with_a_position_is_kept_in_order(void **state)
{
	(void)state;
	assert_true(device->lu->in_order);
}

static void a_disk_is_not(void **state)
{
	(void)state;
	assert_false(device->lu->in_order);
}

/* ---- resets ---- */

static enum tmf_response response;

static void tmf_done(struct tmf *tmf, enum tmf_response r)
{
	(void)tmf;
	response = r;
	sem_post(&device->done);
}

static void start_reset(struct disk *d)
{
	static struct tmf tmf;

	tmf = (struct tmf){
	    .nexus = &fixture.nexus,
	    .function = TMF_LOGICAL_UNIT_RESET,
	    .done = tmf_done,
	};
	lun_encode(d->lu->lun, tmf.lun);
	tmf_submit(&tmf);
}

static void a_reset_reaches_the_device(void **state)
{
	(void)state;
	fake->resets = 0;
	on_reactor(device, start_reset);
	assert_int_equal(response, TMF_COMPLETE);
	assert_int_equal(fake->resets, 1);
	/* told once, though the device tells it too */
	assert_attention(ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	assert_good(device, test_unit_ready());
	from(&other);
	assert_attention(ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	assert_good(device, test_unit_ready());
}

static void a_reset_that_fails_is_not_complete(void **state)
{
	(void)state;
	on_reactor(device, start_reset);
	assert_int_equal(response, TMF_REJECTED);
}

/* ---- a device that goes ---- */

static void wait_for_online(bool online)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && device->lu->store_online != online; ms += 10)
		usleep(10000);
	assert_int_equal(device->lu->store_online, online);
}

static void it_goes_and_comes_back(void **state)
{
	(void)state;
	fakesg_plug(fake, false);
	test_unit_ready();
	assert_int_equal(device->sense_key, KEY_NOT_READY);
	wait_for_online(false);
	test_unit_ready();
	assert_sense(device, KEY_NOT_READY, ASC_LU_NOT_READY_OFFLINE);
	/* SPC-5 6.7.1: it says what there would be */
	assert_good(device, COMMAND(device, NULL, 0, 36, 0x12, 0, 0, 0, 36, 0));
	assert_int_equal(device->in[0], 0x20);
	assert_memory_equal(device->in + 8, "FAKE    SCSI DISK", 17);
	pthread_mutex_lock(&fakesg_lock);
	fake->ua = 0x2900;
	pthread_mutex_unlock(&fakesg_lock);
	fakesg_plug(fake, true);
	wait_for_online(true);
	assert_attention(ASC_POWER_ON_RESET);
	assert_good(device, test_unit_ready());
	from(&other);
	assert_attention(ASC_POWER_ON_RESET);
	assert_good(device, test_unit_ready());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_device, end_device)
#define TEST_WITH(name, setup) cmocka_unit_test_setup_teardown(name, setup, end_device)
#define TEST_ON(name, node)                                                                        \
	cmocka_unit_test_prestate_setup_teardown(name, new_device, end_device,                     \
						 (char *)(uintptr_t)(node))

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_devices_unit_attention_reaches_each_nexus_once),
	    TEST(request_sense_may_take_it),
	    TEST(what_its_target_tells_is_not_told),
	    TEST(mode_select_is_told_to_others),
	    TEST(what_changes_nothing_is_sent_again),
	    TEST(what_writes_is_not),
	    TEST_ON(nor_is_what_moves_a_position, "tape.fakesg"),
	    TEST(long_transfers_are_split),
	    TEST(parts_keep_the_block_length_they_began_with),
	    TEST(an_error_in_a_part_ends_it),
	    TEST(what_cannot_be_split_is_refused),
	    TEST(less_is_moved_when_less_is_expected),
	    TEST(inquiry_is_put_right),
	    TEST(designators_of_ports_are_the_targets),
	    TEST(a_page_without_bytes_is_an_empty_page),
	    TEST(pages_about_its_ports_are_the_targets),
	    TEST(block_limits_are_what_can_be_had),
	    TEST(third_parties_are_refused),
	    TEST(supported_commands_are_those_of_both),
	    TEST(reservations_are_kept_here),
	    TEST(of_reservations_the_device_hears_nothing),
	    TEST_WITH(or_by_the_device, new_keeper),
	    TEST(removal_is_prevented_for_all),
	    TEST(a_nexus_that_goes_lets_the_medium_go),
	    TEST(naca_stays_here),
	    TEST(timeouts_are_by_command),
	    TEST_WITH(and_by_option, new_hasty),
	    TEST_WITH(a_read_only_tape_can_be_positioned, new_read_only),
	    TEST_ON(length_errors_of_a_tape_pass, "tape.fakesg"),
	    TEST_ON(a_device_with_a_position_is_kept_in_order, "tape.fakesg"),
	    TEST(a_disk_is_not),
	    TEST(a_reset_reaches_the_device),
	    TEST_ON(a_reset_that_fails_is_not_complete, "disk.fakebsg"),
	    TEST(it_goes_and_comes_back),
	};

	return cmocka_run_group_tests(tests, start, end);
}
