/*
 * A session for a program that waits: connects, asks and comes back with the
 * answer. Blocks, within bounds: each try takes at most what client/session.h
 * says, and a client tries again `retries` times, `retry_delay` apart (a little
 * less, at random), before it gives up. What it waits for is told in words
 * through `notice`.
 */
#ifndef STRIFE_CLIENT_CLIENT_H
#define STRIFE_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "base/loop.h"
#include "client/config.h"
#include "client/session.h"

struct client;

struct client_options {
	const struct client_config *config; /* borrowed */
	const char *agent;
	uint32_t window;
	/* May a person be asked for the password on the terminal? */
	bool interactive;
	/* What to log in with is told by login_use_*, before the first call. */
	bool login_forced;
	const char *login_advice; /* or NULL: see client/login.h */
	char *only_gateway; /* or NULL: those of the configuration; borrowed */
	/* One sentence for people; may be NULL. detail: only with -v. */
	void (*notice)(void *ctx, bool detail, const char *text);
	void *ctx;
};

/*
 * Reads the certificates and what to log in with; connects nowhere. 0, or -1
 * with error filled: a problem of configuration.
 */
int client_new(
    struct client **, const struct client_options *, struct yaml_error *error);
void client_free(struct client *); /* ends the session first */

struct loop *client_loop(struct client *);
struct session *client_session(struct client *);
struct login *client_login(struct client *);
const struct tls_identity *client_self(const struct client *);

/*
 * Connects and logs in unless it is so already. SESSION_END_NONE when ready,
 * else why not; session_why has the text.
 */
enum session_end client_connect(struct client *);
/* The tries that are left are all there again: call when there was progress. */
void client_progress(struct client *);
/* Ends the session; the next call connects and logs in anew. */
void client_hang_up(struct client *);
/* After SESSION_END_LOST or LOGGED_OUT: waits, then client_connect. */
enum session_end client_reconnect(struct client *);

/*
 * Sends one request and waits for its final answer, given to `reply` as
 * session_reply says. When the session breaks meanwhile, reply gets NULL (what
 * it was given does not count) and the same request is sent again. `pin`: keep
 * to the gateway that it was first sent to. SESSION_END_NONE when answered.
 */
struct client_call {
	struct msg *request;
	session_reply *reply;
	void *ctx;
	bool pin;
	bool sent; /* out: some gateway may have seen it */
};
enum session_end client_call(struct client *, struct client_call *);

/* Lets time pass, keeping the session alive. */
void client_sleep(struct client *, int64_t ns);
/*
 * From a callback of the loop: what the client waits for just now ends soon,
 * with SESSION_END_CLOSED where nothing else ends it before, and is not tried
 * again. A later call connects anew.
 */
void client_interrupt(struct client *);

/* The exit code of a program that can go no further because of this. */
enum exitcode client_exit(enum session_end);

#endif
