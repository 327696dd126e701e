/*
 * What the sources of conn.h share: conn.c makes connections and answers their
 * owner, conn_dial.c makes those that we begin, conn_step.c takes them from
 * state to state, conn_io.c moves octets.
 */
#ifndef STRIFE_BASE_CONN_PRIVATE_H
#define STRIFE_BASE_CONN_PRIVATE_H

#include "base/address.h"
#include "base/buffer.h"
#include "base/conn.h"
#include "base/stream.h"

/*
 * CONNECTING -> HANDSHAKE -> UP -> DRAINING -> LINGERING -> DEAD, each of them
 * also straight to DEAD. A failed handshake goes to LINGERING.
 */
enum conn_state {
	CONNECTING, /* one of the addresses is being dialled */
	HANDSHAKE,  /* a plain socket: until its first turn */
	UP,
	DRAINING,  /* output is written out, input thrown away */
	LINGERING, /* we have closed our end and wait for the peer's */
	DEAD,      /* down is called, and the conn freed, in a later turn */
};

/* What the timer is to bring about besides the deadline. */
enum {
	KICK_FLUSH = 1 << 0,   /* this turn: output nobody has flushed */
	KICK_STEP = 1 << 1,    /* next turn: go on from here */
	KICK_INPUT = 1 << 2,   /* next turn: offer what is unread once more */
	KICK_DRAINED = 1 << 3, /* next turn: say that all is written */
};

struct conn {
	struct loop *loop;
	struct watch watch;
	/* Always set, so that moving it cannot fail. */
	struct timer timer;
	struct stream stream;
	enum conn_state state;
	enum conn_end end; /* from DRAINING on */
	unsigned kicks;
	bool dialled; /* by conn_connect */
	bool paused;
	bool eof;              /* the peer sends no more */
	bool owed;             /* and its owner closes it, ops.finished */
	bool heard;            /* octets have come since up */
	bool broken;           /* no more can be written */
	bool blocked;          /* output waits for EPOLLOUT */
	bool write_wants_read; /* TLS may turn either round */
	bool read_wants_write;
	uint32_t handshake_events;
	uint32_t uid;
	struct conn_limits limits;
	struct conn_ops ops;
	void *ctx;
	struct buffer in, out;
	int64_t deadline_ns; /* INT64_MAX: none */
	int64_t last_input_ns, last_output_ns;
	struct tls_identity peer;
	char *text; /* the peer's address */
	/* For conn_connect only. */
	struct tls *tls;
	struct address address;
	struct addrinfo *addresses, *next;
	int64_t handshake_until_ns;
};

/* ---- conn.c ---- */

/* NULL with errno; without a socket yet, and not in the loop. */
struct conn *conn_make(struct loop *, const struct conn_limits *,
    const struct conn_ops *, void *ctx);
/* Frees it; the stream must be closed, and the loop know nothing of it. */
void conn_release(struct conn *);
/* After every change: watch and timer follow the state. */
void conn_settle(struct conn *);
/* The first text counts. */
void conn_explain(struct conn *, const char *text);
/* The first reason counts: while it ends, it can only end sooner. */
void conn_die(struct conn *, enum conn_end);

/* ---- conn_dial.c ---- */

/* Tries the addresses that are left: 0, or -1 with the last one's errno. */
int conn_dial_next(struct conn *);

/* ---- conn_step.c: the loop's callbacks; ctx is the conn ---- */

void conn_step_ready(void *ctx, uint32_t events);
void conn_step_due(void *ctx);

/* ---- conn_io.c ---- */

void conn_io_write(struct conn *); /* as much as the socket takes */
/*
 * Reads and delivers, up to the stream's budget; `again`: offers what is unread
 * even if nothing has come.
 */
void conn_io_read(struct conn *, bool again);
/* An idle connection holds no buffers; passwords and tokens were in them. */
void conn_io_free_empty(struct conn *);
/* From now on output is written out, and input thrown away. */
void conn_io_drain(struct conn *, enum conn_end);

#endif
