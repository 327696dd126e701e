/*
 * What a start looks at before it changes anything, and all that -t does:
 * certificates, users, addresses, directories. What is wrong is fatal, exit 78.
 */
#ifndef STRIFE_GATEWAYD_START_H
#define STRIFE_GATEWAYD_START_H

#include "gatewayd.h"

/* Where strife-authd is (malloced); the server's tls and the tokens' keys are
 * ready to be used. */
char *start_check(struct gatewayd *);

#endif
