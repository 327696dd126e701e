/* Dates as people write them: 2026-01-31 (UTC) or RFC 3339. */
#ifndef STRIFE_CLIENT_DATE_H
#define STRIFE_CLIENT_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Microseconds since 1970, years 1970 to 9999; of a day its start. */
bool date_parse(int64_t *us, struct str text);
/* As date_parse, but of a day its last microsecond. */
bool date_parse_until(int64_t *us, struct str text);

#endif
