/*
 * A gateway among clients, an operator and three banks who do whatever the
 * octets say: each first octet chooses what happens. Nobody is told what is not
 * durable; at the end every invariant holds, and a replay of the journal gives
 * the same state.
 */
#include "gateway.h"
#include "people.h"

#define BANKS 3
#define CLIENTS 2
#define OPERATOR ((struct peer){200, 1})

static struct peer banks[BANKS];
static const char *const bank_names[BANKS] = {"BankA", "BankB", "BankC"};

/* What each bank was asked: the newest few, to be answered in any order. */
static struct asked {
	enum verb verb;
	char tag[TAG_MAX_LEN + 1], branch[BRANCH_TEXT_MAX + 1];
	struct id id;
} asked[BANKS][ASKED_MAX];
static uint32_t asked_count[BANKS];

static const char *const accounts[] = {
    "ann@BankA", "ben@BankB", "cyd@BankA", "dan@BankC", "eve@BankD"};
static const char *const amounts[] = {"1", "500", "1000000000000000"};
static const char *const codes[] = {"INSUFFICIENT_FUNDS", "OVERLOADED",
    "ALREADY_EXISTS", "NOT_FOUND", "HEURISTIC", "IN_PROGRESS", "FORBIDDEN",
    "SOME_LATER_CODE"};

/* ---- What the gateway says ---- */

static void
core_sent(const struct action *a)
{
	const struct msg *m = &a->msg;

	if (m->word == MSG_OK && m->verb == VERB_CLIENT_PAY &&
	    str_is(m->v[KEY_state].str, "committed"))
		CHECK(a->after_seq <= shell.count);
	if (m->word != MSG_REQUEST)
		return;
	for (uint32_t i = 0; i < BANKS; i++) {
		struct asked *q = &asked[i][asked_count[i] % ASKED_MAX];

		if (!peer_eq(banks[i], a->peer))
			continue;
		asked_count[i]++;
		memset(q, 0, sizeof(*q));
		q->verb = m->verb;
		memcpy(q->tag, m->tag, sizeof(q->tag));
		if (msg_has(m, id))
			q->id = m->v[KEY_id].id;
		if (msg_has(m, branch))
			(void)branch_text(&m->v[KEY_branch].branch, q->branch);
	}
}

static struct str
user_of(struct peer peer)
{
	return peer.slot < BANKS ? str_from(bank_names[peer.slot]) : STR_NONE;
}

static void
go_down(struct peer peer)
{
	struct event ev = {
	    .kind = EV_PEER_DOWN, .peer = peer, .user = user_of(peer)};

	core_step(&ev, 0);
}

/* ---- Lines in ---- */

/*
 * What the shell does with a bank's answers first: one that has no rows has
 * none, a code of a later version is no reason for our journal, and what was
 * written for people is cut.
 */
static bool
trim(struct msg *m)
{
	static const enum key codes_of[] = {KEY_code, KEY_reason};

	if (m->word == MSG_EVENT ||
	    (m->word == MSG_ROW && verb_info(m->verb)->row.count == 0))
		return false;
	if (m->word != MSG_ERR)
		return true;
	if (msg_has(m, text) && m->v[KEY_text].str.len > 256)
		m->have &= ~MSG_BIT(KEY_text);
	for (size_t i = 0; i < COUNT(codes_of); i++)
		if ((m->have & MSG_BIT(codes_of[i])) != 0 &&
		    code_is_other((enum code)m->v[codes_of[i]].u64))
			m->v[codes_of[i]].u64 = CODE_INTERNAL;
	return true;
}

static void
give(struct peer peer, enum side side, enum verb verb, struct str text)
{
	struct event ev = {.kind = EV_MSG,
	    .peer = peer,
	    .who = STR("uid=0"),
	    .user = user_of(peer),
	    .may_pay_from = true,
	    .window = 1 + peer.generation % 5,
	    .jti = {1, 1 + peer.generation % 4}};

	struct msg *m = core_read(text, side, verb);

	if (m == NULL || !trim(m))
		return;
	ev.msg = m;
	if (side == SIDE_CLIENT) {
		ev.user = peer.slot % 2 == 0 ? STR("ann") : STR("ben@BankB");
		ev.issued_us = shell.wall_us - 1000000;
		ev.expires_us = shell.wall_us + 300000000;
	}
	if (ev.msg->verb == VERB_UP_REGISTER && msg_has(ev.msg, gateway_seq))
		ev.proof = ev.msg->v[KEY_gateway_seq].u64 <= shell.durable
		    ? PROOF_GOOD
		    : PROOF_BAD;
	core_step(&ev, 0);
}

static struct peer
client_of(struct fuzz_input *in)
{
	return (struct peer){100 + fuzz_below(in, CLIENTS), 1};
}

/* ---- What may happen ---- */

static void
do_pay(struct fuzz_input *in)
{
	struct peer client = client_of(in);
	const char *id = id_of(in);

	say(client, SIDE_CLIENT, VERB_UNKNOWN,
	    "c1 PAY id=%s from=%s to=%s amount=%s currency=CZK hold=%s", id,
	    ONE_OF(in, accounts), ONE_OF(in, accounts), ONE_OF(in, amounts),
	    fuzz_octet(in) % 3 == 0 ? "no" : "yes");
}

static void
do_ask(struct fuzz_input *in)
{
	static const char *const verbs[] = {"CANCEL", "STATUS"};
	struct peer client = client_of(in);
	const char *verb = ONE_OF(in, verbs);

	say(client, SIDE_CLIENT, VERB_UNKNOWN, "c2 %s id=%s", verb, id_of(in));
}

static void
do_account(struct fuzz_input *in)
{
	static const char *const verbs[] = {"BALANCE", "HISTORY"};
	struct peer client = client_of(in);
	const char *verb = ONE_OF(in, verbs);

	say(client, SIDE_CLIENT, VERB_UNKNOWN, "c3 %s account=%s", verb,
	    ONE_OF(in, accounts));
}

static void
do_logout(struct fuzz_input *in)
{
	struct peer client = client_of(in);

	client.generation = fuzz_octet(in);
	give(client, SIDE_CLIENT, VERB_UNKNOWN, STR("c4 LOGOUT"));
}

/* A reply to one of the requests that the bank has. */
static void
do_reply(struct fuzz_input *in)
{
	uint32_t bank = fuzz_below(in, BANKS);
	const struct asked *q = &asked[bank][fuzz_below(in, ASKED_MAX)];
	uint32_t how = fuzz_octet(in) % 16;
	char id[ID_TEXT_LEN + 1];

	if (q->tag[0] == '\0')
		return;
	id_text(&q->id, id);
	if (how == 0)
		say(banks[bank], SIDE_DOWN, q->verb,
		    "%s ERR code=%s retry=same-id outcome=aborted text=x",
		    q->tag, ONE_OF(in, codes));
	else if (q->verb == VERB_DOWN_BALANCE)
		say(banks[bank], SIDE_DOWN, q->verb,
		    "%s OK account=ann currency=CZK posted=5 held=0 "
		    "available=5 seq=3",
		    q->tag);
	else if (q->verb == VERB_DOWN_HISTORY)
		say(banks[bank], SIDE_DOWN, q->verb,
		    how < 8 ? "%s OK"
			    : "%s ROW seq=1 time=2026-01-01T00:00:00.000000Z "
			      "id= kind=open amount=5 currency=CZK balance=5 "
			      "peer= memo=",
		    q->tag);
	else
		say(banks[bank], SIDE_DOWN, q->verb,
		    "%s OK id=%s branch=%s%s seq=%u check=" CHECK_HEX, q->tag,
		    id, q->branch,
		    q->verb == VERB_DOWN_PREPARE
			? (how == 1 ? " vote=no" : " vote=yes")
			: "",
		    (unsigned)(1 + how));
}

static void
do_register(struct fuzz_input *in)
{
	uint32_t bank = fuzz_below(in, BANKS), how = fuzz_octet(in);
	char told[96] = "";

	banks[bank].generation++;
	memset(asked[bank], 0, sizeof(asked[bank]));
	asked_count[bank] = 0;
	if (how % 4 == 1)
		(void)snprintf(told, sizeof(told),
		    " gateway_seq=%u gateway_check=" CHECK_HEX,
		    (unsigned)(1 + how));
	say(banks[bank], SIDE_UP, VERB_UNKNOWN,
	    "j1 REGISTER bank=%s boot=%u seq=%u "
	    "journal=00000000-0000-4000-9000-00000000000%u%s",
	    bank_names[bank], (unsigned)banks[bank].generation,
	    how % 8 == 2 ? 1u : 100u + banks[bank].generation,
	    (unsigned)(how < 250 ? bank : how % 8), told);
}

static void
do_resolve(struct fuzz_input *in)
{
	uint32_t bank = fuzz_below(in, BANKS);
	const char *id = id_of(in);
	uint32_t how = fuzz_octet(in);

	say(banks[bank], SIDE_UP, VERB_UNKNOWN,
	    "r1 RESOLVE id=%s branch=%s.%u.%u peer=%s%s", id,
	    how < 250 ? "gw1" : "gw2", (unsigned)(1 + (how >> 5) % 3),
	    (unsigned)(1 + how % 12), ONE_OF(in, accounts),
	    how % 32 == 3 ? " outcome=committed" : "");
}

static void
do_operate(struct fuzz_input *in)
{
	static const char *const orders[] = {"BANKS", "PAYMENTS",
	    "PAYMENTS limit=1", "PAYMENTS state=pending", "STATS", "DRAIN",
	    "RESUME", "RESUME", "REVOKE user=ann", "WAIVE bank=BankA",
	    "WAIVE bank=BankB",
	    "REBIND bank=BankA journal=00000000-0000-4000-9000-000000000005",
	    "REBIND bank=BankB journal=00000000-0000-4000-9000-000000000001"};

	say(OPERATOR, SIDE_CONTROL, VERB_UNKNOWN, "o1 %s", ONE_OF(in, orders));
}

static void
do_explain(struct fuzz_input *in)
{
	static const char *const verbs[] = {"EXPLAIN", "STATUS"};
	const char *verb = ONE_OF(in, verbs);

	say(OPERATOR, SIDE_CONTROL, VERB_UNKNOWN, "o2 %s id=%s", verb,
	    id_of(in));
}

/* The shell's own questions to a bank. */
static void
do_relay(struct fuzz_input *in)
{
	struct event ev = {
	    .kind = EV_MSG, .peer = client_of(in), .user = STR("BankA")};

	ev.msg = core_read(STR("s1 AUTHENTICATE user=ann password=x"),
	    SIDE_DOWN, VERB_UNKNOWN);
	CHECK(ev.msg != NULL);
	core_step(&ev, 0);
}

static void
do_disconnect(struct fuzz_input *in)
{
	uint32_t who = fuzz_below(in, BANKS + CLIENTS + 1);

	if (who < BANKS)
		go_down(banks[who]);
	else if (who < BANKS + CLIENTS)
		go_down((struct peer){100 + who - BANKS, 1});
	else
		go_down(OPERATOR);
}

static void
do_time(struct fuzz_input *in)
{
	static const int64_t seconds[] = {0, 1, 2, 5, 30, 601};
	int64_t ns = ONE_OF(in, seconds) * CORE_SECOND + fuzz_octet(in);

	shell.mono_ns += ns;
	shell.wall_us += ns / 1000 + 1;
	core_give(EV_TICK);
}

static void
do_crash(struct fuzz_input *in)
{
	uint32_t how = fuzz_octet(in);

	if (crashes == CRASHES_MAX)
		return;
	crashes++;
	if (how % 2 == 0)
		core_flush();
	closing_count = 0;
	memset(asked, 0, sizeof(asked));
	memset(asked_count, 0, sizeof(asked_count));
	core_crash();
	if (how % 8 == 7)
		coord_set_truncated(shell.core);
	core_give(EV_REPLAYED);
	core_flush();
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
	uint32_t from = fuzz_below(in, BANKS + 2);
	struct str text = fuzz_piece(in);
	enum verb verb =
	    text.len > 0 ? tag_verb(SIDE_DOWN, text.at) : VERB_UNKNOWN;

	if (from == BANKS)
		give(OPERATOR, SIDE_CONTROL, VERB_UNKNOWN, text);
	else if (from < BANKS)
		give(banks[from], SIDE_UP, verb, text);
}

static void
do_flush(struct fuzz_input *in)
{
	(void)in;
	core_flush();
}

static void (*const happenings[])(struct fuzz_input *) = {do_pay, do_pay,
    do_pay, do_ask, do_account, do_logout, do_reply, do_reply, do_reply,
    do_reply, do_reply, do_register, do_resolve, do_operate, do_explain,
    do_relay, do_disconnect, do_time, do_crash, do_room, do_line, do_flush,
    do_flush};

/* ---- A run ---- */

/* What is left to do by itself, and who was closed is gone. */
static void
settle(void)
{
	for (uint32_t n = 0; !shell.failed; n++) {
		if (!core_has_room())
			return;
		CHECK(n < 10000);
		if (closing_count > 0)
			go_down(closing[--closing_count]);
		else if (coord_more(shell.core) ||
		    coord_next_ns(shell.core) <= shell.mono_ns)
			core_give(EV_TICK);
		else
			return;
	}
}

static void
open_up(void)
{
	static const uint8_t first[] = {0, 0, 1, 0, 2, 0};
	struct fuzz_input in = {first, sizeof(first)};

	memset(asked, 0, sizeof(asked));
	memset(asked_count, 0, sizeof(asked_count));
	closing_count = crashes = 0;
	core_begin(&gateway_kind);
	core_give(EV_REPLAYED);
	core_flush();
	for (uint32_t i = 0; i < BANKS; i++) {
		banks[i] = (struct peer){i, 3};
		do_register(&in);
	}
	core_flush();
	settle();
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
	}
	core_flush();
	core_check();
	core_end();
	return 0;
}
