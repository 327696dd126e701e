/*
 * A bank in the hands of two gateways and a teller who do whatever the octets
 * say: each first octet chooses what happens. The books sum to zero after every
 * step; at the end every invariant holds, and a replay of the journal gives the
 * same state.
 */
#include "bank.h"
#include "people.h"

#define GATEWAYS 2
#define TELLER ((struct peer){100, 1})

static struct link {
	struct peer peer;
	bool up;
	uint64_t epoch;
	char registers[TAG_MAX_LEN + 1]; /* the tag of our REGISTER */
} links[GATEWAYS];

/* RESOLVEs that were sent: the tags to answer. */
static struct {
	struct peer peer;
	char tag[TAG_MAX_LEN + 1], branch[BRANCH_TEXT_MAX + 1];
	struct id id;
} asked[ASKED_MAX];
static uint32_t asked_count;

static const char *const accounts[] = {"ann", "ben", "cyd",
    ":clearing.BankB.CZK", ":clearing.BankC.CZK", ":clearing.BankB.EUR",
    ":equity.CZK", "dan"};
static const char *const amounts[] = {
    "1", "2", "50", "100", "99999", "1000000000000000"};
static const char *const currencies[] = {"CZK", "CZK", "CZK", "EUR"};

/* ---- What the bank says ---- */

static void
core_sent(const struct action *a)
{
	if (a->msg.word != MSG_REQUEST)
		return;
	for (uint32_t i = 0; i < GATEWAYS; i++)
		if (a->msg.verb == VERB_UP_REGISTER &&
		    peer_eq(links[i].peer, a->peer))
			memcpy(
			    links[i].registers, a->msg.tag, sizeof(a->msg.tag));
	if (a->msg.verb != VERB_UP_RESOLVE)
		return;
	asked[asked_count % ASKED_MAX].peer = a->peer;
	asked[asked_count % ASKED_MAX].id = a->msg.v[KEY_id].id;
	memcpy(
	    asked[asked_count % ASKED_MAX].tag, a->msg.tag, sizeof(a->msg.tag));
	(void)branch_text(&a->msg.v[KEY_branch].branch,
	    asked[asked_count % ASKED_MAX].branch);
	asked_count++;
}

static void
go_down(struct peer peer)
{
	struct event ev = {.kind = EV_PEER_DOWN, .peer = peer};

	for (uint32_t i = 0; i < GATEWAYS; i++)
		if (peer_eq(links[i].peer, peer))
			links[i].up = false;
	core_step(&ev, 0);
}

/* ---- Lines in ---- */

static enum proof
proof_of(const struct msg *m)
{
	uint64_t seq;

	if (m->verb != VERB_UP_REGISTER || !msg_has(m, proven_seq))
		return PROOF_NONE;
	seq = m->v[KEY_proven_seq].u64;
	return seq <= shell.count && msg_has(m, proven_check) &&
		memcmp(&shell.records[seq - 1].check,
		    &m->v[KEY_proven_check].check, 16) == 0
	    ? PROOF_GOOD
	    : PROOF_BAD;
}

static void
give(struct peer peer, enum side side, enum verb verb, struct str text)
{
	struct event ev = {.kind = EV_MSG, .peer = peer, .who = STR("uid=0")};

	ev.msg = core_read(text, side, verb);
	if (ev.msg == NULL)
		return;
	/* The shell answers these itself. */
	if (ev.msg->verb == VERB_DOWN_AUTHENTICATE ||
	    ev.msg->verb == VERB_DOWN_PING ||
	    ev.msg->verb == VERB_TELLER_SNAPSHOT)
		return;
	ev.proof = proof_of(ev.msg);
	core_step(&ev, 0);
}

/* Mostly of its own node and epoch. */
static const char *
branch_of(struct fuzz_input *in, uint32_t node)
{
	static char text[BRANCH_TEXT_MAX + 1];
	uint32_t how = fuzz_octet(in);

	(void)snprintf(text, sizeof(text), "gw%u.%u.%u",
	    (unsigned)(how < 250 ? node : how % 3),
	    (unsigned)(1 + (how >> 6) % 2), (unsigned)(1 + how % 10));
	return text;
}

/* ---- What may happen ---- */

static void
do_prepare(struct fuzz_input *in)
{
	uint32_t node = fuzz_below(in, GATEWAYS);
	const char *id = id_of(in), *branch = branch_of(in, node);

	say(links[node].peer, SIDE_DOWN, VERB_UNKNOWN,
	    "q1 PREPARE id=%s branch=%s from=%s to=%s amount=%s currency=%s "
	    "peer=%s memo=m",
	    id, branch, ONE_OF(in, accounts), ONE_OF(in, accounts),
	    ONE_OF(in, amounts), ONE_OF(in, currencies),
	    fuzz_octet(in) % 4 == 0 ? "bob" : "bob@BankB");
}

static void
do_end(struct fuzz_input *in)
{
	uint32_t node = fuzz_below(in, GATEWAYS);
	bool commit = fuzz_octet(in) % 4 != 0;
	const char *id = id_of(in), *branch = branch_of(in, node);

	if (commit)
		say(links[node].peer, SIDE_DOWN, VERB_UNKNOWN,
		    "q2 COMMIT id=%s branch=%s seq=%u check=" CHECK_HEX, id,
		    branch, (unsigned)(1 + fuzz_octet(in)));
	else
		say(links[node].peer, SIDE_DOWN, VERB_UNKNOWN,
		    "q3 ABORT id=%s branch=%s", id, branch);
}

static void
do_resolved(struct fuzz_input *in)
{
	static const char *const outcomes[] = {
	    ("outcome=commit seq=7 check=" CHECK_HEX), "outcome=abort",
	    "outcome=wait", "outcome=commit", "outcome=other"};
	uint32_t i = fuzz_below(in, ASKED_MAX);
	char id[ID_TEXT_LEN + 1];

	if (i >= asked_count)
		return;
	id_text(&asked[i].id, id);
	if (fuzz_octet(in) % 8 == 0)
		say(asked[i].peer, SIDE_UP, VERB_UP_RESOLVE,
		    "%s ERR code=NOT_FOUND retry=never text=no", asked[i].tag);
	else
		say(asked[i].peer, SIDE_UP, VERB_UP_RESOLVE,
		    "%s OK id=%s branch=%s %s", asked[i].tag, id,
		    asked[i].branch, ONE_OF(in, outcomes));
}

static void
do_entry(struct fuzz_input *in)
{
	bool deposit = fuzz_octet(in) % 3 != 0;
	const char *id = id_of(in);

	say(TELLER, SIDE_TELLER, VERB_UNKNOWN,
	    "t1 %s id=%s name=%s amount=%s currency=%s",
	    deposit ? "DEPOSIT" : "WITHDRAW", id, ONE_OF(in, accounts),
	    ONE_OF(in, amounts), ONE_OF(in, currencies));
}

static void
do_account(struct fuzz_input *in)
{
	static const char *const verbs[] = {
	    "CLOSE", "FREEZE", "THAW", "BALANCE"};
	uint32_t what = fuzz_below(in, 8);
	const char *name = ONE_OF(in, accounts);

	if (what < 4)
		say(TELLER, SIDE_TELLER, VERB_UNKNOWN, "t2 %s name=%s",
		    verbs[what], name);
	else if (what < 6)
		say(TELLER, SIDE_TELLER, VERB_UNKNOWN,
		    "t3 OPEN name=%s currency=%s overdraft=%s", name,
		    ONE_OF(in, currencies), ONE_OF(in, amounts));
	else
		say(TELLER, SIDE_TELLER, VERB_UNKNOWN,
		    "t4 SET name=%s overdraft=%s", name, ONE_OF(in, amounts));
}

static void
do_decide(struct fuzz_input *in)
{
	static const char *const verbs[] = {"DECIDE outcome=commit",
	    "DECIDE outcome=abort", "POST_LATE", "DECIDE outcome=wait"};
	const char *verb = ONE_OF(in, verbs);

	say(TELLER, SIDE_TELLER, VERB_UNKNOWN, "t5 %s id=%s why=because", verb,
	    id_of(in));
}

static void
do_ask(struct fuzz_input *in)
{
	static const char *const questions[] = {"ACCOUNTS limit=2", "INDOUBT",
	    "STATS", "ACCOUNTS limit=1 before=ann", "HISTORY name=ann",
	    "HISTORY name=ben limit=1"};

	say(TELLER, SIDE_TELLER, VERB_UNKNOWN, "t6 %s", ONE_OF(in, questions));
}

static void
do_statement(struct fuzz_input *in)
{
	uint32_t node = fuzz_below(in, GATEWAYS);
	const char *verb = fuzz_octet(in) % 2 == 0 ? "BALANCE" : "HISTORY";

	say(links[node].peer, SIDE_DOWN, VERB_UNKNOWN, "q4 %s account=%s", verb,
	    ONE_OF(in, accounts));
}

static void
do_connect(struct fuzz_input *in)
{
	uint32_t node = fuzz_below(in, GATEWAYS), how = fuzz_octet(in);
	struct link *link = &links[node];

	link->peer = (struct peer){node, link->peer.generation + 1};
	link->epoch += how % 4 == 0;
	link->registers[0] = '\0';
	link->up = true;
	say(link->peer, SIDE_UP, VERB_UP_HELLO,
	    "i0 OK proto=1 node=gw%u server=s window=%u epoch=%u heartbeat=5 "
	    "time=2026-01-01T00:00:00.000000Z",
	    (unsigned)(how < 250 ? node : how % 3), (unsigned)(how % 16),
	    (unsigned)(1 + link->epoch));
	if (link->registers[0] == '\0' || how % 8 == 7)
		return;
	say(link->peer, SIDE_UP, VERB_UP_REGISTER,
	    how % 16 == 6 ? "%s ERR code=FENCED retry=never text=x" : "%s OK",
	    link->registers);
}

static void
do_disconnect(struct fuzz_input *in)
{
	uint32_t node = fuzz_below(in, GATEWAYS + 1);

	go_down(node == GATEWAYS ? TELLER : links[node].peer);
}

static void
do_time(struct fuzz_input *in)
{
	int64_t ns = fuzz_octet(in) * (CORE_SECOND / 8);

	shell.mono_ns += ns;
	shell.wall_us += ns / 1000;
	core_give(EV_TICK);
}

static void
do_crash(struct fuzz_input *in)
{
	bool flush = fuzz_octet(in) % 2 == 0;

	if (crashes == CRASHES_MAX)
		return;
	crashes++;
	if (flush)
		core_flush();
	closing_count = asked_count = 0;
	memset(asked, 0, sizeof(asked));
	for (uint32_t i = 0; i < GATEWAYS; i++)
		links[i].up = false;
	core_crash();
	core_give(EV_REPLAYED);
}

static void
do_room(struct fuzz_input *in)
{
	struct event ev = {.kind = EV_ROOM, .room = fuzz_octet(in) % 2 == 0};

	core_step(&ev, 0);
}

/* Any line whatever, from anybody who is connected. */
static void
do_line(struct fuzz_input *in)
{
	uint32_t from = fuzz_below(in, GATEWAYS + 1);
	struct str text = fuzz_piece(in);

	if (from == GATEWAYS)
		give(TELLER, SIDE_TELLER, VERB_UNKNOWN, text);
	else if (text.len > 0 && tag_verb(SIDE_UP, text.at) == VERB_UP_RESOLVE)
		give(links[from].peer, SIDE_UP, VERB_UP_RESOLVE, text);
	else
		give(links[from].peer, SIDE_DOWN, VERB_UNKNOWN, text);
}

static void
do_flush(struct fuzz_input *in)
{
	(void)in;
	core_flush();
}

static void (*const happenings[])(struct fuzz_input *) = {do_prepare,
    do_prepare, do_prepare, do_end, do_end, do_resolved, do_entry, do_account,
    do_decide, do_ask, do_statement, do_connect, do_disconnect, do_time,
    do_crash, do_room, do_line, do_flush};

/* ---- A run ---- */

/* What is left to do by itself, and who was closed is gone. */
static void
settle(void)
{
	while (closing_count > 0 && !shell.failed)
		go_down(closing[--closing_count]);
	for (uint32_t n = 0; !shell.failed && ledger_more(shell.core); n++) {
		CHECK(n < 10000);
		if (!core_has_room())
			return;
		core_give(EV_TICK);
	}
}

static void
open_up(void)
{
	static const uint8_t first[] = {0, 1, 1, 1};
	struct fuzz_input in = {first, sizeof(first)};

	memset(links, 0, sizeof(links));
	asked_count = closing_count = crashes = 0;
	core_begin(&bank_kind);
	core_give(EV_REPLAYED);
	for (uint32_t i = 0; i < 3; i++) {
		say(TELLER, SIDE_TELLER, VERB_UNKNOWN,
		    "t0 OPEN name=%s currency=CZK overdraft=1000", accounts[i]);
	}
	do_connect(&in);
	do_connect(&in);
	core_flush();
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct fuzz_input in = {octets, len};

	open_up();
	while (in.len > 0 && core_has_room()) {
		ONE_OF(&in, happenings)(&in);
		settle();
		/* Nobody who lies makes it give up its own journal. */
		CHECK(!shell.failed);
		CHECK(ledger_sum(shell.core, CURRENCY('C', 'Z', 'K')) == 0);
		CHECK(ledger_sum(shell.core, CURRENCY('E', 'U', 'R')) == 0);
	}
	core_flush();
	core_check();
	core_end();
	return 0;
}
