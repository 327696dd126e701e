/*
 * A listening socket and the handshakes under way on it. Accepting is metered,
 * rests after a failed accept(2), and never has more than a number of
 * handshakes at once: a new connection closes the oldest unfinished one.
 */
#ifndef STRIFE_TURN_LISTENER_H
#define STRIFE_TURN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/conn.h"
#include "base/loop.h"

/* A connection whose handshake is not finished; lies in its owner. */
struct handshake {
	TAILQ_ENTRY(handshake)
	entry;
	struct conn *conn;
	bool waiting;
};
TAILQ_HEAD(handshakes, handshake);

struct listener {
	struct loop *loop;
	const char *name; /* for logs */
	int fd;           /* -1: no longer listening */
	struct watch watch;
	struct timer again;
	void (*take)(void *ctx, int fd); /* takes fd */
	void *ctx;
	struct handshakes unfinished;
	uint32_t count, max;
};

/*
 * Takes fd, a listening socket. handshakes_max 0: none are counted. 0, or -1
 * with errno and fd closed.
 */
int listener_start(
    struct listener *, struct loop *, int fd, uint32_t handshakes_max);
void listener_stop(struct listener *); /* legal more than once */

void listener_begun(struct listener *, struct handshake *, struct conn *);
/* The handshake is done or the connection gone; legal more than once. */
void listener_ended(struct listener *, struct handshake *);
/* Closes the oldest unfinished one, if there is one. */
bool listener_evict(struct listener *);

#endif
