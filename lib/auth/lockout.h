/*
 * Who may try to log in, after failures (PROTOCOL.md section 3): counted for a
 * user on a certificate, and for a certificate alone. Pure; the caller brings
 * the monotonic clock. A fixed number of entries: where a new one finds no
 * room, the one that has been quiet for longest is forgotten.
 */
#ifndef STRIFE_AUTH_LOCKOUT_H
#define STRIFE_AUTH_LOCKOUT_H

#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

/* Waits double from 1 s up to this, and quiet for as long resets. */
#define LOCKOUT_WAIT_MAX_S 900
/* Failures of one certificate that lock it, in bursts of a pair. */
#define LOCKOUT_CERTIFICATE_BURSTS 10

struct lockout;

/* burst: failures of a pair that lock it. NULL: ENOMEM. */
struct lockout *
lockout_new(uint32_t burst, uint32_t entries_max, const struct hash_key *);
void lockout_free(struct lockout *);

/* Seconds that the pair, or the certificate, must wait; 0: it may try. */
uint32_t lockout_wait_s(
    struct lockout *, struct str user, struct str certificate, int64_t now_ns);
void lockout_failed(
    struct lockout *, struct str user, struct str certificate, int64_t now_ns);
/* A good login: the pair is forgotten, the certificate's count stays. */
void lockout_good(struct lockout *, struct str user, struct str certificate);

#endif
