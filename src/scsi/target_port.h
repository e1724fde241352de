/* SPDX-License-Identifier: MIT */
/*
 * The SCSI target ports of a target.  For iSCSI a portal group of the target is one (RFC 7143
 * 4.4.1), with the tag as relative target port identifier, and all targets have the same ones.
 * Changes are made on the control reactor; other reactors see immutable lists.
 */
#ifndef TGT_SCSI_TARGET_PORT_H
#define TGT_SCSI_TARGET_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct target;

#define TARGET_PORTS_MAX 64u /* of a target: its lists fit into answers */

struct target_port {
	uint16_t id; /* relative target port identifier, and that of its target port group */
};

/* Ascending by id; there is always one. */
struct target_ports {
	unsigned count;
	struct target_port ports[];
};

/* Those of a target.  Any reactor; valid until the end of this turn of its loop. */
const struct target_ports *target_ports(const struct target *target);
/* NULL: the target has no such port. */
const struct target_port *target_port_find(const struct target *target, uint16_t id);

/*
 * Sets which ports all targets have, those that are made later too; ids are not 0, each of them
 * once, 1 to TARGET_PORTS_MAX of them.  Where that changes anything INQUIRY DATA HAS CHANGED is
 * pending on every nexus (SPC-5 6.7.1: VPD page 88h is other data now), on all reactors when
 * done(arg) is called; done may be NULL.  Control reactor.
 */
void target_ports_set(const uint16_t *ids, unsigned count, void (*done)(void *arg), void *arg);
/* For target_create() and target_unref(). */
void target_ports_init(struct target *target);
void target_ports_free(struct target *target);

#endif
