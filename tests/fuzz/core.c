/* SPDX-License-Identifier: MIT */
#include "core.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"
#include "reactor/workers.h"
#include "scsi/commands.h"
#include "store/store.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DISK_BYTES (2u << 20)
#define HELD_MAX 4096u
#define PATIENCE_S 60 /* a thread of the pool may have to wait for a CPU */

/* ---- stores ---- */

static struct tgt_bs_request *held[HELD_MAX];
static unsigned nr_held;
static bool holding;
static uint32_t fail_status;
static uint8_t *disk;
static unsigned long nr_changes;
/* What stands for a store; what is asked of a read-only one changes nothing. */
static char any_store, readonly_store;

/* A tape of records without data: enough for the commands to get through. */
static uint64_t tape_position, tape_end;

static int store_open_any(const struct tgt_bs_open_args *args, void **store, char *error,
			  size_t size)
{
	(void)args, (void)error, (void)size;
	*store = &any_store;
	return 0;
}

static int store_open_readonly(const struct tgt_bs_open_args *args, void **store, char *error,
			       size_t size)
{
	(void)args, (void)error, (void)size;
	*store = &readonly_store;
	return 0;
}

static void store_close_any(void *store)
{
	(void)store;
}

static int disk_geometry(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = DISK_BYTES;
	g->flags = TGT_BS_GEO_DISCARD | TGT_BS_GEO_VOLATILE_CACHE;
	g->io_alignment = 4096; /* so that 512-byte blocks are read, changed and written */
	g->memory_alignment = 4096;
	return 0;
}

static int readonly_geometry(void *store, struct tgt_bs_geometry *g)
{
	disk_geometry(store, g);
	g->flags |= TGT_BS_GEO_READONLY;
	return 0;
}

static uint64_t iov_bytes(const struct tgt_bs_request *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < r->iovcnt; i++)
		sum += r->iov[i].iov_len;
	return sum;
}

/* What the contract promises to a store. */
static void check_block_request(const struct tgt_bs_request *r)
{
	uint64_t want = r->op == TGT_BS_READ || r->op == TGT_BS_WRITE ? r->length : 0;

	must(r->offset <= DISK_BYTES && r->length <= DISK_BYTES - r->offset);
	must(r->op == TGT_BS_BLOCK_STATUS || (r->offset | r->length) % 4096 == 0);
	must(iov_bytes(r) == want);
	for (uint32_t i = 0; i < r->iovcnt; i++)
		must((uintptr_t)r->iov[i].iov_base % 4096 == 0);
}

static void transfer(const struct tgt_bs_request *r)
{
	uint64_t at = r->offset;

	for (uint32_t i = 0; i < r->iovcnt; at += r->iov[i++].iov_len) {
		if (r->op == TGT_BS_READ)
			memcpy(r->iov[i].iov_base, disk + at, r->iov[i].iov_len);
		else
			memcpy(disk + at, r->iov[i].iov_base, r->iov[i].iov_len);
	}
}

static void perform_block(struct tgt_bs_request *r)
{
	check_block_request(r);
	switch (r->op) {
	case TGT_BS_READ:
	case TGT_BS_WRITE:
		transfer(r);
		break;
	case TGT_BS_DISCARD:
	case TGT_BS_WRITE_ZEROES:
		memset(disk + r->offset, 0, r->length);
		break;
	case TGT_BS_BLOCK_STATUS:
		must(r->max_extents);
		r->extents[0] =
		    (struct tgt_bs_extent){r->offset, r->length, TGT_BS_EXTENT_MAPPED, 0};
		r->nr_extents = 1;
		break;
	default:
		break;
	}
}

static void perform_tape(struct tgt_bs_request *r)
{
	must(!r->length || r->iovcnt);
	switch (r->op) {
	case TGT_BS_TAPE_READ:
		must(iov_bytes(r) >= r->length); /* more when no whole record fits */
		for (uint32_t i = 0; i < r->iovcnt; i++)
			memset(r->iov[i].iov_base, 'r', r->iov[i].iov_len);
		r->actual = r->length;
		tape_position++;
		break;
	case TGT_BS_TAPE_WRITE:
		must(iov_bytes(r) == r->length);
		must(!r->record_size || r->length % r->record_size == 0);
		tape_end = ++tape_position;
		r->actual = r->length;
		break;
	case TGT_BS_TAPE_REWIND:
		tape_position = 0;
		break;
	case TGT_BS_TAPE_LOCATE:
		tape_position = r->offset < tape_end ? r->offset : tape_end;
		break;
	default:
		break;
	}
	r->pos_object = tape_position;
	r->pos_flags = tape_position ? 0 : TGT_BS_POS_BOP;
}

static bool is_change(const struct tgt_bs_request *r)
{
	return r->op == TGT_BS_WRITE || r->op == TGT_BS_DISCARD || r->op == TGT_BS_WRITE_ZEROES;
}

static void finish(struct tgt_bs_request *r)
{
	if (fail_status) {
		r->status = fail_status;
		r->info = r->offset;
		fail_status = 0;
	} else if (r->op < TGT_BS_TAPE_READ) {
		perform_block(r);
	} else {
		perform_tape(r);
	}
	store_host_table()->complete(r);
}

static int store_submit_any(void *store, void *channel, struct tgt_bs_request *r)
{
	(void)channel;
	must(store != &readonly_store || !is_change(r));
	nr_changes += is_change(r);
	if (!holding) {
		finish(r);
		return 0;
	}
	must(nr_held < HELD_MAX);
	held[nr_held++] = r;
	return 0;
}

#define MODULE(name_, kind_, caps, geometry_, open_)                                               \
	{                                                                                          \
		.file = (char *)name_ ".so",                                                       \
		.descriptor = {.struct_size = sizeof(struct tgt_bs_module),                        \
			       .name = name_,                                                      \
			       .version = "1",                                                     \
			       .help = "in memory",                                                \
			       .kind = kind_,                                                      \
			       .capabilities = caps,                                               \
			       .thread_model = TGT_BS_REACTOR,                                     \
			       .open = open_,                                                      \
			       .close = store_close_any,                                           \
			       .geometry = geometry_,                                              \
			       .submit = store_submit_any},                                        \
	}
#define ALL_OF_BLOCK                                                                               \
	(TGT_BS_CAN_WRITE | TGT_BS_CAN_FLUSH | TGT_BS_CAN_FUA | TGT_BS_CAN_DISCARD |               \
	 TGT_BS_CAN_WRITE_ZEROES | TGT_BS_CAN_BLOCK_STATUS)

static int tape_geometry(void *store, struct tgt_bs_geometry *g)
{
	(void)store;
	g->size = 1 << 30;
	return 0;
}

static struct store_module disk_module =
    MODULE("disk", TGT_BS_BLOCK, ALL_OF_BLOCK, disk_geometry, store_open_any);
static struct store_module readonly_module =
    MODULE("readonly", TGT_BS_BLOCK, TGT_BS_CAN_WRITE, readonly_geometry, store_open_readonly);
static struct store_module tape_module =
    MODULE("tape", TGT_BS_TAPE, TGT_BS_CAN_WRITE, tape_geometry, store_open_any);

void core_offer_stores(void)
{
	/* the loader's, which nothing but this changes here */
	struct list *modules = (struct list *)store_modules();

	list_add_tail(modules, &disk_module.link);
	list_add_tail(modules, &readonly_module.link);
	list_add_tail(modules, &tape_module.link);
}

void core_hold(bool hold)
{
	holding = hold;
}

bool core_complete(bool last_first)
{
	unsigned count = nr_held;

	for (unsigned i = 0; i < count; i++)
		finish(held[last_first ? count - 1 - i : i]);
	memmove(held, held + count, (nr_held - count) * sizeof(held[0]));
	nr_held -= count;
	core_run_turns(2);
	return count;
}

const uint8_t *core_disk(void)
{
	return disk;
}

uint64_t core_disk_bytes(void)
{
	return DISK_BYTES;
}

unsigned long core_changes(void)
{
	return nr_changes;
}

void core_fail_next(uint32_t status)
{
	fail_status = status;
}

/* ---- the loop ---- */

static unsigned turns_left;

static void turn(struct message *message)
{
	if (turns_left && --turns_left)
		reactor_send(reactor_self(), message);
	else
		reactor_quit(reactor_self());
}

void core_run_turns(unsigned turns)
{
	static struct message message = {.fn = turn};

	turns_left = turns;
	message.fn = turn;
	reactor_send(reactor_self(), &message);
	reactor_run(reactor_self());
}

void core_run_until(bool (*done)(void))
{
	struct timespec begin, now;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (!done()) {
		core_run_turns(1);
		clock_gettime(CLOCK_MONOTONIC, &now);
		must(now.tv_sec - begin.tv_sec < PATIENCE_S);
	}
}

/* ---- the target ---- */

static struct iscsi_target *target;
static struct lu *units[FUZZ_LUNS];
static bool settled;

static bool is_settled(void)
{
	return settled;
}

static void published(void *arg)
{
	(void)arg;
	settled = true;
}

static void created(void *arg, struct lu *lu, const char *error)
{
	struct lu **unit = arg;

	must(lu && !error);
	*unit = lu;
	lu->thin = lu->lun == LUN_DISK;
	lu->removable = lu->lun != LUN_DISK;
	target_publish_lu(target->scsi, lu, published, NULL);
}

static void make_unit(uint32_t lun, struct store_module *module, uint32_t block_size)
{
	struct lu_config config = {
	    .target = target->scsi, .lun = lun, .module = module, .block_size = block_size};

	settled = false;
	lu_create(&config, created, &units[lun]);
	core_run_until(is_settled);
}

/* One that asks for a password, and has one itself (RFC 7143 12.1.3). */
static void make_guarded_target(void)
{
	struct iscsi_target *guarded;

	must(!iscsi_target_create(2, "iqn.2026-01.test:chap", &guarded));
	must(!iscsi_bind_address(guarded, "ALL"));
	must(!iscsi_account_add("alice", "a long secret of hers"));
	must(!iscsi_account_add("target", "another one of the target"));
	must(!iscsi_account_bind(guarded, "alice", false));
	must(!iscsi_account_bind(guarded, "target", true));
}

struct iscsi_target *core_start(void)
{
	if (target)
		return target;
	log_open(false, false);
	disk = calloc(1, DISK_BYTES);
	must(disk && !reactors_start(1, 64u << 20) && !workers_start(2));
	opcode_init();
	must(!iscsi_target_create(1, "iqn.2026-01.test:fuzz", &target));
	must(!iscsi_bind_address(target, "ALL"));
	make_guarded_target();
	make_unit(LUN_DISK, &disk_module, 512);
	make_unit(LUN_SMALL_DISK, &disk_module, 4096);
	make_unit(LUN_READONLY, &readonly_module, 512);
	make_unit(LUN_TAPE, &tape_module, 512);
	units[LUN_CONTROLLER] = target_lu(target->scsi, LUN_CONTROLLER);
	return target;
}

/* Operations that were given up still have their turn, and those on a medium go on by themselves.
 */
static bool are_quiet(void)
{
	core_complete(false);
	for (unsigned i = 0; i < FUZZ_LUNS; i++) {
		if (units[i] && (units[i]->medium_op || !list_empty(&units[i]->exclusives)))
			return false;
	}
	return true;
}

void core_reset_units(void)
{
	core_run_until(are_quiet);
	core_run_turns(4);
	for (unsigned i = 0; i < FUZZ_LUNS; i++) {
		struct lu *lu = units[i];

		if (!lu)
			continue;
		must(!lu->slices[0].nr_tasks && !lu->slices[0].nr_running);
		must(list_empty(&lu->slices[0].held));
		must(!lu->slices[0].exclusive && !lu->fences);
		mode_state_free(lu);
		pr_state_free(lu);
		must(!mode_state_create(lu) && !pr_state_create(lu));
		lu->reserved_by = 0;
		lu->started = lu->medium = true;
		lu->failed = false;
		lu->medium_fault = 0;
		lu->fault_restricted = false;
		lu->tape_block_length = 0;
	}
	tape_position = tape_end = 0;
	fail_status = 0;
}
