/*
 * Sessions and their tokens: LOGIN's good end, AUTH and LOGOUT. Tokens are
 * signed and verified in this process (auth/token.h); the coordinator numbers
 * them and remembers which were revoked. Without a key a session has a number
 * but no token, and ends with its connection.
 */
#ifndef STRIFE_GATEWAYD_TOKENS_H
#define STRIFE_GATEWAYD_TOKENS_H

#include "gatewayd.h"
#include "sessions.h"

/*
 * Reads the keys that the configuration names. 0, or -1 with error filled:
 * "FILE: what is wrong".
 */
int tokens_new(
    struct tokens **, const struct config *, char *error, size_t error_size);
void tokens_free(struct tokens *);
/* SIGHUP: reads them anew; on an error, which is logged, the old ones stay. */
void tokens_reload(struct tokens *, const struct config *);

/* Begins a session, answers LOGIN: with a token, where there is a key. */
void
tokens_grant(struct session *, const char *tag, const struct rights *rights);
/* Answers AUTH. */
void tokens_auth(struct session *, const struct msg *);
/* Answers LOGOUT; later, where a token is revoked by it. */
void tokens_logout(struct session *, const struct msg *);

#endif
