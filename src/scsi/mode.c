/* SPDX-License-Identifier: MIT */
/* MODE SENSE (SPC-5 6.14, 6.15), and the rows of MODE SELECT. */
#include "scsi/mode.h"

#include "scsi/commands.h"
#include "scsi/tape_identity.h"
#include "scsi/tape_mode.h"
#include "util/bytes.h"

#define DATA_MAX (8 + 16 + MODE_PAGES_MAX * MODE_PAGE_BYTES)

/* DEVICE-SPECIFIC PARAMETER of disks, SBC-4 6.5.1 */
#define DSP_WP 0x80
#define DSP_DPOFUA 0x10
/* and of tapes, SSC-5 8.3.3: what WRITE answered may still be in a buffer */
#define DSP_BUFFERED 0x10

static bool is_disk(const struct lu *lu)
{
	return lu->commands->device_type == 0x00;
}

bool mode_is_tape(const struct lu *lu)
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
	if (mode_is_tape(lu) && !lu->tape_unbuffered)
		dsp |= DSP_BUFFERED;
	return dsp;
}

/* SBC-4 6.5.2: NUMBER OF LOGICAL BLOCKS and LOGICAL BLOCK LENGTH.  For other media the number is 0
 * (all of the medium), the length 0 (variable) or a tape's for fixed blocks; before it comes the
 * density code of a tape, unless the descriptor is long. */
size_t mode_put_block_descriptor(uint8_t *at, const struct lu *lu, bool long_lba)
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
	if (mode_is_tape(lu))
		at[0] = tape_density(lu);
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

		if (!page_selected(p, page, subpage) || !mode_is_visible(lu, p))
			continue;
		memcpy(at + len, p->values[values], p->length);
		if (mode_is_tape(lu))
			tape_mode_present(lu, p, (enum mode_values)values, at + len);
		if (mode_savable() && mode_has_changeable(p) && !p->never_saved)
			at[len] |= MODE_PAGE_PS;
		len += p->length;
	}
	return len;
}

/* The mode parameter header (SPC-5 7.5.5), once everything after it is there. */
static void put_header(uint8_t *data, size_t header, size_t len, const struct lu *lu,
		       size_t descriptor)
{
	uint8_t medium_type = mode_is_tape(lu) && lu->store ? tape_medium_type(lu) : 0;
	uint8_t dsp = device_specific(lu);

	memset(data, 0, header);
	if (header == 4) {
		data[0] = (uint8_t)(len - 1);
		data[1] = medium_type;
		data[2] = dsp;
		data[3] = (uint8_t)descriptor;
		return;
	}
	put_be16(data, (uint16_t)(len - 2));
	data[2] = medium_type;
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

	if (values == MODE_SAVED && !mode_savable()) {
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_SAVING_PARAMETERS_NOT_SUPPORTED);
		return;
	}
	if (page == MODE_PAGE_ALL && subpage != 0 && subpage != MODE_SUBPAGE_ALL) {
		task_invalid_cdb(t, 3, 7);
		return;
	}
	if (!no_descriptor)
		descriptor = mode_put_block_descriptor(data + header, t->lu, long_lba);
	pages = put_pages(data + header + descriptor, t->lu, values, page, subpage);
	/* page 0 of a tape drive is no page: what is asked for is the block descriptor */
	if (!pages && !(mode_is_tape(t->lu) && page == 0)) {
		task_invalid_cdb(t, mode_find_visible(t->lu, page, 0) ? 3 : 2, -1);
		return;
	}
	if (header == 4 && header + descriptor + pages > 256) {
		task_invalid_cdb(
		    t, 2, 5); /* more than MODE DATA LENGTH can tell: use the longer command */
		return;
	}
	put_header(data, header, header + descriptor + pages, t->lu, descriptor);
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

#define SELECT_BYTE_1 0x13 /* PF, RTD, SP */

const struct opcode_row mode_rows[] = {
    {
	.opcode = 0x15,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 6,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_STANDBY,
	.usage = {0x15, SELECT_BYTE_1, 0, 0, 0xff},
	.prepare = mode_prepare_select_6,
	.run = mode_run_select,
	.name = "MODE SELECT(6)",
	.clause = "SPC-5 6.12",
    },
    {
	.opcode = 0x55,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_OUT,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_STANDBY,
	.usage = {0x55, SELECT_BYTE_1, 0, 0, 0, 0, 0, 0xff, 0xff},
	.prepare = mode_prepare_select_10,
	.run = mode_run_select,
	.name = "MODE SELECT(10)",
	.clause = "SPC-5 6.13",
    },
    {
	.opcode = 0x5a,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_IN,
	.pr = PR_READ,
	.flags = ROW_STANDBY,
	.usage = {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff},
	.run = run_mode_sense_10,
	.name = "MODE SENSE(10)",
	.clause = "SPC-5 6.15",
    },
    {.run = NULL},
};

#define MODE_SENSE_6(byte_1)                                                                       \
	{                                                                                          \
		.opcode = 0x1a, .service_action = NO_SERVICE_ACTION, .cdb_len = 6,                 \
		.direction = DATA_IN, .pr = PR_READ, .flags = ROW_STANDBY,                         \
		.usage = {0x1a, byte_1, 0xff, 0xff, 0xff}, .run = run_mode_sense_6,                \
		.name = "MODE SENSE(6)", .clause = "SPC-5 6.14",                                   \
	}

const struct opcode_row mode_sense_rows[] = {MODE_SENSE_6(0x08), {.run = NULL}};
const struct opcode_row mode_sense_lun_rows[] = {MODE_SENSE_6(0x08 | OBSOLETE_LUN), {.run = NULL}};
