/* Times on the wire: RFC 3339, UTC, six decimals, "Z". Pure. */
#ifndef STRIFE_WIRE_TIME_H
#define STRIFE_WIRE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define TIME_TEXT_LEN 27 /* 2026-01-31T12:00:00.000000Z */

/* Years 1970 to 9999; microseconds since 1970. */
#define TIME_MAX_US INT64_C(253402300799999999)
bool time_parse(int64_t *us, struct str text);
/* CHECKs that 0 <= us <= TIME_MAX_US. */
void time_text(int64_t us, char into[TIME_TEXT_LEN + 1]);

#endif
