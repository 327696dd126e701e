/*
 * strife-bankd: one bank. Sockets, disk and time become events for the ledger,
 * which decides; what it asks for is carried out by lib/turn.
 */
#include "bankd.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "control.h"
#include "links.h"
#include "load.h"
#include "logins.h"
#include "wire/money.h"

#define PROGRAM "strife-bankd"
#define FIRST_SEGMENT "00000001.journal"

static const char help[] =
    "usage: strife-bankd -c FILE [-t] [-d]\n"
    "       strife-bankd -V | -h\n"
    "\n"
    "Runs one bank: its accounts, its journal, its links to the gateways.\n"
    "\n"
    "  -c, --config FILE  the configuration, strife-bankd.yaml(5)\n"
    "  -t, --test         check the configuration and exit\n"
    "  -d, --debug        log everything\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this and exit\n"
    "\n"
    "Exit status: 0 after SIGTERM or SIGINT, 64 usage, 65 a corrupt journal,\n"
    "75 another process holds the journal, 78 configuration.\n";

/* ---- The engine's operations ---- */

/* One line of the log for each outcome of a payment. */
static void
log_outcome(const struct action *a)
{
	const struct msg *m = &a->msg;
	char id[ID_TEXT_LEN + 1], amount[MONEY_TEXT_MAX], currency[4];

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	if (m->verb == VERB_BANK_JOURNAL_ABORTED) {
		id_text(&m->v[KEY_id].id, id);
		log_info("aborted", LOG_C("id", id));
	} else if (m->verb == VERB_BANK_JOURNAL_COMMITTED) {
		uint32_t code = (uint32_t)m->v[KEY_currency].u64;

		id_text(&m->v[KEY_id].id, id);
		money_text(m->v[KEY_amount].i64, code, amount);
		currency_text(code, currency);
		log_info("committed", LOG_C("id", id), LOG_C("amount", amount),
		    LOG_C("currency", currency),
		    LOG_S("from", m->v[KEY_from].str),
		    LOG_S("to", m->v[KEY_to].str));
	}
}

static void
step(void *ctx, const struct event *ev, struct actions *actions)
{
	struct bankd *b = ctx;

	ledger_step(b->ledger, ev, actions);
	for (uint32_t i = 0; i < actions->count; i++) {
		const struct action *a = &actions->at[i];

		if (a->kind == AC_APPEND)
			log_outcome(a);
		else if (a->kind == AC_SEND && a->msg.word == MSG_REQUEST &&
		    a->msg.verb == VERB_UP_REGISTER)
			links_registering(b->links, a->peer, a->msg.tag);
	}
}

static bool
more(const void *ctx)
{
	return ledger_more(((const struct bankd *)ctx)->ledger);
}

static int64_t
next_ns(const void *ctx)
{
	return ledger_next_ns(((const struct bankd *)ctx)->ledger);
}

static void
deliver(void *ctx, struct peer peer, const char *line, size_t len)
{
	struct bankd *b = ctx;

	if (peer.slot < links_count(b->links))
		links_deliver(b->links, peer, line, len);
	else
		operators_deliver(b->server.operators, peer, line, len);
}

static void
close_peer(void *ctx, struct peer peer, const char *why)
{
	struct bankd *b = ctx;

	if (peer.slot < links_count(b->links))
		links_close(b->links, peer, why);
	else
		operators_close(b->server.operators, peer, why);
}

static const struct turn_ops turn_ops = {
    .step = step,
    .more = more,
    .next_ns = next_ns,
    .deliver = deliver,
    .close = close_peer,
};

/* ---- Start ---- */

static bool
journal_exists(const struct config *c)
{
	char path[PATH_MAX];
	struct stat st;
	int len = snprintf(
	    path, sizeof(path), "%s/" FIRST_SEGMENT, c->settings.journal_dir);

	return len > 0 && (size_t)len < sizeof(path) && stat(path, &st) == 0;
}

/* The opening accounts, or exit 78 with the line that is wrong. */
static struct openings *
read_openings(const struct config *c)
{
	struct openings *openings;
	struct yaml_error error;

	if (openings_read(&openings, c->accounts, str_from(c->bank),
		c->accounts_max, &error) < 0)
		fatal_plain(EXIT_CONFIG, "%s", error.text);
	return openings;
}

/* Where strife-authd is, once the customers file has passed it; or NULL. */
static char *
test_customers(const struct config *c)
{
	return c->customers == NULL ? NULL : checker_find(c->customers, true);
}

/* -t: everything that a start would look at; changes nothing. */
_Noreturn static void
test_only(struct bankd *b)
{
	const struct config *c = &b->config;

	server_read_tls(&b->server, TLS_ROLE_BANK, c->bank);
	free(test_customers(c));
	server_test_directories(&b->server);
	/* A bank that was loaded no longer needs its opening accounts. */
	if (c->accounts != NULL &&
	    (!journal_exists(c) || access(c->accounts, F_OK) == 0))
		openings_free(read_openings(c));
	printf("%s: ok\n", b->server.options.config);
	server_free(&b->server);
	config_free(&b->config);
	exit(EXIT_OK);
}

static struct ledger *
make_ledger(const struct config *c)
{
	struct ledger_conf conf = {
	    .accounts_max = (uint32_t)c->accounts_max,
	    .in_flight_max = (uint32_t)c->settings.in_flight,
	    .gateways_max = (uint32_t)c->gateways_max,
	    .queries_max = (uint32_t)c->queries_max,
	    .remembered_max = (uint64_t)c->settings.remembered,
	    .resolve_ns = c->resolve_ns,
	};
	struct ledger *ledger;

	CHECK(str_copy(conf.bank, sizeof(conf.bank), str_from(c->bank)));
	digest_random(&conf.key, sizeof(conf.key));
	digest_random(&conf.jitter_seed, sizeof(conf.jitter_seed));
	ledger = ledger_new(&conf);
	if (ledger == NULL)
		fatal(EXIT_CONFIG,
		    "not enough memory for limits.accounts, "
		    "payments.in_flight and payments.remembered");
	return ledger;
}

static bool
snapshot_lines(const void *ctx, snapshot_line *line, void *line_ctx)
{
	return ledger_snapshot(
	    ((const struct bankd *)ctx)->ledger, line, line_ctx);
}

static void
renew(void *ctx)
{
	struct bankd *b = ctx;

	ledger_free(b->ledger);
	b->ledger = make_ledger(&b->config);
}

static const struct server_core core = {
    .note = ledger_note,
    .lines = snapshot_lines,
    .renew = renew,
};

/* Replays the journal and, where it has none yet, writes the first accounts. */
static void
open_books(struct bankd *b)
{
	const struct config *c = &b->config;
	struct server *s = &b->server;
	struct openings *openings = NULL;
	struct yaml_error error;

	/* A mistake in the file is found before anything is written. */
	if (!journal_exists(c))
		openings = read_openings(c);
	server_open_journal(s, SIDE_BANK_JOURNAL, "bankd", c->bank, &core);
	ledger_set_journal(b->ledger, journal_uuid(s->journal));
	if (openings == NULL && !ledger_loaded(b->ledger))
		openings = read_openings(c);
	turn_start(s->turn, s->journal);
	if (!ledger_loaded(b->ledger)) {
		if (openings_load(
			openings, b->ledger, s->turn, s->journal, &error) < 0)
			fatal_plain(EXIT_CONFIG, "%s", error.text);
		log_info("opening accounts loaded",
		    LOG_U("accounts", openings_count(openings)));
	}
	openings_free(openings);
	log_info("journal open", LOG_U("boot", ledger_boot(b->ledger)),
	    LOG_U("seq", journal_last_seq(s->journal)),
	    LOG_U("in_doubt", ledger_prepared(b->ledger)));
}

static void
checked(void *ctx, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct bankd *b = ctx;

	logins_checked(b->logins, cookie, outcome, rights);
}

static void
start_checker(struct bankd *b, char *program)
{
	if (program == NULL)
		return;
	if (checker_new(&b->checker, b->server.loop, program,
		b->config.customers, true, (uint32_t)b->config.logins_max,
		checked, b) < 0)
		fatal(EXIT_OSERR, "cannot start %s: %s", program,
		    strerror(errno));
	free(program);
}

/* ---- Running ---- */

/*
 * SIGHUP: certificates, customers, the log's level, and a new try at every
 * gateway.
 */
static void
reload(void *ctx)
{
	struct bankd *b = ctx;
	struct config fresh;
	struct yaml_error error;
	bool good;

	if (config_read(&fresh, b->server.options.config, &error) < 0) {
		log_error("the configuration is not reloaded",
		    LOG_C("error", error.text));
		return;
	}
	good = server_reload(&b->server, &fresh.settings);
	config_free(&fresh);
	if (!good)
		return;
	links_recheck(b->links);
	if (b->checker != NULL)
		checker_reload(b->checker);
	links_retry(b->links);
	log_info("reloaded");
}

/* For whoever asks the manager how the bank is doing. */
static void
figures(const void *ctx, char text[SUPERVISOR_STATUS_SIZE])
{
	const struct bankd *b = ctx;

	(void)snprintf(text, SUPERVISOR_STATUS_SIZE,
	    "serving: registered with %" PRIu32 " of %" PRIu32
	    " gateways; %" PRIu32 " payments prepared; journal at %" PRIu64,
	    links_registered(b->links), links_count(b->links),
	    ledger_prepared(b->ledger), journal_last_seq(b->server.journal));
}

static void
drop(const struct server *s)
{
	const struct bankd *b = s->ctx;

	links_drop(b->links);
}

static bool
nobody_is_left(const struct server *s)
{
	const struct bankd *b = s->ctx;

	return links_idle(b->links) && operators_connected(s->operators) == 0;
}

static void
free_all(struct bankd *b)
{
	checker_free(b->checker);
	links_free(b->links);
	logins_free(b->logins);
	server_free(&b->server);
	ledger_free(b->ledger);
	config_free(&b->config);
}

int
main(int argc, char **argv)
{
	struct bankd b = {.ledger = NULL};
	struct server *s = &b.server;
	struct yaml_error error;
	char *authd;

	server_init(s, argc, argv, PROGRAM, help, false);
	if (config_read(&b.config, s->options.config, &error) < 0)
		fatal(EXIT_CONFIG, "%s", error.text);
	server_configured(s, &b.config.settings);
	if (s->options.test_only)
		test_only(&b);
	server_read_tls(s, TLS_ROLE_BANK, b.config.bank);
	authd = test_customers(&b.config);
	b.ledger = make_ledger(&b.config);
	server_start(s, &turn_ops, reload, &b);
	open_books(&b);
	start_checker(&b, authd);
	b.logins = logins_new(&b);
	b.links = links_new(&b);
	if (b.logins == NULL || b.links == NULL)
		fatal(EXIT_OSERR, "out of memory");
	control_open(&b);
	daemon_ready("ready bank=%s", b.config.bank);
	server_run(s, figures);
	links_stop(b.links);
	server_end(s, nobody_is_left, drop);
	free_all(&b);
	return EXIT_OK;
}
