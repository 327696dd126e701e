/*
 * The clock of a link between bank and gateway: PING when we have sent nothing
 * for one heartbeat, and the end when nothing was heard for two (PROTOCOL.md
 * section 4). It looks at its talk's connection and says nothing once that has
 * ended.
 */
#ifndef STRIFE_TURN_HEARTBEAT_H
#define STRIFE_TURN_HEARTBEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "turn/talk.h"

struct heartbeat_ops {
	void (*ping)(void *ctx);   /* send PING */
	void (*silent)(void *ctx); /* two heartbeats: end the talk */
};

struct heartbeat {
	const struct heartbeat_ops *ops;
	void *ctx;
	struct loop *loop;
	const struct talk *talk;
	struct timer timer;
	int64_t interval_ns, pinged_ns;
	bool pings;
};

void heartbeat_init(struct heartbeat *, const struct heartbeat_ops *, void *ctx,
    struct loop *, const struct talk *);
/* The connection is up; as yet we may not speak, so no PING is sent. */
void heartbeat_start(struct heartbeat *, int64_t interval_ns);
/* From now on PING is legal; the interval may be another. */
void heartbeat_ping(struct heartbeat *, int64_t interval_ns);
void heartbeat_stop(struct heartbeat *); /* legal more than once */

#endif
