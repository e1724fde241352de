/* SPDX-License-Identifier: MIT */
/* The operations of FORMAT UNIT and SANITIZE: how they go over the medium, what others hear of them
 * meanwhile, and what aborts, resets, failures and the end of the daemon do to them. */
#include <stdio.h>
#include <unistd.h>

#include "disk_fixture.h"
#include "scsi/core.h"
#include "scsi/medium_op.h"
#include "store/state.h"
#include "temp_dir.h"

#define MIB (1u << 20)
#define CAPS_THIN (CAPS_PLAIN | TGT_BS_CAN_DISCARD | TGT_BS_CAN_WRITE_ZEROES)

static const struct mem_config thin = {.size = MIB,
				       .block_size = 512,
				       .caps = CAPS_THIN,
				       .geo_flags = TGT_BS_GEO_DISCARD | TGT_BS_GEO_VOLATILE_CACHE,
				       .thin = true};
static const struct mem_config thick = {
    .size = MIB, .block_size = 512, .caps = CAPS_PLAIN, .geo_flags = TGT_BS_GEO_VOLATILE_CACHE};

static void fill(struct disk *d)
{
	memset(d->data, 0xaa, d->config.size);
	memset(d->mapped, 1, d->config.size / MEM_UNIT);
	d->nr_log = 0;
}

/* Another initiator's task on the same LU, while d's is under way. */
static struct disk *second(struct disk *d)
{
	struct disk *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->lu = d->lu;
	e->task.module_data = calloc(1, 64);
	sem_init(&e->done, 0, 0);
	return e;
}

static void second_gone(struct disk *e)
{
	sem_destroy(&e->done);
	free(e->task.module_data);
	free(e);
}

static uint8_t ready(struct disk *d)
{
	return COMMAND(d, NULL, 0, 0, 0x00, 0, 0, 0, 0, 0);
}

static uint8_t format(struct disk *d)
{
	return COMMAND(d, NULL, 0, 0, 0x04, 0, 0, 0, 0, 0);
}

/* SANITIZE, OVERWRITE with zeroes */
static uint8_t erase(struct disk *d, uint8_t bits)
{
	static const uint8_t list[5] = {1, 0, 0, 1, 0};

	return COMMAND(d, list, 5, 0, 0x48, (uint8_t)(bits | 0x01), 0, 0, 0, 0, 0, B2(5), 0);
}

#define IMMED 0x80
#define AUSE 0x20

static uint8_t exit_failure_mode(struct disk *d)
{
	return COMMAND(d, NULL, 0, 0, 0x48, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void wait_ready(struct disk *d)
{
	while (ready(d) != STATUS_GOOD)
		assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_SANITIZE_IN_PROGRESS);
}

static void assert_all(const struct disk *d, uint8_t byte)
{
	for (uint64_t i = 0; i < d->config.size; i++)
		if (d->data[i] != byte)
			fail_msg("byte %llu is %02x", (unsigned long long)i, d->data[i]);
}

static void starts(struct disk *d)
{
	scsi_task_submit(&d->task);
}

/* Like command(), but it doesn't wait for the end. */
static void start_format(struct disk *d)
{
	struct scsi_task *t = &d->task;
	void *module_data = t->module_data;

	memset(t, 0, sizeof(*t));
	t->module_data = module_data;
	t->nexus = &fixture.nexus;
	t->ops = &command_ops;
	t->attribute = ATTR_SIMPLE;
	t->cdb[0] = 0x04;
	t->cdb_len = 16;
	lun_encode(d->lu->lun, t->lun);
	d->call = starts;
	d->message.fn = run_call;
	reactor_send(reactor_get(0), &d->message);
}

static void thin_is_deallocated_thick_is_written(void **state)
{
	struct disk *d = disk_open(&thin);

	(void)state;
	fill(d);
	assert_good(d, format(d));
	assert_all(d, 0);
	assert_false(d->mapped[0]);
	assert_int_equal(count_log(d, TGT_BS_DISCARD), 1);
	assert_int_equal(d->log[d->nr_log - 1].op, TGT_BS_FLUSH); /* durable before GOOD */
	disk_close(d);

	d = disk_open(&thick);
	fill(d);
	assert_good(d, format(d));
	assert_all(d, 0);
	assert_true(d->mapped[0]);
	assert_int_equal(count_log(d, TGT_BS_WRITE), MIB / BUF_MAX_PIECE);
	assert_int_equal(d->log[d->nr_log - 1].op, TGT_BS_FLUSH);
	disk_close(d);
}

/* What a store turns out not to support is done in another way. */
static void falls_back_to_writing(void **state)
{
	struct disk *d = disk_open(&thin);

	(void)state;
	fill(d);
	d->fail_op = TGT_BS_DISCARD;
	d->fail_status = TGT_BS_ERR_NOT_SUPPORTED;
	assert_good(d, format(d));
	assert_all(d, 0);
	assert_int_equal(count_log(d, TGT_BS_WRITE_ZEROES), 1);
	disk_close(d);
}

/* SBC-4 FORMAT UNIT: 02/04/04 with progress for all but INQUIRY, REPORT LUNS and REQUEST SENSE. */
static void others_are_told_of_it(void **state)
{
	struct disk *d = disk_open(&thick), *e = second(d);
	uint8_t block[512] = {0};

	(void)state;
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	start_format(d);
	disk_wait_held(d);
	ready(e);
	assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	assert_int_equal(e->task.sense[15] & 0x80, 0x80); /* SKSV */
	COMMAND(e, block, 512, 0, 0x2a, 0, B4(0), 0, B2(1), 0);
	assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	COMMAND(e, NULL, 0, 192, 0x1a, 0, 0x3f, 0, 192, 0); /* MODE SENSE needs no medium */
	assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	format(e);
	assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	assert_good(e, COMMAND(e, NULL, 0, 96, 0x12, 0, 0, 0, 96, 0));
	assert_good(e, COMMAND(e, NULL, 0, 252, 0x03, 0, 0, 0, 252, 0));
	assert_int_equal(e->in[2], KEY_NOT_READY);
	assert_int_equal(get_be16(e->in + 12), ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	assert_int_equal(e->in[15], 0x80);
	assert_int_equal(get_be16(e->in + 16), 0);
	disk_release(d);
	sem_wait(&d->done);
	assert_good(d, d->task.status);
	assert_good(e, ready(e));
	assert_all(d, 0);
	second_gone(e);
	disk_close(d);
}

static void progress_grows(void **state)
{
	struct disk *d = disk_open(&thick), *e = second(d);
	uint16_t before = 0;

	(void)state;
	d->hold_op = TGT_BS_WRITE;
	start_format(d);
	for (unsigned i = 0; i < MIB / BUF_MAX_PIECE; i++) {
		uint16_t now;

		disk_wait_held(d);
		ready(e);
		now = get_be16(e->task.sense + 16);
		assert_true(i == 0 ? now == 0 : now > before);
		before = now;
		d->hold_op = i + 1 < MIB / BUF_MAX_PIECE ? TGT_BS_WRITE : 0;
		disk_release(d);
	}
	sem_wait(&d->done);
	assert_good(d, d->task.status);
	second_gone(e);
	disk_close(d);
}

static void immediate_answers_at_once(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	assert_good(d, erase(d, IMMED));
	disk_wait_held(d);
	ready(d);
	assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_SANITIZE_IN_PROGRESS);
	disk_release(d);
	wait_ready(d);
	assert_all(d, 0);
	disk_close(d);
}

static void abort_it(struct disk *d)
{
	scsi_task_abort(&d->task);
	post(d);
}

/* The command ends at once, the operation by itself. */
static void goes_on_when_the_command_is_aborted(void **state)
{
	struct disk *d = disk_open(&thick), *e = second(d);

	(void)state;
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	start_format(d);
	disk_wait_held(d);
	on_reactor(d, abort_it);
	sem_wait(&d->done);
	assert_true(d->task.aborted);
	ready(e);
	assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	disk_release(d);
	while (ready(e) != STATUS_GOOD)
		assert_sense(e, KEY_NOT_READY, ASC_LU_NOT_READY_FORMAT_IN_PROGRESS);
	assert_all(d, 0);
	second_gone(e);
	disk_close(d);
}

static struct tmf reset_tmf;
static struct disk *resetting;

static void was_reset(struct tmf *tmf, enum tmf_response response)
{
	(void)tmf;
	assert_int_equal(response, TMF_COMPLETE);
	post(resetting);
}

static void reset_it(struct disk *d)
{
	resetting = d;
	reset_tmf = (struct tmf){
	    .nexus = &fixture.nexus, .function = TMF_LOGICAL_UNIT_RESET, .done = was_reset};
	lun_encode(d->lu->lun, reset_tmf.lun);
	tmf_submit(&reset_tmf);
}

/* SBC-4 4.11: a sanitize operation is not ended by a logical unit reset; and the reset doesn't wait
 * for it. */
static void goes_on_when_the_unit_is_reset(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	assert_good(d, erase(d, IMMED));
	disk_wait_held(d);
	on_reactor(d, reset_it);
	ready(d);
	assert_sense(d, KEY_UNIT_ATTENTION, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	ready(d);
	assert_sense(d, KEY_NOT_READY, ASC_LU_NOT_READY_SANITIZE_IN_PROGRESS);
	disk_release(d);
	wait_ready(d);
	assert_all(d, 0);
	disk_close(d);
}

static void a_failed_format_leaves_the_format_corrupted(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	fill(d);
	d->fail_op = TGT_BS_WRITE;
	d->fail_status = TGT_BS_ERR_WRITE;
	format(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_FORMAT_COMMAND_FAILED);
	ready(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_MEDIUM_FORMAT_CORRUPTED);
	COMMAND(d, NULL, 0, 512, 0x28, 0, B4(0), 0, B2(1), 0);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_MEDIUM_FORMAT_CORRUPTED);
	assert_good(d, COMMAND(d, NULL, 0, 192, 0x1a, 0, 0x3f, 0, 192, 0));
	assert_good(d, COMMAND(d, NULL, 0, 8, 0x25, 0, B4(0), 0, 0, 0, 0));
	assert_good(d, COMMAND(d, NULL, 0, 252, 0x03, 0, 0, 0, 252, 0));
	assert_int_equal(d->in[2], KEY_MEDIUM_ERROR);
	/* EXIT FAILURE MODE is about SANITIZE only */
	assert_good(d, exit_failure_mode(d));
	ready(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_MEDIUM_FORMAT_CORRUPTED);
	assert_good(d, format(d));
	assert_good(d, ready(d));
	assert_all(d, 0);
	disk_close(d);
}

static void reopened(void *arg, const char *error)
{
	assert_null(error);
	post(arg);
}

static void reopen(struct disk *d)
{
	fixture.opening = d;
	lu_reopen(d->lu, &(struct lu_opening){.path = "another", .loads = true}, reopened, d);
}

static void another_medium_is_not_to_blame(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	d->fail_op = TGT_BS_WRITE;
	d->fail_status = TGT_BS_ERR_WRITE;
	format(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_FORMAT_COMMAND_FAILED);
	on_reactor(d, reopen);
	ready(d);
	assert_sense(d, KEY_UNIT_ATTENTION, ASC_NOT_READY_TO_READY_CHANGE);
	assert_good(d, ready(d));
	disk_close(d);
}

static void fail_sanitize(struct disk *d, uint8_t bits)
{
	d->fail_op = TGT_BS_WRITE;
	d->fail_status = TGT_BS_ERR_WRITE;
	erase(d, bits);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_SANITIZE_COMMAND_FAILED);
	ready(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_SANITIZE_COMMAND_FAILED);
}

/* SBC-4 4.11: the restricted completion mode is left by a sanitize operation that ends well only.
 */
static void ways_out_of_a_failed_sanitize(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	fail_sanitize(d, 0);
	exit_failure_mode(d);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	erase(d, AUSE);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	format(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_SANITIZE_COMMAND_FAILED);
	assert_good(d, erase(d, 0));
	assert_good(d, ready(d));

	fail_sanitize(d, AUSE);
	assert_good(d, exit_failure_mode(d));
	assert_good(d, ready(d));
	fail_sanitize(d, AUSE);
	fail_sanitize(d, 0);
	assert_good(d, erase(d, 0));
	assert_good(d, exit_failure_mode(d));
	disk_close(d);
}

/* A failed flush is sticky, here as elsewhere. */
static void a_failed_flush_is_sticky(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	d->fail_op = TGT_BS_FLUSH;
	d->fail_status = TGT_BS_ERR_FLUSH;
	format(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_FORMAT_COMMAND_FAILED);
	ready(d);
	assert_sense(d, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	disk_close(d);
}

static void busy_is_asked_again(void **state)
{
	struct disk *d = disk_open(&thick);

	(void)state;
	fill(d);
	d->fail_op = TGT_BS_WRITE;
	d->fail_status = TGT_BS_ERR_BUSY;
	assert_good(d, format(d));
	assert_all(d, 0);
	disk_close(d);
}

/* One that couldn't be remembered isn't begun: after a crash half of it would pass for all of it.
 */
static void without_a_mark_nothing_begins(void **state)
{
	const char *dir = temp_path("gone");
	struct disk *d;

	(void)state;
	assert_int_equal(state_set_directory(dir), 0);
	d = disk_open(&thick);
	fill(d);
	assert_int_equal(rmdir(dir), 0);
	erase(d, IMMED);
	assert_sense(d, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	format(d);
	assert_sense(d, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	assert_int_equal(d->nr_log, 0);
	assert_all(d, 0xaa);
	assert_good(d, ready(d));
	disk_close(d);
	assert_int_equal(state_set_directory(NULL), 0);
}

/* A mark that can't be taken away would make the next start of the daemon refuse the medium. */
static void a_mark_that_stays_is_a_failure(void **state)
{
	const char *dir = temp_path("fixed");
	struct disk *d;

	(void)state;
	assert_int_equal(state_set_directory(dir), 0);
	d = disk_open(&thick);
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	start_format(d);
	disk_wait_held(d);
	assert_int_equal(rename(dir, temp_path("elsewhere")), 0);
	assert_string_equal(temp_file("fixed", 1), dir); /* no directory any more */
	d->message.fn = run_call;
	d->call = release_held;
	reactor_send(reactor_get(0), &d->message);
	sem_wait(&d->done);
	sem_wait(&d->done);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_FORMAT_COMMAND_FAILED);
	ready(d);
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_MEDIUM_FORMAT_CORRUPTED);
	disk_close(d);
	assert_int_equal(state_set_directory(NULL), 0);
}

/* The LU goes while an operation is on: nothing hangs, and who makes it anew is told. */
static void an_interrupted_one_is_remembered(void **state)
{
	struct disk *d;

	(void)state;
	assert_int_equal(state_set_directory(temp_path("state")), 0);
	d = disk_open(&thick);
	fill(d);
	d->hold_op = TGT_BS_WRITE;
	assert_good(d, erase(d, IMMED));
	disk_wait_held(d);
	d->call = remove_lu;
	d->message.fn = run_call;
	reactor_send(reactor_get(0), &d->message);
	while (!atomic_load(&d->lu->removed))
		;
	d->message.fn = run_call;
	d->call = release_held;
	reactor_send(reactor_get(0), &d->message);
	sem_wait(&d->done);
	sem_wait(&d->done);

	fixture.next_lun--;
	on_reactor(d, make_lu);
	while (ready(d) && d->sense_key == KEY_UNIT_ATTENTION)
		;
	assert_sense(d, KEY_MEDIUM_ERROR, ASC_SANITIZE_COMMAND_FAILED);
	exit_failure_mode(d);
	assert_sense(d, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	assert_good(d, erase(d, 0));
	on_reactor(d, remove_lu);

	fixture.next_lun--;
	on_reactor(d, make_lu);
	while (ready(d) && d->sense_key == KEY_UNIT_ATTENTION)
		;
	assert_good(d, d->task.status);
	disk_close(d);
	assert_int_equal(state_set_directory(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(thin_is_deallocated_thick_is_written),
	    cmocka_unit_test(falls_back_to_writing),
	    cmocka_unit_test(others_are_told_of_it),
	    cmocka_unit_test(progress_grows),
	    cmocka_unit_test(immediate_answers_at_once),
	    cmocka_unit_test(goes_on_when_the_command_is_aborted),
	    cmocka_unit_test(goes_on_when_the_unit_is_reset),
	    cmocka_unit_test(a_failed_format_leaves_the_format_corrupted),
	    cmocka_unit_test(another_medium_is_not_to_blame),
	    cmocka_unit_test(ways_out_of_a_failed_sanitize),
	    cmocka_unit_test(a_failed_flush_is_sticky),
	    cmocka_unit_test(busy_is_asked_again),
	    cmocka_unit_test(without_a_mark_nothing_begins),
	    cmocka_unit_test(a_mark_that_stays_is_a_failure),
	    cmocka_unit_test(an_interrupted_one_is_remembered),
	};

	return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
