/* SPDX-License-Identifier: MIT */
/*
 * Non-immediate PDUs whose CmdSN is ahead of ExpCmdSN: they wait until the ones before them have
 * come (RFC 7143 4.2.2.1).  On the one connection of a session that happens only when an initiator
 * leaves a gap; the window bounds how many there are.
 */
#include <stdlib.h>
#include <string.h>

#include "iscsi/session.h"

#define HELD_DATA_MAX 8192u

enum window_place cmdsn_arrived(struct session *s, uint32_t cmdsn)
{
	enum window_place place = window_place(&s->window, cmdsn);

	if (place == WINDOW_NEXT)
		window_take(&s->window);
	return place;
}

/* The entry for a CmdSN, in its place; NULL: there is one already, or no memory. */
static struct held_pdu *insert(struct session *s, uint32_t cmdsn, size_t len)
{
	struct list *before = &s->held;
	struct held_pdu *h;

	list_for_each (other, &s->held, struct held_pdu, link) {
		if (other->cmdsn == cmdsn)
			return NULL;
		if (serial_before(cmdsn, other->cmdsn)) {
			before = &other->link;
			break;
		}
	}
	h = calloc(1, sizeof(*h) + len);
	if (!h)
		return NULL;
	h->cmdsn = cmdsn;
	list_insert_(&h->link, before->prev, before);
	s->nr_held++;
	return h;
}

void held_add(struct session *s, uint32_t cmdsn, struct iscsi_task *task)
{
	struct held_pdu *h = insert(s, cmdsn, 0);

	if (h)
		h->task = task;
	else
		task_free(task); /* the same CmdSN again: ignored */
}

void held_add_pdu(struct session *s, const uint8_t *bhs, const uint8_t *data, size_t len)
{
	struct held_pdu *h;

	if (len > HELD_DATA_MAX) {
		conn_reject(s->conn, bhs, REJECT_OUT_OF_RESOURCES);
		return;
	}
	h = insert(s, pdu_cmdsn(bhs), len);
	if (!h)
		return;
	h->is_pdu = true;
	memcpy(h->bhs, bhs, BHS_LEN);
	h->len = len;
	if (len)
		memcpy(h->data, data, len);
}

static void held_free(struct session *s, struct held_pdu *h)
{
	list_del(&h->link);
	s->nr_held--;
	free(h);
}

static void deliver(struct session *s, struct held_pdu *h)
{
	if (h->task) {
		h->task->in_window = true;
		command_deliver(h->task);
		return;
	}
	window_give_back(&s->window);
	if (h->is_pdu && s->conn->phase == CONN_FULL)
		full_feature_run(s->conn, h->bhs, h->data, h->len);
}

void held_deliver(struct session *s)
{
	while (s->nr_held) {
		struct held_pdu *h = list_first(&s->held, struct held_pdu, link);

		if (h->cmdsn != s->window.exp)
			return;
		window_take(&s->window);
		list_del(&h->link); /* whatever happens now, it isn't delivered again */
		deliver(s, h);
		held_free(s, h);
	}
}

void cmdsn_consume(struct session *s, uint32_t cmdsn)
{
	enum window_place place = cmdsn_arrived(s, cmdsn);

	if (place == WINDOW_NEXT) {
		window_give_back(&s->window);
		held_deliver(s);
	} else if (place == WINDOW_AHEAD) {
		insert(s, cmdsn, 0);
	}
}

void held_forget_task(struct session *s, const struct iscsi_task *task)
{
	list_for_each (h, &s->held, struct held_pdu, link) {
		if (h->task == task)
			h->task = NULL;
	}
}

void held_free_all(struct session *s)
{
	list_for_each_safe (h, &s->held, struct held_pdu, link)
		held_free(s, h);
}
