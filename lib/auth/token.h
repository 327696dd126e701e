/*
 * Tokens (PROTOCOL.md section 7): a JWT (RFC 7519) in JWS compact form
 * (RFC 7515), bound to a client certificate (RFC 8705). Only what this gateway
 * would write itself is read, member by member; no memory is allocated and
 * nothing recurses, whatever the text.
 */
#ifndef STRIFE_AUTH_TOKEN_H
#define STRIFE_AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/keyring.h"
#include "auth/rights.h"
#include "wire/jti.h"

#define TOKEN_THUMBPRINT_OCTETS 32 /* SHA-256 of the DER certificate */

struct claims {
	struct rights rights; /* sub, roles, accounts, acts_for */
	/* iat, nbf, exp: NumericDate, whole seconds since 1970. */
	int64_t issued_s, not_before_s, expires_s;
	struct jti jti;
	uint8_t thumbprint[TOKEN_THUMBPRINT_OCTETS]; /* cnf x5t#S256 */
};

/*
 * Writes the token and a NUL, signed by the ring's first key; returns its
 * length. CHECKs that it fits: lib/auth/users.c limits what a user may have.
 */
size_t token_sign(const struct keyring *, const struct claims *,
    char into[TOKEN_MAX_LEN + 1]);

/*
 * CODE_NONE with *claims filled, CODE_TOKEN_INVALID or CODE_TOKEN_EXPIRED, the
 * latter only of a token that was good on this connection. thumbprint is that
 * of the connection's certificate. There is no leeway on times, and no token
 * lives longer than TOKEN_LIFETIME_MAX_S, whoever signed it.
 */
enum code token_verify(const struct keyring *, struct str token,
    const uint8_t thumbprint[TOKEN_THUMBPRINT_OCTETS], int64_t now_us,
    struct claims *);

/* ---- token_claims.c: the two JSON objects (RFC 8259) ---- */

/* The longest payload of a token of TOKEN_MAX_LEN. */
#define TOKEN_PAYLOAD_MAX (TOKEN_MAX_LEN / 4 * 3)
#define TOKEN_HEADER_MAX 128

struct token_header {
	struct str algorithm, type, key_id; /* borrowed from the text */
};

/* Returns the length, or 0 where it does not fit. */
size_t token_header_write(char *into, size_t size, const struct token_key *);
size_t token_claims_write(char *into, size_t size, const struct claims *);
/*
 * False where a member is missing, unknown, repeated or of a wrong type, or
 * where a value is not one that a token of ours can have. No escapes are read:
 * no such value needs one, and so each has one text only.
 */
bool token_header_read(struct token_header *, struct str text);
bool token_claims_read(struct claims *, struct str text);

#endif
