/*
 * LOGIN: who it is, by the gateway's own users file or by a bank, and who may
 * not try again yet. A check outlives its connection, so that closing it in
 * time spares nobody the count of his failures.
 */
#ifndef STRIFE_GATEWAYD_LOGIN_H
#define STRIFE_GATEWAYD_LOGIN_H

#include "gatewayd.h"
#include "sessions.h"

/* Passwords and certificates being checked at once; more: OVERLOADED. */
#define LOGINS_MAX 512

/* NULL: out of memory. */
struct logins *logins_new(struct gatewayd *, const struct hash_key *);
void logins_free(struct logins *);
uint32_t logins_waiting(const struct logins *);

/* Answers LOGIN, later; until then the session's talk has a barrier. */
void login_start(struct logins *, struct session *, const struct msg *);
/* The checker's answer. */
void logins_checked(struct logins *, uint64_t cookie, enum checker_outcome,
    const struct rights *);

#endif
