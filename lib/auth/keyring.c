#include "auth/keyring.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/tls.h"

#define PEM_FILE_MAX (64u << 10)
#define HMAC_LEN 32

struct token_key {
	EVP_PKEY *pair;    /* Ed25519, or NULL */
	uint8_t *secret;   /* HMAC's, or NULL */
	size_t secret_len; /* octets */
	char id[KEY_ID_LEN + 1];
};

struct keyring {
	uint32_t count;
	struct token_key at[KEYRING_KEYS_MAX];
};

/* Where what is wrong is said. */
struct loading {
	const char *file;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int
fail(const struct loading *l, const char *format, ...)
{
	char reason[256];
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(reason, sizeof(reason), format, ap) < 0)
		reason[0] = '\0';
	va_end(ap);
	/* Cut short where it does not fit: still the best we can say. */
	if (snprintf(l->error, l->error_size, "%s: %s", l->file, reason) < 0 &&
	    l->error_size > 0)
		l->error[0] = '\0';
	return -1;
}

static int
read_secret(const struct loading *l, size_t max, char **octets, size_t *len)
{
	if (file_read_secret(l->file, max, octets, len) == 0)
		return 0;
	if (errno == EPERM)
		return fail(l, "can be read by others: chmod 600 it");
	if (errno == EFBIG)
		return fail(l, "is longer than %zu octets", max);
	return fail(l, "%s", strerror(errno));
}

static void
set_id(struct token_key *key, const void *octets, size_t len)
{
	const struct str part = {octets, (uint32_t)len};
	uint8_t digest[32];

	digest_sha256(&part, 1, digest);
	hex_write(key->id, digest, KEY_ID_LEN / 2);
	key->id[KEY_ID_LEN] = '\0';
}

/* ---- Ed25519 ---- */

static int
use_pair(struct token_key *key, const struct loading *l, BIO *bio)
{
	bool encrypted = false;
	uint8_t *der = NULL;
	int len;

	key->pair =
	    PEM_read_bio_PrivateKey(bio, NULL, tls_no_passphrase, &encrypted);
	if (key->pair == NULL)
		return fail(l, "%s",
		    encrypted ? "is encrypted: it must be stored without a "
				"passphrase"
			      : "is not a private key in PEM: see openssl "
				"genpkey -algorithm ed25519");
	if (EVP_PKEY_get_base_id(key->pair) != EVP_PKEY_ED25519)
		return fail(l,
		    "is not an Ed25519 key: see openssl genpkey -algorithm "
		    "ed25519");
	len = i2d_PUBKEY(key->pair, &der);
	if (len <= 0)
		return fail(l, "its public key cannot be written");
	set_id(key, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

static int
load_pair(struct token_key *key, const struct loading *l)
{
	char *octets;
	size_t len;
	BIO *bio;
	int result;

	if (read_secret(l, PEM_FILE_MAX, &octets, &len) < 0)
		return -1;
	bio = BIO_new_mem_buf(octets, (int)len);
	result = bio != NULL ? use_pair(key, l, bio) : fail(l, "out of memory");
	BIO_free(bio);
	explicit_bzero(octets, len);
	free(octets);
	ERR_clear_error();
	return result;
}

int
keyring_open(struct keyring **opened, char *const *files, uint32_t count,
    char *error, size_t error_size)
{
	struct loading l = {.error = error, .error_size = error_size};
	struct keyring *ring = calloc(1, sizeof(*ring));

	CHECK(count > 0 && count <= KEYRING_KEYS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		l.file = files[i];
		if (ring == NULL)
			return fail(&l, "%s", strerror(ENOMEM));
		if (load_pair(&ring->at[i], &l) < 0)
			goto failed;
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(ring->at[k].id, ring->at[i].id) == 0) {
				(void)fail(
				    &l, "is the same key as %s", files[k]);
				goto failed;
			}
		ring->count = i + 1;
	}
	*opened = ring;
	return 0;
failed:
	ring->count = KEYRING_KEYS_MAX;
	keyring_free(ring);
	return -1;
}

/* ---- A secret ---- */

static int
load_secret(struct token_key *key, const struct loading *l)
{
	char *octets;

	if (read_secret(l, KEY_SECRET_MAX, &octets, &key->secret_len) < 0)
		return -1;
	key->secret = (uint8_t *)octets;
	if (key->secret_len < KEY_SECRET_MIN)
		return fail(l,
		    "a secret has at least %d octets: see openssl rand -hex 32",
		    KEY_SECRET_MIN);
	set_id(key, key->secret, key->secret_len);
	return 0;
}

int
keyring_open_secret(
    struct keyring **opened, const char *file, char *error, size_t error_size)
{
	const struct loading l = {file, error, error_size};
	struct keyring *ring = calloc(1, sizeof(*ring));

	if (ring == NULL)
		return fail(&l, "%s", strerror(ENOMEM));
	ring->count = 1;
	if (load_secret(&ring->at[0], &l) < 0) {
		keyring_free(ring);
		return -1;
	}
	*opened = ring;
	return 0;
}

/* ---- The ring ---- */

void
keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	for (uint32_t i = 0; i < ring->count; i++) {
		struct token_key *key = &ring->at[i];

		EVP_PKEY_free(key->pair);
		if (key->secret != NULL)
			explicit_bzero(key->secret, key->secret_len);
		free(key->secret);
	}
	free(ring);
}

const struct token_key *
keyring_signer(const struct keyring *ring)
{
	return &ring->at[0];
}

const struct token_key *
keyring_find(const struct keyring *ring, struct str id)
{
	for (uint32_t i = 0; i < ring->count; i++)
		if (str_is(id, ring->at[i].id))
			return &ring->at[i];
	return NULL;
}

/* ---- One key ---- */

const char *
token_key_id(const struct token_key *key)
{
	return key->id;
}

const char *
token_key_algorithm(const struct token_key *key)
{
	return key->pair != NULL ? "EdDSA" : "HS256";
}

static size_t
authenticate(const struct token_key *key, struct str text, uint8_t *into)
{
	unsigned len = 0;

	CHECK(
	    HMAC(EVP_sha256(), key->secret, (int)key->secret_len,
		(const unsigned char *)text.at, text.len, into, &len) != NULL);
	CHECK(len == HMAC_LEN);
	return len;
}

size_t
token_key_sign(const struct token_key *key, struct str text,
    uint8_t into[KEY_SIGNATURE_MAX])
{
	EVP_MD_CTX *context;
	size_t len = KEY_SIGNATURE_MAX;
	int result;

	if (key->pair == NULL)
		return authenticate(key, text, into);
	context = EVP_MD_CTX_new();
	CHECK(context != NULL);
	result = EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair);
	CHECK(result == 1);
	result = EVP_DigestSign(
	    context, into, &len, (const unsigned char *)text.at, text.len);
	CHECK(result == 1 && len <= KEY_SIGNATURE_MAX);
	EVP_MD_CTX_free(context);
	return len;
}

bool
token_key_verify(const struct token_key *key, struct str text,
    const uint8_t *signature, size_t len)
{
	uint8_t own[KEY_SIGNATURE_MAX];
	EVP_MD_CTX *context;
	bool good;

	if (key->pair == NULL) {
		good = authenticate(key, text, own) == len &&
		    CRYPTO_memcmp(own, signature, len) == 0;
		explicit_bzero(own, sizeof(own));
		return good;
	}
	context = EVP_MD_CTX_new();
	CHECK(context != NULL);
	good =
	    EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pair) == 1 &&
	    EVP_DigestVerify(context, signature, len,
		(const unsigned char *)text.at, text.len) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}
