/* The daemons' skeleton: options, hygiene, the ready line, notification. */
#include "base/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/version.h"
#include "capture.h"
#include "tap.h"

#define HELP "usage: strife-test -c FILE\nAll of it.\n"

struct command {
	char *argv[8];
	bool has_restored;
};

static void
parse(void *ctx)
{
	struct command *command = ctx;
	struct daemon_options options;
	int argc = 0;

	while (command->argv[argc] != NULL)
		argc++;
	daemon_options(&options, argc, command->argv, "strife-test", HELP,
	    command->has_restored);
	printf("config=%s test=%d debug=%d restored=%d\n", options.config,
	    options.test_only, options.debug, options.restored);
}

static char argv0[] = "strife-test", c_flag[] = "-c", file[] = "f.yaml",
	    t_flag[] = "-t", d_flag[] = "-d", v_flag[] = "-V", h_flag[] = "-h",
	    config[] = "--config=g.yaml", test[] = "--test",
	    debug[] = "--debug", version[] = "--version", help[] = "--help",
	    restored[] = "--restored", wrong[] = "-x", operand[] = "operand";

static void
gives(struct command command, const char *wanted, const char *what)
{
	struct capture c;

	capture_run(&c, parse, &command);
	is_text(c.out, wanted, what);
	is_i64(capture_exit(&c), 0, "... and exits 0");
}

static void
refuses(struct command command, const char *says, const char *what)
{
	struct capture c;

	capture_run(&c, parse, &command);
	is_i64(capture_exit(&c), 64, what);
	ok(strstr(c.err, says) != NULL &&
		strstr(c.err, "usage: strife-test ") && c.out[0] == '\0',
	    "... and stderr says why, and how it should be");
}

static void
test_options(void)
{
	gives((struct command){{argv0, c_flag, file}, false},
	    "config=f.yaml test=0 debug=0 restored=0\n", "-c alone");
	gives((struct command){{argv0, t_flag, d_flag, c_flag, file}, false},
	    "config=f.yaml test=1 debug=1 restored=0\n", "-t and -d");
	gives((struct command){{argv0, config, test, debug}, false},
	    "config=g.yaml test=1 debug=1 restored=0\n", "long options");
	gives((struct command){{argv0, config, restored}, true},
	    "config=g.yaml test=0 debug=0 restored=1\n", "--restored");
	gives((struct command){{argv0, v_flag}, false},
	    "strife-test " STRIFE_VERSION "\n", "-V");
	gives((struct command){{argv0, version}, false},
	    "strife-test " STRIFE_VERSION "\n", "--version");
	gives((struct command){{argv0, h_flag}, false}, HELP, "-h");
	gives((struct command){{argv0, help}, false}, HELP, "--help");
	refuses((struct command){{argv0}, false}, "no configuration",
	    "no -c is a wrong command line");
	refuses((struct command){{argv0, c_flag}, false}, "requires an arg",
	    "so is -c without a file");
	refuses((struct command){{argv0, c_flag, file, wrong}, false},
	    "invalid option", "and an option that is not known");
	refuses((struct command){{argv0, c_flag, file, operand}, false},
	    "operand", "and an operand");
	refuses((struct command){{argv0, config, restored}, false},
	    "unrecognized option", "and --restored where there is none");
}

static bool
is_null_device(int fd)
{
	struct stat fd_st, null_st;

	return fstat(fd, &fd_st) == 0 && stat("/dev/null", &null_st) == 0 &&
	    fd_st.st_rdev == null_st.st_rdev && S_ISCHR(fd_st.st_mode);
}

/* Run with a descriptor open at 10 and, as if by systemd, at 3 and 4. */
static void
be_clean(void *ctx)
{
	const bool *passed = ctx;
	struct sigaction pipe_action;
	struct rlimit core, files;
	char pid[32];

	for (int fd = 3; fd < 5; fd++)
		if (dup2(1, fd) < 0)
			return;
	if (dup2(1, 10) < 0)
		return;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid() + !*passed);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	daemon_hygiene();
	sigaction(SIGPIPE, NULL, &pipe_action);
	getrlimit(RLIMIT_CORE, &core);
	getrlimit(RLIMIT_NOFILE, &files);
	printf("umask=%03o pipe_ignored=%d stdin_null=%d core=%d dumpable=%d "
	       "no_new_privs=%d files_raised=%d fd3=%d fd4=%d fd10=%d\n",
	    umask(0), pipe_action.sa_handler == SIG_IGN, is_null_device(0),
	    (int)core.rlim_max, prctl(PR_GET_DUMPABLE),
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
	    files.rlim_cur == files.rlim_max, fcntl(3, F_GETFD),
	    fcntl(4, F_GETFD), fcntl(10, F_GETFD));
}

/* With 0, 1 and 2 closed, what is opened next must not become one of them. */
static void
be_clean_closed(void *ctx)
{
	struct stat st;

	(void)ctx;
	closefrom(0);
	daemon_hygiene();
	_exit(is_null_device(0) && is_null_device(1) && is_null_device(2) &&
		    fstat(3, &st) != 0
		? 42
		: 1);
}

static void
test_hygiene(void)
{
	struct capture c;
	bool passed = true;

	capture_run(&c, be_clean, &passed);
	is_text(c.out,
	    "umask=077 pipe_ignored=1 stdin_null=1 core=0 dumpable=0 "
	    "no_new_privs=1 files_raised=1 fd3=1 fd4=1 fd10=-1\n",
	    "hygiene, keeping what systemd passed, closed on exec");
	passed = false;
	capture_run(&c, be_clean, &passed);
	ok(strstr(c.out, "fd3=-1 fd4=-1 fd10=-1\n") != NULL,
	    "what was passed to another process is not kept");
	capture_run(&c, be_clean_closed, NULL);
	is_i64(capture_exit(&c), 42,
	    "closed standard descriptors become /dev/null");
}

static void
say_ready(void *ctx)
{
	(void)ctx;
	daemon_ready("ready bank=%s", "BankA");
}

static void
say_ready_long(void *ctx)
{
	daemon_ready("ready %s", (const char *)ctx);
}

static void
test_ready(void)
{
	const char *parent = getenv("TMPDIR");
	char tmp[80], got[100] = "";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	static char text[3000];
	struct capture c;
	int fd;

	/* A socket's path has to be short. */
	if (parent == NULL || strlen(parent) > 50)
		parent = "/tmp";
	snprintf(tmp, sizeof(tmp), "%s/base_daemon.XXXXXX", parent);
	CHECK(mkdtemp(tmp) != NULL);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", tmp);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);

	unsetenv("NOTIFY_SOCKET");
	capture_run(&c, say_ready, NULL);
	is_text(c.err, "ready bank=BankA\n", "the ready line");
	ok(recv(fd, got, sizeof(got), 0) == -1, "nobody asked to be notified");
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	capture_run(&c, say_ready, NULL);
	is_text(c.err, "ready bank=BankA\n", "the ready line again");
	ok(recv(fd, got, sizeof(got) - 1, 0) == 22, "a datagram came");
	is_text(got, "READY=1\nSTATUS=serving", "it is systemd's");
	memset(text, 'x', sizeof(text) - 1);
	capture_run(&c, say_ready_long, text);
	ok(strlen(c.err) < 1100 && c.err[strlen(c.err) - 1] == '\n',
	    "one too long is cut, and still a line");

	/* As many as it takes to fill the queue: none may block. */
	for (int i = 0; i < 5000; i++)
		notify_send("WATCHDOG=1");
	ok(true, "a manager that does not read blocks nobody");
	close(fd);
	notify_send("STOPPING=1");
	ok(true, "nor does one that is gone");
	unlink(at.sun_path);
	rmdir(tmp);
}

static void
test_notify_addresses(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char got[200] = "", long_path[200];
	socklen_t abstract_len;
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0);
	/* An address of the family alone: the kernel picks an abstract name. */
	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	abstract_len = sizeof(at);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &abstract_len) == 0);
	snprintf(got, sizeof(got), "@%.*s",
	    (int)(abstract_len - sizeof(sa_family_t) - 1), at.sun_path + 1);
	setenv("NOTIFY_SOCKET", got, 1);
	notify_send("READY=1");
	memset(got, 0, sizeof(got));
	ok(recv(fd, got, sizeof(got) - 1, 0) == 7 &&
		strcmp(got, "READY=1") == 0,
	    "an abstract name is understood too");
	close(fd);
	setenv("NOTIFY_SOCKET", "relative/path", 1);
	notify_send("READY=1");
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", long_path, 1);
	notify_send("READY=1");
	ok(true, "what is no address, or too long for one, is ignored");
	unsetenv("NOTIFY_SOCKET");
}

static void
test_sibling(void)
{
	char self[400], *path;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	CHECK(len > 0);
	self[len] = '\0';
	path = daemon_sibling(strrchr(self, '/') + 1);
	ok(path != NULL && strcmp(path, self) == 0,
	    "a program beside our own is found");
	free(path);
	ok(daemon_sibling("strife-no-such-program") == NULL,
	    "one that is nowhere is not");
	ok(daemon_sibling("") == NULL, "no name is no program");
	ok(daemon_sibling("../../bin/sh") == NULL, "a path is no name");
}

int
main(void)
{
	unsetenv("JOURNAL_STREAM");
	test_options();
	test_hygiene();
	test_ready();
	test_notify_addresses();
	test_sibling();
	return tap_done();
}
