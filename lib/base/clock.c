#include "base/clock.h"

#include <time.h>

#include "base/check.h"

/* The largest wall time handed out, or asked for as a floor. */
static int64_t wall_last_us;

int64_t
clock_mono_ns(void)
{
	struct timespec now;
	int result = clock_gettime(CLOCK_MONOTONIC, &now);

	CHECK(result == 0);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t
clock_wall_us(void)
{
	struct timespec now;
	int result = clock_gettime(CLOCK_REALTIME, &now);
	int64_t now_us;

	CHECK(result == 0);
	now_us = (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
	clock_wall_floor_us(now_us);
	return wall_last_us;
}

void
clock_wall_floor_us(int64_t floor_us)
{
	if (floor_us > wall_last_us)
		wall_last_us = floor_us;
}
