/*
 * strife-authd: owns the users file and checks passwords, one after another
 * and slowly on purpose, for the daemon at the other end of its standard input
 * and output. The only process that sees password hashes.
 */
#include <bsd/readpassphrase.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/password.h"
#include "auth/users.h"
#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/version.h"
#include "wire/msg.h"
#include "wire/reader.h"

static const char help[] =
    "usage: strife-authd -u USERS [-d] [-t] [--local]\n"
    "       strife-authd hash [--cost N]\n"
    "       strife-authd -V | -h\n"
    "\n"
    "Checks passwords for strife-gatewayd or strife-bankd, which start it.\n"
    "\n"
    "  -u, --users FILE  the users file, see strife-users(5)\n"
    "      --local       a bank's customers: accounts are NAMEs\n"
    "  -t, --test        check the file and exit\n"
    "  -d, --debug       log more\n"
    "  hash              read a password, print its crypt(3) string\n"
    "      --cost N      yescrypt's cost, 1 to 11 (default 5)\n"
    "  -V, --version     print the version and exit\n"
    "  -h, --help        print this and exit\n";

_Noreturn static void
usage(void)
{
	fputs("usage: strife-authd -u USERS [-d] [-t] [--local]\n"
	      "       strife-authd hash [--cost N]\n"
	      "       strife-authd -V | -h\n",
	    stderr);
	exit(EXIT_USAGE);
}

_Noreturn static void
printed(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		fatal(EXIT_OSERR, "cannot write to standard output: %s",
		    strerror(errno));
	exit(EXIT_OK);
}

/*
 * As daemon_hygiene, but standard input and output are the daemon's socket and
 * stay.
 */
static void
hygiene(void)
{
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	closefrom(STDERR_FILENO + 1);
	if (privileges_no_core() != 0)
		fatal(EXIT_OSERR, "cannot turn core dumps off: %s",
		    strerror(errno));
	if (privileges_no_new() != 0)
		fatal(EXIT_OSERR, "cannot give privileges up: %s",
		    strerror(errno));
}

/* ---- hash ---- */

static size_t
ask_password(char *into, size_t size)
{
	char again[PASSWORD_MAX_LEN + 2];
	bool same;

	if (readpassphrase("Password: ", into, size, RPP_REQUIRE_TTY) == NULL ||
	    readpassphrase("Password again: ", again, sizeof(again),
		RPP_REQUIRE_TTY) == NULL)
		fatal(EXIT_DATA, "no password was given");
	same = strcmp(into, again) == 0;
	explicit_bzero(again, sizeof(again));
	if (!same) {
		explicit_bzero(into, size);
		fatal(EXIT_DATA, "the two passwords differ");
	}
	return strlen(into);
}

/* One line, read octet by octet so that no stdio buffer keeps a copy. */
static size_t
read_password(char *into, size_t size)
{
	size_t len = 0;
	char octet;

	while (len < size - 1) {
		ssize_t got = read(STDIN_FILENO, &octet, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			fatal(EXIT_OSERR, "cannot read standard input: %s",
			    strerror(errno));
		if (got == 0 || octet == '\n')
			break;
		into[len++] = octet;
	}
	into[len] = '\0';
	return len;
}

_Noreturn static void
hash_command(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"cost", required_argument, NULL, 'c'},
	    {NULL, 0, NULL, 0},
	};
	char password[PASSWORD_MAX_LEN + 2], hash[PASSWORD_HASH_MAX];
	unsigned cost = PASSWORD_COST_STANDARD;
	const char *problem = NULL;
	struct str text;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option != 'c')
			usage();
		cost = (unsigned)strtonum(
		    optarg, PASSWORD_COST_MIN, PASSWORD_COST_MAX, &problem);
		if (problem != NULL) {
			fprintf(stderr,
			    "strife-authd: --cost must be from %d to %d\n",
			    PASSWORD_COST_MIN, PASSWORD_COST_MAX);
			usage();
		}
	}
	if (optind != argc)
		usage();
	text.at = password;
	text.len = (uint32_t)(isatty(STDIN_FILENO)
		? ask_password(password, sizeof(password))
		: read_password(password, sizeof(password)));
	/* What LOGIN cannot carry would lock its user out. */
	if (text.len == 0 || text.len > PASSWORD_MAX_LEN || !text_valid(text)) {
		explicit_bzero(password, sizeof(password));
		fatal(EXIT_DATA,
		    "a password is 1 to %d octets of UTF-8 without control "
		    "characters",
		    PASSWORD_MAX_LEN);
	}
	if (password_hash(text, cost, hash) < 0)
		fatal(EXIT_OSERR, "cannot make a hash: %s", strerror(errno));
	explicit_bzero(password, sizeof(password));
	if (printf("%s\n", hash) < 0)
		fatal(EXIT_OSERR, "cannot write to standard output: %s",
		    strerror(errno));
	printed();
}

/* ---- Serving ---- */

struct server {
	const char *path;
	bool local;
	struct users *users;
	int hangup_fd;
	struct line_reader reader;
	size_t in_len;
	char in[2 * LINE_MAX_LEN];
	char out[LINE_MAX_LEN];
	struct line line;
	struct msg request, reply;
};

/* The hashes are slow to guess, yet nobody else needs to see them. */
static void
warn_exposed(const char *path)
{
	if (users_exposed(path))
		log_warn("the users file is open to group or others: "
			 "chmod 600 it",
		    LOG_C("file", path));
}

static void
reload(struct server *s)
{
	struct yaml_error error;
	struct users *users;

	if (users_open(&users, s->path, s->local, &error) < 0) {
		log_error("the users file is bad: the one read before stays",
		    LOG_C("error", error.text));
		return;
	}
	users_free(s->users);
	s->users = users;
	warn_exposed(s->path);
	log_info("users file read again", LOG_C("file", s->path),
	    LOG_U("users", users_count(users)));
}

static void
reload_if_asked(struct server *s)
{
	struct signalfd_siginfo info;

	if (read(s->hangup_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		reload(s);
}

/* The daemon has gone when nothing can be written to it any more. */
static void
write_reply(struct server *s)
{
	size_t len = msg_encode(&s->reply, s->out);

	/* A field's name comes from the peer and may not be a word. */
	if (len == 0 && msg_has(&s->reply, field)) {
		s->reply.have &= ~MSG_BIT(KEY_field);
		len = msg_encode(&s->reply, s->out);
	}
	if (len == 0)
		fatal(EXIT_PROTOCOL, "a reply cannot be written");
	if (file_write_all(STDOUT_FILENO, s->out, len) < 0)
		exit(EXIT_OK);
}

static void
reply_error(
    struct server *s, enum code code, struct str field, const char *text)
{
	msg_error(&s->reply, VERB_UNKNOWN, s->line.tag, code, text);
	if (field.len > 0)
		msg_set_str(&s->reply, KEY_field, field);
	write_reply(s);
}

static void
reply_user(struct server *s, const struct user *user)
{
	if (user == NULL) {
		reply_error(s, CODE_BAD_CREDENTIALS, STR_NONE,
		    "unknown user, wrong password or certificate");
		return;
	}
	msg_init(&s->reply, MSG_OK, s->request.verb, s->line.tag);
	msg_set_str(&s->reply, KEY_user, str_from(user->name));
	msg_set_str(&s->reply, KEY_roles, str_from(user->roles));
	msg_set_str(&s->reply, KEY_accounts, str_from(user->accounts));
	msg_set_str(&s->reply, KEY_acts_for, str_from(user->acts_for));
	write_reply(s);
}

static void
serve_request(struct server *s)
{
	struct msg_problem problem;
	const struct value *v = s->request.v;

	switch (msg_request(&s->request, &s->line, SIDE_AUTH, &problem)) {
	case LINE_UNKNOWN_VERB:
		reply_error(s, CODE_UNKNOWN_VERB, STR_NONE, "unknown verb");
		return;
	case LINE_BAD_FIELD:
	case LINE_SHAPE:
	case LINE_LONG:
		reply_error(s, CODE_BAD_REQUEST, problem.field, problem.text);
		return;
	case LINE_OK:
		break;
	}
	if (s->request.verb == VERB_AUTH_CHECK)
		reply_user(s,
		    users_password(
			s->users, v[KEY_user].str, v[KEY_password].str));
	else
		reply_user(s,
		    users_certificate(
			s->users, v[KEY_user].str, v[KEY_certificate].str));
}

static void
serve_line(struct server *s, enum line_next next)
{
	if (next == LINE_NEXT_LINE)
		serve_request(s);
	else
		reply_error(s,
		    next == LINE_NEXT_BROKEN ? CODE_BAD_REQUEST
					     : CODE_LINE_TOO_LONG,
		    STR_NONE, s->line.problem);
	explicit_bzero(&s->line, sizeof(s->line));
	if (s->reader.broken >= BROKEN_LINES_MAX)
		fatal(EXIT_PROTOCOL, "%d broken lines: this is no daemon",
		    BROKEN_LINES_MAX);
}

/* False at the end of the input. */
static bool
serve_input(struct server *s)
{
	size_t used = 0;
	ssize_t got =
	    read(STDIN_FILENO, s->in + s->in_len, sizeof(s->in) - s->in_len);

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
		return false;
	s->in_len += (size_t)got;
	for (;;) {
		enum line_next next;

		reload_if_asked(s);
		next = line_next(&s->reader, &s->line, s->in, s->in_len, &used);
		if (next == LINE_NEXT_NONE)
			break;
		serve_line(s, next);
	}
	memmove(s->in, s->in + used, s->in_len - used);
	s->in_len -= used;
	/* Passwords that were answered. */
	explicit_bzero(s->in + s->in_len, sizeof(s->in) - s->in_len);
	return true;
}

_Noreturn static void
serve(struct server *s)
{
	struct pollfd fds[2] = {
	    {.fd = STDIN_FILENO, .events = POLLIN},
	    {.fd = s->hangup_fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			fatal(EXIT_OSERR, "poll: %s", strerror(errno));
		if (fds[1].revents != 0)
			reload_if_asked(s);
		if (fds[0].revents != 0 && !serve_input(s))
			break;
	}
	users_free(s->users);
	exit(EXIT_OK);
}

/*
 * SIGHUP is taken through a descriptor, so that a check is never interrupted.
 * A daemon's own SIGINT and SIGTERM reach its whole group; its checks are to
 * end when it closes the socket and not before.
 */
static void
take_signals(struct server *s)
{
	struct stat st;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	s->hangup_fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0
	    ? signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)
	    : -1;
	if (s->hangup_fd < 0)
		fatal(EXIT_OSERR, "signalfd: %s", strerror(errno));
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISSOCK(st.st_mode)) {
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
	}
}

/* ---- Start ---- */

struct options {
	const char *users;
	bool local, test, debug;
};

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"users", required_argument, NULL, 'u'},
	    {"local", no_argument, NULL, 'l'},
	    {"test", no_argument, NULL, 't'},
	    {"debug", no_argument, NULL, 'd'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "u:tdVh", longs, NULL)) != -1)
		switch (option) {
		case 'u':
			o->users = optarg;
			break;
		case 'l':
			o->local = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'V':
			puts("strife-authd " STRIFE_VERSION);
			printed();
		case 'h':
			fputs(help, stdout);
			printed();
		default: /* getopt_long has said what is wrong */
			usage();
		}
	if (optind < argc) {
		fprintf(stderr, "strife-authd: unexpected operand '%s'\n",
		    argv[optind]);
		usage();
	}
	if (o->users == NULL) {
		fputs("strife-authd: no users file: -u FILE\n", stderr);
		usage();
	}
}

int
main(int argc, char **argv)
{
	static struct server server;
	struct options options = {.users = NULL};
	struct yaml_error error;

	hygiene();
	if (argc > 1 && strcmp(argv[1], "hash") == 0)
		hash_command(argc - 1, argv + 1);
	parse_options(&options, argc, argv);
	server.path = options.users;
	server.local = options.local;
	log_init(
	    "strife-authd", options.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (!options.test)
		take_signals(&server);
	if (users_open(&server.users, server.path, server.local, &error) < 0) {
		if (!options.test)
			fatal(EXIT_CONFIG, "%s", error.text);
		/* FILE:LINE:COLUMN first, where editors look for it. */
		fprintf(stderr, "%s\n", error.text);
		return EXIT_CONFIG;
	}
	warn_exposed(server.path);
	if (options.test) {
		users_free(server.users);
		printf("%s: ok\n", server.path);
		printed();
	}
	log_debug("users file read", LOG_C("file", server.path),
	    LOG_U("users", users_count(server.users)));
	serve(&server);
}
