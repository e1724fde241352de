/* SPDX-License-Identifier: MIT */
/* What the files of the control reactor's side share. */
#ifndef TGT_ISCSI_INTERNAL_H
#define TGT_ISCSI_INTERNAL_H

#include "iscsi/control.h"
#include "reactor/reactor.h"

/* A target and what management doesn't see of it. */
struct target_state {
	struct iscsi_target target;
	unsigned nr_sessions;  /* those that have left its list but not yet ended too */
	unsigned nr_lus;       /* being destroyed */
	struct timer patience; /* deleting: done is called when it runs out */
	void (*deleted)(void *arg);
	void *deleted_arg;
};

static inline struct target_state *target_state(struct iscsi_target *target)
{
	return container_of(target, struct target_state, target);
}

void target_session_ended(struct iscsi_target *target);
void bindings_free(struct list *bindings);

#endif
