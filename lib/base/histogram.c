#include "base/histogram.h"

#include "base/check.h"

#define SPLIT (1u << HISTOGRAM_BITS)

/* How far a value is shifted so that SPLIT <= value < 2 * SPLIT is left. */
static uint32_t
shift_of(int64_t value)
{
	uint32_t bits;

	if (value < (int64_t)(2 * SPLIT))
		return 0;
	bits = 64 - (uint32_t)__builtin_clzll((unsigned long long)value);
	return bits - (HISTOGRAM_BITS + 1);
}

static uint32_t
bucket_of(int64_t value)
{
	uint32_t shift = shift_of(value);

	return shift * SPLIT + (uint32_t)(value >> shift);
}

/* The largest value that a bucket holds. */
static int64_t
bucket_top(uint32_t bucket)
{
	uint32_t shift = bucket < 2 * SPLIT ? 0 : bucket / SPLIT - 1;
	uint64_t next = (uint64_t)(bucket - shift * SPLIT + 1) << shift;

	return (int64_t)(next - 1);
}

void
histogram_add(struct histogram *h, int64_t value, uint64_t count)
{
	uint32_t bucket;

	CHECK(value >= 0);
	bucket = bucket_of(value);
	CHECK(bucket < HISTOGRAM_BUCKETS);
	h->counts[bucket] += count;
	h->total += count;
	if (count > 0 && value > h->max)
		h->max = value;
}

int64_t
histogram_value(const struct histogram *h, uint32_t permille)
{
	uint64_t wanted, seen = 0;
	int64_t top;

	CHECK(permille >= 1 && permille <= 1000);
	/* Rounded up, and in parts, so that it does not overflow. */
	wanted = h->total / 1000 * permille +
	    (h->total % 1000 * permille + 999) / 1000;
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS && wanted > 0; i++) {
		seen += h->counts[i];
		if (seen < wanted)
			continue;
		top = bucket_top(i);
		return top < h->max ? top : h->max;
	}
	return 0;
}
