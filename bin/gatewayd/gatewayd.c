/*
 * strife-gatewayd: the coordinator of a deployment. Sockets, disk and time
 * become events for lib/coord, which decides; what it asks for is carried out
 * by lib/turn.
 */
#include "gatewayd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "asks.h"
#include "banks.h"
#include "base/address.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/version.h"
#include "control.h"
#include "login.h"
#include "outcomes.h"
#include "sessions.h"
#include "start.h"
#include "tokens.h"

#define PROGRAM "strife-gatewayd"

static const char help[] =
    "usage: strife-gatewayd -c FILE [-t] [-d] [--restored]\n"
    "       strife-gatewayd -V | -h\n"
    "\n"
    "Runs a payment gateway: clients' sessions and payments between banks.\n"
    "\n"
    "  -c, --config FILE  the configuration, strife-gatewayd.yaml(5)\n"
    "  -t, --test         check the configuration and exit\n"
    "  -d, --debug        log everything\n"
    "      --restored     the journal was restored from a copy: be careful\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "\n"
    "Exit status: 0 after SIGTERM or SIGINT, 64 usage, 65 a corrupt journal,\n"
    "75 another process holds the journal, 78 configuration.\n";

/* ---- The engine's operations ---- */

static bool
more(const void *ctx)
{
	return coord_more(((const struct gatewayd *)ctx)->coord);
}

static int64_t
next_ns(const void *ctx)
{
	return coord_next_ns(((const struct gatewayd *)ctx)->coord);
}

/* Where each kind of peer's slots begin. */
static uint32_t
sessions_first(const struct gatewayd *g)
{
	return banks_slots(g->banks);
}

static uint32_t
control_first(const struct gatewayd *g)
{
	return sessions_first(g) + sessions_slots(g->sessions);
}

static uint32_t
asks_first(const struct gatewayd *g)
{
	return control_first(g) + CONTROL_SLOTS;
}

/* What the log is to tell of a record that is being appended. */
static void
note_record(
    const struct gatewayd *g, const struct event *ev, const struct msg *m)
{
	if (m->verb != VERB_GATEWAY_JOURNAL_RECEIVED)
		outcome_log(m);
	else if (ev->peer.slot >= sessions_first(g) &&
	    ev->peer.slot < control_first(g))
		sessions_attempts(g->sessions, ev->peer, &m->v[KEY_id].id,
		    m->v[KEY_attempts].u64);
}

static void
step(void *ctx, const struct event *ev, struct actions *actions)
{
	struct gatewayd *g = ctx;

	coord_step(g->coord, ev, actions);
	for (uint32_t i = 0; i < actions->count; i++) {
		const struct action *a = &actions->at[i];

		if (a->kind == AC_APPEND)
			note_record(g, ev, &a->msg);
		else if (a->kind == AC_SEND && a->msg.word == MSG_OK &&
		    a->msg.verb == VERB_UP_REGISTER)
			banks_registered(g->banks, a->peer);
	}
}

static void
deliver(void *ctx, struct peer peer, const char *line, size_t len)
{
	struct gatewayd *g = ctx;

	if (peer.slot < sessions_first(g))
		banks_deliver(g->banks, peer, line, len);
	else if (peer.slot < control_first(g))
		sessions_deliver(g->sessions, peer, line, len);
	else if (peer.slot < asks_first(g))
		operators_deliver(g->server.operators, peer, line, len);
	else
		asks_deliver(g->asks, peer, line, len);
}

static void
close_peer(void *ctx, struct peer peer, const char *why)
{
	struct gatewayd *g = ctx;

	if (peer.slot < sessions_first(g))
		banks_close(g->banks, peer, why);
	else if (peer.slot < control_first(g))
		sessions_close(g->sessions, peer, why);
	else if (peer.slot < asks_first(g))
		operators_close(g->server.operators, peer, why);
}

static const struct turn_ops turn_ops = {
    .step = step,
    .more = more,
    .next_ns = next_ns,
    .deliver = deliver,
    .close = close_peer,
};

/*
 * Requests to one bank that may be unanswered, if the bank allows so many; its
 * own limits.window says how many it may ask.
 */
#define BANK_WINDOW_MAX 1024

/* CANCELs of unknown ids on their way to the disk; more are OVERLOADED. */
#define TOMBSTONES_MAX 1024

/* Heuristic outcomes to show and to recognise: the newest ones. */
#define HEURISTICS_MAX 1024

/* More are refused until the tokens of the oldest one are over. */
#define REVOKED_USERS_MAX 4096

/* ---- Start ---- */

static struct coord *
make_coord(const struct config *c)
{
	struct coord_conf conf = {
	    .agent = PROGRAM "/" STRIFE_VERSION,
	    .in_flight_max = (uint32_t)c->settings.in_flight,
	    .per_bank_max = (uint32_t)c->per_bank,
	    .per_user_max = (uint32_t)c->per_user,
	    .held_max = (uint32_t)c->held_max,
	    .tombstones_max = TOMBSTONES_MAX,
	    .heuristics_max = HEURISTICS_MAX,
	    .banks_max = (uint32_t)c->banks,
	    .revoked_max = (uint32_t)c->revoked,
	    .revoked_users_max = REVOKED_USERS_MAX,
	    .window_max = BANK_WINDOW_MAX,
	    .remembered_max = (uint64_t)c->settings.remembered,
	    .prepare_timeout_ns = c->prepare_timeout_ns,
	    .held_expiry_ns = c->held_expiry_ns,
	};
	struct coord *coord;

	CHECK(str_copy(conf.node, sizeof(conf.node), str_from(c->node)));
	digest_random(&conf.key, sizeof(conf.key));
	coord = coord_new(&conf);
	if (coord == NULL)
		fatal(EXIT_CONFIG,
		    "not enough memory for payments.in_flight, "
		    "payments.held_max, payments.remembered, limits.banks and "
		    "limits.window");
	return coord;
}

static bool
snapshot_lines(const void *ctx, snapshot_line *line, void *line_ctx)
{
	return coord_snapshot(
	    ((const struct gatewayd *)ctx)->coord, line, line_ctx);
}

static void
renew(void *ctx)
{
	struct gatewayd *g = ctx;

	coord_free(g->coord);
	g->coord = make_coord(&g->config);
}

static const struct server_core core = {
    .note = coord_note,
    .lines = snapshot_lines,
    .renew = renew,
};

static void
open_journal(struct gatewayd *g)
{
	struct server *s = &g->server;

	server_open_journal(
	    s, SIDE_GATEWAY_JOURNAL, "gatewayd", g->config.node, &core);
	if (s->options.restored)
		coord_set_restored(g->coord);
	if (s->options.restored || journal_was_torn(s->journal)) {
		coord_set_truncated(g->coord);
		log_warn("records may have been lost: branches of older epochs "
			 "wait until the other bank has registered");
	}
	/* The new epoch is durable before anybody can connect. */
	turn_start(s->turn, s->journal);
	log_info("journal open", LOG_U("epoch", coord_epoch(g->coord)),
	    LOG_U("seq", journal_last_seq(s->journal)));
}

static void
checked(void *ctx, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct gatewayd *g = ctx;

	logins_checked(g->logins, cookie, outcome, rights);
}

static void
start_checker(struct gatewayd *g, char *program)
{
	if (checker_new(&g->checker, g->server.loop, program, g->config.users,
		false, LOGINS_MAX, checked, g) < 0)
		fatal(EXIT_OSERR, "cannot start %s: %s", program,
		    strerror(errno));
	free(program);
}

static void
make_peers(struct gatewayd *g)
{
	struct hash_key key;

	digest_random(&key, sizeof(key));
	g->banks = banks_new(g);
	if (g->banks != NULL)
		g->sessions = sessions_new(g, sessions_first(g));
	if (g->sessions != NULL)
		g->asks = asks_new(g, asks_first(g));
	g->logins = logins_new(g, &key);
	if (g->asks == NULL || g->logins == NULL)
		fatal(EXIT_CONFIG,
		    "not enough memory for limits.connections and "
		    "limits.banks");
}

/* A connection each, and what the daemon itself needs. */
static void
check_descriptors(const struct gatewayd *g)
{
	const uint64_t wanted = (uint64_t)asks_first(g) + 64;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted)
		log_warn(
		    "fewer descriptors may be open than limits.connections "
		    "asks for: raise LimitNOFILE or ulimit -n",
		    LOG_U("limit", limit.rlim_cur), LOG_U("wanted", wanted));
}

static void
listen_and_serve(struct gatewayd *g)
{
	char clients[ADDRESS_SIZE], banks[ADDRESS_SIZE];

	if (banks_listen(g->banks, banks, sizeof(banks)) < 0)
		fatal(EXIT_CONFIG, "listen.banks: %s: %s",
		    g->config.listen_banks, strerror(errno));
	if (sessions_listen(g->sessions, clients, sizeof(clients)) < 0)
		fatal(EXIT_CONFIG, "listen.clients: %s: %s",
		    g->config.listen_clients, strerror(errno));
	daemon_ready("ready clients=%s banks=%s", clients, banks);
}

/* ---- Running ---- */

/* SIGHUP: certificates, the users' file and the log's level. */
static void
reload(void *ctx)
{
	struct gatewayd *g = ctx;
	struct config fresh;
	struct yaml_error error;
	bool good;

	if (config_read(&fresh, g->server.options.config, &error) < 0) {
		log_error("the configuration is not reloaded",
		    LOG_C("error", error.text));
		return;
	}
	good = server_reload(&g->server, &fresh.settings);
	if (good)
		tokens_reload(g->tokens, &fresh);
	config_free(&fresh);
	if (!good)
		return;
	sessions_recheck(g->sessions);
	banks_recheck(g->banks);
	checker_reload(g->checker);
	log_info("reloaded");
}

/* For whoever asks the manager how the gateway is doing. */
static void
figures(const void *ctx, char text[SUPERVISOR_STATUS_SIZE])
{
	const struct gatewayd *g = ctx;
	struct coord_counts counts;

	coord_counts(g->coord, &counts);
	(void)snprintf(text, SUPERVISOR_STATUS_SIZE,
	    "serving: %" PRIu32 " clients, %" PRIu32 " of %" PRIu32
	    " banks; payments: %" PRIu32 " in flight, %" PRIu32
	    " held, %" PRIu64 " committed since the start",
	    sessions_connected(g->sessions), counts.banks_up, counts.banks,
	    counts.in_flight, counts.held, counts.committed);
}

static bool
nobody_waits(const struct server *s)
{
	const struct gatewayd *g = s->ctx;

	return sessions_unanswered(g->sessions) == 0;
}

static void
drop(const struct server *s)
{
	const struct gatewayd *g = s->ctx;

	sessions_drop(g->sessions);
	banks_drop(g->banks);
}

static bool
nobody_is_left(const struct server *s)
{
	const struct gatewayd *g = s->ctx;

	return sessions_connected(g->sessions) == 0 &&
	    banks_connected(g->banks) == 0 &&
	    operators_connected(s->operators) == 0;
}

/*
 * Accepts and reads nothing more from clients; what they asked for is finished,
 * which takes the banks until prepare_timeout at most; then all is told, made
 * durable and closed.
 */
static void
drain(struct gatewayd *g)
{
	sessions_quiet(g->sessions);
	banks_quiet(g->banks);
	server_run_until(
	    &g->server, nobody_waits, g->config.prepare_timeout_ns);
	sessions_stop(g->sessions);
	banks_stop(g->banks);
	server_end(&g->server, nobody_is_left, drop);
}

static void
free_all(struct gatewayd *g)
{
	checker_free(g->checker);
	asks_free(g->asks);
	sessions_free(g->sessions);
	banks_free(g->banks);
	logins_free(g->logins);
	tokens_free(g->tokens);
	server_free(&g->server);
	coord_free(g->coord);
	config_free(&g->config);
}

int
main(int argc, char **argv)
{
	struct gatewayd g = {.coord = NULL};
	struct server *s = &g.server;
	struct yaml_error error;
	char *authd;

	server_init(s, argc, argv, PROGRAM, help, true);
	if (config_read(&g.config, s->options.config, &error) < 0)
		fatal(EXIT_CONFIG, "%s", error.text);
	server_configured(s, &g.config.settings);
	authd = start_check(&g);
	if (s->options.test_only) {
		printf("%s: ok\n", s->options.config);
		free(authd);
		free_all(&g);
		return EXIT_OK;
	}
	g.coord = make_coord(&g.config);
	server_start(s, &turn_ops, reload, &g);
	make_peers(&g);
	open_journal(&g);
	start_checker(&g, authd);
	control_open(&g, control_first(&g));
	check_descriptors(&g);
	listen_and_serve(&g);
	server_run(s, figures);
	drain(&g);
	free_all(&g);
	return EXIT_OK;
}
