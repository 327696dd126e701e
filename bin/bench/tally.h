/*
 * What became of the payments of one run, and how long they took; and how it is
 * printed.
 */
#ifndef STRIFE_BENCH_TALLY_H
#define STRIFE_BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "client/answer.h"

#define TALLY_CODES (CODE_OTHER_SAME_ID + 1)

struct tally {
	/*
	 * From when a payment was due to its answer, in nanoseconds: of those
	 * that committed; and of those that nobody answered, for as long as
	 * they have waited, lest the slowest go uncounted.
	 */
	struct histogram latency_ns;
	uint64_t committed;
	uint64_t committed_in_time;    /* while payments were still due */
	uint64_t refused[TALLY_CODES]; /* by reason; CODE_NONE: none was said */
	uint64_t unanswered;
	uint64_t unsent;    /* due, but there was never room for them */
	int64_t elapsed_ns; /* for so long payments were due */
};

/* One that has its final answer. */
void tally_answer(
    struct tally *, const struct answer *, int64_t latency_ns, bool in_time);
/* So many that have none, of about the same age. */
void tally_unanswered(struct tally *, int64_t waited_ns, uint64_t count);
void tally_unsent(struct tally *, int64_t waited_ns, uint64_t count);
uint64_t tally_failed(const struct tally *);

struct tally_setting {
	uint32_t connections, window, rate; /* rate 0: none */
	bool json;
};
/*
 * The figures on standard output, the failures on standard error: EXIT_OK,
 * EXIT_DECLINED where any payment failed, or what client/output.h says.
 */
int tally_print(const struct tally *, const struct tally_setting *);

#endif
