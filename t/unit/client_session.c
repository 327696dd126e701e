/*
 * client/session.h: many sessions in one loop, against a gateway that answers
 * when the test says so. What strife-pay makes of each end is in t4010.
 */
#include "client/session.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/conn.h"
#include "certs.h"
#include "tap.h"
#include "wire/reader.h"

#define PEERS 4
#define HELD_MAX 64

/* One connection as the gateway sees it. */
struct peer {
	struct conn *conn;
	struct line_reader reader;
	struct line line;
	char held[HELD_MAX][TAG_MAX_LEN + 1]; /* tags not answered yet */
	uint32_t held_count;
};

static struct loop *loop;
static struct tls *server_tls, *client_tls;
static struct login *logins[8]; /* each session has its own */
static uint32_t login_count;
static struct watch listening;
static char address[64];
static struct peer peers[PEERS];
static uint32_t peer_count;
static uint32_t window = 8;

static const struct conn_limits limits = {
    .in_max = 1 << 16, .out_max = 1 << 20, .handshake_ns = 5 * NS_PER_S};

/* ---- The gateway ---- */

static void
say(struct peer *p, const char *format, const char *tag)
{
	char text[LINE_MAX_LEN];
	char *into;
	int len = snprintf(text, sizeof(text), "%s %s\n", tag, format);

	into = conn_reserve(p->conn, (size_t)len);
	CERTS_NEED(into != NULL);
	memcpy(into, text, (size_t)len);
	conn_commit(p->conn, (size_t)len);
}

static void
answer(struct peer *p)
{
	const struct line *line = &p->line;
	char text[200];

	if (str_is(line->word, "HELLO")) {
		CERTS_NEED(snprintf(text, sizeof(text),
			       "OK proto=1 node=gw1 server=s window=%u "
			       "time=2026-01-31T12:00:00.000000Z",
			       (unsigned)window) > 0);
		say(p, text, line->tag);
	} else if (str_is(line->word, "LOGIN")) {
		say(p, "OK user=alice roles=pay", line->tag);
	} else {
		CERTS_NEED(p->held_count < HELD_MAX);
		memcpy(p->held[p->held_count++], line->tag, sizeof(line->tag));
	}
}

static size_t
gateway_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct peer *p = ctx;
	size_t used = 0;

	(void)conn;
	while (line_next(&p->reader, &p->line, octets, len, &used) ==
	    LINE_NEXT_LINE)
		answer(p);
	return used;
}

static void
gateway_up(void *ctx, struct conn *conn)
{
	(void)ctx;
	(void)conn;
}

static void
gateway_down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct peer *p = ctx;

	(void)conn;
	(void)why;
	p->conn = NULL;
}

static const struct conn_ops gateway_ops = {
    .up = gateway_up, .input = gateway_input, .down = gateway_down};

static void
gateway_accept(void *ctx, uint32_t events)
{
	struct peer *p = &peers[peer_count];
	int fd =
	    accept4(listening.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)ctx;
	(void)events;
	if (fd == -1)
		return;
	CERTS_NEED(peer_count < PEERS);
	CERTS_NEED(conn_accept(&p->conn, loop, fd, server_tls, &limits,
		       &gateway_ops, p) == 0);
	peer_count++;
}

/* The gateway answers the held request at this place. */
static void
release(struct peer *p, uint32_t at, const char *reply)
{
	CERTS_NEED(at < p->held_count);
	say(p, reply, p->held[at]);
	memmove(p->held[at], p->held[at + 1],
	    (p->held_count - at - 1) * sizeof(p->held[0]));
	p->held_count--;
}

/* ---- The clients ---- */

static uint64_t answered[HELD_MAX];
static uint32_t answer_count, dropped_count, ready_count, ended_count;
static enum session_end last_end;

static void
on_reply(void *ctx, uint64_t cookie, const struct msg *reply)
{
	(void)ctx;
	if (reply == NULL)
		dropped_count++;
	else
		answered[answer_count++] = cookie;
}

static void
on_ready(void *ctx, struct session *s)
{
	(void)ctx;
	(void)s;
	ready_count++;
}

static void
on_ended(void *ctx, struct session *s, enum session_end end)
{
	(void)ctx;
	(void)s;
	last_end = end;
	ended_count++;
}

static const struct session_ops session_ops = {
    .ready = on_ready, .ended = on_ended};

static int
ping(struct session *s, uint64_t cookie)
{
	struct msg request;

	msg_init(&request, MSG_REQUEST, VERB_CLIENT_PING, "1");
	return session_send(s, &request, on_reply, NULL, cookie);
}

#define TURN_UNTIL(condition) \
	do { \
		int64_t until_ns_ = clock_mono_ns() + 30 * NS_PER_S; \
		while (!(condition) && clock_mono_ns() < until_ns_) \
			CERTS_NEED(loop_turn(loop, until_ns_) == 0); \
		CERTS_NEED(condition); \
	} while (0)

#define PONG "OK time=2026-01-31T12:00:00.000000Z"

/* By the certificate: there is neither a password file nor a token. */
static struct login *
make_login(void)
{
	static char user[] = "alice";
	static const struct client_config config = {.user = user};
	const struct login_options options = {
	    .config = &config, .self = tls_self(client_tls)};
	struct yaml_error error;
	struct login *l;

	CERTS_NEED(login_new(&l, &options, &error) == 0);
	CERTS_NEED(login_count < sizeof(logins) / sizeof(logins[0]));
	logins[login_count++] = l;
	return l;
}

static struct session *
make_session(char *const *addresses, uint32_t count, uint32_t own_window)
{
	const struct session_settings settings = {.addresses = addresses,
	    .address_count = count,
	    .tls = client_tls,
	    .agent = "test",
	    .login = make_login(),
	    .window = own_window,
	    .connect_ns = 5 * NS_PER_S,
	    .reply_ns = 60 * NS_PER_S};
	struct session *s;

	CERTS_NEED(session_new(&s, loop, &settings, &session_ops, NULL) == 0);
	return s;
}

static void
test_window(struct session *s)
{
	uint64_t i;
	bool sent = true;

	is_i64(session_room(s), 8, "there is room for the server's window");
	for (i = 0; i < 8; i++)
		sent = sent && ping(s, 100 + i) == 0;
	ok(sent && session_room(s) == 0, "as many can be sent");
	ok(ping(s, 200) == -1 && errno == EAGAIN, "and no more: EAGAIN");
	session_flush(s);
	TURN_UNTIL(peers[0].held_count == 8);
	ok(strcmp(peers[0].held[0], peers[0].held[7]) != 0,
	    "each has a tag of its own");
	say(&peers[0], PONG, "ffff0000");
	release(&peers[0], 7, PONG);
	release(&peers[0], 0, PONG);
	TURN_UNTIL(answer_count == 2);
	ok(answered[0] == 107 && answered[1] == 100,
	    "answers may come in any order; one to no request is ignored");
	is_i64(session_room(s), 2, "each makes room for one");
	ok(ping(s, 108) == 0, "which can be used");
	TURN_UNTIL(peers[0].held_count == 7);
	say(&peers[0], PONG, peers[0].held[6]);
	release(&peers[0], 6, PONG);
	TURN_UNTIL(answer_count == 3);
	is_i64(answered[2], 108, "a request is answered once");
}

static void
test_lost(struct session *s)
{
	uint32_t turns;

	conn_close(peers[0].conn, false);
	TURN_UNTIL(ended_count == 1);
	is_i64(last_end, SESSION_END_LOST, "the connection breaks: LOST");
	is_i64(dropped_count, 6, "every unanswered request is told");
	is_i64(answer_count, 3, "and nothing was made up");
	ok(session_state(s) == SESSION_IDLE && session_unanswered(s) == 0,
	    "the session is idle");
	ok(ping(s, 1) == -1 && errno == ENOTCONN, "nothing can be sent");
	ok(session_connect(s) == 0, "it connects again");
	TURN_UNTIL(session_state(s) == SESSION_READY);
	is_i64(session_room(s), 8, "with all its room");
	session_close(s);
	session_close(s);
	for (turns = 0; session_state(s) != SESSION_IDLE; turns++)
		CERTS_NEED(loop_turn(loop, INT64_MAX) == 0);
	ok(turns > 0 && session_ended(s) == SESSION_END_CLOSED,
	    "closed, in a later turn");
	is_i64(ended_count, 2, "told once for each end");
}

static void
test_many(char *const *good, char *const *mixed)
{
	struct session *a = make_session(mixed, 2, 3);
	struct session *b = make_session(good, 1, 1);

	ready_count = answer_count = 0;
	ok(session_connect(a) == 0 && session_connect(b) == 0,
	    "two sessions in one loop");
	TURN_UNTIL(ready_count == 2);
	is_text(session_address(a), address, "the second address was taken");
	is_text(session_node(b), "gw1", "the gateway's name is known");
	ok(session_room(a) == 3 && session_room(b) == 1,
	    "our own window counts where it is smaller");
	ok(ping(a, 1) == 0 && ping(b, 2) == 0, "both send");
	TURN_UNTIL(peers[2].held_count == 1 && peers[3].held_count == 1);
	release(&peers[2], 0, PONG);
	release(&peers[3], 0, PONG);
	TURN_UNTIL(answer_count == 2);
	is_i64(answered[0] + answered[1], 3, "both are answered");
	session_pin(a);
	session_close(a);
	session_close(b);
	TURN_UNTIL(session_state(a) == SESSION_IDLE &&
	    session_state(b) == SESSION_IDLE);
	session_free(b);
	session_free(a);
}

static void
test_unreachable(char *const *bad)
{
	struct session *s = make_session(bad, 1, 1);
	enum session_end end;

	ended_count = 0;
	if (session_connect(s) == 0)
		TURN_UNTIL(ended_count == 1);
	end = session_ended(s);
	is_i64(end, SESSION_END_UNREACHABLE, "nobody listens: UNREACHABLE");
	ok(strncmp(session_why(s), bad[0], strlen(bad[0])) == 0,
	    "session_why names the address");
	session_free(s);
}

static struct tls *
make_tls(const char *dir, const char *name, bool server)
{
	char *ca = certs_path(dir, "ca", ".crt");
	char *cert = certs_path(dir, name, ".crt");
	char *key = certs_path(dir, name, ".key");
	const struct tls_files files = {.ca = ca, .cert = cert, .key = key};
	char error[512];
	struct tls *tls;

	CERTS_NEED(tls_new(&tls, &files, server, error, sizeof(error)) == 0);
	free(ca);
	free(cert);
	free(key);
	return tls;
}

int
main(void)
{
	char dir[256], unused[64];
	struct certs_ca ca;
	struct session *s;
	int probe;

	certs_dir_make(dir, sizeof(dir));
	certs_ca_make(&ca, dir, "ca");
	certs_make(&ca, "gw", "URI:strife://gateway/gw1,IP:127.0.0.1");
	certs_make(&ca, "alice", "URI:strife://client/alice");
	server_tls = make_tls(dir, "gw", true);
	client_tls = make_tls(dir, "alice", false);
	CERTS_NEED(setenv("XDG_STATE_HOME", dir, 1) == 0);
	CERTS_NEED(loop_new(&loop) == 0);
	probe = conn_listen("127.0.0.1:0", unused, sizeof(unused));
	CERTS_NEED(probe != -1 && close(probe) == 0);
	listening = (struct watch){
	    .fd = conn_listen("127.0.0.1:0", address, sizeof(address)),
	    .events = EPOLLIN,
	    .ready = gateway_accept};
	CERTS_NEED(listening.fd != -1 && loop_watch(loop, &listening) == 0);

	s = make_session((char *const[]){address}, 1, 64);
	is_i64(session_room(s), 0, "no room before it is connected");
	ok(session_connect(s) == 0, "it connects");
	TURN_UNTIL(session_state(s) == SESSION_READY);
	is_i64(ready_count, 1, "and is ready once it has logged in");
	test_window(s);
	test_lost(s);
	session_free(s);
	test_many((char *const[]){address}, (char *const[]){unused, address});
	test_unreachable((char *const[]){unused});

	loop_unwatch(loop, &listening);
	close(listening.fd);
	while (peers[0].conn != NULL || peers[1].conn != NULL ||
	    peers[2].conn != NULL || peers[3].conn != NULL)
		CERTS_NEED(loop_turn(loop, INT64_MAX) == 0);
	loop_free(loop);
	tls_free(server_tls);
	while (login_count > 0)
		login_free(logins[--login_count]);
	tls_free(client_tls);
	certs_ca_free(&ca);
	certs_dir_remove(dir);
	return tap_done();
}
