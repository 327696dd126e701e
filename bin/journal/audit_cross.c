/*
 * What journals say of each other. A gateway names records of the banks (votes,
 * acknowledgements, BANK), a bank names records of its gateways (decisions,
 * epochs). A name is a sequence number and a check, and what it names must be
 * there, or lie beyond the end of what was given (audit_rows.c).
 */
#include <stdio.h>
#include <stdlib.h>

#include "audit.h"

/* ---- A bank's record, with the gateways' journals known ---- */

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
	struct leg *leg = branch_leg(a, p, b);

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

/* Why it may lack what a bank was told of. */
static const char *
loss_words(const struct source *gateway)
{
	return gateway->restored
	    ? "; it says itself that its journal lost records"
	    : "";
}

static void
other_payment(struct audit *a, const struct payment *p,
    const struct branch_at *b, const char *did)
{
	const struct payload *l = &p->payload;

	fault(a, &b->where, &p->key.id,
	    "it is another payment than %s %s (%s from %s@%s to %s@%s)",
	    name_text(a, a->sources[p->key.gateway].name), did,
	    money_words(l->amount, l->currency).text, name_text(a, l->from),
	    name_text(a, l->from_bank), name_text(a, l->to),
	    name_text(a, l->to_bank));
}

/*
 * An operator decides what becomes of a payment, not what it is. One that the
 * gateway received in a later epoch only may have been sent anew: what became
 * of it before was lost there, and is lost for good.
 */
static void
check_overruled(
    struct audit *a, const struct payment *p, const struct branch_at *b)
{
	if (p != NULL && p->has_payload && p->since <= b->key.epoch &&
	    !a->sources[p->key.gateway].restored && !same_payment(a, p, b))
		other_payment(a, p, b, "received");
}

/* Money moved for what the gateway did not decide to commit. */
static void
committed_alone(struct audit *a, uint32_t g, const struct payment *p,
    const struct branch_at *b, const struct record *record)
{
	struct open_row row = row_of_record(a, b->key.source, record);
	char what[48];

	if (b->decided == OUTCOME_COMMIT || b->late) {
		check_overruled(a, p, b);
		return;
	}
	if (b->gateway_seq == 0)
		return; /* told already */
	(void)snprintf(what, sizeof(what), "record %llu",
	    (unsigned long long)b->gateway_seq);
	if (b->gateway_seq > a->sources[g].last)
		row_bank_is_ahead(a, g, &b->where, &row, what);
	else
		fault(a, &b->where, branch_id(a, b),
		    "it moves money, and %s %s%s",
		    name_text(a, a->sources[g].name), payment_words(a, p),
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
	leg = branch_leg(a, p, b);
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
		other_payment(a, p, b, "committed");
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
		row_bank_is_ahead(a, n->gateway, &at, &row, what);
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

/* SETTLED: its gateway has on record what an operator committed, or not. */
void
cross_settled(struct audit *a, uint32_t branch, uint32_t node,
    const struct record *record)
{
	const struct msg *m = record->msg;
	const struct branch_at *b = branch_at(a, branch);
	struct where at = where_of(b->key.source, record);
	uint32_t g = branch_gateway(a, b);
	bool commit = str_is(m->v[KEY_outcome].str, "commit");
	const struct leg *leg;
	bool told = msg_has(m, gateway_seq) && msg_has(m, gateway_check);

	if (commit != told ||
	    (!commit && !str_is(m->v[KEY_outcome].str, "abort")))
		fault(a, &at, branch_id(a, b),
		    "it is settled by no decision, or by none that is named");
	else if (commit)
		cross_told(a, b->key.source, node, record);
	if (g == NONE || audit_is_over(a))
		return;
	leg = branch_leg(a, payment_find(a, g, branch_id(a, b)), b);
	if (commit == (leg != NULL) ||
	    (told && m->v[KEY_gateway_seq].u64 > a->sources[g].last))
		return;
	fault(a, &at, branch_id(a, b), "it is settled as %s, and %s %s it",
	    commit ? "committed" : "aborted", name_text(a, a->sources[g].name),
	    commit ? "did not commit" : "committed");
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
	row_bank_is_ahead(a, n->gateway, &at, &row, what);
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

void
cross_claims_end(struct audit *a)
{
	for (uint32_t i = 0; i < a->source_count; i++) {
		struct source *s = &a->sources[i];
		const struct claim *c;

		while ((c = claim_next(a, s)) != NULL) {
			struct open_row row = {.kind = ROW_PENDING,
			    .bank = s->name,
			    .time_us = s->last_us};

			row_gateway_is_ahead(a, s, &c->where, &row, c->seq);
			s->claim++;
		}
	}
}
