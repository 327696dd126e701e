#include "turn/turn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

/* Records that nobody waits for share the next flush, or one this much later.
 */
#define PATIENCE_NS (2 * NS_PER_MS)
#define OUTBOX_OCTETS_MAX (256u << 20)
/* A record that comes back may make the core append again: this deep at most.
 */
#define DEPTH_MAX 6
/* Paced work in one turn, so that sockets are looked at in between. */
#define TICKS_MAX 4096
#define ROUNDS_MAX 4

/* A step in progress; what its actions borrow lives here until they are done.
 */
struct frame {
	struct actions actions;
	struct line line;
	struct msg msg;
};

struct turn {
	struct turn_ops ops;
	void *core, *ctx;
	struct journal *journal;
	struct outbox *outbox;
	uint64_t told_durable;  /* by EV_DURABLE */
	uint64_t urgent_seq;    /* somebody waits for this record */
	int64_t dirty_since_ns; /* 0: nothing is unflushed */
	bool room;
	bool misfit;             /* why a fill failed: the configuration */
	void (*flushed)(void *); /* wants to be called when nothing is dirty */
	void *flushed_ctx;
	uint32_t *waiting; /* lines in the outbox, by peer slot */
	uint32_t slots;
	struct frame frames[DEPTH_MAX];
};

struct turn *
turn_new(const struct turn_ops *ops, void *core, void *ctx)
{
	struct turn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->ops = *ops;
	t->core = core;
	t->ctx = ctx;
	t->room = true;
	t->outbox = outbox_new(OUTBOX_OCTETS_MAX);
	if (t->outbox == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void
turn_free(struct turn *t)
{
	if (t == NULL)
		return;
	outbox_free(t->outbox);
	free(t->waiting);
	free(t);
}

static void
deliver_waited(void *ctx, struct peer peer, const char *line, size_t len)
{
	struct turn *t = ctx;

	CHECK(peer.slot < t->slots && t->waiting[peer.slot] > 0);
	t->waiting[peer.slot]--;
	t->ops.deliver(t->ctx, peer, line, len);
}

/* The counter of a slot, grown with the highest slot ever seen. */
static uint32_t *
waiting_of(struct turn *t, uint32_t slot)
{
	if (slot >= t->slots) {
		uint32_t slots = t->slots == 0 ? 64 : t->slots;

		while (slots <= slot)
			slots *= 2;
		uint32_t *grown = realloc(t->waiting, slots * sizeof(*grown));
		if (grown == NULL)
			fatal(71, "out of memory for %u connections", slots);
		memset(
		    grown + t->slots, 0, (slots - t->slots) * sizeof(*grown));
		t->waiting = grown;
		t->slots = slots;
	}
	return &t->waiting[slot];
}

static void step(struct turn *, const struct event *, uint32_t depth);

static void
set_clocks(struct event *ev)
{
	ev->mono_ns = clock_mono_ns();
	ev->wall_us = clock_wall_us();
}

static void
tell_flushed(struct turn *t)
{
	void (*flushed)(void *) = t->flushed;

	t->flushed = NULL;
	if (flushed != NULL)
		flushed(t->flushed_ctx);
}

/* One write and one flush for all that was appended; then the core is told. */
static void
flush(struct turn *t)
{
	struct event ev = {.kind = EV_DURABLE};

	if (journal_dirty(t->journal))
		journal_flush(t->journal);
	tell_flushed(t);
	/* What was logged until now is about records that are durable now. */
	log_flush();
	t->dirty_since_ns = 0;
	ev.durable_seq = journal_durable_seq(t->journal);
	if (ev.durable_seq != t->told_durable) {
		t->told_durable = ev.durable_seq;
		set_clocks(&ev);
		step(t, &ev, 0);
	}
	outbox_release(t->outbox, ev.durable_seq, deliver_waited, t);
}

/*
 * A line that waits for nothing leaves at once, before any flush, unless others
 * to the same peer are ahead of it.
 */
static void
send_line(struct turn *t, struct peer peer, uint64_t after_seq, bool patient,
    const struct msg *msg)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode(msg, line);

	CHECK(len > 0);
	uint32_t *waiting = waiting_of(t, peer.slot);
	if (after_seq <= journal_durable_seq(t->journal) && *waiting == 0) {
		t->ops.deliver(t->ctx, peer, line, len);
		return;
	}
	if (!patient && after_seq > t->urgent_seq)
		t->urgent_seq = after_seq;
	if (!outbox_put(t->outbox, peer, after_seq, line, len)) {
		journal_flush(t->journal);
		outbox_release(t->outbox, journal_durable_seq(t->journal),
		    deliver_waited, t);
		CHECK(outbox_put(t->outbox, peer, after_seq, line, len));
	}
	++*waiting_of(t, peer.slot);
}

static void
append(struct turn *t, struct action *action, const struct event *cause,
    uint32_t depth)
{
	struct record record;
	struct event ev = *cause;

	journal_append(t->journal, &action->msg, cause->wall_us, &record);
	if (t->dirty_since_ns == 0)
		t->dirty_since_ns = cause->mono_ns;
	ev.kind = EV_RECORD;
	ev.record = &record;
	CHECK(depth + 1 < DEPTH_MAX);
	step(t, &ev, depth + 1);
}

static void
say(const struct action *action)
{
	enum log_level level = LOG_LEVEL_INFO;
	char id[ID_TEXT_LEN + 1];

	switch (action->level) {
	case ACTION_DEBUG:
		level = LOG_LEVEL_DEBUG;
		break;
	case ACTION_INFO:
		break;
	case ACTION_WARN:
		level = LOG_LEVEL_WARN;
		break;
	case ACTION_CRIT:
		level = LOG_LEVEL_CRIT;
		break;
	}
	if (!log_enabled(level))
		return;
	if (action->has_id) {
		id_text(&action->id, id);
		log_write(level, action->text,
		    (const struct log_field[]){LOG_C("id", id), LOG_FIELD_END});
	} else {
		log_write(level, action->text,
		    (const struct log_field[]){LOG_FIELD_END});
	}
}

/*
 * Carries out the actions of a frame in order, then empties it. A read that is
 * the last action turns ev into its answer and returns true: the caller steps
 * on in the same frame, so a chain of reads does not deepen.
 */
static bool
carry(struct turn *t, struct event *ev, struct record *record, uint32_t depth)
{
	struct frame *f = &t->frames[depth];

	CHECK(f->actions.count <= ACTIONS_STEP_MAX);
	for (uint32_t i = 0; i < f->actions.count; i++) {
		struct action *a = &f->actions.at[i];

		switch (a->kind) {
		case AC_APPEND:
			append(t, a, ev, depth);
			break;
		case AC_SEND:
			send_line(
			    t, a->peer, a->after_seq, a->patient, &a->msg);
			break;
		case AC_READ:
			CHECK(i + 1 == f->actions.count);
			ev->kind = EV_READ;
			ev->record = journal_read(t->journal, a->pos, &f->line,
					 &f->msg, record)
			    ? record
			    : NULL;
			return true;
		case AC_CLOSE:
			t->ops.close(t->ctx, a->peer, a->text);
			break;
		case AC_LOG:
			say(a);
			break;
		case AC_FAIL:
			fatal(a->misfit ? 78 : 65, "%s", a->text);
		}
	}
	return false;
}

static void
step(struct turn *t, const struct event *first, uint32_t depth)
{
	struct frame *f = &t->frames[depth];
	struct event ev = *first;
	struct record record;

	do {
		f->actions.count = 0;
		t->ops.step(t->core, &ev, &f->actions);
	} while (carry(t, &ev, &record, depth));
}

/* Nobody is there to be answered while the core is filled; false: it fails. */
static bool
fill(struct turn *t, struct event *ev, char *error, size_t error_size)
{
	set_clocks(ev);
	t->frames[0].actions.count = 0;
	t->ops.step(t->core, ev, &t->frames[0].actions);
	for (uint32_t i = 0; i < t->frames[0].actions.count; i++) {
		const struct action *a = &t->frames[0].actions.at[i];

		CHECK(a->kind == AC_LOG || a->kind == AC_FAIL);
		if (a->kind == AC_FAIL) {
			t->misfit = a->misfit;
			snprintf(error, error_size, "%s", a->text);
			return false;
		}
		say(a);
	}
	return true;
}

bool
turn_remember(
    void *ctx, const struct id_note *note, char *error, size_t error_size)
{
	struct event ev = {.kind = EV_REMEMBER, .note = note};

	return fill(ctx, &ev, error, error_size);
}

bool
turn_restore(void *ctx, const struct msg *line, char *error, size_t error_size)
{
	struct event ev = {.kind = EV_RESTORE, .msg = line};

	if (line->verb == VERB_SNAPSHOT_SNAPSHOT)
		clock_wall_floor_us(line->v[KEY_time].i64);
	return fill(ctx, &ev, error, error_size);
}

bool
turn_replay(
    void *ctx, const struct record *record, char *error, size_t error_size)
{
	struct event ev = {.kind = EV_RECORD, .record = record};
	char why[sizeof(((struct action *)NULL)->text)];

	clock_wall_floor_us(record->msg->v[KEY_time].i64);
	if (fill(ctx, &ev, why, sizeof(why)))
		return true;
	snprintf(error, error_size, "%08u.journal, offset %u: %s",
	    record->pos.segment, record->pos.offset, why);
	return false;
}

void
turn_start(struct turn *t, struct journal *journal)
{
	struct event ev = {.kind = EV_REPLAYED};

	t->journal = journal;
	t->told_durable = journal_durable_seq(journal);
	turn_event(t, &ev);
	flush(t);
}

void
turn_event(struct turn *t, struct event *ev)
{
	CHECK(t->journal != NULL);
	set_clocks(ev);
	step(t, ev, 0);
}

void
turn_carry(struct turn *t, const struct actions *actions)
{
	struct event ev = {.kind = EV_TICK};
	struct record record;

	CHECK(t->journal != NULL);
	set_clocks(&ev);
	t->frames[0].actions = *actions;
	CHECK(!carry(t, &ev, &record, 0));
}

/* Flushed outside of flush(): what waits for it has not been told yet. */
static bool
is_owed(const struct turn *t)
{
	return journal_durable_seq(t->journal) != t->told_durable;
}

static bool
flush_is_due(const struct turn *t)
{
	if (is_owed(t))
		return true;
	if (!journal_dirty(t->journal))
		return false;
	return t->urgent_seq > journal_durable_seq(t->journal) ||
	    clock_mono_ns() - t->dirty_since_ns >= PATIENCE_NS;
}

static void
look_for_room(struct turn *t)
{
	struct event ev = {.kind = EV_ROOM};

	ev.room = journal_has_room(t->journal);
	if (ev.room == t->room)
		return;
	t->room = ev.room;
	if (ev.room)
		log_info("the journal has room again");
	else
		log_error("no room for the journal: new payments are refused "
			  "until there is some");
	turn_event(t, &ev);
}

void
turn_end(struct turn *t)
{
	struct event tick = {.kind = EV_TICK};

	look_for_room(t);
	for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
		set_clocks(&tick);
		if (t->ops.next_ns(t->core) <= tick.mono_ns)
			step(t, &tick, 0);
		for (uint32_t n = 0; n < TICKS_MAX && t->ops.more(t->core); n++)
			step(t, &tick, 0);
		if (!flush_is_due(t) && t->flushed == NULL)
			break;
		flush(t);
	}
	journal_tend(t->journal);
}

int64_t
turn_next_ns(const struct turn *t)
{
	int64_t next_ns = t->ops.next_ns(t->core);

	if (t->ops.more(t->core) || is_owed(t))
		return 0;
	if (journal_dirty(t->journal)) {
		if (t->urgent_seq > journal_durable_seq(t->journal))
			return 0;
		if (t->dirty_since_ns + PATIENCE_NS < next_ns)
			next_ns = t->dirty_since_ns + PATIENCE_NS;
	}
	return next_ns;
}

void
turn_send(struct turn *t, struct peer peer, const struct msg *msg)
{
	send_line(t, peer, 0, false, msg);
}

void
turn_when_flushed(struct turn *t, void (*flushed)(void *ctx), void *ctx)
{
	t->flushed = flushed;
	t->flushed_ctx = ctx;
}

bool
turn_misfit(const struct turn *t)
{
	return t->misfit;
}

bool
turn_has_room(const struct turn *t)
{
	return t->room;
}
