/* SPDX-License-Identifier: MIT */
/* LOG SENSE: the pages that say which pages there are (SPC-5 6.9, 7.3). */
#include "scsi/commands.h"
#include "util/bytes.h"

#define PAGE_SUPPORTED 0x00
#define SUBPAGE_NONE 0x00
#define SUBPAGE_ALL 0xff

static void run_log_sense(struct scsi_task *t)
{
	uint8_t page = t->cdb[2] & 0x3f, subpage = t->cdb[3];
	uint16_t allocation_length = get_be16(t->cdb + 7);
	/* 7.3.19 and 7.3.20: the list of pages, and of pages with subpages */
	static const uint8_t pages[] = {0x00, 0x00, 0x00, 0x01, 0x00};
	static const uint8_t subpages[] = {0x40, 0xff, 0x00, 0x04, 0x00, 0x00, 0x00, 0xff};

	if (page != PAGE_SUPPORTED)
		task_invalid_cdb(t, 2, 5);
	else if (subpage == SUBPAGE_NONE)
		task_reply(t, pages, sizeof(pages), allocation_length);
	else if (subpage == SUBPAGE_ALL)
		task_reply(t, subpages, sizeof(subpages), allocation_length);
	else
		task_invalid_cdb(t, 3, -1);
}

const struct opcode_row log_rows[] = {
    {
	.opcode = 0x4d,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.flags = ROW_STANDBY,
	/* page control has no meaning for these pages; SP, PPC and parameter pointers aren't there
	 */
	.usage = {0x4d, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff},
	.run = run_log_sense,
	.name = "LOG SENSE",
	.clause = "SPC-5 6.9",
    },
    {.run = NULL},
};
