/*
 * A connection: TLS over TCP, or a plain Unix stream socket, as one queue of
 * octets each way; knows no verb. Never blocks. Reading stops while paused;
 * output is bounded by out_max. Calls back from loop_turn only, never from
 * inside conn_* calls, except where said.
 */
#ifndef STRIFE_BASE_CONN_H
#define STRIFE_BASE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/tls.h"

struct conn;

struct conn_limits {
	uint32_t in_max;      /* unread octets kept: at least a whole line */
	uint32_t out_max;     /* unsent octets kept */
	int64_t handshake_ns; /* connect and handshake together */
};

/* Why a connection ended. */
enum conn_end {
	CONN_END_CLOSED,    /* by us, conn_close */
	CONN_END_EOF,       /* the peer closed */
	CONN_END_ERROR,     /* reset, TLS error: conn_error has the text */
	CONN_END_HANDSHAKE, /* refused or failed in the handshake */
	CONN_END_TIMEOUT,   /* connect or handshake took too long */
	CONN_END_OVERFLOW,  /* out_max reached */
};
const char *conn_end_text(enum conn_end); /* "closed by the peer" */

struct conn_ops {
	/* Handshake done (plain sockets: at once, from the first turn). */
	void (*up)(void *ctx, struct conn *);
	/*
	 * Unread octets: returns how many it used. Called again when more come
	 * or after conn_pause(false); what is left stays. A buffer of in_max
	 * octets of which it uses none would wait for ever, so it must then
	 * use some (the session skips a line too long).
	 */
	size_t (*input)(
	    void *ctx, struct conn *, const char *octets, size_t len);
	/* All output has been written to the socket. May be NULL. */
	void (*drained)(void *ctx, struct conn *);
	/* The end, called once and last; the conn is freed after it returns. */
	void (*down)(void *ctx, struct conn *, enum conn_end why);
	/*
	 * The peer sends no more, and all that it sent was offered. True: it
	 * may still read, and is owed something; it is paused now, and the
	 * owner closes it later. Else, or where this is NULL, it ends by
	 * itself once its output is written.
	 */
	bool (*finished)(void *ctx, struct conn *);
};

/*
 * Takes fd (closed on error too). tls NULL: a plain socket. 0, or -1 with
 * errno. peer text (address, or "pid:uid" of a Unix peer) is kept for logs.
 */
int conn_accept(struct conn **, struct loop *, int fd, const struct tls *tls,
    const struct conn_limits *, const struct conn_ops *, void *ctx);
/*
 * Connects to "HOST:PORT" ("[v6]:PORT"; names are resolved with getaddrinfo,
 * which blocks), TLS as client (of which it keeps a share); the server must be
 * strife://gateway/NAME and its certificate must carry HOST as DNS or IP SAN.
 * -1 with errno and nothing opened where the address cannot be parsed, resolved
 * or dialled at once.
 */
int conn_connect(struct conn **, struct loop *, const char *address,
    const struct tls *, const struct conn_limits *, const struct conn_ops *,
    void *ctx);

const struct tls_identity *conn_peer(const struct conn *); /* after up */
const char *conn_address(const struct conn *);
const char *conn_error(const struct conn *); /* text for people, or "" */
/* After the end: was it TLS that failed, and how? */
enum tls_failure conn_failure(const struct conn *);
/*
 * Would this context accept the peer of a connection that is up? NULL, or why
 * not, as tls_rejects.
 */
const char *conn_rejected(const struct conn *, const struct tls *);
/* Unix sockets: the peer's uid by SO_PEERCRED, (uid_t)-1 else. */
uint32_t conn_peer_uid(const struct conn *);

/*
 * Room for one line of len octets, or NULL: out_max reached (the connection
 * then ends with CONN_END_OVERFLOW on the next turn). Follow with conn_commit;
 * it is written at the end of the turn by conn_flush, or when writable.
 */
char *conn_reserve(struct conn *, size_t len);
void conn_commit(struct conn *, size_t len);
size_t conn_unsent(const struct conn *);
/* Writes what can be written now: one SSL_write for all that is queued. */
void conn_flush(struct conn *);
void conn_pause(struct conn *, bool paused); /* stop, or go on, reading */
bool conn_paused(const struct conn *);
/*
 * Ends it: unread input is dropped. With drain, queued output is first written
 * (bounded by the handshake time), and input is ignored. `down` is called from
 * a later turn; until then every call on it is legal and harmless.
 */
void conn_close(struct conn *, bool drain);
/* Octets received since accept, for idle and heartbeat clocks. */
int64_t conn_last_input_ns(const struct conn *);
int64_t conn_last_output_ns(const struct conn *);

/* ---- Listeners ---- */
/*
 * A listening TCP socket on "HOST:PORT" (port 0: any), non-blocking; *bound
 * gets "HOST:PORT" as it is. -1 with errno.
 */
int conn_listen(const char *address, char *bound, size_t bound_size);
/* A listening Unix socket, mode 0600; a stale file is replaced, a live one is
 * EADDRINUSE. Paths over the platform's limit are ENAMETOOLONG. */
int conn_listen_unix(const char *path);

#endif
