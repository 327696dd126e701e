#include "turn/operators.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "turn/listener.h"

/* Unread octets kept: several lines, so that one is always whole. */
#define IN_OCTETS (16u << 10)

_Static_assert(IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");

struct operators {
	struct operators_conf conf;
	struct loop *loop;
	struct talk_ops talk_ops;
	struct listener listener;
	struct operator_talk at[]; /* conf.max */
};

/* ---- Connections ---- */

static void
take_request(void *ctx, const struct msg *m)
{
	struct operator_talk *o = ctx;
	const struct operators_conf *conf = &o->operators->conf;

	conf->request(conf->ctx, o, m);
}

static void
set_idle(struct operator_talk *o, int64_t at_ns)
{
	if (loop_timer_set(o->operators->loop, &o->idle, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
idle_due(void *ctx)
{
	struct operator_talk *o = ctx;
	int64_t limit_ns = o->operators->conf.idle_ns, last_ns;

	if (o->talk.conn == NULL || o->talk.ended)
		return;
	last_ns = conn_last_input_ns(o->talk.conn);
	if (conn_last_output_ns(o->talk.conn) > last_ns)
		last_ns = conn_last_output_ns(o->talk.conn);
	if (clock_mono_ns() - last_ns < limit_ns) {
		set_idle(o, last_ns + limit_ns);
		return;
	}
	log_info("closing an idle connection of the control socket",
	    LOG_C("who", o->who));
	talk_end(&o->talk);
}

static void
operator_up(void *ctx, struct conn *conn)
{
	struct operator_talk *o = ctx;
	int len = snprintf(
	    o->who, sizeof(o->who), "uid=%" PRIu32, conn_peer_uid(conn));

	CHECK(len > 0 && (size_t)len < sizeof(o->who));
	set_idle(o, clock_mono_ns() + o->operators->conf.idle_ns);
	log_debug("connected to the control socket", LOG_C("who", o->who));
}

static size_t
operator_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct operator_talk *o = ctx;

	(void)conn;
	return talk_input(&o->talk, octets, len);
}

static void
operator_drained(void *ctx, struct conn *conn)
{
	struct operator_talk *o = ctx;

	(void)conn;
	talk_drained(&o->talk);
}

static bool
operator_finished(void *ctx, struct conn *conn)
{
	struct operator_talk *o = ctx;

	(void)conn;
	return talk_finished(&o->talk);
}

static void
operator_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct operator_talk *o = ctx;

	(void)conn;
	(void)why;
	log_debug("gone from the control socket", LOG_C("who", o->who));
	loop_timer_clear(o->operators->loop, &o->idle);
	talk_down(&o->talk);
}

static const struct conn_ops operator_conn_ops = {
    .up = operator_up,
    .input = operator_input,
    .drained = operator_drained,
    .down = operator_down,
    .finished = operator_finished,
};

static struct operator_talk *
free_place(struct operators *os)
{
	for (uint32_t i = 0; i < os->conf.max; i++)
		if (os->at[i].talk.conn == NULL)
			return &os->at[i];
	return NULL;
}

static void
welcome(void *ctx, int fd)
{
	struct operators *os = ctx;
	const struct conn_limits limits = {
	    .in_max = IN_OCTETS,
	    .out_max = os->conf.out_max,
	    .handshake_ns = os->conf.handshake_ns,
	};
	struct operator_talk *o = free_place(os);
	struct conn *conn;

	if (o == NULL) {
		log_warn("turned away from the control socket: too many are "
			 "connected",
		    LOG_C("who", os->conf.called),
		    LOG_U("connected", os->conf.max));
		close(fd);
		return;
	}
	o->who[0] = '\0';
	if (conn_accept(&conn, os->loop, fd, NULL, &limits, &operator_conn_ops,
		o) < 0) {
		log_warn("cannot serve the control socket", LOG_E(errno));
		return;
	}
	talk_begin(&o->talk, conn);
}

/* ---- The interface ---- */

int
operators_new(struct operators **out, struct loop *loop, struct turn *turn,
    struct talks *talks, const struct operators_conf *conf)
{
	struct operators *os =
	    calloc(1, sizeof(*os) + conf->max * sizeof(os->at[0]));
	int fd, error;

	if (os == NULL)
		return -1;
	os->conf = *conf;
	os->loop = loop;
	os->talk_ops = (struct talk_ops){
	    .side = conf->side,
	    .exempt = VERB_UNKNOWN,
	    .stop_reading = true,
	    .request = take_request,
	};
	for (uint32_t i = 0; i < conf->max; i++) {
		struct operator_talk *o = &os->at[i];

		o->operators = os;
		o->idle = (struct timer){.due = idle_due, .ctx = o};
		talk_init(&o->talk, &os->talk_ops, o, turn,
		    conf->first_slot + i, conf->window);
		o->talk.talks = talks;
	}
	os->listener.name = "control";
	os->listener.take = welcome;
	os->listener.ctx = os;
	fd = conn_listen_unix(conf->path);
	if (fd >= 0 && listener_start(&os->listener, loop, fd, 0) == 0) {
		*out = os;
		return 0;
	}
	error = errno;
	if (fd >= 0)
		unlink(conf->path);
	free(os);
	errno = error;
	return -1;
}

void
operators_drop(struct operators *os)
{
	for (uint32_t i = 0; i < os->conf.max; i++)
		talk_drop(&os->at[i].talk);
}

void
operators_free(struct operators *os)
{
	if (os == NULL)
		return;
	operators_stop(os);
	free(os);
}

uint32_t
operators_connected(const struct operators *os)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < os->conf.max; i++)
		if (os->at[i].talk.conn != NULL)
			count++;
	return count;
}

static struct operator_talk *
operator_at(struct operators *os, struct peer peer)
{
	CHECK(peer.slot >= os->conf.first_slot &&
	    peer.slot - os->conf.first_slot < os->conf.max);
	return &os->at[peer.slot - os->conf.first_slot];
}

void
operators_deliver(
    struct operators *os, struct peer peer, const char *line, size_t len)
{
	talk_deliver(&operator_at(os, peer)->talk, peer, line, len);
}

void
operators_close(struct operators *os, struct peer peer, const char *why)
{
	struct operator_talk *o = operator_at(os, peer);

	if (!talk_is(&o->talk, peer))
		return;
	log_warn("closing a connection of the control socket",
	    LOG_C("who", o->who), LOG_C("why", why));
	talk_end(&o->talk);
}

void
operators_stop(struct operators *os)
{
	if (os->listener.fd >= 0) {
		listener_stop(&os->listener);
		unlink(os->conf.path);
	}
	for (uint32_t i = 0; i < os->conf.max; i++)
		if (os->at[i].talk.conn != NULL && !os->at[i].talk.ended)
			talk_end(&os->at[i].talk);
}

/* ---- STATS ---- */

void
operator_stat(struct operator_talk *o, const struct msg *m, const char *name,
    uint64_t value)
{
	char text[24];
	struct msg row;

	snprintf(text, sizeof(text), "%" PRIu64, value);
	msg_init(&row, MSG_ROW, m->verb, m->tag);
	msg_set_str(&row, KEY_name, str_from(name));
	msg_set_str(&row, KEY_value, str_from(text));
	turn_send(o->talk.turn, o->talk.peer, &row);
}

static uint64_t
milliseconds(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000;
}

void
operator_stats(struct operator_talk *o, const struct msg *m, int64_t started_ns,
    const struct journal *journal)
{
	struct rusage usage;

	operator_stat(o, m, "uptime_s",
	    (uint64_t)((clock_mono_ns() - started_ns) / NS_PER_S));
	operator_stat(o, m, "pid", (uint64_t)getpid());
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		operator_stat(
		    o, m, "memory_peak_kib", (uint64_t)usage.ru_maxrss);
		operator_stat(
		    o, m, "cpu_user_ms", milliseconds(&usage.ru_utime));
		operator_stat(
		    o, m, "cpu_system_ms", milliseconds(&usage.ru_stime));
	}
	operator_stat(o, m, "journal_seq", journal_last_seq(journal));
	operator_stat(
	    o, m, "journal_durable_seq", journal_durable_seq(journal));
	operator_stat(
	    o, m, "journal_has_room", turn_has_room(o->talk.turn) ? 1 : 0);
}
