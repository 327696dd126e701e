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
#include "turn/listener.h"

struct session {
	struct sessions *sessions;
	struct talk talk;
	struct timer idle;
	struct handshake handshake;
	TAILQ_ENTRY(session)
	entry; /* free */
	char certificate[TLS_NAME_MAX + 1];
	bool greeted;          /* HELLO was answered with OK */
	struct rights *rights; /* NULL: nobody is logged in */
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
struct gatewayd *session_gatewayd(const struct session *);
/* Logs in, with a copy, or out with NULL. False: out of memory, logged out. */
bool session_enter(struct session *, const struct rights *);

void sessions_quiet(struct sessions *); /* accept and read no more */
void sessions_stop(struct sessions *);  /* close all */

/* accounts.c: answers ACCOUNTS. */
void accounts_start(struct session *, const struct msg *);
void accounts_forget(struct session *); /* the connection is gone */

#endif
