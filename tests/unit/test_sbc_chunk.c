/* SPDX-License-Identifier: MIT */
/* Read-modify-write and compare-and-write among commands that run at once. */
#include "disk_fixture.h"

#define MIB (1u << 20)
#define TASKS 64

static const struct mem_config coarse = {
    .size = MIB, .block_size = 512, .alignment = 4096, .caps = CAPS_PLAIN};
static const struct mem_config plain = {.size = MIB, .block_size = 512, .caps = CAPS_PLAIN};

/* One of many commands that are handed over in one turn of the reactor. */
struct one {
	struct scsi_task task;
	uint8_t module_data[64] __attribute__((aligned(16)));
	uint8_t data[1024];
};

static struct one ones[TASKS];
static struct disk *disk;
static unsigned nr_done;

static void fill(struct scsi_task *t)
{
	struct one *one = container_of(t, struct one, task);

	databuf_write(&t->data, 0, one->data, t->data.length);
	scsi_task_data_in(t);
}

static void done(struct scsi_task *t)
{
	scsi_task_release(t);
	if (++nr_done == TASKS)
		post(disk);
}

static const struct task_ops ops = {.want_data = fill, .done = done};

static void submit_all(struct disk *d)
{
	(void)d;
	for (unsigned i = 0; i < TASKS; i++)
		scsi_task_submit(&ones[i].task);
}

static void prepare_one(unsigned i, const uint8_t cdb[16], uint32_t out_len)
{
	struct scsi_task *t = &ones[i].task;

	memset(t, 0, sizeof(*t));
	t->module_data = ones[i].module_data;
	t->nexus = &fixture.nexus;
	t->ops = &ops;
	t->attribute = ATTR_SIMPLE;
	memcpy(t->cdb, cdb, 16);
	t->cdb_len = 16;
	t->expected_out = out_len;
	lun_encode(disk->lu->lun, t->lun);
}

static void run_all(void)
{
	nr_done = 0;
	on_reactor(disk, submit_all);
}

/* Each writes one block of the same few units, which the store takes whole only. */
static void writes_of_neighbours_lose_nothing(void **state)
{
	(void)state;
	disk = disk_open(&coarse);
	memset(disk->data, 0xee, MIB);
	for (unsigned i = 0; i < TASKS; i++) {
		uint32_t lba = 3 + i;
		const uint8_t cdb[16] = {0x8a, 0, B8(lba), B4(1)};

		prepare_one(i, cdb, 512);
		memset(ones[i].data, (int)(i + 1), 512);
	}
	run_all();
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(ones[i].task.status, STATUS_GOOD);
	for (unsigned i = 0; i < MIB; i++) {
		unsigned block = i / 512;

		assert_int_equal(disk->data[i],
				 block >= 3 && block < 3 + TASKS ? block - 3 + 1 : 0xee);
	}
	disk_close(disk);
}

/* All compare with the same and write another thing: one of them wins. */
static void only_one_compare_and_write_wins(void **state)
{
	const struct mem_config *configs[] = {&plain, &coarse};

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		unsigned won = 0, winner = 0;

		disk = disk_open(configs[c]);
		for (unsigned i = 0; i < TASKS; i++) {
			const uint8_t cdb[16] = {0x89, 0, B8(5), 0, 0, 0, 1};

			prepare_one(i, cdb, 1024);
			memset(ones[i].data, 0, 512);
			memset(ones[i].data + 512, (int)(i + 1), 512);
		}
		run_all();
		for (unsigned i = 0; i < TASKS; i++) {
			if (ones[i].task.status == STATUS_GOOD) {
				won++;
				winner = i;
			} else {
				assert_int_equal(ones[i].task.sense[2] & 0xf, KEY_MISCOMPARE);
			}
		}
		assert_int_equal(won, 1);
		assert_int_equal(disk->data[5 * 512], winner + 1);
		assert_int_equal(disk->data[6 * 512 - 1], winner + 1);
		disk_close(disk);
	}
}

/* Each sets one bit of the same block. */
static void every_orwrite_counts(void **state)
{
	(void)state;
	disk = disk_open(&coarse);
	for (unsigned i = 0; i < TASKS; i++) {
		const uint8_t cdb[16] = {0x8b, 0, B8(9), B4(1)};

		prepare_one(i, cdb, 512);
		memset(ones[i].data, 0, 512);
		ones[i].data[i / 8] = (uint8_t)(1 << i % 8);
	}
	run_all();
	for (unsigned i = 0; i < TASKS / 8; i++)
		assert_int_equal(disk->data[9 * 512 + i], 0xff);
	disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_of_neighbours_lose_nothing),
	    cmocka_unit_test(only_one_compare_and_write_wins),
	    cmocka_unit_test(every_orwrite_counts),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
