#include "auth/token.h"

#include <string.h>

#include "auth/base64url.h"
#include "base/check.h"

#define US_PER_SECOND INT64_C(1000000)

/* header.payload.signature, still encoded. */
struct parts {
	struct str header, payload, signature;
	struct str signed_text; /* header.payload */
};

size_t
token_sign(const struct keyring *ring, const struct claims *claims,
    char into[TOKEN_MAX_LEN + 1])
{
	const struct token_key *key = keyring_signer(ring);
	char json[TOKEN_PAYLOAD_MAX];
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t len, json_len, signature_len;

	json_len = token_header_write(json, TOKEN_HEADER_MAX, key);
	CHECK(json_len > 0);
	len = base64url_write(into, json, json_len);
	into[len++] = '.';
	json_len = token_claims_write(json, sizeof(json), claims);
	CHECK(json_len > 0);
	CHECK(len + BASE64URL_LEN(json_len) + 1 +
		BASE64URL_LEN(KEY_SIGNATURE_MAX) <=
	    TOKEN_MAX_LEN);
	len += base64url_write(into + len, json, json_len);
	signature_len =
	    token_key_sign(key, (struct str){into, (uint32_t)len}, signature);
	into[len++] = '.';
	len += base64url_write(into + len, signature, signature_len);
	into[len] = '\0';
	return len;
}

/* Takes what stands before the next dot off *text; false without a dot. */
static bool
next_part(struct str *text, struct str *part)
{
	const char *dot =
	    text->len > 0 ? memchr(text->at, '.', text->len) : NULL;

	if (dot == NULL)
		return false;
	*part = (struct str){text->at, (uint32_t)(dot - text->at)};
	*text = (struct str){dot + 1, text->len - part->len - 1};
	return true;
}

/* Exactly two dots; a third one is of no alphabet and is found later. */
static bool
split(struct parts *p, struct str token)
{
	struct str rest = token;

	if (!next_part(&rest, &p->header) || !next_part(&rest, &p->payload))
		return false;
	p->signature = rest;
	p->signed_text = (struct str){
	    token.at, (uint32_t)(p->payload.at + p->payload.len - token.at)};
	return true;
}

/* The key that the header names, where the rest of it is as it must be. */
static const struct token_key *
find_key(const struct keyring *ring, struct str header)
{
	uint8_t json[TOKEN_HEADER_MAX];
	struct token_header h;
	const struct token_key *key;
	size_t len;

	if (!base64url_read(json, sizeof(json), &len, header) ||
	    !token_header_read(
		&h, (struct str){(const char *)json, (uint32_t)len}))
		return NULL;
	key = keyring_find(ring, h.key_id);
	if (key == NULL || !str_is(h.algorithm, token_key_algorithm(key)) ||
	    !str_is(h.type, "JWT"))
		return NULL;
	return key;
}

/* The signature is good, so the payload is what some gateway's key signed. */
static bool
read_payload(struct claims *claims, struct str payload)
{
	uint8_t json[TOKEN_PAYLOAD_MAX];
	size_t len;

	return base64url_read(json, sizeof(json), &len, payload) &&
	    token_claims_read(
		claims, (struct str){(const char *)json, (uint32_t)len});
}

/*
 * A REVOKE is remembered for as long as any token may live: one that lived on
 * would be good again afterwards.
 */
static bool
lives_too_long(const struct claims *claims)
{
	return claims->expires_s - claims->not_before_s >
	    TOKEN_LIFETIME_MAX_S + 1;
}

enum code
token_verify(const struct keyring *ring, struct str token,
    const uint8_t thumbprint[TOKEN_THUMBPRINT_OCTETS], int64_t now_us,
    struct claims *claims)
{
	uint8_t signature[KEY_SIGNATURE_MAX];
	const struct token_key *key;
	struct parts p;
	size_t len;

	if (token.len > TOKEN_MAX_LEN || !split(&p, token))
		return CODE_TOKEN_INVALID;
	key = find_key(ring, p.header);
	if (key == NULL ||
	    !base64url_read(signature, sizeof(signature), &len, p.signature) ||
	    !token_key_verify(key, p.signed_text, signature, len) ||
	    !read_payload(claims, p.payload) ||
	    memcmp(claims->thumbprint, thumbprint, TOKEN_THUMBPRINT_OCTETS) !=
		0 ||
	    claims->not_before_s > now_us / US_PER_SECOND ||
	    lives_too_long(claims))
		return CODE_TOKEN_INVALID;
	if (claims->expires_s <= now_us / US_PER_SECOND)
		return CODE_TOKEN_EXPIRED;
	return CODE_NONE;
}
