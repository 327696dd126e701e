/*
 * A daemon's line to its strife-authd, the only process that sees password
 * hashes: started as a child over a socketpair, asked asynchronously, started
 * again when it dies (at once, or after 1 to 30 s where it died young; until
 * then every question is CHECKER_BROKEN). Answers come from loop_turn, in any
 * order; checker_free is not to be called from one.
 */
#ifndef STRIFE_AUTH_CHECKER_H
#define STRIFE_AUTH_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/rights.h"
#include "base/clock.h"
#include "base/loop.h"

struct checker;

enum checker_outcome {
	CHECKER_GRANTED,    /* rights is set; accounts as the file has them */
	CHECKER_REFUSED,    /* unknown user, wrong password or certificate */
	CHECKER_OVERLOADED, /* too many checks wait */
	CHECKER_BROKEN,     /* authd died or did not answer: INTERNAL */
};

typedef void checker_done(
    void *ctx, uint64_t cookie, enum checker_outcome, const struct rights *);

/*
 * Starts program (a path) with the users file. local: `accounts` are NAMEs
 * within a bank (customers.yaml). 0, or -1 with errno; the file itself is
 * checked by `strife-authd -t`, see checker_test.
 */
int checker_new(struct checker **, struct loop *, const char *program,
    const char *users, bool local, uint32_t waiting_max, checker_done *done,
    void *ctx);
void checker_free(struct checker *); /* ends the child and waits for it */
/* Runs `program -t`: 0, or -1 with its message in error. Blocks. */
int checker_test(const char *program, const char *users, bool local,
    char *error, size_t error_size);
/*
 * At the start of a daemon: where strife-authd is, malloced, once the users
 * file has passed checker_test; else exits (EXIT_CONFIG), having said why.
 */
char *checker_find(const char *users, bool local);
/* The done callback follows later for every call, refusals included. */
void checker_password(
    struct checker *, uint64_t cookie, struct str user, struct str password);
void checker_certificate(
    struct checker *, uint64_t cookie, struct str user, struct str certificate);
/* A child that answers nothing for this long is ended and started again. */
#define CHECKER_PATIENCE_NS (30 * NS_PER_S)
void checker_set_patience(struct checker *, int64_t patience_ns);
void checker_reload(struct checker *); /* tells authd to read its file again */

#endif
