#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

void
check_failed(const char *file, int line, const char *condition)
{
	/* What the log kept tells how it came to this. */
	log_end();
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
	abort();
}
