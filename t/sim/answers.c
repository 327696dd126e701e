/*
 * What must hold of a line at the moment when it leaves a process: what it
 * promises is durable and true, and does not contradict what was said before.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim.h"

/* ---- What a line says ---- */

static void
copy_word(char *into, size_t size, const struct msg *m, enum key key)
{
	if ((m->have & MSG_BIT(key)) != 0)
		CHECK(str_copy(into, size, m->v[key].str));
}

static int
ask_of(const char *tag)
{
	int n = 0;

	if (tag[0] != 'q')
		return -1;
	for (tag++; *tag >= '0' && *tag <= '9'; tag++)
		n = n * 10 + (*tag - '0');
	return n < (int)w.ask_count ? n : -1;
}

static void
describe(struct proc *p, struct sent *s, const struct msg *m)
{
	*s = (struct sent){.verb = m->verb, .word = m->word};
	s->pay = s->branch = s->ask = s->gateway = s->book = -1;
	if (msg_has(m, id))
		s->pay = model_pay(&m->v[KEY_id].id);
	s->has_seq = msg_has(m, seq);
	s->seq = s->has_seq ? m->v[KEY_seq].u64 : 0;
	if (msg_has(m, check))
		s->check = m->v[KEY_check].check;
	s->time_us = msg_has(m, time) ? m->v[KEY_time].i64 : 0;
	s->code = msg_has(m, code) ? (enum code)m->v[KEY_code].u64 : CODE_NONE;
	s->reason =
	    msg_has(m, reason) ? (enum code)m->v[KEY_reason].u64 : CODE_NONE;
	s->has_state = msg_has(m, state);
	copy_word(s->state, sizeof(s->state), m, KEY_state);
	copy_word(s->outcome, sizeof(s->outcome), m, KEY_outcome);
	if (verb_info(m->verb)->side == SIDE_CLIENT && p->gateway)
		s->ask = ask_of(m->tag);
	/* What waits for a flush was true when it was made. */
	s->durable = p->disk.durable;
	if (s->ask >= 0)
		s->fate = w.gateway[p->number].pays[w.asks[s->ask].pay].fate;
}

/* ---- Branches that are spoken of ---- */

static struct branch_model *
new_branch(struct proc *p, int pay, int bank, const struct branch *branch)
{
	struct branch_model *b = model_branch(pay, bank, branch);

	MUST(b == NULL || w.restores, "a branch is sent twice");
	if (b != NULL)
		return b;
	for (int i = 0; i < w.branch_count && !w.restores; i++)
		MUST(w.branches[i].gateway != p->number ||
			w.branches[i].epoch != branch->epoch ||
			w.branches[i].counter != branch->counter,
		    "a branch is given to two payments");
	MUST(w.branch_count < BRANCHES_MAX, "too many branches");
	b = &w.branches[w.branch_count++];
	memset(b, 0, sizeof(*b));
	b->gateway = p->number;
	b->bank = bank;
	b->pay = pay;
	b->partner = -1;
	b->epoch = branch->epoch;
	b->counter = branch->counter;
	return b;
}

static void
note_prepare(struct proc *p, struct sent *s, const struct msg *m, int bank)
{
	const struct branch *branch = &m->v[KEY_branch].branch;
	const struct pay_model *pay;

	MUST(s->pay >= 0, "PREPARE of an id that nobody paid");
	pay = &w.gateway[p->number].pays[s->pay];
	MUST(pay->fate == FATE_OPEN || pay->fate == FATE_HELD,
	    "PREPARE of a payment that is not under way");
	MUST(branch->epoch == w.gateway[p->number].epoch,
	    "PREPARE with an old epoch");
	s->branch = (int)(new_branch(p, s->pay, bank, branch) - w.branches);
}

static int
bank_of(const struct proc *p, struct peer peer)
{
	if (!p->gateway)
		return p->number;
	return peer.slot < CONNS_MAX ? w.conns[peer.slot].bank : -1;
}

static void
note_balance(struct proc *p, struct sent *s, const struct msg *m)
{
	struct bank_model *b = &w.bank[p->number];
	const struct book_model *book;

	s->book = model_book(b,
	    m->v[m->verb == VERB_TELLER_BALANCE ? KEY_name : KEY_account].str);
	MUST(s->book >= 0, "a balance of nobody");
	book = &b->books[s->book];
	MUST(m->v[KEY_posted].i64 == book->posted &&
		m->v[KEY_held].i64 == book->out,
	    "%s tells a wrong balance", p->name);
	s->seq = book->touched_seq;
}

uint32_t
answers_note(struct proc *p, struct peer peer, const struct msg *m)
{
	struct sent *s;
	int bank = bank_of(p, peer);

	if (w.sent_count == w.sent_size) {
		w.sent_size = w.sent_size == 0 ? 4096 : 2 * w.sent_size;
		w.sent = realloc(w.sent, w.sent_size * sizeof(*w.sent));
		CHECK(w.sent != NULL);
	}
	s = &w.sent[w.sent_count];
	describe(p, s, m);
	if (m->word == MSG_REQUEST && m->verb == VERB_DOWN_PREPARE) {
		note_prepare(p, s, m, bank);
	} else if (msg_has(m, branch) && bank >= 0) {
		struct branch_model *b =
		    model_branch(s->pay, bank, &m->v[KEY_branch].branch);

		s->branch = b == NULL ? -1 : (int)(b - w.branches);
	}
	if (peer.slot < CONNS_MAX) {
		s->gateway = w.conns[peer.slot].gateway;
		s->bank = bank;
	}
	if (msg_has(m, gateway_seq))
		s->heard = m->v[KEY_gateway_seq].u64;
	if (!p->gateway && m->word == MSG_OK &&
	    (m->verb == VERB_DOWN_BALANCE || m->verb == VERB_TELLER_BALANCE))
		note_balance(p, s, m);
	return w.sent_count++;
}

/* ---- Between gateway and bank ---- */

static void
leave_commit(const struct proc *p, const struct sent *s)
{
	struct branch_model *b;

	MUST(s->branch >= 0, "COMMIT of a branch that was never sent");
	b = &w.branches[s->branch];
	MUST(b->decision == DECISION_DURABLE,
	    "%s tells of a COMMIT that is not durable", p->name);
	MUST(b->decision_seq == s->seq &&
		memcmp(b->decision_check.octets, s->check.octets, 16) == 0,
	    "%s tells of a COMMIT with another record", p->name);
	if (s->verb != VERB_DOWN_COMMIT)
		return;
	if (b->sent)
		met(commits_again);
	b->sent = true;
}

static void
leave_abort(const struct proc *p, const struct sent *s)
{
	struct branch_model *b;

	if (s->branch < 0)
		return;
	b = &w.branches[s->branch];
	MUST(b->decision == DECISION_NONE || b->decision == DECISION_LOST,
	    "%s aborts a branch that it committed", p->name);
	if (s->verb == VERB_DOWN_ABORT && b->state == BRANCH_PREPARED &&
	    w.gateway[p->number].pays[b->pay].fate != FATE_OPEN)
		met(late_votes);
}

static void
leave_resolve(const struct proc *p, const struct sent *s)
{
	const struct branch_model *b;

	if (strcmp(s->outcome, "commit") == 0) {
		met(resolved_commit);
		leave_commit(p, s);
	} else if (strcmp(s->outcome, "abort") == 0) {
		met(resolved_abort);
		leave_abort(p, s);
	} else {
		met(resolved_wait);
		b = s->branch < 0 ? NULL : &w.branches[s->branch];
		if (b != NULL && b->epoch < w.gateway[p->number].epoch)
			met(resolved_wait_lost);
	}
}

static void
leave_registered(const struct proc *p, const struct sent *s)
{
	uint64_t seq = w.gateway[p->number].bound_seq[s->bank];

	MUST(seq > 0 && seq <= p->disk.durable,
	    "%s registers Bank%c before it is bound", p->name, 'A' + s->bank);
}

static void
leave_vote(const struct proc *p, const struct sent *s)
{
	const struct branch_model *b;

	MUST(s->branch >= 0, "a vote for a branch that was never sent");
	b = &w.branches[s->branch];
	MUST(b->prepared_seq == s->seq && s->seq <= p->disk.durable &&
		memcmp(b->prepared_check.octets, s->check.octets, 16) == 0,
	    "%s votes before its hold is durable", p->name);
}

static void
leave_ack(const struct proc *p, const struct sent *s)
{
	const struct branch_model *b;

	MUST(s->branch >= 0, "COMMIT of a branch that was never sent");
	b = &w.branches[s->branch];
	MUST(b->state == BRANCH_COMMITTED && b->ended_seq == s->seq &&
		s->seq <= p->disk.durable &&
		memcmp(b->ended_check.octets, s->check.octets, 16) == 0,
	    "%s acknowledges a COMMIT before it is durable", p->name);
}

static void
leave_register(const struct proc *p, const struct sent *s)
{
	const struct bank_model *b = &w.bank[p->number];

	MUST(p->links[s->gateway].epoch >= b->heard_epoch[s->gateway],
	    "%s registers with an old copy of gw%d", p->name, s->gateway);
	MUST(s->heard == b->heard_seq[s->gateway],
	    "%s shows another record of gw%d than it was told of", p->name,
	    s->gateway);
	MUST(s->seq <= p->disk.durable,
	    "%s registers with records that are not durable", p->name);
}

/* An operator is told that a branch has ended. */
static void
leave_decided(const struct proc *p, const struct sent *s)
{
	bool ended = false;

	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];

		if (b->bank == p->number && b->pay == s->pay &&
		    (b->decided_commit || b->decided_abort) &&
		    b->state != BRANCH_PREPARED &&
		    b->ended_seq <= p->disk.durable)
			ended = true;
	}
	MUST(ended, "%s answers an operator too early", p->name);
}

/* Has its gateway decided to commit it? What was lost may have been that. */
static bool
is_decided(const struct branch_model *b)
{
	return b->decision == DECISION_DURABLE ||
	    b->decision == DECISION_LOST || w.restores;
}

/* Another gateway is told that the id is committed. */
static void
leave_exists(const struct proc *p, const struct sent *s)
{
	bool committed = false;

	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];

		/* What an operator did is no word for another gateway. */
		if (b->gateway != s->gateway && !is_decided(b))
			continue;
		if (b->bank == p->number && b->pay == s->pay &&
		    b->state == BRANCH_COMMITTED &&
		    b->ended_seq <= p->disk.durable)
			committed = true;
	}
	MUST(committed, "%s tells of a commit that is not durable", p->name);
}

static void
leave_bank(const struct proc *p, const struct sent *s)
{
	if (s->word == MSG_ERR && s->code == CODE_HEURISTIC)
		leave_decided(p, s);
	if (s->word == MSG_ERR && s->verb == VERB_DOWN_PREPARE &&
	    s->code == CODE_ALREADY_EXISTS)
		leave_exists(p, s);
	if (s->word == MSG_ERR &&
	    (s->verb == VERB_DOWN_COMMIT || s->verb == VERB_DOWN_ABORT)) {
		MUST(w.restores || (s->code == CODE_HEURISTIC && w.decides) ||
			s->code == CODE_BAD_REQUEST,
		    "%s answers %s with %s", p->name, verb_info(s->verb)->word,
		    code_text(s->code));
		return;
	}
	if (s->word == MSG_ERR || s->word == MSG_ROW)
		return;
	switch ((int)s->verb) {
	case VERB_DOWN_PREPARE:
		leave_vote(p, s);
		break;
	case VERB_DOWN_COMMIT:
		leave_ack(p, s);
		break;
	case VERB_DOWN_ABORT:
		MUST(s->branch < 0 ||
			w.branches[s->branch].state != BRANCH_COMMITTED,
		    "%s says that it aborted what it has committed", p->name);
		break;
	case VERB_UP_REGISTER:
		leave_register(p, s);
		break;
	case VERB_UP_RESOLVE:
		MUST(s->branch >= 0 &&
			w.branches[s->branch].prepared_seq <= p->disk.durable,
		    "%s asks for a branch that is not durable", p->name);
		MUST(s->outcome[0] == '\0' ||
			w.branches[s->branch].ended_seq <= p->disk.durable,
		    "%s tells of a decision that is not durable", p->name);
		break;
	case VERB_DOWN_BALANCE:
	case VERB_TELLER_BALANCE:
		MUST(s->seq <= p->disk.durable,
		    "%s shows a balance that is not durable", p->name);
		break;
	case VERB_TELLER_DEPOSIT:
	case VERB_TELLER_WITHDRAW:
		MUST(s->seq <= p->disk.durable, "%s answers a teller too early",
		    p->name);
		break;
	case VERB_TELLER_DECIDE:
	case VERB_TELLER_POST_LATE:
		leave_decided(p, s);
		break;
	default:
		break;
	}
}

/* ---- To clients ---- */

static bool
is_mine(const struct pay_model *m, const struct ask *a)
{
	return m->user < 0 || m->user == a->user;
}

static void
said_committed(const struct proc *p, const struct sent *s, struct ask *a)
{
	struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	MUST(m->fate == FATE_COMMIT && m->seq <= p->disk.durable,
	    "payment %d: a client is told of a commit that is not durable",
	    a->pay);
	MUST(m->seq == s->seq && m->time_us == s->time_us,
	    "payment %d: a commit is told with another seq or time", a->pay);
	MUST(is_mine(m, a), "payment %d is told to somebody else", a->pay);
	MUST(a->verb != VERB_CLIENT_PAY || m->variant == a->variant,
	    "payment %d: another payload passes for it", a->pay);
	MUST(!m->told_final || m->tainted,
	    "payment %d was refused, and now it is committed", a->pay);
	MUST(!m->told_commit || m->tainted || m->told_seq == s->seq,
	    "payment %d is committed twice", a->pay);
	m->told_commit = true;
	m->told_seq = s->seq;
}

static void
said_final(const struct proc *p, enum code reason, struct ask *a)
{
	struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	MUST(m->fate == FATE_FINAL && m->seq <= p->disk.durable,
	    "payment %d: a client is told of a refusal that is not durable",
	    a->pay);
	MUST(m->reason == reason, "payment %d: the refusal is another one",
	    a->pay);
	MUST(is_mine(m, a), "payment %d is told to somebody else", a->pay);
	MUST(a->verb != VERB_CLIENT_PAY || m->variant == a->variant ||
		reason == CODE_CANCELLED,
	    "payment %d: another payload passes for it", a->pay);
	MUST(!m->told_commit || m->tainted,
	    "payment %d was committed, and now it is refused", a->pay);
	m->told_final = true;
	m->told_reason = reason;
}

/* Committed by another gateway: is it true? */
static void
said_elsewhere(const struct ask *a)
{
	bool found = false;

	for (int i = 0; i < w.branch_count; i++)
		if (w.branches[i].pay == a->pay &&
		    (w.restores ||
			(w.branches[i].state == BRANCH_COMMITTED &&
			    is_decided(&w.branches[i]))))
			found = true;
	MUST(found, "payment %d is said to be committed, and no gateway did",
	    a->pay);
	met(answers_elsewhere);
}

/* A bank has told this gateway so, and it keeps to that. */
static bool
is_elsewhere(const struct proc *p, const struct ask *a)
{
	const struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	return m->fate == FATE_PASSING && m->reason == CODE_ALREADY_EXISTS;
}

static void
said_exists(const struct proc *p, const struct sent *s, struct ask *a)
{
	if (strcmp(s->state, "committed") != 0) {
		met(answers_exists_aborted);
		said_final(p, s->reason, a);
	} else if (s->has_seq && !is_elsewhere(p, a)) {
		met(answers_exists_committed);
		said_committed(p, s, a);
	} else {
		said_elsewhere(a);
	}
}

static void
said_reused(const struct proc *p, const struct ask *a)
{
	const struct pay *pay = &w.pays[a->pay];
	const struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	MUST((pay->variants & ~(1u << a->variant)) != 0 ||
		(pay->users & ~(1u << a->user)) != 0 || pay->entry,
	    "payment %d is refused as another one's, and is not", a->pay);
	MUST(m->user != a->user || m->variant != a->variant ||
		(pay->variants & ~(1u << a->variant)) != 0 || pay->entry,
	    "payment %d: its owner is refused", a->pay);
	met(answers_reused);
}

static void
count_refusal(enum code code)
{
	switch ((int)code) {
	case CODE_READ_ONLY:
		met(answers_read_only);
		break;
	case CODE_OVERLOADED:
		met(answers_overloaded);
		break;
	case CODE_DRAINING:
		met(answers_draining);
		break;
	case CODE_IN_PROGRESS:
		met(answers_in_progress);
		break;
	case CODE_BANK_TIMEOUT:
		met(answers_timeout);
		break;
	default:
		break;
	}
}

/* Is it true that this payment is under way? */
static void
said_under_way(const struct sent *s, const struct pay_model *m, int pay)
{
	MUST(
	    s->fate == FATE_OPEN || s->fate == FATE_HELD || m->seq > s->durable,
	    "payment %d is said to be %s, and is not", pay, s->state);
}

static void
leave_pay(const struct proc *p, const struct sent *s, struct ask *a)
{
	const struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	if (s->word == MSG_OK && strcmp(s->state, "held") == 0) {
		met(answers_held);
		MUST(m->was_held && s->seq <= p->disk.durable &&
			m->held_seq >= s->seq,
		    "payment %d is told to be held before that is durable",
		    a->pay);
		return;
	}
	if (s->word == MSG_OK) {
		met(answers_committed);
		said_committed(p, s, a);
		return;
	}
	count_refusal(s->code);
	if (s->code == CODE_ALREADY_EXISTS) {
		said_exists(p, s, a);
	} else if (s->code == CODE_ID_REUSED) {
		said_reused(p, a);
	} else if (s->code == CODE_IN_PROGRESS && s->has_state &&
	    strcmp(s->state, "aborted") != 0) {
		said_under_way(s, m, a->pay);
	} else if (code_ends(s->code)) {
		if (s->code == CODE_HEURISTIC)
			met(answers_heuristic);
		met(answers_declined);
		said_final(p, s->code, a);
	} else if (strcmp(s->state, "aborted") == 0) {
		met(answers_passing);
		MUST(s->fate != FATE_COMMIT && s->fate != FATE_FINAL,
		    "payment %d is told to be aborted for now, and has ended",
		    a->pay);
	}
}

static void
leave_cancel(const struct proc *p, const struct sent *s, struct ask *a)
{
	const struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	if (s->word == MSG_OK) {
		met(answers_cancelled);
		if (m->tombstone)
			met(answers_tombstone);
		said_final(p, CODE_CANCELLED, a);
	} else if (s->code == CODE_ALREADY_EXISTS) {
		said_exists(p, s, a);
	}
}

static void
leave_status(const struct proc *p, const struct sent *s, struct ask *a)
{
	const struct pay_model *m = &w.gateway[p->number].pays[a->pay];

	if (s->word != MSG_OK) {
		MUST(s->code != CODE_NOT_FOUND || !is_mine(m, a) ||
			s->fate == FATE_NONE,
		    "payment %d is not found", a->pay);
		return;
	}
	MUST(is_mine(m, a), "payment %d is told to somebody else", a->pay);
	if (strcmp(s->state, "committed") == 0 && is_elsewhere(p, a))
		said_elsewhere(a);
	else if (strcmp(s->state, "committed") == 0)
		said_committed(
		    p, &(struct sent){.seq = s->seq, .time_us = m->time_us}, a);
	else if (strcmp(s->state, "aborted") == 0 && code_ends(s->reason))
		said_final(p, s->reason, a);
	else if (strcmp(s->state, "aborted") == 0)
		MUST(s->fate != FATE_COMMIT && s->fate != FATE_FINAL,
		    "payment %d is shown as aborted for now, and has ended",
		    a->pay);
	else
		said_under_way(s, m, a->pay);
}

void
answers_leave(struct proc *p, uint32_t index)
{
	const struct sent *s = &w.sent[index];
	struct ask *a;

	if (!p->gateway) {
		leave_bank(p, s);
		return;
	}
	if (s->word == MSG_REQUEST && s->verb == VERB_DOWN_COMMIT)
		leave_commit(p, s);
	else if (s->word == MSG_REQUEST && s->verb == VERB_DOWN_ABORT)
		leave_abort(p, s);
	else if (s->word == MSG_OK && s->verb == VERB_UP_RESOLVE)
		leave_resolve(p, s);
	else if (s->word == MSG_OK && s->verb == VERB_UP_REGISTER)
		leave_registered(p, s);
	else if (s->verb == VERB_UP_HELLO && s->word == MSG_OK)
		MUST(p->disk.count > 0 && p->epoch > 0 &&
			p->epoch == w.gateway[p->number].epoch,
		    "%s says HELLO before its epoch is durable", p->name);
	if (s->ask < 0 || s->word == MSG_ROW)
		return;
	a = &w.asks[s->ask];
	if (a->verb == VERB_CLIENT_PAY)
		leave_pay(p, s, a);
	else if (a->verb == VERB_CLIENT_CANCEL)
		leave_cancel(p, s, a);
	else if (a->verb == VERB_CLIENT_STATUS)
		leave_status(p, s, a);
	else if (s->word == MSG_OK)
		met(relayed);
}
