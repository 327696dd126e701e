/*
 * Journals that cannot be: the ledger refuses the first record that contradicts
 * those before it or the configuration, and says why.
 */
#include "ledger_harness.h"

#define ID(n) "00000000-0000-4000-8000-00000000000" n
#define TRANSFER(id, branch, from, to, amount) \
	"id=" ID(id) " branch=gw1.1." branch " from=" from " to=" to \
		     " amount=" amount " currency=CZK peer=bob@BankB"
#define CLEARING ":clearing.BankB.CZK"
#define ENTRY(id, amount, from_balance, to_balance) \
	"ENTRY id=" ID( \
	    id) " kind=deposit from=:equity.CZK to=alice amount=" amount \
		" currency=CZK who=x from_balance=" from_balance \
		" to_balance=" to_balance " from_prev= to_prev="

/* Four accounts, three ids, one gateway, a branch; 2 may be posted late. */
static const char *const good[] = {
    "BOOT boot=1 agent=test",
    "OPEN account=alice currency=CZK overdraft=0 who=x",
    ENTRY("9", "1000", "-1000", "1000"),
    "OPEN account=eva currency=EUR overdraft=0 who=x",
    "PREPARED " TRANSFER("2", "2", "alice", CLEARING, "20"),
    "DECIDED id=" ID("2") " branch=gw1.1.2 outcome=abort who=x why=y",
    "ABORTED id=" ID("2") " branch=gw1.1.2 prepared=1:320",
    "PREPARED " TRANSFER("1", "1", "alice", CLEARING, "10"),
};
#define GOOD (sizeof(good) / sizeof(good[0]))
#define NEXT " from_balance=990 to_balance=10 from_prev= to_prev="
#define LATE " from_balance=980 to_balance=20 from_prev= to_prev= again=1:448"

/* Gives record seq; what it is refused with, or "". */
static const char *
give(struct ledger *l, enum side side, uint32_t seq, const char *record)
{
	static struct actions actions;
	size_t word = strcspn(record, " ");
	char text[LINE_MAX_LEN];
	struct parsed *p;
	struct record r;
	struct event ev = {.kind = EV_RECORD, .record = &r};

	snprintf(text, sizeof(text),
	    "%u %.*s time=2027-01-15T08:00:00.000000Z flushed=0%s", seq,
	    (int)word, record, record + word);
	p = harness_parse(text, side, VERB_UNKNOWN);
	r = (struct record){&p->msg, harness_pos(seq - 1), {{(uint8_t)seq}}};
	actions.count = 0;
	ledger_step(l, &ev, &actions);
	free(p);
	if (actions.count == 0)
		return "";
	CHECK(actions.count == 2 && actions.at[0].kind == AC_LOG &&
	    actions.at[0].level == ACTION_CRIT &&
	    actions.at[1].kind == AC_FAIL);
	return actions.at[1].text;
}

static void
refused(const struct ledger_conf *conf, enum side side, const char *record,
    const char *words)
{
	struct ledger *l = ledger_new(conf);
	char want[160];

	CHECK(l != NULL);
	for (uint32_t i = 0; i < GOOD; i++)
		is_text(give(l, SIDE_BANK_JOURNAL, i + 1, good[i]), "",
		    "a good record");
	snprintf(want, sizeof(want), "record %zu: %s", GOOD + 1, words);
	is_text(give(l, side, GOOD + 1, record), want, record);
	ledger_free(l);
}

static void
test_contradictions(void)
{
	static const struct {
		const char *words;
		const char *record;
	} bad[] = {
	    {"OPEN of an account that is there",
		"OPEN account=alice currency=CZK overdraft=0 who=x"},
	    {"OPEN with an overdraft beyond all bounds",
		"OPEN account=zoe currency=CZK overdraft=9000000000000000000 "
		"who=x"},
	    {"SET of an unknown account", "SET account=zoe state=open who=x"},
	    {"SET of an overdraft beyond all bounds",
		"SET account=alice overdraft=9000000000000000000 who=x"},
	    {"SET of an unknown state", "SET account=alice state=odd who=x"},
	    {"a transfer of an unknown account, or more accounts than are "
	     "configured",
		"PREPARED " TRANSFER("5", "5", "zoe", CLEARING, "1")},
	    {"a transfer of an unknown account, or more accounts than are "
	     "configured",
		"PREPARED " TRANSFER("5", "5", "alice", "zoe", "1")},
	    {"a transfer between accounts that do not match",
		"PREPARED " TRANSFER("5", "5", "alice", "alice", "1")},
	    {"a transfer between accounts that do not match",
		"PREPARED " TRANSFER("5", "5", "alice", "eva", "1")},
	    {"a transfer between accounts that do not match",
		"PREPARED " TRANSFER("5", "5", "eva", CLEARING, "1")},
	    {"a balance does not follow from the one before",
		ENTRY("5", "1", "-1000", "1001")},
	    {"a balance does not follow from the one before",
		ENTRY("5", "1", "-1001", "1000")},
	    {"PREPARED again of an id that is not known",
		"PREPARED " TRANSFER(
		    "5", "5", "alice", CLEARING, "1") " again=1:64"},
	    {"PREPARED of a branch or id that is prepared",
		"PREPARED " TRANSFER("1", "5", "alice", CLEARING, "1")},
	    {"PREPARED of a branch or id that is prepared",
		"PREPARED " TRANSFER("5", "1", "alice", CLEARING, "1")},
	    {"COMMITTED of a branch that is not prepared",
		"COMMITTED " TRANSFER("5", "5", "alice", CLEARING, "10") NEXT},
	    {"COMMITTED of a branch that is not prepared",
		"COMMITTED " TRANSFER("1", "5", "alice", CLEARING, "10") NEXT},
	    {"COMMITTED of a branch that is not prepared",
		"COMMITTED " TRANSFER("1", "5", "alice", CLEARING, "10") NEXT
		" again=1:512"},
	    {"COMMITTED is not what was PREPARED",
		"COMMITTED " TRANSFER("1", "1", "eva", CLEARING, "10") NEXT},
	    {"COMMITTED is not what was PREPARED",
		"COMMITTED " TRANSFER("1", "1", "alice", "eva", "10") NEXT},
	    {"COMMITTED is not what was PREPARED",
		"COMMITTED " TRANSFER("1", "1", "alice", CLEARING, "11") NEXT},
	    {"a balance does not follow from the one before",
		"COMMITTED " TRANSFER("1", "1", "alice", CLEARING,
		    "10") " from_balance=1 to_balance=10 from_prev= to_prev="},
	    {"a transfer of an unknown account, or more accounts than are "
	     "configured",
		"COMMITTED " TRANSFER("2", "2", "zoe", CLEARING, "20") LATE},
	    {"a balance does not follow from the one before",
		"COMMITTED " TRANSFER("2", "2", "alice", CLEARING, "21") LATE},
	    {"ABORTED of a branch that is not prepared",
		"ABORTED id=" ID("5") " branch=gw1.1.5"},
	    {"ABORTED of a branch that is not prepared",
		"ABORTED id=" ID("1") " branch=gw1.1.5"},
	    {"SETTLED of a branch that no operator has committed",
		"SETTLED id=" ID("5") " branch=gw1.1.5 outcome=commit"},
	    {"SETTLED of a branch that no operator has committed",
		"SETTLED id=" ID("5") " branch=gw7.1.5 outcome=commit"},
	    {"SETTLED of a branch that no operator has committed",
		"SETTLED id=" ID("1") " branch=gw1.1.1 outcome=commit"},
	};
	struct ledger_conf conf = harness_conf();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(&conf, SIDE_BANK_JOURNAL, bad[i].record, bad[i].words);
	refused(&conf, SIDE_GATEWAY_JOURNAL, "BOOT epoch=1 agent=test",
	    "a record of another kind of journal");
}

/* A journal that was written with a configuration of more. */
static void
test_bounds(void)
{
	static const struct {
		uint32_t accounts, gateways, in_flight, remembered;
		const char *words;
		const char *record;
	} bad[] = {
	    {4, 1, 2, 9, "more accounts than are configured",
		"OPEN account=zoe currency=CZK overdraft=0 who=x"},
	    {4, 1, 2, 9,
		"a transfer of an unknown account, or more accounts than are "
		"configured",
		"PREPARED " TRANSFER(
		    "5", "5", "alice", ":clearing.BankC.CZK", "1")},
	    {9, 1, 2, 9, "more gateways than are configured",
		"GATEWAY node=gw2 epoch=1"},
	    {9, 1, 2, 9, "more gateways than are configured",
		"PREPARED id=" ID("5") " branch=gw2.1.1 from=alice to=" CLEARING
				       " amount=1 currency=CZK peer=b@BankB"},
	    {9, 1, 1, 9, "more branches in flight than are configured",
		"PREPARED " TRANSFER("5", "5", "alice", CLEARING, "1")},
	    {9, 1, 2, 3, "more payment ids than are configured (remembered)",
		"PREPARED " TRANSFER("5", "5", "alice", CLEARING, "1")},
	    {9, 1, 2, 3, "more payment ids than are configured (remembered)",
		ENTRY("5", "1", "-1001", "1001")},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ledger_conf conf = harness_conf();

		conf.accounts_max = bad[i].accounts;
		conf.gateways_max = bad[i].gateways;
		conf.in_flight_max = bad[i].in_flight;
		conf.remembered_max = bad[i].remembered;
		refused(&conf, SIDE_BANK_JOURNAL, bad[i].record, bad[i].words);
	}
}

int
main(void)
{
	test_contradictions();
	test_bounds();
	return tap_done();
}
