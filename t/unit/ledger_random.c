/*
 * Twenty thousand random operations against a naive model of a bank: arrays and
 * if, no journal, no index. Every answer is foretold, and the books compared;
 * every so often the invariants are checked and the journal is replayed.
 * STRIFE_SEED chooses another run.
 */
#include "ledger_harness.h"

#define CHECK_HEX "0123456789abcdef0123456789abcdef"
#define OPERATIONS 20000
#define IDS 150
#define NODES 2
#define NAMES 6
#define CLEARING NAMES /* the book after the customers' */
#define EQUITY (NAMES + 1)
#define SUSPENSE (NAMES + 2)
#define BOOKS (NAMES + 3)

static const char *const names[BOOKS] = {"ann", "ben", "cyd", "dan", "eve",
    "fay", ":clearing.BankB.CZK", ":equity.CZK", ":suspense.CZK"};

enum fate { NEW, PREPARED, COMMITTED, ABORTED, ENTRY, OVER_COMMIT, OVER_ABORT };

struct payload {
	int from, to, amount;
};

struct payment {
	enum fate fate;
	int node;                 /* of the newest branch */
	int seen[NODES];          /* newest branch of each node, 0: none */
	struct payload of[NODES]; /* and what it said */
	struct payload entry;
	bool settled; /* OVER_COMMIT: the gateway has it on record */
};

static struct harness h;
static struct peer gateways[NODES];
static bool up[NODES];
static int epochs[NODES], branches[NODES];
static struct payment payments[IDS];
static int64_t money[BOOKS], out[BOOKS], limit[BOOKS];
static bool frozen[BOOKS];
static uint64_t seed;
static uint32_t numbers[IDS];
static int wrong;

static uint32_t
pick(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % below;
}

static bool
same(struct payload a, struct payload b)
{
	return a.from == b.from && a.to == b.to && a.amount == b.amount;
}

static void
expect(const char *got, const char *want, const char *what, int id)
{
	if (strcmp(got, want) == 0)
		return;
	if (wrong++ < 5)
		printf("# %s of id %d: got %s, want %s\n", what, id, got, want);
}

/* ---- The model ---- */

static void
move(struct payload p)
{
	money[p.from] -= p.amount;
	money[p.to] += p.amount;
}

static const char *
fresh(struct payment *m, int node, int branch, struct payload p)
{
	if (p.from == p.to)
		return "SAME_ACCOUNT";
	if (frozen[p.from] || frozen[p.to])
		return "ACCOUNT_FROZEN";
	if (p.from < NAMES &&
	    money[p.from] - out[p.from] - p.amount < -limit[p.from])
		return "INSUFFICIENT_FUNDS";
	m->fate = PREPARED;
	m->node = node;
	m->seen[node] = branch;
	m->of[node] = p;
	out[p.from] += p.amount;
	return "PREPARED OK";
}

static void
end_prepared(struct payment *m, enum fate fate)
{
	struct payload p = m->of[m->node];

	out[p.from] -= p.amount;
	m->fate = fate;
	if (fate == COMMITTED || fate == OVER_COMMIT)
		move(p);
}

static const char *
foretell_supersede(struct payment *m, int node, int branch, struct payload p)
{
	static char text[64];

	if (p.from == p.to)
		return "SAME_ACCOUNT";
	end_prepared(m, ABORTED);
	snprintf(text, sizeof(text), "ABORTED %s", fresh(m, node, branch, p));
	return text;
}

static const char *
foretell_prepare(struct payment *m, int node, int branch, struct payload p)
{
	bool own = node == m->node, equal = same(p, m->of[m->node]);

	switch (m->fate) {
	case NEW:
		return fresh(m, node, branch, p);
	case ENTRY:
		return "ID_REUSED";
	case PREPARED:
		if (!own)
			return "IN_PROGRESS";
		if (branch == m->seen[node])
			return equal ? "OK" : "CLOSE";
		if (branch < m->seen[node])
			return "NOT_FOUND";
		return foretell_supersede(m, node, branch, p);
	case OVER_COMMIT:
		if (!own)
			return "IN_PROGRESS";
		if (branch == m->seen[node] && !equal)
			return "CLOSE";
		if (branch < m->seen[node])
			return "NOT_FOUND";
		return equal ? "ALREADY_EXISTS:committed" : "ID_REUSED";
	case COMMITTED:
		if (own && branch == m->seen[node] && !equal)
			return "CLOSE";
		if (own && branch < m->seen[node])
			return "NOT_FOUND";
		return equal ? "ALREADY_EXISTS" : "ID_REUSED";
	case OVER_ABORT:
		if (!own)
			return "IN_PROGRESS";
		break;
	case ABORTED:
		break;
	}
	if (branch == m->seen[node])
		return same(p, m->of[node]) ? "NOT_FOUND" : "CLOSE";
	if (branch < m->seen[node])
		return "NOT_FOUND";
	return fresh(m, node, branch, p);
}

/* Does the bank keep the branch at hand? */
static bool
is_kept(const struct payment *m)
{
	return m->fate == PREPARED || (m->fate == OVER_COMMIT && !m->settled);
}

/* Is the branch kept under another id? */
static bool
is_foreign(int id, int node, int branch)
{
	for (int i = 0; i < IDS; i++)
		if (i != id && is_kept(&payments[i]) &&
		    payments[i].node == node &&
		    payments[i].seen[node] == branch)
			return true;
	return false;
}

/* ---- Operations ---- */

/* Each payment has a new id now and then, so that ids do not wear out. */
static const char *
id_of(int id)
{
	return uuid(numbers[id] * IDS + (uint32_t)id);
}

static void
connect_node(int node)
{
	char name[8];

	snprintf(name, sizeof(name), "gw%d", node);
	gateways[node] =
	    harness_gateway(&h, (uint32_t)node, name, (uint64_t)epochs[node]);
	up[node] = true;
}

static struct payload
random_payload(void)
{
	struct payload p = {
	    (int)pick(NAMES), (int)pick(NAMES), 1 + (int)pick(400)};

	if (pick(3) == 0)
		p.from = CLEARING;
	else if (pick(3) == 0)
		p.to = CLEARING;
	return p;
}

static void
do_prepare(int id)
{
	struct payment *m = &payments[id];
	int node = (int)pick(NODES), branch = ++branches[node];
	struct payload p = random_payload();
	const char *want, *got;

	if (m->seen[node] != 0 && pick(3) == 0)
		branch = m->seen[node] - (int)pick(2);
	if (branch < 1)
		branch = 1;
	if (m->fate != NEW && pick(4) != 0)
		p = m->of[pick(2) == 0 ? node : m->node];
	if (p.amount == 0)
		p = random_payload();
	got = outcome(&h,
	    down(&h, gateways[node],
		"PREPARE id=%s branch=gw%d.1.%d from=%s to=%s amount=%d "
		"currency=CZK peer=%s memo=%d",
		id_of(id), node, branch, names[p.from], names[p.to], p.amount,
		p.from < NAMES && p.to < NAMES ? "x@BankA" : "x@BankB",
		p.amount));
	want = is_foreign(id, node, branch)
	    ? "FORBIDDEN"
	    : foretell_prepare(m, node, branch, p);
	expect(got, want, "PREPARE", id);
	if (h.closed > 0)
		connect_node(node);
}

static void
do_commit(int id)
{
	struct payment *m = &payments[id];
	int node = (int)pick(NODES), branch = m->seen[node] - (pick(8) == 0);
	bool mine = m->node == node && branch == m->seen[node] && branch > 0;
	const char *got, *want = "NOT_FOUND";

	if (branch < 1)
		branch = ++branches[node];
	got = outcome(&h,
	    down(&h, gateways[node],
		"COMMIT id=%s branch=gw%d.1.%d seq=1 check=" CHECK_HEX,
		id_of(id), node, branch));
	if (is_foreign(id, node, branch)) {
		want = "FORBIDDEN";
	} else if (mine && m->fate == PREPARED) {
		end_prepared(m, COMMITTED);
		want = "COMMITTED OK";
	} else if (mine && m->fate == OVER_COMMIT && !m->settled) {
		m->fate = COMMITTED;
		want = "SETTLED OK";
	} else if (mine && (m->fate == COMMITTED || m->fate == OVER_COMMIT)) {
		want = "OK";
	} else if (mine && m->fate == OVER_ABORT) {
		want = "HEURISTIC:aborted";
	}
	if (strcmp(got, "GATEWAY OK") == 0)
		got = "OK"; /* the first record heard of that node */
	expect(got, want, "COMMIT", id);
}

static void
do_abort(int id)
{
	struct payment *m = &payments[id];
	int node = (int)pick(NODES), branch = m->seen[node] - (pick(8) == 0);
	bool mine = m->node == node && branch == m->seen[node] && branch > 0;
	const char *got, *want = "OK";

	if (branch < 1)
		branch = ++branches[node];
	got = outcome(&h,
	    down(&h, gateways[node], "ABORT id=%s branch=gw%d.1.%d", id_of(id),
		node, branch));
	if (is_foreign(id, node, branch)) {
		want = "FORBIDDEN";
	} else if (mine && m->fate == PREPARED) {
		end_prepared(m, ABORTED);
		want = "ABORTED OK";
	} else if (mine && m->fate == COMMITTED) {
		want = "NOT_FOUND";
	} else if (mine && m->fate == OVER_COMMIT) {
		want = "HEURISTIC:committed";
	}
	expect(got, want, "ABORT", id);
}

static void
is_resolved(struct payment *m, bool commit)
{
	if (m->fate == PREPARED) {
		end_prepared(m, commit ? COMMITTED : ABORTED);
		return;
	}
	m->settled = true;
	if (commit)
		m->fate = COMMITTED;
}

/* Lets time pass and answers every RESOLVE that comes. */
static void
do_resolve(int id)
{
	static struct sent asked[64];
	uint32_t count = 0;

	(void)id;
	harness_clear(&h);
	harness_turn(&h, 5 * SECOND);
	for (; count < h.sent_count && count < 64; count++)
		asked[count] = h.sent[count];
	for (uint32_t i = 0; i < count; i++) {
		static const char *const outcomes[] = {
		    ("commit seq=1 check=" CHECK_HEX), "abort", "wait"};
		uint32_t choice = pick(3);
		struct payment *m;
		char text[512];

		m = &payments[strtoul(
				  field(asked[i].text, "id") + 24, NULL, 16) %
		    IDS];
		snprintf(text, sizeof(text),
		    "%.*s OK id=%s branch=%s "
		    "outcome=%s",
		    (int)strcspn(asked[i].text, " "), asked[i].text,
		    field(asked[i].text, "id"), field(asked[i].text, "branch"),
		    outcomes[choice]);
		harness_line(&h, asked[i].peer, SIDE_UP, VERB_UP_RESOLVE, text);
		if (choice < 2)
			is_resolved(m, choice == 0);
	}
}

static void
do_entry(int id)
{
	struct payment *m = &payments[id];
	bool deposit = pick(2) == 0;
	int name = (int)pick(NAMES), amount = 1 + (int)pick(500);
	struct payload p = deposit ? (struct payload){EQUITY, name, amount}
				   : (struct payload){name, EQUITY, amount};
	const char *got, *want = "ENTRY OK";

	if (m->fate == ENTRY && pick(2) == 0) {
		p = m->entry;
		deposit = p.from == EQUITY;
		name = deposit ? p.to : p.from;
	}
	got = outcome(&h,
	    teller(&h, "%s id=%s name=%s amount=%d currency=CZK",
		deposit ? "DEPOSIT" : "WITHDRAW", id_of(id), names[name],
		p.amount));
	if (m->fate == ENTRY)
		want = same(p, m->entry) ? "OK" : "ID_REUSED";
	else if (m->fate != NEW)
		want = "ID_REUSED";
	else if (frozen[name])
		want = "ACCOUNT_FROZEN";
	else if (!deposit && money[name] - out[name] - p.amount < -limit[name])
		want = "INSUFFICIENT_FUNDS";
	expect(got, want, "ENTRY", id);
	if (strcmp(want, "ENTRY OK") == 0) {
		m->fate = ENTRY;
		m->entry = p;
		move(p);
	}
}

static void
do_decide(int id)
{
	struct payment *m = &payments[id];
	bool commit = pick(2) == 0;
	const char *want = "ALREADY_EXISTS";
	const char *got = outcome(&h,
	    teller(&h, "DECIDE id=%s outcome=%s why=x", id_of(id),
		commit ? "commit" : "abort"));

	if (m->fate == PREPARED) {
		want = commit ? "DECIDED COMMITTED OK" : "DECIDED ABORTED OK";
		end_prepared(m, commit ? OVER_COMMIT : OVER_ABORT);
	} else if (m->fate == NEW || m->fate == ENTRY) {
		want = "NOT_FOUND";
	} else if (m->fate == (commit ? OVER_COMMIT : OVER_ABORT)) {
		want = "OK";
	}
	expect(got, want, "DECIDE", id);
}

static void
do_post_late(int id)
{
	struct payment *m = &payments[id];
	struct payload p = m->of[m->node];
	const char *got, *want = "DECIDED COMMITTED OK";

	if (m->fate != OVER_ABORT)
		return;
	if (p.from < NAMES &&
	    money[p.from] - out[p.from] - p.amount < -limit[p.from])
		p.from = SUSPENSE;
	got = outcome(&h, teller(&h, "POST_LATE id=%s why=x", id_of(id)));
	expect(got, want, "POST_LATE", id);
	m->fate = COMMITTED;
	move(p);
}

static void
do_renew(int id)
{
	if (is_kept(&payments[id]))
		return;
	memset(&payments[id], 0, sizeof(payments[id]));
	numbers[id]++;
}

static void
do_account(int id)
{
	int name = id % NAMES;

	if (pick(2) == 0) {
		frozen[name] = pick(4) == 0;
		teller(&h, "%s name=%s", frozen[name] ? "FREEZE" : "THAW",
		    names[name]);
	} else {
		limit[name] = pick(1000);
		teller(&h, "SET name=%s overdraft=%lld", names[name],
		    (long long)limit[name]);
	}
}

static void
do_connection(int id)
{
	int node = id % NODES;

	if (pick(20) == 0) {
		harness_restart(&h);
		for (int i = 0; i < NODES; i++)
			connect_node(i);
		return;
	}
	if (pick(2) == 0)
		harness_down(&h, gateways[node]);
	epochs[node] += (int)pick(2);
	connect_node(node);
}

static void (*const operations[])(int) = {do_prepare, do_prepare, do_prepare,
    do_prepare, do_commit, do_commit, do_abort, do_entry, do_entry, do_decide,
    do_post_late, do_renew, do_renew, do_account, do_resolve, do_connection};

static bool
books_agree(void)
{
	bool agree = true;

	for (int i = 0; i < BOOKS; i++)
		agree = agree && posted(&h, names[i]) == money[i] &&
		    held(&h, names[i]) == out[i];
	return agree && ledger_sum(h.l, CZK) == 0;
}

int
main(void)
{
	struct ledger_conf conf = harness_conf();
	const char *chosen = getenv("STRIFE_SEED");
	bool agree = true, replays = true;

	seed = chosen != NULL ? strtoull(chosen, NULL, 10) : 1;
	printf("# seed %llu\n", (unsigned long long)seed);
	conf.in_flight_max = IDS + 10;
	conf.remembered_max = OPERATIONS;
	harness_init(&h, &conf);
	for (int i = 0; i < NODES; i++) {
		epochs[i] = 1;
		connect_node(i);
	}
	for (int i = 0; i < NAMES; i++)
		teller(&h, "OPEN name=%s currency=CZK", names[i]);
	for (int i = 0; i < OPERATIONS; i++) {
		operations[pick(sizeof(operations) / sizeof(operations[0]))](
		    (int)pick(IDS));
		CHECK(h.failed == 0);
		agree = agree && books_agree();
		if (i % 200 == 0)
			ledger_check(h.l);
		if (i % 2000 == 1999)
			replays = replays && harness_same_after_replay(&h);
	}
	is_i64(wrong, 0, "every answer was the one foretold");
	ok(agree, "the books agreed after every operation");
	ok(replays, "replay gave the same state each time");
	printf("# %u records\n", h.count);
	harness_free(&h);
	return tap_done();
}
