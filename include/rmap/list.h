/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A doubly linked circular list whose links live inside its members.
 *
 * An initialised entry that is on no list points at itself, so list_del_init() may be called on it again and
 * list_empty(&entry) tells whether it is on one. No function locks; the owner of the head says which lock guards it.
 */
#ifndef RMAP_LIST_H
#define RMAP_LIST_H

#include <rmap/types.h>

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

#define list_entry(ptr, type, member) rmap_container_of(ptr, type, member)

/* An empty list, or a member of none. */
static inline void list_init(struct list_head *h)
{
	h->next = h;
	h->prev = h;
}

/* No member? Of a member that list_init() or list_del_init() left: is it in no list? */
static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

/* Exactly one member? False for an empty list too. */
static inline bool list_is_singular(const struct list_head *h)
{
	return h->next != h && h->next == h->prev;
}

/* Do the neighbours point back? */
static inline bool list_valid(const struct list_head *h)
{
	return h->next && h->prev && h->next->prev == h && h->prev->next == h;
}

/* For the two below: prev and next are neighbours. */
static inline void list_insert_between(struct list_head *n, struct list_head *prev,
				       struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}

/* Add at the head (after h). */
static inline void list_add(struct list_head *n, struct list_head *h)
{
	list_insert_between(n, h, h->next);
}

/* Add at the tail (before h). */
static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
	list_insert_between(n, h->prev, h);
}

/* Out of its list; n itself still points there. */
static inline void list_del(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
}

/* Out of its list, and a member of none. */
static inline void list_del_init(struct list_head *n)
{
	list_del(n);
	list_init(n);
}

/* Move all members of from to the tail of to; from is empty afterwards. */
static inline void list_splice_tail_init(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
#define list_for_each_reverse(pos, head)                                                           \
	for ((pos) = (head)->prev; (pos) != (head); (pos) = (pos)->prev)
#define list_for_each_safe(pos, tmp, head)                                                         \
	for ((pos) = (head)->next, (tmp) = (pos)->next; (pos) != (head);                           \
	     (pos) = (tmp), (tmp) = (pos)->next)

#endif
