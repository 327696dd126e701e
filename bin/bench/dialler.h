/*
 * Keeps a number of sessions with the gateway connected, all of one user, on
 * one loop: dials a bounded number at once, since a gateway bounds handshakes
 * too, and again after a session has ended for a reason that passes, as often
 * as the configuration's `retries` says, `retry_delay` apart. Once a session
 * was up it keeps to the gateway it was with: that one knows the ids it was
 * sent. That some are tried again is said on standard error, once. Callbacks
 * come from loop_turn only. It never blocks but where client/session.h does.
 */
#ifndef STRIFE_BENCH_DIALLER_H
#define STRIFE_BENCH_DIALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "client/config.h"
#include "client/session.h"

struct dialler;

/* Both may send on other sessions; neither may free anything. */
struct dialler_ops {
	/* It is ready, for the first time or again. */
	void (*up)(void *ctx, uint32_t index);
	/* It will never be ready again. */
	void (*gone)(void *ctx, uint32_t index);
};

struct dialler_options {
	struct loop *loop;                  /* borrowed */
	const struct client_config *config; /* borrowed */
	const char *agent;
	uint32_t connections, window;
	const struct dialler_ops *ops;
	void *ctx;
};

/*
 * Reads the certificates, and for each session what to log in with. Dials
 * nothing. 0, or -1 with error filled: a problem of configuration.
 */
int dialler_new(
    struct dialler **, const struct dialler_options *, struct yaml_error *);
/* Closes every session, turning the loop until each has ended. */
void dialler_free(struct dialler *);

/* Dials those whose turn it is: call before each turn of the loop. */
void dialler_work(struct dialler *);
struct session *dialler_session(struct dialler *, uint32_t index);
uint32_t dialler_up(const struct dialler *);
uint32_t dialler_gone(const struct dialler *);
/* Why the first one of them went for good, when any has; *why in words. */
enum session_end dialler_end(const struct dialler *, const char **why);

#endif
