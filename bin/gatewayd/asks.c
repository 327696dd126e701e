#include "asks.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

/* Ours alone sees it: nobody else is answered on these slots. */
#define TAG "A"

enum ask_state { ASK_FREE, ASK_WAITING, ASK_ANSWERED };

struct ask {
	TAILQ_ENTRY(ask)
	entry; /* free, or ready */
	struct asks *asks;
	struct peer peer;
	enum ask_state state;
	enum verb verb;
	struct timer late;
	ask_done *done;
	void *ctx;
	struct ask_answer answer;
};
TAILQ_HEAD(ask_list, ask);

struct asks {
	struct gatewayd *gatewayd;
	uint32_t first_slot;
	struct ask *at;
	struct ask_list free, ready;
	struct timer give_out; /* set while there is an answer to give */
};

static void
give(struct ask *a)
{
	struct asks *as = a->asks;

	CHECK(a->state != ASK_FREE);
	loop_timer_clear(as->gatewayd->server.loop, &a->late);
	if (a->state == ASK_ANSWERED)
		TAILQ_REMOVE(&as->ready, a, entry);
	a->state = ASK_FREE;
	/* An answer that comes now is to nobody. */
	a->peer.generation++;
	explicit_bzero(&a->answer, sizeof(a->answer));
	TAILQ_INSERT_TAIL(&as->free, a, entry);
}

static void
answered(struct ask *a, enum code code)
{
	a->answer.code = code;
	a->state = ASK_ANSWERED;
	TAILQ_INSERT_TAIL(&a->asks->ready, a, entry);
	if (loop_timer_set(
		a->asks->gatewayd->server.loop, &a->asks->give_out, 0) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
is_late(void *ctx)
{
	struct ask *a = ctx;

	if (a->state == ASK_WAITING)
		answered(a, CODE_BANK_TIMEOUT);
}

static void
give_out(void *ctx)
{
	struct asks *as = ctx;
	struct ask_answer answer;
	struct ask *a;

	while ((a = TAILQ_FIRST(&as->ready)) != NULL) {
		ask_done *done = a->done;
		void *done_ctx = a->ctx;

		answer = a->answer;
		/* It may ask again at once: its place is free by then. */
		give(a);
		done(done_ctx, &answer);
	}
}

struct asks *
asks_new(struct gatewayd *g, uint32_t first_slot)
{
	struct asks *as = calloc(1, sizeof(*as));

	if (as == NULL)
		return NULL;
	as->gatewayd = g;
	as->first_slot = first_slot;
	as->at = calloc(ASKS_MAX, sizeof(*as->at));
	if (as->at == NULL) {
		free(as);
		return NULL;
	}
	TAILQ_INIT(&as->free);
	TAILQ_INIT(&as->ready);
	as->give_out = (struct timer){.due = give_out, .ctx = as};
	for (uint32_t i = 0; i < ASKS_MAX; i++) {
		struct ask *a = &as->at[i];

		a->asks = as;
		a->peer = (struct peer){first_slot + i, 0};
		a->late = (struct timer){.due = is_late, .ctx = a};
		TAILQ_INSERT_TAIL(&as->free, a, entry);
	}
	return as;
}

void
asks_free(struct asks *as)
{
	if (as == NULL)
		return;
	loop_timer_clear(as->gatewayd->server.loop, &as->give_out);
	for (uint32_t i = 0; i < ASKS_MAX; i++)
		loop_timer_clear(as->gatewayd->server.loop, &as->at[i].late);
	free(as->at);
	free(as);
}

struct ask *
asks_bank(
    struct asks *as, struct str bank, struct msg *m, ask_done *done, void *ctx)
{
	struct ask *a = TAILQ_FIRST(&as->free);
	struct event ev = {.kind = EV_MSG, .msg = m, .user = bank};

	if (a == NULL)
		return NULL;
	TAILQ_REMOVE(&as->free, a, entry);
	a->state = ASK_WAITING;
	a->verb = m->verb;
	a->done = done;
	a->ctx = ctx;
	if (loop_timer_set(as->gatewayd->server.loop, &a->late,
		clock_mono_ns() + as->gatewayd->config.prepare_timeout_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
	CHECK(str_copy(m->tag, sizeof(m->tag), STR(TAG)));
	ev.peer = a->peer;
	turn_event(as->gatewayd->server.turn, &ev);
	return a;
}

void
asks_forget(struct asks *as, struct ask *a)
{
	CHECK(a->asks == as);
	give(a);
}

/* The coordinator wrote the line; what stands in it is the bank's. */
static void
note_answer(struct ask *a, const struct msg *m)
{
	struct ask_answer *to = &a->answer;

	memset(to, 0, sizeof(*to));
	if (m->word == MSG_ERR) {
		answered(a, (enum code)m->v[KEY_code].u64);
		return;
	}
	if (msg_has(m, account))
		CHECK(str_copy(
		    to->account, sizeof(to->account), m->v[KEY_account].str));
	if (msg_has(m, roles))
		CHECK(str_copy(
		    to->roles, sizeof(to->roles), m->v[KEY_roles].str));
	if (msg_has(m, currency))
		to->currency = (uint32_t)m->v[KEY_currency].u64;
	answered(a, CODE_NONE);
}

void
asks_deliver(struct asks *as, struct peer peer, const char *octets, size_t len)
{
	struct msg_problem problem;
	struct line line;
	struct msg m;
	struct ask *a;

	CHECK(peer.slot >= as->first_slot &&
	    peer.slot - as->first_slot < ASKS_MAX);
	a = &as->at[peer.slot - as->first_slot];
	if (a->state != ASK_WAITING || !peer_eq(a->peer, peer))
		return;
	CHECK(len > 0 && octets[len - 1] == '\n');
	if (line_split(&line, (struct str){octets, (uint32_t)len - 1}) !=
		LINE_OK ||
	    msg_reply(&m, &line, a->verb, &problem) != LINE_OK) {
		answered(a, CODE_INTERNAL);
		return;
	}
	if (m.word == MSG_OK || m.word == MSG_ERR)
		note_answer(a, &m);
}
