#include "base/notify.h"

#include <bsd/stdlib.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define NS_PER_US INT64_C(1000)
/* Room for a name, a number of 64 bits and what else a message says. */
#define MESSAGE_MAX 128

/* A path, or a name in the abstract namespace written with an @; or NULL. */
static const char *
manager_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return NULL;
	return path;
}

bool
notify_wanted(void)
{
	return manager_socket() != NULL;
}

void
notify_send(const char *state)
{
	const char *path = manager_socket();
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	ssize_t sent;
	size_t len;
	int fd;

	if (path == NULL)
		return;
	len = strlen(path);
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* A manager that does not listen is no reason to do anything else. */
	sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL,
	    (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	(void)sent;
	close(fd);
}

void
notify_reloading(void)
{
	char message[MESSAGE_MAX];

	(void)snprintf(message, sizeof(message),
	    "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    clock_mono_ns() / NS_PER_US);
	notify_send(message);
}

void
notify_extend(int64_t more_ns)
{
	char message[MESSAGE_MAX];

	(void)snprintf(message, sizeof(message), "EXTEND_TIMEOUT_USEC=%" PRId64,
	    more_ns / NS_PER_US);
	notify_send(message);
}

int64_t
notify_watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"),
		   *pid = getenv("WATCHDOG_PID");
	const char *wrong;
	int64_t value;

	if (usec == NULL)
		return 0;
	/* It may be meant for another process, which passed it on. */
	if (pid != NULL &&
	    (strtonum(pid, 1, INT_MAX, &wrong) != getpid() || wrong != NULL))
		return 0;
	value = strtonum(usec, 1, INT64_MAX / NS_PER_US, &wrong);
	return wrong == NULL ? value * NS_PER_US : 0;
}
