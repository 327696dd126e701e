/*
 * Tokens. An input that starts with "." is a token as it comes; any other is a
 * header and, on the next line, claims: they are signed here, so that what
 * stands behind the signature is reached. What is accepted says exactly what
 * was read from it, and written again reads the same.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include "auth/base64url.h"
#include "auth/token.h"

#define SECOND INT64_C(1000000)

static const struct keyring *
ring(void)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	static struct keyring *made;
	char error[256];
	const char *path;

	if (made != NULL)
		return made;
	path = fuzz_file(secret, sizeof(secret) - 1);
	CHECK(chmod(path, 0600) == 0);
	CHECK(keyring_open_secret(&made, path, error, sizeof(error)) == 0);
	return made;
}

/* header.payload.signature; "" where it would be too long. */
static struct str
make_token(struct str header, struct str payload)
{
	static char text[TOKEN_MAX_LEN + 64];
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t len, signature_len;

	if (BASE64URL_LEN((size_t)header.len) +
		BASE64URL_LEN((size_t)payload.len) >
	    TOKEN_MAX_LEN - 64)
		return STR_NONE;
	len = base64url_write(text, header.at, header.len);
	text[len++] = '.';
	len += base64url_write(text + len, payload.at, payload.len);
	signature_len = token_key_sign(keyring_signer(ring()),
	    (struct str){text, (uint32_t)len}, signature);
	text[len++] = '.';
	len += base64url_write(text + len, signature, signature_len);
	return (struct str){text, (uint32_t)len};
}

static bool
header_is_ours(struct str text)
{
	const struct token_key *key = keyring_signer(ring());
	struct token_header h;

	return text.len <= TOKEN_HEADER_MAX && token_header_read(&h, text) &&
	    str_is(h.algorithm, token_key_algorithm(key)) &&
	    str_is(h.type, "JWT") && str_is(h.key_id, token_key_id(key));
}

/* Written, the claims take no more than what they were read from. */
static void
check_written(const struct claims *claims, struct str payload)
{
	static char text[TOKEN_PAYLOAD_MAX], twice[TOKEN_PAYLOAD_MAX];
	static struct claims again;
	size_t len = token_claims_write(text, sizeof(text), claims);

	CHECK(len > 0 && len <= payload.len);
	memset(&again, 0, sizeof(again));
	CHECK(token_claims_read(&again, (struct str){text, (uint32_t)len}));
	CHECK(token_claims_write(twice, sizeof(twice), &again) == len);
	CHECK(memcmp(text, twice, len) == 0);
	CHECK(strcmp(again.rights.user, claims->rights.user) == 0);
	CHECK(strcmp(again.rights.accounts, claims->rights.accounts) == 0);
	CHECK(jti_eq(again.jti, claims->jti));
}

static void
check_verified(struct str token, const struct claims *c, bool ours)
{
	static struct claims got;
	uint8_t other[TOKEN_THUMBPRINT_OCTETS];
	int64_t at_us = c->not_before_s * SECOND;
	int64_t lifetime_s = c->expires_s - c->not_before_s;
	enum code want = lifetime_s > TOKEN_LIFETIME_MAX_S + 1
	    ? CODE_TOKEN_INVALID
	    : lifetime_s > 0 ? CODE_NONE
			     : CODE_TOKEN_EXPIRED;

	CHECK(token_verify(ring(), token, c->thumbprint, at_us, &got) ==
	    (ours ? want : CODE_TOKEN_INVALID));
	if (!ours)
		return;
	memcpy(other, c->thumbprint, sizeof(other));
	other[sizeof(other) - 1] ^= 1;
	CHECK(token_verify(ring(), token, other, at_us, &got) ==
	    CODE_TOKEN_INVALID);
	CHECK(c->not_before_s == 0 ||
	    token_verify(ring(), token, c->thumbprint, at_us - 1, &got) ==
		CODE_TOKEN_INVALID);
	if (want == CODE_NONE)
		CHECK(token_verify(ring(), token, c->thumbprint,
			  c->expires_s * SECOND, &got) == CODE_TOKEN_EXPIRED);
}

/* How often this is the name of a member: no value holds a quote. */
static uint32_t
members_called(struct str payload, const char *name)
{
	const char *at = payload.at, *end = payload.at + payload.len;
	size_t len = strlen(name);
	uint32_t count = 0;

	while ((at = memmem(at, (size_t)(end - at), name, len)) != NULL) {
		at += len;
		while (at < end && memchr(" \t\r\n", *at, 4) != NULL)
			at++;
		count += at < end && *at == ':';
	}
	return count;
}

static void
check_members(struct str payload)
{
	static const char *const names[] = {"\"iss\"", "\"aud\"", "\"sub\"",
	    "\"iat\"", "\"nbf\"", "\"exp\"", "\"jti\"", "\"roles\"",
	    "\"accounts\"", "\"acts_for\"", "\"cnf\"", "\"x5t#S256\""};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(members_called(payload, names[i]) == 1);
}

static void
signed_here(struct str text)
{
	static struct claims claims;
	static const uint8_t none[TOKEN_THUMBPRINT_OCTETS];
	const char *line = memchr(text.at, '\n', text.len);
	struct str header, payload, token;

	if (line == NULL)
		return;
	header = (struct str){text.at, (uint32_t)(line - text.at)};
	payload = (struct str){line + 1, text.len - header.len - 1};
	token = make_token(header, payload);
	if (token.len == 0)
		return;
	memset(&claims, 0, sizeof(claims));
	if (payload.len > TOKEN_PAYLOAD_MAX ||
	    !token_claims_read(&claims, payload)) {
		CHECK(token_verify(ring(), token, none, SECOND, &claims) ==
		    CODE_TOKEN_INVALID);
		return;
	}
	check_members(payload);
	check_written(&claims, payload);
	check_verified(token, &claims, header_is_ours(header));
}

/* Whoever does not have the key makes no token. */
static void
as_it_comes(struct str token)
{
	static const uint8_t none[TOKEN_THUMBPRINT_OCTETS];
	static struct claims claims;
	enum code code = token_verify(ring(), token, none, SECOND, &claims);

	CHECK(code == CODE_TOKEN_INVALID);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	if (len == 0)
		return 0;
	if (octets[0] == '.')
		as_it_comes(fuzz_text(octets + 1, len - 1));
	else
		signed_here(fuzz_text(octets, len));
	return 0;
}
