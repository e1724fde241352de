/* SPDX-License-Identifier: MIT */
/* One PERSISTENT RESERVE OUT on its way: pr_out.c leads it, pr_actions.c does what it asks for. */
#ifndef TGT_SCSI_PR_CHANGE_H
#define TGT_SCSI_PR_CHANGE_H

#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "scsi/pr.h"
#include "store/state.h"

enum pr_action {
	PR_REGISTER = 0x00,
	PR_RESERVE = 0x01,
	PR_RELEASE = 0x02,
	PR_CLEAR = 0x03,
	PR_PREEMPT = 0x04,
	PR_PREEMPT_AND_ABORT = 0x05,
	PR_REGISTER_AND_IGNORE = 0x06,
	PR_REGISTER_AND_MOVE = 0x07,
	PR_ACTIONS,
};

struct pr_change {
	struct scsi_task *t;
	struct pr_table *next; /* what the table is to become; owned until it does */

	/* the CDB and the parameter list */
	enum pr_action action;
	uint8_t scope, type;
	uint64_t key, action_key;
	bool spec_i_pt, all_tg_pt, aptpl, unregister;
	const uint8_t *list;
	size_t list_len;

	/* whom to tell (never the nexus that asks): by unit attention condition; NULL: nobody */
	struct pr_ports *registrations_preempted;
	struct pr_ports *reservations_released;
	struct pr_ports *reservations_preempted;
	bool resets;              /* it is a logical unit reset, and no service action */
	bool self_removed;        /* a nexus has preempted itself */
	struct pr_change *before; /* in the same exclusive operation */

	/* keeping it */
	struct reactor *reactor;
	struct work work;
	struct message message;
	char state_key[STATE_KEY_MAX];
	uint8_t *blob;
	size_t blob_len;
	int save_error;
};

/* Works on c->next and fills the sets of whom to tell.  False: it has ended the task, nothing is to
 * change. */
bool pr_act(struct pr_change *c);

#endif
