/*
 * strife-bankd: one bank. Sockets, disk and time become events for the ledger,
 * which decides; what it asks for is carried out by lib/turn.
 */
#include "bankd.h"

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/digest.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "control.h"
#include "links.h"
#include "load.h"
#include "wire/money.h"

#define PROGRAM "strife-bankd"
#define FIRST_SEGMENT "00000001.journal"
#define ERROR_MAX 1024
/* What peers have to take our last lines once we are told to stop. */
#define STOP_NS (5 * NS_PER_S)

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
		control_deliver(b->control, peer, line, len);
}

static void
close_peer(void *ctx, struct peer peer, const char *why)
{
	struct bankd *b = ctx;

	if (peer.slot < links_count(b->links))
		links_close(b->links, peer, why);
	else
		control_close(b->control, peer, why);
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
	int len =
	    snprintf(path, sizeof(path), "%s/" FIRST_SEGMENT, c->journal_dir);

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
		fatal(EXIT_CONFIG, "%s", error.text);
	return openings;
}

static void
read_tls(struct bankd *b)
{
	const struct config *c = &b->config;
	const struct tls_files files = {
	    .ca = c->tls_ca,
	    .cert = c->tls_cert,
	    .key = c->tls_key,
	    .crl = c->tls_crl,
	};
	const struct tls_identity *self;
	char error[ERROR_MAX];

	if (tls_new(&b->tls, &files, false, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	self = tls_self(b->tls);
	if (self->role != TLS_ROLE_BANK || strcmp(self->name, c->bank) != 0)
		fatal(EXIT_CONFIG,
		    "%s: the certificate is not that of bank %s: its URI SAN "
		    "must be strife://bank/%s",
		    c->tls_cert, c->bank, c->bank);
}

/* Where strife-authd is, once the customers file has passed it; or NULL. */
static char *
test_customers(const struct config *c)
{
	char error[ERROR_MAX], *program;

	if (c->customers == NULL)
		return NULL;
	program = daemon_sibling("strife-authd");
	if (program == NULL)
		fatal(EXIT_CONFIG,
		    "customers: cannot find strife-authd beside this program");
	if (checker_test(program, c->customers, true, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	return program;
}

/* Could a file be made in this directory, or the directory itself be made? */
static void
test_writable(const char *key, const char *directory)
{
	char path[PATH_MAX], *parent;
	struct stat st;

	if (strlcpy(path, directory, sizeof(path)) >= sizeof(path))
		fatal(EXIT_CONFIG, "%s: the path is too long", key);
	while (stat(path, &st) < 0) {
		if (errno != ENOENT)
			fatal(EXIT_CONFIG, "%s: %s: %s", key, path,
			    strerror(errno));
		parent = dirname(path);
		memmove(path, parent, strlen(parent) + 1);
	}
	if (!S_ISDIR(st.st_mode))
		fatal(EXIT_CONFIG, "%s: %s is not a directory", key, path);
	if (access(path, W_OK | X_OK) < 0)
		fatal(EXIT_CONFIG, "%s: %s: %s", key, path, strerror(errno));
}

static void
test_directories(const struct config *c)
{
	char path[PATH_MAX];

	test_writable("journal.dir", c->journal_dir);
	if (strlcpy(path, c->control, sizeof(path)) >= sizeof(path))
		fatal(EXIT_CONFIG, "control: the path is too long");
	test_writable("control", dirname(path));
}

/* -t: everything that a start would look at; changes nothing. */
_Noreturn static void
test_only(struct bankd *b)
{
	const struct config *c = &b->config;

	read_tls(b);
	tls_free(b->tls);
	free(test_customers(c));
	test_directories(c);
	/* A bank that was loaded no longer needs its opening accounts. */
	if (c->accounts != NULL &&
	    (!journal_exists(c) || access(c->accounts, F_OK) == 0))
		openings_free(read_openings(c));
	printf("%s: ok\n", b->config_path);
	config_free(&b->config);
	exit(EXIT_OK);
}

static struct ledger *
make_ledger(const struct config *c)
{
	struct ledger_conf conf = {
	    .accounts_max = (uint32_t)c->accounts_max,
	    .in_flight_max = (uint32_t)c->in_flight,
	    .gateways_max = (uint32_t)c->gateways_max,
	    .queries_max = (uint32_t)c->queries_max,
	    .remembered_max = (uint64_t)c->remembered,
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

static void
open_journal(struct bankd *b)
{
	const struct config *c = &b->config;
	const struct journal_conf conf = {
	    .dir = c->journal_dir,
	    .side = SIDE_BANK_JOURNAL,
	    .component = STR("bankd"),
	    .name = str_from(c->bank),
	    .segment_octets = c->journal_segment,
	    .reserve_octets = c->reserve_octets,
	};
	char error[ERROR_MAX] = "";

	switch (journal_open(
	    &b->journal, &conf, turn_replay, b->turn, error, sizeof(error))) {
	case JOURNAL_OPENED:
		break;
	case JOURNAL_LOCKED:
		fatal(EXIT_TEMPFAIL, "%s", error);
	case JOURNAL_CORRUPT:
		fatal(EXIT_DATA, "%s", error);
	case JOURNAL_UNUSABLE:
		fatal(EXIT_CONFIG, "%s", error);
	}
	ledger_set_journal(b->ledger, journal_uuid(b->journal));
}

/* Replays the journal and, where it has none yet, writes the first accounts. */
static void
open_books(struct bankd *b)
{
	const struct config *c = &b->config;
	struct openings *openings = NULL;
	struct yaml_error error;

	/* A mistake in the file is found before anything is written. */
	if (!journal_exists(c))
		openings = read_openings(c);
	open_journal(b);
	if (openings == NULL && !ledger_loaded(b->ledger))
		openings = read_openings(c);
	turn_start(b->turn, b->journal);
	if (!ledger_loaded(b->ledger)) {
		if (openings_load(
			openings, b->ledger, b->turn, b->journal, &error) < 0)
			fatal(EXIT_CONFIG, "%s", error.text);
		log_info("opening accounts loaded",
		    LOG_U("accounts", openings_count(openings)));
	}
	openings_free(openings);
	log_info("journal open", LOG_U("boot", ledger_boot(b->ledger)),
	    LOG_U("seq", journal_last_seq(b->journal)),
	    LOG_U("in_doubt", ledger_prepared(b->ledger)));
}

static void
open_control(struct bankd *b)
{
	char path[PATH_MAX];

	if (strlcpy(path, b->config.control, sizeof(path)) >= sizeof(path))
		fatal(EXIT_CONFIG, "control: the path is too long");
	if (file_mkdirs(dirname(path), 0750) < 0 ||
	    control_new(&b->control, b, links_count(b->links)) < 0)
		fatal(EXIT_CONFIG, "control: %s: %s", b->config.control,
		    strerror(errno));
}

static void
checked(void *ctx, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct bankd *b = ctx;

	links_checked(b->links, cookie, outcome, rights);
}

static void
start_checker(struct bankd *b, char *program)
{
	if (program == NULL)
		return;
	if (checker_new(&b->checker, b->loop, program, b->config.customers,
		true, (uint32_t)b->config.logins_max, checked, b) < 0)
		fatal(EXIT_OSERR, "cannot start %s: %s", program,
		    strerror(errno));
	free(program);
}

/* ---- Signals ---- */

static void
stop(void *ctx, int signo)
{
	struct bankd *b = ctx;

	(void)signo;
	b->stopping = true;
}

/* SIGHUP: customers, the log's level, and a new try at every gateway. */
static void
reload(void *ctx, int signo)
{
	struct bankd *b = ctx;
	struct config fresh;
	struct yaml_error error;

	(void)signo;
	if (config_read(&fresh, b->config_path, &error) < 0) {
		log_error("the configuration is not reloaded",
		    LOG_C("error", error.text));
		return;
	}
	if (!b->debug)
		log_set_level(fresh.log_level);
	config_free(&fresh);
	if (b->checker != NULL)
		checker_reload(b->checker);
	links_retry(b->links);
	log_info("reloaded");
}

static void
catch_signals(struct bankd *b)
{
	if (loop_signal(b->loop, SIGTERM, stop, b) < 0 ||
	    loop_signal(b->loop, SIGINT, stop, b) < 0 ||
	    loop_signal(b->loop, SIGHUP, reload, b) < 0)
		fatal(EXIT_OSERR, "cannot catch signals: %s", strerror(errno));
}

/* ---- Running ---- */

static void
turn(struct bankd *b, int64_t until_ns)
{
	int64_t next = turn_next_ns(b->turn);

	if (loop_turn(b->loop, next < until_ns ? next : until_ns) < 0)
		fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	turn_end(b->turn);
	links_after_turn(b->links);
	control_after_turn(b->control);
}

/* Reads nothing more; what was accepted is made durable, told, and closed. */
static void
drain(struct bankd *b)
{
	int64_t deadline_ns = clock_mono_ns() + STOP_NS;

	log_info("stopping");
	notify_send("STOPPING=1");
	links_stop(b->links);
	control_stop(b->control);
	while (journal_dirty(b->journal))
		turn_end(b->turn);
	links_after_turn(b->links);
	control_after_turn(b->control);
	b->stopping = false;
	/* A second signal ends the wait for peers that take nothing. */
	while (!b->stopping && clock_mono_ns() < deadline_ns &&
	    !(links_idle(b->links) && control_idle(b->control)))
		turn(b, deadline_ns);
}

static void
free_all(struct bankd *b)
{
	/* The lock goes last but for memory: nobody else may open it before. */
	checker_free(b->checker);
	links_free(b->links);
	control_free(b->control);
	journal_close(b->journal);
	turn_free(b->turn);
	ledger_free(b->ledger);
	tls_free(b->tls);
	loop_free(b->loop);
	config_free(&b->config);
}

int
main(int argc, char **argv)
{
	struct bankd b = {.started_ns = clock_mono_ns()};
	struct daemon_options options;
	struct yaml_error error;
	char *authd;

	daemon_options(&options, argc, argv, PROGRAM, help, false);
	daemon_hygiene();
	b.config_path = options.config;
	b.debug = options.debug;
	if (config_read(&b.config, b.config_path, &error) < 0)
		fatal(EXIT_CONFIG, "%s", error.text);
	if (options.test_only)
		test_only(&b);
	log_init(PROGRAM, b.debug ? LOG_LEVEL_DEBUG : b.config.log_level);
	read_tls(&b);
	authd = test_customers(&b.config);
	if (loop_new(&b.loop) < 0)
		fatal(EXIT_OSERR, "cannot make an event loop: %s",
		    strerror(errno));
	catch_signals(&b);
	b.ledger = make_ledger(&b.config);
	b.turn = turn_new(&turn_ops, &b, &b);
	if (b.turn == NULL)
		fatal(EXIT_OSERR, "out of memory");
	open_books(&b);
	start_checker(&b, authd);
	b.links = links_new(&b);
	if (b.links == NULL)
		fatal(EXIT_OSERR, "out of memory");
	open_control(&b);
	daemon_ready("ready bank=%s", b.config.bank);
	while (!b.stopping)
		turn(&b, INT64_MAX);
	drain(&b);
	free_all(&b);
	return EXIT_OK;
}
