/* SPDX-License-Identifier: MIT */
#include "scsi/tape_alert.h"

#include <string.h>

#include "scsi/nexus.h"
#include "scsi/tape.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define BINARY_LIST 0x23 /* and TSD: nothing is saved */

/* About the cartridge: over when it is out (SSC-5, deactivation of TapeAlert flags). */
static const uint8_t about_medium[] = {
    ALERT_HARD_ERROR,       ALERT_MEDIUM,         ALERT_READ_FAILURE,    ALERT_WRITE_FAILURE,
    ALERT_WRITE_PROTECT,    ALERT_NO_REMOVAL,     ALERT_CLEANING_MEDIUM, ALERT_UNSUPPORTED_FORMAT,
    ALERT_READ_ONLY_FORMAT, ALERT_WORM_OVERWRITE,
};

#define BIT(flag) (uint8_t)(0x80u >> (((flag)-1) % 8))
const uint8_t tape_alerts_supported[ALERT_BYTES] = {
    BIT(ALERT_HARD_ERROR) | BIT(ALERT_MEDIUM) | BIT(ALERT_READ_FAILURE) | BIT(ALERT_WRITE_FAILURE),
    BIT(ALERT_WRITE_PROTECT) | BIT(ALERT_NO_REMOVAL) | BIT(ALERT_CLEANING_MEDIUM) |
	BIT(ALERT_UNSUPPORTED_FORMAT),
    BIT(ALERT_READ_ONLY_FORMAT),
    BIT(ALERT_HARDWARE_B),
    0,
    0,
    0,
    BIT(ALERT_WORM_OVERWRITE),
};

static void raise(struct lu *lu, unsigned flag)
{
	pthread_mutex_lock(&lu->tape->lock);
	lu->tape->alerts[flag] = ++lu->tape->raised;
	pthread_mutex_unlock(&lu->tape->lock);
}

static void lower(struct lu *lu, unsigned flag)
{
	pthread_mutex_lock(&lu->tape->lock);
	lu->tape->alerts[flag] = 0;
	pthread_mutex_unlock(&lu->tape->lock);
}

bool tape_alert_is_raised(const struct lu *lu, unsigned flag)
{
	bool raised;

	pthread_mutex_lock(&lu->tape->lock);
	raised = lu->tape->alerts[flag] != 0;
	pthread_mutex_unlock(&lu->tape->lock);
	return raised;
}

void tape_alert_clear(struct lu *lu)
{
	for (unsigned flag = 1; flag <= TAPE_ALERTS; flag++)
		lower(lu, flag);
}

void tape_alert_forget_medium(struct lu *lu)
{
	for (size_t i = 0; i < ARRAY_SIZE(about_medium); i++)
		lower(lu, about_medium[i]);
}

void tape_alert_medium(struct lu *lu)
{
	struct tgt_bs_tape_info info;

	if (!lu->medium || store_tape_info(lu->store, &info))
		return;
	if (info.medium == TGT_BS_MEDIUM_CLEANING)
		raise(lu, ALERT_CLEANING_MEDIUM);
	else if (tape_medium_access(lu) == TAPE_NO_ACCESS)
		raise(lu, ALERT_UNSUPPORTED_FORMAT);
	else if (tape_medium_access(lu) == TAPE_READ_ONLY)
		raise(lu, ALERT_READ_ONLY_FORMAT);
}

/* ---- what sense data mean ---- */

static void medium_error(struct lu *lu, uint16_t asc)
{
	raise(lu, ALERT_HARD_ERROR);
	raise(lu, ALERT_MEDIUM);
	if (asc >> 8 == 0x0c)
		raise(lu, ALERT_WRITE_FAILURE);
	else if (asc >> 8 == 0x11)
		raise(lu, ALERT_READ_FAILURE);
}

static void data_protect(struct lu *lu, uint16_t asc)
{
	struct tgt_bs_tape_info info;

	if (asc >> 8 == 0x27)
		raise(lu, ALERT_WRITE_PROTECT);
	else if (asc == ASC_WORM_MEDIUM_OVERWRITE_ATTEMPTED && !store_tape_info(lu->store, &info) &&
		 info.medium == TGT_BS_MEDIUM_WORM)
		raise(lu, ALERT_WORM_OVERWRITE);
}

void tape_alert_sense(const struct scsi_task *t)
{
	const uint8_t *sense = t->sense;
	bool descriptor = t->sense_len && (sense[0] & 0x7e) == 0x72;
	unsigned at = descriptor ? 2 : 12;
	uint16_t asc;

	if (t->sense_len < at + 2)
		return;
	asc = get_be16(sense + at);
	switch (sense[descriptor ? 1 : 2] & 0x0f) {
	case KEY_MEDIUM_ERROR:
		medium_error(t->lu, asc);
		break;
	case KEY_HARDWARE_ERROR:
		/* a block that was damaged on its way here is no fault of the drive's */
		if (asc != ASC_LOGICAL_BLOCK_GUARD_CHECK_FAILED)
			raise(t->lu, ALERT_HARDWARE_B);
		break;
	case KEY_DATA_PROTECT:
		data_protect(t->lu, asc);
		break;
	case KEY_ILLEGAL_REQUEST:
		if (asc == ASC_MEDIUM_REMOVAL_PREVENTED)
			raise(t->lu, ALERT_NO_REMOVAL);
		break;
	default:
		break;
	}
}

/* ---- the log page ---- */

unsigned tape_alert_params(const struct lu *lu, struct log_param *out)
{
	for (unsigned flag = 1; flag <= TAPE_ALERTS; flag++, out++) {
		memset(out, 0, sizeof(*out));
		out->code = (uint16_t)flag;
		out->control = BINARY_LIST;
		out->length = 1;
		out->value[0] = tape_alert_is_raised(lu, flag);
	}
	return TAPE_ALERTS;
}

/* Anew, so that what was raised meanwhile isn't taken for read. */
void tape_alert_for_nexus(const struct scsi_task *t, struct log_param *params, unsigned count)
{
	struct tape_drive *tape = t->lu->tape;

	pthread_mutex_lock(&tape->lock);
	for (unsigned i = 0; i < count; i++)
		params[i].value[0] = tape->alerts[params[i].code] > t->itl->alerts_read;
	if (!tape_modes(t->lu)->keeps_alerts)
		t->itl->alerts_read = tape->raised;
	pthread_mutex_unlock(&tape->lock);
}
