/* SPDX-License-Identifier: MIT */
#include "scsi/changer_transport.h"

#include <stdio.h>

static void (*carrier)(struct changer_errand *errand);

void changer_set_carrier(void (*carry)(struct changer_errand *errand))
{
	carrier = carry;
}

static void came_back(struct message *message)
{
	struct changer_errand *errand = container_of(message, struct changer_errand, message);

	errand->done(errand);
}

void changer_errand_ended(struct changer_errand *errand)
{
	errand->message.fn = came_back;
	reactor_send(errand->reactor, &errand->message);
}

static void arrived(struct message *message)
{
	struct changer_errand *errand = container_of(message, struct changer_errand, message);

	if (carrier) {
		carrier(errand);
		return;
	}
	errand->result = ERRAND_NO_DRIVE;
	snprintf(errand->error, sizeof(errand->error), "nobody carries cartridges");
	changer_errand_ended(errand);
}

void changer_send(struct changer_errand *errand)
{
	errand->reactor = reactor_self();
	errand->message.fn = arrived;
	reactor_send(reactor_get(0), &errand->message);
}
