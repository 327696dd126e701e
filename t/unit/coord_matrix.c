/*
 * lib/coord: every state of a payment against everything that may happen to it,
 * a TAP line a cell. A cell tells all that can be seen: what the one who did it
 * is answered, what the waiting client is ("asker"), which records are appended
 * ("+"), what banks are sent ("A<"), which connections are closed, and what
 * STATUS shows afterwards. PAYMENT_RECEIVED and PAYMENT_FREE are not seen from
 * outside: the first lasts no longer than a step (a restart finds it as
 * "restarted"), the second is "unknown" or one that has ended.
 */
#include "coord_harness.h"

enum row {
	UNKNOWN,    /* no such id */
	PREPARING,  /* BankA said yes, BankB is asked */
	COMMITTING, /* both yes, COMMIT not durable */
	COMMITTED,  /* not acknowledged */
	ABORTING,   /* BankB's final no not durable, BankA is asked */
	HOLDING,    /* BankB broke off, HELD not durable */
	HELD,       /* BankB is away */
	RETRYING,   /* held, BankB is back: BankA said yes, BankB is asked */
	ENDED,      /* committed and acknowledged */
	FINAL,      /* aborted: ACCOUNT_CLOSED */
	PASSING,    /* aborted: OVERLOADED */
	RESTARTED,  /* aborted: GATEWAY_RESTART */
	CANCELLING, /* CANCEL of an unknown id, not durable */
	TOMBSTONE,
	ROWS
};

enum column {
	PAY_SAME,
	PAY_OTHER, /* another payload */
	PAY_USER,  /* another user */
	CANCEL,
	CANCEL_USER,
	STATUS,
	VOTE_YES, /* of the bank that is asked, or again */
	VOTE_FINAL,
	VOTE_PASSING,
	TIMEOUT, /* prepare_timeout goes by */
	A_DOWN,  /* BankA's connection breaks */
	RESOLVE, /* BankA asks for its newest branch */
	RESOLVE_OTHER,
	DURABLE,
	RESTART, /* crash: what is not durable is lost */
	COLUMNS
};

static const char *const row_names[ROWS] = {"unknown", "preparing",
    "committing", "committed", "aborting", "holding", "held", "retrying",
    "ended", "final", "passing", "restarted", "cancelling", "tombstone"};
static const char *const column_names[COLUMNS] = {"PAY", "PAY, other payload",
    "PAY, other user", "CANCEL", "CANCEL, other user", "STATUS", "yes",
    "final no", "passing no", "timeout", "bank down", "RESOLVE",
    "RESOLVE, other branch", "durable", "restart"};

static const char *const want[ROWS][COLUMNS] = {
#include "coord_matrix.def"
};

static void
build_undecided(struct world *w, enum row row)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	b->silent = true;
	pay(w, 0, 1, "");
	banks_answer(w);
	b->silent = false;
	if (row == COMMITTING || row == COMMITTED || row == ENDED) {
		a->deaf = b->deaf = row == COMMITTED;
		banks_answer(w);
		ticks(w);
		if (row == ENDED)
			quiet(w);
		else if (row == COMMITTED)
			durable(w);
	} else if (row == RESTARTED) {
		durable(w);
		crash(w);
		bank_up(w, a);
		bank_up(w, b);
	} else if (row != PREPARING) {
		bank_down(w, b);
		if (row != HOLDING)
			durable(w);
		if (row == RETRYING) {
			b->silent = true;
			bank_up(w, b);
			banks_answer(w);
		}
	}
	b->silent = true;
}

static struct world *
build(enum row row)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	switch (row) {
	case UNKNOWN:
	case ROWS:
		break;
	case PREPARING:
	case COMMITTING:
	case COMMITTED:
	case HOLDING:
	case HELD:
	case RETRYING:
	case ENDED:
	case RESTARTED:
		build_undecided(w, row);
		break;
	case ABORTING:
	case FINAL:
	case PASSING:
		a->silent = row == ABORTING;
		b->no = row == PASSING ? "OVERLOADED" : "ACCOUNT_CLOSED";
		pay(w, 0, 1, "");
		banks_answer(w);
		if (row != ABORTING)
			quiet(w);
		break;
	case CANCELLING:
	case TOMBSTONE:
		cancel(w, 0, "alice", 1);
		if (row == TOMBSTONE)
			durable(w);
		break;
	}
	if (row != PREPARING && row != COMMITTING && row != ABORTING &&
	    row != HOLDING && row != CANCELLING)
		(void)next_line(w, client_peer(0));
	for (size_t i = 0; i < w->out.count; i++)
		if (w->out.at[i].peer.slot < 2)
			w->out.at[i].seen = true;
	b->no = NULL;
	a->silent = b->silent = true;
	return w;
}

/* The bank whose vote is awaited; else BankB if it is there, else BankA. */
static void
vote(struct world *w, enum row row, enum column column)
{
	bool of_a = row == ABORTING || row == HOLDING || row == HELD;
	struct fake_bank *bank = &w->banks[of_a ? 0 : 1];
	char asked[LINE_MAX_LEN], tag[32];

	snprintf(asked, sizeof(asked), "%s", bank_asked(w, bank, "PREPARE"));
	if (asked[0] == '\0')
		snprintf(asked, sizeof(asked), "p0 PREPARE id=%s branch=gw.1.1",
		    id_of(1));
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	if (column == VOTE_YES)
		bank_confirms(w, bank, asked, " vote=yes");
	else
		bank_refuses(w, bank, tag,
		    column == VOTE_FINAL ? "ACCOUNT_FROZEN" : "READ_ONLY", "");
}

static const char *
resolve(struct world *w, enum column column)
{
	struct fake_bank *a = &w->banks[0];

	return bank_resolves(w, a, id_of(1),
	    column == RESOLVE_OTHER   ? "gw.1.77"
		: a->branch_count > 0 ? a->branches[a->branch_count - 1].branch
				      : "gw.1.1",
	    "bob@BankB");
}

/* Does it; what the one who did it is told goes to `told`. */
static void
happen(struct world *w, enum row row, enum column column, char *told)
{
	const char *answer = "";

	switch (column) {
	case PAY_SAME:
		pay(w, 3, 1, "");
		break;
	case PAY_OTHER:
		client(w, 3, "alice",
		    "t3 PAY id=%s from=alice@BankA "
		    "to=eve@BankB amount=500 currency=EUR",
		    id_of(1));
		break;
	case PAY_USER:
		client(w, 3, "mallory", "t3 PAY id=%s " PAY_FIELDS, id_of(1));
		break;
	case CANCEL:
		cancel(w, 3, "alice", 1);
		break;
	case CANCEL_USER:
		cancel(w, 3, "mallory", 1);
		break;
	case STATUS:
		status(w, 3, "alice", 1);
		break;
	case VOTE_YES:
	case VOTE_FINAL:
	case VOTE_PASSING:
		vote(w, row, column);
		break;
	case TIMEOUT:
		pass_ns(w, 5 * SECOND_NS);
		break;
	case A_DOWN:
		bank_down(w, &w->banks[0]);
		break;
	case RESOLVE:
	case RESOLVE_OTHER:
		answer = resolve(w, column);
		break;
	case DURABLE:
		durable(w);
		break;
	case RESTART:
		crash(w);
		break;
	case COLUMNS:
		break;
	}
	ticks(w);
	snprintf(told, 64, "%s", answer);
}

/* ---- What can be seen ---- */

static void
add(char *text, const char *word, const char *more)
{
	size_t len = strlen(text);

	snprintf(
	    text + len, 400 - len, "%s%s%s", len > 0 ? ", " : "", word, more);
}

static const char *
summary(const char *line)
{
	static char text[200];
	const char *shown[] = {"code", "state", "reason", "pending"};

	text[0] = '\0';
	if (line[0] == '\0')
		return text;
	if (has_words(line, "OK"))
		snprintf(text, sizeof(text), "OK");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		const char *value = field(line, shown[i]);

		if (value[0] != '\0')
			snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%s%s",
			    text[0] != '\0' ? " " : "", value);
	}
	return text;
}

static void
observe(struct world *w, uint64_t before, char *text)
{
	const char *line;

	while ((line = next_line(w, client_peer(3)))[0] != '\0')
		add(text, "", summary(line));
	while ((line = next_line(w, client_peer(0)))[0] != '\0')
		add(text, "asker ", summary(line));
	for (uint64_t i = before; i < w->count; i++) {
		char kind[32] = "";

		sscanf(w->journal[i].line, "%*s %31s", kind);
		add(text, "+", kind);
	}
	for (uint32_t i = 0; i < 2; i++)
		while ((line = next_line(w, w->banks[i].peer))[0] != '\0') {
			char verb[32] = "";

			sscanf(line, "%*s %31s", verb);
			if (strcmp(verb, "OK") != 0)
				add(text, i == 0 ? "A<" : "B<", verb);
		}
	if (w->closed_count > 0)
		add(text, "closed", "");
	status(w, 9, "alice", 1);
	add(text, "-> ", summary(next_line(w, client_peer(9))));
}

static void
cell(enum row row, enum column column)
{
	struct world *w = build(row);
	uint64_t before = w->count;
	char text[400] = "";

	happen(w, row, column, text);
	if (column == RESTART)
		before = w->count;
	observe(w, before, text);
	if (getenv("COORD_MATRIX") != NULL)
		printf("# [%s][%s] = \"%s\",\n", row_names[row],
		    column_names[column], text);
	if (!ok(strcmp(text, want[row][column]) == 0, "%s x %s: %s",
		row_names[row], column_names[column], want[row][column]))
		printf("#  got: %s\n", text);
	coord_check(w->coord);
	durable(w);
	if (!same_after_replay(w) || w->fail[0] != '\0')
		ok(false, "%s x %s: a replay gives another state",
		    row_names[row], column_names[column]);
	world_free(w);
}

int
main(void)
{
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned column = 0; column < COLUMNS; column++)
			cell((enum row)row, (enum column)column);
	return tap_done();
}
