/*
 * What journals say of each other. A gateway names records of the banks (votes,
 * acknowledgements, BANK), a bank names records of its gateways (decisions,
 * epochs). A name is a sequence number and a check, and what it names must be
 * there.
 *
 * The journals need not have been read or copied at one moment. What one says
 * of another beyond that one's end is pending, not wrong, unless it cannot be
 * so: because the daemons were stopped (a->stopped), or because the journal
 * that ends too early itself tells of something that came after. Say that a
 * bank's record X names the gateway's N. Then N was there before X, and
 * whatever the gateway wrote having heard of X, or of a later record of that
 * bank, stands behind N.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

void
row_add(struct audit *a, const struct open_row *row, const char *format, ...)
{
	char text[2048];
	struct open_row *kept = array_add(
	    (void **)&a->rows, &a->row_count, &a->row_room, sizeof(*kept));
	va_list ap;

	*kept = *row;
	va_start(ap, format);
	/* A line for people may end early. */
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	kept->text = text_keep(str_from(text));
}

/* ---- Beyond the end of a journal ---- */

/* A bank's record tells of what gateway g's journal does not have yet. */
static void
bank_is_ahead(struct audit *a, uint32_t g, const struct where *at,
    const struct open_row *row, const char *what)
{
	const struct source *gateway = &a->sources[g];
	const struct source *bank = &a->sources[at->source];
	const char *node = name_text(a, gateway->name);

	if (a->stopped || pair_need(a, g, bank->volume)->bank_seq >= at->seq)
		fault(a, at, row->has_id ? &row->id : NULL,
		    "it tells of %s of %s, whose journal ends at record %llu: "
		    "records are lost there, or this one is made up",
		    what, node, (unsigned long long)gateway->last);
	else
		row_add(a, row,
		    "record %llu of %s tells of %s of %s, whose journal ends "
		    "before it here",
		    (unsigned long long)at->seq, name_text(a, bank->name), what,
		    node);
}

/* A gateway's record at tells of what the bank's journal does not have yet. */
static void
gateway_is_ahead(struct audit *a, const struct source *bank,
    const struct where *at, const struct open_row *row, uint64_t seq)
{
	const char *node = name_text(a, a->sources[at->source].name);
	const char *name = name_text(a, bank->name);

	if (a->stopped ||
	    pair_need(a, at->source, bank->volume)->gateway_seq >= at->seq)
		fault(a, at, row->has_id ? &row->id : NULL,
		    "it tells of record %llu of %s, whose journal ends at "
		    "record %llu: records are lost there, or this one is made "
		    "up",
		    (unsigned long long)seq, name,
		    (unsigned long long)bank->last);
	else
		row_add(a, row,
		    "record %llu of %s tells of record %llu of %s, whose "
		    "journal ends before it here",
		    (unsigned long long)at->seq, node, (unsigned long long)seq,
		    name);
}

static struct open_row
row_of_record(
    const struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct open_row row = {.kind = ROW_PENDING,
	    .bank = a->sources[source].name,
	    .time_us = m->v[KEY_time].i64};

	if (!msg_has(m, id))
		return row;
	row.has_id = true;
	row.id = m->v[KEY_id].id;
	row.amount = m->v[KEY_amount].i64;
	row.currency = (uint32_t)m->v[KEY_currency].u64;
	return row;
}

static struct open_row
row_of_payment(const struct payment *p, uint32_t bank)
{
	return (struct open_row){.kind = ROW_PENDING,
	    .has_id = true,
	    .id = p->key.id,
	    .bank = bank,
	    .time_us = p->time_us,
	    .amount = p->payload.amount,
	    .currency = p->payload.currency};
}

/* ---- A bank's record, with the gateways' journals known ---- */

static const struct id *
branch_id(const struct audit *a, const struct branch_at *b)
{
	return &((const struct entry *)pool_at(&a->entries, b->entry))->key.id;
}

static uint32_t
branch_gateway(const struct audit *a, const struct branch_at *b)
{
	return gateway_find(a, b->key.node);
}

/* The payment's leg that is this branch, or NULL. */
static struct leg *
leg_of(const struct audit *a, struct payment *p, const struct branch_at *b)
{
	if (p == NULL || p->state != PAYMENT_COMMITTED)
		return NULL;
	for (uint32_t i = 0; i < p->leg_count; i++)
		if (p->legs[i].bank == a->sources[b->key.source].name &&
		    p->legs[i].epoch == b->key.epoch &&
		    p->legs[i].counter == b->key.counter)
			return &p->legs[i];
	return NULL;
}

static bool
is_bound(struct audit *a, const struct leg *leg, const struct where *at,
    const struct payment *p)
{
	if (leg->volume == a->sources[at->source].volume)
		return true;
	fault(a, at, &p->key.id,
	    "%s decided it with another journal of %s than this one",
	    name_text(a, a->sources[p->key.gateway].name),
	    name_text(a, leg->bank));
	return false;
}

void
cross_prepared(struct audit *a, uint32_t branch, const struct record *record)
{
	const struct branch_at *b = branch_at(a, branch);
	uint32_t g = branch_gateway(a, b);
	struct payment *p =
	    g == NONE ? NULL : payment_find(a, g, branch_id(a, b));
	struct leg *leg = leg_of(a, p, b);

	if (leg == NULL || !is_bound(a, leg, &b->where, p))
		return;
	leg->voted = true;
	if (leg->vote_seq == record->pos.seq &&
	    check_same(&leg->vote_check, &record->check))
		a->proven[PROVEN_PROOFS]++;
	else
		fault(a, &p->decided, &p->key.id,
		    "the vote of %s is not record %llu of its journal, or that "
		    "has another check",
		    name_text(a, leg->bank), (unsigned long long)leg->vote_seq);
}

/* What the bank should have posted for this payment. */
static bool
same_payment(
    struct audit *a, const struct payment *p, const struct branch_at *b)
{
	const struct payload *l = &p->payload;
	uint32_t bank = a->sources[b->key.source].name;
	bool payer = bank == l->from_bank, payee = bank == l->to_bank;
	uint32_t from =
	    payer ? l->from : clearing_name(a, l->from_bank, l->currency);
	uint32_t to = payee ? l->to : clearing_name(a, l->to_bank, l->currency);
	const struct page *account = account_at(a, b->from);

	return account->key.name == from &&
	    account_at(a, b->to)->key.name == to &&
	    account->currency == l->currency && b->amount == l->amount &&
	    b->memo == l->memo && b->peer == (payer ? l->to : l->from) &&
	    b->peer_bank == (payer ? l->to_bank : l->from_bank);
}

static const char *
undecided_words(const struct audit *a, const struct payment *p)
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

/* Why it may lack what a bank was told of. */
static const char *
loss_words(const struct source *gateway)
{
	return gateway->restored
	    ? "; it says itself that its journal lost records"
	    : "";
}

/* Money moved for what the gateway did not decide to commit. */
static void
committed_alone(struct audit *a, uint32_t g, const struct payment *p,
    const struct branch_at *b, const struct record *record)
{
	struct open_row row = row_of_record(a, b->key.source, record);
	char what[48];

	if (b->decided == OUTCOME_COMMIT || b->late || b->gateway_seq == 0)
		return; /* an operator's, or told already */
	(void)snprintf(what, sizeof(what), "record %llu",
	    (unsigned long long)b->gateway_seq);
	if (b->gateway_seq > a->sources[g].last)
		bank_is_ahead(a, g, &b->where, &row, what);
	else
		fault(a, &b->where, branch_id(a, b),
		    "it moves money, and %s %s%s",
		    name_text(a, a->sources[g].name), undecided_words(a, p),
		    loss_words(&a->sources[g]));
}

static void
check_decision(struct audit *a, const struct payment *p,
    const struct branch_at *b, const struct record *record)
{
	const struct msg *m = record->msg;

	if (b->gateway_seq == 0 || !msg_has(m, gateway_check))
		return;
	if (b->gateway_seq == p->decided.seq &&
	    check_same(&m->v[KEY_gateway_check].check, &p->check))
		a->proven[PROVEN_PROOFS]++;
	else
		fault(a, &b->where, &p->key.id,
		    "the decision that it names is not that of %s: record "
		    "%llu, "
		    "or that has another check",
		    name_text(a, a->sources[p->key.gateway].name),
		    (unsigned long long)p->decided.seq);
}

static void
check_acknowledgement(struct audit *a, const struct payment *p,
    const struct leg *leg, const struct branch_at *b,
    const struct record *record)
{
	if (leg->ack_seq == 0 ||
	    leg->ack_volume != a->sources[b->key.source].volume)
		return;
	if (leg->ack_seq == record->pos.seq &&
	    check_same(&leg->ack_check, &record->check))
		a->proven[PROVEN_PROOFS]++;
	else
		fault(a, &p->where, &p->key.id,
		    "the acknowledgement of %s is not record %llu of its "
		    "journal, or that has another check",
		    name_text(a, leg->bank), (unsigned long long)leg->ack_seq);
}

void
cross_committed(struct audit *a, uint32_t branch, const struct record *record)
{
	const struct branch_at *b = branch_at(a, branch);
	uint32_t g = branch_gateway(a, b), number;
	struct node wanted = {.key = {b->key.source, b->key.node}};
	struct payment *p;
	struct leg *leg;
	struct pair *pair;

	number = pool_find(&a->nodes, &wanted.key);
	if (g == NONE) {
		if (number != NONE)
			((struct node *)pool_at(&a->nodes, number))->unproven++;
		return;
	}
	pair = pair_need(a, g, a->sources[b->key.source].volume);
	if (b->gateway_seq > pair->gateway_seq)
		pair->gateway_seq = b->gateway_seq;
	p = payment_find(a, g, branch_id(a, b));
	leg = leg_of(a, p, b);
	if (leg == NULL) {
		committed_alone(a, g, p, b, record);
		return;
	}
	leg->committed = true;
	if (!is_bound(a, leg, &b->where, p))
		return;
	if (same_payment(a, p, b))
		a->proven[PROVEN_COMMITS]++;
	else
		fault(a, &b->where, &p->key.id,
		    "it is another payment than %s committed (%s from %s@%s to "
		    "%s@%s)",
		    name_text(a, a->sources[g].name),
		    money_words(p->payload.amount, p->payload.currency).text,
		    name_text(a, p->payload.from),
		    name_text(a, p->payload.from_bank),
		    name_text(a, p->payload.to),
		    name_text(a, p->payload.to_bank));
	check_decision(a, p, b, record);
	check_acknowledgement(a, p, leg, b, record);
}

/* The COMMIT that is record seq, or NULL. */
static const struct payment *
commit_find(const struct audit *a, const struct source *s, uint64_t seq)
{
	uint32_t low = 0, high = s->commit_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->commits[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->commit_count || s->commits[low].seq != seq)
		return NULL;
	return pool_at(&a->payments, s->commits[low].payment);
}

void
cross_told(struct audit *a, uint32_t source, uint32_t node,
    const struct record *record)
{
	const struct node *n = pool_at(&a->nodes, node);
	uint64_t seq = record->msg->v[KEY_gateway_seq].u64;
	struct where at = where_of(source, record);
	struct open_row row = row_of_record(a, source, record);
	const struct payment *p;
	struct pair *pair;
	char what[48];

	if (n->gateway == NONE)
		return;
	pair = pair_need(a, n->gateway, a->sources[source].volume);
	if (seq > pair->gateway_seq)
		pair->gateway_seq = seq;
	(void)snprintf(
	    what, sizeof(what), "record %llu", (unsigned long long)seq);
	if (seq > a->sources[n->gateway].last) {
		bank_is_ahead(a, n->gateway, &at, &row, what);
		return;
	}
	p = commit_find(a, &a->sources[n->gateway], seq);
	if (p != NULL &&
	    check_same(&p->check, &record->msg->v[KEY_gateway_check].check))
		a->proven[PROVEN_PROOFS]++;
	else
		fault(a, &at, NULL,
		    "the decision that it names is not in the journal of %s: "
		    "record %llu is no COMMIT, or has another check%s",
		    name_text(a, n->key.name), (unsigned long long)seq,
		    loss_words(&a->sources[n->gateway]));
}

void
cross_epoch(struct audit *a, uint32_t source, uint32_t node,
    const struct record *record)
{
	const struct node *n = pool_at(&a->nodes, node);
	uint64_t epoch = record->msg->v[KEY_epoch].u64;
	struct where at = where_of(source, record);
	struct open_row row = row_of_record(a, source, record);
	char what[48];

	if (n->gateway == NONE || epoch <= a->sources[n->gateway].epoch)
		return;
	(void)snprintf(
	    what, sizeof(what), "epoch %llu", (unsigned long long)epoch);
	bank_is_ahead(a, n->gateway, &at, &row, what);
}

/* ---- BANK: a gateway tells of any record of a bank ---- */

static int
claim_order(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;

	if (a->volume != b->volume)
		return a->volume < b->volume ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

void
cross_gateways_read(struct audit *a)
{
	if (a->claim_count > 0)
		qsort(
		    a->claims, a->claim_count, sizeof(*a->claims), claim_order);
	for (uint32_t i = 0; i < a->source_count; i++) {
		struct source *s = &a->sources[i];

		while (s->claim < a->claim_count &&
		    a->claims[s->claim].volume < s->volume)
			s->claim++;
	}
}

static const struct claim *
claim_next(const struct audit *a, const struct source *s)
{
	if (s->claim == a->claim_count ||
	    a->claims[s->claim].volume != s->volume)
		return NULL;
	return &a->claims[s->claim];
}

void
cross_claims(struct audit *a, uint32_t source, const struct record *record)
{
	struct source *s = &a->sources[source];
	const struct claim *c;

	while ((c = claim_next(a, s)) != NULL && c->seq <= record->pos.seq) {
		if (check_same(&c->check, &record->check))
			a->proven[PROVEN_PROOFS]++;
		else
			fault(a, &c->where, NULL,
			    "the proof of %s is not record %llu of its "
			    "journal: that has another check",
			    name_text(a, s->name), (unsigned long long)c->seq);
		s->claim++;
	}
}

static void
claims_end(struct audit *a)
{
	for (uint32_t i = 0; i < a->source_count; i++) {
		struct source *s = &a->sources[i];
		const struct claim *c;

		while ((c = claim_next(a, s)) != NULL) {
			struct open_row row = {.kind = ROW_PENDING,
			    .bank = s->name,
			    .time_us = s->last_us};

			gateway_is_ahead(a, s, &c->where, &row, c->seq);
			s->claim++;
		}
	}
}

/* ---- Every decision is carried out ---- */

static uint32_t
branch_of_leg(const struct audit *a, const struct payment *p,
    const struct leg *leg, uint32_t source)
{
	struct branch_at wanted = {
	    .key = {source, a->sources[p->key.gateway].name, leg->epoch,
		leg->counter}};

	return pool_find(&a->branches, &wanted.key);
}

/* It is not committed at the bank: may that be? */
static void
leg_is_missing(struct audit *a, const struct payment *p, const struct leg *leg,
    const struct source *s)
{
	const char *node = name_text(a, a->sources[p->key.gateway].name);
	struct open_row row = row_of_payment(p, leg->bank);
	uint32_t number = branch_of_leg(a, p, leg, (uint32_t)(s - a->sources));
	const struct branch_at *b =
	    number == NONE ? NULL : branch_at(a, number);

	if (leg->ack_seq != 0 && leg->ack_volume == leg->volume) {
		if (leg->ack_seq > s->last)
			gateway_is_ahead(a, s, &p->where, &row, leg->ack_seq);
		else
			fault(a, &p->where, &p->key.id,
			    "record %llu of %s is no COMMITTED of it, and %s "
			    "took it for the acknowledgement",
			    (unsigned long long)leg->ack_seq,
			    name_text(a, leg->bank), node);
	} else if (b != NULL && b->decided == OUTCOME_ABORT) {
		return; /* the list of heuristic decisions tells */
	} else if (b != NULL && b->state == BRANCH_ABORTED) {
		fault(a, &b->where, &p->key.id,
		    "it is aborted, though %s committed it (record %llu)", node,
		    (unsigned long long)p->decided.seq);
	} else if (leg->overruled) {
		return; /* see the gateway's HEURISTIC */
	} else {
		row_add(a, &row, "%s committed it (record %llu), %s not yet",
		    node, (unsigned long long)p->decided.seq,
		    name_text(a, leg->bank));
	}
}

static void
leg_end(struct audit *a, const struct payment *p, const struct leg *leg)
{
	struct volume *v = pool_at(&a->volumes, leg->volume);
	struct open_row row = row_of_payment(p, leg->bank);
	const struct source *s;

	if (v->source == NONE) {
		v->unproven++;
		if (!p->ended)
			row_add(a, &row,
			    "%s committed it (record %llu); the journal of %s "
			    "is missing",
			    name_text(a, a->sources[p->key.gateway].name),
			    (unsigned long long)p->decided.seq,
			    name_text(a, leg->bank));
		return;
	}
	s = &a->sources[v->source];
	if (!leg->voted && leg->vote_seq > s->last) {
		gateway_is_ahead(a, s, &p->decided, &row, leg->vote_seq);
		return;
	}
	if (!leg->voted)
		fault(a, &p->decided, &p->key.id,
		    "record %llu of %s is no PREPARED of it, and %s took it "
		    "for the vote",
		    (unsigned long long)leg->vote_seq, name_text(a, leg->bank),
		    name_text(a, a->sources[p->key.gateway].name));
	else if (!leg->committed)
		leg_is_missing(a, p, leg, s);
}

/* An id that two gateways were given: only one may have committed it. */
static void
check_one_gateway(struct audit *a, const struct payment *p)
{
	/* Gateways before p's own, so that each pair is looked at once. */
	for (uint32_t g = 0; g < p->key.gateway; g++) {
		const struct payment *other = payment_find(a, g, &p->key.id);

		if (other != NULL && other->state == PAYMENT_COMMITTED)
			fault(a, &p->decided, &p->key.id,
			    "it is committed by two gateways: %s too (record "
			    "%llu)",
			    name_text(a, a->sources[g].name),
			    (unsigned long long)other->decided.seq);
	}
}

static bool
moved_at(const struct audit *a, const struct payment *p, uint32_t bank,
    bool *is_given)
{
	for (uint32_t i = 0; i < a->source_count; i++) {
		const struct source *s = &a->sources[i];
		const struct entry *e;

		if (s->side != SIDE_BANK_JOURNAL || s->name != bank)
			continue;
		*is_given = true;
		e = entry_find(a, i, &p->key.id);
		if (e != NULL && e->committed != NONE &&
		    branch_gateway(a, branch_at(a, e->committed)) ==
			p->key.gateway)
			return true;
	}
	return false;
}

static void
aborted_end(struct audit *a, const struct payment *p)
{
	bool at_payer = false, at_payee = false;

	/* What moved is a fault, told already, or an operator's decision. */
	if (p->has_payload &&
	    !moved_at(a, p, p->payload.from_bank, &at_payer) &&
	    !moved_at(a, p, p->payload.to_bank, &at_payee) && at_payer &&
	    at_payee)
		a->proven[PROVEN_ABORTS]++;
}

static void
payments_end(struct audit *a)
{
	for (uint32_t i = 0; i < a->payments.count && !audit_is_over(a); i++) {
		const struct payment *p = pool_at(&a->payments, i);
		struct open_row row = row_of_payment(p, p->bank);

		switch (payment_state(a, p)) {
		case PAYMENT_COMMITTED:
			check_one_gateway(a, p);
			for (uint32_t n = 0; n < p->leg_count; n++)
				leg_end(a, p, &p->legs[n]);
			break;
		case PAYMENT_HELD:
			row.kind = ROW_HELD;
			row_add(a, &row, "%s, from %s@%s to %s@%s",
			    code_text(p->reason), name_text(a, p->payload.from),
			    name_text(a, p->payload.from_bank),
			    name_text(a, p->payload.to),
			    name_text(a, p->payload.to_bank));
			break;
		case PAYMENT_PASSING:
		case PAYMENT_FINAL:
			aborted_end(a, p);
			break;
		case PAYMENT_UNKNOWN:
		case PAYMENT_OPEN:
			break;
		}
	}
}

/* ---- Operators ---- */

/* HEURISTIC: did an operator of that bank decide so? */
static void
deviation_end(struct audit *a, const struct deviation *d)
{
	const struct payment *p = pool_at(&a->payments, d->payment);
	struct open_row row = row_of_payment(p, d->bank);
	const char *node = name_text(a, a->sources[p->key.gateway].name);
	const struct source *bank = NULL;
	const struct entry *e;

	for (uint32_t i = 0; i < a->source_count; i++) {
		if (a->sources[i].side != SIDE_BANK_JOURNAL ||
		    a->sources[i].name != d->bank)
			continue;
		bank = &a->sources[i];
		for (uint32_t n = 0; n < a->decision_count; n++) {
			const struct branch_at *b =
			    branch_at(a, a->decisions[n].branch);

			e = pool_at(&a->entries, b->entry);
			if (b->key.source == i && b->decided == d->outcome &&
			    id_eq(&e->key.id, &p->key.id)) {
				a->proven[PROVEN_PROOFS]++;
				return;
			}
		}
	}
	if (bank == NULL)
		return;
	if (a->stopped ||
	    pair_need(a, d->where.source, bank->volume)->gateway_seq >=
		d->where.seq)
		fault(a, &d->where, &p->key.id,
		    "no operator of %s decided so: its journal has no such "
		    "DECIDED",
		    name_text(a, d->bank));
	else
		row_add(a, &row,
		    "%s says that an operator of %s decided it, and the "
		    "journal here has no DECIDED yet",
		    node, name_text(a, d->bank));
}

static const char *
gateway_words(const struct audit *a, const struct branch_at *b, uint32_t *g)
{
	struct payment *p;

	*g = branch_gateway(a, b);
	if (*g == NONE)
		return "?";
	p = payment_find(a, *g, branch_id(a, b));
	return leg_of(a, p, b) != NULL ? "committed it" : undecided_words(a, p);
}

static struct open_row
row_of_branch(
    const struct audit *a, enum row_kind kind, const struct branch_at *b)
{
	return (struct open_row){.kind = kind,
	    .has_id = true,
	    .id = *branch_id(a, b),
	    .bank = a->sources[b->key.source].name,
	    .time_us = b->time_us,
	    .amount = b->amount,
	    .currency = account_at(a, b->from)->currency};
}

static void
decisions_end(struct audit *a)
{
	uint32_t g;

	for (uint32_t i = 0; i < a->decision_count; i++) {
		const struct decision *d = &a->decisions[i];
		const struct branch_at *b = branch_at(a, d->branch);
		struct open_row row = row_of_branch(a, ROW_HEURISTIC, b);
		const char *gateway = gateway_words(a, b, &g);

		row.time_us = d->time_us;
		row_add(a, &row, "%s by %s: %s; %s %s",
		    d->late                            ? "posted late"
			: d->outcome == OUTCOME_COMMIT ? "committed"
						       : "aborted",
		    d->who, d->why, name_text(a, b->key.node),
		    g == NONE ? "is missing here" : gateway);
	}
}

static void
in_doubt_end(struct audit *a)
{
	for (uint32_t i = 0; i < a->branches.count; i++) {
		const struct branch_at *b = branch_at(a, i);
		struct open_row row;
		struct payment *p;
		uint32_t g;

		if (b->state != BRANCH_PREPARED)
			continue;
		g = branch_gateway(a, b);
		p = g == NONE ? NULL : payment_find(a, g, branch_id(a, b));
		if (leg_of(a, p, b) != NULL)
			continue; /* it is pending */
		row = row_of_branch(a, ROW_IN_DOUBT, b);
		row_add(a, &row, "prepared; %s %s", name_text(a, b->key.node),
		    g == NONE ? "is missing here" : undecided_words(a, p));
	}
}

/* ---- The books, and clearing accounts ---- */

static struct mirror *
mirror_need(struct audit *a, uint32_t bank, uint32_t other, uint32_t currency)
{
	struct mirror wanted = {.key = {bank, other, currency}};
	bool is_new;
	uint32_t number = pool_need(&a->mirrors, &wanted.key, &is_new);

	return pool_at(&a->mirrors, number);
}

static void
books_end(struct audit *a)
{
	struct mirror *m;

	/* A sum is kept as the mirror of a source with nobody. */
	for (uint32_t i = 0; i < a->accounts.count; i++) {
		const struct page *account = account_at(a, i);
		struct where at = {.source = account->key.source,
		    .segment = account->head.segment,
		    .offset = account->head.offset};
		uint32_t bank = a->sources[account->key.source].name;

		m = mirror_need(
		    a, account->key.source, NONE, account->currency);
		m->posted += account->posted + account->drift;
		if (m->where.segment < at.segment ||
		    (m->where.segment == at.segment &&
			m->where.offset < at.offset))
			m->where = at;
		if (account->clearing == NONE)
			continue;
		m = mirror_need(a, bank, account->clearing, account->currency);
		m->has_account = true;
		m->posted += account->posted;
		m->where = at;
	}
	for (uint32_t i = 0; i < a->mirrors.count; i++) {
		m = pool_at(&a->mirrors, i);
		if (m->key.other != NONE)
			continue;
		m->where.source = m->key.bank;
		if (m->posted == 0)
			a->proven[PROVEN_BOOKS]++;
		else
			fault(a, &m->where, NULL,
			    "the books of %s do not sum to zero but to %s",
			    name_text(a, a->sources[m->key.bank].name),
			    money_words(m->posted, m->key.currency).text);
	}
}

/* Is every journal of the bank, that anybody knows of, here? */
static bool
bank_is_given(const struct audit *a, uint32_t bank)
{
	bool is_given = false;

	for (uint32_t i = 0; i < a->volumes.count; i++) {
		const struct volume *v = pool_at(&a->volumes, i);

		if (v->bank != bank)
			continue;
		if (v->source == NONE)
			return false;
		is_given = true;
	}
	return is_given;
}

/* The branch of this id that another bank committed, or NULL. */
static const struct branch_at *
counterpart(const struct audit *a, uint32_t bank, const struct id *id)
{
	for (uint32_t i = 0; i < a->source_count; i++) {
		const struct entry *e;

		if (a->sources[i].side != SIDE_BANK_JOURNAL ||
		    a->sources[i].name != bank)
			continue;
		e = entry_find(a, i, id);
		if (e != NULL && e->committed != NONE)
			return branch_at(a, e->committed);
	}
	return NULL;
}

/* The payer's and the payee's side of one payment. */
static void
check_sides(struct audit *a, const struct branch_at *payer,
    const struct branch_at *payee)
{
	const struct page *from = account_at(a, payer->from);
	const struct page *to = account_at(a, payee->to);
	const struct id *id = branch_id(a, payer);

	if (payer->amount != payee->amount || from->currency != to->currency ||
	    payer->memo != payee->memo || payer->peer != to->key.name ||
	    payee->peer != from->key.name ||
	    payee->peer_bank != a->sources[payer->key.source].name)
		fault(a, &payee->where, id,
		    "the banks do not mirror: it is %s to %s here, and %s to "
		    "%s at %s",
		    money_words(payee->amount, to->currency).text,
		    name_text(a, to->key.name),
		    money_words(payer->amount, from->currency).text,
		    name_text(a, payer->peer),
		    name_text(a, a->sources[payer->key.source].name));
	else if (payer->key.node != payee->key.node)
		fault(a, &payee->where, id,
		    "it is committed by two gateways: %s here, %s at %s",
		    name_text(a, payee->key.node),
		    name_text(a, payer->key.node),
		    name_text(a, a->sources[payer->key.source].name));
	else if (payer->gateway_seq != 0 && payee->gateway_seq != 0 &&
	    payer->gateway_seq != payee->gateway_seq)
		fault(a, &payee->where, id,
		    "the banks were told of two decisions of %s: record %llu "
		    "here, %llu at %s",
		    name_text(a, payee->key.node),
		    (unsigned long long)payee->gateway_seq,
		    (unsigned long long)payer->gateway_seq,
		    name_text(a, a->sources[payer->key.source].name));
}

static void
side_end(struct audit *a, const struct branch_at *b)
{
	const struct page *from = account_at(a, b->posted_from);
	const struct page *to = account_at(a, b->posted_to);
	bool payer = to->clearing != NONE;
	const struct page *clearing = payer ? to : from;
	uint32_t bank = a->sources[b->key.source].name;
	const struct branch_at *other;
	struct open_row row;

	if (clearing->clearing == NONE)
		return;
	other = counterpart(a, clearing->clearing, branch_id(a, b));
	if (other != NULL) {
		if (payer)
			check_sides(a, b, other);
		return;
	}
	mirror_need(a, bank, clearing->clearing, clearing->currency)->alone +=
	    payer ? b->amount : -b->amount;
	if (branch_gateway(a, b) != NONE ||
	    !bank_is_given(a, clearing->clearing))
		return;
	row = row_of_branch(a, ROW_PENDING, b);
	row.bank = clearing->clearing;
	row_add(a, &row, "committed at %s, not at %s yet", name_text(a, bank),
	    name_text(a, row.bank));
}

static void
mirror_end(struct audit *a, struct mirror m)
{
	struct mirror other;

	if (m.key.other == NONE)
		return;
	other = *mirror_need(a, m.key.other, m.key.bank, m.key.currency);
	/* Each pair once: where this side stands second, the first has told. */
	if (!m.has_account || (m.key.bank > m.key.other && other.has_account))
		return;
	if (!bank_is_given(a, m.key.bank) || !bank_is_given(a, m.key.other))
		a->unmirrored++;
	else if (m.posted - m.alone + other.posted - other.alone == 0)
		a->proven[PROVEN_MIRRORS]++;
	else
		fault(a, &m.where, NULL,
		    "the clearing accounts of %s and %s do not mirror: %s "
		    "here, %s there, %s of it pending",
		    name_text(a, m.key.bank), name_text(a, m.key.other),
		    money_words(m.posted, m.key.currency).text,
		    money_words(other.posted, m.key.currency).text,
		    money_words(m.alone + other.alone, m.key.currency).text);
}

static void
mirrors_end(struct audit *a)
{
	uint32_t i, count;

	for (i = 0; i < a->branches.count && !audit_is_over(a); i++)
		if (branch_at(a, i)->state == BRANCH_COMMITTED)
			side_end(a, branch_at(a, i));
	/* What mirror_end adds on its way is an empty other side. */
	count = a->mirrors.count;
	for (i = 0; i < count && !audit_is_over(a); i++)
		mirror_end(a, *(struct mirror *)pool_at(&a->mirrors, i));
}

void
cross_end(struct audit *a)
{
	claims_end(a);
	payments_end(a);
	for (uint32_t i = 0; i < a->deviation_count; i++)
		deviation_end(a, &a->deviations[i]);
	in_doubt_end(a);
	decisions_end(a);
	books_end(a);
	mirrors_end(a);
}
