#include "turn/server.h"

#include <bsd/string.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"

#define ERROR_MAX 1024
/* What peers have to take our last lines once we are told to stop. */
#define STOP_NS (5 * NS_PER_S)
/* A connection that is dropped is gone in the next turn. */
#define DROP_TURNS_MAX 16

void
server_init(struct server *s, int argc, char **argv, const char *program,
    const char *help, bool has_restored)
{
	memset(s, 0, sizeof(*s));
	s->program = program;
	s->started_ns = clock_mono_ns();
	TAILQ_INIT(&s->talks);
	supervisor_init(&s->supervisor);
	daemon_options(&s->options, argc, argv, program, help, has_restored);
	daemon_hygiene();
}

void
server_configured(struct server *s, const struct settings *settings)
{
	s->settings = settings;
	if (!s->options.test_only)
		log_init(s->program,
		    s->options.debug ? LOG_LEVEL_DEBUG : settings->log_level);
	daemon_drop(&s->options, settings->user);
}

/* ---- What a start looks at ---- */

void
server_read_tls(struct server *s, enum tls_role role, const char *name)
{
	char error[ERROR_MAX];

	if (certificates_read(&s->certificates, s->settings, role, name, error,
		sizeof(error)) < 0)
		fatal_plain(EXIT_CONFIG, "%s", error);
}

/* The directory that path lies in, in place. */
static void
cut_to_directory(char *path)
{
	const char *directory = dirname(path);

	if (directory != path)
		memmove(path, directory, strlen(directory) + 1);
}

static void
copy_path(const char *key, const char *path, char into[PATH_MAX])
{
	if (strlcpy(into, path, PATH_MAX) >= PATH_MAX)
		fatal(EXIT_CONFIG, "%s: the path is too long", key);
}

/* Could a file be made in this directory, or the directory itself be made? */
static void
test_writable(const char *key, char *path)
{
	struct stat st;

	while (stat(path, &st) < 0) {
		if (errno != ENOENT)
			fatal(EXIT_CONFIG, "%s: %s: %s", key, path,
			    strerror(errno));
		cut_to_directory(path);
	}
	if (!S_ISDIR(st.st_mode))
		fatal(EXIT_CONFIG, "%s: %s is not a directory", key, path);
	if (access(path, W_OK | X_OK) < 0)
		fatal(EXIT_CONFIG, "%s: %s: %s", key, path, strerror(errno));
}

void
server_test_directories(const struct server *s)
{
	char path[PATH_MAX];

	copy_path("journal.dir", s->settings->journal_dir, path);
	test_writable("journal.dir", path);
	copy_path("control", s->settings->control, path);
	cut_to_directory(path);
	test_writable("control", path);
}

/* ---- The start ---- */

static void
take_stop(void *ctx, int signo)
{
	struct server *s = ctx;

	(void)signo;
	s->stopping = true;
}

static void
take_reload(void *ctx, int signo)
{
	struct server *s = ctx;

	(void)signo;
	notify_reloading();
	s->reload(s->ctx);
	notify_send("READY=1");
}

void
server_start(struct server *s, const struct turn_ops *ops,
    void (*reload)(void *ctx), void *ctx)
{
	s->reload = reload;
	s->ctx = ctx;
	if (loop_new(&s->loop) < 0)
		fatal(EXIT_OSERR, "cannot make an event loop: %s",
		    strerror(errno));
	if (loop_signal(s->loop, SIGTERM, take_stop, s) < 0 ||
	    loop_signal(s->loop, SIGINT, take_stop, s) < 0 ||
	    loop_signal(s->loop, SIGHUP, take_reload, s) < 0)
		fatal(EXIT_OSERR, "cannot catch signals: %s", strerror(errno));
	certificates_watch(&s->certificates, s->loop);
	s->turn = turn_new(ops, ctx, ctx);
	if (s->turn == NULL)
		fatal(EXIT_OSERR, "out of memory");
}

static bool
replay(void *ctx, const struct record *record, char *error, size_t error_size)
{
	struct server *s = ctx;

	supervisor_replayed(&s->supervisor);
	return turn_replay(s->turn, record, error, error_size);
}

static bool
remember(void *ctx, const struct id_note *note, char *error, size_t error_size)
{
	struct server *s = ctx;

	supervisor_replayed(&s->supervisor);
	return turn_remember(s->turn, note, error, error_size);
}

static bool
restore(void *ctx, const struct msg *line, char *error, size_t error_size)
{
	struct server *s = ctx;

	supervisor_replayed(&s->supervisor);
	return turn_restore(s->turn, line, error, error_size);
}

static void
renew(void *ctx)
{
	struct server *s = ctx;

	s->core->renew(s->ctx);
}

static bool
lines(const void *ctx, snapshot_line *line, void *line_ctx)
{
	const struct server *s = ctx;

	return s->core->lines(s->ctx, line, line_ctx);
}

void
server_open_journal(struct server *s, enum side side, const char *component,
    const char *name, const struct server_core *core)
{
	const struct journal_core journal_core = {
	    .note = core->note,
	    .remember = remember,
	    .restore = restore,
	    .renew = renew,
	    .lines = lines,
	};
	const struct journal_conf conf = {
	    .dir = s->settings->journal_dir,
	    .side = side,
	    .component = str_from(component),
	    .name = str_from(name),
	    .segment_octets = s->settings->journal_segment,
	    .reserve_octets = s->settings->reserve_octets,
	    .core = &s->journal_core,
	};
	char error[ERROR_MAX] = "";

	s->core = core;
	s->journal_core = journal_core;

	switch (
	    journal_open(&s->journal, &conf, replay, s, error, sizeof(error))) {
	case JOURNAL_OPENED:
		snapshots_init(&s->snapshots, s->loop, s->turn, s->journal,
		    s->settings->journal_snapshot);
		return;
	case JOURNAL_LOCKED:
		fatal(EXIT_TEMPFAIL, "%s", error);
	case JOURNAL_CORRUPT:
		fatal(turn_misfit(s->turn) ? EXIT_CONFIG : EXIT_DATA, "%s",
		    error);
	case JOURNAL_UNUSABLE:
		fatal(EXIT_CONFIG, "%s", error);
	}
}

void
server_open_control(struct server *s, struct operators_conf *conf)
{
	char directory[PATH_MAX];

	conf->path = s->settings->control;
	conf->handshake_ns = s->settings->handshake_ns;
	conf->idle_ns = s->settings->idle_ns;
	copy_path("control", conf->path, directory);
	cut_to_directory(directory);
	if (file_mkdirs(directory, 0750) < 0 ||
	    operators_new(&s->operators, s->loop, s->turn, &s->talks, conf) < 0)
		fatal(EXIT_CONFIG, "control: %s: %s", conf->path,
		    strerror(errno));
}

/* ---- Running ---- */

/* Before answers leave and before a wait; what it tells of is durable. */
static void
write_log(const struct server *s)
{
	if (!journal_dirty(s->journal))
		log_flush();
}

static void
run_turn(struct server *s, int64_t until_ns)
{
	int64_t next_ns = turn_next_ns(s->turn);
	int64_t due_ns = supervisor_next_ns(&s->supervisor);

	write_log(s);
	if (due_ns < next_ns)
		next_ns = due_ns;
	if (loop_turn(s->loop, next_ns < until_ns ? next_ns : until_ns) < 0)
		fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	snapshots_turn(&s->snapshots);
	turn_end(s->turn);
	write_log(s);
	talks_after_turn(&s->talks);
	supervisor_turn(&s->supervisor, clock_mono_ns(), s->journal);
}

void
server_run(struct server *s, supervisor_figures *figures)
{
	supervisor_serving(&s->supervisor, figures, s->ctx);
	log_keep();
	while (!s->stopping)
		run_turn(s, INT64_MAX);
	log_info("stopping");
	supervisor_stopping(&s->supervisor);
}

void
server_run_until(
    struct server *s, bool (*done)(const struct server *), int64_t limit_ns)
{
	int64_t deadline_ns = clock_mono_ns() + limit_ns;

	supervisor_waits(limit_ns);
	s->stopping = false;
	while (!s->stopping && !done(s) && clock_mono_ns() < deadline_ns)
		run_turn(s, deadline_ns);
}

void
server_end(struct server *s, bool (*gone)(const struct server *),
    void (*drop)(const struct server *))
{
	operators_stop(s->operators);
	while (journal_dirty(s->journal))
		turn_end(s->turn);
	talks_after_turn(&s->talks);
	server_run_until(s, gone, STOP_NS);
	if (gone(s))
		return;
	/* Nobody is waited for any more, but each is to see his end. */
	operators_drop(s->operators);
	drop(s);
	for (uint32_t i = 0; i < DROP_TURNS_MAX && !gone(s); i++)
		run_turn(s, 0);
}

bool
server_reload(struct server *s, const struct settings *fresh)
{
	char error[ERROR_MAX];

	if (certificates_reload(&s->certificates, fresh, error, sizeof(error)) <
	    0) {
		log_error("the certificates are not reloaded: those read "
			  "before stay",
		    LOG_C("error", error));
		return false;
	}
	if (!s->options.debug)
		log_set_level(fresh->log_level);
	return true;
}

void
server_free(struct server *s)
{
	operators_free(s->operators);
	snapshots_stop(&s->snapshots);
	/* The lock goes last but for memory: nobody else may open it before. */
	journal_close(s->journal);
	turn_free(s->turn);
	certificates_free(&s->certificates);
	loop_free(s->loop);
	log_end();
}
