/*
 * The skeleton of gatewayd and bankd: options, what a start looks at, the
 * event loop with its turns, signals, draining. A daemon calls these from its
 * main() in the order in which they stand here; what is wrong at the start is
 * the operator's problem, said and exited with (base/exitcode.h).
 */
#ifndef STRIFE_TURN_SERVER_H
#define STRIFE_TURN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/daemon.h"
#include "base/loop.h"
#include "base/tls.h"
#include "journal/journal.h"
#include "turn/operators.h"
#include "turn/settings.h"
#include "turn/talk.h"
#include "turn/turn.h"

struct server {
	const char *program; /* "strife-bankd" */
	struct daemon_options options;
	const struct settings *settings;
	int64_t started_ns;
	struct tls *tls;
	struct loop *loop;
	struct turn *turn;
	struct journal *journal;
	struct talks talks; /* connections to be looked at after the turn */
	struct operators *operators;
	bool stopping;             /* SIGTERM or SIGINT came */
	void (*reload)(void *ctx); /* SIGHUP came */
	void *ctx;                 /* the daemon */
};

/* Options, as daemon_options; then hygiene. */
void server_init(struct server *, int argc, char **argv, const char *program,
    const char *help, bool has_restored);
/* The configuration was read: borrows it. From here on there is a log. */
void server_configured(struct server *, const struct settings *);

/* ---- What a start looks at before it changes anything, as does -t ---- */
/* Reads certificates: ours must be that of the role and name. */
void server_read_tls(struct server *, enum tls_role, const char *name);
/* Could the journal and the control socket be made? */
void server_test_directories(const struct server *);

/* ---- The start ---- */
/* Loop, signals and turn; ctx, the daemon, is the turn's core and ctx too. */
void server_start(struct server *, const struct turn_ops *,
    void (*reload)(void *ctx), void *ctx);
/* Opens the journal and replays it into the core. */
void server_open_journal(
    struct server *, enum side, const char *component, const char *name);
/* conf's path and times are taken from the settings. */
void server_open_control(struct server *, struct operators_conf *conf);

/* ---- Running ---- */
/* Turns until SIGTERM or SIGINT, then says that it stops. */
void server_run(struct server *);
/* Turns until done, or for limit_ns at most; a second signal ends the wait. */
void server_run_until(
    struct server *, bool (*done)(const struct server *), int64_t limit_ns);
/*
 * The daemon has ended its talks: so are the operators'; what there is becomes
 * durable and is written, and for a few seconds peers may take it, until gone.
 */
void server_end(struct server *, bool (*gone)(const struct server *));
/* SIGHUP brought another level; -d is stronger. */
void server_set_level(const struct server *, enum log_level);
/* All of it but the settings; the core is not used any more. */
void server_free(struct server *);

#endif
