/* SPDX-License-Identifier: MIT */
/* Cartridges into drives and out of them: LUs of this daemon, of which a changer knows the numbers
 * only. */
#ifndef TGT_SCSI_CHANGER_TRANSPORT_H
#define TGT_SCSI_CHANGER_TRANSPORT_H

#include <stdatomic.h>
#include <stdint.h>

#include "scsi/changer.h"
#include "scsi/lu.h"

/* How long a drive may take to load or unload a cartridge. */
#define CHANGER_WAIT_MS 60000

enum errand_result {
	ERRAND_DONE,
	ERRAND_NO_DRIVE,  /* there is no such tape drive */
	ERRAND_OCCUPIED,  /* the drive holds a medium that it doesn't have from the changer */
	ERRAND_PREVENTED, /* an initiator of the drive's prevents the removal */
	ERRAND_FAILED,    /* error says why */
	ERRAND_SLOW       /* the drive hangs: the cartridge stays where the elements say; until the
			   * drive ends after all both are marked as hung */
};

/* One cartridge; embedded in whoever sends it, inside an exclusive operation on the changer which
 * lasts until done. */
struct changer_errand {
	struct lu *changer;
	uint32_t tid, lun;
	uint16_t address;            /* the drive's element */
	struct cartridge *cartridge; /* stays where it is until done */
	const char *path;            /* of the cartridge that goes in; NULL: it comes out */
	void (*done)(struct changer_errand *errand); /* on the reactor that sent it */
	void *arg;
	enum errand_result result;
	char error[256];
};

/* Any reactor; done is never called from within.  A drive whose commands don't end, or whose store
 * hangs, keeps it waiting as long as the limit says. */
void changer_send(struct changer_errand *errand);

/* An errand on its way; it outlives who has sent it when the drive hangs. */
struct changer_trip {
	uint32_t tid, lun;
	char *path; /* as in the errand */
	enum errand_result result;
	char error[256];
	/* its own */
	struct changer_errand *errand; /* NULL: given up */
	struct lu *changer;
	uint16_t address;
	char barcode[CHANGER_BARCODE_MAX];
	uint32_t mark; /* what it marks as hung has this number */
	atomic_int stage;
	struct reactor *reactor;
	struct message message;
	struct timer timer;
	struct lu_exclusive exclusive;
};

/* Who carries it out, on the control reactor: sets result and error, then calls
 * changer_trip_ended() there, at once or later.  A trip is given up after limit_ms.  Set at start.
 */
void changer_set_carrier(void (*carry)(struct changer_trip *trip), uint32_t limit_ms);
void changer_trip_ended(struct changer_trip *trip);
/* Asked by the carrier when the next step can't be taken back.  False: the trip was given up, and
 * the drive has to stay as it is. */
bool changer_trip_goes_on(struct changer_trip *trip);

#endif
