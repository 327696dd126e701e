/* Entries of the spool in memory, oldest first. */
#ifndef STRIFE_QUEUE_ENTRIES_H
#define STRIFE_QUEUE_ENTRIES_H

#include <stdint.h>

#include "queue.h"

struct entry {
	struct spool_entry spooled;
	enum spool_place place;
	/* For a flush: */
	bool ended; /* it is no longer in new, or not to be sent from there */
	bool tried; /* not again in this run */
};

struct entries {
	struct entry *at; /* owned */
	uint32_t count, room;
};

/*
 * Adds all of a place: EXIT_OK, or an exit code having said why. Beyond
 * ENTRIES_MAX, as many results may have come together, it says so and leaves
 * the rest out.
 */
#define ENTRIES_MAX 1000000u
int entries_load(struct entries *, struct queue *, enum spool_place);
/* By when they were added, then by id. */
void entries_sort(struct entries *);
void entries_free(struct entries *);

#endif
