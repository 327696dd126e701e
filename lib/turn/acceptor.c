#include "turn/acceptor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

/* Places of connections that are ending beside those of a full house. */
#define ENDING_MAX 64
/* The same warning is not logged again for this long. */
#define QUIET_NS NS_PER_S
/* Certificates verified again in one turn: a few milliseconds. */
#define RECHECK_TURN_MAX 16

struct accepted *
acceptor_at(const struct acceptor *a, uint32_t i)
{
	CHECK(i < a->count);
	return (struct accepted *)(void *)(a->at + (size_t)i * a->conf.size);
}

static struct accepted *
at_peer(const struct acceptor *a, struct peer peer)
{
	CHECK(peer.slot >= a->conf.first);
	return acceptor_at(a, peer.slot - a->conf.first);
}

struct accepted *
acceptor_of(const struct acceptor *a, struct peer peer)
{
	struct accepted *s = at_peer(a, peer);

	return talk_is(s->talk, peer) ? s : NULL;
}

bool
accepted_is_open(const struct accepted *s)
{
	return s->talk->conn != NULL && !s->talk->ended;
}

void
accepted_give_up(struct accepted *s, const char *why)
{
	if (!accepted_is_open(s))
		return;
	log_warn("closing",
	    LOG_C(s->acceptor->conf.holder, conn_peer(s->talk->conn)->name),
	    LOG_C("peer", conn_address(s->talk->conn)), LOG_C("why", why));
	talk_end(s->talk);
}

/* ---- Who may stay ---- */

/* True where this warning was not given a moment ago. */
static bool
may_warn(struct acceptor *a)
{
	int64_t now_ns = clock_mono_ns();

	if (a->warned_ns != 0 && now_ns - a->warned_ns < QUIET_NS)
		return false;
	a->warned_ns = now_ns;
	return true;
}

/* Gives a new peer its place, or a reason why it has none. */
static void
admit(struct accepted *s)
{
	struct acceptor *a = s->acceptor;
	const struct tls_identity *peer = conn_peer(s->talk->conn);

	if (peer->role != a->conf.role) {
		talk_refuse(s->talk, CODE_FORBIDDEN, a->conf.forbidden);
		return;
	}
	s->holder = holders_join(&a->holders, peer, a->conf.holder_max);
	if (s->holder != HOLDER_NONE) {
		listener_ended(&a->listener, &s->handshake);
		return;
	}
	talk_refuse(s->talk, CODE_OVERLOADED,
	    "too many connections with this certificate");
	if (may_warn(a))
		log_warn("a certificate has too many connections",
		    LOG_C("listener", a->conf.name),
		    LOG_C(a->conf.holder, peer->name),
		    LOG_U("connected", a->conf.holder_max),
		    LOG_C("limit", "limits.per_certificate"));
}

/* Gives it up where the certificates in use now would not accept it. */
static void
check_again(struct accepted *s)
{
	const struct certificates *cs = &s->acceptor->server->certificates;
	char text[160];
	const char *why;

	s->certificates = cs->generation;
	why = certificates_reject(cs, s->talk->conn);
	if (why == NULL)
		return;
	/* Cut short where it does not fit: it is for people. */
	if (snprintf(text, sizeof(text),
		"its certificate is no longer good: %s", why) < 0)
		text[0] = '\0';
	accepted_give_up(s, text);
}

static void
recheck_some(void *ctx)
{
	struct acceptor *a = ctx;
	uint32_t verified = 0;

	for (; a->rechecked < a->count; a->rechecked++) {
		struct accepted *s = acceptor_at(a, a->rechecked);

		if (!accepted_is_open(s) || !s->up ||
		    s->certificates == a->server->certificates.generation)
			continue;
		if (verified++ == RECHECK_TURN_MAX)
			break;
		check_again(s);
	}
	if (a->rechecked < a->count &&
	    loop_timer_set(a->server->loop, &a->recheck, clock_mono_ns()) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

void
acceptor_recheck(struct acceptor *a)
{
	a->rechecked = 0;
	recheck_some(a);
}

/* ---- Connections ---- */

static void
accepted_up(void *ctx, struct conn *conn)
{
	struct accepted *s = ctx;

	(void)conn;
	s->up = true;
	admit(s);
	s->acceptor->conf.ops->up(s);
	/* The handshake may have begun with certificates that are gone. */
	if (accepted_is_open(s) &&
	    s->certificates != s->acceptor->server->certificates.generation)
		check_again(s);
}

static size_t
accepted_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct accepted *s = ctx;

	(void)conn;
	return talk_input(s->talk, octets, len);
}

static void
accepted_drained(void *ctx, struct conn *conn)
{
	struct accepted *s = ctx;

	(void)conn;
	talk_drained(s->talk);
}

static bool
accepted_finished(void *ctx, struct conn *conn)
{
	struct accepted *s = ctx;

	(void)conn;
	return talk_finished(s->talk);
}

static void
accepted_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct accepted *s = ctx;
	struct acceptor *a = s->acceptor;

	if (!s->up && conn_failure(conn) != TLS_FAILURE_NONE)
		log_info("a handshake failed", LOG_C("listener", a->conf.name),
		    LOG_C("peer", conn_address(conn)),
		    LOG_C("error", conn_error(conn)));
	listener_ended(&a->listener, &s->handshake);
	if (s->holder != HOLDER_NONE)
		holders_leave(&a->holders, s->holder);
	a->conf.ops->down(s, why);
	talk_down(s->talk);
	a->connected--;
	TAILQ_INSERT_HEAD(&a->free, s, entry);
}

static const struct conn_ops accepted_conn_ops = {
    .up = accepted_up,
    .input = accepted_input,
    .drained = accepted_drained,
    .down = accepted_down,
    .finished = accepted_finished,
};

/* A place for one more; where the house is full, an unfinished one goes. */
static struct accepted *
find_free(struct acceptor *a)
{
	if (a->connected >= a->conf.connected_max &&
	    !listener_evict(&a->listener))
		return NULL;
	return TAILQ_FIRST(&a->free);
}

static void
turn_away(struct acceptor *a, int fd)
{
	close(fd);
	if (may_warn(a))
		log_warn("connections are turned away: too many are connected",
		    LOG_C("listener", a->conf.name),
		    LOG_U("connected", a->connected),
		    LOG_C("limit", a->conf.limit));
}

static void
welcome(void *ctx, int fd)
{
	struct acceptor *a = ctx;
	struct accepted *s = find_free(a);
	const struct certificates *cs = &a->server->certificates;
	struct conn_ops ops = accepted_conn_ops;
	struct conn *conn;

	if (s == NULL) {
		turn_away(a, fd);
		return;
	}
	/* The system would keep megabytes for a peer that reads nothing. */
	if (a->conf.socket_out > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &a->conf.socket_out,
		    sizeof(a->conf.socket_out));
	/* Who never stops reading need not be told when to go on. */
	if (!a->conf.talk_ops->stop_reading)
		ops.drained = NULL;
	if (conn_accept(&conn, a->server->loop, fd, cs->tls, &a->conf.limits,
		&ops, s) < 0) {
		log_warn("cannot serve a connection",
		    LOG_C("listener", a->conf.name), LOG_E(errno));
		return;
	}
	TAILQ_REMOVE(&a->free, s, entry);
	a->connected++;
	s->up = false;
	s->holder = HOLDER_NONE;
	s->certificates = cs->generation;
	talk_begin(s->talk, conn);
	a->conf.ops->begun(s);
	listener_begun(&a->listener, &s->handshake, conn);
}

/* ---- The interface ---- */

int
acceptor_init(struct acceptor *a, const struct acceptor_conf *conf,
    size_t talk_offset, struct server *server)
{
	*a = (struct acceptor){.conf = *conf, .server = server};
	a->listener.fd = -1;
	a->listener.name = conf->name;
	a->recheck = (struct timer){.due = recheck_some, .ctx = a};
	TAILQ_INIT(&a->free);
	a->count = conf->connected_max + ENDING_MAX;
	a->at = calloc(a->count, conf->size);
	if (a->at == NULL || holders_init(&a->holders, a->count) < 0) {
		free(a->at);
		return -1;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		struct accepted *s = acceptor_at(a, i);

		s->acceptor = a;
		s->talk = (struct talk *)(void *)((char *)s + talk_offset);
		talk_init(s->talk, conf->talk_ops, s, server->turn,
		    conf->first + i, conf->window);
		s->talk->talks = &server->talks;
		TAILQ_INSERT_TAIL(&a->free, s, entry);
	}
	return 0;
}

void
acceptor_free(struct acceptor *a)
{
	if (a->at == NULL)
		return;
	listener_stop(&a->listener);
	loop_timer_clear(a->server->loop, &a->recheck);
	holders_free(&a->holders);
	free(a->at);
	a->at = NULL;
}

int
acceptor_listen(
    struct acceptor *a, const char *address, char *bound, size_t bound_size)
{
	int fd = conn_listen(address, bound, bound_size);

	if (fd < 0)
		return -1;
	a->listener.take = welcome;
	a->listener.ctx = a;
	return listener_start(
	    &a->listener, a->server->loop, fd, a->conf.handshakes_max);
}

void
acceptor_deliver(
    struct acceptor *a, struct peer peer, const char *line, size_t len)
{
	talk_deliver(at_peer(a, peer)->talk, peer, line, len);
}

void
acceptor_quiet(struct acceptor *a)
{
	listener_stop(&a->listener);
	while (listener_evict(&a->listener))
		continue;
}

void
acceptor_drop(struct acceptor *a)
{
	for (uint32_t i = 0; i < a->count; i++)
		talk_drop(acceptor_at(a, i)->talk);
}

void
acceptor_stop(struct acceptor *a)
{
	acceptor_quiet(a);
	for (uint32_t i = 0; i < a->count; i++) {
		struct accepted *s = acceptor_at(a, i);

		if (accepted_is_open(s))
			talk_end(s->talk);
	}
}
