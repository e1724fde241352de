/* SPDX-License-Identifier: MIT */
/*
 * Persistent reservations of a medium that several hosts have at the same time: the table lives
 * with the medium (the store's state), and each host has a copy that it serves by.  Who changes it
 * answers only after all the others serve by the new one.
 */
#ifndef TGT_SCSI_PR_SHARED_H
#define TGT_SCSI_PR_SHARED_H

#include "scsi/pr_change.h"

/* What the table was changed by last, so that who learns of it only now tells its initiators. */
struct pr_history {
	uint8_t *bytes; /* events, the oldest first, as in the blob */
	size_t len;
	unsigned count;
};

/* ---- pr_shared_blob.c ---- */

#define PR_SHARED_BLOB_MAX (512u << 10)
#define PR_HISTORY_MAX 16u

/* The table and its history with the change that makes it, which gets this version.  The length;
 * blob has room for PR_SHARED_BLOB_MAX. */
size_t pr_shared_encode(uint8_t *blob, const struct pr_table *table,
			const struct pr_history *history, const struct pr_change *change,
			uint64_t version);
/* False: damaged, or out of memory.  The caller's to free. */
bool pr_shared_decode(const uint8_t *blob, size_t len, struct pr_table **table,
		      struct pr_history *history);
/* The changes behind version known, as a chain by before, the last one first, for their sets and
 * actions only; *gap: some are no longer in the history. */
struct pr_change *pr_shared_changes(const struct pr_history *history, uint64_t known, bool *gap);

/* ---- pr_shared.c ---- */

struct store;
/* The store's medium may be had by other hosts. */
bool pr_store_shares(const struct store *store);
/* Joins them for an LU that is to have the store, and fetches the table; then done(arg, shared,
 * error) on this reactor.  error NULL: it is done; shared is NULL where the medium is this host's
 * alone. */
void pr_shared_join(struct lu *lu, struct store *store,
		    void (*done)(void *arg, struct pr_shared *shared, const char *error),
		    void *arg);
/* The LU serves by the table of *shared (NULL: by that which it has, alone) from now on, and
 * *shared is what it had before.  Before it is served, or inside an exclusive operation on all of
 * the LU. */
void pr_shared_exchange(struct lu *lu, struct pr_shared **shared);
/* After its store is closed; NULL: nothing. */
void pr_shared_free(struct pr_shared *shared);
/* False: this host may have been shut out, so that it mustn't say that the LU is ready, or how it
 * is reserved.  Any reactor. */
bool pr_shared_is_current(const struct lu *lu);
/* The LU was reset here: now by the others; then done(arg, good) on this reactor.  good: all have
 * done it, or were shut out. */
void pr_shared_reset(struct lu *lu, void (*done)(void *arg, bool good), void *arg);
/* A PERSISTENT RESERVE OUT that is parsed: does it and ends the task. */
void pr_shared_change(struct pr_change *c);

/* ---- pr_out.c, for it ---- */
/* Prepares next, and acts on it; false: the task has ended. */
bool pr_change_act(struct pr_change *c);
void pr_change_commit(struct pr_change *c);
void pr_change_fail(struct pr_change *c, int error);

#endif
