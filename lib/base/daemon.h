/*
 * The skeleton every daemon shares: options, process hygiene, signals, the
 * ready line. A daemon stays in the foreground; its supervisor is systemd or a
 * shell.
 */
#ifndef STRIFE_BASE_DAEMON_H
#define STRIFE_BASE_DAEMON_H

#include <stdbool.h>

#include "base/loop.h"

struct daemon_options {
	const char *config; /* -c FILE */
	bool test_only;     /* -t: check the configuration and exit */
	bool debug;         /* -d */
	bool restored;      /* --restored, where has_restored */
};

/*
 * Parses -c -t -d -V -h (and --config --test --debug --version --help) and,
 * with has_restored, --restored. -V prints "strife-NAME VERSION", -h prints
 * usage; both exit 0. A wrong option or operand, or no -c: usage on stderr,
 * exit 64. `help` is the whole text of -h.
 */
void daemon_options(struct daemon_options *, int argc, char **argv,
    const char *program, const char *help, bool has_restored);

/*
 * umask 077, SIGPIPE ignored, no core dumps (RLIMIT_CORE 0 and not dumpable),
 * no new privileges, standard input from /dev/null, descriptors above 2 closed
 * but those that systemd passed. Raises RLIMIT_NOFILE's soft limit to the hard
 * one.
 */
void daemon_hygiene(void);

/*
 * Becomes the configured user for good, before anything but the configuration
 * was read: whatever a SIGHUP reads again, that user can read. NULL: stays as
 * it was started, with a warning where that is root. Exits 78.
 */
void daemon_drop(const struct daemon_options *, const char *user);

/*
 * Prints the ready line to stderr on a line of its own and notifies systemd
 * (READY=1, STATUS=serving).
 */
void
daemon_ready(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The path of a sibling program: beside our own executable (/proc/self/exe),
 * in ../libexec from there, else in LIBEXECDIR. malloced; NULL where it is in
 * none of these.
 */
char *daemon_sibling(const char *name);

#endif
