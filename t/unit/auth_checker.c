/*
 * The line to strife-authd: outcomes, bounds, death and restart. This program
 * is also the child: started with -u it plays a strife-authd whose behaviour
 * the password asked about decides.
 */
#include "auth/checker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exitcode.h"
#include "base/file.h"
#include "base/log.h"
#include "tap.h"
#include "wire/reader.h"

#define WAITING_MAX 8
/* Far more than any test takes: only a failing one waits for so long. */
#define LONGEST_NS (60 * NS_PER_S)

/* ---- The child ---- */

static bool
only_standard_fds(void)
{
	for (int fd = 3; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			return false;
	return true;
}

static bool
hangup_pending(void)
{
	static const struct timespec none = {0, 0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	return sigtimedwait(&set, NULL, &none) == SIGHUP;
}

static void
child_say(const char *text)
{
	if (file_write_all(STDOUT_FILENO, text, strlen(text)) < 0)
		exit(EXIT_OK);
}

/* Does what the password names; answers with what the child is like. */
static void
child_answer(const struct msg *request, const char *tag, bool local)
{
	static bool reloaded;
	struct str password = STR("-");
	struct msg reply;
	char line[LINE_MAX_LEN];
	size_t len;

	reloaded = hangup_pending() || reloaded;
	if (request->verb == VERB_AUTH_CHECK)
		password = request->v[KEY_password].str;
	if (str_is(password, "die"))
		exit(EXIT_DATA);
	if (str_is(password, "silent"))
		for (;;)
			pause();
	if (str_is(password, "garbage"))
		child_say("no such line\n");
	if (str_is(password, "othertag"))
		child_say("other OK user=a roles= accounts= acts_for=\n");
	if (str_is(password, "event"))
		child_say("* EVENT\n");
	msg_init(&reply, MSG_OK, request->verb, tag);
	msg_set_str(&reply, KEY_user, request->v[KEY_user].str);
	msg_set_str(
	    &reply, KEY_roles, reloaded ? STR("pay,reloaded") : STR("pay"));
	msg_set_str(
	    &reply, KEY_accounts, local ? STR("here") : STR("a@BankA,b@BankB"));
	msg_set_str(&reply, KEY_acts_for,
	    only_standard_fds() ? STR("*@CZ") : STR("leaked@CZ"));
	if (str_is(password, "wrong") || str_is(password, "busy") ||
	    str_is(password, "internal"))
		msg_error(&reply, request->verb, tag,
		    str_is(password, "wrong")      ? CODE_BAD_CREDENTIALS
			: str_is(password, "busy") ? CODE_OVERLOADED
						   : CODE_INTERNAL,
		    "no");
	len = msg_encode(&reply, line);
	if (len == 0 || file_write_all(STDOUT_FILENO, line, len) < 0)
		exit(EXIT_OSERR);
}

static int
child(bool local)
{
	static struct line line;
	static struct msg request;
	static char in[64 * LINE_MAX_LEN];
	struct line_reader reader = {0};
	struct msg_problem problem;
	size_t len = 0, used = 0;

	for (;;) {
		ssize_t got = read(STDIN_FILENO, in + len, sizeof(in) - len);

		if (got <= 0)
			return EXIT_OK;
		len += (size_t)got;
		while (line_next(&reader, &line, in, len, &used) ==
		    LINE_NEXT_LINE) {
			if (msg_request(&request, &line, SIDE_AUTH, &problem) !=
			    LINE_OK)
				return EXIT_PROTOCOL;
			child_answer(&request, line.tag, local);
		}
		memmove(in, in + used, len - used);
		len -= used;
		used = 0;
	}
}

/* ---- The daemon's side ---- */

struct answers {
	struct checker *checker;
	uint32_t count;
	uint64_t cookies[64];
	enum checker_outcome outcomes[64];
	struct rights rights; /* of the last one granted */
	bool inside;          /* is done to ask again, once? */
};

static struct loop *loop;
static char program[PATH_MAX];

static void
done(void *ctx, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct answers *a = ctx;

	if (a->count < 64) {
		a->cookies[a->count] = cookie;
		a->outcomes[a->count] = outcome;
	}
	a->count++;
	if (rights != NULL)
		a->rights = *rights;
	if ((rights != NULL) != (outcome == CHECKER_GRANTED))
		abort();
	if (a->inside) {
		a->inside = false;
		checker_password(a->checker, 99, STR("again"), STR("good"));
	}
}

static bool
turn_until(const struct answers *a, uint32_t count)
{
	int64_t end = clock_mono_ns() + LONGEST_NS;

	while (a->count < count && clock_mono_ns() < end)
		if (loop_turn(loop, end) < 0)
			abort();
	return a->count >= count;
}

static void
ask(struct answers *a, uint64_t cookie, const char *password)
{
	checker_password(a->checker, cookie, STR("alice"), str_from(password));
}

static void
begin(struct answers *a, bool local)
{
	memset(a, 0, sizeof(*a));
	if (checker_new(&a->checker, loop, program, "users.yaml", local,
		WAITING_MAX, done, a) < 0)
		abort();
}

static void
test_outcomes(void)
{
	struct answers a;
	char text[PASSWORD_MAX_LEN + 2];

	begin(&a, false);
	ask(&a, 1, "good");
	ok(a.count == 0, "nothing is told before the loop turns");
	ok(turn_until(&a, 1) && a.cookies[0] == 1 &&
		a.outcomes[0] == CHECKER_GRANTED,
	    "a password granted");
	is_text(a.rights.user, "alice", "the user");
	is_text(a.rights.roles, "pay", "the roles");
	is_text(a.rights.accounts, "a@BankA,b@BankB", "the accounts");
	is_text(a.rights.acts_for, "*@CZ", "only standard fds are inherited");
	ask(&a, 2, "wrong");
	ask(&a, 3, "busy");
	checker_certificate(a.checker, 4, STR("cron"), STR("host"));
	ok(turn_until(&a, 4) && a.outcomes[1] == CHECKER_REFUSED &&
		a.outcomes[2] == CHECKER_OVERLOADED &&
		a.outcomes[3] == CHECKER_GRANTED && a.cookies[3] == 4,
	    "refused, overloaded, and a certificate granted");
	is_text(a.rights.user, "cron", "to its user");

	ask(&a, 4, "internal");
	ok(turn_until(&a, 5) && a.outcomes[4] == CHECKER_BROKEN,
	    "another error is a failure of that check alone");
	a.count = 4;

	/* What no line can carry is refused without asking. */
	memset(text, 'x', sizeof(text));
	checker_password(a.checker, 5, STR("al ice"), STR("good"));
	checker_password(a.checker, 6, STR("alice"), STR_NONE);
	checker_password(a.checker, 7, STR("alice"),
	    (struct str){text, PASSWORD_MAX_LEN + 1});
	checker_password(a.checker, 8, STR("alice"), STR("a\nb"));
	checker_certificate(a.checker, 9, STR("alice"), STR("a b"));
	ok(a.count == 4, "not even a refusal is told at once");
	ok(turn_until(&a, 9), "what cannot be sent is answered");
	for (uint32_t i = 4; i < 9; i++)
		ok(a.cookies[i] == i + 1 && a.outcomes[i] == CHECKER_REFUSED,
		    "and refused: %u", i + 1);
	memset(text, '%', PASSWORD_MAX_LEN);
	checker_password(
	    a.checker, 10, STR("alice"), (struct str){text, PASSWORD_MAX_LEN});
	ok(turn_until(&a, 10) && a.outcomes[9] == CHECKER_GRANTED,
	    "the longest password, each octet escaped");
	checker_free(a.checker);
	checker_free(NULL);
}

static void
test_local(void)
{
	struct answers a;

	begin(&a, true);
	ask(&a, 1, "good");
	ok(turn_until(&a, 1) && strcmp(a.rights.accounts, "here") == 0,
	    "--local is passed on");
	checker_free(a.checker);
}

static void
test_bounds(void)
{
	struct answers a;
	bool order = true;

	begin(&a, false);
	for (uint64_t i = 0; i < 40; i++)
		ask(&a, i, "good");
	ok(turn_until(&a, 40), "every question has an answer");
	is_i64(a.count, 40, "and one only");
	for (uint32_t i = 0; i < 40; i++) {
		bool early = a.cookies[i] < WAITING_MAX;

		if (a.outcomes[i] !=
		    (early ? CHECKER_GRANTED : CHECKER_OVERLOADED))
			order = false;
	}
	ok(order, "as many as may wait are granted, the others overloaded");
	for (uint64_t i = 0; i < 100; i++) {
		a.count = 0;
		ask(&a, i, i % 3 == 0 ? "wrong" : "good");
		ask(&a, i + 1, "good");
		if (!turn_until(&a, 2) || a.outcomes[1] != CHECKER_GRANTED)
			order = false;
	}
	ok(order, "the places are used again and again");
	a.count = 0;
	a.inside = true;
	ask(&a, 1, "good");
	ok(turn_until(&a, 2) && a.cookies[1] == 99 &&
		a.outcomes[1] == CHECKER_GRANTED,
	    "a callback may ask again");
	checker_free(a.checker);
}

static void
test_reload(void)
{
	struct answers a;

	begin(&a, false);
	/* The child may not even have started to run. */
	checker_reload(a.checker);
	ask(&a, 1, "good");
	ok(turn_until(&a, 1) && a.outcomes[0] == CHECKER_GRANTED,
	    "a reload does not kill a child that is still starting");
	checker_reload(a.checker);
	ask(&a, 2, "good");
	ok(turn_until(&a, 2) && strcmp(a.rights.roles, "pay,reloaded") == 0,
	    "and reaches it");
	checker_free(a.checker);
}

/* Waits until a child grants again; how long that took. */
static int64_t
until_granted(struct answers *a)
{
	int64_t began = clock_mono_ns();

	do {
		a->count = 0;
		ask(a, 1, "good");
		if (!turn_until(a, 1))
			abort();
		/* Until the restart there is nothing but its timer. */
		if (a->outcomes[0] == CHECKER_BROKEN)
			loop_turn(loop, clock_mono_ns() + 50 * NS_PER_MS);
	} while (a->outcomes[0] != CHECKER_GRANTED &&
	    clock_mono_ns() < began + LONGEST_NS);
	return clock_mono_ns() - began;
}

static void
test_death(const char *password)
{
	struct answers a;
	bool all = true;

	begin(&a, false);
	a.inside = true;
	ask(&a, 0, "wrong");
	ask(&a, 1, password);
	for (uint64_t i = 2; i < WAITING_MAX; i++)
		ask(&a, i, "good");
	/* The question asked from within the first answer is one more. */
	ok(turn_until(&a, WAITING_MAX + 1), "%s: all are answered", password);
	for (uint32_t i = 1; i <= WAITING_MAX; i++)
		all = all && a.outcomes[i] == CHECKER_BROKEN;
	ok(a.outcomes[0] == CHECKER_REFUSED && all,
	    "%s: what was outstanding is broken", password);
	a.count = 0;
	ask(&a, 7, "good");
	ok(a.count == 0 && turn_until(&a, 1) && a.outcomes[0] == CHECKER_BROKEN,
	    "%s: so is what comes before the restart", password);
	checker_free(a.checker);
}

static void
test_restart(void)
{
	struct answers a;

	begin(&a, false);
	ask(&a, 1, "die");
	ok(turn_until(&a, 1) && a.outcomes[0] == CHECKER_BROKEN,
	    "the child dies young");
	/* A timer is never early, so this is no matter of speed. */
	ok(until_granted(&a) > 900 * NS_PER_MS && a.count == 1 &&
		a.outcomes[0] == CHECKER_GRANTED,
	    "another is started, but not before a second");
	checker_free(a.checker);
}

static void
test_silent(void)
{
	struct answers a;

	begin(&a, false);
	checker_set_patience(a.checker, 200 * NS_PER_MS);
	ask(&a, 1, "silent");
	ask(&a, 2, "good");
	ok(turn_until(&a, 2) && a.outcomes[0] == CHECKER_BROKEN &&
		a.outcomes[1] == CHECKER_BROKEN,
	    "a child that does not answer is ended");
	checker_free(a.checker);
}

static void
test_free(void)
{
	struct answers a;

	begin(&a, false);
	ask(&a, 1, "silent");
	checker_free(a.checker);
	ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD,
	    "no child is left behind");
	is_i64(a.count, 0, "and nothing is told any more");
}

static void
test_start(void)
{
	struct checker *checker;
	char error[256];

	ok(checker_new(&checker, loop, "/no/such/program", "users.yaml", false,
	       WAITING_MAX, done, NULL) < 0 &&
		errno == ENOENT,
	    "a program that is not there");
	ok(checker_test("/no/such/program", "users.yaml", false, error,
	       sizeof(error)) < 0,
	    "cannot test a file");
	is_text(error, "/no/such/program: No such file or directory",
	    "and the message says so");
	ok(checker_test(program, "good", false, error, sizeof(error)) == 0,
	    "a good file");
	ok(checker_test(program, "bad", false, error, sizeof(error)) < 0,
	    "a bad file");
	is_text(error, "bad:1:2: is bad", "comes with the child's message");
	ok(checker_test(program, "bad", true, error, 5) < 0, "cut to fit");
	is_text(error, "loca", "the array, --local passed on");
	ok(checker_test(program, "mute", false, error, sizeof(error)) < 0 &&
		strstr(error, "without saying why") != NULL,
	    "a child that says nothing");
}

static int
child_test(int argc, char **argv)
{
	if (strcmp(argv[3], "good") == 0)
		return EXIT_OK;
	if (strcmp(argv[3], "bad") == 0)
		fprintf(stderr, "%s\nmore\n",
		    argc > 4 ? "local" : "bad:1:2: is bad");
	return EXIT_CONFIG;
}

int
main(int argc, char **argv)
{
	ssize_t len;

	if (argc > 1 && strcmp(argv[1], "-t") == 0)
		return child_test(argc, argv);
	if (argc > 1)
		return child(argc > 3 && strcmp(argv[3], "--local") == 0);
	len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	if (len <= 0 || loop_new(&loop) < 0)
		abort();
	program[len] = '\0';
	test_outcomes();
	test_local();
	test_bounds();
	test_reload();
	test_death("die");
	test_death("garbage");
	test_death("othertag");
	test_death("event");
	test_restart();
	test_silent();
	test_free();
	test_start();
	loop_free(loop);
	return tap_done();
}
