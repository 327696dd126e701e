/*
 * A core that starts from somebody's journal and snapshot: lines of records
 * without their seq; behind a "+", lines of a snapshot; behind a "~", records
 * that came before it. It refuses them in words, or its invariants hold, and
 * records alone make the same state again.
 */
#ifndef STRIFE_T_FUZZ_REPLAY_H
#define STRIFE_T_FUZZ_REPLAY_H

#include "core.h"

static void
core_sent(const struct action *a)
{
	(void)a;
}

static void
core_closed(struct peer peer)
{
	(void)peer;
}

/* A line of a snapshot. */
static inline void
replay_restore(struct str text)
{
	struct event ev = {.kind = EV_RESTORE};

	ev.msg = core_read(text, SIDE_SNAPSHOT, VERB_UNKNOWN);
	if (ev.msg != NULL && ev.msg->verb != VERB_SNAPSHOT_SNAPSHOT &&
	    ev.msg->verb != VERB_SNAPSHOT_END)
		core_step(&ev, 0);
}

/* A snapshot's first or last line, of which a core reads the seq alone. */
static inline void
replay_edge(enum verb verb)
{
	static struct msg m;
	struct event ev = {.kind = EV_RESTORE, .msg = &m};

	msg_init(&m, MSG_REQUEST, verb, "0");
	if (verb == VERB_SNAPSHOT_SNAPSHOT)
		msg_set_u64(&m, KEY_seq, shell.count);
	if (!shell.failed)
		core_step(&ev, 0);
}

/* A record, in whose place in the journal it is put; NULL: it is none. */
static inline const struct record *
replay_keep(struct str text)
{
	static char bare[LINE_MAX_LEN];
	int len = snprintf(bare, sizeof(bare), "%" PRIu32 " %.*s",
	    shell.count + 1, STR_ARG(text));

	if (len < 0 || (size_t)len > LINE_MAX_LEN - 64 ||
	    strlen(bare) != (size_t)len)
		return NULL;
	text = (struct str){bare, (uint32_t)len};
	if (core_read(text, shell.kind->journal, VERB_UNKNOWN) == NULL)
		return NULL;
	core_keep(text);
	return core_load(shell.count - 1);
}

static inline void
replay_record(struct str text)
{
	struct event ev = {.kind = EV_RECORD, .record = replay_keep(text)};

	if (ev.record != NULL)
		core_step(&ev, 0);
}

/* A record before the snapshot: only what it tells of its id is left. */
static inline void
replay_note(struct str text)
{
	struct id_note note;
	struct event ev = {.kind = EV_REMEMBER, .note = &note};
	const struct record *record = replay_keep(text);

	if (record != NULL && shell.kind->note(record, &note))
		core_step(&ev, 0);
}

/* The lines that start with `mark`, or, 0, with neither of the marks. */
static inline void
replay_lines(struct str text, char mark, void (*take)(struct str))
{
	const char *end = text.at + text.len, *at = text.at, *lf;

	for (; at < end && !shell.failed && core_has_room(); at = lf + 1) {
		bool marked;

		lf = memchr(at, '\n', (size_t)(end - at));
		if (lf == NULL)
			lf = end;
		marked = *at == '+' || *at == '~';
		if (marked ? *at == mark : mark == 0)
			take((struct str){
			    at + marked, (uint32_t)(lf - at - marked)});
		if (lf == end)
			break;
	}
}

static inline void
replay_run(const struct core_kind *kind, struct str text)
{
	bool snapshot = text.len > 0 && memchr(text.at, '+', text.len) != NULL;

	core_begin(kind);
	if (snapshot) {
		replay_lines(text, '~', replay_note);
		replay_edge(VERB_SNAPSHOT_SNAPSHOT);
		replay_lines(text, '+', replay_restore);
		replay_edge(VERB_SNAPSHOT_END);
	}
	replay_lines(text, 0, replay_record);
	if (!shell.failed) {
		kind->check(shell.core);
		if (!snapshot)
			core_check();
		core_give(EV_REPLAYED);
	}
	if (!shell.failed) {
		core_flush();
		shell.mono_ns += 10 * CORE_SECOND;
		core_give(EV_TICK);
		kind->check(shell.core);
	}
	core_end();
}

#endif
