/*
 * A bank's books, kept once more from the movements alone.
 *
 * posted - held_out is what an account has left when everything promised is
 * paid. It falls only by a promise (PREPARED) or a payment without one (ENTRY,
 * a late COMMITTED), each of which must leave it at or above the limit of that
 * moment. So when no promise was illegal no COMMITTED can be, whatever became
 * of the account or its limit meanwhile.
 */
#include <string.h>

#include "audit.h"

/* ---- Accounts ---- */

static struct page *
account_find(
    const struct audit *a, uint32_t source, uint32_t name, uint32_t *number)
{
	struct page wanted = {.key = {source, name}};

	*number = pool_find(&a->accounts, &wanted.key);
	return *number == NONE ? NULL : account_at(a, *number);
}

static struct page *
account_add(struct audit *a, uint32_t source, uint32_t name, uint32_t currency,
    uint32_t *number)
{
	struct page wanted = {.key = {source, name}}, *account;
	const char *text = name_text(a, name);
	static const char lead[] = ":clearing.";
	size_t len = strlen(text);
	bool is_new;

	*number = pool_need(&a->accounts, &wanted.key, &is_new);
	account = account_at(a, *number);
	account->currency = currency;
	account->system = text[0] == ':';
	account->clearing = NONE;
	if (strncmp(text, lead, sizeof(lead) - 1) == 0 &&
	    len >= sizeof(lead) + 4) {
		uint32_t other = name_need(a,
		    (struct str){text + sizeof(lead) - 1,
			(uint32_t)(len - sizeof(lead) - 3)});

		account_at(a, *number)->clearing = other;
	}
	return account_at(a, *number);
}

void
books_open(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	uint32_t name = name_need(a, m->v[KEY_account].str), number;
	struct page *account;

	if (account_find(a, source, name, &number) != NULL) {
		fault(a, &at, NULL, "the account %s is opened twice",
		    name_text(a, name));
		return;
	}
	if (m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX) {
		fault(a, &at, NULL, "the limit of %s passes 10^18",
		    name_text(a, name));
		return;
	}
	account = account_add(
	    a, source, name, (uint32_t)m->v[KEY_currency].u64, &number);
	account->overdraft = (int64_t)m->v[KEY_overdraft].u64;
}

static void
set_state(struct audit *a, const struct where *at, struct page *account,
    struct str state)
{
	const char *name = name_text(a, account->key.name);

	if (account->closed)
		fault(a, at, NULL, "%s was closed, and is set to %.*s", name,
		    STR_ARG(state));
	if (str_is(state, "closed") &&
	    (account->posted != 0 || account->holds != 0))
		fault(a, at, NULL, "%s is closed with %s on it, %u held", name,
		    money_words(account->posted, account->currency).text,
		    account->holds);
	if (!str_is(state, "open") && !str_is(state, "frozen") &&
	    !str_is(state, "closed"))
		fault(a, at, NULL, "%s is set to %.*s, which is no state", name,
		    STR_ARG(state));
	account->closed = str_is(state, "closed");
	account->frozen = str_is(state, "frozen");
}

void
books_set(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	struct where at = where_of(source, record);
	uint32_t name = name_need(a, m->v[KEY_account].str), number;
	struct page *account = account_find(a, source, name, &number);

	if (account == NULL) {
		fault(a, &at, NULL, "the account %s was never opened",
		    name_text(a, name));
		return;
	}
	if (msg_has(m, overdraft)) {
		if (m->v[KEY_overdraft].u64 > (uint64_t)MONEY_BALANCE_MAX)
			fault(a, &at, NULL, "the limit of %s passes 10^18",
			    name_text(a, name));
		else
			account->overdraft = (int64_t)m->v[KEY_overdraft].u64;
	}
	if (msg_has(m, state))
		set_state(a, &at, account, m->v[KEY_state].str);
}

/* ---- Movements ---- */

/* Both ends of a movement. A system account begins when it is first named. */
bool
books_ends(struct audit *a, const struct where *at, const struct msg *m,
    uint32_t end[2])
{
	static const enum key keys[2] = {KEY_from, KEY_to};
	uint32_t currency = (uint32_t)m->v[KEY_currency].u64;
	const struct id *id = &m->v[KEY_id].id;
	char letters[4];

	for (int i = 0; i < 2; i++) {
		struct str text = m->v[keys[i]].str;
		uint32_t name = name_need(a, text);
		const struct page *account =
		    account_find(a, at->source, name, &end[i]);

		if (account == NULL && text.at[0] != ':') {
			fault(a, at, id, "the account %.*s was never opened",
			    STR_ARG(text));
			return false;
		}
		currency_text(currency, letters);
		if (account == NULL)
			account =
			    account_add(a, at->source, name, currency, &end[i]);
		if (account->currency != currency ||
		    (account->system &&
			memcmp(text.at + text.len - 3, letters, 3) != 0)) {
			fault(a, at, id, "the account %.*s is not in %s",
			    STR_ARG(text), letters);
			return false;
		}
	}
	if (end[0] == end[1])
		fault(a, at, id, "it moves money from an account to itself");
	return end[0] != end[1];
}

static bool
in_bounds(__int128 sum)
{
	return sum <= MONEY_BALANCE_MAX && sum >= -MONEY_BALANCE_MAX;
}

/* Money is promised, or taken without a promise: may it be? */
void
books_promise(struct audit *a, const struct where *at, const struct id *id,
    const uint32_t end[2], __int128 amount)
{
	struct page *from = account_at(a, end[0]);
	const struct page *to = account_at(a, end[1]);
	__int128 lowest = from->posted - from->held_out - amount;

	if (!from->system && lowest < -(__int128)from->overdraft)
		fault(a, at, id,
		    "%s has too little: %s posted, %s held, limit -%s, and %s "
		    "more is promised",
		    name_text(a, from->key.name),
		    money_words(from->posted, from->currency).text,
		    money_words(from->held_out, from->currency).text,
		    money_words(from->overdraft, from->currency).text,
		    money_words(amount, from->currency).text);
	if (!in_bounds(lowest) || !in_bounds(to->posted + to->held_in + amount))
		fault(a, at, id, "a balance could pass 10^18");
	from->floor = from->overdraft;
	from->has_floor = true;
}

void
books_state(struct audit *a, const struct where *at, const struct id *id,
    const uint32_t end[2])
{
	for (int i = 0; i < 2; i++) {
		const struct page *account = account_at(a, end[i]);

		if (account->closed || account->frozen)
			fault(a, at, id, "the account %s is %s",
			    name_text(a, account->key.name),
			    account->closed ? "closed" : "frozen");
	}
}

void
books_hold(struct audit *a, const struct branch_at *b, int sign)
{
	struct page *from = account_at(a, b->from);
	struct page *to = account_at(a, b->to);
	__int128 amount = sign * (__int128)b->amount;

	from->held_out += amount;
	to->held_in += amount;
	from->holds += (uint32_t)sign;
	to->holds += (uint32_t)sign;
}

/* One side of a movement: does the record say what follows? */
static void
check_side(struct audit *a, const struct where *at, const struct msg *m,
    struct page *account, bool is_from)
{
	int64_t said = m->v[is_from ? KEY_from_balance : KEY_to_balance].i64;
	struct jpos prev = m->v[is_from ? KEY_from_prev : KEY_to_prev].jpos;
	const struct id *id = &m->v[KEY_id].id;

	if (said != account->posted + account->drift) {
		fault(a, at, id,
		    "%s_balance of %s is %s, and %s follows from the "
		    "movements",
		    is_from ? "from" : "to", name_text(a, account->key.name),
		    money_words(said, account->currency).text,
		    money_words(
			account->posted + account->drift, account->currency)
			.text);
		/* Told once: what follows builds on what was said. */
		account->drift = said - account->posted;
	}
	if (prev.segment != account->head.segment ||
	    prev.offset != account->head.offset)
		fault(a, at, id,
		    "%s_prev is not where the movement of %s before this one "
		    "lies",
		    is_from ? "from" : "to", name_text(a, account->key.name));
	account->head = (struct jpos){0, at->segment, at->offset};
}

void
books_post(struct audit *a, const struct where *at, const struct msg *m,
    const uint32_t end[2])
{
	struct page *from = account_at(a, end[0]);
	struct page *to = account_at(a, end[1]);
	int64_t amount = m->v[KEY_amount].i64;

	from->posted -= amount;
	to->posted += amount;
	check_side(a, at, m, from, true);
	check_side(a, at, m, to, false);
	if (!from->system && from->has_floor &&
	    from->posted < -(__int128)from->floor)
		fault(a, at, &m->v[KEY_id].id,
		    "%s is at %s, below the limit that it had: -%s",
		    name_text(a, from->key.name),
		    money_words(from->posted, from->currency).text,
		    money_words(from->floor, from->currency).text);
	a->proven[PROVEN_MOVEMENTS]++;
}

/* ---- Entries of the bank's own ---- */

static void
check_entry_kind(struct audit *a, const struct where *at, const struct msg *m,
    const uint32_t end[2])
{
	struct str kind = m->v[KEY_kind].str;
	const struct id *id = &m->v[KEY_id].id;
	bool in = strncmp(m->v[KEY_from].str.at, ":equity.", 8) == 0;
	bool out = strncmp(m->v[KEY_to].str.at, ":equity.", 8) == 0;
	struct page *account = account_at(a, in ? end[1] : end[0]);

	if (in == out || account->system) {
		fault(a, at, id,
		    "an entry is between a customer and the bank's equity");
		return;
	}
	if (str_is(kind, "open")) {
		if (account->has_opening || a->sources[at->source].loaded)
			fault(a, at, id, "%s gets an opening balance %s",
			    name_text(a, account->key.name),
			    account->has_opening
				? "twice"
				: "after the opening accounts were complete");
		account->has_opening = true;
		return;
	}
	if (!str_is(kind, in ? "deposit" : "withdraw"))
		fault(a, at, id, "the entry's kind is %.*s", STR_ARG(kind));
	books_state(a, at, id, end);
	if (out)
		books_promise(a, at, id, end, m->v[KEY_amount].i64);
}

void
books_entry(struct audit *a, uint32_t source, const struct record *record)
{
	const struct msg *m = record->msg;
	const struct id *id = &m->v[KEY_id].id;
	struct where at = where_of(source, record);
	uint32_t end[2], number;
	struct entry *e;
	bool is_new;

	e = entry_need(a, source, id, &number, &is_new);
	if (!is_new)
		fault(a, &at, id,
		    "the id is used twice: it moved money before, "
		    "or belongs to a payment");
	e->own = true;
	if (!books_ends(a, &at, m, end))
		return;
	check_entry_kind(a, &at, m, end);
	books_post(a, &at, m, end);
}
