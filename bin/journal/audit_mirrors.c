/*
 * When all is read: the books of a bank sum to zero, and what two banks have
 * in their clearing accounts with each other is opposite, but for payments
 * that only one of them has posted yet.
 */

#include "audit.h"

static struct mirror *
mirror_need(struct audit *a, uint32_t bank, uint32_t other, uint32_t currency)
{
	struct mirror wanted = {.key = {bank, other, currency}};
	bool is_new;
	uint32_t number = pool_need(&a->mirrors, &wanted.key, &is_new);

	return pool_at(&a->mirrors, number);
}

static void
check_books(struct audit *a)
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

/* Does it go out to that bank, or come in from there? */
static bool
goes_to(const struct audit *a, const struct branch_at *b, uint32_t bank)
{
	return account_at(a, b->to)->clearing == bank;
}

static bool
comes_from(const struct audit *a, const struct branch_at *b, uint32_t bank)
{
	return account_at(a, b->from)->clearing == bank;
}

/* Only the two sides of one payment have an id at two banks. */
static void
check_once(struct audit *a, const struct branch_at *b)
{
	uint32_t bank = a->sources[b->key.source].name;

	/* Journals before b's own, so that each pair is looked at once. */
	for (uint32_t i = 0; i < b->key.source; i++) {
		const struct entry *e = entry_find(a, i, branch_id(a, b));
		uint32_t before = a->sources[i].name;
		const struct branch_at *other;

		if (e == NULL || e->committed == NONE)
			continue;
		other = branch_at(a, e->committed);
		if ((goes_to(a, b, before) && comes_from(a, other, bank)) ||
		    (comes_from(a, b, before) && goes_to(a, other, bank)))
			continue;
		fault(a, &b->where, branch_id(a, b),
		    "it moves money twice: %s committed it as another "
		    "payment, by record %llu",
		    name_text(a, before), (unsigned long long)other->where.seq);
	}
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

	check_once(a, b);
	if (clearing->clearing == NONE || audit_is_over(a))
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
check_mirrors(struct audit *a)
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
mirrors_end(struct audit *a)
{
	check_books(a);
	check_mirrors(a);
}
