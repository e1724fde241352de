/* SPDX-License-Identifier: MIT */
/*
 * Logical units.  An LU is shared by all reactors; what changes while commands run is in its
 * slices, one a reactor.  Everything else in struct lu changes only inside an exclusive operation
 * on all of the LU (lu_exclusive_begin() with all set, or a row with ROW_EXCLUSIVE), when no other
 * task of it is between its checks and its end on any reactor; so readers need no lock.
 */
#ifndef TGT_SCSI_LU_H
#define TGT_SCSI_LU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "reactor/reactor.h"
#include "scsi/opcode.h"
#include "scsi/task.h"
#include "store/store.h"

struct target;
struct pr_state;
struct mode_state;
struct log_state;
struct thresholds;
struct passthrough;
struct changer;
struct medium_op;
struct identifying;
struct tape_drive;
struct tape_security;

#define LUN_MAX 16383 /* flat space addressing, SAM-5 4.7.3 */

/* What the operator can set (tgtadm --params). */
struct lu_identity {
	char vendor_id[9];
	char product_id[17];
	char product_rev[5];
	char scsi_id[37];
	char scsi_sn[37];
};

/* The device clock (SPC-5 5.2): value_ms when the monotonic clock stood at since_ms. */
struct lu_clock {
	uint64_t value_ms, since_ms;
	bool set; /* by SET TIMESTAMP */
};

struct lu_counters {
	/* written by the reactor of the slice, read by management; relaxed */
	_Atomic uint64_t read_bytes, read_cmds, read_done_bytes, read_done_cmds;
	_Atomic uint64_t write_bytes, write_cmds, write_done_bytes, write_done_cmds;
	_Atomic uint64_t errors;
};

/* What the log pages tell of reads, writes and verifies. */
/* Of tapes LOG_STORED are bytes on the medium, which compression makes fewer. */
enum log_counter { LOG_COMMANDS, LOG_BYTES, LOG_MS, LOG_ERRORS, LOG_STORED, LOG_COUNTERS };

/* Of a cartridge's life (mam.h). */
struct mam_totals {
	uint64_t loads, written, read; /* bytes */
};

/* An LU on one reactor; touched on that reactor only. */
struct lu_slice {
	struct lu *lu;
	struct reactor *reactor;
	struct list itls;    /* struct itl by slice_link: the I_T_L nexuses that live here */
	struct list running; /* tasks past the gate, by run_link */
	struct list held;    /* tasks parked at the gate or before their checks, by run_link */
	unsigned nr_running;
	unsigned nr_tasks; /* all tasks of this LU here, not yet done */
	/* the exclusive operation announced here, if any */
	struct lu_exclusive *exclusive;
	bool acknowledged;
	struct list waits; /* struct abort_wait: who waits for aborted tasks to end */
	struct lu_counters counters;
	/* written here, read anywhere; relaxed.  See log.h */
	_Atomic uint64_t log[COUNTS_KINDS][LOG_COUNTERS];
	_Atomic uint64_t last_writer; /* nexus id; 0: nobody has written */
	_Atomic uint64_t busy_ms;     /* while there was a task */
	_Atomic uint64_t busy_since;  /* ms of the reactors' clock, 0: there is none */
} __attribute__((aligned(64)));

struct lu {
	struct target *target;
	uint32_t lun;
	const struct command_set *commands;
	struct store *store;  /* NULL: none (the controller) */
	char *path, *bsopts;  /* as given, or NULL; for show */
	uint32_t store_flags; /* TGT_BS_OPEN_* as given */

	struct lu_identity id;
	uint8_t naa[8];      /* NAA locally assigned designator, from target name and LUN */
	uint32_t block_size; /* logical block length; a power of two, 512 … 65536 */
	uint8_t block_shift;
	uint64_t blocks;                /* number of logical blocks */
	uint8_t lbppbe;                 /* log2 of logical blocks per physical block */
	uint16_t la_lba;                /* lowest aligned LBA */
	uint16_t optimal_xfer_gran;     /* blocks; 0: none */
	uint32_t optimal_xfer_len;      /* blocks; 0: none */
	uint16_t rotation_rate;         /* 0: not reported, 1: no rotation, else rpm */
	uint32_t io_alignment;          /* bytes: of the store's requests; see sbc_set_limits() */
	uint32_t max_transfer_blocks;   /* in one store request and in one buffer */
	bool volatile_cache;            /* what is written needs FLUSH to be durable */
	uint64_t mam_written, mam_read; /* tapes: bytes moved when the cartridge came in (mam.h) */
	struct mam_totals mam_before;   /* and what its memory said then */
	uint32_t tape_block_length;     /* tapes: bytes of a fixed block, 0: there are none */
	bool tape_unbuffered; /* BUFFERED MODE 0h: what is written is durable when it is answered */
	atomic_bool readonly; /* by the operator or the store */
	bool readonly_wanted; /* by the operator */
	bool removable;
	bool thin;                /* thin provisioning reported, UNMAP allowed */
	atomic_bool online;       /* the operator's wish */
	atomic_bool store_online; /* the store can be reached */
	atomic_bool medium;       /* there is one */
	atomic_bool started;      /* START STOP UNIT */
	atomic_bool failed;    /* sticky: a flush failed; every medium access ends HARDWARE ERROR */
	bool sense_descriptor; /* D_SENSE by default (sense_format); the mode page's bit is in mode
				*/
	struct medium_op *medium_op; /* FORMAT UNIT or SANITIZE under way; NULL: none */
	uint16_t medium_fault; /* additional sense code of what one that failed left; 0: none */
	bool fault_restricted; /* a sanitize operation in the restricted completion mode left it
				*/
	struct lu_clock clock; /* timestamp.c */
	uint8_t *data_buffer;  /* buffer.c; NULL: nobody has written to it */
	struct identifying *identifying; /* identifying.c; NULL: there is none */
	struct mode_state *mode;         /* mode.c: current, saved, default, changeable values */
	struct log_state *log;           /* log.h: what LOG SELECT has reset, the last errors */
	struct thresholds *thresholds;   /* thresholds.h; NULL: what is allocated isn't known */
	struct pr_state *pr;             /* pr.c; never NULL on an LU that has reservations */
	_Atomic uint64_t reserved_by;    /* RESERVE(6)/(10): nexus id of the holder, 0: none */
	atomic_uint state_generation; /* counts exclusive operations on all of the LU: checks made
				       * under an older one are made again before a task runs */

	struct tape_drive *tape;         /* tape.h; NULL: it is no tape drive */
	struct changer *changer;         /* changer.h; NULL: it is none */
	struct passthrough *passthrough; /* passthrough.h; NULL: the core executes the commands */
	bool in_order; /* SIMPLE tasks count as ORDERED: the device has a position (passthrough) */

	struct tape_security *security; /* security.h; NULL: nobody has set data encryption */
	atomic_uint nr_prevents;        /* I_T_L nexuses that prevent the removal of the medium */
	atomic_uint fences;      /* aborted tasks whose store hangs: NOT READY until they end */
	atomic_uint refs;        /* messages under way, and its owner */
	atomic_uint store_users; /* errands under way to the store, and its owner */
	struct message closing;
	atomic_bool removed;    /* unpublished: no new tasks */
	unsigned home;          /* the reactor that orders exclusive operations */
	struct list exclusives; /* home only: waiting ones; the first is granted or being drained */
	struct lu_slice *slices;         /* reactors_count() of them */
	void *pending;                   /* lu.c: the making or the ending of it under way */
	void *reopening;                 /* lu_reopen.c */
	struct lu_exclusive_part *parts; /* one a reactor, for the exclusive operation under way */
};

/* What a new LU is made of.  Strings are copied. */
struct lu_config {
	struct target *target;
	uint32_t lun;
	const struct command_set *commands; /* NULL: by the module's kind */
	struct store_module *module;        /* NULL: the controller, no store */
	const char *path, *bsopts;
	uint32_t open_flags;
	uint32_t block_size; /* 0: 512 */
	uint64_t size;       /* 0: the store's */
	bool empty;          /* a removable disk without a medium; path doesn't count */
};

/*
 * Makes an LU (opens its store), then calls done(arg, lu, error) on the calling reactor.  It isn't
 * published yet: see target_publish_lu().  Control reactor.
 */
void lu_create(const struct lu_config *config,
	       void (*done)(void *arg, struct lu *lu, const char *error), void *arg);

/*
 * Ends an unpublished LU: aborts its tasks everywhere, waits until the store has given all buffers
 * back, closes it, frees it; then done(arg) on the calling reactor.  May take for ever when the
 * store hangs; nothing waits for it.  Control reactor.
 */
void lu_destroy(struct lu *lu, void (*done)(void *arg), void *arg);

/* An I_T_L nexus lives on the reactor of its session. */
static inline struct lu_slice *lu_slice_here(struct lu *lu)
{
	return &lu->slices[reactor_id(reactor_self())];
}

/* What an LU is called, and how its logical blocks lie in those of its store, before an operator
 * says otherwise. */
void lu_default_identity(const struct lu *lu, struct lu_identity *id);
uint8_t lu_default_lbppbe(const struct lu *lu, const struct tgt_bs_geometry *geometry);

/* "target 1 lun 2" for log lines; static per thread. */
const char *lu_name(const struct lu *lu);

/* Sums the slices' counters into out. */
void lu_read_counters(const struct lu *lu, struct lu_counters *out);

/* The store's size became this many bytes: CAPACITY DATA HAS CHANGED.  Inside an exclusive
 * operation. */
void lu_set_size(struct lu *lu, uint64_t bytes);

/*
 * Exclusive operations.  While one is granted no other task runs on its range (or, with all, on the
 * LU: then new ones aren't even checked); granted() is called on the reactor that began it, once
 * everything in its way has drained.  Operations are ordered by the LU's home reactor, one at a
 * time.
 */
struct lu_exclusive {
	struct lu *lu;
	bool all;
	uint64_t lba, blocks;
	void (*granted)(struct lu_exclusive *exclusive);
	void *arg;
	/* the core's */
	struct list link;
	struct reactor *origin;
	struct message message;
	unsigned waiting;
	void (*released)(struct lu_exclusive *exclusive);
};

void lu_exclusive_begin(struct lu_exclusive *exclusive);
/* Own reactor, in granted() or later; released(exclusive) (may be NULL) runs on it once the LU goes
 * on everywhere: only then the memory may be used again. */
void lu_exclusive_end(struct lu_exclusive *exclusive,
		      void (*released)(struct lu_exclusive *exclusive));

/* Puts on the medium what a volatile cache of the store holds, then calls done(arg, good) on this
 * reactor; never from within.  When that fails the LU is in its sticky error.  False: there is no
 * such cache, done isn't called.  Inside an exclusive operation on all of the LU. */
bool lu_flush(struct lu *lu, void (*done)(void *arg, bool good), void *arg);

/* The cartridge that is still in a tape drive (unloaded, or held) is loaded; then done(arg, good)
 * on this reactor.  Inside an exclusive operation on all of the LU. */
void lu_load_tape(struct lu *lu, void (*done)(void *arg, bool good), void *arg);

/* For management: change(lu, arg) runs inside an exclusive operation on all of the LU, on the
 * calling reactor, then done(arg). */
void lu_change(struct lu *lu, void (*change)(struct lu *lu, void *arg), void (*done)(void *arg),
	       void *arg);

/* How a store is to be opened anew.  Strings are copied, either may be NULL. */
struct lu_opening {
	const char *path, *bsopts;
	uint32_t flags; /* TGT_BS_OPEN_* */
	bool empty;     /* there is no medium (of a disk): nothing is opened */
	bool loads;     /* the medium comes in, also when it had been ejected */
	bool force;     /* also while initiators prevent the removal */
	/* NULL, or asked with lu_reopen()'s arg right before the exchange; false: it is no longer
	 * wanted */
	bool (*goes_on)(void *arg);
};

/*
 * Opens the LU's store anew, and lets the old one go; then done(arg, error) on the calling reactor.
 * error (valid during the call) says why not, NULL: it is done; when it failed the LU goes on as it
 * was.  Another path is another medium, and initiators are told so; the cartridge that a tape drive
 * has already is loaded if it isn't.  Control reactor.
 */
void lu_reopen(struct lu *lu, const struct lu_opening *how,
	       void (*done)(void *arg, const char *error), void *arg);

/* Keeps the store of an LU open while something is asked of it that is no task's; any thread. */
void lu_store_get(struct lu *lu);
void lu_store_put(struct lu *lu);

/* Keeps the memory of an LU while a message names it; any thread. */
void lu_ref(struct lu *lu);
void lu_unref(struct lu *lu);

/* True while any I_T nexus prevents the removal of the medium (SBC-3 5.10). */
static inline bool lu_removal_prevented(const struct lu *lu)
{
	return atomic_load(&lu->nr_prevents) != 0;
}

#endif
