/*
 * The clocks. Deadlines use the monotonic clock, records the wall clock;
 * wall time handed out here never goes backwards within a process.
 */
#ifndef STRIFE_BASE_CLOCK_H
#define STRIFE_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define US_PER_S INT64_C(1000000)

int64_t clock_mono_ns(void);
/* Microseconds since 1970 UTC: the larger of now and the last one given. */
int64_t clock_wall_us(void);
/* Raises the floor of clock_wall_us, e.g. to the last record of a journal. */
void clock_wall_floor_us(int64_t floor_us);

#endif
