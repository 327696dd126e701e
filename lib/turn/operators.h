/*
 * A daemon's control socket (PROTOCOL.md section 8): a Unix socket, mode 0600,
 * several operators at once, each a peer slot of its own. No HELLO and no
 * login: who may open the socket is the operator, and SO_PEERCRED says who it
 * is. The other end is client/control.h.
 */
#ifndef STRIFE_TURN_OPERATORS_H
#define STRIFE_TURN_OPERATORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "journal/journal.h"
#include "turn/talk.h"

struct operators;

struct operator_talk {
	struct operators *operators;
	struct talk talk;
	struct timer idle;
	char who[32]; /* "uid=1000" */
};

struct operators_conf {
	const char *path;    /* of the socket; borrowed */
	const char *called;  /* "tellers", for logs */
	enum side side;      /* whose verbs these are */
	uint32_t first_slot; /* their peers have this one and the next */
	uint32_t max;        /* how many are connected at once */
	uint32_t window;     /* requests of one that may be unanswered */
	uint32_t out_max;    /* octets that one has not taken yet */
	int64_t handshake_ns, idle_ns;
	/* A request in good order, to be answered through operator->talk. */
	void (*request)(void *ctx, struct operator_talk *, const struct msg *);
	void *ctx;
};

/* Listens. 0, or -1 with errno: the socket cannot be made. */
int operators_new(struct operators **, struct loop *, struct turn *,
    struct talks *, const struct operators_conf *);
void operators_free(struct operators *); /* nobody may be connected */
uint32_t operators_connected(const struct operators *);

void operators_deliver(
    struct operators *, struct peer, const char *line, size_t len);
void operators_close(struct operators *, struct peer, const char *why);
/* Closes all and accepts no more; removes the socket. */
void operators_stop(struct operators *);
void operators_drop(struct operators *); /* talk_drop for each */

/* ---- For STATS, ahead of the core's rows and its OK ---- */
/* A row of the answer to m. */
void operator_stat(struct operator_talk *, const struct msg *m,
    const char *name, uint64_t value);
/* The rows about the process and its journal. */
void operator_stats(struct operator_talk *, const struct msg *m,
    int64_t started_ns, const struct journal *);

#endif
