/* SPDX-License-Identifier: MIT */
/* Which cartridge is where, kept under the state directory: a library comes up as it went down. */
#ifndef TGT_SCSI_CHANGER_STATE_H
#define TGT_SCSI_CHANGER_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "reactor/reactor.h"
#include "reactor/workers.h"
#include "scsi/changer.h"
#include "store/state.h"

struct lu;

/* Bytes of a cartridge in the blob, and of a whole one of CHANGER_ELEMENTS_MAX. */
#define CHANGER_ENTRY 72u
#define CHANGER_BLOB_MAX (16u + CHANGER_ELEMENTS_MAX * CHANGER_ENTRY)

/* Writes where all cartridges are, also those whose element isn't there, into CHANGER_BLOB_MAX
 * bytes; the length. */
size_t changer_encode(uint8_t *blob, const struct changer *changer);
/* They become the known ones.  False: it is damaged, and nothing has changed. */
bool changer_decode(const uint8_t *blob, size_t len, struct changer *changer);

/* One saving, of who asks for it: done and arg are set. */
struct changer_saving {
	void (*done)(struct changer_saving *saving); /* on the reactor that asked */
	void *arg;
	int error; /* 0 or -errno, which has been logged */
	/* its own */
	struct lu *lu;
	struct reactor *reactor;
	struct work work;
	struct message message;
	char key[STATE_KEY_MAX];
	uint8_t *blob;
	size_t len;
};

/* Keeps it durably; at once, and nothing kept, without a state directory.  done may be called from
 * within.  Inside an exclusive operation on the changer, which lasts until then. */
void changer_save(struct lu *lu, struct changer_saving *saving);
/* Its unit is deleted for good: what was kept is forgotten, and nothing is kept any more, so that a
 * unit made anew at its address begins with the operator's word.  Then done(arg), on this reactor,
 * never from within. */
void changer_forget_places(struct lu *lu, void (*done)(void *arg), void *arg);
/* An LU's changer: with what was kept.  It blocks; when an LU is made.  0 or -ENOMEM. */
int changer_create(struct lu *lu);

#endif
