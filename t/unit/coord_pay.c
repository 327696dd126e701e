/* lib/coord: PROTOCOL.md section 5, the answers to PAY, and CANCEL's. */
#include "coord_harness.h"

static const struct {
	const char *from, *to, *code;
	const char *retry;
	bool final;
} refusals[] = {
    {"INSUFFICIENT_FUNDS", NULL, "INSUFFICIENT_FUNDS", "new-id", true},
    {NULL, "NO_SUCH_ACCOUNT", "NO_SUCH_ACCOUNT", "new-id", true},
    {NULL, "ACCOUNT_CLOSED", "ACCOUNT_CLOSED", "new-id", true},
    {"ACCOUNT_FROZEN", NULL, "ACCOUNT_FROZEN", "new-id", true},
    {NULL, "CURRENCY_MISMATCH", "CURRENCY_MISMATCH", "new-id", true},
    {"LIMIT_EXCEEDED", NULL, "LIMIT_EXCEEDED", "new-id", true},
    {"OVERLOADED", NULL, "OVERLOADED", "same-id", false},
    {NULL, "READ_ONLY", "READ_ONLY", "same-id", false},
    {"IN_PROGRESS", NULL, "IN_PROGRESS", "same-id", false},
    {NULL, "FORBIDDEN", "INTERNAL", "same-id", false},
    {"TOKEN_INVALID", NULL, "INTERNAL", "same-id", false},
    {"NOT_FOUND", NULL, "INTERNAL", "same-id", false},
    /* These are for a gateway to say, not for a bank. */
    {"CANCELLED", NULL, "INTERNAL", "same-id", false},
    {"HOLD_EXPIRED", NULL, "INTERNAL", "same-id", false},
    {"BANK_UNAVAILABLE", NULL, "INTERNAL", "same-id", false},
    {"BANK_TIMEOUT", NULL, "INTERNAL", "same-id", false},
    {"GATEWAY_RESTART", NULL, "INTERNAL", "same-id", false},
    /* Of two, a final reason wins. */
    {"OVERLOADED", "NO_SUCH_ACCOUNT", "NO_SUCH_ACCOUNT", "new-id", true},
    {"ACCOUNT_FROZEN", "OVERLOADED", "ACCOUNT_FROZEN", "new-id", true},
};

static void
refused_for_ever(struct world *w)
{
	crash(w);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char want[256];

		pay(w, 0, i, "");
		snprintf(want, sizeof(want),
		    refusals[i].final
			? "ERR code=ALREADY_EXISTS state=aborted reason=%s"
			: "ERR code=ALREADY_EXISTS state=committed",
		    refusals[i].code);
		answered(w, 0, want, "a restart changes no answer");
	}
}

static void
votes_no(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char want[256], what[128];
		bool refuses_a = refusals[i].from != NULL;

		a->no = refusals[i].from;
		b->no = refusals[i].to;
		pay(w, 0, i, "");
		banks_answer(w);
		snprintf(what, sizeof(what), "votes %s and %s",
		    a->no == NULL ? "yes" : a->no,
		    b->no == NULL ? "yes" : b->no);
		if (refusals[i].final) {
			quiet_to(w, 0,
			    "a final reason is answered when it is durable");
		}
		quiet(w);
		snprintf(want, sizeof(want),
		    "ERR code=%s retry=%s state=aborted bank=%s",
		    refusals[i].code, refusals[i].retry,
		    refuses_a &&
			    strcmp(refusals[i].code, "NO_SUCH_ACCOUNT") != 0
			? "BankA"
			: "BankB");
		answered(w, 0, want, what);
		snprintf(want, sizeof(want),
		    "ABORT final=%s reason=%s user=alice",
		    refusals[i].final ? "yes" : "no", refusals[i].code);
		is_i64(records(w, want, id_of(i)), 1, "and journalled so");
		for (uint32_t k = 0; k < 2; k++)
			for (size_t f = 0; f < w->banks[k].branch_count; f++)
				CHECK(w->banks[k].branches[f].state ==
					FAKE_ABORTED ||
				    strcmp(w->banks[k].branches[f].id,
					id_of(i)) != 0);
		/* The same PAY again. */
		a->no = b->no = NULL;
		pay(w, 0, i, "");
		quiet(w);
		snprintf(want, sizeof(want),
		    refusals[i].final
			? "ERR code=ALREADY_EXISTS state=aborted reason=%s"
			: "OK state=committed",
		    refusals[i].code);
		answered(w, 0, want,
		    refusals[i].final ? "for ever"
				      : "may run again: it commits");
		status(w, 0, "alice", i);
		snprintf(want, sizeof(want),
		    refusals[i].final ? "OK state=aborted reason=%s attempts=1"
				      : "OK state=committed attempts=2",
		    refusals[i].code);
		answered(w, 0, want, "and STATUS says so");
	}
	world_holds(w, "votes");
	refused_for_ever(w);
	world_free(w);
}

/* The payee's bank votes passing no, then the payer's bank's vote comes. */
static void
order_of_votes(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->silent = true;
	b->no = "OVERLOADED";
	pay(w, 0, 1, "");
	quiet(w);
	quiet_to(w, 0, "a passing no waits for the other vote");
	a->silent = false;
	quiet(w);
	answered(w, 0, "ERR code=OVERLOADED bank=BankB state=aborted",
	    "passing no, then yes: the no");
	is_i64(a->aborts, 1, "and the one that said yes gets ABORT");
	is_i64(b->aborts, 0, "not the one that said no");

	a->silent = true;
	pay(w, 0, 2, "");
	quiet(w);
	a->silent = false;
	a->no = "ACCOUNT_CLOSED";
	quiet(w);
	answered(w, 0, "ERR code=ACCOUNT_CLOSED bank=BankA",
	    "passing no, then final no: the final");

	a->silent = true;
	a->no = NULL;
	b->no = "NO_SUCH_ACCOUNT";
	pay(w, 0, 3, "");
	quiet(w);
	answered(w, 0, "ERR code=NO_SUCH_ACCOUNT",
	    "a final no does not wait for the other vote");
	is_i64(bank_heard(w, a, "ABORT"), 2, "the silent bank gets ABORT");
	a->silent = false;
	quiet(w);
	is_i64(bank_heard(w, a, "ABORT"), 3, "and again after its late yes");
	for (size_t i = 0; i < a->branch_count; i++)
		is_i64(a->branches[i].state, FAKE_ABORTED, "aborted there");
	world_holds(w, "order of votes");
	world_free(w);
}

static void
committed_elsewhere(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->no = "ALREADY_EXISTS";
	b->silent = true;
	pay(w, 0, 1, "");
	quiet(w);
	answered(w, 0, "ERR code=ALREADY_EXISTS retry=never state=committed",
	    "committed by another gateway, as the payer's bank tells");
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=committed", "so it is, in STATUS");
	cancel(w, 0, "alice", 1);
	answered(w, 0, "ERR code=ALREADY_EXISTS state=committed",
	    "and CANCEL does not say that it is given up");
	pay(w, 0, 1, "");
	answered(w, 0, "ERR code=ALREADY_EXISTS state=committed",
	    "nor is it tried again");
	a->no = "ID_REUSED";
	pay(w, 0, 2, "");
	quiet(w);
	answered(w, 0, "ERR code=ID_REUSED retry=never",
	    "another payload under this id at the bank");
	world_holds(w, "committed elsewhere");

	a->no = NULL;
	b->silent = false;
	bank_down(w, b);
	pay(w, 0, 3, "");
	quiet(w);
	answered(w, 0, "OK state=held", "one is held");
	a->no = "ALREADY_EXISTS";
	bank_up(w, b);
	quiet(w);
	pass_ns(w, 10 * SECOND_NS);
	quiet(w);
	status(w, 0, "alice", 3);
	answered(w, 0, "OK state=committed",
	    "a held one that is found committed elsewhere is held no longer");
	world_holds(w, "a held one committed elsewhere");
	world_free(w);
}

static void
no_answer(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	b->silent = true;
	pay(w, 0, 1, "");
	quiet(w);
	is_i64(coord_next_ns(w->coord), w->mono_ns + 5 * SECOND_NS,
	    "the nearest deadline is prepare_timeout's");
	pass_ns(w, 5 * SECOND_NS - 1);
	quiet(w);
	quiet_to(w, 0, "a nanosecond before prepare_timeout");
	pass_ns(w, 1);
	quiet(w);
	answered(w, 0,
	    "ERR code=BANK_TIMEOUT retry=same-id bank=BankB state=aborted",
	    "prepare_timeout");
	is_i64(a->branches[0].state, FAKE_ABORTED, "the other is aborted");
	status(w, 0, "alice", 1);
	answered(w, 0, "state=aborted reason=BANK_TIMEOUT", "STATUS");
	b->silent = false;
	quiet(w);
	is_i64(b->branches[0].state, FAKE_ABORTED,
	    "a late yes gets ABORT, and commits nothing");
	is_i64(records(w, "COMMIT", id_of(1)), 0, "no COMMIT");
	pay(w, 0, 1, "");
	quiet(w);
	answered(w, 0, "OK state=committed", "the same id runs afresh");
	world_holds(w, "timeouts");

	pay(w, 0, 2, "");
	banks_answer(w);
	pass_ns(w, 100 * SECOND_NS);
	ticks(w);
	quiet_to(w, 0, "while committing the timeout changes nothing");
	bank_down(w, a);
	quiet(w);
	answered(w, 0, "OK state=committed pending=BankA",
	    "nor does a broken connection");
	bank_up(w, a);
	quiet(w);
	is_i64(records(w, "END", id_of(2)), 1, "it is told when it returns");
	world_holds(w, "committing");
	world_free(w);
}

/* A yes for an attempt that timed out says nothing about the next one. */
static void
late_yes_of_an_old_attempt(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];

	b->silent = true;
	pay(w, 0, 1, "");
	quiet(w);
	pass_ns(w, 5 * SECOND_NS);
	quiet(w);
	pay(w, 1, 1, "");
	ticks(w);
	/* Both PREPAREs lie there; the old one is answered. */
	for (size_t i = 0; i < w->out.count; i++)
		if (has_words(w->out.at[i].text, "PREPARE branch=gw.1.2")) {
			w->out.at[i].done = true;
			bank_votes(w, b, w->out.at[i].text, "p0");
		}
	quiet(w);
	is_i64(records(w, "COMMIT", id_of(1)), 0,
	    "an old attempt's yes does not commit the new one");
	is_text(field(bank_asked(w, b, "ABORT"), "branch"), "gw.1.2",
	    "the old branch gets ABORT");
	b->silent = false;
	quiet(w);
	answered(w, 1, "OK state=committed", "the new one's yes does");
	world_holds(w, "a late yes");
	world_free(w);
}

static void
banks_away(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	client(w, 0, "alice",
	    "1 PAY id=%s from=alice@BankA to=bob@BankX "
	    "amount=1 currency=EUR",
	    id_of(9));
	answered(w, 0, "ERR code=NO_SUCH_BANK retry=never",
	    "a bank that never registered");
	status(w, 0, "alice", 9);
	answered(w, 0, "ERR code=NOT_FOUND", "leaves no trace");

	bank_down(w, b);
	pay(w, 0, 1, "hold=no");
	quiet(w);
	answered(w, 0, "ERR code=BANK_UNAVAILABLE bank=BankB state=aborted",
	    "not connected, hold=no");
	is_i64(a->prepares, 0, "nobody is asked");
	pay(w, 0, 2, "");
	quiet_to(w, 0, "held is answered when it is durable");
	status(w, 1, "alice", 2);
	answered(w, 1, "OK state=preparing", "until then it shows preparing");
	cancel(w, 1, "alice", 2);
	answered(w, 1, "ERR code=IN_PROGRESS state=preparing",
	    "and CANCEL is told so");
	quiet(w);
	answered(w, 0, "OK state=held reason=BANK_UNAVAILABLE bank=BankB",
	    "not connected, hold=yes by default");
	bank_down(w, a);
	pay(w, 0, 3, "hold=yes");
	quiet(w);
	answered(w, 0, "OK state=held reason=BANK_UNAVAILABLE bank=BankA",
	    "two away: the payer's is named");
	status(w, 0, "alice", 3);
	answered(w, 0, "OK state=held reason=BANK_UNAVAILABLE", "STATUS");
	world_holds(w, "held");
	bank_up(w, a);
	quiet(w);
	is_i64(coord_next_ns(w->coord) > w->mono_ns, 1, "one bank: still held");
	bank_up(w, b);
	quiet(w);
	status(w, 0, "alice", 2);
	answered(w, 0, "OK state=committed", "both back: it goes through");
	status(w, 0, "alice", 3);
	answered(w, 0, "OK state=committed", "the other one too");

	/* The connection breaks before the decision. */
	b->silent = true;
	pay(w, 0, 4, "");
	pay(w, 1, 5, "hold=no");
	banks_answer(w);
	bank_down(w, b);
	quiet(w);
	answered(w, 0, "OK state=held reason=BANK_UNAVAILABLE bank=BankB",
	    "breaks before the decision, hold=yes");
	answered(w, 1, "ERR code=BANK_UNAVAILABLE bank=BankB state=aborted",
	    "breaks before the decision, hold=no");
	is_i64(a->branches[a->branch_count - 1].state, FAKE_ABORTED,
	    "the other bank gets ABORT");
	b->silent = false;
	bank_up(w, b);
	quiet(w);
	status(w, 0, "alice", 4);
	answered(w, 0, "OK state=committed attempts=2", "and is tried again");
	world_holds(w, "banks away");
	world_free(w);
}

static void
known_ids(void)
{
	static const char *const others[] = {
	    "from=alice2@BankA to=bob@BankB amount=500 currency=EUR",
	    "from=alice@BankA to=bob2@BankB amount=500 currency=EUR",
	    "from=alice@BankA to=bob@BankB amount=501 currency=EUR",
	    "from=alice@BankA to=bob@BankB amount=500 currency=USD",
	    "from=alice@BankA to=bob@BankB amount=500 currency=EUR memo=x",
	    "from=alice@BankB to=bob@BankB amount=500 currency=EUR",
	};
	static const char *const states[] = {
	    "undecided", "held", "committed", "ended", "final", "passing"};
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->silent = true;
	pay(w, 0, 0, "");
	ticks(w);
	a->silent = false;
	bank_down(w, b);
	pay(w, 0, 1, "");
	quiet(w);
	bank_up(w, b);
	a->deaf = true;
	pay(w, 0, 2, "");
	quiet(w);
	a->deaf = false;
	pay(w, 0, 3, "");
	quiet(w);
	a->no = "ACCOUNT_FROZEN";
	pay(w, 0, 4, "");
	quiet(w);
	a->no = "OVERLOADED";
	pay(w, 0, 5, "");
	quiet(w);
	a->no = NULL;
	a->silent = true;
	pay(w, 0, 6, "");
	quiet(w);
	while (next_line(w, client_peer(0))[0] != '\0')
		;
	for (uint64_t id = 1; id < 7; id++) {
		char what[100];

		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]);
		     i++) {
			client(w, 0, "alice", "1 PAY id=%s %s", id_of(id),
			    others[i]);
			snprintf(what, sizeof(what), "%s, with %s",
			    states[id % 6], others[i]);
			answered(
			    w, 0, "1 ERR code=ID_REUSED retry=never", what);
			quiet_to(w, 0, "and nothing else");
		}
		client(w, 0, "mallory", "1 PAY id=%s " PAY_FIELDS, id_of(id));
		snprintf(
		    what, sizeof(what), "%s, another user's", states[id % 6]);
		answered(w, 0, "ERR code=ID_REUSED", what);
		status(w, 0, "mallory", id);
		answered(w, 0, "ERR code=NOT_FOUND", what);
		cancel(w, 0, "mallory", id);
		answered(w, 0, "ERR code=NOT_FOUND", what);
	}
	a->silent = false;
	quiet(w);
	world_holds(w, "known ids");
	world_free(w);
}

/* PAY's checks in their order: each request fails all that follow, too. */
static void
order_of_checks(void)
{
	struct coord_conf conf = default_conf();
	struct event full = {.kind = EV_ROOM, .room = false};
	struct world *w;
	struct fake_bank *a;

	conf.in_flight_max = 1;
	w = world_two(&conf);
	a = &w->banks[0];
	a->silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	control(w, "1 DRAIN");
	operator_hears(w, "1 OK", "DRAIN");
	give(w, &full);
	w->no_rights = true;
	client(w, 0, "mallory",
	    "1 PAY id=%s from=a@BankX to=a@BankX amount=1 "
	    "currency=EUR",
	    id_of(1));
	answered(w, 0, "ERR code=ID_REUSED", "first the id");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankX to=a@BankX amount=1 "
	    "currency=EUR",
	    id_of(2));
	answered(w, 0, "ERR code=FORBIDDEN", "then rights");
	w->no_rights = false;
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankX to=a@BankX amount=1 "
	    "currency=EUR",
	    id_of(2));
	answered(w, 0, "ERR code=NO_SUCH_BANK", "then NO_SUCH_BANK");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=a@BankA amount=1 "
	    "currency=EUR",
	    id_of(2));
	answered(w, 0, "ERR code=DRAINING retry=same-id", "then draining");
	control(w, "1 RESUME");
	operator_hears(w, "1 OK", "RESUME");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=a@BankA amount=1 "
	    "currency=EUR",
	    id_of(2));
	answered(w, 0, "ERR code=READ_ONLY retry=same-id", "then read-only");
	full.room = true;
	full.kind = EV_ROOM;
	give(w, &full);
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=a@BankA amount=1 "
	    "currency=EUR",
	    id_of(2));
	answered(w, 0, "ERR code=OVERLOADED retry=same-id", "then overload");
	status(w, 0, "alice", 2);
	answered(w, 0, "ERR code=NOT_FOUND", "none of them leaves a trace");
	a->silent = false;
	quiet(w);
	answered(w, 0, "OK state=committed", "the one in flight finishes");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=a@BankA amount=1 "
	    "currency=EUR",
	    id_of(2));
	quiet(w);
	answered(w, 0, "ERR code=SAME_ACCOUNT state=aborted",
	    "SAME_ACCOUNT comes last");
	is_i64(a->prepares, 1, "before any vote");
	status(w, 0, "alice", 2);
	answered(w, 0, "state=aborted reason=SAME_ACCOUNT", "with a trace");
	world_holds(w, "order of checks");
	world_free(w);
}

/* ---- CANCEL ---- */

static void
cancels_of_unknown(struct world *w)
{
	cancel(w, 0, "alice", 1);
	quiet_to(w, 0, "CANCEL is answered when it is durable");
	pay(w, 1, 1, "");
	answered(w, 1, "ERR code=IN_PROGRESS state=preparing",
	    "PAY meanwhile: not decided yet");
	status(w, 1, "alice", 1);
	answered(w, 1, "OK state=preparing", "STATUS meanwhile");
	cancel(w, 2, "alice", 1);
	quiet_to(w, 2, "a second CANCEL waits for the same record");
	cancel(w, 1, "bob", 1);
	answered(w, 1, "ERR code=NOT_FOUND", "another user's tombstone");
	durable(w);
	answered(w, 0, "OK state=aborted reason=CANCELLED", "unknown: OK");
	answered(w, 2, "OK state=aborted reason=CANCELLED", "again: OK");
	cancel(w, 0, "alice", 1);
	answered(w, 0, "OK state=aborted reason=CANCELLED", "and again");
	pay(w, 0, 1, "memo=whatever");
	answered(w, 0, "ERR code=ALREADY_EXISTS state=aborted reason=CANCELLED",
	    "PAY on one's own tombstone");
	client(w, 0, "bob", "1 PAY id=%s " PAY_FIELDS, id_of(1));
	answered(w, 0, "ERR code=ID_REUSED", "PAY on another's tombstone");
	status(w, 0, "alice", 1);
	{
		const char *line = next_line(w, client_peer(0));

		ok(has_words(line, "OK state=aborted reason=CANCELLED") &&
			field(line, "from")[0] == '\0' &&
			field(line, "to")[0] == '\0' &&
			field(line, "amount")[0] == '\0' &&
			field(line, "currency")[0] == '\0',
		    "STATUS of a tombstone without a payload: %s", line);
	}
}

static void
cancels_of_waiting(struct world *w)
{
	struct fake_bank *b = &w->banks[1];

	bank_down(w, b);
	pay(w, 0, 2, "");
	quiet(w);
	answered(w, 0, "OK state=held", "held");
	cancel(w, 0, "alice", 2);
	client(w, 1, "alice",
	    "1 PAY id=%s from=alice@BankA to=bob@BankB amount=3 currency=EUR",
	    id_of(2));
	answered(w, 1, "ERR code=IN_PROGRESS", "not durable yet");
	durable(w);
	answered(w, 0, "OK state=aborted reason=CANCELLED", "held: OK");
	client(w, 1, "alice",
	    "1 PAY id=%s from=alice@BankA to=bob@BankB amount=3 currency=EUR",
	    id_of(2));
	answered(w, 1, "ERR code=ALREADY_EXISTS reason=CANCELLED",
	    "PAY then, whatever the payload");
	pay(w, 0, 3, "hold=no");
	quiet(w);
	answered(w, 0, "ERR code=BANK_UNAVAILABLE",
	    "aborted for a passing "
	    "reason");
	cancel(w, 0, "alice", 3);
	quiet(w);
	answered(w, 0, "OK state=aborted reason=CANCELLED", "passing: OK");
	pay(w, 0, 3, "");
	answered(w, 0, "ERR code=ALREADY_EXISTS reason=CANCELLED",
	    "and it never runs again");
	status(w, 0, "alice", 3);
	answered(w, 0,
	    "OK state=aborted reason=CANCELLED amount=500 attempts=1",
	    "STATUS still shows the payload");
	bank_up(w, b);
	quiet(w);
	is_i64(b->prepares, 0, "what was cancelled is not tried");
	world_holds(w, "cancelled");
}

static void
cancels_of_others(struct world *w)
{
	struct fake_bank *a = &w->banks[0];

	a->silent = true;
	pay(w, 0, 4, "");
	ticks(w);
	cancel(w, 1, "alice", 4);
	answered(w, 1, "ERR code=IN_PROGRESS state=preparing", "preparing");
	a->silent = false;
	a->deaf = true;
	quiet(w);
	answered(w, 0, "OK state=committed", "it commits nevertheless");
	cancel(w, 1, "alice", 4);
	answered(w, 1, "ERR code=ALREADY_EXISTS state=committed",
	    "committed, not acknowledged");
	a->deaf = false;
	quiet(w);
	cancel(w, 1, "alice", 4);
	answered(w, 1, "ERR code=ALREADY_EXISTS state=committed", "committed");
	a->no = "ACCOUNT_CLOSED";
	pay(w, 0, 5, "");
	banks_answer(w);
	cancel(w, 1, "alice", 5);
	answered(w, 1, "ERR code=IN_PROGRESS state=preparing",
	    "its final abort is not durable yet");
	quiet(w);
	answered(w, 0, "ERR code=ACCOUNT_CLOSED", "then it is answered");
	cancel(w, 1, "alice", 5);
	answered(w, 1,
	    "ERR code=ALREADY_EXISTS state=aborted reason=ACCOUNT_CLOSED",
	    "aborted for another final reason");
	a->no = NULL;
}

static void
cancels_and_restarts(struct world *w)
{
	struct fake_bank *a = &w->banks[0];

	/* A restart cut it short: the newest record is RECEIVED. */
	a->silent = true;
	pay(w, 0, 6, "");
	durable(w);
	crash(w);
	cancel(w, 0, "alice", 6);
	durable(w);
	answered(w, 0, "OK state=aborted reason=CANCELLED",
	    "one that a restart aborted");
	cancel(w, 0, "alice", 7);
	crash(w);
	quiet_to(w, 0, "a CANCEL that was lost was not answered either");
	is_i64(records(w, "ABORT", id_of(7)), 0, "and left no trace");
	world_holds(w, "more cancelled");
	crash(w);
	for (uint64_t id = 1; id <= 6; id++) {
		if (id == 4 || id == 5)
			continue;
		cancel(w, 0, "alice", id);
		answered(w, 0, "OK state=aborted reason=CANCELLED",
		    "a restart keeps tombstones");
	}
}

static void
cancels(void)
{
	struct world *w = world_two(NULL);

	cancels_of_unknown(w);
	cancels_of_waiting(w);
	cancels_of_others(w);
	cancels_and_restarts(w);
	world_free(w);
}

int
main(void)
{
	votes_no();
	order_of_votes();
	committed_elsewhere();
	no_answer();
	late_yes_of_an_old_attempt();
	banks_away();
	known_ids();
	order_of_checks();
	cancels();
	return tap_done();
}
