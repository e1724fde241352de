/* SPDX-License-Identifier: MIT */
/*
 * The SCSI core on two reactors over a store of the test's own that completes when it is told to:
 * order in the task set, exclusive operations, aborts, resets, the end of nexuses and logical
 * units.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/mode.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define BLOCKS 4096u
#define MAX_HELD 64

/* ---- the store ---- */

static const struct tgt_bs_host *host;
static struct tgt_bs_request *held[MAX_HELD];
static unsigned nr_held;
static bool hold, complete_twice, closed;
static unsigned last_op, cancelled;
static int refuse;
static bool blocks; /* requests go to a worker, and stay there until go_on */
static atomic_bool on_worker, go_on;

static int fake_open(const struct tgt_bs_open_args *args, void **store, char *error, size_t size)
{
	(void)args, (void)error, (void)size;
	*store = &nr_held;
	return 0;
}

static void fake_close(void *store)
{
	(void)store;
	closed = true;
}

static int fake_geometry(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = BLOCKS * 512u;
	return 0;
}

static int fake_submit(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)store, (void)channel;
	if (blocks && !(r->flags & TGT_BS_REQ_MAY_BLOCK))
		return TGT_BS_WOULD_BLOCK;
	if (blocks) {
		/* relaxed: the test must learn nothing else from it, lest it hide a race */
		atomic_store_explicit(&on_worker, true, memory_order_relaxed);
		while (!atomic_load_explicit(&go_on, memory_order_relaxed))
			usleep(1000);
		host->complete(r);
		return 0;
	}
	last_op = r->op;
	if (refuse)
		return refuse;
	if (hold) {
		assert_true(nr_held < MAX_HELD);
		held[nr_held++] = r;
		return 0;
	}
	host->complete(r);
	if (complete_twice)
		host->complete(r);
	return 0;
}

static void fake_cancel(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)store, (void)channel, (void)r;
	cancelled++;
}

static struct store_module module = {
    .descriptor = {.struct_size = sizeof(struct tgt_bs_module),
		   .name = "fake",
		   .kind = TGT_BS_BLOCK,
		   .capabilities = TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH,
		   .thread_model = TGT_BS_REACTOR,
		   .open = fake_open,
		   .close = fake_close,
		   .geometry = fake_geometry,
		   .submit = fake_submit,
		   .cancel = fake_cancel},
};

static void complete_all(void)
{
	for (unsigned i = 0; i < nr_held; i++)
		host->complete(held[i]);
	nr_held = 0;
}

/* ---- the loop, until something holds ---- */

static void tick(struct timer *timer)
{
	reactor_quit(timer->reactor);
}

static void run_for(uint32_t ms)
{
	struct timer timer = {.fn = tick};

	reactor_timer_arm(reactor_self(), &timer, ms);
	reactor_run(reactor_self());
}

#define run_until(condition)                                                                       \
	do {                                                                                       \
		for (int i_ = 0; i_ < 5000 && !(condition); i_++)                                  \
			run_for(1);                                                                \
		assert_true(condition);                                                            \
	} while (0)

/* ---- tasks ---- */

struct test_task {
	struct scsi_task scsi;
	bool done;
	unsigned order; /* in which it ended */
	_Alignas(16) uint8_t module_data[64];
};

static unsigned ended;
static uint8_t task_lun = 1; /* of the tasks started from now on */

static void want_data(struct scsi_task *t)
{
	databuf_zero(&t->data, 0, t->data.length);
	scsi_task_data_in(t);
}

static void task_done(struct scsi_task *t)
{
	struct test_task *task = container_of(t, struct test_task, scsi);

	assert_false(task->done);
	task->done = true;
	task->order = ++ended;
}

static const struct task_ops ops = {.want_data = want_data, .done = task_done};
static struct target *target;
static struct lu *lu;
static struct nexus nexus, other;

static void start_task(struct test_task *task, struct nexus *from, uint8_t attribute,
		       const uint8_t *cdb, size_t len)
{
	struct scsi_task *t = &task->scsi;

	memset(task, 0, sizeof(*task));
	t->nexus = from;
	t->ops = &ops;
	t->lun[1] = task_lun;
	memcpy(t->cdb, cdb, len);
	t->cdb_len = (uint8_t)len;
	t->attribute = attribute;
	t->expected_in = t->expected_out = 1u << 20;
	t->module_data = task->module_data;
	scsi_task_submit(t);
}

static void start_rw(struct test_task *task, uint8_t attribute, bool write, uint32_t lba)
{
	uint8_t cdb[10] = {write ? 0x2a : 0x28, [8] = 1};

	put_be32(cdb + 2, lba);
	start_task(task, &nexus, attribute, cdb, sizeof(cdb));
}

static void start_write_of_other(struct test_task *task)
{
	static const uint8_t cdb[10] = {0x2a, [8] = 1};

	start_task(task, &other, ATTR_SIMPLE, cdb, sizeof(cdb));
}

static void finish(struct test_task *task, uint8_t status)
{
	run_until(task->done);
	assert_int_equal(task->scsi.status, status);
	scsi_task_release(&task->scsi);
}

static void test_unit_ready(struct nexus *from, uint8_t status, uint16_t asc)
{
	static const uint8_t cdb[6];
	struct test_task task;

	start_task(&task, from, ATTR_SIMPLE, cdb, sizeof(cdb));
	finish(&task, status);
	if (status == STATUS_CHECK_CONDITION)
		assert_int_equal(get_be16(task.scsi.sense + (task.scsi.sense[0] == 0x72 ? 2 : 12)),
				 asc);
}

/* ---- fixture ---- */

static bool flag;

static void set_flag(void *arg)
{
	(void)arg;
	flag = true;
}

static void created(void *arg, struct lu *made, const char *error)
{
	(void)arg;
	assert_null(error);
	lu = made;
	flag = true;
}

static int start(void **state)
{
	struct lu_config config = {.lun = 1, .module = &module};
	static const uint8_t id[4] = {5};

	(void)state;
	host = store_host_table();
	hold = complete_twice = closed = blocks = false;
	refuse = 0;
	nr_held = ended = cancelled = 0;
	opcode_init();
	if (reactors_start(2, 0) || workers_start(2))
		return -1;
	target = target_create(1, "iqn.2026-01.org.example:core");
	config.target = target;
	flag = false;
	lu_create(&config, created, NULL);
	run_until(flag);
	flag = false;
	target_publish_lu(target, lu, set_flag, NULL);
	run_until(flag);
	memset(&nexus, 0, sizeof(nexus));
	memset(&other, 0, sizeof(other));
	nexus_open(&nexus, target, id, sizeof(id));
	nexus_open(&other, target, id, sizeof(id));
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_POWER_ON_RESET);
	test_unit_ready(&other, STATUS_CHECK_CONDITION, ASC_POWER_ON_RESET);
	return 0;
}

static void nexus_gone(struct nexus *n)
{
	(void)n;
	flag = true;
}

static void destroy_lu(struct lu *which)
{
	flag = false;
	target_unpublish_lu(target, which, set_flag, NULL);
	run_until(flag);
	flag = false;
	lu_destroy(which, set_flag, NULL);
	run_until(flag);
}

static int stop(void **state)
{
	(void)state;
	hold = false;
	complete_all();
	flag = false;
	nexus_close(&other, nexus_gone);
	run_until(flag);
	flag = false;
	nexus_close(&nexus, nexus_gone);
	run_until(flag);
	if (lu)
		destroy_lu(lu);
	destroy_lu(target_lu(target, 0));
	target_free(target);
	run_for(2);
	workers_stop(1000);
	assert_int_equal(reactors_stop(10000), 0);
	return 0;
}

/* ---- tests ---- */

/* SAM-5 8.6: ORDERED waits for all older tasks and holds back all newer ones but HEAD OF QUEUE. */
static void the_task_set_keeps_its_order(void **state)
{
	struct test_task simple, ordered, later, head;

	(void)state;
	hold = true;
	start_rw(&simple, ATTR_SIMPLE, true, 0);
	start_rw(&ordered, ATTR_ORDERED, true, 1);
	start_rw(&later, ATTR_SIMPLE, true, 2);
	start_rw(&head, ATTR_HEAD, true, 3);
	assert_int_equal(nr_held, 2);
	assert_int_equal(held[0]->offset, 0);
	assert_int_equal(held[1]->offset, 3 * 512);
	host->complete(held[0]);
	run_until(simple.done);
	assert_int_equal(nr_held, 2); /* what is dormant waits for a HEAD OF QUEUE that is newer */
	held[0] = held[1];
	nr_held = 1;
	complete_all();
	run_until(head.done);
	assert_int_equal(nr_held, 1);
	assert_int_equal(held[0]->offset, 512);
	complete_all();
	run_until(ordered.done);
	assert_int_equal(nr_held, 1);
	complete_all();
	run_until(later.done);
	finish(&simple, STATUS_GOOD);
	finish(&ordered, STATUS_GOOD);
	finish(&later, STATUS_GOOD);
	finish(&head, STATUS_GOOD);
}

static void granted(struct lu_exclusive *e)
{
	*(bool *)e->arg = true;
}

static void released(struct lu_exclusive *e)
{
	*(bool *)e->arg = false;
}

static void a_range_is_held_and_drained(void **state)
{
	struct test_task before, inside, beside;
	bool mine = false;
	struct lu_exclusive e = {
	    .lu = lu, .lba = 10, .blocks = 5, .granted = granted, .arg = &mine};

	(void)state;
	hold = true;
	start_rw(&before, ATTR_SIMPLE, true, 14);
	lu_exclusive_begin(&e);
	run_until(nexus.itls[1]->slice->exclusive);
	run_for(20);
	assert_false(mine); /* the write of block 14 is under way */
	start_rw(&beside, ATTR_SIMPLE, true, 15);
	start_rw(&inside, ATTR_SIMPLE, true, 12);
	assert_int_equal(nr_held, 2); /* block 15 is not in the range, block 12 is */
	complete_all();
	run_until(mine);
	assert_int_equal(nr_held, 0);
	lu_exclusive_end(&e, released);
	run_until(!mine);
	run_until(nr_held == 1);
	complete_all();
	finish(&before, STATUS_GOOD);
	finish(&beside, STATUS_GOOD);
	finish(&inside, STATUS_GOOD);
}

/* While all of the LU is held nothing is even checked; afterwards it goes on in order. */
static void all_of_the_lu_is_held(void **state)
{
	struct test_task a, b;
	bool mine = false;
	struct lu_exclusive e = {.lu = lu, .all = true, .granted = granted, .arg = &mine};

	(void)state;
	lu_exclusive_begin(&e);
	run_until(mine);
	start_rw(&a, ATTR_SIMPLE, false, BLOCKS); /* out of range, once it is checked */
	start_rw(&b, ATTR_SIMPLE, false, 0);
	run_for(10);
	assert_false(a.done || b.done);
	lu_exclusive_end(&e, released);
	run_until(!mine);
	finish(&a, STATUS_CHECK_CONDITION);
	finish(&b, STATUS_GOOD);
	assert_true(a.order < b.order);
}

static bool is_other(const struct nexus *n, void *arg)
{
	(void)arg;
	return n == &other;
}

/* SPC-5 5.14.11.2.5: PREEMPT AND ABORT, which runs alone, ends commands of others that wait to do
 * so: they can't be waited for. */
static void who_waits_to_run_alone_can_be_aborted(void **state)
{
	static const uint8_t reserve[6] = {0x16};
	struct test_task waiting, next;
	bool mine = false;
	struct lu_exclusive e = {.lu = lu, .blocks = 1, .granted = granted, .arg = &mine};

	(void)state;
	lu_exclusive_begin(&e);
	run_until(mine);
	start_task(&waiting, &other, ATTR_SIMPLE, reserve, sizeof(reserve));
	start_task(&next, &nexus, ATTR_SIMPLE, reserve, sizeof(reserve));
	run_for(5);
	assert_false(waiting.done || next.done);
	flag = false;
	lu_abort_matching(lu, &(struct lu_abort){.match = is_other}, set_flag, NULL);
	run_until(flag);
	assert_true(waiting.done && waiting.scsi.aborted);
	assert_false(next.done);
	lu_exclusive_end(&e, released);
	run_until(!mine);
	scsi_task_release(&waiting.scsi);
	finish(&next, STATUS_GOOD);
	assert_true(lu->reserved_by == nexus.id);
}

static enum tmf_response response;

static void tmf_done(struct tmf *tmf, enum tmf_response r)
{
	(void)tmf;
	response = r;
	flag = true;
}

static void start_tmf(struct tmf *tmf, enum tmf_function function, struct scsi_task *task)
{
	memset(tmf, 0, sizeof(*tmf));
	tmf->nexus = &nexus;
	tmf->function = function;
	tmf->lun[1] = 1;
	tmf->task = task;
	tmf->done = tmf_done;
	flag = false;
	tmf_submit(tmf);
	assert_false(flag); /* never from within */
}

/* The store may still own the buffer: an abort is answered when it has given it back. */
static void an_abort_waits_for_the_store(void **state)
{
	struct test_task task, queued;
	struct tmf tmf;

	(void)state;
	hold = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	start_rw(&queued, ATTR_ORDERED, true, 0);
	start_tmf(&tmf, TMF_ABORT_TASK, &queued.scsi);
	run_until(flag);
	assert_int_equal(response, TMF_COMPLETE);
	assert_true(queued.done && queued.scsi.aborted);
	start_tmf(&tmf, TMF_ABORT_TASK, &task.scsi);
	run_for(20);
	assert_false(flag || task.done);
	complete_all();
	run_until(flag);
	assert_true(task.done && task.scsi.aborted);
	assert_int_equal(response, TMF_COMPLETE);
	scsi_task_release(&task.scsi);
	scsi_task_release(&queued.scsi);
	start_tmf(&tmf, TMF_ABORT_TASK, NULL);
	run_until(flag);
	assert_int_equal(response, TMF_NO_SUCH_TASK);
}

static void a_reset_aborts_all_and_is_announced(void **state)
{
	struct test_task task;
	struct tmf tmf;

	(void)state;
	hold = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	start_tmf(&tmf, TMF_LOGICAL_UNIT_RESET, NULL);
	run_for(20);
	assert_false(flag);
	complete_all();
	run_until(flag);
	assert_true(task.scsi.aborted);
	scsi_task_release(&task.scsi);
	test_unit_ready(&other, STATUS_CHECK_CONDITION, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	test_unit_ready(&other, STATUS_GOOD, 0);
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
}

/* TAS: commands that another nexus's reset aborted end with a status, one's own don't, not even
 * when the reset of another came first (SPC-5, Control mode page). */
static void aborts_are_told_with_tas(void **state)
{
	struct test_task mine, others, both;
	struct tmf reset, abort;

	(void)state;
	lu->mode->tas = true;
	hold = true;
	start_rw(&mine, ATTR_SIMPLE, true, 0);
	start_write_of_other(&others);
	start_tmf(&reset, TMF_LOGICAL_UNIT_RESET, NULL);
	run_for(5);
	complete_all();
	run_until(flag);
	assert_true(mine.scsi.aborted && others.done && !others.scsi.aborted);
	assert_int_equal(others.scsi.status, STATUS_TASK_ABORTED);
	assert_int_equal(others.scsi.sense_len, 0);
	test_unit_ready(&other, STATUS_CHECK_CONDITION, ASC_BUS_DEVICE_RESET_FUNCTION_OCCURRED);
	start_write_of_other(&both);
	start_tmf(&reset, TMF_LOGICAL_UNIT_RESET, NULL);
	run_for(5);
	abort = reset;
	abort.nexus = &other;
	abort.function = TMF_ABORT_TASK_SET;
	tmf_submit(&abort);
	run_for(5);
	complete_all();
	run_until(both.done);
	assert_true(both.scsi.aborted);
	run_for(20);
	scsi_task_release(&mine.scsi);
	scsi_task_release(&others.scsi);
	scsi_task_release(&both.scsi);
}

/* QUERY ASYNCHRONOUS EVENT (SAM-5): what comes next, and whether more follows; it stays. */
static void an_event_is_told_and_stays(void **state)
{
	static const uint8_t one[] = {0x16, 0x2a, 0x01}, several[] = {0x26, 0x2a, 0x01};
	static const uint8_t none[TMF_INFORMATION_LENGTH];
	struct tmf tmf;

	(void)state;
	start_tmf(&tmf, TMF_QUERY_ASYNC_EVENT, NULL);
	run_until(flag);
	assert_int_equal(response, TMF_COMPLETE);
	assert_memory_equal(tmf.information, none, sizeof(none));
	lu_establish_ua(lu, ASC_MODE_PARAMETERS_CHANGED, other.id);
	start_tmf(&tmf, TMF_QUERY_ASYNC_EVENT, NULL);
	run_until(flag);
	assert_int_equal(response, TMF_SUCCEEDED);
	assert_memory_equal(tmf.information, one, sizeof(one));
	lu_establish_ua(lu, ASC_CAPACITY_DATA_HAS_CHANGED, other.id);
	start_tmf(&tmf, TMF_QUERY_ASYNC_EVENT, NULL);
	run_until(flag);
	assert_memory_equal(tmf.information, several, sizeof(several));
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_MODE_PARAMETERS_CHANGED);
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_CAPACITY_DATA_HAS_CHANGED);
}

/* A store that hangs doesn't hang the answer; the LU is fenced until it is back. */
static void a_hung_store_is_fenced(void **state)
{
	static const uint8_t tur[6];
	struct test_task task, fenced;
	struct tmf tmf;

	(void)state;
	hold = true;
	tmf_patience_ms = 30;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	start_tmf(&tmf, TMF_ABORT_TASK, &task.scsi);
	run_until(flag);
	assert_false(task.done);
	run_until(atomic_load(&lu->fences));
	start_task(&fenced, &other, ATTR_SIMPLE, tur, sizeof(tur));
	finish(&fenced, STATUS_CHECK_CONDITION);
	assert_int_equal(fenced.scsi.sense[2], KEY_NOT_READY);
	complete_all();
	run_until(task.done);
	scsi_task_release(&task.scsi);
	test_unit_ready(&other, STATUS_GOOD, 0);
	tmf_patience_ms = 10000;
}

/* I_T NEXUS RESET (SAM-5 7.6): answered when the aborted tasks of all LUs have ended. */
static void a_nexus_reset_waits_for_all_units(void **state)
{
	static const uint8_t tur[6];
	struct lu_config config = {.target = target, .lun = 2, .module = &module};
	struct test_task first, second, attention;
	struct lu *one = lu, *two;
	struct tmf tmf;

	(void)state;
	flag = false;
	lu_create(&config, created, NULL);
	run_until(flag);
	two = lu;
	lu = one;
	flag = false;
	target_publish_lu(target, two, set_flag, NULL);
	run_until(flag);
	task_lun = 2;
	start_task(&attention, &nexus, ATTR_SIMPLE, tur, sizeof(tur));
	finish(&attention, STATUS_CHECK_CONDITION);
	task_lun = 1;
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_REPORTED_LUNS_DATA_HAS_CHANGED);
	hold = true;
	start_rw(&first, ATTR_SIMPLE, true, 0);
	task_lun = 2;
	start_rw(&second, ATTR_SIMPLE, true, 0);
	task_lun = 1;
	start_tmf(&tmf, TMF_I_T_NEXUS_RESET, NULL);
	run_for(20);
	assert_false(flag);
	host->complete(held[1]);
	nr_held = 1;
	run_until(second.done);
	run_for(20);
	assert_false(flag); /* the other unit's task is still in its store */
	complete_all();
	run_until(flag);
	assert_true(first.done && first.scsi.aborted && second.scsi.aborted);
	scsi_task_release(&first.scsi);
	scsi_task_release(&second.scsi);
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_I_T_NEXUS_LOSS_OCCURRED);
	hold = false;
	destroy_lu(two);
}

static void a_nexus_waits_for_its_tasks(void **state)
{
	static const uint8_t id[4] = {5};
	struct test_task task;

	(void)state;
	hold = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	flag = false;
	nexus_close(&nexus, nexus_gone);
	run_for(20);
	assert_false(flag);
	complete_all();
	run_until(flag);
	assert_true(task.done && task.scsi.aborted);
	scsi_task_release(&task.scsi);
	memset(&nexus, 0, sizeof(nexus));
	nexus_open(&nexus, target, id, sizeof(id));
}

static void an_lu_waits_for_its_tasks(void **state)
{
	struct test_task task;

	(void)state;
	hold = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	flag = false;
	target_unpublish_lu(target, lu, set_flag, NULL);
	run_until(flag);
	flag = false;
	lu_destroy(lu, set_flag, NULL);
	run_for(20);
	assert_false(flag || closed);
	complete_all();
	/* and then for what it wrote to be on stable storage */
	run_until(nr_held);
	assert_int_equal(last_op, TGT_BS_FLUSH);
	assert_false(flag || closed);
	complete_all();
	run_until(flag);
	assert_true(closed && task.done && !task.scsi.aborted);
	lu = NULL;
	/* its command is answered as those are that come now */
	assert_int_equal(get_be16(task.scsi.sense + 12), ASC_LOGICAL_UNIT_NOT_SUPPORTED);
	finish(&task, STATUS_CHECK_CONDITION);
	/* SAM-5 4.7: nobody is there now */
	test_unit_ready(&nexus, STATUS_CHECK_CONDITION, ASC_LOGICAL_UNIT_NOT_SUPPORTED);
}

/* Only the thread that is in submit() may touch such a request, and it can't be told to cancel. */
static void what_a_worker_has_is_not_cancelled(void **state)
{
	struct test_task task;

	(void)state;
	hold = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	scsi_task_abort(&task.scsi);
	assert_int_equal(cancelled, 1);
	complete_all();
	run_until(task.done);
	scsi_task_release(&task.scsi);
	atomic_store(&on_worker, false);
	atomic_store(&go_on, false);
	blocks = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	run_until(atomic_load_explicit(&on_worker, memory_order_relaxed));
	scsi_task_abort(&task.scsi);
	assert_int_equal(cancelled, 1);
	assert_false(task.done);
	atomic_store_explicit(&go_on, true, memory_order_relaxed);
	run_until(task.done);
	assert_true(task.scsi.aborted);
	scsi_task_release(&task.scsi);
	blocks = false;
}

static void a_store_that_misbehaves_is_survived(void **state)
{
	struct test_task task;

	(void)state;
	complete_twice = true;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	finish(&task, STATUS_GOOD);
	complete_twice = false;
	refuse = -EIO;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	finish(&task, STATUS_CHECK_CONDITION);
	assert_int_equal(task.scsi.sense[2] & 0xf, KEY_HARDWARE_ERROR);
	refuse = -EAGAIN;
	start_rw(&task, ATTR_SIMPLE, true, 0);
	finish(&task, STATUS_BUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(the_task_set_keeps_its_order, start, stop),
	    cmocka_unit_test_setup_teardown(a_range_is_held_and_drained, start, stop),
	    cmocka_unit_test_setup_teardown(all_of_the_lu_is_held, start, stop),
	    cmocka_unit_test_setup_teardown(who_waits_to_run_alone_can_be_aborted, start, stop),
	    cmocka_unit_test_setup_teardown(an_abort_waits_for_the_store, start, stop),
	    cmocka_unit_test_setup_teardown(a_reset_aborts_all_and_is_announced, start, stop),
	    cmocka_unit_test_setup_teardown(an_event_is_told_and_stays, start, stop),
	    cmocka_unit_test_setup_teardown(aborts_are_told_with_tas, start, stop),
	    cmocka_unit_test_setup_teardown(a_hung_store_is_fenced, start, stop),
	    cmocka_unit_test_setup_teardown(a_nexus_reset_waits_for_all_units, start, stop),
	    cmocka_unit_test_setup_teardown(a_nexus_waits_for_its_tasks, start, stop),
	    cmocka_unit_test_setup_teardown(an_lu_waits_for_its_tasks, start, stop),
	    cmocka_unit_test_setup_teardown(what_a_worker_has_is_not_cancelled, start, stop),
	    cmocka_unit_test_setup_teardown(a_store_that_misbehaves_is_survived, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
