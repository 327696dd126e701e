/* lib/coord: payments that wait for a bank, or for better days. */
#include "coord_harness.h"

/* Holds n payments, ids 1 to n, while BankB is away. */
static void
hold_some(struct world *w, uint64_t n)
{
	bank_down(w, &w->banks[1]);
	for (uint64_t id = 1; id <= n; id++) {
		pay(w, 0, id, "");
		quiet(w);
		CHECK(has_words(next_line(w, client_peer(0)), "OK state=held"));
		pass_ns(w, SECOND_NS);
	}
}

static const char *
state_of(struct world *w, uint64_t id)
{
	status(w, 5, "alice", id);
	return field(next_line(w, client_peer(5)), "state");
}

/* When the bank returns: in order, and no more at once than its window. */
static void
in_order_and_paced(bool restart)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	uint64_t expected = 0;
	bool in_order = true;

	hold_some(w, 30);
	if (restart) {
		crash(w);
		bank_up(w, a);
	}
	b->window = 8; /* an eighth is for questions */
	b->silent = true;
	bank_up(w, b);
	is_i64(bank_heard(w, b, "PREPARE"), 7, "as many as its window takes");
	is_i64(bank_heard(w, a, "PREPARE"), 7, "and the same of the other");
	b->silent = false;
	quiet(w);
	for (size_t i = 0; i < w->out.count; i++) {
		if (!peer_eq(w->out.at[i].peer, b->peer) ||
		    !has_words(w->out.at[i].text, "PREPARE"))
			continue;
		expected++;
		in_order &= strcmp(field(w->out.at[i].text, "id"),
				id_of(expected)) == 0;
	}
	is_i64(expected, 30, "all are tried");
	ok(in_order, "in the order in which they were held");
	is_i64(records(w, "COMMIT", ""), 30, "and committed");
	world_holds(w, "in order");
	world_free(w);
}

/* Another passing reason: 1 s, 2 s, 4 s ... between the attempts. */
static void
doubling(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];
	int64_t wait_s = 1;

	hold_some(w, 1);
	b->no = "OVERLOADED";
	bank_up(w, b);
	quiet(w);
	is_i64(b->prepares, 1, "tried when the bank returns");
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=held reason=OVERLOADED",
	    "held again, and the reason is the last one");
	for (uint32_t n = 2; n <= 11; n++) {
		pass_ns(w, wait_s * SECOND_NS - 1);
		quiet(w);
		is_i64(b->prepares, n - 1, "not before its time");
		is_i64(coord_next_ns(w->coord), w->mono_ns + 1,
		    "which is the nearest deadline");
		pass_ns(w, 1);
		quiet(w);
		is_i64(b->prepares, n, "and then");
		wait_s = wait_s < 512 ? 2 * wait_s : 512;
	}
	world_holds(w, "doubling");
	b->no = NULL;
	b->silent = true;
	pass_ns(w, 512 * SECOND_NS);
	quiet(w);
	pass_ns(w, 5 * SECOND_NS);
	quiet(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=held reason=BANK_TIMEOUT attempts=13",
	    "a timeout is a passing reason as well");
	world_holds(w, "timed out");
	b->no = "ACCOUNT_CLOSED";
	b->silent = false;
	pass_ns(w, 512 * SECOND_NS);
	quiet(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=aborted reason=ACCOUNT_CLOSED",
	    "a final reason ends it");
	world_holds(w, "ended");
	world_free(w);
}

static void
expiry(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	hold_some(w, 3); /* a second apart; now 3 s after the first */
	pass_ns(w, 3597 * SECOND_NS - 1);
	quiet(w);
	is_text(state_of(w, 1), "held", "a nanosecond before held_expiry");
	is_i64(coord_next_ns(w->coord), w->mono_ns + 1, "the next deadline");
	pass_ns(w, 1);
	quiet(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "state=aborted reason=HOLD_EXPIRED", "HOLD_EXPIRED");
	is_text(state_of(w, 2), "held", "the next has a second more");
	pay(w, 0, 1, "");
	answered(w, 0, "ERR code=ALREADY_EXISTS reason=HOLD_EXPIRED",
	    "expired for ever");
	pass_ns(w, SECOND_NS);
	quiet(w);
	is_text(state_of(w, 2), "aborted", "then it expires");
	world_holds(w, "expired");

	/* Its time runs out while it is being tried. */
	b->silent = true;
	bank_up(w, b);
	ticks(w);
	is_text(state_of(w, 3), "preparing", "the third is being tried");
	pass_ns(w, 2 * SECOND_NS);
	quiet(w);
	is_text(state_of(w, 3), "preparing", "its votes may still come");
	world_holds(w, "expired while tried");
	pass_ns(w, 5 * SECOND_NS);
	quiet(w);
	status(w, 0, "alice", 3);
	answered(w, 0, "state=aborted reason=HOLD_EXPIRED",
	    "they do not: HOLD_EXPIRED");
	is_i64(a->branches[a->branch_count - 1].state, FAKE_ABORTED, "aborted");
	world_holds(w, "expired after it was tried");
	world_free(w);

	w = world_two(NULL);
	b = &w->banks[1];
	hold_some(w, 1);
	b->silent = true;
	pass_ns(w, 3597 * SECOND_NS);
	bank_up(w, b);
	ticks(w);
	pass_ns(w, 4 * SECOND_NS);
	ticks(w);
	b->silent = false;
	quiet(w);
	is_text(state_of(w, 1), "committed",
	    "a yes that comes in time commits, past the expiry");
	world_holds(w, "committed past the expiry");
	world_free(w);
}

static void
expiry_and_clocks(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];

	/* A restart: what has passed on the wall clock counts. */
	hold_some(w, 1);
	pass_ns(w, 1799 * SECOND_NS);
	w->mono_ns = 5 * SECOND_NS;
	crash(w);
	is_text(state_of(w, 1), "held", "a restart finds it held again");
	pass_ns(w, 1799 * SECOND_NS);
	quiet(w);
	is_text(state_of(w, 1), "held", "before the whole time");
	pass_ns(w, 2 * SECOND_NS);
	quiet(w);
	is_text(state_of(w, 1), "aborted", "after it");
	world_holds(w, "expiry over a restart");
	world_free(w);

	/* A jump of the wall clock expires nothing. */
	w = world_two(NULL);
	b = &w->banks[1];
	hold_some(w, 1);
	w->wall_us += INT64_C(86400000000) * 365;
	quiet(w);
	is_text(state_of(w, 1), "held", "the wall clock jumped by a year");
	b->no = "OVERLOADED";
	bank_up(w, b);
	quiet(w);
	pass_ns(w, SECOND_NS);
	quiet(w);
	is_text(state_of(w, 1), "held", "and it is tried and held again");
	pass_ns(w, 3590 * SECOND_NS);
	quiet(w);
	is_text(state_of(w, 1), "held", "it has its time");
	pass_ns(w, 10 * SECOND_NS);
	quiet(w);
	pass_ns(w, 600 * SECOND_NS);
	quiet(w);
	is_text(state_of(w, 1), "aborted", "and no more");
	world_holds(w, "a jump of the wall clock");
	world_free(w);
}

static void
restarts(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	hold_some(w, 2);
	crash(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=held reason=BANK_UNAVAILABLE",
	    "held before, held after");
	bank_up(w, a);
	b->silent = true;
	bank_up(w, b);
	ticks(w);
	is_text(state_of(w, 1), "preparing", "one being tried");
	crash(w);
	is_text(state_of(w, 1), "held", "is held again after a crash");
	b->silent = false;
	bank_up(w, a);
	bank_up(w, b);
	quiet(w);
	is_text(state_of(w, 1), "committed", "and goes through");
	is_text(state_of(w, 2), "committed", "as does the other");
	is_i64(records(w, "COMMIT", id_of(1)), 1, "once");
	world_holds(w, "restarts");

	bank_down(w, b);
	pay(w, 0, 9, "");
	crash(w);
	status(w, 0, "alice", 9);
	answered(w, 0, "ERR code=NOT_FOUND",
	    "one whose HELD was not durable was not answered");
	world_free(w);
}

/* The journal has no room: nothing held is begun, what is in flight ends. */
static void
no_room(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];
	struct event ev = {.kind = EV_ROOM, .room = false};

	hold_some(w, 2);
	give(w, &ev);
	bank_up(w, b);
	quiet(w);
	is_text(state_of(w, 1), "held", "without room nothing held is tried");
	cancel(w, 0, "alice", 2);
	quiet(w);
	answered(w, 0, "OK state=aborted", "but it may be cancelled");
	cancel(w, 0, "alice", 77);
	answered(w, 0, "ERR code=READ_ONLY", "an unknown id may not");
	ev.kind = EV_ROOM;
	ev.room = true;
	give(w, &ev);
	quiet(w);
	is_text(state_of(w, 1), "committed", "with room again it is");
	world_holds(w, "no room");
	world_free(w);
}

/* Those being tried keep their places among the held. */
static void
places(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;
	struct fake_bank *b;
	struct coord_counts n;

	conf.held_max = 3;
	w = world_two(&conf);
	b = &w->banks[1];
	bank_up(w, bank_new(w, "BankC"));
	bank_down(w, &w->banks[2]);
	hold_some(w, 3);
	pay(w, 0, 4, "");
	quiet(w);
	answered(w, 0, "ERR code=BANK_UNAVAILABLE retry=same-id state=aborted",
	    "held_max: not held, the same id may be sent again");
	b->silent = true;
	bank_up(w, b);
	ticks(w);
	coord_counts(w->coord, &n);
	is_i64(n.held, 0, "all three are being tried");
	client(w, 0, "alice",
	    "1 PAY id=%s from=a@BankA to=c@BankC amount=1 currency=EUR",
	    id_of(7));
	quiet(w);
	answered(w, 0, "1 ERR code=BANK_UNAVAILABLE bank=BankC state=aborted",
	    "but their places are kept for them");
	bank_down(w, &w->banks[0]);
	pay(w, 0, 5, "");
	quiet(w);
	coord_counts(w->coord, &n);
	is_i64(n.held, 3, "no fourth takes a place meanwhile");
	answered(w, 0, "ERR code=BANK_UNAVAILABLE", "it is refused");
	bank_up(w, &w->banks[0]);
	ticks(w);
	pay(w, 0, 6, "");
	bank_down(w, b);
	quiet(w);
	coord_counts(w->coord, &n);
	is_i64(n.held, 3, "nor one that fails with them");
	answered(w, 0, "ERR code=BANK_UNAVAILABLE", "it is refused, too");
	world_holds(w, "places");
	world_free(w);
}

/* One bank that is slow does not stand in the way of the others. */
static void
two_banks_away(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	bank_down(w, a);
	bank_down(w, b);
	pay(w, 0, 1, "");
	client(w, 0, "alice",
	    "2 PAY id=%s from=bob@BankB to=eve@BankB "
	    "amount=1 currency=EUR",
	    id_of(2));
	quiet(w);
	answered(w, 0, "OK state=held bank=BankA", "waits for two");
	answered(w, 0, "2 OK state=held bank=BankB", "waits for one");
	bank_up(w, b);
	quiet(w);
	is_text(state_of(w, 2), "committed", "the one goes through");
	is_text(state_of(w, 1), "held", "the other waits for BankA");
	bank_down(w, b);
	bank_up(w, a);
	quiet(w);
	is_text(state_of(w, 1), "held", "and for BankB");
	bank_up(w, b);
	quiet(w);
	is_text(state_of(w, 1), "committed", "until both are there");
	world_holds(w, "two banks away");
	world_free(w);
}

/* A bank that acknowledges nothing holds up those of others no more. */
static void
slow_bank(void)
{
	struct coord_conf conf = default_conf();
	struct world *w;
	struct fake_bank *b, *x;

	conf.per_bank_max = 3;
	w = world_two(&conf);
	b = &w->banks[1];
	x = bank_new(w, "BankC");
	bank_up(w, x);
	bank_down(w, x);
	for (uint64_t id = 1; id <= 4; id++) {
		client(w, 0, "alice",
		    "1 PAY id=%s from=a@Bank%c to=b@BankC amount=1 "
		    "currency=EUR",
		    id_of(id), id <= 2 ? 'B' : 'A');
		quiet(w);
		answered(w, 0, "1 OK state=held bank=BankC", "held");
	}
	b->deaf = true;
	for (uint64_t id = 11; id <= 13; id++)
		client(w, 0, "alice",
		    "1 PAY id=%s from=a@BankB to=b@BankB amount=1 "
		    "currency=EUR",
		    id_of(id));
	quiet(w);
	bank_up(w, x);
	quiet(w);
	is_text(state_of(w, 3), "committed", "BankA's go through");
	is_text(state_of(w, 4), "committed", "all of them");
	is_text(state_of(w, 1), "held", "BankB has no room for more");
	ok(!coord_more(w->coord), "and nobody turns in circles");
	world_holds(w, "a slow bank");
	b->deaf = false;
	quiet(w);
	is_text(state_of(w, 1), "committed", "when it acknowledges it has");
	is_text(state_of(w, 2), "committed", "for all");
	world_holds(w, "a bank that was slow");
	world_free(w);
}

int
main(void)
{
	slow_bank();
	in_order_and_paced(false);
	in_order_and_paced(true);
	doubling();
	expiry();
	expiry_and_clocks();
	restarts();
	no_room();
	places();
	two_banks_away();
	return tap_done();
}
