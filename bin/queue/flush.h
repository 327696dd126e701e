/*
 * One flush: what is due in `new` is sent, each to the gateway it keeps to, and
 * goes where its answer says. Only by the one that is the flusher
 * (client/spool.h). Blocks until every payment that is due has its answer or
 * its gateway is given up.
 */
#ifndef STRIFE_QUEUE_FLUSH_H
#define STRIFE_QUEUE_FLUSH_H

#include "client/progress.h"
#include "queue.h"

struct flush_options {
	struct queue *queue;
	const struct client_config *config; /* the queue's, or like it */
	const struct id *only;              /* or NULL; due or not */
	bool all;                           /* due or not */
	bool progress;                      /* show it on a terminal */
	bool interactive; /* a person may be asked to log in */
	/* Says why payments remain; may be NULL: on standard error. */
	void (*tell)(void *ctx, const char *text);
	/* A client is there to be interrupted; NULL: it will be freed. */
	void (*client)(void *ctx, struct client *);
	void *ctx;
};

struct flush_result {
	int exit; /* EXIT_OK, or why it could not be done at all */
	/* How many of those that were in `new`; set aside is refused too: */
	uint32_t paid, declined, refused, remain;
	bool connected;   /* to some gateway */
	bool unreachable; /* some gateway was not to be had, or was lost */
	int64_t next_us;  /* when the first of those that remain is due; 0 */
};

void flush(const struct flush_options *, struct flush_result *);

#endif
