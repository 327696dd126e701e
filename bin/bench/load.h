/*
 * The load: payments between random pairs on many connections, each with a
 * window of payments in flight.
 *
 * Without a rate the loop is closed: each answer makes room for the next
 * payment, which is due when it is sent. With a rate it is open: payment k is
 * due at k / rate whatever became of those before it, is sent on whichever
 * connection has room first, and its time counts from when it was due; so a
 * gateway that stops for a moment is charged for all that was due meanwhile
 * (no "coordinated omission", as Gil Tene calls it).
 *
 * A payment whose connection broke is sent again under its id when that is up
 * again, and counts once. One that is refused is not sent again.
 */
#ifndef STRIFE_BENCH_LOAD_H
#define STRIFE_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "client/config.h"
#include "pairs.h"
#include "tally.h"

#define LOAD_CONNECTIONS_MAX 10000
#define LOAD_IN_FLIGHT_MAX (1u << 20) /* connections times window */
#define LOAD_RATE_MAX 1000000         /* payments a second */
#define LOAD_SECONDS_MAX 86400

struct load_options {
	const struct client_config *config; /* borrowed, as the pairs */
	const struct pairs *pairs;
	uint32_t connections, window, seconds, memo_len;
	uint32_t rate; /* 0: as fast as answers come */
	uint64_t seed; /* of the choice of pairs */
	bool verbose;
};

/*
 * Connects everything, pays for `seconds`, then waits for what is in flight, at
 * most as long as the configuration's reply_timeout. SIGINT and SIGTERM end it
 * early, a second one at once. EXIT_OK with the tally, whatever it shows; else
 * nothing was paid, and it has said why.
 */
int load_run(const struct load_options *, struct tally *);

#endif
