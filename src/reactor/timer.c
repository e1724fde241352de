/* SPDX-License-Identifier: MIT */
/* Timers: a binary heap of pointers; each timer knows its place, so that cancelling needs no
 * search. */
#include <stdlib.h>

#include "reactor/internal.h"

static void place(struct timer_heap *h, size_t slot, struct timer *t)
{
	h->slots[slot] = t;
	t->slot = slot;
}

static void sift_up(struct timer_heap *h, struct timer *t, size_t slot)
{
	while (slot > 1 && h->slots[slot / 2]->due_ms > t->due_ms) {
		place(h, slot, h->slots[slot / 2]);
		slot /= 2;
	}
	place(h, slot, t);
}

static void sift_down(struct timer_heap *h, struct timer *t, size_t slot)
{
	size_t child;

	while ((child = 2 * slot) <= h->count) {
		if (child < h->count && h->slots[child + 1]->due_ms < h->slots[child]->due_ms)
			child++;
		if (h->slots[child]->due_ms >= t->due_ms)
			break;
		place(h, slot, h->slots[child]);
		slot = child;
	}
	place(h, slot, t);
}

static void grow(struct timer_heap *h)
{
	size_t room = h->room ? h->room * 2 : 64;
	struct timer **slots = realloc(h->slots, room * sizeof(*slots));

	if (!slots)
		abort(); /* a lost deadline would hang a peer or a store for ever */
	h->slots = slots;
	h->room = room;
}

void reactor_timer_arm(struct reactor *reactor, struct timer *timer, uint32_t delay_ms)
{
	struct timer_heap *h = &reactor->timers;

	reactor_timer_cancel(timer);
	if (h->count + 1 >= h->room)
		grow(h);
	timer->reactor = reactor;
	timer->due_ms = reactor->now_ms + delay_ms;
	h->count++;
	sift_up(h, timer, h->count);
}

void reactor_timer_cancel(struct timer *timer)
{
	struct timer_heap *h;
	struct timer *last;
	size_t slot = timer->slot;

	if (!slot)
		return;
	h = &timer->reactor->timers;
	timer->slot = 0;
	last = h->slots[h->count--];
	if (last == timer)
		return;
	if (slot > 1 && h->slots[slot / 2]->due_ms > last->due_ms)
		sift_up(h, last, slot);
	else
		sift_down(h, last, slot);
}

int timers_timeout(const struct reactor *reactor)
{
	uint64_t due;

	if (!reactor->timers.count)
		return -1;
	due = reactor->timers.slots[1]->due_ms;
	if (due <= reactor->now_ms)
		return 0;
	return due - reactor->now_ms > 60000 ? 60000 : (int)(due - reactor->now_ms);
}

void timers_run(struct reactor *reactor)
{
	struct timer_heap *h = &reactor->timers;

	while (h->count && h->slots[1]->due_ms <= reactor->now_ms) {
		struct timer *t = h->slots[1];

		reactor_timer_cancel(t);
		t->fn(t);
	}
}

void timers_free(struct reactor *reactor)
{
	free(reactor->timers.slots);
	reactor->timers.slots = NULL;
}
