/*
 * The connections of one TLS listener: a fixed number of places, each with a
 * talk, given out to whoever connects. Where all are taken, a new connection
 * closes the oldest unfinished one, or else is turned away. What is said on a
 * connection is its owner's affair (bin/gatewayd/sessions.c, banks.c).
 *
 * Unfinished are the handshakes under way, and those who are up but only to be
 * told why they are not welcome: neither can keep anybody else out.
 */
#ifndef STRIFE_TURN_ACCEPTOR_H
#define STRIFE_TURN_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/conn.h"
#include "turn/holders.h"
#include "turn/listener.h"
#include "turn/server.h"
#include "turn/talk.h"

struct acceptor;

/* A place; lies at the beginning of the owner's structure. */
struct accepted {
	struct acceptor *acceptor;
	struct talk *talk; /* the owner's, in the same structure */
	TAILQ_ENTRY(accepted)
	entry; /* free */
	struct handshake handshake;
	bool up;               /* the handshake is done */
	uint32_t holder;       /* whose it is, or HOLDER_NONE */
	uint32_t certificates; /* the set that the peer was checked by */
};

struct acceptor_ops {
	void (*begun)(struct accepted *); /* the handshake is under way */
	/* conn_peer(talk->conn) is known; talk->forbidden: not for long. */
	void (*up)(struct accepted *);
	/* The end; the connection can still be asked about itself. */
	void (*down)(struct accepted *, enum conn_end why);
};

struct acceptor_conf {
	const char *name;   /* of the listener, for logs: "clients" */
	const char *limit;  /* the key that says how many, for logs */
	const char *holder; /* the key of a peer's name in logs: "bank" */
	enum tls_role role; /* who is welcome, and what others are told */
	const char *forbidden;
	const struct acceptor_ops *ops;
	const struct talk_ops *talk_ops;
	uint32_t first;         /* the peer slot of the first one */
	uint32_t connected_max; /* who is ending has a few beside these */
	uint32_t holder_max;    /* with certificates of one name */
	uint32_t handshakes_max;
	uint32_t window;
	struct conn_limits limits;
	int socket_out; /* SO_SNDBUF: octets; 0: what the system likes */
	size_t size;    /* of the owner's structure */
};

struct acceptor {
	struct acceptor_conf conf;
	struct server *server;
	char *at; /* count structures of conf.size octets, zeroed at first */
	uint32_t count, connected;
	TAILQ_HEAD(, accepted) free;
	struct listener listener;
	struct holders holders;
	int64_t warned_ns;
	struct timer recheck;
	uint32_t rechecked; /* of count, since the certificates changed */
};

/*
 * Makes the places; the talk of each lies talk_offset behind its beginning. 0,
 * or -1: out of memory. server is borrowed; its turn and loop are used.
 */
int acceptor_init(struct acceptor *, const struct acceptor_conf *,
    size_t talk_offset, struct server *server);
/* Nobody may be connected; legal if zeroed. */
void acceptor_free(struct acceptor *);
/* The i-th place, of 0 to count - 1. */
struct accepted *acceptor_at(const struct acceptor *, uint32_t i);
/* The one that this peer is, or NULL where it is gone. */
struct accepted *acceptor_of(const struct acceptor *, struct peer);

/* Listens on "HOST:PORT"; bound gets it as it is. -1 with errno. */
int acceptor_listen(
    struct acceptor *, const char *address, char *bound, size_t bound_size);
void
acceptor_deliver(struct acceptor *, struct peer, const char *line, size_t len);
/* Ends it after this turn, with a line in the log; ended ones are left. */
void accepted_give_up(struct accepted *, const char *why);
/* Is it connected, and not at its end? */
bool accepted_is_open(const struct accepted *);
/*
 * The server's certificates are others: over the next turns, whoever they
 * would not accept is given up.
 */
void acceptor_recheck(struct acceptor *);

void acceptor_quiet(struct acceptor *); /* accepts no more */
void acceptor_stop(struct acceptor *);  /* and closes all */
void acceptor_drop(struct acceptor *);  /* talk_drop for each */

#endif
