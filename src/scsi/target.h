/* SPDX-License-Identifier: MIT */
/*
 * SCSI target devices and their LUN maps.  Targets are made, changed and ended on the control
 * reactor (number 0); other reactors see immutable LUN maps.
 */
#ifndef TGT_SCSI_TARGET_H
#define TGT_SCSI_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "scsi/lu.h"
#include "scsi/target_port.h"
#include "util/list.h"

/* LUs by LUN, ascending.  Immutable once published; freed when no reactor can see it any more. */
struct lun_map {
	uint32_t count;
	struct lu *lus[];
};

struct target {
	struct list link; /* in targets() */
	atomic_uint refs; /* its owner, and each LU that was made for it */
	uint32_t tid;
	char *name; /* the iSCSI name */
	_Atomic(struct lun_map *) map;
	_Atomic(struct target_ports *) ports;
	struct list *nexuses; /* by reactor id: struct nexus by link; that reactor only */
	bool ready;           /* "state"; offline: logins and commands refused */
	atomic_bool offline;  /* the same for reactors */
	void *transport;      /* struct iscsi_target */
};

/* All targets, ascending by tid.  Control reactor. */
struct list *targets(void);
struct target *target_find(uint32_t tid);
struct target *target_find_name(const char *name);

/* A target with LUN 0, the controller, published.  NULL: out of memory or the tid or name is taken.
 */
struct target *target_create(uint32_t tid, const char *name);
/* Gives a target up whose nexuses are closed; it is freed when the last LU that was made for it is.
 */
void target_free(struct target *target);
/* For LUs: keeps the memory.  Any thread. */
void target_ref(struct target *target);
void target_unref(struct target *target);

/* Makes a new LU visible, or an old one invisible: on all reactors when done(arg) is called;
 * REPORTED LUNS DATA HAS CHANGED is then pending on every nexus (SPC-5 REPORT LUNS). */
void target_publish_lu(struct target *target, struct lu *lu, void (*done)(void *arg), void *arg);
void target_unpublish_lu(struct target *target, struct lu *lu, void (*done)(void *arg), void *arg);

/* The LU at a LUN of this target, or NULL.  Any reactor. */
struct lu *target_lu(struct target *target, uint32_t lun);
/* The LUN field of a command (SAM-5 4.7) as a number; false: a format or level that nobody answers.
 */
bool lun_decode(const uint8_t lun[8], uint32_t *number);
void lun_encode(uint32_t number, uint8_t lun[8]);

#endif
