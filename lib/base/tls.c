#include "base/tls.h"

#include <bsd/string.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/tls_private.h"

/*
 * Called for every certificate of a chain that has passed all other checks:
 * the leaf must say who it is, and a server that it is a gateway. Here and not
 * after the handshake, so that the peer gets an alert.
 */
int
tls_verify(int passed, X509_STORE_CTX *store_ctx)
{
	struct tls_identity identity;
	SSL *ssl;

	if (passed != 1 || X509_STORE_CTX_get_error_depth(store_ctx) != 0)
		return passed;
	ssl = X509_STORE_CTX_get_ex_data(
	    store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	if (ssl != NULL &&
	    tls_identify(
		X509_STORE_CTX_get_current_cert(store_ctx), &identity) &&
	    (SSL_is_server(ssl) || identity.role == TLS_ROLE_GATEWAY))
		return 1;
	X509_STORE_CTX_set_error(
	    store_ctx, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

int
tls_new(struct tls **tlsp, const struct tls_files *files, bool server,
    char *error, size_t error_size)
{
	struct tls_loading l = {
	    .files = files,
	    .server = server,
	    .error = error,
	    .error_size = error_size,
	};
	int result;

	*tlsp = NULL;
	ERR_clear_error();
	l.tls = calloc(1, sizeof(*l.tls));
	if (l.tls == NULL)
		return tls_fail(&l, "TLS", "%s", strerror(errno));
	l.tls->end.at_s = INT64_MAX;
	l.tls->ctx =
	    SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	result = tls_load(&l);
	ERR_clear_error();
	if (result != 0)
		tls_free(l.tls);
	else
		*tlsp = l.tls;
	return result;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls);
}

struct tls *
tls_share(const struct tls *tls)
{
	struct tls *more = malloc(sizeof(*more));

	if (more == NULL)
		return NULL;
	*more = *tls;
	SSL_CTX_up_ref(more->ctx);
	return more;
}

int64_t
tls_ends_s(const struct tls *tls)
{
	return tls->end.at_s;
}

bool
tls_is_stale(const struct tls *tls, char *error, size_t error_size)
{
	if (time(NULL) < tls->end.at_s)
		return false;
	(void)strlcpy(error, tls->end.text, error_size);
	return true;
}

/* 0, or why the chain that a peer has presented is no longer good. */
static int
verify_again(X509_STORE_CTX *ctx, const struct tls *tls, SSL *ssl, X509 *leaf)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls->ctx);
	X509_VERIFY_PARAM *param;

	if (X509_STORE_CTX_init(
		ctx, store, leaf, SSL_get_peer_cert_chain(ssl)) != 1)
		return X509_V_ERR_OUT_OF_MEM;
	param = X509_STORE_CTX_get0_param(ctx);
	if (X509_VERIFY_PARAM_inherit(param, SSL_CTX_get0_param(tls->ctx)) !=
		1 ||
	    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME) != 1)
		return X509_V_ERR_OUT_OF_MEM;
	return X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
}

const char *
tls_rejects(const struct tls *tls, void *ssl)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_OUT_OF_MEM;

	if (leaf != NULL && ctx != NULL)
		error = verify_again(ctx, tls, ssl, leaf);
	X509_STORE_CTX_free(ctx);
	X509_free(leaf);
	ERR_clear_error();
	return error == 0 ? NULL : X509_verify_cert_error_string(error);
}

const struct tls_identity *
tls_self(const struct tls *tls)
{
	return &tls->self;
}

void *
tls_context(const struct tls *tls)
{
	return tls->ctx;
}
