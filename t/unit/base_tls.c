#include "base/tls.h"

#include <openssl/err.h>

#include "certs.h"
#include "tap.h"

static char dir[256];
static struct certs_ca ca, other;

/* ---- Identities ---- */

static bool
identify(const struct certs_spec *spec, struct tls_identity *identity)
{
	X509 *cert = certs_issue(&ca, spec);
	bool found;

	memset(identity, 0, sizeof(*identity));
	found = tls_identify(cert, identity);
	X509_free(cert);
	return found;
}

static bool
identify_san(const char *san, struct tls_identity *identity)
{
	struct certs_spec spec = {.san = san};

	return identify(&spec, identity);
}

static void
test_good_names(void)
{
	struct tls_identity identity;
	char longest[128];

	ok(identify_san("URI:strife://client/billing-host", &identity),
	    "a client is identified");
	is_i64(identity.role, TLS_ROLE_CLIENT, "its role is client");
	is_text(identity.name, "billing-host", "its name is that of the URI");
	ok(identify_san("URI:strife://bank/BankA", &identity) &&
		identity.role == TLS_ROLE_BANK &&
		strcmp(identity.name, "BankA") == 0,
	    "a bank is identified");
	ok(identify_san("URI:strife://gateway/gw_1.x-Y", &identity) &&
		identity.role == TLS_ROLE_GATEWAY &&
		strcmp(identity.name, "gw_1.x-Y") == 0,
	    "a gateway is identified");
	ok(identify_san("DNS:localhost,URI:strife://gateway/gw1,IP:127.0.0.1",
	       &identity) &&
		strcmp(identity.name, "gw1") == 0,
	    "DNS and IP names may stand beside the URI");
	(void)snprintf(
	    longest, sizeof(longest), "URI:strife://client/%064d", 7);
	ok(identify_san(longest, &identity) && strlen(identity.name) == 64,
	    "a client's name may have 64 characters");
	(void)snprintf(longest, sizeof(longest), "URI:strife://bank/B%031d", 7);
	ok(identify_san(longest, &identity) && strlen(identity.name) == 32,
	    "a bank's name may have 32 characters");
}

static void
test_bad_names(void)
{
	static const char *const bad[] = {
	    "DNS:localhost",
	    "URI:strife://client/a,URI:strife://client/b",
	    "URI:strife://client/a,URI:https://example.org/",
	    "URI:https://example.org/",
	    "URI:strife://client/",
	    "URI:strife://client",
	    "URI:strife://operator/a",
	    "URI:STRIFE://client/a",
	    "URI:strife://Client/a",
	    "URI:strife://client/a/b",
	    "URI:strife://client/a%41",
	    "URI:strife://client/a b",
	    "URI:strife://client/a?b",
	    "URI:strife://client/a#b",
	    "URI:strife://client/a@b",
	    "URI:strife:///a",
	    "URI:strife://bank/1Bank",
	    "URI:strife://bank/-Bank",
	    "URI:strife://bank/Bank.A",
	    "URI:strife://bank/Bank_A",
	};
	struct tls_identity identity;
	struct certs_spec cn_only = {.cn = "strife://client/alice"};
	char too_long[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!identify_san(bad[i], &identity), "refused: %s", bad[i]);
	(void)snprintf(
	    too_long, sizeof(too_long), "URI:strife://gateway/%065d", 7);
	ok(!identify_san(too_long, &identity), "refused: 65 characters");
	(void)snprintf(
	    too_long, sizeof(too_long), "URI:strife://bank/B%032d", 7);
	ok(!identify_san(too_long, &identity), "refused: a bank of 33");
	ok(!identify(&cn_only, &identity), "the CN is never an identity");
	is_i64(identity.role, TLS_ROLE_NONE, "a refusal touches nothing");
}

static void
test_raw_name(const char *octets, int len, const char *what)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	struct certs_spec spec = {.san_names = names};
	struct tls_identity identity;

	CERTS_NEED(names != NULL && name != NULL && text != NULL);
	CERTS_NEED(ASN1_STRING_set(text, octets, len) == 1);
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	CERTS_NEED(sk_GENERAL_NAME_push(names, name) > 0);
	ok(!identify(&spec, &identity), "refused: %s", what);
	GENERAL_NAMES_free(names);
}

static void
test_thumbprint(void)
{
	struct certs_spec spec = {.san = "URI:strife://client/alice"};
	X509 *cert = certs_issue(&ca, &spec);
	struct tls_identity identity;
	unsigned char *der = NULL, digest[32];
	int len = i2d_X509(cert, &der);

	CERTS_NEED(len > 0);
	CERTS_NEED(EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(),
		       NULL) == 1);
	ok(tls_identify(cert, &identity) &&
		memcmp(identity.thumbprint, digest, sizeof(digest)) == 0,
	    "the thumbprint is the SHA-256 of the DER certificate");
	OPENSSL_free(der);
	X509_free(cert);
}

/* ---- Contexts ---- */

/* Names within dir; NULL: a good one. Fills error, "" for success. */
static bool
loads_as(bool server, const char *ca_name, const char *cert, const char *key,
    char error[256])
{
	char *ca_path = certs_path(dir, ca_name, "");
	char *cert_path = certs_path(dir, cert, "");
	char *key_path = certs_path(dir, key, "");
	struct tls_files files = {ca_path, cert_path, key_path, NULL};
	struct tls *tls;
	bool loaded;

	error[0] = '\0';
	loaded = tls_new(&tls, &files, server, error, 256) == 0;
	if (loaded)
		tls_free(tls);
	free(ca_path);
	free(cert_path);
	free(key_path);
	return loaded;
}

/* The message must name the file and hold the words. */
static void
refused(const char *const names[3], const char *file, const char *words)
{
	char error[256];
	char *path = certs_path(dir, file, ": ");
	bool loaded = loads_as(false, names[0], names[1], names[2], error);

	if (!ok(!loaded && strncmp(error, path, strlen(path)) == 0 &&
		    strstr(error, words) != NULL,
		"refused with \"%s: ...%s\"", file, words))
		printf("#  got: %s\n", error);
	free(path);
}

static void
test_files(void)
{
	static const struct {
		const char *names[3];
		const char *file, *words;
	} rows[] = {
	    {{"no.crt", "a.crt", "a.key"}, "no.crt", "No such file"},
	    {{"ca.crt", "no.crt", "a.key"}, "no.crt", "No such file"},
	    {{"ca.crt", "a.crt", "no.key"}, "no.key", "No such file"},
	    {{"text", "a.crt", "a.key"}, "text", "not a PEM file"},
	    {{"ca.crt", "text", "a.key"}, "text", "not a PEM certificate"},
	    {{"ca.crt", "a.crt", "text"}, "text", "not a PEM private key"},
	    {{"a.crt", "a.crt", "a.key"}, "a.crt", "not a CA's"},
	    {{"ca.crt", "a.crt", "b.key"}, "b.key", "not the key of"},
	    {{"ca.crt", "a.crt", "open.key"}, "open.key", "read by others"},
	    {{"ca.crt", "a.crt", "pass.key"}, "pass.key", "is encrypted"},
	    {{"ca.crt", "old.crt", "old.key"}, "old.crt", "has expired"},
	    {{"ca.crt", "new.crt", "new.key"}, "new.crt", "not yet valid"},
	    {{"ca.crt", "anon.crt", "anon.key"}, "anon.crt", "strife://"},
	    {{"ca.crt", "srv.crt", "srv.key"}, "srv.crt", "a TLS client"},
	    {{".", "a.crt", "a.key"}, ".", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refused(rows[i].names, rows[i].file, rows[i].words);
}

static void
test_crl(const char *crl, bool good, const char *words)
{
	char *ca_path = certs_path(dir, "ca.crt", "");
	char *cert_path = certs_path(dir, "a.crt", "");
	char *key_path = certs_path(dir, "a.key", "");
	char *crl_path = certs_path(dir, crl, "");
	struct tls_files files = {ca_path, cert_path, key_path, crl_path};
	char error[256] = "";
	struct tls *tls;
	bool loaded = tls_new(&tls, &files, true, error, sizeof(error)) == 0;

	if (!ok(loaded == good && strstr(error, words) != NULL, "CRL %s: %s",
		crl, good ? "is taken" : words))
		printf("#  got: %s\n", error);
	if (loaded)
		tls_free(tls);
	free(ca_path);
	free(cert_path);
	free(key_path);
	free(crl_path);
}

static void
make_files(void)
{
	const struct certs_spec specs[] = {
	    {.name = "old",
		.san = "URI:strife://client/old",
		.from_s = -7200,
		.until_s = -3600},
	    {.name = "new",
		.san = "URI:strife://client/new",
		.from_s = 3600,
		.until_s = 7200},
	    {.name = "srv",
		.san = "URI:strife://gateway/srv",
		.eku = "serverAuth"},
	};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *path = certs_path(dir, "open.key", "");
	FILE *file = certs_create(dir, "text", "");

	CERTS_NEED(fputs("no PEM here\n", file) >= 0 && fclose(file) == 0);
	certs_make(&ca, "a", "URI:strife://gateway/a");
	certs_make(&ca, "b", "URI:strife://gateway/b");
	certs_make(&ca, "anon", "DNS:localhost");
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		X509_free(certs_issue(&ca, &specs[i]));
	certs_make(&ca, "open", "URI:strife://gateway/a");
	CERTS_NEED(chmod(path, 0640) == 0);
	free(path);
	file = certs_create(dir, "pass", ".key");
	CERTS_NEED(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
		       (const unsigned char *)"word", 4, NULL, NULL) == 1);
	CERTS_NEED(fclose(file) == 0);
	EVP_PKEY_free(key);
	certs_crl(&ca, "good", NULL, 3600);
	certs_crl(&ca, "stale", NULL, -60);
	certs_crl(&other, "other", NULL, 3600);
}

static void
test_self(void)
{
	char *ca_path = certs_path(dir, "ca.crt", "");
	char *cert_path = certs_path(dir, "a.crt", "");
	char *key_path = certs_path(dir, "a.key", "");
	struct tls_files files = {ca_path, cert_path, key_path, NULL};
	char error[256] = "";
	struct tls *tls = NULL;

	if (!ok(tls_new(&tls, &files, true, error, sizeof(error)) == 0,
		"good files make a context"))
		printf("# %s\n", error);
	if (tls != NULL) {
		is_i64(tls_self(tls)->role, TLS_ROLE_GATEWAY,
		    "tls_self tells our role");
		is_text(tls_self(tls)->name, "a", "tls_self tells our name");
		ok(tls_context(tls) != NULL, "there is a context");
	}
	tls_free(tls);
	tls_free(NULL);
	free(ca_path);
	free(cert_path);
	free(key_path);
}

/* What ends first, and that it is noticed once it has. */
static void
test_ends(void)
{
	struct certs_spec spec = {
	    .name = "brief",
	    .san = "URI:strife://gateway/a",
	    .from_s = -60,
	    .until_s = 2,
	};
	char *ca_path = certs_path(dir, "ca.crt", "");
	char *cert_path = certs_path(dir, "brief.crt", "");
	char *key_path = certs_path(dir, "brief.key", "");
	struct tls_files files = {ca_path, cert_path, key_path, NULL};
	const struct timespec moment = {.tv_nsec = 20000000};
	char error[256] = "";
	struct tls *tls, *share;

	X509_free(certs_issue(&ca, &spec));
	CERTS_NEED(tls_new(&tls, &files, true, error, sizeof(error)) == 0);
	ok(!tls_is_stale(tls, error, sizeof(error)) && error[0] == '\0',
	    "nothing has ended yet");
	share = tls_share(tls);
	CERTS_NEED(share != NULL);
	is_i64(tls_ends_s(share), tls_ends_s(tls), "a share ends with it");
	while (time(NULL) < tls_ends_s(tls))
		(void)nanosleep(&moment, NULL);
	ok(tls_is_stale(tls, error, sizeof(error)) &&
		strstr(error, "brief.crt: certificate has expired") != NULL,
	    "the first end is told: %s", error);
	tls_free(tls);
	ok(tls_context(share) != NULL &&
		tls_self(share)->role == TLS_ROLE_GATEWAY,
	    "a share outlives the first");
	tls_free(share);
	free(ca_path);
	free(cert_path);
	free(key_path);
}

int
main(void)
{
	certs_dir_make(dir, sizeof(dir));
	certs_ca_make(&ca, dir, "ca");
	certs_ca_make(&other, dir, "other");
	make_files();
	test_good_names();
	test_bad_names();
	test_raw_name("strife://client/a\0b", 19, "a NUL in the name");
	test_raw_name("strife://client/a\0", 18, "a NUL at its end");
	test_raw_name("strife://client/a\n", 18, "a line feed at its end");
	test_raw_name("strife://client/\xc3\xa9", 18, "an octet beyond ASCII");
	test_raw_name(" strife://client/a", 18, "a space before it");
	test_raw_name("", 0, "an empty URI");
	test_thumbprint();
	test_self();
	test_files();
	test_ends();
	test_crl("good.crl", true, "");
	test_crl("stale.crl", false, "CRL has expired");
	test_crl("other.crl", false, "not signed by the CA");
	test_crl("text", false, "not a PEM file of CRLs");
	test_crl("none.crl", false, "No such file");
	ok(ERR_peek_error() == 0, "libssl's error queue is left empty");
	certs_ca_free(&ca);
	certs_ca_free(&other);
	certs_dir_remove(dir);
	return tap_done();
}
