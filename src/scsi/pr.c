/* SPDX-License-Identifier: MIT */
/* Persistent reservations (SPC-5 5.14): what they keep from running, and their place in the LU. */
#include "scsi/pr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/pr_shared.h"
#include "store/state.h"
#include "util/cleanup.h"
#include "util/log.h"

bool pr_can_persist(const struct lu *lu)
{
	return lu->pr->shared || state_available();
}

bool pr_has_registrations(const struct lu *lu)
{
	return lu->pr && lu->pr->table->count;
}

/* SPC-5 5.14.1: the holder, and with the registrants types everybody who is registered. */
static bool may_access(struct pr_table *table, const struct nexus *nexus)
{
	const struct pr_registration *r = pr_find_nexus(table, nexus);

	return r && (pr_is_holder(table, r) || pr_is_registrants(table->type));
}

bool pr_compatible_holder(const struct scsi_task *t)
{
	struct pr_table *table = t->lu->pr->table;

	return table->type != PR_NONE && may_access(table, t->nexus);
}

/* SPC-5 table 165: the exclusive access types keep others from reading too. */
static bool excludes_reading(uint8_t type)
{
	return type == PR_EXCLUSIVE_ACCESS || type == PR_EXCLUSIVE_ACCESS_REGISTRANTS ||
	       type == PR_EXCLUSIVE_ACCESS_ALL;
}

bool pr_conflicts(const struct scsi_task *t)
{
	struct pr_table *table = t->lu->pr ? t->lu->pr->table : NULL;

	if (!table || table->type == PR_NONE)
		return false;
	if (t->row->pr != PR_WRITE && (t->row->pr != PR_READ || !excludes_reading(table->type)))
		return false;
	return !may_access(table, t->nexus);
}

/* What APTPL kept; an empty table when there is nothing.  NULL: out of memory. */
static struct pr_table *load(const struct lu *lu)
{
	CLEANUP_FREE uint8_t *blob = malloc(PR_BLOB_MAX);
	struct pr_table *table = NULL;
	size_t len = PR_BLOB_MAX;
	char key[STATE_KEY_MAX];
	int rc;

	if (!blob)
		return NULL;
	pr_state_key(lu, key, sizeof(key));
	rc = state_get(key, blob, &len);
	if (!rc)
		table = pr_decode(blob, len, lu->path);
	if (rc ? rc != -ENOENT : !table)
		log_err("%s: the persistent reservations kept for it can't be read%s%s; it starts "
			"without any",
			lu_name(lu), rc ? ": " : " or are another medium's",
			rc ? strerror(-rc) : "");
	return table ? table : pr_table_copy(NULL, 0);
}

int pr_state_create(struct lu *lu)
{
	struct pr_state *state;

	if (!lu->store && !lu->changer)
		return 0; /* the controller has no reservations */
	state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	state->table = pr_store_shares(lu->store) ? pr_table_copy(NULL, 0) : load(lu);
	if (!state->table) {
		free(state);
		return -ENOMEM;
	}
	lu->pr = state;
	return 0;
}

void pr_state_free(struct lu *lu)
{
	if (!lu->pr)
		return;
	pr_change_free(lu->pr->last);
	pr_shared_free(lu->pr->shared);
	free(lu->pr->table);
	free(lu->pr);
	lu->pr = NULL;
}

#define OUT_ROW(action, title)                                                                     \
	{                                                                                          \
		.opcode = 0x5f, .service_action = action, .cdb_len = 10, .direction = DATA_OUT,    \
		.pr = PR_SPECIAL, .flags = ROW_EXCLUSIVE | ROW_STANDBY,                            \
		.usage = {0x5f, action, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff},                       \
		.prepare = pr_prepare_out, .run = pr_run_out,                                      \
		.name = "PERSISTENT RESERVE OUT, " title, .clause = "SPC-5 6.17",                  \
	}
#define IN_ROW(action, title)                                                                      \
	{                                                                                          \
		.opcode = 0x5e, .service_action = action, .cdb_len = 10, .direction = DATA_IN,     \
		.pr = PR_ALLOWED, .flags = ROW_STANDBY,                                            \
		.usage = {0x5e, action, 0, 0, 0, 0, 0, 0xff, 0xff}, .run = pr_run_in,              \
		.name = "PERSISTENT RESERVE IN, " title, .clause = "SPC-5 6.16",                   \
	}

const struct opcode_row pr_rows[] = {
    IN_ROW(0x00, "READ KEYS"),
    IN_ROW(0x01, "READ RESERVATION"),
    IN_ROW(0x02, "REPORT CAPABILITIES"),
    IN_ROW(0x03, "READ FULL STATUS"),
    OUT_ROW(0x00, "REGISTER"),
    OUT_ROW(0x01, "RESERVE"),
    OUT_ROW(0x02, "RELEASE"),
    OUT_ROW(0x03, "CLEAR"),
    OUT_ROW(0x04, "PREEMPT"),
    OUT_ROW(0x05, "PREEMPT AND ABORT"),
    OUT_ROW(0x06, "REGISTER AND IGNORE EXISTING KEY"),
    OUT_ROW(0x07, "REGISTER AND MOVE"),
    {.run = NULL},
};
