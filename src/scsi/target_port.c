/* SPDX-License-Identifier: MIT */
#include "scsi/target_port.h"

#include "scsi/nexus.h"
#include "scsi/opcode.h"
#include "scsi/sense.h"
#include "scsi/target.h"

/* What a target without a list of its own has (the unit tests' fake ones). */
static const struct target_ports only_one = {.count = 1, .ports = {{.id = 1}}};

const struct target_ports *target_ports(const struct target *target)
{
	const struct target_ports *ports =
	    atomic_load_explicit(&target->ports, memory_order_acquire);

	return ports ? ports : &only_one;
}

const struct target_port *target_port_find(const struct target *target, uint16_t id)
{
	const struct target_ports *ports = target_ports(target);

	for (unsigned i = 0; i < ports->count; i++) {
		if (ports->ports[i].id == id)
			return &ports->ports[i];
	}
	return NULL;
}

uint16_t access_refusal(uint8_t state)
{
	switch (state) {
	case ACCESS_STANDBY:
		return ASC_LU_NOT_ACCESSIBLE_STANDBY;
	case ACCESS_UNAVAILABLE:
		return ASC_LU_NOT_ACCESSIBLE_UNAVAILABLE;
	case ACCESS_TRANSITIONING:
		return ASC_LU_NOT_ACCESSIBLE_TRANSITION;
	default:
		return ASC_LU_NOT_READY_OFFLINE;
	}
}

/* The row flag that a command needs in that state; 0: none. */
static uint16_t gate_of(uint8_t state)
{
	switch (state) {
	case ACCESS_OPTIMIZED:
	case ACCESS_NON_OPTIMIZED:
		return 0;
	case ACCESS_STANDBY:
		return ROW_STANDBY;
	case ACCESS_TRANSITIONING:
		return ROW_TRANSITIONING;
	default:
		return ROW_UNAVAILABLE;
	}
}

void nexus_take_access(struct nexus *nexus)
{
	const struct target_port *port = target_port_find(nexus->target, nexus->relative_port);

	if (!port)
		return;
	nexus->access_state = port->state;
	nexus->access_gate = gate_of(port->state);
}
