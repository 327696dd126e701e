/*
 * A histogram of times or sizes, log-linear in the manner of HdrHistogram (Gil
 * Tene): each power of two is divided into 128 equal buckets, so every value
 * is known to within 1/128 of itself, however large it is, in a fixed 57 KiB.
 * Does no input or output.
 */
#ifndef STRIFE_BASE_HISTOGRAM_H
#define STRIFE_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS 7
/* Values below 2^8 have a bucket each; each later power of two has 2^7. */
#define HISTOGRAM_BUCKETS ((63 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

/* All zero is an empty one. */
struct histogram {
	uint64_t total;
	int64_t max; /* exact */
	uint64_t counts[HISTOGRAM_BUCKETS];
};

/* So many values of this size, which is not negative. */
void histogram_add(struct histogram *, int64_t value, uint64_t count);
/*
 * The value that at least this many thousandths of all are not above: up to
 * 1/128 too large, never too small, never above max. 0 where it is empty.
 */
int64_t histogram_value(const struct histogram *, uint32_t permille);

#endif
