#include <bsd/string.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/tls_private.h"

#define PEM_FILE_MAX (4u << 20)
#define CHAIN_DEPTH_MAX 4
#define READ_BUFFER_SIZE (32u << 10)

/* What has an end, in texts. */
static const char a_certificate[] = "certificate", a_crl[] = "CRL";

int
tls_fail(const struct tls_loading *l, const char *path, const char *format, ...)
{
	char reason[256];
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(reason, sizeof(reason), format, ap) < 0)
		reason[0] = '\0';
	va_end(ap);
	/* Cut short where it does not fit: still the best we can say. */
	if (snprintf(l->error, l->error_size, "%s: %s", path, reason) < 0 &&
	    l->error_size > 0)
		l->error[0] = '\0';
	return -1;
}

/* Our own failure in libssl or for want of memory, about no file. */
int
tls_fail_libssl(const struct tls_loading *l)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return tls_fail(
	    l, "TLS", "%s", reason != NULL ? reason : "out of memory");
}

/* A memory BIO over the file: *octets must outlive it. NULL with error. */
static BIO *
open_pem(const struct tls_loading *l, const char *path, char **octets)
{
	size_t len;
	BIO *bio;

	*octets = NULL;
	if (file_read(path, PEM_FILE_MAX, octets, &len) != 0) {
		(void)tls_fail(l, path, "%s", strerror(errno));
		return NULL;
	}
	bio = BIO_new_mem_buf(*octets, (int)len);
	if (bio == NULL) {
		(void)tls_fail_libssl(l);
		free(*octets);
		*octets = NULL;
	}
	return bio;
}

/* After the last object of a PEM file: did it end, or is there rubbish? */
static bool
pem_ended(void)
{
	unsigned long code = ERR_peek_last_error();
	bool ended = ERR_GET_LIB(code) == ERR_LIB_PEM &&
	    ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return ended;
}

/* Remembers what ends first, and refuses what has ended already. */
static int
check_end(const struct tls_loading *l, const char *path, const ASN1_TIME *time,
    const char *what)
{
	struct tls_end *end = &l->tls->end;
	struct tm tm;
	char when[32];

	if (ASN1_TIME_to_tm(time, &tm) != 1 ||
	    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return tls_fail(
		    l, path, "%s ends at a time that is none", what);
	if (timegm(&tm) >= end->at_s)
		return 0;
	end->at_s = timegm(&tm);
	(void)tls_fail(l, path, "%s has expired (on %s): %s", what, when,
	    what == a_crl ? "make a new one with strife-ca crl"
			  : "renew it with strife-ca");
	(void)strlcpy(end->text, l->error, sizeof(end->text));
	if (X509_cmp_current_time(time) < 0)
		return -1;
	if (l->error_size > 0)
		l->error[0] = '\0';
	return 0;
}

static int
check_dates(const struct tls_loading *l, const char *path, const X509 *x509)
{
	if (check_end(l, path, X509_get0_notAfter(x509), a_certificate) != 0)
		return -1;
	if (X509_cmp_current_time(X509_get0_notBefore(x509)) > 0)
		return tls_fail(
		    l, path, "certificate is not yet valid: check the clock");
	return 0;
}

/* before: how many certificates of the file came before it. */
typedef int take_certificate(const struct tls_loading *, X509 *, int before);

/* Takes every certificate of a PEM file; without one, `otherwise` is told. */
static int
take_certificates(const struct tls_loading *l, const char *path,
    take_certificate *take, const char *otherwise)
{
	int count = 0, result = 0;
	char *octets;
	BIO *bio = open_pem(l, path, &octets);
	X509 *x509;

	if (bio == NULL)
		return -1;
	while (result == 0 &&
	    (x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		result = take(l, x509, count++);
		X509_free(x509);
	}
	if (result == 0 && (!pem_ended() || count == 0))
		result = tls_fail(l, path, "%s", otherwise);
	BIO_free(bio);
	free(octets);
	return result;
}

static int
take_ca(const struct tls_loading *l, X509 *x509, int before)
{
	SSL_CTX *ctx = l->tls->ctx;

	(void)before;
	if (X509_check_ca(x509) == 0)
		return tls_fail(l, l->files->ca, "is not a CA's certificate");
	if (check_dates(l, l->files->ca, x509) != 0)
		return -1;
	if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x509) != 1 ||
	    (l->server && SSL_CTX_add_client_CA(ctx, x509) != 1))
		return tls_fail_libssl(l);
	return 0;
}

static int
load_ca(const struct tls_loading *l)
{
	return take_certificates(
	    l, l->files->ca, take_ca, "is not a PEM file of certificates");
}

/* Is the CRL signed by the CA that it names, one of ours? */
static bool
crl_is_ours(const struct tls_loading *l, X509_CRL *crl)
{
	X509_STORE *store = SSL_CTX_get_cert_store(l->tls->ctx);
	STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *ca =
		    X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (ca != NULL &&
		    X509_NAME_cmp(X509_get_subject_name(ca),
			X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
			return true;
	}
	return false;
}

static int
add_crl(const struct tls_loading *l, X509_CRL *crl)
{
	const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

	if (!crl_is_ours(l, crl))
		return tls_fail(l, l->files->crl,
		    "is not signed by the CA of %s", l->files->ca);
	/* With a list that has ended every peer would be refused. */
	if (next != NULL && check_end(l, l->files->crl, next, a_crl) != 0)
		return -1;
	if (X509_STORE_add_crl(SSL_CTX_get_cert_store(l->tls->ctx), crl) != 1)
		return tls_fail_libssl(l);
	return 0;
}

static int
load_crl(const struct tls_loading *l)
{
	const char *path = l->files->crl;
	int count = 0, result = 0;
	char *octets;
	BIO *bio;
	X509_CRL *crl;

	if (path == NULL)
		return 0;
	bio = open_pem(l, path, &octets);
	if (bio == NULL)
		return -1;
	while (result == 0 &&
	    (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
		result = add_crl(l, crl);
		X509_CRL_free(crl);
		count++;
	}
	if (result == 0 && (!pem_ended() || count == 0))
		result = tls_fail(l, path, "is not a PEM file of CRLs");
	BIO_free(bio);
	free(octets);
	if (result == 0 &&
	    X509_VERIFY_PARAM_set_flags(
		SSL_CTX_get0_param(l->tls->ctx), X509_V_FLAG_CRL_CHECK) != 1)
		result = tls_fail_libssl(l);
	return result;
}

static int
use_leaf(const struct tls_loading *l, X509 *x509)
{
	const char *path = l->files->cert;
	int purpose =
	    l->server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;

	if (check_dates(l, path, x509) != 0)
		return -1;
	if (!tls_identify(x509, &l->tls->self))
		return tls_fail(l, path,
		    "certificate needs exactly one URI name, of the form "
		    "strife://client/NAME, strife://bank/BANK or "
		    "strife://gateway/NODE");
	if (X509_check_purpose(x509, purpose, 0) != 1)
		return tls_fail(l, path, "certificate is not one for a TLS %s",
		    l->server ? "server" : "client");
	if (SSL_CTX_use_certificate(l->tls->ctx, x509) != 1)
		return tls_fail(l, path, "certificate cannot be used: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	return 0;
}

/* The leaf comes first, then any intermediate CAs. */
static int
take_own(const struct tls_loading *l, X509 *x509, int before)
{
	if (before == 0)
		return use_leaf(l, x509);
	if (SSL_CTX_add1_chain_cert(l->tls->ctx, x509) != 1)
		return tls_fail_libssl(l);
	return 0;
}

static int
load_cert(const struct tls_loading *l)
{
	return take_certificates(
	    l, l->files->cert, take_own, "is not a PEM certificate");
}

int
tls_no_passphrase(char *into, int size, int writing, void *ctx)
{
	bool *wanted = ctx;

	(void)into;
	(void)size;
	(void)writing;
	*wanted = true;
	return -1;
}

static int
use_key(const struct tls_loading *l, BIO *bio)
{
	const char *path = l->files->key;
	bool encrypted = false;
	EVP_PKEY *key =
	    PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, &encrypted);
	int result = 0;

	if (key == NULL)
		return tls_fail(l, path, "%s",
		    encrypted ? "key is encrypted: it must be stored without "
				"a passphrase"
			      : "is not a PEM private key");
	if (X509_check_private_key(
		SSL_CTX_get0_certificate(l->tls->ctx), key) != 1)
		result = tls_fail(l, path,
		    "is not the key of the certificate %s", l->files->cert);
	else if (SSL_CTX_use_PrivateKey(l->tls->ctx, key) != 1)
		result = tls_fail_libssl(l);
	EVP_PKEY_free(key);
	return result;
}

static int
load_key(const struct tls_loading *l)
{
	const char *path = l->files->key;
	char *octets;
	size_t len;
	int result;
	BIO *bio;

	if (file_read_secret(path, PEM_FILE_MAX, &octets, &len) != 0)
		return tls_fail(l, path, "%s",
		    errno == EPERM ? "key can be read by others: chmod 600 it"
				   : strerror(errno));
	bio = BIO_new_mem_buf(octets, (int)len);
	result = bio != NULL ? use_key(l, bio) : tls_fail_libssl(l);
	BIO_free(bio);
	explicit_bzero(octets, len);
	free(octets);
	return result;
}

/*
 * No resumption of any kind: each connection proves its certificate anew, so a
 * revocation counts from the next one on, and no ticket key need be kept.
 */
static int
set_up(const struct tls_loading *l)
{
	static const unsigned char session_context[] = "strife";
	/* Not the finite-field groups: a peer could make us pay for them. */
	char groups[] = "X25519:P-256:P-384";
	SSL_CTX *ctx = l->tls->ctx;

	SSL_CTX_set_security_level(ctx, 2);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set_max_early_data(ctx, 0) != 1 ||
	    SSL_CTX_set_session_id_context(
		ctx, session_context, sizeof(session_context) - 1) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return tls_fail_libssl(l);
	(void)SSL_CTX_set_options(
	    ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_SIZE);
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify);
	SSL_CTX_set_verify_depth(ctx, CHAIN_DEPTH_MAX);
	return 0;
}

int
tls_load(const struct tls_loading *l)
{
	if (l->tls->ctx == NULL)
		return tls_fail_libssl(l);
	if (set_up(l) != 0 || load_ca(l) != 0 || load_crl(l) != 0 ||
	    load_cert(l) != 0 || load_key(l) != 0)
		return -1;
	return 0;
}
