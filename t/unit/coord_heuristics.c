/*
 * What a bank did otherwise than the gateway had decided: told by RESOLVE, by
 * ALREADY_EXISTS to a new attempt, by a COMMIT that it does not know. Each is
 * on record once, and nobody is told of money that moved at one bank alone.
 */
#include "coord_harness.h"

#define TOLD "bob@BankB outcome=committed"

/* The branch of the newest PREPARE that the bank was sent. */
static const char *
last_branch(struct world *w, struct fake_bank *b)
{
	return field(bank_asked(w, b, "PREPARE"), "branch");
}

/* BankA votes, BankB does not: aborted for now. Returns BankA's branch. */
static const char *
passing(struct world *w, uint64_t id)
{
	static char branch[BRANCH_TEXT_MAX + 1];

	w->banks[1].no = "OVERLOADED";
	pay(w, 0, id, "hold=no");
	quiet(w);
	answered(w, 0, "ERR code=OVERLOADED state=aborted", "not this time");
	w->banks[1].no = NULL;
	snprintf(branch, sizeof(branch), "%s", last_branch(w, &w->banks[0]));
	return branch;
}

/* The bank's operator committed that branch: PREPARE is answered so. */
static void
bank_overruled(struct world *w, struct fake_bank *b, const char *branch,
    const char *outcome)
{
	char text[512], asked[LINE_MAX_LEN];

	snprintf(asked, sizeof(asked), "%s", bank_asked(w, b, "PREPARE"));
	snprintf(text, sizeof(text),
	    "%.*s ERR code=ALREADY_EXISTS retry=never text=x id=%s "
	    "branch=%s%s",
	    (int)strcspn(asked, " "), asked, field(asked, "id"), branch,
	    outcome);
	bank_says(w, b, text);
}

/* RESOLVE with an outcome tells what an operator committed. */
static void
told(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	char branch[BRANCH_TEXT_MAX + 1];

	snprintf(branch, sizeof(branch), "%s", passing(w, 1));
	w->log_count = 0;
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankB outcome=x"),
	    "BAD_REQUEST", "no other outcome");
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "",
	    "the answer waits");
	is_i64(records(w, "HEURISTIC bank=BankA outcome=committed", id_of(1)),
	    1, "for the record");
	ok(was_logged(w, ACTION_CRIT, "HEURISTIC: an operator of bank BankA"),
	    "which is logged at crit");
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "",
	    "asked again, it waits for the same record");
	durable(w);
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "abort",
	    "then it is answered");
	crash(w);
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "abort",
	    "at once after a restart");
	is_i64(records(w, "HEURISTIC", ""), 1, "it is recorded once");
	is_text(bank_resolves(w, a, id_of(9), "gw.1.77", TOLD), "",
	    "an id that left no trace");
	durable(w);
	is_i64(records(w, "HEURISTIC", id_of(9)), 1, "is recorded, too");
	control(w, "h PAYMENTS state=heuristic");
	ticks(w);
	operator_hears(w,
	    "h ROW id=00000009-0000-4000-8000-000000000009 state=aborted "
	    "user=-",
	    "and listed");
	operator_hears(w, "h ROW id=00000001-0000-4000-8000-000000000001",
	    "beside the other");
	operator_hears(w, "h OK", "no more");
	world_holds(w, "told");
	world_free(w);
}

/* Where the gateway committed it, nothing is heuristic. */
static void
told_of_a_commit(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	char branch[BRANCH_TEXT_MAX + 1];

	a->deaf = true;
	pay(w, 0, 1, "");
	ticks(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(w, a));
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "wait",
	    "told of what is being voted on: wait");
	quiet(w);
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "commit",
	    "of what is committed: commit");
	a->deaf = false;
	quiet(w);
	is_i64(records(w, "END", id_of(1)), 1, "also when it has ended");
	is_text(
	    bank_resolves(w, a, id_of(1), branch, TOLD), "commit", "commit");
	is_i64(records(w, "HEURISTIC", ""), 0, "and nothing is recorded");
	world_holds(w, "told of a commit");
	world_free(w);
}

/* No bank can fill the journal with what its operators did. */
static void
told_at_a_pace(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	uint32_t now;

	for (uint64_t id = 1; id <= 200; id++)
		bank_resolves(w, a, id_of(id), "gw.1.77", TOLD);
	durable(w);
	now = records(w, "HEURISTIC", "");
	ok(now > 0 && now < 100, "%u of 200 are recorded at once", now);
	is_text(bank_resolves(w, a, id_of(200), "gw.1.77", TOLD), "wait",
	    "the others wait");
	pass_ns(w, 10 * SECOND_NS);
	for (uint64_t id = 101; id <= 200; id++)
		bank_resolves(w, a, id_of(id), "gw.1.77", TOLD);
	durable(w);
	is_i64(records(w, "HEURISTIC", ""), now + 10, "for their second each");
	world_holds(w, "told at a pace");
	world_free(w);
}

/* A new attempt meets what an operator made of the one before. */
static void
overruled(bool other_first)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	snprintf(branch, sizeof(branch), "%s", passing(w, 1));
	a->silent = true;
	b->silent = !other_first;
	pay(w, 0, 1, "");
	quiet(w);
	bank_overruled(w, a, branch, " outcome=committed");
	if (!other_first)
		quiet_to(w, 0, "the other bank has its say");
	b->silent = false;
	quiet(w);
	answered(w, 0,
	    "ERR code=HEURISTIC retry=never state=aborted bank=BankA",
	    "an operator committed it: the client is not told committed");
	is_i64(records(w, "HEURISTIC bank=BankA outcome=committed", id_of(1)),
	    1, "it is on record");
	is_i64(records(w, "ABORT reason=HEURISTIC final=yes", id_of(1)), 1,
	    "and ends the payment");
	is_i64(b->aborts, 1, "the other bank's hold is let go");
	is_text(bank_resolves(w, a, id_of(1), branch, TOLD), "abort",
	    "the bank hears that it is on record");
	pay(w, 0, 1, "");
	answered(w, 0, "ERR code=ALREADY_EXISTS state=aborted reason=HEURISTIC",
	    "nobody pays it again");
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=aborted reason=HEURISTIC", "STATUS says so");
	crash(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "OK state=aborted reason=HEURISTIC", "for ever");
	world_holds(w, "overruled");
	world_free(w);
}

/* The gateway lost its COMMIT: a bank that carried it out tells the truth. */
static void
lost_commit(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char of_a[BRANCH_TEXT_MAX + 1], of_b[BRANCH_TEXT_MAX + 1];

	snprintf(of_a, sizeof(of_a), "%s", passing(w, 1));
	snprintf(of_b, sizeof(of_b), "%s", last_branch(w, b));
	a->silent = b->silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	bank_overruled(w, a, of_a, " outcome=committed");
	bank_overruled(w, b, of_b, "");
	quiet(w);
	answered(w, 0, "ERR code=ALREADY_EXISTS state=committed",
	    "the gateway's own decision outweighs an operator's");
	is_i64(records(w, "HEURISTIC", ""), 0, "nothing is heuristic");
	world_holds(w, "lost commit");

	a->silent = b->silent = false;
	passing(w, 2);
	a->silent = true;
	pay(w, 0, 2, "");
	ticks(w);
	bank_overruled(w, a, "other.1.1", " outcome=committed");
	quiet(w);
	answered(w, 0, "ERR code=ALREADY_EXISTS state=committed",
	    "another gateway's branch is no concern of this one's");
	world_free(w);
}

/* A COMMIT that the bank does not know, after WAIVE, too. */
static void
unknown(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];

	a->no_commit = "NOT_FOUND";
	pay(w, 0, 1, "");
	quiet(w);
	is_i64(bank_heard(w, a, "COMMIT"), 1, "COMMIT");
	is_i64(records(w, "END", ""), 0, "is not known: nothing ends");
	control(w, "1 WAIVE bank=BankA");
	durable(w);
	operator_hears(w, "1 OK", "WAIVE");
	w->log_count = 0;
	control(w, "2 WAIVE bank=BankA");
	quiet(w);
	operator_hears(w, "2 OK", "and again");
	is_i64(bank_heard(w, a, "COMMIT"), 2, "COMMIT goes out once more");
	is_i64(records(w, "HEURISTIC bank=BankA outcome=aborted", id_of(1)), 1,
	    "the same answer is recorded");
	ok(was_logged(w, ACTION_CRIT, "HEURISTIC: bank BankA has lost"),
	    "logged at crit");
	is_i64(records(w, "END", id_of(1)), 1, "and the payment ends");
	a->no_commit = NULL;
	pay(w, 0, 2, "");
	quiet(w);
	answered(w, 0, "OK state=committed", "the client was told committed");
	answered(w, 0, "OK state=committed", "and the bank is used");
	world_holds(w, "unknown");

	/* Waived while it is away, and then it knows. */
	a->no_commit = "NOT_FOUND";
	pay(w, 0, 3, "");
	quiet(w);
	bank_down(w, a);
	control(w, "3 WAIVE bank=BankA");
	durable(w);
	a->no_commit = NULL;
	bank_up(w, a);
	quiet(w);
	is_i64(records(w, "END", id_of(3)), 1, "a bank that was restored");
	is_i64(records(w, "HEURISTIC", id_of(3)), 0, "carries it out");
	world_holds(w, "unknown and restored");
	world_free(w);
}

/* EXPLAIN tells of them beside the payment's own records. */
static void
explained(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	char branch[BRANCH_TEXT_MAX + 1];

	snprintf(branch, sizeof(branch), "%s", passing(w, 1));
	bank_resolves(w, a, id_of(1), branch, TOLD);
	bank_down(w, &w->banks[1]);
	pay(w, 0, 1, "");
	quiet(w);
	bank_up(w, &w->banks[1]);
	quiet(w);
	control(w, "e EXPLAIN id=%s", id_of(1));
	quiet(w);
	operator_hears(w, "e ROW event=RECEIVED", "received");
	operator_hears(w, "e ROW event=ABORT", "aborted for now");
	operator_hears(w, "e ROW event=RECEIVED", "received again");
	operator_hears(w, "e ROW event=HELD", "held");
	operator_hears(w, "e ROW event=COMMIT", "committed");
	operator_hears(w, "e ROW event=END", "ended");
	operator_hears(w, "e ROW event=HEURISTIC text=committed%20at%20BankA",
	    "and what the operator did");
	operator_hears(w, "e OK", "no more");
	world_holds(w, "explained");
	world_free(w);
}

int
main(void)
{
	told();
	told_of_a_commit();
	told_at_a_pace();
	overruled(true);
	overruled(false);
	lost_commit();
	unknown();
	explained();
	return tap_done();
}
