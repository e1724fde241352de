/* SPDX-License-Identifier: MIT */
/* MODE SENSE and MODE SELECT (SPC-5 6.12 to 6.15). */
#include "scsi/mode.h"

#include "scsi/commands.h"
#include "scsi/ua.h"
#include "util/bytes.h"

#define DATA_MAX (8 + 16 + MODE_PAGES_MAX * MODE_PAGE_BYTES)
#define PARAMETERS_MAX 4096u

/* DEVICE-SPECIFIC PARAMETER of disks, SBC-4 6.5.1 */
#define DSP_WP 0x80
#define DSP_DPOFUA 0x10
/* and of tapes, SSC-5 8.3.3: what WRITE answered may still be in a buffer */
#define DSP_BUFFERED 0x10

static bool is_disk(const struct lu *lu)
{
	return lu->commands->device_type == 0x00;
}

static bool is_tape(const struct lu *lu)
{
	return lu->commands->device_type == 0x01;
}

static uint8_t device_specific(const struct lu *lu)
{
	uint8_t dsp = 0;

	if (!lu->store)
		return 0;
	if (lu->readonly || mode_swp(lu))
		dsp |= DSP_WP;
	if (is_disk(lu))
		dsp |= DSP_DPOFUA;
	if (is_tape(lu))
		dsp |= DSP_BUFFERED;
	return dsp;
}

/* SBC-4 6.5.2: NUMBER OF LOGICAL BLOCKS and LOGICAL BLOCK LENGTH.  For other media the number is 0
 * (all of the medium), the length 0 (variable) or a tape's for fixed blocks. */
static size_t put_block_descriptor(uint8_t *at, const struct lu *lu, bool long_lba)
{
	uint64_t blocks = is_disk(lu) && lu->medium ? lu->blocks : 0;
	uint32_t length = is_disk(lu) ? lu->block_size : lu->tape_block_length;

	if (!lu->store)
		return 0;
	memset(at, 0, 16);
	if (long_lba) {
		put_be64(at, blocks);
		put_be32(at + 12, length);
		return 16;
	}
	put_be32(at, blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks);
	put_be24(at + 5, length);
	return 8;
}

/* ---- MODE SENSE ---- */

static bool page_selected(const struct mode_page *p, uint8_t page, uint8_t subpage)
{
	if (page != MODE_PAGE_ALL && p->page != page)
		return false;
	return subpage == MODE_SUBPAGE_ALL || p->subpage == subpage;
}

/* Appends the pages asked for; returns how many bytes that was. */
static size_t put_pages(uint8_t *at, const struct lu *lu, unsigned values, uint8_t page,
			uint8_t subpage)
{
	size_t len = 0;

	for (unsigned i = 0; i < lu->mode->count; i++) {
		const struct mode_page *p = &lu->mode->pages[i];

		if (!page_selected(p, page, subpage))
			continue;
		memcpy(at + len, p->values[values], p->length);
		len += p->length;
	}
	return len;
}

/* The mode parameter header (SPC-5 7.5.5), once everything after it is there. */
static void put_header(uint8_t *data, size_t header, size_t len, uint8_t dsp, size_t descriptor)
{
	memset(data, 0, header);
	if (header == 4) {
		data[0] = (uint8_t)(len - 1);
		data[2] = dsp;
		data[3] = (uint8_t)descriptor;
		return;
	}
	put_be16(data, (uint16_t)(len - 2));
	data[3] = dsp;
	data[4] = descriptor == 16 ? 0x01 : 0x00; /* LONGLBA */
	put_be16(data + 6, (uint16_t)descriptor);
}

static void mode_sense(struct scsi_task *t, size_t header, bool long_lba,
		       uint32_t allocation_length)
{
	uint8_t data[DATA_MAX];
	unsigned values = t->cdb[2] >> 6;
	uint8_t page = t->cdb[2] & 0x3f, subpage = t->cdb[3];
	bool no_descriptor = t->cdb[1] & 0x08;
	size_t descriptor = 0, pages;

	if (values == MODE_SAVED) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_SAVING_PARAMETERS_NOT_SUPPORTED);
		return;
	}
	if (page == MODE_PAGE_ALL && subpage != 0 && subpage != MODE_SUBPAGE_ALL) {
		task_invalid_cdb(t, 3, 7);
		return;
	}
	if (!no_descriptor)
		descriptor = put_block_descriptor(data + header, t->lu, long_lba);
	pages = put_pages(data + header + descriptor, t->lu, values, page, subpage);
	/* page 0 of a tape drive is no page: what is asked for is the block descriptor */
	if (!pages && !(is_tape(t->lu) && page == 0)) {
		task_invalid_cdb(t, mode_find(t->lu->mode, page, 0) ? 3 : 2, -1);
		return;
	}
	if (header == 4 && header + descriptor + pages > 256) {
		task_invalid_cdb(
		    t, 2, 5); /* more than MODE DATA LENGTH can tell: use the longer command */
		return;
	}
	put_header(data, header, header + descriptor + pages, device_specific(t->lu), descriptor);
	task_reply(t, data, header + descriptor + pages, allocation_length);
}

static void run_mode_sense_6(struct scsi_task *t)
{
	mode_sense(t, 4, false, t->cdb[4]);
}

static void run_mode_sense_10(struct scsi_task *t)
{
	mode_sense(t, 8, t->cdb[1] & 0x10, get_be16(t->cdb + 7));
}

/* ---- MODE SELECT ---- */

/* A parameter list on its way through the checks. */
struct select_list {
	const uint8_t *data;
	size_t len, at;
};

/* SBC-4 6.5.2: this device can't be formatted otherwise, so only what it has is right; all ones
 * stand for a number of blocks that doesn't fit, 0 for "as it is". */
static bool check_block_descriptor(struct scsi_task *t, const struct select_list *list,
				   size_t length)
{
	uint8_t is[16];
	const uint8_t *given = list->data + list->at;
	size_t length_at = length == 16 ? 12 : 5, count_len = length == 16 ? 8 : 4;
	bool none = true;

	put_block_descriptor(is, t->lu, length == 16);
	if (is_tape(t->lu)) /* SSC-5 8.3.3: any length may be chosen */
		memcpy(is + length_at + (length == 16), given + length_at + (length == 16), 3);
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

/* Checks the header and the block descriptor; list->at then is at the first page. */
static bool check_header(struct scsi_task *t, struct select_list *list, size_t header)
{
	size_t length_at = header == 4 ? 3 : 6, length;
	bool long_lba = header == 8 && list->data[4] & 0x01;

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

/* The page at list->at, whole and with the right length; NULL: the task has been ended. */
static struct mode_page *check_page_header(struct scsi_task *t, const struct select_list *list)
{
	const uint8_t *given = list->data + list->at;
	size_t left = list->len - list->at, length;
	bool has_subpage = given[0] & 0x40;
	struct mode_page *p;

	if (left < (has_subpage ? 4u : 2u)) {
		task_parameter_list_length_error(t);
		return NULL;
	}
	p = mode_find(t->lu->mode, given[0] & 0x3f, has_subpage ? given[1] : 0);
	if (!p || mode_header_length(p) != (has_subpage ? 4u : 2u)) {
		task_invalid_parameter(t, (unsigned)list->at, 5);
		return NULL;
	}
	length = has_subpage ? get_be16(given + 2) + 4u : given[1] + 2u;
	if (length != p->length) {
		task_invalid_parameter(t, (unsigned)list->at + (has_subpage ? 2 : 1), -1);
		return NULL;
	}
	if (length > left) {
		task_parameter_list_length_error(t);
		return NULL;
	}
	return p;
}

/* SPC-5 6.12: a parameter that can't be changed must be sent as it is. */
static bool check_values(struct scsi_task *t, const struct select_list *list,
			 const struct mode_page *p)
{
	const uint8_t *given = list->data + list->at;

	for (unsigned i = mode_header_length(p); i < p->length; i++) {
		uint8_t differs = given[i] ^ p->values[MODE_CURRENT][i];
		uint8_t bad = (uint8_t)(differs & ~p->values[MODE_CHANGEABLE][i]);

		if (bad) {
			task_invalid_parameter(t, (unsigned)list->at + i, 31 - __builtin_clz(bad));
			return false;
		}
	}
	return true;
}

static bool check_pages(struct scsi_task *t, struct select_list list)
{
	while (list.at < list.len) {
		struct mode_page *p = check_page_header(t, &list);

		if (!p || !check_values(t, &list, p))
			return false;
		list.at += p->length;
	}
	return true;
}

/* Only after check_pages(); true when a value is another one now. */
static bool apply_pages(struct lu *lu, struct select_list list)
{
	bool changed = false;

	while (list.at < list.len) {
		const uint8_t *given = list.data + list.at;
		struct mode_page *p =
		    mode_find(lu->mode, given[0] & 0x3f, given[0] & 0x40 ? given[1] : 0);
		unsigned header = mode_header_length(p);

		if (memcmp(p->values[MODE_CURRENT] + header, given + header, p->length - header) !=
		    0) {
			memcpy(p->values[MODE_CURRENT] + header, given + header,
			       p->length - header);
			changed = true;
		}
		list.at += p->length;
	}
	mode_refresh(lu->mode);
	return changed;
}

/* Of a tape, when there was a block descriptor in front of the pages. */
static bool apply_block_length(struct lu *lu, const struct select_list *list, size_t header)
{
	size_t descriptor = list->at - header;
	uint32_t length;

	if (!is_tape(lu) || !descriptor)
		return false;
	length = get_be24(list->data + header + descriptor - 3);
	if (length == lu->tape_block_length)
		return false;
	lu->tape_block_length = length;
	return true;
}

static void mode_select(struct scsi_task *t, size_t header)
{
	struct select_list list = {.data = task_out_data(t), .len = t->data.length};
	bool changed;

	if (t->transfer_length == 0) {
		task_good(t);
		return;
	}
	if (list.len < header) {
		task_parameter_list_length_error(t);
		return;
	}
	if (!check_header(t, &list, header) || !check_pages(t, list))
		return;
	changed = apply_block_length(t->lu, &list, header);
	if (apply_pages(t->lu, list) || changed)
		lu_establish_ua(t->lu, ASC_MODE_PARAMETERS_CHANGED, t->nexus->id);
	task_good(t);
}

static bool prepare_mode_select(struct scsi_task *t, uint32_t length, unsigned length_at)
{
	if (length && !(t->cdb[1] & 0x10)) { /* PF: the pages here are the standard's */
		task_invalid_cdb(t, 1, 4);
		return false;
	}
	if (length > PARAMETERS_MAX) {
		task_invalid_cdb(t, length_at, -1);
		return false;
	}
	t->transfer_length = length;
	return true;
}

static bool prepare_mode_select_6(struct scsi_task *t)
{
	return prepare_mode_select(t, t->cdb[4], 4);
}

static bool prepare_mode_select_10(struct scsi_task *t)
{
	return prepare_mode_select(t, get_be16(t->cdb + 7), 7);
}

static void run_mode_select_6(struct scsi_task *t)
{
	mode_select(t, 4);
}

static void run_mode_select_10(struct scsi_task *t)
{
	mode_select(t, 8);
}

/* Saved pages don't exist: SP is not among the bits that MODE SELECT may have set. */
const struct opcode_row mode_rows[] = {
    {
	.opcode = 0x15,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x15, 0x10, 0, 0, 0xff},
	.prepare = prepare_mode_select_6,
	.run = run_mode_select_6,
	.name = "MODE SELECT(6)",
	.clause = "SPC-5 6.12",
    },
    {
	.opcode = 0x1a,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_IN,
	.pr = PR_READ,
	.usage = {0x1a, 0x08, 0xff, 0xff, 0xff},
	.run = run_mode_sense_6,
	.name = "MODE SENSE(6)",
	.clause = "SPC-5 6.14",
    },
    {
	.opcode = 0x55,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE,
	.usage = {0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff},
	.prepare = prepare_mode_select_10,
	.run = run_mode_select_10,
	.name = "MODE SELECT(10)",
	.clause = "SPC-5 6.13",
    },
    {
	.opcode = 0x5a,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.usage = {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff},
	.run = run_mode_sense_10,
	.name = "MODE SENSE(10)",
	.clause = "SPC-5 6.15",
    },
    {.run = NULL},
};
