/*
 * Sends the rows of a batch through one session, many at a time, and prints
 * them in their order as soon as what became of each is known.
 */
#ifndef STRIFE_PAY_SENDER_H
#define STRIFE_PAY_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "pay.h"
#include "rows.h"

struct sender_options {
	bool stop_at_first; /* send no more after one is not committed */
	/*
	 * A payer's rows need not wait for that payer's rows before them. They
	 * do otherwise: which of them the balance is enough for must not depend
	 * on what crashed meanwhile.
	 */
	bool any_order;
};

/* Every row is printed; returns the exit code of the batch. */
int sender_run(struct pay *, struct rows *, const struct sender_options *);

#endif
