#include "load.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/client.h"
#include "lanes.h"

/* Payments that were never sent are counted in so many groups at most. */
#define UNSENT_GROUPS 10000

struct load {
	const struct load_options *options;
	struct tally *tally;
	struct loop *loop;
	struct lanes *lanes;
	struct watch due; /* a timerfd: finer than the loop's milliseconds */
	/* No payment is due from end_ns on; nothing is waited for later than
	 * give_up_ns. */
	int64_t start_ns, end_ns, give_up_ns;
	uint32_t signals;
};

/* ---- When ---- */

/* When payment k of an open loop is due: in parts, lest it overflow. */
static int64_t
due_at_ns(const struct load *l, uint64_t k)
{
	uint64_t rate = l->options->rate;

	return l->start_ns + (int64_t)(k / rate) * NS_PER_S +
	    (int64_t)(k % rate * (uint64_t)NS_PER_S / rate);
}

/* When the next payment is due; INT64_MAX: no more are. */
static int64_t
next_due_ns(const struct load *l)
{
	int64_t due_ns;

	if (l->signals > 0)
		return INT64_MAX;
	due_ns = l->options->rate == 0 ? clock_mono_ns()
				       : due_at_ns(l, lanes_started(l->lanes));
	return due_ns < l->end_ns ? due_ns : INT64_MAX;
}

static void
send_due(struct load *l)
{
	int64_t due_ns;

	while (lanes_roomy(l->lanes)) {
		due_ns = next_due_ns(l);
		if (due_ns > clock_mono_ns())
			return;
		lanes_pay(l->lanes, due_ns);
	}
}

/* The timer of an open loop; where there is no room an answer comes first. */
static void
arm(struct load *l)
{
	int64_t due_ns = next_due_ns(l);
	struct itimerspec at = {.it_value.tv_sec = 0};
	int result;

	if (l->options->rate == 0 || due_ns == INT64_MAX ||
	    !lanes_roomy(l->lanes))
		return;
	at.it_value.tv_sec = (time_t)(due_ns / NS_PER_S);
	at.it_value.tv_nsec = (long)(due_ns % NS_PER_S);
	result = timerfd_settime(l->due.fd, TFD_TIMER_ABSTIME, &at, NULL);
	CHECK(result == 0);
}

static void
came_due(void *ctx, uint32_t events)
{
	struct load *l = ctx;
	uint64_t times;

	(void)events;
	if (read(l->due.fd, &times, sizeof(times)) == -1)
		CHECK(errno == EAGAIN || errno == EINTR);
}

/* ---- The phases ---- */

static void
caught(void *ctx, int signo)
{
	struct load *l = ctx;

	(void)signo;
	l->signals++;
}

/* It fails only where epoll itself does, which is our own mistake. */
static void
turn(struct load *l, int64_t until_ns)
{
	int result = loop_turn(l->loop, until_ns);

	CHECK(result == 0);
}

static int
connect_all(struct load *l)
{
	enum session_end end;
	const char *why;

	while (!lanes_up(l->lanes)) {
		lanes_work(l->lanes);
		if (lanes_gone(l->lanes) > 0) {
			end = lanes_end(l->lanes, &why);
			warnx("%s", why);
			warnx("nothing was paid");
			return (int)client_exit(end);
		}
		if (l->signals > 0) {
			warnx("given up; nothing was paid");
			return EXIT_TEMPFAIL;
		}
		turn(l, INT64_MAX);
	}
	if (lanes_window(l->lanes) < l->options->window)
		warnx("the gateway allows a window of %u on each connection",
		    (unsigned)lanes_window(l->lanes));
	if (l->options->verbose)
		warnx("%u connections; paying for %u s",
		    (unsigned)l->options->connections,
		    (unsigned)l->options->seconds);
	return EXIT_OK;
}

/* Is there nothing more to wait for? */
static bool
finished(const struct load *l, int64_t now_ns)
{
	if (l->signals > 1 || now_ns >= l->give_up_ns ||
	    lanes_gone(l->lanes) == l->options->connections)
		return true;
	return lanes_idle(l->lanes) && next_due_ns(l) == INT64_MAX;
}

static void
end_at(struct load *l, int64_t end_ns)
{
	l->end_ns = end_ns;
	l->give_up_ns = end_ns + l->options->config->reply_timeout_ns;
}

static void
pay(struct load *l)
{
	int64_t now_ns = clock_mono_ns(), until_ns;
	const char *why;

	l->start_ns = now_ns;
	end_at(l, now_ns + l->options->seconds * NS_PER_S);
	for (;;) {
		/* What has been sent before goes first. */
		lanes_work(l->lanes);
		send_due(l);
		lanes_flush(l->lanes);
		arm(l);
		now_ns = clock_mono_ns();
		if (l->signals > 0 && l->end_ns > now_ns)
			end_at(l, now_ns);
		if (finished(l, now_ns))
			break;
		until_ns = now_ns < l->end_ns ? l->end_ns : l->give_up_ns;
		if (lanes_wait(l->lanes) && until_ns > now_ns + LANES_TICK_NS)
			until_ns = now_ns + LANES_TICK_NS;
		turn(l, until_ns);
	}
	if (lanes_gone(l->lanes) > 0) {
		(void)lanes_end(l->lanes, &why);
		warnx("%s", why);
		warnx("%u of %u connections were lost",
		    (unsigned)lanes_gone(l->lanes),
		    (unsigned)l->options->connections);
	}
	/* An open loop that waits for nothing more has run its time all the
	 * same: its last payment was due a little before the end. */
	if (l->end_ns > now_ns &&
	    lanes_gone(l->lanes) == l->options->connections)
		end_at(l, now_ns);
	l->tally->elapsed_ns = l->end_ns - l->start_ns;
}

/* How many payments of an open loop were due before its end. */
static uint64_t
due_count(const struct load *l)
{
	uint64_t rate = l->options->rate;
	uint64_t lasted_ns = (uint64_t)(l->end_ns - l->start_ns);
	uint64_t count = lasted_ns / (uint64_t)NS_PER_S * rate +
	    lasted_ns % (uint64_t)NS_PER_S * rate / (uint64_t)NS_PER_S;

	/* Rounded down twice: here, and where due_at_ns rounds. */
	while (due_at_ns(l, count) < l->end_ns)
		count++;
	return count;
}

/* What was due and never sent, with how long that has waited. */
static void
count_unsent(struct load *l)
{
	uint64_t due = l->options->rate > 0 ? due_count(l) : 0;
	uint64_t k = lanes_started(l->lanes), step;
	int64_t now_ns = clock_mono_ns(), due_ns;

	if (l->signals > 0 || k >= due)
		return;
	step = (due - k) / UNSENT_GROUPS + 1;
	for (; k < due; k += step) {
		due_ns = due_at_ns(l, k);
		tally_unsent(l->tally, now_ns > due_ns ? now_ns - due_ns : 0,
		    due - k < step ? due - k : step);
	}
}

/* ---- The whole ---- */

static void
loop_init(struct load *l)
{
	if (loop_new(&l->loop) == -1 ||
	    loop_signal(l->loop, SIGINT, caught, l) == -1 ||
	    loop_signal(l->loop, SIGTERM, caught, l) == -1)
		err(EXIT_OSERR, "event loop");
	l->due = (struct watch){
	    .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	    .events = EPOLLIN,
	    .ready = came_due,
	    .ctx = l};
	if (l->due.fd == -1 || loop_watch(l->loop, &l->due) == -1)
		err(EXIT_OSERR, "timer");
}

int
load_run(const struct load_options *options, struct tally *tally)
{
	struct load l = {.options = options, .tally = tally};
	int result;

	loop_init(&l);
	result = lanes_new(&l.lanes, options, l.loop, tally, &l.end_ns);
	if (result == EXIT_OK)
		result = connect_all(&l);
	if (result == EXIT_OK) {
		pay(&l);
		lanes_give_up(l.lanes);
		count_unsent(&l);
	}
	lanes_free(l.lanes);
	loop_unwatch(l.loop, &l.due);
	(void)close(l.due.fd);
	loop_free(l.loop);
	return result;
}
