/* SPDX-License-Identifier: MIT */
/* The drive of an LU that is one: its making, and what it notices when commands end. */
#include "scsi/tape.h"

#include <errno.h>
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/tape_alert.h"
#include "scsi/tape_identity.h"

int tape_create(struct lu *lu)
{
	if (lu->commands->device_type != 0x01 || lu->passthrough ||
	    store_module(lu->store)->descriptor.kind != TGT_BS_TAPE)
		return 0;
	lu->tape = calloc(1, sizeof(*lu->tape));
	if (!lu->tape)
		return -ENOMEM;
	pthread_mutex_init(&lu->tape->lock, NULL);
	lu->tape->identity = &tape_identities[0];
	tape_look_at_medium(lu);
	return 0;
}

void tape_free(struct lu *lu)
{
	if (lu->tape)
		pthread_mutex_destroy(&lu->tape->lock);
	free(lu->tape);
	lu->tape = NULL;
}

void tape_look_at_medium(struct lu *lu)
{
	atomic_store_explicit(&lu->tape->access, (uint8_t)tape_medium_access(lu),
			      memory_order_relaxed);
	tape_alert_medium(lu);
}

void tape_medium_changed(struct lu *lu)
{
	atomic_store_explicit(&lu->tape->partition, 0, memory_order_relaxed);
	tape_alert_forget_medium(lu);
	tape_mode_medium_changed(lu);
	tape_look_at_medium(lu);
}

/* Whether the task has asked its store to do something to the tape. */
static bool used_store(const struct scsi_task *t)
{
	return t->store.bs.op >= TGT_BS_TAPE_READ && t->store.bs.op <= TGT_BS_TAPE_SET_CAPACITY;
}

static void note_position(struct tape_drive *tape, const struct tgt_bs_request *request)
{
	atomic_store_explicit(&tape->partition, request->partition, memory_order_relaxed);
	atomic_store_explicit(&tape->pos_remain, request->pos_remain, memory_order_relaxed);
}

void tape_ended(const struct scsi_task *t)
{
	struct lu *lu = t->lu;

	if (used_store(t) && !t->aborted)
		note_position(lu->tape, &t->store.bs);
	if (t->status == STATUS_CHECK_CONDITION) {
		tape_alert_sense(t);
		return;
	}
	if (t->status != STATUS_GOOD || !used_store(t))
		return;
	switch (t->store.bs.op) {
	case TGT_BS_TAPE_LOAD:
	case TGT_BS_TAPE_UNLOAD:
	case TGT_BS_TAPE_FORMAT:
	case TGT_BS_TAPE_SET_CAPACITY:
		tape_medium_changed(lu);
		break;
	default:
		break;
	}
}
