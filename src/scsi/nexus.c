/* SPDX-License-Identifier: MIT */
#include "scsi/nexus.h"

#include <stdlib.h>
#include <string.h>

#include "scsi/commands.h"
#include "scsi/core.h"
#include "scsi/passthrough.h"
#include "scsi/security.h"

static atomic_uint_least64_t last_id;

void nexus_open(struct nexus *nexus, struct target *target, const uint8_t *transport_id, size_t len)
{
	nexus->id = atomic_fetch_add(&last_id, 1) + 1;
	nexus->target = target;
	nexus->reactor = reactor_self();
	if (len > TRANSPORT_ID_MAX)
		len = TRANSPORT_ID_MAX;
	memcpy(nexus->transport_id, transport_id, len);
	nexus->transport_id_len = (uint16_t)len;
	nexus->itls = NULL;
	nexus->nr_itls = 0;
	list_init(&nexus->itl_list);
	nexus->nr_tasks = 0;
	memset(&nexus->buffers, 0, sizeof(nexus->buffers));
	nexus->closing = false;
	nexus->access_state = ACCESS_OPTIMIZED;
	nexus->access_gate = 0;
	nexus_take_access(nexus);
	list_add_tail(&target->nexuses[reactor_id(nexus->reactor)], &nexus->link);
}

/* ---- I_T_L nexuses ---- */

static bool grow(struct nexus *nexus, uint32_t lun)
{
	/* LUNs that exist only: a peer can't size it */
	uint32_t count = lun + 8;
	struct itl **itls = realloc(nexus->itls, count * sizeof(*itls));

	if (!itls)
		return false;
	memset(itls + nexus->nr_itls, 0, (count - nexus->nr_itls) * sizeof(*itls));
	nexus->itls = itls;
	nexus->nr_itls = count;
	return true;
}

static struct itl *itl_create(struct nexus *nexus, struct lu *lu)
{
	struct itl *itl;

	if (lu->lun >= nexus->nr_itls && !grow(nexus, lu->lun))
		return NULL;
	itl = calloc(1, sizeof(*itl));
	if (!itl)
		return NULL;
	itl->nexus = nexus;
	itl->lu = lu;
	itl->slice = lu_slice_here(lu);
	list_init(&itl->tasks);
	list_add_tail(&itl->slice->itls, &itl->slice_link);
	list_add_tail(&nexus->itl_list, &itl->nexus_link);
	nexus->itls[lu->lun] = itl;
	ua_add(&itl->ua, ASC_POWER_ON_RESET); /* SAM-5 6.3.1: all that this nexus can know is new */
	return itl;
}

struct itl *itl_get(struct nexus *nexus, struct lu *lu)
{
	struct itl *itl = lu->lun < nexus->nr_itls ? nexus->itls[lu->lun] : NULL;

	/* another LU may have taken the LUN since */
	if (itl && itl->lu == lu)
		return itl;
	return itl_create(nexus, lu);
}

void itl_set_prevents(struct itl *itl, bool prevents)
{
	if (itl->prevents == prevents)
		return;
	itl->prevents = prevents;
	if (prevents)
		atomic_fetch_add(&itl->lu->nr_prevents, 1);
	else
		atomic_fetch_sub(&itl->lu->nr_prevents, 1);
}

void itl_lose_prevents(struct itl *itl)
{
	struct lu *lu = itl->lu;
	bool prevented = itl->prevents;

	itl_set_prevents(itl, false);
	/* a device that is passed through keeps its medium until it is told */
	if (prevented && !lu_removal_prevented(lu) && lu->passthrough && lu->store_online &&
	    !atomic_load(&lu->removed))
		passthrough_allow_removal(lu);
}

void itl_free(struct itl *itl)
{
	struct nexus *nexus = itl->nexus;

	itl_lose_prevents(itl);
	security_nexus_lost(itl);
	if (nexus->itls[itl->lu->lun] == itl)
		nexus->itls[itl->lu->lun] = NULL;
	list_del(&itl->slice_link);
	list_del(&itl->nexus_link);
	free(itl->echo);
	free(itl);
}

/* ---- the end of a nexus ---- */

static void finish_close(struct nexus *nexus)
{
	while (!list_empty(&nexus->itl_list))
		itl_free(list_first(&nexus->itl_list, struct itl, nexus_link));
	free(nexus->itls);
	nexus->itls = NULL;
	nexus->nr_itls = 0;
	list_del(&nexus->link);
	nexus->closed(nexus);
}

void nexus_task_ended(struct nexus *nexus)
{
	/* closing counts as a task until nexus_close() has looked at all of them */
	if (!nexus->nr_tasks)
		finish_close(nexus);
}

static void abort_tasks(struct itl *itl)
{
	struct scsi_task *t;

	do {
		t = NULL;
		list_for_each (each, &itl->tasks, struct scsi_task, set_link) {
			if (!each->aborted) {
				t = each;
				break;
			}
		}
		if (t)
			scsi_task_abort(t);
	} while (t);
}

void nexus_close(struct nexus *nexus, void (*closed)(struct nexus *nexus))
{
	nexus->closed = closed;
	nexus->nr_tasks++; /* so that the last abort doesn't end it under this loop */
	nexus->closing = true;
	list_for_each (itl, &nexus->itl_list, struct itl, nexus_link) {
		abort_tasks(itl);
		itl_lose_prevents(itl);
		reserve_release_nexus(itl->lu, nexus->id);
	}
	nexus->nr_tasks--;
	nexus_task_ended(nexus);
}
