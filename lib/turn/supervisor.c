#include "turn/supervisor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/notify.h"

#define STATUS_NS (2 * NS_PER_S)
/* Clocks are looked at once in so many records that are replayed. */
#define REPLAYED_PER_LOOK 4096
/* While records come, a start may go on for as long again. */
#define REPLAY_TELL_NS NS_PER_S
#define REPLAY_MORE_NS (60 * NS_PER_S)
/* Beyond what a stop waits for: the last flush, and freeing memory. */
#define STOP_SLACK_NS (30 * NS_PER_S)

static void
tell_status(struct supervisor *s, const char *text)
{
	char message[sizeof("STATUS=") + SUPERVISOR_STATUS_SIZE];

	if (strcmp(text, s->status) == 0)
		return;
	(void)snprintf(s->status, sizeof(s->status), "%s", text);
	(void)snprintf(message, sizeof(message), "STATUS=%s", s->status);
	notify_send(message);
}

void
supervisor_init(struct supervisor *s)
{
	*s = (struct supervisor){
	    .next_ping_ns = INT64_MAX,
	    .next_status_ns = INT64_MAX,
	};
}

void
supervisor_replayed(struct supervisor *s)
{
	char text[SUPERVISOR_STATUS_SIZE];
	int64_t now_ns;

	if (++s->replayed % REPLAYED_PER_LOOK != 0)
		return;
	now_ns = clock_mono_ns();
	if (now_ns - s->extended_ns < REPLAY_TELL_NS)
		return;
	s->extended_ns = now_ns;
	notify_extend(REPLAY_MORE_NS);
	(void)snprintf(text, sizeof(text),
	    "reading the journal: %" PRIu64 " records so far", s->replayed);
	tell_status(s, text);
}

void
supervisor_serving(
    struct supervisor *s, supervisor_figures *figures, const void *ctx)
{
	s->figures = figures;
	s->ctx = ctx;
	if (!notify_wanted())
		return;
	s->next_status_ns = 0;
	/* Half of the time, as sd_watchdog_enabled(3) has it. */
	s->ping_ns = notify_watchdog_ns() / 2;
	if (s->ping_ns > 0)
		s->next_ping_ns = 0;
}

static void
ping(struct supervisor *s, int64_t now_ns, const struct journal *journal)
{
	/*
	 * What was appended before the last sign of life has to be durable by
	 * now. Where it is not, nothing is said until it is.
	 */
	if (journal_durable_seq(journal) < s->due_seq) {
		s->next_ping_ns = now_ns + s->ping_ns / 8 + 1;
		return;
	}
	s->due_seq = journal_last_seq(journal);
	s->next_ping_ns = now_ns + s->ping_ns;
	notify_send("WATCHDOG=1");
}

void
supervisor_turn(
    struct supervisor *s, int64_t now_ns, const struct journal *journal)
{
	char text[SUPERVISOR_STATUS_SIZE] = "";

	if (now_ns >= s->next_ping_ns)
		ping(s, now_ns, journal);
	if (now_ns >= s->next_status_ns) {
		CHECK(s->figures != NULL);
		s->next_status_ns = now_ns + STATUS_NS;
		s->figures(s->ctx, text);
		tell_status(s, text);
	}
}

int64_t
supervisor_next_ns(const struct supervisor *s)
{
	return s->next_ping_ns < s->next_status_ns ? s->next_ping_ns
						   : s->next_status_ns;
}

void
supervisor_stopping(struct supervisor *s)
{
	/* The last word stays: figures are of no use any more. */
	s->next_status_ns = INT64_MAX;
	notify_send("STOPPING=1");
	tell_status(s, "stopping: finishing what is under way");
}

void
supervisor_waits(int64_t limit_ns)
{
	notify_extend(limit_ns + STOP_SLACK_NS);
}
