/* SPDX-License-Identifier: MIT */
#include "scsi/ua.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/core.h"
#include "scsi/sense.h"

/* SAM-5 5.14.2: power on and resets come first, then what changed. */
static bool is_reset(uint16_t asc)
{
	return asc >> 8 == ASC_POWER_ON_RESET >> 8 && asc != ASC_I_T_NEXUS_LOSS_OCCURRED;
}

void ua_add(struct ua_queue *q, uint16_t asc)
{
	if (is_reset(asc)) {
		/* a reset clears every condition before it (SAM-5 6.3.3) */
		q->asc[0] = asc;
		q->count = 1;
		return;
	}
	for (unsigned i = 0; i < q->count; i++) {
		if (q->asc[i] == asc)
			return;
	}
	if (q->count < UA_MAX)
		q->asc[q->count++] = asc;
}

uint16_t ua_take(struct ua_queue *q)
{
	uint16_t asc;

	if (!q->count)
		return 0;
	asc = q->asc[0];
	q->count--;
	memmove(&q->asc[0], &q->asc[1], q->count * sizeof(q->asc[0]));
	return asc;
}

void ua_clear(struct ua_queue *q, uint16_t asc)
{
	for (unsigned i = 0; i < q->count; i++) {
		if (q->asc[i] != asc)
			continue;
		q->count--;
		memmove(&q->asc[i], &q->asc[i + 1], (q->count - i) * sizeof(q->asc[0]));
		return;
	}
}

/* ---- to the nexuses of other reactors ---- */

struct ua_message {
	struct message message;
	struct lu_slice *slice;
	uint16_t asc;
	uint64_t except, only;
	bool (*match)(const struct nexus *nexus, void *arg);
	void *arg;
};

static void establish_here(const struct ua_message *m)
{
	list_for_each (itl, &m->slice->itls, struct itl, slice_link) {
		if (m->except && itl->nexus->id == m->except)
			continue;
		if (m->only && itl->nexus->id != m->only)
			continue;
		if (!m->match || m->match(itl->nexus, m->arg))
			ua_add(&itl->ua, m->asc);
	}
}

static void ua_arrived(struct message *message)
{
	struct ua_message *m = container_of(message, struct ua_message, message);
	struct lu *lu = m->slice->lu;

	establish_here(m);
	free(m);
	lu_unref(lu);
}

static void establish(struct lu *lu, const struct ua_message *what)
{
	for (unsigned i = 0; i < reactors_count(); i++) {
		struct ua_message *m;

		if (reactor_get(i) == reactor_self()) {
			struct ua_message here = *what;

			here.slice = &lu->slices[i];
			establish_here(&here);
			continue;
		}
		m = malloc(sizeof(*m));
		if (!m)
			abort(); /* an initiator that isn't told of a change corrupts data */
		*m = *what;
		m->slice = &lu->slices[i];
		m->message.fn = ua_arrived;
		lu_ref(lu);
		reactor_send(reactor_get(i), &m->message);
	}
}

void lu_establish_ua(struct lu *lu, uint16_t asc, uint64_t except)
{
	establish(lu, &(struct ua_message){.asc = asc, .except = except});
}

void lu_establish_ua_for(struct lu *lu, uint16_t asc, uint64_t only)
{
	establish(lu, &(struct ua_message){.asc = asc, .only = only});
}

void lu_establish_ua_matching(struct lu *lu, uint16_t asc,
			      bool (*match)(const struct nexus *nexus, void *arg), void *arg)
{
	establish(lu, &(struct ua_message){.asc = asc, .match = match, .arg = arg});
}
