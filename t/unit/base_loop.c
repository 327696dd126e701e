/* The event loop; above all, removing things while callbacks run. */
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "capture.h"
#include "tap.h"

static struct loop *loop;

/* Something watched that counts and may remove itself and another. */
struct thing {
	struct watch watch;
	struct timer timer;
	int peer; /* the other end of a socket pair */
	int calls;
	uint32_t events;
	struct thing *victim;
	bool suicide;
};

/* Whose callback was made last; it may have been freed since. */
static struct thing *last_actor;

static void
thing_free(struct thing *t)
{
	loop_unwatch(loop, &t->watch);
	loop_timer_clear(loop, &t->timer);
	close(t->watch.fd);
	close(t->peer);
	free(t);
}

static void
thing_act(struct thing *t)
{
	last_actor = t;
	t->calls++;
	if (t->victim != NULL) {
		struct thing *victim = t->victim;

		t->victim = NULL;
		victim->victim = NULL;
		thing_free(victim);
	}
	if (t->suicide)
		thing_free(t);
}

static void
thing_ready(void *ctx, uint32_t events)
{
	struct thing *t = ctx;

	t->events = events;
	thing_act(t);
}

static void
thing_due(void *ctx)
{
	thing_act(ctx);
}

static struct thing *
thing_new(void)
{
	struct thing *t = calloc(1, sizeof(*t));
	int fds[2];

	CHECK(t != NULL);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		  fds) == 0);
	t->watch = (struct watch){
	    .fd = fds[0], .events = EPOLLIN, .ready = thing_ready, .ctx = t};
	t->timer = (struct timer){.due = thing_due, .ctx = t};
	t->peer = fds[1];
	CHECK(loop_watch(loop, &t->watch) == 0);
	return t;
}

static void
wake(const struct thing *t)
{
	CHECK(write(t->peer, "x", 1) == 1);
}

static void
test_watch(void)
{
	struct thing *t = thing_new();

	is_i64(loop_turn(loop, 0), 0, "a turn without waiting");
	is_i64(t->calls, 0, "nothing was ready");
	wake(t);
	loop_turn(loop, INT64_MAX);
	ok(t->calls == 1 && t->events == EPOLLIN, "input is reported");
	loop_turn(loop, INT64_MAX);
	is_i64(t->calls, 2, "and again, while it is not read");
	loop_rewatch(loop, &t->watch, EPOLLIN | EPOLLOUT);
	loop_turn(loop, INT64_MAX);
	ok(t->events == (EPOLLIN | EPOLLOUT), "both directions, when asked");
	loop_rewatch(loop, &t->watch, EPOLLOUT);
	loop_turn(loop, INT64_MAX);
	ok(t->events == EPOLLOUT, "and only one, when asked");
	t->calls = 0;
	loop_rewatch(loop, &t->watch, 0);
	loop_turn(loop, 0);
	is_i64(t->calls, 0, "nothing, when nothing is asked for");
	close(t->peer);
	t->peer = -1;
	loop_turn(loop, INT64_MAX);
	ok(t->calls == 1 && (t->events & EPOLLHUP) != 0,
	    "but a hang-up all the same");
	loop_turn(loop, 0);
	is_i64(t->calls, 1, "once only, so that the loop does not spin");
	loop_rewatch(loop, &t->watch, EPOLLIN);
	loop_turn(loop, INT64_MAX);
	ok((t->events & EPOLLIN) != 0, "what came before it can still be read");
	loop_unwatch(loop, &t->watch);
	loop_unwatch(loop, &t->watch);
	t->calls = 0;
	loop_turn(loop, 0);
	is_i64(t->calls, 0, "no call after unwatch, which may be repeated");
	thing_free(t);
}

static void
test_watch_refused(void)
{
	struct watch w = {.fd = -1, .events = EPOLLIN};

	errno = 0;
	ok(loop_watch(loop, &w) == -1 && errno == EBADF && !w.active,
	    "a descriptor that is not open is refused");
	loop_unwatch(loop, &w);
}

/* Whichever comes first frees the other: ASan would see a call on that. */
static void
test_remove_in_turn(void)
{
	struct thing *a = thing_new(), *b = thing_new();

	a->victim = b;
	b->victim = a;
	wake(a);
	wake(b);
	loop_turn(loop, INT64_MAX);
	is_i64(
	    last_actor->calls, 1, "a callback may free what is ready after it");
	loop_turn(loop, 0);
	is_i64(last_actor->calls, 2, "and what freed goes on");
	last_actor->suicide = true;
	loop_turn(loop, 0);
	is_i64(loop_turn(loop, 0), 0, "a callback may free itself");
}

struct rewatch_pair {
	struct thing *a, *b;
};

static void
ask_less(void *ctx, uint32_t events)
{
	struct rewatch_pair *pair = ctx;

	(void)events;
	pair->a->calls++;
	loop_rewatch(loop, &pair->b->watch, EPOLLOUT);
	loop_unwatch(loop, &pair->a->watch);
}

static void
test_rewatch_in_turn(void)
{
	struct thing *a = thing_new(), *b = thing_new();
	struct rewatch_pair pair = {a, b};

	a->watch.ready = ask_less;
	a->watch.ctx = &pair;
	wake(a);
	wake(b);
	loop_turn(loop, INT64_MAX);
	ok(a->calls == 1 && b->calls == 0,
	    "an event fetched for what is no longer asked is not given");
	loop_turn(loop, INT64_MAX);
	ok(b->calls == 1 && b->events == EPOLLOUT, "what is asked now is");
	thing_free(a);
	thing_free(b);
}

/* A descriptor's number reused within the turn is another descriptor. */
struct reuse {
	struct thing *a, *b, *c;
};

static void
replace(void *ctx, uint32_t events)
{
	struct reuse *r = ctx;

	(void)events;
	loop_unwatch(loop, &r->a->watch);
	thing_free(r->b);
	r->b = NULL;
	r->c = thing_new();
}

static void
test_reuse_in_turn(void)
{
	struct reuse r = {thing_new(), thing_new(), NULL};
	int fd = r.b->watch.fd;

	r.a->watch.ready = replace;
	r.a->watch.ctx = &r;
	wake(r.a);
	wake(r.b);
	loop_turn(loop, INT64_MAX);
	ok(r.c->watch.fd == fd, "the number of a closed descriptor came again");
	ok(r.c->calls == 0, "and the new one did not get the old one's event");
	thing_free(r.a);
	thing_free(r.c);
}

static int order[1000];
static int order_count;

struct numbered {
	struct timer timer;
	int64_t at_ns;
	int number;
};

static void
note(void *ctx)
{
	order[order_count++] = ((struct numbered *)ctx)->number;
}

static int
by_time(const void *a, const void *b)
{
	const struct numbered *const *x = a, *const *y = b;

	return ((*x)->at_ns > (*y)->at_ns) - ((*x)->at_ns < (*y)->at_ns);
}

/* Set, moved and cleared at random; due in the order of their times. */
static void
test_timers_random(void)
{
	static struct numbered timers[1000];
	static struct numbered *sorted[1000];
	int64_t past_ns = clock_mono_ns() - NS_PER_S;
	int wanted = 0;
	bool same = true;

	srandom(3);
	for (int i = 0; i < 1000; i++)
		timers[i] = (struct numbered){
		    .timer = {.due = note, .ctx = &timers[i]}, .number = i};
	for (int i = 0; i < 10000; i++) {
		struct numbered *n = &timers[random() % 1000];

		if (random() % 4 == 0) {
			loop_timer_clear(loop, &n->timer);
			continue;
		}
		/* Times are distinct, for equal ones have no order. */
		n->at_ns = past_ns + random() % 10000 * 1000 + n->number;
		CHECK(loop_timer_set(loop, &n->timer, n->at_ns) == 0);
	}
	for (int i = 0; i < 1000; i++)
		if (timers[i].timer.heap_index_plus_1 != 0)
			sorted[wanted++] = &timers[i];
	qsort(sorted, (size_t)wanted, sizeof(sorted[0]), by_time);
	order_count = 0;
	loop_turn(loop, INT64_MAX);
	for (int i = 0; i < wanted && i < order_count; i++)
		same = same && order[i] == sorted[i]->number;
	ok(wanted > 100 && wanted < 1000, "%d timers are set", wanted);
	is_i64(order_count, wanted, "each of them came due, and no other");
	ok(same, "in the order of their times");
}

static void
set_again(void *ctx)
{
	struct thing *t = ctx;

	t->calls++;
	loop_timer_set(loop, &t->timer, 0);
}

static void
test_timers(void)
{
	struct thing *a = thing_new(), *b = thing_new();
	int64_t start_ns = clock_mono_ns();

	loop_timer_set(loop, &a->timer, start_ns + 5 * NS_PER_MS);
	loop_turn(loop, 0);
	is_i64(a->calls, 0, "a timer is not due before its time");
	loop_turn(loop, INT64_MAX);
	ok(a->calls == 1 && loop_now_ns(loop) >= start_ns + 5 * NS_PER_MS,
	    "one turn waits for it, and the time of the turn is past it");
	loop_turn(loop, 0);
	is_i64(a->calls, 1, "it comes once");
	loop_timer_set(loop, &a->timer, INT64_MAX);
	loop_turn(loop, clock_mono_ns() + NS_PER_MS);
	ok(a->calls == 1, "a turn ends by until_ns");
	loop_timer_set(loop, &a->timer, 0);
	loop_turn(loop, INT64_MAX);
	is_i64(a->calls, 2, "a timer that is set can be moved");

	/* Both are due; whichever comes first frees the other. */
	a->victim = b;
	loop_timer_set(loop, &a->timer, 1);
	loop_timer_set(loop, &b->timer, 2);
	loop_turn(loop, INT64_MAX);
	is_i64(a->calls, 3, "a timer's callback may free what is due after it");
	wake(a);
	b = thing_new();
	loop_timer_set(loop, &b->timer, 1);
	a->victim = b;
	loop_turn(loop, INT64_MAX);
	is_i64(a->calls, 4, "input comes before what is due, and may free it");

	a->calls = 0;
	loop_unwatch(loop, &a->watch);
	a->timer.due = set_again;
	loop_timer_set(loop, &a->timer, 0);
	loop_turn(loop, INT64_MAX);
	is_i64(a->calls, 1, "one set again at once waits for the next turn");
	loop_turn(loop, INT64_MAX);
	is_i64(a->calls, 2, "and then comes");
	a->timer.due = thing_due;
	a->suicide = true;
	loop_turn(loop, INT64_MAX);
	ok(true, "a timer's callback may free itself");
}

static int caught[65];

static void
signal_caught(void *ctx, int signo)
{
	ok(ctx == caught, "a signal's callback gets its context");
	caught[signo]++;
}

static void
check_child(void *ctx)
{
	sigset_t set;

	(void)ctx;
	loop_child_reset();
	sigprocmask(SIG_BLOCK, NULL, &set);
	if (!sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2))
		raise(SIGUSR1);
}

static void
test_ration(void)
{
	uint32_t given = 0;

	for (int i = 0; i < 5; i++)
		given += loop_ration(loop, 3) ? 1 : 0;
	ok(given <= 3, "no more than three rations in a turn");
	is_i64(loop_turn(loop, 0), 0, "the next turn");
	given = 0;
	for (int i = 0; i < 5; i++)
		given += loop_ration(loop, 3) ? 1 : 0;
	is_i64(given, 3, "has three again");
}

static void
test_signals(void)
{
	struct capture c;

	is_i64(loop_signal(loop, SIGUSR1, signal_caught, caught), 0,
	    "a signal can be asked for");
	is_i64(loop_signal(loop, SIGUSR2, signal_caught, caught), 0,
	    "and another");
	raise(SIGUSR1);
	raise(SIGUSR2);
	is_i64(caught[SIGUSR1], 0, "it does not interrupt");
	loop_turn(loop, INT64_MAX);
	ok(caught[SIGUSR1] == 1 && caught[SIGUSR2] == 1,
	    "each is reported, once");
	loop_turn(loop, 0);
	is_i64(caught[SIGUSR1], 1, "and not again");
	errno = 0;
	ok(loop_signal(loop, 0, signal_caught, caught) == -1 && errno == EINVAL,
	    "there is no signal 0");
	ok(loop_signal(loop, 1000, signal_caught, caught) == -1,
	    "nor a signal 1000");
	capture_run(&c, check_child, NULL);
	ok(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGUSR1,
	    "a child that resets them is killed by them, as any program");
}

static void
test_many(void)
{
	enum { MANY = 400 };
	static struct thing *things[MANY];
	bool each = true;

	for (int i = 0; i < MANY; i++) {
		things[i] = thing_new();
		wake(things[i]);
	}
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 0);
	for (int i = 0; i < MANY; i++) {
		each = each && things[i]->calls > 0;
		thing_free(things[i]);
	}
	ok(each, "more that are ready than one turn takes: none is starved");
}

int
main(void)
{
	is_i64(loop_new(&loop), 0, "a loop is made");
	test_watch();
	test_watch_refused();
	test_remove_in_turn();
	test_rewatch_in_turn();
	test_reuse_in_turn();
	test_timers();
	test_timers_random();
	test_ration();
	test_signals();
	test_many();
	loop_free(loop);
	loop_free(NULL);
	return tap_done();
}
