/* SPDX-License-Identifier: MIT */
/* INQUIRY, REQUEST SENSE, REPORT LUNS and their like: SPC-5 clause 6. */
#include "fake_task.h"
#include "scsi/pr_shared.h"

static const struct command_set disk = {.device_type = 0x00, .name = "disk"};

static uint8_t vpd_page;

void vpd_inquiry(struct scsi_task *t, uint8_t page, uint16_t allocation_length)
{
	vpd_page = page;
	task_reply(t, &page, 1, allocation_length);
}

/* SAM-5 4.7: peripheral device addressing up to 255, flat space above. */
void lun_encode(uint32_t number, uint8_t lun[8])
{
	memset(lun, 0, 8);
	put_be16(lun, (uint16_t)(number < 256 ? number : 0x4000 | number));
}

uint16_t ua_take(struct ua_queue *queue)
{
	uint16_t asc = queue->asc[0];

	memmove(queue->asc, queue->asc + 1, sizeof(queue->asc) - sizeof(queue->asc[0]));
	queue->count--;
	return asc;
}

static bool shut_out;

bool pr_shared_is_current(const struct lu *lu)
{
	(void)lu;
	return !shut_out;
}

void ua_clear(struct ua_queue *queue, uint16_t asc)
{
	for (unsigned i = 0; i < queue->count; i++)
		if (queue->asc[i] == asc)
			queue->asc[i] = queue->asc[--queue->count];
}

static struct lun_map *map;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_lu.commands = &disk;
	shut_out = false;
	map = calloc(1, sizeof(*map) + 4 * sizeof(struct lu *));
	atomic_store(&fake_target.map, map);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&fake_target.map, NULL);
	free(map);
	return 0;
}

static struct scsi_task *run_on(struct lu *lu, const uint8_t *cdb)
{
	struct scsi_task *t = &fake_task;

	memset(&said, 0, sizeof(said));
	*t = (struct scsi_task){.lu = lu,
				.nexus = &fake_nexus[0],
				.itl = lu ? &fake_itl[0] : NULL,
				.row = fake_row(lu ? spc_rows : spc_no_lu_rows, cdb),
				.cdb_len = 16};
	memcpy(t->cdb, cdb, t->row->cdb_len);
	if (opcode_check_cdb(t))
		t->row->run(t);
	return t;
}

static struct scsi_task *inquiry(struct lu *lu, uint8_t evpd, uint8_t page)
{
	const uint8_t cdb[6] = {0x12, evpd, page, 0x01, 0x02};

	return run_on(lu, cdb);
}

static void test_inquiry(void **state)
{
	static const uint8_t want[] = {0x00, 0x00, 0x06, 0x32, 91, 0x10, 0x00, 0x02};

	(void)state;
	assert_good(inquiry(&fake_lu, 0, 0));
	assert_int_equal(said.len, 96);
	assert_int_equal(said.allocation, 0x0102);
	assert_memory_equal(said.data, want, sizeof(want));
	assert_memory_equal(said.data + 8, "IET     VIRTUAL-DISK    0001", 28);
	assert_int_equal(get_be16(said.data + 58), 0x00a0); /* SAM-5 */
	assert_int_equal(get_be16(said.data + 60), 0x0460); /* SPC-4 */
	assert_int_equal(get_be16(said.data + 62), 0x0960); /* iSCSI */
	assert_int_equal(get_be16(said.data + 64), 0x04c0); /* SBC-3 */
}

static void test_inquiry_removable_offline(void **state)
{
	(void)state;
	fake_lu.removable = true;
	fake_lu.online = false;
	assert_good(inquiry(&fake_lu, 0, 0));
	assert_int_equal(said.data[0], 0x20);
	assert_int_equal(said.data[1], 0x80);
}

static void test_inquiry_errors(void **state)
{
	(void)state;
	assert_invalid_cdb(inquiry(&fake_lu, 0, 0x80), 2, -1); /* a page without EVPD */
	assert_invalid_cdb(inquiry(&fake_lu, 2, 0), 1, 1);     /* CMDDT is no more */
	assert_good(inquiry(&fake_lu, 1, 0xb0));
	assert_int_equal(vpd_page, 0xb0);
}

static void test_inquiry_no_lu(void **state)
{
	static const uint8_t pages[] = {0x7f, 0x00, 0x00, 0x01, 0x00};

	(void)state;
	assert_good(inquiry(NULL, 0, 0));
	assert_int_equal(said.data[0], 0x7f);
	assert_int_equal(said.len, 96);
	assert_good(inquiry(NULL, 1, 0x00));
	assert_int_equal(said.len, sizeof(pages));
	assert_memory_equal(said.data, pages, sizeof(pages));
	assert_invalid_cdb(inquiry(NULL, 1, 0x83), 2, -1);
}

static struct scsi_task *request_sense(struct lu *lu, uint8_t desc)
{
	const uint8_t cdb[6] = {0x03, desc, 0, 0, 0xfc};

	return run_on(lu, cdb);
}

static void assert_reported(uint8_t key, uint16_t asc)
{
	assert_int_equal(said.data[0], 0x70);
	assert_int_equal(said.len, 18);
	assert_int_equal(said.data[2], key);
	assert_int_equal(get_be16(said.data + 12), asc);
}

static void test_request_sense_nothing(void **state)
{
	(void)state;
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x00, 0x0000);
	assert_good(request_sense(&fake_lu, 1));
	assert_int_equal(said.len, 8);
	assert_int_equal(said.data[0], 0x72);
}

/* A unit attention that is told so isn't told again. */
static void test_request_sense_unit_attention(void **state)
{
	(void)state;
	fake_itl[0].ua = (struct ua_queue){.asc = {0x2900, 0x2a01}, .count = 2};
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x06, 0x2900);
	assert_good(request_sense(&fake_lu, 1));
	assert_int_equal(said.data[1], 0x06);
	assert_int_equal(get_be16(said.data + 2), 0x2a01);
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x00, 0x0000);
}

static void test_request_sense_states(void **state)
{
	(void)state;
	fake_lu.started = false;
	request_sense(&fake_lu, 0);
	assert_reported(0x02, 0x0402);
	fake_lu.medium = false;
	request_sense(&fake_lu, 0);
	assert_reported(0x02, 0x3a00);
	fake_lu.store_online = false;
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x02, 0x0412);
	fake_lu.store_online = true;
	shut_out = true;
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x02, 0x0412);
	/* what the port refuses comes before what the unit does */
	fake_nexus[0].access_gate = ROW_STANDBY;
	fake_nexus[0].access_state = ACCESS_STANDBY;
	assert_good(request_sense(&fake_lu, 0));
	assert_reported(0x02, 0x040b);
	assert_good(request_sense(NULL, 0));
	assert_reported(0x05, 0x2500);
}

/* Nothing is said to be ready that other hosts may have shut this one out of. */
static void test_unit_ready(void **state)
{
	struct scsi_task *t = &fake_task;

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(&said, 0, sizeof(said));
		shut_out = i;
		*t = (struct scsi_task){.lu = &fake_lu, .row = spc_medium_rows};
		t->row->run(t);
		if (shut_out)
			assert_sense(t, 0x02, 0x0412);
		else
			assert_good(t);
	}
}

static struct scsi_task *report_luns(uint8_t select, uint32_t allocation)
{
	uint8_t cdb[12] = {0xa0, 0, select};

	put_be32(cdb + 6, allocation);
	return run_on(&fake_lu, cdb);
}

static void test_report_luns(void **state)
{
	static const uint8_t want[] = {0, 0, 0, 24, 0, 0, 0, 0, 0,    0, 0, 0, 0, 0, 0, 0,
				       0, 1, 0, 0,  0, 0, 0, 0, 0x41, 0, 0, 0, 0, 0, 0, 0};
	static struct lu zero, far = {.lun = 256};

	(void)state;
	map->count = 3;
	map->lus[0] = &zero;
	map->lus[1] = &fake_lu;
	map->lus[2] = &far;
	assert_good(report_luns(0, 0x10000));
	assert_int_equal(said.len, sizeof(want));
	assert_memory_equal(said.data, want, sizeof(want));
	assert_good(report_luns(2, 16));
	assert_int_equal(said.len, sizeof(want));
	assert_good(report_luns(1, 16)); /* well known ones: none */
	assert_int_equal(said.len, 8);
	assert_int_equal(get_be32(said.data), 0);
}

/* LUN 0 is in the list although nothing is there. */
static void test_report_luns_without_lun_0(void **state)
{
	(void)state;
	assert_good(report_luns(0, 16));
	assert_int_equal(get_be32(said.data), 8);
	map->count = 1;
	map->lus[0] = &fake_lu;
	assert_good(report_luns(0, 16));
	assert_int_equal(get_be32(said.data), 16);
	assert_int_equal(said.data[9], 0);
	assert_int_equal(said.data[17], 1);
}

static void test_report_luns_errors(void **state)
{
	(void)state;
	for (uint32_t allocation = 0; allocation < 16; allocation++)
		assert_invalid_cdb(report_luns(0, allocation), 6, -1);
	assert_invalid_cdb(report_luns(3, 16), 2, -1);
	assert_invalid_cdb(report_luns(0x10, 16), 2, -1);
}

static void test_report_luns_clears_luns_changed(void **state)
{
	(void)state;
	fake_itl[0].ua = (struct ua_queue){.asc = {0x3f0e, 0x2a01}, .count = 2};
	fake_itl[1].ua = (struct ua_queue){.asc = {0x3f0e}, .count = 1};
	assert_good(report_luns(0, 16));
	assert_int_equal(fake_itl[0].ua.count, 1);
	assert_int_equal(fake_itl[0].ua.asc[0], 0x2a01);
	assert_int_equal(fake_itl[1].ua.count, 1); /* another nexus */
}

/* 6.7.2 TPGS: 01b, and 11b when initiators may change the states too. */
static void test_inquiry_tpgs(void **state)
{
	(void)state;
	fake_ports((const uint16_t[]){1}, 1);
	assert_good(inquiry(&fake_lu, 0, 0));
	assert_int_equal(said.data[5], 0x10);
	fake_list.list.by_command = true;
	assert_good(inquiry(&fake_lu, 0, 0));
	assert_int_equal(said.data[5], 0x30);
	fake_ports(NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_inquiry),
	    TEST(test_inquiry_removable_offline),
	    TEST(test_inquiry_errors),
	    TEST(test_inquiry_no_lu),
	    TEST(test_inquiry_tpgs),
	    TEST(test_request_sense_nothing),
	    TEST(test_request_sense_unit_attention),
	    TEST(test_request_sense_states),
	    TEST(test_unit_ready),
	    TEST(test_report_luns),
	    TEST(test_report_luns_without_lun_0),
	    TEST(test_report_luns_errors),
	    TEST(test_report_luns_clears_luns_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
