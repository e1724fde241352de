/* SPDX-License-Identifier: MIT */
/* An intrusive, circular, doubly linked list.  A node that is on no list points at itself. */
#ifndef TGT_UTIL_LIST_H
#define TGT_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	list_insert_(n, head->prev, head);
}

static inline void list_add_head(struct list *head, struct list *n)
{
	list_insert_(n, head, head->next);
}

/* Takes n off its list; harmless for one that is on none. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves all of from to the end of to. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_first(head, type, member) container_of((head)->next, type, member)
#define list_last(head, type, member) container_of((head)->prev, type, member)
#define list_pop(head, type, member)                                                               \
	({                                                                                         \
		type *popped_ = list_first(head, type, member);                                    \
		list_del(&popped_->member);                                                        \
		popped_;                                                                           \
	})
#define list_for_each(pos, head, type, member)                                                     \
	for (type *pos = list_first(head, type, member); &pos->member != (head);                   \
	     pos = list_first(&pos->member, type, member))
/* The body may take pos off the list, or free it; no other node. */
#define list_for_each_safe(pos, head, type, member)                                                \
	for (type *pos = list_first(head, type, member),                                           \
		  *next_##pos = list_first(&pos->member, type, member);                            \
	     &pos->member != (head);                                                               \
	     pos = next_##pos, next_##pos = list_first(&pos->member, type, member))

#endif
