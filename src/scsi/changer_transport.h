/* SPDX-License-Identifier: MIT */
/* Cartridges into drives and out of them: LUs of this daemon, of which a changer knows the numbers
 * only. */
#ifndef TGT_SCSI_CHANGER_TRANSPORT_H
#define TGT_SCSI_CHANGER_TRANSPORT_H

#include <stdint.h>

#include "reactor/reactor.h"

enum errand_result {
	ERRAND_DONE,
	ERRAND_NO_DRIVE,  /* there is no such tape drive */
	ERRAND_OCCUPIED,  /* the drive holds a medium that it doesn't have from the changer */
	ERRAND_PREVENTED, /* an initiator of the drive's prevents the removal */
	ERRAND_FAILED     /* error says why */
};

/* One cartridge; embedded in whoever sends it. */
struct changer_errand {
	uint32_t tid, lun;
	uint16_t address; /* the drive's element, for who reads the log */
	const char *path; /* of the cartridge that goes in; NULL: it comes out */
	void (*done)(struct changer_errand *errand); /* on the reactor that sent it */
	void *arg;
	enum errand_result result;
	char error[256];
	/* its own */
	struct reactor *reactor;
	struct message message;
};

/* Any reactor; done is never called from within.  A drive whose commands don't end keeps it
 * waiting. */
void changer_send(struct changer_errand *errand);

/* Who carries it out, on the control reactor: sets result and error, then calls
 * changer_errand_ended() there, at once or later.  Set at start. */
void changer_set_carrier(void (*carry)(struct changer_errand *errand));
void changer_errand_ended(struct changer_errand *errand);

#endif
