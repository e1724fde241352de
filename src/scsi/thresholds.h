/* SPDX-License-Identifier: MIT */
/*
 * Soft thresholds of thin provisioned units (SBC-4, logical block provisioning thresholds): an
 * initiator enables them in the Logical Block Provisioning mode page, and is told by a unit
 * attention when what the store has allocated, or has left, comes to one.  The store is asked on a
 * worker, once a second while any is enabled; commands pay nothing.
 */
#ifndef TGT_SCSI_THRESHOLDS_H
#define TGT_SCSI_THRESHOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "scsi/lu.h"

#define THRESHOLD_DESCRIPTORS 4u
#define THRESHOLDS_PAGE_BYTES (16u + 8u * THRESHOLD_DESCRIPTORS)

/* THRESHOLD RESOURCE, and the parameters of the Logical Block Provisioning log page. */
#define RESOURCE_AVAILABLE 0x01
#define RESOURCE_USED 0x02

/* The mode page (1Ch/02h) by default, and what may be changed in it. */
extern const uint8_t thresholds_page[THRESHOLDS_PAGE_BYTES];
extern const uint8_t thresholds_changeable[THRESHOLDS_PAGE_BYTES];

/* Sets lu->thresholds when its store tells what it allocates.  -errno. */
int thresholds_create(struct lu *lu);
void thresholds_free(struct lu *lu);
/* The LU ends: nothing is asked any more.  Its home reactor. */
void thresholds_stop(struct lu *lu);

/* They exist: the unit is thin and its store tells. */
bool thresholds_reported(const struct lu *lu);
/* THRESHOLD EXPONENT: a threshold set is 2 to that many blocks.  0: there are no thresholds. */
uint8_t thresholds_exponent(const struct lu *lu);
/* What the store said last of a resource, in threshold sets.  Any thread. */
uint32_t thresholds_count(const struct lu *lu, unsigned resource);

/* The mode page, or whether the unit is thin, may have changed: all are disarmed, and arm again by
 * what the store says.  Any reactor. */
void thresholds_restart(struct lu *lu);
/* Asks the store, for thresholds_count(), then then(t); or ends the task.  A task that runs. */
void thresholds_refresh(struct scsi_task *t, void (*then)(struct scsi_task *t));

#endif
