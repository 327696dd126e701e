/*
 * The gateway's live state as lines, and lines as state: what a snapshot holds
 * (JOURNAL.md). It is what records have made, as a replay up to here would
 * leave it: what only a running gateway knows is not in it. Lines become state
 * by the very records that they stand for, so nothing is said twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "coord/private.h"

static void
line_init(struct msg *m, enum verb verb)
{
	msg_init(m, MSG_REQUEST, verb, "0");
}

/* ---- Writing ---- */

static bool
write_epoch(const struct coord *c, snapshot_line *line, void *ctx)
{
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_EPOCH);
	msg_set_u64(&m, KEY_epoch, c->epoch);
	msg_set_u64(&m, KEY_restored, c->truncated ? 1 : 0);
	msg_set_jpos(&m, KEY_received, c->last_received);
	msg_set_u64(&m, KEY_committed, c->committed);
	msg_set_u64(&m, KEY_aborted, c->aborted);
	return line(ctx, &m);
}

/*
 * The next bank by name that records have told of: it is bound, or was waived
 * before it was. One that was only refused has a place that a replay does not
 * know, so places are no order.
 */
static const struct bank *
bank_after(const struct coord *c, const char *name)
{
	const struct bank *next = NULL;

	for (uint32_t i = 0; i < c->bank_count; i++) {
		const struct bank *b = &c->banks[i];

		if ((b->bound || b->waived || b->excused.seq != 0) &&
		    strcmp(b->name, name) > 0 &&
		    (next == NULL || strcmp(b->name, next->name) < 0))
			next = b;
	}
	return next;
}

static bool
write_banks(const struct coord *c, snapshot_line *line, void *ctx)
{
	const struct bank *b;
	struct msg m;

	for (b = bank_after(c, ""); b != NULL; b = bank_after(c, b->name)) {
		line_init(&m, VERB_SNAPSHOT_BANK);
		msg_set_str(&m, KEY_bank, str_from(b->name));
		if (b->bound) {
			msg_set_id(&m, KEY_journal, &b->journal);
			msg_set_u64(&m, KEY_seq, b->bound_seq);
			msg_set_i64(&m, KEY_since, b->bound_us);
		}
		if (b->proven_seq != 0) {
			msg_set_u64(&m, KEY_proven_seq, b->proven_seq);
			msg_set_check(&m, KEY_proven_check, &b->proven_check);
		}
		msg_set_u64(&m, KEY_waived, b->waived ? 1 : 0);
		if (b->excused.seq != 0) {
			msg_set_u64(&m, KEY_gateway_seq, b->excused.seq);
			msg_set_check(&m, KEY_gateway_check, &b->excused.check);
		}
		if (!line(ctx, &m))
			return false;
	}
	return true;
}

/* What the records so far make of a payment; NULL: nothing that is live. */
static const char *
durable_state(const struct payment *p)
{
	switch (p->state) {
	case PAYMENT_FREE:
	case PAYMENT_STATES:
	case PAYMENT_ABORTING:
		return NULL;
	case PAYMENT_RECEIVED:
	case PAYMENT_PREPARING:
		return p->was_held ? "held" : "undecided";
	case PAYMENT_COMMITTING:
	case PAYMENT_COMMITTED:
		return "committed";
	case PAYMENT_HOLDING:
	case PAYMENT_HELD:
		return "held";
	}
	return NULL;
}

/* One that is being tried again counts an attempt that no record tells. */
static uint64_t
durable_attempts(const struct payment *p)
{
	return p->attempts -
	    (p->state == PAYMENT_PREPARING && p->was_held ? 1 : 0);
}

static struct account
account_of(const char *text, uint8_t name_len)
{
	return (struct account){
	    {text, name_len}, str_from(text + name_len + 1)};
}

static void
put_payload(struct msg *m, const struct payment *p)
{
	msg_set_id(m, KEY_id, &p->id);
	msg_set_account(m, KEY_from, account_of(p->from, p->from_name_len));
	msg_set_account(m, KEY_to, account_of(p->to, p->to_name_len));
	msg_set_i64(m, KEY_amount, p->amount);
	msg_set_u64(m, KEY_currency, p->currency);
	if (p->memo[0] != '\0')
		msg_set_str(m, KEY_memo, str_from(p->memo));
	msg_set_str(m, KEY_user, str_from(p->user));
	msg_set_u64(m, KEY_hold, p->hold ? 1 : 0);
	msg_set_u64(m, KEY_attempts, durable_attempts(p));
	msg_set_jpos(m, KEY_received, p->received);
}

static struct str
branches_of(const struct coord *c, const struct payment *p,
    char into[BRANCHES_TEXT_MAX])
{
	size_t len = 0;

	for (uint32_t i = 0; i < p->legs; i++)
		len += (size_t)snprintf(into + len, BRANCHES_TEXT_MAX - len,
		    "%s%s:%s.%llu.%llu", i > 0 ? "," : "", p->leg[i].bank->name,
		    c->conf.node, (unsigned long long)p->leg[i].epoch,
		    (unsigned long long)p->leg[i].counter);
	return (struct str){into, (uint32_t)len};
}

static bool
write_payment(const struct coord *c, const struct payment *p,
    snapshot_line *line, void *ctx)
{
	char branches[BRANCHES_TEXT_MAX];
	const char *state = durable_state(p);
	struct msg m;

	line_init(&m, VERB_SNAPSHOT_PAYMENT);
	msg_set_str(&m, KEY_state, str_from(state));
	put_payload(&m, p);
	msg_set_u64(&m, KEY_seq, p->decided.seq);
	msg_set_jpos(&m, KEY_where, p->decided);
	msg_set_check(&m, KEY_check, &p->decided_check);
	msg_set_i64(&m, KEY_time, p->decided_us);
	if (strcmp(state, "held") == 0) {
		msg_set_u64(&m, KEY_reason, p->reason);
		if (p->reason_bank[0] != '\0')
			msg_set_str(&m, KEY_bank, str_from(p->reason_bank));
		msg_set_i64(&m, KEY_first, p->first_us);
	} else if (strcmp(state, "committed") == 0) {
		msg_set_str(&m, KEY_branches, branches_of(c, p, branches));
	}
	return line(ctx, &m);
}

static int
by_seq(const void *a, const void *b)
{
	uint64_t p = (*(const struct payment *const *)a)->decided.seq;
	uint64_t q = (*(const struct payment *const *)b)->decided.seq;

	return p < q ? -1 : p > q;
}

/* In the order of their newest records: so a replay fills its lists, too. */
static bool
write_payments(const struct coord *c, snapshot_line *line, void *ctx)
{
	const struct payment **all = calloc(c->pool_max, sizeof(const void *));
	uint32_t count = 0, i;

	if (all == NULL)
		return false;
	for (i = 0; i < c->pool_max; i++)
		if (durable_state(&c->pool[i]) != NULL)
			all[count++] = &c->pool[i];
	qsort(all, count, sizeof(const void *), by_seq);
	for (i = 0; i < count && write_payment(c, all[i], line, ctx); i++)
		continue;
	free(all);
	return i == count;
}

static bool
write_heuristics(const struct coord *c, snapshot_line *line, void *ctx)
{
	struct msg m;

	for (uint32_t i = 0; i < c->heuristic_count; i++) {
		const struct heuristic *h = &c->heuristics[i];

		line_init(&m, VERB_SNAPSHOT_HEURISTIC);
		msg_set_id(&m, KEY_id, &h->id);
		msg_set_str(&m, KEY_bank, str_from(c->banks[h->bank].name));
		msg_set_str(&m, KEY_outcome,
		    h->committed ? STR("committed") : STR("aborted"));
		msg_set_u64(&m, KEY_seq, h->seq);
		msg_set_i64(&m, KEY_time, h->time_us);
		if (!line(ctx, &m))
			return false;
	}
	return true;
}

bool
coord_snapshot(const struct coord *c, snapshot_line *line, void *ctx)
{
	return write_epoch(c, line, ctx) && write_banks(c, line, ctx) &&
	    write_payments(c, line, ctx) && write_heuristics(c, line, ctx) &&
	    revocations_snapshot(c, line, ctx);
}

/* ---- Reading: the records that a line stands for ---- */

static void
fail(struct actions *actions, const char *what)
{
	struct action *a = emit(actions, AC_FAIL);

	snprintf(a->text, sizeof(a->text), "%s", what);
}

/* What is restored, as records that come once more. */
struct restoring {
	struct coord *c;
	const struct event *ev;
	const struct msg *line;
	struct actions *actions;
};

static bool
replay(struct restoring *r, const struct msg *m, struct jpos pos)
{
	struct record record = {.msg = m, .pos = pos};
	struct event ev = *r->ev;
	uint32_t before = r->actions->count;

	if (msg_has(r->line, check))
		record.check = r->line->v[KEY_check].check;
	ev.kind = EV_RECORD;
	ev.msg = NULL;
	ev.record = &record;
	records_apply(r->c, &ev, r->actions);
	return r->actions->count == before;
}

static void
copy(struct msg *m, const struct msg *line, const enum key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((line->have & MSG_BIT(keys[i])) != 0) {
			m->v[keys[i]] = line->v[keys[i]];
			m->have |= MSG_BIT(keys[i]);
		}
}
#define COPY(m, line, ...) \
	copy(m, line, (const enum key[]){__VA_ARGS__}, \
	    sizeof((const enum key[]){__VA_ARGS__}) / sizeof(enum key))

static void
restore_epoch(struct coord *c, const struct msg *line)
{
	c->epoch = line->v[KEY_epoch].u64;
	c->truncated = line->v[KEY_restored].u64 != 0;
	c->last_received = line->v[KEY_received].jpos;
	c->committed = line->v[KEY_committed].u64;
	c->aborted = line->v[KEY_aborted].u64;
}

/* False: it does not fit, which has been said. */
static bool
restore_bound(struct restoring *r)
{
	const struct msg *line = r->line;
	struct msg m;

	if (!msg_has(line, seq) || !msg_has(line, since)) {
		fail(r->actions, "the snapshot binds a bank at no record");
		return false;
	}
	line_init(&m, VERB_GATEWAY_JOURNAL_BANK);
	COPY(&m, line, KEY_bank, KEY_journal, KEY_proven_seq, KEY_proven_check);
	msg_set_i64(&m, KEY_time, line->v[KEY_since].i64);
	return replay(r, &m, (struct jpos){line->v[KEY_seq].u64, 0, 0});
}

static void
restore_bank(struct restoring *r)
{
	const struct msg *line = r->line;
	struct bank *b;

	if (msg_has(line, journal) && !restore_bound(r))
		return;
	b = bank_add(r->c, line->v[KEY_bank].str);
	if (b == NULL) {
		fail(r->actions,
		    "the snapshot names one bank too many: raise "
		    "limits.banks");
		return;
	}
	b->waived = line->v[KEY_waived].u64 != 0;
	if (msg_has(line, gateway_seq) && msg_has(line, gateway_check))
		b->excused = (struct lost_record){
		    .seq = line->v[KEY_gateway_seq].u64,
		    .check = line->v[KEY_gateway_check].check,
		};
}

static bool
restore_decision(struct restoring *r, struct jpos at)
{
	const struct msg *line = r->line;
	struct msg m;

	if (str_is(line->v[KEY_state].str, "held")) {
		line_init(&m, VERB_GATEWAY_JOURNAL_HELD);
		COPY(&m, line, KEY_id, KEY_reason, KEY_bank, KEY_first,
		    KEY_attempts, KEY_time);
		return replay(r, &m, at);
	}
	if (str_is(line->v[KEY_state].str, "committed")) {
		line_init(&m, VERB_GATEWAY_JOURNAL_COMMIT);
		COPY(&m, line, KEY_id, KEY_branches, KEY_attempts, KEY_received,
		    KEY_time);
		msg_set_str(&m, KEY_proofs, STR_NONE);
		return replay(r, &m, at);
	}
	return true;
}

static void
restore_payment(struct restoring *r)
{
	const struct msg *line = r->line;
	struct coord *c = r->c;
	bool committed = str_is(line->v[KEY_state].str, "committed");
	struct jpos at = line->v[KEY_where].jpos, last = c->last_received;
	struct jpos received = line->v[KEY_received].jpos;
	uint64_t decisions = c->committed;
	struct msg m;

	at.seq = line->v[KEY_seq].u64;
	if (at.segment == received.segment && at.offset == received.offset)
		received = at;
	line_init(&m, VERB_GATEWAY_JOURNAL_RECEIVED);
	COPY(&m, line, KEY_id, KEY_from, KEY_to, KEY_amount, KEY_currency,
	    KEY_memo, KEY_user, KEY_hold, KEY_attempts, KEY_time);
	/* Where the notes of the indexes have left the id. */
	msg_set_jpos(&m, KEY_again, committed ? at : received);
	if (replay(r, &m, received))
		(void)restore_decision(r, at);
	c->last_received = last;
	c->committed = decisions;
}

static void
restore_heuristic(struct restoring *r)
{
	struct msg m;

	line_init(&m, VERB_GATEWAY_JOURNAL_HEURISTIC);
	COPY(&m, r->line, KEY_id, KEY_bank, KEY_outcome, KEY_time);
	(void)replay(r, &m, (struct jpos){r->line->v[KEY_seq].u64, 0, 0});
}

static void
restore_revocation(struct restoring *r)
{
	struct msg m;

	line_init(&m, VERB_GATEWAY_JOURNAL_REVOKE);
	COPY(&m, r->line, KEY_jti, KEY_user, KEY_upto, KEY_expires);
	(void)replay(r, &m, JPOS_NONE);
}

static int
by_first(const void *a, const void *b)
{
	const struct payment *p = *(const struct payment *const *)a;
	const struct payment *q = *(const struct payment *const *)b;

	if (p->first_us != q->first_us)
		return p->first_us < q->first_us ? -1 : 1;
	return by_seq(a, b);
}

/*
 * The lines came in the order of the newest records, and those held expire in
 * the order in which they were held first.
 */
static bool
sort_expiring(struct coord *c)
{
	struct payment **all = calloc(c->pool_max, sizeof(void *)), *p;
	uint32_t count = 0;

	if (all == NULL)
		return false;
	TAILQ_FOREACH (p, &c->expiring, queue)
		all[count++] = p;
	qsort(all, count, sizeof(void *), by_first);
	for (uint32_t i = 0; i < count; i++) {
		payment_set_queue(all[i], NULL);
		payment_set_queue(all[i], &c->expiring);
	}
	free(all);
	return true;
}

void
snapshot_restore(
    struct coord *c, const struct event *ev, struct actions *actions)
{
	struct restoring r = {c, ev, ev->msg, actions};

	CHECK(c->replaying);
	switch ((unsigned)ev->msg->verb) {
	case VERB_SNAPSHOT_SNAPSHOT:
		break;
	case VERB_SNAPSHOT_EPOCH:
		restore_epoch(c, ev->msg);
		break;
	case VERB_SNAPSHOT_BANK:
		restore_bank(&r);
		break;
	case VERB_SNAPSHOT_PAYMENT:
		restore_payment(&r);
		break;
	case VERB_SNAPSHOT_HEURISTIC:
		restore_heuristic(&r);
		break;
	case VERB_SNAPSHOT_REVOKE:
		restore_revocation(&r);
		break;
	case VERB_SNAPSHOT_END:
		if (!sort_expiring(c))
			fail(actions, "out of memory");
		break;
	default:
		fail(actions, "a line that is not of a gateway");
		break;
	}
}
