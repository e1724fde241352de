/* SPDX-License-Identifier: MIT */
#include "scsi/thresholds.h"

#include <errno.h>
#include <stdlib.h>

#include "scsi/commands.h"
#include "scsi/mode.h"
#include "scsi/ua.h"
#include "util/bytes.h"
#include "util/log.h"

#define INTERVAL_MS 1000u
#define RETRY_MS 50u
#define SET_SHIFT 20u /* a threshold set is 1 MiB, unless the unit is too large for that */

#define SITUA 0x01
#define ENABLED 0x80
#define INCREASING 0x01 /* THRESHOLD ARMING; type 000b is a soft threshold */
#define DESCRIPTORS_AT 16u

#define DESCRIPTOR(arming, resource) arming, resource, 0, 0, 0, 0, 0, 0
#define CHANGEABLE ENABLED, 0, 0, 0, 0xff, 0xff, 0xff, 0xff

/* SBC-4: what is available arms decreasing, what is used arms increasing; other combinations are
 * reserved.  Two of each. */
const uint8_t thresholds_page[THRESHOLDS_PAGE_BYTES] = {0x5c,
							0x02,
							0x00,
							THRESHOLDS_PAGE_BYTES - 4,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							0,
							DESCRIPTOR(0, RESOURCE_AVAILABLE),
							DESCRIPTOR(0, RESOURCE_AVAILABLE),
							DESCRIPTOR(INCREASING, RESOURCE_USED),
							DESCRIPTOR(INCREASING, RESOURCE_USED)};
const uint8_t thresholds_changeable[THRESHOLDS_PAGE_BYTES] = {
    0x5c,       0x02,       0x00,       THRESHOLDS_PAGE_BYTES - 4,
    SITUA,      0,          0,          0,
    0,          0,          0,          0,
    0,          0,          0,          0,
    CHANGEABLE, CHANGEABLE, CHANGEABLE, CHANGEABLE};

struct thresholds {
	struct lu *lu;
	_Atomic uint64_t used, available; /* bytes, as the store said last */
	struct message restart;
	atomic_bool restarting; /* the message is under way */
	/* of the home reactor */
	struct timer timer;
	struct store_usage asks;
	bool asking, stopped;
	bool holding; /* the timer is armed, and keeps the LU */
	bool armed[THRESHOLD_DESCRIPTORS];
};

static struct reactor *home(const struct thresholds *th)
{
	return reactor_get(th->lu->home);
}

/* ---- what is reported ---- */

bool thresholds_reported(const struct lu *lu)
{
	return lu->thresholds && lu->thin;
}

uint8_t thresholds_exponent(const struct lu *lu)
{
	uint8_t exponent = lu->block_shift < SET_SHIFT ? (uint8_t)(SET_SHIFT - lu->block_shift) : 1;

	if (!thresholds_reported(lu))
		return 0;
	while (lu->blocks >> exponent > UINT32_MAX)
		exponent++;
	return exponent;
}

static uint64_t set_bytes(const struct lu *lu)
{
	return UINT64_C(1) << (thresholds_exponent(lu) + lu->block_shift);
}

uint32_t thresholds_count(const struct lu *lu, unsigned resource)
{
	const struct thresholds *th = lu->thresholds;
	uint64_t set = set_bytes(lu), sets;

	if (resource == RESOURCE_USED) { /* a set that is begun is used */
		uint64_t used = atomic_load(&th->used);

		sets = used / set + (used % set != 0);
	} else {
		sets = atomic_load(&th->available) / set;
	}
	return sets < UINT32_MAX ? (uint32_t)sets : UINT32_MAX;
}

static void take(struct thresholds *th, const struct tgt_bs_usage *usage)
{
	atomic_store(&th->used, usage->used);
	atomic_store(&th->available, usage->available);
}

/* ---- reaching one ---- */

/* SITUA: one I_T nexus is enough.  That of the command to blame isn't known, since the store is
 * asked later: it is one that has written. */
static uint64_t one_writer(const struct lu *lu)
{
	for (unsigned i = 0; i < reactors_count(); i++) {
		uint64_t id =
		    atomic_load_explicit(&lu->slices[i].last_writer, memory_order_relaxed);

		if (id)
			return id;
	}
	return 0;
}

static void notify(struct lu *lu, bool single)
{
	uint64_t writer = single ? one_writer(lu) : 0;

	if (writer)
		lu_establish_ua_for(lu, ASC_THIN_PROVISIONING_SOFT_THRESHOLD_REACHED, writer);
	else
		lu_establish_ua(lu, ASC_THIN_PROVISIONING_SOFT_THRESHOLD_REACHED, 0);
}

/* SBC-4: the threshold is a range of one set around the count.  A threshold arms beyond one end of
 * it, and is reached at the other end; then it has to arm again. */
static bool reached(bool *armed, const uint8_t *descriptor, uint64_t set, uint64_t now)
{
	uint64_t center, minimum, maximum;
	bool increasing = descriptor[0] & INCREASING;

	if (__builtin_mul_overflow((uint64_t)get_be32(descriptor + 4), set, &center) ||
	    center > UINT64_MAX - set)
		center = UINT64_MAX - set;
	minimum = center < set / 2 ? 0 : center - set / 2;
	maximum = center + set / 2;
	if (!*armed) {
		*armed = increasing ? now < minimum : now > maximum;
		return false;
	}
	if (increasing ? now < maximum : now > minimum)
		return false;
	*armed = false;
	return true;
}

static const uint8_t *current_page(const struct lu *lu)
{
	return mode_find(lu->mode, MODE_PAGE_INFORMATIONAL_EXCEPTIONS, MODE_SUBPAGE_PROVISIONING)
	    ->values[MODE_CURRENT];
}

static void look(struct thresholds *th)
{
	const uint8_t *page = current_page(th->lu);
	uint64_t used = atomic_load(&th->used), available = atomic_load(&th->available);
	uint64_t set = set_bytes(th->lu);
	bool any = false;

	for (unsigned i = 0; i < THRESHOLD_DESCRIPTORS; i++) {
		const uint8_t *d = page + DESCRIPTORS_AT + 8 * (size_t)i;

		if (!(d[0] & ENABLED))
			th->armed[i] = false;
		else if (reached(&th->armed[i], d, set, d[1] == RESOURCE_USED ? used : available))
			any = true;
	}
	if (!any)
		return;
	log_warning("%s: soft threshold reached: %llu MiB used, %llu MiB left", lu_name(th->lu),
		    (unsigned long long)(used >> 20), (unsigned long long)(available >> 20));
	notify(th->lu, page[4] & SITUA);
}

/* ---- asking, at home ---- */

static bool any_enabled(const struct lu *lu)
{
	const uint8_t *page = current_page(lu);

	for (unsigned i = 0; i < THRESHOLD_DESCRIPTORS; i++)
		if (page[DESCRIPTORS_AT + 8 * (size_t)i] & ENABLED)
			return true;
	return false;
}

/* What this reactor reads of the LU can't change while no exclusive operation is announced here:
 * that waits for this thread. */
static bool may_read(const struct thresholds *th)
{
	return !th->lu->slices[th->lu->home].exclusive;
}

static void arm(struct thresholds *th, uint32_t delay_ms)
{
	if (!th->holding)
		lu_ref(th->lu);
	th->holding = true;
	reactor_timer_arm(home(th), &th->timer, delay_ms);
}

static void answered(struct store_usage *asks)
{
	struct thresholds *th = container_of(asks, struct thresholds, asks);
	struct lu *lu = th->lu;

	th->asking = false;
	if (!th->stopped) {
		if (!asks->error)
			take(th, &asks->usage);
		if (!asks->error && may_read(th) && thresholds_reported(lu))
			look(th);
		arm(th, INTERVAL_MS);
	}
	lu_unref(lu);
}

static void ask(struct thresholds *th)
{
	if (!may_read(th)) {
		arm(th, RETRY_MS);
		return;
	}
	if (th->asking || !thresholds_reported(th->lu) || !any_enabled(th->lu))
		return;
	th->asking = true;
	lu_ref(th->lu);
	th->asks.done = answered;
	store_ask_usage(th->lu->store, &th->asks);
}

static void fired(struct timer *timer)
{
	struct thresholds *th = container_of(timer, struct thresholds, timer);
	struct lu *lu = th->lu;

	th->holding = false;
	ask(th);
	lu_unref(lu);
}

static void restarted(struct message *message)
{
	struct thresholds *th = container_of(message, struct thresholds, restart);
	struct lu *lu = th->lu;

	atomic_store(&th->restarting, false);
	memset(th->armed, 0, sizeof(th->armed));
	if (!th->stopped)
		arm(th, 0);
	lu_unref(lu);
}

void thresholds_restart(struct lu *lu)
{
	struct thresholds *th = lu->thresholds;

	if (!th || atomic_exchange(&th->restarting, true))
		return;
	lu_ref(lu);
	th->restart.fn = restarted;
	reactor_send(home(th), &th->restart);
}

void thresholds_stop(struct lu *lu)
{
	struct thresholds *th = lu->thresholds;

	if (!th)
		return;
	th->stopped = true;
	if (!th->holding)
		return;
	th->holding = false;
	reactor_timer_cancel(&th->timer);
	lu_unref(lu);
}

int thresholds_create(struct lu *lu)
{
	if (!store_tells_usage(lu->store))
		return 0;
	lu->thresholds = calloc(1, sizeof(*lu->thresholds));
	if (!lu->thresholds)
		return -ENOMEM;
	lu->thresholds->lu = lu;
	lu->thresholds->timer.fn = fired;
	return 0;
}

void thresholds_free(struct lu *lu)
{
	free(lu->thresholds);
	lu->thresholds = NULL;
}

/* ---- asking for a task ---- */

struct refresh {
	struct store_usage asks;
	struct scsi_task *t;
	void (*then)(struct scsi_task *t);
};

static void refreshed(struct store_usage *asks)
{
	struct refresh *r = container_of(asks, struct refresh, asks);
	struct scsi_task *t = r->t;
	void (*then)(struct scsi_task * task) = r->then;
	int error = asks->error;

	if (!error)
		take(t->lu->thresholds, &asks->usage);
	free(r);
	if (!error)
		then(t);
	else
		task_sense(t, KEY_NOT_READY, ASC_LU_NOT_READY_CAUSE_NOT_REPORTABLE);
}

void thresholds_refresh(struct scsi_task *t, void (*then)(struct scsi_task *t))
{
	struct refresh *r = calloc(1, sizeof(*r));

	if (!r) {
		task_status(t, STATUS_BUSY);
		return;
	}
	r->asks.done = refreshed;
	r->t = t;
	r->then = then;
	store_ask_usage(t->lu->store, &r->asks);
}
