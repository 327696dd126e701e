#include "sessions.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/version.h"
#include "login.h"
#include "tokens.h"

/* Unread octets kept: several lines, so that one is always whole. */
#define IN_OCTETS (16u << 10)
/* What a refused login costs whoever sends the next line at once. */
#define SLOW_NS (100 * NS_PER_MS)
/* What the system keeps for one that does not read; it takes twice that. */
#define SOCKET_OUT_OCTETS (128 << 10)
/* For the rows of TALK_HEAVY_MAX histories, beside a window of answers. */
#define ROWS_OCTETS (2u << 20)

_Static_assert(IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");
_Static_assert(offsetof(struct session, accepted) == 0, "it comes first");

struct sessions {
	struct gatewayd *gatewayd;
	struct acceptor acceptor;
};

static struct session *
session_at(const struct sessions *ss, uint32_t i)
{
	return (struct session *)acceptor_at(&ss->acceptor, i);
}

struct gatewayd *
session_gatewayd(const struct session *s)
{
	return s->sessions->gatewayd;
}

bool
session_enter(
    struct session *s, const struct rights *rights, const struct grant *grant)
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
	s->grant = *grant;
	return true;
}

static bool
is_revoked(const struct session *s)
{
	return s->grant.revoked ||
	    coord_revoked(s->sessions->gatewayd->coord,
		str_from(s->rights->user), s->grant.jti);
}

/* What has ended a session, if anything has. */
static enum code
end_of(const struct session *s)
{
	if (is_revoked(s))
		return CODE_TOKEN_REVOKED;
	return clock_mono_ns() >= s->grant.ends_ns ? CODE_TOKEN_EXPIRED
						   : CODE_NONE;
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

	if (!s->talk.awaits_hello) {
		refuse(s, m, CODE_BAD_REQUEST, "HELLO was said already");
		return;
	}
	if (m->v[KEY_proto].u64 != PROTO_VERSION) {
		refuse(s, m, CODE_UNSUPPORTED_PROTO,
		    "this gateway speaks version 1 of the protocol");
		return;
	}
	s->talk.awaits_hello = false;
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
	enum code code;

	if (s->talk.awaits_hello && m->verb != VERB_CLIENT_HELLO) {
		refuse(s, m, CODE_BAD_REQUEST, "HELLO comes first");
		return false;
	}
	if (role == ROLE_NONE)
		return true;
	if (s->rights == NULL) {
		refuse(s, m, CODE_UNAUTHENTICATED, "LOGIN or AUTH comes first");
		return false;
	}
	code = end_of(s);
	if (code != CODE_NONE) {
		refuse(s, m, code, NULL);
		(void)session_enter(s, NULL, NULL);
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
		tokens_auth(s, m);
		break;
	case VERB_CLIENT_LOGOUT:
		tokens_logout(s, m);
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

static void
client_who(const void *ctx, struct request_log_peer *peer)
{
	const struct session *s = ctx;

	peer->certificate = s->certificate;
	peer->user = s->rights != NULL ? s->rights->user : NULL;
}

static const struct talk_ops client_ops = {
    .side = SIDE_CLIENT,
    .exempt = VERB_UNKNOWN,
    .stop_reading = true,
    .request = take_request,
    .reply = NULL,
    .who = client_who,
};

/* ---- Connections ---- */

static void
set_idle(struct session *s, int64_t at_ns)
{
	if (loop_timer_set(
		s->sessions->gatewayd->server.loop, &s->idle, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

/* Whoever is not welcome has as long as a handshake to hear why. */
static int64_t
idle_limit_ns(const struct session *s)
{
	const struct settings *c = &s->sessions->gatewayd->config.settings;

	return s->talk.forbidden != NULL ? c->handshake_ns : c->idle_ns;
}

/*
 * Silent for too long: no whole line, or nothing taken of what it was sent.
 * While it only waits for an answer of ours, it is not.
 */
static void
idle_due(void *ctx)
{
	struct session *s = ctx;
	int64_t now_ns = clock_mono_ns(), limit_ns = idle_limit_ns(s), last_ns;

	if (s->talk.conn == NULL || s->talk.ended)
		return;
	last_ns = s->talk.line_ns;
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
slow_due(void *ctx)
{
	struct session *s = ctx;

	talk_barrier(&s->talk, false);
}

void
session_slow(struct session *s)
{
	if (loop_timer_set(s->sessions->gatewayd->server.loop, &s->slow,
		clock_mono_ns() + SLOW_NS) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
	talk_barrier(&s->talk, true);
}

static void
client_begun(struct accepted *a)
{
	struct session *s = (struct session *)a;

	s->talk.awaits_hello = true;
	s->certificate[0] = '\0';
}

static void
client_up(struct accepted *a)
{
	struct session *s = (struct session *)a;
	const struct tls_identity *peer = conn_peer(s->talk.conn);

	CHECK(str_copy(
	    s->certificate, sizeof(s->certificate), str_from(peer->name)));
	set_idle(s, clock_mono_ns() + idle_limit_ns(s));
	log_debug("client connected", LOG_C("peer", conn_address(s->talk.conn)),
	    LOG_C("certificate", s->certificate));
}

static void
client_down(struct accepted *a, enum conn_end why)
{
	struct session *s = (struct session *)a;

	(void)why;
	log_debug("client gone", LOG_C("peer", conn_address(s->talk.conn)),
	    LOG_C("error", conn_error(s->talk.conn)));
	loop_timer_clear(s->sessions->gatewayd->server.loop, &s->idle);
	loop_timer_clear(s->sessions->gatewayd->server.loop, &s->slow);
	accounts_forget(s);
	(void)session_enter(s, NULL, NULL);
}

static const struct acceptor_ops acceptor_ops = {
    .begun = client_begun,
    .up = client_up,
    .down = client_down,
};

static uint32_t
out_octets_max(const struct config *c)
{
	int64_t octets = ROWS_OCTETS + c->settings.window * LINE_MAX_LEN;

	return octets > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)octets;
}

/* ---- The interface ---- */

struct sessions *
sessions_new(struct gatewayd *g, uint32_t first_slot)
{
	const struct config *c = &g->config;
	const struct acceptor_conf conf = {
	    .name = "clients",
	    .limit = "limits.connections",
	    .holder = "certificate",
	    .role = TLS_ROLE_CLIENT,
	    .forbidden = "only clients' certificates are welcome here",
	    .ops = &acceptor_ops,
	    .talk_ops = &client_ops,
	    .first = first_slot,
	    .connected_max = (uint32_t)c->connections,
	    .holder_max = (uint32_t)c->per_certificate,
	    .handshakes_max = (uint32_t)c->handshakes,
	    .window = (uint32_t)c->settings.window,
	    .limits =
		{
		    .in_max = IN_OCTETS,
		    .out_max = out_octets_max(c),
		    .handshake_ns = c->settings.handshake_ns,
		},
	    .socket_out = SOCKET_OUT_OCTETS,
	    .size = sizeof(struct session),
	};
	struct sessions *ss = calloc(1, sizeof(*ss));

	if (ss == NULL)
		return NULL;
	ss->gatewayd = g;
	if (acceptor_init(&ss->acceptor, &conf, offsetof(struct session, talk),
		&g->server) < 0) {
		free(ss);
		return NULL;
	}
	for (uint32_t i = 0; i < ss->acceptor.count; i++) {
		struct session *s = session_at(ss, i);

		s->sessions = ss;
		s->idle = (struct timer){.due = idle_due, .ctx = s};
		s->slow = (struct timer){.due = slow_due, .ctx = s};
	}
	return ss;
}

void
sessions_free(struct sessions *ss)
{
	if (ss == NULL)
		return;
	for (uint32_t i = 0; i < ss->acceptor.count; i++)
		(void)session_enter(session_at(ss, i), NULL, NULL);
	acceptor_free(&ss->acceptor);
	free(ss);
}

uint32_t
sessions_slots(const struct sessions *ss)
{
	return ss->acceptor.count;
}

uint32_t
sessions_connected(const struct sessions *ss)
{
	return ss->acceptor.connected;
}

uint32_t
sessions_unanswered(const struct sessions *ss)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < ss->acceptor.count; i++) {
		const struct accepted *a = acceptor_at(&ss->acceptor, i);

		if (accepted_is_open(a))
			sum += a->talk->unanswered;
	}
	return sum;
}

int
sessions_listen(struct sessions *ss, char *bound, size_t bound_size)
{
	return acceptor_listen(&ss->acceptor,
	    ss->gatewayd->config.listen_clients, bound, bound_size);
}

void
sessions_deliver(
    struct sessions *ss, struct peer peer, const char *line, size_t len)
{
	acceptor_deliver(&ss->acceptor, peer, line, len);
}

struct session *
session_of(struct sessions *ss, struct peer peer)
{
	return (struct session *)acceptor_of(&ss->acceptor, peer);
}

void
sessions_attempts(struct sessions *ss, struct peer peer, const struct id *id,
    uint64_t attempts)
{
	struct session *s = session_of(ss, peer);

	if (s != NULL)
		request_log_attempts(&s->talk.log, id, attempts);
}

void
sessions_close(struct sessions *ss, struct peer peer, const char *why)
{
	struct accepted *a = acceptor_of(&ss->acceptor, peer);

	if (a != NULL)
		accepted_give_up(a, why);
}

void
sessions_recheck(struct sessions *ss)
{
	acceptor_recheck(&ss->acceptor);
}

void
sessions_revoked(struct sessions *ss)
{
	for (uint32_t i = 0; i < ss->acceptor.count; i++) {
		struct session *s = session_at(ss, i);

		if (s->rights != NULL && is_revoked(s))
			s->grant.revoked = true;
	}
}

/* What was asked before is still answered. */
void
sessions_quiet(struct sessions *ss)
{
	acceptor_quiet(&ss->acceptor);
	for (uint32_t i = 0; i < ss->acceptor.count; i++)
		talk_mute(acceptor_at(&ss->acceptor, i)->talk);
}

void
sessions_stop(struct sessions *ss)
{
	sessions_quiet(ss);
	acceptor_stop(&ss->acceptor);
}

void
sessions_drop(struct sessions *ss)
{
	acceptor_drop(&ss->acceptor);
}
