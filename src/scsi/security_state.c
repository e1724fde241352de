/* SPDX-License-Identifier: MIT */
/* The data encryption parameters of a drive: whose they are, and when they end. */
#include <stdlib.h>
#include <string.h>

#include "scsi/lu.h"
#include "scsi/nexus.h"
#include "scsi/security.h"
#include "scsi/ua.h"

/* ---- whose parameters ---- */

struct security_nexus *security_find(const struct lu *lu, uint64_t id)
{
	struct tape_security *s = lu->security;

	for (unsigned i = 0; s && i < SECURITY_NEXUSES_MAX; i++)
		if (atomic_load_explicit(&s->nexuses[i].id, memory_order_acquire) == id)
			return &s->nexuses[i];
	return NULL;
}

static const struct security_set *set_of(const struct lu *lu, const struct security_nexus *n,
					 enum security_scope *scope)
{
	static const struct security_set none;
	const struct tape_security *s = lu->security;

	if (n && n->local) {
		*scope = SCOPE_LOCAL;
		return &n->set;
	}
	if (s && s->all.instance) {
		*scope = SCOPE_ALL;
		return &s->all;
	}
	*scope = SCOPE_PUBLIC;
	return &none;
}

const struct security_set *security_set_of(const struct scsi_task *t, enum security_scope *scope)
{
	return set_of(t->lu, security_find(t->lu, t->nexus->id), scope);
}

enum security_scope security_nexus_scope(const struct scsi_task *t)
{
	const struct security_nexus *n = security_find(t->lu, t->nexus->id);

	if (n && n->local)
		return SCOPE_LOCAL;
	return t->lu->security && t->lu->security->all_by == t->nexus->id ? SCOPE_ALL
									  : SCOPE_PUBLIC;
}

/* ---- who is told ---- */

void security_register(struct scsi_task *t)
{
	t->itl->security_registered = true;
}

/* Those that use what is there for all: a nexus with parameters of its own isn't concerned. */
static bool is_told(const struct nexus *nexus, void *arg)
{
	const struct lu *lu = arg;
	const struct itl *itl = lu->lun < nexus->nr_itls ? nexus->itls[lu->lun] : NULL;
	const struct security_nexus *n;

	if (!itl || itl->lu != lu || !itl->security_registered ||
	    nexus->id == lu->security->not_told)
		return false;
	n = security_find(lu, nexus->id);
	return !n || !n->local;
}

static void tell(struct lu *lu, uint64_t except)
{
	lu->security->not_told = except;
	lu_establish_ua_matching(lu, ASC_DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_ANOTHER_I_T_NEXUS,
				 is_told, lu);
}

/* ---- changes ---- */

static void wipe(struct security_set *set)
{
	explicit_bzero(set, sizeof(*set));
}

static void wipe_nexus(struct security_nexus *n)
{
	wipe(&n->set);
	n->local = n->locked = false;
	atomic_store_explicit(&n->id, 0, memory_order_release);
}

/* What takes all of it away leaves the counter, by which a locked nexus learns of it. */
static void wipe_all(struct tape_security *s)
{
	wipe(&s->all);
	s->all_by = 0;
	s->instance++;
}

static struct security_nexus *slot_for(struct lu *lu, uint64_t id)
{
	struct security_nexus *n;

	if (!lu->security)
		lu->security = calloc(1, sizeof(*lu->security));
	if (!lu->security)
		return NULL;
	n = security_find(lu, id);
	if (!n)
		n = security_find(lu, 0);
	if (n)
		atomic_store_explicit(&n->id, id, memory_order_release);
	return n;
}

bool security_change(struct scsi_task *t, enum security_scope scope, bool lock,
		     const struct security_set *set)
{
	struct security_nexus *n = slot_for(t->lu, t->nexus->id);
	struct tape_security *s = t->lu->security;
	enum security_scope now;

	if (!n)
		return false;
	if (s->all_by == t->nexus->id && scope != SCOPE_ALL)
		s->all_by = 0;
	n->local = scope == SCOPE_LOCAL;
	wipe(&n->set);
	if (scope == SCOPE_LOCAL) {
		n->set = *set;
		n->set.instance = ++s->instance;
	} else if (scope == SCOPE_ALL) {
		s->all = *set;
		s->all.instance = ++s->instance;
		s->all_by = t->nexus->id;
		tell(t->lu, t->nexus->id);
	}
	n->locked = lock;
	n->locked_instance = set_of(t->lu, n, &now)->instance;
	t->itl->security_kept = n->local || n->locked;
	if (!t->itl->security_kept)
		wipe_nexus(n);
	return true;
}

/* Takes away the parameters that goes() chooses, not the locks. */
static void take(struct lu *lu, uint64_t except,
		 bool (*goes)(const struct lu *lu, const struct security_set *set, bool preempted),
		 bool preempted)
{
	struct tape_security *s = lu->security;

	for (unsigned i = 0; s && i < SECURITY_NEXUSES_MAX; i++) {
		struct security_nexus *n = &s->nexuses[i];

		if (!n->local || !goes(lu, &n->set, preempted))
			continue;
		wipe(&n->set);
		n->local = false;
		s->instance++;
	}
	if (s && s->all.instance && goes(lu, &s->all, preempted)) {
		wipe_all(s);
		tell(lu, except);
	}
}

static bool clears_on_demount(const struct lu *lu, const struct security_set *set, bool preempted)
{
	(void)lu;
	(void)preempted;
	return set->ckod;
}

void security_unloaded(struct lu *lu, uint64_t except)
{
	take(lu, except, clears_on_demount, false);
}

static bool clears_on_loss(const struct lu *lu, const struct security_set *set, bool preempted)
{
	const struct pr_table *table = lu->pr->table;
	const struct pr_registration *r = table ? pr_find_port(lu->pr->table, &set->port) : NULL;

	if (!set->ckorl && !(set->ckorp && preempted))
		return false;
	return !r || !pr_is_holder(table, r);
}

void security_reservation_changed(struct lu *lu, uint64_t except, bool preempted)
{
	take(lu, except, clears_on_loss, preempted);
}

void security_reset(struct lu *lu)
{
	struct tape_security *s = lu->security;

	if (!s)
		return;
	for (unsigned i = 0; i < SECURITY_NEXUSES_MAX; i++)
		wipe_nexus(&s->nexuses[i]);
	wipe_all(s);
}

void security_nexus_lost(struct itl *itl)
{
	struct security_nexus *n =
	    itl->security_kept ? security_find(itl->lu, itl->nexus->id) : NULL;

	if (n)
		wipe_nexus(n);
}

void security_free(struct lu *lu)
{
	if (lu->security)
		explicit_bzero(lu->security, sizeof(*lu->security));
	free(lu->security);
}
