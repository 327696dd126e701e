#include "banks.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "turn/acceptor.h"
#include "turn/heartbeat.h"
#include "wire/tag.h"

/* Unread octets kept, and unsent ones: a bank never stops reading. */
#define IN_OCTETS (64u << 10)
#define OUT_OCTETS (64u << 20)
/* Links of one bank's certificate that have not registered: older ones go. */
#define UNREGISTERED_MAX 4
/* Of an ERR that is passed on to a client; a bank needs no novel. */
#define REASON_OCTETS_MAX 256

_Static_assert(IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");

enum link_state {
	LINK_SHAKING,    /* the handshake is under way */
	LINK_CONNECTED,  /* waits for HELLO */
	LINK_GREETED,    /* waits for REGISTER, or for its answer */
	LINK_REGISTERED, /* both sides may ask */
};

struct link {
	struct accepted accepted; /* first: see turn/acceptor.h */
	struct talk talk;
	struct banks *banks;
	enum link_state state;
	struct heartbeat heartbeat;
	char name[TLS_NAME_MAX + 1];
	uint32_t window; /* the bank's, from HELLO */
	int64_t up_ns;
	uint64_t pings; /* numbers their tags */
};

struct banks {
	struct gatewayd *gatewayd;
	struct acceptor acceptor;
};

static struct link *
link_at(const struct banks *bs, uint32_t i)
{
	return (struct link *)acceptor_at(&bs->acceptor, i);
}

static void
give_up(struct link *k, const char *why)
{
	accepted_give_up(&k->accepted, why);
}

static void
refuse(struct link *k, const struct msg *m, enum code code, const char *text)
{
	talk_error(&k->talk, m->tag, code, STR_NONE, text);
}

/* ---- Heartbeats ---- */

static void
send_ping(void *ctx)
{
	struct link *k = ctx;
	char tag[TAG_MAX_LEN + 1];
	struct msg m;

	tag_make(tag, VERB_DOWN_PING, ++k->pings);
	msg_init(&m, MSG_REQUEST, VERB_DOWN_PING, tag);
	/* In order with what waits for a flush: the answer to REGISTER may. */
	turn_send(k->talk.turn, k->talk.peer, &m);
}

static void
bank_silent(void *ctx)
{
	give_up(ctx, "nothing was heard for two heartbeats");
}

static const struct heartbeat_ops heartbeat_ops = {
    .ping = send_ping,
    .silent = bank_silent,
};

/* ---- Requests ---- */

static void
take_hello(struct link *k, const struct msg *m)
{
	const struct gatewayd *g = k->banks->gatewayd;
	const struct config *c = &g->config;
	uint64_t window = m->v[KEY_window].u64;
	struct msg reply;

	if (k->state != LINK_CONNECTED) {
		refuse(k, m, CODE_BAD_REQUEST, "HELLO was said already");
		return;
	}
	if (m->v[KEY_proto].u64 != PROTO_VERSION) {
		refuse(k, m, CODE_UNSUPPORTED_PROTO,
		    "this gateway speaks version 1 of the protocol");
		return;
	}
	if (window == 0) {
		talk_error(&k->talk, m->tag, CODE_BAD_REQUEST, STR("window"),
		    "a window is 1 at least");
		return;
	}
	k->window = window > UINT32_MAX ? UINT32_MAX : (uint32_t)window;
	k->state = LINK_GREETED;
	k->talk.awaits_hello = false;
	msg_init(&reply, MSG_OK, m->verb, m->tag);
	msg_set_u64(&reply, KEY_proto, PROTO_VERSION);
	msg_set_str(&reply, KEY_node, str_from(c->node));
	msg_set_str(&reply, KEY_server, STR("strife-gatewayd/" STRIFE_VERSION));
	msg_set_u64(&reply, KEY_window, (uint64_t)c->settings.window);
	msg_set_i64(&reply, KEY_time, clock_wall_us());
	msg_set_u64(&reply, KEY_epoch, coord_epoch(g->coord));
	msg_set_i64(&reply, KEY_heartbeat, c->settings.heartbeat_ns);
	turn_send(k->talk.turn, k->talk.peer, &reply);
}

static void
take_ping(struct link *k, const struct msg *m)
{
	struct msg reply;

	/* Counted against nothing, so this is no counted answer either. */
	msg_init(&reply, MSG_OK, m->verb, m->tag);
	msg_set_i64(&reply, KEY_time, clock_wall_us());
	talk_put(&k->talk, &reply);
}

static struct event
event_of(const struct link *k, const struct msg *m)
{
	return (struct event){
	    .kind = EV_MSG,
	    .peer = k->talk.peer,
	    .msg = m,
	    .user = str_from(k->name),
	};
}

static void
take_register(struct link *k, const struct msg *m)
{
	struct gatewayd *g = k->banks->gatewayd;
	struct event ev = event_of(k, m);

	if (msg_has(m, gateway_seq) != msg_has(m, gateway_check)) {
		talk_error(&k->talk, m->tag, CODE_BAD_REQUEST,
		    msg_has(m, gateway_seq) ? STR("gateway_check")
					    : STR("gateway_seq"),
		    "gateway_seq and gateway_check come together");
		return;
	}
	ev.window = k->window;
	ev.proof = PROOF_NONE;
	if (msg_has(m, gateway_seq))
		ev.proof =
		    journal_proves(g->server.journal, m->v[KEY_gateway_seq].u64,
			&m->v[KEY_gateway_check].check)
		    ? PROOF_GOOD
		    : PROOF_BAD;
	turn_event(g->server.turn, &ev);
}

static void
take_request(void *ctx, const struct msg *m)
{
	struct link *k = ctx;
	struct event ev;

	if (m->verb == VERB_UP_HELLO) {
		take_hello(k, m);
	} else if (k->state == LINK_CONNECTED && m->verb == VERB_UP_PING) {
		/* PING is not counted, but here it is one request too early. */
		struct msg reply;

		msg_error(&reply, m->verb, m->tag, CODE_BAD_REQUEST,
		    "HELLO comes first");
		talk_put(&k->talk, &reply);
	} else if (k->state == LINK_CONNECTED) {
		refuse(k, m, CODE_BAD_REQUEST, "HELLO comes first");
	} else if (m->verb == VERB_UP_PING) {
		take_ping(k, m);
	} else if (m->verb == VERB_UP_REGISTER) {
		take_register(k, m);
	} else {
		ev = event_of(k, m);
		turn_event(k->talk.turn, &ev);
	}
}

/* ---- Replies ---- */

/*
 * What a bank wrote for people is cut, so that it fits every line it goes to;
 * and a code of a later version is no reason for our journal: it passes.
 */
static void
trim(struct msg *m)
{
	static const enum key codes[] = {KEY_code, KEY_reason};
	struct str *text = &m->v[KEY_text].str;

	if (m->word != MSG_ERR)
		return;
	if (msg_has(m, text) && text->len > REASON_OCTETS_MAX)
		m->have &= ~MSG_BIT(KEY_text);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if ((m->have & MSG_BIT(codes[i])) != 0 &&
		    code_is_other((enum code)m->v[codes[i]].u64))
			m->v[codes[i]].u64 = CODE_INTERNAL;
}

/* A reply that nothing can be made of; to no request of ours, it is ignored. */
static void
take_nonsense(struct link *k, const struct line *line, enum verb verb,
    const struct msg_problem *problem)
{
	if (!coord_awaits(
		k->banks->gatewayd->coord, str_from(k->name), verb, line->tag))
		return;
	log_warn("a reply cannot be understood", LOG_C("bank", k->name),
	    LOG_C("request", verb_info(verb)->word),
	    LOG_S("field", problem->field), LOG_C("text", problem->text));
	give_up(k, "a reply cannot be understood");
}

static void
take_reply(void *ctx, const struct line *line)
{
	static const struct msg_problem rows = {
	    .field = {"", 0},
	    .text = "rows in answer to what has none",
	};
	struct link *k = ctx;
	enum verb verb = tag_verb(SIDE_DOWN, line->tag);
	struct msg_problem problem;
	struct event ev;
	struct msg m;

	/* A reply to no request of ours is ignored; so is an event. */
	if (verb == VERB_UNKNOWN || verb == VERB_DOWN_PING ||
	    k->state != LINK_REGISTERED)
		return;
	if (msg_reply(&m, line, verb, &problem) != LINE_OK) {
		take_nonsense(k, line, verb, &problem);
		return;
	}
	if (m.word == MSG_EVENT)
		return;
	if (m.word == MSG_ROW && verb != VERB_DOWN_HISTORY) {
		take_nonsense(k, line, verb, &rows);
		return;
	}
	trim(&m);
	ev = event_of(k, &m);
	turn_event(k->talk.turn, &ev);
}

static const struct talk_ops bank_ops = {
    .side = SIDE_UP,
    .exempt = VERB_UP_PING,
    .stop_reading = false,
    .request = take_request,
    .reply = take_reply,
};

/* ---- Connections ---- */

/* One bank cannot take every place: of many unregistered, the oldest goes. */
static void
limit_unregistered(struct banks *bs, const struct link *fresh)
{
	struct link *oldest = NULL;
	uint32_t count = 0;

	for (uint32_t i = 0; i < bs->acceptor.count; i++) {
		struct link *k = link_at(bs, i);

		if (!accepted_is_open(&k->accepted) ||
		    k->state == LINK_SHAKING || k->state == LINK_REGISTERED ||
		    strcmp(k->name, fresh->name) != 0)
			continue;
		count++;
		if (k != fresh && (oldest == NULL || k->up_ns < oldest->up_ns))
			oldest = k;
	}
	if (count > UNREGISTERED_MAX && oldest != NULL)
		give_up(oldest, "too many connections that do not register");
}

static void
bank_begun(struct accepted *a)
{
	struct link *k = (struct link *)a;

	k->state = LINK_SHAKING;
	k->talk.awaits_hello = true;
	k->name[0] = '\0';
}

static void
bank_up(struct accepted *a)
{
	struct link *k = (struct link *)a;
	const struct tls_identity *peer = conn_peer(k->talk.conn);

	k->state = LINK_CONNECTED;
	k->up_ns = clock_mono_ns();
	heartbeat_start(
	    &k->heartbeat, k->banks->gatewayd->config.settings.heartbeat_ns);
	/* Whoever is not welcome is no bank, whatever its name is. */
	if (k->talk.forbidden != NULL)
		return;
	CHECK(str_copy(k->name, sizeof(k->name), str_from(peer->name)));
	k->talk.user = str_from(k->name);
	limit_unregistered(k->banks, k);
	log_debug("bank connected", LOG_C("peer", conn_address(k->talk.conn)),
	    LOG_C("bank", k->name));
}

static void
bank_down(struct accepted *a, enum conn_end why)
{
	struct link *k = (struct link *)a;

	log_write(
	    k->state == LINK_REGISTERED ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
	    "link down",
	    (const struct log_field[]){LOG_C("bank", k->name),
		LOG_C("peer", conn_address(k->talk.conn)),
		LOG_C("why", conn_end_text(why)),
		LOG_C("error", conn_error(k->talk.conn)), LOG_FIELD_END});
	heartbeat_stop(&k->heartbeat);
}

static const struct acceptor_ops acceptor_ops = {
    .begun = bank_begun,
    .up = bank_up,
    .down = bank_down,
};

/* ---- The interface ---- */

/*
 * Each bank once, and once more while a new link replaces the old; handshakes
 * have places of their own.
 */
static uint32_t
connected_max(const struct config *c)
{
	return (uint32_t)(2 * c->banks + c->handshakes) + 2 * UNREGISTERED_MAX;
}

struct banks *
banks_new(struct gatewayd *g)
{
	const struct config *c = &g->config;
	const struct acceptor_conf conf = {
	    .name = "banks",
	    .limit = "limits.banks",
	    .holder = "bank",
	    .role = TLS_ROLE_BANK,
	    .forbidden = "only banks' certificates are welcome here",
	    .ops = &acceptor_ops,
	    .talk_ops = &bank_ops,
	    .first = 0,
	    .connected_max = connected_max(c),
	    /* Those who do not register are few by limit_unregistered. */
	    .holder_max = UINT32_MAX,
	    .handshakes_max = (uint32_t)c->handshakes,
	    .window = (uint32_t)c->settings.window,
	    .limits =
		{
		    .in_max = IN_OCTETS,
		    .out_max = OUT_OCTETS,
		    .handshake_ns = c->settings.handshake_ns,
		},
	    .size = sizeof(struct link),
	};
	struct banks *bs = calloc(1, sizeof(*bs));

	if (bs == NULL)
		return NULL;
	bs->gatewayd = g;
	if (acceptor_init(&bs->acceptor, &conf, offsetof(struct link, talk),
		&g->server) < 0) {
		free(bs);
		return NULL;
	}
	for (uint32_t i = 0; i < bs->acceptor.count; i++) {
		struct link *k = link_at(bs, i);

		k->banks = bs;
		heartbeat_init(
		    &k->heartbeat, &heartbeat_ops, k, g->server.loop, &k->talk);
	}
	return bs;
}

void
banks_free(struct banks *bs)
{
	if (bs == NULL)
		return;
	acceptor_free(&bs->acceptor);
	free(bs);
}

uint32_t
banks_slots(const struct banks *bs)
{
	return bs->acceptor.count;
}

uint32_t
banks_connected(const struct banks *bs)
{
	return bs->acceptor.connected;
}

int
banks_listen(struct banks *bs, char *bound, size_t bound_size)
{
	return acceptor_listen(&bs->acceptor, bs->gatewayd->config.listen_banks,
	    bound, bound_size);
}

/* The link that this peer is, or NULL where it is gone. */
static struct link *
link_of(struct banks *bs, struct peer peer)
{
	return (struct link *)acceptor_of(&bs->acceptor, peer);
}

void
banks_registered(struct banks *bs, struct peer peer)
{
	struct link *k = link_of(bs, peer);

	if (k == NULL)
		return;
	k->state = LINK_REGISTERED;
	log_info("bank registered", LOG_C("bank", k->name),
	    LOG_C("peer", conn_address(k->talk.conn)));
	heartbeat_ping(
	    &k->heartbeat, bs->gatewayd->config.settings.heartbeat_ns);
}

void
banks_deliver(struct banks *bs, struct peer peer, const char *line, size_t len)
{
	acceptor_deliver(&bs->acceptor, peer, line, len);
}

void
banks_close(struct banks *bs, struct peer peer, const char *why)
{
	struct link *k = link_of(bs, peer);

	if (k != NULL)
		give_up(k, why);
}

void
banks_recheck(struct banks *bs)
{
	acceptor_recheck(&bs->acceptor);
}

void
banks_quiet(struct banks *bs)
{
	acceptor_quiet(&bs->acceptor);
}

void
banks_stop(struct banks *bs)
{
	acceptor_stop(&bs->acceptor);
}

void
banks_drop(struct banks *bs)
{
	acceptor_drop(&bs->acceptor);
}
