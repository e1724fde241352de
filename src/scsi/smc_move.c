/* SPDX-License-Identifier: MIT */
/*
 * MOVE MEDIUM, EXCHANGE MEDIUM and POSITION TO ELEMENT (SMC-3).  They run alone on the changer.  A
 * cartridge that goes into a drive or comes out of one takes the drive's reactor with it: the way
 * there is changer_transport's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/changer_state.h"
#include "scsi/changer_transport.h"
#include "scsi/nexus.h"
#include "scsi/smc.h"
#include "util/log.h"

#define STEPS_MAX 3

/* One cartridge on its way. */
struct step {
	struct element *from, *to;
	struct cartridge was; /* as it was there */
};

struct moving {
	struct scsi_task *t;
	struct step steps[STEPS_MAX];
	unsigned count, at;
	bool undoes; /* it goes backwards, since a step has failed */
	enum sense_key key;
	uint16_t asc;        /* 0: GOOD */
	struct element hand; /* what is between two elements that swap their cartridges */
	struct changer_errand errand;
	struct changer_saving saving;
	char path[CHANGER_PATH_MAX];
};

static void fail(struct moving *m, enum sense_key key, uint16_t asc);

/* All is said and kept: the task ends as it went.  What can't be kept is taken back: then the
 * elements are as they will be after a restart. */
static void saved(struct changer_saving *saving)
{
	struct moving *m = saving->arg;
	struct scsi_task *t = m->t;
	uint16_t asc = m->asc;
	enum sense_key key = m->key;

	if (saving->error && !m->undoes) {
		fail(m, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
		return;
	}
	free(m);
	if (asc)
		task_sense(t, key, asc);
	else
		task_good(t);
}

static void save(struct moving *m)
{
	m->saving = (struct changer_saving){.done = saved, .arg = m};
	changer_save(m->t->lu, &m->saving);
}

static void next_step(struct moving *m);

/* Back where it came from nothing has happened to it. */
static void forget_step(struct step *s)
{
	s->was.hung = s->to->cartridge.hung;
	s->to->cartridge = s->was;
}

static void arrived(struct moving *m)
{
	struct step *s = &m->steps[m->at++];

	log_info("%s: %s is in element %u, was in %u", lu_name(m->t->lu),
		 s->from->cartridge.barcode, s->to->address, s->from->address);
	if (!m->undoes)
		s->was = s->from->cartridge;
	changer_carry(s->from, s->to);
	if (m->undoes)
		forget_step(s);
	next_step(m);
}

static void rescue_to(struct moving *m, bool to_any)
{
	const struct changer *changer = m->t->lu->changer;

	for (unsigned i = 0; m->hand.full && i < changer->count; i++) {
		struct element *e = &changer->elements[i];

		if (e->full || e->open || e->type == ELEMENT_TRANSPORT ||
		    (e->type != ELEMENT_STORAGE && !to_any))
			continue;
		log_err("%s: %s is in element %u now", lu_name(m->t->lu), m->hand.cartridge.barcode,
			e->address);
		changer_carry(&m->hand, e);
	}
}

/* What can't be put back where it came from is put where there is room: it must not be lost.  If no
 * slot is free, its own element or the drive's is; in that it is as one that was ejected. */
static void rescue(struct moving *m)
{
	rescue_to(m, false);
	rescue_to(m, true);
}

/* The steps that were made are made backwards, then the task ends with this. */
static void fail(struct moving *m, enum sense_key key, uint16_t asc)
{
	struct step made[STEPS_MAX];

	if (m->undoes) {
		rescue(m);
		save(m);
		return;
	}
	m->undoes = true;
	m->key = key;
	m->asc = asc;
	memcpy(made, m->steps, sizeof(made));
	for (unsigned i = 0; i < m->at; i++) {
		const struct step *s = &made[m->at - 1 - i];

		m->steps[i] = (struct step){s->to, s->from, s->was};
	}
	m->count = m->at;
	m->at = 0;
	next_step(m);
}

static void drive_refused(struct moving *m, const struct changer_errand *errand)
{
	if (errand->result != ERRAND_SLOW) /* which has been said */
		log_err("%s: element %u: %s", lu_name(m->t->lu), errand->address, errand->error);
	switch (errand->result) {
	case ERRAND_PREVENTED:
		fail(m, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
		break;
	case ERRAND_NO_DRIVE:
		fail(m, KEY_ILLEGAL_REQUEST, ASC_ELEMENT_NOT_ACCESSIBLE);
		break;
	case ERRAND_OCCUPIED:
		fail(m, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_DESTINATION_ELEMENT_FULL);
		break;
	case ERRAND_SLOW:
		/* the robot stands where it should: 15h/01h, MECHANICAL POSITIONING ERROR, would
		 * send the operator to the wrong device */
		fail(m, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
		break;
	default:
		fail(m, KEY_HARDWARE_ERROR, ASC_MEDIA_LOAD_OR_EJECT_FAILED);
		break;
	}
}

/* The cartridge is back in the drive that it was taken out of. */
static void put_back(struct changer_errand *errand)
{
	struct moving *m = errand->arg;

	if (errand->result != ERRAND_DONE)
		log_err("%s: element %u holds %s, but its drive doesn't: %s", lu_name(m->t->lu),
			errand->address, m->steps[m->at].from->cartridge.barcode, errand->error);
	fail(m, KEY_HARDWARE_ERROR, ASC_MEDIA_LOAD_OR_EJECT_FAILED);
}

static void send(struct moving *m, struct element *drive, bool loads,
		 void (*done)(struct changer_errand *errand))
{
	m->errand = (struct changer_errand){.changer = m->t->lu,
					    .tid = drive->tid,
					    .lun = drive->lun,
					    .address = drive->address,
					    .cartridge = &m->steps[m->at].from->cartridge,
					    .path = loads ? m->path : NULL,
					    .done = done,
					    .arg = m};
	changer_send(&m->errand);
}

static void put_in(struct changer_errand *errand)
{
	struct moving *m = errand->arg;
	struct element *from = m->steps[m->at].from;

	if (errand->result == ERRAND_DONE) {
		arrived(m);
	} else if (from->type == ELEMENT_DRIVE && errand->result != ERRAND_SLOW) {
		log_err("%s: element %u: %s", lu_name(m->t->lu), errand->address, errand->error);
		send(m, from, true, put_back);
	} else {
		drive_refused(m, errand);
	}
}

static void to_destination(struct moving *m)
{
	struct element *to = m->steps[m->at].to;

	if (to->type == ELEMENT_DRIVE)
		send(m, to, true, put_in);
	else
		arrived(m);
}

static void taken_out(struct changer_errand *errand)
{
	struct moving *m = errand->arg;

	if (errand->result == ERRAND_DONE)
		to_destination(m);
	else
		drive_refused(m, errand);
}

static void next_step(struct moving *m)
{
	struct changer *changer = m->t->lu->changer;
	struct element *from;

	if (m->at == m->count) {
		save(m);
		return;
	}
	from = m->steps[m->at].from;
	if (changer_is_hung(from) || changer_is_hung(m->steps[m->at].to)) /* it goes backwards */
		fail(m, KEY_HARDWARE_ERROR, ASC_INTERNAL_TARGET_FAILURE);
	else if (!changer_path(changer, from->cartridge.barcode, m->path, sizeof(m->path)))
		fail(m, KEY_HARDWARE_ERROR, ASC_MEDIA_LOAD_OR_EJECT_FAILED);
	else if (from->type == ELEMENT_DRIVE && from != m->steps[m->at].to)
		send(m, from, false, taken_out);
	else
		to_destination(m);
}

/* ---- what is asked for ---- */

/* The address in the CDB at byte; NULL: the task has ended. */
static struct element *element_at(struct scsi_task *t, unsigned byte)
{
	struct element *e = changer_find(t->lu->changer, get_be16(t->cdb + byte));

	if (!e)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
	return e;
}

/* SMC-3: 0 is the default medium transport element. */
static bool has_transport(struct scsi_task *t)
{
	uint16_t address = get_be16(t->cdb + 2);
	const struct element *e = address ? changer_find(t->lu->changer, address) : NULL;
	uint16_t first, number;

	changer_range(t->lu->changer, ELEMENT_TRANSPORT, &first, &number);
	if (number && (!address || (e && e->type == ELEMENT_TRANSPORT)))
		return true;
	task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
	return false;
}

/* Cartridges don't stay in the robot's hand. */
static bool can_hold(struct scsi_task *t, const struct element *e)
{
	if (e->type != ELEMENT_TRANSPORT && (e->type != ELEMENT_DRIVE || e->has_drive) &&
	    !e->open && !changer_is_hung(e))
		return true;
	task_sense(t, KEY_ILLEGAL_REQUEST,
		   e->type == ELEMENT_TRANSPORT ? ASC_INVALID_ELEMENT_ADDRESS
						: ASC_ELEMENT_NOT_ACCESSIBLE);
	return false;
}

static bool may_export(struct scsi_task *t, const struct element *to)
{
	if (to->type != ELEMENT_MAIL || !lu_removal_prevented(t->lu))
		return true;
	task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_REMOVAL_PREVENTED);
	return false;
}

static struct moving *new_moving(struct scsi_task *t)
{
	struct moving *m = calloc(1, sizeof(*m));

	if (!m)
		task_status(t, STATUS_BUSY);
	else
		m->t = t;
	return m;
}

static void add_step(struct moving *m, struct element *from, struct element *to)
{
	m->steps[m->count++] = (struct step){.from = from, .to = to};
}

static void carry_one(struct scsi_task *t, struct element *from, struct element *to)
{
	struct moving *m = new_moving(t);

	if (!m)
		return;
	add_step(m, from, to);
	next_step(m);
}

static void carry_two(struct scsi_task *t, struct element *from, struct element *first,
		      struct element *second)
{
	struct moving *m = new_moving(t);

	if (!m)
		return;
	if (second == from) {
		m->hand.type = ELEMENT_TRANSPORT;
		add_step(m, from, &m->hand);
		from = &m->hand;
	}
	add_step(m, first, second);
	add_step(m, from, first);
	next_step(m);
}

static void move_medium(struct scsi_task *t)
{
	struct element *from, *to;

	if (!has_transport(t) || !(from = element_at(t, 4)) || !(to = element_at(t, 6)) ||
	    !can_hold(t, from) || !can_hold(t, to))
		return;
	if (!from->full)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_SOURCE_ELEMENT_EMPTY);
	else if (from == to)
		task_good(t);
	else if (to->full)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_DESTINATION_ELEMENT_FULL);
	else if (may_export(t, to))
		carry_one(t, from, to);
}

/* The cartridge of the first destination goes to the second one, then the source's takes its place.
 */
static void exchange_medium(struct scsi_task *t)
{
	struct element *from, *first, *second;

	if (!has_transport(t) || !(from = element_at(t, 4)) || !(first = element_at(t, 6)) ||
	    !(second = element_at(t, 8)) || !can_hold(t, from) || !can_hold(t, first) ||
	    !can_hold(t, second))
		return;
	if (!from->full || !first->full)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_SOURCE_ELEMENT_EMPTY);
	else if (from == first || first == second)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_INVALID_ELEMENT_ADDRESS);
	else if (second->full && second != from)
		task_sense(t, KEY_ILLEGAL_REQUEST, ASC_MEDIUM_DESTINATION_ELEMENT_FULL);
	else if (may_export(t, first) && may_export(t, second))
		carry_two(t, from, first, second);
}

static void position_to_element(struct scsi_task *t)
{
	if (has_transport(t) && element_at(t, 4))
		task_good(t);
}

const struct opcode_row smc_move_rows[] = {
    {
	.opcode = 0x2b,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 10,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.usage = {0x2b, OBSOLETE_LUN, 0xff, 0xff, 0xff, 0xff},
	.run = position_to_element,
	.name = "POSITION TO ELEMENT",
	.clause = "SMC-3 POSITION TO ELEMENT",
    },
    {
	.opcode = 0xa5,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_LONG,
	.usage = {0xa5, OBSOLETE_LUN, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	.run = move_medium,
	.name = "MOVE MEDIUM",
	.clause = "SMC-3 MOVE MEDIUM",
    },
    {
	.opcode = 0xa6,
	.service_action = NO_SERVICE_ACTION,
	.cdb_len = 12,
	.direction = DATA_NONE,
	.pr = PR_WRITE,
	.flags = ROW_EXCLUSIVE | ROW_LONG,
	.usage = {0xa6, OBSOLETE_LUN, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	.run = exchange_medium,
	.name = "EXCHANGE MEDIUM",
	.clause = "SMC-3 EXCHANGE MEDIUM",
    },
    {.run = NULL},
};
