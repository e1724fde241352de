/* SPDX-License-Identifier: MIT */
/*
 * The SCSI target ports of a target, their target port groups, and asymmetric logical unit access
 * (SPC-5 5.15).  For iSCSI a portal group of the target is a port (RFC 7143 4.4.1), with the tag as
 * relative target port identifier.  All targets have the same ports; each port is in a target port
 * group of its own, which has the same number.  Every target has its own access states: what holds
 * for one of its logical units by a port holds for all.
 *
 * Changes are made on the control reactor; other reactors see immutable lists.
 */
#ifndef TGT_SCSI_TARGET_PORT_H
#define TGT_SCSI_TARGET_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct nexus;
struct target;

#define TARGET_PORTS_MAX 64u /* of a target: its lists fit into answers */

/* ASYMMETRIC ACCESS STATE, SPC-5 6.36.  Offline is the state of a port, the others' of a group. */
enum access_state {
	ACCESS_OPTIMIZED = 0x0,
	ACCESS_NON_OPTIMIZED = 0x1,
	ACCESS_STANDBY = 0x2,
	ACCESS_UNAVAILABLE = 0x3,
	ACCESS_OFFLINE = 0xe,
	ACCESS_TRANSITIONING = 0xf,
};

/* STATUS CODE, SPC-5 6.36: who changed the state. */
enum access_status {
	ACCESS_UNCHANGED = 0,
	ACCESS_BY_COMMAND = 1, /* SET TARGET PORT GROUPS */
	ACCESS_IMPLICIT = 2,   /* the operator */
};

struct target_port {
	uint16_t id;    /* relative target port identifier, and that of its target port group */
	uint8_t state;  /* enum access_state */
	uint8_t status; /* enum access_status */
	bool preferred; /* PREF */
};

/* Ascending by id; there is always one. */
struct target_ports {
	uint16_t count;
	bool by_command;         /* initiators may change states too (SET TARGET PORT GROUPS) */
	uint8_t transition_time; /* IMPLICIT TRANSITION TIME: seconds, 0: nothing is said of it */
	struct target_port ports[];
};

/* Those of a target.  Any reactor; valid until the end of this turn of its loop. */
const struct target_ports *target_ports(const struct target *target);
/* NULL: the target has no such port. */
const struct target_port *target_port_find(const struct target *target, uint16_t id);

/* What a port in that state refuses other commands with; the sense key is NOT READY. */
uint16_t access_refusal(uint8_t state);
/* Sets the nexus's access state and gate by its port, if that is still there.  Its reactor. */
void nexus_take_access(struct nexus *nexus);

/*
 * Sets which ports all targets have, those that are made later too; ids are not 0, each of them
 * once, 1 to TARGET_PORTS_MAX of them.  A new port is active/optimized.  Where that changes
 * anything INQUIRY DATA HAS CHANGED is pending on every nexus (SPC-5 6.7.1: VPD page 88h is other
 * data now), on all reactors when done(arg) is called; done may be NULL.  Control reactor.
 */
void target_ports_set(const uint16_t *ids, unsigned count, void (*done)(void *arg), void *arg);
/* For target_create() and target_unref(). */
void target_ports_init(struct target *target);
void target_ports_free(struct target *target);

/*
 * Makes list (calloc()ed, and taken over) the target's, with the additional sense code asc (0:
 * none) pending on all of its nexuses but that with the id except; done(arg) when all reactors go
 * by it. Control reactor.
 */
void target_ports_publish(struct target *target, struct target_ports *list, uint16_t asc,
			  uint64_t except, void (*done)(void *arg), void *arg);
/* A copy of the target's list, to be changed and published.  Control reactor. */
struct target_ports *target_ports_copy(const struct target *target);

/* ---- alua.c ---- */

/* A state that a port is to have. */
struct access_wish {
	uint16_t id;
	bool has_state, has_preferred;
	uint8_t state; /* enum access_state */
	bool preferred;
};

/*
 * Changes access states as one: from done(arg, true) on no command that began before has any more
 * effect through a port whose state doesn't let it run.  done(arg, false) comes instead when a
 * store hangs, so that a command's effect may still come; the states are changed then too.  Ports
 * that aren't there are passed over.  ASYMMETRIC ACCESS STATE CHANGED is pending on all nexuses of
 * the target but except (SPC-5 5.15.2) if anything changed.  Control reactor; never from within.
 */
void target_access_change(struct target *target, const struct access_wish *wishes, unsigned count,
			  enum access_status by, uint64_t except,
			  void (*done)(void *arg, bool drained), void *arg);
/* Lets initiators change states or not: INQUIRY DATA HAS CHANGED (TPGS).  Control reactor. */
void target_access_by_command(struct target *target, bool allowed, void (*done)(void *arg),
			      void *arg);
/* Control reactor. */
void target_access_transition_time(struct target *target, uint8_t seconds, void (*done)(void *arg),
				   void *arg);
/* How long a change waits for a store that hangs; unit tests shorten it. */
extern unsigned access_patience_ms;

#endif
