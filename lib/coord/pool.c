/*
 * Payments in memory: the pool, their states and queues, and the bounds that
 * they count against.
 */
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

struct payment *
payment_find(const struct coord *c, const struct id *id)
{
	uint32_t i = table_find(&c->live, id->octets, sizeof(id->octets));

	return i == TABLE_NONE ? NULL : &c->pool[i];
}

static uint32_t
payment_index(const struct coord *c, const struct payment *p)
{
	return (uint32_t)(p - c->pool);
}

/* Every legal change of state: from (row) to (column). */
static const bool legal[PAYMENT_STATES][PAYMENT_STATES] = {
    [PAYMENT_FREE] = {[PAYMENT_RECEIVED] = true, [PAYMENT_ABORTING] = true},
    [PAYMENT_RECEIVED] = {[PAYMENT_PREPARING] = true,
	[PAYMENT_ABORTING] = true,
	[PAYMENT_HOLDING] = true,
	[PAYMENT_HELD] = true,
	[PAYMENT_COMMITTED] = true,
	[PAYMENT_FREE] = true},
    [PAYMENT_PREPARING] = {[PAYMENT_COMMITTING] = true,
	[PAYMENT_ABORTING] = true,
	[PAYMENT_HOLDING] = true,
	[PAYMENT_HELD] = true,
	[PAYMENT_FREE] = true},
    [PAYMENT_COMMITTING] = {[PAYMENT_COMMITTED] = true},
    [PAYMENT_COMMITTED] = {[PAYMENT_FREE] = true},
    [PAYMENT_ABORTING] = {[PAYMENT_FREE] = true},
    [PAYMENT_HOLDING] = {[PAYMENT_HELD] = true},
    [PAYMENT_HELD] = {[PAYMENT_PREPARING] = true,
	[PAYMENT_ABORTING] = true,
	[PAYMENT_HELD] = true,
	[PAYMENT_COMMITTED] = true,
	[PAYMENT_FREE] = true},
};

static bool
is_held(enum payment_state state)
{
	return state == PAYMENT_HOLDING || state == PAYMENT_HELD;
}

static bool
is_retried(const struct payment *p)
{
	return p->state == PAYMENT_PREPARING && p->was_held;
}

bool
user_has_room(struct coord *c, struct str user)
{
	uint32_t i = table_find(&c->users_by_name, user.at, user.len);

	return i == TABLE_NONE || c->users[i].in_flight < c->conf.per_user_max;
}

bool
user_may_hold(const struct coord *c, struct str user)
{
	uint32_t i = table_find(&c->users_by_name, user.at, user.len);

	return i == TABLE_NONE || c->users[i].held < c->conf.per_user_max;
}

/* The user of a payment that begins to count. */
static struct user *
user_enter(struct coord *c, struct payment *p)
{
	struct str name = str_from(p->user);
	uint32_t i = table_find(&c->users_by_name, name.at, name.len);

	if (i == TABLE_NONE) {
		i = c->free_user;
		CHECK(i != TABLE_NONE);
		c->free_user = c->users[i].next_free;
		CHECK(
		    str_copy(c->users[i].name, sizeof(c->users[i].name), name));
		c->users[i].in_flight = c->users[i].held = 0;
		table_insert(&c->users_by_name, name.at, name.len, i);
	}
	p->user_index = i;
	return &c->users[i];
}

static void
user_leave(struct coord *c, uint32_t i)
{
	struct user *u = &c->users[i];

	if (u->in_flight > 0 || u->held > 0)
		return;
	table_remove(&c->users_by_name, u->name, strlen(u->name));
	u->next_free = c->free_user;
	c->free_user = i;
}

/* Held payments that are being tried keep their place among those. */
static bool
keeps_place(const struct payment *p)
{
	return is_held(p->state) || is_retried(p);
}

static void
user_count_held(struct coord *c, struct payment *p, bool was)
{
	if (was == keeps_place(p))
		return;
	if (!was) {
		user_enter(c, p)->held++;
		return;
	}
	CHECK(c->users[p->user_index].held > 0);
	c->users[p->user_index].held--;
	user_leave(c, p->user_index);
}

void
payment_enter(struct coord *c, struct payment *p, enum payment_state to)
{
	bool was = keeps_place(p);

	CHECK(legal[p->state][to]);
	if (is_held(p->state))
		c->held--;
	if (is_retried(p))
		c->retrying--;
	if (p->state == PAYMENT_COMMITTED)
		c->unacknowledged--;
	if (is_held(to))
		c->held++;
	if (to == PAYMENT_COMMITTED)
		c->unacknowledged++;
	p->state = to;
	if (is_retried(p))
		c->retrying++;
	user_count_held(c, p, was);
}

void
payment_set_timer(
    struct coord *c, struct payment *p, struct payments *list, int64_t at_ns)
{
	(void)c;
	if (p->timer_list != NULL)
		TAILQ_REMOVE(p->timer_list, p, timer);
	p->timer_list = list;
	p->deadline_ns = at_ns;
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, p, timer);
}

void
payment_set_queue(struct payment *p, struct payments *list)
{
	if (p->queue_list == list)
		return;
	if (p->queue_list != NULL)
		TAILQ_REMOVE(p->queue_list, p, queue);
	p->queue_list = list;
	if (list != NULL)
		TAILQ_INSERT_TAIL(list, p, queue);
}

/* Counts a payment into, or out of, the bounds of what is in flight. */
void
payment_count(struct coord *c, struct payment *p, bool in)
{
	if (p->counted == in)
		return;
	p->counted = in;
	if (in) {
		c->in_flight++;
		user_enter(c, p)->in_flight++;
	} else {
		c->in_flight--;
		CHECK(c->users[p->user_index].in_flight > 0);
		c->users[p->user_index].in_flight--;
		user_leave(c, p->user_index);
	}
	for (uint32_t i = 0; i < p->legs; i++) {
		if (in)
			p->leg[i].bank->in_flight++;
		else
			p->leg[i].bank->in_flight--;
		bank_wake(c, p->leg[i].bank);
	}
}

struct payment *
payment_take(struct coord *c, const struct id *id)
{
	struct payment *p = TAILQ_FIRST(&c->free);

	if (p == NULL)
		return NULL;
	TAILQ_REMOVE(&c->free, p, queue);
	memset(p, 0, sizeof(*p));
	p->id = *id;
	p->asker.peer = PEER_NONE;
	table_insert(
	    &c->live, id->octets, sizeof(id->octets), payment_index(c, p));
	return p;
}

/* Leaves the pool; the index remembers what became of the id. */
void
payment_release(
    struct coord *c, struct payment *p, enum remembered what, struct jpos pos)
{
	payment_count(c, p, false);
	payment_set_timer(c, p, NULL, 0);
	payment_set_queue(p, NULL);
	for (uint32_t i = 0; i < p->legs; i++)
		leg_unlink(&p->leg[i]);
	id_index_set(c->ids, p->entry, pos, (uint8_t)what);
	table_remove(&c->live, p->id.octets, sizeof(p->id.octets));
	payment_enter(c, p, PAYMENT_FREE);
	TAILQ_INSERT_TAIL(&c->free, p, queue);
}
