/* SPDX-License-Identifier: MIT */
/*
 * LOG SELECT (SPC-5 6.8).  Counters can be reset, by PCR, by their default values, or by a
 * parameter that says 0; nothing else of the log can be changed, and nothing is saved.
 */
#include "scsi/commands.h"
#include "scsi/log.h"
#include "scsi/ua.h"
#include "util/bytes.h"

#define PCR 0x02
#define LIST_MAX 8192u
#define HEADER 4u

enum page_control { THRESHOLDS, CUMULATIVE, DEFAULT_THRESHOLDS, DEFAULT_CUMULATIVE };

static enum page_control page_control(const struct scsi_task *t)
{
	return (enum page_control)(t->cdb[2] >> 6);
}

static void changed(struct scsi_task *t)
{
	lu_establish_ua(t->lu, ASC_LOG_PARAMETERS_CHANGED, t->nexus->id);
}

/* ---- without parameters: whole pages ---- */

/* SPC-5 table of PAGE CODE and SUBPAGE CODE: 00h/00h are all pages, subpage FFh all subpages. */
static bool is_selected(const struct scsi_task *t, const struct log_page *page)
{
	uint8_t code = t->cdb[2] & 0x3f, subpage = t->cdb[3];

	if (!code && !subpage)
		return true;
	return page->page == code && (page->subpage == subpage || subpage == LOG_SUBPAGE_ALL);
}

static bool page_exists(const struct scsi_task *t)
{
	for (const struct log_page *p = log_pages; p->available; p++)
		if (p->available(t->lu) && is_selected(t, p))
			return true;
	return false;
}

static void reset_pages(struct scsi_task *t)
{
	bool any = false;

	for (const struct log_page *p = log_pages; p->available; p++) {
		if (!p->available(t->lu) || !is_selected(t, p) || !p->reset)
			continue;
		p->reset(t->lu, -1);
		any = true;
	}
	if (any)
		changed(t);
	task_good(t);
}

static void without_list(struct scsi_task *t)
{
	if (!page_exists(t) && log_find_page(t->lu, t->cdb[2] & 0x3f, 0))
		task_invalid_cdb(t, 3, 7);
	else if (!page_exists(t))
		task_invalid_cdb(t, 2, 5);
	else if (t->cdb[1] & PCR || page_control(t) == DEFAULT_CUMULATIVE)
		reset_pages(t);
	else /* thresholds are what they are by default, and nothing else is asked for */
		task_good(t);
}

/* ---- with parameters ---- */

/* A list on its way; the first pass checks, the second resets. */
struct select {
	struct scsi_task *t;
	const uint8_t *data;
	size_t at; /* of the page, or of the parameter in it */
	bool apply;
	bool any; /* a counter was reset */
};

static bool is_filled(const uint8_t *at, size_t len, uint8_t with)
{
	while (len--)
		if (*at++ != with)
			return false;
	return true;
}

/* The value that was sent for a parameter is one that it can be given. */
static bool value_fits(const struct select *s, const struct log_param *param, const uint8_t *value)
{
	if (param->control & LOG_CONTROL_LIST)
		return memcmp(value, param->value, param->length) == 0;
	if (page_control(s->t) == THRESHOLDS || page_control(s->t) == DEFAULT_THRESHOLDS)
		return is_filled(value, param->length, 0xff);
	if (is_filled(value, param->length, 0x00) && param->can_reset)
		return true;
	return page_control(s->t) == CUMULATIVE && memcmp(value, param->value, param->length) == 0;
}

static bool refuse(const struct select *s, size_t at)
{
	task_invalid_parameter(s->t, (unsigned)at, -1);
	return false;
}

static const struct log_param *find_param(const struct log_param *params, unsigned count,
					  uint16_t code)
{
	for (unsigned i = 0; i < count; i++)
		if (params[i].code == code)
			return &params[i];
	return NULL;
}

static bool check_param(const struct select *s, const struct log_param *param)
{
	const uint8_t *given = s->data + s->at;

	if (!param)
		return refuse(s, s->at);
	if (given[2] != param->control)
		return refuse(s, s->at + 2);
	if (given[3] != param->length)
		return refuse(s, s->at + 3);
	return value_fits(s, param, given + 4) || refuse(s, s->at + 4);
}

/* Only once it has been checked. */
static void apply_param(struct select *s, const struct log_page *page,
			const struct log_param *param)
{
	const uint8_t *value = s->data + s->at + 4;

	if (!(page_control(s->t) & 1) || !param->can_reset || !page->reset ||
	    !is_filled(value, param->length, 0x00))
		return;
	page->reset(s->t->lu, param->code);
	s->any = true;
}

/* The parameters up to end, ascending; each whole, or the page's length is wrong. */
static bool each_param(struct select *s, const struct log_page *page, size_t end)
{
	struct log_param params[LOG_PARAMS_MAX];
	unsigned count = page->params ? page->params(s->t->lu, params) : 0;
	size_t length_at = s->at - 2;
	int last = -1;

	while (s->at < end) {
		const uint8_t *given = s->data + s->at;
		const struct log_param *param;

		if (end - s->at < HEADER || given[3] > end - s->at - HEADER)
			return refuse(s, length_at);
		param = find_param(params, count, get_be16(given));
		if (s->apply)
			apply_param(s, page, param);
		else if (get_be16(given) <= last)
			return refuse(s, s->at);
		else if (!check_param(s, param))
			return false;
		last = get_be16(given);
		s->at += HEADER + given[3];
	}
	return true;
}

static bool each_page(struct select *s, size_t len)
{
	int last = -1;

	while (s->at < len) {
		const uint8_t *given = s->data + s->at;
		const struct log_page *page;
		size_t end;
		int id;

		if (len - s->at < HEADER || get_be16(given + 2) > len - s->at - HEADER) {
			task_parameter_list_length_error(s->t);
			return false;
		}
		page = log_find_page(s->t->lu, given[0] & 0x3f, given[1]);
		id = (given[0] & 0x3f) << 8 | given[1];
		if (!page || id <= last) /* pages come ascending, each once */
			return refuse(s, s->at);
		last = id;
		end = s->at + HEADER + get_be16(given + 2);
		s->at += HEADER;
		if (!each_param(s, page, end))
			return false;
	}
	return true;
}

static void with_list(struct scsi_task *t)
{
	struct select s = {.t = t, .data = task_out_data(t)};

	if (!each_page(&s, t->data.length))
		return;
	s.at = 0;
	s.apply = true;
	each_page(&s, t->data.length);
	if (s.any)
		changed(t);
	task_good(t);
}

/* ---- ---- */

bool log_prepare_select(struct scsi_task *t)
{
	uint16_t length = get_be16(t->cdb + 7);

	if (length && t->cdb[1] & PCR) {
		task_invalid_cdb(t, 1, 1);
		return false;
	}
	/* each page of a list says itself which it is */
	if (length && t->cdb[2] & 0x3f) {
		task_invalid_cdb(t, 2, 5);
		return false;
	}
	if (length && t->cdb[3]) {
		task_invalid_cdb(t, 3, 7);
		return false;
	}
	if (length > LIST_MAX) {
		task_invalid_cdb(t, 7, 7);
		return false;
	}
	t->transfer_length = length;
	return true;
}

void log_run_select(struct scsi_task *t)
{
	if (t->transfer_length)
		with_list(t);
	else
		without_list(t);
}
