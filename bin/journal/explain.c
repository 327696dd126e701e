/*
 * explain: all that the journals say of one payment, in the order of time, and
 * where it stands.
 */
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exitcode.h"
#include "client/output.h"
#include "journal.h"
#include "wire/time.h"
#include "words.h"

enum stand {
	STAND_NOTHING,
	STAND_ENTRY, /* the bank's own: a deposit or the like */
	STAND_ABORTED,
	STAND_PREPARED,
	STAND_OPEN,
	STAND_HELD,
	STAND_COMMITTED,
};

/* What one journal says of it in the end. */
struct teller {
	bool is_gateway;
	char name[NODE_MAX_LEN + 1];
	enum stand stand;
	bool by_operator; /* a bank's stand */
	char why[192];    /* of an abort, a hold; an ENTRY's text */
	char banks[2][BANK_MAX_LEN + 1]; /* gateway: of COMMIT */
	bool ended;
	char payment[400]; /* gateway: who pays whom */
};

struct happening {
	int64_t time_us;
	uint32_t teller, number; /* number: in the order of reading */
	uint64_t seq;
	const char *kind;
	char *text; /* owned */
};

struct story {
	struct id id;
	struct happening *events;
	uint32_t count, room;
	struct teller *tellers;
	uint32_t teller_count;
	char text[2048]; /* of the event at hand */
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void
say(struct story *s, const char *format, ...)
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

static struct str
said(const struct story *s)
{
	return (struct str){s->text, (uint32_t)s->len};
}

static void
say_amount(struct story *s, const struct msg *m)
{
	say(s, "%s",
	    money_words(m->v[KEY_amount].i64, (uint32_t)m->v[KEY_currency].u64)
		.text);
}

static void
say_memo(struct story *s, const struct msg *m)
{
	if (msg_has(m, memo) && m->v[KEY_memo].str.len > 0)
		say(s, ", memo \"%.*s\"", STR_ARG(m->v[KEY_memo].str));
}

/* ---- A gateway's records ---- */

static void
received(struct story *s, struct teller *t, const struct msg *m)
{
	struct account from = m->v[KEY_from].account;
	struct account to = m->v[KEY_to].account;

	say_amount(s, m);
	say(s, " from %.*s@%.*s to %.*s@%.*s", STR_ARG(from.name),
	    STR_ARG(from.bank), STR_ARG(to.name), STR_ARG(to.bank));
	(void)str_copy(t->payment, sizeof(t->payment), said(s));
	say_memo(s, m);
	say(s, ", asked for by %.*s%s", STR_ARG(m->v[KEY_user].str),
	    m->v[KEY_hold].u64 != 0 ? "" : ", not to be held");
	if (m->v[KEY_attempts].u64 > 1)
		say(s, ", attempt %" PRIu64, m->v[KEY_attempts].u64);
	t->stand = STAND_OPEN;
}

static void
held(struct story *s, struct teller *t, const struct msg *m)
{
	enum code reason = (enum code)m->v[KEY_reason].u64;

	if (reason == CODE_BANK_UNAVAILABLE && msg_has(m, bank))
		say(s, "held until %.*s is back (%s)",
		    STR_ARG(m->v[KEY_bank].str), code_text(reason));
	else
		say(s, "held, to be tried again (%s)", code_text(reason));
	(void)str_copy(t->why, sizeof(t->why), said(s));
	if (m->v[KEY_attempts].u64 > 1)
		say(s, ", after attempt %" PRIu64, m->v[KEY_attempts].u64);
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
		say(s, "%s%.*s's record %" PRIu64, between, STR_ARG(bank), seq);
		between = ", ";
	}
	if (between[0] == ',')
		say(s, ")");
}

static void
commit(struct story *s, struct teller *t, const struct msg *m)
{
	struct str list = m->v[KEY_branches].str, bank, branch;

	for (int i = 0; i < 2 && list_next(&list, &bank, &branch); i++)
		(void)str_copy(t->banks[i], sizeof(t->banks[i]), bank);
	say(s, "decided: it is committed, for all voted yes");
	say_proofs(s, m->v[KEY_proofs].str);
	t->stand = STAND_COMMITTED;
}

static void
aborted(struct story *s, struct teller *t, const struct msg *m)
{
	bool is_final = m->v[KEY_final].u64 != 0;

	say(s, "%s", code_text((enum code)m->v[KEY_reason].u64));
	if (msg_has(m, bank))
		say(s, " at %.*s", STR_ARG(m->v[KEY_bank].str));
	if (t->stand == STAND_NOTHING && msg_has(m, user))
		say(s, ", by %.*s, before it was received",
		    STR_ARG(m->v[KEY_user].str));
	(void)str_copy(t->why, sizeof(t->why), said(s));
	s->len = 0;
	say(s, "aborted%s: %s",
	    is_final ? " for good" : ", and may be tried again", t->why);
	(void)str_copy(t->why, sizeof(t->why), said(s));
	t->stand = STAND_ABORTED;
}

static void
ended(struct story *s, struct teller *t, const struct msg *m)
{
	say(s, "done: the banks have acknowledged it");
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
		say(s,
		    "an operator of %.*s decided otherwise: it was %.*s there",
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
	say(s, "aborted, and may be tried again: the gateway was started anew");
	(void)str_copy(t->why, sizeof(t->why), said(s));
	say(s, ", in epoch %" PRIu64, m->v[KEY_epoch].u64);
	t->stand = STAND_ABORTED;
	return true;
}

/* ---- A bank's records ---- */

static void
say_branch(struct story *s, const struct msg *m)
{
	char text[BRANCH_TEXT_MAX + 1];

	(void)branch_text(&m->v[KEY_branch].branch, text);
	say(s, "branch %s", text);
}

static void
prepared(struct story *s, struct teller *t, const struct msg *m)
{
	say(s, "votes yes: it holds ");
	say_amount(s, m);
	say(s, " from %.*s to %.*s, ", STR_ARG(m->v[KEY_from].str),
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
	say(s, " moves from %.*s (now %s) to %.*s (now %s)",
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
		say(s, ", as %.*s's record %" PRIu64 " decided",
		    STR_ARG(m->v[KEY_branch].branch.node),
		    m->v[KEY_gateway_seq].u64);
	else
		say(s, ", as an operator decided");
	t->stand = STAND_COMMITTED;
	t->by_operator = !msg_has(m, gateway_seq);
}

static void
entry(struct story *s, struct teller *t, const struct msg *m)
{
	say(s, "%.*s by %.*s: ", STR_ARG(m->v[KEY_kind].str),
	    STR_ARG(m->v[KEY_who].str));
	say_movement(s, m);
	say_memo(s, m);
	(void)str_copy(t->why, sizeof(t->why), m->v[KEY_kind].str);
	t->stand = STAND_ENTRY;
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
		say(s, "the hold is gone, nothing moved, ");
		say_branch(s, m);
		t->stand = STAND_ABORTED;
		return true;
	case VERB_BANK_JOURNAL_DECIDED:
		say(s, "an operator, %.*s, decided to %.*s: %.*s",
		    STR_ARG(m->v[KEY_who].str), STR_ARG(m->v[KEY_outcome].str),
		    STR_ARG(m->v[KEY_why].str));
		t->by_operator = true;
		return true;
	}
	return false;
}

/* ---- Reading ---- */

static void
look(void *ctx, const struct record *record, struct str text)
{
	struct story *s = ctx;
	struct teller *t = &s->tellers[s->teller_count];
	const struct msg *m = record->msg;
	bool mine = msg_has(m, id) && id_eq(&m->v[KEY_id].id, &s->id), told;
	struct happening *e;

	(void)text;
	if (record->pos.seq == 1) {
		t->is_gateway =
		    verb_info(m->verb)->side == SIDE_GATEWAY_JOURNAL;
		(void)str_copy(t->name, sizeof(t->name), m->v[KEY_name].str);
	}
	s->len = 0;
	s->text[0] = '\0';
	if (mine)
		told = t->is_gateway ? of_gateway(s, t, m) : of_bank(s, t, m);
	else
		told = booted(s, t, m);
	if (!told)
		return;
	e = array_add((void **)&s->events, &s->count, &s->room, sizeof(*e));
	*e = (struct happening){m->v[KEY_time].i64, s->teller_count,
	    s->count - 1, record->pos.seq, verb_info(m->verb)->word,
	    text_keep(said(s))};
}

/* Times never go back within a journal, so its own order stays. */
static int
by_time(const void *left, const void *right)
{
	const struct happening *a = left, *b = right;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* ---- Where it stands ---- */

/* The gateway, or else the bank, that says most. */
static const struct teller *
best(const struct story *s, bool gateway)
{
	const struct teller *found = NULL;

	for (uint32_t i = 0; i < s->teller_count; i++)
		if (s->tellers[i].is_gateway == gateway &&
		    s->tellers[i].stand != STAND_NOTHING &&
		    (found == NULL || s->tellers[i].stand > found->stand))
			found = &s->tellers[i];
	return found;
}

static const struct teller *
bank_of(const struct story *s, const char *name)
{
	const struct teller *found = NULL;

	for (uint32_t i = 0; i < s->teller_count; i++)
		if (!s->tellers[i].is_gateway &&
		    strcmp(s->tellers[i].name, name) == 0 &&
		    (found == NULL || s->tellers[i].stand > found->stand))
			found = &s->tellers[i];
	return found;
}

static void
say_where_posted(struct story *s, const struct teller *g)
{
	for (int i = 0; i < 2 && g->banks[i][0] != '\0'; i++) {
		const struct teller *bank = bank_of(s, g->banks[i]);

		say(s, "%s", i == 0 ? "; " : ", ");
		if (bank != NULL && bank->stand == STAND_COMMITTED)
			say(s, "posted at %s%s", g->banks[i],
			    bank->by_operator ? " by an operator" : "");
		else if (bank != NULL && bank->stand == STAND_ABORTED)
			say(s, "aborted at %s%s", g->banks[i],
			    bank->by_operator ? " by an operator: see "
						"strife-teller post-late"
					      : "");
		else if (bank != NULL)
			say(s, "not posted at %s yet", g->banks[i]);
		else
			say(s, "%s at %s (its journal was not given)",
			    g->ended ? "acknowledged" : "not acknowledged",
			    g->banks[i]);
	}
}

/* What banks did with a payment that no gateway here has committed. */
static void
say_banks(struct story *s, const char *lead)
{
	for (uint32_t i = 0; i < s->teller_count; i++) {
		const struct teller *t = &s->tellers[i];

		if (t->is_gateway ||
		    (t->stand != STAND_PREPARED && t->stand != STAND_COMMITTED))
			continue;
		say(s, "%s%s at %s%s", lead,
		    t->stand == STAND_COMMITTED ? "posted" : "still prepared",
		    t->name, t->by_operator ? " by an operator" : "");
		lead = ", ";
	}
}

/* The state in one word; the sentence is in s->text. */
static const char *
summary(struct story *s)
{
	const struct teller *g = best(s, true), *b = best(s, false);

	s->len = 0;
	s->text[0] = '\0';
	if (g == NULL) {
		if (b->stand == STAND_ENTRY) {
			say(s, "a bank's own entry (%s) at %s", b->why,
			    b->name);
			return "entry";
		}
		say(s, "no gateway's journal here knows it");
		say_banks(s, "; ");
		return b->stand == STAND_COMMITTED ? "committed"
		    : b->stand == STAND_PREPARED   ? "in-doubt"
						   : "aborted";
	}
	if (g->payment[0] != '\0')
		say(s, "%s; ", g->payment);
	switch (g->stand) {
	case STAND_COMMITTED:
		say(s, "committed by %s", g->name);
		say_where_posted(s, g);
		return "committed";
	case STAND_HELD:
		say(s, "%s at %s", g->why, g->name);
		say_banks(s, "; ");
		return "held";
	case STAND_ABORTED:
		say(s, "%s", g->why);
		say_banks(s, "; but ");
		return "aborted";
	case STAND_OPEN:
		say(s, "%s has not decided it", g->name);
		say_banks(s, "; ");
		return "undecided";
	case STAND_NOTHING:
	case STAND_ENTRY:
	case STAND_PREPARED:
		break;
	}
	return "";
}

/* ---- Printing ---- */

static const struct column columns[] = {
    {"time", COLUMN_TEXT, 0},
    {"journal", COLUMN_TEXT, 0},
    {"seq", COLUMN_NUMBER, 0},
    {"kind", COLUMN_STATE, 0},
    {"text", COLUMN_TEXT, 0},
};

static int
print_story(struct story *s, bool json)
{
	const struct output_options options = {.columns = columns,
	    .count = sizeof(columns) / sizeof(columns[0]),
	    .json = json};
	struct output *o = output_open(&options);
	const char *state = summary(s);

	if (o == NULL)
		out_of_memory();
	for (uint32_t i = 0; i < s->count; i++) {
		const struct happening *e = &s->events[i];

		output_time(o, e->time_us);
		output_text(o, str_from(s->tellers[e->teller].name));
		output_u64(o, e->seq);
		output_text(o, str_from(e->kind));
		output_text(o, str_from(e->text));
		output_row(o);
	}
	for (uint32_t i = 0; i < 3; i++)
		output_text(o, STR_NONE);
	output_text(o, str_from(state));
	output_text(o, said(s));
	output_row(o);
	return output_close(o);
}

static void
story_free(struct story *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free(s->events[i].text);
	free(s->events);
	free(s->tellers);
}

static int
explain(struct story *s, int count, char **dirs, bool json)
{
	int code = EXIT_OK;

	s->tellers = calloc((size_t)count, sizeof(*s->tellers));
	if (s->tellers == NULL)
		out_of_memory();
	for (int i = 0; i < count; i++) {
		code = worse(code, walk(dirs[i], look, s, NULL));
		s->teller_count++;
	}
	if (s->count > 0) {
		qsort(s->events, s->count, sizeof(*s->events), by_time);
		return worse(code, print_story(s, json));
	}
	if (code == EXIT_OK) {
		char id[ID_TEXT_LEN + 1];

		id_text(&s->id, id);
		complain("%s: no journal here knows this id", id);
	}
	return worse(code, EXIT_DECLINED);
}

/* In capitals too, as people paste them. */
static bool
read_id(struct id *id, const char *text)
{
	char lower[ID_TEXT_LEN + 1];
	size_t len = strlen(text);

	if (len != ID_TEXT_LEN)
		return false;
	for (size_t i = 0; i <= len; i++)
		lower[i] = (char)tolower((unsigned char)text[i]);
	return id_parse(id, str_from(lower));
}

int
command_explain(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"key", required_argument, NULL, 'k'},
	    {"user", required_argument, NULL, 'u'},
	    {NULL, 0, NULL, 0},
	};
	struct story s = {.count = 0};
	const char *key = NULL, *user = NULL;
	bool json = false;
	int c, code;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'k')
			key = optarg;
		else if (c == 'u')
			user = optarg;
		else
			return usage_of(argv[0]);
	}
	if ((key == NULL) != (user == NULL))
		return usage_of("explain");
	if (key != NULL) {
		s.id = id_from_key(str_from(user), str_from(key));
	} else if (optind < argc && !read_id(&s.id, argv[optind++])) {
		complain("%s is no id", argv[optind - 1]);
		return EXIT_USAGE;
	}
	if (optind >= argc)
		return usage_of("explain");
	code = explain(&s, argc - optind, argv + optind, json);
	story_free(&s);
	return code;
}
