/* SPDX-License-Identifier: MIT */
/*
 * Messages from other threads: a lock-free stack that the reactor takes whole and turns around. The
 * eventfd is written only when the reactor sleeps.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reactor/internal.h"

static void woken(struct fd_watch *watch, uint32_t events)
{
	uint64_t count;

	(void)events;
	if (read(watch->fd, &count, sizeof(count)) < 0)
		return; /* somebody's write was already seen; the mailbox is looked at in any case
			 */
}

int mailbox_init(struct reactor *reactor)
{
	struct mailbox *m = &reactor->mailbox;

	m->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->wake.fd < 0)
		return -errno;
	m->wake.fn = woken;
	return reactor_watch(reactor, &m->wake, EPOLLIN);
}

void mailbox_destroy(struct reactor *reactor)
{
	close(reactor->mailbox.wake.fd);
}

void reactor_send(struct reactor *reactor, struct message *message)
{
	reactor_send_all(reactor, message, message);
}

void reactor_send_all(struct reactor *reactor, struct message *newest, struct message *oldest)
{
	struct mailbox *m = &reactor->mailbox;
	struct message *head = atomic_load_explicit(&m->head, memory_order_relaxed);
	uint64_t one = 1;

	do {
		oldest->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &m->head, &head, newest, memory_order_seq_cst, memory_order_relaxed));
	/* sequentially consistent with mailbox_may_sleep(): either it sees the message or this sees
	 * that it sleeps */
	if (atomic_load(&m->sleeping) && atomic_exchange(&m->sleeping, false) &&
	    write(m->wake.fd, &one, sizeof(one)) < 0)
		return; /* EAGAIN: the counter is full, so it wakes anyway */
}

bool mailbox_may_sleep(struct reactor *reactor)
{
	struct mailbox *m = &reactor->mailbox;

	atomic_store(&m->sleeping, true);
	if (!atomic_load(&m->head))
		return true;
	atomic_store(&m->sleeping, false);
	return false;
}

bool mailbox_run(struct reactor *reactor)
{
	struct mailbox *m = &reactor->mailbox;
	struct message *newest, *oldest = NULL;

	if (atomic_load_explicit(&m->sleeping, memory_order_relaxed))
		atomic_store_explicit(&m->sleeping, false, memory_order_relaxed);
	if (!atomic_load_explicit(&m->head, memory_order_relaxed))
		return false;
	newest = atomic_exchange_explicit(&m->head, NULL, memory_order_acquire);
	while (newest) {
		struct message *next = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct message *message = oldest;

		oldest = message->next; /* fn may reuse or free the message */
		message->fn(message);
	}
	return true;
}
