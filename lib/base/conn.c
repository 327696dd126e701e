#include "base/conn.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/stream.h"

/* From the socket per connection and turn, so that all get their share. */
#define READ_TURN_MAX (128u << 10)
/* Asked of the stream at once: a TLS record's worth. */
#define READ_CHUNK (16u << 10)
#define LINGER_NS (1 * NS_PER_S)
#define HANDSHAKE_DEFAULT_NS (5 * NS_PER_S)

/*
 * CONNECTING -> HANDSHAKE -> UP -> DRAINING -> LINGERING -> DEAD, each of them
 * also straight to DEAD. A failed handshake goes to LINGERING.
 */
enum state {
	CONNECTING, /* one of the addresses is being dialled */
	HANDSHAKE,  /* a plain socket: until its first turn */
	UP,
	DRAINING,  /* output is written out, input thrown away */
	LINGERING, /* we have closed our end and wait for the peer's */
	DEAD,      /* down is called, and the conn freed, in a later turn */
};

/* What the timer is to bring about besides the deadline. */
enum {
	KICK_FLUSH = 1 << 0,   /* this turn: output nobody has flushed */
	KICK_STEP = 1 << 1,    /* next turn: go on from here */
	KICK_INPUT = 1 << 2,   /* next turn: offer what is unread once more */
	KICK_DRAINED = 1 << 3, /* next turn: say that all is written */
};

struct conn {
	struct loop *loop;
	struct watch watch;
	/* Always set, so that moving it cannot fail. */
	struct timer timer;
	struct stream stream;
	enum state state;
	enum conn_end end; /* from DRAINING on */
	unsigned kicks;
	bool dialled; /* by conn_connect */
	bool paused;
	bool eof;              /* the peer sends no more */
	bool heard;            /* octets have come since up */
	bool broken;           /* no more can be written */
	bool blocked;          /* output waits for EPOLLOUT */
	bool write_wants_read; /* TLS may turn either round */
	bool read_wants_write;
	uint32_t handshake_events;
	uint32_t uid;
	struct conn_limits limits;
	struct conn_ops ops;
	void *ctx;
	struct buffer in, out;
	int64_t deadline_ns; /* INT64_MAX: none */
	int64_t last_input_ns, last_output_ns;
	struct tls_identity peer;
	char *text; /* the peer's address */
	/* For conn_connect only. */
	const struct tls *tls;
	struct address address;
	struct addrinfo *addresses, *next;
	int64_t handshake_until_ns;
};

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
static void
settle(struct conn *c)
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

static void
explain(struct conn *c, const char *text)
{
	if (c->stream.text[0] == '\0')
		(void)strlcpy(c->stream.text, text, sizeof(c->stream.text));
}

/* The first reason counts: while it ends, it can only end sooner. */
static void
die(struct conn *c, enum conn_end why)
{
	if (c->state != DRAINING && c->state != LINGERING && c->state != DEAD)
		c->end = why;
	c->state = DEAD;
}

/* ---- Output ---- */

/* Nothing can be written any more; what the peer has sent may say why. */
static void
break_output(struct conn *c)
{
	c->broken = true;
	c->blocked = false;
	buffer_free_secret(&c->out);
	c->kicks |= KICK_STEP;
}

static void
write_out(struct conn *c)
{
	bool wrote = false;

	c->kicks &= ~(unsigned)KICK_FLUSH;
	c->blocked = c->write_wants_read = false;
	if (c->broken)
		break_output(c);
	while (buffer_len(&c->out) > 0) {
		size_t len = 0;
		enum stream_status status = stream_write(
		    &c->stream, buffer_at(&c->out), buffer_len(&c->out), &len);

		if (status == STREAM_WANT_READ || status == STREAM_WANT_WRITE) {
			c->blocked = status == STREAM_WANT_WRITE;
			c->write_wants_read = !c->blocked;
			return;
		}
		if (status != STREAM_OK) {
			break_output(c);
			return;
		}
		buffer_consume(&c->out, len);
		c->last_output_ns = loop_now_ns(c->loop);
		wrote = true;
	}
	if (wrote)
		buffer_free_secret(&c->out);
	if (wrote && c->ops.drained != NULL)
		c->kicks |= KICK_DRAINED;
}

/* ---- Input ---- */

/* Reads until there is no room (STREAM_OK) or something stands in the way. */
static enum stream_status
fill(struct conn *c)
{
	enum stream_status status;
	size_t room, len;
	char *into;

	while ((room = c->limits.in_max - buffer_len(&c->in)) > 0) {
		if (c->eof)
			return STREAM_EOF;
		if (room > READ_CHUNK)
			room = READ_CHUNK;
		into = buffer_reserve(&c->in, room);
		if (into == NULL) {
			explain(c, strerror(ENOMEM));
			return STREAM_FAILED;
		}
		len = 0;
		status = stream_read(&c->stream, into, room, &len);
		if (status != STREAM_OK)
			return status;
		buffer_commit(&c->in, len);
		c->last_input_ns = loop_now_ns(c->loop);
		c->heard = true;
	}
	return STREAM_OK;
}

/* An idle connection holds no buffers; passwords and tokens were in them. */
static void
free_empty_input(struct conn *c)
{
	if (c->state != UP || buffer_len(&c->in) == 0) {
		buffer_free_secret(&c->in);
	}
}

static size_t
deliver(struct conn *c)
{
	size_t used, len = buffer_len(&c->in);

	if (len == 0 || c->state != UP || c->paused)
		return 0;
	used = c->ops.input(c->ctx, c, buffer_at(&c->in), len);
	CHECK(used <= len);
	buffer_consume(&c->in, used);
	return used;
}

static void
drain(struct conn *c, enum conn_end why)
{
	c->state = DRAINING;
	c->end = why;
	c->deadline_ns = loop_now_ns(c->loop) + c->limits.handshake_ns;
	c->kicks |= KICK_STEP;
}

/* After what could be read has been delivered. */
static void
conclude_reading(struct conn *c, enum stream_status status)
{
	switch (status) {
	case STREAM_OK:
		break;
	case STREAM_WANT_READ:
		if (c->broken && c->stream.budget > 0)
			die(c, CONN_END_ERROR);
		break;
	case STREAM_WANT_WRITE:
		c->read_wants_write = true;
		break;
	case STREAM_EOF:
		c->eof = true;
		/* Paused: it ends when the rest has been taken. */
		if (!c->paused)
			drain(c, CONN_END_EOF);
		break;
	case STREAM_FAILED:
		/*
		 * A TLS 1.3 client is up before the server has looked at its
		 * certificate: an alert in place of an answer is a refusal.
		 */
		die(c,
		    c->dialled && c->stream.refused && !c->heard
			? CONN_END_HANDSHAKE
			: CONN_END_ERROR);
		break;
	}
}

/* `again`: offer what is unread even if nothing has come. */
static void
read_turn(struct conn *c, bool again)
{
	enum stream_status status;
	size_t before, used;

	c->read_wants_write = false;
	do {
		before = buffer_len(&c->in);
		status = fill(c);
		used = again || buffer_len(&c->in) > before ? deliver(c) : 0;
		again = false;
	} while (
	    status == STREAM_OK && used > 0 && c->state == UP && !c->paused);
	free_empty_input(c);
	if (c->state == UP)
		conclude_reading(c, status);
}

/* ---- The states' work ---- */

static void
step_up(struct conn *c, uint32_t events, unsigned kicks)
{
	bool again = (kicks & KICK_INPUT) != 0;

	if (buffer_len(&c->out) > 0 || (kicks & KICK_FLUSH))
		write_out(c);
	if (!c->paused &&
	    (again || (kicks & KICK_STEP) || c->read_wants_write || c->broken ||
		(events & (EPOLLIN | EPOLLERR | EPOLLHUP))))
		read_turn(c, again);
	else if (c->paused && ((events & EPOLLERR) || c->broken)) {
		/* Reset: nobody is left to answer, so no use in waiting. */
		explain(c, strerror(ECONNRESET));
		die(c, CONN_END_ERROR);
	}
	kicks |= c->kicks;
	c->kicks &= ~(unsigned)KICK_DRAINED;
	if ((kicks & KICK_DRAINED) && c->state == UP &&
	    buffer_len(&c->out) == 0)
		c->ops.drained(c->ctx, c);
}

static void
go_up(struct conn *c)
{
	if (c->stream.ssl != NULL && !stream_identify(&c->stream, &c->peer)) {
		explain(c, "the peer's certificate: no identity");
		die(c, CONN_END_HANDSHAKE);
		return;
	}
	c->state = UP;
	c->deadline_ns = INT64_MAX;
	c->ops.up(c->ctx, c);
	/* What came with the handshake's end lies inside libssl: no event. */
	if (c->state == UP)
		step_up(c, EPOLLIN, 0);
}

/* The alert must reach the peer, so no reset for what it has sent already. */
static void
linger(struct conn *c)
{
	int64_t until_ns = loop_now_ns(c->loop) + LINGER_NS;

	if (c->deadline_ns > until_ns)
		c->deadline_ns = until_ns;
	c->state = LINGERING;
	stream_finish(&c->stream);
}

static void
step_handshake(struct conn *c)
{
	enum stream_status status = stream_handshake(&c->stream);

	switch (status) {
	case STREAM_OK:
		go_up(c);
		return;
	case STREAM_WANT_READ:
		c->handshake_events = EPOLLIN;
		return;
	case STREAM_WANT_WRITE:
		c->handshake_events = EPOLLOUT;
		return;
	case STREAM_EOF:
	case STREAM_FAILED:
		break;
	}
	explain(c, "the peer closed during the handshake");
	c->end = CONN_END_HANDSHAKE;
	if (c->stream.fin || c->stream.error != 0)
		die(c, CONN_END_HANDSHAKE);
	else
		linger(c);
}

static void
step_draining(struct conn *c, uint32_t events)
{
	enum stream_status status;

	free_empty_input(c);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		status = stream_discard(&c->stream);
		c->eof = c->eof || status == STREAM_EOF;
		if (status == STREAM_FAILED)
			c->broken = true;
	}
	write_out(c);
	if (c->broken) {
		die(c, c->end);
	} else if (buffer_len(&c->out) == 0) {
		linger(c);
		if (c->stream.fin)
			die(c, c->end);
	}
}

static void
step_lingering(struct conn *c)
{
	enum stream_status status = stream_discard(&c->stream);

	if (status == STREAM_EOF || status == STREAM_FAILED)
		die(c, c->end);
}

/* ---- Dialling ---- */

/* Each address gets its share of the time that is left. */
static int64_t
dial_until_ns(const struct conn *c)
{
	int64_t now_ns = loop_now_ns(c->loop), count = 1;

	for (const struct addrinfo *ai = c->next; ai != NULL; ai = ai->ai_next)
		count++;
	return now_ns + (c->handshake_until_ns - now_ns) / count;
}

static int
dial(struct conn *c, const struct addrinfo *ai)
{
	int one = 1;
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	if (stream_open(&c->stream, fd, c->tls, c->address.host) != 0)
		return -1;
	c->watch.fd = fd;
	c->watch.events = EPOLLOUT;
	if (loop_watch(c->loop, &c->watch) == 0)
		return 0;
	stream_close(&c->stream);
	return -1;
}

/* Tries the addresses that are left: 0, or -1 with the last one's errno. */
static int
dial_next(struct conn *c)
{
	loop_unwatch(c->loop, &c->watch);
	stream_close(&c->stream);
	errno = EHOSTUNREACH;
	while (c->next != NULL) {
		const struct addrinfo *ai = c->next;

		c->next = ai->ai_next;
		if (dial(c, ai) == 0) {
			c->deadline_ns = dial_until_ns(c);
			return 0;
		}
	}
	return -1;
}

static void
step_connecting(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->stream.fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error == 0) {
		c->state = HANDSHAKE;
		c->deadline_ns = c->handshake_until_ns;
		step_handshake(c);
		return;
	}
	if (c->next != NULL && dial_next(c) == 0)
		return;
	explain(c, strerror(error));
	die(c, CONN_END_ERROR);
}

/* ---- From the loop ---- */

static void
step(struct conn *c, uint32_t events, unsigned kicks)
{
	c->stream.budget = READ_TURN_MAX;
	switch (c->state) {
	case CONNECTING:
		if (events != 0)
			step_connecting(c);
		break;
	case HANDSHAKE:
		step_handshake(c);
		break;
	case UP:
		step_up(c, events, kicks);
		break;
	case DRAINING:
		step_draining(c, events);
		break;
	case LINGERING:
		step_lingering(c);
		break;
	case DEAD:
		break;
	}
	settle(c);
}

static void
ready(void *ctx, uint32_t events)
{
	step(ctx, events, 0);
}

static void
expire(struct conn *c)
{
	if (c->state == CONNECTING && c->next != NULL && dial_next(c) == 0)
		return;
	if (c->state == CONNECTING)
		explain(c, "connecting took too long");
	else if (c->state == HANDSHAKE)
		explain(c, "the handshake took too long");
	die(c, CONN_END_TIMEOUT);
}

static void
release(struct conn *c)
{
	if (c->addresses != NULL)
		freeaddrinfo(c->addresses);
	buffer_free_secret(&c->in);
	buffer_free_secret(&c->out);
	free(c->text);
	free(c);
}

static void
bury(struct conn *c)
{
	loop_timer_clear(c->loop, &c->timer);
	stream_close(&c->stream);
	c->ops.down(c->ctx, c, c->end);
	/* A call made on it from there may have set the timer again. */
	loop_timer_clear(c->loop, &c->timer);
	release(c);
}

static void
due(void *ctx)
{
	struct conn *c = ctx;
	unsigned kicks = c->kicks;
	int result;

	/* At once, while the loop has the room that it had for it. */
	result = loop_timer_set(c->loop, &c->timer, INT64_MAX);
	CHECK(result == 0);
	if (c->state == DEAD) {
		bury(c);
		return;
	}
	c->kicks = 0;
	if (loop_now_ns(c->loop) >= c->deadline_ns) {
		expire(c);
		settle(c);
		return;
	}
	step(c, 0, kicks);
}

/* ---- Making one ---- */

static struct conn *
make(struct loop *loop, const struct conn_limits *limits,
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
	c->watch = (struct watch){.fd = -1, .ready = ready, .ctx = c};
	c->timer = (struct timer){.due = due, .ctx = c};
	c->uid = (uint32_t)-1;
	buffer_init(&c->in, limits->in_max);
	buffer_init(&c->out, limits->out_max);
	c->last_input_ns = c->last_output_ns = clock_mono_ns();
	c->handshake_until_ns = c->last_input_ns + c->limits.handshake_ns;
	c->deadline_ns = c->handshake_until_ns;
	return c;
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
	struct conn *c = make(loop, limits, ops, ctx);
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
	settle(c);
	*made = c;
	return 0;
failed:
	if (c != NULL)
		release(c);
	errno = error;
	return -1;
}

int
conn_connect(struct conn **made, struct loop *loop, const char *address,
    const struct tls *tls, const struct conn_limits *limits,
    const struct conn_ops *ops, void *ctx)
{
	struct conn *c = make(loop, limits, ops, ctx);
	int error;

	*made = NULL;
	if (c == NULL)
		return -1;
	c->state = CONNECTING;
	c->dialled = true;
	c->tls = tls;
	c->text = strdup(address);
	if (c->text == NULL || address_parse(&c->address, address) != 0 ||
	    address_resolve(&c->address, 0, &c->addresses) != 0 ||
	    loop_timer_set(loop, &c->timer, INT64_MAX) != 0)
		goto failed;
	c->next = c->addresses;
	if (dial_next(c) != 0)
		goto failed;
	settle(c);
	*made = c;
	return 0;
failed:
	error = errno;
	loop_timer_clear(loop, &c->timer);
	release(c);
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
		write_out(c);
		settle(c);
		room = buffer_reserve(&c->out, len);
	}
	if (room == NULL) {
		explain(c, "the peer takes too little: output is full");
		die(c, CONN_END_OVERFLOW);
		settle(c);
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
		settle(c);
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
	write_out(c);
	settle(c);
}

void
conn_pause(struct conn *c, bool paused)
{
	if (c->paused == paused)
		return;
	c->paused = paused;
	if (!paused && c->state == UP)
		c->kicks |= KICK_INPUT;
	settle(c);
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
		drain(c, CONN_END_CLOSED);
	if (with_drain && (c->state == DRAINING || c->state == LINGERING)) {
		settle(c);
		return;
	}
	/* Output that is dropped must not look as if it had ended well. */
	if (c->state == UP && buffer_len(&c->out) == 0 && !c->broken)
		stream_finish(&c->stream);
	die(c, CONN_END_CLOSED);
	settle(c);
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
