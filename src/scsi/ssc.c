/* SPDX-License-Identifier: MIT */
/* The tape commands (SSC-5) over the operations of a tape store. */
#include "scsi/commands.h"
#include "util/bytes.h"

#define BLOCK_MAX 0xffffffu /* bytes of one record: what READ(6) and WRITE(6) can ask for */

/* SSC-5 READ BLOCK LIMITS: any length from one byte on (GRANULARITY 0). */
static void read_block_limits(struct scsi_task *t)
{
	uint8_t data[6] = {0};

	put_be24(data + 1, BLOCK_MAX);
	put_be16(data + 4, 1);
	task_reply(t, data, sizeof(data), sizeof(data));
}

const struct opcode_row ssc_rows[] = {
    {
	.opcode = 0x05,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.usage = {0x05},
	.run = read_block_limits,
	.name = "READ BLOCK LIMITS",
	.clause = "SSC-5 READ BLOCK LIMITS",
    },
    {.run = NULL},
};
