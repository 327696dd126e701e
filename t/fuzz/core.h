/*
 * The smallest shell of a pure core: a journal in memory, two clocks, nothing
 * sent anywhere but to where a target looks. One core at a time; all memory but
 * the core's own is static. What the core does with an event is carried out as
 * wire/event.h says.
 */
#ifndef STRIFE_T_FUZZ_CORE_H
#define STRIFE_T_FUZZ_CORE_H

#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "fuzz.h"
#include "reused.h"
#include "wire/event.h"
#include "wire/tag.h"

#define CORE_SECOND INT64_C(1000000000)
#define CORE_RECORDS_MAX 512
#define CORE_TEXTS_MAX ((size_t)1 << 19)
#define CORE_DEPTH_MAX 6
#define CORE_DUMP_MAX ((size_t)1 << 18)

/* What differs between the two cores. */
struct core_kind {
	enum side journal;
	void (*step)(void *, const struct event *, struct actions *);
	void (*check)(const void *);
	void (*dump)(
	    const void *, void (*row)(void *ctx, const char *), void *ctx);
	bool (*note)(const struct record *, struct id_note *);
	void *(*make)(void);
	void (*drop)(void *);
};

/* The target's: what is sent, and who is to be closed behind it. */
static void core_sent(const struct action *);
static void core_closed(struct peer);

struct core_record {
	struct str text; /* without LF */
	struct check check;
	bool is_parsed;
};

static struct {
	const struct core_kind *kind;
	void *core;
	struct core_record records[CORE_RECORDS_MAX];
	char texts[CORE_TEXTS_MAX];
	size_t texts_len;
	uint32_t count, durable, actions_most;
	int64_t mono_ns, wall_us;
	bool failed; /* AC_FAIL: a shell would end here */
} shell;

/* Is there room for what one more event may append? */
static inline bool
core_has_room(void)
{
	return shell.count + 64 < CORE_RECORDS_MAX &&
	    shell.texts_len + (size_t)64 * LINE_MAX_LEN < CORE_TEXTS_MAX;
}

/* ---- The journal ---- */

static inline struct jpos
core_pos(uint32_t index)
{
	return (struct jpos){index + 1, 1 + index / 64, 64 + index % 64};
}

/* UINT32_MAX where no record lies. */
static inline uint32_t
core_at(struct jpos pos)
{
	uint32_t index = (pos.segment - 1) * 64 + pos.offset - 64;

	if (pos.segment < 1 || pos.segment > CORE_RECORDS_MAX / 64 ||
	    pos.offset < 64 || pos.offset >= 128 || index >= shell.count)
		return UINT32_MAX;
	return index;
}

static inline void
core_keep(struct str text)
{
	static const struct hash_key keys[2] = {{{3, 4}}, {{5, 6}}};
	struct core_record *r = &shell.records[shell.count];
	char both[LINE_MAX_LEN + 16] = {0};

	CHECK(shell.count < CORE_RECORDS_MAX);
	CHECK(shell.texts_len + text.len <= CORE_TEXTS_MAX);
	if (shell.count > 0)
		memcpy(both, r[-1].check.octets, 16);
	memcpy(both + 16, text.at, text.len);
	for (size_t i = 0; i < 2; i++) {
		uint64_t sum = hash_octets(&keys[i], both, 16 + text.len);

		memcpy(r->check.octets + 8 * i, &sum, 8);
	}
	memcpy(shell.texts + shell.texts_len, text.at, text.len);
	r->text = (struct str){shell.texts + shell.texts_len, text.len};
	r->is_parsed = false;
	shell.texts_len += text.len;
	shell.count++;
}

static inline void
core_store(struct msg *m)
{
	char text[LINE_MAX_LEN];
	size_t len;

	(void)snprintf(m->tag, sizeof(m->tag), "%" PRIu32, shell.count + 1);
	msg_set_i64(m, KEY_time, shell.wall_us);
	msg_set_u64(m, KEY_flushed, shell.durable);
	len = msg_encode_bare(m, text, sizeof(text));
	/* With its check and LF a record is a line, too. */
	CHECK(len > 0 && len < LINE_MAX_LEN - 64);
	core_keep((struct str){text, (uint32_t)len});
}

struct core_parsed {
	struct line line;
	struct msg msg;
	struct record record;
};

/* A record as its text says it; it is read once. NULL: there is none. */
static inline const struct record *
core_load(uint32_t index)
{
	static struct core_parsed kept[CORE_RECORDS_MAX];
	struct core_parsed *p = &kept[index % CORE_RECORDS_MAX];
	struct msg_problem problem;

	if (index >= shell.count)
		return NULL;
	if (shell.records[index].is_parsed)
		return &p->record;
	CHECK(line_split(&p->line, shell.records[index].text) == LINE_OK);
	CHECK(msg_request(&p->msg, &p->line, shell.kind->journal, &problem) ==
	    LINE_OK);
	p->record = (struct record){
	    &p->msg, core_pos(index), shell.records[index].check};
	shell.records[index].is_parsed = true;
	return &p->record;
}

/* ---- Steps ---- */

static inline void core_step(struct event *, uint32_t depth);

static inline void
core_append(const struct event *cause, struct msg *m, uint32_t depth)
{
	struct event ev = *cause;
	struct record record;

	core_store(m);
	record = (struct record){
	    m, core_pos(shell.count - 1), shell.records[shell.count - 1].check};
	ev.kind = EV_RECORD;
	ev.record = &record;
	core_step(&ev, depth + 1);
}

static inline void
core_send(const struct action *a)
{
	char text[LINE_MAX_LEN];

	CHECK(a->peer.slot != PEER_NONE.slot);
	CHECK(a->after_seq <= shell.count);
	CHECK(msg_encode(&a->msg, text) > 0);
	core_sent(a);
}

/* False, with *ev the next event, where the last action was AC_READ. */
static inline bool
core_carry(struct event *ev, struct actions *actions, uint32_t depth)
{
	CHECK(actions->count <= ACTIONS_STEP_MAX);
	for (uint32_t i = 0; i < actions->count; i++) {
		struct action *a = &actions->at[i];

		switch (a->kind) {
		case AC_APPEND:
			core_append(ev, &a->msg, depth);
			break;
		case AC_SEND:
			core_send(a);
			break;
		case AC_READ:
			CHECK(i + 1 == actions->count);
			ev->kind = EV_READ;
			ev->record = core_load(core_at(a->pos));
			return false;
		case AC_CLOSE:
			fuzz_message(a->text);
			core_closed(a->peer);
			break;
		case AC_LOG:
			fuzz_message(a->text);
			break;
		case AC_FAIL:
			fuzz_message(a->text);
			shell.failed = true;
			break;
		}
	}
	return true;
}

static inline void
core_step(struct event *first, uint32_t depth)
{
	static struct actions actions[CORE_DEPTH_MAX];
	struct event ev = *first;

	CHECK(depth < CORE_DEPTH_MAX);
	ev.mono_ns = shell.mono_ns;
	ev.wall_us = shell.wall_us;
	do {
		actions[depth].count = 0;
		shell.kind->step(shell.core, &ev, &actions[depth]);
	} while (!core_carry(&ev, &actions[depth], depth));
}

static inline void
core_give(enum event_kind kind)
{
	struct event ev = {.kind = kind};

	core_step(&ev, 0);
}

static inline void
core_flush(void)
{
	struct event ev = {.kind = EV_DURABLE};

	shell.durable = shell.count;
	ev.durable_seq = shell.durable;
	core_step(&ev, 0);
}

/* ---- The core's life ---- */

/* The records so far, into any core; nothing is to be done about any. */
static inline void
core_replay(void *core)
{
	static struct actions actions;

	for (uint32_t i = 0; i < shell.count; i++) {
		struct event ev = {.kind = EV_RECORD,
		    .mono_ns = shell.mono_ns,
		    .wall_us = shell.wall_us,
		    .record = core_load(i)};

		actions.count = 0;
		shell.kind->step(core, &ev, &actions);
		CHECK(actions.count == 0);
	}
}

static inline void
core_begin(const struct core_kind *kind)
{
	shell.kind = kind;
	shell.texts_len = 0;
	shell.count = shell.durable = 0;
	shell.mono_ns = 1000 * CORE_SECOND;
	shell.wall_us = INT64_C(1700000000000000);
	shell.failed = false;
	shell.core = kind->make();
	CHECK(shell.core != NULL);
}

static inline void
core_end(void)
{
	shell.kind->drop(shell.core);
	shell.core = NULL;
}

struct core_dump {
	size_t len;
	char text[CORE_DUMP_MAX];
};

static inline void
core_dump_row(void *ctx, const char *text)
{
	struct core_dump *d = ctx;
	size_t len = strlen(text);

	CHECK(d->len + len + 1 <= sizeof(d->text));
	memcpy(d->text + d->len, text, len);
	d->text[d->len + len] = '\n';
	d->len += len + 1;
}

/* Every invariant holds, and a replay of the journal gives the same state. */
static inline void
core_check(void)
{
	static struct core_dump live, again;
	void *other = shell.kind->make();

	CHECK(other != NULL);
	core_replay(other);
	shell.kind->check(shell.core);
	shell.kind->check(other);
	live.len = again.len = 0;
	shell.kind->dump(shell.core, core_dump_row, &live);
	shell.kind->dump(other, core_dump_row, &again);
	CHECK(live.len == again.len);
	CHECK(memcmp(live.text, again.text, live.len) == 0);
	shell.kind->drop(other);
}

/* What was not durable is lost, and so is what only a running core knows. */
static inline void
core_crash(void)
{
	core_end();
	shell.count = shell.durable;
	shell.core = shell.kind->make();
	CHECK(shell.core != NULL);
	core_replay(shell.core);
}

/* ---- Text in ---- */

/*
 * A line of a side, or of a reply to `verb` where it is not VERB_UNKNOWN; NULL
 * where a shell would refuse it. Borrowed until the next call.
 */
static inline struct msg *
core_read(struct str text, enum side side, enum verb verb)
{
	static struct line line;
	static struct msg m;
	struct msg_problem problem;

	if (line_split(&line, text) != LINE_OK)
		return NULL;
	if (line_is_reply(&line) != (verb != VERB_UNKNOWN))
		return NULL;
	if (verb != VERB_UNKNOWN)
		return msg_reply(&m, &line, verb, &problem) == LINE_OK ? &m
								       : NULL;
	return msg_request(&m, &line, side, &problem) == LINE_OK ? &m : NULL;
}

#endif
