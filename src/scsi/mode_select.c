/* SPDX-License-Identifier: MIT */
/* MODE SELECT (SPC-5 6.12, 6.13): all of the list is checked before anything changes. */
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/mode.h"
#include "scsi/tape_mode.h"
#include "scsi/thresholds.h"
#include "scsi/ua.h"
#include "store/state.h"
#include "util/bytes.h"
#include "util/log.h"

#define PARAMETERS_MAX 4096u

/* Byte 1 of the CDB. */
#define PF 0x10
#define RTD 0x02
#define SP 0x01

/* A parameter list on its way through the checks. */
struct select_list {
	const uint8_t *data;
	size_t len, at;
	size_t page; /* bytes of the page at at, once its header has been checked */
};

/* SSC-5 MODE SELECT: density code, number of blocks (all or none), and any block length that the
 * drive takes.  The long descriptor has no density code. */
static bool check_tape_descriptor(struct scsi_task *t, size_t at, const uint8_t *given,
				  size_t length)
{
	size_t length_at = length == 16 ? 13 : 5;

	if (length == 8 && !tape_mode_density_fits(t->lu, given[0])) {
		task_invalid_parameter(t, (unsigned)at, -1);
		return false;
	}
	for (size_t i = length == 8; i < length_at; i++)
		if (given[i]) {
			task_invalid_parameter(t, (unsigned)(at + i), -1);
			return false;
		}
	if (get_be24(given + length_at) <= tape_max_block(t->lu))
		return true;
	task_invalid_parameter(t, (unsigned)(at + length_at), -1);
	return false;
}

/* SBC-4 6.5.2: this device can't be formatted otherwise, so only what it has is right; all ones
 * stand for a number of blocks that doesn't fit, 0 for "as it is". */
static bool check_block_descriptor(struct scsi_task *t, const struct select_list *list,
				   size_t length)
{
	uint8_t is[16];
	const uint8_t *given = list->data + list->at;
	size_t length_at = length == 16 ? 12 : 5, count_len = length == 16 ? 8 : 4;
	bool none = true;

	if (mode_is_tape(t->lu))
		return check_tape_descriptor(t, list->at, given, length);
	mode_put_block_descriptor(is, t->lu, length == 16);
	for (size_t i = 0; i < count_len; i++)
		none = none && !given[i];
	if (!none && memcmp(given, is, count_len) != 0) {
		task_invalid_parameter(t, (unsigned)list->at, -1);
		return false;
	}
	if (memcmp(given + length_at, is + length_at, length - length_at) != 0) {
		task_invalid_parameter(t, (unsigned)(list->at + length_at), -1);
		return false;
	}
	return true;
}

/* SSC-5 mode parameter header: there is one speed, the default one, and what is written is buffered
 * (1h) or not (0h).  WP is ignored. */
#define BUFFERED_MODE 0x70
#define BUFFERED 0x10
#define SPEED 0x0f

static bool check_device_specific(struct scsi_task *t, const struct select_list *list,
				  size_t header)
{
	unsigned at = header == 4 ? 2 : 3;
	uint8_t dsp = list->data[at];

	if (!mode_is_tape(t->lu) || ((dsp & BUFFERED_MODE) <= BUFFERED && !(dsp & SPEED)))
		return true;
	task_invalid_parameter(t, at, dsp & SPEED ? 3 : 6);
	return false;
}

/* Checks the header and the block descriptor; list->at then is at the first page. */
static bool check_header(struct scsi_task *t, struct select_list *list, size_t header)
{
	size_t length_at = header == 4 ? 3 : 6, length;
	bool long_lba = header == 8 && list->data[4] & 0x01;

	if (!check_device_specific(t, list, header))
		return false;
	length = header == 4 ? list->data[3] : get_be16(list->data + 6);
	if (length && (length != (long_lba ? 16u : 8u) || !t->lu->store)) {
		task_invalid_parameter(t, (unsigned)length_at, -1);
		return false;
	}
	list->at = header;
	if (!length)
		return true;
	if (length > list->len - list->at) {
		task_parameter_list_length_error(t);
		return false;
	}
	if (!check_block_descriptor(t, list, length))
		return false;
	list->at += length;
	return true;
}

/* With its header, as it says itself. */
static size_t page_length(const uint8_t *given)
{
	return given[0] & MODE_PAGE_SPF ? get_be16(given + 2) + 4u : given[1] + 2u;
}

/* The page at list->at, whole and with the right length (list->page); NULL: the task has been
 * ended. */
static struct mode_page *check_page_header(struct scsi_task *t, struct select_list *list)
{
	const uint8_t *given = list->data + list->at;
	size_t left = list->len - list->at, length;
	bool has_subpage = given[0] & 0x40;
	struct mode_page *p;

	if (left < (has_subpage ? 4u : 2u)) {
		task_parameter_list_length_error(t);
		return NULL;
	}
	p = mode_find_visible(t->lu, given[0] & 0x3f, has_subpage ? given[1] : 0);
	if (!p || mode_header_length(p) != (has_subpage ? 4u : 2u)) {
		task_invalid_parameter(t, (unsigned)list->at, 5);
		return NULL;
	}
	length = page_length(given);
	if (!tape_mode_length_fits(p, length)) {
		task_invalid_parameter(t, (unsigned)list->at + (has_subpage ? 2 : 1), -1);
		return NULL;
	}
	if (length > left) {
		task_parameter_list_length_error(t);
		return NULL;
	}
	list->page = length;
	return p;
}

/* SPC-5 6.12: a parameter that can't be changed must be sent as it is. */
static bool check_values(struct scsi_task *t, const struct select_list *list,
			 const struct mode_page *p)
{
	const uint8_t *given = list->data + list->at;
	uint8_t is[MODE_PAGE_BYTES];
	int bad_byte = -1;

	memcpy(is, p->values[MODE_CURRENT], p->length);
	if (mode_is_tape(t->lu))
		tape_mode_present(t->lu, p, MODE_CURRENT, is);
	for (unsigned i = mode_header_length(p); i < list->page; i++) {
		uint8_t bad = (uint8_t)((given[i] ^ is[i]) & ~p->values[MODE_CHANGEABLE][i]);

		if (bad) {
			task_invalid_parameter(t, (unsigned)list->at + i, 31 - __builtin_clz(bad));
			return false;
		}
	}
	if (mode_is_tape(t->lu))
		bad_byte = tape_mode_check(t->lu, p, given, list->page);
	if (bad_byte >= 0)
		task_invalid_parameter(t, (unsigned)list->at + (unsigned)bad_byte, -1);
	return bad_byte < 0;
}

static bool check_pages(struct scsi_task *t, struct select_list list)
{
	while (list.at < list.len) {
		struct mode_page *p = check_page_header(t, &list);

		if (!p || !check_values(t, &list, p))
			return false;
		list.at += list.page;
	}
	return true;
}

/* ---- the change ---- */

/* One MODE SELECT that has passed all checks. */
struct change {
	struct scsi_task *t;
	struct mode_state next; /* what the pages are to become */
	uint32_t block_length;  /* a tape's */
	bool unbuffered;        /* the same */
	bool saves;

	/* keeping it */
	struct reactor *reactor;
	struct work work;
	struct message message;
	char key[STATE_KEY_MAX];
	uint8_t blob[MODE_BLOB_MAX];
	size_t blob_len;
	int error;
};

/* Only after check_pages(). */
static void apply_pages(struct mode_state *state, struct select_list list)
{
	while (list.at < list.len) {
		const uint8_t *given = list.data + list.at;
		struct mode_page *p =
		    mode_find(state, given[0] & 0x3f, given[0] & MODE_PAGE_SPF ? given[1] : 0);
		size_t header = mode_header_length(p), length = page_length(given);

		memset(p->values[MODE_CURRENT] + header, 0, p->length - header);
		memcpy(p->values[MODE_CURRENT] + header, given + header, length - header);
		list.at += length;
	}
}

/* SPC-5 6.12: SP saves all pages that can be saved, sent or not. */
static void save_all(struct mode_state *state)
{
	for (unsigned i = 0; i < state->count; i++) {
		struct mode_page *p = &state->pages[i];

		if (!mode_has_changeable(p) || p->never_saved)
			continue;
		memcpy(p->values[MODE_SAVED], p->values[MODE_CURRENT], p->length);
		p->kept = true;
	}
}

static bool differs(const struct mode_state *a, const struct mode_state *b)
{
	for (unsigned i = 0; i < a->count; i++)
		if (memcmp(a->pages[i].values[MODE_CURRENT], b->pages[i].values[MODE_CURRENT],
			   a->pages[i].length) != 0)
			return true;
	return false;
}

static void commit(struct change *c)
{
	struct scsi_task *t = c->t;
	struct lu *lu = t->lu;
	bool changed = differs(lu->mode, &c->next) || lu->tape_block_length != c->block_length ||
		       lu->tape_unbuffered != c->unbuffered;

	/* not the whole: task management may be reading what mode_refresh() sets */
	memcpy(lu->mode->pages, c->next.pages, sizeof(c->next.pages));
	mode_refresh(lu->mode);
	lu->tape_block_length = c->block_length;
	lu->tape_unbuffered = c->unbuffered;
	free(c);
	if (changed)
		thresholds_restart(lu);
	if (changed)
		lu_establish_ua(lu, ASC_MODE_PARAMETERS_CHANGED, t->nexus->id);
	task_good(t);
}

/* ---- saving: durable before GOOD ---- */

static void saved(struct message *message)
{
	struct change *c = container_of(message, struct change, message);
	struct scsi_task *t = c->t;

	if (!c->error) {
		commit(c);
		return;
	}
	log_err("%s: its mode pages can't be saved: %s", lu_name(t->lu), strerror(-c->error));
	free(c);
	task_sense(t, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
}

static void save_on_worker(struct work *work)
{
	struct change *c = container_of(work, struct change, work);

	c->error = mode_save(c->key, c->blob, c->blob_len);
	reactor_send(c->reactor, &c->message);
}

static void save(struct change *c)
{
	const struct lu *lu = c->t->lu;

	c->blob_len = mode_encode(c->blob, &c->next, lu->path);
	mode_state_key(lu, c->key, sizeof(c->key));
	c->reactor = reactor_self();
	c->work.fn = save_on_worker;
	c->message.fn = saved;
	workers_submit(workers_control_gate(), &c->work);
}

/* ---- the commands ---- */

/* Of a tape, when there was a block descriptor in front of the pages. */
static uint32_t block_length(const struct lu *lu, const struct select_list *list, size_t header)
{
	size_t descriptor = list->at - header;

	if (!mode_is_tape(lu) || !descriptor)
		return lu->tape_block_length;
	return get_be24(list->data + header + descriptor - 3);
}

/* Where the store can't write through, everything is buffered. */
static bool wants_unbuffered(const struct lu *lu, uint8_t dsp)
{
	return mode_is_tape(lu) && store_can(lu->store, TGT_BS_CAN_FUA) && !(dsp & BUFFERED_MODE);
}

/* NULL: out of memory; the task has ended. */
static struct change *new_change(struct scsi_task *t)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c) {
		task_status(t, STATUS_BUSY);
		return NULL;
	}
	c->t = t;
	c->next = *t->lu->mode;
	c->block_length = t->lu->tape_block_length;
	c->unbuffered = t->lu->tape_unbuffered;
	c->saves = t->cdb[1] & SP;
	return c;
}

static size_t header_length(const struct scsi_task *t)
{
	return t->row->cdb_len == 6 ? 4 : 8;
}

/* What the command asks for; NULL: it has ended the task. */
static struct change *change_of(struct scsi_task *t)
{
	struct select_list list = {.data = task_out_data(t), .len = t->data.length};
	size_t header = header_length(t);
	struct change *c;

	if (list.len < t->transfer_length || (t->transfer_length && list.len < header)) {
		task_parameter_list_length_error(t);
		return NULL;
	}
	if (t->transfer_length && (!check_header(t, &list, header) || !check_pages(t, list)))
		return NULL;
	c = new_change(t);
	if (!c)
		return NULL;
	if (t->cdb[1] & RTD)
		mode_revert_to_defaults(&c->next, c->saves);
	if (t->transfer_length) {
		c->block_length = block_length(t->lu, &list, header);
		c->unbuffered = wants_unbuffered(t->lu, list.data[header == 4 ? 2 : 3]);
		apply_pages(&c->next, list);
		tape_mode_settle(&c->next, t->lu->mode);
	}
	if (c->saves && !(t->cdb[1] & RTD))
		save_all(&c->next);
	mode_refresh(&c->next);
	return c;
}

static void make(struct change *c)
{
	if (c->saves)
		save(c);
	else
		commit(c);
}

static void flushed(struct scsi_task *t)
{
	struct change *c;

	if (t->store.bs.status != TGT_BS_OK) {
		task_store_status(t, &t->store.bs);
		return;
	}
	c = change_of(t);
	if (c)
		make(c);
}

/* SBC-4 6.5.6: what is in a write cache goes to the medium before the cache is switched off.  The
 * change is worked out anew after that, as nobody would free it if the task was aborted. */
void mode_run_select(struct scsi_task *t)
{
	struct change *c = change_of(t);

	if (!c)
		return;
	if (mode_wce(t->lu) && !c->next.wce && t->lu->volatile_cache &&
	    store_can(t->lu->store, TGT_BS_CAN_FLUSH)) {
		free(c);
		task_submit_store(t, TGT_BS_FLUSH, 0, 0, 0, NULL, flushed);
	} else {
		make(c);
	}
}

static bool prepare_mode_select(struct scsi_task *t, uint32_t length, unsigned length_at)
{
	bool rtd = t->cdb[1] & RTD;

	if (t->cdb[1] & SP && !mode_savable()) {
		task_invalid_cdb(t, 1, 0);
		return false;
	}
	/* PF: the pages here are the standard's; with RTD there are none, and PF says nothing */
	if (!rtd && length && !(t->cdb[1] & PF)) {
		task_invalid_cdb(t, 1, 4);
		return false;
	}
	if (length > PARAMETERS_MAX || (rtd && length)) {
		task_invalid_cdb(t, length_at, -1);
		return false;
	}
	t->transfer_length = length;
	return true;
}

bool mode_prepare_select_6(struct scsi_task *t)
{
	return prepare_mode_select(t, t->cdb[4], 4);
}

bool mode_prepare_select_10(struct scsi_task *t)
{
	return prepare_mode_select(t, get_be16(t->cdb + 7), 7);
}
