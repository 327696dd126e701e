#include "login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/lockout.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "tokens.h"

/* Pairs and certificates whose failures are remembered. */
#define SUSPECTS_MAX 16384

/* NAME or NAME@BANK, and a NUL. */
#define WHOLE_SIZE (NAME_MAX_LEN + 1 + BANK_MAX_LEN + 1)

/* A check under way: who is to be answered, and for whom it counts. */
struct login {
	TAILQ_ENTRY(login)
	entry; /* free */
	struct logins *logins;
	bool used;
	uint32_t generation;
	struct peer peer;
	char tag[TAG_MAX_LEN + 1];
	char user[WHOLE_SIZE];
	char suspect[WHOLE_SIZE + 1]; /* for whom a failure counts */
	char bank[BANK_MAX_LEN + 1];
	char certificate[TLS_NAME_MAX + 1];
};

struct logins {
	struct gatewayd *gatewayd;
	struct lockout *lockout;
	TAILQ_HEAD(, login) free;
	uint32_t used;
	struct login at[LOGINS_MAX];
};

struct logins *
logins_new(struct gatewayd *g, const struct hash_key *key)
{
	struct logins *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->gatewayd = g;
	ls->lockout =
	    lockout_new((uint32_t)g->config.login_burst, SUSPECTS_MAX, key);
	if (ls->lockout == NULL) {
		free(ls);
		return NULL;
	}
	TAILQ_INIT(&ls->free);
	for (uint32_t i = 0; i < LOGINS_MAX; i++) {
		ls->at[i].logins = ls;
		TAILQ_INSERT_TAIL(&ls->free, &ls->at[i], entry);
	}
	return ls;
}

void
logins_free(struct logins *ls)
{
	if (ls == NULL)
		return;
	lockout_free(ls->lockout);
	free(ls);
}

uint32_t
logins_waiting(const struct logins *ls)
{
	return ls->used;
}

/* ---- Answers ---- */

/* What a failure of any kind is to the client: nothing more than it must. */
static enum code
refusal_of(enum code code)
{
	switch ((int)code) {
	case CODE_BAD_CREDENTIALS:
	case CODE_NO_SUCH_BANK:
		return CODE_BAD_CREDENTIALS;
	case CODE_OVERLOADED:
	case CODE_BANK_UNAVAILABLE:
	case CODE_BANK_TIMEOUT:
		return code;
	}
	return CODE_INTERNAL;
}

/* ---- The end of a check ---- */

static void
give(struct login *l)
{
	struct logins *ls = l->logins;

	l->used = false;
	l->generation++;
	ls->used--;
	TAILQ_INSERT_TAIL(&ls->free, l, entry);
}

static void
answer_locked(struct session *s, const char *tag, uint32_t wait_s)
{
	char text[80];
	struct msg m;

	snprintf(text, sizeof(text), "too many failures; wait %u second%s",
	    wait_s, wait_s == 1 ? "" : "s");
	msg_error(&m, VERB_CLIENT_LOGIN, tag, CODE_LOCKED_OUT, text);
	msg_set_u64(&m, KEY_after, wait_s);
	turn_send(s->talk.turn, s->talk.peer, &m);
	session_slow(s);
}

/*
 * Guesses made side by side are all under way before the first one has failed:
 * those that end after the lock learn nothing, and count for nothing.
 */
static bool
locked_meanwhile(struct login *l, struct session *s)
{
	struct logins *ls = l->logins;
	uint32_t wait_s = lockout_wait_s(ls->lockout, str_from(l->suspect),
	    str_from(l->certificate), clock_mono_ns());

	if (wait_s == 0)
		return false;
	if (s != NULL)
		answer_locked(s, l->tag, wait_s);
	return true;
}

static void
ended(struct login *l, enum code code, const struct rights *rights)
{
	struct logins *ls = l->logins;
	struct session *s = session_of(ls->gatewayd->sessions, l->peer);
	struct str suspect = str_from(l->suspect);
	struct str certificate = str_from(l->certificate);

	if ((code == CODE_NONE || code == CODE_BAD_CREDENTIALS) &&
	    locked_meanwhile(l, s)) {
		give(l);
		return;
	}
	if (code == CODE_NONE) {
		lockout_good(ls->lockout, suspect, certificate);
	} else if (code == CODE_BAD_CREDENTIALS) {
		lockout_failed(
		    ls->lockout, suspect, certificate, clock_mono_ns());
		/* Whoever waits for the answer has a line of his own. */
		if (s == NULL)
			log_warn("login refused", LOG_C("user", l->user),
			    LOG_C("certificate", l->certificate));
	}
	if (s != NULL && code == CODE_NONE) {
		talk_barrier(&s->talk, false);
		tokens_grant(s, l->tag, rights);
	} else if (s != NULL) {
		talk_error(&s->talk, l->tag, code, STR_NONE, NULL);
		talk_barrier(&s->talk, false);
	}
	give(l);
}

void
logins_checked(struct logins *ls, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	uint32_t i = (uint32_t)cookie;
	enum code code = CODE_INTERNAL;
	struct login *l;

	CHECK(i < LOGINS_MAX);
	l = &ls->at[i];
	CHECK(l->used && l->generation == (uint32_t)(cookie >> 32));
	switch (outcome) {
	case CHECKER_GRANTED:
		code = CODE_NONE;
		break;
	case CHECKER_REFUSED:
		code = CODE_BAD_CREDENTIALS;
		break;
	case CHECKER_OVERLOADED:
		code = CODE_OVERLOADED;
		break;
	case CHECKER_BROKEN:
		log_error("strife-authd could not check a login",
		    LOG_C("user", l->user));
		break;
	}
	ended(l, code, rights);
}

/* ---- A customer of a bank ---- */

static void
bank_answered(void *ctx, const struct ask_answer *answer)
{
	struct login *l = ctx;
	struct rights rights;
	int len;

	if (answer->code != CODE_NONE) {
		ended(l, refusal_of(answer->code), NULL);
		return;
	}
	if (!rights_roles_valid(answer->roles)) {
		log_warn("a bank answered AUTHENTICATE with roles that there "
			 "are not",
		    LOG_C("bank", l->bank), LOG_C("user", l->user),
		    LOG_C("roles", answer->roles));
		ended(l, CODE_INTERNAL, NULL);
		return;
	}
	memset(&rights, 0, sizeof(rights));
	CHECK(str_copy(rights.user, sizeof(rights.user), str_from(l->user)));
	rights_set_roles(&rights, answer->roles);
	len = snprintf(rights.accounts, sizeof(rights.accounts), "%s@%s",
	    answer->account, l->bank);
	CHECK(len > 0 && (size_t)len < sizeof(rights.accounts));
	ended(l, CODE_NONE, &rights);
}

static void
ask_bank(struct login *l, const struct msg *m)
{
	struct msg request;

	/* A certificate says nothing to a bank. */
	if (!msg_has(m, password)) {
		ended(l, CODE_BAD_CREDENTIALS, NULL);
		return;
	}
	msg_init(&request, MSG_REQUEST, VERB_DOWN_AUTHENTICATE, "");
	msg_set_str(&request, KEY_user, m->v[KEY_user].str);
	msg_set_str(&request, KEY_password, m->v[KEY_password].str);
	if (asks_bank(l->logins->gatewayd->asks, str_from(l->bank), &request,
		bank_answered, l) == NULL)
		ended(l, CODE_OVERLOADED, NULL);
}

/* ---- The start ---- */

static void
write_user(char *into, size_t size, const struct msg *m)
{
	int len = msg_has(m, bank)
	    ? snprintf(into, size, "%.*s@%.*s", STR_ARG(m->v[KEY_user].str),
		  STR_ARG(m->v[KEY_bank].str))
	    : snprintf(into, size, "%.*s", STR_ARG(m->v[KEY_user].str));

	CHECK(len > 0 && (size_t)len < size);
}

/*
 * A program whose token has expired tries its certificate again and again: that
 * guesses nothing, and must not lock out the person who brings the password. So
 * those without one are counted apart, under what is no user's name.
 */
static void
write_suspect(char *into, size_t size, const char *user, const struct msg *m)
{
	int len =
	    snprintf(into, size, "%s%s", msg_has(m, password) ? "" : " ", user);

	CHECK(len > 0 && (size_t)len < size);
}

static struct login *
take(struct logins *ls, struct session *s, const struct msg *m)
{
	struct login *l = TAILQ_FIRST(&ls->free);

	if (l == NULL)
		return NULL;
	TAILQ_REMOVE(&ls->free, l, entry);
	l->used = true;
	ls->used++;
	l->peer = s->talk.peer;
	CHECK(str_copy(l->tag, sizeof(l->tag), str_from(m->tag)));
	CHECK(str_copy(
	    l->certificate, sizeof(l->certificate), str_from(s->certificate)));
	write_user(l->user, sizeof(l->user), m);
	write_suspect(l->suspect, sizeof(l->suspect), l->user, m);
	l->bank[0] = '\0';
	if (msg_has(m, bank))
		CHECK(str_copy(l->bank, sizeof(l->bank), m->v[KEY_bank].str));
	return l;
}

void
login_start(struct logins *ls, struct session *s, const struct msg *m)
{
	char user[WHOLE_SIZE], suspect[WHOLE_SIZE + 1];
	struct checker *checker = ls->gatewayd->checker;
	uint32_t wait_s;
	struct login *l;
	uint64_t cookie;

	write_user(user, sizeof(user), m);
	write_suspect(suspect, sizeof(suspect), user, m);
	wait_s = lockout_wait_s(ls->lockout, str_from(suspect),
	    str_from(s->certificate), clock_mono_ns());
	if (wait_s > 0) {
		answer_locked(s, m->tag, wait_s);
		return;
	}
	l = take(ls, s, m);
	if (l == NULL) {
		talk_error(&s->talk, m->tag, CODE_OVERLOADED, STR_NONE, NULL);
		session_slow(s);
		return;
	}
	talk_barrier(&s->talk, true);
	cookie = (uint64_t)l->generation << 32 | (uint32_t)(l - ls->at);
	if (msg_has(m, bank))
		ask_bank(l, m);
	else if (msg_has(m, password))
		checker_password(checker, cookie, m->v[KEY_user].str,
		    m->v[KEY_password].str);
	else
		checker_certificate(checker, cookie, m->v[KEY_user].str,
		    str_from(s->certificate));
}
