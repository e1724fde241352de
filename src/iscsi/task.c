/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "iscsi/session.h"
#include "store/loader.h"

#define DROP_PATIENCE_MS 2000u

/* Tasks of a reactor that aren't in use; as many as were ever needed at once. */
struct task_pool {
	struct iscsi_task *free;
} __attribute__((aligned(64)));

static struct task_pool pools[REACTOR_MAX];

static struct iscsi_task *pool_grow(void)
{
	size_t head = (sizeof(struct iscsi_task) + 15) & ~(size_t)15;
	size_t size = (head + store_max_request_size() + 63) & ~(size_t)63;
	struct iscsi_task *t = aligned_alloc(64, size);

	if (!t)
		return NULL;
	memset(t, 0, size);
	t->scsi.module_data = (uint8_t *)t + head;
	t->scsi.ops = &iscsi_task_ops;
	t->response.ops = &response_ops;
	list_init(&t->response.link);
	list_init(&t->r2ts.link);
	return t;
}

static struct iscsi_task **bucket(struct session *s, uint32_t itt)
{
	return &s->hash[(itt * 2654435769u) >> 25];
}
_Static_assert(TASK_HASH == 1u << (32 - 25), "the hash takes the upper 7 bits");

struct iscsi_task *task_alloc(struct session *s, uint32_t itt)
{
	struct task_pool *pool = &pools[reactor_id(s->reactor)];
	struct iscsi_task *t = pool->free;
	struct iscsi_task **chain;

	if (t)
		pool->free = t->next;
	else if (!(t = pool_grow()))
		return NULL;
	memset((char *)t + offsetof(struct iscsi_task, itt), 0,
	       offsetof(struct iscsi_task, r2t) - offsetof(struct iscsi_task, itt));
	t->session = s;
	t->itt = itt;
	t->hashed = true;
	chain = bucket(s, itt);
	t->next = *chain;
	*chain = t;
	s->nr_tasks++;
	return t;
}

struct iscsi_task *task_find(struct session *s, uint32_t itt)
{
	struct iscsi_task *t = *bucket(s, itt);

	while (t && t->itt != itt)
		t = t->next;
	return t;
}

static void unhash(struct iscsi_task *t)
{
	struct iscsi_task **at = bucket(t->session, t->itt);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->hashed = false;
}

static void undrop(struct iscsi_task *t)
{
	struct session *s = t->session;

	t->dropped = false;
	if (!--s->nr_dropped)
		task_management_resume(s);
}

void task_free(struct iscsi_task *t)
{
	struct session *s = t->session;
	struct task_pool *pool = &pools[reactor_id(s->reactor)];

	unhash(t);
	if (t->early.iov)
		bufpool_put(reactor_bufpool(s->reactor), &t->early);
	if (s->conn && s->conn->rx.task == t) {
		s->conn->rx.task = NULL;
		rx_discard(&s->conn->rx);
	}
	list_del(&t->r2ts.link);
	list_del(&t->response.link);
	task_leave_window(t);
	if (t->immediate)
		s->nr_immediate--;
	s->nr_tasks--;
	if (t->dropped)
		undrop(t);
	t->next = pool->free;
	pool->free = t;
	if (!s->nr_tasks)
		session_check_end(s);
}

/* 4.2.2.1: MaxCmdSN advances when a command has ended; the window grows while the pool covers it.
 */
void task_leave_window(struct iscsi_task *t)
{
	struct session *s = t->session;

	if (!t->in_window)
		return;
	t->in_window = false;
	window_give_back(&s->window);
	if (s->window.size < s->window.limit &&
	    bufpool_reserve(reactor_bufpool(s->reactor), s->reserve_unit)) {
		s->reserved += s->reserve_unit;
		window_grow(&s->window);
	}
}

void tasks_each(struct session *s, void (*fn)(struct iscsi_task *t, void *arg), void *arg)
{
	for (unsigned i = 0; i < TASK_HASH; i++) {
		struct iscsi_task *next;

		for (struct iscsi_task *t = s->hash[i]; t; t = next) {
			next = t->next;
			fn(t, arg);
		}
	}
}

/* ---- ending ---- */

static bool data_expected(const struct iscsi_task *t)
{
	return t->unsolicited || t->nr_r2ts;
}

static void forget_if_late(struct iscsi_task *t, void *arg)
{
	const uint64_t *now = arg;

	if (t->dropped && !t->receiving && *now - t->dropped_ms >= DROP_PATIENCE_MS)
		task_free(t);
}

static void forget_late(struct timer *timer)
{
	struct session *s = container_of(timer, struct session, drop_timer);
	uint64_t now = reactor_now_ms(s->reactor);

	s->pins++; /* freeing the last task must not end the session under tasks_each() */
	tasks_each(s, forget_if_late, &now);
	if (s->nr_dropped)
		reactor_timer_arm(s->reactor, timer, DROP_PATIENCE_MS);
	s->pins--;
	session_check_end(s);
}

/*
 * 4.2.3.3: the initiator still answers valid target transfer tags of an aborted task.  Some never
 * do (they abort because the data can't be sent), so they are waited for a while only.
 */
static void drop(struct iscsi_task *t)
{
	struct session *s = t->session;

	if (t->dropped)
		return;
	t->dropped = true;
	t->dropped_ms = reactor_now_ms(s->reactor);
	s->drop_timer.fn = forget_late;
	if (!s->nr_dropped++)
		reactor_timer_arm(s->reactor, &s->drop_timer, DROP_PATIENCE_MS);
}

static bool can_answer(const struct session *s)
{
	return s->conn && conn_is_open(s->conn);
}

void task_try_finish(struct iscsi_task *t)
{
	struct session *s = t->session;

	if (!t->done || t->queued || t->receiving)
		return;
	if (can_answer(s) && data_expected(t)) {
		if (t->aborted)
			drop(t);
		return;
	}
	if (t->aborted || !can_answer(s)) {
		if (t->submitted)
			scsi_task_release(&t->scsi);
		task_free(t);
		return;
	}
	t->queued = true;
	tx_queue(s->conn, &t->response);
}

static void done(struct scsi_task *scsi)
{
	struct iscsi_task *t = container_of(scsi, struct iscsi_task, scsi);
	struct session *s = t->session;

	t->done = true;
	data_withdraw_r2ts(t);
	if (s->conn && s->conn->rx.task == t)
		rx_discard(&s->conn->rx);
	if (scsi->aborted) {
		t->aborted = true;
		s->last_abort_ms = reactor_now_ms(s->reactor);
	}
	if (t->aborted || !t->read)
		scsi_task_release(scsi); /* nothing of it is sent */
	task_try_finish(t);
}

void task_abort_done(struct iscsi_task *t)
{
	if (!t->done || t->queued)
		return;
	t->aborted = true;
	t->session->last_abort_ms = reactor_now_ms(t->session->reactor);
	task_try_finish(t);
}

const struct task_ops iscsi_task_ops = {.want_data = data_wanted, .done = done};
