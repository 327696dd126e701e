/* A connection: its octets, out and in. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/conn_private.h"

/* Asked of the stream at once: a TLS record's worth. */
#define READ_CHUNK (16u << 10)

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

void
conn_io_write(struct conn *c)
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
			conn_explain(c, strerror(ENOMEM));
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
void
conn_io_free_empty(struct conn *c)
{
	if (c->state != UP || buffer_len(&c->in) == 0)
		buffer_free_secret(&c->in);
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

void
conn_io_drain(struct conn *c, enum conn_end why)
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
			conn_die(c, CONN_END_ERROR);
		break;
	case STREAM_WANT_WRITE:
		c->read_wants_write = true;
		break;
	case STREAM_EOF:
		c->eof = true;
		/* Paused: it ends when the rest has been taken. */
		if (c->paused)
			break;
		c->owed = c->ops.finished != NULL && c->ops.finished(c->ctx, c);
		if (c->owed)
			c->paused = true;
		else
			conn_io_drain(c, CONN_END_EOF);
		break;
	case STREAM_FAILED:
		/*
		 * A TLS 1.3 client is up before the server has looked at its
		 * certificate: an alert in place of an answer is a refusal.
		 */
		conn_die(c,
		    c->dialled && c->stream.failure == TLS_FAILURE_REFUSED &&
			    !c->heard
			? CONN_END_HANDSHAKE
			: CONN_END_ERROR);
		break;
	}
}

/* `again`: offer what is unread even if nothing has come. */
void
conn_io_read(struct conn *c, bool again)
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
	conn_io_free_empty(c);
	if (c->state == UP)
		conclude_reading(c, status);
}
