/*
 * What stands beside the segments, held against them: snapshots and indexes. A
 * start passes over a damaged one, or makes it again; but a good snapshot whose
 * record the journal lacks proves that durable records are lost.
 */
#ifndef STRIFE_JOURNAL_WITNESS_H
#define STRIFE_JOURNAL_WITNESS_H

#include "journal/journal.h"

struct witness;

/*
 * To be called before the records are read: a running daemon makes snapshots of
 * later ones. say: a file, and what is wrong with it. NULL with errno.
 */
struct witness *witness_open(const char *dir, void (*say)(const char *text));
/* Each record, in order. False: no memory. */
bool witness_record(struct witness *, const struct record *);
/* After the last. False: records are lost, which was said. */
bool witness_end(struct witness *);
void witness_free(struct witness *);

#endif
