/* explain: what each kind of record says of a payment, in a sentence. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "explain.h"
#include "words.h"

void
explain_say(struct story *s, const char *format, ...)
{
	size_t room = sizeof(s->text) - s->len;
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(s->text + s->len, room, format, ap);
	va_end(ap);
	if (len > 0)
		s->len += (size_t)len < room ? (size_t)len : room - 1;
}

struct str
explain_said(const struct story *s)
{
	return (struct str){s->text, (uint32_t)s->len};
}

static void
say_amount(struct story *s, const struct msg *m)
{
	explain_say(s, "%s",
	    money_words(m->v[KEY_amount].i64, (uint32_t)m->v[KEY_currency].u64)
		.text);
}

static void
say_memo(struct story *s, const struct msg *m)
{
	if (msg_has(m, memo) && m->v[KEY_memo].str.len > 0)
		explain_say(s, ", memo \"%.*s\"", STR_ARG(m->v[KEY_memo].str));
}

/* ---- A gateway's records ---- */

static void
received(struct story *s, struct teller *t, const struct msg *m)
{
	struct account from = m->v[KEY_from].account;
	struct account to = m->v[KEY_to].account;

	say_amount(s, m);
	explain_say(s, " from %.*s@%.*s to %.*s@%.*s", STR_ARG(from.name),
	    STR_ARG(from.bank), STR_ARG(to.name), STR_ARG(to.bank));
	(void)str_copy(t->payment, sizeof(t->payment), explain_said(s));
	say_memo(s, m);
	explain_say(s, ", asked for by %.*s%s", STR_ARG(m->v[KEY_user].str),
	    m->v[KEY_hold].u64 != 0 ? "" : ", not to be held");
	if (m->v[KEY_attempts].u64 > 1)
		explain_say(s, ", attempt %" PRIu64, m->v[KEY_attempts].u64);
	t->stand = STAND_OPEN;
}

static void
held(struct story *s, struct teller *t, const struct msg *m)
{
	enum code reason = (enum code)m->v[KEY_reason].u64;

	if (reason == CODE_BANK_UNAVAILABLE && msg_has(m, bank))
		explain_say(s, "held until %.*s is back (%s)",
		    STR_ARG(m->v[KEY_bank].str), code_text(reason));
	else
		explain_say(
		    s, "held, to be tried again (%s)", code_text(reason));
	(void)str_copy(t->why, sizeof(t->why), explain_said(s));
	if (m->v[KEY_attempts].u64 > 1)
		explain_say(
		    s, ", after attempt %" PRIu64, m->v[KEY_attempts].u64);
	t->stand = STAND_HELD;
}

static void
say_proofs(struct story *s, struct str list)
{
	const char *between = " (";
	struct str bank, text;
	struct check check;
	uint64_t seq;

	while (list_next(&list, &bank, &text)) {
		if (!proof_read(text, &seq, &check))
			continue;
		explain_say(
		    s, "%s%.*s's record %" PRIu64, between, STR_ARG(bank), seq);
		between = ", ";
	}
	if (between[0] == ',')
		explain_say(s, ")");
}

static void
commit(struct story *s, struct teller *t, const struct msg *m)
{
	struct str list = m->v[KEY_branches].str, bank, branch;

	for (int i = 0; i < 2 && list_next(&list, &bank, &branch); i++)
		(void)str_copy(t->banks[i], sizeof(t->banks[i]), bank);
	explain_say(s, "decided: it is committed, for all voted yes");
	say_proofs(s, m->v[KEY_proofs].str);
	t->stand = STAND_COMMITTED;
}

static void
aborted(struct story *s, struct teller *t, const struct msg *m)
{
	bool is_final = m->v[KEY_final].u64 != 0;

	explain_say(s, "%s", code_text((enum code)m->v[KEY_reason].u64));
	if (m->v[KEY_reason].u64 == CODE_HEURISTIC)
		explain_say(
		    s, ", for an operator had committed an earlier attempt");
	if (msg_has(m, bank))
		explain_say(s, " at %.*s", STR_ARG(m->v[KEY_bank].str));
	if (t->stand == STAND_NOTHING && msg_has(m, user))
		explain_say(s, ", by %.*s, before it was received",
		    STR_ARG(m->v[KEY_user].str));
	(void)str_copy(t->why, sizeof(t->why), explain_said(s));
	s->len = 0;
	explain_say(s, "aborted%s: %s",
	    is_final ? " for good" : ", and may be tried again", t->why);
	(void)str_copy(t->why, sizeof(t->why), explain_said(s));
	t->stand = STAND_ABORTED;
}

static void
ended(struct story *s, struct teller *t, const struct msg *m)
{
	explain_say(s, "done: the banks have acknowledged it");
	say_proofs(s, m->v[KEY_proofs].str);
	t->ended = true;
}

static bool
of_gateway(struct story *s, struct teller *t, const struct msg *m)
{
	switch ((unsigned)m->verb) {
	case VERB_GATEWAY_JOURNAL_RECEIVED:
		received(s, t, m);
		return true;
	case VERB_GATEWAY_JOURNAL_HELD:
		held(s, t, m);
		return true;
	case VERB_GATEWAY_JOURNAL_COMMIT:
		commit(s, t, m);
		return true;
	case VERB_GATEWAY_JOURNAL_ABORT:
		aborted(s, t, m);
		return true;
	case VERB_GATEWAY_JOURNAL_END:
		ended(s, t, m);
		return true;
	case VERB_GATEWAY_JOURNAL_HEURISTIC:
		explain_say(s, "%.*s has done otherwise: it is %.*s there",
		    STR_ARG(m->v[KEY_bank].str),
		    STR_ARG(m->v[KEY_outcome].str));
		return true;
	}
	return false;
}

/* A restart ends what was undecided, by BOOT alone. */
static bool
booted(struct story *s, struct teller *t, const struct msg *m)
{
	if (m->verb != VERB_GATEWAY_JOURNAL_BOOT || t->stand != STAND_OPEN)
		return false;
	explain_say(
	    s, "aborted, and may be tried again: the gateway was started anew");
	(void)str_copy(t->why, sizeof(t->why), explain_said(s));
	explain_say(s, ", in epoch %" PRIu64, m->v[KEY_epoch].u64);
	t->stand = STAND_ABORTED;
	return true;
}

/* ---- A bank's records ---- */

static void
say_branch(struct story *s, const struct msg *m)
{
	char text[BRANCH_TEXT_MAX + 1];

	(void)branch_text(&m->v[KEY_branch].branch, text);
	explain_say(s, "branch %s", text);
}

static void
prepared(struct story *s, struct teller *t, const struct msg *m)
{
	explain_say(s, "votes yes: it holds ");
	say_amount(s, m);
	explain_say(s, " from %.*s to %.*s, ", STR_ARG(m->v[KEY_from].str),
	    STR_ARG(m->v[KEY_to].str));
	say_branch(s, m);
	t->stand = STAND_PREPARED;
	t->by_operator = false;
}

static void
say_movement(struct story *s, const struct msg *m)
{
	uint32_t currency = (uint32_t)m->v[KEY_currency].u64;

	say_amount(s, m);
	explain_say(s, " moves from %.*s (now %s) to %.*s (now %s)",
	    STR_ARG(m->v[KEY_from].str),
	    money_words(m->v[KEY_from_balance].i64, currency).text,
	    STR_ARG(m->v[KEY_to].str),
	    money_words(m->v[KEY_to_balance].i64, currency).text);
}

static void
committed(struct story *s, struct teller *t, const struct msg *m)
{
	say_movement(s, m);
	if (msg_has(m, gateway_seq))
		explain_say(s, ", as %.*s's record %" PRIu64 " decided",
		    STR_ARG(m->v[KEY_branch].branch.node),
		    m->v[KEY_gateway_seq].u64);
	else
		explain_say(s, ", as an operator decided");
	t->stand = STAND_COMMITTED;
	t->by_operator = !msg_has(m, gateway_seq);
}

static void
entry(struct story *s, struct teller *t, const struct msg *m)
{
	explain_say(s, "%.*s by %.*s: ", STR_ARG(m->v[KEY_kind].str),
	    STR_ARG(m->v[KEY_who].str));
	say_movement(s, m);
	say_memo(s, m);
	(void)str_copy(t->why, sizeof(t->why), m->v[KEY_kind].str);
	t->stand = STAND_ENTRY;
}

static void
settled(struct story *s, struct teller *t, const struct msg *m)
{
	struct str node = m->v[KEY_branch].branch.node;

	if (msg_has(m, gateway_seq)) {
		explain_say(s, "%.*s's record %" PRIu64 " decided the same",
		    STR_ARG(node), m->v[KEY_gateway_seq].u64);
		t->by_operator = false;
	} else {
		explain_say(s,
		    "%.*s had aborted it, and has on record what the operator "
		    "did",
		    STR_ARG(node));
	}
}

static bool
of_bank(struct story *s, struct teller *t, const struct msg *m)
{
	switch ((unsigned)m->verb) {
	case VERB_BANK_JOURNAL_ENTRY:
		entry(s, t, m);
		return true;
	case VERB_BANK_JOURNAL_PREPARED:
		prepared(s, t, m);
		return true;
	case VERB_BANK_JOURNAL_COMMITTED:
		committed(s, t, m);
		return true;
	case VERB_BANK_JOURNAL_ABORTED:
		explain_say(s, "the hold is gone, nothing moved, ");
		say_branch(s, m);
		t->stand = STAND_ABORTED;
		return true;
	case VERB_BANK_JOURNAL_DECIDED:
		explain_say(s, "an operator, %.*s, decided to %.*s: %.*s",
		    STR_ARG(m->v[KEY_who].str), STR_ARG(m->v[KEY_outcome].str),
		    STR_ARG(m->v[KEY_why].str));
		t->by_operator = true;
		return true;
	case VERB_BANK_JOURNAL_SETTLED:
		settled(s, t, m);
		return true;
	}
	return false;
}

bool
explain_record(struct story *s, struct teller *t, const struct msg *m)
{
	s->len = 0;
	s->text[0] = '\0';
	if (!msg_has(m, id) || !id_eq(&m->v[KEY_id].id, &s->id))
		return booted(s, t, m);
	return t->is_gateway ? of_gateway(s, t, m) : of_bank(s, t, m);
}
