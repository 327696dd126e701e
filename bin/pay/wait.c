#include "wait.h"

#include <bsd/stdlib.h>
#include <err.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

#define PAUSE_MIN_NS (200 * NS_PER_MS)
#define PAUSE_MAX_NS (5 * NS_PER_S)

int
wait_option(const struct pay *pay, struct wait_option *option, const char *text)
{
	const char *problem;

	option->wanted = true;
	option->seconds = 0;
	if (text == NULL)
		return EXIT_OK;
	option->seconds = strtonum(text, 1, WAIT_SECONDS_MAX, &problem);
	if (problem != NULL)
		return options_usage(&pay->options,
		    "--wait=%s: 1 to %d seconds", text, WAIT_SECONDS_MAX);
	return EXIT_OK;
}

static void
limit_reached(void *ctx)
{
	struct wait *w = ctx;

	w->over = true;
	client_interrupt(w->pay->client);
}

/* Dies of the signal, as a shell's script expects, once it has told. */
static void
interrupted(void *ctx, int signo)
{
	struct wait *w = ctx;
	sigset_t set;

	warnx("not waiting any more; what becomes of it: strife-pay status "
	      "--wait %s",
	    w->id_text);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, signo);
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void
wait_begin(struct wait *w, struct pay *pay, const struct wait_option *option)
{
	struct loop *loop = client_loop(pay->client);

	*w = (struct wait){.pay = pay};
	w->limit = (struct timer){.due = limit_reached, .ctx = w};
	if ((option->seconds > 0 &&
		loop_timer_set(loop, &w->limit,
		    clock_mono_ns() + option->seconds * NS_PER_S) == -1) ||
	    loop_signal(loop, SIGINT, interrupted, w) == -1)
		err(EXIT_OSERR, "event loop");
}

void
wait_for(struct wait *w, const struct id *id)
{
	id_text(id, w->id_text);
	w->pauses = 0;
}

bool
wait_pause(struct wait *w)
{
	int64_t pause_ns = PAUSE_MAX_NS;

	if (w->pauses < 5)
		pause_ns = PAUSE_MIN_NS << w->pauses;
	if (pause_ns > PAUSE_MAX_NS)
		pause_ns = PAUSE_MAX_NS;
	w->pauses++;
	if (!w->over)
		client_sleep(w->pay->client, pause_ns);
	client_progress(w->pay->client);
	return !w->over;
}

bool
wait_survives(const struct wait *w, enum session_end end)
{
	switch (end) {
	case SESSION_END_UNREACHABLE:
	case SESSION_END_BUSY:
	case SESSION_END_LOST:
	case SESSION_END_LOGGED_OUT:
		return !w->over;
	case SESSION_END_NONE:
	case SESSION_END_CLOSED:
	case SESSION_END_UNTRUSTED:
	case SESSION_END_REFUSED:
	case SESSION_END_LOGIN:
	case SESSION_END_BROKEN:
		break;
	}
	return false;
}

void
wait_end(struct wait *w)
{
	loop_timer_clear(client_loop(w->pay->client), &w->limit);
}
