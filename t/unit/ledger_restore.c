/*
 * Snapshots and indexes that cannot be: a ledger refuses them, and another
 * start is made.
 */
#include "ledger_harness.h"

/* Lines of a snapshot, to its end: what the ledger refuses it with, or "". */
static const char *
restore(const char *const *lines)
{
	static struct actions actions;
	struct ledger_conf conf = harness_conf();
	struct ledger *l = ledger_new(&conf);

	CHECK(l != NULL);
	actions.count = 0;
	for (uint32_t i = 0; lines[i] != NULL && actions.count == 0; i++) {
		struct parsed *p =
		    harness_parse(lines[i], SIDE_SNAPSHOT, VERB_UNKNOWN);
		struct event ev = {.kind = EV_RESTORE, .msg = &p->msg};

		ledger_step(l, &ev, &actions);
		free(p);
	}
	if (actions.count == 0)
		ledger_check(l);
	ledger_free(l);
	return actions.count == 0 ? "" : actions.at[0].text;
}

#define ACCOUNT(name, currency, posted) \
	"0 ACCOUNT account=" name " currency=" currency \
	" state=open overdraft=0 posted=" posted " seq=1 where="
#define CHECK_TEXT "0123456789abcdef0123456789abcdef"
#define END "0 END count=0 check=" CHECK_TEXT

#define ID "00000000-0000-4000-8000-000000000001"
#define BRANCH(branch, from, to, amount, rest) \
	"0 BRANCH id=" ID " branch=" branch " from=" from " to=" to \
	" amount=" amount " peer=bob@BankB seq=7 check=" CHECK_TEXT \
	" prepared=1:64 time=2027-01-15T08:00:00.000000Z" rest

/* After a gateway, two accounts and a note of the branch's id. */
static const char *
restore_after(const struct ledger_conf *conf, const char *const bad[2])
{
	static const char *const lines[] = {"0 GATEWAY node=gw1 epoch=1",
	    ACCOUNT("ann", "CZK", "5"), ACCOUNT(":equity.CZK", "CZK", "-5")};
	static struct actions actions;
	struct id_note note = {.kind = 2, .at = {1, 1, 64}};
	struct event ev = {.kind = EV_REMEMBER, .note = &note};
	struct ledger *l = ledger_new(conf);

	CHECK(l != NULL && id_parse(&note.id, STR(ID)));
	actions.count = 0;
	ledger_step(l, &ev, &actions);
	for (uint32_t i = 0; i < 5; i++) {
		const char *line = i < 3 ? lines[i] : bad[i - 3];
		struct parsed *p;

		if (line == NULL)
			break;
		CHECK(actions.count == 0);
		p = harness_parse(line, SIDE_SNAPSHOT, VERB_UNKNOWN);
		ev = (struct event){.kind = EV_RESTORE, .msg = &p->msg};
		ledger_step(l, &ev, &actions);
		free(p);
	}
	ledger_free(l);
	return actions.count == 0 ? "" : actions.at[actions.count - 1].text;
}

static void
test_contradictions(void)
{
	static const struct {
		const char *words;
		const char *line[2];
	} bad[] = {
	    {"a gateway is there twice", {"0 GATEWAY node=gw1 epoch=2"}},
	    {"more gateways than are configured",
		{"0 GATEWAY node=gw2 epoch=2"}},
	    {"an account is there twice", {ACCOUNT("ann", "CZK", "5")}},
	    {"more accounts than are configured",
		{ACCOUNT("ben", "CZK", "5"), ACCOUNT("eva", "CZK", "5")}},
	    {"an account has a state or an overdraft that cannot be",
		{"0 ACCOUNT account=ben currency=CZK state=odd overdraft=0 "
		 "posted=0 seq=1 where="}},
	    {"an account has a state or an overdraft that cannot be",
		{"0 ACCOUNT account=ben currency=CZK state=open "
		 "overdraft=9000000000000000000 posted=0 seq=1 where="}},
	    {"a branch of an account or a gateway that is not there",
		{BRANCH(
		    "gw1.1.1", "zoe", ":equity.CZK", "1", " state=prepared")}},
	    {"a branch of an account or a gateway that is not there",
		{BRANCH("gw1.1.1", "ann", "zoe", "1", " state=prepared")}},
	    {"a branch of an account or a gateway that is not there",
		{BRANCH("gw1.1.1", "ann", "ann", "1", " state=prepared")}},
	    {"a branch of an account or a gateway that is not there",
		{BRANCH(
		    "gw2.1.1", "ann", ":equity.CZK", "1", " state=prepared")}},
	    {"a branch is there twice",
		{BRANCH(
		     "gw1.1.1", "ann", ":equity.CZK", "1", " state=prepared"),
		    BRANCH("gw1.1.2", "ann", ":equity.CZK", "1",
			" state=prepared")}},
	    {"an overruled branch that nobody committed",
		{BRANCH("gw1.1.1", "ann", ":equity.CZK", "1",
		    " state=overruled outcome=abort")}},
	    {"an overruled branch that nobody committed",
		{BRANCH(
		    "gw1.1.1", "ann", ":equity.CZK", "1", " state=overruled")}},
	    {"a branch of an id that the indexes do not know",
		{"0 BRANCH id=00000000-0000-4000-8000-000000000002 "
		 "branch=gw1.1.1 from=ann to=:equity.CZK amount=1 "
		 "peer=bob@BankB seq=7 check=" CHECK_TEXT " prepared=1:64 "
		 "time=2027-01-15T08:00:00.000000Z state=prepared"}},
	    {"a line that is not of a bank",
		{"0 EPOCH epoch=1 restored=no received= committed=0 "
		 "aborted=0"}},
	};
	struct ledger_conf conf = harness_conf();

	conf.accounts_max = 3;
	conf.gateways_max = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_text(restore_after(&conf, bad[i].line), bad[i].words,
		    bad[i].line[1] != NULL ? bad[i].line[1] : bad[i].line[0]);
}

/*
 * Branches that an operator has committed are no longer in flight: they come
 * back beside as many as may be, and where their amount would not fit again.
 */
static void
test_overruled_beside(void)
{
	static const struct id_note notes[] = {
	    {.id = {{1}}, .at = {2, 1, 64}, .kind = 2},
	    {.id = {{1}}, .at = {3, 1, 128}, .kind = 5},
	    {.id = {{1}}, .at = {4, 1, 192}, .kind = 3},
	    {.id = {{2}}, .at = {5, 1, 256}, .kind = 2}};
	static const char *const lines[] = {"0 GATEWAY node=gw1 epoch=1",
	    ACCOUNT("ann", "CZK", "-999999999999999999"),
	    ACCOUNT(":equity.CZK", "CZK", "999999999999999999"),
	    "0 BRANCH id=02000000-0000-0000-0000-000000000000 branch=gw1.1.2 "
	    "state=prepared from=ann to=:equity.CZK amount=1 peer=bob@BankB "
	    "seq=5 check=" CHECK_TEXT
	    " prepared=1:256 time=2027-01-15T08:00:00.000000Z",
	    "0 BRANCH id=01000000-0000-0000-0000-000000000000 branch=gw1.1.1 "
	    "state=overruled from=ann to=:equity.CZK amount=7 peer=bob@BankB "
	    "seq=6 check=" CHECK_TEXT
	    " prepared=1:64 time=2027-01-15T08:00:00.000000Z outcome=commit",
	    END};
	static struct actions actions;
	struct ledger_conf conf = harness_conf();
	struct ledger *l;

	conf.in_flight_max = 1;
	l = ledger_new(&conf);
	CHECK(l != NULL);
	actions.count = 0;
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		struct event ev = {.kind = EV_REMEMBER, .note = &notes[i]};

		ledger_step(l, &ev, &actions);
	}
	CHECK(actions.count == 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct parsed *p =
		    harness_parse(lines[i], SIDE_SNAPSHOT, VERB_UNKNOWN);
		struct event ev = {.kind = EV_RESTORE, .msg = &p->msg};

		if (actions.count == 0)
			ledger_step(l, &ev, &actions);
		free(p);
	}
	is_text(actions.count == 0 ? "" : actions.at[0].text, "",
	    "an overruled branch beside all that may be in flight");
	is_i64(ledger_prepared(l), 1, "of which it is none");
	ledger_check(l);
	ledger_free(l);
}

/* A note of an index: what the ledger refuses it with, or "". */
static const char *
remember(const struct ledger_conf *conf, const struct id_note *notes)
{
	static struct actions actions;
	struct ledger *l = ledger_new(conf);

	CHECK(l != NULL);
	actions.count = 0;
	for (; notes->at.seq != 0 && actions.count == 0; notes++) {
		struct event ev = {.kind = EV_REMEMBER, .note = notes};

		ledger_step(l, &ev, &actions);
	}
	ledger_free(l);
	return actions.count == 0 ? "" : actions.at[actions.count - 1].text;
}

static void
test_notes(void)
{
	static const struct id_note none[] = {
	    {.id = {{1}}, .at = {1, 1, 64}, .kind = 0}, {.kind = 0}};
	static const struct id_note odd[] = {
	    {.id = {{1}}, .at = {1, 1, 64}, .kind = 99}, {.kind = 0}};
	static const struct id_note lost[] = {
	    {.id = {{1}}, .at = {1, 1, 64}, .kind = 3}, {.kind = 0}};
	static const struct id_note many[] = {
	    {.id = {{1}}, .at = {1, 1, 64}, .kind = 1},
	    {.id = {{2}}, .at = {2, 1, 128}, .kind = 2}, {.kind = 0}};
	struct ledger_conf conf = harness_conf();

	is_text(remember(&conf, many), "", "an entry and a branch");
	is_text(remember(&conf, none), "an index has a note of an unknown kind",
	    "no kind");
	is_text(remember(&conf, odd), "an index has a note of an unknown kind",
	    "a kind of a newer program");
	is_text(remember(&conf, lost),
	    "an index has a note of an id that cannot be told from another",
	    "an end without its beginning");
	conf.remembered_max = 1;
	is_text(remember(&conf, many),
	    "more payment ids than are configured (remembered)",
	    "more than are remembered");
}

int
main(void)
{
	static const char *const balanced[] = {ACCOUNT("ann", "CZK", "5"),
	    ACCOUNT("ben", "EUR", "7"), ACCOUNT(":equity.CZK", "CZK", "-5"),
	    ACCOUNT(":equity.EUR", "EUR", "-7"), END, NULL};
	static const char *const lost[] = {ACCOUNT("ann", "CZK", "5"),
	    ACCOUNT(":equity.CZK", "CZK", "-4"), END, NULL};
	static const char *const mixed[] = {
	    ACCOUNT("ann", "CZK", "5"), ACCOUNT("ben", "EUR", "-5"), END, NULL};
	static const char wrong[] = "the balances do not add up to zero";

	is_text(restore(balanced), "", "balances of two currencies");
	is_text(restore(lost), wrong, "some are lost");
	is_text(restore(mixed), wrong,
	    "one currency's do not make up for another's");
	test_contradictions();
	test_overruled_beside();
	test_notes();
	return tap_done();
}
