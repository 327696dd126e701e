#include "base/clock.h"

#include <time.h>

#include "tap.h"

int
main(void)
{
	int64_t mono_ns = clock_mono_ns(), wall_us = clock_wall_us();
	int64_t ahead_us;
	bool forwards = true;

	for (int i = 0; i < 100000; i++) {
		int64_t next_ns = clock_mono_ns(), next_us = clock_wall_us();

		forwards = forwards && next_ns >= mono_ns && next_us >= wall_us;
		mono_ns = next_ns;
		wall_us = next_us;
	}
	ok(forwards, "neither clock goes backwards");
	ok(wall_us / US_PER_S >= (int64_t)time(NULL) - 3600,
	    "the wall clock is the system's");
	ahead_us = wall_us + 3600 * US_PER_S;
	clock_wall_floor_us(ahead_us);
	is_i64(clock_wall_us(), ahead_us, "a floor ahead of now is kept to");
	clock_wall_floor_us(ahead_us - 1);
	is_i64(clock_wall_us(), ahead_us, "a lower floor changes nothing");
	return tap_done();
}
