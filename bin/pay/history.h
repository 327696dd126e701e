/* An account's entries, page by page. */
#ifndef STRIFE_PAY_HISTORY_H
#define STRIFE_PAY_HISTORY_H

#include <stdint.h>

#include "pay.h"

#define HISTORY_MAX 10000000 /* entries at most */

/* Which entries; times in microseconds since 1970, INT64_MAX: no end. */
struct history_range {
	const char *account; /* NAME@BANK, checked */
	int64_t since_us;    /* 0: from the beginning */
	int64_t until_us;
	uint32_t count; /* the newest of them */
};

/* Prints them, newest first; holds one page. Returns the exit code. */
int history_print(struct pay *, const struct history_range *);

#endif
