/* SPDX-License-Identifier: MIT */
#include "scsi/target_port.h"

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
