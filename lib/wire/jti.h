/*
 * The number of a session and of the token that it may have been given (jti,
 * RFC 7519 section 4.1.7): EPOCH.COUNTER, the gateway's start and a count of
 * its own, so that numbers only grow. Pure.
 */
#ifndef STRIFE_WIRE_JTI_H
#define STRIFE_WIRE_JTI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct jti {
	uint64_t epoch, counter;
};

#define JTI_TEXT_MAX 41
/* No token lives longer, give or take the second that exp is rounded up to. */
#define TOKEN_LIFETIME_MAX_S (24 * 3600)

bool jti_parse(struct jti *, struct str text);
/* Writes text and a NUL. */
void jti_text(struct jti, char into[JTI_TEXT_MAX + 1]);

static inline bool
jti_eq(struct jti a, struct jti b)
{
	return a.epoch == b.epoch && a.counter == b.counter;
}

/* Is a newer than b? */
static inline bool
jti_newer(struct jti a, struct jti b)
{
	return a.epoch > b.epoch ||
	    (a.epoch == b.epoch && a.counter > b.counter);
}

#endif
