/*
 * Journals, snapshots and indexes that cannot be: the coordinator refuses the
 * first part that contradicts those before it or the configuration.
 */
#include "coord_harness.h"

#define ID(n) "00000000-0000-4000-8000-00000000000" n
#define CHECK_TEXT "0123456789abcdef0123456789abcdef"
#define ACCOUNTS " from=alice@BankA to=bob@BankB amount=10 currency=CZK"
#define RECEIVED(id, accounts) \
	"RECEIVED id=" ID(id) accounts " user=alice hold=yes attempts=1 " \
				       "prior="
#define BOTH "BankA:gw.1.1,BankB:gw.1.2"
#define PROOFS "BankA:11:" CHECK_TEXT
#define COMMIT(id, branches, proofs) \
	"COMMIT id=" ID(id) " branches=" branches " proofs=" proofs \
			    " received=1:300"
#define HELD(id) \
	"HELD id=" ID(id) " reason=BANK_UNAVAILABLE bank=BankB " \
			  "first=2027-01-15T08:00:00.000000Z attempts=1"
#define ABORT(id, final) \
	"ABORT id=" ID(id) " reason=CANCELLED final=" final " attempts=1"
#define END(id, proofs) "END id=" ID(id) " proofs=" proofs

/* 1 is open, 2 is committed. */
static const char *const good[] = {
    "BOOT epoch=1 agent=test",
    "BANK bank=BankA journal=" ID("a"),
    "BANK bank=BankB journal=" ID("b"),
    RECEIVED("1", ACCOUNTS),
    RECEIVED("2", ACCOUNTS),
    COMMIT("2", BOTH, PROOFS),
};
#define GOOD (sizeof(good) / sizeof(good[0]))

static struct coord_conf
conf_of(uint32_t banks, uint32_t in_flight, uint64_t remembered)
{
	struct coord_conf conf = default_conf();

	conf.banks_max = banks;
	conf.in_flight_max = in_flight;
	conf.held_max = 0;
	conf.remembered_max = remembered;
	conf.revoked_max = 0;
	return conf;
}

/* The last action, if it ends the daemon; "" where there was none. */
static const char *
step(struct coord *c, struct event *ev)
{
	static struct actions actions;

	ev->wall_us = WORLD_START_US;
	actions.count = 0;
	coord_step(c, ev, &actions);
	if (actions.count == 0)
		return "";
	CHECK(actions.at[actions.count - 1].kind == AC_FAIL);
	return actions.at[actions.count - 1].text;
}

static const char *
give_record(struct coord *c, uint64_t seq, const char *record)
{
	size_t word = strcspn(record, " ");
	char text[LINE_MAX_LEN];
	static struct line line;
	struct msg_problem problem;
	struct msg msg;
	struct record r = {&msg, pos_of(seq), {{(uint8_t)seq}}};
	struct event ev = {.kind = EV_RECORD, .record = &r};

	snprintf(text, sizeof(text),
	    "%" PRIu64 " %.*s time=2027-01-15T08:00:00.000000Z flushed=0%s",
	    seq, (int)word, record, record + word);
	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	if (msg_request(&msg, &line, SIDE_GATEWAY_JOURNAL, &problem) !=
	    LINE_OK) {
		printf("# %s: %s\n", text, problem.text);
		CHECK_UNREACHABLE("a record in good order");
	}
	return step(c, &ev);
}

static void
refused(const struct coord_conf *conf, const char *record, const char *words)
{
	struct coord *c = coord_new(conf);
	char want[160];

	CHECK(c != NULL);
	for (uint32_t i = 0; i < GOOD; i++)
		is_text(give_record(c, i + 1, good[i]), "", "a good record");
	snprintf(want, sizeof(want), "record %zu of the journal %s", GOOD + 1,
	    words);
	is_text(give_record(c, GOOD + 1, record), want, record);
	coord_free(c);
}

static void
test_contradictions(void)
{
	static const char
	    twice[] = "contradicts an earlier one",
	    held[] = "holds a payment that is not open",
	    commits[] = "commits a payment that is not open",
	    aborts[] = "aborts a payment that is not open",
	    ends[] = "ends a payment that is not committed",
	    revokes[] = "revokes nothing",
	    misfit[] = "revokes one token too many: raise sessions.revoked";
	static const struct {
		const char *words;
		const char *record;
	} bad[] = {
	    {twice, RECEIVED("1", ACCOUNTS)},
	    {twice, RECEIVED("2", ACCOUNTS)},
	    {twice,
		RECEIVED("5",
		    " from=alice@BankX to=bob@BankB amount=1 currency=CZK")},
	    {twice,
		RECEIVED("5",
		    " from=alice@BankA to=bob@BankX amount=1 currency=CZK")},
	    {twice, RECEIVED("5", ACCOUNTS) " again=1:300"},
	    {held, HELD("5")},
	    {held, HELD("2")},
	    {commits, COMMIT("5", BOTH, PROOFS)},
	    {commits, COMMIT("2", BOTH, PROOFS)},
	    {commits, COMMIT("1", "BankA:gw.1.1,BankX:gw.1.2", PROOFS)},
	    {commits, COMMIT("1", "BankB:gw.1.1,BankA:gw.1.2", PROOFS)},
	    {commits, COMMIT("1", "BankA:gw.1.1", PROOFS)},
	    {commits, COMMIT("1", BOTH, "BankX:11:" CHECK_TEXT)},
	    {aborts, ABORT("5", "no")},
	    {aborts, ABORT("2", "yes")},
	    {aborts, ABORT("2", "no")},
	    {ends, END("1", PROOFS)},
	    {ends, END("5", PROOFS)},
	    {ends, END("2", "BankX:11:" CHECK_TEXT)},
	    {"names a bank that was never bound",
		"HEURISTIC id=" ID("2") " bank=BankX outcome=aborted"},
	    {revokes, "REVOKE expires=2028-01-15T08:00:00.000000Z"},
	    {revokes,
		"REVOKE jti=1.1 user=alice upto=1.1 "
		"expires=2028-01-15T08:00:00.000000Z"},
	    {revokes, "REVOKE user=alice expires=2028-01-15T08:00:00.000000Z"},
	    {revokes, "REVOKE jti=x expires=2028-01-15T08:00:00.000000Z"},
	    {misfit, "REVOKE jti=1.1 expires=2028-01-15T08:00:00.000000Z"},
	};
	struct coord_conf conf = conf_of(4, 8, 100);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(&conf, bad[i].record, bad[i].words);
}

/* A journal that was written with a configuration of more. */
static void
test_bounds(void)
{
	struct coord_conf conf = conf_of(2, 8, 100);

	refused(&conf, "BANK bank=BankC journal=" ID("c"),
	    "names one bank too many: raise limits.banks");
	conf = conf_of(4, 8, 2);
	refused(&conf, RECEIVED("5", ACCOUNTS),
	    "does not fit: raise payments.in_flight, payments.held_max or "
	    "payments.remembered");
	refused(&conf, ABORT("5", "yes"),
	    "does not fit: raise payments.in_flight or payments.remembered");
}

static uint32_t heuristics;

static void
count_heuristics(void *ctx, const char *row)
{
	(void)ctx;
	heuristics += strstr(row, " HEURISTIC ") != NULL ? 1 : 0;
}

/* What banks did otherwise is bounded: the oldest is forgotten. */
static void
test_heuristics(void)
{
	struct coord_conf conf = conf_of(4, 8, 100);
	struct coord *c = coord_new(&conf);
	uint64_t seq = 1;
	bool all = true;

	CHECK(c != NULL);
	for (; seq <= GOOD; seq++)
		(void)give_record(c, seq, good[seq - 1]);
	for (uint32_t n = 0; n < 1030; n++, seq++) {
		char text[128];

		snprintf(text, sizeof(text),
		    "HEURISTIC id=00000000-0000-4000-8000-%012x bank=BankA "
		    "outcome=aborted",
		    n);
		all &= give_record(c, seq, text)[0] == '\0';
		all &= give_record(c, seq, text)[0] == '\0';
	}
	ok(all, "1,030 heuristic outcomes, each twice");
	coord_check(c);
	heuristics = 0;
	coord_dump(c, count_heuristics, NULL);
	is_i64(heuristics, 1024, "the newest are remembered");
	coord_free(c);
}

/* ---- Snapshots and indexes ---- */

static const char *
give_line(struct coord *c, const char *text)
{
	static struct line line;
	struct msg_problem problem;
	struct msg msg;
	struct event ev = {.kind = EV_RESTORE, .msg = &msg};

	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	CHECK(msg_request(&msg, &line, SIDE_SNAPSHOT, &problem) == LINE_OK);
	return step(c, &ev);
}

#define PAYMENT(id, accounts, rest) \
	"0 PAYMENT id=" ID(id) accounts \
	    " user=alice hold=yes attempts=1 " \
	    "received=1:300 seq=6 where=1:500 check=" CHECK_TEXT \
	    " time=2027-01-15T08:00:00.000000Z " rest

static void
test_snapshot(void)
{
	static const char *const lines[] = {
	    "0 EPOCH epoch=1 restored=no received=1:300 committed=1 aborted=0",
	    "0 BANK bank=BankA journal=" ID(
		"a") " seq=2 waived=no "
		     "since=2027-01-15T08:00:00.000000Z",
	    "0 BANK bank=BankB journal=" ID(
		"b") " seq=3 waived=no "
		     "since=2027-01-15T08:00:00.000000Z",
	    PAYMENT("1", ACCOUNTS, "state=undecided"),
	};
	static const struct {
		const char *words;
		const char *line;
	} bad[] = {
	    {"names one bank too many",
		"0 BANK bank=BankC journal=" ID(
		    "c") " seq=4 waived=no "
			 "since=2027-01-15T08:00:00.000000Z"},
	    {"contradicts an earlier one",
		PAYMENT("1", ACCOUNTS, "state=undecided")},
	    {"contradicts an earlier one",
		PAYMENT("2",
		    " from=alice@BankX to=bob@BankB amount=1 currency=CZK",
		    "state=undecided")},
	    {"contradicts an earlier one",
		PAYMENT("2", ACCOUNTS, "state=undecided")},
	    {"commits a payment that is not open",
		PAYMENT(
		    "3", ACCOUNTS, "state=committed branches=BankA:gw.1.1")},
	    {"names a bank that was never bound",
		"0 HEURISTIC id=" ID("1") " bank=BankX outcome=aborted seq=5 "
					  "time=2027-01-15T08:00:00.000000Z"},
	    {"revokes nothing", "0 REVOKE expires=2028-01-15T08:00:00.000000Z"},
	    {"a line that is not of a gateway", "0 BOOT boot=1 loaded=no"},
	};
	struct coord_conf conf = conf_of(2, 8, 100);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct id_note one = {.at = pos_of(4), .kind = 1},
			       three = {.at = pos_of(6), .kind = 2};
		struct event ev = {.kind = EV_REMEMBER, .note = &one};
		struct coord *c = coord_new(&conf);
		const char *said;

		CHECK(c != NULL && id_parse(&one.id, STR(ID("1"))) &&
		    id_parse(&three.id, STR(ID("3"))));
		is_text(step(c, &ev), "", "a note");
		ev.note = &three;
		is_text(step(c, &ev), "", "another");
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++)
			is_text(give_line(c, lines[k]), "", "a good line");
		said = give_line(c, bad[i].line);
		ok(strstr(said, bad[i].words) != NULL, "%s: %s", said,
		    bad[i].line);
		coord_free(c);
	}
}

static void
remembers(uint64_t remembered, const struct id_note *notes, const char *words)
{
	struct coord_conf conf = conf_of(2, 8, remembered);
	struct coord *c = coord_new(&conf);
	const char *said = "";

	CHECK(c != NULL);
	for (; notes->at.seq != 0 && said[0] == '\0'; notes++) {
		struct event ev = {.kind = EV_REMEMBER, .note = notes};

		said = step(c, &ev);
	}
	is_text(said, words, words);
	coord_free(c);
}

static void
test_notes(void)
{
	static const struct id_note none[] = {
	    {.id = {{1}}, .at = {1, 1, 0}, .kind = 0}, {.kind = 0}};
	static const struct id_note odd[] = {
	    {.id = {{1}}, .at = {1, 1, 0}, .kind = 99}, {.kind = 0}};
	static const struct id_note lost[] = {
	    {.id = {{1}}, .at = {2, 1, 100}, .before = {1, 1, 0}, .kind = 2},
	    {.kind = 0}};
	static const struct id_note many[] = {
	    {.id = {{1}}, .at = {1, 1, 0}, .kind = 1},
	    {.id = {{2}}, .at = {2, 1, 100}, .kind = 1}, {.kind = 0}};

	remembers(100, many, "");
	remembers(100, none, "an index has a note of an unknown kind");
	remembers(100, odd, "an index has a note of an unknown kind");
	remembers(100, lost,
	    "an index has a note of an id that cannot be told from another");
	remembers(1, many, "more ids than payments.remembered allows");
}

int
main(void)
{
	test_contradictions();
	test_bounds();
	test_heuristics();
	test_snapshot();
	test_notes();
	return tap_done();
}
