/* SPDX-License-Identifier: MIT */
/* Vital product data: SPC-5 7.7, SBC-4 6.6. */
#include "fake_tape.h"
#include "fake_task.h"
#include "fake_thresholds.h"

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};
static const struct command_set tape = {.device_type = 0x01, .name = "tape"};

static struct tgt_bs_geometry geometry;

struct tgt_bs_geometry store_geometry(const struct store *store)
{
	assert_ptr_equal(store, fake_lu.store);
	return geometry;
}

uint32_t store_capabilities(const struct store *store)
{
	(void)store;
	return TGT_BS_CAN_WRITE;
}

void lu_default_identity(const struct lu *lu, struct lu_identity *id)
{
	(void)lu;
	memset(id, 0, sizeof(*id));
	strcpy(id->scsi_sn, "beaf11");
}

uint8_t spc_peripheral(const struct scsi_task *t)
{
	return t->lu->commands->device_type;
}

uint32_t lu_max_transfer_blocks(const struct lu *lu)
{
	(void)lu;
	return 0x8000;
}

uint32_t lu_max_unmap_blocks(const struct lu *lu)
{
	(void)lu;
	return 0x12345;
}

uint64_t lu_max_write_same_blocks(const struct lu *lu)
{
	(void)lu;
	return UINT64_C(0x100000002);
}

uint32_t lu_max_caw_blocks(const struct lu *lu)
{
	(void)lu;
	return 0xfe;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_lu.commands = &disk;
	geometry = (struct tgt_bs_geometry){.struct_size = sizeof(geometry)};
	return 0;
}

static struct scsi_task *vpd(uint8_t page)
{
	memset(&said, 0, sizeof(said));
	fake_task = (struct scsi_task){.lu = &fake_lu, .nexus = &fake_nexus[0]};
	vpd_inquiry(&fake_task, page, 0x1234);
	return &fake_task;
}

/* Page code, and a length that is that of what follows. */
static void assert_page(uint8_t page, size_t length)
{
	assert_good(vpd(page));
	assert_int_equal(said.data[0], fake_lu.commands->device_type);
	assert_int_equal(said.data[1], page);
	assert_int_equal(get_be16(said.data + 2), length);
	assert_int_equal(said.len, length + 4);
	assert_int_equal(said.allocation, 0x1234);
}

static void test_supported(void **state)
{
	static const uint8_t want[] = {0x00, 0x80, 0x83, 0x86, 0x87, 0x88, 0xb0, 0xb1, 0xb2};
	uint8_t list[sizeof(want)];

	(void)state;
	assert_page(0x00, sizeof(want));
	assert_memory_equal(said.data + 4, want, sizeof(want));
	memcpy(list, said.data + 4, sizeof(list));
	for (unsigned page = 0; page < 256; page++) {
		if (memchr(list, (int)page, sizeof(list)))
			assert_good(vpd((uint8_t)page));
		else
			assert_invalid_cdb(vpd((uint8_t)page), 2, -1);
	}
}

static void test_tape_has_no_disk_pages(void **state)
{
	(void)state;
	fake_lu.commands = &tape;
	assert_good(vpd(0x00));
	assert_int_equal(said.len, 4 + 6);
	assert_invalid_cdb(vpd(0xb0), 2, -1);
}

static void test_serial(void **state)
{
	(void)state;
	assert_page(0x80, 36);
	assert_memory_equal(said.data + 4, "                              beaf11", 36);
	memset(fake_lu.id.scsi_sn, 'x', 36);
	assert_page(0x80, 36);
	assert_memory_equal(said.data + 4, fake_lu.id.scsi_sn, 36);
}

struct designator {
	uint8_t code_set, protocol, piv, association, type;
	size_t len;
	const uint8_t *text;
};

static unsigned designators(struct designator *out)
{
	unsigned count = 0;

	for (size_t at = 4; at < said.len; count++) {
		const uint8_t *d = said.data + at;

		out[count] = (struct designator){.code_set = d[0] & 0x0f,
						 .protocol = d[0] >> 4,
						 .piv = d[1] >> 7,
						 .association = d[1] >> 4 & 3,
						 .type = d[1] & 0x0f,
						 .len = d[3],
						 .text = d + 4};
		at += 4u + d[3];
		assert_true(at <= said.len);
	}
	return count;
}

static void test_identification(void **state)
{
	struct designator d[16];
	char name[24] = "naa.";

	(void)state;
	assert_good(vpd(0x83));
	assert_int_equal(get_be16(said.data + 2), said.len - 4);
	assert_int_equal(designators(d), 7);
	/* T10 vendor identification: as stgt had it, the SCSI ID in 36 bytes */
	assert_true(d[0].code_set == 2 && d[0].association == 0 && d[0].type == 1 && !d[0].piv);
	assert_int_equal(d[0].len, 36);
	assert_memory_equal(d[0].text, "IET     00010001\0\0\0\0", 20);
	/* NAA locally assigned */
	assert_true(d[1].code_set == 1 && d[1].association == 0 && d[1].type == 3);
	assert_int_equal(d[1].len, 8);
	assert_memory_equal(d[1].text, fake_lu.naa, 8);
	assert_int_equal(d[1].text[0] >> 4, 3);
	/* the same as a name, which Linux ranks above a T10 designator that two servers may share
	 */
	assert_true(d[2].type == 8 && d[2].code_set == 3 && d[2].association == 0 && !d[2].piv);
	assert_int_equal(d[2].len, 24);
	for (unsigned i = 0; i < 8; i++)
		snprintf(name + 4 + 2 * i, 3, "%02X", fake_lu.naa[i]);
	assert_string_equal((const char *)d[2].text, name);
	/* of the target port: number, group, name */
	for (unsigned i = 3; i < 6; i++)
		assert_true(d[i].association == 1 && d[i].piv && d[i].protocol == 5);
	assert_true(d[3].type == 4 && d[3].len == 4 && get_be32(d[3].text) == 1);
	assert_true(d[4].type == 5 && d[4].len == 4 && get_be32(d[4].text) == 1);
	assert_true(d[5].type == 8 && d[5].code_set == 3);
	assert_string_equal((const char *)d[5].text, "iqn.2026-01.org.example:disk1,t,0x0001");
	/* of the target device */
	assert_true(d[6].type == 8 && d[6].code_set == 3 && d[6].association == 2);
	assert_string_equal((const char *)d[6].text, "iqn.2026-01.org.example:disk1");
	for (unsigned i = 5; i < 7; i++)
		assert_int_equal(d[i].len % 4, 0);
}

/* The last ones that there can be. */
static void make_ports(unsigned count)
{
	uint16_t ids[TARGET_PORTS_MAX];

	for (unsigned i = 0; i < count; i++)
		ids[i] = (uint16_t)(65536 - count + i);
	fake_ports(ids, count);
}

static const uint8_t *assert_port(const uint8_t *at, uint16_t id, const char *name)
{
	assert_int_equal(get_be16(at + 2), id);
	assert_int_equal(get_be16(at + 6), 0); /* no initiator port */
	assert_int_equal(at[12] & 0x0f, 3);    /* UTF-8 */
	assert_int_equal(at[13], 0x98);        /* PIV, target port, SCSI name string */
	assert_int_equal(get_be16(at + 10), at[15] + 4);
	assert_string_equal((const char *)at + 16, name);
	return at + 12 + get_be16(at + 10);
}

static void test_scsi_ports(void **state)
{
	const uint8_t *at;

	(void)state;
	assert_page(0x88, 12 + 4 + 40);
	assert_port(said.data + 4, 1, "iqn.2026-01.org.example:disk1,t,0x0001");
	make_ports(2);
	assert_page(0x88, 2 * (12 + 4 + 40));
	at = assert_port(said.data + 4, 65534, "iqn.2026-01.org.example:disk1,t,0xfffe");
	at = assert_port(at, 65535, "iqn.2026-01.org.example:disk1,t,0xffff");
	assert_ptr_equal(at, said.data + said.len);
	fake_ports(NULL, 0);
}

static void test_most_scsi_ports_with_long_name(void **state)
{
	static char name[224];
	char *was = fake_target.name;

	(void)state;
	memset(name, 'n', 223);
	fake_target.name = name;
	make_ports(TARGET_PORTS_MAX);
	assert_page(0x88, TARGET_PORTS_MAX * (12 + 4 + 236));
	fake_target.name = was;
	fake_ports(NULL, 0);
}

/* The port is the one that the command came by. */
static void test_identification_by_port(void **state)
{
	struct designator d[16];

	(void)state;
	fake_nexus[0].relative_port = fake_nexus[0].portal_group = 0xabc;
	assert_good(vpd(0x83));
	assert_int_equal(designators(d), 7);
	assert_int_equal(get_be32(d[3].text), 0xabc);
	assert_int_equal(get_be32(d[4].text), 0xabc);
	assert_string_equal((const char *)d[5].text, "iqn.2026-01.org.example:disk1,t,0x0abc");
}

/* The longest name that there may be fits its designator. */
static void test_identification_of_long_name(void **state)
{
	static char name[224];
	struct designator d[16];
	char *was = fake_target.name;

	(void)state;
	memset(name, 'n', 223);
	fake_target.name = name;
	assert_good(vpd(0x83));
	fake_target.name = was;
	assert_int_equal(designators(d), 7);
	assert_int_equal(strlen((const char *)d[5].text), 223 + 9);
	assert_int_equal(d[5].len, 236);
	assert_int_equal(d[6].len, 224);
}

static void test_extended_inquiry(void **state)
{
	(void)state;
	assert_page(0x86, 0x3c);
	assert_int_equal(said.data[4], 0);    /* no protection information */
	assert_int_equal(said.data[5], 0x07); /* HEADSUP, ORDSUP, SIMPSUP */
	assert_int_equal(said.data[6], 0x00); /* V_SUP */
	assert_int_equal(said.data[8], 0x08); /* RTD_SUP */
	fake_lu.volatile_cache = true;
	assert_page(0x86, 0x3c);
	assert_int_equal(said.data[6], 0x01);
}

static void test_mode_page_policy(void **state)
{
	static const uint8_t want[] = {0x3f, 0xff, 0x00, 0x00};

	(void)state;
	assert_page(0x87, 4);
	assert_memory_equal(said.data + 4, want, 4);
}

static void test_block_limits(void **state)
{
	(void)state;
	fake_lu.optimal_xfer_gran = 8;
	fake_lu.optimal_xfer_len = 2048;
	assert_page(0xb0, 0x3c);
	assert_int_equal(said.data[4], 0x00);              /* WSNZ */
	assert_int_equal(said.data[5], 0xfe);              /* COMPARE AND WRITE */
	assert_int_equal(get_be16(said.data + 6), 8);      /* granularity */
	assert_int_equal(get_be32(said.data + 8), 0x8000); /* maximum transfer */
	assert_int_equal(get_be32(said.data + 12), 2048);  /* optimal transfer */
	for (unsigned i = 20; i < 36; i++)                 /* no UNMAP */
		assert_int_equal(said.data[i], 0);
	assert_true(get_be64(said.data + 36) == UINT64_C(0x100000002)); /* WRITE SAME */
}

static void test_block_limits_of_thin(void **state)
{
	(void)state;
	fake_lu.thin = true;
	assert_page(0xb0, 0x3c);
	assert_int_equal(get_be32(said.data + 20), 0x12345);
	assert_int_equal(get_be32(said.data + 24), SBC_MAX_UNMAP_DESCRIPTORS);
	assert_int_equal(get_be32(said.data + 28), 0); /* granularity not known */
	assert_int_equal(get_be32(said.data + 32), 0);
	geometry.discard_granularity = 4096;
	assert_page(0xb0, 0x3c);
	assert_int_equal(get_be32(said.data + 28), 8);
	assert_int_equal(get_be32(said.data + 32), 0x80000000); /* UGAVALID */
}

static void test_characteristics(void **state)
{
	(void)state;
	fake_lu.rotation_rate = 7200;
	assert_page(0xb1, 0x3c);
	assert_int_equal(get_be16(said.data + 4), 7200);
	assert_int_equal(said.data[7], 0);
	fake_lu.thin = true;
	assert_page(0xb1, 0x3c);
	assert_int_equal(said.data[7], 0x40); /* WABEREQ 01b: there is SANITIZE, BLOCK ERASE */
}

static void test_provisioning(void **state)
{
	static const uint8_t thick[4], thin[4] = {0, 0xe4, 0x02, 0};

	(void)state;
	assert_page(0xb2, 4);
	assert_memory_equal(said.data + 4, thick, 4);
	fake_lu.thin = true;
	assert_page(0xb2, 4);
	assert_memory_equal(said.data + 4, thin, 4);
	make_thin(&fake_lu); /* on a store that tells what it allocates: THRESHOLD EXPONENT */
	assert_page(0xb2, 4);
	assert_int_equal(said.data[4], FAKE_EXPONENT);
	fake_lu.thresholds = NULL;
}

static void be_a_drive(void)
{
	static int (*const tells)(void *store, struct tgt_bs_tape_info *info) =
	    (int (*)(void *, struct tgt_bs_tape_info *))(void *)store_tape_info;

	fake_make_tape(&fake_lu, 1 << 30, 0);
	fake_module.descriptor.tape_info = tells;
}

static void test_tape_pages(void **state)
{
	static const uint8_t supported[] = {0x00, 0x80, 0x83, 0x86, 0x87,
					    0x88, 0xb0, 0xb1, 0xb2, 0xb5};

	(void)state;
	be_a_drive();
	assert_page(0x00, sizeof(supported));
	assert_memory_equal(said.data + 4, supported, sizeof(supported));
}

/* SSC-5 Sequential-Access Device Capabilities: WORM, as the store has such cartridges; no TSMC */
static void test_tape_capabilities(void **state)
{
	(void)state;
	be_a_drive();
	assert_page(0xb0, 2);
	assert_int_equal(get_be16(said.data + 4), 0x0100);
	fake_module.descriptor.tape_info = NULL;
	assert_page(0xb0, 2);
	assert_int_equal(get_be16(said.data + 4), 0x0000);
}

/* SSC-5 Manufacturer-assigned Serial Number: also when the operator has given it another one */
static void test_tape_serial(void **state)
{
	(void)state;
	be_a_drive();
	strcpy(fake_lu.id.scsi_sn, "other");
	assert_page(0xb1, 6);
	assert_memory_equal(said.data + 4, "beaf11", 6);
}

/* SSC-5 TapeAlert Supported Flags: flag 1 is bit 7 of the first byte */
static void test_tape_alerts(void **state)
{
	static const uint8_t flags[] = {0x3c, 0xf0, 0x80, 0x02, 0, 0, 0, 0x10};

	(void)state;
	be_a_drive();
	assert_page(0xb2, sizeof(flags));
	assert_memory_equal(said.data + 4, flags, sizeof(flags));
}

/* SSC-5 Logical Block Protection: CRC32C of four bytes; LBP_W_C, LBP_R_C, no RBDP_C */
static void test_tape_protection(void **state)
{
	static const uint8_t is[] = {0, 0, 0, 0, 3, 2, 4, 0xc0};

	(void)state;
	be_a_drive();
	assert_page(0xb5, sizeof(is));
	assert_memory_equal(said.data + 4, is, sizeof(is));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_supported, setup),
	    cmocka_unit_test_setup(test_tape_has_no_disk_pages, setup),
	    cmocka_unit_test_setup(test_serial, setup),
	    cmocka_unit_test_setup(test_identification, setup),
	    cmocka_unit_test_setup(test_identification_of_long_name, setup),
	    cmocka_unit_test_setup(test_scsi_ports, setup),
	    cmocka_unit_test_setup(test_most_scsi_ports_with_long_name, setup),
	    cmocka_unit_test_setup(test_identification_by_port, setup),
	    cmocka_unit_test_setup(test_extended_inquiry, setup),
	    cmocka_unit_test_setup(test_mode_page_policy, setup),
	    cmocka_unit_test_setup(test_block_limits, setup),
	    cmocka_unit_test_setup(test_block_limits_of_thin, setup),
	    cmocka_unit_test_setup(test_characteristics, setup),
	    cmocka_unit_test_setup(test_provisioning, setup),
	    cmocka_unit_test_setup(test_tape_pages, setup),
	    cmocka_unit_test_setup(test_tape_capabilities, setup),
	    cmocka_unit_test_setup(test_tape_serial, setup),
	    cmocka_unit_test_setup(test_tape_alerts, setup),
	    cmocka_unit_test_setup(test_tape_protection, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
