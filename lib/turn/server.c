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

void
server_init(struct server *s, int argc, char **argv, const char *program,
    const char *help, bool has_restored)
{
	memset(s, 0, sizeof(*s));
	s->program = program;
	s->started_ns = clock_mono_ns();
	TAILQ_INIT(&s->talks);
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
}

/* ---- What a start looks at ---- */

void
server_read_tls(struct server *s, enum tls_role role, const char *name)
{
	const struct settings *c = s->settings;
	const struct tls_files files = {
	    .ca = c->tls_ca,
	    .cert = c->tls_cert,
	    .key = c->tls_key,
	    .crl = c->tls_crl,
	};
	const char *word = role == TLS_ROLE_BANK ? "bank" : "gateway";
	const struct tls_identity *self;
	char error[ERROR_MAX];

	if (tls_new(&s->tls, &files, role == TLS_ROLE_GATEWAY, error,
		sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	self = tls_self(s->tls);
	if (self->role != role || strcmp(self->name, name) != 0)
		fatal(EXIT_CONFIG,
		    "%s: the certificate is not that of %s %s: its URI SAN "
		    "must be strife://%s/%s",
		    c->tls_cert, word, name, word, name);
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
	s->reload(s->ctx);
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
	s->turn = turn_new(ops, ctx, ctx);
	if (s->turn == NULL)
		fatal(EXIT_OSERR, "out of memory");
}

void
server_open_journal(
    struct server *s, enum side side, const char *component, const char *name)
{
	const struct journal_conf conf = {
	    .dir = s->settings->journal_dir,
	    .side = side,
	    .component = str_from(component),
	    .name = str_from(name),
	    .segment_octets = s->settings->journal_segment,
	    .reserve_octets = s->settings->reserve_octets,
	};
	char error[ERROR_MAX] = "";

	switch (journal_open(
	    &s->journal, &conf, turn_replay, s->turn, error, sizeof(error))) {
	case JOURNAL_OPENED:
		return;
	case JOURNAL_LOCKED:
		fatal(EXIT_TEMPFAIL, "%s", error);
	case JOURNAL_CORRUPT:
		fatal(EXIT_DATA, "%s", error);
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

static void
run_turn(struct server *s, int64_t until_ns)
{
	int64_t next_ns = turn_next_ns(s->turn);

	if (loop_turn(s->loop, next_ns < until_ns ? next_ns : until_ns) < 0)
		fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	turn_end(s->turn);
	talks_after_turn(&s->talks);
}

void
server_run(struct server *s)
{
	while (!s->stopping)
		run_turn(s, INT64_MAX);
	log_info("stopping");
	notify_send("STOPPING=1");
}

void
server_run_until(
    struct server *s, bool (*done)(const struct server *), int64_t limit_ns)
{
	int64_t deadline_ns = clock_mono_ns() + limit_ns;

	s->stopping = false;
	while (!s->stopping && !done(s) && clock_mono_ns() < deadline_ns)
		run_turn(s, deadline_ns);
}

void
server_end(struct server *s, bool (*gone)(const struct server *))
{
	operators_stop(s->operators);
	while (journal_dirty(s->journal))
		turn_end(s->turn);
	talks_after_turn(&s->talks);
	server_run_until(s, gone, STOP_NS);
}

void
server_set_level(const struct server *s, enum log_level level)
{
	if (!s->options.debug)
		log_set_level(level);
}

void
server_free(struct server *s)
{
	operators_free(s->operators);
	/* The lock goes last but for memory: nobody else may open it before. */
	journal_close(s->journal);
	turn_free(s->turn);
	tls_free(s->tls);
	loop_free(s->loop);
}
