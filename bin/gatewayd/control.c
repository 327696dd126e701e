#include "control.h"

#include "banks.h"
#include "login.h"
#include "sessions.h"

/* Requests of one operator that may be unanswered: then it is not read. */
#define OPERATOR_WINDOW 16
/* A window of the longest lists. */
#define OUT_OCTETS (64u << 20)

static void
stats(const struct gatewayd *g, struct operator_talk *o, const struct msg *m)
{
	operator_stats(o, m, g->server.started_ns, g->server.journal);
	operator_stat(
	    o, m, "clients_connected", sessions_connected(g->sessions));
	operator_stat(o, m, "banks_connected", banks_connected(g->banks));
	operator_stat(o, m, "operators_connected",
	    operators_connected(g->server.operators));
	operator_stat(o, m, "logins_waiting", logins_waiting(g->logins));
	operator_stat(o, m, "revocations", coord_revocations(g->coord));
}

static void
take_request(void *ctx, struct operator_talk *o, const struct msg *m)
{
	struct gatewayd *g = ctx;
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = o->talk.peer,
	    .msg = m,
	    .who = str_from(o->who),
	};

	if (m->verb == VERB_CONTROL_SNAPSHOT) {
		snapshots_ask(&g->server.snapshots, &o->talk, m);
		return;
	}
	if (m->verb == VERB_CONTROL_STATS)
		stats(g, o, m);
	turn_event(g->server.turn, &ev);
	if (m->verb == VERB_CONTROL_REVOKE)
		sessions_revoked(g->sessions);
}

void
control_open(struct gatewayd *g, uint32_t first_slot)
{
	struct operators_conf conf = {
	    .called = "operators",
	    .side = SIDE_CONTROL,
	    .first_slot = first_slot,
	    .max = CONTROL_SLOTS,
	    .window = OPERATOR_WINDOW,
	    .out_max = OUT_OCTETS,
	    .request = take_request,
	    .ctx = g,
	};

	server_open_control(&g->server, &conf);
}
