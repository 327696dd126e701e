/* lib/coord: what strife-ctl asks: BANKS, PAYMENTS, STATUS, EXPLAIN, STATS. */
#include "coord_harness.h"

/* Asks, and gathers all rows of the answer; false where it is an ERR. */
struct answer {
	char rows[64][LINE_MAX_LEN];
	uint32_t count;
	char last[LINE_MAX_LEN]; /* OK or ERR */
};

static const struct answer *
ask(struct world *w, const char *question)
{
	static struct answer answer;
	const char *line;

	answer.count = 0;
	answer.last[0] = '\0';
	control(w, "%s", question);
	ticks(w);
	while ((line = next_line(w, control_peer()))[0] != '\0') {
		CHECK(answer.count < 64);
		if (has_words(line, "ROW"))
			snprintf(answer.rows[answer.count++], LINE_MAX_LEN,
			    "%s", line);
		else
			snprintf(answer.last, LINE_MAX_LEN, "%s", line);
	}
	return &answer;
}

#define row_says(a, n, words, what) \
	tap_says( \
	    __LINE__, (n) < (a)->count ? (a)->rows[n] : "", (words), (what))

static const char *
stat_of(struct world *w, const char *name)
{
	const struct answer *a = ask(w, "s STATS");

	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(field(a->rows[i], "name"), name) == 0)
			return field(a->rows[i], "value");
	return "";
}

/*
 * 1 ended, 2 final, 3 passing then ended, 4 cancelled without a payload,
 * 5 cut short by a restart, 6 held, 7 cancelled after it was held, 8 committed
 * but not acknowledged by BankA, 9 being prepared.
 */
static struct world *
world_of_all(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	pay(w, 0, 1, "");
	quiet(w);
	pass_ns(w, SECOND_NS);
	b->no = "NO_SUCH_ACCOUNT";
	pay(w, 0, 2, "");
	quiet(w);
	pass_ns(w, SECOND_NS);
	b->no = "OVERLOADED";
	pay(w, 0, 3, "");
	quiet(w);
	b->no = NULL;
	pass_ns(w, SECOND_NS);
	pay(w, 0, 3, "");
	quiet(w);
	cancel(w, 0, "alice", 4);
	durable(w);
	a->silent = true;
	pay(w, 0, 5, "");
	durable(w);
	crash(w);
	a->silent = false;
	pass_ns(w, SECOND_NS);
	bank_up(w, a);
	pay(w, 0, 6, "");
	pass_ns(w, SECOND_NS);
	pay(w, 0, 7, "");
	quiet(w);
	cancel(w, 0, "alice", 7);
	bank_up(w, bank_new(w, "BankC"));
	a->deaf = true;
	client(w, 0, "carol",
	    "1 PAY id=%s from=carol@BankC to=bob@BankA "
	    "amount=7 currency=JPY",
	    id_of(8));
	return w;
}

static void
banks(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];
	const struct answer *a;

	a = ask(w, "q BANKS");
	is_i64(a->count, 2, "BANKS: a row for each");
	row_says(
	    a, 0, "q ROW bank=BankA state=up in_doubt=0 rtt_us=0", "the first");
	is_text(field(a->rows[0], "journal"), w->banks[0].journal,
	    "with its journal");
	is_text(field(a->rows[0], "since"), "2023-11-14T22:13:20.000000Z",
	    "and since when");
	tap_says(__LINE__, a->last, "q OK", "then OK");
	w->banks[0].silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	pass_ns(w, 1234000);
	w->banks[0].silent = false;
	w->banks[0].deaf = true;
	quiet(w);
	bank_down(w, b);
	a = ask(w, "q BANKS");
	row_says(a, 0, "bank=BankA state=up in_doubt=1 rtt_us=1234",
	    "one in doubt, and how long an answer took");
	row_says(a, 1, "bank=BankB state=down in_doubt=1", "one is down");
	crash(w);
	a = ask(w, "q BANKS");
	row_says(a, 0, "bank=BankA state=down", "after a restart");
	world_holds(w, "BANKS");
	world_free(w);
}

static void
payments_none(struct world *w)
{
	struct fake_bank *b = &w->banks[1];
	const struct answer *a;

	a = ask(w, "q PAYMENTS");
	is_i64(a->count, 0, "PAYMENTS of an empty gateway");
	tap_says(__LINE__, a->last, "q OK", "OK");
	pay(w, 0, 1, "");
	quiet(w);
	b->no = "NO_SUCH_ACCOUNT";
	pay(w, 0, 2, "");
	quiet(w);
	b->no = "OVERLOADED";
	pay(w, 0, 3, "");
	quiet(w);
	pay(w, 0, 4, "");
	pay(w, 0, 5, "");
	quiet(w);
	b->no = NULL;
	pay(w, 0, 4, "");
	quiet(w);
	b->deaf = true;
	pay(w, 0, 5, "");
	quiet(w);
	bank_down(w, b);
	pay(w, 0, 6, "");
	quiet(w);
	pay(w, 0, 7, "");
	quiet(w);
	cancel(w, 0, "alice", 7);
	quiet(w);
	w->banks[0].silent = true;
	client(w, 0, "carol",
	    "1 PAY id=%s from=carol@BankA to=dan@BankA "
	    "amount=7 currency=JPY",
	    id_of(8));
	ticks(w);
}

static void
payments_all(struct world *w)
{
	const struct answer *a;

	a = ask(w, "q PAYMENTS");
	is_i64(a->count, 8, "PAYMENTS: one row for each, newest first");
	row_says(a, 0,
	    "q ROW id=00000008-0000-4000-8000-000000000008 state=preparing "
	    "from=carol@BankA to=dan@BankA amount=7 currency=JPY user=carol",
	    "the one under way");
	row_says(a, 1, "state=aborted reason=CANCELLED", "cancelled");
	row_says(a, 2, "state=held reason=BANK_UNAVAILABLE", "held");
	row_says(a, 3, "state=committed pending=BankB", "pending");
	row_says(a, 4, "state=committed", "the second attempt's, once");
	row_says(a, 5, "state=aborted reason=OVERLOADED", "a passing reason");
	row_says(a, 6, "state=aborted reason=NO_SUCH_ACCOUNT", "a final one");
	row_says(a, 7,
	    "id=00000001-0000-4000-8000-000000000001 state=committed "
	    "from=alice@BankA to=bob@BankB amount=500 currency=EUR user=alice",
	    "committed");
}

static void
payments_chosen(struct world *w)
{
	is_i64(ask(w, "q PAYMENTS state=committed")->count, 3, "committed");
	is_i64(ask(w, "q PAYMENTS state=aborted")->count, 3, "aborted");
	is_i64(ask(w, "q PAYMENTS state=held")->count, 1, "held");
	is_i64(ask(w, "q PAYMENTS state=pending")->count, 1, "pending");
	is_i64(ask(w, "q PAYMENTS state=preparing")->count, 1, "preparing");
	is_i64(ask(w, "q PAYMENTS state=received")->count, 0, "received");
	tap_says(__LINE__, ask(w, "q PAYMENTS state=odd")->last,
	    "q ERR code=BAD_REQUEST field=state", "no such state");
	tap_says(__LINE__, ask(w, "q PAYMENTS before=odd")->last,
	    "q ERR code=BAD_REQUEST field=before", "no such cursor");
	tap_says(__LINE__, ask(w, "q PAYMENTS before=0.1")->last,
	    "q ERR code=BAD_REQUEST field=before", "nor that");
	tap_says(__LINE__,
	    ask(w, "q PAYMENTS before=99999999999999999999.1")->last,
	    "q ERR code=BAD_REQUEST field=before", "nor that");
	tap_says(__LINE__, ask(w, "q PAYMENTS before=1.0")->last, "q OK",
	    "a cursor of one's own making finds nothing");
	tap_says(__LINE__, ask(w, "q PAYMENTS before=99.3")->last, "q OK",
	    "nor does one beyond the end");
}

static void
payments_by_page(struct world *w)
{
	const struct answer *a;
	char question[128], seen[64] = "";

	snprintf(question, sizeof(question), "q PAYMENTS limit=3");
	for (int n = 0; n < 4; n++) {
		a = ask(w, question);
		for (uint32_t i = 0; i < a->count; i++)
			strncat(seen, field(a->rows[i], "id") + 7, 1);
		if (field(a->last, "next")[0] == '\0')
			break;
		snprintf(question, sizeof(question),
		    "q PAYMENTS limit=3 before=%s", field(a->last, "next"));
	}
	is_text(seen, "87654321", "page by page: each once");
	world_holds(w, "PAYMENTS");
}

static void
payments_after_restart(struct world *w)
{
	const struct answer *a;

	durable(w);
	crash(w);
	a = ask(w, "q PAYMENTS");
	is_i64(a->count, 8, "after a restart the same");
	row_says(a, 0, "state=aborted reason=GATEWAY_RESTART user=carol",
	    "but for what was undecided");
	row_says(a, 3, "state=committed pending=BankA,BankB", "pending");
	is_i64(ask(w, "q PAYMENTS state=pending")->count, 1, "pending");
	world_holds(w, "PAYMENTS after a restart");
}

static void
lists_bounded(struct world *w)
{
	/* The operator leaves, or asks for too much at once. */
	for (int n = 0; n < 16; n++)
		control(w, "l%d PAYMENTS", n);
	control(w, "l16 PAYMENTS");
	operator_hears(
	    w, "l16 ERR code=OVERLOADED", "a bounded number of lists");
	{
		struct event ev = {
		    .kind = EV_PEER_DOWN, .peer = control_peer()};

		give(w, &ev);
		ok(!coord_more(w->coord), "they end when who asked is gone");
	}
}

static void
payments(void)
{
	struct world *w = world_two(NULL);

	payments_none(w);
	payments_all(w);
	payments_chosen(w);
	payments_by_page(w);
	payments_after_restart(w);
	lists_bounded(w);
	world_free(w);
}

static void
statuses(void)
{
	struct world *w = world_of_all();
	const struct answer *a;

	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000001-0000-4000-8000-"
		"000000000001")
		->last,
	    "q OK state=committed user=alice from=alice@BankA attempts=1",
	    "the operator's STATUS: anybody's");
	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000003-0000-4000-8000-"
		"000000000003")
		->last,
	    "q OK state=committed user=alice attempts=2", "two attempts");
	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000004-0000-4000-8000-"
		"000000000004")
		->last,
	    "q OK state=aborted reason=CANCELLED user=alice", "a tombstone");
	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000005-0000-4000-8000-"
		"000000000005")
		->last,
	    "q OK state=aborted reason=GATEWAY_RESTART user=alice",
	    "cut short by a restart");
	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000006-0000-4000-8000-"
		"000000000006")
		->last,
	    "q OK state=held reason=BANK_UNAVAILABLE user=alice", "held");
	tap_says(__LINE__,
	    ask(w,
		"q STATUS id=00000099-0000-4000-8000-"
		"000000000099")
		->last,
	    "q ERR code=NOT_FOUND", "unknown");
	a = ask(w, "q STATS");
	is_i64(a->count > 10, 1, "STATS has rows");
	tap_says(__LINE__, a->last, "q OK", "then OK");
	is_text(stat_of(w, "epoch"), "2", "the epoch");
	is_text(stat_of(w, "held"), "1", "held");
	is_text(stat_of(w, "banks"), "3", "banks");
	is_text(stat_of(w, "banks_up"), "2", "banks up");
	is_text(stat_of(w, "draining"), "0", "not draining");
	control(w, "1 DRAIN");
	operator_hears(w, "1 OK", "DRAIN");
	is_text(stat_of(w, "draining"), "1", "draining");
	is_text(stat_of(w, "truncated"), "0", "nothing was cut");
	world_free(w);
}

/* The events of EXPLAIN, one after another. */
static const char *
events_of(struct world *w, uint64_t id)
{
	static char events[512];
	char question[128];
	const struct answer *a;

	snprintf(question, sizeof(question), "q EXPLAIN id=%s", id_of(id));
	a = ask(w, question);
	events[0] = '\0';
	for (uint32_t i = 0; i < a->count; i++) {
		strcat(events, i > 0 ? " " : "");
		strcat(events, field(a->rows[i], "event"));
	}
	if (!has_words(a->last, "q OK"))
		snprintf(events, sizeof(events), "%s", field(a->last, "code"));
	return events;
}

static void
explanations(void)
{
	struct world *w = world_of_all();
	const struct answer *a;

	a = ask(w, "q EXPLAIN id=00000001-0000-4000-8000-000000000001");
	is_i64(a->count, 3, "EXPLAIN: a row for each record");
	row_says(a, 0,
	    "q ROW where=gateway event=RECEIVED "
	    "text=attempt%201%20of%20alice:%205.00%20EUR%20from%20alice@BankA"
	    "%20to%20bob@BankB",
	    "the first tells what was asked");
	row_says(a, 1,
	    "event=COMMIT where=gateway text=BankA:gw.1.1,BankB:gw.1.2",
	    "then what was decided");
	row_says(a, 2, "event=END where=gateway", "the last that it is done");
	is_text(events_of(w, 2), "RECEIVED ABORT", "a final reason");
	is_text(events_of(w, 3), "RECEIVED ABORT RECEIVED COMMIT END",
	    "two attempts, oldest first");
	is_text(events_of(w, 4), "ABORT", "a tombstone");
	is_text(events_of(w, 5), "RECEIVED", "cut short by a restart");
	is_text(events_of(w, 6), "RECEIVED HELD now", "held, and still is");
	is_text(events_of(w, 99), "NOT_FOUND", "unknown");
	cancel(w, 0, "alice", 5);
	cancel(w, 0, "alice", 3);
	durable(w);
	is_text(events_of(w, 5), "RECEIVED ABORT", "cancelled after that");
	bank_up(w, &w->banks[1]);
	w->banks[1].no = "OVERLOADED";
	w->banks[0].deaf = false;
	pay(w, 0, 10, "");
	quiet(w);
	cancel(w, 0, "alice", 10);
	durable(w);
	is_text(events_of(w, 10), "RECEIVED ABORT ABORT",
	    "cancelled after a passing reason");
	world_holds(w, "EXPLAIN");
	world_free(w);
}

/* A record that is not durable may yet be undone: nobody is told of it. */
static void
explained_early(void)
{
	struct world *w = world_two(NULL);
	char question[128];

	pay(w, 0, 1, "");
	ticks(w);
	durable(w);
	banks_answer(w);
	is_i64(records(w, "COMMIT", id_of(1)), 1, "a COMMIT is written");
	snprintf(question, sizeof(question), "q EXPLAIN id=%s", id_of(1));
	control(w, "%s", question);
	ticks(w);
	operator_hears(w, "q ROW event=RECEIVED", "what is durable is told");
	is_text(next_line(w, control_peer()), "", "and not what is not");
	durable(w);
	operator_hears(w, "q ROW event=COMMIT", "until it is");
	world_holds(w, "EXPLAIN before a record is durable");
	world_free(w);
}

/* A long list holds up no other. */
static void
lists_take_turns(void)
{
	struct world *w = world_two(NULL);
	struct event tick = {.kind = EV_TICK};
	bool short_ended = false;
	const char *line;

	for (uint64_t id = 1; id <= 20; id++) {
		pay(w, 0, id, "");
		quiet(w);
	}
	control(w, "a PAYMENTS");
	control(w, "b BANKS");
	for (int n = 0; n < 8; n++)
		give(w, &tick);
	while ((line = next_line(w, control_peer()))[0] != '\0')
		short_ended |= has_words(line, "b OK");
	ok(short_ended, "a short list ends while a long one goes on");
	ok(coord_more(w->coord), "which it does");
	ticks(w);
	world_free(w);
}

int
main(void)
{
	banks();
	payments();
	statuses();
	explanations();
	explained_early();
	lists_take_turns();
	return tap_done();
}
