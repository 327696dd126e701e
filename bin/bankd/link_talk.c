/*
 * The lines of a link: HELLO, PING and REGISTER as the bank has them, and what
 * the gateway says.
 */
#include "link.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "logins.h"
#include "wire/tag.h"

/* What a gateway may ask for as a heartbeat. */
#define HEARTBEAT_MIN_NS (50 * NS_PER_MS)
#define HEARTBEAT_MAX_NS (3600 * NS_PER_S)

/* ---- Our own lines ---- */

void
link_talk_hello(struct link *k)
{
	struct msg m;

	tag_make(k->hello_tag, VERB_UP_HELLO, ++k->requests);
	msg_init(&m, MSG_REQUEST, VERB_UP_HELLO, k->hello_tag);
	msg_set_u64(&m, KEY_proto, PROTO_VERSION);
	msg_set_str(&m, KEY_agent, STR("strife-bankd/" STRIFE_VERSION));
	msg_set_u64(&m, KEY_window, k->talk.window);
	talk_put(&k->talk, &m);
}

void
link_talk_ping(void *ctx)
{
	struct link *k = ctx;
	char tag[TAG_MAX_LEN + 1];
	struct msg m;

	tag_make(tag, VERB_UP_PING, ++k->requests);
	msg_init(&m, MSG_REQUEST, VERB_UP_PING, tag);
	talk_put(&k->talk, &m);
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
		logins_start(k->links->bankd->logins, &k->talk, k->node, m);
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
		link_give_up(k,
		    "it answered HELLO with another protocol version", k->node);
		return;
	}
	if (peer == NULL || strcmp(peer->name, k->node) != 0) {
		link_give_up(k,
		    "its certificate is of another node than its HELLO",
		    k->node);
		return;
	}
	if (m->v[KEY_window].u64 == 0 || m->v[KEY_window].u64 > UINT32_MAX) {
		link_give_up(
		    k, "it answered HELLO with a window of no use", k->node);
		return;
	}
	if (already_linked(k)) {
		link_give_up(k,
		    "this gateway is linked by another address already",
		    k->node);
		k->delay_ns = LINK_RETRY_MAX_NS;
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
	k->delay_ns = LINK_RETRY_MIN_NS;
	k->complaint[0] = '\0';
	log_plain("registered gateway=%s", k->node);
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
		link_give_up(
		    k, "it answered REGISTER with half a proof", k->node);
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
	/* But for what passes, the answer stays the same until somebody acts.
	 */
	if (code_retry(code) != RETRY_SAME_ID)
		k->delay_ns = LINK_RETRY_MAX_NS;
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
		link_give_up(k, "a reply cannot be understood", problem.text);
}

const struct talk_ops link_talk_ops = {
    .side = SIDE_DOWN,
    .exempt = VERB_DOWN_PING,
    .stop_reading = false,
    .request = take_request,
    .reply = take_reply,
};
