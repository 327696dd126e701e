/*
 * strife-gatewayd: the coordinator of a deployment. Sockets, disk and time
 * become events for lib/coord, which decides; what it asks for is carried out
 * by lib/turn.
 */
#include "gatewayd.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "asks.h"
#include "banks.h"
#include "base/address.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/version.h"
#include "control.h"
#include "login.h"
#include "sessions.h"
#include "start.h"

#define PROGRAM "strife-gatewayd"
/* What peers have to take our last lines once we are told to stop. */
#define STOP_NS (5 * NS_PER_S)

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

static void
step(void *ctx, const struct event *ev, struct actions *actions)
{
	struct gatewayd *g = ctx;

	coord_step(g->coord, ev, actions);
	for (uint32_t i = 0; i < actions->count; i++) {
		const struct action *a = &actions->at[i];

		if (a->kind == AC_SEND && a->msg.word == MSG_OK &&
		    a->msg.verb == VERB_UP_REGISTER)
			banks_registered(g->banks, a->peer);
	}
}

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
	return control_first(g) + control_slots();
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
		control_deliver(g->control, peer, line, len);
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
		control_close(g->control, peer, why);
}

static const struct turn_ops turn_ops = {
    .step = step,
    .more = more,
    .next_ns = next_ns,
    .deliver = deliver,
    .close = close_peer,
};

/* ---- Start ---- */

static struct coord *
make_coord(const struct config *c)
{
	struct coord_conf conf = {
	    .agent = PROGRAM "/" STRIFE_VERSION,
	    .in_flight_max = (uint32_t)c->in_flight,
	    .per_bank_max = (uint32_t)c->per_bank,
	    .per_user_max = (uint32_t)c->per_user,
	    .held_max = (uint32_t)c->held_max,
	    .banks_max = (uint32_t)c->banks,
	    .window_max = (uint32_t)c->window,
	    .remembered_max = (uint64_t)c->remembered,
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

static void
open_journal(struct gatewayd *g, bool restored)
{
	const struct config *c = &g->config;
	const struct journal_conf conf = {
	    .dir = c->journal_dir,
	    .side = SIDE_GATEWAY_JOURNAL,
	    .component = STR("gatewayd"),
	    .name = str_from(c->node),
	    .segment_octets = c->journal_segment,
	    .reserve_octets = c->reserve_octets,
	};
	char error[START_ERROR_MAX] = "";

	switch (journal_open(
	    &g->journal, &conf, turn_replay, g->turn, error, sizeof(error))) {
	case JOURNAL_OPENED:
		break;
	case JOURNAL_LOCKED:
		fatal(EXIT_TEMPFAIL, "%s", error);
	case JOURNAL_CORRUPT:
		fatal(EXIT_DATA, "%s", error);
	case JOURNAL_UNUSABLE:
		fatal(EXIT_CONFIG, "%s", error);
	}
	if (restored || journal_was_torn(g->journal)) {
		coord_set_truncated(g->coord);
		log_warn("records may have been lost: branches of older epochs "
			 "wait until the other bank has registered");
	}
	/* The new epoch is durable before anybody can connect. */
	turn_start(g->turn, g->journal);
	log_info("journal open", LOG_U("epoch", coord_epoch(g->coord)),
	    LOG_U("seq", journal_last_seq(g->journal)));
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
	if (checker_new(&g->checker, g->loop, program, g->config.users, false,
		LOGINS_MAX, checked, g) < 0)
		fatal(EXIT_OSERR, "cannot start %s: %s", program,
		    strerror(errno));
	free(program);
}

static void
make_peers(struct gatewayd *g)
{
	struct hash_key key;

	TAILQ_INIT(&g->talks);
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

static void
open_control(struct gatewayd *g)
{
	char path[PATH_MAX];

	CHECK(str_copy(path, sizeof(path), str_from(g->config.control)));
	if (file_mkdirs(dirname(path), 0750) < 0 ||
	    control_new(&g->control, g, control_first(g)) < 0)
		fatal(EXIT_CONFIG, "control: %s: %s", g->config.control,
		    strerror(errno));
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

/* ---- Signals ---- */

static void
stop(void *ctx, int signo)
{
	struct gatewayd *g = ctx;

	(void)signo;
	g->stopping = true;
}

/* SIGHUP: the users' file and the log's level. */
static void
reload(void *ctx, int signo)
{
	struct gatewayd *g = ctx;
	struct config fresh;
	struct yaml_error error;

	(void)signo;
	if (config_read(&fresh, g->config_path, &error) < 0) {
		log_error("the configuration is not reloaded",
		    LOG_C("error", error.text));
		return;
	}
	if (!g->debug)
		log_set_level(fresh.log_level);
	config_free(&fresh);
	checker_reload(g->checker);
	log_info("reloaded");
}

static void
catch_signals(struct gatewayd *g)
{
	if (loop_signal(g->loop, SIGTERM, stop, g) < 0 ||
	    loop_signal(g->loop, SIGINT, stop, g) < 0 ||
	    loop_signal(g->loop, SIGHUP, reload, g) < 0)
		fatal(EXIT_OSERR, "cannot catch signals: %s", strerror(errno));
}

/* ---- Running ---- */

static void
turn(struct gatewayd *g, int64_t until_ns)
{
	int64_t next = turn_next_ns(g->turn);

	if (asks_ready(g->asks))
		next = 0;
	if (loop_turn(g->loop, next < until_ns ? next : until_ns) < 0)
		fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	asks_run(g->asks);
	turn_end(g->turn);
	talks_after_turn(&g->talks);
}

static bool
nobody_waits(const struct gatewayd *g)
{
	return sessions_unanswered(g->sessions) == 0;
}

static bool
nobody_is_left(const struct gatewayd *g)
{
	return sessions_connected(g->sessions) == 0 &&
	    banks_connected(g->banks) == 0 &&
	    control_connected(g->control) == 0;
}

/* Turns until it is done, or for a while; a second signal ends the wait. */
static void
turn_until(
    struct gatewayd *g, bool (*done)(const struct gatewayd *), int64_t limit_ns)
{
	int64_t deadline_ns = clock_mono_ns() + limit_ns;

	g->stopping = false;
	while (!g->stopping && !done(g) && clock_mono_ns() < deadline_ns)
		turn(g, deadline_ns);
}

/*
 * Accepts and reads nothing more from clients; what they asked for is finished,
 * which takes the banks until prepare_timeout at most; then all is told, made
 * durable and closed.
 */
static void
drain(struct gatewayd *g)
{
	log_info("stopping");
	notify_send("STOPPING=1");
	sessions_quiet(g->sessions);
	banks_quiet(g->banks);
	turn_until(g, nobody_waits, g->config.prepare_timeout_ns);
	sessions_stop(g->sessions);
	banks_stop(g->banks);
	control_stop(g->control);
	while (journal_dirty(g->journal))
		turn_end(g->turn);
	talks_after_turn(&g->talks);
	turn_until(g, nobody_is_left, STOP_NS);
}

static void
free_all(struct gatewayd *g)
{
	/* The lock goes last but for memory: nobody else may open it before. */
	checker_free(g->checker);
	asks_free(g->asks);
	sessions_free(g->sessions);
	banks_free(g->banks);
	control_free(g->control);
	logins_free(g->logins);
	journal_close(g->journal);
	turn_free(g->turn);
	coord_free(g->coord);
	tls_free(g->tls);
	loop_free(g->loop);
	config_free(&g->config);
}

int
main(int argc, char **argv)
{
	struct gatewayd g = {.started_ns = clock_mono_ns()};
	struct daemon_options options;
	struct yaml_error error;
	char *authd;

	daemon_options(&options, argc, argv, PROGRAM, help, true);
	daemon_hygiene();
	g.config_path = options.config;
	g.debug = options.debug;
	if (config_read(&g.config, g.config_path, &error) < 0)
		fatal(EXIT_CONFIG, "%s", error.text);
	if (!options.test_only)
		log_init(
		    PROGRAM, g.debug ? LOG_LEVEL_DEBUG : g.config.log_level);
	authd = start_check(&g.config, &g.tls);
	if (options.test_only) {
		printf("%s: ok\n", g.config_path);
		free(authd);
		tls_free(g.tls);
		config_free(&g.config);
		return EXIT_OK;
	}
	if (loop_new(&g.loop) < 0)
		fatal(EXIT_OSERR, "cannot make an event loop: %s",
		    strerror(errno));
	catch_signals(&g);
	g.coord = make_coord(&g.config);
	g.turn = turn_new(&turn_ops, &g, &g);
	if (g.turn == NULL)
		fatal(EXIT_OSERR, "out of memory");
	make_peers(&g);
	open_journal(&g, options.restored);
	start_checker(&g, authd);
	open_control(&g);
	check_descriptors(&g);
	listen_and_serve(&g);
	while (!g.stopping)
		turn(&g, INT64_MAX);
	drain(&g);
	free_all(&g);
	return EXIT_OK;
}
