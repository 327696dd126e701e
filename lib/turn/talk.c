#include "turn/talk.h"

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
	t->user = STR_NONE;
	request_log_init(&t->log);
}

/* Whom the log is to name. */
static struct request_log_peer
who(const struct talk *t)
{
	struct request_log_peer peer = {.address = conn_address(t->conn)};

	t->ops->who(t->ctx, &peer);
	return peer;
}

void
talk_begin(struct talk *t, struct conn *conn)
{
	CHECK(t->conn == NULL && !t->listed);
	t->conn = conn;
	t->peer.generation++;
	t->user = STR_NONE;
	t->forbidden = NULL;
	t->line_ns = conn_last_input_ns(conn);
	t->reader = (struct line_reader){0};
	t->unanswered = t->unwritten = t->heavy = 0;
	t->barrier = false;
	t->mute = t->finished = false;
	t->quit_tag[0] = '\0';
	t->ended = t->closed = t->gone = false;
	t->awaits_hello = false;
}

/* Something is to be done for it once the turn has ended. */
static void
list(struct talk *t)
{
	if (t->talks == NULL || t->listed || t->conn == NULL)
		return;
	t->listed = true;
	TAILQ_INSERT_TAIL(t->talks, t, entry);
}

static void
unlist(struct talk *t)
{
	if (!t->listed)
		return;
	t->listed = false;
	TAILQ_REMOVE(t->talks, t, entry);
}

/* Nothing more is owed to the peer, nor awaited from it. */
static void
tell_gone(struct talk *t)
{
	struct event ev = {
	    .kind = EV_PEER_DOWN,
	    .peer = t->peer,
	    .user = t->user,
	};

	if (t->gone)
		return;
	t->gone = true;
	turn_event(t->turn, &ev);
}

void
talk_down(struct talk *t)
{
	unlist(t);
	if (t->ops->who != NULL && !TAILQ_EMPTY(&t->log.waiting)) {
		struct request_log_peer peer = who(t);

		request_log_gone(&t->log, &peer);
	}
	t->conn = NULL;
	t->ended = true;
	tell_gone(t);
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
log_answer(struct talk *t, const char *line, size_t len)
{
	struct request_log_peer peer;

	if (t->ops->who == NULL)
		return;
	peer = who(t);
	request_log_answered(&t->log, line, len, &peer);
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
	list(t);
}

/* QUIT alone is left to be answered. */
static void
answer_quit(struct talk *t)
{
	struct msg m;

	CHECK(t->unanswered == 1);
	t->unanswered = 0;
	msg_init(&m, MSG_OK, t->quit_verb, t->quit_tag);
	t->quit_tag[0] = '\0';
	talk_put(t, &m);
	talk_end(t);
}

void
talk_deliver(struct talk *t, struct peer peer, const char *line, size_t len)
{
	if (t->conn == NULL || t->closed || !peer_eq(t->peer, peer))
		return;
	if (is_final(line, len)) {
		CHECK(t->unanswered > 0);
		t->unanswered--;
		t->unwritten++;
		log_answer(t, line, len);
	}
	put_line(t, line, len);
	if (t->quit_tag[0] != '\0' && t->unanswered == 1)
		answer_quit(t);
	if (t->finished && t->unanswered == 0)
		talk_end(t);
}

void
talk_put(struct talk *t, const struct msg *m)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode(m, line);

	CHECK(len > 0);
	if (t->conn == NULL || t->ended)
		return;
	if (is_final(line, len))
		log_answer(t, line, len);
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

/* ---- When to read ---- */

static bool
at_window(const struct talk *t)
{
	return t->unanswered + t->unwritten >= t->window ||
	    t->heavy >= TALK_HEAVY_MAX;
}

static void
set_pause(struct talk *t)
{
	if (t->conn != NULL)
		conn_pause(t->conn,
		    t->barrier || t->mute ||
			(t->ops->stop_reading && at_window(t)));
}

/* Everything that was answered is in the socket. */
static void
written(struct talk *t)
{
	t->unwritten = 0;
	if (t->unanswered == 0)
		t->heavy = 0;
	set_pause(t);
}

void
talk_drained(struct talk *t)
{
	if (t->conn != NULL && !t->closed)
		written(t);
}

void
talk_barrier(struct talk *t, bool set)
{
	t->barrier = set;
	set_pause(t);
}

void
talk_mute(struct talk *t)
{
	t->mute = true;
	set_pause(t);
}

void
talk_quit(struct talk *t, const struct msg *request)
{
	CHECK(t->quit_tag[0] == '\0' && t->unanswered > 0);
	CHECK(
	    str_copy(t->quit_tag, sizeof(t->quit_tag), str_from(request->tag)));
	t->quit_verb = request->verb;
	talk_mute(t);
	if (t->unanswered == 1)
		answer_quit(t);
}

bool
talk_finished(struct talk *t)
{
	if (t->ended || !t->ops->stop_reading || t->unanswered == 0)
		return false;
	t->finished = true;
	talk_mute(t);
	return true;
}

void
talk_refuse(struct talk *t, enum code code, const char *text)
{
	t->forbidden = text;
	t->forbidden_code = code;
}

void
talk_heavy(struct talk *t)
{
	t->heavy++;
	set_pause(t);
}

void
talk_end(struct talk *t)
{
	t->ended = true;
	list(t);
}

void
talk_drop(struct talk *t)
{
	if (t->conn == NULL)
		return;
	t->ended = true;
	t->closed = true;
	conn_close(t->conn, false);
}

/* ---- Input ---- */

/* Counts a request; false where it was one too many. */
static bool
count(struct talk *t)
{
	if (!t->ops->stop_reading && t->unanswered >= t->window) {
		log_warn("closing: more requests than our window allows",
		    LOG_C("peer", conn_address(t->conn)),
		    LOG_U("window", t->window));
		talk_end(t);
		return false;
	}
	t->unanswered++;
	set_pause(t);
	return true;
}

static void
refuse(struct talk *t, const struct line *line)
{
	t->unanswered++;
	talk_error(t, line->tag, t->forbidden_code, STR_NONE, t->forbidden);
	log_warn("closing: the peer is not welcome",
	    LOG_C("peer", conn_address(t->conn)),
	    LOG_C("code", code_text(t->forbidden_code)),
	    LOG_C("why", t->forbidden));
	talk_end(t);
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
	if (t->ops->who != NULL) {
		struct request_log_peer peer = who(t);

		request_log_taken(
		    &t->log, line, status == LINE_OK ? &m : NULL, &peer);
	}
	/* The line was split, so its shape is good. */
	CHECK(status != LINE_SHAPE && status != LINE_LONG);
	switch (status) {
	case LINE_OK:
		t->ops->request(t->ctx, &m);
		return;
	case LINE_UNKNOWN_VERB:
		if (t->awaits_hello)
			talk_error(t, line->tag, CODE_BAD_REQUEST, STR_NONE,
			    "HELLO comes first");
		else
			talk_error(
			    t, line->tag, CODE_UNKNOWN_VERB, STR_NONE, NULL);
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
take_line(struct talk *t, struct line *line)
{
	t->lines_in++;
	t->line_ns = conn_last_input_ns(t->conn);
	if (t->forbidden != NULL)
		refuse(t, line);
	else if (!line_is_reply(line))
		take_request(t, line);
	else if (t->ops->reply != NULL)
		t->ops->reply(t->ctx, line);
	for (uint32_t i = 0; i < line->count; i++)
		if (line->fields[i].key == KEY_password ||
		    line->fields[i].key == KEY_token) {
			explicit_bzero(line->scratch, sizeof(line->scratch));
			return;
		}
}

static void
take_broken(
    struct talk *t, const struct line *line, enum code code, const char *text)
{
	t->line_ns = conn_last_input_ns(t->conn);
	if (t->forbidden != NULL) {
		refuse(t, line);
		return;
	}
	if (!count(t))
		return;
	talk_error(t, line->tag, code, STR_NONE, text);
	if (t->reader.broken >= BROKEN_LINES_MAX) {
		log_warn("closing: too many lines that break the grammar",
		    LOG_C("peer", conn_address(t->conn)));
		talk_end(t);
	}
}

size_t
talk_input(struct talk *t, const char *octets, size_t len)
{
	struct line line;
	size_t used = 0;

	while (!t->ended && !conn_paused(t->conn)) {
		switch (line_next(&t->reader, &line, octets, len, &used)) {
		case LINE_NEXT_NONE:
			return used;
		case LINE_NEXT_LINE:
			take_line(t, &line);
			break;
		case LINE_NEXT_BROKEN:
			take_broken(t, &line, CODE_BAD_REQUEST, line.problem);
			break;
		case LINE_NEXT_TOO_LONG:
			take_broken(t, &line, CODE_LINE_TOO_LONG, NULL);
			break;
		}
	}
	return t->ended ? len : used;
}

/* ---- After a turn ---- */

void
talk_after_turn(struct talk *t)
{
	if (t->conn == NULL)
		return;
	if (t->ended && !t->closed) {
		/* The socket may take a while yet; nobody waits for that. */
		t->closed = true;
		tell_gone(t);
		conn_close(t->conn, true);
		return;
	}
	conn_flush(t->conn);
	if (!t->closed && conn_unsent(t->conn) == 0)
		written(t);
}

void
talks_after_turn(struct talks *talks)
{
	struct talk *t;

	while ((t = TAILQ_FIRST(talks)) != NULL) {
		unlist(t);
		talk_after_turn(t);
	}
}
