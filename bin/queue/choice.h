/*
 * Which entries may be sent now: those that are due, each payer's in order. One
 * that may not keeps those of its payer that come after it back.
 */
#ifndef STRIFE_QUEUE_CHOICE_H
#define STRIFE_QUEUE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "entries.h"

struct choice {
	const struct entries *entries;
	int64_t now_us, longest_us;
	bool all;
	struct table blocked; /* payers, each by an entry of theirs */
};

/*
 * all: due or not. The entries are sorted, and stay as they are until
 * choice_end. Ends the program where memory is short.
 */
void choice_begin(struct choice *, const struct entries *,
    const struct client_config *, bool all);
/* In the order of the entries: may this one be sent? */
bool choice_may(struct choice *, uint32_t index);
/* One that may be, but will not be now. */
void choice_block(struct choice *, uint32_t index);
void choice_end(struct choice *);

/* How long to wait after so many answers that were no end. */
int64_t choice_delay_ns(const struct client_config *, uint64_t attempts);

#endif
