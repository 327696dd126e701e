/*
 * What a start looks at before it changes anything, and all that -t does:
 * certificates, users, addresses, directories. What is wrong is fatal, exit 78.
 */
#ifndef STRIFE_GATEWAYD_START_H
#define STRIFE_GATEWAYD_START_H

#include "base/tls.h"
#include "config.h"

#define START_ERROR_MAX 1024

/* Where strife-authd is (malloced); *tls is ready to be used. */
char *start_check(const struct config *, struct tls **tls);

#endif
