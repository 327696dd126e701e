/*
 * A start from a snapshot (JOURNAL.md, Snapshots and remembered ids): of the
 * segments before the snapshot's, the indexes are read; of its own, the records
 * up to it tell only what an index would; then come its lines, and what follows
 * is replayed. What cannot be used is passed over, for an older snapshot or for
 * all records: but a good snapshot of this journal proves that its record was
 * durable, and a journal that does not have it has lost records.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "journal/index.h"
#include "journal/private.h"
#include "journal/snapshot.h"

enum resumed {
	RESUMED,
	RESUME_NEXT, /* this one cannot be used; error says why */
	RESUME_LOST, /* the journal has lost records; error says so */
};

struct resume {
	const struct opening *o;
	const struct snapshot_head *head;
	struct index_source source;
	struct reader_state state; /* before the next segment */
	struct reader *reader;
};

static bool
remember(const struct resume *s, const struct id_note *note)
{
	const struct opening *o = s->o;

	return o->conf->core->remember(o->ctx, note, o->error, o->error_size);
}

/* ---- The segments that are not read ---- */

/* Made from the segment where it is not there; kept only where that works. */
static int
make_index(struct resume *s, uint32_t segment, struct index *x)
{
	const struct opening *o = s->o;

	log_info("an index beside a segment is made", LOG_C("dir", o->j->dir),
	    LOG_U("segment", segment));
	if (index_make(&s->source, segment, &s->state, x) != 0)
		return -1;
	if (index_write(&s->source, segment, x) != 0)
		log_warn("cannot write the index beside a segment: the next "
			 "start makes it again",
		    LOG_C("dir", o->j->dir), LOG_U("segment", segment),
		    LOG_E(errno));
	return 0;
}

static enum resumed
use_index(struct resume *s, uint32_t segment)
{
	struct journal *j = s->o->j;
	enum resumed result = RESUMED;
	struct id_note note;
	struct index x;

	if (!index_load(&s->source, segment, &s->state, &x) &&
	    make_index(s, segment, &x) != 0)
		return RESUME_NEXT;
	for (uint64_t i = 0; i < x.marks; i++)
		mark_add(j, index_mark(&x, segment, i));
	for (uint64_t i = 0; i < x.notes && result == RESUMED; i++) {
		note = index_note(&x, segment, i);
		if (!remember(s, &note))
			result = RESUME_NEXT;
	}
	index_free(&x);
	return result;
}

/* ---- The segment of the snapshot ---- */

static enum journal_open
refuse_lost(const struct opening *o, uint64_t seq, const char *what)
{
	char name[SNAPSHOT_NAME_MAX];

	snapshot_name(seq, name);
	return refuse(o->error, o->error_size, JOURNAL_CORRUPT,
	    "%s/%s: it was taken when record %" PRIu64
	    " was durable, and the journal %s: restore the newest copy of the "
	    "journal. For an older copy, move newer snapshots away",
	    o->j->dir, name, seq, what);
}

static enum resumed
lost(const struct resume *s, const char *what)
{
	(void)refuse_lost(s->o, s->head->at.seq, what);
	return RESUME_LOST;
}

static enum resumed
read_record(struct resume *s, const struct record *record)
{
	const struct snapshot_head *head = s->head;
	struct id_note note;

	mark_record(s->o->j, record->pos);
	if (s->source.note(record, &note) && !remember(s, &note))
		return RESUME_NEXT;
	if (record->pos.seq < head->at.seq)
		return RESUMED;
	if (!check_eq(&record->check, &head->check) ||
	    record->pos.segment != head->at.segment ||
	    record->pos.offset != head->at.offset)
		return lost(s, "has another record there");
	s->o->j->last_at = record->pos;
	return RESUMED;
}

/* Up to the snapshot's record. */
static enum resumed
read_records(struct resume *s)
{
	const struct opening *o = s->o;
	enum resumed result = RESUMED;
	struct record record;
	struct str text;

	while (result == RESUMED &&
	    reader_state(s->reader)->last_seq < s->head->at.seq)
		switch (reader_next(s->reader, &record, &text)) {
		case READER_RECORD:
			result = read_record(s, &record);
			break;
		case READER_END:
		case READER_TORN:
			result = lost(s, "ends before it");
			break;
		case READER_CORRUPT:
		case READER_ERROR:
			(void)snprintf(o->error, o->error_size, "%s",
			    reader_problem(s->reader));
			result = RESUME_NEXT;
			break;
		}
	return result;
}

/* ---- A start from one snapshot ---- */

static bool
restore(void *ctx, const struct msg *line)
{
	const struct opening *o = ((const struct resume *)ctx)->o;

	return o->conf->core->restore(o->ctx, line, o->error, o->error_size);
}

static bool
give_lines(struct resume *s)
{
	const struct opening *o = s->o;

	(void)snprintf(o->error, o->error_size, "it changed while it was read");
	return snapshot_give(o->j->dir_fd, s->head->at.seq, restore, s);
}

static enum resumed
resume_from(struct resume *s)
{
	const struct opening *o = s->o;
	enum resumed result = RESUMED;

	for (uint32_t n = 1; n < s->head->at.segment && result == RESUMED; n++)
		result = use_index(s, n);
	if (result != RESUMED)
		return result;
	/* It was taken when nothing was unflushed. */
	s->state.proven = s->head->at.seq;
	if (reader_open_at(&s->reader, o->j->dir, s->source.side, &s->state) !=
	    0) {
		if (errno == ENOENT)
			return lost(s, "has no such segment");
		(void)snprintf(o->error, o->error_size, "%s", strerror(errno));
		return RESUME_NEXT;
	}
	result = read_records(s);
	if (result == RESUMED && !give_lines(s))
		result = RESUME_NEXT;
	return result;
}

static void
pass_over(const struct opening *o, uint64_t seq, const char *why)
{
	char name[SNAPSHOT_NAME_MAX];

	snapshot_name(seq, name);
	log_warn("a snapshot is passed over", LOG_C("dir", o->j->dir),
	    LOG_C("file", name), LOG_C("why", why));
}

/*
 * Whose journal this is, by its first record. Not READER_RECORD: there is none,
 * or it is of another journal, which a replay will tell.
 */
static enum reader_status
identify(const struct opening *o, struct reader_state *state)
{
	enum reader_status status;
	struct reader *r;
	struct record record;
	struct str text;

	if (reader_open(&r, o->j->dir, o->j->side, o->error, o->error_size) !=
	    0)
		return READER_ERROR;
	status = reader_next(r, &record, &text);
	*state = *reader_state(r);
	reader_close(r);
	return status == READER_RECORD && !is_ours(o->j, state) ? READER_ERROR
								: status;
}

static bool
is_its_own(const struct reader_state *who, const struct snapshot_head *head)
{
	return id_eq(&who->journal, &head->journal) &&
	    strcmp(who->component, head->component) == 0 &&
	    strcmp(who->name, head->name) == 0;
}

/* The core is half filled: an empty one takes its place. */
static void
start_over(const struct opening *o, struct resume *s)
{
	reader_close(s->reader);
	o->j->mark_count = 0;
	o->conf->core->renew(o->ctx);
}

static enum journal_open
resume_try(const struct opening *o, const struct reader_state *who,
    const struct snapshot_head *head, struct reader **r)
{
	struct resume s = {.o = o,
	    .head = head,
	    .source = {o->j->dir, o->j->dir_fd, who->journal, o->j->side,
		o->conf->core->note, o->error, o->error_size}};
	enum resumed result;

	memcpy(s.state.component, who->component, sizeof(who->component));
	memcpy(s.state.name, who->name, sizeof(who->name));
	result = resume_from(&s);
	switch (result) {
	case RESUMED:
		*r = s.reader;
		o->j->snapshot_seq = head->at.seq;
		break;
	case RESUME_NEXT:
		pass_over(o, head->at.seq, o->error);
		start_over(o, &s);
		break;
	case RESUME_LOST:
		reader_close(s.reader);
		return JOURNAL_CORRUPT;
	}
	return JOURNAL_OPENED;
}

/* A journal without any record: snapshots of it say that it had some. */
static enum journal_open
lost_all(const struct opening *o, const uint64_t *seqs, int count)
{
	struct snapshot_head head;
	struct reader_state who;

	for (int i = 0; i < count; i++) {
		if (!snapshot_check(
			o->j->dir_fd, seqs[i], &head, o->error, o->error_size))
			continue;
		memcpy(who.component, head.component, sizeof(who.component));
		memcpy(who.name, head.name, sizeof(who.name));
		if (is_ours(o->j, &who))
			return refuse_lost(o, seqs[i], "is empty");
	}
	return JOURNAL_OPENED;
}

enum journal_open
journal_begins(const struct opening *o)
{
	uint64_t seqs[SNAPSHOTS_MAX];

	return lost_all(o, seqs, snapshot_list(o->j->dir_fd, seqs));
}

enum journal_open
journal_resume(const struct opening *o, struct reader **r)
{
	uint64_t seqs[SNAPSHOTS_MAX];
	enum journal_open result = JOURNAL_OPENED;
	struct snapshot_head head;
	struct reader_state who;
	int count;

	*r = NULL;
	if (o->conf->core == NULL)
		return JOURNAL_OPENED;
	count = snapshot_list(o->j->dir_fd, seqs);
	if (count <= 0)
		return JOURNAL_OPENED;
	switch (identify(o, &who)) {
	case READER_RECORD:
		break;
	case READER_END:
	case READER_TORN:
		return lost_all(o, seqs, count);
	case READER_CORRUPT:
	case READER_ERROR:
		return JOURNAL_OPENED;
	}
	for (int i = 0; i < count && *r == NULL && result == JOURNAL_OPENED;
	     i++) {
		if (!snapshot_check(
			o->j->dir_fd, seqs[i], &head, o->error, o->error_size))
			pass_over(o, seqs[i], o->error);
		else if (!is_its_own(&who, &head))
			pass_over(o, seqs[i], "it is another journal's");
		else
			result = resume_try(o, &who, &head, r);
	}
	return result;
}
