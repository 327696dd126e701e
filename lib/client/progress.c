#include "client/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_NS (200 * NS_PER_MS)

void
progress_init(struct progress *p, uint32_t total, bool rows_too)
{
	/* Where the rows go to the same terminal, they are the progress. */
	p->terminal = isatty(STDERR_FILENO) == 1 &&
	    !(rows_too && isatty(STDOUT_FILENO) == 1);
	p->shown = false;
	p->total = total;
	p->start_ns = clock_mono_ns();
	p->next_ns = p->start_ns + INTERVAL_NS;
}

void
progress_show(struct progress *p, uint32_t done)
{
	int64_t now_ns, spent_ms, left_s = 0, rate;

	if (!p->terminal)
		return;
	now_ns = clock_mono_ns();
	if (now_ns < p->next_ns)
		return;
	p->next_ns = now_ns + INTERVAL_NS;
	spent_ms = (now_ns - p->start_ns) / NS_PER_MS + 1;
	rate = (int64_t)done * 1000 / spent_ms;
	if (done > 0)
		left_s = (int64_t)(p->total - done) * spent_ms / done / 1000;
	fprintf(stderr, "\r\033[K%u/%u done, %lld/s, %lld s left",
	    (unsigned)done, (unsigned)p->total, (long long)rate,
	    (long long)left_s);
	(void)fflush(stderr);
	p->shown = true;
}

void
progress_hide(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	p->shown = false;
}
