/* SPDX-License-Identifier: MIT */
/* LOG SENSE (SPC-5 6.9), and the row of LOG SELECT. */
#include "scsi/log.h"

#include "scsi/commands.h"
#include "scsi/thresholds.h"
#include "util/bytes.h"

#define HEADER 4u
#define DS 0x80 /* byte 0 of a page: it is not saved */
#define SPF 0x40
#define DATA_MAX (HEADER + LOG_PARAMS_MAX * (4u + LOG_VALUE_MAX))

/* 7.3.19 and 7.3.20: the list of pages, and of pages with subpages; returns its length. */
static size_t put_list(uint8_t *at, const struct lu *lu, bool subpages)
{
	size_t len = 0;

	for (const struct log_page *p = log_pages; p->available; p++) {
		if (!p->available(lu) || (!subpages && p->subpage))
			continue;
		at[len++] = p->page;
		if (subpages)
			at[len++] = p->subpage;
	}
	return len;
}

/* PC: thresholds are beyond what a counter can reach, as none is compared with one; the cumulative
 * values are 0 by default. */
static void choose_values(struct log_param *param, unsigned pc)
{
	if (param->control & LOG_CONTROL_LIST)
		return;
	if (!(pc & 1))
		memset(param->value, 0xff, param->length);
	else if (pc == 3)
		memset(param->value, 0x00, param->length);
}

static size_t put_param(uint8_t *at, const struct log_param *param)
{
	put_be16(at, param->code);
	at[2] = param->control;
	at[3] = param->length;
	memcpy(at + 4, param->value, param->length);
	return 4u + param->length;
}

/* The parameters from the parameter pointer on. */
static void sense_params(struct scsi_task *t, const struct log_page *page, uint8_t *data)
{
	uint16_t pointer = get_be16(t->cdb + 5);
	struct log_param params[LOG_PARAMS_MAX];
	unsigned count = page->params(t->lu, params);
	size_t len = HEADER;

	/* an empty page has no parameter code, and then 0 is as good as any */
	if (pointer && (!count || pointer > params[count - 1].code)) {
		task_invalid_cdb(t, 5, 7);
		return;
	}
	if (page->for_nexus && t->cdb[2] >> 6 == 1)
		page->for_nexus(t, params, count);
	for (unsigned i = 0; i < count; i++) {
		if (params[i].code < pointer)
			continue;
		choose_values(&params[i], t->cdb[2] >> 6);
		len += put_param(data + len, &params[i]);
	}
	data[0] = (uint8_t)(DS | page->page);
	put_be16(data + 2, (uint16_t)(len - HEADER));
	task_reply(t, data, len, get_be16(t->cdb + 7));
}

static void sense_list(struct scsi_task *t, const struct log_page *page, uint8_t *data)
{
	size_t len = put_list(data + HEADER, t->lu, page->subpage != 0);

	if (get_be16(t->cdb + 5)) {
		task_invalid_cdb(t, 5, 7);
		return;
	}
	data[0] = (uint8_t)(page->page | (page->subpage ? SPF : 0));
	data[1] = page->subpage;
	put_be16(data + 2, (uint16_t)len);
	task_reply(t, data, HEADER + len, get_be16(t->cdb + 7));
}

static const struct log_page *page_of(const struct scsi_task *t)
{
	return log_find_page(t->lu, t->cdb[2] & 0x3f, t->cdb[3]);
}

static void sense_page(struct scsi_task *t)
{
	const struct log_page *page = page_of(t);
	uint8_t data[DATA_MAX] = {0};

	if (page->params)
		sense_params(t, page, data);
	else
		sense_list(t, page, data);
}

static void run_log_sense(struct scsi_task *t)
{
	const struct log_page *page = page_of(t);

	if (!page && log_find_page(t->lu, t->cdb[2] & 0x3f, 0))
		task_invalid_cdb(t, 3, 7);
	else if (!page)
		task_invalid_cdb(t, 2, 5);
	else if (page->asks_store)
		thresholds_refresh(t, sense_page);
	else
		sense_page(t);
}

/* SP: no log parameter can be saved.  PPC is obsolete. */
const struct opcode_row log_rows[] = {
    {
	.opcode = 0x4c,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_STANDBY,
	.usage = {0x4c, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff},
	.prepare = log_prepare_select,
	.run = log_run_select,
	.name = "LOG SELECT",
	.clause = "SPC-5 6.8",
    },
    {
	.opcode = 0x4d,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_ALLOWED,
	.flags = ROW_STANDBY,
	.usage = {0x4d, 0x00, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff, 0xff},
	.run = run_log_sense,
	.name = "LOG SENSE",
	.clause = "SPC-5 6.9",
    },
    {.run = NULL},
};
