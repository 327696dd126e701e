#include "links.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/version.h"
#include "turn/heartbeat.h"
#include "wire/tag.h"

#define RETRY_MIN_NS (100 * NS_PER_MS)
#define RETRY_MAX_NS (5 * NS_PER_S)
/* What a gateway may ask for as a heartbeat. */
#define HEARTBEAT_MIN_NS (50 * NS_PER_MS)
#define HEARTBEAT_MAX_NS (3600 * NS_PER_S)
/* Unread octets kept: two lines, so that one is always whole. */
#define LINK_IN_OCTETS (64u << 10)
#define COMPLAINT_MAX 256

_Static_assert(LINK_IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");

enum link_state {
	LINK_WAITING,     /* for the time to dial */
	LINK_DIALLING,    /* connect and handshake */
	LINK_GREETING,    /* HELLO is sent */
	LINK_REGISTERING, /* its OK went to the ledger, which sends REGISTER */
	LINK_REGISTERED,
	LINK_STOPPED, /* the daemon is ending */
};

struct link {
	struct links *links;
	struct talk talk;
	const char *address; /* as configured */
	enum link_state state;
	struct timer dial; /* when to do so next */
	int64_t delay_ns;
	struct heartbeat heartbeat;
	char complaint[COMPLAINT_MAX]; /* the last one, said once */
	uint64_t requests;             /* numbers our tags */
	char hello_tag[TAG_MAX_LEN + 1], register_tag[TAG_MAX_LEN + 1];
	char node[NODE_MAX_LEN + 1]; /* from HELLO's OK */
};

/* A password being checked: who is to be answered. */
struct login {
	struct peer peer;
	char tag[TAG_MAX_LEN + 1];
	bool used;
	uint32_t generation;
};

struct links {
	struct bankd *bankd;
	uint32_t count;
	struct link *at;
	uint32_t logins_max, logins_used;
	struct login *logins;
};

/* ---- Complaints ---- */

/* The same failure every few seconds is said once, until it registers. */
static void
complain(struct link *k, const char *text, const char *why, const char *detail)
{
	char complaint[COMPLAINT_MAX] = "";
	int len = snprintf(
	    complaint, sizeof(complaint), "%s: %s: %s", text, why, detail);
	bool again = len >= 0 && strcmp(complaint, k->complaint) == 0;

	memcpy(k->complaint, complaint, sizeof(complaint));
	log_write(again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, text,
	    (const struct log_field[]){LOG_C("gateway", k->address),
		LOG_C("why", why), LOG_C("detail", detail), LOG_FIELD_END});
}

/* Takes nothing more from this gateway, and closes it after this turn. */
static void
give_up(struct link *k, const char *why, const char *detail)
{
	complain(k, "closing", why, detail);
	talk_end(&k->talk);
}

/* ---- When to dial ---- */

static void
dial_at(struct link *k, int64_t at_ns)
{
	if (loop_timer_set(k->links->bankd->server.loop, &k->dial, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

/* Half of the delay at least, the rest by chance, so that banks spread. */
static void
wait_to_dial(struct link *k)
{
	uint32_t half_us = (uint32_t)(k->delay_ns / 2000);
	int64_t wait_us = half_us + arc4random_uniform(half_us + 1);

	k->state = LINK_WAITING;
	k->delay_ns =
	    k->delay_ns < RETRY_MAX_NS / 2 ? 2 * k->delay_ns : RETRY_MAX_NS;
	dial_at(k, clock_mono_ns() + 1000 * wait_us);
}

/* ---- Our own lines ---- */

static void
send_hello(struct link *k)
{
	struct msg m;

	tag_make(k->hello_tag, VERB_UP_HELLO, ++k->requests);
	msg_init(&m, MSG_REQUEST, VERB_UP_HELLO, k->hello_tag);
	msg_set_u64(&m, KEY_proto, PROTO_VERSION);
	msg_set_str(&m, KEY_agent, STR("strife-bankd/" STRIFE_VERSION));
	msg_set_u64(&m, KEY_window, k->talk.window);
	talk_put(&k->talk, &m);
}

static void
send_ping(void *ctx)
{
	struct link *k = ctx;
	char tag[TAG_MAX_LEN + 1];
	struct msg m;

	tag_make(tag, VERB_UP_PING, ++k->requests);
	msg_init(&m, MSG_REQUEST, VERB_UP_PING, tag);
	talk_put(&k->talk, &m);
}

static void
gateway_silent(void *ctx)
{
	struct link *k = ctx;

	give_up(k, "nothing heard for two heartbeats", k->node);
}

static const struct heartbeat_ops heartbeat_ops = {
    .ping = send_ping,
    .silent = gateway_silent,
};

/* ---- Passwords ---- */

static void
start_login(struct link *k, const struct msg *m)
{
	struct links *ls = k->links;
	uint32_t i = 0;

	if (ls->bankd->checker == NULL) {
		talk_error(&k->talk, m->tag, CODE_BAD_CREDENTIALS, STR_NONE,
		    "this bank has no customers who can log in");
		return;
	}
	while (i < ls->logins_max && ls->logins[i].used)
		i++;
	if (i == ls->logins_max) {
		talk_error(&k->talk, m->tag, CODE_OVERLOADED, STR_NONE, NULL);
		return;
	}
	struct login *login = &ls->logins[i];
	login->used = true;
	login->generation++;
	login->peer = k->talk.peer;
	CHECK(str_copy(login->tag, sizeof(login->tag), str_from(m->tag)));
	ls->logins_used++;
	checker_password(ls->bankd->checker,
	    (uint64_t)login->generation << 32 | i, m->v[KEY_user].str,
	    m->v[KEY_password].str);
}

/* A customer's one account, or an empty text. */
static struct str
only_account(const struct rights *rights)
{
	struct str accounts = str_from(rights->accounts);

	return name_valid(accounts) ? accounts : STR_NONE;
}

static void
answer_login(struct talk *t, const char *tag, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct msg m;

	switch (outcome) {
	case CHECKER_GRANTED:
		break;
	case CHECKER_REFUSED:
		talk_error(t, tag, CODE_BAD_CREDENTIALS, STR_NONE, NULL);
		return;
	case CHECKER_OVERLOADED:
		talk_error(t, tag, CODE_OVERLOADED, STR_NONE, NULL);
		return;
	case CHECKER_BROKEN:
		talk_error(t, tag, CODE_INTERNAL, STR_NONE, NULL);
		return;
	}
	if (only_account(rights).len == 0) {
		log_warn("a customer without exactly one account logged in",
		    LOG_C("user", rights->user));
		talk_error(t, tag, CODE_BAD_CREDENTIALS, STR_NONE, NULL);
		return;
	}
	msg_init(&m, MSG_OK, VERB_DOWN_AUTHENTICATE, tag);
	msg_set_str(&m, KEY_account, only_account(rights));
	msg_set_str(&m, KEY_roles, str_from(rights->roles));
	turn_send(t->turn, t->peer, &m);
}

void
links_checked(struct links *ls, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	uint32_t i = (uint32_t)cookie;
	struct login *login;
	struct talk *t;

	CHECK(i < ls->logins_max);
	login = &ls->logins[i];
	CHECK(login->used && login->generation == (uint32_t)(cookie >> 32));
	login->used = false;
	ls->logins_used--;
	t = &ls->at[login->peer.slot].talk;
	/* The connection that asked may be gone: then nobody is answered. */
	if (talk_is(t, login->peer))
		answer_login(t, login->tag, outcome, rights);
}

/* ---- What the gateway says ---- */

static void
answer_ping(struct link *k, const struct msg *m)
{
	struct msg reply;

	msg_init(&reply, MSG_OK, VERB_DOWN_PING, m->tag);
	msg_set_i64(&reply, KEY_time, clock_wall_us());
	talk_put(&k->talk, &reply);
}

static void
take_request(void *ctx, const struct msg *m)
{
	struct link *k = ctx;
	struct event ev = {.kind = EV_MSG, .peer = k->talk.peer, .msg = m};

	if (m->verb == VERB_DOWN_PING)
		answer_ping(k, m);
	else if (k->state != LINK_REGISTERED)
		talk_error(&k->talk, m->tag, CODE_BAD_REQUEST, STR_NONE,
		    "the answer to REGISTER comes first");
	else if (m->verb == VERB_DOWN_AUTHENTICATE)
		start_login(k, m);
	else
		turn_event(k->links->bankd->server.turn, &ev);
}

/* Is another address of ours a way to the same gateway? */
static bool
already_linked(const struct link *k)
{
	for (uint32_t i = 0; i < k->links->count; i++) {
		const struct link *other = &k->links->at[i];

		if (other != k && other->talk.conn != NULL &&
		    !other->talk.ended &&
		    (other->state == LINK_REGISTERING ||
			other->state == LINK_REGISTERED) &&
		    strcmp(other->node, k->node) == 0)
			return true;
	}
	return false;
}

static void
take_hello(struct link *k, const struct msg *m)
{
	const struct tls_identity *peer = conn_peer(k->talk.conn);
	struct event ev = {.kind = EV_MSG, .peer = k->talk.peer, .msg = m};
	int64_t heartbeat_ns = m->v[KEY_heartbeat].i64;

	CHECK(str_copy(k->node, sizeof(k->node), m->v[KEY_node].str));
	if (m->v[KEY_proto].u64 != PROTO_VERSION) {
		give_up(k, "it answered HELLO with another protocol version",
		    k->node);
		return;
	}
	if (peer == NULL || strcmp(peer->name, k->node) != 0) {
		give_up(k, "its certificate is of another node than its HELLO",
		    k->node);
		return;
	}
	if (m->v[KEY_window].u64 == 0 || m->v[KEY_window].u64 > UINT32_MAX) {
		give_up(
		    k, "it answered HELLO with a window of no use", k->node);
		return;
	}
	if (already_linked(k)) {
		give_up(k, "this gateway is linked by another address already",
		    k->node);
		k->delay_ns = RETRY_MAX_NS;
		return;
	}
	if (heartbeat_ns < HEARTBEAT_MIN_NS)
		heartbeat_ns = HEARTBEAT_MIN_NS;
	if (heartbeat_ns > HEARTBEAT_MAX_NS)
		heartbeat_ns = HEARTBEAT_MAX_NS;
	k->state = LINK_REGISTERING;
	turn_event(k->links->bankd->server.turn, &ev);
	heartbeat_ping(&k->heartbeat, heartbeat_ns);
}

static void
registered(struct link *k)
{
	k->state = LINK_REGISTERED;
	k->delay_ns = RETRY_MIN_NS;
	k->complaint[0] = '\0';
	fprintf(stderr, "registered gateway=%s\n", k->node);
}

/* Does this journal have the record that the gateway says it has proven? */
static enum proof
proof_of(const struct link *k, const struct msg *m)
{
	if (!msg_has(m, proven_seq) || !msg_has(m, proven_check))
		return PROOF_NONE;
	return journal_proves(k->links->bankd->server.journal,
		   m->v[KEY_proven_seq].u64, &m->v[KEY_proven_check].check)
	    ? PROOF_GOOD
	    : PROOF_BAD;
}

static void
take_registered(struct link *k, const struct msg *m)
{
	struct event ev = {.kind = EV_MSG, .peer = k->talk.peer, .msg = m};

	if (msg_has(m, proven_seq) != msg_has(m, proven_check)) {
		give_up(k, "it answered REGISTER with half a proof", k->node);
		return;
	}
	ev.proof = proof_of(k, m);
	turn_event(k->links->bankd->server.turn, &ev);
	if (!k->talk.ended)
		registered(k);
}

/* HELLO or REGISTER was answered with ERR: its text is for the operator. */
static void
take_refusal(struct link *k, const struct msg *m)
{
	struct event ev = {.kind = EV_MSG, .peer = k->talk.peer, .msg = m};
	enum code code = (enum code)m->v[KEY_code].u64;

	log_error("the gateway refuses us", LOG_C("gateway", k->address),
	    LOG_C("request", verb_info(m->verb)->word),
	    LOG_C("code", code_text(code)), LOG_S("text", m->v[KEY_text].str));
	/* Until its operator acts, the answer stays the same. */
	k->delay_ns = RETRY_MAX_NS;
	ev.proof = proof_of(k, m);
	if (m->verb == VERB_UP_REGISTER)
		turn_event(k->links->bankd->server.turn, &ev);
	talk_end(&k->talk);
}

/* Was that asked in this connection, and is it still to be answered? */
static bool
is_awaited(const struct link *k, enum verb verb, const char *tag)
{
	if (verb == VERB_UP_HELLO)
		return k->state == LINK_GREETING &&
		    strcmp(tag, k->hello_tag) == 0;
	if (verb == VERB_UP_REGISTER)
		return k->state == LINK_REGISTERING &&
		    strcmp(tag, k->register_tag) == 0;
	return verb == VERB_UP_RESOLVE && k->state == LINK_REGISTERED &&
	    ledger_awaits(k->links->bankd->ledger, k->talk.peer, tag);
}

static void
take_typed_reply(struct link *k, const struct msg *m)
{
	struct event ev = {.kind = EV_MSG, .peer = k->talk.peer, .msg = m};

	if (m->word != MSG_OK && m->word != MSG_ERR)
		return;
	if (m->verb == VERB_UP_RESOLVE) {
		/* Of a branch that has ended meanwhile too: it is counted. */
		if (k->state == LINK_REGISTERED)
			turn_event(k->links->bankd->server.turn, &ev);
	} else if (!is_awaited(k, m->verb, m->tag)) {
		return;
	} else if (m->word == MSG_ERR) {
		take_refusal(k, m);
	} else if (m->verb == VERB_UP_HELLO) {
		take_hello(k, m);
	} else {
		take_registered(k, m);
	}
}

static void
take_reply(void *ctx, const struct line *line)
{
	struct link *k = ctx;
	enum verb verb = tag_verb(SIDE_UP, line->tag);
	struct msg_problem problem;
	struct msg m;

	/* A reply to no request of ours is ignored; so is an event. */
	if (verb == VERB_UNKNOWN || verb == VERB_UP_PING)
		return;
	if (msg_reply(&m, line, verb, &problem) == LINE_OK)
		take_typed_reply(k, &m);
	else if (is_awaited(k, verb, line->tag))
		give_up(k, "a reply cannot be understood", problem.text);
}

static const struct talk_ops link_ops = {
    .side = SIDE_DOWN,
    .exempt = VERB_DOWN_PING,
    .stop_reading = false,
    .request = take_request,
    .reply = take_reply,
};

/* ---- The connection ---- */

static void
link_up(void *ctx, struct conn *conn)
{
	struct link *k = ctx;

	(void)conn;
	k->state = LINK_GREETING;
	k->node[0] = '\0';
	k->register_tag[0] = '\0';
	send_hello(k);
	heartbeat_start(
	    &k->heartbeat, k->links->bankd->config.settings.heartbeat_ns);
}

static size_t
link_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct link *k = ctx;

	(void)conn;
	return talk_input(&k->talk, octets, len);
}

static void
link_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct link *k = ctx;

	if (k->state != LINK_STOPPED && why != CONN_END_CLOSED)
		complain(k, "link down", conn_end_text(why), conn_error(conn));
	heartbeat_stop(&k->heartbeat);
	talk_down(&k->talk);
	if (k->state == LINK_STOPPED)
		return;
	wait_to_dial(k);
}

static const struct conn_ops link_conn_ops = {
    .up = link_up,
    .input = link_input,
    .drained = NULL,
    .down = link_down,
};

static void
dial(void *ctx)
{
	struct link *k = ctx;
	struct bankd *b = k->links->bankd;
	const struct conn_limits limits = {
	    .in_max = LINK_IN_OCTETS,
	    .out_max = (uint32_t)b->config.output_octets,
	    .handshake_ns = b->config.settings.handshake_ns,
	};
	struct conn *conn;

	if (conn_connect(&conn, b->server.loop, k->address, b->server.tls,
		&limits, &link_conn_ops, k) < 0) {
		complain(k, "cannot connect", strerror(errno), "");
		wait_to_dial(k);
		return;
	}
	k->state = LINK_DIALLING;
	talk_begin(&k->talk, conn);
}

/* ---- The interface ---- */

struct links *
links_new(struct bankd *b)
{
	struct links *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->bankd = b;
	ls->count = b->config.gateways.count;
	ls->at = calloc(ls->count, sizeof(*ls->at));
	ls->logins_max = (uint32_t)b->config.logins_max;
	ls->logins = calloc(ls->logins_max, sizeof(*ls->logins));
	if (ls->at == NULL || ls->logins == NULL) {
		free(ls->at);
		free(ls->logins);
		free(ls);
		return NULL;
	}
	for (uint32_t i = 0; i < ls->count; i++) {
		struct link *k = &ls->at[i];

		k->links = ls;
		k->address = b->config.gateways.at[i];
		k->state = LINK_WAITING;
		k->delay_ns = RETRY_MIN_NS;
		k->dial = (struct timer){.due = dial, .ctx = k};
		talk_init(&k->talk, &link_ops, k, b->server.turn, i,
		    (uint32_t)b->config.settings.window);
		k->talk.talks = &b->server.talks;
		heartbeat_init(
		    &k->heartbeat, &heartbeat_ops, k, b->server.loop, &k->talk);
		dial_at(k, 0);
	}
	return ls;
}

void
links_free(struct links *ls)
{
	if (ls == NULL)
		return;
	for (uint32_t i = 0; i < ls->count; i++)
		loop_timer_clear(ls->bankd->server.loop, &ls->at[i].dial);
	free(ls->at);
	free(ls->logins);
	free(ls);
}

uint32_t
links_count(const struct links *ls)
{
	return ls->count;
}

uint32_t
links_registered(const struct links *ls)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		if (ls->at[i].talk.conn != NULL &&
		    ls->at[i].state == LINK_REGISTERED)
			count++;
	return count;
}

uint32_t
links_logins(const struct links *ls)
{
	return ls->logins_used;
}

uint64_t
links_lines_in(const struct links *ls)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		sum += ls->at[i].talk.lines_in;
	return sum;
}

uint64_t
links_lines_out(const struct links *ls)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < ls->count; i++)
		sum += ls->at[i].talk.lines_out;
	return sum;
}

/* The link that this peer is, or NULL where it is gone. */
static struct link *
link_of(struct links *ls, struct peer peer)
{
	struct link *k;

	if (peer.slot >= ls->count)
		return NULL;
	k = &ls->at[peer.slot];
	return talk_is(&k->talk, peer) ? k : NULL;
}

void
links_registering(struct links *ls, struct peer peer, const char *tag)
{
	struct link *k = link_of(ls, peer);

	if (k != NULL)
		CHECK(str_copy(
		    k->register_tag, sizeof(k->register_tag), str_from(tag)));
}

void
links_deliver(struct links *ls, struct peer peer, const char *line, size_t len)
{
	CHECK(peer.slot < ls->count);
	talk_deliver(&ls->at[peer.slot].talk, peer, line, len);
}

void
links_close(struct links *ls, struct peer peer, const char *why)
{
	struct link *k = link_of(ls, peer);

	if (k == NULL)
		return;
	/* Fenced or refused: it stays so until somebody repairs something. */
	if (k->state != LINK_REGISTERED)
		k->delay_ns = RETRY_MAX_NS;
	give_up(k, why, k->node);
}

void
links_retry(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++) {
		struct link *k = &ls->at[i];

		if (k->state != LINK_WAITING)
			continue;
		k->delay_ns = RETRY_MIN_NS;
		dial_at(k, 0);
	}
}

void
links_stop(struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++) {
		struct link *k = &ls->at[i];

		k->state = LINK_STOPPED;
		loop_timer_clear(ls->bankd->server.loop, &k->dial);
		if (k->talk.conn != NULL)
			talk_end(&k->talk);
	}
}

bool
links_idle(const struct links *ls)
{
	for (uint32_t i = 0; i < ls->count; i++)
		if (ls->at[i].talk.conn != NULL)
			return false;
	return true;
}
