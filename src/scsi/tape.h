/* SPDX-License-Identifier: MIT */
/*
 * What a tape drive is beside its commands: which drive it passes for, what its mode pages ask of
 * the commands, its TapeAlert flags and counters.  The commands are ssc*.c; they look here for what
 * an operator or an initiator has set.
 */
#ifndef TGT_SCSI_TAPE_H
#define TGT_SCSI_TAPE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/lu.h"

struct tape_identity;
struct mode_page;
struct mode_state;

#define TAPE_ALERTS 64 /* flags, numbered from 1 (SSC-5 TapeAlert) */

/* In append-only mode (SSC-5 ALLOW OVERWRITE). */
enum tape_overwrite {
	TAPE_OVERWRITE_NOT = 0,
	TAPE_OVERWRITE_POSITION = 1,
	TAPE_OVERWRITE_FORMAT = 2
};

/* Of an LU that is a tape drive: lu->tape. */
struct tape_drive {
	const struct tape_identity *identity; /* changed inside exclusive operations only */
	_Atomic uint8_t access;               /* enum tape_access, of the cartridge; relaxed */
	/* as the last tape operation left it; relaxed */
	_Atomic uint32_t partition;
	_Atomic uint64_t pos_remain;
	/* enum tape_overwrite: what ALLOW OVERWRITE has allowed; a command about the tape ends it.
	 * Only commands that run alone touch it; relaxed */
	_Atomic uint8_t overwrite;
	/* tape_alert.c, under the lock: when each flag was raised last, counted in raised; 0: it
	 * isn't */
	pthread_mutex_t lock;
	uint64_t alerts[TAPE_ALERTS + 1];
	uint64_t raised;
};

/* ---- tape.c ---- */

/* Sets lu->tape when the LU is a tape drive; a plain one.  -errno. */
int tape_create(struct lu *lu);
void tape_free(struct lu *lu);
/* A task of a tape drive has ended; its reactor, before the next is let go. */
void tape_ended(const struct scsi_task *t);
/* Another medium is in the drive than before, or none.  Inside an exclusive operation. */
void tape_medium_changed(struct lu *lu);
/* What it can do with its medium is looked up anew.  The same. */
void tape_look_at_medium(struct lu *lu);

/* ---- tape_mode.c: what the current values of the mode pages ask for ---- */

enum tape_lbp_method { TAPE_LBP_NONE = 0, TAPE_LBP_RS_CRC = 1, TAPE_LBP_CRC32C = 2 };

struct tape_modes {
	bool compress;     /* Data Compression: DCE, of a store that can */
	bool append_only;  /* Device Configuration Extension: WRITE MODE is append-only */
	bool swp;          /* Device Configuration: software write protect */
	bool keeps_alerts; /* Device Configuration Extension: TAPLSD, LOG SENSE clears no flag */
	uint64_t pews;     /* programmable early warning, bytes before early warning; 0: none */
	/* Control Data Protection: with each block of WRITE, and of READ and VERIFY, come
	 * lbp_length bytes of protection information */
	uint8_t lbp_method; /* enum tape_lbp_method */
	uint8_t lbp_length;
	bool lbp_write, lbp_read;
};

/* Of a tape drive; never NULL.  Valid while the caller's task runs. */
const struct tape_modes *tape_modes(const struct lu *lu);
/* Works them out, after every change of current values. */
void tape_mode_refresh(struct mode_state *state);
/* Another drive has other default values.  Inside an exclusive operation. */
void tape_mode_identity_changed(struct lu *lu);
/* What was asked of the medium before is asked no more.  The same. */
void tape_mode_medium_changed(struct lu *lu);

/* What FORMAT MEDIUM is to make by the Medium Partition page (SSC-5), in bytes on the medium. */
struct tape_partitions {
	unsigned count;
	bool equal; /* sizes say nothing: the store divides the medium */
	uint64_t sizes[TGT_BS_PARTITIONS_MAX];
};

/* False: no MODE SELECT has asked for partitions since the medium was loaded or formatted, or what
 * it asked for doesn't fit this medium.  Inside an exclusive operation or a task of the LU. */
bool tape_wanted_partitions(const struct lu *lu, struct tape_partitions *out);
bool tape_partitions_asked(const struct lu *lu);

/* ---- tape_identity.c ---- */

/* Bytes of the longest block that READ and WRITE may ask for (READ BLOCK LIMITS). */
uint32_t tape_max_block(const struct lu *lu);

/* What the drive can do with the cartridge that is in it, by its density. */
enum tape_access { TAPE_NO_ACCESS, TAPE_READ_ONLY, TAPE_READ_WRITE };
enum tape_access tape_medium_access(const struct lu *lu);
/* Density code of the cartridge that is in it (one that has none is the drive's own); 0: there is
 * no cartridge. */
uint8_t tape_density(const struct lu *lu);

#endif
