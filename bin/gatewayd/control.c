#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "banks.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "listener.h"
#include "login.h"
#include "sessions.h"

#define OPERATORS_MAX 16
/* Requests of one operator that may be unanswered: then it is not read. */
#define OPERATOR_WINDOW 16
#define IN_OCTETS (16u << 10)
/* A window of the longest lists. */
#define OUT_OCTETS (64u << 20)

struct ctl {
	struct control *control;
	struct talk talk;
	struct timer idle;
	char who[32]; /* "uid=1000" */
};

struct control {
	struct gatewayd *gatewayd;
	struct listener listener;
	uint32_t first_slot;
	struct ctl at[OPERATORS_MAX];
};

/* ---- Requests ---- */

static void
row(struct talk *t, const char *tag, const char *name, uint64_t value)
{
	char text[24];
	struct msg m;

	snprintf(text, sizeof(text), "%" PRIu64, value);
	msg_init(&m, MSG_ROW, VERB_CONTROL_STATS, tag);
	msg_set_str(&m, KEY_name, str_from(name));
	msg_set_str(&m, KEY_value, str_from(text));
	turn_send(t->turn, t->peer, &m);
}

static void
usage_rows(struct talk *t, const char *tag)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return;
	row(t, tag, "memory_peak_kib", (uint64_t)usage.ru_maxrss);
	row(t, tag, "cpu_user_ms",
	    (uint64_t)usage.ru_utime.tv_sec * 1000 +
		(uint64_t)usage.ru_utime.tv_usec / 1000);
	row(t, tag, "cpu_system_ms",
	    (uint64_t)usage.ru_stime.tv_sec * 1000 +
		(uint64_t)usage.ru_stime.tv_usec / 1000);
}

/* The process's own numbers, ahead of the coordinator's rows and its OK. */
static void
stats(struct ctl *c, const char *tag)
{
	struct gatewayd *g = c->control->gatewayd;
	struct talk *t = &c->talk;

	row(t, tag, "uptime_s",
	    (uint64_t)((clock_mono_ns() - g->started_ns) / NS_PER_S));
	row(t, tag, "pid", (uint64_t)getpid());
	usage_rows(t, tag);
	row(t, tag, "journal_seq", journal_last_seq(g->journal));
	row(t, tag, "journal_durable_seq", journal_durable_seq(g->journal));
	row(t, tag, "journal_has_room", turn_has_room(g->turn) ? 1 : 0);
	row(t, tag, "clients_connected", sessions_connected(g->sessions));
	row(t, tag, "banks_connected", banks_connected(g->banks));
	row(t, tag, "operators_connected", control_connected(g->control));
	row(t, tag, "logins_waiting", logins_waiting(g->logins));
}

static void
take_request(void *ctx, const struct msg *m)
{
	struct ctl *c = ctx;
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = c->talk.peer,
	    .msg = m,
	    .who = str_from(c->who),
	};

	if (m->verb == VERB_CONTROL_SNAPSHOT ||
	    m->verb == VERB_CONTROL_REVOKE) {
		talk_error(&c->talk, m->tag, CODE_UNKNOWN_VERB, STR_NONE,
		    "this version does not have it");
		return;
	}
	if (m->verb == VERB_CONTROL_STATS)
		stats(c, m->tag);
	turn_event(c->talk.turn, &ev);
}

static const struct talk_ops operator_ops = {
    .side = SIDE_CONTROL,
    .exempt = VERB_UNKNOWN,
    .stop_reading = true,
    .request = take_request,
    .reply = NULL,
};

/* ---- Connections ---- */

static void
set_idle(struct ctl *c, int64_t at_ns)
{
	if (loop_timer_set(c->control->gatewayd->loop, &c->idle, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
idle_due(void *ctx)
{
	struct ctl *c = ctx;
	int64_t limit_ns = c->control->gatewayd->config.idle_ns;
	int64_t last_ns;

	if (c->talk.conn == NULL || c->talk.ended)
		return;
	last_ns = conn_last_input_ns(c->talk.conn);
	if (conn_last_output_ns(c->talk.conn) > last_ns)
		last_ns = conn_last_output_ns(c->talk.conn);
	if (clock_mono_ns() - last_ns >= limit_ns) {
		log_info("closing an idle operator", LOG_C("who", c->who));
		talk_end(&c->talk);
		return;
	}
	set_idle(c, last_ns + limit_ns);
}

static void
operator_up(void *ctx, struct conn *conn)
{
	struct ctl *c = ctx;
	int len = snprintf(
	    c->who, sizeof(c->who), "uid=%" PRIu32, conn_peer_uid(conn));

	CHECK(len > 0 && (size_t)len < sizeof(c->who));
	set_idle(c, clock_mono_ns() + c->control->gatewayd->config.idle_ns);
	log_debug("operator connected", LOG_C("who", c->who));
}

static size_t
operator_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct ctl *c = ctx;

	(void)conn;
	return talk_input(&c->talk, octets, len);
}

static void
operator_drained(void *ctx, struct conn *conn)
{
	struct ctl *c = ctx;

	(void)conn;
	talk_drained(&c->talk);
}

static void
operator_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct ctl *c = ctx;

	(void)conn;
	(void)why;
	log_debug("operator gone", LOG_C("who", c->who));
	loop_timer_clear(c->control->gatewayd->loop, &c->idle);
	talk_down(&c->talk);
}

static const struct conn_ops operator_conn_ops = {
    .up = operator_up,
    .input = operator_input,
    .drained = operator_drained,
    .down = operator_down,
};

static struct ctl *
free_slot(struct control *ct)
{
	for (uint32_t i = 0; i < OPERATORS_MAX; i++)
		if (ct->at[i].talk.conn == NULL)
			return &ct->at[i];
	return NULL;
}

static void
welcome(void *ctx, int fd)
{
	struct control *ct = ctx;
	const struct conn_limits limits = {
	    .in_max = IN_OCTETS,
	    .out_max = OUT_OCTETS,
	    .handshake_ns = ct->gatewayd->config.handshake_ns,
	};
	struct ctl *c = free_slot(ct);
	struct conn *conn;

	if (c == NULL) {
		log_warn("an operator is turned away: too many are connected");
		close(fd);
		return;
	}
	c->who[0] = '\0';
	if (conn_accept(&conn, ct->gatewayd->loop, fd, NULL, &limits,
		&operator_conn_ops, c) < 0) {
		log_warn("cannot serve an operator", LOG_E(errno));
		return;
	}
	talk_begin(&c->talk, conn);
}

/* ---- The interface ---- */

int
control_new(struct control **out, struct gatewayd *g, uint32_t first_slot)
{
	struct control *ct = calloc(1, sizeof(*ct));
	int fd, error;

	if (ct == NULL)
		return -1;
	ct->gatewayd = g;
	ct->first_slot = first_slot;
	for (uint32_t i = 0; i < OPERATORS_MAX; i++) {
		struct ctl *c = &ct->at[i];

		c->control = ct;
		c->idle = (struct timer){.due = idle_due, .ctx = c};
		talk_init(&c->talk, &operator_ops, c, g->turn, first_slot + i,
		    OPERATOR_WINDOW);
		c->talk.talks = &g->talks;
	}
	ct->listener.fd = -1;
	ct->listener.name = "control";
	ct->listener.take = welcome;
	ct->listener.ctx = ct;
	fd = conn_listen_unix(g->config.control);
	if (fd >= 0 && listener_start(&ct->listener, g->loop, fd, 0) == 0) {
		*out = ct;
		return 0;
	}
	error = errno;
	if (fd >= 0)
		unlink(g->config.control);
	free(ct);
	errno = error;
	return -1;
}

void
control_free(struct control *ct)
{
	if (ct == NULL)
		return;
	control_stop(ct);
	free(ct);
}

uint32_t
control_slots(void)
{
	return OPERATORS_MAX;
}

uint32_t
control_connected(const struct control *ct)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < OPERATORS_MAX; i++)
		if (ct->at[i].talk.conn != NULL)
			count++;
	return count;
}

static struct ctl *
operator_at(struct control *ct, struct peer peer)
{
	CHECK(peer.slot >= ct->first_slot &&
	    peer.slot - ct->first_slot < OPERATORS_MAX);
	return &ct->at[peer.slot - ct->first_slot];
}

void
control_deliver(
    struct control *ct, struct peer peer, const char *line, size_t len)
{
	talk_deliver(&operator_at(ct, peer)->talk, peer, line, len);
}

void
control_close(struct control *ct, struct peer peer, const char *why)
{
	struct ctl *c = operator_at(ct, peer);

	if (!talk_is(&c->talk, peer))
		return;
	log_warn(
	    "closing an operator", LOG_C("who", c->who), LOG_C("why", why));
	talk_end(&c->talk);
}

void
control_stop(struct control *ct)
{
	if (ct->listener.fd >= 0) {
		listener_stop(&ct->listener);
		unlink(ct->gatewayd->config.control);
	}
	for (uint32_t i = 0; i < OPERATORS_MAX; i++)
		if (ct->at[i].talk.conn != NULL && !ct->at[i].talk.ended)
			talk_end(&ct->at[i].talk);
}
