/* What a daemon tells its manager, and when it no longer says that it lives. */
#include "turn/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/check.h"
#include "base/clock.h"
#include "journal_fixture.h"

#define PERIOD_NS (2 * NS_PER_S)

static int manager = -1;

static void
make_manager(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(at);
	char name[sizeof(at.sun_path) + 2];

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CHECK(manager >= 0);
	CHECK(bind(manager, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0);
	CHECK(getsockname(manager, (struct sockaddr *)&at, &len) == 0);
	(void)snprintf(name, sizeof(name), "@%.*s",
	    (int)(len - sizeof(sa_family_t) - 1), at.sun_path + 1);
	CHECK(setenv("NOTIFY_SOCKET", name, 1) == 0);
}

/* All that was told since the last time, one message a line. */
static const char *
told(void)
{
	static char all[4096];
	size_t len = 0;

	for (;;) {
		ssize_t got =
		    recv(manager, all + len, sizeof(all) - len - 2, 0);

		if (got < 0)
			break;
		len += (size_t)got;
		all[len++] = '\n';
	}
	all[len] = '\0';
	return all;
}

static void
figures(const void *ctx, char text[SUPERVISOR_STATUS_SIZE])
{
	(void)snprintf(
	    text, SUPERVISOR_STATUS_SIZE, "%d payments", *(const int *)ctx);
}

static void
test_signs_of_life(struct journal *j)
{
	struct supervisor s;
	int payments = 0;

	setenv("WATCHDOG_USEC", "4000000", 1);
	unsetenv("WATCHDOG_PID");
	supervisor_init(&s);
	is_i64(supervisor_next_ns(&s), INT64_MAX,
	    "nothing is due before it serves");
	supervisor_serving(&s, figures, &payments);
	supervisor_turn(&s, NS_PER_S, j);
	is_text(told(), "WATCHDOG=1\nSTATUS=0 payments\n",
	    "the first turn tells both");
	supervisor_turn(&s, NS_PER_S + PERIOD_NS - 1, j);
	is_text(told(), "", "what did not change is not said again");
	supervisor_turn(&s, NS_PER_S + PERIOD_NS, j);
	is_text(
	    told(), "WATCHDOG=1\n", "a sign of life comes in half of the time");
	payments = 7;
	supervisor_turn(&s, 10 * NS_PER_S, j);
	is_text(told(), "WATCHDOG=1\nSTATUS=7 payments\n",
	    "figures that changed are told");

	/* From here on the journal owes what was appended. */
	fixture_append(j, 1, "uid=0");
	supervisor_turn(&s, 20 * NS_PER_S, j);
	is_text(told(), "WATCHDOG=1\n", "what was just appended is no delay");
	supervisor_turn(&s, 30 * NS_PER_S, j);
	supervisor_turn(&s, 40 * NS_PER_S, j);
	is_text(told(), "", "a journal without progress ends the signs");
	ok(supervisor_next_ns(&s) > 40 * NS_PER_S &&
		supervisor_next_ns(&s) < 40 * NS_PER_S + PERIOD_NS,
	    "... and is looked at again soon");
	journal_flush(j);
	supervisor_turn(&s, 50 * NS_PER_S, j);
	is_text(told(), "WATCHDOG=1\n", "... until it is flushed");

	supervisor_stopping(&s);
	is_text(told(),
	    "STOPPING=1\nSTATUS=stopping: finishing what is under way\n",
	    "a stop is told");
	supervisor_waits(NS_PER_S);
	is_text(told(), "EXTEND_TIMEOUT_USEC=31000000\n",
	    "... and how long it may take");
	supervisor_turn(&s, 60 * NS_PER_S, j);
	is_text(told(), "WATCHDOG=1\n", "... with signs of life, no figures");
}

static void
test_replay(void)
{
	struct supervisor s;

	supervisor_init(&s);
	for (int i = 0; i < 4095; i++)
		supervisor_replayed(&s);
	is_text(told(), "", "a short journal is not spoken of");
	for (int i = 0; i < 4096; i++)
		supervisor_replayed(&s);
	is_text(told(),
	    "EXTEND_TIMEOUT_USEC=60000000\n"
	    "STATUS=reading the journal: 4096 records so far\n",
	    "a long one asks for time, once a second at most");
}

static void
test_no_manager(struct journal *j)
{
	struct supervisor s;
	int payments = 0;

	unsetenv("NOTIFY_SOCKET");
	supervisor_init(&s);
	supervisor_serving(&s, figures, &payments);
	is_i64(supervisor_next_ns(&s), INT64_MAX,
	    "without a manager nothing is ever due");
	supervisor_turn(&s, NS_PER_S, j);
	is_text(told(), "", "... or told");
}

int
main(void)
{
	struct journal *j;

	fixture_begin();
	make_manager();
	j = fixture_journal(fixture_path("journal"));
	journal_flush(j);
	test_signs_of_life(j);
	test_replay();
	test_no_manager(j);
	journal_close(j);
	close(manager);
	return fixture_end();
}
