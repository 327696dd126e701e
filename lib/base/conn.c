#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/conn_private.h"

#define HANDSHAKE_DEFAULT_NS (5 * NS_PER_S)

/* ---- What the loop is asked for ---- */

static bool
reading(const struct conn *c)
{
	return c->state == UP && !c->paused && !c->eof &&
	    buffer_len(&c->in) < c->limits.in_max;
}

static uint32_t
events_wanted(const struct conn *c)
{
	uint32_t events = 0;

	switch (c->state) {
	case CONNECTING:
		return EPOLLOUT;
	case HANDSHAKE:
		return c->handshake_events;
	case UP:
		if (reading(c) || c->write_wants_read)
			events |= EPOLLIN;
		if (c->blocked || c->read_wants_write)
			events |= EPOLLOUT;
		return events;
	case DRAINING:
		return (c->eof ? 0u : (uint32_t)EPOLLIN) |
		    (c->blocked ? (uint32_t)EPOLLOUT : 0u);
	case LINGERING:
		return EPOLLIN;
	case DEAD:
		break;
	}
	return 0;
}

/* After every change: watch and timer follow the state. */
void
conn_settle(struct conn *c)
{
	int64_t at_ns = c->deadline_ns, now_ns = loop_now_ns(c->loop);
	int result;

	if (c->state == DEAD)
		loop_unwatch(c->loop, &c->watch);
	else if (c->watch.active)
		loop_rewatch(c->loop, &c->watch, events_wanted(c));
	if (c->state == DEAD)
		at_ns = now_ns + 1;
	else if (c->kicks & KICK_FLUSH)
		at_ns = now_ns;
	else if (c->kicks != 0)
		at_ns = now_ns + 1;
	if (c->timer.heap_index_plus_1 != 0 && c->timer.at_ns == at_ns)
		return;
	result = loop_timer_set(c->loop, &c->timer, at_ns);
	CHECK(result == 0);
}

void
conn_explain(struct conn *c, const char *text)
{
	if (c->stream.text[0] == '\0')
		(void)strlcpy(c->stream.text, text, sizeof(c->stream.text));
}

/* The first reason counts: while it ends, it can only end sooner. */
void
conn_die(struct conn *c, enum conn_end why)
{
	if (c->state != DRAINING && c->state != LINGERING && c->state != DEAD)
		c->end = why;
	c->state = DEAD;
}

/* ---- Making one ---- */

struct conn *
conn_make(struct loop *loop, const struct conn_limits *limits,
    const struct conn_ops *ops, void *ctx)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	CHECK(limits->in_max > 0);
	CHECK(limits->out_max > 0);
	c->loop = loop;
	c->limits = *limits;
	if (c->limits.handshake_ns <= 0)
		c->limits.handshake_ns = HANDSHAKE_DEFAULT_NS;
	c->ops = *ops;
	c->ctx = ctx;
	c->stream.fd = -1;
	c->watch = (struct watch){.fd = -1, .ready = conn_step_ready, .ctx = c};
	c->timer = (struct timer){.due = conn_step_due, .ctx = c};
	c->uid = (uint32_t)-1;
	buffer_init(&c->in, limits->in_max);
	buffer_init(&c->out, limits->out_max);
	c->last_input_ns = c->last_output_ns = clock_mono_ns();
	c->handshake_until_ns = c->last_input_ns + c->limits.handshake_ns;
	c->deadline_ns = c->handshake_until_ns;
	return c;
}

void
conn_release(struct conn *c)
{
	if (c->addresses != NULL)
		freeaddrinfo(c->addresses);
	buffer_free_secret(&c->in);
	buffer_free_secret(&c->out);
	tls_free(c->tls);
	free(c->text);
	free(c);
}

/* The peer for logs, and its uid where it has one: all best effort. */
static int
name_peer(struct conn *c, int fd)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	struct ucred who;
	char text[ADDRESS_SIZE] = "unknown";
	int one = 1;

	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0)
		peer.ss_family = AF_UNSPEC;
	if (peer.ss_family == AF_UNIX) {
		len = sizeof(who);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0) {
			c->uid = who.uid;
			(void)snprintf(text, sizeof(text), "%ld:%lu",
			    (long)who.pid, (unsigned long)who.uid);
		}
	} else if (peer.ss_family != AF_UNSPEC) {
		(void)setsockopt(
		    fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (address_text((const struct sockaddr *)&peer, len, text,
			sizeof(text)) != 0)
			(void)strlcpy(text, "unknown", sizeof(text));
	}
	c->text = strdup(text);
	return c->text != NULL ? 0 : -1;
}

static int
make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	return 0;
}

int
conn_accept(struct conn **made, struct loop *loop, int fd,
    const struct tls *tls, const struct conn_limits *limits,
    const struct conn_ops *ops, void *ctx)
{
	struct conn *c = conn_make(loop, limits, ops, ctx);
	int error;

	*made = NULL;
	if (c == NULL || make_nonblocking(fd) != 0 || name_peer(c, fd) != 0) {
		error = errno;
		close(fd);
		goto failed;
	}
	c->state = HANDSHAKE;
	c->handshake_events = EPOLLIN;
	if (tls == NULL)
		c->kicks = KICK_STEP;
	if (stream_open(&c->stream, fd, tls, NULL) != 0) {
		error = errno;
		goto failed;
	}
	c->watch.fd = fd;
	c->watch.events = EPOLLIN;
	if (loop_timer_set(loop, &c->timer, INT64_MAX) != 0 ||
	    loop_watch(loop, &c->watch) != 0) {
		error = errno;
		loop_timer_clear(loop, &c->timer);
		stream_close(&c->stream);
		goto failed;
	}
	conn_settle(c);
	*made = c;
	return 0;
failed:
	if (c != NULL)
		conn_release(c);
	errno = error;
	return -1;
}

/* ---- From the owner ---- */

const struct tls_identity *
conn_peer(const struct conn *c)
{
	return &c->peer;
}

const char *
conn_end_text(enum conn_end why)
{
	switch (why) {
	case CONN_END_CLOSED:
		return "closed by us";
	case CONN_END_EOF:
		return "closed by the peer";
	case CONN_END_ERROR:
		return "broken";
	case CONN_END_HANDSHAKE:
		return "TLS handshake failed";
	case CONN_END_TIMEOUT:
		return "connecting took too long";
	case CONN_END_OVERFLOW:
		return "the peer does not read what we send";
	}
	return "";
}

const char *
conn_address(const struct conn *c)
{
	return c->text;
}

const char *
conn_error(const struct conn *c)
{
	return c->stream.text;
}

enum tls_failure
conn_failure(const struct conn *c)
{
	return c->stream.failure;
}

const char *
conn_rejected(const struct conn *c, const struct tls *tls)
{
	CHECK(c->stream.ssl != NULL);
	return tls_rejects(tls, c->stream.ssl);
}

uint32_t
conn_peer_uid(const struct conn *c)
{
	return c->uid;
}

char *
conn_reserve(struct conn *c, size_t len)
{
	char *room;

	if (c->state == LINGERING || c->state == DEAD)
		return NULL;
	room = buffer_reserve(&c->out, len);
	if (room == NULL && (c->state == UP || c->state == DRAINING) &&
	    !c->blocked) {
		conn_io_write(c);
		conn_settle(c);
		room = buffer_reserve(&c->out, len);
	}
	if (room == NULL) {
		conn_explain(c, "the peer takes too little: output is full");
		conn_die(c, CONN_END_OVERFLOW);
		conn_settle(c);
	}
	return room;
}

void
conn_commit(struct conn *c, size_t len)
{
	if (c->state == LINGERING || c->state == DEAD)
		return;
	buffer_commit(&c->out, len);
	if ((c->state == UP || c->state == DRAINING) && !c->blocked &&
	    !(c->kicks & KICK_FLUSH)) {
		c->kicks |= KICK_FLUSH;
		conn_settle(c);
	}
}

size_t
conn_unsent(const struct conn *c)
{
	return c->state == DEAD ? 0 : buffer_len(&c->out);
}

void
conn_flush(struct conn *c)
{
	if (c->state != UP && c->state != DRAINING)
		return;
	if (buffer_len(&c->out) == 0 || c->blocked)
		return;
	conn_io_write(c);
	conn_settle(c);
}

void
conn_pause(struct conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	if (!paused && c->state == UP)
		c->kicks |= KICK_INPUT;
	conn_settle(c);
}

bool
conn_paused(const struct conn *c)
{
	return c->paused;
}

void
conn_close(struct conn *c, bool with_drain)
{
	if (c->state == DEAD)
		return;
	if (with_drain && c->state == UP)
		conn_io_drain(c, CONN_END_CLOSED);
	if (with_drain && (c->state == DRAINING || c->state == LINGERING)) {
		conn_settle(c);
		return;
	}
	/* Output that is dropped must not look as if it had ended well. */
	if (c->state == UP && buffer_len(&c->out) == 0 && !c->broken)
		stream_finish(&c->stream);
	conn_die(c, CONN_END_CLOSED);
	conn_settle(c);
}

int64_t
conn_last_input_ns(const struct conn *c)
{
	return c->last_input_ns;
}

int64_t
conn_last_output_ns(const struct conn *c)
{
	return c->last_output_ns;
}
