/*
 * A gateway's records: each payment is received, decided once, and ended, and
 * what was decided rests on votes of this epoch (JOURNAL.md, PROTOCOL.md
 * section 5).
 */
#include <string.h>

#include "audit.h"

static const char *
state_words(enum payment_state state)
{
	switch (state) {
	case PAYMENT_UNKNOWN:
		return "was never received";
	case PAYMENT_OPEN:
		return "is not decided";
	case PAYMENT_HELD:
		return "is held";
	case PAYMENT_COMMITTED:
		return "is committed";
	case PAYMENT_PASSING:
		return "was aborted";
	case PAYMENT_FINAL:
		return "was aborted for good";
	}
	return "";
}

enum payment_state
payment_state(const struct audit *a, const struct payment *p)
{
	if (p->state == PAYMENT_OPEN &&
	    p->epoch != a->sources[p->key.gateway].epoch)
		return PAYMENT_PASSING;
	return p->state;
}

const char *
payment_words(const struct audit *a, const struct payment *p)
{
	if (p == NULL)
		return "does not know it";
	switch (payment_state(a, p)) {
	case PAYMENT_UNKNOWN:
		return "never received it";
	case PAYMENT_OPEN:
		return "has not decided it";
	case PAYMENT_HELD:
		return "holds it";
	case PAYMENT_COMMITTED:
		return "committed another branch of it";
	case PAYMENT_PASSING:
		return "aborted it";
	case PAYMENT_FINAL:
		return "aborted it for good";
	}
	return "";
}

static bool
is_open(const struct audit *a, const struct payment *p)
{
	enum payment_state state = payment_state(a, p);

	return state == PAYMENT_OPEN || state == PAYMENT_HELD;
}

static uint32_t
payment_need(struct audit *a, uint32_t source, const struct id *id)
{
	struct payment wanted = {.key = {source, *id}};
	bool is_new;
	uint32_t index = pool_need(&a->payments, &wanted.key, &is_new);
	struct payment *p = pool_at(&a->payments, index);

	if (is_new)
		p->user = p->bank = NONE;
	return index;
}

static void
payment_touch(struct payment *p, const struct where *at, const struct msg *m,
    enum payment_state state)
{
	p->state = state;
	p->where = *at;
	p->time_us = m->v[KEY_time].i64;
}

/* ---- Banks and their journals ---- */

static struct binding *
binding_of(const struct audit *a, uint32_t source, uint32_t bank)
{
	struct binding wanted = {.key = {source, bank}};
	uint32_t index = pool_find(&a->bindings, &wanted.key);

	return index == NONE ? NULL : pool_at(&a->bindings, index);
}

static void
on_boot(struct audit *a, uint32_t source, const struct record *record)
{
	struct where at = where_of(source, record);
	struct source *s = &a->sources[source];
	uint64_t epoch = record->msg->v[KEY_epoch].u64;

	if (epoch <= s->epoch)
		fault(a, &at, NULL, "epoch %llu does not come after epoch %llu",
		    (unsigned long long)epoch, (unsigned long long)s->epoch);
	s->epoch = epoch;
	if (msg_has(record->msg, restored) &&
	    record->msg->v[KEY_restored].u64 != 0)
		s->restored = true;
}

static void
note_proof(struct audit *a, uint32_t source, uint32_t volume, uint64_t seq)
{
	struct pair *pair = pair_need(a, source, volume);

	if (seq > pair->bank_seq)
		pair->bank_seq = seq;
}

static void
on_bank(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	struct binding wanted = {
	    .key = {source, name_need(a, m->v[KEY_bank].str)}};
	struct binding *b;
	struct volume *v;
	struct claim *c;
	uint32_t volume;
	bool is_new;

	/* It was shown that it lost records; that bank is not bound by it. */
	if (msg_has(m, restored) && m->v[KEY_restored].u64 != 0) {
		a->sources[source].restored = true;
		return;
	}
	v = volume_need(a, &m->v[KEY_journal].id, &volume);
	if (v->bank == NONE && v->source == NONE)
		v->bank = wanted.key.bank;
	if (v->bank != wanted.key.bank)
		fault(a, &at, NULL, "%s is bound to the journal of %s",
		    name_text(a, wanted.key.bank),
		    v->bank == NONE ? "a gateway" : name_text(a, v->bank));
	b = pool_at(
	    &a->bindings, pool_need(&a->bindings, &wanted.key, &is_new));
	b->volume = volume;
	if (!msg_has(m, proven_seq) || !msg_has(m, proven_check))
		return;
	c = array_add(
	    (void **)&a->claims, &a->claim_count, &a->claim_room, sizeof(*c));
	*c = (struct claim){
	    volume, m->v[KEY_proven_seq].u64, m->v[KEY_proven_check].check, at};
	note_proof(a, source, volume, c->seq);
}

/* ---- Payments ---- */

static void
read_payload(struct audit *a, struct payload *into, const struct msg *m)
{
	(void)memset(into, 0, sizeof(*into));
	into->from = name_need(a, m->v[KEY_from].account.name);
	into->from_bank = name_need(a, m->v[KEY_from].account.bank);
	into->to = name_need(a, m->v[KEY_to].account.name);
	into->to_bank = name_need(a, m->v[KEY_to].account.bank);
	into->currency = (uint32_t)m->v[KEY_currency].u64;
	into->amount = m->v[KEY_amount].i64;
	into->memo = memo_hash(a, m);
}

static bool
same_payload(const struct payload *a, const struct payload *b)
{
	return a->from == b->from && a->from_bank == b->from_bank &&
	    a->to == b->to && a->to_bank == b->to_bank &&
	    a->currency == b->currency && a->amount == b->amount &&
	    a->memo == b->memo;
}

static void
on_received(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct payment *p = pool_at(&a->payments, payment_need(a, source, id));
	enum payment_state state = payment_state(a, p);
	uint32_t user = name_need(a, m->v[KEY_user].str);
	struct payload payload;

	read_payload(a, &payload, m);
	if (state != PAYMENT_UNKNOWN && state != PAYMENT_PASSING)
		fault(a, &at, id, "it is received again, though it %s",
		    state_words(state));
	if (p->has_payload && !same_payload(&p->payload, &payload))
		fault(a, &at, id,
		    "the id is used for two payments: the payload is not that "
		    "of record %llu",
		    (unsigned long long)p->received.seq);
	if (p->user != NONE && p->user != user)
		fault(a, &at, id,
		    "the id is used by two users: %s, and %s before",
		    name_text(a, user), name_text(a, p->user));
	if (binding_of(a, source, payload.from_bank) == NULL ||
	    binding_of(a, source, payload.to_bank) == NULL)
		fault(a, &at, id,
		    "it is received for a bank that never registered");
	if (!p->has_payload)
		p->since = a->sources[source].epoch;
	p->payload = payload;
	p->has_payload = true;
	p->user = user;
	p->epoch = a->sources[source].epoch;
	p->received = at;
	payment_touch(p, &at, m, PAYMENT_OPEN);
}

static void
on_held(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct payment *p = pool_at(&a->payments, payment_need(a, source, id));

	if (!is_open(a, p)) {
		fault(a, &at, id, "it is held, though it %s",
		    state_words(payment_state(a, p)));
		return;
	}
	payment_touch(p, &at, m, PAYMENT_HELD);
	p->time_us = m->v[KEY_first].i64;
	p->reason = (enum code)m->v[KEY_reason].u64;
	p->bank = msg_has(m, bank) ? name_need(a, m->v[KEY_bank].str) : NONE;
}

static struct leg *
leg_of(struct payment *p, uint32_t bank)
{
	for (uint32_t i = 0; i < p->leg_count; i++)
		if (p->legs[i].bank == bank)
			return &p->legs[i];
	return NULL;
}

/* One branch at each bank of the payment, all of this gateway and epoch. */
static void
read_branches(struct audit *a, struct payment *p, const struct where *at,
    const struct msg *m)
{
	const struct source *s = &a->sources[at->source];
	struct str list = m->v[KEY_branches].str, bank, text;
	uint32_t banks = p->payload.from_bank == p->payload.to_bank ? 1 : 2;
	struct branch branch;

	p->leg_count = 0;
	while (list_next(&list, &bank, &text) && p->leg_count < 2) {
		uint32_t name = name_need(a, bank);
		struct leg *leg = &p->legs[p->leg_count];
		const struct binding *bound = binding_of(a, at->source, name);

		if (!branch_parse(&branch, text) || bound == NULL ||
		    leg_of(p, name) != NULL ||
		    (name != p->payload.from_bank &&
			name != p->payload.to_bank))
			break;
		*leg = (struct leg){.bank = name,
		    .volume = bound->volume,
		    .epoch = branch.epoch,
		    .counter = branch.counter};
		p->leg_count++;
		if (name_need(a, branch.node) != s->name ||
		    branch.epoch != s->epoch)
			fault(a, at, &p->key.id,
			    "it is decided on a branch that is not of epoch "
			    "%llu of %s: %.*s",
			    (unsigned long long)s->epoch, name_text(a, s->name),
			    STR_ARG(text));
	}
	if (list.len != 0 || p->leg_count != banks)
		fault(a, at, &p->key.id,
		    "its branches are not one at each of its banks");
	else if (banks == 2 && p->legs[0].counter == p->legs[1].counter)
		fault(a, at, &p->key.id, "one branch is used at two banks");
}

static void
read_proofs(struct audit *a, struct payment *p, const struct where *at,
    struct str list, bool votes)
{
	struct str bank, text;

	while (list_next(&list, &bank, &text)) {
		uint32_t name = name_need(a, bank);
		struct leg *leg = leg_of(p, name);
		const struct binding *bound = binding_of(a, at->source, name);
		struct check check;
		uint64_t seq;

		if (leg == NULL || bound == NULL ||
		    !proof_read(text, &seq, &check)) {
			fault(a, at, &p->key.id,
			    "it has a proof of %s, where it has no branch",
			    name_text(a, name));
			return;
		}
		note_proof(a, at->source, bound->volume, seq);
		if (votes) {
			leg->vote_seq = seq;
			leg->vote_check = check;
		} else {
			leg->ack_seq = seq;
			leg->ack_check = check;
			leg->ack_volume = bound->volume;
		}
	}
}

static void
on_commit(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	uint32_t index = payment_need(a, source, id);
	struct payment *p = pool_at(&a->payments, index);
	struct source *s = &a->sources[source];
	struct jpos received = m->v[KEY_received].jpos;
	struct commit_at *commit;

	if (!is_open(a, p)) {
		fault(a, &at, id, "it is committed, though it %s",
		    state_words(payment_state(a, p)));
		return;
	}
	if (received.segment != p->received.segment ||
	    received.offset != p->received.offset)
		fault(a, &at, id, "received= is not where its RECEIVED lies");
	read_branches(a, p, &at, m);
	read_proofs(a, p, &at, m->v[KEY_proofs].str, true);
	for (uint32_t i = 0; i < p->leg_count; i++)
		if (p->legs[i].vote_seq == 0)
			fault(a, &at, id, "it is committed without %s's vote",
			    name_text(a, p->legs[i].bank));
	payment_touch(p, &at, m, PAYMENT_COMMITTED);
	p->decided = at;
	p->check = record->check;
	commit = array_add((void **)&s->commits, &s->commit_count,
	    &s->commit_room, sizeof(*commit));
	*commit = (struct commit_at){record->pos.seq, index};
}

static void
on_abort(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct payment *p = pool_at(&a->payments, payment_need(a, source, id));
	enum payment_state state = payment_state(a, p);
	enum code reason = (enum code)m->v[KEY_reason].u64;
	bool final = m->v[KEY_final].u64 != 0;
	/* CANCEL of what is not open leaves a tombstone. */
	bool tombstone = final && reason == CODE_CANCELLED &&
	    (state == PAYMENT_UNKNOWN || state == PAYMENT_PASSING);

	if (!is_open(a, p) && !tombstone) {
		fault(a, &at, id, "it is aborted, though it %s",
		    state_words(state));
		return;
	}
	if (final != code_ends(reason))
		fault(a, &at, id,
		    "%s is %s reason, and the record says final=%s",
		    code_text(reason),
		    code_ends(reason) ? "a final" : "no final",
		    final ? "yes" : "no");
	if (p->user == NONE && msg_has(m, user))
		p->user = name_need(a, m->v[KEY_user].str);
	p->reason = reason;
	payment_touch(p, &at, m, final ? PAYMENT_FINAL : PAYMENT_PASSING);
}

static void
on_end(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	struct payment *p = pool_at(&a->payments, payment_need(a, source, id));

	if (p->state != PAYMENT_COMMITTED || p->ended) {
		fault(a, &at, id, "it is ended, though it %s",
		    p->ended ? "was ended before"
			     : state_words(payment_state(a, p)));
		return;
	}
	p->ended = true;
	p->where = at;
	read_proofs(a, p, &at, m->v[KEY_proofs].str, false);
	for (uint32_t i = 0; i < p->leg_count; i++) {
		const struct leg *leg = &p->legs[i];

		if (leg->ack_seq == 0 && !leg->overruled)
			fault(a, &at, id,
			    "it is ended without the acknowledgement of %s",
			    name_text(a, leg->bank));
		else if (leg->ack_seq != 0 && leg->ack_volume == leg->volume &&
		    leg->ack_seq <= leg->vote_seq)
			fault(a, &at, id,
			    "%s's acknowledgement is no later than its vote",
			    name_text(a, leg->bank));
	}
}

static void
on_heuristic(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	uint32_t index = payment_need(a, source, id);
	struct payment *p = pool_at(&a->payments, index);
	uint32_t bank = name_need(a, m->v[KEY_bank].str);
	bool committed = str_is(m->v[KEY_outcome].str, "committed");
	struct leg *leg = leg_of(p, bank);
	struct deviation *d = array_add((void **)&a->deviations,
	    &a->deviation_count, &a->deviation_room, sizeof(*d));

	d->payment = index;
	d->bank = bank;
	d->outcome = committed ? OUTCOME_COMMIT : OUTCOME_ABORT;
	d->where = where_of(source, record);
	if (p->has_payload && bank != p->payload.from_bank &&
	    bank != p->payload.to_bank)
		fault(a, &d->where, id,
		    "%s is said to deviate, and has no part in it",
		    name_text(a, bank));
	else if (p->state == PAYMENT_COMMITTED && leg != NULL && !committed)
		leg->overruled = true;
	else if (p->state == PAYMENT_COMMITTED)
		fault(a, &d->where, id,
		    "%s is said to deviate from a decision that it does not "
		    "deviate from",
		    name_text(a, bank));
}

void
gateway_record(struct audit *a, uint32_t source, const struct record *record)
{
	switch ((unsigned)record->msg->verb) {
	case VERB_GATEWAY_JOURNAL_BOOT:
		on_boot(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_BANK:
		on_bank(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		on_received(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		on_held(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		on_commit(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		on_abort(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_END:
		on_end(a, source, record);
		break;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		on_heuristic(a, source, record);
		break;
	}
}
