/* Dates as people write them: 2026-01-31 (its start, UTC) or RFC 3339. */
#ifndef STRIFE_PAY_DATE_H
#define STRIFE_PAY_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Microseconds since 1970; years 1970 to 9999. */
bool date_parse(int64_t *us, struct str text);

#endif
