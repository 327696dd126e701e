/* What is told to the manager, besides that we are ready: base_daemon.c. */
#include "base/notify.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "tap.h"

/* A manager's socket, whose name the kernel picked; $NOTIFY_SOCKET names it. */
static int
make_manager(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(at);
	char name[sizeof(at.sun_path) + 2];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	(void)snprintf(name, sizeof(name), "@%.*s",
	    (int)(len - sizeof(sa_family_t) - 1), at.sun_path + 1);
	CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
	return fd;
}

static void
test_messages(void)
{
	char got[200] = "";
	long long usec = 0;
	int64_t before_ns = clock_mono_ns();
	int fd = make_manager();

	ok(notify_wanted(), "there is a manager");
	notify_reloading();
	CHECK(recv(fd, got, sizeof(got) - 1, 0) > 0);
	ok(sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%lld", &usec) == 1,
	    "a reload is told with its time");
	ok(usec >= before_ns / 1000 && usec <= clock_mono_ns() / 1000,
	    "... of the monotonic clock, in microseconds");
	memset(got, 0, sizeof(got));
	notify_extend(90 * NS_PER_S);
	CHECK(recv(fd, got, sizeof(got) - 1, 0) > 0);
	is_text(got, "EXTEND_TIMEOUT_USEC=90000000", "more time is asked for");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	ok(!notify_wanted(), "without one nobody wants to know");
}

static void
watchdog(const char *usec, const char *pid, int64_t wanted_ns, const char *what)
{
	if (usec != NULL)
		setenv("WATCHDOG_USEC", usec, 1);
	else
		unsetenv("WATCHDOG_USEC");
	if (pid != NULL)
		setenv("WATCHDOG_PID", pid, 1);
	else
		unsetenv("WATCHDOG_PID");
	is_i64(notify_watchdog_ns(), wanted_ns, what);
}

static void
test_watchdog(void)
{
	char ours[32], another[32];

	(void)snprintf(ours, sizeof(ours), "%ld", (long)getpid());
	(void)snprintf(another, sizeof(another), "%ld", (long)getppid());
	watchdog(NULL, NULL, 0, "no watchdog");
	watchdog("2000000", NULL, 2 * NS_PER_S, "one of two seconds");
	watchdog("2000000", ours, 2 * NS_PER_S, "... and it is ours");
	watchdog("2000000", another, 0, "... or another process's");
	watchdog("2000000", "many", 0, "... or nobody's");
	watchdog("0", NULL, 0, "none of no time");
	watchdog("-1", NULL, 0, "nor of less");
	watchdog("2s", NULL, 0, "nor of what is no number");
	watchdog("99999999999999999999", NULL, 0, "nor of one too large");
}

int
main(void)
{
	test_messages();
	test_watchdog();
	return tap_done();
}
