/*
 * One line in the log for each request of a connection, once it is answered:
 * who asked for what, the answer, and how long that took. The fields are in
 * strife-gatewayd(8), LOGGING. What a request brought that is secret is never
 * looked at. Embedded in a talk; allocates one small block for a request until
 * it is answered, and where memory is short there is no line.
 */
#ifndef STRIFE_TURN_REQUEST_LOG_H
#define STRIFE_TURN_REQUEST_LOG_H

#include <stdint.h>
#include <sys/queue.h>

#include "wire/msg.h"

struct requested; /* a request that is not answered yet */

/* All texts are borrowed, and needed only during a call. */
struct request_log_peer {
	const char *address, *certificate;
	const char *user; /* of the session, or NULL */
};

struct request_log {
	/* The oldest at first. */
	TAILQ_HEAD(request_log_list, requested) waiting;
};

void request_log_init(struct request_log *);
/* m is NULL where the line is no request in good order. */
void request_log_taken(struct request_log *, const struct line *,
    const struct msg *m, const struct request_log_peer *);
/* The attempts at the payment that was taken last, this one included. */
void request_log_attempts(
    struct request_log *, const struct id *, uint64_t attempts);
/* The final answer as it leaves, LF included. */
void request_log_answered(struct request_log *, const char *line, size_t len,
    const struct request_log_peer *);
/* The connection is gone: nobody was told the rest of the answers. */
void request_log_gone(struct request_log *, const struct request_log_peer *);

#endif
