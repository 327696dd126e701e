/* base/histogram: every value within 1/128, in order, and its bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "base/histogram.h"
#include "tap.h"

static struct histogram h;

static void
clear(void)
{
	memset(&h, 0, sizeof(h));
}

/* Is what it says of this one value right? */
static bool
close_enough(int64_t value)
{
	int64_t said;

	clear();
	histogram_add(&h, value, 1);
	/* A larger one, lest the exact maximum answers. */
	histogram_add(&h, INT64_MAX, 1);
	said = histogram_value(&h, 500);
	return said >= value && said - value <= value / 128;
}

static void
test_error(void)
{
	int64_t wrong = -1, value;
	uint64_t random = 1;

	for (value = 0; value < 70000 && wrong == -1; value++)
		if (!close_enough(value))
			wrong = value;
	is_i64(wrong, -1, "values to 70000 are within 1/128, none too small");
	for (int i = 0; i < 20000 && wrong == -1; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		value = (int64_t)(random >> 1 >> (random >> 58));
		if (!close_enough(value))
			wrong = value;
	}
	is_i64(wrong, -1, "and so are values of every size");
	for (int bit = 0; bit < 63 && wrong == -1; bit++) {
		value = INT64_C(1) << bit;
		if (!close_enough(value) || !close_enough(value - 1))
			wrong = value;
	}
	is_i64(wrong, -1, "and both sides of each power of two");
	ok(close_enough(INT64_MAX), "and the largest there is");
}

static void
test_ranks(void)
{
	clear();
	is_i64(histogram_value(&h, 500), 0, "an empty one says 0");
	for (int64_t value = 1; value <= 200; value++)
		histogram_add(&h, value, 1);
	is_i64(histogram_value(&h, 500), 100, "the median of 1 to 200");
	is_i64(histogram_value(&h, 950), 190, "95 %");
	is_i64(histogram_value(&h, 999), 200, "99.9 % is rounded up");
	is_i64(histogram_value(&h, 1), 1, "0.1 % is the least");
	is_i64(histogram_value(&h, 1000), 200, "100 % is the largest");
	is_i64((int64_t)h.total, 200, "and all are counted");
}

static void
test_max(void)
{
	clear();
	histogram_add(&h, 1000001, 3);
	is_i64(histogram_value(&h, 500), 1000001, "nothing is above max");
	histogram_add(&h, 5000000, 0);
	is_i64(h.max, 1000001, "none of a value is no value");
	clear();
	histogram_add(&h, 10, UINT64_C(1) << 60);
	histogram_add(&h, 20, UINT64_C(1) << 60);
	is_i64(histogram_value(&h, 500), 10, "counts near 2^61: the median");
	is_i64(histogram_value(&h, 501), 20, "and what is just above it");
}

int
main(void)
{
	test_error();
	test_ranks();
	test_max();
	return tap_done();
}
