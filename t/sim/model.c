/*
 * The model: what must hold of records, said without the cores. It follows
 * every journal by its records alone and forgets with the disk what a crash
 * took. When a record is appended it must be allowed; when a process has
 * replayed, its state must be the model's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim.h"
#include "wire/money.h"

/* ---- Names ---- */

int
model_pay(const struct id *id)
{
	int pay = id->octets[15];

	return id->octets[0] == 0xaa && pay < w.pay_count &&
		id_eq(&w.pays[pay].id, id)
	    ? pay
	    : -1;
}

int
model_gateway(struct str node)
{
	return node.len == 3 && node.at[0] == 'g' ? node.at[2] - '0' : -1;
}

int
model_bank(struct str name)
{
	return name.len == 5 && memcmp(name.at, "Bank", 4) == 0
	    ? name.at[4] - 'A'
	    : -1;
}

int
model_book(struct bank_model *b, struct str name)
{
	for (int i = 0; i < b->book_count; i++)
		if (str_is(name, b->books[i].name))
			return i;
	return -1;
}

static int
add_book(struct bank_model *b, struct str name, uint32_t currency)
{
	int i = b->book_count++;

	MUST(i < BOOKS_MAX, "too many accounts for the model");
	memset(&b->books[i], 0, sizeof(b->books[i]));
	CHECK(str_copy(b->books[i].name, sizeof(b->books[i].name), name));
	b->books[i].currency = currency;
	return i;
}

/* A system account that a transfer names is made. */
static int
need_book(struct bank_model *b, struct str name, uint32_t currency)
{
	int i = model_book(b, name);

	return i < 0 && name.at[0] == ':' ? add_book(b, name, currency) : i;
}

static struct branch_model *
find_branch(int gateway, int bank, int pay, uint64_t epoch, uint64_t counter)
{
	for (int i = w.branch_count; i-- > 0;) {
		struct branch_model *b = &w.branches[i];

		if (b->counter == counter && b->epoch == epoch &&
		    b->gateway == gateway && b->bank == bank && b->pay == pay)
			return b;
	}
	return NULL;
}

struct branch_model *
model_branch(int pay, int bank, const struct branch *branch)
{
	return find_branch(model_gateway(branch->node), bank, pay,
	    branch->epoch, branch->counter);
}

/* ---- From a record to what it says ---- */

static uint64_t
digits(const char **at, const char *end)
{
	uint64_t n = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
		n = n * 10 + (uint64_t)(**at - '0');
	return n;
}

/* BankA:gw0.1.2,BankB:gw0.1.3 */
static void
read_legs(struct fact *f, struct str text)
{
	const char *at = text.at, *end = text.at + text.len;

	while (at < end && f->legs < 2) {
		struct fact_leg *leg = &f->leg[f->legs++];

		leg->bank = at[4] - 'A';
		at += 6;
		f->gateway = at[2] - '0';
		at += 4;
		leg->epoch = digits(&at, end);
		at++;
		leg->counter = digits(&at, end);
		at++;
	}
}

static int
variant_of(const struct msg *m, int pay)
{
	for (int v = 0; v < VARIANTS; v++) {
		const struct payload *p = &w.pays[pay].of[v];
		struct account from = m->v[KEY_from].account;
		struct account to = m->v[KEY_to].account;

		if (model_bank(from.bank) == p->from_bank &&
		    model_bank(to.bank) == p->to_bank &&
		    str_is(from.name, customer_name(p->from)) &&
		    str_is(to.name, customer_name(p->to)) &&
		    m->v[KEY_amount].i64 == p->amount &&
		    m->v[KEY_currency].u64 == currency_of(p->currency) &&
		    (msg_has(m, memo) && m->v[KEY_memo].str.len > 0) == p->memo)
			return v;
	}
	return -1;
}

static int
user_of(struct str user)
{
	return user.len == 2 && user.at[0] == 'u' ? user.at[1] - '0' : -1;
}

static void
gateway_fact(const struct msg *m, struct fact *f)
{
	if (msg_has(m, bank))
		f->bank = model_bank(m->v[KEY_bank].str);
	if (msg_has(m, user))
		f->user = user_of(m->v[KEY_user].str);
	if (msg_has(m, reason))
		f->reason = (enum code)m->v[KEY_reason].u64;
	/* BANK with restored= is a word on what was lost, and binds nothing. */
	f->again = msg_has(m, again) || msg_has(m, restored);
	switch ((int)m->verb) {
	case VERB_GATEWAY_JOURNAL_BOOT:
		f->epoch = m->v[KEY_epoch].u64;
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		MUST(f->pay >= 0, "RECEIVED of an id that nobody paid");
		f->variant = variant_of(m, f->pay);
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		read_legs(f, m->v[KEY_branches].str);
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		f->final = m->v[KEY_final].u64 != 0;
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		f->epoch = (uint64_t)m->v[KEY_first].i64;
		break;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		f->commit = str_is(m->v[KEY_outcome].str, "committed");
		break;
	default:
		break;
	}
}

static void
bank_fact(struct bank_model *b, const struct msg *m, struct fact *f)
{
	if (msg_has(m, branch)) {
		f->gateway = model_gateway(m->v[KEY_branch].branch.node);
		f->leg[0].epoch = m->v[KEY_branch].branch.epoch;
		f->leg[0].counter = m->v[KEY_branch].branch.counter;
		f->legs = 1;
	}
	if (msg_has(m, node)) {
		f->gateway = model_gateway(m->v[KEY_node].str);
		f->epoch = m->v[KEY_epoch].u64;
	}
	if (msg_has(m, from)) {
		uint32_t currency = (uint32_t)m->v[KEY_currency].u64;

		f->from = need_book(b, m->v[KEY_from].str, currency);
		f->to = need_book(b, m->v[KEY_to].str, currency);
		f->amount = m->v[KEY_amount].i64;
	}
	if (msg_has(m, from_balance)) {
		f->from_balance = m->v[KEY_from_balance].i64;
		f->to_balance = m->v[KEY_to_balance].i64;
	}
	if (msg_has(m, outcome))
		f->commit = str_is(m->v[KEY_outcome].str, "commit");
	if (msg_has(m, gateway_seq)) {
		f->heard_seq = m->v[KEY_gateway_seq].u64;
		f->heard_check = m->v[KEY_gateway_check].check;
	}
	if (m->verb == VERB_BANK_JOURNAL_ENTRY) {
		uint8_t kind = m->v[KEY_id].id.octets[0];

		f->entry = kind == 0xcc ? m->v[KEY_id].id.octets[15] : -1;
	}
	if (m->verb == VERB_BANK_JOURNAL_OPEN) {
		f->from = model_book(b, m->v[KEY_account].str);
		if (f->from < 0)
			f->from = add_book(b, m->v[KEY_account].str,
			    (uint32_t)m->v[KEY_currency].u64);
		f->amount = (int64_t)m->v[KEY_overdraft].u64;
	}
	if (m->verb == VERB_BANK_JOURNAL_SET) {
		f->from = model_book(b, m->v[KEY_account].str);
		f->again = msg_has(m, overdraft);
		f->amount = f->again ? (int64_t)m->v[KEY_overdraft].u64 : 0;
		if (msg_has(m, state))
			f->variant = str_is(m->v[KEY_state].str, "frozen")
			    ? ACCOUNT_FROZEN
			    : ACCOUNT_OPEN;
	}
}

void
model_fact(struct proc *p, const struct msg *m, struct fact *f)
{
	memset(f, 0, sizeof(*f));
	f->verb = m->verb;
	f->pay = msg_has(m, id) ? model_pay(&m->v[KEY_id].id) : -1;
	f->entry = f->gateway = f->from = f->to = f->variant = f->user = -1;
	f->bank = -1;
	f->time_us = m->v[KEY_time].i64;
	if (p->gateway) {
		f->gateway = p->number;
		gateway_fact(m, f);
	} else {
		f->bank = p->number;
		bank_fact(&w.bank[p->number], m, f);
		f->leg[0].bank = p->number;
	}
}

/* ---- What a record does: a gateway ---- */

static struct branch_model *
leg_of(const struct fact *f, uint32_t i)
{
	return find_branch(f->gateway, f->leg[i].bank, f->pay, f->leg[i].epoch,
	    f->leg[i].counter);
}

static void
apply_commit(const struct fact *f, uint64_t seq, const struct check *check)
{
	for (uint32_t i = 0; i < f->legs; i++) {
		struct branch_model *b = leg_of(f, i);

		MUST(b != NULL, "COMMIT names a branch that was never sent");
		b->decision = DECISION_APPENDED;
		b->decision_seq = seq;
		b->decision_check = *check;
		b->partner =
		    f->legs == 2 ? (int)(leg_of(f, 1 - i) - w.branches) : -1;
	}
}

static void
mark_heuristic(const struct fact *f, uint64_t seq)
{
	for (int i = 0; i < w.branch_count; i++) {
		struct branch_model *b = &w.branches[i];

		if (b->gateway == f->gateway && b->pay == f->pay &&
		    b->bank == f->bank)
			b->told_heuristic = true;
		if (b->gateway == f->gateway && b->pay == f->pay &&
		    b->bank == f->bank && b->heuristic_seq == 0)
			b->heuristic_seq = seq;
	}
}

static void
apply_gateway(struct proc *p, uint64_t seq)
{
	const struct stored *s = &p->disk.at[seq - 1];
	const struct fact *f = &s->fact;
	struct gateway_model *g = &w.gateway[p->number];
	struct pay_model *m = f->pay >= 0 ? &g->pays[f->pay] : NULL;

	switch ((int)f->verb) {
	case VERB_GATEWAY_JOURNAL_BOOT:
		g->epoch = f->epoch;
		for (int i = 0; i < w.pay_count; i++)
			if (g->pays[i].fate == FATE_OPEN)
				g->pays[i].fate = g->pays[i].was_held
				    ? FATE_HELD
				    : FATE_PASSING;
		break;
	case VERB_GATEWAY_JOURNAL_BANK:
		if (!f->again)
			g->bound_seq[f->bank] = seq;
		break;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		mark_heuristic(f, seq);
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		m->fate = FATE_OPEN;
		m->variant = f->variant;
		m->user = f->user;
		m->received_seq = seq;
		m->was_held = false;
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		m->fate = FATE_HELD;
		m->held_seq = m->seq = seq;
		m->was_held = true;
		m->reason = f->reason;
		m->time_us = f->time_us;
		m->first_held_us = (int64_t)f->epoch;
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		m->fate = FATE_COMMIT;
		m->seq = seq;
		m->time_us = f->time_us;
		m->ended = false;
		apply_commit(f, seq, &s->check);
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		m->fate = f->final ? FATE_FINAL : FATE_PASSING;
		m->seq = seq;
		m->time_us = f->time_us;
		m->reason = f->reason;
		if (m->variant < 0 && f->final)
			m->tombstone = true;
		if (m->user < 0)
			m->user = f->user;
		break;
	case VERB_GATEWAY_JOURNAL_END:
		m->ended = true;
		break;
	default:
		break;
	}
}

/* ---- What a record does: a bank ---- */

static void
touch(struct bank_model *b, const struct fact *f, uint64_t seq)
{
	if (f->from >= 0)
		b->books[f->from].touched_seq = seq;
	if (f->to >= 0)
		b->books[f->to].touched_seq = seq;
}

static void
move(struct bank_model *b, const struct fact *f)
{
	b->books[f->from].posted -= f->amount;
	b->books[f->to].posted += f->amount;
}

static void
unhold(struct bank_model *b, const struct branch_model *br)
{
	b->books[br->from].out -= br->amount;
	b->books[br->to].in -= br->amount;
}

static void
apply_branch(struct bank_model *b, const struct stored *s, uint64_t seq)
{
	const struct fact *f = &s->fact;
	struct branch_model *br = leg_of(f, 0);

	MUST(br != NULL, "a bank has a branch that was never sent");
	switch ((int)f->verb) {
	case VERB_BANK_JOURNAL_PREPARED:
		br->state = BRANCH_PREPARED;
		br->prepared_seq = seq;
		br->prepared_check = s->check;
		br->from = f->from;
		br->to = f->to;
		br->amount = f->amount;
		b->books[f->from].out += f->amount;
		b->books[f->to].in += f->amount;
		break;
	case VERB_BANK_JOURNAL_COMMITTED:
		if (br->state == BRANCH_PREPARED)
			unhold(b, br);
		move(b, f);
		br->state = BRANCH_COMMITTED;
		br->ended_seq = seq;
		br->ended_check = s->check;
		break;
	case VERB_BANK_JOURNAL_ABORTED:
		unhold(b, br);
		br->state = BRANCH_ABORTED;
		br->ended_seq = seq;
		break;
	case VERB_BANK_JOURNAL_DECIDED:
		if (br->state != BRANCH_PREPARED)
			br->late = true;
		else if (f->commit)
			br->decided_commit = true;
		else
			br->decided_abort = true;
		break;
	case VERB_BANK_JOURNAL_SETTLED:
		br->settled = true;
		break;
	}
}

static void
apply_bank(struct proc *p, uint64_t seq)
{
	const struct stored *s = &p->disk.at[seq - 1];
	const struct fact *f = &s->fact;
	struct bank_model *b = &w.bank[p->number];

	switch ((int)f->verb) {
	case VERB_BANK_JOURNAL_OPEN:
		b->books[f->from].opened = true;
		b->books[f->from].overdraft = f->amount;
		break;
	case VERB_BANK_JOURNAL_SET:
		if (f->again)
			b->books[f->from].overdraft = f->amount;
		if (f->variant >= 0)
			b->books[f->from].state =
			    (enum ledger_account_state)f->variant;
		break;
	case VERB_BANK_JOURNAL_ENTRY:
		move(b, f);
		if (f->entry >= 0)
			b->entry[f->entry] = true;
		break;
	case VERB_BANK_JOURNAL_LOADED:
		b->loaded = true;
		break;
	case VERB_BANK_JOURNAL_PREPARED:
	case VERB_BANK_JOURNAL_COMMITTED:
	case VERB_BANK_JOURNAL_ABORTED:
	case VERB_BANK_JOURNAL_DECIDED:
	case VERB_BANK_JOURNAL_SETTLED:
		apply_branch(b, s, seq);
		break;
	default:
		break;
	}
	touch(b, f, seq);
	if (f->gateway < 0)
		return;
	if (f->verb == VERB_BANK_JOURNAL_GATEWAY &&
	    f->epoch > b->heard_epoch[f->gateway])
		b->heard_epoch[f->gateway] = f->epoch;
	if (f->heard_seq > b->heard_seq[f->gateway]) {
		b->heard_seq[f->gateway] = f->heard_seq;
		b->heard_check[f->gateway] = f->heard_check;
	}
}

/* ---- Is a record allowed? A gateway ---- */

static void
check_received(const struct pay_model *m, const struct fact *f)
{
	struct pay *pay = &w.pays[f->pay];

	MUST(f->variant >= 0, "RECEIVED of a payload that nobody sent");
	MUST(m->fate == FATE_NONE || m->fate == FATE_PASSING,
	    "RECEIVED of an id that is under way or has ended");
	MUST(m->variant < 0 || m->variant == f->variant,
	    "an id is paid with another payload");
	MUST(m->user < 0 || m->user == f->user, "an id changes its owner");
	pay->variants |= 1u << f->variant;
	pay->users |= 1u << f->user;
	pay->gateways |= 1u << f->gateway;
	if (pay->gateways == 3)
		met(same_id_twice);
}

static void
check_commit(
    const struct proc *p, const struct pay_model *m, const struct fact *f)
{
	const struct payload *of =
	    &w.pays[f->pay].of[m->variant < 0 ? 0 : m->variant];
	int banks[2] = {of->from_bank, of->to_bank};

	MUST(m->fate == FATE_OPEN || m->fate == FATE_HELD,
	    "COMMIT of an id that is not under way");
	MUST(f->legs == (banks[0] == banks[1] ? 1u : 2u),
	    "COMMIT with too few branches");
	for (uint32_t i = 0; i < f->legs; i++) {
		const struct branch_model *b = leg_of(f, i);

		MUST(b != NULL && b->bank == banks[i],
		    "COMMIT names a branch that was never sent");
		MUST(b->epoch == w.gateway[p->number].epoch,
		    "COMMIT counts a vote of an older epoch");
		if (w.restores)
			continue;
		MUST(b->state != BRANCH_NONE &&
			b->prepared_seq <= bank_proc(b->bank)->disk.durable,
		    "COMMIT without a durable vote of Bank%c", 'A' + b->bank);
		MUST(b->state != BRANCH_ABORTED || b->decided_abort,
		    "COMMIT of a branch that Bank%c has aborted",
		    'A' + b->bank);
	}
}

static void
check_end(const struct pay_model *m, const struct proc *p, int pay)
{
	MUST(m->fate == FATE_COMMIT && !m->ended,
	    "END of a payment that is not committed");
	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];

		if (b->gateway != p->number || b->pay != pay ||
		    b->decision == DECISION_NONE ||
		    b->decision == DECISION_LOST || w.restores)
			continue;
		MUST((b->state == BRANCH_COMMITTED &&
			 b->ended_seq <= bank_proc(b->bank)->disk.durable) ||
			b->decided_abort,
		    "END before Bank%c has committed", 'A' + b->bank);
		MUST(b->state == BRANCH_COMMITTED || b->told_heuristic,
		    "END without a word of what an operator did");
	}
}

static void
check_heuristic(const struct proc *p, const struct fact *f)
{
	bool found = false;

	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];

		if (b->gateway == p->number && b->pay == f->pay &&
		    b->bank == f->bank &&
		    (f->commit ? b->decided_commit : b->decided_abort)) {
			found = true;
			MUST(!b->told_heuristic || w.restores,
			    "HEURISTIC is recorded twice");
		}
	}
	MUST(found || w.restores, "HEURISTIC, and no operator decided");
	if (f->commit)
		met(heuristic_committed);
	else
		met(heuristic_aborted);
}

static void
check_gateway(struct proc *p, const struct fact *f)
{
	struct gateway_model *g = &w.gateway[p->number];
	const struct pay_model *m = f->pay >= 0 ? &g->pays[f->pay] : NULL;

	switch ((int)f->verb) {
	case VERB_GATEWAY_JOURNAL_BOOT:
		MUST(f->epoch > g->epoch, "an epoch is used twice");
		break;
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		check_received(m, f);
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		MUST(m->fate == FATE_OPEN || m->fate == FATE_HELD,
		    "HELD of a payment that is not under way");
		MUST(!code_final(f->reason), "HELD for a final reason");
		MUST(!m->was_held || m->first_held_us == (int64_t)f->epoch,
		    "HELD forgets when the payment was first held");
		if (!m->was_held) {
			g->pays[f->pay].held_ns = w.now_ns;
			g->pays[f->pay].held_life = p->life;
		}
		break;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		check_commit(p, m, f);
		if (m->was_held)
			met(holds_retried);
		met(payments_committed);
		if (f->legs == 1)
			met(payments_one_bank);
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		MUST(m != NULL && m->fate != FATE_COMMIT &&
			m->fate != FATE_FINAL,
		    "ABORT of a payment that has ended");
		MUST(f->final == code_ends(f->reason),
		    "ABORT with a reason of another kind");
		if (f->user >= 0)
			w.pays[f->pay].users |= 1u << f->user;
		if (f->reason == CODE_HOLD_EXPIRED) {
			MUST(f->time_us - m->first_held_us >= 0,
			    "a hold ends before it began");
			/* A restart goes by the wall clock, which may jump. */
			MUST(m->held_life != p->life ||
				w.now_ns - m->held_ns >=
				    w.held_expiry_ns - 10 * MS,
			    "a hold ends before its time");
			met(holds_expired);
		}
		break;
	case VERB_GATEWAY_JOURNAL_END:
		check_end(m, p, f->pay);
		break;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		check_heuristic(p, f);
		break;
	default:
		break;
	}
}

/* ---- Is a record allowed? A bank ---- */

static void
check_funds(const struct bank_model *b, const struct fact *f)
{
	const struct book_model *from = &b->books[f->from];

	MUST(from->name[0] == ':' ||
		from->posted - from->out - f->amount >= -from->overdraft,
	    "%s would go below its limit", from->name);
	MUST(f->from != f->to && f->amount > 0 &&
		from->currency == b->books[f->to].currency,
	    "a transfer between accounts that do not match");
}

/* Does a branch say what its payment says? */
static void
check_payload(const struct bank_model *b, const struct fact *f, int bank)
{
	const struct pay *pay = &w.pays[f->pay];
	const struct gateway_model *g = &w.gateway[f->gateway];
	int recorded = g->pays[f->pay].variant;
	bool now = recorded >= 0 && f->leg[0].epoch == g->epoch && !w.restores;
	bool fits = false;

	for (int v = 0; v < VARIANTS; v++) {
		const struct payload *of = &pay->of[v];
		const char *from =
		    of->from_bank == bank ? customer_name(of->from) : ":";
		const char *to =
		    of->to_bank == bank ? customer_name(of->to) : ":";

		/* The gateway's records say which payload it is. */
		if ((now && v != recorded) ||
		    (of->from_bank != bank && of->to_bank != bank) ||
		    of->amount != f->amount ||
		    currency_of(of->currency) != b->books[f->from].currency)
			continue;
		if (strncmp(b->books[f->from].name, from,
			from[0] == ':' ? 1 : 64) == 0 &&
		    strncmp(b->books[f->to].name, to, to[0] == ':' ? 1 : 64) ==
			0)
			fits = true;
	}
	MUST(fits, "a branch moves what no payment says");
}

static void
check_prepared(const struct proc *p, const struct fact *f, uint64_t seq)
{
	const struct bank_model *b = &w.bank[p->number];
	const struct branch_model *own = leg_of(f, 0);

	MUST(own != NULL && (own->state == BRANCH_NONE || w.restores),
	    "a branch is prepared twice");
	MUST(f->from >= 0 && f->to >= 0, "PREPARED of an unknown account");
	check_funds(b, f);
	check_payload(b, f, p->number);
	MUST(b->books[f->from].state == ACCOUNT_OPEN &&
		b->books[f->to].state == ACCOUNT_OPEN,
	    "PREPARED of an account that is frozen");
	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *o = &w.branches[i];

		if (o->bank != p->number || o->pay != f->pay)
			continue;
		MUST(o->state != BRANCH_PREPARED,
		    "an id is prepared twice at %s", p->name);
		MUST(o->state != BRANCH_COMMITTED,
		    "an id that is committed is prepared at %s", p->name);
		if (o->gateway == f->gateway && o->state != BRANCH_NONE &&
		    !w.restores)
			MUST(o->epoch < own->epoch ||
				(o->epoch == own->epoch &&
				    o->counter < own->counter),
			    "an older branch is prepared at %s", p->name);
		if (o->state == BRANCH_ABORTED && o->ended_seq == seq - 1)
			met(superseded);
	}
}

static void
check_committed(const struct proc *p, const struct fact *f)
{
	const struct bank_model *b = &w.bank[p->number];
	const struct branch_model *own = leg_of(f, 0);

	MUST(own != NULL, "COMMITTED of a branch that was never sent");
	if (own->state == BRANCH_ABORTED) {
		MUST(own->decided_abort && own->late,
		    "COMMITTED of a branch that was aborted");
		check_funds(b, f);
		met(posted_late);
		if (strncmp(b->books[f->from].name, ":susp", 5) == 0)
			met(posted_suspense);
	} else {
		MUST(own->state == BRANCH_PREPARED,
		    "COMMITTED of a branch that is not prepared");
		MUST(own->from == f->from && own->to == f->to &&
			own->amount == f->amount,
		    "COMMITTED of something else than was PREPARED");
		MUST(own->decided_commit || own->decision == DECISION_DURABLE ||
			own->decision == DECISION_LOST,
		    "COMMITTED without a durable decision");
		MUST(!own->decided_abort, "an operator's abort is committed");
	}
	if (own->decision == DECISION_LOST && own->partner >= 0)
		MUST(w.branches[own->partner].state != BRANCH_ABORTED ||
			w.branches[own->partner].decided_abort ||
			own->decided_commit,
		    "a split decision: COMMITTED here, ABORTED there");
	MUST(f->from_balance == b->books[f->from].posted - f->amount &&
		f->to_balance == b->books[f->to].posted + f->amount,
	    "COMMITTED with a balance that does not follow");
	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *o = &w.branches[i];

		MUST(o->bank != p->number || o->pay != f->pay ||
			o->state != BRANCH_COMMITTED,
		    "an id is committed twice at %s", p->name);
	}
}

static void
check_aborted(const struct fact *f)
{
	const struct branch_model *own = leg_of(f, 0), *other;

	MUST(own != NULL && own->state == BRANCH_PREPARED,
	    "ABORTED of a branch that is not prepared");
	MUST(!own->decided_commit, "an operator's commit is aborted");
	if (own->decided_abort)
		return;
	MUST(own->decision == DECISION_NONE || own->decision == DECISION_LOST,
	    "ABORTED against the gateway's COMMIT");
	if (own->partner < 0)
		return;
	other = &w.branches[own->partner];
	MUST(other->state != BRANCH_COMMITTED || other->decided_commit,
	    "a split decision: ABORTED here, COMMITTED there");
}

/* An operator's commit is settled: as the gateway has it on record. */
static void
check_settled(const struct fact *f)
{
	const struct branch_model *own = leg_of(f, 0);

	MUST(own != NULL && own->decided_commit &&
		own->state == BRANCH_COMMITTED && !own->settled,
	    "SETTLED of a branch that no operator committed");
	if (f->commit) {
		MUST(own->decision == DECISION_DURABLE ||
			own->decision == DECISION_LOST,
		    "SETTLED as committed, and it is not");
		met(settled_commit);
		return;
	}
	MUST(own->decision == DECISION_NONE || own->decision == DECISION_LOST,
	    "SETTLED as aborted, and it is committed");
	MUST(w.restores ||
		(own->told_heuristic &&
		    own->heuristic_seq <=
			gateway_proc(own->gateway)->disk.durable),
	    "SETTLED before its gateway has it on record");
	met(settled_abort);
}

static void
check_bank(struct proc *p, const struct fact *f, uint64_t seq)
{
	struct bank_model *b = &w.bank[p->number];
	const struct branch_model *own;

	switch ((int)f->verb) {
	case VERB_BANK_JOURNAL_OPEN:
		MUST(!b->books[f->from].opened, "an account is opened twice");
		break;
	case VERB_BANK_JOURNAL_ENTRY:
		MUST(f->from >= 0 && f->to >= 0, "ENTRY of no account");
		MUST(f->entry < 0 || !b->entry[f->entry],
		    "a deposit or withdrawal is made twice");
		check_funds(b, f);
		MUST(f->from_balance == b->books[f->from].posted - f->amount,
		    "ENTRY with a balance that does not follow");
		break;
	case VERB_BANK_JOURNAL_PREPARED:
		check_prepared(p, f, seq);
		break;
	case VERB_BANK_JOURNAL_COMMITTED:
		check_committed(p, f);
		break;
	case VERB_BANK_JOURNAL_ABORTED:
		check_aborted(f);
		break;
	case VERB_BANK_JOURNAL_DECIDED:
		MUST(w.decides, "DECIDED, and no operator was there");
		own = leg_of(f, 0);
		MUST(own != NULL && own->state != BRANCH_NONE &&
			own->state != BRANCH_COMMITTED,
		    "DECIDED of a branch that has ended");
		if (own->state == BRANCH_PREPARED && f->commit)
			met(decided_commit);
		else if (own->state == BRANCH_PREPARED)
			met(decided_abort);
		break;
	case VERB_BANK_JOURNAL_SETTLED:
		check_settled(f);
		break;
	default:
		break;
	}
}

void
model_appended(struct proc *p)
{
	uint64_t seq = p->disk.count;
	const struct fact *f = &p->disk.at[seq - 1].fact;

	if (p->gateway) {
		check_gateway(p, f);
		apply_gateway(p, seq);
	} else {
		check_bank(p, f, seq);
		apply_bank(p, seq);
	}
}

static void
commits_durable(const struct proc *p, uint64_t was)
{
	for (uint64_t seq = was + 1; seq <= p->disk.durable; seq++) {
		const struct fact *f = &p->disk.at[seq - 1].fact;

		if (f->verb != VERB_GATEWAY_JOURNAL_COMMIT)
			continue;
		for (uint32_t i = 0; i < f->legs; i++) {
			struct branch_model *b = leg_of(f, i);

			b->decision = DECISION_DURABLE;
			if (was > 0 && w.may.decide && one_in(8))
				later(between(0, w.latency_ns), ITEM_DECIDE,
				    (uint32_t)(b - w.branches), 0, 0);
		}
	}
}

static void
bank_durable(struct proc *p, uint64_t was)
{
	for (uint64_t seq = was + 1; seq <= p->disk.durable; seq++) {
		const struct fact *f = &p->disk.at[seq - 1].fact;
		const struct branch_model *b;

		if (f->verb != VERB_BANK_JOURNAL_COMMITTED)
			continue;
		b = leg_of(f, 0);
		if (b->partner >= 0 && b->decision == DECISION_DURABLE &&
		    w.branches[b->partner].state == BRANCH_PREPARED)
			faults_half_told(b);
	}
	model_compare(p);
}

void
model_durable(struct proc *p, uint64_t was)
{
	if (p->gateway)
		commits_durable(p, was);
	else if (p->up && !p->starting)
		bank_durable(p, was);
}

/* ---- A crash ---- */

static void
count_crash_gateway(const struct proc *p, uint64_t survives)
{
	const struct gateway_model *g = &w.gateway[p->number];
	uint64_t durable = p->disk.durable;

	for (int i = 0; i < w.pay_count; i++) {
		const struct pay_model *m = &g->pays[i];
		uint32_t asked = 0, voted = 0;

		for (int k = 0; k < w.branch_count; k++) {
			const struct branch_model *b = &w.branches[k];

			if (b->gateway != p->number || b->pay != i ||
			    b->epoch != g->epoch)
				continue;
			asked++;
			voted += b->state == BRANCH_PREPARED ? 1 : 0;
		}
		if (m->fate == FATE_OPEN && asked == 0)
			met(crash_received);
		if (m->fate == FATE_OPEN && asked > 0)
			met(crash_preparing);
		if (m->fate == FATE_OPEN && asked > 0 && voted == asked)
			met(crash_voted);
		if (m->fate == FATE_COMMIT && m->seq > durable)
			met(crash_committing);
		if (m->fate == FATE_COMMIT && m->seq > durable &&
		    m->seq <= survives)
			met(crash_commit_kept);
		if (m->fate == FATE_COMMIT && m->seq <= durable && !m->ended)
			met(crash_committed);
		if (m->fate == FATE_FINAL && m->seq > durable)
			met(crash_aborting);
		if (m->fate == FATE_HELD && m->seq > durable)
			met(crash_holding);
		if (m->fate == FATE_HELD && m->seq <= durable)
			met(crash_held);
	}
}

static void
count_crash_bank(const struct proc *p, uint64_t survives)
{
	uint64_t durable = p->disk.durable;

	for (int k = 0; k < w.branch_count; k++) {
		const struct branch_model *b = &w.branches[k];

		if (b->bank != p->number)
			continue;
		if (b->state == BRANCH_PREPARED && b->prepared_seq > durable)
			met(crash_bank_preparing);
		if (b->state == BRANCH_PREPARED && b->prepared_seq <= durable)
			met(crash_bank_prepared);
		if (b->state == BRANCH_COMMITTED && b->ended_seq > durable)
			met(crash_bank_committing);
	}
	if (survives > 0 && survives < p->disk.count &&
	    p->disk.at[survives - 1].fact.verb == VERB_BANK_JOURNAL_DECIDED)
		met(crash_deciding);
}

void
model_crashing(struct proc *p, uint64_t survives)
{
	if (p->gateway)
		count_crash_gateway(p, survives);
	else
		count_crash_bank(p, survives);
}

static void
rebuild_gateway(struct proc *p, bool restored)
{
	struct gateway_model *g = &w.gateway[p->number];
	enum decision before[BRANCHES_MAX];

	g->epoch = 0;
	memset(g->bound_seq, 0, sizeof(g->bound_seq));
	for (int i = 0; i < w.pay_count; i++) {
		struct pay_model *m = &g->pays[i];

		m->fate = FATE_NONE;
		m->variant = m->user = -1;
		m->ended = m->tombstone = m->was_held = false;
	}
	for (int i = 0; i < w.branch_count; i++) {
		before[i] = w.branches[i].decision;
		if (w.branches[i].gateway != p->number)
			continue;
		w.branches[i].decision = DECISION_NONE;
		w.branches[i].told_heuristic = false;
		w.branches[i].heuristic_seq = 0;
	}
	for (uint64_t seq = 1; seq <= p->disk.count; seq++)
		apply_gateway(p, seq);
	commits_durable(p, 0);
	for (int i = 0; i < w.branch_count; i++) {
		struct branch_model *b = &w.branches[i];

		if (b->gateway != p->number || b->decision != DECISION_NONE)
			continue;
		MUST(before[i] != DECISION_DURABLE || restored,
		    "a durable decision is lost");
		if (before[i] == DECISION_DURABLE || before[i] == DECISION_LOST)
			b->decision = DECISION_LOST;
	}
	for (int i = 0; i < w.pay_count; i++) {
		const struct pay_model *m = &g->pays[i];

		MUST(!m->told_commit || m->fate == FATE_COMMIT || m->tainted,
		    "a commit that a client was told of is lost");
		MUST(!m->told_final || m->tainted ||
			(m->fate == FATE_FINAL && m->reason == m->told_reason),
		    "a refusal that a client was told of is lost");
	}
}

static void
rebuild_bank(struct proc *p)
{
	struct bank_model *b = &w.bank[p->number];

	/* Books keep their numbers: the facts name them. */
	for (int i = 0; i < b->book_count; i++) {
		struct book_model *book = &b->books[i];

		book->posted = book->out = book->in = book->overdraft = 0;
		book->state = ACCOUNT_OPEN;
		book->opened = false;
	}
	memset(b->entry, 0, sizeof(b->entry));
	memset(b->heard_seq, 0, sizeof(b->heard_seq));
	memset(b->heard_epoch, 0, sizeof(b->heard_epoch));
	b->loaded = false;
	for (int i = 0; i < w.branch_count; i++) {
		struct branch_model *br = &w.branches[i];

		if (br->bank != p->number)
			continue;
		br->state = BRANCH_NONE;
		br->decided_commit = br->decided_abort = br->late = false;
		br->settled = false;
	}
	for (uint64_t seq = 1; seq <= p->disk.count; seq++)
		apply_bank(p, seq);
}

void
model_rebuild(struct proc *p, bool restored)
{
	if (p->gateway)
		rebuild_gateway(p, restored);
	else
		rebuild_bank(p);
}

/* ---- Is the live state the model's? ---- */

static void
compare_bank(const struct proc *p)
{
	const struct bank_model *b = &w.bank[p->number];
	struct ledger_account a;
	uint32_t prepared = 0, n = 0;

	for (; ledger_account_at(p->ledger, n, &a); n++) {
		bool found = false;

		for (int i = 0; i < b->book_count; i++) {
			const struct book_model *m = &b->books[i];

			if (!str_is(a.name, m->name))
				continue;
			found = true;
			MUST(a.posted == m->posted && a.held == m->out &&
				a.overdraft == m->overdraft &&
				a.state == m->state &&
				a.currency == m->currency,
			    "%s: %s has %lld, held %lld, and should have "
			    "%lld, held %lld",
			    p->name, m->name, (long long)a.posted,
			    (long long)a.held, (long long)m->posted,
			    (long long)m->out);
		}
		MUST(found, "%s has an account of nobody", p->name);
	}
	for (int i = 0; i < w.branch_count; i++)
		if (w.branches[i].bank == p->number &&
		    w.branches[i].state == BRANCH_PREPARED)
			prepared++;
	MUST(ledger_prepared(p->ledger) == prepared,
	    "%s has %u branches prepared and should have %u", p->name,
	    ledger_prepared(p->ledger), prepared);
	for (int c = 0; c < CURRENCIES; c++)
		MUST(ledger_sum(p->ledger, currency_of(c)) == 0,
		    "%s: money came from nowhere", p->name);
}

static void
compare_gateway(const struct proc *p, bool exact)
{
	const struct gateway_model *g = &w.gateway[p->number];
	struct coord_counts counts;
	uint32_t held = 0, unacknowledged = 0;

	for (int i = 0; i < w.pay_count; i++) {
		held += g->pays[i].fate == FATE_HELD ? 1 : 0;
		unacknowledged +=
		    g->pays[i].fate == FATE_COMMIT && !g->pays[i].ended ? 1 : 0;
	}
	coord_counts(p->coord, &counts);
	/* One that is being tried again is still held as its records say. */
	MUST(counts.held == held || (!exact && counts.held < held),
	    "%s holds %u payments and should hold %u", p->name, counts.held,
	    held);
	MUST(counts.unacknowledged == unacknowledged,
	    "%s has %u commits to tell and should have %u", p->name,
	    counts.unacknowledged, unacknowledged);
}

void
model_compare(struct proc *p)
{
	if (p->gateway)
		compare_gateway(p, p->starting);
	else
		compare_bank(p);
}

/* ---- What cores say and do that only some schedules explain ---- */

/*
 * A REGISTER that was long under way, on a connection that the bank has given
 * up since, looks like an old copy of its journal; it is refused, no more.
 */
static bool
is_late_register(const struct action *a)
{
	const struct conn *c = &w.conns[w.registering];

	return strstr(a->text, "ends before") != NULL &&
	    bank_proc(c->bank)->links[c->gateway].conn != (int)w.registering;
}

void
model_crit(struct proc *p, const struct action *a)
{
	bool operators = strstr(a->text, "operator has") != NULL ||
	    strstr(a->text, "operator of") != NULL ||
	    strstr(a->text, "operator's") != NULL;

	if (strstr(a->text, "was at") != NULL)
		met(fenced_by_epoch);
	MUST(w.restores || (operators && w.decides) || is_late_register(a),
	    "%s is alarmed without a reason: %s", p->name, a->text);
}

void
model_closing(struct proc *p, const struct action *a)
{
	/* fence() has said why, and that was looked at. */
	MUST(w.restores || strcmp(a->text, "fenced") == 0 ||
		strncmp(a->text, "replaced", 8) == 0 ||
		strncmp(a->text, "no room", 7) == 0 ||
		strncmp(a->text, "REGISTER refused", 16) == 0,
	    "%s closes without a reason: %s", p->name, a->text);
}

/* ---- The end: healed, and at rest ---- */

static bool
linked(int gateway, int bank)
{
	return bank_proc(bank)->up && gateway_proc(gateway)->up &&
	    bank_proc(bank)->links[gateway].state == LINK_REGISTERED;
}

static bool
all_linked(int gateway)
{
	for (int b = 0; b < w.banks; b++)
		if (!linked(gateway, b))
			return false;
	return true;
}

static void
end_branch(const struct branch_model *b)
{
	const struct branch_model *o =
	    b->partner >= 0 ? &w.branches[b->partner] : NULL;

	if (b->state == BRANCH_COMMITTED && o != NULL && !b->decided_commit)
		MUST(o->state != BRANCH_ABORTED || o->decided_abort,
		    "a split decision in the end: payment %d", b->pay);
	MUST(b->state != BRANCH_PREPARED || !w.restores ||
		!bank_proc(b->bank)->up,
	    "a branch of payment %d cannot be decided at Bank%c", b->pay,
	    'A' + b->bank);
	if (!all_linked(b->gateway))
		return;
	MUST(b->state != BRANCH_PREPARED,
	    "a branch of payment %d is still prepared at Bank%c", b->pay,
	    'A' + b->bank);
	if (b->decision == DECISION_NONE && b->decided_commit)
		MUST(b->told_heuristic || w.restores,
		    "payment %d is aborted, and nobody here knows that an "
		    "operator of Bank%c committed it",
		    b->pay, 'A' + b->bank);
	if (b->decision == DECISION_DURABLE)
		MUST(b->state == BRANCH_COMMITTED,
		    "payment %d is committed, and not at Bank%c", b->pay,
		    'A' + b->bank);
	if (b->state == BRANCH_COMMITTED && b->decided_commit)
		MUST(b->settled || w.restores,
		    "an operator's commit of payment %d at Bank%c is never "
		    "settled",
		    b->pay, 'A' + b->bank);
	if (b->state == BRANCH_COMMITTED && o != NULL && !b->decided_commit)
		MUST(o->state == BRANCH_COMMITTED || o->decided_abort,
		    "payment %d is committed at Bank%c alone", b->pay,
		    'A' + b->bank);
}

static void
end_pay(int g, int pay)
{
	const struct pay_model *m = &w.gateway[g].pays[pay];

	MUST(m->fate != FATE_OPEN, "payment %d is undecided in the end", pay);
	if (m->fate == FATE_COMMIT && all_linked(g))
		MUST(m->ended, "payment %d is never ended", pay);
	if (m->fate == FATE_HELD)
		MUST(host_wall_us(gateway_proc(g)) - m->first_held_us <
			    2 * w.held_expiry_ns / 1000 ||
			w.may.clock,
		    "payment %d is held for longer than it may be", pay);
	if (m->fate == FATE_HELD && all_linked(g))
		MUST(m->reason != CODE_BANK_UNAVAILABLE,
		    "payment %d is held, and all banks are there", pay);
	MUST(!m->told_commit || m->tainted || m->fate == FATE_COMMIT,
	    "payment %d was acknowledged and is not committed", pay);
	MUST(!m->told_final || m->tainted || m->fate == FATE_FINAL,
	    "payment %d was refused for good and is not aborted", pay);
}

static int64_t
clearing(int bank, int other, int currency)
{
	struct bank_model *b = &w.bank[bank];
	char name[40], letters[4];
	int i;

	currency_text(currency_of(currency), letters);
	snprintf(
	    name, sizeof(name), ":clearing.Bank%c.%s", 'A' + other, letters);
	i = model_book(b, str_from(name));
	return i < 0 ? 0 : b->books[i].posted;
}

static void
end_clearing(void)
{
	for (int i = 0; i < w.branch_count; i++)
		if (w.branches[i].decided_commit)
			return;
	if (w.restores)
		return;
	for (int a = 0; a < w.banks; a++)
		for (int b = 0; b < a; b++)
			for (int c = 0; c < CURRENCIES; c++)
				MUST(clearing(a, b, c) + clearing(b, a, c) == 0,
				    "Bank%c and Bank%c do not clear", 'A' + a,
				    'A' + b);
}

void
model_end(void)
{
	for (int i = 0; i < PROCS_MAX; i++) {
		struct proc *p = &w.procs[i];

		if (p->number >= (p->gateway ? w.gateways : w.banks))
			continue;
		MUST(p->up || w.restores, "%s is down in the end", p->name);
		if (!p->up)
			continue;
		model_compare(p);
		replay_compare(p);
	}
	for (int g = 0; g < w.gateways; g++) {
		for (int b = 0; b < w.banks; b++)
			MUST(linked(g, b) || w.restores,
			    "Bank%c is not registered at gw%d", 'A' + b, g);
		for (int i = 0; i < w.pay_count; i++)
			end_pay(g, i);
	}
	for (int i = 0; i < w.branch_count; i++)
		end_branch(&w.branches[i]);
	end_clearing();
	for (uint32_t i = 0; i < w.ask_count; i++)
		MUST(w.asks[i].answered ||
			w.asks[i].verb != VERB_CLIENT_STATUS ||
			w.asks[i].variant != VARIANTS,
		    "the last STATUS of payment %d is not answered",
		    w.asks[i].pay);
}
