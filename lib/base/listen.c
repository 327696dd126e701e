#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/conn.h"

/* close(2) that keeps errno, for the ways out. */
static int
close_failed(int fd)
{
	int error = errno;

	close(fd);
	errno = error;
	return -1;
}

static int
listen_on(const struct addrinfo *ai)
{
	int one = 1;
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	/* So that a restart need not wait for connections in TIME_WAIT. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    listen(fd, SOMAXCONN) != 0)
		return close_failed(fd);
	return fd;
}

int
conn_listen(const char *text, char *bound, size_t bound_size)
{
	struct sockaddr_storage local = {0};
	socklen_t len = sizeof(local);
	struct addrinfo *all;
	struct address address;
	int fd = -1, error;

	if (address_parse(&address, text) != 0 ||
	    address_resolve(&address, AI_PASSIVE, &all) != 0)
		return -1;
	for (const struct addrinfo *ai = all; ai != NULL && fd == -1;
	     ai = ai->ai_next)
		fd = listen_on(ai);
	error = errno;
	freeaddrinfo(all);
	if (fd == -1) {
		errno = error;
		return -1;
	}
	if (getsockname(fd, (struct sockaddr *)&local, &len) != 0 ||
	    address_text(
		(const struct sockaddr *)&local, len, bound, bound_size) != 0)
		return close_failed(fd);
	return fd;
}

/* Makes way for a new socket: 0 where path is free now, else -1 with errno. */
static int
remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* EAGAIN is a live one whose queue is full. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
		0 ||
	    errno == EAGAIN)
		errno = EADDRINUSE;
	if (errno != ECONNREFUSED && errno != ENOENT)
		return close_failed(fd);
	close(fd);
	return unlink(address->sun_path) == 0 || errno == ENOENT ? 0 : -1;
}

int
conn_listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd;

	if (len == 0 || len >= sizeof(address.sun_path)) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, len + 1);
	if (remove_stale(&address) != 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	/* Linux gives the file the socket's own mode: it is never wider. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return close_failed(fd);
	if (chmod(path, S_IRUSR | S_IWUSR) != 0 || listen(fd, SOMAXCONN) != 0) {
		int error = errno;

		(void)unlink(path);
		errno = error;
		return close_failed(fd);
	}
	return fd;
}
