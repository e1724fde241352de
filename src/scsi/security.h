/* SPDX-License-Identifier: MIT */
/*
 * Tape data encryption (SSC-5, security protocol 20h): the data encryption parameters of a drive.
 * security_state.c keeps them, security_in.c tells of them, security_out.c sets them, and
 * tape_codec() in security.c hands them to READ and WRITE.
 *
 * They change inside exclusive operations on all of the LU, but for those of an I_T nexus that
 * ends, which nobody else reads.  They are in memory only, and wiped when they end.
 */
#ifndef TGT_SCSI_SECURITY_H
#define TGT_SCSI_SECURITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <tgt/backing-store.h>

#include "scsi/pr.h"

struct lu;
struct itl;
struct scsi_task;
struct opcode_row;

#define SECURITY_NEXUSES_MAX 64u /* that have parameters of their own, or are locked to some */
#define SECURITY_ALGORITHM 1u    /* ALGORITHM INDEX of the only one: AES-256-GCM */

/* SCOPE of the Set Data Encryption page. */
enum security_scope { SCOPE_PUBLIC = 0, SCOPE_LOCAL = 1, SCOPE_ALL = 2 };
/* ENCRYPTION MODE and DECRYPTION MODE. */
enum security_encrypt { ENCRYPT_DISABLE = 0, ENCRYPT_EXTERNAL = 1, ENCRYPT_ENCRYPT = 2 };
enum security_decrypt {
	DECRYPT_DISABLE = 0,
	DECRYPT_RAW = 1,
	DECRYPT_DECRYPT = 2,
	DECRYPT_MIXED = 3
};

/* One set of data encryption parameters; zeroed: the default, nothing is encrypted. */
struct security_set {
	uint8_t encrypt, decrypt;     /* the modes */
	bool ckod, ckorp, ckorl;      /* clear on demount, reservation preempt, reservation loss */
	uint8_t ceem;                 /* check external encryption mode, as it was set */
	uint32_t instance;            /* KEY INSTANCE COUNTER when they were set */
	struct pr_port port;          /* who has set them, for ckorp and ckorl */
	struct tgt_bs_codec write[2]; /* ready for use; the second compresses, too */
	struct tgt_bs_codec read;
};

/* An I_T nexus that has set something. */
struct security_nexus {
	_Atomic uint64_t id; /* 0: free */
	bool local;          /* set is its own */
	bool locked;         /* to the parameters with this key instance counter */
	uint32_t locked_instance;
	struct security_set set;
};

struct tape_security {
	uint32_t instance; /* of the last change */
	uint64_t all_by;   /* nexus whose scope is ALL I_T NEXUS; 0: none */
	uint64_t not_told; /* nexus that asked for the change at hand */
	struct security_set all;
	struct security_nexus nexuses[SECURITY_NEXUSES_MAX];
};

/* ---- security_state.c ---- */

/* What the nexus with this id has set (0: a free place); NULL: nothing. */
struct security_nexus *security_find(const struct lu *lu, uint64_t id);
/* The parameters that hold for the nexus of a task; and by whose scope. */
const struct security_set *security_set_of(const struct scsi_task *t, enum security_scope *scope);
/* The scope that the nexus has asked for. */
enum security_scope security_nexus_scope(const struct scsi_task *t);
/* The nexus is told of changes from now on (SSC-5: registered for encryption unit attentions). */
void security_register(struct scsi_task *t);
/*
 * Inside an exclusive operation: the parameters of the task's nexus become set (whose key is
 * copied) with this scope, and lock.  False: there are too many nexuses, or no memory; nothing has
 * changed.
 */
bool security_change(struct scsi_task *t, enum security_scope scope, bool lock,
		     const struct security_set *set);

/* What takes parameters away, and tells all nexuses but except.  Inside an exclusive operation, but
 * for the end of a nexus, on whose reactor that is. */
void security_unloaded(struct lu *lu, uint64_t except); /* CKOD */
void security_reservation_changed(struct lu *lu, uint64_t except,
				  bool preempted); /* CKORP, CKORL */
void security_reset(struct lu *lu);
void security_nexus_lost(struct itl *itl);
void security_free(struct lu *lu);

/* ---- security_in.c, security_out.c: the rows in security.c ---- */
bool security_prepare_in(struct scsi_task *t);
void security_run_in(struct scsi_task *t);
bool security_prepare_out(struct scsi_task *t);
void security_run_out(struct scsi_task *t);

/* Pages of the protocol, by number. */
#define PAGE_IN_SUPPORT 0x0000u
#define PAGE_OUT_SUPPORT 0x0001u
#define PAGE_CAPABILITIES 0x0010u
#define PAGE_KEY_FORMATS 0x0011u
#define PAGE_MANAGEMENT 0x0012u
#define PAGE_STATUS 0x0020u
#define PAGE_NEXT_BLOCK 0x0021u
#define PAGE_RANDOM 0x0030u
#define PAGE_SET 0x0010u

#define PROTOCOL_INFORMATION 0x00u
#define PROTOCOL_TAPE_ENCRYPTION 0x20u

/* Types of key-associated data. */
#define KAD_UNAUTHENTICATED 0x00u
#define KAD_AUTHENTICATED 0x01u

#endif
