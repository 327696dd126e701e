/*
 * How a client proves to a gateway who it is (PROTOCOL.md section 3): the ways
 * in their order, each tried when the one before it is not there or is refused:
 *
 *   password_file   LOGIN with the password in it; refused, it is the end
 *   the token       AUTH with what strife-pay login keeps (token_file.h)
 *   the certificate LOGIN without a password
 *   a person        LOGIN with what `ask` gives
 *
 * A token says which user it is of; the ways after it are that user's. The
 * token file is read again for each connection, so that a program that runs on
 * finds what a person renews meanwhile, as long as it is the same user's.
 * Secrets are wiped when they are of no more use. Blocks on files and in `ask`.
 */
#ifndef STRIFE_CLIENT_LOGIN_H
#define STRIFE_CLIENT_LOGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/tls.h"
#include "client/config.h"
#include "client/token_file.h"
#include "wire/msg.h"

#define LOGIN_WHY_MAX 384

struct login;

/*
 * Asks a person for a password, blocking: 0, or -1 where nobody can be asked.
 * user is NAME or NAME@BANK. It is asked once; a reconnect uses it again.
 */
typedef int login_ask(void *ctx, const char *user, char *into, size_t size);
/* One that asks on /dev/tty, without echo. */
int login_ask_terminal(void *ctx, const char *user, char *into, size_t size);

struct login_options {
	const struct client_config *config; /* borrowed */
	const struct tls_identity *self; /* borrowed: a token is bound to it */
	login_ask *ask;                  /* or NULL: nobody is there */
	void *ask_ctx;
	/* How a person logs in here; NULL: with strife-pay login. */
	const char *advice;
	/* Neither password file nor token counts: login_use_* is called. */
	bool forced;
};

/*
 * Reads the password file and the token: 0, or -1 with *error filled, a problem
 * of configuration (one that others can read, too).
 */
int login_new(
    struct login **, const struct login_options *, struct yaml_error *error);
void login_free(struct login *);
/*
 * From now on: LOGIN as this user, at the bank unless that is NULL, with this
 * password; NULL: with what `ask` gives, or the certificate's where `ask` is
 * NULL. Neither files nor tokens count any more.
 */
void login_use_password(
    struct login *, const char *user, const char *bank, const char *password);
/* Wipes what there is: nothing is left to log in with but login_use_*. */
void login_forget(struct login *);
/* From now on: AUTH with this token, and nothing else. */
void login_use_token(struct login *, const struct token_file *);

/* Who it will be: NAME or NAME@BANK, as far as is known before the answer. */
const char *login_user(const struct login *);

/* ---- For a session: one login, whenever it has said HELLO ---- */

void login_begin(struct login *);
/* The next request; false where nothing is left to try: login_why says why. */
bool login_request(struct login *, struct msg *request);
/* What its answer, OK or ERR, means. */
enum login_result {
	LOGIN_DONE,
	LOGIN_NEXT,    /* call login_request again */
	LOGIN_REFUSED, /* login_why says why, and what helps */
	LOGIN_BUSY,    /* a passing error: the same later; login_why */
};
enum login_result login_answered(struct login *, const struct msg *reply);
const char *login_why(const struct login *);

/* What the last LOGIN_DONE gave. */
struct login_grant {
	char user[ACCOUNT_MAX_LEN + 1];
	char roles[256];
	int64_t expires_us;            /* 0: not said */
	char token[TOKEN_MAX_LEN + 1]; /* "": none; wiped by login_free */
};
const struct login_grant *login_grant(const struct login *);

#endif
