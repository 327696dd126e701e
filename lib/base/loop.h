/*
 * The event loop: epoll, monotonic timers in a binary heap, signals through
 * signalfd. One thread. Watches and timers are embedded in the caller's
 * structures; the loop borrows them until they are removed. A callback may
 * remove any watch or timer, its own included; no callback is made for one
 * that was removed, even if its event was already fetched.
 */
#ifndef STRIFE_BASE_LOOP_H
#define STRIFE_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;

/* fd is borrowed: loop_unwatch before close(2). events: EPOLLIN, EPOLLOUT. */
struct watch {
	int fd;
	uint32_t events;
	void (*ready)(void *ctx, uint32_t events);
	void *ctx;
	bool active;
};

struct timer {
	int64_t at_ns; /* clock_mono_ns */
	void (*due)(void *ctx);
	void *ctx;
	uint32_t heap_index_plus_1; /* 0: not set */
};

int loop_new(struct loop **); /* 0, or -1 with errno */
void loop_free(struct loop *);

int loop_watch(struct loop *, struct watch *); /* 0, or -1 with errno */
void loop_rewatch(struct loop *, struct watch *, uint32_t events);
void loop_unwatch(struct loop *, struct watch *); /* legal when inactive */

/* Sets or moves a timer. 0, or -1 with errno ENOMEM (never when moving). */
int loop_timer_set(struct loop *, struct timer *, int64_t at_ns);
void loop_timer_clear(struct loop *, struct timer *);

/* Blocks signo for the process and calls back when it arrives. */
int loop_signal(
    struct loop *, int signo, void (*caught)(void *ctx, int signo), void *ctx);

/*
 * One turn: waits until something is ready or due, but not past until_ns
 * (0: do not wait; INT64_MAX: no limit), then makes the callbacks. Returns 0,
 * or -1 with errno when epoll itself fails. loop_now_ns is the time read once
 * after the wait.
 */
int loop_turn(struct loop *, int64_t until_ns);
int64_t loop_now_ns(const struct loop *);
/*
 * True max times in a turn: for costly work that waits for another turn rather
 * than make everybody else wait for it.
 */
bool loop_ration(struct loop *, uint32_t max);

/* Unblocks and resets what loop_signal took: call in a child before exec. */
void loop_child_reset(void);

#endif
