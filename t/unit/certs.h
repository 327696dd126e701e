/*
 * Test certificates, made with libcrypto in a directory of their own: P-256,
 * signed with SHA-256, any names, dates and purposes. Every failure here is a
 * broken test: it aborts.
 */
#ifndef STRIFE_T_CERTS_H
#define STRIFE_T_CERTS_H

#include <dirent.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct certs_ca {
	char dir[256];
	char file[512]; /* dir/NAME.crt */
	X509 *cert;
	EVP_PKEY *key;
};

struct certs_spec {
	const char *name;     /* the files are dir/NAME.crt and NAME.key */
	const char *san;      /* openssl's notation, or NULL */
	const char *cn;       /* NULL: "test" */
	const char *eku;      /* NULL: serverAuth,clientAuth; "": none */
	long from_s, until_s; /* from now; both 0: an hour ago to in a day */
	GENERAL_NAMES *san_names; /* instead of san; borrowed */
};

#define CERTS_NEED(condition) \
	((condition) ? (void)0 : certs_abort(__LINE__, #condition))

_Noreturn static inline void
certs_abort(int line, const char *what)
{
	printf("Bail out! certs.h:%d: %s\n", line, what);
	abort();
}

static inline char *
certs_path(const char *dir, const char *name, const char *suffix)
{
	char *path;

	CERTS_NEED(asprintf(&path, "%s/%s%s", dir, name, suffix) > 0);
	return path;
}

static inline FILE *
certs_create(const char *dir, const char *name, const char *suffix)
{
	char *path = certs_path(dir, name, suffix);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *file = fd != -1 ? fdopen(fd, "w") : NULL;

	CERTS_NEED(file != NULL);
	free(path);
	return file;
}

static inline void
certs_extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CERTS_NEED(extension != NULL);
	CERTS_NEED(X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

static inline X509 *
certs_blank(EVP_PKEY *key, const char *cn, long from_s, long until_s)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *name;

	CERTS_NEED(cert != NULL);
	CERTS_NEED(X509_set_version(cert, 2) == 1);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), until_s);
	name = X509_get_subject_name(cert);
	CERTS_NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
		       (const unsigned char *)cn, -1, -1, 0) == 1);
	CERTS_NEED(X509_set_pubkey(cert, key) == 1);
	return cert;
}

static inline void
certs_write(const char *dir, const char *name, X509 *cert, EVP_PKEY *key)
{
	FILE *file = certs_create(dir, name, ".crt");

	CERTS_NEED(PEM_write_X509(file, cert) == 1);
	CERTS_NEED(fclose(file) == 0);
	file = certs_create(dir, name, ".key");
	CERTS_NEED(
	    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
	CERTS_NEED(fclose(file) == 0);
}

/* A CA whose certificate is dir/NAME.crt. */
static inline void
certs_ca_make(struct certs_ca *ca, const char *dir, const char *name)
{
	char *path = certs_path(dir, name, ".crt");

	CERTS_NEED(snprintf(ca->dir, sizeof(ca->dir), "%s", dir) <
	    (int)sizeof(ca->dir));
	CERTS_NEED(snprintf(ca->file, sizeof(ca->file), "%s", path) <
	    (int)sizeof(ca->file));
	free(path);
	ca->key = EVP_EC_gen("P-256");
	CERTS_NEED(ca->key != NULL);
	ca->cert = certs_blank(ca->key, name, -3600, 86400);
	CERTS_NEED(X509_set_issuer_name(
		       ca->cert, X509_get_subject_name(ca->cert)) == 1);
	certs_extend(
	    ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
	certs_extend(
	    ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	certs_extend(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
	CERTS_NEED(X509_sign(ca->cert, ca->key, EVP_sha256()) > 0);
	certs_write(dir, name, ca->cert, ca->key);
}

static inline void
certs_ca_free(struct certs_ca *ca)
{
	X509_free(ca->cert);
	EVP_PKEY_free(ca->key);
}

/* The caller frees the certificate. */
static inline X509 *
certs_issue(const struct certs_ca *ca, const struct certs_spec *spec)
{
	bool dated = spec->from_s != 0 || spec->until_s != 0;
	const char *eku = spec->eku;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert;

	CERTS_NEED(key != NULL);
	cert = certs_blank(key, spec->cn != NULL ? spec->cn : "test",
	    dated ? spec->from_s : -3600, dated ? spec->until_s : 86400);
	CERTS_NEED(
	    X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1);
	if (eku == NULL)
		eku = "serverAuth,clientAuth";
	if (eku[0] != '\0')
		certs_extend(cert, ca->cert, NID_ext_key_usage, eku);
	if (spec->san_names != NULL)
		CERTS_NEED(X509_add1_ext_i2d(cert, NID_subject_alt_name,
			       spec->san_names, 0, 0) == 1);
	else if (spec->san != NULL)
		certs_extend(cert, ca->cert, NID_subject_alt_name, spec->san);
	CERTS_NEED(X509_sign(cert, ca->key, EVP_sha256()) > 0);
	if (spec->name != NULL)
		certs_write(ca->dir, spec->name, cert, key);
	EVP_PKEY_free(key);
	return cert;
}

/* As certs_issue, for who needs the files only. */
static inline void
certs_make(const struct certs_ca *ca, const char *name, const char *san)
{
	struct certs_spec spec = {.name = name, .san = san};

	X509_free(certs_issue(ca, &spec));
}

/* dir/NAME.crl that revokes one certificate, or none. */
static inline void
certs_crl(
    const struct certs_ca *ca, const char *name, X509 *revoked, long next_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *at = X509_gmtime_adj(NULL, -7200);
	FILE *file = certs_create(ca->dir, name, ".crl");

	CERTS_NEED(crl != NULL);
	CERTS_NEED(at != NULL);
	CERTS_NEED(X509_CRL_set_version(crl, 1) == 1);
	CERTS_NEED(X509_CRL_set_issuer_name(
		       crl, X509_get_subject_name(ca->cert)) == 1);
	CERTS_NEED(X509_CRL_set1_lastUpdate(crl, at) == 1);
	if (revoked != NULL) {
		X509_REVOKED *entry = X509_REVOKED_new();

		CERTS_NEED(entry != NULL);
		CERTS_NEED(X509_REVOKED_set_serialNumber(
			       entry, X509_get_serialNumber(revoked)) == 1);
		CERTS_NEED(X509_REVOKED_set_revocationDate(entry, at) == 1);
		CERTS_NEED(X509_CRL_add0_revoked(crl, entry) == 1);
	}
	CERTS_NEED(X509_gmtime_adj(at, next_s) != NULL);
	CERTS_NEED(X509_CRL_set1_nextUpdate(crl, at) == 1);
	CERTS_NEED(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
	CERTS_NEED(PEM_write_X509_CRL(file, crl) == 1);
	CERTS_NEED(fclose(file) == 0);
	ASN1_TIME_free(at);
	X509_CRL_free(crl);
}

/* mkdtemp(3) under $TMPDIR. */
static inline void
certs_dir_make(char *dir, size_t size)
{
	const char *tmp = getenv("TMPDIR");

	CERTS_NEED(snprintf(dir, size, "%s/strife-XXXXXX",
		       tmp != NULL ? tmp : "/tmp") < (int)size);
	CERTS_NEED(mkdtemp(dir) != NULL);
}

/* Removes the directory and the files in it. */
static inline void
certs_dir_remove(const char *dir)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;

	CERTS_NEED(stream != NULL);
	while ((entry = readdir(stream)) != NULL)
		(void)unlinkat(dirfd(stream), entry->d_name, 0);
	closedir(stream);
	CERTS_NEED(rmdir(dir) == 0);
}

#endif
