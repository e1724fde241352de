/* SPDX-License-Identifier: MIT */
/* Unit attention conditions (SAM-5 5.14), one queue for each I_T_L nexus. */
#ifndef TGT_SCSI_UA_H
#define TGT_SCSI_UA_H

#include <stdbool.h>
#include <stdint.h>

struct lu;
struct nexus;

#define UA_MAX 8

/* Pending conditions, by precedence; each additional sense code at most once. */
struct ua_queue {
	uint16_t asc[UA_MAX];
	uint8_t count;
};

/* Adds a condition.  A power on or reset (29h) clears all others, as the reset itself did (SAM-5
 * 6.3).  A full queue keeps what it has. */
void ua_add(struct ua_queue *queue, uint16_t asc);
static inline bool ua_pending(const struct ua_queue *queue)
{
	return queue->count != 0;
}
/* Takes the first condition; 0 when there is none. */
uint16_t ua_take(struct ua_queue *queue);
void ua_clear(struct ua_queue *queue, uint16_t asc);

/*
 * Establishes a condition on the LU for every I_T nexus but that with the id except (0: for all).
 * Asynchronous for other reactors: they get a message.  Any reactor.
 */
void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except);
/* The same for the I_T nexus with the id only alone. */
void lu_establish_ua_for(struct lu *lu, uint16_t asc, uint64_t only);
/* The same for the nexuses for which match(nexus, arg) holds.  Only inside an exclusive operation
 * on all of the LU (arg stays valid until it ends): it has taken effect everywhere before that
 * ends. */
void lu_establish_ua_matching(struct lu *lu, uint16_t asc,
			      bool (*match)(const struct nexus *nexus, void *arg), void *arg);

#endif
