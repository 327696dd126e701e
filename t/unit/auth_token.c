/*
 * Tokens: what is signed is what comes back; every other header, payload,
 * signature, certificate and time is refused.
 */
#include "auth/token.h"

#include "auth/base64url.h"
#include "auth/users.h"
#include "tap.h"
#include "token_fixture.h"

#define NOW_S INT64_C(1700000000)
#define NOW_US (NOW_S * 1000000)

static const uint8_t certificate[TOKEN_THUMBPRINT_OCTETS] = {1, 2, 3, 0xff};
#define X5T "AQID_wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct claims
alice(void)
{
	struct claims c = {
	    .rights =
		{
		    .user = "alice",
		    .roles = "balance,pay",
		    .accounts = "alice@BankA,a.smith@BankB",
		    .acts_for = "*@CZ,shop*@BankA",
		},
	    .issued_s = NOW_S,
	    .not_before_s = NOW_S,
	    .expires_s = NOW_S + 300,
	    .jti = {3, 17},
	};

	memcpy(c.thumbprint, certificate, sizeof(certificate));
	return c;
}

#define HEADER_OF(id) "{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"" id "\"}"
#define HEADER HEADER_OF(KEY_RFC_ID)
#define ISS "\"iss\":\"strife\""
#define AUD "\"aud\":\"strife\""
#define SUB "\"sub\":\"alice\""
#define IAT "\"iat\":1700000000"
#define NBF "\"nbf\":1700000000"
#define EXP "\"exp\":1700000300"
#define JTI "\"jti\":\"3.17\""
#define ROLES "\"roles\":[\"balance\",\"pay\"]"
#define ACCOUNTS "\"accounts\":[\"alice@BankA\",\"a.smith@BankB\"]"
#define ACTS_FOR "\"acts_for\":[\"*@CZ\",\"shop*@BankA\"]"
#define CNF "\"cnf\":{\"x5t#S256\":\"" X5T "\"}"

/* The members of the payload in the order in which they are written. */
enum {
	M_ISS,
	M_AUD,
	M_SUB,
	M_IAT,
	M_NBF,
	M_EXP,
	M_JTI,
	M_ROLES,
	M_ACCOUNTS,
	M_ACTS_FOR,
	M_CNF,
	MEMBERS
};
static const char *const members[MEMBERS] = {
    ISS, AUD, SUB, IAT, NBF, EXP, JTI, ROLES, ACCOUNTS, ACTS_FOR, CNF};

static struct keyring *ring;

/* A payload with one member in another form; NULL leaves it out. */
static const char *
payload_with(uint32_t which, const char *member)
{
	static char text[2048];
	size_t len = 0;

	text[len++] = '{';
	for (uint32_t i = 0; i < MEMBERS; i++) {
		const char *one = i == which ? member : members[i];

		if (one == NULL)
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
		    len > 1 ? "," : "", one);
	}
	text[len++] = '}';
	text[len] = '\0';
	return text;
}

/* Signed well, whatever it is that was signed. */
static const char *
signed_token(const char *header, const char *payload)
{
	static char token[8192];
	uint8_t signature[KEY_SIGNATURE_MAX];
	size_t len = base64url_write(token, header, strlen(header));
	size_t signature_len;

	token[len++] = '.';
	len += base64url_write(token + len, payload, strlen(payload));
	signature_len = token_key_sign(keyring_signer(ring),
	    (struct str){token, (uint32_t)len}, signature);
	token[len++] = '.';
	len += base64url_write(token + len, signature, signature_len);
	token[len] = '\0';
	return token;
}

static enum code
verify_at(const char *token, int64_t now_us)
{
	struct claims claims;

	return token_verify(
	    ring, str_from(token), certificate, now_us, &claims);
}

static enum code
verify(const char *token)
{
	return verify_at(token, NOW_US);
}

/* ---- What is written is what is read ---- */

static void
test_round_trip(void)
{
	struct claims c = alice(), got;
	char token[TOKEN_MAX_LEN + 1], again[TOKEN_MAX_LEN + 1];
	size_t len = token_sign(ring, &c, token);

	is_i64(len, strlen(token), "a token of that length");
	is_text(token, signed_token(HEADER, payload_with(MEMBERS, NULL)),
	    "its header and payload");
	is_i64(token_verify(ring, str_from(token), certificate, NOW_US, &got),
	    CODE_NONE, "is good");
	is_text(got.rights.user, "alice", "the user");
	is_text(got.rights.roles, c.rights.roles, "the roles");
	is_text(got.rights.accounts, c.rights.accounts, "the accounts");
	is_text(got.rights.acts_for, c.rights.acts_for, "the patterns");
	ok(jti_eq(got.jti, c.jti), "the number");
	ok(got.issued_s == c.issued_s && got.not_before_s == c.not_before_s &&
		got.expires_s == c.expires_s,
	    "and the times come back");
	(void)token_sign(ring, &c, again);
	is_text(again, token, "the same claims make the same token");
	memset(&c.rights, 0, sizeof(c.rights));
	strcpy(c.rights.user, "bob@BankB");
	(void)token_sign(ring, &c, token);
	ok(token_verify(ring, str_from(token), certificate, NOW_US, &got) ==
		    CODE_NONE &&
		strcmp(got.rights.user, "bob@BankB") == 0 &&
		got.rights.roles[0] == '\0' && got.rights.accounts[0] == '\0' &&
		got.rights.acts_for[0] == '\0',
	    "a bank's customer without any right");
}

/* Fills up with elements until they take that many octets in JSON. */
static void
fill(char *list, size_t octets)
{
	size_t used = 0;

	for (unsigned i = 0;; i++) {
		char element[128];
		int len = snprintf(element, sizeof(element), "a@B%03u", i);

		if (used + (size_t)len + 3 > octets)
			break;
		if (i > 0)
			strcat(list, ",");
		strcat(list, element);
		used += (size_t)len + 3;
	}
}

/* lib/auth/users.c promises that this fits. */
static void
test_largest(void)
{
	struct claims c = alice(), got;
	char token[TOKEN_MAX_LEN + 1];
	int64_t now_us;
	size_t len;

	memset(&c.rights, 0, sizeof(c.rights));
	memset(c.rights.user, 'u', NAME_MAX_LEN);
	strcpy(c.rights.roles, "balance,pay,history");
	fill(c.rights.accounts, USERS_TOKEN_LISTS_MAX);
	c.jti = (struct jti){INT64_MAX, UINT64_MAX};
	c.expires_s = INT64_C(253402300799);
	c.issued_s = c.not_before_s = c.expires_s - TOKEN_LIFETIME_MAX_S;
	now_us = c.not_before_s * 1000000;
	len = token_sign(ring, &c, token);
	ok(len <= TOKEN_MAX_LEN && len > TOKEN_MAX_LEN - 128,
	    "the largest user's token takes %zu octets", len);
	is_i64(token_verify(ring, str_from(token), certificate, now_us, &got),
	    CODE_NONE, "and is good");
	is_text(got.rights.accounts, c.rights.accounts, "with every account");
	memset(&c.rights, 0, sizeof(c.rights));
	memset(c.rights.user, 'u', NAME_MAX_LEN);
	c.rights.user[NAME_MAX_LEN] = '@';
	memset(c.rights.user + NAME_MAX_LEN + 1, 'B', BANK_MAX_LEN);
	strcpy(c.rights.accounts, c.rights.user);
	(void)token_sign(ring, &c, token);
	is_i64(verify_at(token, now_us), CODE_NONE,
	    "so is a bank's longest customer");
}

static void
test_forms(void)
{
	is_i64(verify(signed_token("{\"typ\":\"JWT\",\"kid\":\"" KEY_RFC_ID
				   "\",\"alg\":\"EdDSA\"}",
		   "{" CNF "," ACTS_FOR "," ACCOUNTS "," ROLES "," JTI "," EXP
		   "," NBF "," IAT "," SUB "," AUD "," ISS "}")),
	    CODE_NONE, "members in any order");
	is_i64(verify(signed_token(HEADER,
		   " {\n" ISS " ,\t" AUD "," SUB "," IAT "," NBF "," EXP "," JTI
		   "," ROLES
		   ",\"accounts\" : [ \"alice@BankA\" , \"b@B\" ] ," ACTS_FOR
		   ",\"cnf\": { \"x5t#S256\" : \"" X5T "\" } } \r\n")),
	    CODE_NONE, "space between them");
}

/* ---- Times ---- */

static void
test_times(void)
{
	struct claims c = alice();
	char token[TOKEN_MAX_LEN + 1];

	(void)token_sign(ring, &c, token);
	is_i64(verify_at(token, (NOW_S + 300) * 1000000 - 1), CODE_NONE,
	    "good up to the last microsecond");
	is_i64(verify_at(token, (NOW_S + 300) * 1000000), CODE_TOKEN_EXPIRED,
	    "and not at exp itself");
	is_i64(verify_at(token, NOW_US - 1), CODE_TOKEN_INVALID,
	    "a microsecond before nbf");
	c.not_before_s = NOW_S + 400;
	(void)token_sign(ring, &c, token);
	is_i64(verify_at(token, (NOW_S + 350) * 1000000), CODE_TOKEN_INVALID,
	    "expired before it begins");
	c = alice();
	c.expires_s = NOW_S + TOKEN_LIFETIME_MAX_S + 1;
	(void)token_sign(ring, &c, token);
	is_i64(verify(token), CODE_NONE, "a day, rounded up to a second");
	c.expires_s++;
	(void)token_sign(ring, &c, token);
	is_i64(verify(token), CODE_TOKEN_INVALID,
	    "longer than a REVOKE is remembered");
	c.not_before_s = 0;
	(void)token_sign(ring, &c, token);
	is_i64(verify(token), CODE_TOKEN_INVALID, "since 1970");
}

/* ---- Whose it is ---- */

static void
test_certificate(void)
{
	struct claims c = alice();
	char token[TOKEN_MAX_LEN + 1];

	c.thumbprint[31] ^= 1;
	(void)token_sign(ring, &c, token);
	is_i64(verify(token), CODE_TOKEN_INVALID, "another certificate");
	is_i64(verify_at(token, (NOW_S + 300) * 1000000), CODE_TOKEN_INVALID,
	    "is told no more when it has expired");
}

static void
test_keys(void)
{
	struct keyring *old = ring, *other = ring_of(KEY_OTHER, NULL);
	struct keyring *both = ring_of(KEY_OTHER, KEY_RFC);
	struct keyring *secret =
	    ring_of_secret(SECRET_RFC, sizeof(SECRET_RFC) - 1);
	struct claims c = alice();
	char token[TOKEN_MAX_LEN + 1], hs256[TOKEN_MAX_LEN + 1];

	(void)token_sign(ring, &c, token);
	ring = other;
	is_i64(verify(token), CODE_TOKEN_INVALID, "a key that is not ours");
	ring = both;
	is_i64(verify(token), CODE_NONE, "a retired key verifies");
	(void)token_sign(ring, &c, token);
	ring = old;
	is_i64(verify(token), CODE_TOKEN_INVALID, "and signs no more");
	ring = secret;
	is_i64(token_sign(ring, &c, hs256) > 0 && verify(hs256) == CODE_NONE, 1,
	    "a secret signs and verifies");
	is_i64(verify(signed_token(
		   HEADER_OF(SECRET_RFC_ID), payload_with(MEMBERS, NULL))),
	    CODE_TOKEN_INVALID, "EdDSA in the name of a secret");
	ring = old;
	is_i64(verify(hs256), CODE_TOKEN_INVALID, "a secret that is not ours");
	keyring_free(other);
	keyring_free(both);
	keyring_free(secret);
}

/* ---- All that is refused ---- */

static void
refused_header(const char *header, const char *what)
{
	ok(verify(signed_token(header, payload_with(MEMBERS, NULL))) ==
		CODE_TOKEN_INVALID,
	    "header: %s", what);
}

static void
test_header(void)
{
	const char kid[] = "\"kid\":\"" KEY_RFC_ID "\"";
	char text[512];

	is_i64(verify(signed_token(HEADER, payload_with(MEMBERS, NULL))),
	    CODE_NONE, "the fixture itself is good");
#define WITH(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)
	refused_header(
	    WITH("{\"alg\":\"none\",\"typ\":\"JWT\",%s}", kid), "alg none");
	refused_header(
	    WITH("{\"alg\":\"HS256\",\"typ\":\"JWT\",%s}", kid), "alg HS256");
	refused_header(
	    WITH("{\"alg\":\"eddsa\",\"typ\":\"JWT\",%s}", kid), "alg eddsa");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"typ\":\"jwt\",%s}", kid), "typ jwt");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",%s}", kid), "typ");
	refused_header(WITH("{\"alg\":\"EdDSA\",%s}", kid), "no typ");
	refused_header(WITH("{\"typ\":\"JWT\",%s}", kid), "no alg");
	refused_header("{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", "no kid");
	refused_header(HEADER_OF("06E3FD8FDA29BB60"), "kid in upper case");
	refused_header(HEADER_OF("06e3fd8fda29bb6"), "kid cut short");
	refused_header(HEADER_OF(""), "an empty kid");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",%s,%s}", kid, kid),
	    "kid twice");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"typ\":\"JWT\",%s}",
		kid),
	    "alg twice");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",%s,\"crit\":[]}", kid),
	    "crit");
	refused_header(
	    WITH("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",%s,\"jwk\":{}}", kid),
	    "jwk");
	refused_header(WITH("{\"alg\":[\"EdDSA\"],\"typ\":\"JWT\",%s}", kid),
	    "alg in an array");
	refused_header(
	    WITH("{\"\\u0061lg\":\"EdDSA\",\"typ\":\"JWT\",%s}", kid),
	    "an escape");
	refused_header(WITH(HEADER "x"), "something behind it");
	refused_header("", "nothing");
	refused_header("{}", "an empty object");
	refused_header("[]", "an array");
	refused_header("{", "the start of one");
	refused_header(WITH("%.*s", (int)sizeof(HEADER) - 2, HEADER), "no end");
	refused_header(WITH("{\"alg\":\"EdDSA\",\"typ\":\"JWT\",%s,}", kid),
	    "a comma too many");
	refused_header(WITH("%200s" HEADER, ""), "too much space");
#undef WITH
}

struct refusal {
	uint32_t which;
	const char *member, *what;
};

static void
test_claims(void)
{
	static const struct refusal refusals[] = {
	    {M_ISS, "\"iss\":\"strive\"", "another iss"},
	    {M_ISS, "\"iss\":[\"strife\"]", "iss in an array"},
	    {M_AUD, "\"aud\":\"bank\"", "another aud"},
	    {M_AUD, "\"aud\":[\"strife\"]", "aud in an array"},
	    {M_AUD, "\"aud\":null", "no aud"},
	    {M_SUB, "\"sub\":\"\"", "an empty sub"},
	    {M_SUB, "\"sub\":\"a b\"", "a sub that is no user"},
	    {M_SUB, "\"sub\":\"alice@\"", "a sub without its bank"},
	    {M_SUB, "\"sub\":\"alice@1\"", "a sub of no bank"},
	    {M_SUB, "\"sub\":\"al\\u0069ce\"", "an escape"},
	    {M_SUB, "\"sub\":7", "a number for a user"},
	    {M_IAT, "\"iat\":\"1700000000\"", "iat as a string"},
	    {M_IAT, "\"iat\":-1", "iat before 1970"},
	    {M_NBF, "\"nbf\":1700000000.5", "half a second"},
	    {M_NBF, "\"nbf\":17e8", "an exponent"},
	    {M_NBF, "\"nbf\":01700000000", "a leading zero"},
	    {M_NBF, "\"nbf\":+1700000000", "a plus sign"},
	    {M_NBF, "\"nbf\":true", "nbf true"},
	    {M_EXP, "\"exp\":253402300800", "the year 10000"},
	    {M_EXP, "\"exp\":18446744073709551616", "more than 64 bits"},
	    {M_EXP, "\"exp\":", "no number"},
	    {M_EXP, "\"exp\":1700000300 1", "two numbers"},
	    {M_JTI, "\"jti\":\"17\"", "a jti without its epoch"},
	    {M_JTI, "\"jti\":\"3.\"", "a jti without its counter"},
	    {M_JTI, "\"jti\":\"3.017\"", "a jti in another form"},
	    {M_JTI, "\"jti\":3.17", "jti as a number"},
	    {M_ROLES, "\"roles\":\"pay\"", "roles as a string"},
	    {M_ROLES, "\"roles\":[\"admin\"]", "a role that there is not"},
	    {M_ROLES, "\"roles\":[\"pay\",]", "a comma too many"},
	    {M_ROLES, "\"roles\":[\"pay\" \"pay\"]", "a comma too few"},
	    {M_ROLES, "\"roles\":[[\"pay\"]]", "an array in an array"},
	    {M_ROLES, "\"roles\":[\"pay,balance\"]", "a comma in a role"},
	    {M_ROLES, "\"roles\":[\"pay\"", "no end"},
	    {M_ACCOUNTS, "\"accounts\":[\"alice\"]", "a bank's NAME alone"},
	    {M_ACCOUNTS, "\"accounts\":[\":equity.CZK@BankA\"]",
		"a bank's own account"},
	    {M_ACCOUNTS, "\"accounts\":{}", "accounts in an object"},
	    {M_ACTS_FOR, "\"acts_for\":[\"*\"]", "a pattern without a bank"},
	    {M_ACTS_FOR, "\"acts_for\":[\"*@*\"]", "all banks"},
	    {M_CNF, "\"cnf\":\"" X5T "\"", "cnf as a string"},
	    {M_CNF, "\"cnf\":{}", "an empty cnf"},
	    {M_CNF, "\"cnf\":{\"x5t\":\"" X5T "\"}", "x5t"},
	    {M_CNF, "\"cnf\":{\"x5t#S256\":\"" X5T "=\"}", "padding in cnf"},
	    {M_CNF, "\"cnf\":{\"x5t#S256\":\"AQID\"}", "a short x5t#S256"},
	    {M_CNF, "\"cnf\":{\"x5t#S256\":\"" X5T "AAAA\"}", "a long one"},
	    {M_CNF,
		"\"cnf\":{\"x5t#S256\":\"" X5T "\",\"x5t#S256\":\"" X5T "\"}",
		"one twice"},
	    {M_CNF, "\"cnf\":{\"x5t#S256\":\"" X5T "\",\"jwk\":{}}",
		"more in cnf"},
	    {M_CNF, CNF ",\"admin\":true", "an unknown member"},
	    {M_CNF, CNF ",", "a comma at the end"},
	    {M_CNF, CNF "}", "something behind it"},
	};
	char text[512];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];

		ok(verify(signed_token(
		       HEADER, payload_with(r->which, r->member))) ==
			CODE_TOKEN_INVALID,
		    "payload: %s", r->what);
	}
	for (uint32_t i = 0; i < MEMBERS; i++) {
		ok(verify(signed_token(HEADER, payload_with(i, NULL))) ==
			CODE_TOKEN_INVALID,
		    "payload without %s", members[i]);
		snprintf(text, sizeof(text), "%s,%s", members[i], members[i]);
		ok(verify(signed_token(HEADER, payload_with(i, text))) ==
			CODE_TOKEN_INVALID,
		    "payload with it twice");
	}
}

static void
refused(const char *token, const char *what)
{
	ok(verify(token) == CODE_TOKEN_INVALID, "token: %s", what);
}

static void
test_shape(void)
{
	const char *good = signed_token(HEADER, payload_with(MEMBERS, NULL));
	char token[4096], text[8192];
	char *dot, *last;

	strcpy(token, good);
	dot = strchr(token, '.');
	last = strrchr(token, '.');
#define WITH(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)
	refused("", "nothing");
	refused(".", "a dot");
	refused("..", "two dots");
	refused("...", "three dots");
	refused(WITH("%.*s", (int)(last - token), token), "no signature");
	refused(
	    WITH("%.*s.", (int)(last - token), token), "an empty signature");
	refused(WITH("%s.", token), "a fourth part");
	refused(WITH("%s=", token), "padding");
	refused(WITH("%.*s=%s", (int)(dot - token), token, dot),
	    "padding of the header");
	refused(WITH("%.*s=%s", (int)(last - token), token, last),
	    "padding of the payload");
	refused(WITH("%sA", token), "a longer signature");
	refused(WITH(" %s", token), "a space before it");
	refused(WITH("%s\n", token), "a line feed behind it");
	/* Of a signature's last character two bits do not count. */
	strcpy(text, token);
	text[strlen(text) - 1] = (char)(text[strlen(text) - 1] + 1);
	refused(text, "a signature in another form");
	strcpy(text, token);
	text[dot - token + 9] ^= 1;
	refused(text, "another payload");
	memset(text, 'A', 3073);
	text[3073] = '\0';
	refused(text, "more than 3,072 octets");
#undef WITH
}

/* One bit changed anywhere: never good, and nothing is read out of bounds. */
static void
test_every_bit(void)
{
	struct claims c = alice();
	char token[TOKEN_MAX_LEN + 1];
	size_t len = token_sign(ring, &c, token), good = 0;

	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			token[i] = (char)(token[i] ^ 1 << bit);
			if (token_verify(ring,
				(struct str){token, (uint32_t)len}, certificate,
				NOW_US, &c) != CODE_TOKEN_INVALID)
				good++;
			token[i] = (char)(token[i] ^ 1 << bit);
		}
	is_i64(good, 0, "no token with another bit is good");
	for (size_t cut = 0; cut < len; cut++)
		if (token_verify(ring, (struct str){token, (uint32_t)cut},
			certificate, NOW_US, &c) != CODE_TOKEN_INVALID)
			good++;
	is_i64(good, 0, "nor one that is cut short");
}

/* The parser alone, behind no signature: cut short and changed anywhere. */
static void
test_parser(void)
{
	const char *text = payload_with(MEMBERS, NULL);
	size_t len = strlen(text), taken = 0;
	struct claims c;
	char *copy;

	for (size_t cut = 0; cut < len; cut++) {
		/* Of its own size, so that a sanitizer sees its end. */
		copy = malloc(cut + 1);
		memcpy(copy, text, cut);
		taken +=
		    token_claims_read(&c, (struct str){copy, (uint32_t)cut})
		    ? 1
		    : 0;
		free(copy);
	}
	is_i64(taken, 0, "no start of a payload is one");
	copy = strdup(text);
	for (size_t i = 0; i < len; i++)
		for (int octet = 0; octet < 256; octet++) {
			copy[i] = (char)octet;
			(void)token_claims_read(
			    &c, (struct str){copy, (uint32_t)len});
			copy[i] = text[i];
		}
	ok(token_claims_read(&c, str_from(copy)), "any octet anywhere");
	free(copy);
}

int
main(void)
{
	keys_begin();
	ring = ring_of(KEY_RFC, NULL);
	test_round_trip();
	test_largest();
	test_forms();
	test_times();
	test_certificate();
	test_keys();
	test_header();
	test_claims();
	test_shape();
	test_every_bit();
	test_parser();
	keyring_free(ring);
	keys_end();
	return tap_done();
}
