#include "turn/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

/* In one turn, so that those who are connected get their share. */
#define ACCEPTS_MAX 16
/* After a failed accept(2), which would otherwise come back at once. */
#define ACCEPT_PAUSE_NS NS_PER_S

static void
listen_again(void *ctx)
{
	struct listener *l = ctx;

	if (l->fd >= 0 && loop_watch(l->loop, &l->watch) < 0)
		fatal(EXIT_OSERR, "cannot watch a listening socket: %s",
		    strerror(errno));
}

static void
rest(struct listener *l)
{
	log_error("cannot accept a connection", LOG_C("listener", l->name),
	    LOG_E(errno));
	loop_unwatch(l->loop, &l->watch);
	if (loop_timer_set(
		l->loop, &l->again, clock_mono_ns() + ACCEPT_PAUSE_NS) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
take_connections(void *ctx, uint32_t events)
{
	struct listener *l = ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS_MAX && l->fd >= 0; i++) {
		int fd =
		    accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			l->take(l->ctx, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			rest(l);
		return;
	}
}

int
listener_start(
    struct listener *l, struct loop *loop, int fd, uint32_t handshakes_max)
{
	l->loop = loop;
	l->fd = fd;
	l->max = handshakes_max;
	l->count = 0;
	TAILQ_INIT(&l->unfinished);
	l->again = (struct timer){.due = listen_again, .ctx = l};
	l->watch = (struct watch){
	    .fd = fd,
	    .events = EPOLLIN,
	    .ready = take_connections,
	    .ctx = l,
	};
	if (loop_watch(loop, &l->watch) < 0) {
		int error = errno;

		close(fd);
		l->fd = -1;
		errno = error;
		return -1;
	}
	return 0;
}

void
listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	loop_unwatch(l->loop, &l->watch);
	loop_timer_clear(l->loop, &l->again);
	close(l->fd);
	l->fd = -1;
}

void
listener_begun(struct listener *l, struct handshake *h, struct conn *conn)
{
	CHECK(!h->waiting);
	if (l->count >= l->max)
		listener_evict(l);
	h->conn = conn;
	h->waiting = true;
	TAILQ_INSERT_TAIL(&l->unfinished, h, entry);
	l->count++;
}

void
listener_ended(struct listener *l, struct handshake *h)
{
	if (!h->waiting)
		return;
	h->waiting = false;
	TAILQ_REMOVE(&l->unfinished, h, entry);
	l->count--;
}

bool
listener_evict(struct listener *l)
{
	struct handshake *oldest = TAILQ_FIRST(&l->unfinished);

	if (oldest == NULL)
		return false;
	log_debug("closing the oldest unfinished handshake",
	    LOG_C("listener", l->name),
	    LOG_C("peer", conn_address(oldest->conn)));
	listener_ended(l, oldest);
	conn_close(oldest->conn, false);
	return true;
}
