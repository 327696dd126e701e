/*
 * Who a certificate says its owner is. The first octet tells what the others
 * are: a URI, the value of the subject's alternative names in DER, or a whole
 * certificate in DER.
 */
#include "fuzz.h"

#include <openssl/x509v3.h>

#include "base/tls.h"
#include "wire/account.h"

/* Everything of a certificate but whom it is for. */
static X509 *
blank(void)
{
	static X509 *made;
	EVP_PKEY *key;

	if (made != NULL) {
		X509_EXTENSION_free(X509_delete_ext(made, 0));
		return made;
	}
	key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	made = X509_new();
	CHECK(made != NULL && key != NULL);
	CHECK(X509_set_version(made, X509_VERSION_3) == 1);
	CHECK(X509_set_pubkey(made, key) == 1);
	CHECK(X509_gmtime_adj(X509_getm_notBefore(made), 0) != NULL);
	CHECK(X509_gmtime_adj(X509_getm_notAfter(made), 9) != NULL);
	CHECK(X509_sign(made, key, NULL) > 0);
	EVP_PKEY_free(key);
	return made;
}

/*
 * The extension is what these octets are, be they DER or not. Kept, until the
 * next takes its place: to make a certificate takes longer than to read it.
 */
static X509 *
with_names(const uint8_t *octets, size_t len)
{
	X509 *x509 = blank();
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;

	CHECK(value != NULL);
	CHECK(ASN1_OCTET_STRING_set(value, octets, (int)len) == 1);
	extension =
	    X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
	CHECK(extension != NULL);
	CHECK(X509_add_ext(x509, extension, -1) == 1);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	return x509;
}

/* SEQUENCE { [6] IA5String }, lengths in their long form. */
static X509 *
with_uri(struct str uri)
{
	uint8_t der[8 + 512] = {0x30, 0x82, 0, 0, 0x86, 0x82, 0, 0};
	uint32_t inner = uri.len + 4;

	CHECK(uri.len <= 512);
	der[2] = (uint8_t)(inner >> 8);
	der[3] = (uint8_t)inner;
	der[6] = (uint8_t)(uri.len >> 8);
	der[7] = (uint8_t)uri.len;
	memcpy(der + 8, uri.at, uri.len);
	return with_names(der, 8 + uri.len);
}

static const char *
role_text(enum tls_role role)
{
	switch (role) {
	case TLS_ROLE_CLIENT:
		return "client";
	case TLS_ROLE_BANK:
		return "bank";
	case TLS_ROLE_GATEWAY:
		return "gateway";
	case TLS_ROLE_NONE:
		break;
	}
	CHECK_UNREACHABLE("a role");
}

static void
check_identity(const struct tls_identity *identity)
{
	struct str name = str_from(identity->name);

	CHECK(name_valid(name));
	CHECK(identity->role != TLS_ROLE_BANK || bank_valid(name));
	(void)role_text(identity->role);
}

/* strife://ROLE/NAME is that one text, and the only one. */
static void
check_uri(struct str uri, const struct tls_identity *identity)
{
	char again[128];
	int len = snprintf(again, sizeof(again), "strife://%s/%s",
	    role_text(identity->role), identity->name);

	CHECK(len > 0 && (size_t)len < sizeof(again));
	CHECK(str_is(uri, again));
}

static bool
uri_is_ours(struct str uri)
{
	static const char *const leads[] = {
	    "strife://client/", "strife://bank/", "strife://gateway/"};

	for (size_t i = 0; i < 3; i++) {
		uint32_t len = (uint32_t)strlen(leads[i]);
		struct str name = {uri.at + len, uri.len - len};

		if (uri.len > len && memcmp(uri.at, leads[i], len) == 0)
			return i == 1 ? bank_valid(name) : name_valid(name);
	}
	return false;
}

static void
check_certificate(X509 *x509, const struct str *uri)
{
	struct tls_identity identity = {.role = TLS_ROLE_NONE};
	bool found = tls_identify(x509, &identity);

	if (found)
		check_identity(&identity);
	else
		CHECK(identity.role == TLS_ROLE_NONE);
	if (uri != NULL) {
		CHECK(found == uri_is_ours(*uri));
		if (found)
			check_uri(*uri, &identity);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct fuzz_input in = {octets, len};
	uint32_t how = fuzz_below(&in, 4);
	struct str text = fuzz_text(in.at, in.len);
	const unsigned char *at = in.at;
	X509 *x509;

	if (in.len == 0 || in.len > 4096)
		return 0;
	if (how < 2) {
		if (in.len <= 512)
			check_certificate(with_uri(text), &text);
	} else if (how == 2) {
		check_certificate(with_names(in.at, in.len), NULL);
	} else {
		x509 = d2i_X509(NULL, &at, (long)in.len);
		if (x509 != NULL)
			check_certificate(x509, NULL);
		X509_free(x509);
	}
	return 0;
}
