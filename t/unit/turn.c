/*
 * lib/turn: what a core asks for is carried out in order, one flush covers a
 * turn, and nothing leaves before the record that it depends on is durable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "tap.h"
#include "turn/turn.h"

/* A core that does what the test has put into it. */
struct core {
	struct actions next; /* for the next EV_MSG */
	uint32_t more;       /* EV_TICKs that it still wants */
	uint32_t ticks, records, reads, durables;
	uint64_t last_seq, durable_seq;
	struct jpos last_pos;
	bool saw_cause, read_found;
	bool reply_to_record; /* answer the EV_RECORD of a request */
};

static struct {
	char text[4096];
	uint32_t lines, closed;
} wire;

static struct peer one = {3, 1}, two = {4, 1};

static struct action *
add(struct actions *a, enum action_kind kind)
{
	struct action *one_more = &a->at[a->count++];

	memset(one_more, 0, offsetof(struct action, msg));
	one_more->kind = kind;
	return one_more;
}

static void
add_boot(struct actions *a, uint64_t epoch)
{
	struct msg *m = &add(a, AC_APPEND)->msg;

	msg_init(m, MSG_REQUEST, VERB_GATEWAY_JOURNAL_BOOT, "0");
	msg_set_u64(m, KEY_epoch, epoch);
	msg_set_str(m, KEY_agent, STR("test"));
}

static void
add_pong(struct actions *a, struct peer peer, const char *tag, uint64_t after)
{
	struct action *send = add(a, AC_SEND);

	send->peer = peer;
	send->after_seq = after;
	msg_init(&send->msg, MSG_OK, VERB_CLIENT_LOGOUT, tag);
}

static void
core_step(void *ctx, const struct event *ev, struct actions *out)
{
	struct core *c = ctx;

	switch (ev->kind) {
	case EV_MSG:
		*out = c->next;
		c->next.count = 0;
		break;
	case EV_RECORD:
		c->records++;
		c->last_seq = ev->record->pos.seq;
		c->last_pos = ev->record->pos;
		c->saw_cause = ev->msg != NULL;
		if (c->reply_to_record && ev->msg != NULL)
			add_pong(
			    out, ev->peer, ev->msg->tag, ev->record->pos.seq);
		break;
	case EV_READ:
		c->reads++;
		c->read_found = ev->record != NULL &&
		    ev->record->pos.seq == c->last_seq && ev->msg != NULL;
		if (c->reads % 50 != 0)
			add(out, AC_READ)->pos = c->last_pos;
		break;
	case EV_REPLAYED:
		add_boot(out, 1);
		break;
	case EV_DURABLE:
		c->durables++;
		c->durable_seq = ev->durable_seq;
		break;
	case EV_TICK:
		c->ticks++;
		if (c->more > 0)
			c->more--;
		break;
	case EV_PEER_DOWN:
	case EV_ROOM:
	case EV_REMEMBER:
	case EV_RESTORE:
		break;
	}
}

static bool
core_more(const void *ctx)
{
	return ((const struct core *)ctx)->more > 0;
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
	snprintf(wire.text + strlen(wire.text),
	    sizeof(wire.text) - strlen(wire.text), "%u:%.*s", peer.slot,
	    (int)len - 1, line);
	wire.lines++;
}

static void
close_peer(void *ctx, struct peer peer, const char *why)
{
	(void)ctx;
	(void)peer;
	(void)why;
	wire.closed++;
}

static const struct turn_ops ops = {.step = core_step,
    .more = core_more,
    .next_ns = core_next_ns,
    .deliver = deliver,
    .close = close_peer};

static struct msg request;

static void
ask(struct turn *t)
{
	struct event ev = {.kind = EV_MSG, .peer = one, .msg = &request};

	turn_event(t, &ev);
}

static void
sent_is(const char *want, const char *what)
{
	is_text(wire.text, want, what);
	wire.text[0] = '\0';
}

static void
test_order(struct turn *t, struct core *c)
{
	c->reply_to_record = true;
	add_boot(&c->next, 2);
	ask(t);
	sent_is("", "an answer waits for its record");
	ok(c->saw_cause, "a record comes back with the request that caused it");
	add_pong(&c->next, two, "now", 0);
	add_pong(&c->next, one, "behind", 0);
	ask(t);
	sent_is("4:now OK",
	    "what waits for nothing leaves before the flush, but "
	    "not past others to the same peer");
	ok(turn_next_ns(t) == 0, "a flush that somebody waits for is due");
	turn_end(t);
	sent_is("3:t OK3:behind OK", "both leave once it is durable");
	ok(c->durable_seq == c->last_seq, "and the core is told");
	add_boot(&c->next, 3);
	add_boot(&c->next, 4);
	c->durables = 0;
	ask(t);
	turn_end(t);
	is_i64(c->durables, 1, "one flush covers all that a turn appended");
	sent_is("3:t OK3:t OK", "and each answer");
	c->reply_to_record = false;
}

static void
test_patience(struct turn *t, struct core *c)
{
	struct action *send;

	c->durables = 0;
	add_boot(&c->next, 5);
	ask(t);
	ok(turn_next_ns(t) > clock_mono_ns() - NS_PER_S &&
		turn_next_ns(t) < INT64_MAX,
	    "a record that nobody waits for is flushed a little later");
	send = add(&c->next, AC_SEND);
	send->peer = one;
	send->after_seq = c->last_seq;
	send->patient = true;
	msg_init(&send->msg, MSG_OK, VERB_CLIENT_LOGOUT, "patient");
	ask(t);
	sent_is("", "a patient line waits with it");
	while (c->durables == 0)
		turn_end(t);
	sent_is("3:patient OK", "and leaves with it");
}

static void
test_reads(struct turn *t, struct core *c)
{
	c->reads = 0;
	add(&c->next, AC_READ)->pos = c->last_pos;
	ask(t);
	ok(c->reads == 50 && c->read_found,
	    "a long chain of reads is followed, each with its request");
	c->reads = 49;
	add(&c->next, AC_READ)->pos = (struct jpos){0, 1, 77};
	ask(t);
	ok(c->reads == 50 && !c->read_found,
	    "a position where no record starts is told as such");
}

static void
test_ticks(struct turn *t, struct core *c)
{
	c->ticks = 0;
	c->more = 100;
	ok(turn_next_ns(t) == 0, "paced work is due at once");
	turn_end(t);
	is_i64(c->ticks, 100, "paced work is done in the turn");
	c->more = 1000000;
	turn_end(t);
	ok(c->more > 0 && turn_next_ns(t) == 0,
	    "but a turn ends, so that sockets are looked at");
	c->more = 0;
}

struct flushed {
	const struct journal *journal;
	const struct core *core;
	uint32_t calls;
	bool dirty, told;
};

static void
was_flushed(void *ctx)
{
	struct flushed *f = ctx;

	f->calls++;
	f->dirty = journal_dirty(f->journal);
	f->told = f->core->durable_seq == f->core->last_seq;
}

static void
test_flushed(struct turn *t, struct core *c, const struct journal *j)
{
	struct flushed f = {j, c, 0, true, true};

	add_boot(&c->next, 6);
	ask(t);
	turn_when_flushed(t, was_flushed, &f);
	is_i64(f.calls, 0, "who waits for a flush is not called before it");
	turn_end(t);
	ok(f.calls == 1 && !f.dirty,
	    "but at the end of the turn, though nobody else waits for one");
	ok(!f.told, "before the core is told, which may append again");
	turn_end(t);
	is_i64(f.calls, 1, "and once");
	turn_when_flushed(t, was_flushed, &f);
	turn_end(t);
	is_i64(f.calls, 2, "where nothing is unflushed, too");
}

/* More lines than there is room for while a record is not durable. */
static void
test_crowd(struct turn *t, struct core *c)
{
	char text[3 * LINE_MAX_LEN / 4 + 1];
	struct msg m;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	msg_error(&m, VERB_CLIENT_LOGOUT, "long", CODE_INTERNAL, text);
	c->reply_to_record = true;
	c->durables = 0;
	add_boot(&c->next, 7);
	ask(t);
	c->reply_to_record = false;
	wire.lines = 0;
	for (uint32_t i = 0; i < UINT32_C(1) << 18 && wire.lines == 0; i++)
		turn_send(t, one, &m);
	ok(wire.lines > 0 && c->durables == 0,
	    "lines that do not fit any more hurry the flush");
	ok(turn_next_ns(t) == 0, "what follows from it is due");
	wire.lines = 0;
	turn_end(t);
	is_i64(wire.lines, 1, "the line that did not fit leaves, too");
	ok(c->durable_seq == c->last_seq, "and the core is told");
	wire.text[0] = '\0';
}

static void
test_close(struct turn *t, struct core *c)
{
	struct action *a = add(&c->next, AC_CLOSE);

	a->peer = two;
	ask(t);
	is_i64(wire.closed, 1, "a peer is closed");
}

int
main(void)
{
	char dir[] = "/tmp/strife-turn-XXXXXX", command[64], error[512] = "";
	static struct core core;
	struct journal_conf conf = {.side = SIDE_GATEWAY_JOURNAL,
	    .component = STR("gatewayd"),
	    .name = STR("gw1"),
	    .segment_octets = 1 << 20,
	    .reserve_octets = 1 << 10};
	struct turn *t = turn_new(&ops, &core, NULL);
	struct journal *j;

	log_init("turn", LOG_LEVEL_ERROR);
	if (mkdtemp(dir) == NULL || t == NULL)
		return 1;
	conf.dir = dir;
	ok(journal_open(&j, &conf, turn_replay, t, error, sizeof(error)) ==
		JOURNAL_OPENED,
	    "a journal for the turn: %s", error);
	msg_init(&request, MSG_REQUEST, VERB_CLIENT_LOGOUT, "t");
	turn_start(t, j);
	ok(core.durable_seq == core.last_seq && core.last_seq == 2,
	    "BOOT is durable when turn_start returns");
	test_order(t, &core);
	test_patience(t, &core);
	test_reads(t, &core);
	test_ticks(t, &core);
	test_flushed(t, &core, j);
	test_crowd(t, &core);
	test_close(t, &core);
	turn_free(t);
	journal_close(j);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return tap_done();
}
