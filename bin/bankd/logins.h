/*
 * The passwords that a gateway asks about, being checked by strife-authd; as
 * many at once as limits.logins allows. The connection that asked may end
 * meanwhile: then nobody is answered.
 */
#ifndef STRIFE_BANKD_LOGINS_H
#define STRIFE_BANKD_LOGINS_H

#include "bankd.h"
#include "turn/talk.h"

/* NULL: out of memory. */
struct logins *logins_new(struct bankd *);
void logins_free(struct logins *);              /* after the checker */
uint32_t logins_waiting(const struct logins *); /* being checked */

/*
 * Answers AUTHENTICATE, later, where nothing is wrong with it. The talk must
 * stay as long as the checker does; node is the gateway, for the log.
 */
void logins_start(
    struct logins *, struct talk *, const char *node, const struct msg *);
/* The checker's answer. */
void logins_checked(struct logins *, uint64_t cookie, enum checker_outcome,
    const struct rights *);

#endif
