/*
 * Every state a branch can be in, against everything that can happen to it: one
 * test a cell, each as the state came about and again after a restart.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"

enum state {
	UNKNOWN,
	PREPARED,
	COMMITTED,
	ABORTED,
	SUPERSEDED,
	OTHERS,      /* prepared by another node */
	OVERTAKEN,   /* aborted here, then committed by another node */
	OVER_COMMIT, /* an operator committed it */
	OVER_ASKED,  /* and a RESOLVE tells its gateway so */
	OVER_TOLD,   /* which has it on record that it had aborted it */
	OVER_RIGHT,  /* which had committed it, too */
	OVER_ABORT,
	LATE, /* an operator aborted it, then posted it late */
	ENTRY,
	STATES
};

static const char *const state_names[STATES] = {"unknown", "prepared",
    "committed", "aborted", "superseded", "other node's", "overtaken",
    "operator-committed", "operator-committed and asked",
    "operator-committed and told", "operator-committed rightly",
    "operator-aborted", "posted late", "entry"};

enum happening {
	SAME,
	CHANGED,
	NEWER,
	NEWER_CHANGED,
	OLDER,
	OTHER_NODE,
	OTHER_CHANGED,
	COMMIT,
	COMMIT_FOREIGN,
	COMMIT_OTHER_ID,
	ABORT,
	ABORT_FOREIGN,
	ABORT_OTHER_ID,
	PREPARE_OTHER_ID,
	RESOLVED_COMMIT,
	RESOLVED_ABORT,
	RESOLVED_WAIT,
	RESOLVED_WRONG,
	DECIDE_COMMIT,
	DECIDE_ABORT,
	POST_LATE,
	PEER_DOWN,
	HAPPENINGS
};

static const char *const happening_names[HAPPENINGS] = {"PREPARE same",
    "PREPARE changed", "PREPARE newer", "PREPARE newer and changed",
    "PREPARE older", "PREPARE by another node",
    "PREPARE by another node and changed", "COMMIT", "COMMIT by another node",
    "COMMIT of another id", "ABORT", "ABORT by another node",
    "ABORT of another id", "PREPARE of another id", "RESOLVE says commit",
    "RESOLVE says abort", "RESOLVE says wait", "RESOLVE says another id",
    "DECIDE commit", "DECIDE abort", "POST_LATE", "connection lost"};

/* In the order of the happenings. */
static const char *const expected[STATES][HAPPENINGS] = {
    [UNKNOWN] = {"PREPARED OK", "PREPARED OK", "PREPARED OK", "PREPARED OK",
	"PREPARED OK", "PREPARED OK", "PREPARED OK", "NOT_FOUND", "FORBIDDEN",
	"NOT_FOUND", "OK", "FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-", "-",
	"NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "-"},
    [PREPARED] = {"OK", "CLOSE", "ABORTED PREPARED OK", "ABORTED PREPARED OK",
	"NOT_FOUND", "IN_PROGRESS", "IN_PROGRESS", "COMMITTED OK", "FORBIDDEN",
	"FORBIDDEN", "ABORTED OK", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN",
	"COMMITTED -", "ABORTED -", "-", "CLOSE", "DECIDED COMMITTED OK",
	"DECIDED ABORTED OK", "IN_PROGRESS", "-"},
    [COMMITTED] = {"ALREADY_EXISTS", "CLOSE", "ALREADY_EXISTS", "ID_REUSED",
	"NOT_FOUND", "ALREADY_EXISTS", "ID_REUSED", "OK", "FORBIDDEN",
	"NOT_FOUND", "NOT_FOUND", "FORBIDDEN", "OK", "PREPARED OK", "-", "-",
	"-", "-", "ALREADY_EXISTS", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [ABORTED] = {"NOT_FOUND", "CLOSE", "PREPARED OK", "PREPARED OK",
	"NOT_FOUND", "PREPARED OK", "PREPARED OK", "NOT_FOUND", "FORBIDDEN",
	"NOT_FOUND", "OK", "FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-", "-",
	"ALREADY_EXISTS", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [SUPERSEDED] = {"NOT_FOUND", "NOT_FOUND", "ABORTED PREPARED OK",
	"ABORTED PREPARED OK", "NOT_FOUND", "IN_PROGRESS", "IN_PROGRESS",
	"NOT_FOUND", "FORBIDDEN", "NOT_FOUND", "OK", "FORBIDDEN", "OK",
	"PREPARED OK", "-", "-", "-", "-", "DECIDED COMMITTED OK",
	"DECIDED ABORTED OK", "IN_PROGRESS", "-"},
    [OTHERS] = {"IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS",
	"IN_PROGRESS", "OK", "CLOSE", "NOT_FOUND", "FORBIDDEN", "NOT_FOUND",
	"OK", "FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-", "-",
	"DECIDED COMMITTED OK", "DECIDED ABORTED OK", "IN_PROGRESS", "-"},
    [OVERTAKEN] = {"ALREADY_EXISTS", "ID_REUSED", "ALREADY_EXISTS", "ID_REUSED",
	"ALREADY_EXISTS", "ALREADY_EXISTS", "CLOSE", "NOT_FOUND", "FORBIDDEN",
	"NOT_FOUND", "OK", "FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-", "-",
	"ALREADY_EXISTS", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [OVER_COMMIT] = {"ALREADY_EXISTS:committed", "CLOSE",
	"ALREADY_EXISTS:committed", "ID_REUSED", "NOT_FOUND", "IN_PROGRESS",
	"IN_PROGRESS", "SETTLED OK", "FORBIDDEN", "FORBIDDEN",
	"HEURISTIC:committed", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN", "-", "-",
	"-", "-", "OK", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [OVER_ASKED] = {"ALREADY_EXISTS:committed", "CLOSE",
	"ALREADY_EXISTS:committed", "ID_REUSED", "NOT_FOUND", "IN_PROGRESS",
	"IN_PROGRESS", "SETTLED OK", "FORBIDDEN", "FORBIDDEN",
	"HEURISTIC:committed", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN",
	"SETTLED -", "SETTLED -", "-", "CLOSE", "OK", "ALREADY_EXISTS",
	"NOT_FOUND", "-"},
    [OVER_TOLD] = {"ALREADY_EXISTS:committed", "CLOSE",
	"ALREADY_EXISTS:committed", "ID_REUSED", "NOT_FOUND", "IN_PROGRESS",
	"IN_PROGRESS", "GATEWAY OK", "FORBIDDEN", "NOT_FOUND",
	"HEURISTIC:committed", "FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-",
	"-", "OK", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [OVER_RIGHT] = {"ALREADY_EXISTS", "CLOSE", "ALREADY_EXISTS", "ID_REUSED",
	"NOT_FOUND", "ALREADY_EXISTS", "ID_REUSED", "OK", "FORBIDDEN",
	"NOT_FOUND", "NOT_FOUND", "FORBIDDEN", "OK", "PREPARED OK", "-", "-",
	"-", "-", "ALREADY_EXISTS", "ALREADY_EXISTS", "NOT_FOUND", "-"},
    [OVER_ABORT] = {"NOT_FOUND", "CLOSE", "PREPARED OK", "PREPARED OK",
	"NOT_FOUND", "IN_PROGRESS", "IN_PROGRESS", "HEURISTIC:aborted",
	"FORBIDDEN", "NOT_FOUND", "OK", "FORBIDDEN", "OK", "PREPARED OK", "-",
	"-", "-", "-", "ALREADY_EXISTS", "OK", "DECIDED COMMITTED OK", "-"},
    [LATE] = {"ALREADY_EXISTS", "CLOSE", "ALREADY_EXISTS", "ID_REUSED",
	"NOT_FOUND", "ALREADY_EXISTS", "ID_REUSED", "GATEWAY OK", "FORBIDDEN",
	"NOT_FOUND", "NOT_FOUND", "FORBIDDEN", "OK", "PREPARED OK", "-", "-",
	"-", "-", "ALREADY_EXISTS", "ALREADY_EXISTS", "OK", "-"},
    [ENTRY] = {"ID_REUSED", "ID_REUSED", "ID_REUSED", "ID_REUSED", "ID_REUSED",
	"ID_REUSED", "ID_REUSED", "NOT_FOUND", "FORBIDDEN", "NOT_FOUND", "OK",
	"FORBIDDEN", "OK", "PREPARED OK", "-", "-", "-", "-", "NOT_FOUND",
	"NOT_FOUND", "NOT_FOUND", "-"},
};

struct bank {
	struct harness h;
	struct peer gw1, gw2;
	char resolve[TAG_MAX_LEN + 1]; /* tag of a RESOLVE of the branch */
};

#define ID uuid(1)
#define OTHER_ID uuid(2)

static const char *
prepare(struct bank *b, struct peer peer, const char *branch, int amount)
{
	return down(&b->h, peer,
	    "PREPARE id=%s branch=%s from=alice to=:clearing.BankB.CZK "
	    "amount=%d currency=CZK peer=bob@BankB memo=rent%%20%%C4%%8D",
	    ID, branch, amount);
}

static const char *
commit(struct bank *b, struct peer peer, const char *id, const char *branch)
{
	return down(&b->h, peer,
	    "COMMIT id=%s branch=%s seq=7 check=" CHECK_HEX, id, branch);
}

static const char *
decide(struct bank *b, const char *outcome_word)
{
	return teller(&b->h, "DECIDE id=%s outcome=%s why=called%%20them", ID,
	    outcome_word);
}

static void
must(const char *reply)
{
	if (strncmp(reply, "OK", 2) != 0)
		printf("# %s\n", reply);
	CHECK(strncmp(reply, "OK", 2) == 0);
}

/* Time passes until the gateway is asked for the branch. */
static void
ask(struct bank *b)
{
	harness_clear(&b->h);
	harness_turn(&b->h, 5 * SECOND);
	strcpy(b->resolve, harness_asked(&b->h, "RESOLVE", ID));
	CHECK(b->resolve[0] != '\0');
}

/* Makes the branch gw1.3.5 and has it asked for. */
static void
make_prepared(struct bank *b)
{
	must(prepare(b, b->gw1, "gw1.3.5", 500));
	ask(b);
}

static const char *
resolved(struct bank *b, const char *id, const char *rest)
{
	char text[512];

	harness_clear(&b->h);
	snprintf(text, sizeof(text), "%s OK id=%s branch=gw1.3.5 outcome=%s",
	    b->resolve, id, rest);
	harness_line(&b->h, b->gw1, SIDE_UP, VERB_UP_RESOLVE, text);
	return "";
}

static void
make_state(struct bank *b, enum state state)
{
	strcpy(b->resolve, "r0");
	if (state != UNKNOWN && state != OTHERS && state != ENTRY)
		make_prepared(b);
	switch (state) {
	case UNKNOWN:
	case PREPARED:
	case STATES:
		break;
	case COMMITTED:
		must(commit(b, b->gw1, ID, "gw1.3.5"));
		break;
	case ABORTED:
		must(down(&b->h, b->gw1, "ABORT id=%s branch=gw1.3.5", ID));
		break;
	case SUPERSEDED:
		must(prepare(b, b->gw1, "gw1.3.6", 500));
		break;
	case OTHERS:
		must(prepare(b, b->gw2, "gw2.1.5", 500));
		break;
	case OVERTAKEN:
		must(down(&b->h, b->gw1, "ABORT id=%s branch=gw1.3.5", ID));
		must(prepare(b, b->gw2, "gw2.1.5", 500));
		must(commit(b, b->gw2, ID, "gw2.1.5"));
		break;
	case OVER_COMMIT:
		must(decide(b, "commit"));
		break;
	case OVER_ASKED:
		must(decide(b, "commit"));
		ask(b);
		break;
	case OVER_TOLD:
	case OVER_RIGHT:
		must(decide(b, "commit"));
		ask(b);
		(void)resolved(b, ID,
		    state == OVER_TOLD ? "abort"
				       : "commit seq=7 check=" CHECK_HEX);
		strcpy(b->resolve, "r0");
		break;
	case OVER_ABORT:
		must(decide(b, "abort"));
		break;
	case LATE:
		must(decide(b, "abort"));
		must(teller(&b->h, "POST_LATE id=%s why=paid", ID));
		break;
	case ENTRY:
		must(teller(&b->h,
		    "DEPOSIT id=%s name=alice amount=500 currency=CZK", ID));
		break;
	}
}

static const char *
happen(struct bank *b, enum happening happening)
{
	switch (happening) {
	case SAME:
		return prepare(b, b->gw1, "gw1.3.5", 500);
	case CHANGED:
		return prepare(b, b->gw1, "gw1.3.5", 501);
	case NEWER:
		return prepare(b, b->gw1, "gw1.4.1", 500);
	case NEWER_CHANGED:
		return prepare(b, b->gw1, "gw1.4.1", 501);
	case OLDER:
		return prepare(b, b->gw1, "gw1.3.4", 500);
	case OTHER_NODE:
		return prepare(b, b->gw2, "gw2.1.5", 500);
	case OTHER_CHANGED:
		return prepare(b, b->gw2, "gw2.1.5", 501);
	case COMMIT:
		return commit(b, b->gw1, ID, "gw1.3.5");
	case COMMIT_FOREIGN:
		return commit(b, b->gw2, ID, "gw1.3.5");
	case COMMIT_OTHER_ID:
		return commit(b, b->gw1, OTHER_ID, "gw1.3.5");
	case ABORT:
		return down(&b->h, b->gw1, "ABORT id=%s branch=gw1.3.5", ID);
	case ABORT_FOREIGN:
		return down(&b->h, b->gw2, "ABORT id=%s branch=gw1.3.5", ID);
	case ABORT_OTHER_ID:
		return down(
		    &b->h, b->gw1, "ABORT id=%s branch=gw1.3.5", OTHER_ID);
	case PREPARE_OTHER_ID:
		return down(&b->h, b->gw1,
		    "PREPARE id=%s branch=gw1.3.5 from=alice to=bob "
		    "amount=1 currency=CZK peer=bob@BankA",
		    OTHER_ID);
	case RESOLVED_COMMIT:
		return resolved(b, ID, "commit seq=7 check=" CHECK_HEX);
	case RESOLVED_ABORT:
		return resolved(b, ID, "abort");
	case RESOLVED_WAIT:
		return resolved(b, ID, "wait");
	case RESOLVED_WRONG:
		return resolved(b, OTHER_ID, "abort");
	case DECIDE_COMMIT:
		return decide(b, "commit");
	case DECIDE_ABORT:
		return decide(b, "abort");
	case POST_LATE:
		return teller(&b->h, "POST_LATE id=%s why=paid", ID);
	case PEER_DOWN:
		harness_clear(&b->h);
		harness_down(&b->h, b->gw1);
		return "";
	case HAPPENINGS:
		break;
	}
	return "";
}

static void
connect_both(struct bank *b, enum state state)
{
	b->gw2 = harness_gateway(&b->h, 2, "gw2", 1);
	b->gw1 = harness_gateway(&b->h, 1, "gw1", 3);
	strcpy(b->resolve, "r999999");
	if (state == PREPARED || state == OVER_ASKED) {
		strcpy(b->resolve, harness_asked(&b->h, "RESOLVE", ID));
		CHECK(b->resolve[0] != '\0');
	}
}

static void
test_cell(enum state state, enum happening happening, bool restarted)
{
	struct ledger_conf conf = harness_conf();
	struct bank b;
	const char *got;
	bool right;

	harness_init(&b.h, &conf);
	connect_both(&b, UNKNOWN);
	harness_account(&b.h, "alice", "CZK", 100000, 0);
	harness_account(&b.h, "bob", "CZK", 100000, 0);
	make_state(&b, state);
	if (restarted) {
		harness_restart(&b.h);
		connect_both(&b, state);
	}
	got = outcome(&b.h, happen(&b, happening));
	right = ok(strcmp(got, expected[state][happening]) == 0, "%s: %s%s: %s",
	    state_names[state], happening_names[happening],
	    restarted ? " after a restart" : "", expected[state][happening]);
	if (!right)
		printf("#  got: %s\n", got);
	if (!harness_same_after_replay(&b.h))
		ok(false, "%s: %s: replay gives the same state",
		    state_names[state], happening_names[happening]);
	CHECK(b.h.failed == 0);
	harness_free(&b.h);
}

int
main(void)
{
	for (enum state state = 0; state < STATES; state++)
		for (enum happening happening = 0; happening < HAPPENINGS;
		     happening++) {
			test_cell(state, happening, false);
			test_cell(state, happening, true);
		}
	return tap_done();
}
