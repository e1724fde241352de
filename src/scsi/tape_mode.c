/* SPDX-License-Identifier: MIT */
/* The mode pages of tape drives: their values, and what they ask of the commands (SSC-5). */
#include "scsi/tape_mode.h"

#include <string.h>

#include "scsi/tape.h"
#include "scsi/tape_identity.h"
#include "scsi/tape_partition.h"
#include "util/bytes.h"

#define MEGA 1000000u

/* Data Compression */
#define DC_BYTE 2
#define DCE 0x80
#define DCC 0x40
#define DDE_BYTE 3
#define DDE 0x80
#define ALGORITHM_UNREGISTERED 0xff
/* Device Configuration */
#define CONFIG_PARTITION 3
#define CONFIG_LOIS_BYTE 8
#define CONFIG_LOIS 0x40
#define CONFIG_EEG_BYTE 10
#define CONFIG_EEG 0x10
#define CONFIG_SWP 0x04
#define CONFIG_SDCA 14
/* Device Configuration Extension */
#define EXTENSION_BYTE 4
#define EXTENSION_TAPLSD 0x01
#define EXTENSION_WRITE_MODE 5
#define WRITE_MODE_APPEND_ONLY 0x10
#define EXTENSION_PEWS 6
/* Control Data Protection */
#define LBP_METHOD 4
#define LBP_LENGTH 5
#define LBP_FLAGS 6
#define LBP_W 0x80
#define LBP_R 0x40
#define LBP_CRC_BYTES 4
/* Medium Configuration */
#define WORMM_BYTE 2
#define WORMM 0x01
#define WORM_FILEMARKS 5

/* Nothing is retried or corrected here, the store does that. */
static const uint8_t rw_error_recovery[12] = {0x01, 0x0a};
static const uint8_t data_protection[32] = {0x4a, 0xf0, 0x00, 0x1c};
static const uint8_t data_protection_changeable[32] = {0x4a, 0xf0, 0x00,         0x1c,
						       0xff, 0x3f, LBP_W | LBP_R};
/* LOIS: logical object identifiers; EEG: WRITE ends with an end of data */
static const uint8_t configuration[16] = {
    0x10, 0x0e, [CONFIG_LOIS_BYTE] = CONFIG_LOIS, [CONFIG_EEG_BYTE] = CONFIG_EEG};
static const uint8_t extension[32] = {0x50, 0x01, 0x00, 0x1c};
/* DEXCPT: TapeAlert is polled (LOG SENSE), nothing is reported by itself */
static const uint8_t informational_exceptions[12] = {0x1c, 0x0a, 0x08};
/* WORM MODE: no label can be overwritten, and any number of filemarks right before end of data */
static const uint8_t medium_configuration[32] = {0x1d, 0x1e, [WORM_FILEMARKS] = 0x03};
static const uint8_t nothing[MODE_PAGE_BYTES];

/* ---- the pages ---- */

static void compression_defaults(const struct lu *lu, uint8_t values[16])
{
	memset(values, 0, 16);
	values[0] = MODE_PAGE_DATA_COMPRESSION;
	values[1] = 14;
	if (!store_can(lu->store, TGT_BS_CAN_COMPRESS))
		return;
	values[DC_BYTE] = (uint8_t)(DCC | (tape_identity_of(lu)->compresses ? DCE : 0));
	values[DDE_BYTE] = DDE;
	put_be32(values + 4, ALGORITHM_UNREGISTERED);
	put_be32(values + 8, ALGORITHM_UNREGISTERED);
}

static void configuration_defaults(const struct lu *lu, uint8_t values[16])
{
	memcpy(values, configuration, sizeof(configuration));
	if (store_can(lu->store, TGT_BS_CAN_COMPRESS) && tape_identity_of(lu)->compresses)
		values[CONFIG_SDCA] = 1;
}

static void add_configuration(struct mode_state *state, const struct lu *lu)
{
	uint8_t values[32], changeable[32] = {0};

	configuration_defaults(lu, values);
	changeable[CONFIG_EEG_BYTE] = CONFIG_SWP;
	if (store_can(lu->store, TGT_BS_CAN_COMPRESS))
		changeable[CONFIG_SDCA] = 0xff;
	mode_add_page(state, values, sizeof(configuration), changeable);
	memset(changeable, 0, sizeof(changeable));
	changeable[EXTENSION_BYTE] = EXTENSION_TAPLSD;
	if (store_can(lu->store, TGT_BS_CAN_APPEND_ONLY))
		changeable[EXTENSION_WRITE_MODE] = 0xf0;
	put_be16(changeable + EXTENSION_PEWS, 0xffff);
	mode_add_page(state, extension, sizeof(extension), changeable);
}

static void add_compression(struct mode_state *state, const struct lu *lu)
{
	uint8_t values[16], changeable[16] = {0};

	compression_defaults(lu, values);
	if (values[DC_BYTE] & DCC)
		changeable[DC_BYTE] = DCE;
	mode_add_page(state, values, sizeof(values), changeable);
}

void tape_mode_add_pages(struct mode_state *state, const struct lu *lu)
{
	mode_add_page(state, rw_error_recovery, sizeof(rw_error_recovery), nothing);
	mode_add_page(state, data_protection, sizeof(data_protection), data_protection_changeable);
	add_compression(state, lu);
	add_configuration(state, lu);
	tape_partition_add_page(state, lu);
	mode_add_page(state, informational_exceptions, sizeof(informational_exceptions), nothing);
	mode_add_page(state, medium_configuration, sizeof(medium_configuration), nothing);
}

void tape_mode_identity_changed(struct lu *lu)
{
	struct mode_page *compression = mode_find(lu->mode, MODE_PAGE_DATA_COMPRESSION, 0);
	struct mode_page *config = mode_find(lu->mode, MODE_PAGE_DEVICE_CONFIGURATION, 0);
	uint8_t values[MODE_PAGE_BYTES];

	compression_defaults(lu, values);
	mode_set_defaults(compression, values);
	configuration_defaults(lu, values);
	mode_set_defaults(config, values);
	mode_refresh(lu->mode);
}

/* ---- what they ask for ---- */

static const uint8_t *current(struct mode_state *state, uint8_t page, uint8_t subpage)
{
	struct mode_page *p = mode_find(state, page, subpage);

	return p ? p->values[MODE_CURRENT] : nothing;
}

void tape_mode_refresh(struct mode_state *state)
{
	const uint8_t *compression = current(state, MODE_PAGE_DATA_COMPRESSION, 0);
	const uint8_t *config = current(state, MODE_PAGE_DEVICE_CONFIGURATION, 0);
	const uint8_t *more =
	    current(state, MODE_PAGE_DEVICE_CONFIGURATION, MODE_SUBPAGE_EXTENSION);
	const uint8_t *lbp = current(state, MODE_PAGE_CONTROL, MODE_SUBPAGE_DATA_PROTECTION);
	uint8_t flags = lbp[LBP_METHOD] ? lbp[LBP_FLAGS] : 0;
	struct mode_page *sdca = mode_find(state, MODE_PAGE_DEVICE_CONFIGURATION, 0);

	state->tape = (struct tape_modes){
	    .compress = compression[DC_BYTE] & DCE,
	    .append_only = (more[EXTENSION_WRITE_MODE] & 0xf0) == WRITE_MODE_APPEND_ONLY,
	    .swp = config[CONFIG_EEG_BYTE] & CONFIG_SWP,
	    .keeps_alerts = more[EXTENSION_BYTE] & EXTENSION_TAPLSD,
	    .pews = (uint64_t)get_be16(more + EXTENSION_PEWS) * MEGA,
	    .lbp_method = lbp[LBP_METHOD],
	    .lbp_length = lbp[LBP_LENGTH],
	    .lbp_write = flags & LBP_W,
	    .lbp_read = flags & LBP_R,
	};
	if (sdca) /* what was saved or is by default of the two pages may differ */
		sdca->values[MODE_CURRENT][CONFIG_SDCA] = state->tape.compress;
}

const struct tape_modes *tape_modes(const struct lu *lu)
{
	static const struct tape_modes none;

	return lu->mode ? &lu->mode->tape : &none;
}

void tape_mode_settle(struct mode_state *next, const struct mode_state *before)
{
	struct mode_page *compression = mode_find(next, MODE_PAGE_DATA_COMPRESSION, 0);
	struct mode_page *config = mode_find(next, MODE_PAGE_DEVICE_CONFIGURATION, 0);
	uint8_t *dc, *algorithm;

	if (!compression || !config)
		return;
	dc = &compression->values[MODE_CURRENT][DC_BYTE];
	algorithm = &config->values[MODE_CURRENT][CONFIG_SDCA];
	if (((*dc & DCE) != 0) != before->tape.compress)
		*algorithm = *dc & DCE ? 1 : 0;
	else if (*dc & DCC)
		*dc = (uint8_t)(DCC | (*algorithm ? DCE : 0));
}

/* ---- MODE SENSE ---- */

void tape_mode_present(const struct lu *lu, const struct mode_page *page, enum mode_values kind,
		       uint8_t *at)
{
	struct tgt_bs_tape_info info;

	if (kind == MODE_CHANGEABLE)
		return;
	if (page->page == MODE_PAGE_DEVICE_CONFIGURATION && !page->subpage && lu->tape)
		at[CONFIG_PARTITION] =
		    (uint8_t)atomic_load_explicit(&lu->tape->partition, memory_order_relaxed);
	if (!lu->medium || store_tape_info(lu->store, &info))
		return;
	if (page->page == MODE_PAGE_MEDIUM_PARTITION)
		tape_partition_present(page, &info, kind, at);
	else if (page->page == MODE_PAGE_MEDIUM_CONFIGURATION && info.medium == TGT_BS_MEDIUM_WORM)
		at[WORMM_BYTE] = WORMM;
}

/* ---- MODE SELECT ---- */

static int check_data_protection(const uint8_t *given)
{
	switch (given[LBP_METHOD]) {
	case TAPE_LBP_NONE:
		return given[LBP_LENGTH] ? LBP_LENGTH : -1;
	case TAPE_LBP_CRC32C:
		return given[LBP_LENGTH] == LBP_CRC_BYTES ? -1 : LBP_LENGTH;
	default:
		return LBP_METHOD;
	}
}

int tape_mode_check(const struct lu *lu, const struct mode_page *page, const uint8_t *given,
		    size_t length)
{
	switch (page->page << 8 | page->subpage) {
	case MODE_PAGE_CONTROL << 8 | MODE_SUBPAGE_DATA_PROTECTION:
		return check_data_protection(given);
	case MODE_PAGE_DEVICE_CONFIGURATION << 8:
		return given[CONFIG_SDCA] > 1 ? CONFIG_SDCA : -1;
	case MODE_PAGE_DEVICE_CONFIGURATION << 8 | MODE_SUBPAGE_EXTENSION:
		return (given[EXTENSION_WRITE_MODE] & 0xf0) > WRITE_MODE_APPEND_ONLY
			   ? EXTENSION_WRITE_MODE
			   : -1;
	case MODE_PAGE_MEDIUM_PARTITION << 8:
		return tape_partition_check(lu, given, length);
	default:
		return -1;
	}
}

bool tape_mode_density_fits(const struct lu *lu, uint8_t code)
{
	if (code == 0x00 || code == 0x7f)
		return true;
	/* a cartridge is of the density that it is */
	return lu->medium ? code == tape_density(lu) : tape_has_density(tape_identity_of(lu), code);
}
