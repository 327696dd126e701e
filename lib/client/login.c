#include "client/login.h"

#include <bsd/readpassphrase.h>
#include <bsd/string.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum way { WAY_PASSWORD, WAY_TOKEN, WAY_CERTIFICATE, WAY_ASK, WAY_NONE };

struct login {
	struct login_options options;
	bool forced;  /* no file counts */
	bool was_in;  /* from now on, only this user */
	enum way way; /* of the request that is next, or unanswered */
	char user[NAME_MAX_LEN + 1];
	char bank[BANK_MAX_LEN + 1]; /* "": the gateway's own users */
	char whole[ACCOUNT_MAX_LEN + 1];
	char password[PASSWORD_MAX_LEN + 1]; /* "": none, or not yet asked */
	bool asked;                          /* a person gave it */
	struct token_file token;             /* token.token "": none */
	char token_why[160];                 /* why it is of no use, or "" */
	char why[LOGIN_WHY_MAX];
	struct login_grant grant;
};

__attribute__((format(printf, 2, 3))) static void
set_why(struct login *l, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(l->why, sizeof(l->why), format, ap);
	va_end(ap);
	CHECK(len >= 0);
}

/* ---- A person ---- */

int
login_ask_terminal(void *ctx, const char *user, char *into, size_t size)
{
	char prompt[ACCOUNT_MAX_LEN + 32];
	int len;

	(void)ctx;
	len = snprintf(prompt, sizeof(prompt), "Password for %s: ", user);
	CHECK(len > 0 && (size_t)len < sizeof(prompt));
	return readpassphrase(prompt, into, size, RPP_REQUIRE_TTY) == NULL ? -1
									   : 0;
}

/* Room for one octet too many, so that a longer password is not cut. */
static bool
ask(struct login *l)
{
	char password[PASSWORD_MAX_LEN + 2];
	bool good;

	if (l->options.ask == NULL ||
	    l->options.ask(l->options.ask_ctx, l->whole, password,
		sizeof(password)) == -1) {
		explicit_bzero(password, sizeof(password));
		return false;
	}
	good = password[0] != '\0' && text_valid(str_from(password)) &&
	    str_copy(l->password, sizeof(l->password), str_from(password));
	explicit_bzero(password, sizeof(password));
	if (!good)
		set_why(l, "a password is 1 to %d octets of UTF-8 text",
		    PASSWORD_MAX_LEN);
	l->asked = good;
	return good;
}

/* ---- Who ---- */

/* NAME or NAME@BANK, known to be legal. */
static void
set_user(struct login *l, const char *whole)
{
	const char *at = strchr(whole, '@');
	uint32_t len =
	    (uint32_t)(at != NULL ? (size_t)(at - whole) : strlen(whole));

	bool fits = str_copy(l->whole, sizeof(l->whole), str_from(whole)) &&
	    str_copy(l->user, sizeof(l->user), (struct str){whole, len}) &&
	    str_copy(l->bank, sizeof(l->bank),
		at != NULL ? str_from(at + 1) : STR_NONE);

	CHECK(fits);
}

/* ---- The token ---- */

static void
token_drop(struct login *l, const char *why)
{
	explicit_bzero(l->token.token, sizeof(l->token.token));
	(void)strlcpy(l->token_why, why, sizeof(l->token_why));
}

static void
token_take(struct login *l, const struct token_file *token)
{
	if (memcmp(token->certificate, l->options.self->thumbprint,
		sizeof(token->certificate)) != 0) {
		token_drop(l, "the token was given to another certificate");
	} else if (l->was_in && strcmp(token->user, l->whole) != 0) {
		token_drop(l, "the token is another user's by now");
	} else {
		l->token = *token;
		set_user(l, token->user);
	}
}

/* The file as it is now, where it may be used. */
static enum token_found
token_load(struct login *l, struct yaml_error *error)
{
	struct token_file token;
	enum token_found found = token_file_read(&token, error);

	token_drop(l, "");
	if (!l->was_in)
		set_user(l, l->options.config->user);
	switch (found) {
	case TOKEN_FOUND:
		token_take(l, &token);
		break;
	case TOKEN_UNSAFE:
	case TOKEN_WRONG:
		token_drop(l, error->text);
		break;
	case TOKEN_NONE:
		break;
	}
	explicit_bzero(&token, sizeof(token));
	return found;
}

/* ---- The ways ---- */

static enum way
first_way(const struct login *l)
{
	if (l->password[0] != '\0')
		return WAY_PASSWORD;
	if (l->token.token[0] != '\0')
		return WAY_TOKEN;
	if (l->forced && l->options.ask != NULL)
		return WAY_ASK;
	/* A bank knows no certificates of clients. */
	return l->bank[0] == '\0' ? WAY_CERTIFICATE : WAY_ASK;
}

void
login_begin(struct login *l)
{
	struct yaml_error error;

	l->why[0] = '\0';
	if (l->password[0] == '\0' && !l->forced)
		(void)token_load(l, &error);
	l->way = first_way(l);
}

static void
ask_login(struct login *l, struct msg *request)
{
	msg_init(request, MSG_REQUEST, VERB_CLIENT_LOGIN, "1");
	msg_set_str(request, KEY_user, str_from(l->user));
	if (l->way == WAY_PASSWORD)
		msg_set_str(request, KEY_password, str_from(l->password));
	if (l->bank[0] != '\0')
		msg_set_str(request, KEY_bank, str_from(l->bank));
}

/* What a person can do about it, at the end of every refusal. */
static void
why_nothing_left(struct login *l)
{
	char said[LOGIN_WHY_MAX / 2];

	if (l->forced)
		return;
	(void)strlcpy(said, l->why, sizeof(said));
	if (l->options.advice != NULL)
		set_why(l, "%s%s%s%s%s", l->token_why,
		    l->token_why[0] != '\0' ? "; " : "", said,
		    said[0] != '\0' ? "; " : "", l->options.advice);
	else
		set_why(l, "%s%s%s%slog in with: strife-pay login %s%s%s",
		    l->token_why, l->token_why[0] != '\0' ? "; " : "", said,
		    said[0] != '\0' ? "; " : "", l->user,
		    l->bank[0] != '\0' ? " --bank " : "", l->bank);
}

bool
login_request(struct login *l, struct msg *request)
{
	if (l->way == WAY_ASK)
		l->way = ask(l) ? WAY_PASSWORD : WAY_NONE;
	switch (l->way) {
	case WAY_PASSWORD:
	case WAY_CERTIFICATE:
		ask_login(l, request);
		return true;
	case WAY_TOKEN:
		msg_init(request, MSG_REQUEST, VERB_CLIENT_AUTH, "1");
		msg_set_str(request, KEY_token, str_from(l->token.token));
		return true;
	case WAY_ASK:
	case WAY_NONE:
		break;
	}
	why_nothing_left(l);
	return false;
}

static void
take_grant(struct login *l, const struct msg *reply)
{
	struct login_grant *grant = &l->grant;

	explicit_bzero(grant, sizeof(*grant));
	(void)str_copy(
	    grant->user, sizeof(grant->user), reply->v[KEY_user].str);
	(void)str_copy(
	    grant->roles, sizeof(grant->roles), reply->v[KEY_roles].str);
	if (msg_has(reply, expires))
		grant->expires_us = reply->v[KEY_expires].i64;
	if (reply->verb == VERB_CLIENT_LOGIN && msg_has(reply, token))
		(void)str_copy(grant->token, sizeof(grant->token),
		    reply->v[KEY_token].str);
	l->was_in = true;
}

/* "login as alice refused: CODE: text", and for how long where it is said. */
static void
say_refused(struct login *l, const struct msg *reply)
{
	enum code code = (enum code)reply->v[KEY_code].u64;
	struct str text = STR_NONE;
	char wait[48] = "";
	int len;

	if (msg_has(reply, text))
		text = reply->v[KEY_text].str;
	if (text.len > LOGIN_WHY_MAX / 3)
		text.len = 0;
	/* How long is said below, once. */
	if (code == CODE_LOCKED_OUT && msg_has(reply, after))
		text = str_from(code_words(code));
	if (msg_has(reply, after)) {
		len = snprintf(wait, sizeof(wait), "; try again in %llu s",
		    (unsigned long long)reply->v[KEY_after].u64);
		CHECK(len > 0 && (size_t)len < sizeof(wait));
	}
	set_why(l, "login as %s refused: %s%s%.*s%s", l->whole, code_text(code),
	    text.len > 0 ? ": " : "", STR_ARG(text), wait);
}

/* Refused for good: is there another way? */
static enum way
way_after(struct login *l, enum code code)
{
	switch (l->way) {
	case WAY_TOKEN:
		if (l->forced)
			return WAY_NONE;
		return l->bank[0] == '\0' ? WAY_CERTIFICATE : WAY_ASK;
	case WAY_CERTIFICATE:
		return code == CODE_BAD_CREDENTIALS && l->options.ask != NULL
		    ? WAY_ASK
		    : WAY_NONE;
	case WAY_PASSWORD:
	case WAY_ASK:
	case WAY_NONE:
		break;
	}
	return WAY_NONE;
}

static enum login_result
refused(struct login *l, enum code code)
{
	char why[sizeof(l->token_why)];
	enum way refused = l->way;
	int len;

	l->way = way_after(l, code);
	if (refused == WAY_TOKEN && !l->forced) {
		len = snprintf(why, sizeof(why), "the token of %s: %s",
		    l->whole, code_text(code));
		CHECK(len > 0);
		token_drop(l, why);
		l->why[0] = '\0';
	}
	if (l->way != WAY_NONE)
		return LOGIN_NEXT;
	if ((refused == WAY_CERTIFICATE && code == CODE_BAD_CREDENTIALS) ||
	    l->options.advice != NULL)
		why_nothing_left(l);
	/* A password that was typed wrong must not lock its user out. */
	if (refused == WAY_PASSWORD && l->asked &&
	    code == CODE_BAD_CREDENTIALS) {
		explicit_bzero(l->password, sizeof(l->password));
		l->asked = false;
	}
	return LOGIN_REFUSED;
}

enum login_result
login_answered(struct login *l, const struct msg *reply)
{
	enum code code;

	CHECK(reply->word == MSG_OK || reply->word == MSG_ERR);
	if (reply->word == MSG_OK) {
		take_grant(l, reply);
		return LOGIN_DONE;
	}
	code = (enum code)reply->v[KEY_code].u64;
	say_refused(l, reply);
	if (code_retry(code) == RETRY_SAME_ID)
		return LOGIN_BUSY;
	return refused(l, code);
}

const char *
login_why(const struct login *l)
{
	return l->why;
}

const char *
login_user(const struct login *l)
{
	return l->whole;
}

const struct login_grant *
login_grant(const struct login *l)
{
	return &l->grant;
}

/* ---- Making one ---- */

int
login_new(struct login **login, const struct login_options *options,
    struct yaml_error *error)
{
	const struct client_config *config = options->config;
	struct login *l = calloc(1, sizeof(*l));
	enum token_found found;

	if (l == NULL) {
		(void)snprintf(
		    error->text, sizeof(error->text), "%s", strerror(errno));
		return -1;
	}
	l->options = *options;
	l->way = WAY_NONE;
	l->forced = options->forced;
	set_user(l, config->user);
	if (l->forced) {
		*login = l;
		return 0;
	}
	if (config->password_file != NULL) {
		if (client_config_password(
			config, l->password, sizeof(l->password), error) == -1)
			goto fail;
	} else {
		found = token_load(l, error);
		if (found == TOKEN_UNSAFE || found == TOKEN_WRONG)
			goto fail;
	}
	*login = l;
	return 0;
fail:
	login_free(l);
	return -1;
}

void
login_free(struct login *l)
{
	if (l == NULL)
		return;
	explicit_bzero(l, sizeof(*l));
	free(l);
}

void
login_use_password(
    struct login *l, const char *user, const char *bank, const char *password)
{
	char whole[ACCOUNT_MAX_LEN + 1];
	int len = snprintf(whole, sizeof(whole), "%s%s%s", user,
	    bank != NULL ? "@" : "", bank != NULL ? bank : "");
	bool fits;

	CHECK(len > 0 && (size_t)len < sizeof(whole));
	l->forced = true;
	l->was_in = false;
	token_drop(l, "");
	set_user(l, whole);
	explicit_bzero(l->password, sizeof(l->password));
	l->asked = false;
	if (password != NULL) {
		fits = str_copy(
		    l->password, sizeof(l->password), str_from(password));
		CHECK(fits);
	}
}

void
login_forget(struct login *l)
{
	l->forced = true;
	l->was_in = false;
	l->asked = false;
	explicit_bzero(l->password, sizeof(l->password));
	explicit_bzero(&l->grant, sizeof(l->grant));
	token_drop(l, "");
	set_user(l, l->options.config->user);
}

void
login_use_token(struct login *l, const struct token_file *token)
{
	l->forced = true;
	explicit_bzero(l->password, sizeof(l->password));
	l->token = *token;
	set_user(l, token->user);
}
