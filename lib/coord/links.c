/*
 * The banks' connections: registration and fencing, windows, requests and their
 * answers, RESOLVE (PROTOCOL.md section 4).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"
#include "wire/tag.h"

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

/* ---- Windows ---- */

/* An eighth of the window is for questions, so that payments never starve them.
 */
static uint32_t
payments_window(const struct bank *b)
{
	return b->window - b->window / 8;
}

static bool
has_window(const struct bank *b)
{
	return b->unanswered < payments_window(b);
}

bool
link_has_room(const struct coord *c, const struct bank *b)
{
	return bank_usable(b) && has_window(b) &&
	    b->in_flight < c->conf.per_bank_max;
}

static bool
has_work(const struct coord *c, const struct bank *b)
{
	if (b->state == BANK_BREAKING)
		return true;
	if (b->state == BANK_DOWN)
		return b->registering;
	if (b->stopped || !has_window(b))
		return false;
	return !TAILQ_EMPTY(&b->prepares) || !TAILQ_EMPTY(&b->commits) ||
	    !STAILQ_EMPTY(&b->aborts) ||
	    (!TAILQ_EMPTY(&b->waiting) && link_has_room(c, b));
}

void
bank_wake(struct coord *c, struct bank *b)
{
	if (b->is_busy || !has_work(c, b))
		return;
	b->is_busy = true;
	TAILQ_INSERT_TAIL(&c->busy, b, busy);
}

/* ---- Legs in a bank's lists ---- */

void
leg_unlink(struct leg *leg)
{
	struct bank *b = leg->bank;

	switch (leg->state) {
	case LEG_QUEUED:
		TAILQ_REMOVE(&b->prepares, leg, entry);
		break;
	case LEG_ASKED:
	case LEG_YES:
		TAILQ_REMOVE(&b->asked, leg, entry);
		break;
	case LEG_COMMIT:
		if (leg->incarnation == b->incarnation)
			TAILQ_REMOVE(&b->committing, leg, entry);
		else
			TAILQ_REMOVE(&b->commits, leg, entry);
		break;
	case LEG_IDLE:
	case LEG_NO:
	case LEG_ACKED:
		break;
	}
	leg->state = LEG_IDLE;
}

struct branch
leg_branch(const struct coord *c, const struct leg *leg)
{
	return (struct branch){
	    str_from(c->conf.node), leg->epoch, leg->counter};
}

/* ---- Requests ---- */

static struct request *
request_take(struct coord *c, struct bank *b, enum verb verb)
{
	uint32_t i = b->free_request;
	struct request *r;

	CHECK(i != UINT32_MAX && b->unanswered < b->window);
	r = &b->requests[i];
	b->free_request = r->next_free;
	b->unanswered++;
	memset(r, 0, sizeof(*r));
	r->verb = verb;
	r->number = b->next_number++ * c->conf.window_max + i;
	r->asker.peer = PEER_NONE;
	r->sent_ns = c->mono_ns;
	return r;
}

/* Nobody waits for it any longer, or it has come. */
static void
request_forget_asker(struct coord *c, struct request *r)
{
	if (r->asker.peer.slot == PEER_NONE.slot)
		return;
	TAILQ_REMOVE(&c->relays, r, relayed);
	r->asker.peer = PEER_NONE;
}

static void
request_give(struct coord *c, struct bank *b, struct request *r)
{
	CHECK(r->verb != VERB_UNKNOWN && b->unanswered > 0);
	request_forget_asker(c, r);
	r->verb = VERB_UNKNOWN;
	r->next_free = b->free_request;
	b->free_request = (uint32_t)(r - b->requests);
	b->unanswered--;
}

/* A row of its answer came: it has its whole time again. */
static void
request_goes_on(struct coord *c, struct request *r)
{
	if (r->asker.peer.slot == PEER_NONE.slot)
		return;
	TAILQ_REMOVE(&c->relays, r, relayed);
	r->sent_ns = c->mono_ns;
	TAILQ_INSERT_TAIL(&c->relays, r, relayed);
}

static void
requests_reset(struct coord *c, struct bank *b)
{
	for (uint32_t i = 0; i < c->conf.window_max; i++) {
		b->requests[i].verb = VERB_UNKNOWN;
		b->requests[i].next_free =
		    i + 1 < c->conf.window_max ? i + 1 : UINT32_MAX;
	}
	b->free_request = 0;
	b->unanswered = 0;
}

static struct msg *
emit_request(
    struct coord *c, struct bank *b, struct request *r, struct actions *actions)
{
	struct action *a = emit(actions, AC_SEND);
	char tag[TAG_MAX_LEN + 1];

	(void)c;
	a->peer = b->peer;
	tag_make(tag, r->verb, r->number);
	msg_init(&a->msg, MSG_REQUEST, r->verb, tag);
	return &a->msg;
}

/* A bank's own system account that stands for the bank at the other end. */
static struct str
clearing_name(char *into, size_t size, const char *bank, uint32_t currency)
{
	char letters[4];
	int len;

	currency_text(currency, letters);
	len = snprintf(into, size, ":clearing.%s.%s", bank, letters);
	return (struct str){into, (uint32_t)len};
}

static void
send_prepare(struct coord *c, struct leg *leg, struct actions *actions)
{
	struct payment *p = leg->payment;
	struct bank *b = leg->bank;
	struct request *r = request_take(c, b, VERB_DOWN_PREPARE);
	struct msg *m = emit_request(c, b, r, actions);
	bool payer = leg == &p->leg[0];
	char *clearing = c->clearing[payer ? 0 : 1];
	struct str from = {p->from, p->from_name_len};
	struct str to = {p->to, p->to_name_len};
	struct str peer = str_from(payer ? p->to : p->from);

	if (p->legs == 2 && payer)
		to = clearing_name(clearing, sizeof(c->clearing[0]),
		    p->leg[1].bank->name, p->currency);
	else if (p->legs == 2)
		from = clearing_name(clearing, sizeof(c->clearing[0]),
		    p->leg[0].bank->name, p->currency);
	r->id = p->id;
	r->epoch = leg->epoch;
	r->counter = leg->counter;
	r->payment = p;
	r->leg = payer ? 0 : 1;
	msg_set_id(m, KEY_id, &p->id);
	msg_set_branch(m, KEY_branch, leg_branch(c, leg));
	msg_set_str(m, KEY_from, from);
	msg_set_str(m, KEY_to, to);
	msg_set_i64(m, KEY_amount, p->amount);
	msg_set_u64(m, KEY_currency, p->currency);
	msg_set_str(m, KEY_peer, peer);
	if (p->memo[0] != '\0')
		msg_set_str(m, KEY_memo, str_from(p->memo));
	leg->state = LEG_ASKED;
	TAILQ_INSERT_TAIL(&b->asked, leg, entry);
}

static void
send_commit(struct coord *c, struct leg *leg, struct actions *actions)
{
	struct payment *p = leg->payment;
	struct bank *b = leg->bank;
	struct request *r = request_take(c, b, VERB_DOWN_COMMIT);
	struct msg *m = emit_request(c, b, r, actions);

	r->id = p->id;
	r->epoch = leg->epoch;
	r->counter = leg->counter;
	r->payment = p;
	r->leg = leg == &p->leg[0] ? 0 : 1;
	msg_set_id(m, KEY_id, &p->id);
	msg_set_branch(m, KEY_branch, leg_branch(c, leg));
	msg_set_u64(m, KEY_seq, p->decided.seq);
	msg_set_check(m, KEY_check, &p->decided_check);
	leg->state = LEG_COMMIT;
	leg->incarnation = b->incarnation;
	TAILQ_INSERT_TAIL(&b->committing, leg, entry);
}

static void
send_abort(struct coord *c, struct bank *b, const struct abort_job *job,
    struct actions *actions)
{
	struct request *r = request_take(c, b, VERB_DOWN_ABORT);
	struct msg *m = emit_request(c, b, r, actions);

	r->id = job->id;
	r->epoch = job->epoch;
	r->counter = job->counter;
	msg_set_id(m, KEY_id, &job->id);
	msg_set_branch(m, KEY_branch,
	    (struct branch){str_from(c->conf.node), job->epoch, job->counter});
}

/* What waits for the window stays in order: nothing overtakes a queue. */
static bool
may_send(const struct bank *b)
{
	return bank_usable(b) && has_window(b) && TAILQ_EMPTY(&b->prepares) &&
	    TAILQ_EMPTY(&b->commits) && STAILQ_EMPTY(&b->aborts);
}

void
link_prepare(struct coord *c, struct leg *leg, struct actions *actions)
{
	if (may_send(leg->bank)) {
		send_prepare(c, leg, actions);
		return;
	}
	leg->state = LEG_QUEUED;
	TAILQ_INSERT_TAIL(&leg->bank->prepares, leg, entry);
	bank_wake(c, leg->bank);
}

void
link_commit(struct coord *c, struct leg *leg, struct actions *actions)
{
	if (!c->replaying && may_send(leg->bank)) {
		send_commit(c, leg, actions);
		return;
	}
	leg->state = LEG_COMMIT;
	leg->incarnation = leg->bank->incarnation - 1;
	TAILQ_INSERT_TAIL(&leg->bank->commits, leg, entry);
	bank_wake(c, leg->bank);
}

static void
abort_branch(struct coord *c, struct bank *b, const struct abort_job *what,
    struct actions *actions)
{
	struct abort_job *job;

	if (may_send(b)) {
		send_abort(c, b, what, actions);
		return;
	}
	job = STAILQ_FIRST(&c->free_aborts);
	if (job == NULL || b->state != BANK_UP)
		return; /* the bank will ask RESOLVE */
	STAILQ_REMOVE_HEAD(&c->free_aborts, entry);
	job->id = what->id;
	job->epoch = what->epoch;
	job->counter = what->counter;
	STAILQ_INSERT_TAIL(&b->aborts, job, entry);
	bank_wake(c, b);
}

void
link_abort(struct coord *c, struct leg *leg, struct actions *actions)
{
	struct abort_job what = {.id = leg->payment->id,
	    .epoch = leg->epoch,
	    .counter = leg->counter};

	abort_branch(c, leg->bank, &what, actions);
}

/* ---- Questions passed on ---- */

static enum verb
down_verb(enum verb verb)
{
	if (verb == VERB_CLIENT_BALANCE)
		return VERB_DOWN_BALANCE;
	if (verb == VERB_CLIENT_HISTORY)
		return VERB_DOWN_HISTORY;
	return verb;
}

static void
copy_field(struct msg *to, const struct msg *from, enum key key)
{
	if ((from->have & MSG_BIT(key)) == 0)
		return;
	to->v[key] = from->v[key];
	to->have |= MSG_BIT(key);
}

void
link_relay(struct coord *c, const struct event *ev, struct bank *b,
    struct actions *actions)
{
	struct asker asker = asker_of(ev);
	enum verb verb = down_verb(ev->msg->verb);
	struct request *r;
	struct msg *m;

	if (!bank_usable(b)) {
		emit_error(
		    actions, &asker, CODE_BANK_UNAVAILABLE, "the bank is away");
		return;
	}
	if (b->unanswered >= b->window) {
		emit_error(actions, &asker, CODE_OVERLOADED,
		    "too many questions wait for that bank");
		return;
	}
	r = request_take(c, b, verb);
	r->asker = asker;
	TAILQ_INSERT_TAIL(&c->relays, r, relayed);
	m = emit_request(c, b, r, actions);
	if (verb == ev->msg->verb) {
		m->have = ev->msg->have;
		memcpy(m->v, ev->msg->v, sizeof(m->v));
		return;
	}
	msg_set_str(m, KEY_account, ev->msg->v[KEY_account].account.name);
	copy_field(m, ev->msg, KEY_limit);
	copy_field(m, ev->msg, KEY_before);
	copy_field(m, ev->msg, KEY_since);
}

/* A line of the answer, with the account's bank put back behind its name. */
static void
relay_back(const struct event *ev, const struct bank *b,
    const struct request *r, struct actions *actions)
{
	struct msg *m;

	if (ev->msg->word == MSG_ERR) {
		emit_error(actions, &r->asker,
		    (enum code)ev->msg->v[KEY_code].u64, "the bank refused");
		if (actions->count == 0)
			return;
		m = &actions->at[actions->count - 1].msg;
		copy_field(m, ev->msg, KEY_text);
		copy_field(m, ev->msg, KEY_field);
		copy_field(m, ev->msg, KEY_after);
		return;
	}
	m = emit_reply(actions, &r->asker, ev->msg->word, 0);
	m->have = ev->msg->have;
	memcpy(m->v, ev->msg->v, sizeof(m->v));
	if (r->asker.verb == VERB_CLIENT_BALANCE && ev->msg->word == MSG_OK)
		msg_set_account(m, KEY_account,
		    (struct account){
			ev->msg->v[KEY_account].str, str_from(b->name)});
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
 * that asks RESOLVE.
 */
static void
note_loss(struct coord *c, const struct bank *b, const struct event *ev,
    struct actions *actions)
{
	if (c->truncated)
		return;
	c->truncated = true;
	/* Once in the life of a journal, so the reserve has room for it. */
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
	emit_log(actions, ACTION_INFO, NULL, "bank %s registered", b->name);
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

int64_t
links_next_ns(const struct coord *c)
{
	const struct request *r = TAILQ_FIRST(&c->relays);

	return r == NULL ? INT64_MAX : r->sent_ns + c->conf.prepare_timeout_ns;
}

static bool
relay_is_late(const struct coord *c)
{
	return links_next_ns(c) <= c->mono_ns;
}

bool
links_more(const struct coord *c)
{
	return !TAILQ_EMPTY(&c->busy) || relay_is_late(c);
}

/* A bank that is there and does not answer: its asker waits no longer. */
static void
relay_time_out(struct coord *c, struct actions *actions)
{
	struct request *r = TAILQ_FIRST(&c->relays);
	struct asker asker = r->asker;

	request_forget_asker(c, r);
	emit_error(actions, &asker, CODE_BANK_TIMEOUT,
	    "the bank did not answer in time");
}

static void
send_next(struct coord *c, struct bank *b, struct actions *actions)
{
	struct leg *leg;
	struct abort_job *job = STAILQ_FIRST(&b->aborts);

	if (job != NULL) {
		STAILQ_REMOVE_HEAD(&b->aborts, entry);
		send_abort(c, b, job, actions);
		STAILQ_INSERT_TAIL(&c->free_aborts, job, entry);
		return;
	}
	if ((leg = TAILQ_FIRST(&b->commits)) != NULL) {
		TAILQ_REMOVE(&b->commits, leg, entry);
		send_commit(c, leg, actions);
		return;
	}
	if ((leg = TAILQ_FIRST(&b->prepares)) != NULL) {
		TAILQ_REMOVE(&b->prepares, leg, entry);
		send_prepare(c, leg, actions);
		return;
	}
	payment_set_timer(c, TAILQ_FIRST(&b->waiting), &c->retry, 0);
}

bool
links_tick(struct coord *c, struct actions *actions)
{
	struct bank *b = TAILQ_FIRST(&c->busy);

	if (relay_is_late(c)) {
		relay_time_out(c, actions);
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
	else if (has_work(c, b))
		send_next(c, b, actions);
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

static void
close_peer(struct peer peer, struct actions *actions, const char *why)
{
	struct action *a = emit(actions, AC_CLOSE);

	a->peer = peer;
	snprintf(a->text, sizeof(a->text), "%s", why);
}

/* ---- REGISTER ---- */

static void
fence(struct coord *c, struct bank *b, const struct event *ev,
    struct actions *actions, const char *what)
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
	    "operator decide: strife-ctl waive or rebind",
	    b->name, what);
	close_peer(ev->peer, actions, "fenced");
}

/* Has somebody lost part of a journal, or do two run at once? */
static bool
is_fenced(struct coord *c, struct bank *b, const struct event *ev,
    struct actions *actions)
{
	const struct msg *m = ev->msg;

	if (ev->proof == PROOF_BAD && !b->waived) {
		note_loss(c, b, ev, actions);
		/* What it knows is what we lost: nobody may go on without it.
		 */
		b->registered = false;
		fence(c, b, ev, actions,
		    "it was told of a record that this gateway's journal "
		    "does not have");
		return true;
	}
	if (b->bound && !id_eq(&b->journal, &m->v[KEY_journal].id)) {
		fence(c, b, ev, actions,
		    "its journal is not the one it is bound to");
		return true;
	}
	if (m->v[KEY_seq].u64 < b->proven_seq) {
		fence(c, b, ev, actions,
		    "its journal ends before a record it has proven");
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
		close_peer(b->new_peer, actions, "replaced by a newer one");
	if (b->state == BANK_UP) {
		close_peer(b->peer, actions, "replaced by a newer one");
		link_break(c, b);
	}
	b->registering = true;
	b->new_peer = ev->peer;
	memcpy(b->new_tag, ev->msg->tag, sizeof(b->new_tag));
	b->new_window = ev->window;
	bank_wake(c, b);
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
		close_peer(ev->peer, actions, "no room for another bank");
		return;
	}
	if (b == NULL)
		b = bank_add(c, ev->user);
	if (is_fenced(c, b, ev, actions))
		return;
	if (!b->bound) {
		struct msg *r = &emit(actions, AC_APPEND)->msg;

		msg_init(r, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BANK, "0");
		msg_set_str(r, KEY_bank, str_from(b->name));
		msg_set_id(r, KEY_journal, &m->v[KEY_journal].id);
		return;
	}
	links_accept(c, ev, actions);
}

/* ---- RESOLVE ---- */

static void
resolve_answer(struct coord *c, const struct event *ev, struct actions *actions,
    const char *outcome)
{
	struct asker asker = asker_of(ev);
	struct msg *m = emit_reply(actions, &asker, MSG_OK, 0);

	(void)c;
	msg_set_id(m, KEY_id, &ev->msg->v[KEY_id].id);
	msg_set_branch(m, KEY_branch, ev->msg->v[KEY_branch].branch);
	msg_set_str(m, KEY_outcome, str_from(outcome));
}

static void
resolve_commit(struct coord *c, const struct event *ev, struct actions *actions,
    uint64_t seq, const struct check *check)
{
	struct msg *m;

	resolve_answer(c, ev, actions, "commit");
	m = &actions->at[actions->count - 1].msg;
	msg_set_u64(m, KEY_seq, seq);
	msg_set_check(m, KEY_check, check);
}

/*
 * No COMMIT is known: presumed abort. But where this gateway may have lost a
 * COMMIT, a branch waits until the other bank has told what it knows.
 */
static void
resolve_unknown(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	struct str peer = ev->msg->v[KEY_peer].str;
	const char *at = memchr(peer.at, '@', peer.len);
	struct bank *other;

	if (branch.epoch > c->epoch) {
		emit_log(actions, ACTION_CRIT, &ev->msg->v[KEY_id].id,
		    "FENCED: bank %.*s holds a branch of epoch %llu, and this "
		    "gateway is at %llu: its journal was restored or copied",
		    STR_ARG(ev->user), (unsigned long long)branch.epoch,
		    (unsigned long long)c->epoch);
		resolve_answer(c, ev, actions, "wait");
		return;
	}
	/*
	 * A payment was never begun before both of its banks were bound, so a
	 * bank that is not known is one more thing that was lost.
	 */
	if (at != NULL) {
		struct str name = {
		    at + 1, peer.len - (uint32_t)(at + 1 - peer.at)};

		other = bank_find(c, name);
		if (other == NULL || !other->bound ||
		    (c->truncated && !other->registered && !other->waived)) {
			resolve_answer(c, ev, actions, "wait");
			return;
		}
	}
	resolve_answer(c, ev, actions, "abort");
}

/* The id is not live; its newest record, if any, has been read. */
void
links_resolve_found(struct coord *c, const struct event *ev,
    const struct lookup *found, struct actions *actions)
{
	char text[BANK_MAX_LEN + 2 + BRANCH_TEXT_MAX];
	char branch[BRANCH_TEXT_MAX + 1];
	const char *at;
	int len;

	if (found != NULL && found->state == REMEMBERED_COMMITTED) {
		branch_text(&ev->msg->v[KEY_branch].branch, branch);
		len = snprintf(
		    text, sizeof(text), "%.*s:%s", STR_ARG(ev->user), branch);
		at = strstr(found->branches, text);
		if (at != NULL && (at == found->branches || at[-1] == ',') &&
		    (at[len] == '\0' || at[len] == ',')) {
			resolve_commit(
			    c, ev, actions, found->seq, &found->check);
			return;
		}
	}
	resolve_unknown(c, ev, actions);
}

static bool
has_branch_of_another(const struct legs *legs, const struct event *ev)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	const struct leg *leg;

	TAILQ_FOREACH (leg, legs, entry)
		if (leg->epoch == branch.epoch &&
		    leg->counter == branch.counter)
			return !id_eq(
			    &leg->payment->id, &ev->msg->v[KEY_id].id);
	return false;
}

/* Is this open branch one of another id? At most per_bank_max are looked at. */
static bool
is_of_another(const struct bank *b, const struct event *ev)
{
	return has_branch_of_another(&b->asked, ev) ||
	    has_branch_of_another(&b->commits, ev) ||
	    has_branch_of_another(&b->committing, ev);
}

static void
links_resolve(struct coord *c, const struct event *ev, struct bank *b,
    struct actions *actions)
{
	struct branch branch = ev->msg->v[KEY_branch].branch;
	struct asker asker = asker_of(ev);
	struct payment *p;

	if (!str_is(branch.node, c->conf.node)) {
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "the branch is another gateway's");
		return;
	}
	if (is_of_another(b, ev)) {
		emit_error(actions, &asker, CODE_FORBIDDEN,
		    "the branch is another payment's");
		return;
	}
	p = payment_find(c, &ev->msg->v[KEY_id].id);
	if (p == NULL) {
		payments_request(c, ev, actions); /* reads what is remembered */
		return;
	}
	for (uint32_t i = 0; i < p->legs; i++) {
		const struct leg *leg = &p->leg[i];

		if (leg->epoch != branch.epoch ||
		    leg->counter != branch.counter)
			continue;
		if (leg->bank != b) {
			emit_error(actions, &asker, CODE_FORBIDDEN,
			    "the branch is another bank's");
			return;
		}
		if (p->state == PAYMENT_COMMITTED) {
			resolve_commit(
			    c, ev, actions, p->decided.seq, &p->decided_check);
			return;
		}
		if (p->state == PAYMENT_PREPARING ||
		    p->state == PAYMENT_COMMITTING ||
		    p->state == PAYMENT_ABORTING) {
			resolve_answer(c, ev, actions, "wait");
			return;
		}
	}
	resolve_unknown(c, ev, actions);
}

/* ---- Replies ---- */

static bool
names_branch(
    const struct coord *c, const struct request *r, const struct msg *m)
{
	struct branch branch = {str_from(c->conf.node), r->epoch, r->counter};

	return id_eq(&m->v[KEY_id].id, &r->id) &&
	    branch_eq(&m->v[KEY_branch].branch, &branch);
}

/* The leg that a request was about, if it is still about that. */
static struct leg *
leg_of(const struct request *r)
{
	struct leg *leg;

	if (r->payment == NULL || r->payment->state == PAYMENT_FREE ||
	    !id_eq(&r->payment->id, &r->id) || r->leg >= r->payment->legs)
		return NULL;
	leg = &r->payment->leg[r->leg];
	return leg->epoch == r->epoch && leg->counter == r->counter ? leg
								    : NULL;
}

static void
log_refusal(const struct bank *b, const struct request *r, const struct msg *m,
    struct actions *actions)
{
	emit_log(actions, ACTION_WARN, &r->id, "bank %s answered %s: %.*s",
	    b->name, code_text((enum code)m->v[KEY_code].u64),
	    msg_has(m, text) ? (int)m->v[KEY_text].str.len : 0,
	    msg_has(m, text) ? m->v[KEY_text].str.at : "");
}

/* Reasons that only a gateway finds: no bank's to give. */
static bool
is_gateways_own(enum code code)
{
	return code == CODE_BANK_UNAVAILABLE || code == CODE_BANK_TIMEOUT ||
	    code == CODE_GATEWAY_RESTART || code == CODE_HOLD_EXPIRED ||
	    code == CODE_CANCELLED;
}

/* What a refusal to prepare means for the payment. */
static enum code
refusal_of(enum code code)
{
	if (is_gateways_own(code))
		return CODE_INTERNAL;
	switch (code_retry(code)) {
	case RETRY_NEW_ID:
	case RETRY_SAME_ID:
		return code;
	case RETRY_NEVER:
		if (code == CODE_ALREADY_EXISTS || code == CODE_ID_REUSED)
			return code;
		break;
	case RETRY_LOGIN:
		break;
	}
	return CODE_INTERNAL;
}

static void
on_vote(struct coord *c, struct bank *b, struct request *r,
    const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct abort_job late = {
	    .id = r->id, .epoch = r->epoch, .counter = r->counter};
	struct leg *leg = leg_of(r);
	bool awaited = leg != NULL && leg->state == LEG_ASKED &&
	    leg->payment->state == PAYMENT_PREPARING;

	if (m->word == MSG_ERR) {
		enum code no = refusal_of((enum code)m->v[KEY_code].u64);

		if (no == CODE_INTERNAL)
			log_refusal(b, r, m, actions);
		if (awaited)
			attempt_vote(c, leg, no, actions);
		return;
	}
	if (!names_branch(c, r, m) || !str_is(m->v[KEY_vote].str, "yes")) {
		close_peer(ev->peer, actions, "a vote for another branch");
		return;
	}
	if (!awaited) {
		abort_branch(c, b, &late, actions);
		return;
	}
	leg->proof_seq = m->v[KEY_seq].u64;
	leg->proof_check = m->v[KEY_check].check;
	attempt_vote(c, leg, CODE_NONE, actions);
}

static void
append_heuristic(struct bank *b, const struct request *r, bool committed,
    struct actions *actions)
{
	struct msg *m = &emit(actions, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_HEURISTIC, "0");
	msg_set_id(m, KEY_id, &r->id);
	msg_set_str(m, KEY_bank, str_from(b->name));
	msg_set_str(
	    m, KEY_outcome, str_from(committed ? "committed" : "aborted"));
	emit_log(actions, ACTION_CRIT, &r->id,
	    "HEURISTIC: an operator of bank %s %s what was %s here", b->name,
	    committed ? "committed" : "aborted",
	    committed ? "aborted" : "committed");
}

/* The bank lost what it had voted for: it is not used until an operator's word.
 */
static void
stop_using(struct bank *b, const struct request *r, struct actions *actions,
    const char *what)
{
	b->stopped = true;
	emit_log(actions, ACTION_CRIT, &r->id,
	    "FENCED: bank %s %s; it is not used until strife-ctl waive %s",
	    b->name, what, b->name);
}

static void
on_commit(struct coord *c, struct bank *b, struct request *r,
    const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->msg;
	struct leg *leg = leg_of(r);
	enum code code;

	if (leg != NULL &&
	    (leg->state != LEG_COMMIT ||
		leg->payment->state != PAYMENT_COMMITTED))
		leg = NULL;
	if (m->word == MSG_OK) {
		if (!names_branch(c, r, m)) {
			close_peer(ev->peer, actions,
			    "an acknowledgement of another branch");
			return;
		}
		if (leg == NULL)
			return;
		leg->proof_seq = m->v[KEY_seq].u64;
		leg->proof_check = m->v[KEY_check].check;
		attempt_acknowledged(c, leg, actions);
		return;
	}
	code = (enum code)m->v[KEY_code].u64;
	if (code == CODE_HEURISTIC) {
		append_heuristic(b, r, false, actions);
		if (leg != NULL) {
			leg->proof_seq = 0;
			attempt_acknowledged(c, leg, actions);
		}
	} else if (code == CODE_NOT_FOUND) {
		stop_using(
		    b, r, actions, "does not know a branch that it voted for");
	} else {
		log_refusal(b, r, m, actions);
		close_peer(ev->peer, actions, "it refused a COMMIT");
	}
}

static void
on_abort(struct bank *b, struct request *r, const struct event *ev,
    struct actions *actions)
{
	const struct msg *m = ev->msg;

	if (m->word == MSG_OK)
		return;
	switch ((int)m->v[KEY_code].u64) {
	case CODE_HEURISTIC:
		append_heuristic(b, r, true, actions);
		break;
	case CODE_NOT_FOUND:
		stop_using(
		    b, r, actions, "committed a branch that was aborted");
		break;
	default:
		log_refusal(b, r, m, actions);
		break;
	}
}

/* The request that a reply with this tag answers, or NULL. */
static struct request *
request_find(const struct coord *c, const struct bank *b, enum verb verb,
    const char *tag)
{
	struct request *r;
	uint64_t number;

	if (!tag_number(tag, &number))
		return NULL;
	r = &b->requests[number % c->conf.window_max];
	return r->verb == verb && r->number == number ? r : NULL;
}

bool
coord_awaits(
    const struct coord *c, struct str bank, enum verb verb, const char *tag)
{
	const struct bank *b = bank_find(c, bank);

	return b != NULL && request_find(c, b, verb, tag) != NULL;
}

static void
links_reply(struct coord *c, const struct event *ev, struct bank *b,
    struct actions *actions)
{
	struct request *r = request_find(c, b, ev->msg->verb, ev->msg->tag);
	struct request copy;

	if (ev->msg->word == MSG_EVENT || r == NULL)
		return; /* a reply to no request */
	if (r->asker.peer.slot != PEER_NONE.slot)
		relay_back(ev, b, r, actions);
	if (ev->msg->word == MSG_ROW) {
		request_goes_on(c, r);
		return;
	}
	copy = *r;
	request_give(c, b, r);
	b->rtt_ns = c->mono_ns - copy.sent_ns;
	switch ((int)copy.verb) {
	case VERB_DOWN_PREPARE:
		on_vote(c, b, &copy, ev, actions);
		break;
	case VERB_DOWN_COMMIT:
		on_commit(c, b, &copy, ev, actions);
		break;
	case VERB_DOWN_ABORT:
		on_abort(b, &copy, ev, actions);
		break;
	default:
		break;
	}
	bank_wake(c, b);
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
