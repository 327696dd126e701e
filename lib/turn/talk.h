/*
 * One end of a connection that carries lines both ways: requests in, each
 * answered once; errors of the grammar answered here; requests counted against
 * a window; a slot whose generation tells an old connection from a new one.
 * What every listener and link of the daemons is made of.
 */
#ifndef STRIFE_TURN_TALK_H
#define STRIFE_TURN_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/conn.h"
#include "turn/request_log.h"
#include "turn/turn.h"
#include "wire/event.h"
#include "wire/reader.h"

/* Requests with long answers (talk_heavy) that may be unanswered at once. */
#define TALK_HEAVY_MAX 2

struct talk_ops {
	enum side side;    /* whose requests the peer sends */
	enum verb exempt;  /* not counted against the window, or VERB_UNKNOWN */
	bool stop_reading; /* at the window; else exceeding it ends it */
	/* A request in good order, to be answered by turn or talk_put. */
	void (*request)(void *ctx, const struct msg *);
	/* Whatever is no request: a reply, or NULL where none is awaited. */
	void (*reply)(void *ctx, const struct line *);
	/* Whose requests are logged, one line each: certificate and user. NULL:
	 * they are not. */
	void (*who)(const void *ctx, struct request_log_peer *);
};

/* Connections that want talks_after_turn, so that it need not look at all. */
TAILQ_HEAD(talks, talk);

struct talk {
	TAILQ_ENTRY(talk)
	entry;
	const struct talk_ops *ops;
	void *ctx;
	struct turn *turn;
	struct talks *talks; /* NULL: the owner calls talk_after_turn itself */
	bool listed;         /* in talks */
	struct conn *conn;   /* NULL: nobody is connected */
	struct peer peer;
	struct str user;   /* what EV_PEER_DOWN carries */
	bool awaits_hello; /* until the owner has it, no verb is known */
	/* Not NULL: the first line is answered so, and that is all. */
	const char *forbidden;
	enum code forbidden_code;
	int64_t line_ns; /* when its last line was complete; else, the start */
	struct line_reader reader;
	struct request_log log;
	uint32_t unanswered; /* requests without a final answer */
	uint32_t unwritten;  /* answered, not yet in the socket */
	uint32_t window, heavy;
	bool barrier;  /* no line is looked at until talk_barrier(false) */
	bool mute;     /* nor ever again */
	bool finished; /* the peer sends no more: it ends when answered */
	/* Not "": QUIT's, to be answered once nothing else is unanswered. */
	char quit_tag[TAG_MAX_LEN + 1];
	enum verb quit_verb;
	bool ended;  /* nothing more is taken from it; soon closed */
	bool closed; /* conn_close has been called: nothing more is sent */
	bool gone;   /* the core was told (EV_PEER_DOWN) */
	uint64_t lines_in, lines_out; /* for STATS, over all connections */
};

void talk_init(struct talk *, const struct talk_ops *, void *ctx, struct turn *,
    uint32_t slot, uint32_t window);
/* A new connection; its generation is one more than the last one's. */
void talk_begin(struct talk *, struct conn *);
/* conn_ops.down. The core is told, if it was not when the talk was closed. */
void talk_down(struct talk *);

/* conn_ops.input: returns how many octets it used. */
size_t talk_input(struct talk *, const char *octets, size_t len);
/*
 * conn_ops.finished: one that sends no more still gets its answers where
 * requests are awaited, and is closed then. A link has lost its other end.
 */
bool talk_finished(struct talk *);
/* conn_ops.drained: needed where stop_reading and talks are used. */
void talk_drained(struct talk *);
/* turn_ops.deliver, for a peer of this slot: a dead one's lines are dropped. */
void talk_deliver(struct talk *, struct peer, const char *line, size_t len);
static inline bool
talk_is(const struct talk *t, struct peer peer)
{
	return t->conn != NULL && !t->ended && peer_eq(t->peer, peer);
}

/* A line that is no counted answer (HELLO, PING, the reply to PING). */
void talk_put(struct talk *, const struct msg *);
/* An ERR reply to a counted request; field may be STR_NONE, text NULL: the
 * code's own words. */
void talk_error(struct talk *, const char *tag, enum code, struct str field,
    const char *text);
/* Answers the first line, whatever it is, with this error, and ends it. */
void talk_refuse(struct talk *, enum code, const char *text);
/* As long as it is set, later requests wait in the connection. */
void talk_barrier(struct talk *, bool set);
/* Nothing more is read; what was asked before is still answered. */
void talk_mute(struct talk *);
/* QUIT: as talk_mute, and when that is done, OK, and the end. */
void talk_quit(struct talk *, const struct msg *request);
/* The request being taken has a long answer: a few at a time are enough. */
void talk_heavy(struct talk *);
/*
 * Takes nothing more. When this turn has ended, the core is told that the peer
 * is gone, whatever that does; what was sent until then is still written.
 */
void talk_end(struct talk *);
/* Ends it at once, whatever is still to be written; `down` comes in a later
 * turn. */
void talk_drop(struct talk *);
/* After turn_end: writes what was delivered, and closes what has ended. */
void talk_after_turn(struct talk *);
void talks_after_turn(struct talks *);

#endif
