/* SPDX-License-Identifier: MIT */
/* PERSISTENT RESERVE IN (SPC-5 6.16). */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/pr_shared.h"
#include "store/state.h"
#include "util/bytes.h"
#include "util/cleanup.h"

enum service_action { READ_KEYS, READ_RESERVATION, REPORT_CAPABILITIES, READ_FULL_STATUS };

#define HEADER 8u
#define FULL_STATUS_DESCRIPTOR 24u

static void put_header(uint8_t *data, const struct pr_table *table, size_t len)
{
	put_be32(data, table->generation);
	put_be32(data + 4, (uint32_t)(len - HEADER));
}

static void read_keys(struct scsi_task *t, const struct pr_table *table, uint32_t allocation_length)
{
	uint8_t data[HEADER + 8 * PR_REGISTRATIONS_MAX];
	size_t len = HEADER;

	for (unsigned i = 0; i < table->count; i++, len += 8)
		put_be64(data + len, table->registrations[i].key);
	put_header(data, table, len);
	task_reply(t, data, len, allocation_length);
}

/* With an all registrants type the key is 0, as there is no single holder. */
static uint64_t holder_key(const struct pr_table *table)
{
	for (unsigned i = 0; i < table->count; i++)
		if (table->registrations[i].holder)
			return table->registrations[i].key;
	return 0;
}

static void read_reservation(struct scsi_task *t, const struct pr_table *table,
			     uint32_t allocation_length)
{
	uint8_t data[HEADER + 16] = {0};
	size_t len = HEADER;

	if (table->type != PR_NONE) {
		put_be64(data + HEADER, holder_key(table));
		data[HEADER + 13] = table->type; /* scope 0h: the logical unit */
		len += 16;
	}
	put_header(data, table, len);
	task_reply(t, data, len, allocation_length);
}

/* SPC-5 6.16.4 */
static void report_capabilities(struct scsi_task *t, const struct pr_table *table,
				uint32_t allocation_length)
{
	uint8_t data[8] = {0, 8};

	data[2] = 0x08 | 0x04; /* SIP_C, ATP_C */
	if (reserve_is_offered(t->lu))
		data[2] |= 0x10; /* CRH */
	if (pr_can_persist(t->lu))
		data[2] |= 0x01; /* PTPL_C */
	data[3] = 0x80;          /* TMV */
	if (table->aptpl)
		data[3] |= 0x01; /* PTPL_A */
	data[4] = 0xea;          /* WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX */
	data[5] = 0x01;          /* EX_AC_AR */
	task_reply(t, data, sizeof(data), allocation_length);
}

static size_t put_full_status(uint8_t *at, const struct pr_table *table,
			      const struct pr_registration *r)
{
	memset(at, 0, FULL_STATUS_DESCRIPTOR);
	put_be64(at, r->key);
	if (r->port.all_ports)
		at[12] |= 0x02; /* ALL_TG_PT */
	else
		put_be16(at + 18, r->port.relative_port);
	if (table->type != PR_NONE && pr_is_holder(table, r)) {
		at[12] |= 0x01; /* R_HOLDER */
		at[13] = table->type;
	}
	put_be32(at + 20, r->port.id_len);
	memcpy(at + FULL_STATUS_DESCRIPTOR, r->port.id, r->port.id_len);
	return FULL_STATUS_DESCRIPTOR + r->port.id_len;
}

/* SPC-5 6.16.5 */
static void read_full_status(struct scsi_task *t, const struct pr_table *table,
			     uint32_t allocation_length)
{
	CLEANUP_FREE uint8_t *data =
	    malloc(HEADER + table->count * (FULL_STATUS_DESCRIPTOR + TRANSPORT_ID_MAX));
	size_t len = HEADER;

	if (!data) {
		task_status(t, STATUS_BUSY);
		return;
	}
	for (unsigned i = 0; i < table->count; i++)
		len += put_full_status(data + len, table, &table->registrations[i]);
	put_header(data, table, len);
	task_reply(t, data, len, allocation_length);
}

void pr_run_in(struct scsi_task *t)
{
	static void (*const actions[])(struct scsi_task *, const struct pr_table *, uint32_t) = {
	    [READ_KEYS] = read_keys,
	    [READ_RESERVATION] = read_reservation,
	    [REPORT_CAPABILITIES] = report_capabilities,
	    [READ_FULL_STATUS] = read_full_status,
	};

	if (!pr_shared_is_current(t->lu)) {
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_OFFLINE);
		return;
	}
	actions[t->row->service_action](t, t->lu->pr->table, get_be16(t->cdb + 7));
}
