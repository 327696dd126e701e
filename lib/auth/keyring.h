/*
 * The keys of tokens: one signs, the others only verify until the last token
 * that they signed has ended. Ed25519 (RFC 8032) from PKCS#8 PEM files, or
 * HMAC with SHA-256 (RFC 2104) from a file with a secret. They are wiped when
 * the ring is freed.
 */
#ifndef STRIFE_AUTH_KEYRING_H
#define STRIFE_AUTH_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define KEYRING_KEYS_MAX 16
#define KEY_ID_LEN 16
#define KEY_SIGNATURE_MAX 64 /* Ed25519's; HMAC's is 32 */
/* As long as the hash (RFC 7518 section 3.2). */
#define KEY_SECRET_MIN 32
#define KEY_SECRET_MAX 4096

struct keyring;
struct token_key;

/*
 * The first file's key signs. 0, or -1 with error filled, "FILE: what is
 * wrong": missing, readable by others, encrypted, no Ed25519 key, the same key
 * twice.
 */
int keyring_open(struct keyring **, char *const *files, uint32_t count,
    char *error, size_t error_size);
/* HS256: the secret is every octet of the file. As keyring_open. */
int keyring_open_secret(
    struct keyring **, const char *file, char *error, size_t error_size);
void keyring_free(struct keyring *);

const struct token_key *keyring_signer(const struct keyring *);
const struct token_key *keyring_find(const struct keyring *, struct str id);

/*
 * The first 16 hex digits of SHA-256 over the public key's DER
 * (SubjectPublicKeyInfo, RFC 8410), or over the secret.
 */
const char *token_key_id(const struct token_key *);
const char *
token_key_algorithm(const struct token_key *); /* RFC 7518's, RFC 8037's name */
/* Returns the signature's length. CHECKs that libcrypto succeeds. */
size_t token_key_sign(const struct token_key *, struct str text,
    uint8_t signature[KEY_SIGNATURE_MAX]);
bool token_key_verify(const struct token_key *, struct str text,
    const uint8_t *signature, size_t len);

#endif
