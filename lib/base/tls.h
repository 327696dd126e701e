/*
 * TLS 1.3 only (RFC 8446), mutual, by libssl: contexts and peers' identities.
 * The one place beside digest.c and lib/auth that knows OpenSSL.
 */
#ifndef STRIFE_BASE_TLS_H
#define STRIFE_BASE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_NAME_MAX 64

enum tls_role {
	TLS_ROLE_NONE,
	TLS_ROLE_CLIENT,
	TLS_ROLE_BANK,
	TLS_ROLE_GATEWAY
};

/* From the certificate's one URI SAN: strife://client/NAME and so on. */
struct tls_identity {
	enum tls_role role;
	char name[TLS_NAME_MAX + 1];
	uint8_t thumbprint[32]; /* SHA-256 of the DER certificate (RFC 8705) */
};

struct tls_files {
	const char *ca, *cert, *key; /* PEM paths */
	const char *crl;             /* or NULL */
};

/* How TLS came to fail, apart from the network below it. */
enum tls_failure {
	TLS_FAILURE_NONE,
	TLS_FAILURE_REFUSED,     /* by the peer, with an alert */
	TLS_FAILURE_CERTIFICATE, /* the peer's does not verify */
	TLS_FAILURE_PROTOCOL,    /* what the peer speaks is no TLS of ours */
};

struct tls; /* one context: a certificate, its key, the CA */

/*
 * server: accept, else connect. 0, or -1 with error filled: "FILE: what is
 * wrong" (missing, unreadable, key readable by others, key of another
 * certificate, not PEM, expired, own certificate without a strife:// SAN).
 */
int tls_new(struct tls **, const struct tls_files *, bool server, char *error,
    size_t error_size);
void tls_free(struct tls *);
/*
 * Another hold on the same context, for whoever may outlive the first; to be
 * freed by tls_free, in any order. NULL: out of memory.
 */
struct tls *tls_share(const struct tls *);
/* Our own certificate's identity. */
const struct tls_identity *tls_self(const struct tls *);
/*
 * Has anything that was loaded come to its end since (CA, CRL, certificate)?
 * Then handshakes fail, and error is filled as by tls_new.
 */
int64_t tls_ends_s(const struct tls *); /* since 1970; INT64_MAX: never */
bool tls_is_stale(const struct tls *, char *error, size_t error_size);
/*
 * Would this context accept a peer that is connected by another one: is its CA
 * still there, and is it not revoked? For ssl, a struct ssl_st *: NULL, or why
 * not. A certificate that has only expired since is good until it comes again.
 */
const char *tls_rejects(const struct tls *, void *ssl);
/* The libssl context, for conn.c: struct ssl_ctx_st *. */
void *tls_context(const struct tls *);
/*
 * Reads an X509 * (as void *) into *identity: false where there is no URI SAN,
 * more than one, or not one of the three forms.
 */
bool tls_identify(void *x509, struct tls_identity *identity);
/*
 * libssl's callback where it reads a private key. No daemon can be asked for a
 * passphrase: the key is not read, and the bool that wanted points to is set.
 */
int tls_no_passphrase(char *into, int size, int writing, void *wanted);

#endif
