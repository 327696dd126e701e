#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

/* Events fetched a turn: what is left over is fetched the next turn. */
#define EVENTS_PER_TURN 256

/* Signals read at once. */
#define SIGNALS_PER_READ 8

#define HEAP_SIZE_MIN 64

struct signal_handler {
	void (*caught)(void *ctx, int signo);
	void *ctx;
};

struct loop {
	int epoll_fd;
	int64_t now_ns;

	/* The turn's events not yet given out: [events_at, events_count). */
	struct epoll_event events[EVENTS_PER_TURN];
	uint32_t events_at, events_count;
	bool in_turn, in_timers;
	uint32_t rations; /* given out in this turn */

	/* A binary heap, the earliest at [0]. */
	struct timer **heap;
	uint32_t heap_count, heap_size;

	struct watch signals; /* fd -1 until loop_signal */
	sigset_t signals_set;
	struct signal_handler handlers[NSIG];
};

/* What loop_signal blocked, for loop_child_reset: signals are the process's. */
static bool taken[NSIG];

int
loop_new(struct loop **made)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -1;
	l->signals.fd = -1;
	sigemptyset(&l->signals_set);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		free(l);
		return -1;
	}
	l->now_ns = clock_mono_ns();
	*made = l;
	return 0;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	CHECK(!l->in_turn);
	if (l->signals.fd >= 0)
		close(l->signals.fd);
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

int64_t
loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

/* ---- Watches ---- */

/*
 * epoll reports errors and hang-ups whether asked or not, so a watch for
 * nothing would turn the loop without end. Edge-triggered, it says them once.
 */
static struct epoll_event
event_of(struct watch *w)
{
	return (struct epoll_event){
	    .events = w->events != 0 ? w->events : (uint32_t)EPOLLET,
	    .data.ptr = w,
	};
}

int
loop_watch(struct loop *l, struct watch *w)
{
	struct epoll_event event = event_of(w);

	CHECK(!w->active);
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) != 0)
		return -1;
	w->active = true;
	return 0;
}

void
loop_rewatch(struct loop *l, struct watch *w, uint32_t events)
{
	struct epoll_event event;
	int result;

	CHECK(w->active);
	if (w->events == events)
		return;
	w->events = events;
	event = event_of(w);
	result = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);
	CHECK(result == 0);
}

void
loop_unwatch(struct loop *l, struct watch *w)
{
	int result;

	if (!w->active)
		return;
	result = epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	CHECK(result == 0);
	w->active = false;
	/* The owner may free it at once: forget what was already fetched. */
	for (uint32_t i = l->events_at; i < l->events_count; i++) {
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
	}
}

static void
give_events(struct loop *l)
{
	while (l->events_at < l->events_count) {
		const struct epoll_event *event = &l->events[l->events_at++];
		struct watch *w = event->data.ptr;
		uint32_t events;

		if (w == NULL)
			continue;
		/* A callback before this one may have asked for less. */
		events = event->events & (w->events | EPOLLERR | EPOLLHUP);
		if (events != 0)
			w->ready(w->ctx, events);
	}
	l->events_at = l->events_count = 0;
}

/* ---- Timers ---- */

static void
heap_put(struct loop *l, uint32_t at, struct timer *t)
{
	l->heap[at] = t;
	t->heap_index_plus_1 = at + 1;
}

/* Finds the place of t, for which the slot `at` is free, towards the root. */
static void
heap_up(struct loop *l, uint32_t at, struct timer *t)
{
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (l->heap[parent]->at_ns <= t->at_ns)
			break;
		heap_put(l, at, l->heap[parent]);
		at = parent;
	}
	heap_put(l, at, t);
}

/* The same, towards the leaves. */
static void
heap_down(struct loop *l, uint32_t at, struct timer *t)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= l->heap_count)
			break;
		if (child + 1 < l->heap_count &&
		    l->heap[child + 1]->at_ns < l->heap[child]->at_ns)
			child++;
		if (t->at_ns <= l->heap[child]->at_ns)
			break;
		heap_put(l, at, l->heap[child]);
		at = child;
	}
	heap_put(l, at, t);
}

static void
heap_place(struct loop *l, uint32_t at, struct timer *t)
{
	if (at > 0 && t->at_ns < l->heap[(at - 1) / 2]->at_ns)
		heap_up(l, at, t);
	else
		heap_down(l, at, t);
}

static int
heap_make_room(struct loop *l)
{
	uint32_t size = l->heap_size == 0 ? HEAP_SIZE_MIN : l->heap_size * 2;
	struct timer **heap;

	if (l->heap_count < l->heap_size)
		return 0;
	if (l->heap_size > UINT32_MAX / 4) {
		errno = ENOMEM;
		return -1;
	}
	heap = reallocarray(l->heap, size, sizeof(struct timer *));
	if (heap == NULL)
		return -1;
	l->heap = heap;
	l->heap_size = size;
	return 0;
}

int
loop_timer_set(struct loop *l, struct timer *t, int64_t at_ns)
{
	/*
	 * One that is set by another, or by itself, while timers are called
	 * waits for the next turn; else a turn might never end.
	 */
	if (l->in_timers && at_ns <= l->now_ns)
		at_ns = l->now_ns + 1;
	if (t->heap_index_plus_1 != 0) {
		t->at_ns = at_ns;
		heap_place(l, t->heap_index_plus_1 - 1, t);
		return 0;
	}
	if (heap_make_room(l) != 0)
		return -1;
	t->at_ns = at_ns;
	heap_up(l, l->heap_count++, t);
	return 0;
}

void
loop_timer_clear(struct loop *l, struct timer *t)
{
	uint32_t at;
	struct timer *last;

	if (t->heap_index_plus_1 == 0)
		return;
	at = t->heap_index_plus_1 - 1;
	CHECK(at < l->heap_count);
	CHECK(l->heap[at] == t);
	last = l->heap[--l->heap_count];
	t->heap_index_plus_1 = 0;
	if (last != t)
		heap_place(l, at, last);
}

static void
call_timers(struct loop *l)
{
	l->in_timers = true;
	while (l->heap_count > 0 && l->heap[0]->at_ns <= l->now_ns) {
		struct timer *t = l->heap[0];

		/* Nothing of it is touched afterwards: it may free itself. */
		loop_timer_clear(l, t);
		t->due(t->ctx);
	}
	l->in_timers = false;
}

/* ---- Signals ---- */

static void
signals_ready(void *ctx, uint32_t events)
{
	struct loop *l = ctx;
	struct signalfd_siginfo infos[SIGNALS_PER_READ];
	ssize_t len = read(l->signals.fd, infos, sizeof(infos));

	(void)events;
	if (len < 0)
		return;
	for (size_t i = 0; i < (size_t)len / sizeof(infos[0]); i++) {
		uint32_t signo = infos[i].ssi_signo;

		if (signo < NSIG && l->handlers[signo].caught != NULL)
			l->handlers[signo].caught(
			    l->handlers[signo].ctx, (int)signo);
	}
}

int
loop_signal(
    struct loop *l, int signo, void (*caught)(void *ctx, int signo), void *ctx)
{
	sigset_t set = l->signals_set;
	bool first = l->signals.fd < 0;
	int fd;

	if (signo <= 0 || signo >= NSIG || sigaddset(&set, signo) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	taken[signo] = true;
	fd = signalfd(l->signals.fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -1;
	if (first) {
		l->signals = (struct watch){
		    .fd = fd,
		    .events = EPOLLIN,
		    .ready = signals_ready,
		    .ctx = l,
		};
		if (loop_watch(l, &l->signals) != 0) {
			int saved_errno = errno;

			close(fd);
			l->signals.fd = -1;
			errno = saved_errno;
			return -1;
		}
	}
	l->signals_set = set;
	l->handlers[signo] = (struct signal_handler){caught, ctx};
	return 0;
}

void
loop_child_reset(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (int signo = 1; signo < NSIG; signo++) {
		if (taken[signo]) {
			signal(signo, SIG_DFL);
			sigaddset(&set, signo);
		}
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- A turn ---- */

/* How long to wait, in epoll's milliseconds: rounded up, lest it come early. */
static int
wait_ms(const struct loop *l, int64_t until_ns)
{
	int64_t now_ns, left_ms;

	if (l->heap_count > 0 && l->heap[0]->at_ns < until_ns)
		until_ns = l->heap[0]->at_ns;
	if (until_ns == INT64_MAX)
		return -1;
	if (until_ns <= 0)
		return 0;
	now_ns = clock_mono_ns();
	if (until_ns <= now_ns)
		return 0;
	left_ms = (until_ns - now_ns - 1) / NS_PER_MS + 1;
	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

bool
loop_ration(struct loop *l, uint32_t max)
{
	if (l->rations >= max)
		return false;
	l->rations++;
	return true;
}

int
loop_turn(struct loop *l, int64_t until_ns)
{
	int count;

	CHECK(!l->in_turn);
	count = epoll_wait(
	    l->epoll_fd, l->events, EVENTS_PER_TURN, wait_ms(l, until_ns));
	if (count < 0 && errno != EINTR)
		return -1;
	l->now_ns = clock_mono_ns();
	l->events_count = count < 0 ? 0 : (uint32_t)count;
	l->in_turn = true;
	l->rations = 0;
	/* What has arrived comes first: an answer in time beats its timeout. */
	give_events(l);
	call_timers(l);
	l->in_turn = false;
	return 0;
}
