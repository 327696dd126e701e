/*
 * What the link to a gateway and a teller's connection share: lines in, each
 * answered once; errors of the protocol answered here; requests counted against
 * a window; a slot whose generation tells an old connection from a new one.
 */
#ifndef STRIFE_BANKD_TALK_H
#define STRIFE_BANKD_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conn.h"
#include "turn/turn.h"
#include "wire/event.h"
#include "wire/reader.h"

struct talk_ops {
	enum side side;    /* whose requests the peer sends */
	enum verb exempt;  /* not counted against the window, or VERB_UNKNOWN */
	bool stop_reading; /* at the window; else exceeding it ends it */
	/* A request in good order, to be answered by turn or talk_put. */
	void (*request)(void *ctx, const struct msg *);
	/* Whatever is no request: a reply, or NULL where none is awaited. */
	void (*reply)(void *ctx, const struct line *);
};

struct talk {
	const struct talk_ops *ops;
	void *ctx;
	struct turn *turn;
	struct conn *conn; /* NULL: nobody is connected */
	struct peer peer;
	struct line_reader reader;
	uint32_t unanswered, window;
	bool ended;  /* nothing more is taken from or sent to it */
	bool closed; /* conn_close has been called */
	uint64_t lines_in, lines_out; /* for STATS, over all connections */
};

void talk_init(struct talk *, const struct talk_ops *, void *ctx, struct turn *,
    uint32_t slot, uint32_t window);
/* A new connection; its generation is one more than the last one's. */
void talk_begin(struct talk *, struct conn *);
/* conn_ops.down: tells the core, so that nothing more is owed to it. */
void talk_down(struct talk *);

/* conn_ops.input: returns how many octets it used. */
size_t talk_input(struct talk *, const char *octets, size_t len);
/* turn_ops.deliver, for a peer of this slot: a dead one's lines are dropped. */
void talk_deliver(struct talk *, struct peer, const char *line, size_t len);

/* A line that is no counted answer (HELLO, PING, the reply to PING). */
void talk_put(struct talk *, const struct msg *);
/* An ERR reply to a counted request; field may be STR_NONE. */
void talk_error(struct talk *, const char *tag, enum code, struct str field,
    const char *text);
/* Takes nothing more; talk_after_turn closes it. */
void talk_end(struct talk *);
/* After turn_end: writes what was delivered, and closes what has ended. */
void talk_after_turn(struct talk *);

#endif
