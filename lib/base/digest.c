#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/check.h"

/*
 * Looking an algorithm up and allocating a context cost more than hashing a
 * journal record, so both are done once, in each thread that asks.
 */
struct hasher {
	EVP_MD *algorithm;
	EVP_MD_CTX *context;
};

static _Thread_local struct hasher sha256, sha1;

static void
hasher_digest(struct hasher *h, const char *name, const struct str *parts,
    size_t count, uint8_t *out)
{
	int result;

	if (h->context == NULL) {
		h->algorithm = EVP_MD_fetch(NULL, name, NULL);
		CHECK(h->algorithm != NULL);
		h->context = EVP_MD_CTX_new();
		CHECK(h->context != NULL);
	}
	result = EVP_DigestInit_ex2(h->context, h->algorithm, NULL);
	CHECK(result == 1);
	for (size_t i = 0; i < count; i++) {
		result =
		    EVP_DigestUpdate(h->context, parts[i].at, parts[i].len);
		CHECK(result == 1);
	}
	result = EVP_DigestFinal_ex(h->context, out, NULL);
	CHECK(result == 1);
}

void
digest_sha256(const struct str *parts, size_t count, uint8_t out[32])
{
	hasher_digest(&sha256, "SHA256", parts, count, out);
}

void
digest_sha1(const struct str *parts, size_t count, uint8_t out[20])
{
	hasher_digest(&sha1, "SHA1", parts, count, out);
}

void
digest_random(void *octets, size_t len)
{
	uint8_t *at = octets;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		CHECK(got > 0);
		at += got;
		len -= (size_t)got;
	}
}
