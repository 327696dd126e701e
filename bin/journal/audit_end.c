/*
 * After the last record of all journals: was every decision carried out, did
 * an operator decide what is said to be his, and what is not finished?
 */

#include "audit.h"

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
			row_gateway_is_ahead(
			    a, s, &p->where, &row, leg->ack_seq);
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
		row_gateway_is_ahead(a, s, &p->decided, &row, leg->vote_seq);
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
	return branch_leg(a, p, b) != NULL ? "committed it"
					   : payment_words(a, p);
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
		if (branch_leg(a, p, b) != NULL)
			continue; /* it is pending */
		row = row_of_branch(a, ROW_IN_DOUBT, b);
		row_add(a, &row, "prepared; %s %s", name_text(a, b->key.node),
		    g == NONE ? "is missing here" : payment_words(a, p));
	}
}

void
audit_end(struct audit *a)
{
	cross_claims_end(a);
	payments_end(a);
	for (uint32_t i = 0; i < a->deviation_count; i++)
		deviation_end(a, &a->deviations[i]);
	in_doubt_end(a);
	decisions_end(a);
	mirrors_end(a);
}
