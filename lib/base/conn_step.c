/*
 * A connection from state to state: CONNECTING -> HANDSHAKE -> UP -> DRAINING
 * -> LINGERING -> DEAD, as the loop finds it ready, or its timer due.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/conn_private.h"

/* From the socket per connection and turn, so that all get their share. */
#define READ_TURN_MAX (128u << 10)
#define LINGER_NS (1 * NS_PER_S)
/* Steps of handshakes that others began in a turn: each takes up to 0.3 ms. */
#define HANDSHAKES_TURN_MAX 8

/* ---- The states' work ---- */

static void
step_up(struct conn *c, uint32_t events, unsigned kicks)
{
	bool again = (kicks & KICK_INPUT) != 0;

	if (buffer_len(&c->out) > 0 || (kicks & KICK_FLUSH))
		conn_io_write(c);
	if (!c->paused &&
	    (again || (kicks & KICK_STEP) || c->read_wants_write || c->broken ||
		(events & (EPOLLIN | EPOLLERR | EPOLLHUP))))
		conn_io_read(c, again);
	else if (c->paused && ((events & EPOLLERR) || c->broken)) {
		/* Reset: nobody is left to answer, so no use in waiting. */
		conn_explain(c, strerror(ECONNRESET));
		conn_die(c, CONN_END_ERROR);
	} else if (c->owed && (events & EPOLLHUP)) {
		/* It reads no more, either. */
		conn_die(c, CONN_END_EOF);
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
		conn_explain(c, "the peer's certificate: no identity");
		c->stream.failure = TLS_FAILURE_CERTIFICATE;
		conn_die(c, CONN_END_HANDSHAKE);
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
conn_step_handshake(struct conn *c)
{
	enum stream_status status;

	/* Its events come again in the next turn, behind those of others. */
	if (!c->dialled && c->stream.ssl != NULL &&
	    !loop_ration(c->loop, HANDSHAKES_TURN_MAX))
		return;
	status = stream_handshake(&c->stream);
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
	conn_explain(c, "the peer closed during the handshake");
	c->end = CONN_END_HANDSHAKE;
	if (c->stream.fin || c->stream.error != 0)
		conn_die(c, CONN_END_HANDSHAKE);
	else
		linger(c);
}

static void
step_draining(struct conn *c, uint32_t events)
{
	enum stream_status status;

	conn_io_free_empty(c);
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
		status = stream_discard(&c->stream);
		c->eof = c->eof || status == STREAM_EOF;
		if (status == STREAM_FAILED)
			c->broken = true;
	}
	conn_io_write(c);
	if (c->broken) {
		conn_die(c, c->end);
	} else if (buffer_len(&c->out) == 0) {
		linger(c);
		if (c->stream.fin)
			conn_die(c, c->end);
	}
}

static void
step_lingering(struct conn *c)
{
	enum stream_status status = stream_discard(&c->stream);

	if (status == STREAM_EOF || status == STREAM_FAILED)
		conn_die(c, c->end);
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
		conn_step_handshake(c);
		return;
	}
	if (c->next != NULL && conn_dial_next(c) == 0)
		return;
	conn_explain(c, strerror(error));
	conn_die(c, CONN_END_ERROR);
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
		conn_step_handshake(c);
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
	conn_settle(c);
}

void
conn_step_ready(void *ctx, uint32_t events)
{
	step(ctx, events, 0);
}

static void
expire(struct conn *c)
{
	if (c->state == CONNECTING && c->next != NULL && conn_dial_next(c) == 0)
		return;
	if (c->state == CONNECTING)
		conn_explain(c, "connecting took too long");
	else if (c->state == HANDSHAKE)
		conn_explain(c, "the handshake took too long");
	conn_die(c, CONN_END_TIMEOUT);
}

static void
bury(struct conn *c)
{
	loop_timer_clear(c->loop, &c->timer);
	stream_close(&c->stream);
	c->ops.down(c->ctx, c, c->end);
	/* A call made on it from there may have set the timer again. */
	loop_timer_clear(c->loop, &c->timer);
	conn_release(c);
}

void
conn_step_due(void *ctx)
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
		conn_settle(c);
		return;
	}
	step(c, 0, kicks);
}
