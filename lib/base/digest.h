/* SHA-256 (FIPS 180-4) and SHA-1 (for UUIDv5 only, RFC 9562), by libcrypto. */
#ifndef STRIFE_BASE_DIGEST_H
#define STRIFE_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* CHECKs that libcrypto succeeds: it does unless memory is exhausted. */
void digest_sha256(const struct str *parts, size_t count, uint8_t out[32]);
void digest_sha1(const struct str *parts, size_t count, uint8_t out[20]);
/* Random octets from the kernel. CHECKs success. */
void digest_random(void *octets, size_t len);

#endif
