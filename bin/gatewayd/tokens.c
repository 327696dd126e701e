#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include "auth/token.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define NS_PER_US INT64_C(1000)
#define ERROR_MAX 1024

_Static_assert(
    TOKEN_THUMBPRINT_OCTETS == sizeof(((struct tls_identity *)0)->thumbprint),
    "tokens are bound to what TLS says of a certificate");

struct tokens {
	struct keyring *ring; /* NULL: there is no key */
	int64_t lifetime_us;
};

/* ---- Keys ---- */

static int
open_ring(struct keyring **ring, const struct config *c, char *error,
    size_t error_size)
{
	*ring = NULL;
	if (c->token_secret != NULL)
		return keyring_open_secret(
		    ring, c->token_secret, error, error_size);
	if (c->token_keys.count > 0)
		return keyring_open(ring, c->token_keys.at, c->token_keys.count,
		    error, error_size);
	return 0;
}

int
tokens_new(struct tokens **opened, const struct config *c, char *error,
    size_t error_size)
{
	struct tokens *ts = calloc(1, sizeof(*ts));

	if (ts == NULL) {
		CHECK(str_copy(error, error_size, STR("out of memory")));
		return -1;
	}
	if (open_ring(&ts->ring, c, error, error_size) < 0) {
		free(ts);
		return -1;
	}
	ts->lifetime_us = c->token_lifetime_ns / NS_PER_US;
	*opened = ts;
	return 0;
}

void
tokens_free(struct tokens *ts)
{
	if (ts == NULL)
		return;
	keyring_free(ts->ring);
	free(ts);
}

void
tokens_reload(struct tokens *ts, const struct config *c)
{
	char error[ERROR_MAX];
	struct keyring *ring;

	if (open_ring(&ring, c, error, sizeof(error)) < 0) {
		log_error("the tokens' keys are bad: those read before stay",
		    LOG_C("error", error));
		return;
	}
	keyring_free(ts->ring);
	ts->ring = ring;
	ts->lifetime_us = c->token_lifetime_ns / NS_PER_US;
}

/* ---- Sessions ---- */

/*
 * The session lasts for as long as the token has left, by the monotonic clock:
 * should the other one jump, nobody is logged out by that.
 */
static struct grant
grant_of(const struct claims *claims, int64_t now_us)
{
	struct grant grant = {
	    .jti = claims->jti,
	    .issued_us = claims->issued_s * US_PER_S,
	    .expires_us = claims->expires_s * US_PER_S,
	};

	grant.ends_ns =
	    clock_mono_ns() + (grant.expires_us - now_us) * NS_PER_US;
	return grant;
}

static bool
enter(struct session *s, const char *tag, const struct rights *rights,
    const struct grant *grant)
{
	if (session_enter(s, rights, grant))
		return true;
	talk_error(&s->talk, tag, CODE_OVERLOADED, STR_NONE, NULL);
	return false;
}

/* The answer to LOGIN or AUTH, but for the token and its end. */
static void
start_answer(
    struct msg *m, enum verb verb, const char *tag, const struct rights *rights)
{
	msg_init(m, MSG_OK, verb, tag);
	msg_set_str(m, KEY_user, str_from(rights->user));
	msg_set_str(m, KEY_roles, str_from(rights->roles));
}

/* exp is rounded up, so that no token lives shorter than was configured. */
static void
fill_claims(struct claims *claims, const struct session *s,
    const struct rights *rights, int64_t now_us)
{
	const struct gatewayd *g = session_gatewayd(s);
	int64_t end_us = now_us + g->tokens->lifetime_us;

	claims->rights = *rights;
	claims->issued_s = claims->not_before_s = now_us / US_PER_S;
	claims->expires_s = (end_us + US_PER_S - 1) / US_PER_S;
	claims->jti = coord_next_jti(g->coord);
	memcpy(claims->thumbprint, conn_peer(s->talk.conn)->thumbprint,
	    sizeof(claims->thumbprint));
}

void
tokens_grant(struct session *s, const char *tag, const struct rights *rights)
{
	const struct tokens *ts = session_gatewayd(s)->tokens;
	char token[TOKEN_MAX_LEN + 1];
	int64_t now_us = clock_wall_us();
	struct claims claims;
	struct grant grant;
	struct msg m;

	fill_claims(&claims, s, rights, now_us);
	grant = grant_of(&claims, now_us);
	if (ts->ring == NULL) {
		grant.expires_us = 0;
		grant.ends_ns = INT64_MAX;
	}
	if (!enter(s, tag, rights, &grant))
		return;
	start_answer(&m, VERB_CLIENT_LOGIN, tag, rights);
	if (ts->ring != NULL) {
		(void)token_sign(ts->ring, &claims, token);
		msg_set_str(&m, KEY_token, str_from(token));
		msg_set_i64(&m, KEY_expires, grant.expires_us);
	}
	turn_send(s->talk.turn, s->talk.peer, &m);
	explicit_bzero(token, sizeof(token));
}

/* CODE_NONE: the token is good here and now. */
static enum code
verify(const struct session *s, struct str token, int64_t now_us,
    struct claims *claims)
{
	const struct gatewayd *g = session_gatewayd(s);
	enum code code;

	if (g->tokens->ring == NULL)
		return CODE_TOKEN_INVALID;
	code = token_verify(g->tokens->ring, token,
	    conn_peer(s->talk.conn)->thumbprint, now_us, claims);
	if (code == CODE_NONE &&
	    coord_revoked(g->coord, str_from(claims->rights.user), claims->jti))
		return CODE_TOKEN_REVOKED;
	return code;
}

void
tokens_auth(struct session *s, const struct msg *m)
{
	int64_t now_us = clock_wall_us();
	struct claims claims;
	struct grant grant;
	struct msg reply;
	enum code code = verify(s, m->v[KEY_token].str, now_us, &claims);

	if (code != CODE_NONE) {
		talk_error(&s->talk, m->tag, code, STR_NONE, NULL);
		return;
	}
	grant = grant_of(&claims, now_us);
	if (!enter(s, m->tag, &claims.rights, &grant))
		return;
	start_answer(&reply, m->verb, m->tag, &claims.rights);
	msg_set_i64(&reply, KEY_expires, grant.expires_us);
	turn_send(s->talk.turn, s->talk.peer, &reply);
}

void
tokens_logout(struct session *s, const struct msg *m)
{
	const struct gatewayd *g = session_gatewayd(s);
	struct str user = str_from(s->rights->user);
	struct event ev = {
	    .kind = EV_MSG,
	    .peer = s->talk.peer,
	    .msg = m,
	    .user = user,
	    .jti = s->grant.jti,
	    .issued_us = s->grant.issued_us,
	    .expires_us = s->grant.expires_us,
	};
	struct msg reply;

	if (s->grant.expires_us == 0) {
		(void)session_enter(s, NULL, NULL);
		msg_init(&reply, MSG_OK, m->verb, m->tag);
		turn_send(s->talk.turn, s->talk.peer, &reply);
		return;
	}
	/* Answered once the record is durable, or refused. */
	turn_event(s->talk.turn, &ev);
	if (coord_revoked(g->coord, user, s->grant.jti))
		(void)session_enter(s, NULL, NULL);
}
