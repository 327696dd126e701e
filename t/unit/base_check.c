#include "base/check.h"

#include "capture.h"
#include "tap.h"

enum { BROKEN_LINE = __LINE__ + 6 };

static void
broken(void *ctx)
{
	CHECK(ctx == NULL);
	CHECK(1 + 1 == 3);
	printf("still here\n");
}

int
main(void)
{
	struct capture c;
	char wanted[100];

	capture_run(&c, broken, NULL);
	ok(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGABRT,
	    "a condition that does not hold aborts");
	snprintf(wanted, sizeof(wanted), "%s:%d: 1 + 1 == 3 does not hold\n",
	    __FILE__, BROKEN_LINE);
	is_text(c.err, wanted, "where and what is said on stderr");
	is_text(c.out, "", "nothing runs after it");
	return tap_done();
}
