/* lib/coord: a payment from PAY to END, and what a crash leaves of it. */
#include "coord_harness.h"

static void
happy_path(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	const char *prepare;

	pay(w, 0, 1, "memo=rent");
	prepare = bank_asked(w, a, "PREPARE");
	ok(has_words(prepare,
	       "from=alice to=:clearing.BankB.EUR amount=500 currency=EUR "
	       "peer=bob@BankB memo=rent branch=gw.1.1"),
	    "the payer's bank is asked to move it to the payee's clearing");
	prepare = bank_asked(w, b, "PREPARE");
	ok(has_words(prepare,
	       "from=:clearing.BankA.EUR to=bob amount=500 "
	       "peer=alice@BankA branch=gw.1.2"),
	    "the payee's bank gets a branch of its own");
	quiet_to(w, 0, "nobody is answered before the votes");
	status(w, 1, "alice", 1);
	answered(
	    w, 1, "OK state=preparing attempts=1", "it shows as preparing");

	banks_answer(w);
	is_i64(records(w, "COMMIT", id_of(1)), 1, "two yes votes: COMMIT");
	ticks(w);
	quiet_to(w, 0, "nobody is answered before COMMIT is durable");
	is_i64(bank_heard(w, a, "COMMIT"), 0, "nor is a bank told");
	status(w, 1, "alice", 1);
	answered(w, 1, "OK state=preparing", "not yet durable: preparing");
	durable(w);
	answered(w, 0, "OK state=committed", "durable: the client is answered");
	is_i64(bank_heard(w, a, "COMMIT"), 1, "the payer's bank is told");
	is_i64(bank_heard(w, b, "COMMIT"), 1, "the payee's bank is told");
	status(w, 1, "alice", 1);
	answered(w, 1, "state=committed pending=BankA,BankB",
	    "both acknowledgements are missing");
	world_holds(w, "committed");
	a->deaf = true;
	banks_answer(w);
	status(w, 1, "alice", 1);
	answered(w, 1, "state=committed pending=BankA", "one is missing");
	a->deaf = false;
	quiet(w);
	is_i64(records(w, "END", id_of(1)), 1, "all acknowledged: END");
	status(w, 1, "alice", 1);
	answered(w, 1,
	    "OK state=committed from=alice@BankA to=bob@BankB amount=500",
	    "STATUS reads what has ended from the journal");
	is_i64(
	    a->branches[0].state, FAKE_COMMITTED, "the payer's bank moved it");
	is_i64(
	    b->branches[0].state, FAKE_COMMITTED, "the payee's bank moved it");
	world_holds(w, "ended");
	world_free(w);
}

static void
within_one_bank(void)
{
	struct world *w = world_two(NULL);

	client(w, 0, "alice",
	    "1 PAY id=%s from=alice@BankA to=carol@BankA "
	    "amount=7 currency=EUR",
	    id_of(1));
	ok(has_words(bank_asked(w, &w->banks[0], "PREPARE"),
	       "from=alice to=carol peer=carol@BankA"),
	    "within one bank: one branch, from payer to payee");
	quiet(w);
	answered(w, 0, "1 OK state=committed", "it commits");
	is_i64(w->banks[1].prepares, 0, "no other bank is asked");
	world_holds(w, "within one bank");
	world_free(w);
}

/* Crashes at every point of a payment's life. */
static void
crashes(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	pay(w, 0, 1, "");
	crash(w);
	status(w, 1, "alice", 1);
	answered(w, 1, "ERR code=NOT_FOUND",
	    "RECEIVED was not durable: the id has no trace");
	bank_up(w, a);
	bank_up(w, b);
	pay(w, 0, 1, "");
	durable(w);
	crash(w);
	status(w, 1, "alice", 1);
	answered(w, 1, "OK state=aborted reason=GATEWAY_RESTART attempts=1",
	    "undecided at a crash: GATEWAY_RESTART");
	world_holds(w, "aborted by a restart");
	bank_up(w, a);
	bank_up(w, b);
	pay(w, 0, 1, "");
	quiet(w);
	answered(w, 0, "OK state=committed", "the same PAY runs afresh");
	status(w, 1, "alice", 1);
	answered(w, 1, "state=committed attempts=2", "as the second attempt");

	pay(w, 0, 2, "");
	banks_answer(w);
	is_i64(records(w, "COMMIT", id_of(2)), 1, "COMMIT is appended");
	crash(w);
	bank_up(w, a);
	bank_up(w, b);
	quiet(w);
	status(w, 1, "alice", 2);
	answered(w, 1, "ERR code=NOT_FOUND", "but was lost: no trace");
	is_i64(a->branches[a->branch_count - 1].state, FAKE_PREPARED,
	    "the bank is in doubt");
	is_text(bank_resolves(w, a, id_of(2),
		    a->branches[a->branch_count - 1].branch, "bob@BankB"),
	    "abort", "and RESOLVE says abort");

	pay(w, 0, 3, "");
	banks_answer(w);
	w->durable = w->count;
	crash(w);
	is_i64(bank_heard(w, a, "COMMIT"), 0, "nobody is there yet");
	status(w, 1, "alice", 3);
	answered(w, 1, "state=committed pending=BankA,BankB",
	    "a durable COMMIT is rolled forward");
	bank_up(w, a);
	bank_up(w, b);
	quiet(w);
	is_i64(a->branches[a->branch_count - 1].state, FAKE_COMMITTED,
	    "the payer's bank is told after it registers");
	is_i64(b->branches[b->branch_count - 1].state, FAKE_COMMITTED,
	    "the payee's bank too");
	is_i64(records(w, "END", id_of(3)), 1, "and it ends");
	world_holds(w, "rolled forward");
	world_free(w);
}

int
main(void)
{
	happy_path();
	within_one_bank();
	crashes();
	return tap_done();
}
