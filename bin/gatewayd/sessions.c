#include "sessions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/version.h"
#include "login.h"

/* Unread octets kept: several lines, so that one is always whole. */
#define IN_OCTETS (16u << 10)
/* For the rows of TALK_HEAVY_MAX histories, beside a window of answers. */
#define ROWS_OCTETS (2u << 20)
/* Slots of connections that are ending beside those of a full house. */
#define ENDING_MAX 64
/* The same warning is not logged again for this long. */
#define QUIET_NS NS_PER_S

_Static_assert(IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");

struct sessions {
	struct gatewayd *gatewayd;
	uint32_t first_slot, slots, connected;
	struct session *at;
	TAILQ_HEAD(, session) free;
	struct listener listener;
	int64_t warned_ns;
};

struct gatewayd *
session_gatewayd(const struct session *s)
{
	return s->sessions->gatewayd;
}

bool
session_enter(struct session *s, const struct rights *rights)
{
	if (s->rights != NULL) {
		explicit_bzero(s->rights, sizeof(*s->rights));
		free(s->rights);
		s->rights = NULL;
	}
	if (rights == NULL)
		return true;
	s->rights = malloc(sizeof(*s->rights));
	if (s->rights == NULL)
		return false;
	*s->rights = *rights;
	return true;
}

/* ---- Verbs that are answered here ---- */

static void
answer(struct session *s, const struct msg *m)
{
	turn_send(s->talk.turn, s->talk.peer, m);
}

static void
refuse(struct session *s, const struct msg *m, enum code code, const char *text)
{
	talk_error(&s->talk, m->tag, code, STR_NONE, text);
}

static void
take_hello(struct session *s, const struct msg *m)
{
	const struct config *c = &s->sessions->gatewayd->config;
	struct msg reply;

	if (s->greeted) {
		refuse(s, m, CODE_BAD_REQUEST, "HELLO was said already");
		return;
	}
	if (m->v[KEY_proto].u64 != PROTO_VERSION) {
		refuse(s, m, CODE_UNSUPPORTED_PROTO,
		    "this gateway speaks version 1 of the protocol");
		return;
	}
	s->greeted = true;
	msg_init(&reply, MSG_OK, m->verb, m->tag);
	msg_set_u64(&reply, KEY_proto, PROTO_VERSION);
	msg_set_str(&reply, KEY_node, str_from(c->node));
	msg_set_str(&reply, KEY_server, STR("strife-gatewayd/" STRIFE_VERSION));
	msg_set_u64(&reply, KEY_window, (uint64_t)c->settings.window);
	msg_set_i64(&reply, KEY_time, clock_wall_us());
	answer(s, &reply);
}

static void
take_ping(struct session *s, const struct msg *m)
{
	struct msg reply;

	msg_init(&reply, MSG_OK, m->verb, m->tag);
	msg_set_i64(&reply, KEY_time, clock_wall_us());
	answer(s, &reply);
}

static void
answer_ok(struct session *s, const struct msg *m)
{
	struct msg reply;

	msg_init(&reply, MSG_OK, m->verb, m->tag);
	answer(s, &reply);
}

/* ---- Verbs for the coordinator ---- */

static void
pass_on(struct session *s, const struct msg *m)
{
	enum key account = m->verb == VERB_CLIENT_PAY ? KEY_from : KEY_account;
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = s->talk.peer,
	    .msg = m,
	    .user = str_from(s->rights->user),
	};

	if (m->have & MSG_BIT(account))
		ev.may_pay_from =
		    rights_cover(s->rights, m->v[account].account);
	if (m->verb == VERB_CLIENT_HISTORY)
		talk_heavy(&s->talk);
	turn_event(s->talk.turn, &ev);
}

/* ---- Dispatch ---- */

/* The one place that decides who may send what. */
static bool
is_allowed(struct session *s, const struct msg *m)
{
	enum role role = verb_info(m->verb)->role;

	if (!s->greeted && m->verb != VERB_CLIENT_HELLO) {
		refuse(s, m, CODE_BAD_REQUEST, "HELLO comes first");
		return false;
	}
	if (role == ROLE_NONE)
		return true;
	if (s->rights == NULL) {
		refuse(s, m, CODE_UNAUTHENTICATED, "LOGIN or AUTH comes first");
		return false;
	}
	if (!rights_has_role(s->rights, role)) {
		refuse(s, m, CODE_FORBIDDEN, "you do not hold the role for it");
		return false;
	}
	return true;
}

static void
take_request(void *ctx, const struct msg *m)
{
	struct session *s = ctx;

	if (!is_allowed(s, m))
		return;
	switch ((int)m->verb) {
	case VERB_CLIENT_HELLO:
		take_hello(s, m);
		break;
	case VERB_CLIENT_LOGIN:
		login_start(s->sessions->gatewayd->logins, s, m);
		break;
	case VERB_CLIENT_AUTH:
		refuse(s, m, CODE_TOKEN_INVALID,
		    "this gateway has not given out such a token");
		break;
	case VERB_CLIENT_LOGOUT:
		(void)session_enter(s, NULL);
		answer_ok(s, m);
		break;
	case VERB_CLIENT_ACCOUNTS:
		accounts_start(s, m);
		break;
	case VERB_CLIENT_PING:
		take_ping(s, m);
		break;
	case VERB_CLIENT_QUIT:
		talk_quit(&s->talk, m);
		break;
	default:
		pass_on(s, m);
		break;
	}
}

static const struct talk_ops client_ops = {
    .side = SIDE_CLIENT,
    .exempt = VERB_UNKNOWN,
    .stop_reading = true,
    .request = take_request,
    .reply = NULL,
};

/* ---- Connections ---- */

static void
set_idle(struct session *s, int64_t at_ns)
{
	if (loop_timer_set(
		s->sessions->gatewayd->server.loop, &s->idle, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

/*
 * Silent for too long: no request, or nothing taken of what it was sent. While
 * it only waits for an answer of ours, it is not.
 */
static void
idle_due(void *ctx)
{
	struct session *s = ctx;
	int64_t limit_ns = s->sessions->gatewayd->config.settings.idle_ns;
	int64_t now_ns = clock_mono_ns(), last_ns;

	if (s->talk.conn == NULL || s->talk.ended)
		return;
	last_ns = conn_last_input_ns(s->talk.conn);
	if (conn_last_output_ns(s->talk.conn) > last_ns)
		last_ns = conn_last_output_ns(s->talk.conn);
	if (s->talk.unanswered > 0 && conn_unsent(s->talk.conn) == 0)
		last_ns = now_ns;
	if (now_ns - last_ns < limit_ns) {
		set_idle(s, last_ns + limit_ns);
		return;
	}
	log_info("closing an idle client",
	    LOG_C("peer", conn_address(s->talk.conn)),
	    LOG_C("certificate", s->certificate));
	talk_end(&s->talk);
}

static void
client_up(void *ctx, struct conn *conn)
{
	struct session *s = ctx;
	const struct tls_identity *peer = conn_peer(conn);

	listener_ended(&s->sessions->listener, &s->handshake);
	CHECK(str_copy(
	    s->certificate, sizeof(s->certificate), str_from(peer->name)));
	if (peer->role != TLS_ROLE_CLIENT)
		s->talk.forbidden =
		    "only clients' certificates are welcome here";
	set_idle(s,
	    clock_mono_ns() + s->sessions->gatewayd->config.settings.idle_ns);
	log_debug("client connected", LOG_C("peer", conn_address(conn)),
	    LOG_C("certificate", s->certificate));
}

static size_t
client_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct session *s = ctx;

	(void)conn;
	return talk_input(&s->talk, octets, len);
}

static void
client_drained(void *ctx, struct conn *conn)
{
	struct session *s = ctx;

	(void)conn;
	talk_drained(&s->talk);
}

static void
client_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct session *s = ctx;
	struct sessions *ss = s->sessions;

	(void)why;
	log_debug("client gone", LOG_C("peer", conn_address(conn)),
	    LOG_C("error", conn_error(conn)));
	listener_ended(&ss->listener, &s->handshake);
	loop_timer_clear(ss->gatewayd->server.loop, &s->idle);
	accounts_forget(s);
	(void)session_enter(s, NULL);
	talk_down(&s->talk);
	ss->connected--;
	TAILQ_INSERT_HEAD(&ss->free, s, entry);
}

static const struct conn_ops client_conn_ops = {
    .up = client_up,
    .input = client_input,
    .drained = client_drained,
    .down = client_down,
};

static uint32_t
out_octets_max(const struct config *c)
{
	int64_t octets = ROWS_OCTETS + c->settings.window * LINE_MAX_LEN;

	return octets > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)octets;
}

/* A place for one more; where the house is full, an unfinished one goes. */
static struct session *
place(struct sessions *ss)
{
	if (ss->connected >= ss->gatewayd->config.connections &&
	    !listener_evict(&ss->listener))
		return NULL;
	return TAILQ_FIRST(&ss->free);
}

static void
turn_away(struct sessions *ss, int fd)
{
	int64_t now_ns = clock_mono_ns();

	close(fd);
	if (ss->warned_ns != 0 && now_ns - ss->warned_ns < QUIET_NS)
		return;
	ss->warned_ns = now_ns;
	log_warn("clients are turned away: limits.connections are connected",
	    LOG_U("connected", ss->connected));
}

static void
welcome(void *ctx, int fd)
{
	struct sessions *ss = ctx;
	const struct config *c = &ss->gatewayd->config;
	const struct conn_limits limits = {
	    .in_max = IN_OCTETS,
	    .out_max = out_octets_max(c),
	    .handshake_ns = c->settings.handshake_ns,
	};
	struct session *s = place(ss);
	struct conn *conn;

	if (s == NULL) {
		turn_away(ss, fd);
		return;
	}
	if (conn_accept(&conn, ss->gatewayd->server.loop, fd,
		ss->gatewayd->server.tls, &limits, &client_conn_ops, s) < 0) {
		log_warn("cannot serve a client", LOG_E(errno));
		return;
	}
	TAILQ_REMOVE(&ss->free, s, entry);
	ss->connected++;
	s->greeted = false;
	s->certificate[0] = '\0';
	talk_begin(&s->talk, conn);
	listener_begun(&ss->listener, &s->handshake, conn);
}

/* ---- The interface ---- */

struct sessions *
sessions_new(struct gatewayd *g, uint32_t first_slot)
{
	struct sessions *ss = calloc(1, sizeof(*ss));

	if (ss == NULL)
		return NULL;
	ss->gatewayd = g;
	ss->first_slot = first_slot;
	ss->slots = (uint32_t)g->config.connections + ENDING_MAX;
	ss->listener.fd = -1;
	ss->listener.name = "clients";
	ss->at = calloc(ss->slots, sizeof(*ss->at));
	if (ss->at == NULL) {
		free(ss);
		return NULL;
	}
	TAILQ_INIT(&ss->free);
	for (uint32_t i = 0; i < ss->slots; i++) {
		struct session *s = &ss->at[i];

		s->sessions = ss;
		s->idle = (struct timer){.due = idle_due, .ctx = s};
		talk_init(&s->talk, &client_ops, s, g->server.turn,
		    first_slot + i, (uint32_t)g->config.settings.window);
		s->talk.talks = &g->server.talks;
		TAILQ_INSERT_TAIL(&ss->free, s, entry);
	}
	return ss;
}

void
sessions_free(struct sessions *ss)
{
	if (ss == NULL)
		return;
	listener_stop(&ss->listener);
	for (uint32_t i = 0; i < ss->slots; i++)
		(void)session_enter(&ss->at[i], NULL);
	free(ss->at);
	free(ss);
}

uint32_t
sessions_slots(const struct sessions *ss)
{
	return ss->slots;
}

uint32_t
sessions_connected(const struct sessions *ss)
{
	return ss->connected;
}

uint32_t
sessions_unanswered(const struct sessions *ss)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < ss->slots; i++)
		if (ss->at[i].talk.conn != NULL && !ss->at[i].talk.ended)
			sum += ss->at[i].talk.unanswered;
	return sum;
}

int
sessions_listen(struct sessions *ss, char *bound, size_t bound_size)
{
	const struct config *c = &ss->gatewayd->config;
	int fd = conn_listen(c->listen_clients, bound, bound_size);

	if (fd < 0)
		return -1;
	ss->listener.take = welcome;
	ss->listener.ctx = ss;
	return listener_start(&ss->listener, ss->gatewayd->server.loop, fd,
	    (uint32_t)c->handshakes);
}

static struct session *
at_slot(struct sessions *ss, struct peer peer)
{
	CHECK(peer.slot >= ss->first_slot &&
	    peer.slot - ss->first_slot < ss->slots);
	return &ss->at[peer.slot - ss->first_slot];
}

void
sessions_deliver(
    struct sessions *ss, struct peer peer, const char *line, size_t len)
{
	talk_deliver(&at_slot(ss, peer)->talk, peer, line, len);
}

struct session *
session_of(struct sessions *ss, struct peer peer)
{
	struct session *s = at_slot(ss, peer);

	return talk_is(&s->talk, peer) ? s : NULL;
}

void
sessions_close(struct sessions *ss, struct peer peer, const char *why)
{
	struct session *s = session_of(ss, peer);

	if (s == NULL)
		return;
	log_warn("closing a client", LOG_C("peer", conn_address(s->talk.conn)),
	    LOG_C("why", why));
	talk_end(&s->talk);
}

/* What was asked before is still answered. */
void
sessions_quiet(struct sessions *ss)
{
	listener_stop(&ss->listener);
	while (listener_evict(&ss->listener))
		continue;
	for (uint32_t i = 0; i < ss->slots; i++)
		talk_mute(&ss->at[i].talk);
}

void
sessions_stop(struct sessions *ss)
{
	sessions_quiet(ss);
	for (uint32_t i = 0; i < ss->slots; i++)
		if (ss->at[i].talk.conn != NULL && !ss->at[i].talk.ended)
			talk_end(&ss->at[i].talk);
}
