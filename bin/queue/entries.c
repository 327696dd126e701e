#include "entries.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

struct loading {
	struct entries *entries;
	enum spool_place place;
};

static bool
take(void *ctx, const struct spool_entry *spooled)
{
	const struct loading *loading = ctx;
	struct entries *e = loading->entries;
	struct entry *at;

	if (e->count == ENTRIES_MAX) {
		warnx("more than %u payments in the spool: the rest is left "
		      "out",
		    ENTRIES_MAX);
		return false;
	}
	if (e->count == e->room) {
		e->room = e->room > 0 ? 2 * e->room : 64;
		at = reallocarray(e->at, e->room, sizeof(*at));
		if (at == NULL)
			err(EXIT_OSERR, "memory");
		e->at = at;
	}
	e->at[e->count++] =
	    (struct entry){.spooled = *spooled, .place = loading->place};
	return true;
}

int
entries_load(struct entries *e, struct queue *q, enum spool_place place)
{
	struct loading loading = {e, place};

	if (spool_each(q->spool, place, take, &loading) == -1)
		return queue_broken(q);
	return EXIT_OK;
}

static int
older(const void *a, const void *b)
{
	const struct spool_entry *one = &((const struct entry *)a)->spooled;
	const struct spool_entry *two = &((const struct entry *)b)->spooled;

	if (one->added_us != two->added_us)
		return one->added_us < two->added_us ? -1 : 1;
	return memcmp(&one->id, &two->id, sizeof(one->id));
}

void
entries_sort(struct entries *e)
{
	if (e->count > 0)
		qsort(e->at, e->count, sizeof(*e->at), older);
}

void
entries_free(struct entries *e)
{
	free(e->at);
	*e = (struct entries){NULL, 0, 0};
}
