/* strife-queue watch: flushes when something is due, until it is told to end.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/str.h"
#include "flush.h"

struct watching {
	struct queue *queue;
	/* As the queue's, but for retries: a watch comes back anyway. */
	struct client_config config;
	sigset_t signals; /* that end it, blocked */
	struct client *client;
	bool ending;
	bool all;          /* due or not: a gateway is back, perhaps */
	uint32_t failures; /* passes in a row without a gateway */
	/* What was said last, so that it is not said with every pass. */
	char said[SESSION_WHY_MAX + 128];
	bool said_anything; /* in this pass */
};

/* ---- Signals ---- */

static void
caught(void *ctx, int signo)
{
	struct watching *w = ctx;

	(void)signo;
	w->ending = true;
	/* NULL: it is ending already. */
	if (w->client != NULL)
		client_interrupt(w->client);
}

static void
client_is(void *ctx, struct client *client)
{
	struct watching *w = ctx;

	w->client = client;
	if (client == NULL)
		return;
	if (loop_signal(client_loop(client), SIGTERM, caught, w) == -1 ||
	    loop_signal(client_loop(client), SIGINT, caught, w) == -1)
		err(EXIT_OSERR, "signals");
}

/* Until the time is over, or a signal ends it. */
static void
rest(struct watching *w, int64_t ns)
{
	const struct timespec timeout = {.tv_sec = (time_t)(ns / NS_PER_S),
	    .tv_nsec = (long)(ns % NS_PER_S)};

	if (sigtimedwait(&w->signals, NULL, &timeout) != -1)
		w->ending = true;
}

/* ---- Passes ---- */

static void
tell(void *ctx, const char *text)
{
	struct watching *w = ctx;

	w->said_anything = true;
	if (strcmp(w->said, text) == 0)
		return;
	(void)snprintf(w->said, sizeof(w->said), "%s", text);
	warnx("%s", text);
}

static void
pass(struct watching *w, struct flush_result *result)
{
	const struct flush_options options = {.queue = w->queue,
	    .config = &w->config,
	    .all = w->all,
	    .tell = tell,
	    .client = client_is,
	    .ctx = w};

	*result = (struct flush_result){.exit = EXIT_OK};
	if (spool_become_flusher(w->queue->spool) == -1) {
		if (errno != EWOULDBLOCK)
			result->exit = queue_broken(w->queue);
		return;
	}
	w->said_anything = false;
	flush(&options, result);
	spool_resign_flusher(w->queue->spool);
	if (!w->said_anything && result->connected)
		w->said[0] = '\0';
}

/* Up to a fifth less, so that watches do not come together. */
static int64_t
jittered_ns(int64_t ns)
{
	uint32_t random;

	digest_random(&random, sizeof(random));
	return ns - ns / 5 / 1024 * (random % 1024);
}

/*
 * How long until the next pass. Without a gateway: from min_delay on twice as
 * long each time, up to poll. Else poll, or when the first payment is due.
 */
static int64_t
pause_ns(struct watching *w, const struct flush_result *result)
{
	int64_t ns = w->config.poll_ns, due_ns;
	uint32_t i;

	if (result->unreachable) {
		ns = w->config.min_delay_ns;
		for (i = 0; i < w->failures && ns < w->config.poll_ns; i++)
			ns *= 2;
		w->failures++;
		if (ns > w->config.poll_ns)
			ns = w->config.poll_ns;
		return jittered_ns(ns);
	}
	w->failures = 0;
	due_ns = (result->next_us - clock_wall_us()) * 1000;
	if (result->next_us != 0 && due_ns < ns)
		ns = due_ns;
	/* What is due and still there waits for somebody to log in, or so. */
	return ns > 0 ? ns : w->config.poll_ns;
}

static int
watch(struct watching *w)
{
	struct flush_result result;

	while (!w->ending) {
		pass(w, &result);
		if (result.exit != EXIT_OK)
			return result.exit;
		w->all = result.unreachable;
		if (!w->ending)
			rest(w, pause_ns(w, &result));
	}
	return EXIT_OK;
}

int
watch_run(struct queue *q, int argc, char **argv)
{
	struct watching w = {.queue = q};
	int result = queue_no_operands(q, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result != EXIT_OK)
		return result;
	w.config = q->config;
	/* Enough to log in again at once where a session has expired. */
	w.config.retries = 1;
	w.config.retry_delay_ns = w.config.min_delay_ns;
	(void)sigemptyset(&w.signals);
	(void)sigaddset(&w.signals, SIGTERM);
	(void)sigaddset(&w.signals, SIGINT);
	if (sigprocmask(SIG_BLOCK, &w.signals, NULL) == -1)
		err(EXIT_OSERR, "signals");
	return watch(&w);
}
