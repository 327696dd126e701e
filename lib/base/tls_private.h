/*
 * What tls.c shares with tls_load.c, which reads the files of a context.
 */
#ifndef STRIFE_BASE_TLS_PRIVATE_H
#define STRIFE_BASE_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tls.h"

#define TLS_ERROR_MAX 1024

/* What ends first of all that was loaded; tls_new has looked at it. */
struct tls_end {
	int64_t at_s; /* since 1970; INT64_MAX: nothing ends */
	char text[TLS_ERROR_MAX];
};

struct tls {
	SSL_CTX *ctx;
	struct tls_identity self;
	struct tls_end end;
};

/* What tls_new is filling, and where it says what is wrong. */
struct tls_loading {
	struct tls *tls;
	const struct tls_files *files;
	bool server;
	char *error;
	size_t error_size;
};

/* Says "PATH: what is wrong"; returns -1. */
int tls_fail(const struct tls_loading *, const char *path, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
/* Our own failure in libssl or for want of memory, about no file; -1. */
int tls_fail_libssl(const struct tls_loading *);
/* Fills the context, tls->self and tls->end: 0, or -1. */
int tls_load(const struct tls_loading *);

/* libssl's callback for each certificate of a peer's chain. */
int tls_verify(int passed, X509_STORE_CTX *);

#endif
