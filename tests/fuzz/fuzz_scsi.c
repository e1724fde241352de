/* SPDX-License-Identifier: MIT */
/*
 * Commands of any kind to every kind of logical unit, several at once, with parameter lists, task
 * management, and stores that answer late, in another order, or with an error.
 *
 * An input is a sequence of commands: HOW, WHAT, LUN and attribute, lengths expected, CDB, data.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "fuzz.h"
#include "scsi/commands.h"
#include "scsi/nexus.h"
#include "util/bytes.h"

#define TASKS_MAX 48u
#define MODULE_DATA 64u

/* HOW */
#define HOLD 0x01u        /* the store keeps what it is asked for */
#define COMPLETE 0x02u    /* what it kept ends before this command */
#define LAST_FIRST 0x04u  /* from the last one */
#define STORE_FAILS 0x08u /* its next request does */
#define ABORT 0x10u       /* the command is aborted at once */
#define DATA_FAIL 0x20u   /* its data don't come whole */
#define OTHER_NEXUS 0x40u /* by another initiator */
#define MANAGEMENT 0x80u  /* a task management function instead */

struct fuzz_task {
	struct scsi_task scsi;
	const uint8_t *data;
	size_t len;
	bool data_fails, done, released;
	_Alignas(16) uint8_t module_data[MODULE_DATA];
};

static struct fuzz_task *tasks[TASKS_MAX];
static unsigned nr_tasks, nr_open, nr_tmfs, nr_nexuses;
static struct nexus nexuses[2];

static void want_data(struct scsi_task *scsi)
{
	struct fuzz_task *t = container_of(scsi, struct fuzz_task, scsi);

	must(scsi->data.length && scsi->data.length <= scsi->expected_out);
	databuf_zero(&scsi->data, 0, scsi->data.length);
	databuf_write(&scsi->data, 0, t->data, t->len);
	if (t->data_fails)
		scsi_task_data_failed(scsi, KEY_ABORTED_COMMAND, ASC_DATA_PHASE_CRC_ERROR);
	else
		scsi_task_data_in(scsi);
}

static void check_result(const struct scsi_task *t)
{
	uint8_t last;

	must(t->sense_len <= SENSE_MAX);
	must(t->status != STATUS_CHECK_CONDITION || t->aborted || t->sense_len);
	if (t->data.length)
		must(databuf_read(&t->data, t->data.length - 1, &last, 1) == 1);
}

static void task_done(struct scsi_task *scsi)
{
	struct fuzz_task *t = container_of(scsi, struct fuzz_task, scsi);

	must(!t->done);
	t->done = true;
	check_result(scsi);
	nr_open--;
}

static const struct task_ops ops = {.want_data = want_data, .done = task_done};

/* As if their answers had been sent: others may wait for the buffers. */
static void release_ended(void)
{
	for (unsigned i = 0; i < nr_tasks; i++) {
		if (tasks[i]->done && !tasks[i]->released)
			scsi_task_release(&tasks[i]->scsi);
		tasks[i]->released = tasks[i]->done;
	}
}

static void free_tasks(void)
{
	release_ended();
	for (unsigned i = 0; i < nr_tasks; i++) {
		must(tasks[i]->done);
		free(tasks[i]);
	}
	nr_tasks = 0;
}

static void start_command(struct fuzz_input *in, uint8_t how, uint8_t where)
{
	struct fuzz_task *t = aligned_alloc(16, (sizeof(*t) + 15) & ~(size_t)15);
	const uint8_t *cdb;
	size_t len;

	must(t);
	memset(t, 0, sizeof(*t));
	tasks[nr_tasks++] = t;
	nr_open++;
	t->scsi.nexus = &nexuses[how & OTHER_NEXUS ? 1 : 0];
	t->scsi.ops = &ops;
	t->scsi.tag = nr_tasks;
	t->scsi.attribute = (where >> 4) % (ATTR_ACA + 1);
	t->scsi.module_data = t->module_data;
	t->data_fails = how & DATA_FAIL;
	lun_encode((where & 0x07) % FUZZ_LUNS, t->scsi.lun);
	t->scsi.expected_in = fuzz_be16(in) * 16u;
	t->scsi.expected_out = t->scsi.expected_in ? 0 : fuzz_be16(in);
	t->scsi.cdb_len = where & 0x80 ? SCSI_MAX_CDB : 16;
	cdb = fuzz_bytes(in, t->scsi.cdb_len, &len);
	if (len)
		memcpy(t->scsi.cdb, cdb, len);
	t->data = fuzz_bytes(in, fuzz_be16(in), &t->len);
	scsi_task_submit(&t->scsi);
	if (how & ABORT)
		scsi_task_abort(&t->scsi);
}

static void tmf_done(struct tmf *tmf, enum tmf_response response)
{
	must(response <= TMF_REJECTED);
	nr_tmfs--;
	free(tmf);
}

static void start_management(struct fuzz_input *in, uint8_t how, uint8_t where)
{
	struct tmf *tmf = calloc(1, sizeof(*tmf));
	uint8_t function = fuzz_byte(in), which = fuzz_byte(in);

	must(tmf);
	tmf->nexus = &nexuses[how & OTHER_NEXUS ? 1 : 0];
	tmf->function = function % (TMF_I_T_NEXUS_RESET + 1);
	tmf->done = tmf_done;
	lun_encode((where & 0x07) % FUZZ_LUNS, tmf->lun);
	if (nr_tasks && tasks[which % nr_tasks]->scsi.nexus == tmf->nexus)
		tmf->task = &tasks[which % nr_tasks]->scsi;
	nr_tmfs++;
	tmf_submit(tmf);
}

static void step(struct fuzz_input *in)
{
	uint8_t how = fuzz_byte(in), where = fuzz_byte(in);

	core_hold(how & HOLD);
	if (how & COMPLETE)
		core_complete(how & LAST_FIRST);
	if (how & STORE_FAILS)
		core_fail_next(fuzz_byte(in) % (TGT_BS_ERR_RECORD_LENGTH + 1));
	if (how & MANAGEMENT)
		start_management(in, how, where);
	else
		start_command(in, how, where);
	if (!(how & HOLD))
		core_run_turns(1);
}

/* ---- one input ---- */

static bool all_ended(void)
{
	core_complete(false);
	release_ended();
	return !nr_open && !nr_tmfs;
}

/* An ACA holds commands back until it is cleared (SAM-5 5.9). */
static void clear_acas(void)
{
	for (uint8_t lun = 0; lun < FUZZ_LUNS; lun++) {
		const uint8_t clear[] = {TMF_CLEAR_ACA, 0};

		for (uint8_t other = 0; other <= OTHER_NEXUS; other += OTHER_NEXUS) {
			struct fuzz_input in = {clear, sizeof(clear)};

			start_management(&in, other, lun);
		}
	}
}

/* Each command ends, if need be when what held it back is cleared: one error can make one ACA. */
static void end_all(void)
{
	for (unsigned i = 0; i < TASKS_MAX && !all_ended(); i++) {
		clear_acas();
		core_run_turns(4);
	}
	core_run_until(all_ended);
}

static void nexus_gone(struct nexus *nexus)
{
	(void)nexus;
	nr_nexuses--;
}

static bool nexuses_gone(void)
{
	core_complete(false);
	release_ended();
	return !nr_nexuses && !nr_open && !nr_tmfs;
}

static unsigned nr_changes;

static void changed(void *arg)
{
	(void)arg;
	nr_changes--;
}

static void access_changed(void *arg, bool drained)
{
	(void)drained;
	changed(arg);
}

static bool is_changed(void)
{
	return !nr_changes;
}

/* A port for each of the nexuses, whose access states they may change. */
static void make_ports(struct target *target)
{
	static const uint16_t ids[] = {1, 2};
	static bool made;

	if (made)
		return;
	made = true;
	nr_changes = 2;
	target_ports_set(ids, 2, changed, NULL);
	target_access_by_command(target, true, changed, NULL);
	core_run_until(is_changed);
}

static void reset_access(struct target *target)
{
	static const struct access_wish wishes[] = {{.id = 1, .has_state = true},
						    {.id = 2, .has_state = true}};

	nr_changes = 1;
	target_access_change(target, wishes, 2, ACCESS_UNCHANGED, 0, access_changed, NULL);
	core_run_until(is_changed);
}

static void open_nexuses(struct target *target)
{
	static const uint8_t id[2][24] = {"\x45\0\0\x14iqn.a,i,0x01", "\x45\0\0\x14iqn.b,i,0x02"};

	for (unsigned i = 0; i < 2; i++) {
		memset(&nexuses[i], 0, sizeof(nexuses[i]));
		nexuses[i].relative_port = nexuses[i].portal_group = (uint16_t)(i + 1);
		nexus_open(&nexuses[i], target, id[i], sizeof(id[i]));
		nr_nexuses++;
	}
}

/* The first command of a nexus to a unit hears a unit attention: that is behind these. */
static void take_attentions(void)
{
	struct fuzz_input none = {NULL, 0};

	for (uint8_t lun = 0; lun < FUZZ_LUNS; lun++) {
		start_command(&none, 0, lun);
		start_command(&none, OTHER_NEXUS, lun);
	}
	core_run_until(all_ended);
	free_tasks();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iscsi_target *target = core_start();
	struct fuzz_input in = {data, size};
	bool abandon = fuzz_byte(&in) & 1;

	make_ports(target->scsi);
	open_nexuses(target->scsi);
	core_hold(false);
	take_attentions();
	while (in.left && nr_tasks < TASKS_MAX)
		step(&in);
	core_hold(false);
	if (!abandon)
		end_all();
	for (unsigned i = 0; i < 2; i++)
		nexus_close(&nexuses[i], nexus_gone);
	core_run_until(nexuses_gone);
	free_tasks();
	reset_access(target->scsi); /* after those that are on their way */
	core_reset_units();
	return 0;
}
