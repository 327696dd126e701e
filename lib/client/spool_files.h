/*
 * What the spool's modules share: its directories, its lock, and one file read,
 * written or set aside. Nobody else includes this.
 */
#ifndef STRIFE_CLIENT_SPOOL_FILES_H
#define STRIFE_CLIENT_SPOOL_FILES_H

#include <stddef.h>

#include "client/spool.h"

struct spool {
	int root, tmp, places[SPOOL_PLACES]; /* directories */
	bool dirty[SPOOL_PLACES];            /* to be flushed */
	int lock;                            /* the file of that name */
	uint32_t lock_depth;
	int flusher;          /* the file of that name when locked, else -1 */
	uint32_t aside_count; /* what was no entry, since it was opened */
};

/* 0, or -1. Nests. */
int spool_lock(struct spool *);
void spool_unlock(struct spool *); /* errno stays as it is */

/*
 * SPOOL_OK, SPOOL_ABSENT (also when it was no entry: it has been set aside), or
 * SPOOL_ERROR.
 */
enum spool_status spool_file_read(
    struct spool *, enum spool_place, const char *name, struct spool_entry *);
/* With the lock held: a new file, flushed, takes the place of any old one. */
int
spool_file_write(struct spool *, enum spool_place, const struct spool_entry *);
/* With the lock held. -1 with ENOENT where it is not there. */
int spool_file_move(struct spool *, const struct id *, enum spool_place from,
    enum spool_place to);
int spool_file_remove(struct spool *, enum spool_place, const struct id *);

/* Names in a directory but those that start with a dot; false from visit ends
 * it. 0, or -1. */
typedef bool spool_name(void *ctx, const char *name);
int spool_names(struct spool *, int directory, spool_name *, void *ctx);
/* Was it set aside? */
bool spool_is_bad(const char *name);

#endif
