/*
 * Starting a core from a snapshot, for the harnesses of both: lines and notes
 * pass through text, as they would through files. A journal of `count` records
 * is cut at `split`: what came before reaches the core as notes and as lines of
 * the state it had then, the rest as records.
 */
#ifndef STRIFE_T_SNAPSHOT_START_H
#define STRIFE_T_SNAPSHOT_START_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/event.h"

struct snapshot_core {
	void (*step)(void *core, const struct event *, struct actions *);
	bool (*note)(const struct record *, struct id_note *);
	bool (*lines)(const void *core, snapshot_line *, void *ctx);
	/* Record seq, from 1; borrowed until the next call. */
	const struct record *(*load)(void *journal, uint64_t seq);
	void *journal;
	int64_t mono_ns, wall_us;
};

struct snapshot_lines {
	char **at;
	size_t count, size;
};

static inline bool
snapshot_keep(void *ctx, const struct msg *m)
{
	struct snapshot_lines *lines = ctx;
	char text[LINE_MAX_LEN];
	size_t len = msg_encode_bare(m, text, sizeof(text) - 1);

	CHECK(len > 0);
	text[len] = '\0';
	if (lines->count == lines->size) {
		lines->size = lines->size == 0 ? 64 : 2 * lines->size;
		lines->at =
		    realloc(lines->at, lines->size * sizeof(*lines->at));
		CHECK(lines->at != NULL);
	}
	lines->at[lines->count] = strdup(text);
	CHECK(lines->at[lines->count] != NULL);
	lines->count++;
	return true;
}

/* False, and a word about it, where the core refuses the event. */
static inline bool
snapshot_give(const struct snapshot_core *sc, void *core, struct event *ev)
{
	struct actions *actions = malloc(sizeof(*actions));
	bool good;

	CHECK(actions != NULL);
	actions->count = 0;
	ev->mono_ns = sc->mono_ns;
	ev->wall_us = sc->wall_us;
	sc->step(core, ev, actions);
	good = actions->count == 0;
	if (!good)
		printf("# refused: %s\n", actions->at[0].text);
	free(actions);
	return good;
}

static inline bool
snapshot_restore_text(
    const struct snapshot_core *sc, void *core, const char *text)
{
	/* Memory of its own: a core that keeps a pointer into it is caught. */
	struct line *line = malloc(sizeof(*line));
	struct msg *msg = malloc(sizeof(*msg));
	struct event ev = {.kind = EV_RESTORE, .msg = msg};
	struct msg_problem problem;
	bool good;

	CHECK(line != NULL && msg != NULL);
	CHECK(line_split(line, str_from(text)) == LINE_OK);
	CHECK(msg_request(msg, line, SIDE_SNAPSHOT, &problem) == LINE_OK);
	good = snapshot_give(sc, core, &ev);
	if (!good)
		printf("#  by: %s\n", text);
	memset(line, 0x5a, sizeof(*line));
	memset(msg, 0x5a, sizeof(*msg));
	free(line);
	free(msg);
	return good;
}

static inline bool
snapshot_restore_head(const struct snapshot_core *sc, void *core, uint64_t seq)
{
	struct msg m;
	struct event ev = {.kind = EV_RESTORE, .msg = &m};

	msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_SNAPSHOT, "1");
	msg_set_u64(&m, KEY_seq, seq);
	return snapshot_give(sc, core, &ev);
}

static inline bool
snapshot_restore_end(const struct snapshot_core *sc, void *core)
{
	struct msg m;
	struct event ev = {.kind = EV_RESTORE, .msg = &m};

	msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_END, "2");
	return snapshot_give(sc, core, &ev);
}

/* `then` is a core in the state after record `split`; `core` is empty. */
static inline bool
snapshot_start(const struct snapshot_core *sc, const void *then, void *core,
    uint64_t split, uint64_t count)
{
	struct snapshot_lines lines = {NULL, 0, 0};
	bool good = true;
	uint64_t seq;

	CHECK(sc->lines(then, snapshot_keep, &lines));
	for (seq = 1; seq <= split && good; seq++) {
		struct id_note note;
		struct event ev = {.kind = EV_REMEMBER, .note = &note};

		if (sc->note(sc->load(sc->journal, seq), &note))
			good = snapshot_give(sc, core, &ev);
	}
	good = good && snapshot_restore_head(sc, core, split);
	for (size_t i = 0; i < lines.count; i++) {
		good = good && snapshot_restore_text(sc, core, lines.at[i]);
		free(lines.at[i]);
	}
	free(lines.at);
	good = good && snapshot_restore_end(sc, core);
	for (; seq <= count && good; seq++) {
		struct event ev = {
		    .kind = EV_RECORD, .record = sc->load(sc->journal, seq)};

		good = snapshot_give(sc, core, &ev);
	}
	return good;
}

#endif
