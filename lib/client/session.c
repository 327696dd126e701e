#include "client/session.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/conn.h"
#include "client/slots.h"
#include "wire/reader.h"

#define IN_MAX (256u << 10)
#define OUT_MAX (1u << 20)

_Static_assert(OUT_MAX > 2 * LINE_MAX_LEN, "no room for a line");

struct session {
	struct loop *loop;
	struct session_settings settings;
	struct session_ops ops;
	void *ctx;

	enum session_state state;
	enum session_end end;
	enum session_end worst; /* of the addresses tried so far */
	char why[SESSION_WHY_MAX], worst_why[SESSION_WHY_MAX];

	struct conn *conn;
	struct conn_limits limits;
	uint32_t next_address;
	uint32_t address; /* of conn */
	bool pinned;      /* dial only `address` */
	char node[NODE_MAX_LEN + 1];

	uint32_t window;    /* the smaller of ours and the server's */
	struct slots slots; /* settings.window of them */
	struct timer deadline;

	struct line_reader reader;
	struct line line;
	struct msg msg;
};

static void session_hello(struct session *);
static int session_dial(struct session *);
static size_t conn_input(void *, struct conn *, const char *, size_t);

/* ---- The end ---- */

__attribute__((format(printf, 2, 3))) static void
set_why(struct session *s, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(s->why, sizeof(s->why), format, ap);
	va_end(ap);
	CHECK(len >= 0);
}

/* Closes the connection; what it ends as is settled here. */
static void
session_fail(struct session *s, enum session_end end)
{
	if (s->state == SESSION_CLOSING || s->state == SESSION_IDLE)
		return;
	s->end = end;
	s->state = SESSION_CLOSING;
	conn_close(s->conn, false);
}

/* Every unanswered request is told; the slots are free again. */
static void
slots_drop(struct session *s)
{
	struct slot *slot;
	session_reply *reply;

	while ((slot = slots_oldest(&s->slots)) != NULL) {
		slots_give(&s->slots, slot);
		reply = slot->reply;
		if (reply != NULL)
			reply(slot->ctx, slot->cookie, NULL);
	}
}

static void
session_finish(struct session *s, enum session_end end)
{
	loop_timer_clear(s->loop, &s->deadline);
	s->end = end;
	s->state = SESSION_IDLE;
	slots_drop(s);
	if (s->ops.ended != NULL)
		s->ops.ended(s->ctx, s, end);
}

/* The deadline of the oldest request: all wait equally long. */
static void
deadline_due(void *ctx)
{
	struct session *s = ctx;
	struct slot *oldest = slots_oldest(&s->slots);

	if (oldest == NULL)
		return;
	if (oldest->deadline_ns > loop_now_ns(s->loop)) {
		/* Moving a timer back in needs no memory that it had not. */
		(void)loop_timer_set(
		    s->loop, &s->deadline, oldest->deadline_ns);
		return;
	}
	set_why(s, "%s: no answer to %s within %lld ms", session_address(s),
	    verb_info(oldest->verb)->word,
	    (long long)(s->settings.reply_ns / NS_PER_MS));
	session_fail(s,
	    s->state == SESSION_READY ? SESSION_END_LOST
				      : SESSION_END_UNREACHABLE);
}

/* ---- Connection events ---- */

static void
conn_came_up(void *ctx, struct conn *conn)
{
	struct session *s = ctx;

	(void)conn;
	session_hello(s);
}

/*
 * An alert of TLS says that the peer refuses us; a certificate that does not
 * verify, or no TLS at all, that the peer is no gateway of ours; all else is
 * the network.
 */
static enum session_end
early_end(const struct conn *conn)
{
	switch (conn_failure(conn)) {
	case TLS_FAILURE_REFUSED:
		return SESSION_END_REFUSED;
	case TLS_FAILURE_CERTIFICATE:
	case TLS_FAILURE_PROTOCOL:
		return SESSION_END_UNTRUSTED;
	case TLS_FAILURE_NONE:
		break;
	}
	return SESSION_END_UNREACHABLE;
}

static const char *
why_it_ended(struct session *s, enum conn_end why)
{
	const char *text = conn_error(s->conn);

	if (text[0] != '\0')
		return text;
	switch (why) {
	case CONN_END_EOF:
		return "the gateway closed the connection";
	case CONN_END_TIMEOUT:
		return "no answer in time";
	case CONN_END_HANDSHAKE:
		return "the TLS handshake failed";
	case CONN_END_OVERFLOW:
		return "the gateway does not read";
	case CONN_END_CLOSED:
	case CONN_END_ERROR:
		break;
	}
	return "the connection broke";
}

/* It broke before it was ready: the next address, or the end. */
static void
session_next(struct session *s, enum session_end end)
{
	if (end != SESSION_END_UNREACHABLE) {
		s->worst = end;
		memcpy(s->worst_why, s->why, sizeof(s->why));
	}
	slots_drop(s);
	if (session_dial(s) == 0)
		return;
	if (s->worst != SESSION_END_UNREACHABLE)
		memcpy(s->why, s->worst_why, sizeof(s->why));
	session_finish(s, s->worst);
}

static void
conn_went_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct session *s = ctx;
	enum session_end end = s->end;
	bool was_ready = s->state == SESSION_READY;

	if (s->state != SESSION_CLOSING) {
		const char *text = why_it_ended(s, why);

		end = was_ready ? SESSION_END_LOST : early_end(conn);
		set_why(s, "%s: %s", session_address(s), text);
	}
	s->conn = NULL;
	loop_timer_clear(s->loop, &s->deadline);
	if (!was_ready &&
	    (end == SESSION_END_UNREACHABLE || end == SESSION_END_REFUSED ||
		end == SESSION_END_UNTRUSTED))
		session_next(s, end);
	else
		session_finish(s, end);
}

static const struct conn_ops conn_ops = {
    .up = conn_came_up,
    .input = conn_input,
    .down = conn_went_down,
};

static int
session_dial(struct session *s)
{
	while (s->next_address < s->settings.address_count) {
		const char *address = s->settings.addresses[s->next_address];

		s->address = s->next_address++;
		if (s->pinned)
			s->next_address = s->settings.address_count;
		s->reader = (struct line_reader){0};
		s->node[0] = '\0';
		s->window = 1;
		if (conn_connect(&s->conn, s->loop, address, s->settings.tls,
			&s->limits, &conn_ops, s) == 0) {
			s->state = SESSION_CONNECTING;
			s->end = SESSION_END_NONE;
			return 0;
		}
		set_why(s, "%s: %s", address, strerror(errno));
	}
	return -1;
}

/* ---- Requests ---- */

/* As session_send, in whatever state a connection is there. */
static int
request_send(struct session *s, struct msg *request, session_reply *reply,
    void *ctx, uint64_t cookie)
{
	struct slot *slot;
	size_t len;
	char *into;

	if (s->slots.taken >= s->window ||
	    conn_unsent(s->conn) > OUT_MAX - 2 * LINE_MAX_LEN)
		return errno = EAGAIN, -1;
	into = conn_reserve(s->conn, LINE_MAX_LEN);
	if (into == NULL)
		return errno = ENOMEM, -1;
	slot = slots_take(&s->slots, request);
	len = msg_encode(request, into);
	if (len == 0) {
		slots_give(&s->slots, slot);
		return errno = EINVAL, -1;
	}
	slot->deadline_ns = clock_mono_ns() + s->settings.reply_ns;
	if (s->deadline.heap_index_plus_1 == 0 &&
	    loop_timer_set(s->loop, &s->deadline, slot->deadline_ns) == -1) {
		slots_give(&s->slots, slot);
		return -1;
	}
	conn_commit(s->conn, len);
	slot->reply = reply;
	slot->ctx = ctx;
	slot->cookie = cookie;
	return 0;
}

/* ---- HELLO and LOGIN ---- */

static void
session_is_ready(struct session *s)
{
	s->state = SESSION_READY;
	if (s->ops.ready != NULL)
		s->ops.ready(s->ctx, s);
}

/* A request of our own, which must find room: it is the only one. */
static void
handshake_send(struct session *s, struct msg *request, session_reply *reply)
{
	if (request_send(s, request, reply, s, 0) == 0) {
		conn_flush(s->conn);
		return;
	}
	set_why(s, "%s: cannot send %s: %s", session_address(s),
	    verb_info(request->verb)->word, strerror(errno));
	session_fail(s, SESSION_END_LOGIN);
}

/* "CODE: text" of an ERR. */
static const char *
reply_text(const struct msg *reply, char *into, size_t size)
{
	struct str text = STR_NONE;
	int len;

	if (msg_has(reply, text))
		text = reply->v[KEY_text].str;
	len = snprintf(into, size, "%s%s%.*s",
	    code_text((enum code)reply->v[KEY_code].u64),
	    text.len > 0 ? ": " : "", STR_ARG(text));
	CHECK(len >= 0);
	return into;
}

static void session_login(struct session *);

static void
login_replied(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct session *s = ctx;
	enum session_end end = SESSION_END_LOGIN;

	(void)cookie;
	if (reply == NULL || reply->word == MSG_ROW)
		return;
	switch (login_answered(s->settings.login, reply)) {
	case LOGIN_DONE:
		session_is_ready(s);
		return;
	case LOGIN_NEXT:
		session_login(s);
		return;
	case LOGIN_BUSY:
		end = SESSION_END_BUSY;
		break;
	case LOGIN_REFUSED:
		break;
	}
	set_why(s, "%s: %s", session_address(s), login_why(s->settings.login));
	session_fail(s, end);
}

static void
session_login(struct session *s)
{
	if (login_request(s->settings.login, &s->msg)) {
		handshake_send(s, &s->msg, login_replied);
		return;
	}
	set_why(s, "%s: %s", session_address(s), login_why(s->settings.login));
	session_fail(s, SESSION_END_LOGIN);
}

static void
hello_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct session *s = ctx;
	uint64_t window;
	enum code code;
	char text[SESSION_WHY_MAX - 128];

	(void)cookie;
	if (reply == NULL || reply->word == MSG_ROW)
		return;
	if (reply->word != MSG_OK) {
		code = (enum code)reply->v[KEY_code].u64;
		set_why(s, "%s: HELLO refused: %s", session_address(s),
		    reply_text(reply, text, sizeof(text)));
		session_fail(s,
		    code == CODE_FORBIDDEN ? SESSION_END_REFUSED
			: code_retry(code) == RETRY_SAME_ID
			? SESSION_END_UNREACHABLE
			: SESSION_END_BROKEN);
		return;
	}
	window = reply->v[KEY_window].u64;
	if (reply->v[KEY_proto].u64 != PROTO_VERSION || window == 0) {
		set_why(s, "%s: HELLO answered with another protocol",
		    session_address(s));
		session_fail(s, SESSION_END_BROKEN);
		return;
	}
	s->window =
	    window < s->settings.window ? (uint32_t)window : s->settings.window;
	(void)str_copy(s->node, sizeof(s->node), reply->v[KEY_node].str);
	login_begin(s->settings.login);
	session_login(s);
}

static void
session_hello(struct session *s)
{
	struct msg *request = &s->msg;

	msg_init(request, MSG_REQUEST, VERB_CLIENT_HELLO, "1");
	msg_set_u64(request, KEY_proto, PROTO_VERSION);
	msg_set_str(request, KEY_agent, str_from(s->settings.agent));
	handshake_send(s, request, hello_answered);
}

/* ---- Replies ---- */

static void
session_broken(struct session *s, const char *what)
{
	set_why(s, "%s: the gateway broke the protocol: %s", session_address(s),
	    what);
	session_fail(s, SESSION_END_BROKEN);
}

static void
reply_deliver(struct session *s, struct slot *slot)
{
	const struct msg *reply = &s->msg;
	session_reply *deliver = slot->reply;
	enum code code;

	if (reply->word == MSG_ERR && s->state == SESSION_READY) {
		code = (enum code)reply->v[KEY_code].u64;
		if (code_retry(code) == RETRY_LOGIN) {
			/* The request did nothing: it is told with the rest. */
			set_why(s, "%s: the session ended: %s",
			    session_address(s), code_text(code));
			session_fail(s, SESSION_END_LOGGED_OUT);
			return;
		}
	}
	if (reply->word != MSG_ROW)
		slots_give(&s->slots, slot);
	if (deliver != NULL)
		deliver(slot->ctx, slot->cookie, reply);
}

static void
session_line(struct session *s)
{
	struct msg_problem problem = {.field = STR_NONE};
	struct slot *slot;
	char text[256];
	int len;

	if (!line_is_reply(&s->line)) {
		session_broken(s, "it sent a request");
		return;
	}
	slot = slots_find(&s->slots, s->line.tag);
	if (slot == NULL) {
		/* Tag 0: it could not read a line of ours. */
		if (strcmp(s->line.tag, "0") == 0)
			session_broken(s, "it could not read a request");
		return;
	}
	if (msg_reply(&s->msg, &s->line, slot->verb, &problem) != LINE_OK) {
		len = snprintf(text, sizeof(text), "answer to %s: %.*s %s",
		    verb_info(slot->verb)->word,
		    (int)(problem.field.len > KEY_MAX_LEN ? KEY_MAX_LEN
							  : problem.field.len),
		    problem.field.at, problem.text);
		CHECK(len >= 0);
		session_broken(s, text);
		return;
	}
	if (s->msg.word == MSG_EVENT)
		return;
	if (slot_fits(slot, &s->msg))
		reply_deliver(s, slot);
	else
		session_broken(s, "an answer does not fit its request");
}

static size_t
conn_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct session *s = ctx;
	size_t used = 0;

	(void)conn;
	while (s->state == SESSION_CONNECTING || s->state == SESSION_READY) {
		switch (line_next(&s->reader, &s->line, octets, len, &used)) {
		case LINE_NEXT_NONE:
			return used;
		case LINE_NEXT_LINE:
			session_line(s);
			break;
		case LINE_NEXT_BROKEN:
			session_broken(s, s->line.problem);
			break;
		case LINE_NEXT_TOO_LONG:
			session_broken(s, "a line is too long");
			break;
		}
	}
	return len;
}

/* ---- For callers ---- */

int
session_new(struct session **session, struct loop *loop,
    const struct session_settings *settings, const struct session_ops *ops,
    void *ctx)
{
	struct session *s;

	CHECK(settings->window >= 1 && settings->window <= SESSION_WINDOW_MAX);
	CHECK(settings->address_count >= 1);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -1;
	if (slots_init(&s->slots, settings->window) == -1) {
		free(s);
		return -1;
	}
	s->loop = loop;
	s->settings = *settings;
	if (ops != NULL)
		s->ops = *ops;
	s->ctx = ctx;
	s->limits = (struct conn_limits){.in_max = IN_MAX,
	    .out_max = OUT_MAX,
	    .handshake_ns = settings->connect_ns};
	s->deadline = (struct timer){.due = deadline_due, .ctx = s};
	*session = s;
	return 0;
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	CHECK(s->state == SESSION_IDLE);
	slots_free(&s->slots);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

int
session_connect(struct session *s)
{
	CHECK(s->state == SESSION_IDLE);
	s->next_address = s->pinned ? s->address : 0;
	s->worst = SESSION_END_UNREACHABLE;
	if (session_dial(s) == 0)
		return 0;
	s->end = SESSION_END_UNREACHABLE;
	return -1;
}

void
session_close(struct session *s)
{
	if (s->state == SESSION_IDLE || s->state == SESSION_CLOSING)
		return;
	set_why(s, "%s: given up here", session_address(s));
	s->end = SESSION_END_CLOSED;
	s->state = SESSION_CLOSING;
	conn_close(s->conn, true);
}

enum session_state
session_state(const struct session *s)
{
	return s->state;
}

enum session_end
session_ended(const struct session *s)
{
	return s->end;
}

const char *
session_why(const struct session *s)
{
	return s->why;
}

const char *
session_node(const struct session *s)
{
	return s->node;
}

const char *
session_address(const struct session *s)
{
	return s->settings.addresses[s->address];
}

void
session_pin(struct session *s)
{
	s->pinned = true;
}

void
session_unpin(struct session *s)
{
	s->pinned = false;
}

bool
session_pin_to(struct session *s, const char *address)
{
	uint32_t i;

	CHECK(s->state == SESSION_IDLE);
	for (i = 0; i < s->settings.address_count; i++) {
		if (strcmp(s->settings.addresses[i], address) == 0) {
			s->address = i;
			s->pinned = true;
			return true;
		}
	}
	return false;
}

uint32_t
session_room(const struct session *s)
{
	if (s->state != SESSION_READY ||
	    conn_unsent(s->conn) > OUT_MAX - 2 * LINE_MAX_LEN)
		return 0;
	return s->window - s->slots.taken;
}

uint32_t
session_unanswered(const struct session *s)
{
	return s->slots.taken;
}

int
session_send(struct session *s, struct msg *request, session_reply *reply,
    void *ctx, uint64_t cookie)
{
	if (s->state != SESSION_READY)
		return errno = ENOTCONN, -1;
	return request_send(s, request, reply, ctx, cookie);
}

void
session_flush(struct session *s)
{
	if (s->state == SESSION_READY)
		conn_flush(s->conn);
}
