/*
 * Passwords as crypt(3) strings, by libcrypt: checked and made in strife-authd
 * and nowhere else. A check blocks for as long as the string's method and cost
 * say, on purpose.
 */
#ifndef STRIFE_AUTH_PASSWORD_H
#define STRIFE_AUTH_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* yescrypt's cost as crypt(5) counts it. */
#define PASSWORD_COST_MIN 1
#define PASSWORD_COST_MAX 11
#define PASSWORD_COST_STANDARD 5

#define PASSWORD_HASH_MAX 384 /* CRYPT_OUTPUT_SIZE, with the NUL */

/*
 * NULL where hash is a complete crypt(3) string of a strong method (yescrypt,
 * gost-yescrypt, scrypt, bcrypt, sha512crypt, sha256crypt), else what is wrong,
 * without quoting it.
 */
const char *password_hash_problem(struct str hash);

/*
 * Is this the password of hash? What takes time does not depend on the answer,
 * and the comparison is constant-time.
 */
bool password_verify(struct str password, const char *hash);

/*
 * A hash to verify against where there is none, so that the answer takes as
 * long: yescrypt of the standard cost, of no password.
 */
const char *password_dummy(void);

/* A new yescrypt string with a random salt. 0, or -1 with errno. */
int
password_hash(struct str password, unsigned cost, char into[PASSWORD_HASH_MAX]);

#endif
