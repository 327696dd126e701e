/*
 * Lists: an account's history, read backwards through the journal one record
 * with each tick, and tables a few rows with each tick, so that a long list
 * holds nobody up.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hex.h"
#include "ledger/private.h"

#define HISTORY_LIMIT 50
#define ACCOUNTS_LIMIT 500
/* Rows of a table in one step, so that RESOLVEs fit in beside them. */
#define ROWS_STEP_MAX 3

/* ---- The pool ---- */

static bool
pool_full(struct ledger *l, struct actions *out)
{
	if (l->query_count < l->conf.queries_max)
		return false;
	ledger_reply_error(
	    l, out, CODE_OVERLOADED, "too many lists are under way");
	return true;
}

static void
query_start(struct ledger *l, const struct query *query)
{
	struct query *q = l->queries;

	CHECK(l->query_count < l->conf.queries_max);
	while (q->kind != QUERY_FREE)
		q++;
	*q = *query;
	q->verb = l->current.verb;
	memcpy(q->tag, l->current.tag, sizeof(q->tag));
	q->peer = l->current.peer;
	l->query_count++;
}

static void
query_free(struct ledger *l, struct query *q)
{
	CHECK(q->kind != QUERY_FREE && l->query_count > 0);
	q->kind = QUERY_FREE;
	l->query_count--;
}

void
ledger_queries_drop(struct ledger *l, struct peer peer)
{
	for (uint32_t i = 0; i < l->conf.queries_max; i++)
		if (l->queries[i].kind != QUERY_FREE &&
		    peer_eq(l->queries[i].peer, peer))
			query_free(l, &l->queries[i]);
}

/* Replies are for the query's peer from here on. */
static void
query_resume(struct ledger *l, const struct query *q)
{
	struct current *c = &l->current;

	c->verb = q->verb;
	memcpy(c->tag, q->tag, sizeof(c->tag));
	c->peer = q->peer;
}

/* ---- Cursors ---- */

/*
 * A cursor of HISTORY is the position of the next row and a hash of it and the
 * account, so that one that was mangled or taken from another list is seen.
 * The hash keeps nothing secret: a row is shown only where it is the account's.
 */
#define CURSOR_LEN 24

static uint32_t
cursor_hash(const struct book *b, const uint8_t position[8])
{
	static const struct hash_key key = {{0x73747269, 0x66652d31}};
	char text[8 + NAME_MAX_LEN];
	size_t len = strlen(b->name);

	memcpy(text, position, 8);
	memcpy(text + 8, b->name, len);
	return (uint32_t)hash_octets(&key, text, 8 + len);
}

static void
put_u32(uint8_t *into, uint32_t value)
{
	for (int i = 3; i >= 0; i--) {
		into[i] = (uint8_t)value;
		value >>= 8;
	}
}

static uint32_t
get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
	    (uint32_t)from[2] << 8 | from[3];
}

static struct str
cursor_text(struct ledger *l, const struct book *b, struct jpos pos)
{
	uint8_t octets[CURSOR_LEN / 2];

	put_u32(octets, pos.segment);
	put_u32(octets + 4, pos.offset);
	put_u32(octets + 8, cursor_hash(b, octets));
	hex_write(l->cursor_text, octets, sizeof(octets));
	return (struct str){l->cursor_text, CURSOR_LEN};
}

static bool
cursor_parse(const struct book *b, struct str text, struct jpos *pos)
{
	uint8_t octets[CURSOR_LEN / 2];

	if (text.len != CURSOR_LEN || !hex_read(octets, sizeof(octets), text) ||
	    get_u32(octets + 8) != cursor_hash(b, octets))
		return false;
	*pos = (struct jpos){0, get_u32(octets), get_u32(octets + 4)};
	return !jpos_none(*pos);
}

/* ---- HISTORY ---- */

/* Is this record a movement of the account? */
static bool
moves(const struct record *record, const struct book *b)
{
	const struct msg *m;

	if (record == NULL)
		return false;
	m = record->msg;
	return (m->verb == VERB_BANK_JOURNAL_COMMITTED ||
		   m->verb == VERB_BANK_JOURNAL_ENTRY) &&
	    (str_is(m->v[KEY_from].str, b->name) ||
		str_is(m->v[KEY_to].str, b->name));
}

/* The other end, as the account's holder would name it. */
static struct str
other_end(struct ledger *l, const struct msg *m, struct str other)
{
	int len;

	if (m->verb == VERB_BANK_JOURNAL_ENTRY)
		return STR_NONE;
	if (other.at[0] == ':') {
		if (other.len > 10 && memcmp(other.at, ":clearing.", 10) == 0)
			return m->v[KEY_peer].str;
		return other;
	}
	len = snprintf(l->peer_text, sizeof(l->peer_text), "%.*s@%s",
	    STR_ARG(other), l->conf.bank);
	CHECK(len > 0 && (size_t)len < sizeof(l->peer_text));
	return (struct str){l->peer_text, (uint32_t)len};
}

static void
send_row(struct ledger *l, const struct record *record, const struct book *b,
    struct actions *out)
{
	const struct msg *m = record->msg;
	bool left = str_is(m->v[KEY_from].str, b->name);
	uint64_t seq = ledger_record_seq(record);
	struct msg *row = ledger_reply(l, out, MSG_ROW, seq);
	int64_t amount = m->v[KEY_amount].i64;

	msg_set_u64(row, KEY_seq, seq);
	msg_set_i64(row, KEY_time, m->v[KEY_time].i64);
	msg_set_id(row, KEY_id, &m->v[KEY_id].id);
	msg_set_str(row, KEY_kind,
	    m->verb == VERB_BANK_JOURNAL_ENTRY ? m->v[KEY_kind].str
					       : STR("payment"));
	msg_set_i64(row, KEY_amount, left ? -amount : amount);
	msg_set_u64(row, KEY_currency, b->currency);
	msg_set_i64(row, KEY_balance,
	    m->v[left ? KEY_from_balance : KEY_to_balance].i64);
	msg_set_str(
	    row, KEY_peer, other_end(l, m, m->v[left ? KEY_to : KEY_from].str));
	msg_set_str(
	    row, KEY_memo, msg_has(m, memo) ? m->v[KEY_memo].str : STR_NONE);
}

static void
history_end(struct ledger *l, struct query *q, bool more, struct actions *out)
{
	struct msg *m = ledger_reply(l, out, MSG_OK, 0);

	if (more)
		msg_set_str(
		    m, KEY_next, cursor_text(l, &l->books[q->book], q->pos));
	query_free(l, q);
}

static void
history_row(struct ledger *l, const struct record *record, struct actions *out)
{
	struct query *q = &l->queries[l->query_turn];
	const struct book *b = &l->books[q->book];
	int64_t time_us;
	bool left;

	query_resume(l, q);
	if (!moves(record, b)) {
		ledger_say(out, ACTION_CRIT, NULL,
		    "the history of account %s is broken: check the journal "
		    "with strife-journal verify",
		    b->name);
		ledger_reply_error(l, out, CODE_INTERNAL,
		    "the history cannot be read further");
		query_free(l, q);
		return;
	}
	time_us = record->msg->v[KEY_time].i64;
	if ((q->has_since && time_us < q->since_us) || q->left == 0) {
		bool more = !(q->has_since && time_us < q->since_us);

		history_end(l, q, more, out);
		return;
	}
	if (!q->has_until || time_us <= q->until_us) {
		send_row(l, record, b, out);
		q->left--;
	}
	left = str_is(record->msg->v[KEY_from].str, b->name);
	q->pos = record->msg->v[left ? KEY_from_prev : KEY_to_prev].jpos;
	/* With since, only the next record tells whether there is a next. */
	if (jpos_none(q->pos))
		history_end(l, q, false, out);
	else if (q->left == 0 && !q->has_since)
		history_end(l, q, true, out);
}

static void
history_cursor(
    struct ledger *l, const struct record *record, struct actions *out)
{
	const struct query *q = &l->current.query;

	if (!moves(record, &l->books[q->book]))
		ledger_reply_bad(
		    l, out, "before", "not a cursor of this account");
	else
		query_start(l, q);
}

void
ledger_query_history(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct query *q = &l->current.query;
	const struct msg *m = event->msg;
	bool teller = m->verb == VERB_TELLER_HISTORY;

	memset(q, 0, sizeof(*q));
	q->kind = QUERY_HISTORY;
	q->book =
	    ledger_book_find(l, m->v[teller ? KEY_name : KEY_account].str);
	if (q->book == BOOK_NONE) {
		ledger_reply_error(
		    l, out, CODE_NO_SUCH_ACCOUNT, "no such account");
		return;
	}
	if (pool_full(l, out))
		return;
	q->left =
	    msg_has(m, limit) ? (uint32_t)m->v[KEY_limit].u64 : HISTORY_LIMIT;
	q->has_since = msg_has(m, since);
	if (q->has_since)
		q->since_us = m->v[KEY_since].i64;
	q->has_until = msg_has(m, until);
	if (q->has_until)
		q->until_us = m->v[KEY_until].i64;
	q->pos = l->books[q->book].head;
	if (!msg_has(m, before)) {
		if (jpos_none(q->pos))
			ledger_reply(l, out, MSG_OK, 0);
		else
			query_start(l, q);
	} else if (cursor_parse(
		       &l->books[q->book], m->v[KEY_before].str, &q->pos)) {
		ledger_read_at(l, out, q->pos, history_cursor);
	} else {
		ledger_reply_bad(
		    l, out, "before", "not a cursor of this account");
	}
}

/* ---- ACCOUNTS and INDOUBT ---- */

static bool
index_parse(struct str text, uint32_t below, uint32_t *index)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > 9)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	*index = (uint32_t)value;
	return value < below;
}

void
ledger_query_accounts(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct query *q = &l->current.query;
	const struct msg *m = event->msg;

	memset(q, 0, sizeof(*q));
	q->kind = QUERY_ACCOUNTS;
	q->left =
	    msg_has(m, limit) ? (uint32_t)m->v[KEY_limit].u64 : ACCOUNTS_LIMIT;
	if (msg_has(m, before) &&
	    !index_parse(m->v[KEY_before].str, l->book_count, &q->next))
		ledger_reply_bad(l, out, "before", "not a cursor of ACCOUNTS");
	else if (!pool_full(l, out))
		query_start(l, q);
}

void
ledger_query_indoubt(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct query *q = &l->current.query;

	(void)event;
	memset(q, 0, sizeof(*q));
	q->kind = QUERY_INDOUBT;
	if (!pool_full(l, out))
		query_start(l, q);
}

static void
accounts_step(struct ledger *l, struct query *q, struct actions *out)
{
	struct msg *m;

	for (int n = 0;
	     n < ROWS_STEP_MAX && q->left > 0 && q->next < l->book_count;
	     n++, q->left--) {
		const struct book *b = &l->books[q->next++];

		m = ledger_reply(l, out, MSG_ROW, b->touched_seq);
		msg_set_str(m, KEY_name, text_of(b->name));
		msg_set_u64(m, KEY_currency, b->currency);
		msg_set_i64(m, KEY_posted, b->posted);
		msg_set_i64(m, KEY_held, ledger_book_held(b));
		msg_set_i64(m, KEY_available, ledger_book_available(b));
		msg_set_u64(m, KEY_overdraft, (uint64_t)b->overdraft);
		msg_set_str(
		    m, KEY_state, text_of(ledger_account_state_text(b->state)));
	}
	if (q->left > 0 && q->next < l->book_count)
		return;
	m = ledger_reply(l, out, MSG_OK, 0);
	if (q->next < l->book_count) {
		snprintf(l->cursor_text, sizeof(l->cursor_text), "%u", q->next);
		msg_set_str(m, KEY_next, text_of(l->cursor_text));
	}
	query_free(l, q);
}

static void
indoubt_step(struct ledger *l, struct query *q, struct actions *out)
{
	struct msg *m;

	for (int n = 0; n < ROWS_STEP_MAX && q->next < l->slots_max;) {
		const struct branch_slot *b = &l->branches[q->next++];

		if (!b->used || b->overruled)
			continue;
		n++;
		m = ledger_reply(l, out, MSG_ROW, b->seq);
		msg_set_id(m, KEY_id, &b->id);
		msg_set_branch(m, KEY_branch, ledger_slot_branch(l, b));
		msg_set_str(m, KEY_from, text_of(l->books[b->from].name));
		msg_set_str(m, KEY_to, text_of(l->books[b->to].name));
		msg_set_i64(m, KEY_amount, b->amount);
		msg_set_u64(m, KEY_currency, l->books[b->from].currency);
		msg_set_str(m, KEY_peer, text_of(b->peer));
		msg_set_i64(m, KEY_time, b->time_us);
	}
	if (q->next < l->slots_max)
		return;
	ledger_reply(l, out, MSG_OK, 0);
	query_free(l, q);
}

/* One query has its turn, in the order of the pool. */
void
ledger_queries_tick(struct ledger *l, struct actions *out)
{
	struct query *q;

	if (l->query_count == 0)
		return;
	do {
		l->query_turn = (l->query_turn + 1) % l->conf.queries_max;
		q = &l->queries[l->query_turn];
	} while (q->kind == QUERY_FREE);
	query_resume(l, q);
	switch (q->kind) {
	case QUERY_FREE:
		break;
	case QUERY_HISTORY:
		ledger_read_at(l, out, q->pos, history_row);
		break;
	case QUERY_ACCOUNTS:
		accounts_step(l, q, out);
		break;
	case QUERY_INDOUBT:
		indoubt_step(l, q, out);
		break;
	}
}

/* ---- STATS ---- */

void
ledger_query_stats(
    struct ledger *l, const struct event *event, struct actions *out)
{
	uint32_t up = 0;

	(void)event;
	for (uint32_t i = 0; i < l->gateway_count; i++)
		up += l->gateways[i].link == LINK_UP ? 1 : 0;
	const struct {
		const char *name;
		uint64_t value;
	} rows[STATS_ROWS] = {
	    {"accounts", l->book_count},
	    {"prepared", l->branch_count},
	    {"remembered", id_index_count(l->index)},
	    {"gateways_up", up},
	    {"queries", l->query_count},
	    {"boot", l->boot},
	    {"seq", l->durable_seq},
	};
	_Static_assert(STATS_ROWS + 1 <= ACTIONS_STEP_MAX, "one step");

	for (int i = 0; i < STATS_ROWS; i++) {
		struct msg *m = ledger_reply(l, out, MSG_ROW, 0);

		snprintf(l->stats_text[i], sizeof(l->stats_text[i]), "%llu",
		    (unsigned long long)rows[i].value);
		msg_set_str(m, KEY_name, text_of(rows[i].name));
		msg_set_str(m, KEY_value, text_of(l->stats_text[i]));
	}
	ledger_reply(l, out, MSG_OK, 0);
}
