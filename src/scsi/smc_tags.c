/* SPDX-License-Identifier: MIT */
/* Volume tags that are searched for: SEND VOLUME TAG (SMC-3), REQUEST VOLUME ELEMENT ADDRESS.  The
 * one may change tags, the other one tells what it has found: both conflict under any type of
 * persistent reservation. */
#include <string.h>

#include "scsi/nexus.h"
#include "scsi/smc.h"

#define LIST_LENGTH 40u
#define TEMPLATE 32u

/* SEND ACTION CODE; those that define or undefine tags aren't offered: they are the operator's. */
#define TRANSLATE_ALL 0x00
#define TRANSLATE_PRIMARY 0x01
#define IGNORE_SEQUENCE 0x04 /* the same, whatever the sequence number is: there are none */

bool smc_tag_matches(const char *pattern, const char *tag)
{
	const char *star = NULL, *from = NULL;

	while (*tag) {
		if (*pattern == '*') {
			star = ++pattern;
			from = tag;
		} else if (*pattern && (*pattern == *tag || *pattern == '?')) {
			pattern++;
			tag++;
		} else if (star) { /* the last '*' takes one more */
			pattern = star;
			tag = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

static bool matches(const struct element *element, const void *arg)
{
	return element->full && smc_tag_matches(arg, changer_tag(element));
}

static bool is_translation(uint8_t action)
{
	return (action & ~IGNORE_SEQUENCE) == TRANSLATE_ALL ||
	       (action & ~IGNORE_SEQUENCE) == TRANSLATE_PRIMARY;
}

static bool prepare_send(struct scsi_task *t)
{
	uint16_t length = get_be16(t->cdb + 8);

	if ((t->cdb[1] & 0x0f) > ELEMENT_DRIVE) {
		task_invalid_cdb(t, 1, 3);
		return false;
	}
	if (!is_translation(t->cdb[5] & 0x1f)) {
		task_invalid_cdb(t, 5, 4);
		return false;
	}
	if (length != LIST_LENGTH) {
		task_parameter_list_length_error(t);
		return false;
	}
	t->transfer_length = length;
	return true;
}

/* The search is the nexus's own: another one's REQUEST VOLUME ELEMENT ADDRESS doesn't see it. */
static void send_volume_tag(struct scsi_task *t)
{
	struct tag_search *search = &t->itl->search;
	char text[TEMPLATE + 1] = {0};
	size_t length = TEMPLATE;

	if (databuf_read(&t->data, 0, text, TEMPLATE) < TEMPLATE) {
		task_parameter_list_length_error(t);
		return;
	}
	while (length && (text[length - 1] == ' ' || !text[length - 1]))
		text[--length] = '\0';
	memcpy(search->pattern, text, sizeof(search->pattern));
	search->action = t->cdb[5] & 0x1f;
	search->type = t->cdb[1] & 0x0f;
	search->start = get_be16(t->cdb + 2);
	search->valid = true;
	task_good(t);
}

/* What the nexus has searched for last; it may ask for it again. */
static void request_volume_element_address(struct scsi_task *t)
{
	struct tag_search *search = &t->itl->search;
	struct element_report report = {
	    .type = t->cdb[1] & 0x0f,
	    .start = get_be16(t->cdb + 2),
	    .number = get_be16(t->cdb + 4),
	    .tags = t->cdb[1] & 0x10,
	    .action = search->action,
	    .wanted = matches,
	    .arg = search->pattern,
	};

	if (report.type > ELEMENT_DRIVE) {
		task_invalid_cdb(t, 1, 3);
		return;
	}
	if (!search->valid) { /* nothing was searched for */
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_COMMAND_SEQUENCE_ERROR);
		return;
	}
	if (search->type)
		report.type = (enum element_type)search->type;
	if (report.start < search->start)
		report.start = search->start;
	smc_report(t, &report, get_be24(t->cdb + 7));
}

const struct opcode_row smc_tag_rows[] = {
    {
	.opcode = 0xb5,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_IN,
	.pr = PR_WRITE,
	.usage = {0xb5, 0x1f | OBSOLETE_LUN, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff},
	.run = request_volume_element_address,
	.name = "REQUEST VOLUME ELEMENT ADDRESS",
	.clause = "SMC-3 REQUEST VOLUME ELEMENT ADDRESS",
    },
    {
	.opcode = 0xb6,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.usage = {0xb6, 0x0f | OBSOLETE_LUN, 0xff, 0xff, 0, 0x1f, 0, 0, 0xff, 0xff},
	.prepare = prepare_send,
	.run = send_volume_tag,
	.name = "SEND VOLUME TAG",
	.clause = "SMC-3 SEND VOLUME TAG",
    },
    {.run = NULL},
};
