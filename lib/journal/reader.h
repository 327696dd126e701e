/*
 * Reading a journal directory without its lock and without writing: for
 * replay at start, `strife-journal` and tests. Knows the chain and the rule
 * that tells the clean end, a torn tail and corruption apart (JOURNAL.md,
 * Starting).
 */
#ifndef STRIFE_JOURNAL_READER_H
#define STRIFE_JOURNAL_READER_H

#include "journal/journal.h"

struct reader;

enum reader_status {
	READER_RECORD,  /* one more record */
	READER_END,     /* the clean end */
	READER_TORN,    /* the tail from here on was never durable */
	READER_CORRUPT, /* damaged: reader_problem says where */
	READER_ERROR,   /* cannot read: reader_problem says what */
};

/* 0, or -1 with error filled. side NONE (SIDE_COUNT): told by the first record.
 */
int reader_open(struct reader **, const char *dir, enum side side, char *error,
    size_t error_size);
void reader_close(struct reader *);
/* *out is borrowed until the next call. */
enum reader_status
reader_next(struct reader *, struct record *out, struct str *text);
const char *reader_problem(const struct reader *); /* file, offset, seq */
struct jpos
reader_position(const struct reader *); /* where the next would lie */
enum side reader_side(const struct reader *);

#endif
