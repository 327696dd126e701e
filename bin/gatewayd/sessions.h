/*
 * The client listener: connections, who is logged in on each, and the verbs
 * that the gateway answers itself. What a verb needs is decided in one place,
 * from the table of verbs; payments and questions go to the coordinator.
 */
#ifndef STRIFE_GATEWAYD_SESSIONS_H
#define STRIFE_GATEWAYD_SESSIONS_H

#include "asks.h"
#include "auth/rights.h"
#include "gatewayd.h"
#include "turn/acceptor.h"

/* Which session somebody was given, and until when (tokens.c). */
struct grant {
	struct jti jti;
	int64_t issued_us,
	    expires_us;  /* the token's; expires 0: there is none */
	int64_t ends_ns; /* monotonic */
	bool revoked;    /* the next request is told */
};

struct session {
	struct accepted accepted; /* first: see turn/acceptor.h */
	struct talk talk;
	struct sessions *sessions;
	struct timer idle;
	struct timer slow; /* until it is due no line is looked at */
	char certificate[TLS_NAME_MAX + 1];
	struct rights *rights; /* NULL: nobody is logged in */
	struct grant grant;
	/* ACCOUNTS under way; only one, for the talk has a barrier then. */
	struct {
		char tag[TAG_MAX_LEN + 1];
		struct linked *linked; /* while it is under way */
		uint32_t count, waiting;
	} accounts;
};

/* NULL: out of memory. Slots count from first_slot. */
struct sessions *sessions_new(struct gatewayd *, uint32_t first_slot);
void sessions_free(struct sessions *);
uint32_t sessions_slots(const struct sessions *);
uint32_t sessions_connected(const struct sessions *);
uint32_t sessions_unanswered(const struct sessions *);
/* Listens; bound gets "HOST:PORT". -1 with errno. */
int sessions_listen(struct sessions *, char *bound, size_t bound_size);

void
sessions_deliver(struct sessions *, struct peer, const char *line, size_t len);
void sessions_close(struct sessions *, struct peer, const char *why);
/* The session that this peer is, or NULL where it is gone. */
struct session *session_of(struct sessions *, struct peer);
/* For the log: which attempt at a payment this peer's PAY is. */
void sessions_attempts(
    struct sessions *, struct peer, const struct id *, uint64_t attempts);
struct gatewayd *session_gatewayd(const struct session *);
/* Logs in, with a copy, or out with NULL. False: out of memory, logged out. */
bool
session_enter(struct session *, const struct rights *, const struct grant *);
/* Its next line waits for a moment: whoever floods takes no one's time. */
void session_slow(struct session *);
/* After REVOKE: whose sessions it concerns are told at their next request. */
void sessions_revoked(struct sessions *);

/* The certificates are others: closes whom they would not accept. */
void sessions_recheck(struct sessions *);
void sessions_quiet(struct sessions *); /* accept and read no more */
void sessions_stop(struct sessions *);  /* close all */
void sessions_drop(struct sessions *);  /* the same, at once */

/* accounts.c: answers ACCOUNTS. */
void accounts_start(struct session *, const struct msg *);
void accounts_forget(struct session *); /* the connection is gone */

#endif
