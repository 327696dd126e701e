/* The coordinator's frame: memory, dispatch of events, emitting actions. */
#include "coord/coord.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

static bool
same_payment(const void *pool, uint32_t i, const void *key, size_t len)
{
	const struct payment *p = pool;

	return memcmp(p[i].id.octets, key, len) == 0;
}

static bool
same_user(const void *pool, uint32_t i, const void *key, size_t len)
{
	const struct user *u = pool;

	return strlen(u[i].name) == len && memcmp(u[i].name, key, len) == 0;
}

static bool
same_bank(const void *pool, uint32_t i, const void *key, size_t len)
{
	const struct bank *b = pool;

	return strlen(b[i].name) == len && memcmp(b[i].name, key, len) == 0;
}

static bool
take_memory(struct coord *c)
{
	const struct coord_conf *conf = &c->conf;

	c->pool = calloc(c->pool_max, sizeof(*c->pool));
	c->users = calloc(c->pool_max, sizeof(*c->users));
	c->banks = calloc(conf->banks_max, sizeof(*c->banks));
	c->requests = calloc(
	    (size_t)conf->banks_max * conf->window_max, sizeof(*c->requests));
	c->aborts = calloc(2 * (size_t)conf->in_flight_max, sizeof(*c->aborts));
	c->heuristics = calloc(conf->heuristics_max, sizeof(*c->heuristics));
	c->ids = id_index_new(conf->remembered_max, &conf->key);
	c->revocations = revocations_new(
	    conf->revoked_max, conf->revoked_users_max, &conf->key);
	return c->pool != NULL && c->users != NULL && c->banks != NULL &&
	    c->requests != NULL && c->aborts != NULL && c->heuristics != NULL &&
	    c->ids != NULL && c->revocations != NULL &&
	    table_init(&c->live, c->pool_max, &conf->key, same_payment,
		c->pool) == 0 &&
	    table_init(&c->users_by_name, c->pool_max, &conf->key, same_user,
		c->users) == 0 &&
	    table_init(&c->banks_by_name, conf->banks_max, &conf->key,
		same_bank, c->banks) == 0;
}

static void
fill_free_lists(struct coord *c)
{
	TAILQ_INIT(&c->free);
	TAILQ_INIT(&c->undecided);
	TAILQ_INIT(&c->deciding);
	TAILQ_INIT(&c->expiring);
	TAILQ_INIT(&c->retry);
	TAILQ_INIT(&c->busy);
	TAILQ_INIT(&c->relays);
	STAILQ_INIT(&c->free_aborts);
	for (uint32_t i = 0; i < DELAY_CLASSES; i++)
		TAILQ_INIT(&c->delayed[i]);
	for (uint32_t i = 0; i < c->pool_max; i++) {
		TAILQ_INSERT_TAIL(&c->free, &c->pool[i], queue);
		c->users[i].next_free =
		    i + 1 < c->pool_max ? i + 1 : TABLE_NONE;
	}
	c->free_user = 0;
	for (uint32_t i = 0; i < 2 * c->conf.in_flight_max; i++)
		STAILQ_INSERT_TAIL(&c->free_aborts, &c->aborts[i], entry);
}

struct coord *
coord_new(const struct coord_conf *conf)
{
	struct coord *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	CHECK(conf->in_flight_max > 0 && conf->banks_max > 0);
	CHECK(conf->heuristics_max > 0);
	CHECK(conf->window_max > 0 && conf->window_max <= 65536);
	c->conf = *conf;
	c->pool_max =
	    conf->in_flight_max + conf->held_max + conf->tombstones_max;
	c->replaying = true;
	c->room = true;
	if (!take_memory(c)) {
		coord_free(c);
		return NULL;
	}
	fill_free_lists(c);
	return c;
}

void
coord_free(struct coord *c)
{
	if (c == NULL)
		return;
	table_free(&c->live);
	table_free(&c->users_by_name);
	table_free(&c->banks_by_name);
	id_index_free(c->ids);
	revocations_free(c->revocations);
	free(c->pool);
	free(c->users);
	free(c->banks);
	free(c->requests);
	free(c->aborts);
	free(c->heuristics);
	free(c);
}

/* ---- Actions ---- */

struct action *
emit(struct actions *actions, enum action_kind kind)
{
	struct action *a;

	CHECK(actions->count < ACTIONS_STEP_MAX);
	a = &actions->at[actions->count++];
	a->kind = kind;
	a->peer = PEER_NONE;
	a->after_seq = 0;
	a->patient = false;
	a->misfit = false;
	a->has_id = false;
	a->text[0] = '\0';
	return a;
}

struct msg *
emit_reply(struct actions *actions, const struct asker *asker,
    enum msg_word word, uint64_t after_seq)
{
	struct action *a = emit(actions, AC_SEND);

	a->peer = asker->peer;
	a->after_seq = after_seq;
	msg_init(&a->msg, word, asker->verb, asker->tag);
	return &a->msg;
}

void
emit_error(struct actions *actions, const struct asker *asker, enum code code,
    const char *text)
{
	struct action *a;

	if (asker->peer.slot == PEER_NONE.slot)
		return;
	a = emit(actions, AC_SEND);
	a->peer = asker->peer;
	msg_error(&a->msg, asker->verb, asker->tag, code, text);
}

void
emit_log(struct actions *actions, enum action_level level, const struct id *id,
    const char *format, ...)
{
	struct action *a = emit(actions, AC_LOG);
	va_list ap;

	a->level = level;
	a->has_id = id != NULL;
	if (id != NULL)
		a->id = *id;
	va_start(ap, format);
	vsnprintf(a->text, sizeof(a->text), format, ap);
	va_end(ap);
}

void
emit_close(struct actions *actions, struct peer peer, const char *why)
{
	struct action *a = emit(actions, AC_CLOSE);

	a->peer = peer;
	snprintf(a->text, sizeof(a->text), "%s", why);
}

struct asker
asker_of(const struct event *ev)
{
	struct asker asker = {.peer = ev->peer, .verb = ev->msg->verb};

	memcpy(asker.tag, ev->msg->tag, sizeof(asker.tag));
	return asker;
}

/* ---- Events ---- */

/*
 * The epochs behind a copy may have been used by what was lost, and a branch is
 * never used twice: the clock's seconds are beyond any epoch that counted
 * starts.
 */
static uint64_t
next_epoch(const struct coord *c)
{
	uint64_t seconds = (uint64_t)(c->wall_us / US_PER_SECOND);

	return c->conf.restored && seconds > c->epoch ? seconds : c->epoch + 1;
}

static void
replayed(struct coord *c, struct actions *actions)
{
	struct action *a = emit(actions, AC_APPEND);

	c->replaying = false;
	/* What an earlier start had lost may have been found since. */
	if (c->conf.truncated || c->conf.restored)
		c->truncated = true;
	msg_init(&a->msg, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BOOT, "0");
	msg_set_u64(&a->msg, KEY_epoch, next_epoch(c));
	msg_set_str(&a->msg, KEY_agent, str_from(c->conf.agent));
	/* For good: what was lost is not found by starting once more. */
	if (c->truncated)
		msg_set_u64(&a->msg, KEY_restored, 1);
}

static void
message(struct coord *c, const struct event *ev, struct actions *actions)
{
	if (ev->msg->verb == VERB_CLIENT_LOGOUT ||
	    ev->msg->verb == VERB_CONTROL_REVOKE) {
		revocations_request(c, ev, actions);
		return;
	}
	switch (verb_info(ev->msg->verb)->side) {
	case SIDE_CLIENT:
		payments_request(c, ev, actions);
		break;
	case SIDE_UP:
	case SIDE_DOWN:
		links_message(c, ev, actions);
		break;
	case SIDE_CONTROL:
		lists_request(c, ev, actions);
		break;
	case SIDE_TELLER:
	case SIDE_AUTH:
	case SIDE_GATEWAY_JOURNAL:
	case SIDE_BANK_JOURNAL:
	case SIDE_SPOOL:
	case SIDE_SNAPSHOT:
	case SIDE_COUNT:
		CHECK_UNREACHABLE("a message for the coordinator");
	}
}

static void
remember(struct coord *c, const struct event *ev, struct actions *actions)
{
	const char *problem = notes_apply(c, ev->note);

	if (problem != NULL)
		snprintf(emit(actions, AC_FAIL)->text,
		    sizeof(actions->at[0].text), "%s", problem);
}

void
coord_step(struct coord *c, const struct event *ev, struct actions *actions)
{
	c->mono_ns = ev->mono_ns;
	c->wall_us = ev->wall_us;
	switch (ev->kind) {
	case EV_MSG:
		message(c, ev, actions);
		break;
	case EV_PEER_DOWN:
		lists_down(c, ev->peer);
		links_down(c, ev, actions);
		break;
	case EV_RECORD:
		records_apply(c, ev, actions);
		break;
	case EV_REPLAYED:
		replayed(c, actions);
		break;
	case EV_READ:
		if (c->reading != NULL)
			lists_found(c, ev, actions);
		else
			payments_found(c, ev, actions);
		break;
	case EV_DURABLE:
		c->durable_seq = ev->durable_seq;
		break;
	case EV_TICK:
		(void)(attempt_tick(c, actions) || links_tick(c, actions) ||
		    lists_tick(c, actions));
		break;
	case EV_ROOM:
		c->room = ev->room;
		break;
	case EV_REMEMBER:
		remember(c, ev, actions);
		break;
	case EV_RESTORE:
		snapshot_restore(c, ev, actions);
		break;
	}
}

int64_t
coord_next_ns(const struct coord *c)
{
	int64_t attempts_ns = attempt_next_ns(c),
		links_ns = requests_next_ns(c);

	return attempts_ns < links_ns ? attempts_ns : links_ns;
}

bool
coord_more(const struct coord *c)
{
	return attempt_more(c) || links_more(c) || c->queries_active > 0;
}

uint64_t
coord_epoch(const struct coord *c)
{
	return c->epoch;
}

void
coord_set_truncated(struct coord *c)
{
	c->truncated = true;
}

void
coord_set_restored(struct coord *c)
{
	c->truncated = true;
	c->conf.restored = true;
}

void
coord_counts(const struct coord *c, struct coord_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->in_flight = c->in_flight;
	counts->held = c->held;
	counts->unacknowledged = c->unacknowledged;
	counts->banks = c->bank_count;
	for (uint32_t i = 0; i < c->bank_count; i++)
		counts->banks_up += c->banks[i].state == BANK_UP ? 1 : 0;
	counts->remembered = id_index_count(c->ids);
	counts->committed = c->committed;
	counts->aborted = c->aborted;
}
