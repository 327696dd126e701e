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
#include "journal/journal.h"
#include "turn/certificates.h"
#include "turn/operators.h"
#include "turn/settings.h"
#include "turn/snapshots.h"
#include "turn/supervisor.h"
#include "turn/talk.h"
#include "turn/turn.h"

/* The daemon's core, as a snapshot of it is taken; ctx is the daemon. */
struct server_core {
	bool (*note)(const struct record *, struct id_note *);
	bool (*lines)(const void *ctx, snapshot_line *line, void *line_ctx);
	void (*renew)(void *ctx); /* makes an empty one in its place */
};

struct server {
	const char *program; /* "strife-bankd" */
	struct daemon_options options;
	const struct settings *settings;
	int64_t started_ns;
	struct certificates certificates;
	struct loop *loop;
	struct turn *turn;
	struct journal *journal;
	struct talks talks; /* connections to be looked at after the turn */
	struct operators *operators;
	const struct server_core *core;
	struct journal_core journal_core; /* what the journal asks of it */
	struct snapshots snapshots;
	struct supervisor supervisor;
	bool stopping;             /* SIGTERM or SIGINT came */
	void (*reload)(void *ctx); /* SIGHUP came */
	void *ctx;                 /* the daemon */
};

/* Options, as daemon_options; then hygiene. */
void server_init(struct server *, int argc, char **argv, const char *program,
    const char *help, bool has_restored);
/*
 * The configuration was read: borrows it. From here on there is a log, and the
 * daemon runs as the user that it names.
 */
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
/* Opens the journal and fills the core, by a snapshot where there is one. */
void server_open_journal(struct server *, enum side, const char *component,
    const char *name, const struct server_core *);
/* conf's path and times are taken from the settings. */
void server_open_control(struct server *, struct operators_conf *conf);

/* ---- Running ---- */
/*
 * Turns until SIGTERM or SIGINT, then says that it stops. Meanwhile figures,
 * given the daemon, tell the manager that runs it how it is doing.
 */
void server_run(struct server *, supervisor_figures *figures);
/* Turns until done, or for limit_ns at most; a second signal ends the wait. */
void server_run_until(
    struct server *, bool (*done)(const struct server *), int64_t limit_ns);
/*
 * The daemon has ended its talks: so are the operators'; what there is becomes
 * durable and is written, and for a few seconds peers may take it, until gone.
 * A signal ends that, too; whoever is left then is dropped.
 */
void server_end(struct server *, bool (*gone)(const struct server *),
    void (*drop)(const struct server *));
/*
 * SIGHUP: uses the certificates and the log's level of settings that were read
 * again (-d is stronger). False: the certificates are bad, which is logged, and
 * nothing is changed.
 */
bool server_reload(struct server *, const struct settings *fresh);
/* All of it but the settings; the core is not used any more. */
void server_free(struct server *);

#endif
