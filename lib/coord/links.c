/*
 * The banks' connections: registration and fencing, and what comes over them
 * (PROTOCOL.md section 4).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

/* Request slots looked at in one step while a broken link is settled. */
#define SETTLE_SLOTS 256

struct bank *
bank_find(const struct coord *c, struct str name)
{
	uint32_t i = table_find(&c->banks_by_name, name.at, name.len);

	return i == TABLE_NONE ? NULL : &c->banks[i];
}

struct bank *
bank_add(struct coord *c, struct str name)
{
	struct bank *b = bank_find(c, name);

	if (b != NULL)
		return b;
	if (c->bank_count == c->conf.banks_max)
		return NULL;
	b = &c->banks[c->bank_count];
	memset(b, 0, sizeof(*b));
	CHECK(str_copy(b->name, sizeof(b->name), name));
	b->requests = c->requests + (size_t)c->bank_count * c->conf.window_max;
	b->peer = b->new_peer = PEER_NONE;
	TAILQ_INIT(&b->prepares);
	TAILQ_INIT(&b->asked);
	TAILQ_INIT(&b->commits);
	TAILQ_INIT(&b->committing);
	TAILQ_INIT(&b->waiting);
	STAILQ_INIT(&b->aborts);
	table_insert(&c->banks_by_name, name.at, name.len, c->bank_count);
	c->bank_count++;
	return b;
}

/* ---- The state of a link ---- */

static void
link_break(struct coord *c, struct bank *b)
{
	struct abort_job *job;

	b->state = BANK_BREAKING;
	b->since_us = c->wall_us;
	b->peer = PEER_NONE;
	b->break_at = 0;
	b->incarnation++;
	/* What went out unacknowledged goes out again, first. */
	TAILQ_CONCAT(&b->committing, &b->commits, entry);
	TAILQ_CONCAT(&b->commits, &b->committing, entry);
	while ((job = STAILQ_FIRST(&b->aborts)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->aborts, entry);
		STAILQ_INSERT_TAIL(&c->free_aborts, job, entry);
	}
	bank_wake(c, b);
}

static void
append_loss(const struct bank *b, const struct id *journal, bool lost,
    struct actions *actions)
{
	struct msg *r = &emit(actions, AC_APPEND)->msg;

	msg_init(r, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BANK, "0");
	msg_set_str(r, KEY_bank, str_from(b->name));
	msg_set_id(r, KEY_journal, journal);
	msg_set_u64(r, KEY_restored, lost ? 1 : 0);
}

/*
 * A bank was told of a record that we do not have: decisions are missing here,
 * and every later start has to know, for the bank may register then after one
 * that asks RESOLVE. What an operator waived before is not this.
 */
static void
note_loss(struct coord *c, const struct bank *b, const struct event *ev,
    struct actions *actions)
{
	if (c->truncated && !b->waived)
		return;
	c->truncated = true;
	/* Once, and once for each WAIVE, so the reserve has room for it. */
	append_loss(b, &ev->msg->v[KEY_journal].id, true, actions);
}

/*
 * Every bank has told what it knows since this start, or an operator answered
 * for it: what was lost has been found, and RESOLVE is answered as ever.
 */
void
links_loss_over(struct coord *c, struct bank *b, struct actions *actions)
{
	if (!c->truncated)
		return;
	for (uint32_t i = 0; i < c->bank_count; i++)
		if (c->banks[i].bound && !c->banks[i].registered &&
		    !c->banks[i].waived)
			return;
	c->truncated = false;
	append_loss(b, &b->journal, false, actions);
}

static void
link_up(struct coord *c, struct bank *b, struct actions *actions)
{
	struct asker asker = {.peer = b->new_peer, .verb = VERB_UP_REGISTER};
	struct payment *p;
	struct msg *m;

	memcpy(asker.tag, b->new_tag, sizeof(asker.tag));
	b->registering = false;
	b->registered = true;
	b->fenced = false;
	b->shown.seq = 0;
	b->state = BANK_UP;
	b->peer = b->new_peer;
	b->new_peer = PEER_NONE;
	b->since_us = c->wall_us;
	b->window = b->new_window < c->conf.window_max ? b->new_window
						       : c->conf.window_max;
	requests_reset(c, b);
	m = emit_reply(actions, &asker, MSG_OK, b->bound_seq);
	if (b->proven_seq > 0) {
		msg_set_u64(m, KEY_proven_seq, b->proven_seq);
		msg_set_check(m, KEY_proven_check, &b->proven_check);
	}
	while ((p = TAILQ_FIRST(&b->waiting)) != NULL)
		payment_set_timer(c, p, &c->retry, 0);
	bank_wake(c, b);
	links_loss_over(c, b, actions);
}

/* One piece of settling a link that broke; DOWN (or UP anew) after the last. */
static void
settle(struct coord *c, struct bank *b, struct actions *actions)
{
	struct leg *leg = TAILQ_FIRST(&b->asked);

	if (leg == NULL)
		leg = TAILQ_FIRST(&b->prepares);
	if (leg != NULL) {
		attempt_bank_gone(c, leg, actions);
		return;
	}
	for (uint32_t n = 0; n < SETTLE_SLOTS; n++) {
		struct request *r;
		struct asker asker;

		if (b->break_at == c->conf.window_max) {
			b->state = BANK_DOWN;
			return;
		}
		r = &b->requests[b->break_at++];
		if (r->verb == VERB_UNKNOWN)
			continue;
		asker = r->asker;
		request_give(c, b, r);
		if (asker.peer.slot != PEER_NONE.slot) {
			emit_error(actions, &asker, CODE_BANK_UNAVAILABLE,
			    "the bank's connection broke");
			return;
		}
	}
}

bool
links_more(const struct coord *c)
{
	return !TAILQ_EMPTY(&c->busy) || requests_late(c);
}

bool
links_tick(struct coord *c, struct actions *actions)
{
	struct bank *b = TAILQ_FIRST(&c->busy);

	if (requests_late(c)) {
		requests_time_out(c, actions);
		return true;
	}
	if (b == NULL)
		return false;
	TAILQ_REMOVE(&c->busy, b, busy);
	b->is_busy = false;
	if (b->state == BANK_BREAKING)
		settle(c, b, actions);
	else if (b->state == BANK_DOWN && b->registering)
		link_up(c, b, actions);
	else if (bank_has_work(c, b))
		requests_send_next(c, b, actions);
	bank_wake(c, b);
	return true;
}

void
links_down(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct bank *b = bank_find(c, ev->user);

	if (b == NULL)
		return;
	if (b->registering && peer_eq(b->new_peer, ev->peer)) {
		b->registering = false;
		b->new_peer = PEER_NONE;
	}
	if (b->state == BANK_UP && peer_eq(b->peer, ev->peer)) {
		link_break(c, b);
		emit_log(actions, ACTION_WARN, NULL,
		    "bank %s: the connection is gone", b->name);
	}
}

/* ---- REGISTER ---- */

/* order: of strife-ctl, by which an operator can let it in all the same. */
static void
fence(struct coord *c, struct bank *b, const struct event *ev,
    struct actions *actions, const char *what, const char *order)
{
	struct asker asker = asker_of(ev);
	struct msg *m;

	b->fenced = true;
	if (b->state == BANK_DOWN)
		b->since_us = c->wall_us;
	emit_error(actions, &asker, CODE_FENCED, what);
	/* Of its own journal: so it can see for itself what it has lost. */
	if (id_eq(&b->journal, &ev->msg->v[KEY_journal].id) &&
	    b->proven_seq > 0) {
		m = &actions->at[actions->count - 1].msg;
		msg_set_u64(m, KEY_proven_seq, b->proven_seq);
		msg_set_check(m, KEY_proven_check, &b->proven_check);
	}
	emit_log(actions, ACTION_CRIT, NULL,
	    "FENCED: bank %s: %s; restore the right journal, or let an "
	    "operator decide: strife-ctl %s",
	    b->name, what, order);
	emit_close(actions, ev->peer, "fenced");
}

static struct lost_record
shown_by(const struct event *ev)
{
	struct lost_record none = {.seq = 0};

	if (!msg_has(ev->msg, gateway_seq) || !msg_has(ev->msg, gateway_check))
		return none;
	return (struct lost_record){
	    .seq = ev->msg->v[KEY_gateway_seq].u64,
	    .check = ev->msg->v[KEY_gateway_check].check,
	};
}

/*
 * Does it show what we have lost, and has an operator waived just that? It
 * shows the same record at each REGISTER until it is told of a newer one.
 */
static bool
is_excused(const struct bank *b, const struct event *ev)
{
	struct lost_record shown;

	if (ev->proof != PROOF_BAD || b->excused.seq == 0)
		return false;
	shown = shown_by(ev);
	return shown.seq == b->excused.seq &&
	    memcmp(&shown.check, &b->excused.check, sizeof(shown.check)) == 0;
}

/* Has somebody lost part of a journal, or do two run at once? */
static bool
is_fenced(struct coord *c, struct bank *b, const struct event *ev,
    struct actions *actions)
{
	const struct msg *m = ev->msg;

	if (ev->proof == PROOF_BAD && !is_excused(b, ev)) {
		note_loss(c, b, ev, actions);
		/* What it knows is what we lost: nobody may go on without it.
		 */
		b->registered = false;
		b->shown = shown_by(ev);
		fence(c, b, ev, actions,
		    "it was told of a record that this gateway's journal "
		    "does not have",
		    "waive");
		return true;
	}
	if (b->bound && !id_eq(&b->journal, &m->v[KEY_journal].id)) {
		fence(c, b, ev, actions,
		    "its journal is not the one it is bound to", "rebind");
		return true;
	}
	if (m->v[KEY_seq].u64 < b->proven_seq) {
		fence(c, b, ev, actions,
		    "its journal ends before a record it has proven", "rebind");
		return true;
	}
	return false;
}

/* The bank is bound: the connection becomes the bank's, once the old one, if
 * there is one, has been settled. */
void
links_accept(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct bank *b;

	if (ev->msg == NULL || ev->msg->verb != VERB_UP_REGISTER)
		return;
	b = bank_find(c, ev->msg->v[KEY_bank].str);
	CHECK(b != NULL && b->bound);
	if (b->registering)
		emit_close(actions, b->new_peer, "replaced by a newer one");
	if (b->state == BANK_UP) {
		emit_close(actions, b->peer, "replaced by a newer one");
		link_break(c, b);
	}
	b->registering = true;
	b->new_peer = ev->peer;
	memcpy(b->new_tag, ev->msg->tag, sizeof(b->new_tag));
	b->new_window = ev->window;
	bank_wake(c, b);
}

static void
append_bound(
    const struct bank *b, const struct event *ev, struct actions *actions)
{
	struct msg *r = &emit(actions, AC_APPEND)->msg;

	msg_init(r, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BANK, "0");
	msg_set_str(r, KEY_bank, str_from(b->name));
	msg_set_id(r, KEY_journal, &ev->msg->v[KEY_journal].id);
}

static void
links_register(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct asker asker = asker_of(ev);
	struct bank *b;

	if (!str_eq(m->v[KEY_bank].str, ev->user)) {
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "the certificate is another bank's");
		return;
	}
	if (ev->window == 0) {
		emit_error(actions, &asker, CODE_BAD_REQUEST,
		    "a window of 0 leaves nothing to ask");
		return;
	}
	b = bank_find(c, ev->user);
	if (b != NULL &&
	    (peer_eq(b->peer, ev->peer) || peer_eq(b->new_peer, ev->peer))) {
		emit_error(actions, &asker, CODE_BAD_REQUEST,
		    "this connection is registered already");
		return;
	}
	if (b == NULL && (c->bank_count == c->conf.banks_max || !c->room)) {
		emit_error(actions, &asker,
		    c->room ? CODE_OVERLOADED : CODE_READ_ONLY,
		    "no room for another bank");
		emit_close(actions, ev->peer, "no room for another bank");
		return;
	}
	if (b == NULL)
		b = bank_add(c, ev->user);
	if (is_fenced(c, b, ev, actions))
		return;
	if (b->bound)
		links_accept(c, ev, actions);
	else
		append_bound(b, ev, actions);
}

void
links_message(struct coord *c, const struct event *ev, struct actions *actions)
{
	struct asker asker = asker_of(ev);
	struct bank *b = bank_find(c, ev->user);

	if (ev->msg->word == MSG_REQUEST && ev->msg->verb == VERB_UP_REGISTER) {
		links_register(c, ev, actions);
		return;
	}
	if (ev->msg->word == MSG_REQUEST &&
	    verb_info(ev->msg->verb)->side == SIDE_DOWN) {
		if (b == NULL || !b->bound)
			emit_error(actions, &asker, CODE_NO_SUCH_BANK,
			    "no such bank has ever registered");
		else
			link_relay(c, ev, b, actions);
		return;
	}
	if (b == NULL || b->state != BANK_UP || !peer_eq(b->peer, ev->peer)) {
		if (ev->msg->word == MSG_REQUEST)
			emit_error(actions, &asker, CODE_BAD_REQUEST,
			    "REGISTER comes first");
		return;
	}
	if (ev->msg->word == MSG_REQUEST)
		links_resolve(c, ev, b, actions);
	else
		links_reply(c, ev, b, actions);
}
