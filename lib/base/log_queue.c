#include "base/log_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* What a pipe that poll(2) calls writable takes at once: pipe(7). */
#define PIPE_ONCE 4096

_Static_assert(LOG_QUEUE_OCTETS - LOG_QUEUE_CASUAL > LOG_LINE_MAX,
    "a warning fits where a casual line no longer does");

enum outlet {
	OUTLET_FILE,   /* or a device: never has to be waited for long */
	OUTLET_SOCKET, /* systemd's journal */
	OUTLET_OWN,    /* a pipe or terminal, by a description that is ours */
	OUTLET_SHARED, /* likewise, where we could not get one */
};

static struct {
	bool on;
	enum outlet outlet;
	int fd;
	size_t start, len; /* what is kept lies in at[start, start + len) */
	bool torn;         /* only a part of a line was written */
	uint64_t dropped;  /* lines */
	char at[LOG_QUEUE_OCTETS];
} queue;

/* ---- Where to ---- */

void
log_queue_start(void)
{
	struct stat st;

	queue.on = true;
	queue.outlet = OUTLET_FILE;
	queue.fd = STDERR_FILENO;
	if (fstat(STDERR_FILENO, &st) != 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		queue.outlet = OUTLET_SOCKET;
	} else if (S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO)) {
		/* A pipe of another user cannot be opened again. */
		int fd = open("/proc/self/fd/2",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		queue.outlet = fd >= 0 ? OUTLET_OWN : OUTLET_SHARED;
		if (fd >= 0)
			queue.fd = fd;
	}
}

/* As write(2) that does not wait: -1 with EAGAIN. */
static ssize_t
put_some(const char *octets, size_t len)
{
	struct pollfd p = {.fd = queue.fd, .events = POLLOUT};

	switch (queue.outlet) {
	case OUTLET_SOCKET:
		return send(queue.fd, octets, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case OUTLET_SHARED:
		if (poll(&p, 1, 0) != 1) {
			errno = EAGAIN;
			return -1;
		}
		return write(
		    queue.fd, octets, len < PIPE_ONCE ? len : PIPE_ONCE);
	case OUTLET_FILE:
	case OUTLET_OWN:
		break;
	}
	return write(queue.fd, octets, len);
}

/* ---- The queue ---- */

static uint64_t
count_lines(void)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < queue.len; i++)
		lines += queue.at[queue.start + i] == '\n' ? 1 : 0;
	return lines;
}

void
log_queue_write(void)
{
	while (queue.len > 0) {
		ssize_t put = put_some(queue.at + queue.start, queue.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN)
			return;
		if (put <= 0) {
			/* Nobody will ever read it, or the disk is full. */
			queue.dropped += count_lines();
			queue.len = 0;
			break;
		}
		queue.torn = queue.at[queue.start + (size_t)put - 1] != '\n';
		queue.start += (size_t)put;
		queue.len -= (size_t)put;
	}
	queue.start = 0;
}

static bool
has_room(size_t len, bool casual)
{
	return queue.len + len <=
	    (casual ? LOG_QUEUE_CASUAL : LOG_QUEUE_OCTETS);
}

void
log_queue_put(const char *line, size_t len, bool casual)
{
	if (!queue.on) {
		/* Once only, and nowhere to complain. */
		ssize_t sent = write(STDERR_FILENO, line, len);

		(void)sent;
		return;
	}
	if (!has_room(len, casual))
		log_queue_write();
	if (!has_room(len, casual)) {
		queue.dropped++;
		return;
	}
	if (queue.start + queue.len + len > LOG_QUEUE_OCTETS) {
		memmove(queue.at, queue.at + queue.start, queue.len);
		queue.start = 0;
	}
	memcpy(queue.at + queue.start + queue.len, line, len);
	queue.len += len;
}

size_t
log_queue_discard(void)
{
	size_t len = queue.len;

	queue.start = queue.len = 0;
	/* The next line begins at the start of one. */
	if (queue.torn && len > 0)
		queue.at[queue.len++] = '\n';
	return len;
}

uint64_t
log_queue_take_dropped(void)
{
	uint64_t dropped = queue.dropped;

	if (dropped == 0 || !has_room(LOG_LINE_MAX, true))
		return 0;
	queue.dropped = 0;
	return dropped;
}

void
log_queue_wait(int wait_ms)
{
	int64_t end_ns = clock_mono_ns() + wait_ms * NS_PER_MS;

	for (;;) {
		struct pollfd p = {.fd = queue.fd, .events = POLLOUT};
		int64_t left_ns = end_ns - clock_mono_ns();

		log_queue_write();
		if (queue.len == 0 || left_ns <= 0)
			return;
		(void)poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1);
	}
}

void
log_queue_stop(void)
{
	if (!queue.on)
		return;
	queue.start = queue.len = 0;
	if (queue.outlet == OUTLET_OWN)
		close(queue.fd);
	queue.on = false;
}
