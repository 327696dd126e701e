/*
 * A disk that does not give a record back: whoever asked is told so, a list
 * goes on without it, and nothing changes. And banks that nobody knows, or
 * that answer what makes no sense.
 */
#include "coord_harness.h"

/* 1 is committed and ended, 2 aborted for good, 3 ended otherwise at BankB. */
static struct world *
world_of_ended(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *b = &w->banks[1];

	pay(w, 0, 1, "");
	quiet(w);
	b->no = "NO_SUCH_ACCOUNT";
	pay(w, 0, 2, "");
	quiet(w);
	b->no = NULL;
	b->no_commit = "HEURISTIC";
	pay(w, 0, 3, "");
	quiet(w);
	b->no_commit = NULL;
	return w;
}

static void
test_clients(void)
{
	struct world *w = world_of_ended();

	for (uint32_t n = 1; n <= 2; n++) {
		w->unreadable = n;
		pay(w, n, 1, "");
		answered(w, n, "ERR code=INTERNAL", "PAY again");
		ok(was_logged(w, ACTION_CRIT,
		       "a record of the journal could not be read"),
		    "an operator is told");
		w->unreadable = n;
		status(w, n, "alice", 1);
		answered(w, n, "ERR code=INTERNAL", "STATUS");
	}
	w->unreadable = 1;
	cancel(w, 1, "alice", 2);
	answered(w, 1, "ERR code=INTERNAL", "CANCEL");
	w->unreadable = 1;
	is_text(bank_resolves(w, &w->banks[0], id_of(1), "gw.1.1", "bob@BankB"),
	    "INTERNAL", "RESOLVE: nothing is decided");
	w->unreadable = 0;
	pay(w, 3, 1, "");
	answered(w, 3, "ERR code=ALREADY_EXISTS state=committed",
	    "it can be read again: as ever");
	world_holds(w, "unreadable records");
	world_free(w);
}

/* Rows of an answer that ends with OK; UINT32_MAX: it does not. */
static uint32_t
rows(struct world *w, uint32_t unreadable, const char *question)
{
	uint32_t count = 0;
	const char *line;

	w->unreadable = unreadable;
	control(w, "q %s", question);
	ticks(w);
	w->unreadable = 0;
	while (has_words(line = next_line(w, control_peer()), "ROW"))
		count++;
	return has_words(line, "q OK") ? count : UINT32_MAX;
}

static void
test_lists(void)
{
	static const char explain[] =
	    "EXPLAIN id=00000001-0000-4000-8000-000000000001";
	struct world *w = world_of_ended();

	is_i64(rows(w, 0, "PAYMENTS"), 3, "PAYMENTS");
	is_i64(rows(w, 1, "PAYMENTS"), 0, "without its first record");
	is_i64(rows(w, 2, "PAYMENTS"), 0, "with that alone");
	is_i64(rows(w, 0, "PAYMENTS state=heuristic"), 1, "heuristic");
	is_i64(rows(w, 1, "PAYMENTS state=heuristic"), 0, "without the record");
	is_i64(rows(w, 3, "PAYMENTS state=heuristic"), 1,
	    "without what was to be paid");
	is_i64(rows(w, 0, explain), 3, "EXPLAIN");
	is_i64(rows(w, 1, explain), 0, "without the newest record");
	is_i64(rows(w, 2, explain), 0, "with that alone");
	world_holds(w, "unreadable lists");
	world_free(w);
}

static void
test_strangers(void)
{
	struct world *w = world_two(NULL);

	request(w, SIDE_DOWN, client_peer(1), "BankX",
	    "a1 AUTHENTICATE user=ann password=secret");
	answered(w, 1, "a1 ERR code=NO_SUCH_BANK",
	    "a login at a bank that never registered");
	ok(!coord_awaits(w->coord, STR("BankX"), VERB_DOWN_PREPARE, "p1") &&
		!coord_awaits(w->coord, STR("BankA"), VERB_DOWN_PREPARE, "p1"),
	    "and no answer is awaited");
	world_holds(w, "strangers");
	world_free(w);
}

/* The bank answers what was passed on to it: tag, then this. */
static void
bank_answers(
    struct world *w, struct fake_bank *b, const char *verb, const char *rest)
{
	const char *asked = bank_asked(w, b, verb);
	char text[512];

	snprintf(text, sizeof(text), "%.*s %s", (int)strcspn(asked, " "), asked,
	    rest);
	bank_says(w, b, text);
}

#define REFUSED(code) "ERR code=" code " retry=never text=no"
#define BALANCE(name) \
	"OK account=" name " currency=EUR posted=1 held=0 available=1 seq=7"

/* Answers that make no sense reach nobody. */
static void
test_nonsense(void)
{
	static const char *const balance[][2] = {
	    {REFUSED("NO_SUCH_ACCOUNT"), "ERR code=NO_SUCH_ACCOUNT"},
	    {REFUSED("INTERNAL"), "ERR code=INTERNAL"},
	    {REFUSED("OVERLOADED"), "ERR code=OVERLOADED"},
	    {REFUSED("ALREADY_EXISTS"), "ERR code=INTERNAL"},
	    {BALANCE("eva"), "ERR code=INTERNAL"},
	    {BALANCE("alice"), "OK account=alice@BankA posted=1"},
	};
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	for (size_t i = 0; i < sizeof(balance) / sizeof(balance[0]); i++) {
		client(w, 1, "alice", "b%zu BALANCE account=alice@BankA", i);
		bank_answers(w, a, "BALANCE", balance[i][0]);
		answered(w, 1, balance[i][1], balance[i][0]);
	}
	ok(was_logged(w, ACTION_WARN, "bank BankA answered ALREADY_EXISTS"),
	    "a refusal that is none is logged");
	ok(was_logged(w, ACTION_WARN, "with that of another account: eva"),
	    "and another account's balance");
	request(w, SIDE_DOWN, client_peer(1), "BankA",
	    "a1 AUTHENTICATE user=ann password=secret");
	bank_answers(w, a, "AUTHENTICATE", REFUSED("NO_SUCH_ACCOUNT"));
	answered(w, 1, "a1 ERR code=INTERNAL", "a login, too");
	b->no = "NO_SUCH_ACCOUNT";
	a->no_abort = "OVERLOADED";
	pay(w, 2, 1, "");
	quiet(w);
	answered(w, 2, "ERR code=NO_SUCH_ACCOUNT", "an ABORT that is refused");
	ok(was_logged(w, ACTION_WARN, "bank BankA answered OVERLOADED"),
	    "is logged: the bank asks RESOLVE");
	world_holds(w, "nonsense");
	world_free(w);
}

int
main(void)
{
	test_clients();
	test_lists();
	test_strangers();
	test_nonsense();
	return tap_done();
}
