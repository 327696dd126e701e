#include "control.h"

#include "links.h"
#include "logins.h"

/* Requests of one teller that may be unanswered: then it is not read. */
/* However many the configuration allows. */
#define TELLERS_MAX 1024u
#define TELLER_WINDOW 64

static void
stats(const struct bankd *b, struct operator_talk *o, const struct msg *m)
{
	operator_stats(o, m, b->server.started_ns, b->server.journal);
	operator_stat(o, m, "links", links_count(b->links));
	operator_stat(o, m, "links_registered", links_registered(b->links));
	operator_stat(o, m, "link_lines_in", links_lines_in(b->links));
	operator_stat(o, m, "link_lines_out", links_lines_out(b->links));
	operator_stat(o, m, "logins_waiting", logins_waiting(b->logins));
	operator_stat(
	    o, m, "tellers", operators_connected(b->server.operators));
}

static void
take_request(void *ctx, struct operator_talk *o, const struct msg *m)
{
	struct bankd *b = ctx;
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = o->talk.peer,
	    .msg = m,
	    .who = str_from(o->who),
	};

	if (m->verb == VERB_TELLER_SNAPSHOT) {
		snapshots_ask(&b->server.snapshots, &o->talk, m);
		return;
	}
	if (m->verb == VERB_TELLER_STATS)
		stats(b, o, m);
	turn_event(b->server.turn, &ev);
}

void
control_open(struct bankd *b)
{
	struct operators_conf conf = {
	    .called = "tellers",
	    .side = SIDE_TELLER,
	    .first_slot = links_count(b->links),
	    .max = b->config.tellers_max < TELLERS_MAX
		? (uint32_t)b->config.tellers_max
		: TELLERS_MAX,
	    .window = TELLER_WINDOW,
	    .out_max = (uint32_t)b->config.output_octets,
	    .request = take_request,
	    .ctx = b,
	};

	server_open_control(&b->server, &conf);
}
