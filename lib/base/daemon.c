#include "base/daemon.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/privileges.h"
#include "base/version.h"

/* sd_listen_fds(3): the first descriptor that systemd passes. */
#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 1024

#define READY_LINE_MAX 1024
#define ERROR_MAX 256

/* ---- Options ---- */

_Noreturn static void
usage(const char *program, bool has_restored)
{
	fprintf(stderr,
	    "usage: %s -c FILE [-t] [-d]%s\n"
	    "       %s -V | -h\n",
	    program, has_restored ? " [--restored]" : "", program);
	exit(EXIT_USAGE);
}

/* Ends the program after what it was asked to print. */
_Noreturn static void
printed(const char *program)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: cannot write to standard output: %s\n",
		    program, strerror(errno));
		exit(EXIT_OSERR);
	}
	exit(EXIT_OK);
}

void
daemon_options(struct daemon_options *options, int argc, char **argv,
    const char *program, const char *help, bool has_restored)
{
	/* --restored comes first, so that it can be left out. */
	static const struct option longs[] = {
	    {"restored", no_argument, NULL, 'R'},
	    {"config", required_argument, NULL, 'c'},
	    {"test", no_argument, NULL, 't'},
	    {"debug", no_argument, NULL, 'd'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	const struct option *known = has_restored ? longs : longs + 1;
	int option;

	*options = (struct daemon_options){.config = NULL};
	while (
	    (option = getopt_long(argc, argv, "c:tdVh", known, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 't':
			options->test_only = true;
			break;
		case 'd':
			options->debug = true;
			break;
		case 'R':
			options->restored = true;
			break;
		case 'V':
			printf("%s %s\n", program, STRIFE_VERSION);
			printed(program);
		case 'h':
			fputs(help, stdout);
			printed(program);
		default: /* getopt_long has said what is wrong */
			usage(program, has_restored);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected operand '%s'\n", program,
		    argv[optind]);
		usage(program, has_restored);
	}
	if (options->config == NULL) {
		fprintf(stderr, "%s: no configuration: -c FILE\n", program);
		usage(program, has_restored);
	}
}

/* ---- Hygiene ---- */

/*
 * Standard input becomes /dev/null. Standard output and error become it where
 * they are closed, lest a socket take their number and receive the log.
 */
static void
secure_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
		if (fd < 0)
			fatal(EXIT_OSERR, "cannot open /dev/null: %s",
			    strerror(errno));
	} while (fd <= STDERR_FILENO);
	if (dup2(fd, STDIN_FILENO) < 0)
		fatal(EXIT_OSERR,
		    "cannot make /dev/null the standard input: %s",
		    strerror(errno));
	close(fd);
}

/* How many descriptors systemd passed to this process, and no other. */
static int
listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *wrong;
	long long value;

	if (pid == NULL || count == NULL)
		return 0;
	value = strtonum(pid, 1, INT_MAX, &wrong);
	if (wrong != NULL || value != getpid())
		return 0;
	value = strtonum(count, 0, LISTEN_FDS_MAX, &wrong);
	return wrong == NULL ? (int)value : 0;
}

static void
close_inherited(void)
{
	int passed_end = LISTEN_FDS_START + listen_fds();

	for (int fd = LISTEN_FDS_START; fd < passed_end; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	closefrom(passed_end);
}

void
daemon_hygiene(void)
{
	struct rlimit files;

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	secure_standard_descriptors();
	close_inherited();
	if (privileges_no_core() != 0)
		fatal(EXIT_OSERR, "cannot turn core dumps off: %s",
		    strerror(errno));
	if (privileges_no_new() != 0)
		fatal(EXIT_OSERR, "cannot refuse new privileges: %s",
		    strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &files) != 0)
			log_warn("cannot raise the limit of open files",
			    LOG_E(errno));
	}
}

/* ---- Privileges ---- */

/* Read again at SIGHUP, so the user has to be able to. */
static void
check_readable(const char *user, const char *config)
{
	if (access(config, R_OK) < 0)
		fatal(EXIT_CONFIG, "user %s cannot read %s again at SIGHUP: %s",
		    user, config, strerror(errno));
}

void
daemon_drop(const struct daemon_options *options, const char *user)
{
	char error[ERROR_MAX];

	if (user == NULL) {
		if (geteuid() == 0 && !options->test_only)
			log_warn("running as root: set user: in the "
				 "configuration");
		return;
	}
	if (privileges_drop(user, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s: user: %s", options->config, error);
	check_readable(user, options->config);
}

/* ---- The ready line ---- */

void
daemon_ready(const char *format, ...)
{
	char line[READY_LINE_MAX];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (len < 0)
		len = 0;
	if ((size_t)len > sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	if (file_write_all(STDERR_FILENO, line, (size_t)len) != 0)
		log_warn("cannot say that we are ready", LOG_E(errno));
	notify_send("READY=1\nSTATUS=serving");
}

/* ---- Siblings ---- */

/* directory "/" name, malloced, where that is a program; else NULL. */
static char *
program_in(const char *directory, const char *name)
{
	struct stat st;
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return NULL;
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *
daemon_sibling(const char *name)
{
	char self[PATH_MAX], libexec[PATH_MAX + 16];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *directory;
	char *path = NULL;

	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return NULL;
	if (len > 0) {
		self[len] = '\0';
		directory = dirname(self);
		path = program_in(directory, name);
		if (path == NULL) {
			(void)snprintf(libexec, sizeof(libexec),
			    "%s/../libexec", directory);
			path = program_in(libexec, name);
		}
	}
	return path != NULL ? path : program_in(LIBEXECDIR, name);
}
