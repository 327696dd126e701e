#include "journal/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/index.h"
#include "journal/private.h"
#include "journal/snapshot.h"

struct sighting {
	struct snapshot_head head;
	bool good, found;
};

/* The last record of a segment. */
struct ending {
	uint64_t seq;
	struct check check;
};

struct witness {
	const char *dir;
	int dir_fd;
	void (*say)(const char *text);
	enum side side;
	struct reader_state state; /* after the newest record */
	struct sighting snapshots[SNAPSHOTS_MAX];
	int count;
	struct ending *ends; /* of segment i + 1 */
	uint32_t end_count, end_room;
	bool lost;
};

__attribute__((format(printf, 3, 4))) static void
say(const struct witness *w, const char *name, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n = snprintf(text, sizeof(text), "%s/%s: ", w->dir, name);

	if (n < 0 || (size_t)n >= sizeof(text))
		return;
	va_start(ap, format);
	(void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, ap);
	va_end(ap);
	w->say(text);
}

static bool
is_there(const struct witness *w, const char *name)
{
	return faccessat(w->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- Snapshots ---- */

static void
look_snapshots(struct witness *w)
{
	uint64_t seqs[SNAPSHOTS_MAX];
	char name[SNAPSHOT_NAME_MAX], why[256];

	w->count = snapshot_list(w->dir_fd, seqs);
	for (int i = 0; i < w->count; i++) {
		struct sighting *s = &w->snapshots[i];

		snapshot_name(seqs[i], name);
		s->good = snapshot_check(
		    w->dir_fd, seqs[i], &s->head, why, sizeof(why));
		/* A running daemon removes what it needs no more. */
		if (!s->good && is_there(w, name))
			say(w, name, "%s: starts pass over it", why);
	}
}

static bool
is_its_own(const struct witness *w, const struct snapshot_head *head)
{
	return id_eq(&w->state.journal, &head->journal) &&
	    strcmp(w->state.component, head->component) == 0 &&
	    strcmp(w->state.name, head->name) == 0;
}

static void
meet_snapshots(struct witness *w, const struct record *record)
{
	for (int i = 0; i < w->count; i++) {
		struct sighting *s = &w->snapshots[i];

		if (s->good && s->head.at.seq == record->pos.seq)
			s->found = check_eq(&s->head.check, &record->check) &&
			    s->head.at.segment == record->pos.segment &&
			    s->head.at.offset == record->pos.offset;
	}
}

static void
end_snapshots(struct witness *w)
{
	char name[SNAPSHOT_NAME_MAX];

	for (int i = 0; i < w->count; i++) {
		const struct sighting *s = &w->snapshots[i];

		if (!s->good || s->found)
			continue;
		snapshot_name(s->head.at.seq, name);
		if (w->state.last_seq > 0 && !is_its_own(w, &s->head)) {
			say(w, name,
			    "it is another journal's: starts pass "
			    "over it");
			continue;
		}
		w->lost = true;
		say(w, name,
		    "it was taken when record %" PRIu64
		    " was durable, and the journal %s",
		    s->head.at.seq,
		    w->state.last_seq == 0 ? "is empty"
			: s->head.at.seq > w->state.last_seq
			? "ends before it"
			: "has another record there");
	}
}

/* ---- Indexes ---- */

/* Behind finished segments; a start makes what is missing or damaged. */
static void
end_indexes(struct witness *w)
{
	struct index_source source = {.dir = w->dir,
	    .dir_fd = w->dir_fd,
	    .journal = w->state.journal,
	    .side = w->side};
	struct reader_state state = {.last_seq = 0};
	char name[INDEX_NAME_MAX];
	struct index x;
	bool good;

	for (uint32_t n = 1; n < w->end_count; n++) {
		const struct ending *end = &w->ends[n - 1];

		index_name(n, name);
		good = index_load(&source, n, &state, &x);
		if (good)
			index_free(&x);
		good = good && state.last_seq == end->seq &&
		    check_eq(&state.head, &end->check);
		if (!good && is_there(w, name))
			say(w, name,
			    "it is damaged, or of another segment: "
			    "it is made again when it is needed");
		state.last_seq = end->seq;
		state.head = end->check;
	}
}

/* ---- Records ---- */

struct witness *
witness_open(const char *dir, void (*tell)(const char *text))
{
	struct witness *w = calloc(1, sizeof(*w));
	int saved;

	if (w == NULL)
		return NULL;
	w->dir = dir;
	w->say = tell;
	w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir_fd < 0) {
		saved = errno;
		free(w);
		errno = saved;
		return NULL;
	}
	look_snapshots(w);
	return w;
}

/* The first record says whose journal it is. */
static void
identify(struct witness *w, const struct msg *m)
{
	struct reader_state *s = &w->state;

	w->side = m->verb == VERB_BANK_JOURNAL_SEGMENT ? SIDE_BANK_JOURNAL
						       : SIDE_GATEWAY_JOURNAL;
	s->journal = m->v[KEY_journal].id;
	(void)str_copy(
	    s->component, sizeof(s->component), m->v[KEY_component].str);
	(void)str_copy(s->name, sizeof(s->name), m->v[KEY_name].str);
}

bool
witness_record(struct witness *w, const struct record *record)
{
	uint32_t room = w->end_room > 0 ? w->end_room * 2 : 16;
	struct ending *more;

	if (w->state.last_seq == 0)
		identify(w, record->msg);
	w->state.last_seq = record->pos.seq;
	meet_snapshots(w, record);
	if (record->pos.segment > w->end_room) {
		more = realloc(w->ends, room * sizeof(*more));
		if (more == NULL)
			return false;
		w->ends = more;
		w->end_room = room;
	}
	w->end_count = record->pos.segment;
	w->ends[w->end_count - 1] =
	    (struct ending){record->pos.seq, record->check};
	return true;
}

bool
witness_end(struct witness *w)
{
	end_snapshots(w);
	end_indexes(w);
	return !w->lost;
}

void
witness_free(struct witness *w)
{
	if (w == NULL)
		return;
	close(w->dir_fd);
	free(w->ends);
	free(w);
}
