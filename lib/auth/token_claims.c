#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/base64url.h"
#include "auth/token.h"

#define ISSUER "strife"
/* The last second of the year 9999, where our times on the wire end. */
#define SECONDS_MAX INT64_C(253402300799)
#define THUMBPRINT_LEN BASE64URL_LEN(TOKEN_THUMBPRINT_OCTETS)

/* ---- Writing ---- */

struct writer {
	char *at, *end;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void
put(struct writer *w, const char *format, ...)
{
	size_t room = (size_t)(w->end - w->at);
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(w->at, room, format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= room)
		w->full = true;
	else
		w->at += len;
}

/* A comma-separated list as an array; no element has what JSON escapes. */
static void
put_list(struct writer *w, const char *name, const char *list)
{
	const char *comma = "";

	put(w, ",\"%s\":[", name);
	while (*list != '\0') {
		size_t len = strcspn(list, ",");

		put(w, "%s\"%.*s\"", comma, (int)len, list);
		comma = ",";
		list += len + (list[len] == ',' ? 1 : 0);
	}
	put(w, "]");
}

static size_t
written(const struct writer *w, const char *start)
{
	return w->full ? 0 : (size_t)(w->at - start);
}

size_t
token_header_write(char *into, size_t size, const struct token_key *key)
{
	struct writer w = {into, into + size, false};

	put(&w, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}",
	    token_key_algorithm(key), token_key_id(key));
	return written(&w, into);
}

size_t
token_claims_write(char *into, size_t size, const struct claims *c)
{
	struct writer w = {into, into + size, false};
	char thumbprint[THUMBPRINT_LEN], jti[JTI_TEXT_MAX + 1];
	size_t len =
	    base64url_write(thumbprint, c->thumbprint, TOKEN_THUMBPRINT_OCTETS);

	put(&w, "{\"iss\":\"" ISSUER "\",\"aud\":\"" ISSUER "\"");
	put(&w, ",\"sub\":\"%s\"", c->rights.user);
	put(&w, ",\"iat\":%" PRId64 ",\"nbf\":%" PRId64 ",\"exp\":%" PRId64,
	    c->issued_s, c->not_before_s, c->expires_s);
	jti_text(c->jti, jti);
	put(&w, ",\"jti\":\"%s\"", jti);
	put_list(&w, "roles", c->rights.roles);
	put_list(&w, "accounts", c->rights.accounts);
	put_list(&w, "acts_for", c->rights.acts_for);
	put(&w, ",\"cnf\":{\"x5t#S256\":\"%.*s\"}}", (int)len, thumbprint);
	return written(&w, into);
}

/* ---- Reading: tokens of JSON ---- */

struct reader {
	const char *at, *end;
};

static void
skip_space(struct reader *r)
{
	while (r->at < r->end &&
	    (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' ||
		*r->at == '\r'))
		r->at++;
}

static bool
take(struct reader *r, char wanted)
{
	skip_space(r);
	if (r->at == r->end || *r->at != wanted)
		return false;
	r->at++;
	return true;
}

/* Printable ASCII without escapes. */
static bool
take_string(struct reader *r, struct str *text)
{
	if (!take(r, '"'))
		return false;
	text->at = r->at;
	while (r->at < r->end && *r->at >= ' ' && *r->at <= '~' &&
	    *r->at != '"' && *r->at != '\\')
		r->at++;
	text->len = (uint32_t)(r->at - text->at);
	if (r->at == r->end || *r->at != '"')
		return false;
	r->at++;
	return true;
}

/* Whole seconds: no sign, leading zero, fraction or exponent. */
static bool
take_seconds(struct reader *r, int64_t *seconds)
{
	const char *start;
	int64_t n = 0;

	skip_space(r);
	start = r->at;
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		n = n * 10 + (*r->at++ - '0');
		if (n > SECONDS_MAX)
			return false;
	}
	*seconds = n;
	return r->at == start + 1 || (r->at > start && *start != '0');
}

/* An array of strings that `legal` takes, as a comma-separated list. */
static bool
take_list(struct reader *r, char *into, size_t size, bool (*legal)(struct str))
{
	struct str element;
	size_t len = 0;

	into[0] = '\0';
	if (!take(r, '['))
		return false;
	if (take(r, ']'))
		return true;
	do {
		if (!take_string(r, &element) || !legal(element) ||
		    len + 1 + element.len >= size)
			return false;
		if (len > 0)
			into[len++] = ',';
		memcpy(into + len, element.at, element.len);
		len += element.len;
		into[len] = '\0';
	} while (take(r, ','));
	return take(r, ']');
}

/* ---- Reading: objects ---- */

struct member {
	const char *name;
	bool (*take)(struct reader *, void *into);
};

/* Every member of the table once, in any order, and nothing else. */
static bool
take_members(
    struct reader *r, const struct member *members, uint32_t count, void *into)
{
	uint32_t had = 0;
	struct str name;

	if (!take(r, '{'))
		return false;
	do {
		uint32_t i = 0;

		if (!take_string(r, &name) || !take(r, ':'))
			return false;
		while (i < count && !str_is(name, members[i].name))
			i++;
		if (i == count || (had & 1u << i) != 0 ||
		    !members[i].take(r, into))
			return false;
		had |= 1u << i;
	} while (take(r, ','));
	return take(r, '}') && had == (1u << count) - 1;
}

static bool
at_end(struct reader *r)
{
	skip_space(r);
	return r->at == r->end;
}

/* ---- The header ---- */

static bool
take_algorithm(struct reader *r, void *into)
{
	return take_string(r, &((struct token_header *)into)->algorithm);
}

static bool
take_type(struct reader *r, void *into)
{
	return take_string(r, &((struct token_header *)into)->type);
}

static bool
take_key_id(struct reader *r, void *into)
{
	return take_string(r, &((struct token_header *)into)->key_id);
}

bool
token_header_read(struct token_header *header, struct str text)
{
	static const struct member members[] = {
	    {"alg", take_algorithm},
	    {"typ", take_type},
	    {"kid", take_key_id},
	};
	struct reader r = {text.at, text.at + text.len};

	return take_members(
		   &r, members, sizeof(members) / sizeof(members[0]), header) &&
	    at_end(&r);
}

/* ---- Claims ---- */

static bool
take_ours(struct reader *r, void *into)
{
	struct str text;

	(void)into;
	return take_string(r, &text) && str_is(text, ISSUER);
}

static bool
take_subject(struct reader *r, void *into)
{
	struct rights *rights = &((struct claims *)into)->rights;
	struct account account;
	struct str text;

	return take_string(r, &text) &&
	    (name_valid(text) || account_parse(&account, text)) &&
	    str_copy(rights->user, sizeof(rights->user), text);
}

static bool
take_issued(struct reader *r, void *into)
{
	return take_seconds(r, &((struct claims *)into)->issued_s);
}

static bool
take_not_before(struct reader *r, void *into)
{
	return take_seconds(r, &((struct claims *)into)->not_before_s);
}

static bool
take_expires(struct reader *r, void *into)
{
	return take_seconds(r, &((struct claims *)into)->expires_s);
}

static bool
take_jti(struct reader *r, void *into)
{
	struct str text;

	return take_string(r, &text) &&
	    jti_parse(&((struct claims *)into)->jti, text);
}

static bool
is_account(struct str text)
{
	struct account account;

	return account_parse(&account, text);
}

static bool
take_roles(struct reader *r, void *into)
{
	struct rights *rights = &((struct claims *)into)->rights;

	return take_list(
	    r, rights->roles, sizeof(rights->roles), rights_role_valid);
}

static bool
take_accounts(struct reader *r, void *into)
{
	struct rights *rights = &((struct claims *)into)->rights;

	return take_list(
	    r, rights->accounts, sizeof(rights->accounts), is_account);
}

static bool
take_acts_for(struct reader *r, void *into)
{
	struct rights *rights = &((struct claims *)into)->rights;

	return take_list(r, rights->acts_for, sizeof(rights->acts_for),
	    rights_pattern_valid);
}

/* Its one member, written out: an object within the object. */
static bool
take_confirmation(struct reader *r, void *into)
{
	struct claims *c = into;
	struct str name, text;
	size_t len;

	return take(r, '{') && take_string(r, &name) &&
	    str_is(name, "x5t#S256") && take(r, ':') && take_string(r, &text) &&
	    base64url_read(c->thumbprint, sizeof(c->thumbprint), &len, text) &&
	    len == TOKEN_THUMBPRINT_OCTETS && take(r, '}');
}

bool
token_claims_read(struct claims *claims, struct str text)
{
	static const struct member members[] = {
	    {"iss", take_ours},
	    {"aud", take_ours},
	    {"sub", take_subject},
	    {"iat", take_issued},
	    {"nbf", take_not_before},
	    {"exp", take_expires},
	    {"jti", take_jti},
	    {"roles", take_roles},
	    {"accounts", take_accounts},
	    {"acts_for", take_acts_for},
	    {"cnf", take_confirmation},
	};
	struct reader r = {text.at, text.at + text.len};

	return take_members(
		   &r, members, sizeof(members) / sizeof(members[0]), claims) &&
	    at_end(&r);
}
