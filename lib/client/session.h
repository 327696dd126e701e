/*
 * A client's session with a gateway (PROTOCOL.md sections 1 to 3): dials one of
 * several addresses in order, HELLO, LOGIN, then pipelined requests within the
 * server's window, each answered through a callback with typed replies. Never
 * blocks, but for resolving names and where client/login.h asks a person.
 * Callbacks come from loop_turn only. For programs that would rather wait,
 * client/client.h.
 *
 * Times are bounded: connect_ns for each address's connect and handshake,
 * reply_ns for each request from when it was sent to its final answer (HELLO
 * and LOGIN too). A session always ends in exactly one enum session_end.
 */
#ifndef STRIFE_CLIENT_SESSION_H
#define STRIFE_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/tls.h"
#include "client/login.h"
#include "wire/msg.h"

#define SESSION_WINDOW_MAX 1024
#define SESSION_WHY_MAX 512

struct session;

enum session_state {
	SESSION_IDLE,       /* not yet connected, or ended */
	SESSION_CONNECTING, /* dialling, HELLO, LOGIN */
	SESSION_READY,      /* requests may be sent */
	SESSION_CLOSING,    /* it will end in a later turn */
};

enum session_end {
	SESSION_END_NONE,        /* it has not ended */
	SESSION_END_CLOSED,      /* session_close */
	SESSION_END_UNREACHABLE, /* no address led to a session */
	SESSION_END_UNTRUSTED,   /* the peer did not prove to be a gateway */
	SESSION_END_REFUSED,     /* our certificate may not come in */
	SESSION_END_LOGIN,       /* login refused, or nothing to log in with */
	SESSION_END_BUSY,        /* LOGIN answered with a passing error */
	SESSION_END_LOST,        /* broke, or fell silent, once it was ready */
	SESSION_END_LOGGED_OUT,  /* expired or revoked: log in again */
	SESSION_END_BROKEN,      /* the peer broke the protocol */
};

/*
 * Called with each ROW and with the final OK or ERR, valid during the call; or
 * once with NULL when the session ended before the final answer.
 */
typedef void session_reply(void *ctx, uint64_t cookie, const struct msg *reply);

/* All may be NULL. */
struct session_ops {
	void (*ready)(void *ctx, struct session *);
	void (*ended)(void *ctx, struct session *, enum session_end);
};

/* Everything pointed to is borrowed until session_free. */
struct session_settings {
	char *const *addresses;
	uint32_t address_count;
	const struct tls *tls;
	const char *agent;
	struct login *login; /* how we prove who we are; of this session only */
	uint32_t window;     /* 1..SESSION_WINDOW_MAX: our own bound */
	int64_t connect_ns, reply_ns;
};

/* 0, or -1 with errno. */
int session_new(struct session **, struct loop *,
    const struct session_settings *, const struct session_ops *, void *ctx);
/* Only when SESSION_IDLE, and not from inside a callback of its own. */
void session_free(struct session *);

/*
 * Starts connecting; legal when SESSION_IDLE, also after an end. 0, or -1 when
 * no address could even be dialled: session_why tells, `ended` is not called.
 */
int session_connect(struct session *);
/* Ends it; harmless when idle. */
void session_close(struct session *);

enum session_state session_state(const struct session *);
/* How it ended last, with text for people. */
enum session_end session_ended(const struct session *);
const char *session_why(const struct session *);
/* The gateway's NODE and address, once ready. */
const char *session_node(const struct session *);
const char *session_address(const struct session *);
/*
 * From now on only the address of the current connection is dialled: a client
 * keeps to the first gateway that it sent an id to.
 */
void session_pin(struct session *);
/* As session_pin, to one of the addresses; false where it is none of them. */
bool session_pin_to(struct session *, const char *address);
/* From the next connection on, every address again. */
void session_unpin(struct session *);

/* How many more requests may be sent now. */
uint32_t session_room(const struct session *);
uint32_t session_unanswered(const struct session *);
/*
 * Queues a request under a tag of its own making. 0, or -1 with errno: EAGAIN
 * (no room), ENOTCONN, EINVAL (msg_encode refused it).
 */
int session_send(struct session *, struct msg *request, session_reply *reply,
    void *ctx, uint64_t cookie);
/* Writes what is queued with one write: call once after a series of sends. */
void session_flush(struct session *);

#endif
