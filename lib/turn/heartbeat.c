#include "turn/heartbeat.h"

#include "base/clock.h"
#include "base/exitcode.h"
#include "base/log.h"

/* When the next look at a quiet link is due. */
static void
look_later(struct heartbeat *h)
{
	const struct conn *conn = h->talk->conn;
	int64_t sent_ns = conn_last_output_ns(conn);
	int64_t at_ns = conn_last_input_ns(conn) + 2 * h->interval_ns;

	if (h->pinged_ns > sent_ns)
		sent_ns = h->pinged_ns;
	if (h->pings && sent_ns + h->interval_ns < at_ns)
		at_ns = sent_ns + h->interval_ns;
	if (loop_timer_set(h->loop, &h->timer, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

static void
look(void *ctx)
{
	struct heartbeat *h = ctx;
	const struct conn *conn = h->talk->conn;
	int64_t now_ns = clock_mono_ns();

	if (conn == NULL || h->talk->ended)
		return;
	if (now_ns - conn_last_input_ns(conn) >= 2 * h->interval_ns) {
		h->ops->silent(h->ctx);
		return;
	}
	if (h->pings && now_ns - conn_last_output_ns(conn) >= h->interval_ns &&
	    now_ns - h->pinged_ns >= h->interval_ns) {
		h->pinged_ns = now_ns;
		h->ops->ping(h->ctx);
	}
	look_later(h);
}

void
heartbeat_init(struct heartbeat *h, const struct heartbeat_ops *ops, void *ctx,
    struct loop *loop, const struct talk *talk)
{
	*h = (struct heartbeat){
	    .ops = ops,
	    .ctx = ctx,
	    .loop = loop,
	    .talk = talk,
	    .timer = {.due = look, .ctx = h},
	};
}

void
heartbeat_start(struct heartbeat *h, int64_t interval_ns)
{
	h->interval_ns = interval_ns;
	h->pinged_ns = 0;
	h->pings = false;
	look_later(h);
}

void
heartbeat_ping(struct heartbeat *h, int64_t interval_ns)
{
	h->interval_ns = interval_ns;
	h->pings = true;
	look_later(h);
}

void
heartbeat_stop(struct heartbeat *h)
{
	loop_timer_clear(h->loop, &h->timer);
}
