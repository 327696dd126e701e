/*
 * The payments of the menu's user that wait in the spool, and how they are
 * delivered: one by one, in the order in which they were added, those of one
 * payer only after the ones before them. While the editor waits for a line this
 * goes on by itself, and results are announced; nothing here blocks then, but
 * for the disk and the resolving of names.
 */
#ifndef STRIFE_PAY_PENDING_H
#define STRIFE_PAY_PENDING_H

#include <stdint.h>

#include "client/spool_entry.h"
#include "menu.h"

/* As many are looked at: the oldest. */
#define PENDING_MAX 256

struct pending *pending_new(struct menu *); /* ends the program: no memory */
void pending_free(struct pending *);

/* From now on in the background; also after a login. */
void pending_start(struct pending *);
/* After each turn of the loop. */
void pending_turn(struct pending *);

/*
 * Writes a new payment down, durably: EXIT_OK, or the exit code having said why
 * not; then it must not be sent.
 */
int pending_add(struct pending *, const struct id *, const struct order *);
/* Delivers the one with this id now, and prints what came of it. Blocks. */
void pending_deliver(struct pending *, const struct id *);
/* All of them, whenever they were due. Blocks. */
void pending_deliver_all(struct pending *);
/* How many there are, at most PENDING_MAX. */
uint32_t pending_count(struct pending *);

#endif
