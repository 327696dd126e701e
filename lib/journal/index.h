/*
 * Private to lib/journal: N.index, what a start from a snapshot needs of a
 * finished segment that it does not read (strife-journal(5)): how the chain
 * goes on behind it, where every 256th record lies, and what its records tell
 * about ids for ever. Made from the segment alone, so one that is missing or
 * damaged is made again.
 *
 * A line INDEX; then `marks` times 12 octets (seq, offset), then `count` times
 * 32 octets (id, offset, segment and offset of the record before, kind, three
 * zeros), all numbers big-endian. check= covers all but itself.
 */
#ifndef STRIFE_JOURNAL_INDEX_H
#define STRIFE_JOURNAL_INDEX_H

#include <stddef.h>

#include "journal/segment.h"

#define INDEX_NAME_MAX 24

typedef bool index_note_fn(const struct record *, struct id_note *);

/* A journal, and how its records become notes. */
struct index_source {
	const char *dir; /* for messages, and for reading segments */
	int dir_fd;
	struct id journal; /* an index of another one is none */
	enum side side;
	index_note_fn *note;
	char *error; /* why index_make failed */
	size_t error_size;
};

struct index {
	char *octets; /* owned */
	size_t len, marks_at, notes_at;
	uint64_t marks, notes;
};

void index_name(uint32_t segment, char into[INDEX_NAME_MAX]);
/*
 * *state is how the journal stands before the segment, and becomes how it
 * stands behind it. The file's first line alone is read, and believed where it
 * fits; false: there is no such file.
 */
bool index_skip(
    const struct index_source *, uint32_t segment, struct reader_state *state);
/* Reads and checks the whole file; false: missing or damaged. */
bool index_load(const struct index_source *, uint32_t segment,
    struct reader_state *state, struct index *);
/*
 * Makes it from the segment, in memory. 0; or -1 with source->error filled: the
 * segment is damaged, or cannot be read.
 */
int index_make(const struct index_source *, uint32_t segment,
    struct reader_state *state, struct index *);
/* Puts it beside the segment, durably. 0, or -1 with errno. */
int index_write(
    const struct index_source *, uint32_t segment, const struct index *);
void index_free(struct index *);

/* i from 0 to marks - 1, to notes - 1. */
struct jpos index_mark(const struct index *, uint32_t segment, uint64_t i);
struct id_note index_note(const struct index *, uint32_t segment, uint64_t i);

#endif
