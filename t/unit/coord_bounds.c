/* lib/coord: windows, and every bound with its answer. */
#include "coord_harness.h"

/* Requests to the bank on this connection that it has not answered. */
static uint32_t
unanswered(struct world *w, const struct fake_bank *b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < w->out.count; i++)
		if (peer_eq(w->out.at[i].peer, b->peer) && !w->out.at[i].done &&
		    !has_words(w->out.at[i].text, "OK"))
			n++;
	return n;
}

static void
windows_of_banks(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	uint64_t n = 0;
	bool in_order = true;
	uint32_t most = 0;

	bank_down(w, b);
	b->window = 8;
	b->silent = true;
	bank_up(w, b);
	for (uint64_t id = 1; id <= 20; id++)
		pay(w, 0, id, "");
	ticks(w);
	is_i64(bank_heard(w, b, "PREPARE"), 7, "payments leave an eighth free");
	client(w, 1, "alice", "q BALANCE account=bob@BankB");
	is_i64(bank_heard(w, b, "BALANCE"), 1, "for a question");
	client(w, 1, "alice", "q BALANCE account=bob@BankB");
	answered(w, 1, "q ERR code=OVERLOADED", "but not for two");
	banks_answer(w);
	/* Answer one at a time: the rest follow, never beyond the window. */
	while (true) {
		size_t i;

		if (unanswered(w, b) > most)
			most = unanswered(w, b);
		for (i = 0; i < w->out.count; i++)
			if (peer_eq(w->out.at[i].peer, b->peer) &&
			    !w->out.at[i].done &&
			    !has_words(w->out.at[i].text, "OK"))
				break;
		if (i == w->out.count)
			break;
		b->silent = false;
		if (!bank_answer(w, b, i))
			break;
		b->silent = true;
		banks_answer(w);
		ticks(w);
		durable(w);
	}
	ok(most <= 8, "never more than its window: %u", most);
	for (size_t i = 0; i < w->out.count; i++)
		if (peer_eq(w->out.at[i].peer, b->peer) &&
		    has_words(w->out.at[i].text, "PREPARE"))
			in_order &= strcmp(field(w->out.at[i].text, "id"),
					id_of(++n)) == 0;
	is_i64(n, 20, "the queue drains");
	ok(in_order, "in order");
	is_i64(a->prepares, 20, "the other bank's window is its own");
	b->silent = false;
	quiet(w);
	is_i64(records(w, "COMMIT", ""), 20, "all commit");
	world_holds(w, "windows");
}

static void
windows_of_our_own(struct world *w)
{
	struct fake_bank *b = &w->banks[1];

	/* Our own bound, whatever the bank says. */
	bank_down(w, b);
	b->window = 1000000;
	b->silent = true;
	bank_up(w, b);
	for (uint64_t id = 101; id <= 150; id++)
		pay(w, 0, id, "");
	ticks(w);
	is_i64(bank_heard(w, b, "PREPARE"), 28, "window_max bounds it");
	b->silent = false;
	quiet(w);
	is_i64(records(w, "COMMIT", ""), 70, "all commit");
}

static void
windows_for_commits(struct world *w)
{
	struct fake_bank *b = &w->banks[1];

	/* COMMITs after a reconnect are paced as well. */
	b->deaf = true;
	for (uint64_t id = 201; id <= 220; id++)
		pay(w, 0, id, "");
	quiet(w);
	bank_down(w, b);
	b->window = 4;
	bank_up(w, b);
	quiet(w);
	is_i64(bank_heard(w, b, "COMMIT"), 4, "COMMITs fit the window");
	b->deaf = false;
	quiet(w);
	is_i64(bank_heard(w, b, "COMMIT"), 20, "and all go out");
	world_holds(w, "paced");
	bank_down(w, b);
	b->window = 1;
	bank_up(w, b);
	pay(w, 0, 300, "");
	quiet(w);
	is_i64(records(w, "END", id_of(300)), 1, "a window of one will do");
	world_holds(w, "a window of one");
}

static void
windows(void)
{
	struct world *w = world_two(NULL);

	windows_of_banks(w);
	windows_of_our_own(w);
	windows_for_commits(w);
	world_free(w);
}

/* An abort waits in the queue, or is dropped with the connection. */
static void
queued_aborts(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	bank_down(w, a);
	a->window = 4;
	bank_up(w, a);
	a->silent = true;
	b->no = "ACCOUNT_CLOSED";
	for (uint64_t id = 1; id <= 4; id++)
		pay(w, 0, id, "");
	quiet(w);
	is_i64(bank_heard(w, a, "ABORT"), 0, "ABORT waits for the window");
	a->silent = false;
	quiet(w);
	for (size_t i = 0; i < a->branch_count; i++)
		is_i64(a->branches[i].state, FAKE_ABORTED, "and then goes out");
	a->silent = true;
	for (uint64_t id = 5; id <= 8; id++)
		pay(w, 0, id, "");
	quiet(w);
	bank_down(w, a);
	a->silent = false;
	bank_up(w, a);
	quiet(w);
	is_i64(bank_heard(w, a, "ABORT"), 0, "or is lost with the connection");
	world_holds(w, "queued aborts");
	world_free(w);
}

static void
refused(struct world *w, uint64_t id, const char *what)
{
	pay(w, 7, id, "");
	answered(w, 7, "ERR code=OVERLOADED retry=same-id", what);
	status(w, 7, "alice", id);
	answered(w, 7, "ERR code=NOT_FOUND", "without a trace");
}

static void
in_flight(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;
	struct fake_bank *a, *b;

	conf.in_flight_max = 5;
	w = world_two(&conf);
	a = &w->banks[0];
	b = &w->banks[1];
	a->silent = true;
	for (uint64_t id = 1; id <= 5; id++)
		pay(w, 0, id, "");
	ticks(w);
	refused(w, 6, "in_flight");
	a->silent = false;
	b->deaf = true;
	quiet(w);
	refused(w, 6, "what is not acknowledged counts");
	world_holds(w, "in_flight");
	crash(w);
	bank_up(w, a);
	bank_up(w, b);
	quiet(w);
	refused(w, 6, "after a restart, too");
	b->deaf = false;
	quiet(w);
	pay(w, 7, 6, "");
	quiet(w);
	answered(w, 7, "OK state=committed", "then there is room");
	/* Held ones are not in flight. */
	bank_down(w, b);
	for (uint64_t id = 11; id <= 20; id++)
		pay(w, 8, id, "");
	quiet(w);
	for (uint64_t id = 11; id <= 20; id++) {
		const char *line = next_line(w, client_peer(8));

		/* While they wait for their HELD they are no longer counted. */
		ok(has_words(line, "OK state=held"), "held: %s", line);
	}
	bank_up(w, b);
	quiet(w);
	is_i64(records(w, "COMMIT", ""), 16, "and are tried within the bound");
	world_holds(w, "held and in_flight");
	world_free(w);
}

static void
per_bank(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;
	struct fake_bank *b;

	conf.per_bank_max = 3;
	w = world_two(&conf);
	b = &w->banks[1];
	bank_up(w, bank_new(w, "BankC"));
	b->silent = true;
	for (uint64_t id = 1; id <= 3; id++)
		client(w, 0, "alice",
		    "1 PAY id=%s from=c@BankC to=b@BankB "
		    "amount=1 currency=EUR",
		    id_of(id));
	ticks(w);
	refused(w, 4, "per_bank, of the payee's bank");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=a2@BankA amount=1 "
	    "currency=EUR",
	    id_of(5));
	quiet(w);
	answered(w, 0, "OK state=committed", "others are not in the way");
	b->silent = false;
	quiet(w);
	world_holds(w, "per_bank");
	world_free(w);
}

static void
per_user(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;

	conf.per_user_max = 2;
	w = world_two(&conf);
	w->banks[0].silent = true;
	pay(w, 0, 1, "");
	pay(w, 0, 2, "");
	refused(w, 3, "per_user");
	client(w, 1, "bob", "1 PAY id=%s " PAY_FIELDS, id_of(4));
	ticks(w);
	status(w, 1, "bob", 4);
	answered(
	    w, 1, "OK state=preparing", "another user has a share of theirs");
	w->banks[0].silent = false;
	quiet(w);
	pay(w, 7, 3, "");
	quiet(w);
	answered(w, 7, "OK state=committed", "then there is room");
	world_holds(w, "per_user");

	bank_down(w, &w->banks[1]);
	for (uint64_t id = 11; id <= 13; id++)
		pay(w, 8, id, "");
	client(w, 9, "bob", "1 PAY id=%s " PAY_FIELDS, id_of(14));
	quiet(w);
	answered(w, 8, "ERR code=BANK_UNAVAILABLE state=aborted",
	    "one beyond per_user is for another time");
	answered(w, 8, "OK state=held", "as many of a user are held");
	answered(w, 8, "OK state=held", "both of them");
	answered(w, 9, "OK state=held", "another user's is held");
	crash(w);
	bank_up(w, &w->banks[0]);
	pay(w, 3, 15, "");
	quiet(w);
	answered(w, 3, "ERR code=BANK_UNAVAILABLE state=aborted",
	    "a restart counts them again");
	bank_up(w, &w->banks[1]);
	quiet(w);
	bank_down(w, &w->banks[1]);
	pay(w, 3, 15, "");
	quiet(w);
	answered(w, 3, "OK state=held", "those that went through do not");
	world_holds(w, "held per user");
	world_free(w);
}

static void
remembered(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;

	conf.remembered_max = 3;
	w = world_two(&conf);
	pay(w, 0, 1, "");
	quiet(w);
	w->banks[0].no = "OVERLOADED";
	pay(w, 0, 2, "");
	pay(w, 0, 3, "");
	quiet(w);
	w->banks[0].no = NULL;
	refused(w, 4, "remembered is full");
	cancel(w, 6, "alice", 4);
	answered(w, 6, "ERR code=OVERLOADED", "CANCEL of an unknown id, too");
	pay(w, 6, 2, "");
	quiet(w);
	answered(w, 6, "OK state=committed", "an id that is known may run");
	cancel(w, 6, "alice", 3);
	quiet(w);
	answered(w, 6, "OK state=aborted reason=CANCELLED", "or be cancelled");
	pay(w, 6, 1, "");
	answered(w, 6, "ERR code=ALREADY_EXISTS state=committed",
	    "and nothing is forgotten");
	world_holds(w, "remembered");
	world_free(w);
}

/* CANCELs whose tombstone is not durable are bounded. */
static void
tombstones(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;
	uint64_t taken = 0, answers = 0;

	conf.in_flight_max = 4;
	conf.held_max = 4;
	w = world_two(&conf);
	w->checks_every = 100;
	for (uint64_t id = 1; id <= 2000; id++) {
		cancel(w, 0, "alice", id);
		if (has_words(
			next_line(w, client_peer(0)), "ERR code=OVERLOADED")) {
			taken = id - 1;
			break;
		}
	}
	is_i64(taken, 1024 + 8, "as many as the pool holds, then OVERLOADED");
	refused(w, 5000, "PAY likewise");
	durable(w);
	while (has_words(next_line(w, client_peer(0)), "OK state=aborted"))
		answers++;
	is_i64(answers, taken, "each is answered once it is durable");
	cancel(w, 0, "alice", 3000);
	durable(w);
	answered(w, 0, "OK state=aborted", "durable: there is room again");
	world_holds(w, "tombstones");
	world_free(w);
}

static void
drain(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	struct event ev = {.kind = EV_ROOM, .room = false};

	a->silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	control(w, "1 DRAIN");
	operator_hears(w, "1 OK", "DRAIN");
	pay(w, 1, 2, "");
	answered(w, 1, "ERR code=DRAINING retry=same-id", "no new payments");
	status(w, 1, "alice", 2);
	answered(w, 1, "ERR code=NOT_FOUND", "without a trace");
	a->silent = false;
	quiet(w);
	answered(w, 0, "OK state=committed", "what is in flight ends");
	pay(w, 1, 1, "");
	answered(w, 1, "ERR code=ALREADY_EXISTS", "known ids are answered");
	cancel(w, 1, "alice", 3);
	durable(w);
	answered(w, 1, "OK state=aborted", "CANCEL is taken");
	control(w, "1 RESUME");
	operator_hears(w, "1 OK", "RESUME");
	pay(w, 1, 2, "");
	quiet(w);
	answered(w, 1, "OK state=committed", "payments again");

	a->silent = true;
	pay(w, 0, 11, "");
	ticks(w);
	give(w, &ev);
	pay(w, 1, 12, "");
	answered(
	    w, 1, "ERR code=READ_ONLY retry=same-id", "no room: READ_ONLY");
	status(w, 1, "alice", 12);
	answered(w, 1, "ERR code=NOT_FOUND", "without a trace");
	a->silent = false;
	quiet(w);
	answered(w, 0, "OK state=committed", "what is in flight ends");
	is_i64(records(w, "END", id_of(11)), 1, "with its END");
	bank_down(w, b);
	bank_up(w, b);
	ev.kind = EV_ROOM;
	ev.room = true;
	give(w, &ev);
	pay(w, 1, 12, "");
	quiet(w);
	answered(w, 1, "OK state=committed", "room again");
	world_holds(w, "drain");
	world_free(w);
}

int
main(void)
{
	windows();
	queued_aborts();
	in_flight();
	per_bank();
	per_user();
	remembered();
	tombstones();
	drain();
	return tap_done();
}
