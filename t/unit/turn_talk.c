/*
 * lib/turn/talk: windows, barriers, broken lines, and connections that are not
 * the ones they were, over a plain socket pair.
 */
#include "turn/talk.h"

#include <bsd/string.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tap.h"

static struct {
	struct loop *loop;
	struct journal *journal;
	struct turn *turn;
	struct talks talks;
	struct talk talk;
	int far; /* the peer's end */
	bool up, down;
	bool dying;       /* the connection has ended */
	bool told_dying;  /* and had so when the core was told */
	char taken[1024]; /* tags of requests, as they came */
	char downs[64];   /* users of EV_PEER_DOWN */
	char got[65536];  /* what the peer has read */
	bool barrier_next, heavy_next;
	char quit_next; /* this tag is QUIT's */
} t;

/* ---- A core that does nothing ---- */

static void
core_step(void *ctx, const struct event *ev, struct actions *out)
{
	(void)ctx;
	if (ev->kind == EV_REPLAYED) {
		struct action *a = &out->at[out->count++];

		memset(a, 0, offsetof(struct action, msg));
		a->kind = AC_APPEND;
		msg_init(&a->msg, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BOOT, "0");
		msg_set_u64(&a->msg, KEY_epoch, 1);
		msg_set_str(&a->msg, KEY_agent, STR("test"));
	}
	if (ev->kind == EV_PEER_DOWN) {
		snprintf(t.downs, sizeof(t.downs), "%.*s", STR_ARG(ev->user));
		t.told_dying = t.dying;
	}
}

static bool
core_more(const void *ctx)
{
	(void)ctx;
	return false;
}

static int64_t
core_next_ns(const void *ctx)
{
	(void)ctx;
	return INT64_MAX;
}

static void
deliver(void *ctx, struct peer peer, const char *line, size_t len)
{
	(void)ctx;
	talk_deliver(&t.talk, peer, line, len);
}

static void
close_peer(void *ctx, struct peer peer, const char *why)
{
	(void)ctx;
	(void)peer;
	(void)why;
}

static const struct turn_ops turn_ops = {.step = core_step,
    .more = core_more,
    .next_ns = core_next_ns,
    .deliver = deliver,
    .close = close_peer};

/* ---- A talk ---- */

static void
take(void *ctx, const struct msg *m)
{
	(void)ctx;
	strlcat(t.taken, m->tag, sizeof(t.taken));
	strlcat(t.taken, " ", sizeof(t.taken));
	if (t.barrier_next)
		talk_barrier(&t.talk, true);
	if (t.heavy_next)
		talk_heavy(&t.talk);
	if (t.quit_next == m->tag[0])
		talk_quit(&t.talk, m);
	t.barrier_next = false;
}

static void
take_reply(void *ctx, const struct line *line)
{
	(void)ctx;
	strlcat(t.taken, "reply:", sizeof(t.taken));
	strlcat(t.taken, line->tag, sizeof(t.taken));
	strlcat(t.taken, " ", sizeof(t.taken));
}

static const struct talk_ops waits = {.side = SIDE_CLIENT,
    .exempt = VERB_UNKNOWN,
    .stop_reading = true,
    .request = take,
    .reply = NULL};
static const struct talk_ops ends = {.side = SIDE_UP,
    .exempt = VERB_UP_PING,
    .stop_reading = false,
    .request = take,
    .reply = take_reply};

static void
conn_is_up(void *ctx, struct conn *conn)
{
	(void)ctx;
	(void)conn;
	t.up = true;
}

static size_t
conn_input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	(void)ctx;
	(void)conn;
	return talk_input(&t.talk, octets, len);
}

static void
conn_drained(void *ctx, struct conn *conn)
{
	(void)ctx;
	(void)conn;
	talk_drained(&t.talk);
}

static void
conn_is_down(void *ctx, struct conn *conn, enum conn_end why)
{
	(void)ctx;
	(void)conn;
	(void)why;
	t.dying = true;
	talk_down(&t.talk);
	t.down = true;
}

static const struct conn_ops conn_ops = {.up = conn_is_up,
    .input = conn_input,
    .drained = conn_drained,
    .down = conn_is_down};

/* As many turns as anything here takes. */
static void
turns(void)
{
	for (int i = 0; i < 8; i++) {
		size_t len = strlen(t.got);
		ssize_t got;

		if (loop_turn(t.loop, clock_mono_ns() + NS_PER_MS) < 0)
			abort();
		turn_end(t.turn);
		talks_after_turn(&t.talks);
		while (t.far >= 0 &&
		    (got = read(t.far, t.got + len, sizeof(t.got) - 1 - len)) >
			0) {
			len += (size_t)got;
			t.got[len] = '\0';
		}
	}
}

static void
connect_again(void)
{
	const struct conn_limits limits = {
	    .in_max = 16384, .out_max = 65536, .handshake_ns = NS_PER_S};
	struct conn *conn;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		pair) < 0 ||
	    conn_accept(
		&conn, t.loop, pair[0], NULL, &limits, &conn_ops, NULL) < 0)
		abort();
	t.far = pair[1];
	t.up = t.down = t.dying = false;
	talk_begin(&t.talk, conn);
}

static void
begin(const struct talk_ops *ops, uint32_t window)
{
	talk_init(&t.talk, ops, NULL, t.turn, 0, window);
	t.talk.talks = &t.talks;
	t.taken[0] = t.got[0] = t.downs[0] = '\0';
	t.barrier_next = t.heavy_next = false;
	t.quit_next = '\0';
	connect_again();
}

static void
leave(void)
{
	if (t.far >= 0)
		close(t.far);
	t.far = -1;
	/* A paused connection does not notice that its peer has gone. */
	if (!t.down)
		talk_end(&t.talk);
	while (!t.down)
		turns();
}

static void
say(const char *text)
{
	if (write(t.far, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	turns();
}

static void
answer(const char *tag)
{
	struct msg m;

	msg_init(&m, MSG_OK, VERB_CLIENT_QUIT, tag);
	turn_send(t.turn, t.talk.peer, &m);
	turns();
}

/* ---- Tests ---- */

static void
test_window(void)
{
	begin(&waits, 2);
	say("a QUIT\nb QUIT\nc QUIT\nd QUIT\n");
	ok(t.up, "the connection is up");
	is_text(t.taken, "a b ", "at the window no more is read");
	answer("b");
	is_text(t.taken, "a b c ", "a written answer makes room for one");
	answer("a");
	answer("c");
	is_text(t.taken, "a b c d ", "nothing is dropped");
	is_text(t.got, "b OK\na OK\nc OK\n", "the peer has the answers");
	answer("d");
	is_i64(t.talk.unanswered, 0, "nothing is left unanswered");
	t.heavy_next = true;
	say("e QUIT\nf QUIT\n");
	answer("e");
	say("g QUIT\n");
	is_text(t.taken, "a b c d e f ", "of long answers only so many");
	answer("f");
	is_text(t.taken, "a b c d e f g ", "until all are written");
	leave();
}

static void
test_unwritten(void)
{
	char line[1024];
	struct msg m;

	begin(&waits, 4);
	memset(line, 'x', sizeof(line));
	turns();
	/* Fill the socket, so that no answer fits into it any more. */
	while (conn_unsent(t.talk.conn) == 0) {
		char *room = conn_reserve(t.talk.conn, sizeof(line));

		memcpy(room, line, sizeof(line));
		conn_commit(t.talk.conn, sizeof(line));
		conn_flush(t.talk.conn);
	}
	if (write(t.far, "a QUIT\nb QUIT\nc QUIT\nd QUIT\ne QUIT\n", 35) != 35)
		abort();
	for (int i = 0; i < 4; i++) {
		if (loop_turn(t.loop, 0) < 0)
			abort();
		turn_end(t.turn);
		talks_after_turn(&t.talks);
	}
	for (const char *tag = "abcd"; *tag != '\0'; tag++) {
		char text[2] = {*tag, '\0'};

		msg_init(&m, MSG_OK, VERB_CLIENT_QUIT, text);
		turn_send(t.turn, t.talk.peer, &m);
	}
	if (loop_turn(t.loop, 0) < 0)
		abort();
	talks_after_turn(&t.talks);
	if (loop_turn(t.loop, 0) < 0)
		abort();
	is_text(t.taken, "a b c d ",
	    "answers that are not in the socket make no room");
	t.got[0] = '\0';
	for (int i = 0; i < 50 && strstr(t.taken, "e ") == NULL; i++) {
		turns();
		t.got[0] = '\0';
	}
	is_text(t.taken, "a b c d e ", "once they are, they do");
	leave();
}

static void
test_barrier(void)
{
	begin(&waits, 10);
	t.barrier_next = true;
	say("a QUIT\nb QUIT\n");
	say("c QUIT\n");
	is_text(t.taken, "a ", "behind a barrier nothing is looked at");
	talk_barrier(&t.talk, false);
	turns();
	is_text(t.taken, "a b c ", "until it is lifted");
	talk_mute(&t.talk);
	say("d QUIT\n");
	is_text(t.taken, "a b c ", "a muted one is not read any more");
	talk_barrier(&t.talk, false);
	turns();
	is_text(t.taken, "a b c ", "whatever else happens");
	answer("a");
	is_text(t.got, "a OK\n", "but answered");
	leave();
}

static void
test_quit(void)
{
	char octet;

	begin(&waits, 8);
	t.quit_next = 'c';
	say("a PING\nb PING\nc QUIT\nd PING\n");
	is_text(t.taken, "a b c ", "after QUIT no more is read");
	is_text(t.got, "", "it waits for what was asked before");
	answer("b");
	is_text(t.got, "b OK\n", "for all of it");
	ok(!t.down, "till then it stays");
	answer("a");
	is_text(t.got, "b OK\na OK\nc OK\n", "then it is answered");
	ok(read(t.far, &octet, 1) == 0, "and the connection closed");
	leave();
	begin(&waits, 8);
	t.quit_next = 'e';
	say("e QUIT\n");
	is_text(t.got, "e OK\n", "with nothing before it, at once");
	leave();
	begin(&waits, 1);
	t.quit_next = 'g';
	say("f PING\ng QUIT\n");
	answer("f");
	is_text(t.got, "f OK\ng OK\n", "the window makes no difference");
	leave();
}

static void
test_exceeding(void)
{
	begin(&ends, 2);
	say("p PING\nq PING\nr PING\n");
	is_text(t.taken, "p q r ", "what is exempt is not counted");
	say("x1 OK\n* EVENT\n");
	is_text(t.taken, "p q r reply:x1 reply:* ", "replies neither");
	say("a HELLO proto=1 agent=x window=1\n"
	    "b HELLO proto=1 agent=x window=1\n"
	    "c HELLO proto=1 agent=x window=1\nd PING\n");
	is_text(t.taken, "p q r reply:x1 reply:* a b ",
	    "one request more than the window is not taken");
	ok(t.talk.ended, "it ends the connection");
	leave();
}

static void
test_broken(void)
{
	begin(&waits, 100);
	for (int i = 0; i < 15; i++)
		say("a quit\n");
	ok(!t.talk.ended, "15 broken lines are borne");
	t.got[0] = '\0';
	say("b\nc QUIT\n");
	ok(strncmp(t.got, "b ERR code=BAD_REQUEST ", 23) == 0,
	    "the 16th is answered");
	ok(t.talk.ended, "and ends the connection");
	is_text(t.taken, "", "what comes behind it is not taken");
	leave();

	begin(&waits, 100);
	talk_refuse(&t.talk, CODE_FORBIDDEN, "not for you");
	say("a nonsense \nb QUIT\n");
	is_text(t.got,
	    "a ERR code=FORBIDDEN retry=never text=not%20for%20you\n",
	    "where it is forbidden the first line is answered so");
	ok(t.talk.ended, "and that is all");
	leave();
}

static void
test_generations(void)
{
	struct peer old;
	struct msg m;

	begin(&waits, 10);
	t.talk.user = STR("BankA");
	say("a QUIT\n");
	old = t.talk.peer;
	leave();
	is_text(t.downs, "BankA", "the core hears whose connection went");
	t.got[0] = '\0';
	connect_again();
	say("b QUIT\n");
	msg_init(&m, MSG_OK, VERB_CLIENT_QUIT, "a");
	turn_send(t.turn, old, &m);
	answer("b");
	is_text(t.got, "b OK\n", "an answer to the old one goes nowhere");
	ok(!talk_is(&t.talk, old) && talk_is(&t.talk, t.talk.peer),
	    "and is not mistaken for the new one");
	is_i64(t.talk.unanswered, 0, "nor counted");
	talk_end(&t.talk);
	turns();
	is_i64(read(t.far, t.got, 1), 0, "a talk that ends is closed");
	leave();
}

/* Who is closed is gone, however long his end stays open. */
static void
test_gone(void)
{
	begin(&ends, 4);
	t.talk.user = STR("BankA");
	turns();
	talk_end(&t.talk);
	while (t.downs[0] == '\0')
		turns();
	is_text(t.downs, "BankA", "the core knows who is gone");
	ok(!t.told_dying, "before the connection has come to its end");
	t.downs[0] = '\0';
	leave();
	is_text(t.downs, "", "and is not told twice");
}

static void
remove_directory(const char *path)
{
	char file[512];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		(void)unlink(file);
	}
	if (dir != NULL)
		closedir(dir);
	(void)rmdir(path);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	struct journal_conf conf = {.side = SIDE_GATEWAY_JOURNAL,
	    .component = STR("gatewayd"),
	    .name = STR("gw1"),
	    .segment_octets = 1 << 20};
	char path[256], error[512];

	snprintf(path, sizeof(path), "%s/strife-talk-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(path) == NULL)
		return 1;
	log_set_level(LOG_LEVEL_CRIT);
	conf.dir = path;
	TAILQ_INIT(&t.talks);
	t.far = -1;
	t.turn = turn_new(&turn_ops, NULL, NULL);
	if (t.turn == NULL || loop_new(&t.loop) < 0 ||
	    journal_open(&t.journal, &conf, turn_replay, t.turn, error,
		sizeof(error)) != JOURNAL_OPENED)
		return 1;
	turn_start(t.turn, t.journal);
	test_window();
	test_unwritten();
	test_barrier();
	test_quit();
	test_exceeding();
	test_broken();
	test_generations();
	test_gone();
	journal_close(t.journal);
	turn_free(t.turn);
	loop_free(t.loop);
	remove_directory(path);
	return tap_done();
}
