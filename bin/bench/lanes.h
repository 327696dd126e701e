/*
 * The connections of a load, each with a window of payments: which payment goes
 * where, and what becomes of it. When payments are due is load.c's. Callbacks
 * come from loop_turn only; nothing here blocks.
 */
#ifndef STRIFE_BENCH_LANES_H
#define STRIFE_BENCH_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "load.h"

struct lanes;

/*
 * Reads what is needed to connect. EXIT_OK, or EXIT_CONFIG having said why.
 * Everything is borrowed; `end_ns` tells until when payments are due, and may
 * change.
 */
int lanes_new(struct lanes **, const struct load_options *, struct loop *,
    struct tally *, const int64_t *end_ns);
/* Closes the connections, turning the loop until they are. */
void lanes_free(struct lanes *);

/* Before each turn of the loop: dials, and queues what is to be sent again. */
void lanes_work(struct lanes *);
/* Writes what is queued. */
void lanes_flush(struct lanes *);
/* Is every connection up? */
bool lanes_up(const struct lanes *);
/* How many never will be (again), and why the first of them. */
uint32_t lanes_gone(const struct lanes *);
enum session_end lanes_end(const struct lanes *, const char **why);
/* The smallest window that there is, ours or the gateway's. */
uint32_t lanes_window(const struct lanes *);

/* Is there room for a payment? */
bool lanes_roomy(const struct lanes *);
/*
 * Queues one between a random pair on the connection that has waited longest;
 * there must be room.
 */
void lanes_pay(struct lanes *, int64_t due_ns);
uint64_t lanes_started(const struct lanes *); /* payments, ever */
bool lanes_idle(const struct lanes *);        /* each of them has ended */
/*
 * Must lanes_work be called again soon, though nothing happens? Then within
 * LANES_TICK_NS.
 */
#define LANES_TICK_NS INT64_C(10000000)
bool lanes_wait(const struct lanes *);
/* Counts those in flight as unanswered; nothing but lanes_free may follow. */
void lanes_give_up(struct lanes *);

#endif
