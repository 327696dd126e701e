#include "talk.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"

void
talk_init(struct talk *t, const struct talk_ops *ops, void *ctx,
    struct turn *turn, uint32_t slot, uint32_t window)
{
	memset(t, 0, sizeof(*t));
	t->ops = ops;
	t->ctx = ctx;
	t->turn = turn;
	t->window = window;
	t->peer = (struct peer){slot, 0};
}

void
talk_begin(struct talk *t, struct conn *conn)
{
	CHECK(t->conn == NULL);
	t->conn = conn;
	t->peer.generation++;
	t->reader = (struct line_reader){0};
	t->unanswered = 0;
	t->ended = false;
	t->closed = false;
}

void
talk_down(struct talk *t)
{
	struct event ev = {.kind = EV_PEER_DOWN, .peer = t->peer};

	t->conn = NULL;
	t->ended = true;
	turn_event(t->turn, &ev);
}

/* Is this line the last one of an answer? Its second word is OK or ERR. */
static bool
is_final(const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);
	size_t left;

	if (space == NULL)
		return false;
	left = len - (size_t)(space + 1 - line);
	return (left > 2 && memcmp(space + 1, "OK", 2) == 0 &&
		   (space[3] == ' ' || space[3] == '\n')) ||
	    (left > 3 && memcmp(space + 1, "ERR", 3) == 0 &&
		(space[4] == ' ' || space[4] == '\n'));
}

static void
put_line(struct talk *t, const char *line, size_t len)
{
	char *room = conn_reserve(t->conn, len);

	/* Without room the connection ends by itself, as an overflow. */
	if (room == NULL) {
		t->ended = true;
		t->closed = true;
		return;
	}
	memcpy(room, line, len);
	conn_commit(t->conn, len);
	t->lines_out++;
}

void
talk_deliver(struct talk *t, struct peer peer, const char *line, size_t len)
{
	if (t->conn == NULL || t->closed || !peer_eq(t->peer, peer))
		return;
	if (is_final(line, len)) {
		CHECK(t->unanswered > 0);
		t->unanswered--;
		if (t->ops->stop_reading && t->unanswered == t->window - 1)
			conn_pause(t->conn, false);
	}
	put_line(t, line, len);
}

void
talk_put(struct talk *t, const struct msg *m)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode(m, line);

	CHECK(len > 0);
	if (t->conn != NULL && !t->ended)
		put_line(t, line, len);
}

void
talk_error(struct talk *t, const char *tag, enum code code, struct str field,
    const char *text)
{
	char line[LINE_MAX_LEN];
	struct msg m;

	msg_error(&m, VERB_UNKNOWN, tag, code, text);
	if (field.len > 0) {
		msg_set_str(&m, KEY_field, field);
		/* The name is the peer's: it may be one that no ERR carries. */
		if (msg_encode(&m, line) == 0)
			msg_error(&m, VERB_UNKNOWN, tag, code, text);
	}
	turn_send(t->turn, t->peer, &m);
}

void
talk_end(struct talk *t)
{
	t->ended = true;
}

/* Counts a request; false where it was one too many. */
static bool
count(struct talk *t)
{
	if (t->unanswered >= t->window) {
		/* With stop_reading no line is looked at beyond the window. */
		CHECK(!t->ops->stop_reading);
		log_warn("closing: more requests than our window allows",
		    LOG_C("peer", conn_address(t->conn)),
		    LOG_U("window", t->window));
		talk_end(t);
		return false;
	}
	t->unanswered++;
	if (t->ops->stop_reading && t->unanswered == t->window)
		conn_pause(t->conn, true);
	return true;
}

static void
take_request(struct talk *t, const struct line *line)
{
	struct msg_problem problem;
	struct msg m;
	enum line_status status = msg_request(&m, line, t->ops->side, &problem);

	if (status == LINE_OK && m.verb == t->ops->exempt) {
		t->ops->request(t->ctx, &m);
		return;
	}
	if (!count(t))
		return;
	/* The line was split, so its shape is good. */
	CHECK(status != LINE_SHAPE && status != LINE_LONG);
	switch (status) {
	case LINE_OK:
		t->ops->request(t->ctx, &m);
		return;
	case LINE_UNKNOWN_VERB:
		talk_error(t, line->tag, CODE_UNKNOWN_VERB, STR_NONE,
		    "no such verb here");
		return;
	case LINE_BAD_FIELD:
		talk_error(t, line->tag, CODE_BAD_REQUEST, problem.field,
		    problem.text);
		return;
	case LINE_SHAPE:
	case LINE_LONG:
		return;
	}
}

static void
take_broken(struct talk *t, const char *tag, enum code code, const char *text)
{
	if (!count(t))
		return;
	talk_error(t, tag, code, STR_NONE, text);
	if (t->reader.broken >= BROKEN_LINES_MAX) {
		log_warn("closing: too many lines that break the grammar",
		    LOG_C("peer", conn_address(t->conn)));
		talk_end(t);
	}
}

/* One line, or false where no whole one is left. */
static bool
take_line(struct talk *t, struct line *line, const char *octets, size_t len,
    size_t *used)
{
	switch (line_next(&t->reader, line, octets, len, used)) {
	case LINE_NEXT_NONE:
		return false;
	case LINE_NEXT_LINE:
		t->lines_in++;
		if (!line_is_reply(line))
			take_request(t, line);
		else if (t->ops->reply != NULL)
			t->ops->reply(t->ctx, line);
		break;
	case LINE_NEXT_BROKEN:
		take_broken(t, line->tag, CODE_BAD_REQUEST, line->problem);
		break;
	case LINE_NEXT_TOO_LONG:
		take_broken(t, line->tag, CODE_LINE_TOO_LONG,
		    "a line is at most 4096 octets");
		break;
	}
	return true;
}

size_t
talk_input(struct talk *t, const char *octets, size_t len)
{
	struct line line;
	size_t used = 0;

	while (!t->ended && !conn_paused(t->conn) &&
	    take_line(t, &line, octets, len, &used))
		;
	/* There may have been a password in it. */
	explicit_bzero(&line, sizeof(line));
	return t->ended ? len : used;
}

void
talk_after_turn(struct talk *t)
{
	if (t->conn == NULL)
		return;
	if (t->ended && !t->closed) {
		t->closed = true;
		conn_close(t->conn, true);
		return;
	}
	conn_flush(t->conn);
}
