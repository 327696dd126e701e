/*
 * Requests to banks: the window of each connection, what waits for it, and the
 * order in which it goes out (PROTOCOL.md sections 2 and 4).
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"
#include "wire/tag.h"

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

bool
bank_has_work(const struct coord *c, const struct bank *b)
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
	if (b->is_busy || !bank_has_work(c, b))
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

void
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
void
request_goes_on(struct coord *c, struct request *r)
{
	if (r->asker.peer.slot == PEER_NONE.slot)
		return;
	TAILQ_REMOVE(&c->relays, r, relayed);
	r->sent_ns = c->mono_ns;
	TAILQ_INSERT_TAIL(&c->relays, r, relayed);
}

void
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

void
link_commits_again(struct coord *c, struct bank *b)
{
	struct leg *leg, *next;

	for (leg = TAILQ_FIRST(&b->committing); leg != NULL; leg = next) {
		next = TAILQ_NEXT(leg, entry);
		if (!leg->unknown || leg->asked_again)
			continue;
		leg->asked_again = true;
		TAILQ_REMOVE(&b->committing, leg, entry);
		leg->incarnation = b->incarnation - 1;
		TAILQ_INSERT_TAIL(&b->commits, leg, entry);
	}
	bank_wake(c, b);
}

void
link_abort_branch(struct coord *c, struct bank *b, const struct abort_job *what,
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

	link_abort_branch(c, leg->bank, &what, actions);
}

/* The request that a reply with this tag answers, or NULL. */
struct request *
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

static void
note_account(struct request *r, struct str name)
{
	CHECK(str_copy(r->account, sizeof(r->account), name));
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
		if (msg_has(m, account))
			note_account(r, m->v[KEY_account].str);
		return;
	}
	note_account(r, ev->msg->v[KEY_account].account.name);
	msg_set_str(m, KEY_account, ev->msg->v[KEY_account].account.name);
	copy_field(m, ev->msg, KEY_limit);
	copy_field(m, ev->msg, KEY_before);
	copy_field(m, ev->msg, KEY_since);
	copy_field(m, ev->msg, KEY_until);
}

void
request_log_refusal(const struct bank *b, const struct id *id,
    const struct msg *m, struct actions *actions)
{
	emit_log(actions, ACTION_WARN, id, "bank %s answered %s: %.*s", b->name,
	    code_text((enum code)m->v[KEY_code].u64),
	    msg_has(m, text) ? (int)m->v[KEY_text].str.len : 0,
	    msg_has(m, text) ? m->v[KEY_text].str.at : "");
}

/* What a bank may refuse a question with; all else is a fault of its own. */
static bool
is_refusal_of(enum verb verb, enum code code)
{
	if (code == CODE_INTERNAL || code == CODE_OVERLOADED)
		return true;
	if (verb == VERB_DOWN_AUTHENTICATE)
		return code == CODE_BAD_CREDENTIALS;
	return code == CODE_NO_SUCH_ACCOUNT || code == CODE_ACCOUNT_CLOSED ||
	    code == CODE_ACCOUNT_FROZEN || code == CODE_BAD_REQUEST;
}

/* Is it about what was asked? Only BALANCE tells. */
static bool
is_of_account(const struct request *r, const struct msg *m)
{
	return r->verb != VERB_DOWN_BALANCE || m->word != MSG_OK ||
	    str_is(m->v[KEY_account].str, r->account);
}

/* Nobody hears an answer that makes no sense, but that there was one. */
static bool
refuse_answer(const struct bank *b, const struct request *r,
    const struct msg *m, struct actions *actions)
{
	if (m->word == MSG_ERR &&
	    !is_refusal_of(r->verb, (enum code)m->v[KEY_code].u64))
		request_log_refusal(b, NULL, m, actions);
	else if (!is_of_account(r, m))
		emit_log(actions, ACTION_WARN, NULL,
		    "bank %s answered BALANCE of %s with that of another "
		    "account: %.*s",
		    b->name, r->account, STR_ARG(m->v[KEY_account].str));
	else
		return false;
	emit_error(actions, &r->asker, CODE_INTERNAL,
	    "the bank's answer makes no sense");
	return true;
}

/* A line of the answer, with the account's bank put back behind its name. */
void
request_relay_back(const struct event *ev, const struct bank *b,
    const struct request *r, struct actions *actions)
{
	struct msg *m;

	if (refuse_answer(b, r, ev->msg, actions))
		return;
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

int64_t
requests_next_ns(const struct coord *c)
{
	const struct request *r = TAILQ_FIRST(&c->relays);

	return r == NULL ? INT64_MAX : r->sent_ns + c->conf.prepare_timeout_ns;
}

bool
requests_late(const struct coord *c)
{
	return requests_next_ns(c) <= c->mono_ns;
}

/* A bank that is there and does not answer: its asker waits no longer. */
void
requests_time_out(struct coord *c, struct actions *actions)
{
	struct request *r = TAILQ_FIRST(&c->relays);
	struct asker asker = r->asker;

	request_forget_asker(c, r);
	emit_error(actions, &asker, CODE_BANK_TIMEOUT,
	    "the bank did not answer in time");
}

void
requests_send_next(struct coord *c, struct bank *b, struct actions *actions)
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
