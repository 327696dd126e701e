/* One link to a gateway: when it is dialled, and what ends it. */
#include "link.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

/* Unread octets kept: two lines, so that one is always whole. */
#define LINK_IN_OCTETS (64u << 10)

_Static_assert(LINK_IN_OCTETS >= 2 * LINE_MAX_LEN, "a line fits");

/* ---- Complaints ---- */

/* The same failure every few seconds is said once, until it registers. */
static void
complain(struct link *k, const char *text, const char *why, const char *detail)
{
	char complaint[LINK_COMPLAINT_MAX] = "";
	int len = snprintf(
	    complaint, sizeof(complaint), "%s: %s: %s", text, why, detail);
	bool again = len >= 0 && strcmp(complaint, k->complaint) == 0;

	memcpy(k->complaint, complaint, sizeof(complaint));
	log_write(again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, text,
	    (const struct log_field[]){LOG_C("gateway", k->address),
		LOG_C("why", why), LOG_C("detail", detail), LOG_FIELD_END});
}

/* Takes nothing more from this gateway, and closes it after this turn. */
void
link_give_up(struct link *k, const char *why, const char *detail)
{
	complain(k, "closing", why, detail);
	talk_end(&k->talk);
}

static void
gateway_silent(void *ctx)
{
	struct link *k = ctx;

	link_give_up(k, "nothing heard for two heartbeats", k->node);
}

/* ---- When to dial ---- */

void
link_dial_at(struct link *k, int64_t at_ns)
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
	k->delay_ns = k->delay_ns < LINK_RETRY_MAX_NS / 2 ? 2 * k->delay_ns
							  : LINK_RETRY_MAX_NS;
	link_dial_at(k, clock_mono_ns() + 1000 * wait_us);
}

/* ---- The connection ---- */

bool
link_is_up(const struct link *k)
{
	return k->talk.conn != NULL && !k->talk.ended &&
	    (k->state == LINK_GREETING || k->state == LINK_REGISTERING ||
		k->state == LINK_REGISTERED);
}

/* Ends it where the certificates read meanwhile say so. */
void
link_recheck(struct link *k)
{
	const struct certificates *cs = &k->links->bankd->server.certificates;
	const char *why;

	if (k->certificates == cs->generation)
		return;
	k->certificates = cs->generation;
	why = certificates_reject(cs, k->talk.conn);
	if (why != NULL)
		link_give_up(
		    k, "the gateway's certificate is no longer good", why);
}

static void
link_up(void *ctx, struct conn *conn)
{
	struct link *k = ctx;

	(void)conn;
	k->state = LINK_GREETING;
	link_recheck(k);
	if (k->talk.ended)
		return;
	k->node[0] = '\0';
	k->register_tag[0] = '\0';
	link_talk_hello(k);
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

	k->certificates = b->server.certificates.generation;
	if (conn_connect(&conn, b->server.loop, k->address,
		b->server.certificates.tls, &limits, &link_conn_ops, k) < 0) {
		complain(k, "cannot connect", strerror(errno), "");
		wait_to_dial(k);
		return;
	}
	k->state = LINK_DIALLING;
	talk_begin(&k->talk, conn);
}

static const struct heartbeat_ops heartbeat_ops = {
    .ping = link_talk_ping,
    .silent = gateway_silent,
};

void
link_init(struct link *k, struct links *ls, uint32_t i)
{
	struct bankd *b = ls->bankd;

	k->links = ls;
	k->address = b->config.gateways.at[i];
	k->state = LINK_WAITING;
	k->delay_ns = LINK_RETRY_MIN_NS;
	k->dial = (struct timer){.due = dial, .ctx = k};
	talk_init(&k->talk, &link_talk_ops, k, b->server.turn, i,
	    (uint32_t)b->config.settings.window);
	k->talk.talks = &b->server.talks;
	heartbeat_init(
	    &k->heartbeat, &heartbeat_ops, k, b->server.loop, &k->talk);
	link_dial_at(k, 0);
}
