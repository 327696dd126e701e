#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "links.h"
#include "talk.h"

/* Requests of one teller that may be unanswered: then it is not read. */
#define TELLER_WINDOW 64
#define TELLER_IN_OCTETS (64u << 10)
#define ACCEPTS_MAX 16
/* After a failed accept(2), which would otherwise come back at once. */
#define ACCEPT_PAUSE_NS NS_PER_S

struct teller {
	struct control *control;
	struct talk talk;
	struct timer idle;
	char who[32]; /* "uid=1000" */
};

struct control {
	struct bankd *bankd;
	int fd; /* -1: no longer listening */
	struct watch watch;
	struct timer again;
	uint32_t first_slot, count;
	struct teller *tellers;
};

/* ---- Requests ---- */

static void
row(struct talk *t, const char *tag, const char *name, uint64_t value)
{
	char text[24];
	struct msg m;

	snprintf(text, sizeof(text), "%" PRIu64, value);
	msg_init(&m, MSG_ROW, VERB_TELLER_STATS, tag);
	msg_set_str(&m, KEY_name, str_from(name));
	msg_set_str(&m, KEY_value, str_from(text));
	turn_send(t->turn, t->peer, &m);
}

/* The process's own numbers, ahead of the ledger's rows and its OK. */
static void
stats(struct teller *c, const char *tag)
{
	struct bankd *b = c->control->bankd;
	struct talk *t = &c->talk;
	struct rusage usage;

	row(t, tag, "uptime_s",
	    (uint64_t)((clock_mono_ns() - b->started_ns) / NS_PER_S));
	row(t, tag, "pid", (uint64_t)getpid());
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		row(t, tag, "memory_peak_kib", (uint64_t)usage.ru_maxrss);
		row(t, tag, "cpu_user_ms",
		    (uint64_t)usage.ru_utime.tv_sec * 1000 +
			(uint64_t)usage.ru_utime.tv_usec / 1000);
		row(t, tag, "cpu_system_ms",
		    (uint64_t)usage.ru_stime.tv_sec * 1000 +
			(uint64_t)usage.ru_stime.tv_usec / 1000);
	}
	row(t, tag, "journal_seq", journal_last_seq(b->journal));
	row(t, tag, "journal_durable_seq", journal_durable_seq(b->journal));
	row(t, tag, "journal_has_room", turn_has_room(b->turn) ? 1 : 0);
	row(t, tag, "links", links_count(b->links));
	row(t, tag, "links_registered", links_registered(b->links));
	row(t, tag, "link_lines_in", links_lines_in(b->links));
	row(t, tag, "link_lines_out", links_lines_out(b->links));
	row(t, tag, "logins_waiting", links_logins(b->links));
	row(t, tag, "tellers", control_connected(c->control));
}

static void
take_request(void *ctx, const struct msg *m)
{
	struct teller *c = ctx;
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = c->talk.peer,
	    .msg = m,
	    .who = str_from(c->who),
	};

	if (m->verb == VERB_TELLER_SNAPSHOT) {
		talk_error(&c->talk, m->tag, CODE_UNKNOWN_VERB, STR_NONE,
		    "this version makes no snapshots");
		return;
	}
	if (m->verb == VERB_TELLER_STATS)
		stats(c, m->tag);
	turn_event(c->talk.turn, &ev);
}

static const struct talk_ops teller_ops = {
    .side = SIDE_TELLER,
    .exempt = VERB_UNKNOWN,
    .stop_reading = true,
    .request = take_request,
    .reply = NULL,
};

/* ---- Connections ---- */

static void
set_idle(struct teller *c, int64_t at_ns)
{
	if (loop_timer_set(c->control->bankd->loop, &c->idle, at_ns) < 0)
		fatal(71, "out of memory for a timer");
}

static void
idle_due(void *ctx)
{
	struct teller *c = ctx;
	int64_t last_ns = conn_last_input_ns(c->talk.conn);
	int64_t limit_ns = c->control->bankd->config.idle_ns;

	if (conn_last_output_ns(c->talk.conn) > last_ns)
		last_ns = conn_last_output_ns(c->talk.conn);
	if (clock_mono_ns() - last_ns >= limit_ns) {
		log_info("closing an idle teller", LOG_C("who", c->who));
		talk_end(&c->talk);
		return;
	}
	set_idle(c, last_ns + limit_ns);
}

static void
teller_up(void *ctx, struct conn *conn)
{
	struct teller *c = ctx;
	int len = snprintf(
	    c->who, sizeof(c->who), "uid=%" PRIu32, conn_peer_uid(conn));

	CHECK(len > 0 && (size_t)len < sizeof(c->who));
	set_idle(c, clock_mono_ns() + c->control->bankd->config.idle_ns);
	log_debug("teller connected", LOG_C("who", c->who));
}

static size_t
teller_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct teller *c = ctx;

	(void)conn;
	return talk_input(&c->talk, octets, len);
}

static void
teller_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct teller *c = ctx;

	(void)conn;
	(void)why;
	log_debug("teller gone", LOG_C("who", c->who));
	loop_timer_clear(c->control->bankd->loop, &c->idle);
	talk_down(&c->talk);
}

static const struct conn_ops teller_conn_ops = {
    .up = teller_up,
    .input = teller_input,
    .drained = NULL,
    .down = teller_down,
};

static struct teller *
free_slot(struct control *ct)
{
	for (uint32_t i = 0; i < ct->count; i++)
		if (ct->tellers[i].talk.conn == NULL)
			return &ct->tellers[i];
	return NULL;
}

static void
welcome(struct control *ct, int fd)
{
	const struct conn_limits limits = {
	    .in_max = TELLER_IN_OCTETS,
	    .out_max = (uint32_t)ct->bankd->config.output_octets,
	    .handshake_ns = ct->bankd->config.handshake_ns,
	};
	struct teller *c = free_slot(ct);
	struct conn *conn;

	if (c == NULL) {
		log_warn("a teller is turned away: limits.tellers are "
			 "connected");
		close(fd);
		return;
	}
	c->who[0] = '\0';
	if (conn_accept(&conn, ct->bankd->loop, fd, NULL, &limits,
		&teller_conn_ops, c) < 0) {
		log_warn("cannot serve a teller", LOG_E(errno));
		return;
	}
	talk_begin(&c->talk, conn);
}

static void
listen_again(void *ctx)
{
	struct control *ct = ctx;

	if (ct->fd >= 0 && loop_watch(ct->bankd->loop, &ct->watch) < 0)
		fatal(
		    71, "cannot watch the control socket: %s", strerror(errno));
}

static void
take_connections(void *ctx, uint32_t events)
{
	struct control *ct = ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX; i++) {
		int fd =
		    accept4(ct->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(ct, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		log_error("cannot accept a teller", LOG_E(errno));
		loop_unwatch(ct->bankd->loop, &ct->watch);
		if (loop_timer_set(ct->bankd->loop, &ct->again,
			clock_mono_ns() + ACCEPT_PAUSE_NS) < 0)
			fatal(71, "out of memory for a timer");
		return;
	}
}

/* ---- The interface ---- */

int
control_new(struct control **out, struct bankd *b, uint32_t first_slot)
{
	struct control *ct = calloc(1, sizeof(*ct));

	if (ct == NULL)
		return -1;
	ct->bankd = b;
	ct->first_slot = first_slot;
	ct->count = (uint32_t)b->config.tellers_max;
	ct->tellers = calloc(ct->count, sizeof(*ct->tellers));
	ct->fd = -1;
	if (ct->tellers == NULL)
		goto fail;
	for (uint32_t i = 0; i < ct->count; i++) {
		struct teller *c = &ct->tellers[i];

		c->control = ct;
		c->idle = (struct timer){.due = idle_due, .ctx = c};
		talk_init(&c->talk, &teller_ops, c, b->turn, first_slot + i,
		    TELLER_WINDOW);
	}
	ct->again = (struct timer){.due = listen_again, .ctx = ct};
	ct->fd = conn_listen_unix(b->config.control);
	if (ct->fd < 0)
		goto fail;
	ct->watch = (struct watch){.fd = ct->fd,
	    .events = EPOLLIN,
	    .ready = take_connections,
	    .ctx = ct};
	if (loop_watch(b->loop, &ct->watch) < 0)
		goto fail;
	*out = ct;
	return 0;
fail:
	if (ct->fd >= 0) {
		int error = errno;

		close(ct->fd);
		unlink(b->config.control);
		errno = error;
	}
	free(ct->tellers);
	free(ct);
	return -1;
}

void
control_free(struct control *ct)
{
	if (ct == NULL)
		return;
	control_stop(ct);
	free(ct->tellers);
	free(ct);
}

uint32_t
control_connected(const struct control *ct)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ct->count; i++)
		if (ct->tellers[i].talk.conn != NULL)
			count++;
	return count;
}

static struct teller *
teller_at(struct control *ct, struct peer peer)
{
	CHECK(peer.slot >= ct->first_slot &&
	    peer.slot - ct->first_slot < ct->count);
	return &ct->tellers[peer.slot - ct->first_slot];
}

void
control_deliver(
    struct control *ct, struct peer peer, const char *line, size_t len)
{
	talk_deliver(&teller_at(ct, peer)->talk, peer, line, len);
}

void
control_close(struct control *ct, struct peer peer, const char *why)
{
	struct teller *c = teller_at(ct, peer);

	if (c->talk.conn == NULL || !peer_eq(c->talk.peer, peer))
		return;
	log_warn("closing a teller", LOG_C("who", c->who), LOG_C("why", why));
	talk_end(&c->talk);
}

void
control_after_turn(struct control *ct)
{
	for (uint32_t i = 0; i < ct->count; i++)
		talk_after_turn(&ct->tellers[i].talk);
}

void
control_stop(struct control *ct)
{
	if (ct->fd >= 0) {
		loop_unwatch(ct->bankd->loop, &ct->watch);
		loop_timer_clear(ct->bankd->loop, &ct->again);
		close(ct->fd);
		unlink(ct->bankd->config.control);
		ct->fd = -1;
	}
	for (uint32_t i = 0; i < ct->count; i++)
		if (ct->tellers[i].talk.conn != NULL)
			talk_end(&ct->tellers[i].talk);
}

bool
control_idle(const struct control *ct)
{
	return control_connected(ct) == 0;
}
