/*
 * What records do to the state: the one place where a payment's durable life
 * changes, live and in replay alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "coord/private.h"

/* The journal says something that cannot be: refuse to go on from it. */
void
records_refuse(
    const struct event *ev, struct actions *actions, const char *what)
{
	struct action *a = emit(actions, AC_FAIL);

	snprintf(a->text, sizeof(a->text), "record %llu of the journal %s",
	    (unsigned long long)ev->record->pos.seq, what);
}

void
records_misfit(
    const struct event *ev, struct actions *actions, const char *what)
{
	records_refuse(ev, actions, what);
	actions->at[actions->count - 1].misfit = true;
}

static void
set_account(char *into, uint8_t *name_len, struct account a)
{
	memcpy(into, a.name.at, a.name.len);
	into[a.name.len] = '@';
	memcpy(into + a.name.len + 1, a.bank.at, a.bank.len);
	into[a.name.len + 1 + a.bank.len] = '\0';
	*name_len = (uint8_t)a.name.len;
}

static struct leg *
leg_set(struct payment *p, uint32_t i, struct bank *bank)
{
	struct leg *leg = &p->leg[i];

	memset(leg, 0, sizeof(*leg));
	leg->payment = p;
	leg->bank = bank;
	p->legs = i + 1;
	return leg;
}

/* The entry of an id: where the record before this one lies, or a new one. */
static bool
entry_of(struct coord *c, const struct msg *m, uint64_t *entry)
{
	const struct id *id = &m->v[KEY_id].id;

	if (msg_has(m, again)) {
		*entry = id_index_find_at(c->ids, id, m->v[KEY_again].jpos);
		return *entry != ID_INDEX_NONE;
	}
	if (id_index_full(c->ids))
		return false;
	*entry = id_index_add(c->ids, id, JPOS_NONE, REMEMBERED_LIVE);
	return true;
}

/* No room for it, or none for its id where it says that one is. */
static void
refuse_entry(const struct event *ev, const struct payment *p,
    struct actions *actions, const char *misfit)
{
	if (p != NULL && msg_has(ev->record->msg, again))
		records_refuse(ev, actions, "contradicts an earlier one");
	else
		records_misfit(ev, actions, misfit);
}

static void
apply_received(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct bank *from = bank_find(c, m->v[KEY_from].account.bank);
	struct bank *to = bank_find(c, m->v[KEY_to].account.bank);
	struct payment *p;

	if (from == NULL || to == NULL || payment_find(c, &m->v[KEY_id].id)) {
		records_refuse(ev, actions, "contradicts an earlier one");
		return;
	}
	p = payment_take(c, &m->v[KEY_id].id);
	if (p == NULL || !entry_of(c, m, &p->entry)) {
		refuse_entry(ev, p, actions,
		    "does not fit: raise payments.in_flight, "
		    "payments.held_max or payments.remembered");
		return;
	}
	id_index_set(c->ids, p->entry, ev->record->pos, REMEMBERED_LIVE);
	set_account(p->from, &p->from_name_len, m->v[KEY_from].account);
	set_account(p->to, &p->to_name_len, m->v[KEY_to].account);
	p->amount = m->v[KEY_amount].i64;
	p->currency = (uint32_t)m->v[KEY_currency].u64;
	if (msg_has(m, memo))
		CHECK(str_copy(p->memo, sizeof(p->memo), m->v[KEY_memo].str));
	CHECK(str_copy(p->user, sizeof(p->user), m->v[KEY_user].str));
	p->hold = m->v[KEY_hold].u64 != 0;
	p->attempts = m->v[KEY_attempts].u64;
	p->received = ev->record->pos;
	p->decided = ev->record->pos;
	p->decided_us = m->v[KEY_time].i64;
	c->last_received = ev->record->pos;
	leg_set(p, 0, from);
	if (to != from)
		leg_set(p, 1, to);
	payment_enter(c, p, PAYMENT_RECEIVED);
	payment_set_timer(c, p, &c->undecided, INT64_MAX);
	payment_count(c, p, true);
	if (!c->replaying)
		payments_begin(c, p, ev, actions);
}

static void
set_decided(struct payment *p, const struct record *r)
{
	p->decided = r->pos;
	p->decided_check = r->check;
	p->decided_us = r->msg->v[KEY_time].i64;
}

/*
 * Only a restart needs the wall clock for it, which may have jumped: at most
 * the whole time is left.
 */
static int64_t
expiry_of(
    const struct coord *c, const struct payment *p, const struct event *ev)
{
	int64_t whole_us = c->conf.held_expiry_ns / NS_PER_US;
	int64_t left_us = whole_us - (ev->wall_us - p->first_us);

	if (left_us < 0)
		left_us = 0;
	if (left_us > whole_us)
		left_us = whole_us;
	return ev->mono_ns + left_us * NS_PER_US;
}

static void
apply_held(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct payment *p = payment_find(c, &m->v[KEY_id].id);

	if (p == NULL || p->state == PAYMENT_COMMITTED) {
		records_refuse(ev, actions, "holds a payment that is not open");
		return;
	}
	p->reason = (enum code)m->v[KEY_reason].u64;
	p->reason_bank[0] = '\0';
	if (msg_has(m, bank))
		CHECK(str_copy(p->reason_bank, sizeof(p->reason_bank),
		    m->v[KEY_bank].str));
	p->first_us = m->v[KEY_first].i64;
	p->attempts = m->v[KEY_attempts].u64;
	set_decided(p, ev->record);
	if (c->replaying || !p->was_held)
		p->expiry_ns = expiry_of(c, p, ev);
	payment_count(c, p, false);
	payment_set_timer(c, p, NULL, 0);
	if (c->replaying || p->was_held) {
		payment_enter(c, p, PAYMENT_HELD);
		p->was_held = true;
		payment_set_queue(p, &c->expiring);
		held_place(c, p);
	} else {
		payment_enter(c, p, PAYMENT_HOLDING);
		payment_set_queue(p, &c->deciding);
	}
}

/* One element of a comma-separated list, split at its colons. */
static bool
next_element(struct str *list, struct str *head, struct str *rest)
{
	const char *comma, *colon;

	if (list->len == 0)
		return false;
	comma = memchr(list->at, ',', list->len);
	struct str element = {
	    list->at, comma == NULL ? list->len : (uint32_t)(comma - list->at)};
	if (comma == NULL)
		*list = STR_NONE;
	else
		*list = (struct str){comma + 1, list->len - element.len - 1};
	colon = memchr(element.at, ':', element.len);
	if (colon == NULL)
		return false;
	*head = (struct str){element.at, (uint32_t)(colon - element.at)};
	*rest = (struct str){colon + 1, element.len - head->len - 1};
	return true;
}

static void
set_proven(struct bank *b, uint64_t seq, const struct check *check)
{
	if (seq <= b->proven_seq)
		return;
	b->proven_seq = seq;
	b->proven_check = *check;
}

bool
proof_parse(struct str text, uint64_t *seq, struct check *check)
{
	uint64_t n = 0;
	uint32_t i = 0;

	/* Nineteen digits hold any seq (TYPE_SEQ). */
	for (; i < text.len && text.at[i] >= '0' && text.at[i] <= '9'; i++) {
		if (i == 19)
			return false;
		n = n * 10 + (uint64_t)(text.at[i] - '0');
	}
	*seq = n;
	return n > 0 && i < text.len && text.at[i] == ':' &&
	    hex_read(check->octets, sizeof(check->octets),
		(struct str){text.at + i + 1, text.len - i - 1});
}

/* proofs=BANK:SEQ:CHECK,...: newest record each bank told us of. */
static bool
apply_proofs(struct coord *c, struct str list)
{
	struct str name, rest;

	while (next_element(&list, &name, &rest)) {
		struct bank *b = bank_find(c, name);
		uint64_t seq;
		struct check check;

		if (b == NULL || !proof_parse(rest, &seq, &check))
			return false;
		set_proven(b, seq, &check);
	}
	return list.len == 0;
}

static bool
apply_branches(struct coord *c, struct payment *p, struct str list)
{
	struct str name, text;
	struct branch branch;
	uint32_t n = 0;

	while (next_element(&list, &name, &text)) {
		struct bank *b = bank_find(c, name);

		if (b == NULL || n >= p->legs || p->leg[n].bank != b ||
		    !branch_parse(&branch, text))
			return false;
		p->leg[n].epoch = branch.epoch;
		p->leg[n].counter = branch.counter;
		n++;
	}
	return n == p->legs;
}

static void
apply_commit(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct payment *p = payment_find(c, &m->v[KEY_id].id);

	if (p == NULL || p->state == PAYMENT_COMMITTED ||
	    !apply_branches(c, p, m->v[KEY_branches].str) ||
	    !apply_proofs(c, m->v[KEY_proofs].str)) {
		records_refuse(
		    ev, actions, "commits a payment that is not open");
		return;
	}
	set_decided(p, ev->record);
	p->reason = CODE_NONE;
	if (msg_has(m, attempts))
		p->attempts = m->v[KEY_attempts].u64;
	payment_set_timer(c, p, NULL, 0);
	c->committed++;
	for (uint32_t i = 0; i < p->legs; i++)
		leg_unlink(&p->leg[i]);
	if (c->replaying) {
		payment_set_queue(p, NULL);
		payment_count(c, p, true);
		payment_enter(c, p, PAYMENT_COMMITTED);
		for (uint32_t i = 0; i < p->legs; i++)
			link_commit(c, &p->leg[i], actions);
		return;
	}
	payment_enter(c, p, PAYMENT_COMMITTING);
	payment_set_queue(p, &c->deciding);
}

/* CANCEL of an id that has no open payment: nothing but the id is kept. */
static void
apply_tombstone(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct payment *p = payment_take(c, &m->v[KEY_id].id);

	if (p == NULL || !entry_of(c, m, &p->entry)) {
		refuse_entry(ev, p, actions,
		    "does not fit: raise payments.in_flight or "
		    "payments.remembered");
		return;
	}
	p->tombstone = true;
	if (msg_has(m, user))
		CHECK(str_copy(p->user, sizeof(p->user), m->v[KEY_user].str));
	p->attempts = m->v[KEY_attempts].u64;
	p->reason = (enum code)m->v[KEY_reason].u64;
	set_decided(p, ev->record);
	payment_enter(c, p, PAYMENT_ABORTING);
	payment_set_queue(p, &c->deciding);
	if (c->replaying)
		payment_release(c, p, REMEMBERED_FINAL, ev->record->pos);
	else
		p->asker = asker_of(ev);
}

static void
apply_abort(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct payment *p = payment_find(c, &m->v[KEY_id].id);
	bool final = m->v[KEY_final].u64 != 0;

	c->aborted++;
	if (p == NULL && final) {
		apply_tombstone(c, ev, actions);
		return;
	}
	if (p == NULL || p->state == PAYMENT_COMMITTED) {
		records_refuse(
		    ev, actions, "aborts a payment that is not open");
		return;
	}
	if (!final) {
		payment_release(c, p, REMEMBERED_PASSING, ev->record->pos);
		return;
	}
	p->reason = (enum code)m->v[KEY_reason].u64;
	p->reason_bank[0] = '\0';
	if (msg_has(m, bank))
		CHECK(str_copy(p->reason_bank, sizeof(p->reason_bank),
		    m->v[KEY_bank].str));
	set_decided(p, ev->record);
	payment_enter(c, p, PAYMENT_ABORTING);
	payment_set_timer(c, p, NULL, 0);
	payment_set_queue(p, &c->deciding);
	if (c->replaying)
		payment_release(c, p, REMEMBERED_FINAL, ev->record->pos);
}

static void
apply_end(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct payment *p = payment_find(c, &m->v[KEY_id].id);

	if (p == NULL || p->state != PAYMENT_COMMITTED ||
	    !apply_proofs(c, m->v[KEY_proofs].str)) {
		records_refuse(
		    ev, actions, "ends a payment that is not committed");
		return;
	}
	payment_release(c, p, REMEMBERED_COMMITTED,
	    msg_has(m, again) ? ev->record->pos : p->decided);
}

/*
 * A new epoch: what was undecided in the one before is aborted for a passing
 * reason, by this record alone (presumed abort). Held payments stay held.
 */
static void
apply_boot(struct coord *c, const struct event *ev)
{
	struct payment *p;

	c->epoch = ev->record->msg->v[KEY_epoch].u64;
	c->counter = 0;
	c->sessions = 0;
	if (msg_has(ev->record->msg, restored))
		c->truncated |= ev->record->msg->v[KEY_restored].u64 != 0;
	while ((p = TAILQ_FIRST(&c->undecided)) != NULL)
		payment_release(c, p, REMEMBERED_PASSING, p->received);
	for (uint32_t i = 0; i < c->bank_count; i++)
		c->banks[i].waived = false;
}

/*
 * Bound anew, also to the same journal where that was restored: what it proved
 * before counts no longer, nor do votes that an END has yet to write down.
 */
static void
forget_proofs(struct coord *c, struct bank *b)
{
	bool first = !b->bound;

	b->proven_seq = 0;
	memset(&b->proven_check, 0, sizeof(b->proven_check));
	for (uint32_t i = 0; !first && i < c->pool_max; i++)
		for (uint32_t k = 0; k < c->pool[i].legs; k++)
			if (c->pool[i].leg[k].bank == b)
				c->pool[i].leg[k].proof_seq = 0;
}

static void
apply_bank(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	struct bank *b = bank_add(c, m->v[KEY_bank].str);

	if (b == NULL) {
		records_misfit(
		    ev, actions, "names one bank too many: raise limits.banks");
		return;
	}
	/* It has shown that records are lost here, or that no more are. */
	if (msg_has(m, restored)) {
		c->truncated = m->v[KEY_restored].u64 != 0;
		if (c->truncated)
			b->waived = false;
		return;
	}
	forget_proofs(c, b);
	b->bound = true;
	b->journal = m->v[KEY_journal].id;
	b->bound_seq = ev->record->pos.seq;
	b->bound_us = b->since_us = m->v[KEY_time].i64;
	if (msg_has(m, proven_seq) && msg_has(m, proven_check))
		set_proven(
		    b, m->v[KEY_proven_seq].u64, &m->v[KEY_proven_check].check);
	if (c->replaying)
		return;
	links_accept(c, ev, actions);
	lists_recorded(c, ev, actions);
}

static void
apply_waive(struct coord *c, const struct event *ev, struct actions *actions)
{
	const struct msg *m = ev->record->msg;
	/* One that was refused before it was ever bound, perhaps. */
	struct bank *b = bank_add(c, m->v[KEY_bank].str);

	if (b == NULL)
		return;
	b->waived = true;
	b->stopped = false;
	if (msg_has(m, gateway_seq) && msg_has(m, gateway_check))
		b->excused = (struct lost_record){
		    .seq = m->v[KEY_gateway_seq].u64,
		    .check = m->v[KEY_gateway_check].check,
		};
	if (c->replaying)
		return;
	link_commits_again(c, b);
	lists_recorded(c, ev, actions);
	links_loss_over(c, b, actions);
}

void
records_apply(struct coord *c, const struct event *ev, struct actions *actions)
{
	switch ((unsigned)ev->record->msg->verb) {
	case VERB_GATEWAY_JOURNAL_SEGMENT:
		break;
	case VERB_GATEWAY_JOURNAL_REVOKE:
		revocations_apply(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_BOOT:
		apply_boot(c, ev);
		break;
	case VERB_GATEWAY_JOURNAL_BANK:
		apply_bank(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		apply_received(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		apply_held(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		apply_commit(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		apply_abort(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_END:
		apply_end(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		heuristics_apply(c, ev, actions);
		break;
	case VERB_GATEWAY_JOURNAL_WAIVE:
		apply_waive(c, ev, actions);
		break;
	}
}
